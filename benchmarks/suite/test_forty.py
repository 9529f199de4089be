"""Forty checks in plain testinfra style: both programs run this file as it is."""
# ruff: noqa: PLR2004, PT006 - plain values and names, as people write them

import pytest


def test_passwd_file(host):
    passwd = host.file("/etc/passwd")
    assert passwd.exists
    assert passwd.is_file
    assert passwd.user == "root"
    assert passwd.group == "root"
    assert passwd.mode == 0o644


def test_shadow_file(host):
    shadow = host.file("/etc/shadow")
    assert shadow.user == "root"
    assert shadow.group == "shadow"
    assert shadow.mode == 0o640


def test_sshd_config(host):
    config = host.file("/etc/ssh/sshd_config")
    assert config.mode & 0o022 == 0
    assert config.contains("^UsePAM yes")
    assert "PermitEmptyPasswords yes" not in config.content_string


def test_passwd_has_root(host):
    assert host.file("/etc/passwd").contains("^root:x:0:0:")


def test_tmp_is_sticky(host):
    tmp = host.file("/tmp")
    assert tmp.is_directory
    assert tmp.mode == 0o1777


def test_no_equivalence_file(host):
    assert not host.file("/etc/hosts.equiv").exists
    assert not host.file("/root/.rhosts").exists


@pytest.mark.parametrize(
    "name",
    ["base-files", "bash", "coreutils", "dpkg", "libc6", "openssh-server", "tar", "util-linux"],
)
def test_package(host, name):
    package = host.package(name)
    assert package.is_installed
    assert package.version


@pytest.mark.parametrize("name", ["telnetd", "rsh-server"])
def test_package_is_absent(host, name):
    assert not host.package(name).is_installed


@pytest.mark.parametrize(
    "name,uid,home,shell",
    [
        ("root", 0, "/root", "/bin/bash"),
        ("daemon", 1, "/usr/sbin", "/usr/sbin/nologin"),
        ("www-data", 33, "/var/www", "/usr/sbin/nologin"),
        ("nobody", 65534, "/nonexistent", "/usr/sbin/nologin"),
    ],
)
def test_user(host, name, uid, home, shell):
    user = host.user(name)
    assert user.uid == uid
    assert user.home == home
    assert user.shell == shell


@pytest.mark.parametrize("name,gid", [("root", 0), ("shadow", 42), ("sudo", 27)])
def test_group(host, name, gid):
    group = host.group(name)
    assert group.exists
    assert group.gid == gid


@pytest.mark.parametrize(
    "key,value",
    [
        ("kernel.ostype", "Linux"),
        ("kernel.randomize_va_space", 2),
        ("net.ipv4.ip_forward", 0),
        ("net.ipv4.tcp_syncookies", 1),
    ],
)
def test_sysctl(host, key, value):
    assert host.sysctl(key) == value


def test_ssh_listens(host):
    assert host.socket("tcp://0.0.0.0:22").is_listening


@pytest.mark.parametrize("port", [23, 513])
def test_nothing_listens(host, port):
    assert not host.socket(f"tcp://0.0.0.0:{port}").is_listening


@pytest.mark.parametrize("path,filesystem", [("/proc", "proc"), ("/run", "tmpfs")])
def test_mount(host, path, filesystem):
    mount = host.mount_point(path)
    assert mount.exists
    assert mount.filesystem == filesystem


def test_first_process(host):
    first = host.process.get(pid=1)
    assert first.user == "root"
    assert first.comm == "sshd"


@pytest.mark.parametrize("command", ["tar", "ps"])
def test_command_exists(host, command):
    assert host.exists(command)


def test_system(host):
    assert host.system_info.type == "linux"
    assert host.system_info.distribution in ("debian", "ubuntu")


def test_login_is_root(host):
    assert host.check_output("id -u") == "0"


def test_kernel_release(host):
    found = host.run("uname -r")
    assert found.rc == 0
    assert found.stdout.strip()[0].isdigit()


def test_no_second_superuser(host):
    assert host.check_output("awk -F: '$3 == 0 {print $1}' /etc/passwd") == "root"


def test_root_keeps_no_passwords(host):
    assert host.run("test -e /root/.netrc").rc == 1
