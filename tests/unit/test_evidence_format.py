"""The format is what its page says: the verifier that stands there agrees with ours."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest
from lab.recordings import small

from pytest_sysaudit.evidence.chain import RECORDS
from pytest_sysaudit.evidence.verify import verify

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "explanation/evidence.md").read_text("utf-8")
FILES = ("gw0.chain", "gw0.objects.gz", "main.chain", "main.objects.gz")


@pytest.fixture(scope="module")
def walk():
    return runpy.run_path(str(DOCS / "examples/format/walk.py"))["walk"]


@pytest.mark.parametrize("finish", [True, False])
def test_both_take_what_was_written(tmp_path, walk, finish):
    folder = small(tmp_path / "b", finish=finish)
    assert walk(folder) is finish
    assert verify(folder).complete is finish


@pytest.mark.parametrize("name", FILES)
def test_both_find_what_was_changed(tmp_path, walk, name):
    whole = small(tmp_path / "b")
    folder = shutil.copytree(whole, tmp_path / "c")
    content = (whole / name).read_bytes()
    for number in range(0, len(content), 7):
        changed = bytearray(content)
        changed[number] ^= 4
        (folder / name).write_bytes(changed)
        assert not verify(folder).ok
        with pytest.raises((AssertionError, ValueError)):
            walk(folder)


@pytest.mark.parametrize("record", RECORDS)
def test_the_page_names_every_record(record):
    assert f"| `{record}` |" in PAGE
