"""What a snapshot records and how it is written: from values, hostile ones too."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import pytest
from lab.command import Command
from lab.mortal import mortal

from pytest_sysaudit.command.sections import SECTIONS, Missing, Section, record
from pytest_sysaudit.command.sketch import module, quoted
from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.facts import accounts, mounts, packages, sockets, sysctl, units

HOSTILE = 'a"b\\c\n"""\n\u202e{x}'


@pytest.fixture
def command(capsys):
    return Command(capsys)


class Facts:
    """Fact tables with values; an error is raised."""

    def __init__(self, **tables):
        self._tables = tables

    def __getattr__(self, name):
        value = self._tables.get(name, CannotAssess(f"{name}: not there"))
        if isinstance(value, Exception):
            raise value
        return value


def user(name, uid=1000, shell="/bin/sh"):
    return accounts.User(name, "x", uid, uid, "", f"/home/{name}", shell)


def taken(name, *, versions=False, secrets=(), **tables):
    sections, missing = record(Facts(**tables), Redactor(secrets), [name], versions=versions)
    assert missing == []
    return sections[0]


def test_users_and_groups_that_stand_twice_are_told():
    found = taken("users", passwd=[user("a", 1), user("b", 2), user("a", 3)])
    assert found.rows == {
        "a": (1, 1, "/home/a", "/bin/sh"),
        "b": (2, 2, "/home/b", "/bin/sh"),
    }
    assert found.left_out == ("only the first line of a, which stand there twice",)
    found = taken("groups", group=[accounts.Group("g", 5, ("z", "a"))])
    assert found.rows == {"g": (5, ("a", "z"))}


def listeners(*found):
    return sockets.Sockets(tuple(sockets.Listener(*one) for one in found))


RANGE = {"net.ipv4.ip_local_port_range": "40000\t50000"}


def test_ports_of_the_range_of_the_kernel_are_left_out_and_told():
    table = listeners(
        ("tcp", "0.0.0.0", 8080, ("b",)),
        ("tcp", "0.0.0.0", 8080, ("a",)),
        ("tcp", "::1", 22, ("sshd",)),
        ("udp", "*", 40000, ("x",)),
        ("tcp", "*", 50000, ("x",)),
        ("tcp", "*", 50001, ("x",)),
    )
    found = taken("ports", uid=0, sockets=table, sysctl_keys=RANGE)
    assert found.rows == {
        "tcp ::1:22": ("sshd",),
        "tcp 0.0.0.0:8080": ("a", "b"),
        "tcp *:50001": ("x",),
    }
    assert "2 ports" in found.left_out[0]
    assert "udp *:40000" in found.left_out[0]
    without = taken("ports", uid=1000, listeners=listeners(("tcp", "*", 22)), sysctl_keys=RANGE)
    assert without.rows == {"tcp *:22": ()}
    assert without.left_out == ("the programs behind the ports: only root is told",)


def test_the_range_is_the_kernels_own_where_it_cannot_be_read():
    found = taken("ports", uid=0, sockets=listeners(("tcp", "*", 32768)))
    assert found.rows == {}
    assert (found.extra["first"], found.extra["end"]) == (32768, 61000)


def test_services_that_start_with_the_host():
    loaded = (
        units.Unit("ssh.service", "loaded", "active", "running", "enabled"),
        units.Unit("once.service", "loaded", "inactive", "dead", "enabled"),
        units.Unit("static.service", "loaded", "active", "running", "static"),
        units.Unit("user@0.service", "loaded", "active", "running", "enabled"),
        units.Unit("off.service", "masked", "inactive", "dead", "masked"),
    )
    table = units.Units(loaded, {"cron.timer": "enabled", "x.target": "enabled"})
    found = taken("services", units=table)
    assert found.rows == {
        "cron.timer": "enabled",
        "off.service": "masked",
        "once.service": "enabled",
        "ssh.service": "running",
    }
    assert any("user@0.service" in text for text in found.left_out)


