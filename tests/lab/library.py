"""The whole library over some hosts, run as users run it, and what it said and cost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from pytest_sysaudit.record import Verdict, worst

ROOT = Path(__file__).parents[2]
CHECKS = ("checks/linux", "checks/ssh", "checks/health")
#: What the machine below the hosts does is no matter of theirs.
IDLE = {
    "health.load": {"maximum": 1000.0},
    "health.pressure": {"maximum": {"cpu": 100.0, "memory": 100.0, "io": 100.0}},
}
#: What an ordinary user can never be told: no control of these may pass for him.
ROOT_ONLY = (
    *("account.aging", "account.authorized-keys", "account.dotfiles", "account.empty-password"),
    *("account.hash-strength", "account.nis", "account.root-path", "audit.boot", "audit.config"),
    *("audit.immutable", "audit.rules", "boot.*", "cron.jobs-safe", "cron.suspicious", "files.*"),
    *(
        "health.deleted-exe",
        "health.fds",
        "health.raid",
        "health.restart-needed",
        "health.tmp-exec",
    ),
    *("log.patterns", "net.firewall*", "package.verify", "perm.cron"),
    *("perm.var-log", "secret.history", "secret.netrc", "secret.ssh-keys", "ssh.*", "sudo.*"),
    *("tls.*", "container.daemon", "container.privileged", "container.socket"),
    "integrity.installed",
)
#: What he is only told where a part that is open to everybody says enough.
PARTLY = ("container.tcp", "integrity.scheduled", "kernel.reboot", "log.no-listen")
#: What looks like one of these, and is open to everybody.
OPEN = ("ssh.client", "ssh.wire")
#: A plugin that counts what goes over the wire; the commands of the plan ride with the login.
COUNTING = """
import json
from pathlib import Path
from pytest_sysaudit.transport.ssh import open_ssh

HERE = Path(__file__).parent

class Counted:
    def __init__(self, name, transport, ahead):
        self._name, self._transport = name, transport
        self.trips = []
    def __getattr__(self, name):
        return getattr(self._transport, name)
    def run(self, command, **options):
        self.trips.append(str(command))
        return self._transport.run(command, **options)
    def run_many(self, commands, **options):
        self.trips.append([str(command) for command in commands])
        return self._transport.run_many(commands, **options)
    def read(self, path, **options):
        self.trips.append(path)
        return self._transport.read(path, **options)
    def close(self):
        (HERE / f"trips-{self._name}.json").write_text(json.dumps(self.trips))
        self._transport.close()

def opened(target, secrets, targets, ahead=()):
    return Counted(target.name, open_ssh(target, secrets, targets, ahead), ahead)

def pytest_sysaudit_transports():
    return {"ssh": opened}
"""


def declared() -> set[str]:
    """Return the controls that the library has."""
    return {
        control
        for folder in CHECKS
        for path in (ROOT / folder).glob("*.py")
        for control in re.findall(r'mark\.control\(\s*"([^"]+)"', path.read_text())
    }


def needs_root(control: str) -> bool:
    """Whether an ordinary user must not get a pass for *control*."""
    known = any(fnmatchcase(control, pattern) for pattern in ROOT_ONLY)
    return known and control not in OPEN


@dataclass(frozen=True)
class Audited:
    """One run.

    Attributes:
        code: pytest's exit code.
        rows: results by target and control.
        trips: what each host was asked after its login.
        wall: seconds.
        said: all that the run printed and wrote.
        folder: where its files are.
    """

    code: int
    rows: Mapping[str, Mapping[str, list[dict[str, Any]]]]
    trips: Mapping[str, list[Any]]
    wall: float
    said: str
    folder: Path

    def verdicts(self, target: str) -> dict[str, Verdict]:
        """Return the worst verdict of each control."""
        return {
            control: worst([Verdict(row["verdict"]) for row in rows])
            for control, rows in self.rows[target].items()
        }

    def messages(self, target: str, control: str, verdict: str = "fail") -> str:
        """Return all that the control's results of that verdict say, with what they are about."""
        rows = [row for row in self.rows[target].get(control, ()) if row["verdict"] == verdict]
        return "\n".join(
            " ".join([row["message"] or "", row["resource"] or "", *row["params"].values()])
            for row in rows
        )


def audit(
    folder: Path,
    hosts: Mapping[str, Mapping[str, object]],
    *options: str,
    inputs: Mapping[str, object] | None = None,
) -> Audited:
    """Run the library over *hosts* (entries of an inventory), or what *options* choose of it."""
    folder.mkdir(exist_ok=True)
    inventory, report = folder / "inventory.yaml", folder / "results.json"
    document = {"version": 1, "hosts": dict(hosts), "inputs": dict(inputs or {})}
    inventory.write_text(yaml.safe_dump(document))
    (folder / "counting_trips.py").write_text(COUNTING)
    argv = [sys.executable, "-m", "pytest", *CHECKS, "-q", "-p", "no:cacheprovider"]
    argv += ["-p", "counting_trips", f"--audit-inventory={inventory}"]
    argv += [f"--audit-report=json={report}", *options]
    started = time.perf_counter()
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{folder}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    wall = time.perf_counter() - started
    assert report.exists(), done.stdout + done.stderr
    rows: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in json.loads(report.read_text())["results"]:
        rows[row["target"]][row["control"]].append(row)
    trips = {
        path.stem.removeprefix("trips-"): json.loads(path.read_text())
        for path in folder.glob("trips-*.json")
    }
    said = done.stdout + done.stderr
    said += "".join(path.read_text() for path in folder.iterdir() if path.is_file())
    return Audited(done.returncode, rows, trips, wall, said, folder)
