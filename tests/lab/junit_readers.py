"""How CI systems read a JUnit file: their rules in our words, each as a function.

Written after GitLab's documentation of unit test reports and its parser
(lib/gitlab/ci/parsers/test/junit.rb), dorny/test-reporter (java-junit) and
mikepenz/action-junit-report, as they were in summer 2026.
The real readers of the two actions found the same in the sample reports as these do.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

#: ``type`` of an element that GitLab's XML library would turn into something other than text.
CAST = {
    "symbol", "date", "datetime", "duration", "integer", "float", "double", "decimal", "boolean",
    "string", "yaml", "base64Binary", "hexBinary", "file", "array",
}  # fmt: skip
#: Bytes that GitLab reads of a file.
GITLAB_LARGEST = 30 * 1024 * 1024


@dataclass(frozen=True)
class Shown:
    """One test as a reader shows it."""

    suite: str
    name: str
    status: str
    text: str = ""


def _cases(content: bytes) -> list[tuple[ET.Element, ET.Element]]:
    root = ET.fromstring(content)
    assert root.tag == "testsuites"
    return [(suite, case) for suite in root for case in suite.iterfind("testcase")]


def gitlab(content: bytes) -> list[Shown]:
    """Suites are class names; of cases of one class and name the first counts; no message."""
    assert len(content) < GITLAB_LARGEST
    shown: dict[tuple[str, str], Shown] = {}
    for _, case in _cases(content):
        found = [(word, case.find(word)) for word in ("failure", "error", "skipped")]
        word, element = next(((w, e) for w, e in found if e is not None), ("success", None))
        assert element is None or element.get("type") not in CAST
        key = case.attrib["classname"], case.attrib["name"]
        text = "" if element is None else element.text or ""
        shown.setdefault(key, Shown(*key, word, text))
    return list(shown.values())


def dorny(content: bytes) -> list[Shown]:
    """Suites by name, in them groups by class; errors are failures, with type and message."""
    shown = []
    for suite, case in _cases(content):
        name = case.attrib["name"].strip()
        where = f"{suite.attrib['name'].strip()} / {case.attrib['classname']}"
        failure = next((e for w in ("failure", "error") if (e := case.find(w)) is not None), None)
        if failure is not None:
            said = f"{failure.get('type')}: {failure.get('message')}\n{failure.text or ''}"
            shown.append(Shown(where, name, "failed", said))
        else:
            skipped = case.find("skipped") is not None
            shown.append(Shown(where, name, "skipped" if skipped else "success"))
    return shown


def mikepenz(content: bytes) -> list[Shown]:
    """Retries (one name, class and file) count once; the file is the last part of the class."""
    shown: dict[tuple[str, str], Shown] = {}
    for _, case in _cases(content):
        key = case.attrib["name"], case.attrib.get("classname", "")
        file = case.get("file") or key[1].rpartition(".")[2]
        title = key[0] if file == key[0] else f"{file}.{key[0]}"
        issues = [*case.iterfind("failure"), *case.iterfind("error")]
        if issues:
            said = f"{issues[0].get('message') or ''}\n{(issues[0].text or '').strip()}"
            shown.setdefault(key, Shown(file, title, "failure", said))
        else:
            skipped = case.find("skipped") is not None
            shown.setdefault(key, Shown(file, title, "skipped" if skipped else "success"))
    return list(shown.values())
