"""The html report as a file: complete, quiet, inert; its behaviour is tested in a browser."""

from __future__ import annotations

import base64
import hashlib
import random
import re
from dataclasses import replace

import pytest
from lab.report_sample import (
    HOSTILE,
    RUN,
    big_document,
    controls,
    html_columns,
    large,
    nasty,
    results,
    rich,
    sample,
    targets,
)
from lxml import html as lxml_html

from pytest_sysaudit.record import Result, Severity, Verdict
from pytest_sysaudit.reports import document, html, html_data, html_overview


def page(made: dict):
    return lxml_html.document_fromstring(html.render(made))


def words(node) -> str:
    return " ".join(node.text_content().split())


def facts(made: dict) -> dict[str, str]:
    labels = page(made).xpath("//div[@id='overview']//dl[@class='facts']/dt")
    return {label.text_content(): label.getnext().text_content() for label in labels}


@pytest.mark.parametrize("make", [sample, nasty, rich])
def test_every_result_is_in_the_data_with_its_verdict(make):
    made = make()
    data = html_columns(html.render(made))
    rows = data["results"]
    told = sorted(
        (
            data["controls"][rows["control"][n]]["id"],
            data["targets"][rows["target"][n]]["name"],
            data["verdicts"][int(rows["verdict"][n])],
            data["texts"][rows["message"][n]],
        )
        for n in range(len(rows["verdict"]))
    )
    assert told == sorted(
        (r["control"], r["target"], r["verdict"], r["message"]) for r in made["results"]
    )


def test_failed_and_not_assessed_are_told_before_all_else():
    tiles = page(sample()).xpath("//a[contains(@class, 'tile')]")
    counts = sample()["summary"]["verdicts"]
    told = [words(tile) for tile in tiles]
    assert told[:2] == [f"{counts['fail']} Failed", f"{counts['error']} Not assessed"]
    assert len(told) == 6


def test_targets_out_of_reach_are_named_with_the_reason():
    lost = page(sample()).find_class("lost")[0].text_content()
    assert "2 of 10 targets were not reached." in lost
    assert "the credentials have run out" in lost
    assert "192.0.2.12:22 refused the connection" in lost


def test_many_targets_out_of_reach_are_counted_and_some_are_named():
    lost = [{**targets()[2], "name": f"lost{n}"} for n in range(html_overview.NAMES + 3)]
    told = page(document.build(RUN, lost, controls(), [])).find_class("lost")[0]
    assert len(told.xpath(".//a")) == html_overview.NAMES
    assert "and 3 more" in words(told)


def test_nobody_out_of_reach_is_not_mentioned():
    made = document.build(RUN, targets()[:1], controls(), [])
    assert page(made).find_class("lost") == []


def test_the_run_tells_what_an_auditor_asks_for():
    told = facts(sample())
    assert told["Operator"] == "auditor@bastion"
    assert told["Command line"] == "pytest checks --audit-target prod --audit-report html"
    assert told["Inventory, SHA-256"] == RUN["inventory_sha256"]
    assert told["Selection"] == 'targets: ["prod"]'
    assert "pytest: 9.2.0" in told["Versions"]
    assert told["Completeness"].startswith("10 targets by 40 controls, 400 pairs: 159 have")


def test_the_profile_tells_what_it_leaves_out():
    told = facts(rich())["Profile"]
    assert "1 control left out on purpose" in told
    assert "ssh.idle-timeout is left out: sessions are cut" in told


def test_what_is_missing_is_named():
    row = Result(control="ssh.banner", check="x", target="web1", verdict=Verdict.PASS)
    chosen = [c for c in controls() if c.id in {"ssh.banner", "linux.ntp"}]
    told = facts(document.build({**RUN, "selection": {}, "lanes": 0}, targets()[:2], chosen, [row]))
    assert "Targets without a result: web2" in told["Completeness"]
    assert "Controls without a result: linux.ntp" in told["Completeness"]
    assert told["Selection"] == "everything"
    assert told["Lanes"] == "0"


def test_where_nothing_is_missing_that_is_said():
    row = Result(control="ssh.banner", check="x", target="web1", verdict=Verdict.PASS)
    chosen = [c for c in controls() if c.id == "ssh.banner"]
    told = facts(document.build(RUN, targets()[:1], chosen, [row]))["Completeness"]
    assert told.endswith("No target and no control is without a result.")


