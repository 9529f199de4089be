"""Unmodified testinfra tests: the same verdicts through its paramiko backend and through ours."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest
import testinfra
from lab.sshd import Sshd, needs_sshd

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
    line = host.check_output("sha256sum /etc/passwd")
    assert host.file("/etc/passwd").sha256sum == line.split()[0]

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


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


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
    assert sum(verdict == "failed" for verdict in ours.values()) >= 12


def test_testinfra_is_not_needed_to_import_the_facts():
    code = """
        import sys
        import pytest_sysaudit.facts, pytest_sysaudit.transport
        heavy = {"testinfra", "psutil", "paramiko"} & set(sys.modules)
        sys.exit(f"imported: {heavy}" if heavy else 0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
