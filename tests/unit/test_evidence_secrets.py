"""No secret gets into a recording: however it is written, wherever it stands."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import random
from urllib.parse import quote

import pytest
from lab.recordings import ENDED, LONG, main_journal, seen

from pytest_sysaudit.evidence import inside
from pytest_sysaudit.evidence.bundle import open_bundle
from pytest_sysaudit.evidence.redact import MASK, Redactor
from pytest_sysaudit.evidence.writer import open_journal

SECRETS = [
    "corr3ct-Horse/battery+staple",
    "pässw0rd mit \U0001f600ümläut",
    "Zm9v&amp<bar>'quoted\"%41",
]
WRITTEN = {
    "utf-8": str.encode,
    "utf-16-le": lambda s: s.encode("utf-16-le"),
    "utf-16-be": lambda s: s.encode("utf-16-be"),
    "base64": lambda s: base64.b64encode(s.encode()),
    "base64, shifted": lambda s: base64.b64encode(b"x" + s.encode()),
    "base64 for urls": lambda s: base64.urlsafe_b64encode(s.encode()),
    "base64 in lines": lambda s: base64.encodebytes(s.encode() * 3),
    "url": lambda s: quote(s).encode(),
    "url, all of it": lambda s: "".join(f"%{b:02x}" for b in s.encode()).encode(),
    "python": lambda s: ascii(s).encode(),
    "python's bytes": lambda s: repr(s.encode()).encode(),
    "hex": lambda s: s.encode().hex().encode(),
    "HEX": lambda s: s.encode().hex(":").upper().encode(),
    "json": lambda s: json.dumps(s).encode(),
    "html": lambda s: html.escape(s).encode(),
}
AROUND = {
    "text": (b"before ", b" after\n"),
    "bytes": (b"\x00\x01\xfe\xff\x89PNG", b"\x01\x00\xde\xad"),
    "half a text": (b"latin \xe9 text ", b" more \xff\n"),
    "a large file": (random.Random(1).randbytes(40_000), random.Random(2).randbytes(9_001)),
}


def _bytes(folder):
    """All that is in a recording, unpacked too."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return b"".join(
        content + (gzip.decompress(content) if name.endswith(".gz") and content else b"")
        for name, content in files.items()
    )


@pytest.mark.parametrize("way", WRITTEN)
@pytest.mark.parametrize("around", AROUND)
def test_known_secrets_are_taken_out_of_contents(tmp_path, way, around):
    journal = main_journal(tmp_path / "b", *SECRETS)
    for secret in SECRETS:
        written, (before, after) = WRITTEN[way](secret), AROUND[around]
        stored = journal.note(seen(parts={"stdout": before + written + after}))
        assert stored.redacted
        kept = open_bundle(tmp_path / "b").part(stored.id, "stdout")
        assert written not in kept
        assert kept.startswith(before[:100])
        assert kept.endswith(after[-100:])
        if b"\0" in before:
            assert len(kept) == len(before + written + after), "nothing else may move"
    journal.finish({"ended": ENDED})
    assert WRITTEN[way](SECRETS[0]) not in _bytes(tmp_path / "b")


@pytest.mark.parametrize("way", ["utf-8", "base64", "url", "hex", "json"])
def test_known_secrets_are_taken_out_of_all_else(tmp_path, way):
    secret = SECRETS[0]
    text = WRITTEN[way](secret).decode()
    begin = {"run": "r", "command_line": f"pytest {text}", "inventory": {"text": f"x: {text}"}}
    journal = open_journal(tmp_path / "b", process="main", redactor=Redactor([secret]), begin=begin)
    stored = journal.note(
        seen(
            asked={"command": ["curl", text], text: 1},
            answer={"headers": {"X-A": [text]}},
            error={"type": "Denied", "message": f"no {text}"},
            value={"deep": [{"er": (text, {text: text})}]},
        )
    )
    assert stored.redacted
    assert text not in str(stored)
    journal.finish({"ended": ENDED, "why": text})
    found = _bytes(tmp_path / "b")
    assert secret.encode() not in found
    assert text.encode() not in found
    assert found.count(MASK.encode()) >= 8


def test_what_looks_like_a_secret_goes_from_text_and_stays_in_binaries(tmp_path):
    journal = main_journal(tmp_path / "b", *SECRETS)
    line = b"Authorization: Bearer abcdefghijklmnopqrstuvwx\n"
    text = journal.note(seen(parts={"stdout": line, "stderr": b"caf\xe9 " + line}))
    capture = journal.note(seen(parts={"stdout": b"\xd4\xc3\xb2\xa1\x00\x00" + line}))
    bundle = open_bundle(tmp_path / "b")
    for name in ("stdout", "stderr"):
        assert b"abcdefgh" not in bundle.part(text.id, name)
    assert bundle.part(text.id, "stderr").startswith(b"caf\xe9 Authorization")
    assert bundle.part(capture.id, "stdout").endswith(line)
    assert (text.redacted, capture.redacted) == (True, False)


def test_a_secret_that_is_learned_later_is_taken_out_from_then_on(tmp_path):
    redactor = Redactor()
    journal = open_journal(tmp_path / "b", process="main", redactor=redactor, begin=None)
    content = LONG + b"learned-later-on"
    first = journal.note(seen("one", parts={"stdout": content}))
    redactor.add("learned-later-on")
    second = journal.note(seen("two", parts={"stdout": content}))
    bundle = open_bundle(tmp_path / "b")
    assert bundle.part(first.id, "stdout") == content
    assert bundle.part(second.id, "stdout") == LONG + MASK.encode()
    assert (first.redacted, second.redacted) == (False, True)


def test_the_hash_of_what_is_kept_is_not_that_of_the_secret(tmp_path):
    journal = main_journal(tmp_path / "b", SECRETS[0])
    content = LONG + SECRETS[0].encode()
    journal.note(seen(parts={"stdout": content}))
    journal.finish({"ended": ENDED})
    assert hashlib.sha256(content).hexdigest().encode() not in _bytes(tmp_path / "b")


def test_what_was_redacted_before_it_came_says_so(tmp_path):
    journal = main_journal(tmp_path / "b")
    assert journal.note(seen(redacted=True)).redacted
    assert not journal.note(seen()).redacted


@pytest.mark.parametrize("count", [1, 30])
def test_secrets_at_the_seams_of_large_binaries_are_found(monkeypatch, count):
    monkeypatch.setattr(inside, "_PIECE", 5000)
    secret = "seam-secret-0001"
    redactor = Redactor([secret, *(f"other-secret-{n:04}" for n in range(count - 1))])
    for at in range(4980, 5003):
        data = bytes(at) + secret.encode() + bytes(12_000 - at)
        assert redactor.binary(data) == bytes(at) + b"*" * 16 + bytes(12_000 - at)


def test_binaries_without_secrets_stay_as_they_are():
    redactor = Redactor(SECRETS)
    for size in (0, 1, 5000, 300_000):
        data = random.Random(size).randbytes(size)
        assert redactor.binary(data) == data
    assert Redactor().binary(b"\0x") == b"\0x"


def test_characters_of_two_units_do_not_shift_what_is_masked():
    text = "\U0001f600" * 5 + "corr3ct-Horse/battery+staple" + "\U0001f600"
    data = b"\0\0" + text.encode("utf-16-le")
    expected = b"\0\0" + text.replace(SECRETS[0], "").encode("utf-16-le")
    assert Redactor(SECRETS).binary(data).replace(b"*", b"") == expected
