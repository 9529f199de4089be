"""What reports say about the profile of a run."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from lab.report_sample import RUN, controls, sample, targets

from pytest_sysaudit.reports import document, html
from pytest_sysaudit.reports.profile import profile_lines
from pytest_sysaudit.reports.summary import lines

PROFILE = {
    "name": "hardened + site.yaml",
    "files": [{"name": "site.yaml", "title": "Ours", "sha256": "ab" * 32}],
    "excluded": [
        {"control": "a.one", "reason": "not <b>ours</b>", "profile": "site.yaml"},
        {"control": "b.two", "reason": "x" * 500, "profile": "hardened"},
    ],
    "severities": [
        {"control": "c.three", "declared": "low", "severity": "high", "profile": "site.yaml"}
    ],
}
FIRST = "profile hardened + site.yaml"
BARE = {"name": "baseline", "files": [], "excluded": [], "severities": []}


def made(profile):
    results = sample()["results"]
    built = document.build({**RUN, "profile": profile}, targets(), controls(), [])
    return {**built, "results": results}


@pytest.mark.parametrize(
    ("profile", "first", "more"),
    [
        (None, [], 0),
        (BARE, ["profile baseline"], 0),
        (
            PROFILE,
            ["profile hardened + site.yaml: 2 controls left out on purpose, 1 of another severity"],
            3,
        ),
        (
            {**PROFILE, "excluded": []},
            [f"{FIRST}: 1 of another severity"],
            1,
        ),
    ],
)
def test_a_line_tells_the_profile_and_more_tell_why(profile, first, more):
    found = profile_lines(profile)
    assert found[:1] == first
    assert len(found) == len(first) + more


def test_files_are_named_with_their_digests_where_that_is_asked_for():
    assert f"site.yaml: SHA-256 {'ab' * 32}" in profile_lines(PROFILE, digests=True)
    assert not [line for line in profile_lines(PROFILE) if "SHA-256" in line]


def test_the_terminal_shows_one_line_and_the_reasons_only_with_more_words():
    brief = [text for text, _ in lines(made(PROFILE), 200)]
    assert sum("hardened + site.yaml" in text for text in brief) == 1
    assert not [text for text in brief if "is left out" in text]
    told = [text for text, _ in lines(made(PROFILE), 100, verbose=1)]
    assert "  a.one is left out: not <b>ours</b>" in told
    assert "  c.three counts as high, not low" in told
    (long,) = [text for text in told if text.startswith("  b.two is left out")]
    assert len(long) == 100


@pytest.mark.parametrize("profile", [None, ...])
def test_without_a_profile_there_is_no_line(profile):
    built = made(None)
    if profile is ...:  # as files of earlier releases are
        del built["run"]["profile"]
    assert not [text for text, _ in lines(built, 100) if text.startswith("profile")]
    assert b"<dt>Profile" not in html.render(built)


def test_the_html_report_tells_it_as_text():
    page = html.render(made(PROFILE)).decode()
    assert "a.one is left out: not &lt;b&gt;ours&lt;/b&gt;" in page
    assert "<dt>Profile</dt>" in page
    assert "ab" * 32 in page


@pytest.mark.parametrize("profile", [None, BARE, PROFILE])
def test_the_document_fits_the_schema(profile):
    jsonschema = pytest.importorskip("jsonschema")
    text = files("pytest_sysaudit.reports").joinpath("results.schema.json").read_text("utf-8")
    jsonschema.validate(json.loads(document.dumps(made(profile))), json.loads(text))
    wrong = json.loads(document.dumps(made({**BARE, "excluded": [{"control": "a"}]})))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, json.loads(text))
