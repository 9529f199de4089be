"""The markdown report: what stands in it, how long it gets, and that nothing in it is markup."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lab.report_sample import (
    HOSTILE,
    MARKUP,
    NASTY,
    RUN,
    big_document,
    controls,
    nasty,
    results,
    rich,
    sample,
    targets,
)
from markdown_it import MarkdownIt

from pytest_sysaudit.record import Control, Result, Severity, Verdict
from pytest_sysaudit.reports import document, markdown
from pytest_sysaudit.reports.markup import code, escaped

READER = MarkdownIt("gfm-like", {"linkify": False})
#: All that the report itself is made of.
OWN = {
    *("heading", "paragraph", "bullet_list", "list_item", "strong", "inline", "text"),
    *("code_inline", "softbreak", "table", "thead", "tbody", "tr", "th", "td"),
}


def parts(text):
    """Every kind of part that a reader of Markdown sees in *text*."""
    for token in READER.parse(text):
        yield token.type.removesuffix("_open").removesuffix("_close")
        for child in token.children or ():
            yield child.type.removesuffix("_open").removesuffix("_close")


def tables(text):
    """Every table as rows of the text of its cells, by the heading above it."""
    found, heading, tokens = {}, "", READER.parse(text)
    for number, token in enumerate(tokens):
        if token.type == "inline":
            said = "".join(child.content for child in token.children)
            before = tokens[number - 1].type
            if before == "heading_open":
                heading = said
            elif before in ("th_open", "td_open"):
                found.setdefault(heading, [[]])[-1].append(said)
        elif token.type == "tr_open" and found.get(heading):
            found[heading].append([])
    return found


@pytest.mark.parametrize("make", [sample, rich, nasty, lambda: document.build(RUN, [], [], [])])
def test_nothing_of_what_others_wrote_is_markup(make):
    assert set(parts(markdown.render(make()))) <= OWN


@pytest.mark.parametrize(
    "text", [HOSTILE, MARKUP, NASTY, "a\\|b", "\\", "`", "|", "``\n|", "a|b\\"]
)
def test_hostile_text_stays_in_its_cell(text):
    row = Result(control="a", check="c", target="t", verdict=Verdict.FAIL, message=text)
    made = document.build(RUN, [], [Control(id="a", title="")], [row])
    (_, found) = tables(markdown.render(made))["Findings (1)"]
    assert found[:3] == ["medium", "a", "t"]
    assert len(found) == 4
    assert found[3]


def test_it_begins_with_gate_and_counts():
    lines = markdown.render(rich()).splitlines()
    assert lines[0] == "## Audit: the gate is broken"
    assert lines[2] == (
        "**167 results on 10 targets**: 34 failed, 41 not assessed, 14 manual, 3 waived, "
        "67 passed, 8 not applicable"
    )
    assert lines[4] == "Gate (from `gate.yaml`): `fail: critical: 0 (found 2)`"
    assert lines[6] == "- ❌ `fail: critical: 0`, found 2"
    passed = [row for row in results() if row.verdict is Verdict.PASS]
    held = markdown.render(document.build(RUN, targets(), controls(), passed))
    assert held.startswith("## Audit: the gate holds\n")


def test_drift_is_a_table_and_new_findings_come_before_known_ones():
    made = rich()
    found = tables(markdown.render(made))
    names = [name for name in found if "Drift" in name]
    assert names == ["Drift against results-last-week.json of 2026-11-16"]
    counts = made["drift"]["counts"]
    order = ["new", "fixed", "changed", "unchanged", "gone"]
    assert found[names[0]] == [order, [str(counts[name]) for name in order]]
    headings = [name.partition(" (")[0] for name in found]
    assert headings.index("New findings") < headings.index("Known findings")
    fixed = [row for row in made["results"] if row["drift"] == "fixed"]
    assert len(found[f"Fixed ({len(fixed)})"]) == len(fixed) + 1
    assert ["ssh.banner", "retired1"] in found["Gone (2)"]


def test_without_a_baseline_there_is_no_drift():
    assert "Drift" not in markdown.render(sample())
    assert "\n### Findings (" in markdown.render(sample())


def test_the_worst_severity_comes_first_and_the_same_finding_once():
    where = [f"web{n}" for n in range(1, 6)]
    low = Control(id="low", title="", severity=Severity.LOW)
    top = Control(id="top", title="", severity=Severity.CRITICAL)
    rows = [
        Result(control=c.id, check="c", target=t, verdict=Verdict.FAIL, message="no")
        for c in (low, top)
        for t in where
    ]
    found = tables(markdown.render(document.build(RUN, [], [low, top], rows)))["Findings (2)"]
    assert found[1:] == [
        ["critical", "top", "web1, web2, web3 and 2 more", "no"],
        ["low", "low", "web1, web2, web3 and 2 more", "no"],
    ]


def test_dead_targets_are_told_once():
    found = tables(markdown.render(sample()))
    assert found["Targets not reached (2)"][1:] == [
        ["sandbox", "the credentials have run out"],
        ["web3", "192.0.2.12:22 refused the connection"],
    ]
    (name,) = [name for name in found if name.startswith("Not assessed")]
    assert not any("web3" in row[2] for row in found[name])


def test_waivers_that_end_or_cover_nothing_are_listed():
    found = tables(markdown.render(rich()))
    (name,) = [name for name in found if name.startswith("Waivers")]
    states = {row[0]: (row[2], row[3]) for row in found[name][1:]}
    assert states["linux.auditd"] == ("expired", "-3")
    assert states["no.such"] == ("unknown control", "90")
    assert "ssh.banner" not in states  # not needed, and far from its end


def test_it_is_never_longer_than_a_comment_may_be():
    text = markdown.render(big_document(hosts=300))
    assert 30_000 < len(text) <= markdown.LONGEST
    assert set(parts(text)) <= OWN
    assert "see the json or html report." in text
    # what stands last still has its place
    assert "\n### Waivers that end" in text
    assert text.splitlines()[-1].startswith("Run `20261123T080000Z-7f3a`")


def test_long_names_everywhere_keep_it_short():
    long = MARKUP * 50
    rows = [
        replace(row, target=f"{n}{long}", message=f"{n}{long}", verdict=Verdict.FAIL)
        for n, row in enumerate(results() * 10)
    ]
    gate = {"broken": True, "rule": long, "source": long, "rules": [
        {"rule": long, "limit": 0, "found": 1, "holds": False}] * 100}  # fmt: skip
    run = {**RUN, "id": long, "operator": long, "versions": {"pytest-sysaudit": long}}
    text = markdown.render(document.build(run, targets(), controls(), rows, gate))
    assert len(text) <= markdown.LONGEST
    assert set(parts(text)) <= OWN


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("", ""),
        ("a", "`a`"),
        ("`", "`` ` ``"),
        ("a``b", "```a``b```"),
        ("a|b", "`a\\|b`"),
        ("a\\|b", "`a\\ \\|b`"),  # GitHub takes the backslash that stands before the bar
        ("a\nb", "`a b`"),
        ("\u202ex", "`\\u202ex`"),
    ],
)
def test_code_spans(text, made):
    assert code(text) == made


@pytest.mark.parametrize(
    "text",
    [MARKUP, HOSTILE, "# a", "1. a", "- a", "a\n===", "> a", "+ a", "1) a", "    * a", "&lt;"],
)
def test_escaped_text_reads_as_it_was(text):
    tokens = MarkdownIt("commonmark").parse(escaped(text).strip())
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    said = "".join(c.content or "\n" * (c.type == "softbreak") for c in tokens[1].children)
    assert said == text.strip()
