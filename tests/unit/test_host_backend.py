"""testinfra's backend over our transports: results, sudo, names."""

from __future__ import annotations

import threading

import pytest
import testinfra
import testinfra.backend
import testinfra.host
from lab.fake import FakeTransport, fake_host, fake_target

from pytest_sysaudit.backend import SysauditBackend, register_backend, reset_backend
from pytest_sysaudit.errors import CannotAssess, Denied
from pytest_sysaudit.host import Host


def host(**results):
    return fake_host(results={lambda _: True: results["answer"]})


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


def test_sudo_of_one_greenlet_is_not_that_of_another():
    greenlet = pytest.importorskip("greenlet")
    transport = FakeTransport(results={"here": "", "there": ""})
    one = fake_host(transport)

    def lane(user, command):
        with one.sudo(user):
            greenlet.getcurrent().parent.switch()
            one.run(command)

    first, second = greenlet.greenlet(lane), greenlet.greenlet(lane)
    first.switch("ann", "here")
    second.switch("bob", "there")
    first.switch()
    second.switch()
    assert transport.calls == [("here", "ann"), ("there", "bob")]


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