@pytest.mark.parametrize(
    ("title", "first", "count"),
    [
        ("severity", "critical", 5),
        ("family", "ssh", 8),
        ("target", "db1", 10),
        ("framework", "cis-debian12", 2),
    ],
)
def test_results_are_counted_by(title, first, count):
    made = sample()
    part = page(made).xpath(f"//section[@aria-label='By {title}']")[0]
    lines = part.xpath(".//tbody/tr")
    assert len(lines) == count
    assert words(lines[0].xpath("th")[0]) == first
    total = sum(int(words(cell)) for line in lines for cell in line.xpath("td"))
    frameworks = 2 if title == "framework" else 1
    assert total == len(made["results"]) * frameworks
    assert all(line.xpath(".//*[local-name()='rect']") for line in lines)


def test_only_the_worst_targets_are_plotted():
    part = page(large(2000)).xpath("//section[@aria-label='By target']")[0]
    failed = [int(words(cell)) for cell in part.xpath(".//tbody/tr/td[1]")]
    assert len(failed) == 20
    assert failed == sorted(failed, reverse=True)
    assert "the worst 20" in words(part)


def test_the_gravest_controls_are_what_to_fix_first():
    part = page(sample()).find_class("first")[0]
    grades = [item.xpath("i")[0].text for item in part.xpath("li")]
    assert grades == sorted(grades, key=["critical", "high", "medium"].index)
    assert grades[0] == "critical"
    assert len(grades) == 8
    assert part.xpath("li/a/@href")[0].endswith("verdict=fail")


def test_nothing_failed_is_said():
    part = page(document.build(RUN, targets(), controls(), []))
    assert "No control failed." in part.text_content()


@pytest.mark.parametrize("make", [sample, nasty, rich, lambda: document.build({}, [], [], [])])
def test_the_page_asks_nothing_of_the_network(make):
    tree = page(make())
    loading = tree.xpath("//@src | //link/@href | //@data | //@action | //@background | //@poster")
    assert loading == ["data:,"]
    assert all(link.startswith("#") for link in tree.xpath("//a/@href"))
    assert not re.search(r"@import|url\(", tree.findtext(".//style"))


@pytest.mark.parametrize("make", [sample, nasty, rich])
def test_hostile_text_is_text(make):
    tree = page(make())
    assert HOSTILE in tree.text_content()
    assert len(tree.xpath("//script")) == 3
    assert tree.xpath("//img | //iframe | //object") == []
    assert [a for a in tree.xpath("//@*") if a.attrname.startswith("on")] == []


def test_a_document_that_was_never_cleaned_is_written_too():
    made = sample()
    made["results"][0]["message"] = "\ud800 \x1b[31m \u202e"
    made["targets"][0]["name"] += "\udfff"
    data = html_columns(html.render(made))
    assert "\\ud800  \\u202e" in data["texts"]


def test_the_policy_allows_our_own_script_and_style_and_no_other():
    tree = page(nasty())
    policy = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    ours = tree.xpath("//style | //script[not(@type)]")
    assert len(ours) == 3
    for node in ours:
        digest = hashlib.sha256(node.text.encode()).digest()
        assert f"'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert tree.xpath("//@style") == []


def test_no_script_of_ours_makes_markup_of_text():
    script = page(sample()).xpath("//script[not(@type)]")[1].text
    ways = r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function|srcdoc"
    assert not re.search(ways, script)


def test_the_worst_can_be_read_without_javascript():
    tree = page(rich())
    parts = tree.get_element_by_id("static").xpath("article")
    assert parts[0].get("class") == "fail"
    text = words(parts[0])
    assert "Accounts without a password cannot log in" in text
    assert "ssh.empty-passwords on db1" in text
    assert [label.text for label in parts[0].xpath("dl/dt")] == ["Expected", "Observed", "Fix"]
    quiet = [row for row in rich()["results"] if row["verdict"] in html_data.QUIET]
    assert len(parts) == len(rich()["results"]) - len(quiet)
    assert "JavaScript is off" in words(tree.xpath("//noscript")[0])


def test_what_can_be_read_without_javascript_is_bounded_and_says_so():
    made = large(4000)
    tree = page(made)
    part = tree.get_element_by_id("static")
    loud = sum(row["verdict"] not in html_data.QUIET for row in made["results"])
    assert len(part.xpath("article")) == html.MOST_STATIC
    assert f"{loud - html.MOST_STATIC} more ask for something" in words(part)
    assert "the 100 worst results" in words(tree.xpath("//noscript")[0])


