"""testinfra's modules over canned answers: what was not answered is never a no."""

from __future__ import annotations

import re
import threading

import pytest
import testinfra
import testinfra.backend
import testinfra.host
from lab.fake import FakeTransport, fake_host, fake_target

from pytest_sysaudit.backend import SysauditBackend, register_backend, reset_backend
from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.host import Host

LINUX = {
    "uname -s": "Linux\n",
    "uname -m": "x86_64\n",
    "cat /etc/os-release": "ID=debian\nVERSION_ID=12\n",
    "command -v command": "command\n",
    "command -v ss": "/usr/bin/ss\n",
    "command -v sysctl": "/sbin/sysctl\n",
    "command -v service": "/usr/sbin/service\n",
    "realpath /bin/ps": "/usr/bin/ps\n",
    "test -d /run/systemd/system/ && exit 0; "
    "ls -dL -- /run/systemd/system/ >/dev/null && exit 1; exit 2": "",
}
BUSYBOX = re.compile(r"/bin/busybox").search


def host(**results):
    def any_command(command):
        return True

    return fake_host(results={**LINUX, **results.get("more", {}), any_command: results["answer"]})


def ask(text, answer, **more):
    """Evaluate *text* on a host whose every other command gives *answer*."""
    return eval(text, {"host": host(answer=answer, more=more)})


NO_FILE = (2, "", "ls: cannot access '/x': No such file or directory\n")
DENIED_FILE = (2, "", "ls: cannot access '/x': Permission denied\n")
UNIT_GONE = "Failed to connect to bus: Permission denied\n"


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("host.file('/x').exists", "", True),
        ("host.file('/x').exists", NO_FILE, False),
        ("host.file('/x').exists", (2, "", "ls: /x: Not a directory\n"), False),
        ("host.file('/x').is_file", (1, "", ""), False),
        ("host.file('/x').is_symlink", NO_FILE, False),
        ("host.file('/x').contains('a')", (1, "", ""), False),
        ("host.package('x').is_installed", "install ok installed\n", True),
        ("host.package('x').is_installed", "deinstall ok config-files\n", False),
        (
            "host.package('x').is_installed",
            (1, "", "dpkg-query: no packages found matching x\n"),
            False,
        ),
        ("host.user('x').exists", (1, "", "id: 'x': no such user\n"), False),
        ("host.user('x').exists", (1, "", "id: unknown user x\n"), False),
        ("host.group('x').exists", (2, "", ""), False),
        ("host.group('x').members", (2, "", ""), []),
        ("host.group('x').members", "x:*:7:a,b\n", ["a", "b"]),
        ("host.group('x').gid", "x:*:7:\n", 7),
        ("host.service('x').exists", "x.service enabled enabled\n", True),
        ("host.service('x').exists", (1, "", ""), False),
        ("host.service('x').is_running", "active\n", True),
        ("host.service('x').is_running", (3, "inactive\n", ""), False),
        ("host.service('x').is_running", (4, "unknown\n", ""), False),
        ("host.service('x').is_enabled", "static\n", True),
        ("host.service('x').is_enabled", (1, "masked\n", ""), False),
        ("host.socket('tcp://127.0.0.1:22').is_listening", "H\nL 0 0 0.0.0.0:22 *:*\n", False),
        ("host.socket('tcp://127.0.0.1:22').is_listening", "H\nLISTEN 0 0 *:22 *:*\n", True),
        (
            "host.socket('tcp://127.0.0.1:22').is_listening",
            "H\nLISTEN 0 0 0.0.0.0:22 0.0.0.0:*\n",
            True,
        ),
        ("host.socket('tcp://::1:22').is_listening", "H\nLISTEN 0 0 [::]:22 [::]:*\n", True),
        (
            "host.socket('tcp://::1:22').is_listening",
            "H\nLISTEN 0 0 0.0.0.0:22 0.0.0.0:*\n",
            False,
        ),
        ("host.socket('tcp://22').is_listening", "H\nLISTEN 0 0 0.0.0.0:22 0.0.0.0:*\n", False),
        ("host.socket('tcp://127.0.0.1:22').is_listening", "H\n", False),
    ],
)
def test_an_answer_is_an_answer(text, answer, expected):
    assert ask(text, answer) == expected


SOCKET = "host.socket('tcp://127.0.0.1:22').is_listening"


