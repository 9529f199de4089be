"""A recording that is ended at any moment holds what was written, and says that it ended early."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from lab.recordings import ENDED, LONG, main_journal, row, seen, worker_journal

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence import growing
from pytest_sysaudit.evidence.bundle import open_bundle
from pytest_sysaudit.evidence.growing import GrowingFile
from pytest_sysaudit.evidence.verify import verify

TESTS = Path(__file__).parents[1]
#: Notes without an end, each told on standard output once it is kept.
ENDLESS = """
import os, sys
from pathlib import Path
from lab.recordings import main_journal, row, seen, worker_journal
folder, process = Path(sys.argv[1]), sys.argv[2]
journal = main_journal(folder) if process == "main" else worker_journal(folder, process)
os.write(1, b"begun\\n")
number = 0
while True:
    number += 1
    text = b"%d of a content that is long\\n" % number * (number % 97)
    id_ = journal.note(seen(f"cat {number}", parts={"stdout": text})).id
    os.write(1, id_.encode() + b"\\n")
    if number % 10 == 0:
        journal.result(row(f"c{number}", evidence=(id_,)))
        os.write(1, b"result\\n")
"""


def _endless(folder, process="main"):
    return subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(folder), process],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )


def _killed_after(process, seconds):
    """Return what *process* told until it was killed."""
    assert process.stdout.readline() == b"begun\n"
    told = []
    reader = threading.Thread(target=lambda: told.extend(process.stdout))
    reader.start()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reader.join()
    process.stdout.close()
    return [line.strip().decode() for line in told if line.endswith(b"\n")]


@pytest.mark.parametrize("number", range(10))
def test_kill_9_loses_nothing_that_was_kept(tmp_path, number):
    moment = random.Random(number).uniform(0, 0.12)
    told = _killed_after(_endless(tmp_path / "b"), moment)
    found = verify(tmp_path / "b")
    assert found.ok, found.broken
    assert not found.complete
    assert found.remarks[0] == "no manifest: the run did not end"
    bundle = open_bundle(tmp_path / "b")
    ids = [line for line in told if line != "result"]
    assert set(ids) <= set(bundle.observations)
    assert len(bundle.observations) <= len(ids) + 1
    assert len(list(bundle.results)) >= told.count("result")
    for id_ in ids[-3:]:
        assert b"of a content" in bundle.part(id_, "stdout") or not bundle.part(id_, "stdout")


def test_a_worker_that_was_killed_leaves_a_recording_that_can_be_finished(tmp_path):
    main = main_journal(tmp_path / "b")
    told = _killed_after(_endless(tmp_path / "b", "gw0"), 0.05)
    with (tmp_path / "b/gw0.chain").open("ab") as file:
        file.write(b"0123 half a record")
    with (tmp_path / "b/gw0.objects.gz").open("ab") as file:
        file.write(b"half a member")
    healthy = worker_journal(tmp_path / "b", "gw1")
    healthy.note(seen())
    healthy.close()
    main.finish({"ended": ENDED})
    found = verify(tmp_path / "b")
    assert found.ok, found.broken
    assert found.complete
    assert "gw0 ended before it closed its part; what" in str(found.remarks)
    assert "gw0 ended before it closed its part" in main.problem
    assert "18 bytes of gw0.chain" in str(found.remarks)
    assert set(told) - {"result"} <= set(open_bundle(tmp_path / "b").observations)


def test_two_processes_write_at_once(tmp_path):
    main = main_journal(tmp_path / "b")
    workers = [_endless(tmp_path / "b", f"gw{n}") for n in range(2)]
    ids = [main.note(seen(f"id {n}", parts={"stdout": LONG})).id for n in range(100)]
    told = [_killed_after(worker, 0.02) for worker in workers]
    main.finish({"ended": ENDED})
    assert verify(tmp_path / "b").complete
    assert {*ids, *told[0], *told[1]} - {"result"} <= set(open_bundle(tmp_path / "b").observations)


# -- interrupted in the middle -------------------------------------------------------------


class _Interrupting:
    """Writes, and is interrupted at one of its calls: before, in the middle of, or after it."""

    def __init__(self, call, moment):
        self.call, self.moment, self.calls = call, moment, 0

    def __call__(self, descriptor, data):
        self.calls += 1
        if self.calls != self.call:
            return os_write(descriptor, data)
        if self.moment == "before":
            raise KeyboardInterrupt
        os_write(descriptor, data if self.moment == "after" else data[: len(data) // 2])
        raise KeyboardInterrupt


os_write = os.write


@pytest.mark.parametrize("moment", ["before", "half", "after"])
@pytest.mark.parametrize("call", [1, 2, 3, 4])
@pytest.mark.parametrize("again", [True, False])
def test_ctrl_c_at_any_write_leaves_a_whole_recording(tmp_path, monkeypatch, moment, call, again):
    journal = main_journal(tmp_path / "b")
    before = journal.note(seen("before", parts={"stdout": LONG})).id
    with monkeypatch.context() as patched:
        patched.setattr(growing.os, "write", _Interrupting(call, moment))
        with pytest.raises(KeyboardInterrupt):
            _three_notes(journal)
    after = journal.note(seen("after", parts={"stdout": LONG * 3})).id if again else before
    assert not journal.problem
    journal.finish({"ended": ENDED})
    found = verify(tmp_path / "b")
    assert found.ok, found.broken
    assert found.complete
    bundle = open_bundle(tmp_path / "b")
    assert bundle.part(before, "stdout") == LONG
    assert bundle.part(after, "stdout") == LONG * (3 if again else 1)


def _three_notes(journal):
    for number in range(3):
        journal.note(seen(f"{number}", parts={"stdout": LONG * 2 + b"%d" % number}))


def test_a_signal_while_it_writes_changes_nothing(tmp_path):
    journal = main_journal(tmp_path / "b")
    moments, interrupted, kept = random.Random(1), 0, []
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    for number in range(400):
        try:
            signal.setitimer(signal.ITIMER_REAL, moments.uniform(0.00001, 0.0004))
            kept.append(journal.note(seen(f"{number}", parts={"stdout": LONG * (number % 9)})))
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            interrupted += 1
    signal.signal(signal.SIGALRM, before)
    assert interrupted
    assert not journal.problem
    journal.finish({"ended": ENDED})
    found = verify(tmp_path / "b")
    assert found.complete, found.broken
    assert {each.id for each in kept} <= set(open_bundle(tmp_path / "b").observations)


# -- no room, no permission ---------------------------------------------------------------


def _fill(journal):
    """Note contents that cannot be packed until there is no room; returns the ids."""
    ids = []
    for number in range(400):
        text = os.urandom(2000).hex().encode()
        stored = journal.note(seen(f"cat {number}", parts={"stdout": text}))
        if not stored.id:
            break
        ids.append(stored.id)
        journal.result(row(f"c{number}", evidence=(stored.id,)))
    return ids


def _stopped(folder, journal, ids, words):
    """Check that a recording whose writing stopped is valid up to there, and says why."""
    assert words in journal.problem
    assert 0 < len(ids) < 400
    found = verify(folder)
    assert found.ok, found.broken
    assert not found.complete
    bundle = open_bundle(folder)
    assert set(ids) <= set(bundle.observations)
    assert len(bundle.part(ids[-1], "stdout")) == 4000


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts a small file system")
def test_a_full_disk_ends_the_recording_and_not_the_audit(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)]
    subprocess.run(command, check=True)
    try:
        journal = main_journal(disk / "b")
        ids = _fill(journal)
        journal.finish({"ended": ENDED})
        _stopped(disk / "b", journal, ids, "No space left on device")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts a small file system")
def test_a_disk_that_is_full_at_the_end_leaves_no_half_manifest(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)], check=True)
    try:
        journal = main_journal(disk / "b")
        stored = journal.note(seen(parts={"stdout": LONG}))
        _use_up(disk)
        journal.finish({"ended": ENDED})
        assert "No space left on device" in journal.problem
        assert not (disk / "b/manifest.json").exists()
        found = verify(disk / "b")
        assert found.ok, found.broken
        assert stored.id in open_bundle(disk / "b").observations
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _use_up(disk):
    with contextlib.suppress(OSError), (disk / "other").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@contextlib.contextmanager
def _files_of(most):
    """No file may have more than *most* bytes: pytest's own output, once this ended, may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_limit_on_files_ends_the_recording_and_not_the_audit(tmp_path):
    with _files_of(100_000):
        journal = main_journal(tmp_path / "b")
        ids = _fill(journal)
        journal.finish({"ended": ENDED})
    _stopped(tmp_path / "b", journal, ids, "File too large")
    assert any("writing stopped" in remark for remark in verify(tmp_path / "b").remarks)


