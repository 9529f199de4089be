"""Real hosts that are recorded, and judged again with nothing behind the recording."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading

import pytest
from lab.faults import Relay
from lab.journal import MemoryJournal
from lab.shells import SHELLS, ShellTransport
from lab.sshd import Secrets, Sshd, needs_sshd, temporary_user, wait_until
from lab.tapes import recorded, replayed, shape, tried
from lab.ways import EITHER_WAY

from pytest_sysaudit.errors import ConnectionLost, Denied, Incomplete, TimedOut
from pytest_sysaudit.evidence.redact import MASK, Redactor
from pytest_sysaudit.facts import TABLES, KeyedTable
from pytest_sysaudit.facts.asks import find_reader, is_keyed
from pytest_sysaudit.facts.plan import Plan
from pytest_sysaudit.transport.ssh import open_ssh

#: They look at every file of every disk.
SLOW = {"capabilities", "file_search", "orphans", "verified_files", "owners"}
PLAIN = sorted(n for n, reader in TABLES.items() if not is_keyed(find_reader(reader)))
QUICK = [name for name in PLAIN if name not in SLOW]
KEYS = {
    "commands": ["sh", "no-such-program"],
    "contents": ["/etc/hostname", "/etc/no-such-file", "/etc"],
    "group_entries": ["root", "nobody-at-all"],
    "listings": ["/etc", "/etc/passwd", "/no"],
    "matches": ["/etc/passwd\0root", "/etc/passwd\0^nobody-at-all:"],
    "md5": ["/etc/passwd"],
    "paths": ["/etc/passwd", "/etc/shadow", "/etc/none", "/", "odd\nname"],
    "real_paths": ["/bin/../etc", "/etc/none/x"],
    "sha256": ["/etc/passwd", "/etc/none"],
    "shadow_entries": ["root"],
    "small_files": ["/etc/passwd", "/etc/none"],
    "sysctl_keys": ["kernel.ostype", "kernel.none"],
    "texts": ["/etc/pam.d/*", "/etc/none/*.conf"],
    "user_entries": ["root", "nobody-at-all"],
    "user_groups": ["root"],
}
HEALTH = ("load", "memory", "swap", "disks", "processes", "listening", "uptime", "cpu_count")


def everything(host):
    """What all tables, rows and resources say, each with its evidence."""
    found = {}
    for name in QUICK:
        found[name] = tried(lambda host, n=name: getattr(host.facts, n), host)
    for name, keys in KEYS.items():
        for key in keys:
            place = f"{name} {key}"
            found[place] = tried(lambda host, n=name, k=key: getattr(host.facts, n)[k], host)
    for name in HEALTH:
        found[f"health.{name}"] = tried(lambda host, n=name: getattr(host.health, n), host)
    asks = {
        "file": lambda host: (host.file("/etc/passwd").user, host.file("/etc/shadow").mode),
        "user": lambda host: (host.user("root").shell, host.user("root").groups),
        "package": lambda host: host.package("bash").version,
        "system": lambda host: host.system_info.distribution,
        "run": lambda host: host.run("id -u; echo %s", "a b").stdout,
        "read": lambda host: host.sftp.read("/etc/hostname"),
        "stat": lambda host: host.sftp.stat("/etc/passwd"),
        "listdir": lambda host: host.sftp.listdir("/etc"),
        "missing": lambda host: host.sftp.read("/etc/no-such-file"),
    }
    return {**found, **{name: tried(ask, host) for name, ask in asks.items()}}


def shapes(found):
    """*found* as it can be compared; what is read bit by bit is left to who asks it."""
    lazy = ("health", "package_index")
    return {
        name: shape((None if name in lazy else value, ids))
        for name, (value, ids, _) in found.items()
    }


@pytest.fixture(params=SHELLS[::2], ids=lambda shell: shell[0])
def shell(request):
    if not shutil.which(request.param[0]):
        pytest.skip(f"{request.param[0]} is not installed")
    return ShellTransport(*request.param)


def test_every_table_comes_back_from_any_shell(shell):
    journal = MemoryJournal()
    first = everything(recorded(shell, journal))
    asked = len(shell.calls)
    assert shapes(everything(replayed(journal))) == shapes(first)
    assert len(shell.calls) == asked
    assert {name for name, (value, _, _) in first.items() if value is None} <= {"health"}


@needs_sshd
@EITHER_WAY
def test_every_table_comes_back_from_ssh(sshd, opener):
    journal = MemoryJournal()
    target = sshd.target()
    plan = Plan(("passwd", "sshd", "package_index"), {"paths": ("/etc/passwd", "/etc/none")})
    ahead = plan.commands(TABLES)
    with contextlib.closing(opener(target, Secrets(), {}, ahead=ahead)) as transport:
        host = recorded(transport, journal, target, plan=plan)
        host.read_ahead()
        first = everything(host)
        identity = dict(host.identity)
    sshd_log = sshd.logged("Accepted")
    again = replayed(journal, target, plan=plan)
    again.read_ahead()
    found = everything(again)
    assert shapes(found) == shapes(first)
    assert dict(again.identity) == identity
    assert identity["host_key"] == sshd.fingerprint
    assert sshd.logged("Accepted") == sshd_log
    assert first["package_index"][0].by_name["bash"] == found["package_index"][0].by_name["bash"]


def test_keyed_tables_are_all_among_the_keys():
    keyed = {n for n, reader in TABLES.items() if is_keyed(find_reader(reader))}
    others = {"certificates", "log_lines", "secrets", "unit_properties", "unit_states"}
    assert keyed == {*KEYS, *others}
    assert issubclass(find_reader(TABLES["paths"]), KeyedTable)


root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make users")


@pytest.fixture(scope="module")
def plain_user(tmp_path_factory):
    """A server that lets in somebody who may do nothing but become daemon."""
    if shutil.which("sudo") is None:
        pytest.skip("needs sudo")
    with (
        temporary_user(sudo=["{user} ALL=(daemon) NOPASSWD: ALL"]) as user,
        Sshd(tmp_path_factory.mktemp("plain"), user=user.name) as server,
    ):
        yield server


@needs_sshd
@pytest.mark.root
@root_only
def test_what_is_denied_is_denied_again_and_sudo_users_are_told_apart(plain_user):
    journal = MemoryJournal()
    target = plain_user.target()

    def become(user):
        def ask(host):
            with host.sudo(user):
                return host.run("id -un").stdout, host.facts.whoami

        return ask

    asks = {
        "shadow": lambda host: host.sftp.read("/etc/shadow"),
        "table": lambda host: host.facts.shadow,
        "row": lambda host: host.facts.small_files["/etc/shadow"],
        "root": become("root"),
        "daemon": become("daemon"),
        "self": lambda host: (host.run("id -un").stdout, host.facts.whoami),
    }
    with contextlib.closing(open_ssh(target, Secrets(), {})) as transport:
        host = recorded(transport, journal, target)
        first = {name: tried(ask, host) for name, ask in asks.items()}
    again = replayed(journal, target)
    for name, ask in asks.items():
        value, ids, _ = tried(ask, again)
        assert ids == first[name][1]
        if isinstance(value, tuple) and isinstance(value[0], type):
            assert issubclass(first[name][0][0], value[0])
            assert value[1] == first[name][0][1]
        else:
            assert value == first[name][0]
    for name in ("shadow", "table", "row", "root"):
        assert issubclass(first[name][0][0], Denied), name
    assert first["daemon"][0] == ("daemon\n", "daemon")
    assert first["self"][0] == (f"{plain_user.user}\n", plain_user.user)


@needs_sshd
def test_commands_that_did_not_end_did_not_end_in_a_replay_either(sshd):
    journal = MemoryJournal()
    target = sshd.target(command_timeout=0.3, max_output=1000)
    asks = (
        lambda host: host.run("sleep 20"),
        lambda host: host.run("yes"),
        lambda host: host.run("echo on"),
    )
    with contextlib.closing(open_ssh(target, Secrets(), {})) as transport:
        host = recorded(transport, journal, target)
        first = [tried(ask, host) for ask in asks[:2]]
        assert host.run("echo on").stdout == "on\n"
    again = replayed(journal, target)
    assert [tried(ask, again) for ask in asks[:2]] == first
    assert [value[0] for value, _, _ in first] == [TimedOut, Incomplete]
    assert again.run("echo on").stdout == "on\n"


@needs_sshd
def test_a_connection_that_broke_in_the_middle_breaks_at_the_same_place(sshd):
    journal = MemoryJournal()
    with Relay((sshd.address, sshd.port)) as relay:
        address, port = relay.address
        ssh = {"known_hosts": None, "fingerprint": sshd.fingerprint}
        target = sshd.target(address=address, port=port, ssh=ssh)
        with contextlib.closing(open_ssh(target, Secrets(), {})) as transport:
            host = recorded(transport, journal, target)
            before = tried(lambda host: host.facts.passwd, host)
            mark = f"/tmp/{sshd.port}-began"
            line = f"touch {mark}; sleep 20"
            cut = threading.Thread(
                target=lambda: (wait_until(lambda: os.path.exists(mark)), relay.cut())  # noqa: PTH110
            )
            cut.start()
            try:
                lost = tried(lambda host: host.run(line), host)
            finally:
                cut.join()
                os.unlink(mark)  # noqa: PTH108
    assert lost[0][0] is ConnectionLost
    again = replayed(journal, target)
    assert shape(tried(lambda host: host.facts.passwd, again)) == shape(before)
    assert tried(lambda host: host.run(line), again) == lost
    assert "is not in the recording" in tried(lambda host: host.facts.sysctl, again)[0][1]


def test_planted_secrets_are_in_no_observation(tmp_path):
    secret = "Xq7-planted-Zr9"
    file = tmp_path / "app.conf"
    file.write_text(f"user=app\npassword={secret}\nend=1\n")
    journal = MemoryJournal(Redactor([secret]))
    host = recorded(ShellTransport("sh"), journal)
    asks = (
        lambda host: host.file(str(file)).content_string,
        lambda host: host.run(f"cat {file}").stdout,
        lambda host: host.facts.texts[f"{tmp_path}/*.conf"].texts,
        lambda host: host.run("printf %s", secret).stdout,
    )
    first = [tried(ask, host) for ask in asks]
    assert all(secret in str(value) for value, _, _ in first)
    assert not any(secret in str(each) for each in journal.kept)
    again = [tried(ask, replayed(journal)) for ask in asks[:3]]
    assert [(MASK in str(value), redacted) for value, _, redacted in again] == [(True, True)] * 3
    assert [ids for _, ids, _ in again] == [ids for _, ids, _ in first[:3]]
