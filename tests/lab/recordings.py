"""Small recordings, whole and half done, for tests of what is written and verified."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_sysaudit.evidence.limits import Limits
from pytest_sysaudit.evidence.observation import Observation
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.evidence.signing import SigningKey
from pytest_sysaudit.evidence.writer import BundleJournal, open_journal

BEGIN = {
    "run": "run-1",
    "started": "2026-11-23T10:00:00.000Z",
    "inventory": {"path": "/audit/inventory.yaml", "sha256": "", "text": "version: 1\n"},
}
ENDED = "2026-11-23T10:00:09.000Z"
#: Longer than what stands in a record, and much smaller when it is packed.
LONG = b"".join(b"line %d\n" % number for number in range(100))


def main_journal(
    folder: Path,
    *secrets: str,
    key: SigningKey | None = None,
    limits: Limits | None = None,
) -> BundleJournal:
    return open_journal(
        folder,
        process="main",
        redactor=Redactor(secrets),
        begin=BEGIN,
        key=key,
        limits=limits or Limits(),
    )


def worker_journal(folder: Path, process: str = "gw0", *secrets: str) -> BundleJournal:
    return open_journal(folder, process=process, redactor=Redactor(secrets), begin=None)


def seen(
    words: str = "id -u",
    *,
    target: str = "web1",
    started: float = 1_795_000_000.5,
    parts: Mapping[str, bytes] | None = None,
    **more: Any,
) -> Observation:
    """A command that was run."""
    said: dict[str, Any] = {
        "kind": "command",
        "asked": {"command": words.split(), "user": None},
        "duration": 0.25,
        "answer": {"exit_code": 0},
        **more,
    }
    return Observation(
        target=target, started=started, parts={"stdout": b"0\n"} if parts is None else parts, **said
    )


def row(control: str = "ssh.root", evidence: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """A row of the json report."""
    return {
        "control": control,
        "check": "ssh/test_root.py::test_root",
        "target": "web1",
        "resource": "",
        "params": {},
        "verdict": "pass",
        "evidence": list(evidence),
        **more,
    }


def small(folder: Path, *, key: SigningKey | None = None, finish: bool = True) -> Path:
    """A recording of a run with one worker: contents in records and in packs, results."""
    main = main_journal(folder, key=key)
    worker = worker_journal(folder)
    listed = worker.note(seen("cat /etc/x", parts={"stdout": LONG, "stderr": b"warn\xff"}))
    main.control({"id": "ssh.root", "title": "No root"})
    opened = main.note(seen(kind="target", asked={}, parts={}))
    main.note(seen("ls", parts={"stdout": LONG}, made_of=(opened.id,)))
    main.result(row(evidence=(listed.id,)))
    worker.close()
    if finish:
        main.finish({"ended": ENDED})
    else:
        main.close()
    return folder
