"""Profiles: which controls a run judges, with which values, and why some are left out."""
