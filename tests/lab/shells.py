"""A transport that runs everything in a shell of this machine, and counts the commands."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from lab.fake import FakeTransport

from pytest_sysaudit.transport.base import Command, CommandResult, show

#: What a host's /bin/sh may be.
SHELLS = (("dash",), ("bash", "--posix"), ("busybox", "sh"), ("mksh",))
#: Runs a shell as somebody who may see little.
NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class ShellTransport(FakeTransport):
    """Runs commands with *shell*, an argv; canned *results* come first."""

    def __init__(self, *shell: str, folder: str | None = None, **fields: object) -> None:
        super().__init__(**{"unknown": 1, **fields})  # type: ignore[arg-type]
        self.shell: Sequence[str] = shell or ("sh",)
        self.folder = folder

    def run(self, command: Command, **options: object) -> CommandResult:
        """Run *command*, or give the canned answer."""
        if any(key(command) if callable(key) else key == show(command) for key in self.results):
            return super().run(command, **options)  # type: ignore[arg-type]
        self.calls.append((command, None))
        done = subprocess.run(
            [part.encode() for part in self.shell]
            + [b"-c", show(command).encode("utf-8", "surrogateescape")],
            capture_output=True,
            check=False,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            env=_ENVIRONMENT,
        )
        return CommandResult(
            command=command,
            exit_code=done.returncode,
            stdout=done.stdout,
            stderr=done.stderr,
            started=0.0,
            duration=0.0,
        )

    def count(self, *but: str) -> int:
        """Return how many commands were run, those left out that hold a word of *but*."""
        return sum(not any(word in show(command) for word in but) for command, _ in self.calls)
