"""Fixtures of the plugin's tests."""

from lab.project import project, refused_port

__all__ = ["project", "refused_port"]
