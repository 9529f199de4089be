"""Many hosts, half of them dead: one timeout for all, a reason for each, no thread too many."""

from __future__ import annotations

import contextlib
import json
import threading

import pytest
from lab import faults
from lab.project import Project, project
from lab.sshd import Secrets, Sshd, needs_sshd, wait_until

from pytest_sysaudit.connections import Connections
from pytest_sysaudit.errors import Unreachable

pytestmark = needs_sshd

__all__ = ["project"]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    config = ["MaxStartups 1000"]
    with Sshd(tmp_path_factory.mktemp("sshd"), address="0.0.0.0", config=config) as server:
        yield server


def entry(server: Sshd, number: int, **changes):
    """One of the many hosts that the server is: each has a loopback address of its own."""
    pin = {"fingerprint": server.fingerprint, "known_hosts": None}
    return server.entry(**{"address": f"127.0.3.{number + 1}", "ssh": pin, **changes})


@pytest.mark.slow
@pytest.mark.parametrize("connection", ["ssh", "openssh"])
def test_the_dead_among_many_cost_one_timeout(sshd, project: Project, connection):
    """The bound is the issue's: connect_timeout and 5 seconds; one after the other took 40."""
    with contextlib.ExitStack() as stack:
        hosts = {}
        for number in range(20):
            address, port = stack.enter_context(faults.unanswered())
            hosts[f"dead{number}"] = entry(sshd, number, address=address, port=port)
        hosts |= {f"web{number}": entry(sshd, number) for number in range(20)}
        hosts = {name: {**host, "connection": connection} for name, host in hosts.items()}
        defaults = {"connect_timeout": 2}
        project.inventory(json.dumps({"version": 1, "defaults": defaults, "hosts": hosts}))
        project.check(
            """
            def test_one(ssh_host):
                assert ssh_host.check_output("echo here") == "here"
            def test_two(ssh_host):
                assert ssh_host.check_output("echo here") == "here"
            """
        )
        result = project.run()
    assert result.ret == 10
    assert result.duration < 2 + 5 + 5  # 5 for a machine that does other things too
    verdicts = project.verdicts()
    assert {v for (name, _), v in verdicts.items() if name.startswith("web")} == {"pass"}
    for number in range(20):
        rows = [r for r in project.document["results"] if r["target"] == f"dead{number}"]
        messages = sorted(row["message"] for row in rows)
        assert "did not answer within 2 s" in messages[0]
        assert messages[1] == f"not assessed: {messages[0]}" or (
            messages[0] == f"not assessed: {messages[1]}"
        )


@pytest.mark.parametrize("connection", ["ssh", "openssh"])
def test_threads_end_when_their_host_is_open(sshd, connection):
    targets = {
        f"web{n}": sshd.target(f"web{n}", **entry(sshd, n), connection=connection)
        for n in range(12)
    }
    before = threading.active_count()
    ways = Connections(targets, Secrets())
    ways.dial(list(targets.values()))
    hosts = [ways.host(target) for target in targets.values()]
    assert [host.run("echo here").stdout for host in hosts] == ["here\n"] * 12
    own = {"ssh": 12, "openssh": 1}[connection]  # paramiko has one for each connection
    wait_until(lambda: threading.active_count() <= before + own, what="the dialers have ended")
    ways.close()
    wait_until(lambda: threading.active_count() <= before, what="no thread is left")
    wait_until(lambda: not sshd.session_pids(), what="no session is left")


def test_a_mixed_inventory(sshd):
    """Each entry chooses its own way; a jump host may be of the other kind."""
    targets = {
        "ours": sshd.target("ours", **entry(sshd, 1)),
        "theirs": sshd.target("theirs", **entry(sshd, 2), connection="openssh"),
    }
    pin = {"fingerprint": sshd.fingerprint, "known_hosts": None}
    behind = entry(sshd, 3, ssh={**pin, "proxy_jump": "ours"}, connection="openssh")
    other = entry(sshd, 4, ssh={**pin, "proxy_jump": "theirs"})
    targets["behind"] = sshd.target("behind", **behind)
    targets["other"] = sshd.target("other", **other)
    ways = Connections(targets, Secrets())
    ways.dial(list(targets.values()))
    kinds = {name: type(ways.host(t).transport).__name__ for name, t in targets.items()}
    assert all(ways.host(target).run("true").succeeded for target in targets.values())
    ways.close()
    ours, theirs = "SshTransport", "OpensshTransport"
    assert kinds == {"ours": ours, "theirs": theirs, "behind": theirs, "other": ours}


def test_the_reason_of_a_dead_host_is_told_to_each_who_asks(tmp_path):
    with Sshd(tmp_path / "sshd") as server:
        target = server.target(ssh={"fingerprint": "SHA256:" + "A" * 43})
    ways = Connections({"web1": target}, Secrets())
    errors = []
    with pytest.raises(Unreachable) as caught:
        ways.host(target)
    errors.append(str(caught.value))
    for asker in ("dmz", "web1"):
        with pytest.raises(Unreachable) as caught:
            ways.refuse_dead("web1", asker=asker)
        errors.append(str(caught.value))
    assert len(set(errors)) == 1
