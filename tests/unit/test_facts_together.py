"""Several tables in one round trip, rows by key, and what a table was made of."""

from __future__ import annotations

import threading

import pytest
from lab.fake import FakeTransport

from pytest_sysaudit.errors import CannotAssess, ConnectionLost, Denied, NotApplicable, TimedOut
from pytest_sysaudit.facts import TABLES as REGISTERED
from pytest_sysaudit.facts import KeyedTable, open_facts
from pytest_sysaudit.facts.asks import Ask, asks_of
from pytest_sysaudit.transport.base import show


class ManyTransport(FakeTransport):
    """Answers several commands at once; counts how often it was asked."""

    trips: list[list[str]]

    def __init__(self, **fields):
        super().__init__(**fields)
        self.trips = []

    def run(self, command, **options):
        self.trips.append([show(command)])
        return super().run(command, **options)

    def run_many(self, commands, *, user=None):
        self.trips.append([show(command) for command in commands])
        return [self._one(command, user) for command in commands]

    def _one(self, command, user):
        try:
            return super().run(command, user=user)
        except CannotAssess as error:
            return error


def words(facts):
    return facts.run("words").expect().out.split()


words.ASKS = ("words",)


def pair(facts):
    return facts.words, facts.run(["more", "words"]).expect().out


pair.ASKS = (["more", "words"],)
pair.USES = ("words",)


def late(facts):
    return facts.run("late").out


class Letters(KeyedTable[int]):
    NAME = "letters"
    BATCH = 3

    @classmethod
    def command(cls, keys):
        return ["letters", *keys]

    @classmethod
    def parse(cls, keys, result):
        rows = dict(line.split("=") for line in result.expect().out.split())
        assert set(rows) <= set(keys)
        return {k: int(v) if v != "none" else NotApplicable(f"no {k}") for k, v in rows.items()}


TABLES = {"words": words, "pair": pair, "late": late, "letters": Letters}
ANSWERS = {
    "words": "a b",
    "more words": "c",
    "late": "d",
    "letters a b": "a=1 b=none",
    "letters a b c": "a=1 b=2 c=3",
    "letters d": "d=4",
    "letters a": "a=1",
}


def facts_over(transport):
    return open_facts(transport, TABLES)


def test_tables_asked_together_cost_one_round_trip():
    transport = ManyTransport(results=ANSWERS)
    facts = facts_over(transport)
    assert facts.load("pair", "words") == ((["a", "b"], "c"), ["a", "b"])
    assert transport.trips == [["more words", "words"]]


def test_what_was_read_is_not_asked_again():
    transport = ManyTransport(results=ANSWERS)
    facts = facts_over(transport)
    _ = facts.words
    facts.read_ahead(["words"])
    assert facts.load("words", "pair")[1] == (["a", "b"], "c")
    assert [trip for trip in transport.trips if trip] == [["words"], ["more words", "words"]]


def test_a_user_has_answers_of_his_own():
    transport = ManyTransport(results=ANSWERS)
    facts = facts_over(transport)
    facts.read_ahead(["words"])
    assert facts.as_user("root").words == facts.words
    assert [user for _, user in transport.calls] == [None, "root"]


def test_an_error_of_what_was_read_ahead_is_raised_where_it_is_asked_for():
    results = {**ANSWERS, "words": TimedOut("words: too slow")}
    facts = facts_over(ManyTransport(results=results))
    facts.read_ahead(["words", "pair"])
    for _ in range(2):
        with pytest.raises(TimedOut, match="too slow"):
            _ = facts.words
    with pytest.raises(TimedOut, match="too slow"):
        _ = facts.pair


def test_a_batch_that_broke_as_a_whole_leaves_it_to_who_asks():
    class Broken(ManyTransport):
        def run_many(self, commands, *, user=None):
            raise ConnectionLost(f"gone with {len(commands)} commands of {user}")

    facts = facts_over(Broken(results=ANSWERS))
    facts.read_ahead(["words", "pair"])
    assert facts.words == ["a", "b"]
    facts.letters.ask(["b", "a", "c", "d"])
    with pytest.raises(ConnectionLost, match="gone with 2"):
        facts.letters["d"]


