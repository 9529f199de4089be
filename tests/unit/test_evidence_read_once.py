"""A recording is read once: what was checked is what is judged by, and it stays small."""

from __future__ import annotations

import json
import shutil

import pytest
from lab.recordings import LONG, main_journal, row, seen, worker_journal

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence import bundle as bundles
from pytest_sysaudit.evidence.bundle import open_bundle
from pytest_sysaudit.evidence.player import BundlePlayer

OTHER = LONG[::-1]


def _recorded(folder):
    """Two processes that saw the same, twice each, and something else."""
    main, worker = main_journal(folder), worker_journal(folder)
    for started, journal in enumerate((main, worker)):
        for number in range(2):
            asked = seen(
                f"cat {number}", target=f"web{number}", started=started, parts={"out": LONG}
            )
            one = journal.note(asked)
            journal.result(row(f"c{number}", evidence=(one.id,)))
        answer = {"exit_code": 0, "keys": [["a"]]}
        journal.note(seen("tac", started=started, parts={"out": OTHER}, answer=answer))
    worker.close()
    main.finish({"ended": ""})
    return folder


@pytest.fixture
def folder(tmp_path):
    return _recorded(tmp_path / "b")


@pytest.fixture
def unpacked(monkeypatch):
    """Where contents were unpacked."""
    found, unpack = [], bundles.unpack
    monkeypatch.setattr(
        bundles, "unpack", lambda member, packed: found.append(packed.at) or unpack(member, packed)
    )
    return found


def _contents(bundle):
    return [data for id_ in bundle.observations for data in bundle.observation(id_).parts.values()]


def _told(bundle):
    """All that a replay asks for."""
    said = [bundle.value(id_) for id_ in bundle.observations]
    return said, _contents(bundle), bundle.results, bundle.describe(bundle.observations)


def test_what_was_checked_is_not_parsed_again(folder, monkeypatch):
    expected = _told(open_bundle(folder))
    bundle = open_bundle(folder)
    read, loads = [], json.loads
    monkeypatch.setattr(json, "loads", lambda text: read.append(text) or loads(text))
    bundle.check()
    records = sum(path.read_bytes().count(b"\n") for path in folder.glob("*.chain"))
    assert len(read) == records + 1, "each record, and the manifest"
    assert _told(bundle) == expected
    assert BundlePlayer(bundle).find("command", "web1", {"command": ["cat", "1"], "user": None})
    assert len(read) == records + 1


@pytest.mark.parametrize("room", [0, 300, 1 << 20])
def test_so_much_is_kept_as_it_was_parsed(folder, monkeypatch, room):
    expected = _told(open_bundle(folder))
    monkeypatch.setattr(bundles, "_PARSED", room)
    bundle = open_bundle(folder)
    bundle.check()
    assert _told(bundle) == expected
    sizes = [entry.end - entry.at for entry in bundle.observations.values()]
    kept = [
        entry.end - entry.at for id_, entry in bundle.observations.items() if id_ in bundle._parsed
    ]
    assert sum(kept) <= room
    assert (len(kept) == len(sizes)) is (sum(sizes) <= room)


def test_what_was_checked_is_what_is_judged_by(folder):
    expected = open_bundle(folder).results
    bundle = open_bundle(folder)
    chain = folder / "main.chain"
    chain.write_bytes(chain.read_bytes().replace(b'"pass"', b'"fail"'))
    bundle.check()
    assert bundle.results == expected
    bundle = open_bundle(folder)
    with pytest.raises(EvidenceError, match=r"is not what was recorded: main\.chain: line "):
        bundle.check()


def test_a_broken_chain_leaves_no_half_of_the_results(folder):
    chain = folder / "gw0.chain"
    chain.write_bytes(chain.read_bytes().replace(b'"c1"', b'"cx"'))
    bundle = open_bundle(folder)
    with pytest.raises(EvidenceError):
        bundle.check()
    assert len(bundle.results) == 3


def test_a_record_that_looks_otherwise_is_none_of_the_results_checked_or_not(tmp_path):
    journal = main_journal(tmp_path / "b")
    journal.result(row("one"))
    journal._chain.add_record(
        json.dumps({"result": row("two")}).replace("r", r"\u0072", 1).encode()
    )
    journal.close()
    bundle = open_bundle(tmp_path / "b")
    bundle.check()
    assert bundle.results == open_bundle(tmp_path / "b").results
    assert [each["control"] for each in bundle.results] == ["one"]


def test_what_an_answer_is_changed_to_is_not_what_comes_next(folder):
    player = BundlePlayer(open_bundle(folder))
    asked = {"command": ["tac"], "user": None}
    found = player.find("command", "web1", asked)
    found.answer["exit_code"] = 9
    found.answer["keys"][0].append("b")
    for _ in range(2):
        assert player.find("command", "web1", asked).answer == {"exit_code": 0, "keys": [["a"]]}


def test_equal_contents_are_unpacked_once_a_process_and_are_one(folder, unpacked):
    bundle = open_bundle(folder)
    for _ in range(2):
        found = _contents(bundle)
        assert set(found) == {LONG, OTHER}
        assert len(set(map(id, found))) == 2
        assert len(unpacked) == 4


def test_a_broken_content_is_not_handed_out_because_another_is_whole(folder):
    bundle = open_bundle(folder)
    ids = [id_ for id_, at in bundle.observations.items() if at.process == "gw0"]
    shutil.copy(folder / "main.objects.gz", folder / "gw0.objects.gz")
    content = bytearray((folder / "gw0.objects.gz").read_bytes())
    content[20] ^= 1
    (folder / "gw0.objects.gz").write_bytes(content)
    for id_, at in bundle.observations.items():
        if at.process == "main":
            assert bundle.part(id_, "out")
    with pytest.raises(EvidenceError, match=r"gw0\.objects\.gz: byte 0: "):
        bundle.part(ids[0], "out")


@pytest.mark.parametrize(
    "limits, often",
    [
        ({"_BESIDES": 0, "_CONTENTS": len(LONG)}, 8),
        ({"_BESIDES": 0, "_CONTENTS": 2 * len(LONG)}, 4),
        ({"_BESIDES": 1, "_CONTENTS": 2 * len(LONG)}, 8),
        ({"_LARGE": len(LONG) - 1}, 12),
    ],
    ids=["one", "all", "besides", "large"],
)
def test_so_many_bytes_of_contents_are_kept(folder, unpacked, monkeypatch, limits, often):
    for name, value in limits.items():
        monkeypatch.setattr(bundles, name, value)
    bundle = open_bundle(folder)
    ids = {True: [], False: []}
    for id_ in bundle.observations:
        ids[bundle.value(id_)["asked"]["command"] == ["tac"]].append(id_)
    for _ in range(2):
        for wanted, data in ((False, LONG), (True, OTHER)):
            assert {bundle.part(id_, "out") for id_ in ids[wanted]} == {data}
    assert len(unpacked) == often


def test_results_that_cannot_be_read_are_not_none_the_next_time(tmp_path):
    journal = main_journal(tmp_path / "b")
    journal.result(row("one"))
    journal.result(row("two", params=5))
    journal.finish({"ended": ""})
    bundle = open_bundle(tmp_path / "b")
    bundle.check()
    for _ in range(2):
        with pytest.raises(AttributeError):
            _ = bundle.results