def test_packages_with_and_without_versions():
    table = packages.Packages(
        "dpkg",
        (
            packages.Package("b", "2", "amd64"),
            packages.Package("a", "1:1-1", "all"),
            packages.Package("gone", "1", "all", "removed"),
            packages.Package("half", "1", "all", "broken"),
        ),
    )
    found = taken("packages", packages=table)
    assert [*found.rows] == ["a", "b"]
    assert "half-installed packages: half" in found.left_out
    assert any("--versions" in text for text in found.left_out)
    assert taken("packages", versions=True, packages=table).rows == {"a": "1:1-1", "b": "2"}


def test_settings_that_change_by_themselves_or_are_secret_are_left_out():
    table = sysctl.Sysctl(
        {
            "net/ipv4/ip_forward": "0",
            "net/ipv4/tcp_rmem": "4096\t131072\t6291456",
            "net/ipv4/conf/all/rp_filter": "1",
            "net/ipv4/conf/eth0/rp_filter": "1",
            "net/ipv6/conf/default/stable_secret": "2001::1",
            "kernel/random/uuid": "x",
            "kernel/hostname": "x",
            "kernel/core_pattern": "|/bin/x --token hunter2hunter2",
            "fs/file-nr": "1 2 3",
            "fs/protected_symlinks": "1",
            "dev/cdrom/info": "x",
        },
        denied=frozenset({"vm/mmap_rnd_bits"}),
    )
    found = taken("sysctls", secrets=["hunter2hunter2"], sysctl=table)
    assert found.rows == {
        "fs.protected_symlinks": "1",
        "net.ipv4.conf.all.rp_filter": "1",
        "net.ipv4.ip_forward": "0",
        "net.ipv4.tcp_rmem": "4096 131072 6291456",
    }
    assert "settings that only root may read: vm.mmap_rnd_bits" in found.left_out
    assert "what holds a secret: kernel.core_pattern" in found.left_out


def test_mounts_of_sessions_and_containers_are_left_out():
    table = mounts.parse(
        "/dev/sda1 / ext4 rw,relatime 0 0\n"
        "tmpfs /run/user/0 tmpfs rw,nosuid 0 0\n"
        "overlay /var/lib/docker/overlay2/x/merged overlay rw 0 0\n"
        "systemd-1 /efi autofs rw 0 0\n"
        "tmpfs /dev/shm tmpfs rw,nosuid,nodev,size=100k 0 0\n"
        "nas:/x /mnt/data nfs4 ro,noexec 0 0\n"
    )
    found = taken("mounts", mounts=table)
    assert found.rows == {
        "/": ("ext4", "rw"),
        "/dev/shm": ("tmpfs", "rw nosuid nodev"),
        "/mnt/data": ("nfs4", "ro noexec"),
    }
    assert "/run/user/0, /var/lib/docker/overlay2/x/merged, /efi" in found.left_out[1]


@pytest.mark.parametrize(
    "error, applies",
    [
        (Denied("/etc/passwd: permission denied"), True),
        (CannotAssess("the output is cut"), True),
        (ValueError("lost"), True),
        (NotApplicable("no systemd"), False),
    ],
)
def test_what_cannot_be_read_is_told_and_the_rest_goes_on(error, applies):
    sections, missing = record(
        Facts(passwd=error, group=[accounts.Group("g", 1, ())]),
        Redactor(),
        ["users", "groups"],
        versions=False,
    )
    assert [section.name for section in sections] == ["groups"]
    assert missing == [Missing("users", str(error), applies)]
    text = module("web1", "2026-11-23", "Debian", sections, missing)
    assert f"# users: not recorded: {error}" in text


