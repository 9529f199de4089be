"""Resources on whole hosts: one with systemd, and one that is busybox and dropbear alone."""

from __future__ import annotations

import warnings

import pytest
import testinfra
from lab import nspawn
from lab.sshd import ssh_target
from lab.tiny import tiny_host

from pytest_sysaudit.errors import CannotAssess, Denied
from pytest_sysaudit.host import Host
from pytest_sysaudit.transport import open_transport

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(bool(nspawn.why_not()), reason=nspawn.why_not() or "never"),
]

UNIT = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
INIT = """#!/bin/sh
### BEGIN INIT INFO
# Provides: {name}
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop:
# Short-Description: x
### END INIT INFO
exit 0
"""


def init_script(name, *, links):
    lines = [f"cat >/etc/init.d/{name} <<'EOT'\n{INIT.format(name=name)}EOT\n"]
    lines.append(f"chmod 755 /etc/init.d/{name}")
    if links:
        lines.append(f"for n in 2 3 4 5; do ln -s ../init.d/{name} /etc/rc$n.d/S01{name}; done")
    return "\n".join(lines)


SETUP = (
    f"printf '{UNIT!s}' >/etc/systemd/system/demo-longer.service".replace("\n", "\\n"),
    "cp /etc/systemd/system/demo-longer.service /etc/systemd/system/off.service",
    "cp /etc/systemd/system/demo-longer.service '/etc/systemd/system/tpl@.service'",
    "printf '[Service]\\nExecStart=relative\\nNoSuchKey=1\\n' >/etc/systemd/system/bad.service",
    "cd /etc/systemd/system && ln -s ../demo-longer.service multi-user.target.wants/",
    "ln -s /dev/null /etc/systemd/system/hidden.service",
    init_script("sysv-on", links=True),
    init_script("sysv-off", links=False),
)


def open_host(machine, user="root"):
    target = ssh_target(machine.name, **machine.entry(user))
    return Host(target, open_transport(target, None, {}))


@pytest.fixture(scope="module")
def machine():
    with nspawn.booted_host("resources", SETUP) as machine:
        # what comes after the boot is not known to systemd, as the script of a removed package
        machine.run(init_script("leftover", links=True))
        yield machine


@pytest.fixture(scope="module")
def host(machine):
    host = open_host(machine)
    yield host
    host.close()


@pytest.fixture(scope="module")
def auditor(machine):
    host = open_host(machine, "auditor")
    yield host
    host.close()


@pytest.fixture(scope="module")
def theirs(machine):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its paramiko backend accepts any host key, and says so
        found = testinfra.get_host(
            f"paramiko://root@{machine.address}", ssh_identity_file=str(machine.key_file)
        )
        found.run("true")
    return found


#: exists, is_running, is_enabled, is_masked of each unit.
SERVICES = {
    "ssh": (True, True, True, False),
    "demo-longer": (True, True, True, False),
    "demo-longer.service": (True, True, True, False),
    "demo": (False, False, False, False),
    "off": (True, False, False, False),
    "hidden": (True, False, False, True),
    "tpl@one": (True, False, False, False),
    "systemd-journald": (True, True, True, False),
    "sysv-on": (True, True, True, False),
    "sysv-off": (True, False, False, False),
    "no-such": (False, False, False, False),
}
QUESTIONS = ("exists", "is_running", "is_enabled", "is_masked")


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("who", ["host", "auditor"])
def test_services(who, name, request):
    service = request.getfixturevalue(who).service(name)
    assert tuple(getattr(service, question) for question in QUESTIONS) == SERVICES[name]


#: Where testinfra is wrong: a prefix is no name; an instance of a template has no file of its own.
THEIR_MISTAKES = {("demo", "exists"), ("tpl@one", "exists")}


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_as_testinfra_has_them(host, theirs, name):
    for question in QUESTIONS:
        if (name, question) in THEIR_MISTAKES:
            assert getattr(theirs.service(name), question) != getattr(host.service(name), question)
        else:
            assert getattr(theirs.service(name), question) == getattr(host.service(name), question)


def test_the_script_of_a_removed_package_starts_nothing(host, theirs):
    assert theirs.service("leftover").is_enabled
    assert not host.service("leftover").exists
    assert not host.service("leftover").is_enabled


def test_units_that_are_asked_together_cost_one_command(host):
    names = ["ssh.service", "off.service", "dbus.socket"]
    host.facts.refresh()
    host.facts.unit_states.ask(names)
    transport = host.transport
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(transport), "run", None)
        assert [host.service(name).is_running for name in names] == [True, False, True]


def test_properties_and_validity(host, theirs):
    found = host.service("ssh").systemd_properties
    assert found["FragmentPath"] == theirs.service("ssh").systemd_properties["FragmentPath"]
    assert host.service("demo-longer").is_valid
    with pytest.raises(AssertionError, match="NoSuchKey"):
        assert host.service("bad").is_valid


