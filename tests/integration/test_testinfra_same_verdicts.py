"""Unmodified testinfra tests: the same verdicts through its paramiko backend and through ours."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest
import testinfra
from lab.sshd import needs_sshd

from pytest_sysaudit.host import Host
from pytest_sysaudit.transport import open_transport

pytestmark = needs_sshd

#: As users write them; half of them fail.
TESTS = """
import pytest

def test_passwd_is_a_file(host):
    assert host.file("/etc/passwd").is_file

def test_passwd_is_no_folder(host):
    assert host.file("/etc/passwd").is_directory

def test_etc_is_a_folder(host):
    assert host.file("/etc").is_directory

def test_missing_exists(host):
    assert host.file("/no/such/file").exists

def test_below_a_file_is_nothing(host):
    assert not host.file("/etc/passwd/x").exists

def test_passwd_mode(host):
    assert host.file("/etc/passwd").mode == 0o644

def test_passwd_mode_is_wrong(host):
    assert host.file("/etc/passwd").mode == 0o600

def test_mode_of_missing(host):
    assert host.file("/no/such/file").mode == 0o644

def test_passwd_owner(host):
    passwd = host.file("/etc/passwd")
    assert (passwd.user, passwd.group, passwd.uid, passwd.gid) == ("root", "root", 0, 0)

def test_passwd_contains_root(host):
    assert host.file("/etc/passwd").contains("^root:")

def test_passwd_contains_nonsense(host):
    assert host.file("/etc/passwd").contains("no such line")

def test_missing_contains(host):
    assert not host.file("/no/such/file").contains("x")

def test_content(host):
    assert b"root" in host.file("/etc/passwd").content
    assert host.file("/etc/passwd").content_string.startswith("root:")

def test_listdir(host):
    assert "passwd" in host.file("/etc").listdir()

def test_symlink(host):
    assert host.file("/proc/self").is_symlink
    assert not host.file("/etc/passwd").is_symlink

def test_sha256sum(host):
    line = host.check_output("sha256sum /etc/login.defs")
    assert host.file("/etc/login.defs").sha256sum == line.split()[0]

def test_root_exists(host):
    root = host.user("root")
    assert root.exists
    assert (root.uid, root.gid, root.home, root.group) == (0, 0, "/root", "root")

def test_nobody_special_exists(host):
    assert host.user("no-such-user").exists

def test_uid_of_missing_user(host):
    assert host.user("no-such-user").uid == 7

def test_group_exists(host):
    assert host.group("root").gid == 0

def test_missing_group_exists(host):
    assert host.group("no-such-group").exists

def test_package_is_installed(host):
    assert host.package("base-files").is_installed
    assert host.package("base-files").version

def test_missing_package_is_installed(host):
    assert host.package("no-such-package").is_installed

def test_missing_package_version(host):
    assert host.package("no-such-package").version

def test_no_such_service(host):
    assert not host.service("no-such-service").is_running

def test_missing_service_runs(host):
    assert host.service("no-such-service").is_running

def test_our_sshd_listens(host):
    assert host.socket("tcp://127.0.0.1:PORT").is_listening

def test_nothing_listens_on_port_1(host):
    assert host.socket("tcp://127.0.0.1:1").is_listening

def test_processes(host):
    assert any("sshd" in process.args for process in host.process.filter(comm="sshd"))

def test_no_such_process(host):
    assert host.process.get(comm="no-such-process")

def test_sysctl(host):
    assert host.sysctl("kernel.ostype") == "Linux"

def test_wrong_sysctl(host):
    assert host.sysctl("kernel.ostype") == "Minix"

def test_mount_point(host):
    assert host.mount_point("/").exists
    assert not host.mount_point("/no/such/mount").exists

def test_interface(host):
    assert "127.0.0.1" in host.interface("lo").addresses

def test_commands(host):
    assert host.run("exit 3").rc == 3
    assert host.run("echo %s", "a 'b' $c").stdout == "a 'b' $c\\n"
    assert host.run("no-such-command").rc == 127
    assert host.exists("ls")
    assert not host.exists("no-such-command")

def test_expected_exit_code(host):
    host.run_expect([0], "exit 3")

def test_check_output(host):
    host.check_output("false")

def test_system(host):
    assert host.system_info.type == "linux"
    assert host.system_info.distribution == "debian"

def test_every_member_of_a_file(host):
    settings = host.file("/etc/login.defs")
    line = host.check_output("stat -L -c '%a %U %u %G %g %s %i %Y' /etc/login.defs").split()
    found = [oct(settings.mode)[2:], settings.user, settings.uid, settings.group, settings.gid]
    found += [settings.size, settings.inode, int(settings.mtime.timestamp())]
    assert list(map(str, found)) == line
    assert settings.md5sum == host.check_output("md5sum /etc/login.defs").split()[0]
    assert not any([settings.is_executable, settings.is_pipe])
    assert not any([settings.is_socket, settings.is_symlink])
    assert host.file("/bin/sh").is_executable
    assert settings == "/etc/login.defs"
    assert settings == host.file("/etc/login.defs")
    assert repr(settings) == "<file /etc/login.defs>"

