"""How often a real sshd is asked for all that the shipped checks of hosts want to know."""

from __future__ import annotations

import json

import pytest
import yaml
from lab.project import project
from lab.sshd import Sshd, needs_sshd

__all__ = ["project"]

pytestmark = [needs_sshd, pytest.mark.slow]

#: Counts what goes over the wire; the commands of the plan ride with the login.
CONFTEST = """
import json
from pathlib import Path
from pytest_sysaudit.transport.ssh import open_ssh

class Counted:
    def __init__(self, transport, ahead):
        self._transport = transport
        self.trips = [["login", len(ahead)]]
    def __getattr__(self, name):
        return getattr(self._transport, name)
    def run(self, command, **options):
        self.trips.append(["run", command if isinstance(command, str) else " ".join(command)])
        return self._transport.run(command, **options)
    def run_many(self, commands, **options):
        self.trips.append(["run_many", [str(command) for command in commands]])
        return self._transport.run_many(commands, **options)
    def read(self, path, **options):
        self.trips.append(["read", path])
        return self._transport.read(path, **options)
    def close(self):
        Path("trips.json").write_text(json.dumps(self.trips))
        self._transport.close()

def opened(target, secrets, targets, ahead=()):
    return Counted(open_ssh(target, secrets, targets, ahead), ahead)

def pytest_sysaudit_transports():
    return {"ssh": opened}
"""
UNPLANNED = """
def pytest_sessionstart(session):
    from pytest_sysaudit.hooks import foresee
    foresee.Planner.plans = lambda self: {}
"""
CHECKS = [f"pytest_sysaudit.checks.{name}" for name in ("linux", "ssh", "health")]
#: Families of what moves from run to run, as other tests come and go on this machine.
MOVING = {"files", "health", "log", "net", "perm", "secret", "time"}
#: The library needs no more, the search of all file systems among them.
MOST = 12


def audit(project, conftest):
    """Run all checks of hosts; return the verdicts, and the round trips after the login."""
    (project.path / "conftest.py").write_text(conftest)
    result = project.run("--pyargs", *CHECKS, timeout=400)
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    rows = [
        (row["check"], row["resource"], tuple(row["params"].items()), row["verdict"])
        for row in project.document["results"]
        if row["control"].partition(".")[0] not in MOVING
    ]
    trips = json.loads((project.path / "trips.json").read_text())
    return rows, trips[0], trips[1:]


def test_all_that_the_shipped_checks_ask_is_read_in_a_handful_of_round_trips(project, tmp_path):
    with Sshd(tmp_path) as server:
        hosts = {"web": {**server.entry(), "vars": {"allowed_ports": [22]}}}
        project.inventory(yaml.safe_dump({"version": 1, "hosts": hosts}))
        planned, login, trips = audit(project, CONFTEST)
        unplanned, _, more = audit(project, CONFTEST + UNPLANNED)
    assert len(planned) > 60
    assert login[1] > 8, "the plan did not ride with the login"
    assert len(trips) <= MOST
    assert len(more) > 2 * MOST
    assert planned == unplanned
