"""What an empty list may say, and what it may not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lab.traffic import capture_of, talk

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.network.capture import Capture
from pytest_sysaudit.network.sightings import Sightings

DOUBT = "the capture on eth9: it lost 12 packets, so absence proves nothing"

NEGATIVE: dict[str, Callable[[Sightings[int]], object]] = {
    "not": lambda seen: not seen,
    "bool": bool,
    "len": len,
    "equal-empty": lambda seen: seen == [],
    "unequal-empty": lambda seen: seen != [],
    "equal-from-the-left": lambda seen: [] == seen,  # noqa: SIM300 - the other side is asked
    "iterate": lambda seen: [one for one in seen],  # noqa: C416 - a loop is what is tested
    "list": list,
    "reversed": lambda seen: list(reversed(seen)),
    "all": lambda seen: all(one > 5 for one in seen),
    "any": lambda seen: any(one > 50 for one in seen),
    "in": lambda seen: 77 in seen,
    "where": lambda seen: bool(seen.where(lambda one: one > 50)),
    "none": lambda seen: seen.none(),
    "none-of": lambda seen: seen.none(lambda one: one > 50),
    "index": lambda seen: seen[9],
    "slice": lambda seen: bool(seen[9:]),
    "count": lambda seen: seen.count(77),
}


@pytest.mark.parametrize("ask", NEGATIVE.values(), ids=NEGATIVE)
def test_an_empty_one_with_doubt_refuses_each_negative_statement(ask):
    with pytest.raises(Incomplete, match="lost 12 packets"):
        ask(Sightings([], DOUBT))


@pytest.mark.parametrize(
    "name", ["len", "iterate", "list", "any", "in", "where", "none-of", "index"]
)
def test_one_with_doubt_refuses_what_was_not_found(name):
    with pytest.raises(Incomplete, match="lost 12 packets"):
        NEGATIVE[name](Sightings([10, 20], DOUBT))


def test_one_with_doubt_answers_what_was_found():
    seen = Sightings([10, 20], DOUBT)
    assert seen
    assert len(seen.seen) == 2
    assert 20 in seen
    assert seen[1] == 20
    assert any(one == 20 for one in seen)
    assert not all(one == 10 for one in seen)
    assert not seen.none(lambda one: one == 20)
    assert seen.where(lambda one: one == 10).seen == (10,)
    assert seen != [10]
    assert seen.seen == (10, 20)


def test_one_with_doubt_does_not_say_that_it_is_equal():
    with pytest.raises(Incomplete):
        _ = Sightings([10, 20], DOUBT) == [10, 20]


def test_without_doubt_it_is_a_plain_sequence():
    seen = Sightings([10, 20])
    assert list(seen) == [10, 20] == seen
    assert 77 not in seen
    assert not Sightings([])
    assert Sightings([]) == []
    assert Sightings([]).none()
    with pytest.raises(IndexError):
        seen[9]


def test_its_text_never_raises():
    assert str(Sightings([], DOUBT)) == ""
    assert repr(Sightings([], DOUBT)) == f"<none seen ({DOUBT})>"
    assert repr(Sightings(list(range(12)))).startswith("<12 seen: 0, 1,")
    assert str(Sightings(list(range(12)))).endswith("9, and 2 more")
    assert Sightings([], DOUBT).to_plain() == []


def refuses(capture: Capture) -> list[str]:
    """The reasons why each negative statement about *capture* is refused."""
    reasons = []
    for ask in (
        lambda: not capture.packets,
        lambda: capture.count == 0,
        lambda: not capture.flows(port=99),
        lambda: not capture.cleartext_credentials(),
        lambda: not capture.tls(),
        lambda: not capture.select("port 99").packets,
        lambda: not capture.select("port 99"),
    ):
        try:
            ask()
        except Incomplete as error:
            reasons.append(str(error))
    return reasons


def test_an_empty_capture_refuses_everything_and_names_the_way_out():
    reasons = refuses(capture_of([]))
    assert len(reasons) == 7
    assert all("0 packets were seen on made" in reason for reason in reasons)
    assert all("allow_silence=True" in reason for reason in reasons)


def test_an_empty_capture_answers_where_silence_is_the_finding():
    silent = capture_of([], min_packets=0)
    assert refuses(silent) == []
    assert silent.count == 0
    assert not silent.packets


def test_fewer_packets_than_expected_conclude_nothing():
    capture = capture_of(talk([("c", b"x")]), min_packets=100)
    with pytest.raises(Incomplete, match="at least 100 were expected"):
        assert not capture.flows(port=99)


@pytest.mark.parametrize(
    "lack, words",
    [
        ({"drops": 12}, "it lost 12 packets, so absence proves nothing"),
        ({"drops": 1}, "it lost 1 packet,"),
        ({"gaps": ("it ended at 5 packets (max_packets)",)}, "it ended at 5 packets"),
        (
            {"drops": 3, "gaps": ("the interface failed",)},
            "it lost 3 packets; the interface failed",
        ),
    ],
)
def test_an_incomplete_capture_refuses_what_it_did_not_see(lack, words):
    capture = capture_of(talk([("s", b"220 hello\r\n")]), **lack)
    assert not capture.complete
    assert len(capture.packets.seen) == 6
    reasons = refuses(capture)
    assert len(reasons) == 6  # `packets` is not empty
    assert all(words in reason for reason in reasons)


def test_an_incomplete_capture_still_fails_what_it_did_see():
    turns = [("s", b"220 x\r\n"), ("c", b"USER alice\r\n"), ("s", b"331\r\n"), ("c", b"PASS x\r\n")]
    capture = capture_of(talk(turns), drops=5)
    assert capture.cleartext_credentials()
    assert [one.kind for one in capture.cleartext_credentials().seen] == ["ftp"]


def test_a_subset_of_a_full_capture_may_be_empty():
    capture = capture_of(talk([("c", b"x")]))
    assert not capture.select("udp").packets
    assert capture.select("udp").flows() == []


def test_cut_packets_let_flows_be_judged_but_not_contents():
    frames = [frame for frame in capture_of(talk([("c", b"x" * 200)])).recording.trace]  # noqa: C416
    cut = [type(f)(f.time_ns, f.data[:80], f.length, f.link) for f in frames]
    capture = capture_of(cut)
    assert not capture.flows(port=99)
    with pytest.raises(Incomplete, match="1 packet was cut"):
        assert not capture.cleartext_credentials()


def test_before_the_end_of_the_block_there_is_nothing_to_judge():
    running = Capture()
    for ask in (
        lambda: running.packets,
        lambda: running.count,
        running.flows,
        lambda: running.complete,
        running.cleartext_credentials,
        running.to_plain,
    ):
        with pytest.raises(RuntimeError, match="still running"):
            ask()
    assert "still running" in repr(running)
