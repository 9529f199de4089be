"""Audit real systems with plain pytest checks."""

from __future__ import annotations

__version__ = "0.1.0"
