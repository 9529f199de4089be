"""Each target is opened once, whoever asks; who is told why it is dead does not depend on time."""

from __future__ import annotations

import threading
from functools import partial
from typing import ClassVar

import pytest
from lab.sshd import Secrets, wait_until

from pytest_sysaudit import dialing
from pytest_sysaudit.connections import Connections
from pytest_sysaudit.dialing import Call, Dialer
from pytest_sysaudit.errors import CannotAssess, Unreachable
from pytest_sysaudit.inventory import model
from pytest_sysaudit.inventory.target import Kind, Target


class Way:
    """A transport that counts how often it was opened and closed."""

    identity: ClassVar = {"address": "192.0.2.1:22"}
    closed = 0

    def __init__(self, name: str) -> None:
        self.name = name

    def close(self) -> None:
        self.closed += 1


class Openers:
    """Opens `Way`s; *fails* holds what is raised first, target by target."""

    def __init__(self, **fails: list[BaseException]) -> None:
        self.fails = fails
        self.opened: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, target, _secrets, _targets):
        self.opened.append(target.name)
        self.gate.wait()
        if errors := self.fails.get(target.name):
            raise errors.pop(0)
        return Way(target.name)


def hosts(*names: str, **entries) -> dict[str, Target]:
    entries = {**{name: {} for name in names}, **entries}
    return {
        name: Target(name=name, kind=Kind.SSH, entry=model.Host(address="192.0.2.1", **entry))
        for name, entry in entries.items()
    }


def connections(targets: dict[str, Target], openers: Openers) -> Connections:
    return Connections(targets, Secrets(), transports={"ssh": openers})


def answer(call) -> str:
    try:
        call()
    except CannotAssess as error:
        return f"{type(error).__name__}: {error}"
    return "alive"


def test_each_asker_is_told_the_reason_once():
    ways = connections(hosts("web1"), Openers())
    assert answer(lambda: ways.refuse_dead("web1")) == "alive"
    ways.bury("web1", "web1: gone", told=False)
    for asker in (None, "dmz", "shop"):
        asked = [answer(partial(ways.refuse_dead, "web1", asker=asker)) for _ in range(3)]
        assert asked == ["Unreachable: web1: gone", *["CannotAssess: not assessed: web1: gone"] * 2]


def test_what_one_asker_was_told_is_news_to_the_next():
    ways = connections(hosts("web1"), Openers())
    ways.bury("web1", "web1: gone", told=True, asker="dmz")
    assert answer(lambda: ways.refuse_dead("web1", asker="dmz")).startswith("CannotAssess")
    assert answer(lambda: ways.refuse_dead("web1")).startswith("Unreachable")


def test_the_first_reason_stays():
    ways = connections(hosts("web1"), Openers())
    ways.bury("web1", "web1: first", told=False)
    ways.bury("web1", "web1: second", told=False)
    assert "first" in answer(lambda: ways.refuse_dead("web1"))


def test_opened_once_and_closed_once():
    targets, openers = hosts("web1"), Openers()
    ways = connections(targets, openers)
    first = ways.host(targets["web1"])
    assert ways.host(targets["web1"]) is first
    ways.close()
    ways.close()
    assert openers.opened == ["web1"]
    assert first.transport.closed == 1


def test_a_failure_is_not_tried_again():
    targets = hosts("web1")
    openers = Openers(web1=[Unreachable("web1: gone")])
    ways = connections(targets, openers)
    for _ in range(2):
        with pytest.raises(CannotAssess, match="web1: gone"):
            ways.host(targets["web1"])
    assert openers.opened == ["web1"]
    assert ways.states()["web1"] == {"identity": {}, "reachable": False, "reason": "web1: gone"}


def test_an_interruption_is_not_the_hosts_fault():
    targets = hosts("web1")
    openers = Openers(web1=[KeyboardInterrupt()])
    ways = connections(targets, openers)
    with pytest.raises(KeyboardInterrupt):
        ways.host(targets["web1"])
    assert ways.host(targets["web1"]).transport.name == "web1"


