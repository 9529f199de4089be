"""The filter over the pages of controls and of coverage, in a real browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from lab import browser as lab_browser

ROOT = Path(__file__).parents[2]
TABLES = "[...document.querySelectorAll('#filter ~ * table, #filter ~ table')]"
ROWS = "[...document.querySelectorAll('#filter ~ * tbody tr, #filter ~ table tbody tr')]"
SHOWN = f"{ROWS}.filter(row => row.offsetParent)"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(lab_browser.PROGRAM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs")
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        check=True,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        timeout=120,
    )
    return folder


@pytest.fixture(scope="module")
def chromium():
    with lab_browser.chromium() as started:
        yield started


@pytest.fixture
def page(chromium, site, request):
    chromium.emulate()
    chromium.open((site / "reference" / request.param / "index.html").as_uri())
    chromium.until("document.querySelector('#filter output')?.textContent")
    return chromium


def controls(which):
    return pytest.mark.parametrize("page", [which], indirect=True, ids=[which])


def column(page, name):
    """Return the cells of one column in the rows that can be seen."""
    return page.eval(
        f"{SHOWN}.map(row => {{ const heads = [...row.closest('table').querySelectorAll('th')];"
        f"const n = heads.findIndex(h => h.textContent.trim() === {json.dumps(name)});"
        "return row.cells[n].textContent.trim(); })"
    )


def choose(page, name, value):
    page.eval(
        "(() => { const label = [...document.querySelectorAll('#filter label')]"
        f".find(l => l.textContent.startsWith({json.dumps(name)}));"
        "const field = label.querySelector('select, input');"
        f"field.value = {json.dumps(value)};"
        "field.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def options(page, name):
    return page.eval(
        "[...[...document.querySelectorAll('#filter label')]"
        f".find(l => l.textContent.startsWith({json.dumps(name)})).querySelectorAll('option')]"
        ".map(o => o.value)"
    )


def count(page):
    return page.eval("document.querySelector('#filter output').textContent")


@controls("controls")
def test_all_is_shown_at_first(page):
    total = page.eval(f"{ROWS}.length")
    assert total > 100
    assert page.eval(f"{SHOWN}.length") == total
    assert count(page) == f"{total} of {total}"
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith("file:")] == []


@controls("controls")
def test_words_that_are_typed_must_all_be_there(page):
    page.click("#filter input")
    page.type("Root LOGIN")
    ids = column(page, "id")
    assert "ssh.root-login" in ids
    assert 0 < len(ids) < 20
    assert count(page).startswith(f"{len(ids)} of ")
    page.type(" no-such-word")
    assert column(page, "id") == []
    assert page.eval(f"{TABLES}.filter(table => table.offsetParent).length") == 0
    headings = "[...document.querySelectorAll('article h2')].filter(h => h.offsetParent).length"
    assert page.eval(headings) == 0
    choose(page, "Search", "")
    assert page.eval(headings) == page.eval(f"{TABLES}.length")


@controls("controls")
def test_severity_framework_and_profile_narrow_each_other(page):
    assert set(options(page, "severity")) == {"", "info", "low", "medium", "high", "critical"}
    choose(page, "severity", "critical")
    assert set(column(page, "severity")) == {"critical"}
    critical = column(page, "id")
    assert {"cis-dil", "dev-sec", "nist-800-53"} <= set(options(page, "frameworks"))
    choose(page, "frameworks", "dev-sec")
    both = column(page, "id")
    assert set(both) < set(critical)
    assert all("dev-sec " in cell for cell in column(page, "frameworks"))
    choose(page, "severity", "")
    assert len(column(page, "id")) > len(both)
    choose(page, "profiles", "web-server")
    assert all("web-server" in cell for cell in column(page, "profiles"))


@controls("coverage")
def test_what_is_not_judged_can_be_listed(page):
    assert set(options(page, "judged")) == {"", "yes", "partly", "no"}
    choose(page, "judged", "no")
    assert set(column(page, "judged")) == {"no"}
    choose(page, "level", "2")
    assert set(column(page, "level")) == {"2"}


def test_other_pages_have_no_filter(chromium, site):
    chromium.open((site / "reference" / "options" / "index.html").as_uri())
    assert chromium.eval("document.querySelector('#filter')") is None
    assert chromium.complaints() == []
