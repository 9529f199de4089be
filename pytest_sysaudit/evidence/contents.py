"""How the content of an observation is written: in its record if it is short, else in the pack."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_sysaudit.evidence.canonical import sha256
from pytest_sysaudit.evidence.clean import Clean, clean_part, clean_value
from pytest_sysaudit.evidence.pack import Pack, Packed, compress
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.record import Plain

#: Contents up to so many bytes stand in the record.
SHORT = 512
#: So many long contents are known again when they come again.
_KNOWN = 20_000


@dataclass(slots=True)
class Content:
    """What is to be written of one part of an observation.

    Attributes:
        size: bytes as it came.
        redacted: whether a secret was taken out.
        cut: whether it is only the beginning.
        short: what stands in the record; None if it is in the pack.
        sha256: of what is kept; "" if it stands in the record.
        kept: bytes that are kept.
        member: what the pack is to take; b"" once it has it.
    """

    size: int
    redacted: bool
    cut: bool
    short: Mapping[str, Plain] | None = None
    sha256: str = ""
    kept: int = 0
    member: bytes = field(default=b"", repr=False)


class Contents:
    """Makes contents ready to be written; may be used from several threads.

    What came before is neither searched for secrets nor compressed again.
    """

    def __init__(self, redactor: Redactor, limit: int) -> None:
        self._redactor, self._limit = redactor, limit
        self._known: dict[tuple[bytes, int], Content] = {}
        self._lock = threading.Lock()

    def prepare(self, data: bytes) -> Content:
        """Return *data* as it is to be written."""
        if len(data) <= SHORT:
            return self._new(data)
        key = (hashlib.sha256(data).digest(), self._redactor.version)
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = self._new(data)
            with self._lock:
                if len(self._known) >= _KNOWN:
                    self._known.clear()
                self._known[key] = known
        return known

    def prepare_value(self, value: Plain) -> Content:
        """Return JSON data as it is to be written: what is no text in it stays as it is."""
        return self._written(clean_value(value, self._redactor, self._limit))

    def _new(self, data: bytes) -> Content:
        return self._written(clean_part(data, self._redactor, self._limit))

    def _written(self, clean: Clean) -> Content:
        found = Content(size=clean.size, redacted=clean.redacted, cut=clean.cut)
        if len(clean.content) <= SHORT:
            found.short = _short(clean.content)
        else:
            found.sha256, found.kept = sha256(clean.content), len(clean.content)
            found.member = compress(clean.content)
        return found


def _short(content: bytes) -> dict[str, Plain]:
    try:
        return {"text": content.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode("ascii")}


def place(content: Content, pack: Pack) -> tuple[dict[str, Plain], Packed | None]:
    """Return what the record says of *content*, and what it names of the *pack*.

    Raises:
        OSError: the pack cannot be written.
    """
    packed = None
    if content.short is not None:
        said = dict(content.short)
    else:
        packed = pack.known.get(content.sha256)
        if packed is None:
            packed = pack.add(content.sha256, content.kept, content.member)
        content.member = b""  # nobody asks for it again
        said = packed.to_plain()
    if content.cut:
        said["of"] = content.size
    return said, packed


def left_out(content: Content) -> dict[str, Plain]:
    """Return what the record says of *content* that is not kept at all."""
    content.member = b""
    return {"of": content.size}
