"""A project whose hosts exist only in its conftest.py, for runs with lanes."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

CONFTEST = """\
    import logging
    import threading
    import time

    import pytest

    from pytest_sysaudit import CommandResult, lanes

    TOGETHER = threading.Barrier(3)


    class Imagined:
        def __init__(self, target):
            self.name, self.identity = target.name, {}

        def run(self, command, *, stdin=b"", timeout=None, user=None):
            lanes.wait(self._wait, str(command))
            return CommandResult(
                command=command, exit_code=0, stdout=b"x", stderr=b"", started=0, duration=0
            )

        def _wait(self, command):
            what, _, number = command.partition(" ")
            if what == "meet":
                TOGETHER.wait(20)
            elif what == "sleep":
                time.sleep(float(number))

        def close(self):
            pass


    @pytest.hookimpl
    def pytest_sysaudit_transports():
        return {"ssh": lambda target, secrets, targets: Imagined(target)}
"""
"""``host.run("meet")`` returns only when three lanes are in it at once."""

INVENTORY = """\
version: 1
hosts:
  h1: {address: 192.0.2.1}
  h2: {address: 192.0.2.2}
  h3: {address: 192.0.2.3}
"""


def settled(text: str | None) -> str:
    """Return *text* without what differs from run to run."""
    text = re.sub(r"0x[0-9a-f]+", "0x", text or "")
    text = re.sub(r"pytest-\d+", "pytest-N", text)
    return re.sub(r"\d+\.\d+ ?s\b", "T", text)


def junit_cases(path: Path) -> list[Any]:
    """Return the cases of a JUnit file in their order, times aside."""
    return [
        (
            case.get("classname"),
            case.get("name"),
            [
                (
                    part.tag,
                    settled(part.get("message")),
                    settled(part.text),
                    [(p.get("name"), p.get("value")) for p in part if p.get("name") != "timestamp"],
                )
                for part in case
            ],
        )
        for case in ET.parse(path).getroot().iter("testcase")
    ]


def document(path: Path) -> dict[str, Any]:
    """Return a json report without its run block and the times."""
    found = json.loads(settled(path.read_text()))
    del found["run"]
    for row in found["results"]:
        del row["started"], row["duration"]
    return found
