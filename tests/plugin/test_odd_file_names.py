"""Files whose names hold line breaks and foreign bytes, from the search to every report."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from checks.linux import test_search

CHECKS = str(Path(test_search.__file__).parent / "test_search.py")
#: Searches the folder "tree" instead of the whole machine.
TABLES = """
import os
from pytest_sysaudit.facts import file_search

def read(facts):
    top = os.path.abspath("tree")
    return file_search.parse(facts.run(file_search.command([top])), [top])

def pytest_sysaudit_facts():
    return {"file_search": read}
"""
NAMES = (b"two\nlines", b"odd\xff\xfe", b"esc\x1b[31m\x07", b"<b>&amp;", "\u202egnp.exe".encode())
#: Each as it stands in the reports.
SHOWN = ("two\\nlines", "odd\\xff\\xfe", "esc\\x1b[31m\\x07", "<b>&amp;", "\\u202egnp.exe")


@pytest.mark.parametrize("more", [[], ["-n", "1"]], ids=["alone", "xdist"])
def test_every_report_names_them(project, more):
    project.inventory("version: 1\nhosts: {here: {connection: local}}\n")
    tree = project.path / "tree"
    tree.mkdir()
    for name in NAMES:
        (tree / os.fsdecode(name)).touch()
        (tree / os.fsdecode(name)).chmod(0o4666)
    project.pytester.makepyfile(tables=TABLES)
    project.pytester.syspathinsert()
    reports = [f"--audit-report={kind}=out.{kind}" for kind in ("junit", "html")]
    chosen = "writable_by_everybody or set_uid"
    where = ["--rootdir=.", "--audit-inventory=inventory.yaml"]
    done = project.run(CHECKS, *where, "-p", "tables", "-k", chosen, *reports, *more)
    done.assert_outcomes(failed=2)
    rows = {row["control"]: row for row in project.document["results"]}
    for row in (rows["files.ww-files"], rows["files.suid"]):
        for shown in SHOWN:
            assert shown in row["message"]
        assert "\n" not in row["message"].splitlines()[0]
    xml = ET.parse(project.path / "out.junit").getroot()
    failures = "".join(case.text or "" for case in xml.iter("failure"))
    page = (project.path / "out.html").read_text(encoding="utf-8")
    for shown in SHOWN:
        assert shown in failures
    for shown in SHOWN[:3]:
        assert shown in page or json.dumps(shown)[1:-1] in page
    assert "\x1b" not in page
