"""`sysaudit evidence`: what was recorded, whether it is whole, and keys."""

from __future__ import annotations

import json
import stat

import pytest
from lab.command import Command

from pytest_sysaudit.evidence.observation import Observation
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.evidence.signing import new_key_pair, read_key
from pytest_sysaudit.evidence.writer import open_journal
from pytest_sysaudit.record import Control, Result, Severity, Verdict

STARTED = "2026-11-01T10:00:00.000Z"
INVENTORY = "version: 1\nhosts:\n  web1: {connection: local}\n  web2: {user: a}\n"


@pytest.fixture
def command(capsys):
    return Command(capsys)


def seen(name, out, target="web1", **more):
    return Observation(
        kind="command",
        target=target,
        asked={"command": [name], "user": None},
        started=1793527200.0,
        duration=0.5,
        answer={"exit_code": 0},
        parts={"stdout": out},
        **more,
    )


def record(folder, *, end=True, key=None):
    """Record a small run; return the ids of its observations."""
    begin = {
        "run": "run-1",
        "started": STARTED,
        "operator": "eve@ci",
        "command_line": "pytest checks",
        "versions": {"pytest-sysaudit": "0", "xdist": None},
        "selection": {"targets": []},
        "inventory": {"path": "inventory.yaml", "sha256": "0" * 64, "text": INVENTORY},
    }
    redactor = Redactor(["hunter2hunter2"])
    journal = open_journal(folder, process="main", redactor=redactor, begin=begin, key=key)
    opened = Observation(
        kind="target", target="web1", asked={}, started=1793527200.0, answer={"machine_id": "m1"}
    )
    ids = [
        journal.note(one).id
        for one in (
            opened,
            seen("uname", b"Linux\n"),
            seen("id", b"password=hunter2hunter2\n"),
            seen("cat", b"\x00\xff\xfe", target="web2"),
        )
    ]
    control = Control(id="a.one", title="One", severity=Severity.HIGH, source="t.py::test_one")
    journal.control(control.to_plain())
    for verdict, name in ((Verdict.PASS, "web1"), (Verdict.FAIL, "web1")):
        result = Result(
            control="a.one",
            check="t.py::test_one",
            target=name,
            resource=verdict.value,
            verdict=verdict,
            message="because",
            started=STARTED,
            evidence=[ids[1]],
        )
        journal.result(result.to_plain())
    if end:
        journal.finish({"ended": STARTED, "exit_code": 1})
    else:
        journal.close()
    return ids


@pytest.fixture
def bundle(tmp_path):
    record(tmp_path / "ev")
    return tmp_path / "ev"


def test_a_whole_recording_verifies(command, bundle):
    ended = command("evidence", "verify", bundle)
    assert ended.code == 0
    assert "4 observations, 2 results" in ended.out
    assert "verified: all of it is as it was written" in ended.out
    assert "not signed" in ended.out
    found = json.loads(command("evidence", "verify", bundle, "--json").out)
    assert (found["ok"], found["complete"], found["observations"]) == (True, True, 4)


def test_one_changed_byte_is_named_and_is_exit_code_1(command, bundle):
    chain = bundle / "main.chain"
    content = bytearray(chain.read_bytes())
    content[content.index(b"uname")] ^= 1
    chain.write_bytes(content)
    ended = command("evidence", "verify", bundle)
    assert ended.code == 1
    assert "broken:" in ended.out
    assert "main.chain" in ended.out
    assert json.loads(command("evidence", "verify", bundle, "--json").out)["ok"] is False