@pytest.mark.parametrize(
    ("text", "answer", "error"),
    [
        ("host.file('/x').exists", DENIED_FILE, Denied),
        ("host.file('/x').is_directory", DENIED_FILE, Denied),
        ("host.file('/x').exists", (2, "", "ls: /x: Input/output error\n"), CannotAssess),
        ("host.file('/x').exists", (127, "", "sh: test: not found\n"), CannotAssess),
        ("host.file('/x').contains('a')", (2, "", "grep: /x: Permission denied\n"), Denied),
        ("host.file('/x').mode", (1, "", "stat: cannot stat '/x': Permission denied\n"), Denied),
        ("host.file('/x').mode", (1, "", "stat: cannot stat '/x': No such file\n"), AssertionError),
        ("host.file('/x').sha256sum", (2, "", "sh: cannot open /x: Permission denied"), Denied),
        ("host.file('/x').content", (126, "", "sh: cat: Exec format error\n"), CannotAssess),
        ("host.package('x').is_installed", (1, "", "dpkg-query: out of memory\n"), CannotAssess),
        ("host.package('x').is_installed", (2, "", "failed to open /var/lib\n"), CannotAssess),
        ("host.package('x').is_installed", (127, "", "not found\n"), CannotAssess),
        ("host.package('x').version", (1, "", "no packages found matching x\n"), AssertionError),
        ("host.user('x').exists", (1, "", ""), CannotAssess),
        ("host.user('x').uid", (1, "", "id: 'x': no such user\n"), AssertionError),
        ("host.group('x').exists", (127, "", "sh: getent: not found\n"), CannotAssess),
        ("host.group('x').members", (127, "", "sh: getent: not found\n"), CannotAssess),
        ("host.service('x').exists", (1, "", UNIT_GONE), Denied),
        ("host.service('x').is_running", (1, "", UNIT_GONE), Denied),
        ("host.service('x').is_running", (127, "", "systemctl: not found\n"), CannotAssess),
        ("host.service('x').is_enabled", (1, "", UNIT_GONE), Denied),
        ("host.service('x').is_enabled", (127, "", "systemctl: not found\n"), CannotAssess),
        ("host.service('x.timer').is_enabled", (1, "", "Failed to get unit\n"), CannotAssess),
        (SOCKET, (255, "", "Cannot open netlink socket\n"), CannotAssess),
        (SOCKET, (1, "", "Cannot open netlink socket: Operation not permitted\n"), Denied),
        ("host.sysctl('x')", (255, "", "sysctl: permission denied on key 'x'\n"), Denied),
        ("host.mount_point('/x').exists", Denied("sudo"), Denied),
        ("host.run('true')", Denied("sudo"), Denied),
    ],
)
def test_a_question_that_was_not_answered_is_never_a_no(text, answer, error):
    with pytest.raises(error) as caught:
        ask(text, answer)
    assert caught.type is error


def test_a_process_table_without_process_1_is_incomplete():
    busybox = "test -e /bin/busybox && exit 0; ls -dL -- /bin/busybox >/dev/null && exit 1; exit 2"
    head = "COMMAND %CPU PID %MEM STARTED ARGS\n"
    line = "sh 0.0 {pid} 0.1 Mon Nov 23 08:00:00 2026 sh -c x\n"
    more = {busybox: NO_FILE}
    assert ask("host.process.get(comm='sh').pid", head + line.format(pid=1), **more) == 1
    with pytest.raises(Incomplete, match="hidepid"):
        ask("host.process.filter(comm='sh')", head + line.format(pid=9), **more)


def test_without_ss_and_netstat_sockets_cannot_be_assessed():
    gone = {"command -v ss": (127, "", ""), "command -v /sbin/ss": (127, "", "")}
    with pytest.raises(CannotAssess, match='either "ss" or "netstat"'):
        ask(SOCKET, (127, "", ""), **gone)


def test_what_users_run_themselves_is_testinfras_own():
    one = host(answer=(1, "out\n", "x: Permission denied\n"))
    assert one.run("x").rc == 1
    assert one.run_test("x").rc == 1
    with pytest.raises(AssertionError, match="Unexpected exit code 1"):
        one.check_output("x")


def test_an_assertion_says_the_same_in_every_run():
    messages = set()
    for _ in range(2):
        with pytest.raises(AssertionError) as caught:
            host(answer=(1, "", "")).check_output("x")
        messages.add(str(caught.value))
    assert len(messages) == 1
    assert "<sysaudit://web1>" in messages.pop()


def test_output_of_any_encoding_is_text_and_costs_no_further_command():
    transport = FakeTransport(results={"x": (0, b"caf\xc3\xa9 \xff", b"\xfe")})
    result = fake_host(transport).run("x")
    assert (result.stdout, result.stderr) == ("café \\xff", "\\xfe")
    assert result.stdout_bytes == b"caf\xc3\xa9 \xff"
    assert len(transport.calls) == 1


