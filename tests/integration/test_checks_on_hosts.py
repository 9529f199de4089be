"""The shipped Linux, ssh and health checks on real hosts with systemd, over real ssh."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from lab import audited, nspawn
from lab.tiny import tiny_host

from pytest_sysaudit.record import Verdict, worst

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(bool(nspawn.why_not()), reason=nspawn.why_not() or "never"),
]

ROOT = Path(__file__).parents[2]
CHECKS = ["checks/linux", "checks/ssh", "checks/health"]

#: What only root is told; and what this kernel and these hosts do not have.
NEEDS_ROOT = {"account.nis", "account.empty-password", "account.hash-strength", "sudo.nopasswd"}
NEEDS_ROOT |= {"files.ww-files", "files.ww-dirs"}
NOT_HERE = {"kernel.ptrace", "health.swap"}
#: What nobody can plant in a second, or would make the host useless.
NOT_PLANTED = {"health.memory", "health.load", "health.uptime", "health.swap", "kernel.ptrace"}


def audit(folder, entries, *options):
    """Audit *entries* and return the exit code and the worst verdict by target and control."""
    inventory = folder / "inventory.yaml"
    idle = {"health.load": {"maximum": 1000}}  # the load is that of the machine under the hosts
    inventory.write_text(yaml.safe_dump({"version": 1, "hosts": entries, "inputs": idle}))
    report = folder / "results.json"
    argv = [sys.executable, "-m", "pytest", *CHECKS, "-q", "-p", "no:cacheprovider"]
    argv += [f"--audit-inventory={inventory}", f"--audit-report=json={report}", *options]
    result = subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert report.exists(), result.stdout + result.stderr
    found = defaultdict(lambda: defaultdict(list))
    for row in json.loads(report.read_text())["results"]:
        found[row["target"]][row["control"]].append(row)
    return result.returncode, found


def verdicts(controls):
    """Return the worst verdict of each control."""
    return {
        control: worst([Verdict(row["verdict"]) for row in rows])
        for control, rows in controls.items()
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The results for the weak host, the hardened one, and that as an ordinary user sees it."""
    with (
        nspawn.booted_host("weak", audited.WEAK, sysctls=audited.WEAK_NET) as weak,
        nspawn.booted_host("hardened", audited.HARDENED, sysctls=audited.HARDENED_NET) as hardened,
    ):
        done = weak.run(audited.WEAK_RUNNING)
        assert done.returncode == 0, done.stderr
        ports = {"vars": {"allowed_ports": [22]}}
        entries = {
            "weak": weak.entry() | {"vars": {"allowed_ports": [22, 443]}},
            "hardened": hardened.entry() | ports,
            "ordinary": hardened.entry("auditor") | ports,
        }
        return audit(tmp_path_factory.mktemp("hosts"), entries)[1]


def test_every_planted_fault_is_found(found):
    judged = verdicts(found["weak"])
    missed = {control: v for control, v in judged.items() if v is not Verdict.FAIL}
    assert set(missed) == NOT_PLANTED, {c: (v, found["weak"][c]) for c, v in missed.items()}


def test_no_error_hides_behind_a_failure(found):
    rows = [row for rows in found["weak"].values() for row in rows]
    assert [row for row in rows if row["verdict"] == "error"] == []


def test_the_hardened_host_is_clean(found):
    judged = verdicts(found["hardened"])
    bad = {
        c: found["hardened"][c] for c, v in judged.items() if v not in ("pass", "not_applicable")
    }
    assert bad == {}
    absent = {control for control, v in judged.items() if v is Verdict.NOT_APPLICABLE}
    assert absent == NOT_HERE
    assert len(judged) > 50


def test_an_ordinary_user_is_told_what_he_cannot_see(found):
    judged = verdicts(found["ordinary"])
    blind = {control for control, verdict in judged.items() if verdict is Verdict.ERROR}
    sshd = {control for control in judged if control.startswith("ssh.")}
    assert blind == NEEDS_ROOT | sshd - {"ssh.hostkey-mode", "ssh.config-mode"}
    for control in blind:
        reasons = [row["message"] for row in found["ordinary"][control]]
        assert all("root" in reason or "denied" in reason for reason in reasons), reasons
    assert Verdict.FAIL not in judged.values()


def test_hashes_are_in_no_result(found):
    text = json.dumps(found)
    assert "irWbblnpmw" not in text
    assert "Ab3xyzABCDEFG" not in text


def test_a_tiny_host_is_assessed_as_far_as_it_goes(tmp_path):
    """Busybox and dropbear: what is missing does not apply, and nothing is a guess."""
    with tiny_host() as machine:
        judged = audit(tmp_path, {"tiny": machine.entry()})[1]["tiny"]
    found = verdicts(judged)
    errors = {control for control, v in found.items() if v is Verdict.ERROR}
    assert errors == {"service.unwanted"}  # there may be services, under an init we cannot ask
    absent = {control for control, v in found.items() if v is Verdict.NOT_APPLICABLE}
    expected = {c for c in found if c.startswith(("ssh.", "sudo.", "service.", "package."))}
    assert absent >= expected - errors
    assert found["account.uid0"] is Verdict.PASS
    assert found["account.empty-password"] is Verdict.PASS
    assert found["files.ww-files"] is Verdict.PASS
    assert found["perm.shadow"] is Verdict.PASS
    assert found["mount.tmp"] is Verdict.FAIL
