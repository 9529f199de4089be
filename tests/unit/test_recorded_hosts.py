"""A recorded host answers as it did, by the same evidence; nothing else is asked or made up."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess

import pytest
from lab.fake import FakeTransport, fake_target
from lab.journal import MemoryJournal
from lab.tapes import recorded, replayed, shape, tried

from pytest_sysaudit.errors import (
    CannotAssess,
    ConnectionLost,
    Denied,
    Incomplete,
    NotApplicable,
    TimedOut,
)
from pytest_sysaudit.evidence.redact import MASK, Redactor
from pytest_sysaudit.evidence.trail import Trail, follow
from pytest_sysaudit.facts import KeyedTable, open_facts
from pytest_sysaudit.facts.plan import Plan
from pytest_sysaudit.inventory import model
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.transport.asked import asked_command, asked_file
from pytest_sysaudit.transport.base import Transport, show
from pytest_sysaudit.transport.local import LocalTransport
from pytest_sysaudit.transport.recording import recording
from pytest_sysaudit.transport.replay import ReplayTransport


class ManyTransport(FakeTransport):
    """Answers several commands at once, and some with the login."""

    connected = True

    def __init__(self, ahead=(), **fields):
        super().__init__(**fields)
        self._sent = ahead
        self.trips = 0

    def run_many(self, commands, *, user=None):
        self.trips += 1
        return [self._one(command, user) for command in commands]

    def ahead(self):
        return {command: self._one(command, None) for command in self._sent}

    def _one(self, command, user):
        try:
            return self.run(command, user=user)
        except CannotAssess as error:
            return error


class Odd:
    """What no recording can hold as data."""

    def __init__(self, words):
        self.words = words


@dataclasses.dataclass(frozen=True)
class Words:
    words: tuple[str, ...]
    count: int


def words(facts):
    found = tuple(facts.run("words").expect().out.split())
    return Words(found, len(found))


words.ASKS = ("words",)


def both(facts):
    return facts.words.count, facts.letters["a"], facts.run(["more", "words"]).expect().out


both.ASKS = (["more", "words"],)
both.USES = ("words",)


def odd(facts):
    return Odd(facts.run("words").expect().out)


def framed(facts):
    found = facts.frame({"one": "words", "two": ["more", "words"]})
    return {name: result.out for name, result in found.items()}


class Letters(KeyedTable[int]):
    NAME = "letters"
    BATCH = 3

    @classmethod
    def command(cls, keys):
        return ["letters", *keys]

    @classmethod
    def parse(cls, keys, result):  # noqa: ARG003 - the base class's
        rows = dict(line.split("=") for line in result.expect().out.split())
        return {k: int(v) if v != "none" else NotApplicable(f"no {k}") for k, v in rows.items()}


class OddLetters(Letters):
    NAME = "odd_letters"

    @classmethod
    def parse(cls, keys, result):
        return {key: Odd(row) for key, row in super().parse(keys, result).items()}


TABLES = {
    "words": words,
    "both": both,
    "odd": odd,
    "framed": framed,
    "letters": Letters,
    "odd_letters": OddLetters,
}
ANSWERS = {
    "words": "a b",
    "more words": "c",
    "letters a": "a=1",
    "letters b": "b=2",
    "letters a b": "a=1 b=none",
    "letters a b c": "a=1 b=2 c=3",
    "letters d": "d=4",
    "slow": TimedOut("web1: slow"),
    "secret": "user hunter2hunter2 x",
    "id -u": "0\n",
    "fails": (3, "out", "err"),
}
FILES = {"/etc/hostname": "web1\n", "/etc/x": b"\0\xff", "/etc/closed": Denied("/etc/closed: no")}


def pair(journal=None, **more):
    """A recorded host over a fake, and what makes the same one of its recording."""
    journal = journal or MemoryJournal()
    fields = {"results": ANSWERS, "files": FILES, "identity": {"address": "192.0.2.1:22"}}
    host = recorded(ManyTransport(**{**fields, **more}), journal, extra_facts=TABLES)
    return host, lambda: replayed(journal, extra_facts=TABLES), journal


ASKS = {
    "a table": lambda host: host.facts.words,
    "a table of tables": lambda host: host.facts.both,
    "twice": lambda host: (host.facts.words, host.facts.words),
    "no data": lambda host: host.facts.odd.words,
    "a frame": lambda host: host.facts.framed,
    "as another": lambda host: host.facts.as_user("root").words,
    "several": lambda host: host.facts.load("both", "words"),
    "a row": lambda host: host.facts.letters["a"],
    "an error for a row": lambda host: (host.facts.letters.ask("ab"), host.facts.letters["b"]),
    "no row": lambda host: host.facts.letters["nothing\0"],
    "a row that is no data": lambda host: host.facts.odd_letters["a"].words,
    "a command": lambda host: host.run("words").stdout,
    "a line with arguments": lambda host: host.run("more %s", "words").stdout,
    "an exit code": lambda host: dataclasses.replace(host.run("fails"), backend=None),
    "an error": lambda host: host.run("slow"),
    "standard input": lambda host: host.transport.run("words", stdin=b"x").out,
    "a command of another": lambda host: host.transport.run("words", user="bob").out,
    "several commands": lambda host: [
        each.out if hasattr(each, "out") else str(each)
        for each in host.transport.run_many(["words", "slow", ["more", "words"]], user="bob")
    ],
    "a file": lambda host: host.sftp.read("/etc/hostname"),
    "odd bytes": lambda host: host.sftp.read("/etc/x"),
    "a file that is too large": lambda host: host.sftp.read("/etc/hostname", limit=3),
    "no file": lambda host: host.sftp.read("/etc/none"),
    "a closed file": lambda host: host.sftp.read("/etc/closed"),
    "facts of a file": lambda host: host.sftp.stat("/etc/hostname"),
    "a folder": lambda host: host.sftp.listdir("/etc"),
    "who it is": lambda host: host.identity,
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS.keys())
def test_a_replay_answers_the_same_by_the_same_evidence(ask):
    host, replay, _ = pair()
    if ask is ASKS["a file that is too large"]:
        tried(ASKS["a file"], host)
        first = ((Incomplete, "/etc/hostname: larger than 3 bytes"), (), False)
        assert tried(ask, replay())[0] == first[0]
        return
    first = tried(ask, host)
    assert shape(tried(ask, replay())) == shape(first)
    assert host.transport.calls or ask is ASKS["who it is"] or "file" in str(first) or FILES


def test_all_in_a_row_and_in_another_order():
    host, replay, _ = pair()
    several = {name: tried(ask, host) for name, ask in ASKS.items() if "too large" not in name}
    again = replay()
    found = {name: tried(ASKS[name], again) for name in sorted(several)}
    assert {name: shape(each) for name, each in found.items()} == {
        name: shape(each) for name, each in several.items()
    }


def test_every_check_that_reads_a_table_used_it_and_not_what_it_is_made_of():
    host, _, journal = pair()
    for _ in range(2):
        _, ids, _ = tried(ASKS["a table of tables"], host)
        (table,) = journal.by_id(ids)
        assert (table.kind, table.asked) == ("table", {"table": "both", "user": None})
    made_of = {(each.kind, str(each.asked)) for each in journal.by_id(table.made_of)}
    assert made_of == {
        ("table", "{'table': 'words', 'user': None}"),
        ("row", "{'table': 'letters', 'user': None}"),
        ("command", str(asked_command(["more", "words"], None, by="facts"))),
    }
    (inner,) = journal.by_id(tried(ASKS["a table"], host)[1])
    assert [each.kind for each in journal.by_id(inner.made_of)] == ["command"]


def test_what_is_read_ahead_is_used_by_who_asks_for_it():
    transport = ManyTransport(results=ANSWERS, ahead=("words",))
    journal = MemoryJournal()
    plan = Plan(("both", "words"), {"letters": ("a", "b")})
    trail = Trail()
    before = follow(trail)
    try:
        host = recorded(transport, journal, extra_facts=TABLES, plan=plan)
        trail.ids.clear()  # the opening
        host.read_ahead()
    finally:
        follow(before)
    assert trail.ids == {}
    assert transport.trips == 1
    ahead = len(transport.calls)
    value, ids, _ = tried(ASKS["a table of tables"], host)
    assert value == (2, 1, "c")
    assert len(transport.calls) == ahead
    (table,) = journal.by_id(ids)
    assert len(table.made_of) == 3
    again = tried(ASKS["a table of tables"], replayed(journal, extra_facts=TABLES))
    assert again == (value, ids, False)
    assert tried(lambda host: host.facts.letters["b"], host)[0][0] is NotApplicable


def test_a_row_is_found_whatever_it_was_asked_with():
    host, replay, journal = pair()
    host.facts.letters.ask("abc")
    host.facts.letters.ask("d")
    assert len(journal.of("row")) == 2
    assert journal.of("row")[0].answer == {"keys": ["a", "b", "c"], "count": 3}
    again = replay()
    again.facts.letters.ask("db")
    assert [again.facts.letters[key] for key in "cdab"] == [3, 4, 1, 2]
    ids = {key: tried(lambda host, k=key: host.facts.letters[k], again)[1] for key in "ad"}
    assert {key: journal.by_id(each)[0].id for key, each in ids.items()} == {
        "a": journal.of("row")[0].id,
        "d": journal.of("row")[1].id,
    }


NOT_THERE = {
    "facts.words is not in the recording (nor is `words`)": lambda host: host.facts.words,
    "facts.words (as root) is not": lambda host: host.facts.as_user("root").words,
    "facts.both is not in the recording (nor is facts.words)": lambda host: host.facts.both,
    "facts.letters['a'] is not in the recording": lambda host: host.facts.letters["a"],
    "`words` is not in the recording": lambda host: host.run("words"),
    "`words` (as root) is not": lambda host: host.transport.run("words", user="root"),
    "/etc/hostname is not in the recording": lambda host: host.sftp.read("/etc/hostname"),
    "stat of /etc/hostname is not": lambda host: host.sftp.stat("/etc/hostname"),
    "the list of /etc is not": lambda host: host.sftp.listdir("/etc"),
    "facts.ssh_wire is not in the recording": lambda host: host.facts.ssh_wire,
    "facts.uname is not in the recording": lambda host: host.facts.uname,
    "facts.paths['/etc/passwd'] is not": lambda host: host.file("/etc/passwd").exists,
    "facts.health.load is not in the recording": lambda host: host.health.load,
}


@pytest.mark.parametrize(("message", "ask"), NOT_THERE.items(), ids=NOT_THERE.keys())
@pytest.mark.parametrize("identity", [{}, {"address": "local"}], ids=["remote", "local"])
def test_what_was_not_recorded_is_said_to_be_missing(monkeypatch, message, ask, identity):
    def touched(*arguments, **_):
        raise AssertionError(f"a replay touched something: {arguments}")

    for module, name in ((socket, "socket"), (socket, "create_connection"), (subprocess, "Popen")):
        monkeypatch.setattr(module, name, touched)
    monkeypatch.setattr(os, "getxattr", touched)
    journal = MemoryJournal()
    tables = dict.fromkeys(["words", "both", "letters"])
    kept = recorded(
        FakeTransport(identity=identity, results={"uname": "Linux"}, unknown=1),
        journal,
        extra_facts={name: TABLES[name] for name in tables},
    )
    del kept
    host = replayed(journal, extra_facts=TABLES)
    if "passwd" in message:
        monkeypatch.setattr(type(host), "_asking", property(FileOf))
    value, _, redacted = tried(ask, host)
    assert issubclass(value[0], CannotAssess)
    assert value[1].startswith("web1: ")
    assert message in value[1]
    assert not redacted


class FileOf:
    """The one resource that is asked for, whatever the system is."""

    def __init__(self, host):
        self.host = host

    def file(self, path):
        return type("File", (), {"exists": property(lambda _: self.host.facts.paths[path])})()


def test_rows_that_are_no_data_are_asked_for_as_they_were_and_others_are_shown_in_part():
    host, replay, journal = pair(results={**ANSWERS, "letters a b": "a=1 b=2"})
    host.facts.odd_letters.ask("ab")
    for key, words in {"b": "2", "a": "1"}.items():
        assert str(replay().facts.odd_letters[key].words) == words
    again = replay()
    assert [str(again.facts.odd_letters[key].words) for key in "ba"] == ["2", "1"]
    value, ids, _ = tried(lambda host: host.facts.odd_letters["a"].words, again)
    assert (value, ids) == tried(lambda host: host.facts.odd_letters["a"].words, host)[:2]
    many = recorded(
        ManyTransport(results={lambda _: True: "".join(f"{n}={n}\n" for n in range(90))}),
        journal,
        extra_facts={"letters": type("Many", (Letters,), {"BATCH": 90})},
    )
    many.facts.letters.ask(map(str, range(90)))
    answer = journal.of("row")[-1].answer
    assert (answer["count"], answer["keys"]) == (90, [str(n) for n in range(20)])


def test_commands_in_one_frame_are_kept_each_by_itself():
    journal = MemoryJournal()
    transport = FakeTransport(results=ANSWERS)
    host = recorded(transport, journal, extra_facts=TABLES)
    first = tried(ASKS["a frame"], host)
    assert len(transport.calls) == 1
    assert {str(each.asked["command"]) for each in journal.of("command")} == {
        "words",
        "['more', 'words']",
    }
    journal.kept = [each for each in journal.kept if each.kind != "table"]  # as if it was no data
    assert tried(ASKS["a frame"], replayed(journal, extra_facts=TABLES))[0] == first[0]


def test_a_frame_that_was_refused_is_refused_again():
    journal = MemoryJournal()
    transport = FakeTransport()
    transport.run = lambda *_, **__: (_ for _ in ()).throw(Denied("sudo: no"))
    host = recorded(transport, journal, extra_facts=TABLES)
    assert tried(ASKS["a frame"], host)[0] == (Denied, "sudo: no")
    assert [each.error["type"] for each in journal.of("command")] == ["Denied", "Denied"]
    assert tried(ASKS["a frame"], replayed(journal, extra_facts=TABLES))[0] == (Denied, "sudo: no")


def test_a_check_gets_what_itself_was_told_and_not_what_a_table_was():
    answers = iter(["a b", "later"])
    transport = FakeTransport(results={})
    transport._answer = lambda _: (0, next(answers).encode(), b"")
    journal = MemoryJournal()
    host = recorded(transport, journal, extra_facts=TABLES)
    assert host.facts.words.count == 2
    assert host.run("words").stdout == "later"
    again = replayed(journal, extra_facts=TABLES)
    assert again.run("words").stdout == "later"
    assert again.facts.words.words == ("a", "b")


def test_answers_come_in_the_order_of_the_recording():
    answers = iter("123")
    transport = FakeTransport()
    transport._answer = lambda _: (0, next(answers).encode(), b"")
    journal = MemoryJournal()
    host = recorded(transport, journal)
    first = [tried(lambda host: host.run("date").stdout, host) for _ in range(3)]
    again = replayed(journal)
    assert [tried(lambda host: host.run("date").stdout, again) for _ in range(3)] == first
    assert tried(lambda host: host.run("date").stdout, again) == first[-1]


ERRORS = [
    Denied("sudo: no"),
    TimedOut("too slow"),
    ConnectionLost("gone", final=False),
    ConnectionLost("gone"),
    Incomplete("cut"),
    CannotAssess("lost"),
    NotApplicable("none"),
]


@pytest.mark.parametrize("error", ERRORS, ids=map(repr, range(len(ERRORS))))
@pytest.mark.parametrize(
    "ask",
    [
        lambda host: host.facts.words,
        lambda host: host.run("words"),
        lambda host: host.facts.letters["a"],
        lambda host: host.sftp.read("/etc/hostname"),
    ],
    ids=["table", "command", "row", "file"],
)
def test_an_error_is_raised_unchanged_and_again_in_a_replay(error, ask):
    if isinstance(error, NotApplicable):  # of a command it is known, only a file may be missing
        ask = ASKS["a file"]
    host, replay, _ = pair(
        results={"words": error, "letters a": error}, files={"/etc/hostname": error}
    )
    with pytest.raises(type(error)) as caught:
        ask(host)
    assert caught.value is error
    with pytest.raises(type(error)) as caught:
        ask(replay())
    assert str(caught.value) == str(error)
    assert getattr(caught.value, "final", None) == getattr(error, "final", None)


def test_a_reader_that_breaks_is_no_table_and_breaks_again():
    def broken(facts):
        raise AttributeError(facts.run("words").out)

    journal = MemoryJournal()
    host = recorded(FakeTransport(results=ANSWERS), journal, extra_facts={"broken": broken})
    with pytest.raises(AttributeError, match="a b"):
        _ = host.facts.broken
    with pytest.raises(AttributeError, match="a b"):
        _ = replayed(journal, extra_facts={"broken": broken}).facts.broken


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_command_leaves_nothing_and_is_asked_again(error):
    host, _, journal = pair(results={"words": error()}, files={"/etc/x": error()})
    before = len(journal.kept)
    for ask in (lambda: host.facts.words, lambda: host.sftp.read("/etc/x")):
        with pytest.raises(error):
            ask()
    assert len(journal.kept) == before
    host.transport.results["words"] = "a b"
    assert host.facts.words.count == 2


def test_secrets_are_taken_out_and_what_is_left_can_be_judged():
    host, replay, journal = pair(MemoryJournal(Redactor(["hunter2hunter2"])))
    assert host.run("secret").stdout == "user hunter2hunter2 x"
    assert not any("hunter2hunter2" in str(each) for each in journal.kept)
    assert tried(lambda host: host.run("secret").stdout, replay())[0] == f"user {MASK} x"
    assert tried(lambda host: host.run("secret").stdout, replay())[2] is True


def test_a_table_without_secrets_is_judged_anew_though_its_command_showed_one():
    def second(facts):
        return facts.run("secret").out.split()[2]

    def names(facts):
        return facts.run("secret").out.split()[1]

    journal = MemoryJournal(Redactor(["hunter2hunter2"]))
    tables = {"second": second, "names": names, "letters": Letters}
    results = {"secret": "user hunter2hunter2 x", "letters a hunter2hunter2": "a=1"}
    host = recorded(FakeTransport(results=results), journal, extra_facts=tables)
    assert host.facts.second == "x"
    assert host.facts.names == "hunter2hunter2"
    host.facts.letters.ask(["a", "hunter2hunter2"])
    again = replayed(journal, extra_facts=tables)
    assert tried(lambda host: host.facts.second, again)[::2] == ("x", False)
    assert tried(lambda host: host.facts.names, again)[::2] == (MASK, True)
    assert tried(lambda host: host.facts.letters["a"], again)[::2] == (1, False)
    assert tried(lambda host: host.facts.letters[MASK], again)[2] is True


def test_a_table_whose_commands_were_redacted_is_redacted_where_it_is_no_data():
    journal = MemoryJournal(Redactor(["hunter2hunter2"]))
    results = {"words": "user hunter2hunter2 x"}
    host = recorded(FakeTransport(results=results), journal, extra_facts=TABLES)
    _ = host.facts.odd
    again = replayed(journal, extra_facts=TABLES)
    value, ids, redacted = tried(lambda host: host.facts.odd.words, again)
    assert (value, redacted) == (f"user {MASK} x", True)
    assert [each.kind for each in journal.by_id(ids)] == ["table"]


def test_what_is_not_whole_is_no_answer():
    host, _, journal = pair()
    for ask in (ASKS["a command"], ASKS["a table"], ASKS["a file"], ASKS["a row"]):
        tried(ask, host)
    journal.kept = [dataclasses.replace(each, cut=tuple(each.parts)) for each in journal.kept]
    again = replayed(journal, extra_facts=TABLES)
    value, _, redacted = tried(ASKS["a command"], again)
    whole = "web1: the recording of `words` is not whole: stdout is cut"
    assert (value, redacted) == ((Incomplete, whole), True)
    assert tried(ASKS["a file"], again)[0][0] is Incomplete
    assert tried(ASKS["a table"], again)[0][0] is Incomplete
    assert tried(ASKS["a row"], again)[0][0] is Incomplete
    cut = dataclasses.replace(journal.of("row")[0], answer={"keys": ["a"], "count": 9})
    journal.kept = [each for each in journal.kept if each.kind != "row"] + [cut]
    again = replayed(journal, extra_facts=TABLES)
    assert "facts.letters['a'] is not in the recording" in tried(ASKS["a row"], again)[0][1]


def test_long_scripts_are_kept_as_content_and_named_by_their_hash():
    script = "echo a\n" * 100
    journal = MemoryJournal()
    host = recorded(FakeTransport(results={lambda _: True: "x"}), journal)
    for command in (script, ["sh", "-c", script], "short"):
        host.transport.run(command)
    long, argv, short = journal.of("command")
    assert long.parts["script"] == script.encode()
    assert argv.parts["script"] == f"sh\n-c\n{script}".encode()
    assert set(long.asked["command"]) == {"sha256"} == set(argv.asked["command"])
    assert long.asked != argv.asked
    assert (short.asked["command"], "script" in short.parts) == ("short", False)
    assert replayed(journal).transport.run(["sh", "-c", script]).command == ["sh", "-c", script]
    hashed = asked_command(script, None, b"x")
    assert Redactor().plain(hashed) == hashed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (asked_command("a b", None), asked_command(["a b"], None)),
        (asked_command(["a", "b"], None), asked_command(["a b"], None)),
        (asked_command("a", None), asked_command("a", "root")),
        (asked_command("a", None), asked_command("a", None, b"x")),
        (asked_command("a", None), asked_command("a", None, by="facts")),
        (asked_command("a" * 300, None), asked_command(["a" * 300], None)),
        (asked_file("/a", "read"), asked_file("/a", "stat")),
    ],
)
def test_questions_are_told_apart(one, other):
    assert one != other


def test_odd_file_names_can_be_asked_about():
    path = os.fsdecode(b"/etc/\xff\xfe")
    journal = MemoryJournal()
    host = recorded(FakeTransport(files={path: "x"}, results={f"cat {path}": "y"}), journal)
    for make in (lambda: host, lambda: replayed(journal)):
        each = make()
        assert each.sftp.read(path) == b"x"
        assert each.sftp.stat(path).path == path
        assert each.transport.run(f"cat {path}").out == "y"


class Bare(FakeTransport):
    """Has nothing but what every transport has."""


class Full(ManyTransport):
    straight = "192.0.2.1:22"
    measure = staticmethod(lambda _name, how: how())


@pytest.mark.parametrize("kind", [Bare, ManyTransport, Full])
def test_a_recorded_transport_has_what_the_inner_one_has(kind):
    inner = kind(results=ANSWERS)
    outer = recording(inner, MemoryJournal())
    assert isinstance(outer, Transport)
    names = ("run_many", "ahead", "measure", "straight", "connected", "calls", "nothing", "_sent")
    assert [hasattr(outer, name) for name in names] == [hasattr(inner, name) for name in names]
    assert (outer.name, outer.identity) == (inner.name, inner.identity)
    outer.close()
    assert inner.closed


def test_a_replay_closes_nothing_and_knows_who_the_host_was():
    host, replay, _ = pair()
    again = replay()
    assert isinstance(again.transport, Transport)
    assert again.identity == host.identity == {"address": "192.0.2.1:22"}
    assert not hasattr(again.transport, "measure")
    again.close()
    again.close()


def test_without_a_journal_nothing_is_wrapped():
    transport = FakeTransport(results=ANSWERS)
    facts = open_facts(transport, TABLES)
    assert facts.tape is None
    assert facts.transport is transport
    assert facts.run("words").evidence == ""


def here():
    return Target(name="here", kind=Kind.LOCAL, entry=model.Host(connection="local"))


#: Read in no time here, and by every way there is: files, commands, frames, libraries.
QUICK = ("mounts", "passwd", "shadow", "sshd", "packages", "uname", "disk_space", "time", "pam")


def test_this_machine_comes_back_with_psutil_and_all():
    journal = MemoryJournal()
    host = recorded(LocalTransport(here()), journal, here())
    asks = [lambda host, n=name: getattr(host.facts, n) for name in QUICK]
    asks += [lambda host, n=n: getattr(host.health, n) for n in ("load", "memory", "disks")]
    asks += [lambda host: host.health.uptime, lambda host: host.health.uptime]
    asks += [lambda host: host.package("nothing").is_installed]
    asks += [lambda host: host.file("/etc/passwd").mode, lambda host: host.sftp.listdir("/etc")]
    first = [tried(ask, host) for ask in asks]
    again = replayed(journal, here())
    assert [shape(tried(ask, again)) for ask in asks] == [shape(each) for each in first]
    assert all(ids for _, ids, _ in first)
    parts = {each.asked["table"] for each in journal.of("table") if "table" in each.asked}
    assert {"health", "health.load", "health.uptime"} <= parts
    assert not journal.player().find("command", "here", {"command": "x"})
    assert show("x") == "x"


def test_replay_transport_needs_a_target_observation_for_nothing_but_the_identity():
    host = ReplayTransport("gone", MemoryJournal().player())
    assert host.identity == {}
    with pytest.raises(CannotAssess, match="gone: `true` is not in the recording"):
        host.run("true")
    assert fake_target().name == "web1"