def test_mtime_is_a_local_time_without_a_zone(host):
    import datetime
    stamp = int(host.check_output("stat -c %Y /etc/hostname"))
    assert host.file("/etc/hostname").mtime == datetime.datetime.fromtimestamp(stamp)

def test_linked_to(host):
    assert host.file("/proc/self/root").linked_to == "/"

def test_linked_to_of_a_missing_file_in_a_folder(host):
    assert host.file("/etc/no-such-file").linked_to == "/etc/no-such-file"

def test_linked_to_of_a_missing_folder(host):
    assert host.file("/no/such/file").linked_to

def test_content_of_missing(host):
    with pytest.raises(RuntimeError):
        host.file("/no/such/file").content

def test_listdir_of_missing(host):
    assert host.file("/no/such/file").listdir() == []

def test_listdir_of_a_file(host):
    assert host.file("/etc/passwd").listdir() == ["/etc/passwd"]

def test_listdir_without_hidden_names(host):
    assert host.file("/etc").listdir() == host.check_output("ls -1 /etc").splitlines()

def test_every_member_of_a_package(host):
    package = host.package("base-files")
    assert package.version == host.check_output("dpkg-query -W -f '${Version}' base-files")
    with pytest.raises(NotImplementedError):
        package.release
    assert repr(package) == "<package base-files>"

def test_a_package_of_another_architecture(host):
    assert host.package("base-files:sparc").is_installed

def test_every_member_of_a_user(host):
    daemon = host.user("daemon")
    assert (daemon.name, daemon.uid, daemon.gid, daemon.group) == ("daemon", 1, 1, "daemon")
    assert (daemon.gids, daemon.groups) == ([1], ["daemon"])
    assert (daemon.home, daemon.shell) == ("/usr/sbin", "/usr/sbin/nologin")
    assert daemon.gecos == "daemon"
    assert daemon.password == host.check_output("getent shadow daemon").split(":")[1]
    assert (daemon.password_min_days, daemon.password_max_days) == (0, 99999)
    assert daemon.expiration_date is None
    assert "daemon" in daemon.get_all_users
    assert "daemon" in daemon.get_local_users
    assert repr(daemon) == "<user daemon>"

def test_the_current_user(host):
    me = host.user()
    assert me.exists
    assert me.name == host.check_output("id -un")
    assert me.home == host.check_output("echo $HOME")

def test_groups_of_every_user(host):
    for name in host.user().get_local_users:
        if name.startswith("lab"):  # another test's, which may go at any moment
            continue
        assert host.user(name).groups == host.check_output("id -Gn %s", name).split(" ")
        assert host.user(name).gids == [int(n) for n in host.check_output("id -G %s", name).split()]

def test_a_user_by_number(host):
    assert host.user("0").exists

def test_home_of_missing_user(host):
    assert host.user("no-such-user").home

def test_password_of_missing_user(host):
    assert host.user("no-such-user").password

def test_every_member_of_a_group(host):
    group = host.group("daemon")
    assert (group.exists, group.gid, group.members) == (True, 1, [])
    assert "daemon" in group.get_all_groups
    assert "daemon" in group.get_local_groups
    assert repr(group) == "<group daemon>"

def test_gid_of_missing_group(host):
    assert host.group("no-such-group").gid == 7

def test_members_of_missing_group(host):
    assert host.group("no-such-group").members == []

def test_every_member_of_a_service(host):
    service = host.service("no-such-service")
    assert not service.is_enabled
    assert repr(service) == "<service no-such-service>"

def test_every_member_of_a_socket(host):
    sshd = host.socket("tcp://127.0.0.1:PORT")
    assert (sshd.protocol, sshd.host, sshd.port) == ("tcp", "127.0.0.1", PORT)
    assert "tcp://127.0.0.1:PORT" in host.socket.get_listening_sockets()
    assert all(address == "127.0.0.1" for address, port in sshd.clients)
    assert sshd.clients
    assert not host.socket("udp://127.0.0.1:PORT").is_listening
    assert not host.socket("unix:///no/such/socket").is_listening
    assert repr(sshd) == "<socket tcp://127.0.0.1:PORT>"

def test_a_socket_on_all_addresses(host):
    assert host.socket("tcp://PORT").is_listening

def test_a_socket_that_is_none(host):
    with pytest.raises(RuntimeError):
        host.socket("sctp://127.0.0.1:1")
    with pytest.raises(RuntimeError):
        host.socket("tcp://no-address:1")

def test_settings(host):
    for name in ("kernel.pid_max", "net.ipv4.ip_local_port_range", "kernel.printk", "fs.file-max",
                 "vm.swappiness", "net.ipv4.conf.all.rp_filter", "net/ipv4/conf/lo/rp_filter"):
        text = host.check_output("sysctl -n %s", name)
        assert host.sysctl(name) == (int(text) if text.lstrip("-").isdigit() else text)
    assert repr(host.sysctl) == "<sysctl>"

