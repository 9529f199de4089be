"""Watching networks: capture, what was seen in it, and what may be concluded from it."""
