"""Nothing is needed here: the plugin comes from its entry point.

Put fixtures and hooks for your own checks into this file.
"""