def test_missing_setting(host):
    assert host.sysctl("no.such.setting")

def test_every_member_of_a_mount_point(host):
    proc = host.mount_point("/proc")
    line = host.check_output("grep ' /proc proc ' /proc/mounts").splitlines()[0].split()
    assert [proc.device, proc.path, proc.filesystem, ",".join(proc.options)] == line[:4]
    assert "/proc" in [mount.path for mount in host.mount_point.get_mountpoints()]
    assert repr(proc).startswith('<MountPoint(path="/proc", exists=True, device="proc"')

def test_options_of_missing_mount_point(host):
    assert host.mount_point("/no/such/mount").options

def test_every_process_field(host):
    first = host.process.get(pid=1)
    fields = ["ppid", "user", "uid", "group", "comm", "nice", "tty", "ruser", "sess", "pgid"]
    for name in [*fields, "euser", "ni", "fname"]:
        text = host.check_output("ps -p 1 -o %s=", name + ":32").strip()
        assert str(getattr(first, name)) == text
    line = " ".join(host.check_output("ps -ww -p 1 -o args=").split())
    assert first.args == line
    assert first.lstart == " ".join(host.check_output("ps -p 1 -o lstart=").split())
    assert [process.pid for process in host.process.filter(ppid=0, pid=1)] == [1]
    assert first["pid"] == first.pid == 1
    assert repr(first) == f"<process {first.comm} (pid=1)>"

def test_unknown_process_field(host):
    assert host.process.get(pid=1).no_such_field

def test_filter_by_an_unusual_field(host):
    assert host.process.filter(fname=host.process.get(pid=1).fname)

def test_every_member_of_the_system(host):
    info = host.system_info
    release = dict(
        line.split("=", 1) for line in host.check_output("cat /etc/os-release").splitlines()
    )
    assert info.distribution == release["ID"]
    assert info.release == release["VERSION_ID"].strip('"')
    assert info.codename == release["VERSION_CODENAME"]
    assert info.arch == host.check_output("uname -m")

def test_every_member_of_an_interface(host):
    lo = host.interface("lo")
    assert lo.exists
    assert lo.link[0]["ifname"] == "lo"
    assert isinstance(lo.routes(), list)
    assert lo.routes("host") == []
    assert host.interface("lo", "inet").addresses == ["127.0.0.1"]
    assert "lo" in host.interface.names()
    assert sorted(host.interface.names()) == sorted(host.check_output("ls /sys/class/net").split())
    assert repr(lo) == "<interface lo>"

def test_speed_of_lo(host):
    assert host.interface("lo").speed

def test_missing_interface(host):
    assert not host.interface("no-such").exists
    assert host.interface("no-such").addresses

def test_default_interface(host):
    name = host.interface.default().name
    assert name is None or host.interface(name).exists

def test_find_command(host):
    assert host.find_command("sh").endswith("/sh")
    with pytest.raises(ValueError):
        host.find_command("no-such-command")

def test_addr(host):
    assert "127.0.0.1" in host.addr("127.0.0.1").ip_addresses
    assert not host.addr("no-such-name.invalid").is_resolvable
    assert host.addr("127.0.0.1").port(PORT).is_reachable
    assert not host.addr("127.0.0.1").port(1).is_reachable

def test_umlauts(host):
    assert host.run("printf 'gr\\\\303\\\\274n'").stdout == "gr\\u00fcn"
"""


def verdicts(host, port):
    """Run every test of the file and return whether it passed."""
    space = {}
    exec(TESTS.replace("PORT", str(port)), space)
    found = {}
    for name, test in space.items():
        if name.startswith("test_"):
            try:
                test(host)
            except Exception:  # noqa: BLE001 - any error is testinfra's "failed"
                found[name] = "failed"
            else:
                found[name] = "passed"
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="asks for Debian's packages")
def test_the_verdicts_are_those_of_testinfra(sshd):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its paramiko backend accepts any host key, and says so
        theirs = verdicts(
            testinfra.get_host(
                f"paramiko://{sshd.user}@{sshd.address}:{sshd.port}",
                ssh_identity_file=str(sshd.key),
            ),
            sshd.port,
        )
    target = sshd.target()
    host = Host(target, open_transport(target, None, {}))
    try:
        ours = verdicts(host, sshd.port)
    finally:
        host.close()
    assert ours == theirs
    assert {"passed", "failed"} == set(ours.values())
    assert sum(verdict == "failed" for verdict in ours.values()) >= 24


def test_testinfra_is_not_needed_to_import_the_facts():
    code = """
        import sys
        import pytest_sysaudit.facts, pytest_sysaudit.transport
        heavy = {"testinfra", "psutil", "paramiko"} & set(sys.modules)
        sys.exit(f"imported: {heavy}" if heavy else 0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
