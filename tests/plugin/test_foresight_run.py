"""What a run reads of each host right after the login, and what it does not."""

from __future__ import annotations

import json
from itertools import chain

import pytest

CONFTEST = """
import json
from pathlib import Path
from pytest_sysaudit.errors import CannotAssess, Denied
from pytest_sysaudit.transport.local import LocalTransport

class Logged(LocalTransport):
    measure = property()  # so that nothing is measured but by commands
    def __init__(self, target):
        super().__init__(target)
        self.target = target.name
    def log(self, *commands):
        texts = [c if isinstance(c, str) else " ".join(c) for c in commands]
        with Path("trips.jsonl").open("a") as file:
            file.write(json.dumps([self.target, texts]) + "\\n")
    def run(self, command, **options):
        self.log(command)
        return super().run(command, **options)
    def run_many(self, commands, *, timeout=None, user=None):
        self.log(*commands)
        return [self.one(command, user) for command in commands]
    def one(self, command, user):
        if "broken" in command:
            return Denied("the host refused")
        try:
            return super().run(command, user=user)
        except CannotAssess as error:
            return error

def pytest_sysaudit_transports():
    return {"ssh": lambda target, secrets, targets: Logged(target)}

def pytest_sysaudit_facts():
    return {"odd": "odd"}
"""
ODD = """
ASKS = ("echo broken",)

def read(facts):
    return facts.run("echo broken").out
"""
INVENTORY = """\
version: 1
groups: {web: {}}
hosts:
  alpha: {address: 192.0.2.1, groups: [web]}
  beta: {address: 192.0.2.2}
"""


@pytest.fixture
def audited(project):
    project.inventory(INVENTORY)
    (project.path / "conftest.py").write_text(CONFTEST)
    (project.path / "odd.py").write_text(ODD)
    project.pytester.syspathinsert(project.path)
    return project


def trips(project):
    """Return the round trips of each host: the words that stand in each command's first line."""
    found = {}
    for line in (project.path / "trips.jsonl").read_text().splitlines():
        target, commands = json.loads(line)
        found.setdefault(target, []).append(commands)
    return found


def asked(trip, *words):
    """Return which of *words* stand in a command of *trip*."""
    commands = list(trip)
    return [word for word in words if any(word in command for command in commands)]


def test_all_that_the_source_tells_is_read_in_one_round_trip(audited):
    audited.check(
        """
        NAMES = ["passwd", "group"]

        @pytest.mark.parametrize("name", NAMES)
        def test_file(host, name):
            assert host.file(f"/etc/{name}").exists

        def test_users(host):
            assert host.facts.accounts.users

        def test_mounts(host):
            assert host.mount_point("/proc").exists
            assert host.facts.sysctl_keys["kernel.ostype"] == "Linux"
        """
    )
    assert audited.run().ret == 0
    for found in trips(audited).values():
        assert len(found) == 1
        words = ("stat -L", "/etc/passwd", "/etc/group", "/proc/self/mounts", "ostype")
        assert asked(found[0], *words) == list(words)


def test_a_host_is_asked_only_what_its_own_checks_ask(audited):
    audited.check(
        """
        @pytest.mark.targets("web")
        def test_users(host):
            assert host.facts.accounts.users

        @pytest.mark.targets("beta")
        def test_mounts(host):
            assert host.facts.mounts.at("/")

        @pytest.mark.skip(reason="not today")
        def test_skipped(host):
            assert host.facts.packages

        def test_deselected(host):
            assert host.facts.sockets
        """
    )
    audited.run("-k", "not deselected")
    words = ("/etc/group", "/proc/self/mounts", "/var/lib/dpkg", "ss -H")
    found = trips(audited)
    assert asked(chain(*found["alpha"]), *words) == ["/etc/group"]
    assert asked(chain(*found["beta"]), *words) == ["/proc/self/mounts"]


def test_a_planned_read_that_failed_is_the_error_of_who_asks_for_it(audited):
    audited.check(
        """
        def test_odd(host):
            assert host.facts.odd

        def test_users(host):
            assert host.facts.accounts.users
        """
    )
    audited.run()
    assert audited.verdicts()["alpha", "test_odd"] == "error"
    assert audited.verdicts()["alpha", "test_users"] == "pass"
    assert "the host refused" in audited.row("alpha", "::test_odd")["message"]


def test_what_cannot_be_foreseen_is_asked_by_the_check(audited):
    audited.check(
        """
        def test_file(host):
            for name in host.check_output("echo passwd group").split():
                assert host.file("/etc/" + name).exists

        def test_sudo(host, request):
            table = "mo" + "unts"
            assert getattr(host.facts, table).at("/")
        """
    )
    assert audited.run().ret == 0
    assert len(trips(audited)["alpha"]) > 2


def test_a_source_that_foresight_cannot_read_does_no_harm(audited):
    audited.check(
        """
        exec("def test_made(host):\\n assert host.facts.accounts.users")

        @pytest.mark.parametrize("how", [lambda host: host.facts.mounts.at("/")])
        def test_called(host, how):
            assert how(host)
        """
    )
    assert audited.run().ret == 0


def test_equal_sets_of_checks_share_one_plan(audited):
    audited.check(
        """
        def test_users(host):
            assert host.facts.accounts.users

        @pytest.mark.parametrize("path", ["/a", "/b"])
        def test_file(host, path):
            assert not host.file(path).exists
        """
    )
    (audited.path / "conftest.py").write_text(
        CONFTEST
        + """
def pytest_sessionfinish(session):
    from pytest_sysaudit.hooks.keys import state_of
    plans = state_of(session.config).plans
    print("PLANS", plans["alpha"] is plans["beta"], dict(plans["alpha"].keys))
"""
    )
    result = audited.run("-s")
    result.stdout.fnmatch_lines(["*PLANS True {'paths': ('/a', '/b')}*"])


def test_what_no_command_can_hold_harms_nobody_else(audited):
    audited.check(
        """
        def test_nul(host):
            assert not host.file("/a\\0b").exists

        def test_half(host):
            assert not host.exists("\\ud800")

        def test_users(host):
            assert host.facts.accounts.users
        """
    )
    audited.run()
    for name, verdict in (("test_nul", "error"), ("test_half", "error"), ("test_users", "pass")):
        assert audited.verdicts()["alpha", name] == verdict


def test_a_table_whose_module_is_missing_is_the_error_of_who_asks_for_it(audited):
    with (audited.path / "conftest.py").open("a") as conftest:
        conftest.write("def pytest_sysaudit_facts():\n return {'lost': 'no.such.module:read'}\n")
    audited.check(
        """
        def test_lost(host):
            assert host.facts.lost

        def test_users(host):
            assert host.facts.accounts.users
        """
    )
    audited.run()
    assert audited.verdicts()["alpha", "test_lost"] == "error"
    assert audited.verdicts()["alpha", "test_users"] == "pass"
