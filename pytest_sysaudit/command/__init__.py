"""The `sysaudit` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line of this process."""
    raise SystemExit("sysaudit: not there yet")