def test_sudo_is_asked_of_the_transport_and_ends_with_its_block():
    transport = FakeTransport(results={"id": "x\n"})
    one = fake_host(transport)
    with one.sudo():
        one.run("id")
        assert one.facts.user == "root"
    with one.sudo("bob"):
        one.run("id")
    one.run("id")
    assert transport.calls == [("id", "root"), ("id", "bob"), ("id", None)]
    assert one.facts.user is None


def test_an_inner_sudo_runs_inside_the_outer_one():
    transport = FakeTransport(results={lambda command: "-u bob" in command: (1, "", "sudo: no\n")})
    one = fake_host(transport)
    with one.sudo("ann"), one.sudo("bob"), pytest.raises(Denied, match="'id' as bob: sudo: no"):
        one.run("id")
    assert [user for _, user in transport.calls] == ["ann"]


def test_sudo_of_one_thread_is_not_that_of_another():
    transport = FakeTransport(results={"here": "", "there": ""})
    one = fake_host(transport)
    with one.sudo("bob"):
        other = threading.Thread(target=one.run, args=("there",))
        other.start()
        other.join()
        one.run("here")
    assert transport.calls == [("there", None), ("here", "bob")]


def test_a_timeout_reaches_the_transport():
    class Slow(FakeTransport):
        def run(self, *_, timeout=None, **__):
            raise CannotAssess(f"after {timeout} s")

    with pytest.raises(CannotAssess, match="after 3 s"):
        fake_host(Slow()).run("x", timeout=3)


class Names:
    """A resolver over canned hosts."""

    def __init__(self, *names):
        self.hosts = {
            name: fake_host(FakeTransport(name, results={"hostname": name})) for name in names
        }
        self.opened = []

    def names(self, expression):
        found = [name for name in self.hosts if expression in ("all", name)]
        if not found:
            raise CannotAssess(f"nothing matches {expression!r}")
        return found

    def host(self, name):
        self.opened.append(name)
        return self.hosts[name]


@pytest.fixture
def names():
    found = Names("web1", "web2")
    register_backend(found)
    yield found
    reset_backend()


def test_testinfra_resolves_names_and_groups(names):
    hosts = testinfra.get_hosts(["sysaudit://all"])
    assert [one.backend.get_pytest_id() for one in hosts] == ["sysaudit://web1", "sysaudit://web2"]
    assert names.opened == []
    assert [one.check_output("hostname") for one in hosts] == ["web1", "web2"]
    assert [one.backend.get_hostname() for one in hosts] == ["web1", "web2"]


def test_testinfras_host_is_one_of_ours_and_shares_the_connection(names):
    one = testinfra.get_host("sysaudit://web1")
    assert isinstance(one, Host)
    assert one.facts.transport is names.hosts["web1"].transport
    assert one.target.name == "web1"
    assert names.hosts["web2"].get_host("sysaudit://web1") is one


def test_sudo_options_of_testinfra_keep_their_meaning(names):
    testinfra.get_host("sysaudit://web1", sudo=True).run("hostname")
    testinfra.get_host("sysaudit://web1?sudo=true&sudo_user=bob").run("hostname")
    calls = names.hosts["web1"].transport.calls
    assert calls == [("hostname", "root"), ("hostname", "bob")]


def test_a_name_that_matches_nothing_is_an_error(names):
    with pytest.raises(CannotAssess, match="nothing matches 'web9'"):
        testinfra.get_hosts(["sysaudit://web9"])


def test_a_reset_forgets_resolver_and_hosts(names):
    first = testinfra.get_host("sysaudit://web1")
    reset_backend()
    assert "sysaudit" not in testinfra.backend.BACKENDS
    register_backend()
    with pytest.raises(CannotAssess, match="no inventory is loaded"):
        testinfra.get_host("sysaudit://web1").run("hostname")
    reset_backend()
    register_backend(names)
    assert testinfra.get_host("sysaudit://web1") is not first


def test_other_backends_of_testinfra_stay_its_own():
    other = Host.get_host("local://")
    assert type(other) is testinfra.host.Host
    assert not isinstance(other.backend, SysauditBackend)


def len_of_name(facts):
    return len(facts.transport.name)


def test_a_host_shows_its_target_files_and_identity():
    transport = FakeTransport(files={"/etc/x": "text"}, identity={"os": "Debian"})
    one = Host(fake_target("web7"), transport, extra_facts={"two": len_of_name})
    assert (one.target.name, one.identity, one.facts.two) == ("web7", {"os": "Debian"}, 4)
    assert one.sftp.read("/etc/x") == b"text"
    assert one.sftp.listdir("/etc") == ["x"]
    assert one.sftp.stat("/etc/x").size == 4
    assert repr(one) == "<testinfra.host.Host sysaudit://web7>"
    one.close()
    assert transport.closed
    with pytest.raises(AttributeError, match="no attribute 'files'"):
        _ = one.files
