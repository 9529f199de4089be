"""`python -m pytest_sysaudit.command` is `sysaudit`."""

from __future__ import annotations

from pytest_sysaudit.command import main

main()