EVERY = {
    "users": {HOSTILE: (0, 0, "/root", HOSTILE)},
    "groups": {"g": (1, (HOSTILE, "b"))},
    "ports": {"tcp 0.0.0.0:22": ("sshd",)},
    "services": {"ssh.service": "running"},
    "packages": {"bash": "5.2"},
    "sysctls": {"kernel.core_pattern": HOSTILE},
    "mounts": {"/a b": ("ext4", "rw")},
}
EXTRA = {"ports": {"first": 1, "end": 2, "root": 1}, "packages": {"versions": 1}}


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("versions", [0, 1])
def test_the_module_is_python_and_holds_the_values_exactly(empty, versions):
    sections = [
        Section(
            name=name,
            rows={} if empty else rows,
            extra={"versions": versions} if name == "packages" else EXTRA.get(name, {}),
            left_out=(HOSTILE,),
        )
        for name, rows in EVERY.items()
    ]
    text = module("web-1.x", "2026-11-23", HOSTILE.replace('"', ""), sections, [])
    tree = ast.parse(text)
    values = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    for name, rows in EVERY.items():
        if name == "packages" and not versions:
            continue
        assert ast.literal_eval(values[name.upper()]) == ({} if empty else rows)
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    names = [node.name for node in tests if node.name.startswith("test_")]
    assert len(names) == (6 if empty else 13)
    assert all(ast.get_docstring(node) for node in tests)
    assert "\u202e" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_every_section_can_be_asked_for():
    from pytest_sysaudit.command.snapshot import NAMES

    assert [*SECTIONS] == [*NAMES]


@pytest.mark.parametrize(
    "value, text",
    [
        ("a", '"a"'),
        ('a"b', '"a\\"b"'),
        ("ü€😀", '"ü€😀"'),
        (1, "1"),
        ((), "()"),
        (("a",), '("a",)'),
        ((1, ("b", "c")), '(1, ("b", "c"))'),
    ],
)
def test_values_are_written_as_python_has_them(value, text):
    assert quoted(value) == text
    assert ast.literal_eval(quoted(value)) == value
    assert ast.literal_eval(quoted(HOSTILE)) == HOSTILE


INVENTORY = """\
version: 1
hosts:
  here: {connection: local}
  standin: {embedded: true}
http:
  shop: {base_url: "http://127.0.0.1:1"}
"""


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["heer"], "Did you mean 'here'?"),
        (["shop"], "only hosts can be recorded"),
        (["standin"], "is a stand-in"),
        (["here", "--inventory", "gone.yaml"], "there is no such file"),
        (["here", "--only", "cars"], "cars"),
        (["here", "-o", "there.py"], "there.py: is there; --force"),
    ],
)
def test_what_cannot_be_recorded(command, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventory.yaml").write_text(INVENTORY)
    (tmp_path / "there.py").write_text("# mine\n")
    ended = command("snapshot", *arguments)
    assert ended.code == 4
    assert words in ended.err
    assert (tmp_path / "there.py").read_text() == "# mine\n"


def test_a_file_in_a_closed_folder_is_named_with_the_way_out(tmp_path):
    (tmp_path / "inventory.yaml").write_text(INVENTORY)
    (tmp_path / "closed").mkdir(mode=0)
    line = ["snapshot", "here", "--only", "users", "-o", "closed/x.py"]
    ended = mortal(tmp_path, "pytest_sysaudit.command", *line)
    assert ended.returncode == 3
    assert "closed/x.py: cannot be written: Permission denied; name another" in ended.stderr


def test_a_host_that_is_dead(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventory.yaml").write_text(
        "version: 1\nhosts: {dead: {address: 127.0.0.1, port: 1, ssh: {config_file: none}}}\n"
    )
    ended = command("snapshot", "dead")
    assert ended.code == 4
    assert "dead" in ended.err
    assert not (tmp_path / "checks").exists()


def test_a_snapshot_can_go_to_standard_output(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = command("snapshot", "localhost", "--only", "users", "-o", "-")
    assert ended.code == 0
    compile(ended.out, "x", "exec")
    assert "GROUPS" not in ended.out
    assert [*tmp_path.iterdir()] == []


def test_a_host_of_which_nothing_can_be_read(command, tmp_path, monkeypatch):
    from pytest_sysaudit.connections import Connections

    monkeypatch.chdir(tmp_path)
    nothing = SimpleNamespace(facts=Facts(), identity={})
    monkeypatch.setattr(Connections, "host", lambda *_: nothing)
    ended = command("snapshot", "localhost")
    assert ended.code == 4
    assert "users: not recorded: passwd: not there" in ended.err
    assert "nothing could be recorded" in ended.err
