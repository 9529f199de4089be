"""Values as OSCAL wants them: UUIDs that stay the same, tokens, single lines, properties."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping

from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports.markup import escaped
from pytest_sysaudit.reports.plain import as_text, clean_text
from pytest_sysaudit.text import shorten

#: Whose names the properties are that OSCAL itself does not define.
NAMESPACE = "https://pytest-sysaudit.invalid/ns/oscal"
_UUIDS = uuid.uuid5(uuid.NAMESPACE_URL, NAMESPACE)
#: The controls of NIST SP 800-53 as they are written, with enhancements: ``AC-6(2)``.
_NIST = re.compile(r"([A-Za-z]{2})-(\d{1,2})(?:\s*\((\d{1,2})\))?(?:\s*\(?[a-z]\)?)?")
_FRAMEWORK = re.compile(r"nist-?(sp-?)?800-?53", re.IGNORECASE)
_NOT_IN_A_NAME = re.compile(r"[^\w.-]")
_LONGEST_LINE = 500


def identifier(*parts: str) -> str:
    """Return the UUID (version 5) of what *parts* name: always the same one."""
    name = "\n".join(parts).encode("utf-8", "backslashreplace")
    # as uuid.uuid5 does, which takes five times as long
    hexed = hashlib.sha1(_UUIDS.bytes + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(hexed[16], 16) & 3]
    return f"{hexed[:8]}-{hexed[8:12]}-5{hexed[13:16]}-{variant}{hexed[17:20]}-{hexed[20:32]}"


def token(text: str) -> str:
    """Return *text* as an XML name without colons: what cannot stand in one becomes ``_``."""
    kept = _NOT_IN_A_NAME.sub("_", text)
    return kept if kept[:1].isalpha() or kept.startswith("_") else f"_{kept}"


def plain_line(text: Plain, default: str = "none") -> str:
    """Return *text* on one line, as OSCAL's strings are; *default* for nothing."""
    if text.__class__ is str and text.isprintable() and len(text) < _LONGEST_LINE:
        return str(text).strip() or default
    flat = " ".join(clean_text(as_text(text)).split()).strip("\ufeff ")
    return shorten(flat, _LONGEST_LINE) or default


def line(text: Plain, default: str = "none") -> str:
    """Return *text* on one line of Markdown that is nothing but text."""
    return escaped(plain_line(text, default))


def prose(text: Plain, limit: int = 10_000) -> str:
    """Return *text* as Markdown that is nothing but text, its line breaks kept."""
    return escaped(shorten(clean_text(as_text(text)), limit)) or "none"


def props(values: Mapping[str, Plain]) -> list[dict[str, str]]:
    """Return those of *values* that say something as properties of ours."""
    return [
        {"name": token(name), "ns": NAMESPACE, "value": plain_line(value)}
        for name, value in values.items()
        if value not in (None, "", [], {}, ())
    ]


def nist_controls(control: Mapping[str, Plain]) -> Iterator[str]:
    """Yield the ids that OSCAL's catalogue gives the NIST controls of *control*: ``ac-6.2``."""
    for framework, found in (control.get("frameworks") or {}).items():
        if _FRAMEWORK.match(str(framework)):
            matches = (_NIST.fullmatch(str(number).strip()) for number in found)
            for family, number, enhancement in (m.groups() for m in matches if m):
                more = f".{int(enhancement)}" if enhancement else ""
                yield f"{family.lower()}-{int(number)}{more}"