def test_the_gate_is_told():
    passed = [row for row in results() if row.verdict is Verdict.PASS]
    holds = page(document.build(RUN, targets(), controls(), passed)).find_class("gate")[0]
    assert "Gate holds" in words(holds)
    broken = page(sample()).find_class("gate")[0]
    assert words(broken).startswith("Gate broken fail: 28 found, 0 allowed rules: default ")


def test_every_rule_of_the_gate_is_told():
    gate = page(rich()).find_class("gate")[0]
    assert "rules: gate.yaml" in words(gate)
    assert [words(rule) for rule in gate.xpath(".//li")] == [
        "broken fail: critical: 0 found 2, limit 0",
        "holds error: 100 found 12, limit 100",
    ]


def test_drift_and_what_expires_are_told_at_once():
    told = [words(item) for item in page(rich()).find_class("news")[0].xpath("li")]
    assert told[0] == "Since 2026-11-16: 29 new, 6 fixed, 35 changed, 2 gone"
    assert told[1:] == ["Waivers: 1 expired, 4 will expire soon", "Attestations: 1 expired"]
    assert page(sample()).find_class("news") == []


def test_coverage_is_told_for_each_framework():
    part = page(rich()).xpath("//section[@aria-label='Coverage of frameworks']")[0]
    lines = [list(map(words, line)) for line in part.xpath(".//tbody/tr")]
    assert [line[0] for line in lines] == ["cis-debian12", "nist-800-53"]
    for line in lines:
        *counts, total = map(int, line[1:])
        assert sum(counts) == total


def test_the_time_of_the_run_is_plotted():
    plot = page(sample()).find_class("time")[0]
    ends = plot.xpath("p/span")
    assert [end.text for end in ends] == ["2026-11-23 08:00:03", "2026-11-23 08:00:08 UTC"]
    assert len(plot.xpath(".//*[local-name()='rect']")) > 4
    still = [replace(row, started="") for row in results()]
    assert page(document.build(RUN, targets(), controls(), still)).find_class("time") == []


def test_the_order_in_which_results_came_leaves_no_trace():
    rows = random.Random(5).sample(results(), len(results()))
    made = document.build(RUN, targets(), controls(), rows)
    assert html.render(made) == html.render(sample())


@pytest.mark.parametrize("unknown", [Severity.CRITICAL, Severity.INFO])
def test_results_of_unknown_controls_and_targets_are_kept(unknown):
    row = Result(control="gone.one", check="x", target="elsewhere", verdict=Verdict.FAIL)
    known = [replace(c, severity=unknown) for c in controls()[:1]]
    data = html_columns(html.render(document.build(RUN, targets(), known, [row])))
    assert data["controls"][-1] == {"id": "gone.one", "stranger": True}
    assert data["targets"][-1] == {"name": "elsewhere", "stranger": True}


def test_twenty_thousand_results_are_at_most_three_megabytes():
    made = big_document()
    assert len(made["results"]) == 20_000
    whole = html.render(made)
    assert len(whole) <= html.LIMIT
    assert html_columns(whole)["cuts"] == []


def test_a_page_that_would_be_too_large_leaves_out_as_little_as_will_do(monkeypatch):
    made = rich()
    chance = random.Random(1)
    for one in made["evidence"].values():
        one["excerpt"] = chance.randbytes(900).hex()
    for row in made["results"]:
        row["observed"] = chance.randbytes(99).hex()
    monkeypatch.setattr(html, "EACH", 0)
    sizes = []
    for data in html_data.packs(made):
        monkeypatch.setattr(html, "packs", lambda _document, data=data: [data])
        sizes.append(len(html.render(made)))
    monkeypatch.setattr(html, "packs", html_data.packs)
    assert sizes == sorted(set(sizes), reverse=True)
    for count, size in enumerate(sizes):
        monkeypatch.setattr(html, "LIMIT", size)
        whole = html.render(made)
        assert len(whole) == size
        assert html_columns(whole)["cuts"] == list(html_data.CUTS[1 : count + 1])
    monkeypatch.setattr(html, "LIMIT", 1)
    assert len(html.render(made)) == sizes[-1]