def test_a_transport_without_batches_reads_when_asked():
    transport = FakeTransport(results=ANSWERS)
    facts = facts_over(transport)
    facts.read_ahead(["words"], {"letters": ["a"]})
    assert transport.calls == []
    assert facts.words == ["a", "b"]


def test_an_answer_is_handed_out_once():
    transport = ManyTransport(results=ANSWERS)
    facts = facts_over(transport)
    facts.ahead(["words", "late"])
    for _ in range(2):
        assert facts.run("words").out == "a b"
    assert transport.trips == [["words", "late"], ["words"]]


def test_a_table_keeps_the_results_it_was_made_of():
    facts = facts_over(ManyTransport(results=ANSWERS))
    _ = facts.words
    assert [show(result.command) for result in facts.observations("pair")] == []
    _ = facts.pair
    made_of = [show(result.command) for result in facts.observations("pair")]
    assert made_of == ["more words", "words"]
    assert facts.observations("pair")[1] is facts.observations("words")[0]


def test_what_was_read_ahead_is_forgotten_with_the_rest():
    facts = facts_over(ManyTransport(results=ANSWERS))
    facts.read_ahead(["words"], {"letters": ["a"]})
    facts.refresh()
    assert facts.words == ["a", "b"]
    assert facts.letters["a"] == 1
    assert facts.transport.trips == [["words", "letters a"], ["words"], ["letters a"]]


def test_long_answers_are_kept_small_and_given_back_whole():
    text = "word " * 10_000
    transport = ManyTransport(results={**ANSWERS, "words": (0, text, "and why")})
    facts = open_facts(transport, {**TABLES, "again": lambda facts: facts.words})
    assert len(facts.again) == 10_000
    (result,) = facts.observations("again")
    assert (result.out, result.err, show(result.command)) == (text, "and why", "words")
    assert facts.observations("words") == (result,)
    kept = tuple(facts._shared.packed.values())
    assert sum(len(each.stdout) + len(each.stderr) for each in kept) < len(text) / 10


def broken(facts):
    return facts.run("words").expect().out


broken.ASKS = lambda: 1 / 0
broken.USES = 7


def test_a_broken_table_is_told_to_who_asks_for_it():
    class Odd(Letters):
        @classmethod
        def command(cls, keys):
            raise RuntimeError(keys)

    tables = {**TABLES, "broken": broken, "nowhere": "no.such.module:read", "odd": Odd}
    facts = open_facts(ManyTransport(results=ANSWERS), tables)
    facts.read_ahead(
        ["broken", "nowhere", "words"], {"nowhere": ["x"], "letters": ["a"], "odd": ["a"]}
    )
    assert facts.transport.trips == [["words", "letters a"]]
    with pytest.raises(ModuleNotFoundError):
        _ = facts.nowhere
    with pytest.raises(RuntimeError):
        facts.odd["a"]


def test_asks_leave_out_what_is_unknown_and_what_stands_twice():
    assert asks_of(TABLES, ["pair", "words", "nonsense"], {"unknown": ["x"]}) == (
        Ask(("more", "words")),
        Ask("words"),
    )


def test_health_of_this_machine_is_measured_and_not_asked():
    assert asks_of(REGISTERED, ["health"], here=True) == ()
    assert len(asks_of(REGISTERED, ["health"])) > 1


def test_two_tables_of_one_command_share_its_answer():
    def twice(facts):
        return facts.run("words").out

    twice.ASKS = ("words",)
    transport = ManyTransport(results=ANSWERS)
    facts = open_facts(transport, {**TABLES, "twice": twice})
    assert facts.load("words", "twice") == (["a", "b"], "a b")
    assert transport.trips == [["words"]]


def test_many_rows_cost_one_command():
    transport = ManyTransport(results=ANSWERS)
    letters = facts_over(transport).letters
    letters.ask(["a", "b", "a"])
    assert letters["a"] == 1
    for _ in range(2):
        with pytest.raises(NotApplicable, match="no b"):
            letters["b"]
    assert transport.trips == [["letters a b"]]


