"""Resources over real tools and shells: odd names, refusals, the count of commands."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
import testinfra
from lab.fake import fake_host
from lab.shells import NOBODY, SHELLS, ShellTransport

from pytest_sysaudit.errors import CannotAssess, Denied
from pytest_sysaudit.resources import Absent

ODD = (
    "plain",
    "two words",
    "-rf",
    "new\nline",
    "quo'te",
    "$HOME",
    "*",
    "back\\slash",
    "",
    "gr\u00fcn",
)


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def transport(request):
    if not shutil.which(request.param[0]):
        pytest.skip(f"{request.param[0]} is not installed")
    return ShellTransport(*request.param)


@pytest.fixture
def host(transport):
    return fake_host(transport)


def nobody(tmp_path):
    """Return a host whose commands run as nobody; *tmp_path* is opened to everybody."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root, and setpriv")
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(0o755)
    return fake_host(ShellTransport(*NOBODY, "sh"))


def test_seven_attributes_of_one_file_cost_one_command(host, transport):
    passwd = host.file("/etc/login.defs")
    stat = Path("/etc/login.defs").stat()
    assert (passwd.uid, passwd.gid, passwd.size) == (stat.st_uid, stat.st_gid, stat.st_size)
    assert (passwd.mode, passwd.inode) == (stat.st_mode & 0o7777, stat.st_ino)
    assert passwd.mtime.timestamp() == int(stat.st_mtime)
    assert (passwd.user, passwd.group) == ("root", "root")
    assert passwd.exists
    assert passwd.is_file
    assert not passwd.is_directory
    assert not passwd.is_executable
    assert transport.count("uname") == 1


def test_two_hundred_packages_cost_one_command(host, transport):
    if not Path("/var/lib/dpkg/status").exists():
        pytest.skip("asks for Debian's packages")
    assert host.package("base-files").is_installed
    assert host.package("base-files").version
    assert not any(host.package(f"no-such-package-{number}").is_installed for number in range(200))
    assert transport.count("uname") == 1


def test_paths_that_are_asked_together_cost_one_command(host, transport):
    host.facts.paths.ask(["/etc/passwd", "/etc/group", "/no/such"])
    assert host.file("/etc/passwd").exists
    assert host.file("/etc/group").mode & 0o004
    assert not host.file("/no/such").exists
    assert transport.count("uname") == 1


def test_content_and_digests_are_read_once(host, transport, tmp_path):
    (tmp_path / "x").write_bytes(b"caf\xc3\xa9 \xff\n\0\n")
    found = host.file(str(tmp_path / "x"))
    data = (tmp_path / "x").read_bytes()
    for _ in range(2):
        assert found.content == data
        assert found.content_string == "caf\u00e9 \\xff\n\0\n"
        assert found.md5sum == hashlib.md5(data).hexdigest()
        assert found.sha256sum == hashlib.sha256(data).hexdigest()
        assert found.contains("^caf")
        assert not found.contains("tea")
    assert transport.count("uname") == 5


def test_odd_names(host, tmp_path):
    for name in filter(None, ODD):
        (tmp_path / name).write_text(name)
    for name in filter(None, ODD):
        found = host.file(f"{tmp_path}/{name}")
        assert (found.exists, found.size) == (True, len(name.encode()))
        assert found.content_string == name
        assert found.sha256sum == hashlib.sha256(name.encode()).hexdigest()
        assert found.linked_to == f"{tmp_path}/{name}"
    assert sorted(host.file(str(tmp_path)).listdir()) == sorted(filter(None, ODD))
    assert not host.file("").exists


def test_a_name_that_is_not_utf_8(host, tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(path)).write_text("x")
    (name,) = host.file(str(tmp_path)).listdir()
    assert host.file(f"{tmp_path}/{name}").content == b"x"


def test_relative_paths_and_those_that_begin_with_a_dash(transport, tmp_path):
    (tmp_path / "-rf").write_text("dash\n")
    (tmp_path / "folder").mkdir()
    transport.folder = str(tmp_path)
    host = fake_host(transport)
    assert host.file("-rf").content == b"dash\n"
    assert host.file("-rf").size == 5
    assert host.file("-rf").contains("dash")
    assert host.file("-rf").sha256sum == hashlib.sha256(b"dash\n").hexdigest()
    assert host.file("folder").is_directory
    assert host.file("folder").listdir() == []


def test_every_kind_of_file(host, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "tool").write_text("")
    (tmp_path / "tool").chmod(0o4755)
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("tool")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.close()

    def ask(name):
        return host.file(str(tmp_path / name))

    assert (ask("pipe").is_pipe, ask("pipe").is_file) == (True, False)
    assert (ask("socket").is_socket, ask("socket").is_pipe) == (True, False)
    assert (ask("tool").is_executable, ask("tool").mode) == (True, 0o4755)
    assert (ask("link").is_symlink, ask("link").is_file, ask("link").mode) == (True, True, 0o4755)
    assert (ask("dangling").is_symlink, ask("dangling").exists) == (True, False)
    assert ask("loop").is_symlink
    with pytest.raises(CannotAssess, match="Too many levels"):
        _ = ask("loop").exists
    assert ask("link").linked_to == str(tmp_path / "tool")
    assert ask("dangling").linked_to == str(tmp_path / "nowhere")