def test_a_worker_without_room_says_so_in_the_finished_recording(tmp_path):
    with _files_of(100_000):
        main, worker = main_journal(tmp_path / "b"), worker_journal(tmp_path / "b")
        ids = _fill(worker)
        worker.close()
        main.finish({"ended": ENDED})
    assert "File too large" in worker.problem
    found = verify(tmp_path / "b")
    assert found.ok, found.broken
    assert found.complete
    assert "gw0.chain: writing stopped: " in str(found.remarks)
    assert "gw0 ended before it closed its part (writing stopped: " in main.problem
    assert "File too large" in main.problem
    assert set(ids) <= set(open_bundle(tmp_path / "b").observations)


def test_no_room_to_begin_is_an_error(tmp_path):
    refused = pytest.raises(EvidenceError, match="nothing can be written there: File too large")
    with _files_of(10), refused:
        main_journal(tmp_path / "b")


# -- a file that only grows ----------------------------------------------------------------


def test_what_somebody_else_added_is_taken_off(tmp_path):
    file = GrowingFile(tmp_path / "f", 0)
    file.append(b"one\n", 1)
    with (tmp_path / "f").open("ab") as other:
        other.write(b"intruder")
    file.settle()
    file.append(b"two\n", 2)
    assert (tmp_path / "f").read_bytes() == b"one\ntwo\n"
    assert (file.size, file.state) == (8, 2)


def test_it_does_not_follow_a_link_or_write_over_a_file(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    (tmp_path / "there").write_text("x")
    for name in ("link", "there"):
        with pytest.raises(FileExistsError):
            GrowingFile(tmp_path / name, 0)
    assert not (tmp_path / "victim").exists()
