"""Runs the `sysaudit` command in this process, or as people do."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pytest_sysaudit.command.ending import run


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of it."""

    code: int
    out: str
    err: str


class Command:
    """Calls `sysaudit` with captured output; see the fixture of the same name."""

    def __init__(self, capsys) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Ended:
        self._capsys.readouterr()
        code = run([str(one) for one in arguments])
        said = self._capsys.readouterr()
        return Ended(code, said.out, said.err)


def shell(line: str, folder: Path, **environment: str) -> Ended:
    """Run *line* in bash, with `sysaudit` and `pytest` of this Python on the path."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), clean["PATH"]])
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={**clean, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