#: The reload makes a unit of the removed package's script, so this comes behind its test.
ODD = (
    "cd /etc/systemd/system && cp demo-longer.service 'odd\\x2dname.service'",
    "cp demo-longer.service gone.service && cp demo-longer.service stays.service",
    "ln -s 'odd\\x2dname.service' nickname.service",
    "systemctl daemon-reload",
    "systemctl start gone.service stays.service 'odd\\x2dname.service'",
    "rm gone.service stays.service && ln -s /dev/null stays.service && systemctl daemon-reload",
)


def test_units_with_odd_names_and_without_files(machine, host, theirs):
    said = machine.run(" && ".join(ODD))
    assert not said.returncode, said.stderr
    host.facts.refresh()
    for name in ("odd\\x2dname", "nickname", "gone", "stays"):
        assert host.service(name).is_running
        assert theirs.service(name).is_running
        assert host.facts.units.is_on(f"{name}.service")
    assert host.service("stays").is_masked
    assert host.service("nickname").exists


def test_a_name_that_no_unit_can_have_spoils_no_other(host):
    bad = ["@one.service", f"{'x' * 300}.service"]
    host.facts.refresh()
    host.facts.unit_states.ask([*bad, "ssh.service"])
    assert host.service("ssh").is_running
    for name in bad:
        with pytest.raises(CannotAssess):
            assert host.service(name).is_running


def test_sockets(host, machine, theirs):
    assert host.socket("tcp://22").is_listening
    assert host.socket("tcp://0.0.0.0:22").is_listening
    assert host.socket(f"tcp://{machine.address}:22").is_listening
    assert host.socket("tcp://127.0.0.1:22").is_listening
    assert not host.socket("tcp://23").is_listening
    assert host.socket("unix:///run/dbus/system_bus_socket").is_listening
    assert host.socket("unix:///run/udev/no-such").is_listening is False
    assert set(theirs.socket.get_listening_sockets()) <= set(host.socket.get_listening_sockets())
    assert host.socket("tcp://22").clients


def test_what_an_ordinary_user_is_not_told(auditor):
    with pytest.raises(Denied):
        _ = auditor.user("root").password
    with pytest.raises(Denied):
        _ = auditor.file("/root/.ssh/authorized_keys").exists
    with auditor.sudo(), pytest.raises(Denied):
        _ = auditor.file("/etc/passwd").exists
    assert auditor.file("/etc/passwd").exists
    assert auditor.user().name == "auditor"


@pytest.fixture(scope="module")
def tiny():
    with tiny_host("tiny-resources") as machine:
        host = open_host(machine)
        yield host
        host.close()


def test_a_host_that_is_busybox_alone(tiny):
    assert tiny.system_info.type == "linux"
    assert tiny.system_info.distribution == "tiny"
    passwd = tiny.file("/etc/passwd")
    assert (passwd.mode, passwd.user, passwd.size) == (0o644, "root", len(passwd.content))
    assert tiny.file("/etc/shadow").mode == 0o600
    assert tiny.file("/bin/ls").linked_to.endswith("busybox")
    assert "passwd" in tiny.file("/etc").listdir()
    assert passwd.contains("^auditor:")
    assert len(passwd.sha256sum) == 64
    assert tiny.sysctl("kernel.ostype") == "Linux"
    assert tiny.mount_point("/").exists
    assert tiny.exists("ls")
    assert not tiny.exists("getent")


def test_accounts_of_busybox(tiny):
    auditor = tiny.user("auditor")
    assert (auditor.uid, auditor.group, auditor.groups) == (1000, "auditor", ["auditor"])
    assert auditor.password == "*"
    assert auditor.password_max_days == 99999
    assert not tiny.user("no-such").exists
    assert not tiny.group("no-such").exists
    assert tiny.user().get_all_users == ["root", "auditor"]
    with pytest.raises(AssertionError):
        _ = tiny.user("no-such").password


def test_sockets_without_ss(tiny):
    assert not tiny.socket("tcp://23").is_listening
    assert tiny.socket("tcp://0.0.0.0:22").is_listening
    assert tiny.socket("tcp://22").is_listening


def test_processes_of_busybox(tiny):
    found = tiny.process.filter(comm="dropbear")
    assert found
    assert all("dropbear" in process.args for process in found)
    assert {process.user for process in found} == {"root"}
    assert tiny.process.get(pid=1).ppid == 0


def test_interfaces_of_busybox(tiny):
    assert "127.0.0.1" in tiny.interface("lo").addresses
    assert "lo" in tiny.interface.names()
    with pytest.raises(CannotAssess):
        _ = tiny.interface("lo").link


def test_without_packages_and_an_init_system_nothing_is_a_no(tiny):
    with pytest.raises(CannotAssess):
        _ = tiny.package("nginx").is_installed
    with pytest.raises(CannotAssess):
        _ = tiny.service("nginx").is_running
