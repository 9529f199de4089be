"""The html report as a file: complete, quiet, inert; its behaviour is tested in a browser."""

from __future__ import annotations

import base64
import hashlib
import random
import re
from collections import Counter

import pytest
from lab.report_sample import HOSTILE, RUN, controls, large, nasty, results, sample, targets
from lxml import html as lxml_html

from pytest_sysaudit.record import Result, Verdict
from pytest_sysaudit.reports import document, html


def page(made: dict):
    return lxml_html.document_fromstring(html.render(made))


def facts(made: dict) -> dict[str, str]:
    labels = page(made).xpath("//dl[@class='facts']/dt")
    return {label.text_content(): label.getnext().text_content() for label in labels}


@pytest.mark.parametrize("make", [sample, nasty])
def test_every_result_is_there_with_its_words(make):
    made = make()
    rows = page(made).xpath("//div[@id='rows']/details")
    assert len(rows) == len(made["results"])
    verdicts = Counter(row.get("class").split()[0] for row in rows)
    assert verdicts == Counter(row["verdict"] for row in made["results"])
    words = {row.get("class").split()[0]: row.xpath("summary/b")[0].text for row in rows}
    assert words == {verdict: html.WORDS[verdict] for verdict in words}


def test_the_worst_stands_first():
    rows = page(sample()).xpath("//div[@id='rows']/details")
    order = [tuple(row.get("class").split()) for row in rows]
    verdicts = list(html.WORDS)
    severities = ["critical", "high", "medium", "low", "info"]
    ranks = [(verdicts.index(v), severities.index(s)) for v, s in order]
    assert ranks == sorted(ranks)
    assert order[0] == ("fail", "critical")


def test_failed_and_not_assessed_are_told_before_all_else():
    tiles = page(sample()).xpath("//a[contains(@class, 'tile')]")
    counts = sample()["summary"]["verdicts"]
    told = [" ".join(tile.text_content().split()) for tile in tiles]
    assert told[:2] == [f"{counts['fail']} Failed", f"{counts['error']} Not assessed"]
    assert len(told) == 6


def test_targets_out_of_reach_are_named_with_the_reason():
    lost = page(sample()).find_class("lost")[0].text_content()
    assert "2 of 10 targets were not reached." in lost
    assert "the credentials have run out" in lost
    assert "192.0.2.12:22 refused the connection" in lost


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
    assert told["Completeness"].startswith("10 targets by 40 controls, 400 pairs; 159 of them have")


def test_what_is_missing_is_named():
    row = Result(control="ssh.banner", check="x", target="web1", verdict=Verdict.PASS)
    chosen = [c for c in controls() if c.id in {"ssh.banner", "linux.ntp"}]
    told = facts(document.build({**RUN, "selection": {}, "lanes": 0}, targets()[:2], chosen, [row]))
    assert "Targets without a result: web2" in told["Completeness"]
    assert "Controls without a result: linux.ntp" in told["Completeness"]
    assert told["Selection"] == "everything"
    assert told["Lanes"] == "0"


@pytest.mark.parametrize("make", [sample, nasty, lambda: document.build({}, [], [], [])])
def test_the_page_asks_nothing_of_the_network(make):
    tree = page(make())
    loading = tree.xpath("//@src | //link/@href | //@data | //@action | //@background | //@poster")
    assert loading == ["data:,"]
    assert all(link.startswith("#") for link in tree.xpath("//a/@href"))
    assert not re.search(r"@import|url\(", tree.findtext(".//style"))


@pytest.mark.parametrize("make", [sample, nasty])
def test_hostile_text_is_text(make):
    tree = page(make())
    assert HOSTILE in tree.text_content()
    assert len(tree.xpath("//script")) == 1
    assert tree.xpath("//img | //iframe | //object") == []
    assert [a for a in tree.xpath("//@*") if a.attrname.startswith("on")] == []


def test_the_policy_allows_our_own_script_and_style_and_no_other():
    tree = page(nasty())
    policy = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        digest = hashlib.sha256(tree.findtext(f".//{tag}").encode()).digest()
        assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert tree.xpath("//@style") == []


def test_anchors_are_unique_and_stay_when_other_results_come_and_go():
    anchors = page(sample()).xpath("//div[@id='rows']/details/@id")
    assert len(set(anchors)) == len(anchors)
    fewer = document.build(RUN, targets(), controls(), results()[::2])
    assert set(page(fewer).xpath("//div[@id='rows']/details/@id")) < set(anchors)


def test_it_reads_without_javascript():
    tree = page(sample())
    row = tree.xpath("//div[@id='rows']/details[contains(@class, 'fail')]")[0]
    labels = [label.text for label in row.xpath("dl/dt")]
    assert labels == ["Expected", "Observed", "Assessed", "Evidence", "Control"]
    control = tree.get_element_by_id(row.xpath("dl/dd/a/@href")[0].removeprefix("#"))
    assert [label.text for label in control.xpath("dl/dt")] == [
        "Requirement",
        "Why",
        "Fix",
        "cis-debian12",
        "nist-800-53",
        "Check",
    ]
    assert tree.get_element_by_id("filters").get("hidden") is not None


def test_the_gate_is_told():
    holds = page(document.build(RUN, [], [], [])).find_class("gate")[0].text_content()
    assert "Gate holds" in holds
    broken = page(sample()).find_class("gate")[0].text_content()
    assert " ".join(broken.split()) == "Gate broken fail: 0 (found 28)"


def test_the_order_in_which_results_came_leaves_no_trace():
    rows = random.Random(5).sample(results(), len(results()))
    made = document.build(RUN, targets(), controls(), rows)
    assert html.render(made) == html.render(sample())


def test_what_controls_have_in_common_is_in_the_page_once():
    small, big = (len(html.render(large(count))) for count in (1000, 2000))
    assert (big - small) / 1000 < 700, "bytes for each further result, its target included"


def test_a_page_too_long_to_be_opened_shows_the_worst_and_says_so(monkeypatch):
    made = sample()
    whole = page(made).xpath("//div[@id='rows']/details/@id")
    monkeypatch.setattr(html, "MOST", 7)
    tree = page(made)
    assert tree.xpath("//div[@id='rows']/details/@id") == whole[:7]
    assert f"{len(whole) - 7} more results, none of them worse" in tree.text_content()
    told = [" ".join(tile.text_content().split()) for tile in tree.find_class("tile")]
    assert told[0] == f"{made['summary']['verdicts']['fail']} Failed", "all are counted"
