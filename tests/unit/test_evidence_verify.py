"""Whatever is changed, added or removed in a recording is found and named."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tracemalloc
import zlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lab.recordings import ENDED, LONG, main_journal, row, seen, small, worker_journal

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence import writer
from pytest_sysaudit.evidence.bundle import open_bundle
from pytest_sysaudit.evidence.canonical import canonical
from pytest_sysaudit.evidence.chain import HEAD, ZEROS, lines, link
from pytest_sysaudit.evidence.pack import Packed, check
from pytest_sysaudit.evidence.signing import SigningKey
from pytest_sysaudit.evidence.verify import verify


@pytest.fixture
def key():
    return SigningKey(Ed25519PrivateKey.generate())


FINISHED = ("gw0.chain", "gw0.objects.gz", "main.chain", "main.objects.gz", "manifest.json")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return small(tmp_path_factory.mktemp("finished") / "b")


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    key = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(32)))
    return small(tmp_path_factory.mktemp("signed") / "b", key=key)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    return small(tmp_path_factory.mktemp("killed") / "b", finish=False)


def test_a_finished_recording_verifies(finished):
    found = verify(finished)
    assert (found.ok, found.complete, found.broken) == (True, True, "")
    assert (found.observations, found.results, found.contents) == (3, 1, 2)
    assert found.records == 3 + 6
    assert found.size == sum(path.stat().st_size for path in finished.iterdir())
    assert found.remarks == ("not signed: whoever can write there could have made all of it anew",)
    assert sorted(path.name for path in finished.iterdir()) == sorted(FINISHED)


def _changed(path, number):
    content = bytearray(path.read_bytes())
    content[number] ^= 1 << number % 8
    return bytes(content)


@pytest.mark.parametrize("name", FINISHED)
def test_every_changed_byte_is_found_and_named(tmp_path, finished, name):
    folder = shutil.copytree(finished, tmp_path / "b")
    path, before = folder / name, (folder / name).read_bytes()
    for number in range(len(before)):
        path.write_bytes(_changed(finished / name, number))
        found = verify(folder)
        assert not found.ok, f"byte {number} of {name}"
        assert found.broken.startswith((name, name.replace(".objects.gz", ".chain"))), found.broken


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig"])
def test_every_changed_byte_of_what_signs_is_found(tmp_path, signed, name):
    folder = shutil.copytree(signed, tmp_path / "b")
    for number in range((folder / name).stat().st_size):
        (folder / name).write_bytes(_changed(signed / name, number))
        assert verify(folder).broken.startswith(name), f"byte {number} of {name}"


@pytest.mark.parametrize("name", FINISHED)
def test_a_finished_recording_is_found_at_every_length_that_it_is_cut_to(tmp_path, finished, name):
    folder = shutil.copytree(finished, tmp_path / "b")
    for length in reversed(range((folder / name).stat().st_size)):
        os.truncate(folder / name, length)
        assert not verify(folder).ok, f"{name} of {length} bytes"


@pytest.mark.parametrize("name", [*FINISHED, "manifest.sig"])
@pytest.mark.parametrize("added", [b"\n", b" ", b"0", b"\0", b"{}\n"])
def test_added_bytes_are_found(tmp_path, signed, name, added):
    folder = shutil.copytree(signed, tmp_path / "b")
    before = (folder / name).read_bytes()
    for at in (0, 1, len(before) // 2, len(before) - 1, len(before)):
        changed = before[:at] + added + before[at:]
        (folder / name).write_bytes(changed)
        assert verify(folder).ok is (changed == before), f"{added!r} at {at}"


@pytest.mark.parametrize("name", [*FINISHED, "manifest.sig"])
def test_a_removed_file_is_told(tmp_path, signed, name):
    folder = shutil.copytree(signed, tmp_path / "b")
    (folder / name).unlink()
    found = verify(folder)
    if name == "manifest.json":
        # as after a kill between the end and the manifest: no more than that can be known
        assert found.ok
        assert not found.complete
        assert "the run ended, and was killed before it wrote one, or it was removed" in str(found)
    else:
        assert not found.ok
        assert name.split(".")[0] in found.broken


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: (folder / "notes.txt").write_text("x"),
        lambda folder: (folder / "manifest.json.new").write_text(""),
        lambda folder: (folder / "sub").mkdir(),
        lambda folder: (folder / "link").symlink_to("main.chain"),
        lambda folder: (folder / "gw9.objects.gz").write_bytes(b""),
        lambda folder: shutil.copy(folder / "gw0.chain", folder / "gw1.chain"),
    ],
    ids=["a file", "half a manifest", "a folder", "a link", "a pack", "a chain"],
)
def test_stray_files_are_named(tmp_path, finished, make):
    folder = shutil.copytree(finished, tmp_path / "b")
    make(folder)
    found = verify(folder)
    assert not found.ok
    new = {path.name for path in folder.iterdir()} - set(FINISHED)
    assert found.broken.split(":")[0] in new


@pytest.mark.parametrize("name", ["gw0.chain", "main.chain", "gw0.objects.gz", "main.objects.gz"])
def test_every_changed_byte_of_a_killed_run_is_found(tmp_path, killed, name):
    folder = shutil.copytree(killed, tmp_path / "b")
    for number in range((folder / name).stat().st_size):
        (folder / name).write_bytes(_changed(killed / name, number))
        found = verify(folder)
        assert not found.ok, f"byte {number} of {name}: {found}"


def test_a_killed_run_verifies_up_to_its_last_whole_record(tmp_path, killed):
    folder = shutil.copytree(killed, tmp_path / "b")
    chain, whole = folder / "main.chain", (killed / "main.chain").read_bytes()
    ends = [at + len(line) + 1 for at, line in lines(whole)]
    for length in reversed(range(len(whole) + 1)):
        os.truncate(chain, length)
        found = verify(folder)
        if length < ends[0]:
            assert not found.ok, "the worker joined a record that is not there any more"
            continue
        assert found.ok, f"{length}: {found.broken}"
        assert not found.complete
        assert found.records == 3 + sum(end <= length for end in ends)
        assert found.remarks[0] == "no manifest: the run did not end"
        torn = length - max(end for end in ends if end <= length)
        assert any("of a record that was not done" in r for r in found.remarks) is bool(torn)


def test_a_killed_run_says_until_when(tmp_path):
    main = main_journal(tmp_path / "b")
    main.note(seen(started=1_800_000_000.0, duration=2.0))
    assert verify(tmp_path / "b").until == "2027-01-15T08:00:02.000Z"


def test_a_killed_run_may_have_contents_that_no_record_names(tmp_path, killed):
    folder = shutil.copytree(killed, tmp_path / "b")
    with (folder / "main.objects.gz").open("ab") as file:
        file.write(b"\x1f\x8b half a member")
    assert verify(folder).ok
    with (folder / "gw0.objects.gz").open("ab") as file:
        file.write(b"x")
    assert "gw0.objects.gz" in verify(folder).broken, "this worker had ended"


@pytest.mark.parametrize("end", [b"\r\n", b"\n\n", b"\n\0", b" \n", b"}\n"])
def test_a_torn_record_is_the_beginning_of_one(tmp_path, killed, end):
    folder = shutil.copytree(killed, tmp_path / "b")
    with (folder / "main.chain").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(end)
    assert verify(folder).broken.startswith("main.chain: line")


# -- what somebody who knows the format could try -----------------------------------------


def _rechained(content, change):
    """Return a chain whose records went through *change*, with new hashes."""
    last, out = ZEROS, b""
    for _, line in lines(content):
        record = change(line[HEAD:])
        if record is not None:
            last = link(last, record)
            out += last.encode() + b" " + record + b"\n"
    return out


def _without_results(record):
    return None if record.startswith(b'{"result"') else record


def test_a_chain_made_anew_does_not_fit_the_manifest(tmp_path, finished):
    folder = shutil.copytree(finished, tmp_path / "b")
    chain = folder / "main.chain"
    chain.write_bytes(_rechained(chain.read_bytes(), _without_results))
    assert verify(folder).broken.startswith("main.chain: line 5: the manifest expects records 6")


def test_a_chain_and_a_manifest_made_anew_do_not_have_the_signature(tmp_path, signed, finished):
    folder = shutil.copytree(signed, tmp_path / "b")
    chain = folder / "main.chain"
    chain.write_bytes(_rechained(chain.read_bytes(), _without_results))
    told = json.loads((folder / "manifest.json").read_bytes())
    last = list(lines(chain.read_bytes()))
    told["chains"][0] |= {
        "records": len(last),
        "last": last[-1][1][: HEAD - 1].decode(),
        "size": chain.stat().st_size,
    }
    del told["sha256"]
    told["sha256"] = hashlib.sha256(canonical(told)).hexdigest()
    (folder / "manifest.json").write_bytes(canonical(told) + b"\n")
    assert verify(folder).broken.startswith("main.chain: line 7: the seal is not one of the key")


def test_records_of_a_result_that_name_nothing_are_found(tmp_path):
    main = main_journal(tmp_path / "b")
    main.result(row(evidence=("0123456789abcdef",)))
    main.finish({"ended": ENDED})
    assert verify(tmp_path / "b").broken == (
        "main.chain: line 2: names the observation 0123456789abcdef, and it is not there"
    )


def test_a_removed_chain_of_a_killed_run_is_found_by_what_names_it(tmp_path, killed):
    folder = shutil.copytree(killed, tmp_path / "b")
    (folder / "gw0.chain").unlink()
    (folder / "gw0.objects.gz").unlink()
    assert "names the observation" in verify(folder).broken


def test_a_worker_of_another_run_is_found(tmp_path, killed):
    other = main_journal(tmp_path / "c")
    other.note(seen("other"))
    worker_journal(tmp_path / "c", "gw7").close()
    folder = shutil.copytree(killed, tmp_path / "b")
    begin = (tmp_path / "c/main.chain").read_bytes()
    assert begin.splitlines()[0] == (folder / "main.chain").read_bytes().splitlines()[0]
    (tmp_path / "c/gw7.chain").rename(folder / "gw8.chain")
    (tmp_path / "c/gw7.objects.gz").rename(folder / "gw8.objects.gz")
    assert verify(folder).broken == (
        "gw8.chain: line 1: is of another recording: expected process gw8, found gw7"
    )


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"{}",
        b'{"a":1,"b":{}}',
        b'{"x":{}}',
        b"nonsense",
        b'{"observation":{}}',
        b'{"observation":{"started":"x"}}',
        b'{"begin":{}}',
        b'{"seal":{}}',
        b'{"note":{"parts":[{"packed":1}]}}',
        b'{"result":[]}',
        b"[" * 100_000,
        b'{"observation":{"kind":"x","target":"y","asked":{},"started":1e308}}',
        b'{"observation":{"kind":"x","target":"y","asked":{},"started":1,"made_of":[{}]}}',
    ],
    ids=range(14),
)
def test_records_that_are_none_are_named_not_raised(tmp_path, line):
    journal = main_journal(tmp_path / "b")
    journal._chain.add_record(line)
    journal.close()
    assert verify(tmp_path / "b").broken.startswith("main.chain: line 2: ")


def test_a_note_says_nothing_in_the_name_of_who_verifies(tmp_path):
    journal = main_journal(tmp_path / "b")
    journal._chain.add("note", {"at": "", "text": "all is well\nverified: all of it"})
    journal.close()
    assert "main.chain: all is well verified: all of it" in verify(tmp_path / "b").remarks


def test_a_huge_content_is_not_held_in_memory(tmp_path):
    size = 64 << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    member = packer.compress(bytes(size)) + packer.flush()
    packed = Packed(hashlib.sha256(bytes(size)).hexdigest(), size, 0, len(member), "")
    packed = replace(packed, packed_sha256=hashlib.sha256(member).hexdigest())
    tracemalloc.start()
    check(member, packed)
    with pytest.raises(EvidenceError, match="one gzip member of 10 bytes"):
        check(member, replace(packed, size=10))
    with pytest.raises(EvidenceError, match="its content is not"):
        check(member, replace(packed, size=1 << 62))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < size / 4


@pytest.mark.parametrize("name", ["main.chain", "gw0.chain", "manifest.json"])
def test_chains_alone_are_checked_before_they_are_judged_by(tmp_path, finished, name):
    folder = shutil.copytree(finished, tmp_path / "b")
    (folder / "read.me").write_text("a word on it")  # no harm to what was recorded
    open_bundle(folder).check()
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content.replace(b"a", b"b", 1))
    with pytest.raises(EvidenceError, match=rf"b: is not what was recorded: {name}: .*verify"):
        open_bundle(folder).check()


# -- signatures ---------------------------------------------------------------------------


def test_a_signed_recording_names_its_key(tmp_path, key):
    folder = small(tmp_path / "b", key=key)
    found = verify(folder)
    assert (found.ok, found.signed, found.trusted) == (True, key.public, False)
    assert "compare it with yours" in found.remarks[-1]
    trusted = verify(folder, key.public)
    assert trusted.trusted
    assert trusted.remarks == ()


@pytest.mark.parametrize("finish", [True, False])
def test_another_key_is_told(tmp_path, key, finish):
    folder = small(tmp_path / "b", key=key, finish=finish)
    found = verify(folder, "ab" * 32)
    assert found.broken == (
        f"manifest.sig: expected the signature of the key {'ab' * 32}, found that of {key.public}"
    )


@pytest.mark.parametrize("finish", [True, False])
def test_no_signature_is_told_to_who_expects_one(tmp_path, key, finish):
    folder = small(tmp_path / "b", finish=finish)
    assert verify(folder).ok
    assert verify(folder, key.public).broken.endswith("found none")


def test_a_killed_run_is_signed_up_to_its_last_seal(tmp_path, key, monkeypatch):
    monkeypatch.setattr(writer, "SEAL_EVERY", 0.0)
    journal = main_journal(tmp_path / "b", key=key)
    for number in range(5):
        journal.note(seen(f"cat {number}", parts={"stdout": LONG}))
    journal.close()
    found = verify(tmp_path / "b", key.public)
    assert found.ok
    assert found.trusted
    assert not found.complete
    assert (tmp_path / "b/main.chain").read_bytes().count(b'{"seal"') == 6


def test_a_seal_of_another_key_is_found(tmp_path, key, monkeypatch):
    monkeypatch.setattr(writer, "SEAL_EVERY", 0.0)
    journal = main_journal(tmp_path / "b", key=key)
    journal._key = SigningKey(Ed25519PrivateKey.generate())
    journal.note(seen())
    journal.close()
    assert verify(tmp_path / "b").broken == (
        f"main.chain: line 4: the seal is not one of the key {key.public}"
    )


# -- what cannot be verified at all -------------------------------------------------------


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda _: None, "cannot be read: No such file"),
        (lambda folder: folder.write_text(""), "cannot be read: Not a directory"),
        (lambda folder: folder.mkdir(), "holds no recording; name the folder"),
    ],
    ids=["nothing", "a file", "an empty folder"],
)
def test_what_is_no_recording_is_an_error(tmp_path, make, words):
    make(tmp_path / "b")
    with pytest.raises(EvidenceError, match=words):
        verify(tmp_path / "b")


def test_what_is_no_key_is_an_error(finished):
    with pytest.raises(EvidenceError, match="the public key"):
        verify(finished, "not a key")
