"""Names, texts and times in the forms that XCCDF allows."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import timedelta
from hashlib import sha256
from urllib.parse import quote

from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports.plain import as_text, clean_text
from pytest_sysaudit.reports.telling import moment_of
from pytest_sysaudit.text import shorten

#: The middle of every id, which XCCDF wants in the form of a host name, turned around.
AUTHORITY = "io.github.pytest-sysaudit"
#: The system of the checks: what is judged by pytest.
CHECKS = "urn:pytest-sysaudit:check"

_PLAIN = re.compile(r"[A-Za-z0-9._-]+")
_LIKE_HASHED = re.compile(r".*-[0-9a-f]{12}", re.DOTALL)
_LONGEST = 20_000
_USUAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_EPOCH = "1970-01-01T00:00:00Z"


def xccdf_id(kind: str, name: str) -> str:
    """Return the id of what is called *name*: ``xccdf_<authority>_rule_ssh.root-login``.

    Names of letters, digits, dots, dashes and underscores stay as they are. Of others as much is
    kept as can be, with 12 digits of their SHA-256, so that no two names have one id.

    Args:
        kind: ``benchmark``, ``group``, ``rule`` or ``testresult``.
        name: any text.
    """
    if not _PLAIN.fullmatch(name) or _LIKE_HASHED.fullmatch(name):
        kept = "-".join(_PLAIN.findall(name))[:60] or "run"
        name = f"{kept}-{sha256(name.encode('utf-8', 'backslashreplace')).hexdigest()[:12]}"
    return f"xccdf_{AUTHORITY}_{kind}_{name}"


def urn(*parts: str) -> str:
    """Return a name of our own as a URI."""
    return ":".join(["urn:pytest-sysaudit", *(quote(part, safe="") for part in parts)])


def add(parent: ET.Element, tag: str, text: Plain = None, **attributes: str) -> ET.Element:
    """Add an element to *parent*, its text and attributes made fit; ``_`` in names is ``-``."""
    fit = {name.replace("_", "-"): text_of(value) for name, value in attributes.items()}
    element = ET.SubElement(parent, tag, fit)
    if text is not None:
        element.text = text_of(text)
    return element


def text_of(value: Plain) -> str:
    """Return JSON data as text that XML can hold, at most 20,000 characters of it."""
    if value.__class__ is str and len(value) <= _LONGEST and value.isprintable():  # nearly always
        return str(value)
    text = ("no", "yes")[value] if isinstance(value, bool) else as_text(value)
    return shorten(clean_text(text), _LONGEST)


def time_of(text: Plain, otherwise: str = _EPOCH, *, plus: float = 0) -> str:
    """Return ISO 8601 *text* as an ``xsd:dateTime`` in UTC, *plus* so many seconds.

    Dates are their first moment. What is no time at all is *otherwise*.
    """
    moment = moment_of(text)
    if moment is None:
        return otherwise
    if not plus and _USUAL.fullmatch(text):
        return str(text)
    try:
        moment += timedelta(seconds=plus)
    except OverflowError:
        return otherwise
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
