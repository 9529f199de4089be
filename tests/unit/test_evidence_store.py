"""What a recording keeps, and how it is found again."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import jsonschema
import pytest
from lab.recordings import BEGIN, ENDED, LONG, main_journal, row, seen, small, worker_journal

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence import trail
from pytest_sysaudit.evidence.bundle import open_bundle
from pytest_sysaudit.evidence.canonical import canonical
from pytest_sysaudit.evidence.limits import Limits
from pytest_sysaudit.evidence.player import BundlePlayer
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.evidence.verify import verify
from pytest_sysaudit.evidence.writer import open_journal

SCHEMA = Path(__file__).parents[2] / "pytest_sysaudit/reports/results.schema.json"


def test_what_was_noted_comes_back_as_it_was(tmp_path):
    journal = main_journal(tmp_path / "b")
    parts = {"stdout": LONG, "stderr": b"\xff\x00", "empty": b"", "odd": "\u2028é\ud7ff".encode()}
    error = {"type": "Denied", "message": "no"}
    asked = {"command": ["a", "b c"], "user": "root", "stdin": None}
    value = [1, {"x": None}]
    stored = journal.note(seen(asked=asked, parts=parts, error=error, answer=[1], value=value))
    again = journal.note(seen("made of it", made_of=(stored.id,), answer=False))
    journal.finish({"ended": ENDED})
    bundle = open_bundle(tmp_path / "b")
    found = bundle.observation(stored.id)
    assert (found.kind, found.target, found.asked, found.answer, found.error) == (
        "command",
        "web1",
        asked,
        [1],
        error,
    )
    assert (found.started, found.duration) == (1_795_000_000.5, 0.25)
    assert dict(found.parts) == {**parts, "value": b'[1,{"x":null}]'}
    assert bundle.observation(again.id).made_of == (stored.id,)
    assert bundle.observation(again.id).answer is False
    assert not found.redacted
    assert found.cut == ()
    assert stored.parts == {}
    assert len(stored.id) == 16


def test_the_id_is_the_hash_of_the_record(tmp_path):
    folder = small(tmp_path / "b")
    bundle = open_bundle(folder)
    for id_ in bundle.observations:
        record = canonical({"observation": bundle.value(id_)})
        assert hashlib.sha256(record).hexdigest()[:16] == id_
        assert record in (folder / "main.chain").read_bytes() + (folder / "gw0.chain").read_bytes()


def test_a_bundle_tells_what_the_run_was(tmp_path):
    bundle = open_bundle(small(tmp_path / "b"))
    assert {name: bundle.begin[name] for name in BEGIN} == BEGIN
    assert bundle.begin["format"] == "sysaudit-evidence/1"
    assert bundle.begin["key"] is None
    assert bundle.ended is not None
    assert bundle.ended["ended"] == ENDED
    assert [control["id"] for control in bundle.controls] == ["ssh.root"]
    assert len(bundle.observations) == 3
    assert open_bundle(small(tmp_path / "killed", finish=False)).ended is None


def test_of_results_with_the_same_place_the_last_one_counts(tmp_path):
    journal = main_journal(tmp_path / "b")
    for verdict in ("pass", "fail"):
        journal.result(row(verdict=verdict))
        journal.result(row(verdict=verdict, resource="arn:1"))
        journal.result(row(verdict=verdict, params={"user": "a"}))
    journal.finish({})
    found = [
        (r["resource"], r["params"], r["verdict"]) for r in open_bundle(tmp_path / "b").results
    ]
    assert found == [("", {}, "fail"), ("arn:1", {}, "fail"), ("", {"user": "a"}, "fail")]


def test_equal_contents_are_stored_once_and_readable_by_zcat(tmp_path):
    journal = main_journal(tmp_path / "b")
    ids = [journal.note(seen(f"cat {n}", parts={"stdout": LONG})).id for n in range(50)]
    journal.finish({})
    pack = tmp_path / "b" / "main.objects.gz"
    assert gzip.decompress(pack.read_bytes()) == LONG
    assert subprocess.run(["zcat", pack], capture_output=True, check=True).stdout == LONG
    assert {open_bundle(tmp_path / "b").part(id_, "stdout") for id_ in ids} == {LONG}


def test_short_contents_need_no_pack(tmp_path):
    journal = main_journal(tmp_path / "b")
    journal.note(seen())
    journal.finish({})
    assert (tmp_path / "b" / "main.objects.gz").read_bytes() == b""


def test_nobody_else_may_read_it(tmp_path):
    folder = small(tmp_path / "b")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_the_running_check_used_what_it_noted(tmp_path):
    journal = main_journal(tmp_path / "b", "hunter2-secret")
    with trail.collected() as plain:
        stored = journal.note(seen())
    assert list(plain.ids) == [stored.id]
    assert not plain.redacted
    with trail.collected() as secret:
        first = journal.note(seen("env", parts={"stdout": b"x=hunter2-secret"}))
        made = journal.note(seen("made", made_of=(first.id,)))
    assert list(secret.ids) == [first.id, made.id]
    assert secret.redacted
    assert first.redacted
    assert not made.redacted


def test_what_is_no_json_is_kept_as_text_and_raises_nothing(tmp_path):
    journal = main_journal(tmp_path / "b")
    odd = {"nan": float("nan"), "bytes": b"x", 1: {2, 1}, "path": Path("/x"), "lone": "\ud800"}
    stored = journal.note(seen(answer=odd))
    assert stored.id
    assert not journal.problem
    journal.finish({})
    assert verify(tmp_path / "b").ok
    answer = open_bundle(tmp_path / "b").observation(stored.id).answer
    assert answer["nan"] == "nan"
    assert answer["path"] == "/x"
    assert answer["lone"] == "\ud800"


def test_a_fault_in_the_journal_does_not_end_the_audit(tmp_path, monkeypatch):
    journal = main_journal(tmp_path / "b")
    kept = journal.note(seen())
    monkeypatch.setattr(Redactor, "plain", lambda *_: 1 / 0)
    with trail.collected() as used:
        assert journal.note(seen("id")).id == ""
    assert not used.ids
    assert "ZeroDivisionError" in journal.problem
    monkeypatch.undo()
    assert journal.note(seen("id")).id == "", "it does not go on as if nothing had happened"
    journal.finish({"ended": ENDED})
    found = verify(tmp_path / "b")
    assert found.ok
    assert not found.complete
    assert any("writing stopped" in remark for remark in found.remarks)
    assert kept.id in open_bundle(tmp_path / "b").observations


def test_after_its_end_nothing_is_written(tmp_path):
    folder = small(tmp_path / "b")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    journal = main_journal(tmp_path / "c")
    journal.finish({})
    size = (tmp_path / "c" / "main.chain").stat().st_size
    journal.note(seen())
    journal.result(row())
    journal.close()
    journal.finish({})
    assert (tmp_path / "c" / "main.chain").stat().st_size == size
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


# -- where it may begin ------------------------------------------------------------------


def _file(path):
    path.write_text("")


def _other(path):
    path.mkdir()
    (path / "notes.txt").write_text("")


@pytest.mark.parametrize(
    "make, words",
    [
        (small, "already holds a recording"),
        (_other, "is not empty, it holds notes.txt; name a new folder"),
        (_file, "is not a folder; name a new one"),
    ],
)
def test_it_begins_only_in_a_new_or_empty_folder(tmp_path, make, words):
    make(tmp_path / "b")
    with pytest.raises(EvidenceError, match=words):
        main_journal(tmp_path / "b")


def test_it_may_begin_in_an_empty_folder(tmp_path):
    (tmp_path / "b").mkdir()
    main_journal(tmp_path / "b").finish({})
    assert verify(tmp_path / "b").complete


def test_a_missing_parent_is_told_with_the_way_out(tmp_path):
    with pytest.raises(EvidenceError, match=r"mkdir -p .*/no/such"):
        main_journal(tmp_path / "no/such/b")


def test_no_permission_is_told(tmp_path):
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from lab.recordings import main_journal\n"
        "from pytest_sysaudit.evidence import writer\n"
        "os.setuid(65534)\n"
        "main_journal(Path(sys.argv[1]))\n"
    )
    if os.geteuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(EvidenceError, match="Permission denied"):
            main_journal(tmp_path / "closed/b")
        return
    tmp_path.chmod(0o755)
    ended = _run_as_nobody(script, tmp_path / "b")
    assert "EvidenceError" in ended.stderr
    assert "Permission denied" in ended.stderr


def _run_as_nobody(script, folder):
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", script, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


@pytest.mark.parametrize("name", ["../evil", "", "a b", "x" * 65])
def test_a_process_has_a_plain_name(tmp_path, name):
    with pytest.raises(EvidenceError, match="name of letters"):
        open_journal(tmp_path, process=name, redactor=Redactor(), begin=None)


def test_a_worker_joins_what_main_began_and_only_once(tmp_path):
    with pytest.raises(EvidenceError, match=r"no main\.chain"):
        worker_journal(tmp_path)
    main_journal(tmp_path / "b")
    worker_journal(tmp_path / "b")
    with pytest.raises(EvidenceError, match="already is a recording of gw0"):
        worker_journal(tmp_path / "b")


# -- limits ------------------------------------------------------------------------------


def test_a_content_over_the_limit_is_cut_and_says_so(tmp_path):
    journal = main_journal(tmp_path / "b", limits=Limits(part=1000))
    huge = b"".join(b"row %d\n" % n for n in range(100_000))
    cut = journal.note(seen(parts={"stdout": huge, "stderr": b"short"}))
    whole = journal.note(seen(parts={"stdout": b"x" * 1000}))
    value = journal.note(seen(value=["v" * 2000]))
    journal.finish({})
    assert (cut.cut, whole.cut, value.cut) == (("stdout",), (), ("value",))
    bundle = open_bundle(tmp_path / "b")
    found = bundle.observation(cut.id)
    assert found.cut == ("stdout",)
    assert found.parts["stdout"] == huge[:1000]
    assert found.parts["stderr"] == b"short"
    (about, _) = bundle.notes
    assert about["about"] == cut.id
    assert about["text"] == f"stdout: 1000 of {len(huge)} bytes are kept"
    assert BundlePlayer(bundle).find("command", "web1", cut.asked).cut == ("stdout",)
    found = verify(tmp_path / "b")
    assert found.ok
    assert "2 observations with contents that are not whole" in found.remarks


def test_a_huge_content_is_cut_to_what_a_recording_keeps_by_default(tmp_path):
    journal = main_journal(tmp_path / "b", "hunter2-secret")
    huge = bytes(8 << 20) + b"hunter2-secret" + bytes(32 << 20)
    kept = journal.note(seen(parts={"packets": huge}))
    journal.finish({})
    assert kept.cut == ("packets",)
    found = open_bundle(tmp_path / "b").part(kept.id, "packets")
    assert found == bytes(8 << 20) + b"*" * 14 + bytes((8 << 20) - 14)
    assert verify(tmp_path / "b").size < 100_000


def test_a_secret_at_the_cut_does_not_leave_its_beginning(tmp_path):
    journal = main_journal(tmp_path / "b", "correct-horse-battery", limits=Limits(part=1000))
    kept = journal.note(seen(parts={"stdout": b"." * 985 + b" correct-horse-battery"}))
    binary = journal.note(seen(parts={"stdout": b"\0" * 990 + b"correct-horse-battery"}))
    journal.finish({})
    for id_ in (kept.id, binary.id):
        assert b"corr" not in open_bundle(tmp_path / "b").part(id_, "stdout")


def test_over_the_limit_of_all_only_contents_are_left_out(tmp_path):
    journal = main_journal(tmp_path / "b", limits=Limits(total=20_000))
    notes = [
        journal.note(seen(f"cat {n}", parts={"stdout": os.urandom(500).hex().encode()}))
        for n in range(100)
    ]
    journal.result(row(evidence=(notes[-1].id,)))
    journal.finish({})
    whole = [note for note in notes if not note.cut]
    assert 10 < len(whole) < 60
    assert notes[-1].cut == ("stdout",)
    bundle = open_bundle(tmp_path / "b")
    assert bundle.part(notes[0].id, "stdout")
    assert bundle.part(notes[-1].id, "stdout") == b""
    assert [n["text"] for n in bundle.notes] == [
        "the recording has 20000 bytes, its limit: from here on contents are left out"
    ]
    found = verify(tmp_path / "b")
    assert found.complete
    assert found.observations == 100


def test_the_limit_of_all_counts_other_processes(tmp_path):
    main = main_journal(tmp_path / "b")
    main.note(seen(parts={"stdout": os.urandom(2_500_000)}))
    limits = Limits(total=3_000_000)
    worker = open_journal(
        tmp_path / "b", process="gw0", redactor=Redactor(), begin=None, limits=limits
    )
    cut = [worker.note(seen(parts={"stdout": os.urandom(600_000)})).cut for _ in range(4)]
    assert cut[0] == ()
    assert cut[-1] == ("stdout",)


# -- found again -------------------------------------------------------------------------


def test_repeated_asks_come_in_their_order_and_then_the_last_again(tmp_path):
    journal = main_journal(tmp_path / "b")
    ids = [journal.note(seen(parts={"stdout": b"%d" % n})).id for n in range(3)]
    journal.note(seen(target="web2"))
    journal.finish({})
    player = BundlePlayer(open_bundle(tmp_path / "b"))
    asked = {"user": None, "command": ["id", "-u"]}
    with trail.collected() as used:
        found = [player.find("command", "web1", asked) for _ in range(5)]
    assert [each.id for each in found] == [*ids, ids[2], ids[2]]
    assert list(used.ids) == ids
    assert found[1].parts["stdout"] == b"1"
    with trail.collected() as used:
        assert [each.id for each in player.every("command", "web1", asked)] == ids
    assert not used.ids
    assert player.every("file", "web1", asked) == ()


@pytest.mark.parametrize(
    "kind, target, asked",
    [
        ("file", "web1", {"command": ["id", "-u"], "user": None}),
        ("command", "web2", {"command": ["id", "-u"], "user": None}),
        ("command", "web1", {"command": ["id"], "user": None}),
        ("command", "web1", {"command": ["id", "-u"]}),
    ],
)
def test_what_was_not_asked_is_not_there(tmp_path, kind, target, asked):
    journal = main_journal(tmp_path / "b")
    journal.note(seen())
    player = BundlePlayer(open_bundle(tmp_path / "b"))
    with trail.collected() as used:
        assert player.find(kind, target, asked) is None
    assert not used.ids


def test_several_chains_are_merged_by_time(tmp_path):
    main = main_journal(tmp_path / "b")
    worker = worker_journal(tmp_path / "b")
    for journal, started in ((worker, 3.0), (main, 1.0), (main, 4.0), (worker, 5.0), (main, 2.0)):
        journal.note(seen(started=started))
    worker.close()
    main.finish({})
    player = BundlePlayer(open_bundle(tmp_path / "b"))
    found = [player.find("command", "web1", seen().asked).started for _ in range(5)]
    assert found == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_what_was_asked_with_a_secret_shape_is_found_by_who_asks_the_same(tmp_path):
    journal = main_journal(tmp_path / "b")
    asked = {"command": ["mysql", "--password=hunter2hunter2"], "user": None}
    stored = journal.note(seen(asked=asked))
    assert "hunter2" not in str(stored.asked)
    assert stored.redacted
    player = BundlePlayer(open_bundle(tmp_path / "b"))
    assert player.find("command", "web1", asked).id == stored.id


def test_threads_share_a_journal_and_a_player(tmp_path):
    journal = main_journal(tmp_path / "b")

    def write(number):
        for n in range(60):
            journal.note(seen(f"cat {number} {n}", parts={"stdout": LONG + b"%d" % n}))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    journal.finish({})
    found = verify(tmp_path / "b")
    assert found.complete
    assert found.observations == 360
    assert found.contents == 60
    player, turns = BundlePlayer(open_bundle(tmp_path / "b")), []
    threads = [
        threading.Thread(
            target=lambda: turns.append(player.find("command", "web1", seen("cat 1 1").asked).id)
        )
        for _ in range(6)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(turns) == 6


# -- opening and describing --------------------------------------------------------------


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda _: None, "cannot be read: No such file"),
        (lambda folder: folder.mkdir(), r"holds no recording: there is no main\.chain"),
        (_file, "cannot be read: Not a directory"),
        (
            lambda folder: (folder.mkdir(), (folder / "main.chain").write_bytes(b"torn")),
            r"main\.chain holds no whole record",
        ),
    ],
    ids=["nothing", "an empty folder", "a file", "a torn chain"],
)
def test_what_is_no_recording_is_told(tmp_path, make, words):
    make(tmp_path / "b")
    with pytest.raises(EvidenceError, match=words):
        open_bundle(tmp_path / "b")


def test_a_torn_last_line_is_left_out(tmp_path):
    folder = small(tmp_path / "b", finish=False)
    chain = folder / "main.chain"
    chain.write_bytes(chain.read_bytes()[:-7])
    assert list(open_bundle(folder).results) == []


def test_a_broken_content_is_never_handed_out(tmp_path):
    folder = small(tmp_path / "b")
    pack = folder / "main.objects.gz"
    pack.write_bytes(pack.read_bytes()[:-1] + b"\x01")
    bundle = open_bundle(folder)
    with pytest.raises(EvidenceError, match=r"main\.objects\.gz: byte 0: expected a member"):
        [
            bundle.part(id_, "stdout")
            for id_ in bundle.observations
            if bundle.value(id_).get("parts")
        ]


@pytest.mark.parametrize("value", ["", '"kind":1', '"asked":[]', '"kind":"x","target":"t"', "{"])
def test_an_observation_that_is_none_is_named_not_raised(tmp_path, value):
    journal = main_journal(tmp_path / "b")
    journal._chain.add_record(b'{"observation":{%s}}' % value.encode())
    bundle = open_bundle(tmp_path / "b")
    with pytest.raises(EvidenceError, match=r"main\.chain: byte \d+: is no "):
        BundlePlayer(bundle).find("command", "t", {})
    with pytest.raises(EvidenceError, match=r"main\.chain: byte \d+: is no "):
        bundle.describe(bundle.observations)


def test_what_is_described_fits_the_schema(tmp_path):
    folder = small(tmp_path / "b")
    bundle = open_bundle(folder)
    journal = main_journal(tmp_path / "c")
    cases = [
        seen(),
        seen(asked={"command": "ls | wc", "user": "root"}),
        seen(kind="table", asked={"table": "users", "user": None, "key": None}, parts={}),
        seen(kind="row", asked={"table": "units", "user": None, "key": "ssh"}, value={"a": 1}),
        seen(kind="http", asked={"method": "GET", "url": "https://x/"}, answer={"status": 404}),
        seen(kind="api", asked={"service": "s3", "operation": "ListBuckets", "region": "eu"}),
        seen(kind="file", asked={"path": "/etc/x\n"}, error={"type": "Denied", "message": "no"}),
        seen(kind="file", asked={"path": "/etc/x", "what": "stat", "by": ""}),
        seen(asked={"command": {"sha256": "ab" * 32}}, parts={"script": b"\nset -e\n" + LONG}),
        seen(
            kind="api",
            asked={"service": "s3", "operation": "GetX", "region": None, "params": {"Bucket": "b"}},
            answer={"status": 404, "code": "NoSuchX"},
        ),
        seen(
            kind="capture",
            asked={"how": "capture", "interface": "eth1", "filter": "tcp"},
            answer={"packets": 1},
        ),
        seen(kind="target", asked={}, parts={}, answer=None),
        seen(kind="tls", asked={"odd": 1}, parts={"stdout": b"\xff\x00\x1b[31m"}),
    ]
    ids = [journal.note(case).id for case in cases]
    described = open_bundle(tmp_path / "c").describe(ids, ids)
    schema = json.loads(SCHEMA.read_text())
    part = {"$defs": schema["$defs"], **schema["properties"]["evidence"]}
    jsonschema.validate(described, part)
    jsonschema.validate(bundle.describe(bundle.observations), part)
    told = [(described[id_]["what"], described[id_]["outcome"]) for id_ in ids]
    assert told == [
        ("id -u", "exit code 0"),
        ("ls | wc (as root)", "exit code 0"),
        ("users", "exit code 0"),
        ("units[ssh]", "exit code 0"),
        ("GET https://x/", "HTTP 404"),
        ("s3:ListBuckets() in eu", "exit code 0"),
        ("/etc/x ", "Denied: no"),
        ("stat /etc/x", "exit code 0"),
        ("script abababababababab: set -e", "exit code 0"),
        ("s3:GetX(Bucket=b)", "HTTP 404 NoSuchX"),
        ("capture on eth1: tcp", "1 packet"),
        ("opened", "answered"),
        ('{"odd":1}', "exit code 0"),
    ]


def test_an_excerpt_is_short_printable_and_of_what_a_table_was_made_of(tmp_path):
    journal = main_journal(tmp_path / "b")
    command = journal.note(seen("cat /etc/passwd", parts={"stdout": b"\x1b[1mroot:x\n" + LONG}))
    table = journal.note(
        seen(
            kind="table",
            asked={"table": "users"},
            parts={},
            value={"all": 1},
            made_of=(command.id,),
        )
    )
    bundle = open_bundle(tmp_path / "b")
    found = bundle.describe([table.id, "0" * 16], [table.id])
    assert found.keys() == {table.id, command.id}, "what it was made of is there, unknown ids not"
    assert found[table.id]["excerpt"].startswith("root:x\nline 0\n")
    assert len(found[table.id]["excerpt"]) == 400
    assert found[command.id]["excerpt"] == ""
    assert found[command.id]["size"] == len(LONG) + 11
    assert found[command.id]["sha256"] == hashlib.sha256(b"\x1b[1mroot:x\n" + LONG).hexdigest()


def test_many_observations_are_indexed_without_being_read(tmp_path, monkeypatch):
    journal = main_journal(tmp_path / "b")
    ids = [journal.note(seen(f"cat {n}")).id for n in range(500)]
    journal.result(row(evidence=(ids[0],)))
    journal.finish({})
    read = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda text: read.append(text) or loads(text))
    bundle = open_bundle(tmp_path / "b")
    assert len(bundle.observations) == 500
    assert len(list(bundle.results)) == 1
    assert len(read) <= 3