def test_what_is_dialed_is_waited_for_and_not_opened_twice():
    targets, openers = hosts("web1", "web2"), Openers()
    openers.gate.clear()
    ways = connections(targets, openers)
    ways.dial(list(targets.values()))
    wait_until(lambda: len(openers.opened) == 2)
    threading.Timer(0.05, openers.gate.set).start()
    assert ways.host(targets["web1"]).transport.name == "web1"
    assert sorted(openers.opened) == ["web1", "web2"]


def test_who_asks_somebody_for_a_password_is_not_dialed():
    targets = hosts(
        web1={"ssh": {"password": "prompt"}},
        web2={"ssh": {"proxy_jump": "gate"}},
        gate={"ssh": {"proxy_jump": "web1"}},
        web3={},
    )
    openers = Openers()
    ways = connections(targets, openers)
    ways.dial(list(targets.values()))
    ways.host(targets["web3"])
    assert openers.opened == ["web3"]


def test_what_ends_while_the_run_ends_is_closed_too():
    targets, openers = hosts("web1"), Openers()
    made: list[Way] = []
    openers.gate.clear()

    def opener(target, secrets, others):
        made.append(openers(target, secrets, others))
        return made[-1]

    ways = Connections(targets, Secrets(), transports={"ssh": opener})
    ways.dial(list(targets.values()))
    wait_until(lambda: openers.opened)
    ways.close()
    openers.gate.set()
    wait_until(lambda: made and made[0].closed)


class Turn:
    """The turn of a lane, that is given away in another thread."""

    def __init__(self) -> None:
        self.given = 0

    def call(self, call):
        self.given += 1
        answers: list = []
        thread = threading.Thread(target=lambda: answers.append(call()))
        thread.start()
        thread.join()
        return answers[0]

    def until(self, future, timeout):
        self.given += 1
        return future.result(timeout)


def in_lane(call):
    greenlet = pytest.importorskip("greenlet")
    turn, answers = Turn(), []
    lane = greenlet.greenlet(lambda: answers.append(call()))
    lane.sysaudit_turn = turn
    lane.switch()
    return answers[0], turn.given


def test_opening_gives_the_turn_away():
    targets = hosts("web1")
    ways = connections(targets, Openers())
    host, given = in_lane(lambda: ways.host(targets["web1"]))
    assert (host.transport.name, given) == ("web1", 1)


def test_a_question_to_a_person_keeps_the_turn():
    targets = hosts(web1={"ssh": {"password": "prompt"}})
    ways = connections(targets, Openers())
    host, given = in_lane(lambda: ways.host(targets["web1"]))
    assert (host.transport.name, given) == ("web1", 0)


@pytest.fixture
def calls(monkeypatch):
    """Makes calls that do not answer until the end of the test; nothing else runs here."""
    monkeypatch.setattr(dialing, "crowded", lambda: False)
    gate = threading.Event()
    begun: list[int] = []

    def make(number: int, doors: int, patience: float = 60, *, opens: bool = False) -> list[Call]:
        def call(n: int):
            def work() -> bool:
                begun.append(n)
                gate.wait()
                return opens

            return Call(name=f"web{n}", open=work, door=n % doors, patience=patience)

        return [call(n) for n in range(number)]

    yield make, begun, gate
    gate.set()


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_so_many_at_once_and_no_more(calls, monkeypatch):
    make, begun, gate = calls
    monkeypatch.setattr(dialing, "WORKING", 60)
    dialer = Dialer(make(dialing.DIALERS + 40, doors=1000))
    dialer.start()
    wait_until(lambda: len(begun) == dialing.DIALERS)
    assert begun == list(range(dialing.DIALERS))
    gate.set()
    wait_until(lambda: len(begun) == dialing.DIALERS + 40)
    wait_until(lambda: "dialer" not in names(), what="the dialer's thread has ended")


def test_where_more_wants_to_run_than_can_the_next_waits_for_one_to_be_open(calls, monkeypatch):
    make, begun, gate = calls
    monkeypatch.setattr(dialing, "crowded", lambda: True)
    monkeypatch.setattr(dialing, "REST", 60)
    dialer = Dialer(make(3, doors=1000))

    def rests() -> bool:
        return bool(dialer._changed._waiters)

    dialer.start()
    wait_until(rests)
    assert begun == [0]
    gate.set()
    wait_until(lambda: begun == [0, 1])
    wait_until(rests)
    dialer.stop()
    wait_until(lambda: "dialer" not in names())