def test_a_recording_is_verified_with_the_key_that_signed_it(command, tmp_path):
    private, public = new_key_pair(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = new_key_pair(tmp_path / "other")
    record(tmp_path / "ev", key=read_key(private.read_text()))
    ended = command("evidence", "verify", tmp_path / "ev", "--public-key", public)
    assert ended.code == 0
    assert "the key that you named" in ended.out
    assert command("evidence", "verify", tmp_path / "ev", "--public-key", other).code == 1
    ended = command("evidence", "verify", tmp_path / "ev", "--public-key", private)
    assert ended.code == 4
    assert "private key" in ended.err
    assert "PRIVATE" not in ended.err


def test_a_killed_run_verifies_and_is_converted(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record(tmp_path / "ev", end=False)
    ended = command("evidence", "verify", "ev")
    assert ended.code == 0
    assert "the run did not end" in ended.out
    ended = command("report", "convert", "ev", "--to", "json=r.json")
    assert ended.code == 0
    assert "the run was killed: 2 results of 1 target were finished" in ended.err
    assert "nothing was finished on web2" in ended.err
    document = json.loads((tmp_path / "r.json").read_text())
    assert [row["verdict"] for row in document["results"]] == ["fail", "pass"]
    assert document["summary"]["gate"]["broken"]
    assert document["run"]["evidence"]["whole"] is False
    states = {one["name"]: one["reachable"] for one in document["targets"]}
    assert states == {"web1": True, "web2": None}
    assert command("report", "show", "r.json").code == 0


def test_a_torn_last_line_is_left_out(command, tmp_path):
    record(tmp_path / "ev", end=False)
    chain = tmp_path / "ev" / "main.chain"
    chain.write_bytes(chain.read_bytes()[:-9])
    ended = command("evidence", "show", tmp_path / "ev", "--results", "--json")
    assert [row["verdict"] for row in json.loads(ended.out)] == ["pass"]


def test_a_whole_recording_is_converted(command, bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = command("report", "convert", "ev", "--to", "json=r.json")
    assert ended.code == 0
    assert ended.err == "wrote r.json\n"
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["run"]["id"] == "run-1"
    assert document["run"]["operator"] == "eve@ci"
    (control,) = document["controls"]
    assert (control["id"], control["severity"]) == ("a.one", "high")
    (one,) = document["evidence"].values()
    assert (one["what"], one["outcome"], one["excerpt"]) == ("uname", "exit code 0", "Linux\n")


def test_observations_are_listed_and_chosen(command, bundle):
    ended = command("evidence", "show", bundle)
    assert ended.code == 0
    assert len(ended.out.splitlines()) == 4
    assert "run-1" in ended.err
    for options, count in (
        (["--target", "web2"], 1),
        (["--kind", "command"], 3),
        (["--kind", "target"], 1),
        (["--control", "a.one"], 1),
    ):
        ended = command("evidence", "show", bundle, *options, "--json")
        assert len(json.loads(ended.out)) == count, options


def test_one_observation_in_full(command, bundle):
    rows = json.loads(command("evidence", "show", bundle, "--json").out)
    by_what = {row["what"]: row["id"] for row in rows}
    text = command("evidence", "show", bundle, "--id", by_what["uname"][:8]).out
    assert "--- stdout: 6 bytes ---\nLinux\n" in text
    assert "used by:   a.one on web1: fail" in text
    text = command("evidence", "show", bundle, "--id", by_what["id"]).out
    assert "hunter2" not in text
    assert "a secret was taken out" in text
    found = json.loads(command("evidence", "show", bundle, "--id", by_what["cat"], "--json").out)
    assert found["parts"] == {"stdout": {"base64": "AP/+"}}


@pytest.mark.parametrize(
    "options, words",
    [
        (["--id", "zzzz"], "there is no such observation"),
        (["--id", ""], "4 observations begin like that"),
        (["--control", "a.oen"], "Did you mean 'a.one'?"),
        (["--target", "web9"], "no observation is like that"),
    ],
)
def test_what_is_not_in_it_is_told(command, bundle, options, words):
    ended = command("evidence", "show", bundle, *options)
    assert ended.code == 4
    assert words in ended.err


@pytest.mark.parametrize(
    "which", [["evidence", "verify"], ["evidence", "show"], ["report", "show"]]
)
def test_what_is_no_recording(command, tmp_path, which):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"\x00\xff")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "main.chain").write_bytes(b"0" * 30)
    for name in ("empty", "file", "gone", "half"):
        ended = command(*which, tmp_path / name)
        if name == "half" and which[1] == "verify":
            assert ended.code == 1
            assert "broken:" in ended.out
            continue
        assert ended.code == 4
        assert name in ended.err
        assert "Traceback" not in ended.err


def test_keys_are_made_and_never_written_over(command, tmp_path):
    ended = command("evidence", "key", tmp_path)
    assert ended.code == 0
    assert "signing_key: file:" in ended.out
    private = tmp_path / "evidence-key.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before = private.read_bytes()
    assert "PRIVATE KEY" not in ended.out + ended.err
    ended = command("evidence", "key", tmp_path)
    assert ended.code == 4
    assert private.read_bytes() == before


def test_the_folder_of_a_key_is_made_for_its_owner(command, tmp_path):
    ended = command("evidence", "key", tmp_path / "new" / "sysaudit")
    assert ended.code == 0, ended.err
    assert stat.S_IMODE((tmp_path / "new" / "sysaudit").stat().st_mode) == 0o700
    assert "repository" not in ended.err
    (tmp_path / ".git").mkdir()
    ended = command("evidence", "key", tmp_path / "keys")
    assert f"lies in the repository {tmp_path}: never commit it" in ended.err
    ended = command("evidence", "key", tmp_path / "keys" / "evidence-key.pub")
    assert ended.code == 4
    assert "cannot be made: File exists; name another folder" in ended.err


@pytest.mark.parametrize(
    "record",
    ['{"observation":{}}', '{"result":{}}', '{"result":{"params":1}}', '{"control":{"id":1}}', "{"],
)
@pytest.mark.parametrize(
    "which", [["evidence", "show"], ["evidence", "show", "--results"], ["report", "show"]]
)
def test_records_that_are_not_whole_are_no_traceback(command, tmp_path, which, record):
    lines = ['{"begin":{"run":"r","started":"2026-01-01T00:00:00Z"}}', record]
    (tmp_path / "main.chain").write_text("".join(f"{'0' * 64} {line}\n" for line in lines))
    ended = command(*which, tmp_path)
    assert ended.code in (0, 4)
    assert "internal error" not in ended.err
    if ended.code == 4:
        assert str(tmp_path) in ended.err
