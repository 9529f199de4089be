"""A small project under audit, run by pytester in a process of its own."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

INVENTORY = """\
version: 1
groups: {web: {}, db: {}}
hosts:
  alpha: {connection: local, groups: [web], vars: {colour: red}}
  beta: {connection: local, groups: [db]}
"""


class Project:
    """Files of a user, and what pytest makes of them."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path: Path = pytester.path
        self.inventory(INVENTORY)

    def inventory(self, text: str) -> None:
        (self.path / "inventory.yaml").write_text(text)

    def check(self, text: str, name: str = "test_it.py") -> None:
        path = self.path / "checks" / name
        path.parent.mkdir(exist_ok=True)
        import textwrap

        path.write_text("import pytest\n" + textwrap.dedent(text))

    def run(self, *args: str, timeout: float = 120) -> pytest.RunResult:
        return self.pytester.runpytest_subprocess(
            "-p", "no:cacheprovider", "--audit-report=json=out.json", *args, timeout=timeout
        )

    @property
    def document(self) -> dict[str, Any]:
        return json.loads((self.path / "out.json").read_text())

    def verdicts(self) -> dict[tuple[str, str], str]:
        """Return the verdict of each (target, function[resource or parameters])."""
        found = {}
        for row in self.document["results"]:
            name = row["check"].rpartition("::")[2]
            extra = row["resource"] or ",".join(row["params"].values())
            found[row["target"], f"{name}[{extra}]" if extra else name] = row["verdict"]
        return found

    def row(self, target: str, function: str) -> dict[str, Any]:
        rows = self.document["results"]
        (row,) = [r for r in rows if r["target"] == target and r["check"].endswith(function)]
        return row


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    return Project(pytester)


@pytest.fixture
def refused_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
