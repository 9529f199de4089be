"""The table of targets of a large estate, in a real browser."""

from __future__ import annotations

import pytest
from lab import browser as lab_browser
from lab.report_sample import RUN, START, controls, targets

from pytest_sysaudit.record import Result, Verdict, utc_text
from pytest_sysaudit.reports import document, write

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(lab_browser.PROGRAM is None, reason="Chromium is not installed"),
]


def test_thousands_of_targets_show_what_is_worst(tmp_path):
    first, dead, [control] = targets()[0], targets()[2], controls()[:1]
    on = [{**first, "name": f"a{number:04d}"} for number in range(2000)]
    rows = [
        Result(
            control=control.id,
            check=control.source,
            target=str(target["name"]),
            verdict=Verdict.FAIL if target["name"] == "a1999" else Verdict.PASS,
            started=utc_text(START),
        )
        for target in on
    ]
    made = document.build(RUN, [*on, {**dead, "name": "z"}], [control], rows)
    write("html", made, tmp_path / "r.html")
    with lab_browser.chromium() as page:
        page.emulate()
        page.open((tmp_path / "r.html").as_uri() + "#/targets")
        page.until("document.querySelectorAll('#page tbody tr').length")
        names = page.eval("[...document.querySelectorAll('#page tbody th')].map(e => e.innerText)")
        said = page.eval("document.getElementById('page').innerText")
        assert page.complaints() == []
    assert names[:3] == ["z", "a1999", "a0000"]
    assert len(names) == 500
    assert "The 500 worst of 2001 targets; the matrix has all." in said.replace("2,001", "2001")


def test_few_targets_show_all_by_name(tmp_path):
    write("html", document.build(RUN, targets(), controls(), []), tmp_path / "r.html")
    with lab_browser.chromium() as page:
        page.emulate()
        page.open((tmp_path / "r.html").as_uri() + "#/targets")
        page.until("document.querySelectorAll('#page tbody tr').length")
        said = page.eval("document.getElementById('page').innerText")
        names = page.eval("[...document.querySelectorAll('#page tbody th')].map(e => e.innerText)")
    assert names == sorted(target["name"] for target in targets())
    assert "worst" not in said
    assert "null" not in said
