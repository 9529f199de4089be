"""Recorded networks judged again: the same packets and verdicts, nothing captured or sent."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from lab import netns
from lab.journal import MemoryJournal
from lab.judged import checks_of, judged
from lab.offline import offline
from lab.traffic import capture_of, converse, datagrams, network, talk
from lab.web import answer, routes

from pytest_sysaudit.connections import Connections
from pytest_sysaudit.errors import CannotAssess, Incomplete, RefusedByPolicy, SecretError
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.evidence.trail import collected
from pytest_sysaudit.inventory import model
from pytest_sysaudit.inventory.model import Http
from pytest_sysaudit.inventory.secrets import Secrets
from pytest_sysaudit.inventory.target import Kind, Target

CHECKS = checks_of(*(f"checks.network.test_{n}" for n in ("cleartext", "encryption", "flows")))
FTP = [("s", b"220 x\r\n"), ("c", b"USER alice\r\n"), ("s", b"331\r\n"),
       ("c", b"PASS planted-hunter2\r\n")]  # fmt: skip
DEAD = ("127.0.0.1", "9")
WEB = [("c", b"GET / HTTP/1.1\r\n\r\n"), ("s", b"HTTP/1.1 200 OK\r\n\r\n")]


class NoSecrets:
    """A replay asks for none."""

    def __getattr__(self, name):
        raise SecretError(f"a replay asked for a secret: {name}")


class Twice:
    """One network, live and then from its recording."""

    def __init__(self, target, *others):
        self.target = target
        self.known = {one.name: one for one in (target, *others)}
        self.journal = MemoryJournal()

    def live(self):
        given = Connections(self.known, Secrets(Redactor()), journal=self.journal)
        return given.network(self.target)

    def again(self):
        given = Connections(self.known, NoSecrets(), player=self.journal.player())
        return given.network(self.target)

    def same(self, look):
        first = look(self.live())
        with offline():
            second = look(self.again())
        assert second == first
        return first


def told(capture):
    """All that a check may look at in a capture, the trace byte by byte."""
    recording = capture.recording
    return {
        "summary": capture.summary(),
        "frames": list(recording.trace),
        "recording": replace(recording, trace=None),
        "plain": capture.to_plain(),
        "flows": capture.flows().to_plain(),
        "streams": [str(stream) for stream in capture.streams().seen],
        "credentials": capture.cleartext_credentials().to_plain(),
        "doubt": repr(capture),
    }


@pytest.mark.parametrize("turns", [WEB, FTP], ids=["web", "ftp"])
def test_every_shipped_check_sees_the_same_again(tmp_path, turns):
    capture_of(talk(turns, ports=(40000, 80))).save(tmp_path / "wire.pcap")
    entry = {"pcap": "wire.pcap", "cidrs": ("10.0.0.0/24",)}
    twice = Twice(network(base=tmp_path, variables={"allowed_ports": [443]}, **entry))

    def look(sniffer):
        return {control: judged(check, {"sniffer": sniffer}) for control, check in CHECKS.items()}

    found = twice.same(look)
    assert found["network.declared-ports"]["verdict"] == "fail"
    assert {tuple(row["evidence"]) for row in found.values()} == {
        tuple(found["network.declared-ports"]["evidence"])
    }
    assert len(found["network.declared-ports"]["evidence"]) == 1
    assert all(row["redacted"] == (turns is FTP) for row in found.values())
    (tmp_path / "wire.pcap").unlink()
    with offline():
        assert look(twice.again()) == found


def test_a_file_and_parts_of_it_are_the_same(tmp_path):
    capture_of([*talk(WEB, ports=(40000, 80)), *talk(WEB, ports=(40000, 81))]).save(
        tmp_path / "wire.pcap"
    )
    (tmp_path / "half.pcap").write_bytes((tmp_path / "wire.pcap").read_bytes()[:-3])
    twice = Twice(network(interface="nope0", base=tmp_path))

    def look(sniffer):
        found = [told(sniffer.open("wire.pcap")), told(sniffer.open("wire.pcap", "tcp port 81"))]
        return [*found, told_half(sniffer.open("half.pcap")), error_of(sniffer.open, "none.pcap")]

    found = twice.same(look)
    assert found[1]["summary"]["packets"] * 2 == found[0]["summary"]["packets"]
    assert "ends within packet" in found[2][1][0]
    assert "No such file" in found[3][1]


def told_half(capture):
    return list(capture.recording.trace), capture.gaps


def error_of(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except CannotAssess as error:
        return type(error).__name__, str(error)
    return None


def test_a_capture_is_kept_without_the_credentials_in_it(tmp_path):
    capture_of(talk(FTP)).save(tmp_path / "wire.pcap")
    twice = Twice(network(pcap="wire.pcap", base=tmp_path))
    with collected() as trail:
        (first,) = twice.live().sample().cleartext_credentials()
    assert trail.redacted
    (kept,) = twice.journal.of("capture")
    assert b"planted" not in b"".join(kept.parts.values())
    assert b"USER alice" in kept.parts["packets"]
    (second,) = twice.again().sample().cleartext_credentials()
    assert second == first


def test_an_interface_that_cannot_be_watched_is_the_same_error(tmp_path):
    twice = Twice(network(interface="nope0"))

    def look(sniffer):
        found = [error_of(sniffer.sample, 0.1) for _ in range(2)]
        with pytest.raises(CannotAssess) as caught, sniffer(filter="tcp port 9"):
            pytest.fail("the block ran")
        return [*found, str(caught.value)]

    assert "no interface 'nope0'" in twice.same(look)[0][1]


def test_who_is_given_the_same_sample_used_the_same(tmp_path):
    capture_of(talk(WEB)).save(tmp_path / "wire.pcap")
    for twice in (
        Twice(network(pcap="wire.pcap", base=tmp_path)),
        Twice(network(interface="nope0")),
    ):
        trails = []

        def ids(sniffer, trails=trails):
            with collected() as trail:
                error_of(sniffer.sample, 0.1)
            trails.append(list(trail.ids))

        live, again = twice.live(), twice.again
        ids(live)
        ids(live)
        with offline():
            sniffer = again()
            ids(sniffer)
            ids(sniffer)
        assert len(trails[0]) == 1
        assert trails == [trails[0]] * 4


def test_what_was_not_captured_then_cannot_be_assessed(tmp_path):
    capture_of(talk(WEB)).save(tmp_path / "wire.pcap")
    twice = Twice(network(interface="nope0", base=tmp_path))
    twice.live().open("wire.pcap")
    words = "wire: a capture with how='capture', filter='tcp port 1' is not in the recording"
    with offline():
        sniffer = twice.again()
        with pytest.raises(CannotAssess, match=words), sniffer(filter="tcp port 1"):
            pytest.fail("the block ran")
        with pytest.raises(CannotAssess, match=r"how='sample', seconds=1\.5 is not"):
            sniffer.sample(1.5)


def test_a_capture_that_was_cut_in_the_recording_is_not_complete(tmp_path):
    capture_of(talk(WEB)).save(tmp_path / "wire.pcap")
    twice = Twice(network(pcap="wire.pcap", base=tmp_path))
    twice.live().sample()
    twice.journal.kept[:] = [
        replace(one, parts={"packets": one.parts["packets"][:200]}, cut=("packets",))
        if one.parts
        else one
        for one in twice.journal.kept
    ]
    with collected() as trail:
        capture = twice.again().sample()
    assert trail.redacted
    assert "the recording holds only 2 of 7 packets" in str(capture.gaps)
    with pytest.raises(Incomplete):
        assert not capture.cleartext_credentials()


@pytest.fixture(scope="module")
def cable():
    with netns.pair() as made:
        yield made


@pytest.fixture
def near(cable):
    with netns.inside(cable.near):
        yield cable


@pytest.mark.root
@netns.needs_netns
def test_live_captures_are_the_same_again(near):
    twice = Twice(network(interface="lo"))
    sent = []

    def look(sniffer):
        with sniffer(filter="tcp", snaplen=2000) as first:
            if not sent:
                sent.append(converse(FTP))
        with sniffer(interface="lo", filter="udp port 9999") as second:
            if len(sent) == 1:
                sent.append(datagrams(9999, 20))
        with sniffer(filter="udp port 1", allow_silence=True) as third:
            pass
        return told(first)["summary"], told(second), told(third), first.tls().seen, first.gaps

    found = twice.same(look)
    assert found[0]["packets"] > 6
    assert found[1]["summary"]["packets"] == 20
    assert found[2]["summary"]["packets"] == 0


def fail(number):
    if number == 1:
        raise CannotAssess("the other side is gone")
    if number == 2:
        pytest.fail("no")


@pytest.mark.root
@netns.needs_netns
def test_blocks_that_fail_and_captures_that_come_after_them(near):
    twice = Twice(network(interface="lo"))

    def look(sniffer):
        found = []
        for number in range(4):
            try:
                with sniffer(filter="udp", allow_silence=True) as capture:
                    fail(number)
                found.append(capture.recording.started)
            except (CannotAssess, pytest.fail.Exception) as error:
                found.append(str(error))
        return found

    assert twice.same(look)[1:3] == ["the other side is gone", "no"]


@pytest.mark.root
@netns.needs_netns
def test_a_sample_does_not_exercise_again(near):
    with routes({"/": answer(b"hi")}) as server:
        shop = Target(name="shop", kind=Kind.HTTP, entry=Http(base_url=server.url))
        twice = Twice(network(interface="lo", exercise=("shop",)), shop)

        def look(sniffer):
            sniffer.exercise()
            return told(sniffer.sample(0.2))

        found = twice.same(look)
        asked = len(server.requests)
    assert asked == 2  # the exercise before the sample, and the one in it
    assert f":{server.port}" in str(found["streams"])
    assert twice.journal.of("http") == []


@pytest.mark.root
@netns.needs_netns
def test_a_sample_whose_exercise_failed_fails_again(near):
    shop = Target(name="shop", kind=Kind.HTTP, entry=Http(base_url=f"http://{':'.join(DEAD)}"))
    twice = Twice(network(interface="lo", exercise=("shop",)), shop)
    found = twice.same(lambda sniffer: [error_of(sniffer.sample, 0.1) for _ in range(2)])
    assert "no traffic could be made to shop" in found[0][1]


@pytest.mark.root
@netns.needs_netns
def test_probes_and_their_answers_are_the_same_and_nothing_is_sent(near):
    from scapy.layers.inet import ICMP, IP, TCP, UDP

    entry = {"interface": "wire0", "active_probes": True, "cidrs": ("192.0.2.0/24",)}
    twice = Twice(network(**entry))
    there = near.far_address

    def look(sniffer):
        found = [
            bytes(sniffer.ask(IP(dst=there) / ICMP(id=77))),
            bytes(sniffer.ask(IP(dst=there) / TCP(sport=50000, dport=9, flags="S"))),
            sniffer.ask(IP(dst="192.0.2.77") / ICMP(id=78), timeout=0.2) is None,
            told(sniffer.probe(IP(dst=there) / UDP(sport=50001, dport=[9, 10]), timeout=0.2)),
        ]
        wrong = (IP(dst="198.51.100.1") / ICMP(), TCP())
        return [*found, *(error_of(sniffer.probe, packet) for packet in wrong)]

    found = twice.same(look)
    assert found[2] is True
    assert found[3]["summary"]["packets"] >= 2
    assert found[4][0] == RefusedByPolicy.__name__


@pytest.mark.root
@netns.needs_netns
@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="needs tcpdump")
def test_a_capture_on_a_recorded_host_is_kept_once_and_without_credentials(near):
    """The host keeps what its commands wrote; of tcpdump it is not asked."""
    gate = Target(name="gate", kind=Kind.LOCAL, entry=model.Host(connection="local"))
    twice = Twice(network(interface="lo", via="gate"), gate)
    sent = []

    def look(sniffer):
        with sniffer(filter="tcp") as capture:
            if not sent:
                sent.append(converse(FTP))
        (credential,) = capture.cleartext_credentials()
        return str(credential), capture.recording.place, capture.gaps

    assert "lo of gate" in twice.same(look)
    everything = b"".join(b"".join(one.parts.values()) for one in twice.journal.kept)
    assert b"USER alice" in everything
    assert b"planted" not in everything
    assert twice.journal.of("command") == []


@pytest.mark.root
@netns.needs_netns
def test_without_a_journal_nothing_is_prepared(near, monkeypatch):
    from pytest_sysaudit.network import recording
    from pytest_sysaudit.network.sniffer import Sniffer

    def refuse(*_: object) -> None:
        raise AssertionError("nothing is kept")

    monkeypatch.setattr(recording, "blanked", refuse)
    with Sniffer(network(interface="lo"))(filter="udp port 9998") as capture:
        datagrams(9998, 3)
    assert capture.count == 3