def test_but_not_for_ever(calls, monkeypatch):
    make, begun, _ = calls
    monkeypatch.setattr(dialing, "crowded", lambda: True)
    monkeypatch.setattr(dialing, "REST", 0.01)
    Dialer(make(5, doors=1000)).start()
    wait_until(lambda: len(begun) == 5)


@pytest.mark.parametrize(
    ("text", "crowd"),
    [("9.1 8.2 7.3 2/345 6789", False), ("0.0 0.0 0.0 3/345 6789", True), ("", False)],
)
def test_what_wants_to_run_is_counted(monkeypatch, tmp_path, text, crowd):
    (tmp_path / "loadavg").write_text(text)
    monkeypatch.setattr(dialing, "_processors", lambda: 2)
    monkeypatch.setattr(dialing, "_LOAD", tmp_path / "loadavg")
    assert dialing.crowded() is crowd
    monkeypatch.setattr(dialing, "_LOAD", tmp_path / "nowhere")
    assert not dialing.crowded()
    monkeypatch.undo()
    assert dialing.crowded() in (True, False)


def test_the_dead_do_not_hold_up_the_living(calls, monkeypatch):
    make, begun, _ = calls
    monkeypatch.setattr(dialing, "WORKING", 0.05)
    Dialer(make(3 * dialing.DIALERS, doors=1000)).start()
    wait_until(lambda: len(begun) == 3 * dialing.DIALERS)


def test_few_at_one_door(calls, monkeypatch):
    make, begun, gate = calls
    monkeypatch.setattr(dialing, "WORKING", 0.01)
    Dialer(make(40, doors=2)).start()
    wait_until(lambda: len(begun) == 16)
    assert sorted(begun) == list(range(16))
    gate.set()
    wait_until(lambda: len(begun) == 40)


def test_a_door_that_does_not_open_holds_up_nobody_for_longer_than_one_timeout(calls):
    make, begun, _ = calls
    Dialer(make(20, doors=1, patience=0.05)).start()
    wait_until(lambda: len(begun) == 20)


def test_the_dialer_runs_ahead_only_so_far(calls, monkeypatch):
    make, begun, gate = calls
    monkeypatch.setattr(dialing, "AHEAD", 10)
    gate.set()
    dialer = Dialer(make(30, doors=1000, opens=True))
    dialer.start()
    wait_until(lambda: len(begun) >= 10)
    dialer.need("web29")
    wait_until(lambda: 29 in begun)
    assert sorted(begun) == [*range(10), 29]
    for n in (0, 1, 2, 29):
        dialer.give_back(f"web{n}")
    wait_until(lambda: len(begun) == 14)
    for n in range(3, 29):
        wait_until(lambda n=n: n in begun)
        dialer.give_back(f"web{n}")
    wait_until(lambda: "dialer" not in names())
    assert sorted(begun) == list(range(30))


def test_who_needs_a_host_does_not_wait_for_the_dialer(monkeypatch):
    monkeypatch.setattr(dialing, "AHEAD", 1)
    targets = hosts("web1", "web2", "web3")
    openers = Openers()
    ways = connections(targets, openers)
    ways.dial(list(targets.values()))
    assert ways.host(targets["web3"]).transport.name == "web3"
    assert ways.host(targets["web2"]).transport.name == "web2"
    assert ways.host(targets["web1"]).transport.name == "web1"
    assert sorted(openers.opened) == ["web1", "web2", "web3"]
    ways.close()


def test_a_stopped_dialer_begins_nothing(calls, monkeypatch):
    make, begun, gate = calls
    monkeypatch.setattr(dialing, "WORKING", 60)
    dialer = Dialer(make(dialing.DIALERS + 1, doors=1000))
    dialer.start()
    wait_until(lambda: len(begun) == dialing.DIALERS)
    dialer.stop()
    wait_until(lambda: "dialer" not in names())
    gate.set()
    assert len(begun) == dialing.DIALERS