QUESTIONS = {
    "exists": False,
    "is_file": False,
    "is_symlink": False,
    **dict.fromkeys(
        ("mode", "user", "size", "mtime", "inode", "content", "md5sum", "sha256sum", "linked_to"),
        Absent,
    ),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("path", ["/no/such/file", "/etc/passwd/below"])
def test_of_a_missing_file(host, path, question):
    expected = QUESTIONS[question]
    if expected is False:
        assert getattr(host.file(path), question) is False
        return
    with pytest.raises(AssertionError, match=r"no such file|leads to no file"):
        getattr(host.file(path), question)
    with pytest.raises(RuntimeError):
        host.file(path).listdir()


def test_a_digest_of_a_missing_file_is_a_text_for_testinfra_alone(host):
    assert testinfra.get_host("local://").file("/no/such").sha256sum == ""
    with pytest.raises(Absent):
        _ = host.file("/no/such").sha256sum


def test_settings(host, transport):
    assert host.sysctl("kernel.ostype") == "Linux"
    for name in ("kernel.pid_max", "net.ipv4.ip_local_port_range"):
        text = Path("/proc/sys", *name.split(".")).read_text().rstrip("\n")
        assert str(host.sysctl(name)) == text
    before = transport.count()
    host.facts.sysctl_keys.ask(["vm.swappiness", "vm.overcommit_ratio", "no.such"])
    assert isinstance(host.sysctl("vm.swappiness"), int)
    assert isinstance(host.sysctl("vm/overcommit_ratio"), int)
    with pytest.raises(AssertionError, match=r"no setting no\.such"):
        host.sysctl("no.such")
    assert transport.count() == before + 2


def test_settings_that_cannot_be_read(host):
    with pytest.raises(Denied, match="needs root"):
        host.sysctl("net.ipv4.route.flush")
    with pytest.raises(CannotAssess, match="not a setting"):
        host.sysctl("net.ipv4.conf")


def test_accounts(host, transport):
    root = host.user("root")
    assert root.exists
    assert (root.uid, root.gid, root.group, root.home) == (0, 0, "root", "/root")
    assert host.group("root").gid == 0
    assert not host.user("no-such-user").exists
    assert not host.group("no-such-group").exists
    assert host.group("no-such-group").members == []
    before = transport.count()
    assert not host.user("no-such-user").exists
    assert host.user("daemon").shell
    assert host.user("nobody").gecos
    assert transport.count() == before
    with pytest.raises(AssertionError, match="no group 'no-such-group'"):
        _ = host.group("no-such-group").gid
    with pytest.raises(AssertionError, match="no user 'no-such-user'"):
        _ = host.user("no-such-user").groups


def test_accounts_of_a_host_without_getent(transport):
    # busybox hosts have none; the shell's own look-up is what is replaced here
    transport.results = {}
    without = 'command() { [ "$2" != getent ]; }\n'
    real = transport.run
    transport.run = lambda line, **options: real(
        without + line if isinstance(line, str) and "getent" in line else line, **options
    )
    host = fake_host(transport)
    host.facts.user_entries.ask(["no-such-user"])
    assert not host.group("no-such-group").exists
    assert "root" in host.group("x").get_all_groups
    assert not host.user("no-such-user").exists


def test_commands(host, transport):
    assert host.exists("ls")
    assert not host.exists("no-such-command; true")
    assert host.find_command("ls").endswith("ls")
    with pytest.raises(ValueError, match="no 'no-such-command' command"):
        host.find_command("no-such-command")
    before = transport.count()
    assert host.exists("ls")
    assert transport.count() == before


def test_processes(host, transport):
    me = host.process.get(pid=1)
    assert me.pid == 1
    assert me.comm == host.process.get(pid="1")["comm"]
    assert me.euser == me.user
    assert repr(me) == f"<process {me.comm} (pid=1)>"
    with pytest.raises(RuntimeError, match="No process found"):
        host.process.get(comm="no-such-process")
    assert transport.count("uname") == 1


def test_a_process_whose_name_holds_blanks(host):
    code = "import ctypes, sys; ctypes.CDLL(None).prctl(15, b'two words', 0, 0, 0); input()"
    child = subprocess.Popen(["python3", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        while Path(f"/proc/{child.pid}/comm").read_text() != "two words\n":
            assert child.poll() is None
        found = host.process.get(pid=child.pid)
        assert (found.comm, found.ppid) == ("two words", os.getpid())
        assert "python3 -c import ctypes, sys; " in found.args
        assert found.fname  # a field that is asked for by itself
    finally:
        child.communicate(b"\n")


def test_interfaces(host, transport):
    lo = host.interface("lo")
    assert lo.exists
    assert "127.0.0.1" in lo.addresses
    assert host.interface("lo", "inet6").addresses in ([], ["::1"])
    assert "lo" in host.interface.names()
    assert not host.interface("no-such").exists
    assert not host.interface("up").exists  # a word of ip's language
    assert transport.count("uname") == 1
    assert host.interface("lo").link[0]["mtu"] > 1000
    with pytest.raises(AssertionError, match="no network interface no-such"):
        _ = host.interface("no-such").speed


def test_mount_points(host, transport):
    assert host.mount_point("/").exists
    assert host.mount_point("/proc").filesystem == "proc"
    assert host.mount_point("/proc/").options[0] in ("rw", "ro")
    assert not host.mount_point("/no/such").exists
    assert len(host.mount_point.get_mountpoints()) > 1
    assert transport.count("uname") == 1
    with pytest.raises(AssertionError, match="nothing is mounted at /no/such"):
        _ = host.mount_point("/no/such").options
    with pytest.raises(KeyError):
        _ = testinfra.get_host("local://").mount_point("/no/such").options


def test_a_socket_on_every_address_serves_each(host):
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        assert host.socket(f"tcp://127.0.0.1:{port}").is_listening
        assert host.socket(f"tcp://0.0.0.0:{port}").is_listening
        assert not host.socket(f"tcp://::1:{port}").is_listening
        assert not testinfra.get_host("local://").socket(f"tcp://127.0.0.1:{port}").is_listening
        assert f"tcp://0.0.0.0:{port}" in host.socket.get_listening_sockets()


def test_a_socket_on_every_address_of_both_families(host):
    try:
        server = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    except OSError:
        pytest.skip("needs IPv6")
    with server:
        port = server.getsockname()[1]
        for spec in (f"tcp://{port}", f"tcp://127.0.0.1:{port}", f"tcp://::1:{port}"):
            assert host.socket(spec).is_listening
        assert not host.socket(f"udp://{port}").is_listening


def test_a_socket_for_ipv6_alone(host):
    try:
        server = socket.create_server(("::", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("needs IPv6")
    with server:
        port = server.getsockname()[1]
        assert host.socket(f"tcp://:::{port}").is_listening
        assert not host.socket(f"tcp://{port}").is_listening
        assert not host.socket(f"tcp://127.0.0.1:{port}").is_listening


def test_clients(transport, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "a socket"))
        unix.listen()
        address = server.getsockname()
        with socket.create_connection(address) as client, socket.socket(socket.AF_UNIX) as other:
            other.connect(str(tmp_path / "a socket"))
            host = fake_host(transport)
            assert host.socket(f"tcp://127.0.0.1:{address[1]}").clients == [client.getsockname()]
            assert host.socket(f"tcp://0.0.0.0:{address[1]}").clients == [client.getsockname()]
            assert host.socket(f"tcp://:::{address[1]}").clients == []
            assert host.socket(f"unix://{tmp_path}/a socket").is_listening
            accepted, _ = unix.accept()
            host.facts.refresh()
            assert host.socket(f"unix://{tmp_path}/a socket").clients == [None]
            accepted.close()
    assert not host.socket(f"unix://{tmp_path}/none").is_listening


def test_addr_is_quoted(host, tmp_path):
    evil = f"127.0.0.1; echo pwned > {tmp_path}/pwned"
    assert not host.addr(evil).is_resolvable
    with contextlib.suppress(CannotAssess):  # without ping, nobody answers
        assert not host.addr(evil).is_reachable
    assert not host.addr(evil).port(1).is_reachable
    assert not (tmp_path / "pwned").exists()
    assert host.addr("127.0.0.1").is_resolvable
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert host.addr("127.0.0.1").port(server.getsockname()[1]).is_reachable


def test_what_was_read_is_a_snapshot(host, tmp_path):
    path = tmp_path / "x"
    assert not host.file(str(path)).exists
    path.write_text("")
    assert not host.file(str(path)).exists
    host.facts.refresh()
    assert host.file(str(path)).exists


def test_a_listing_that_is_refused_is_no_empty_folder(tmp_path):
    host = nobody(tmp_path)
    (tmp_path / "closed").mkdir(mode=0o711)
    (tmp_path / "closed/file").write_text("")
    with pytest.raises(Denied):
        host.file(f"{tmp_path}/closed").listdir()
    assert host.file(f"{tmp_path}/closed/file").exists


def test_a_file_that_we_may_not_read(tmp_path):
    host = nobody(tmp_path)
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o600)
    secret = host.file(f"{tmp_path}/secret")
    assert (secret.exists, secret.mode, secret.size) == (True, 0o600, 1)
    for ask in ("content", "md5sum", "sha256sum"):
        with pytest.raises(Denied):
            getattr(secret, ask)
    with pytest.raises(Denied):
        secret.contains("x")