def test_more_rows_than_a_command_can_name_still_cost_one_round_trip():
    transport = ManyTransport(results=ANSWERS)
    facts = facts_over(transport)
    facts.read_ahead(["words"], {"letters": ["a", "b", "c", "d"]})
    assert [facts.letters[key] for key in "abcd"] == [1, 2, 3, 4]
    assert transport.trips == [["words", "letters a b c", "letters d"]]
    made_of = [show(result.command) for result in facts.observations("letters")]
    assert made_of == ["letters a b c", "letters d"]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ("a=x", CannotAssess, "letters: unknown format"),
        ("", CannotAssess, "said nothing about 'a'"),
        ((1, "", "why"), CannotAssess, "exit code 1: why"),
        (Denied("needs root"), Denied, "needs root"),
    ],
)
@pytest.mark.parametrize("ahead", [True, False])
def test_rows_that_could_not_be_read_raise_each(answer, error, words, ahead):
    facts = facts_over(ManyTransport(results={"letters a": answer}))
    if ahead:
        facts.read_ahead([], {"letters": ["a"]})
    for _ in range(2):
        with pytest.raises(error, match=words):
            facts.letters["a"]


@pytest.mark.parametrize("answer", [TimedOut("too slow"), (1, "", "bad name"), "a=x"])
@pytest.mark.parametrize("ahead", [True, False])
def test_one_row_that_fails_does_not_spoil_the_others(answer, ahead):
    results = {**ANSWERS, "letters a b": answer, "letters b": TimedOut("b is too slow")}
    facts = facts_over(ManyTransport(results=results))
    if ahead:
        facts.read_ahead([], {"letters": ["a", "b"]})
    else:
        facts.letters.ask(["a", "b"])
    assert facts.letters["a"] == 1
    for _ in range(2):
        with pytest.raises(TimedOut, match="b is too slow"):
            facts.letters["b"]
    assert facts.transport.trips == [["letters a b"], ["letters a"], ["letters b"]]


@pytest.mark.parametrize("answer", [Denied("only root"), NotApplicable("there is no such thing")])
def test_what_holds_for_all_rows_is_asked_once(answer):
    class Refusing(Letters):
        @classmethod
        def parse(cls, keys, result):  # noqa: ARG003 - the parent's
            raise answer

    transport = ManyTransport(results=ANSWERS)
    letters = open_facts(transport, {"letters": Refusing}).letters
    letters.ask(["a", "b"])
    for key in "ab":
        with pytest.raises(type(answer), match=str(answer)):
            letters[key]
    assert len(transport.trips) == 1


@pytest.mark.parametrize("bad", ["a\0b", "\ud800"])
def test_a_key_that_no_command_can_hold_hurts_nobody_else(bad):
    transport = ManyTransport(results=ANSWERS)
    facts = facts_over(transport)
    facts.read_ahead(["words"], {"letters": [bad, "a"], "paths": [bad]})
    assert transport.trips == [["words", "letters a"]]
    facts.letters.ask([bad, "a"])
    assert facts.letters["a"] == 1
    for _ in range(2):
        with pytest.raises(CannotAssess, match="letters: no command can hold"):
            facts.letters[bad]
    assert len(transport.trips) == 1


def test_an_interrupted_read_is_tried_again():
    class Interrupted(ManyTransport):
        stop = True

        def run(self, command, **options):
            if self.stop:
                self.stop = False
                raise KeyboardInterrupt
            return super().run(command, **options)

    facts = facts_over(Interrupted(results=ANSWERS))
    with pytest.raises(KeyboardInterrupt):
        facts.letters["a"]
    assert facts.letters["a"] == 1


def test_a_row_that_another_thread_fetches_is_waited_for():
    begun, go_on = threading.Event(), threading.Event()

    class Slow(ManyTransport):
        def run(self, command, **options):
            begun.set()
            assert go_on.wait(20)
            return super().run(command, **options)

    transport = Slow(results=ANSWERS)
    letters = facts_over(transport).letters
    other = threading.Thread(target=letters.ask, args=(["a"],))
    other.start()
    assert begun.wait(20)
    threading.Timer(0.05, go_on.set).start()
    assert letters["a"] == 1
    other.join()
    assert len(transport.calls) == 1
