"""The html report in a real browser: its views, filters, keys, colours, and what it must not do."""

from __future__ import annotations

import json
import re
import zlib
from urllib.parse import quote

import pytest
from lab import browser as lab_browser
from lab.report_sample import (
    HOSTILE,
    RUN,
    big_document,
    controls,
    nasty,
    rich,
    sample,
    targets,
)

from pytest_sysaudit.reports import document, html
from pytest_sysaudit.reports.html_data import QUIET, WORDS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(lab_browser.PROGRAM is None, reason="Chromium is not installed"),
]

READY = "document.documentElement.classList.contains('ready')"
ROWS = "[...document.querySelectorAll('.row')]"
CELLS = (
    f"{ROWS}.map(r => ['.mark', '.severity', '.which code', '.where']"
    ".map(c => r.querySelector(c).textContent))"
)
SHOWN = "document.getElementById('shown').textContent"
HEADING = "document.querySelector('#page h2').textContent"
FOCUS = "document.activeElement"
DRAWN = "new Promise(d => requestAnimationFrame(() => requestAnimationFrame(d)))"
VIEWS = ["", "list", "matrix", "targets", "controls", "coverage", "drift", "waivers"]
FINDING = "#/finding?control=ssh.root-login&target=web2"


@pytest.fixture(scope="module")
def chromium():
    with lab_browser.chromium() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    made = {"rich": rich(), "old": sample(), "nasty": nasty(), "big": big_document()}
    made["empty"] = document.build(RUN, targets(), controls(), [])
    made["bare"] = document.build({}, [], [], [])
    made["deep"] = rich()
    for row in made["deep"]["results"]:
        row["evidence"] = row["evidence"][1:]
    for control in made["deep"]["controls"]:
        control["remediation"] = f"Set `{HOSTILE}` to no."
    for name, content in made.items():
        html.write(content, folder / f"{name}.html")
    return folder


@pytest.fixture
def go(chromium, pages):
    def opened(where: str = "", name: str = "rich", **how):
        chromium.emulate(**how)
        chromium.open((pages / f"{name}.html").as_uri() + where)
        chromium.until(READY)
        return chromium

    return opened


def choose(page, name: str, value: str) -> None:
    field = f"document.querySelector('select[name={name}]')"
    change = "dispatchEvent(new Event('change', {bubbles: true}))"
    page.eval(f"{field}.value = {json.dumps(value)}, {field}.{change}")


def wanted(**facets) -> list[list[str]]:
    """Return the cells that the document says must be there."""
    made = rich()
    grades = {control["id"]: control["severity"] for control in made["controls"]}
    return sorted(
        [WORDS[r["verdict"]], grades[r["control"]], r["control"], r["target"] or "the run itself"]
        for r in made["results"]
        if r["verdict"] in facets.get("verdict", WORDS)
        and grades[r["control"]] in facets.get("severity", grades.values())
        and r["target"] in facets.get("target", made["summary"]["by_target"])
        and r["drift"] in facets.get("drift", ("new", "fixed", "changed", "unchanged"))
    )


def cells(page) -> list[list[str]]:
    """Return the cells of all results of the list, though only some are in the page at once."""
    found, place = {}, 0
    while True:
        rows = page.eval(f"{ROWS}.map(r => Number(r.dataset.index))")
        found |= dict(zip(rows, page.eval(CELLS), strict=True))
        bottom = page.eval("document.documentElement.scrollHeight - window.innerHeight")
        if place >= bottom:
            return sorted(found.values())
        place += 600
        page.eval(f"scrollTo(0, {place}), {DRAWN}")


def test_every_view_opens_without_complaint_and_asks_for_nothing(go, pages):
    for name in ("rich", "old", "nasty", "empty", "bare"):
        page = go(name=name)
        for view in [*VIEWS, "finding?control=x", "target?name=web1", "control?id=ssh.banner"]:
            page.eval(f"location.hash = '#/{view}'")
            page.eval("new Promise(done => setTimeout(done, 20))")
        assert page.complaints() == [], name
        url = (pages / f"{name}.html").as_uri()
        asked = {url.partition("#")[0] for url in page.requests()} - {"about:blank"}
        assert asked == {url}


def test_the_policy_stops_what_would_go_out(go):
    page = go()
    fetch = "fetch('https://example.com/').then(() => 'out', () => 'stopped')"
    image = """new Promise(done => {
      const image = new Image();
      image.onload = () => done('out');
      image.onerror = () => done('stopped');
      image.src = 'https://example.com/x.png';
    })"""
    assert [page.eval(way) for way in (fetch, image)] == ["stopped", "stopped"]
    assert any("Content Security Policy" in line for line in page.complaints())


def test_script_and_markup_that_are_not_ours_do_nothing(go):
    page = go()
    page.eval(
        """(() => {
          const script = document.createElement('script');
          script.append('window.owned = 1');
          document.body.append(script);
        })()"""
    )
    assert page.eval("window.owned") is None
    refused = (
        "(() => { try { document.body.innerHTML = '<b>x</b>'; } catch (e) { return e.name; } })()"
    )
    assert page.eval(refused) == "TypeError"


def test_hostile_text_stays_text(go):
    for name in ("rich", "nasty"):
        page = go(name=name)
        for view in VIEWS:
            page.eval(f"location.hash = '#/{view}'")
            page.eval("new Promise(done => setTimeout(done, 20))")
            said = page.eval("document.querySelector('main').textContent")
            assert (
                page.eval("document.images.length + document.querySelectorAll('iframe').length")
                == 0
            )
            assert page.eval("document.scripts.length") == 2
            if name == "nasty":
                assert "onerror=alert(1)" in said, view
        assert page.complaints() == []


def test_a_finding_with_hostile_names_opens(go):
    made = nasty()["results"][-1]
    facets = [("control", made["control"]), ("target", made["target"])]
    facets += [("resource", made["resource"])]
    facets += [("params", json.dumps(made["params"], ensure_ascii=False, separators=(",", ":")))]
    page = go("#/finding?" + "&".join(f"{k}={quote(v)}" for k, v in facets), "nasty")
    assert HOSTILE in page.eval("document.querySelector('article h2').textContent")
    assert page.complaints() == []


def test_everything_is_in_the_list_at_first(go):
    page = go("#/list")
    assert cells(page) == wanted()
    assert page.eval(SHOWN) == f"{len(wanted())} of {len(wanted())} results"


def test_filters_combine_and_the_address_keeps_them(go):
    page = go("#/list")
    page.click('input[value="fail"]')
    assert cells(page) == wanted(verdict=["fail"])
    page.click('input[value="error"]')
    page.click('input[value="high"]')
    choose(page, "target", "web1")
    left = wanted(verdict=["fail", "error"], severity=["high"], target=["web1"])
    assert 0 < len(left) < 20
    assert cells(page) == left
    where = page.eval("location.hash")
    again = go(where)
    assert cells(again) == left
    assert again.eval("document.querySelector('input[value=fail]').checked") is True
    assert again.eval("document.querySelector('select[name=target]').value") == "web1"


def test_counts_follow_the_other_filters(go):
    page = go("#/list?target=web1&severity=high")
    count = "document.querySelector('input[value=%s] + span output').value"
    assert page.eval(count % "fail") == str(
        len(wanted(verdict=["fail"], target=["web1"], severity=["high"]))
    )
    assert page.eval(count % "medium") == str(len(wanted(target=["web1"], severity=["medium"])))


@pytest.mark.parametrize(
    ("query", "names"),
    [("target=group:web", ["web1", "web2", "web3"]), ("target=kind:aws", ["payments", "sandbox"])],
)
def test_groups_and_kinds_are_targets_too(go, query, names):
    assert cells(go(f"#/list?{query}")) == wanted(target=names)


def test_family_framework_and_drift_are_filters(go):
    assert {row[2].split(".")[0] for row in cells(go("#/list?family=tls"))} == {"tls"}
    assert {row[2] for row in cells(go("#/list?framework=cis-debian12:4.1.27"))} == {
        "aws.password-policy"
    }
    assert cells(go("#/list?drift=fixed")) == wanted(drift=["fixed"])


def test_words_are_found_anywhere_and_all_must_be_there(go):
    page = go("#/list")
    page.press("/")
    assert page.eval(f"{FOCUS}.name") == "q"
    page.type("PermitRootLogin web2")
    page.until(f"{ROWS}.length === 1")
    assert page.eval(CELLS) == [["Failed", "high", "ssh.root-login", "web2"]]
    page.press("Escape")
    page.until(f"{SHOWN}.startsWith('{len(wanted())} of')")


def test_nothing_matches_is_said_and_undone(go):
    page = go("#/list?q=zebra")
    assert page.eval(SHOWN) == "No result matches these filters."
    page.click("button[type=reset]")
    page.until(f"{SHOWN}.startsWith('{len(wanted())} of')")
    assert page.eval("location.hash") == "#/list"


def test_the_order_can_be_changed_and_changed_back(go):
    page = go("#/list")
    worst = page.eval(CELLS)
    choose(page, "order", "target")
    assert {row[3] for row in page.eval(CELLS)[:8]} == {"the run itself", "api"}
    choose(page, "order", "")
    assert page.eval(CELLS) == worst


def test_the_overview_leads_to_the_results(go):
    page = go()
    page.click("a.tile.error")
    page.until(f"{ROWS}.length > 0")
    assert cells(page) == wanted(verdict=["error"])
    page.eval("history.back()")
    page.until("!document.getElementById('overview').hidden")
    page.click("[aria-label='By severity'] tbody tr:nth-child(2) td:nth-child(2) a")
    page.until(f"{ROWS}.length > 0")
    assert cells(page) == wanted(verdict=["fail"], severity=["high"])


def test_a_finding_tells_everything(go):
    page = go(FINDING)
    text = page.eval("document.querySelector('article').innerText")
    made = rich()
    row = next(
        r for r in made["results"] if (r["control"], r["target"]) == ("ssh.root-login", "web2")
    )
    control = next(c for c in made["controls"] if c["id"] == "ssh.root-login")
    for part in (
        "✕",
        "Failed",
        "high",
        "new",
        control["title"],
        control["rationale"],
        control["remediation"],
        control["source"],
        control["source_sha256"],
        row["message"],
        "permitrootlogin: no",
        "AC-6(2)",
        "2026-11-23 08:00:04.000 UTC",
        "secrets taken out",
        "new: it was no failure then",
        *row["evidence"],
        *(made["evidence"][name]["sha256"] for name in row["evidence"]),
        "sshd -T -C user=web2",
        "| a | `b`",
    ):
        if part == "✕":
            sign = "getComputedStyle(document.querySelector('article .mark'), '::before').content"
            assert part in page.eval(sign)
        else:
            assert part in text, part
    assert re.search(rf"Made of\s+{row['evidence'][0]}", text)


def test_a_cut_excerpt_says_so(go):
    text = go("#/finding?control=ssh.root-login&target=db1").eval("document.body.innerText")
    assert "cut, as it was too large" in text
    assert "secrets taken out" not in text


def test_what_evidence_was_made_of_can_be_opened(go):
    page = go(FINDING, "deep")
    below = "document.querySelector('.evidence details')"
    assert page.eval(f"{below}.querySelector('summary').textContent") == (
        "What this was made of: 1 observation"
    )
    page.click(".evidence details summary")
    assert "ssh://web2" in page.eval(f"{below}.innerText")


def test_code_in_advice_looks_like_code_and_is_text(go):
    page = go(FINDING, "deep")
    assert page.eval("document.querySelector('.advice code').textContent") == HOSTILE
    assert page.eval("document.querySelector('.advice').innerText").endswith("to no.")


def test_a_finding_tells_its_waiver_or_attestation(go):
    made = rich()["results"]
    waived = next(r for r in made if r["waiver"])
    page = go(f"#/finding?control={waived['control']}&target={waived['target']}")
    text = page.eval("document.querySelector('.exception').innerText")
    for part in ("m.weber", "SEC-114", "2026-12-01 00:00:00 UTC", "waivers.yaml:12", "fail"):
        assert part in text
    page = go("#/finding?control=manual.restore-test&target=web1")
    text = page.eval("document.querySelector('.exception').innerText")
    for part in ("expired", "c.ortiz", "2026-11-01", "reviews/2026-q4.pdf", "attestations.yaml:3"):
        assert part in text


def test_results_that_differ_in_resource_or_parameters_have_links_of_their_own(go):
    page = go("#/list?control=linux.cron-mode&target=web1")
    links = page.eval(f"{ROWS}.map(r => r.firstElementChild.getAttribute('href'))")
    assert len(links) == len(set(links)) == 6
    for link in links:
        page = go(link)
        assert page.eval(HEADING) == "Only root reads the system crontab", link


def test_a_link_to_no_result_says_so(go):
    page = go("#/finding?control=ssh.root-login&target=nobody")
    assert page.eval(HEADING) == "No such result"
    assert go("#/target?name=nobody").eval(HEADING) == "No such target"
    assert go("#/control?id=nothing").eval(HEADING) == "No such control"


def test_one_walks_from_finding_to_finding_and_back_to_the_place_in_the_list(go):
    page = go("#/list?verdict=fail")
    page.eval(f"{ROWS}[2].firstElementChild.focus()")
    third = page.eval(f"{FOCUS}.getAttribute('href')")
    page.press("Enter")
    page.until("document.querySelector('.steps') !== null")
    assert f"3 of {len(wanted(verdict=['fail']))}" in page.eval(
        "document.querySelector('.steps').textContent"
    )
    assert page.eval(f"{FOCUS}.tagName") == "H2"
    page.eval(
        "[...document.querySelectorAll('.steps a')].find(a => a.textContent === 'Next').click()"
    )
    page.until("document.querySelector('.steps').textContent.includes('4 of')")
    page.press("Escape")
    page.until(f"{ROWS}.length > 0")
    assert page.eval("location.hash") == "#/list?verdict=fail"
    page.until(f"{FOCUS}.closest('.row') !== null")
    page.press("ArrowUp")
    assert page.eval(f"{FOCUS}.getAttribute('href')") == third


def test_the_keyboard_is_enough(go):
    page = go()
    page.press("Tab")
    assert page.eval(f"{FOCUS}.className") == "skip"
    page.press("Enter")
    assert page.eval(f"{FOCUS}.id") == "view"
    assert page.eval("location.hash") == ""
    page.eval("document.querySelector('#nav a[data-view=list]').focus()")
    page.press("Enter")
    page.until(f"{ROWS}.length > 0")
    seen = set()
    for _ in range(40):
        page.press("Tab")
        seen.add(page.eval(f"{FOCUS}.name || {FOCUS}.tagName"))
        if page.eval(f"{FOCUS}.closest('.row') !== null"):
            break
    assert {"q", "verdict", "severity", "family", "target", "order"} <= seen
    outline = f"getComputedStyle({FOCUS}).outlineStyle"
    assert page.eval(outline) == "solid"
    for key, place in [
        ("ArrowDown", 1),
        ("ArrowDown", 2),
        ("ArrowUp", 1),
        ("End", 166),
        ("Home", 0),
    ]:
        page.press(key)
        assert page.eval(f"{FOCUS}.parentNode.dataset.index") == str(place)
    page.press("PageDown")
    assert int(page.eval(f"{FOCUS}.parentNode.dataset.index")) > 5
    page.press("Tab")
    assert page.eval(f"{FOCUS}.closest('.row')") is None


def test_the_list_keeps_its_focus_when_it_is_scrolled_away(go):
    page = go("#/list", "big")
    page.eval(f"{ROWS}[0].firstElementChild.focus()")
    page.eval("scrollTo(0, 400000)")
    page.until(f"{ROWS}.some(r => Number(r.dataset.index) > 5000)")
    assert page.eval(f"{FOCUS}.parentNode.dataset.index") == "0"
    assert page.eval(f"{ROWS}.length") < 60
    order = page.eval(f"{ROWS}.map(r => Number(r.dataset.index))")
    assert order == sorted(order)


def test_the_matrix_shows_the_worst_verdict_of_every_pair(go):
    page = go("#/matrix")
    made = rich()
    order = list(WORDS)
    worst: dict[tuple[str, str], str] = {}
    for row in made["results"]:
        key = (row["target"] or "the run itself", row["control"])
        worst[key] = min(worst.get(key, "not_applicable"), row["verdict"], key=order.index)
    page.emulate(width=2400, height=2000)
    page.eval("window.dispatchEvent(new Event('resize'))")
    page.until("document.querySelectorAll('[role=gridcell]').length === 11 * 40")
    told = page.eval("[...document.querySelectorAll('[role=gridcell]')].map(c => c.ariaLabel)")
    found = {}
    for line in told:
        place, _, verdict = line.partition(": ")
        target, control = place.split(", ")
        if verdict != "no result here":
            found[target, control] = verdict.partition(",")[0]
    assert found == {key: WORDS[verdict] for key, verdict in worst.items()}


def test_the_matrix_is_filtered(go):
    page = go("#/matrix?verdict=fail&severity=critical")
    assert page.eval(SHOWN) == "1 target by 1 control, 1 result"
    assert page.eval("document.querySelector('[role=gridcell]').ariaLabel") == (
        "db1, ssh.empty-passwords: Failed"
    )
    page = go("#/matrix?family=tls")
    assert page.eval("document.querySelector('.matrix').getAttribute('aria-colcount')") == "4"
    page = go("#/matrix?q=zebra")
    assert page.eval("document.querySelector('.matrix').hidden") is True


def test_a_click_in_the_matrix_leads_to_the_finding(go):
    page = go("#/matrix")
    page.click("[aria-label^='db1, ssh.empty-passwords:']")
    page.until("document.querySelector('article') !== null")
    assert page.eval(HEADING) == "Accounts without a password cannot log in"
    page.press("Escape")
    page.until("document.querySelector('.matrix') !== null")
    page.click("[aria-label^='payments, aws.s3-public:']")
    page.until(f"{ROWS}.length > 0")
    assert len(cells(page)) == 3, "a cell of several results leads to their list"


def test_the_matrix_is_walked_with_the_keyboard(go):
    page = go("#/matrix", "big")
    page.eval("document.querySelector('.matrix').focus()")
    number = "document.querySelector('.matrix').getAttribute('aria-activedescendant')"
    active = f"document.getElementById({number}).ariaLabel"
    assert page.eval(active).startswith("host0000, ssh.c00")
    for key, place in [
        ("ArrowDown", "host0001, ssh.c00"),
        ("ArrowRight", "host0001, ssh.c01"),
        ("End", "host0001, ssh.c39"),
        ("Home", "host0001, ssh.c00"),
    ]:
        page.press(key)
        assert page.eval(active).startswith(place), key
    page.press("End", control=True)
    assert page.eval(active).startswith("host0499, ssh.c39")
    assert "host0499" in page.eval("document.querySelector('.peek').textContent")
    assert page.eval("document.querySelectorAll('[role=gridcell]').length") < 3000
    page.press("Enter")
    page.until("location.hash.startsWith('#/finding') ")
    assert "host0499" in page.eval("location.hash")


def test_the_drift_is_told(go):
    page = go("#/drift")
    counts = rich()["drift"]["counts"]
    tiles = "[...document.querySelectorAll('.tile strong')].map(t => Number(t.textContent))"
    names = ("new", "fixed", "changed", "gone", "unchanged")
    assert page.eval(
        "[...document.querySelectorAll('#page .tile strong')].map(t => Number(t.textContent))"
    ) == [counts[name] for name in names], tiles
    text = page.eval("document.getElementById('page').innerText")
    for part in ("results-last-week.json", rich()["drift"]["baseline"]["sha256"], "retired1"):
        assert part in text
    page.click("#page .tile.fixed")
    page.until(f"{ROWS}.length > 0")
    assert cells(page) == wanted(drift=["fixed"])


def test_what_expired_stands_before_what_will(go):
    page = go("#/waivers")
    lines = "[...t.tBodies[0].rows].map(r => r.cells[1].innerText)"
    tables = f"[...document.querySelectorAll('#page table')].map(t => {lines})"
    waivers, attestations = page.eval(tables)
    assert "expired 3 days ago" in waivers[0]
    days = [int(re.search(r"in (\d+) days", text)[1]) for text in waivers[1:]]
    assert days == sorted(days)
    assert "expired 22 days ago" in attestations[0]
    text = page.eval("document.getElementById('page').innerText")
    for part in ("unknown control", "not needed", "SEC-114", "waivers.yaml:38", "2026-q4.pdf"):
        assert part in text


def test_coverage_is_told_number_by_number(go):
    page = go("#/coverage?framework=nist-800-53")
    lines = "[...document.querySelectorAll('#page tbody tr')]"
    rows = page.eval(f"{lines}.map(r => [...r.cells].map(c => c.innerText))")
    assert [row[0] for row in rows] == ["AC-6(2)", "CM-7"]
    assert "not met" in rows[0][1]
    assert "34 failed" in rows[0][3]
    assert page.eval("document.querySelector('.tabs [aria-current]').textContent") == "nist-800-53"


def test_a_target_and_a_control_have_pages(go):
    page = go("#/target?name=web2")
    assert "192.0.2.11" in page.eval("document.getElementById('page').innerText")
    assert cells(page) == wanted(target=["web2"])
    page = go("#/control?id=ssh.root-login")
    assert page.eval(HEADING) == "Root cannot log in over ssh"
    assert {row[2] for row in cells(page)} == {"ssh.root-login"}
    page = go("#/controls?q=passwords")
    assert page.eval(SHOWN).endswith("of 40 controls")


def test_documents_without_the_later_parts_have_no_empty_views(go):
    nav = "[...document.querySelectorAll('#nav a')].map(a => a.textContent)"
    assert "Drift" in go().eval(nav)
    assert "Drift" not in go(name="old").eval(nav)
    assert "Waivers" in go(name="old").eval(nav), "results carry waivers"
    page = go("#/waivers", "old")
    assert "replaced next month" in page.eval("document.getElementById('page').innerText")
    assert "Waivers" not in go(name="empty").eval(nav)
    assert "not compared" in go("#/drift", "old").eval("document.body.innerText")
    row = sample()["results"][0]
    page = go(f"#/finding?control={row['control']}&target={row['target']}", "old")
    assert "no details here" in page.eval("document.querySelector('.evidence').innerText")


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_nothing_sticks_out_sideways_but_the_matrix(go, width):
    over = """[...document.querySelectorAll('html, body *')].filter(e =>
      !e.closest('.matrix, .sr, .mark .word, svg')
      && e.scrollWidth > e.clientWidth + 1 && e.clientWidth
      && getComputedStyle(e).overflowX !== 'hidden'
      && getComputedStyle(e).display !== 'inline').map(e => e.outerHTML.slice(0, 90))"""
    for name in ("rich", "nasty"):
        page = go(name=name, width=width)
        for view in [*VIEWS, FINDING[2:]]:
            page.eval(f"location.hash = '#/{view}'")
            page.eval("new Promise(done => setTimeout(done, 30))")
            page.eval("document.querySelectorAll('details').forEach(d => d.open = true)")
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.eval(wide) <= 0, (name, view)
            assert page.eval(over) == [], (name, view)


PAIRS = """(() => {
  const seen = new Map();
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some(c => c.nodeType === 3 && c.data.trim());
    if (!own || !node.checkVisibility() || node.closest('script, option')) continue;
    let back = node;
    while (back && getComputedStyle(back).backgroundColor === 'rgba(0, 0, 0, 0)')
      back = back.parentElement;
    const pair = [getComputedStyle(node).color,
                  getComputedStyle(back || document.body).backgroundColor];
    seen.set(pair.join(), pair);
  }
  return [...seen.values()];
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_background(go, dark):
    pairs = set()
    for view in [*VIEWS, FINDING[2:]]:
        page = go(f"#/{view}", dark=dark)
        pairs |= {tuple(pair) for pair in page.eval(PAIRS)}
    assert len(pairs) > 15
    assert {pair: contrast(*pair) for pair in pairs if contrast(*pair) < 4.5} == {}
    body = page.eval("getComputedStyle(document.body).backgroundColor")
    assert (luminance(body) < 0.1) is dark


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2 of a colour of CSS."""
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast of WCAG 2 between two colours of CSS."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_reader_can_choose_the_colours(go):
    page = go()
    back = "getComputedStyle(document.body).backgroundColor"
    light = page.eval(back)
    page.click("#theme")
    assert luminance(page.eval(back)) < 0.1
    assert page.eval("document.getElementById('theme').textContent") == "Light"
    page = go(dark=True)
    page.eval("document.documentElement.dataset.theme = 'light'")
    assert page.eval(back) == light
    page.eval("try { localStorage.clear() } catch { }")


def test_screen_readers_find_their_way(go):
    page = go()
    for landmark in ("header", "nav[aria-label]", "main", "footer", "h1"):
        assert page.eval(f"document.querySelectorAll({json.dumps(landmark)}).length") == 1, landmark
    bare = "[...document.querySelectorAll('input, select')].filter(f => !f.labels.length).length"
    all_ids = "[...document.querySelectorAll('[id]')].map(e => e.id)"
    ids = f"{all_ids}.length - new Set({all_ids}).size"
    for view in VIEWS:
        page = go(f"#/{view}")
        assert page.eval(bare) == 0
        assert page.eval(ids) == 0
        assert page.eval("document.querySelectorAll('main h2').length") >= 1
        assert page.eval("document.querySelector('#nav [aria-current]').dataset.view") == view
    page = go("#/list?verdict=fail")
    assert page.eval("document.getElementById('shown').getAttribute('role')") == "status"
    row = "document.querySelector('.row').getAttribute('aria-setsize')"
    assert page.eval(row) == str(len(wanted(verdict=["fail"])))
    page = go("#/matrix")
    assert page.eval("document.querySelector('.matrix').getAttribute('aria-rowcount')") == "12"
    assert page.eval("document.title") == "Matrix · Audit report"


def test_paper_has_the_overview_and_what_needs_attention_in_full(go):
    page = go("#/matrix", paper=True)
    page.eval("window.dispatchEvent(new Event('beforeprint'))")
    loud = [row for row in rich()["results"] if row["verdict"] not in QUIET]
    assert page.eval("document.querySelectorAll('#paper article').length") == len(loud)
    seen = "document.querySelector(%s).checkVisibility()"
    assert page.eval(seen % "'#overview'") is True
    assert page.eval(seen % "'#page'") is False
    for control in ("#nav", "#theme"):
        assert page.eval(seen % json.dumps(control)) is False
    page.eval("window.dispatchEvent(new Event('afterprint'))")
    assert page.eval("document.querySelectorAll('#paper article').length") == 0


def test_a_filtered_list_prints_what_it_shows_and_a_finding_itself(go):
    page = go("#/list?verdict=fail&target=web2")
    page.eval("window.dispatchEvent(new Event('beforeprint'))")
    printed = "document.querySelectorAll('#paper article').length"
    assert page.eval(printed) == len(wanted(verdict=["fail"], target=["web2"]))
    for view, part in ((FINDING, "#page article"), ("#/waivers", "#page table")):
        page = go(view, paper=True)
        page.eval("window.dispatchEvent(new Event('beforeprint'))")
        assert page.eval(printed) == 0
        assert page.eval(f"document.querySelector('{part}').checkVisibility()") is True
        assert page.eval("document.querySelector('#overview').checkVisibility()") is False


def test_the_page_of_a_target_prints_its_results_in_full(go):
    page = go("#/target?name=web2", paper=True)
    page.eval("window.dispatchEvent(new Event('beforeprint'))")
    printed = "document.querySelectorAll('#paper article').length"
    assert page.eval(printed) == len(wanted(target=["web2"]))
    seen = "document.querySelector('%s').checkVisibility()"
    parts = ("#page h2", ".list", "#overview")
    assert [page.eval(seen % part) for part in parts] == [True, False, False]


def test_it_can_be_printed(go, tmp_path):
    page = go("#/list?verdict=fail")
    page.pdf(tmp_path / "a.pdf")
    data = (tmp_path / "a.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", data + inflated(data))) > 5


def inflated(data: bytes) -> bytes:
    """Return the streams of a PDF that can be inflated."""
    found = []
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
        try:
            found.append(zlib.decompress(match[1]))
        except zlib.error:
            continue
    return b"\n".join(found)


def test_twenty_thousand_results_open_and_can_be_filtered(go, pages, record_property):
    page = go("#/list", "big")
    times = page.eval(
        "(() => { const n = performance.getEntriesByType('navigation')[0];"
        "return [n.domContentLoadedEventEnd, performance.now()]; })()"
    )
    record_property("milliseconds until DOMContentLoaded and until first asked", times)
    record_property("bytes", (pages / "big.html").stat().st_size)
    assert page.eval(SHOWN) == "20,000 of 20,000 results"
    page.click("input[name=q]")
    page.type("host0123 ssh.c02")
    page.until(f"{ROWS}.length === 1")
    assert page.complaints() == []


@pytest.fixture(scope="module")
def plain():
    with lab_browser.chromium() as started:
        started.emulate()
        started.disable_script()
        yield started


def test_it_reads_without_javascript(plain, pages):
    plain.open((pages / "rich.html").as_uri() + "#/list")
    text = plain.eval("document.body.innerText")
    for part in ("JavaScript is off", "Gate broken", "What to fix first", "Expected", "Observed"):
        assert part in text
    assert plain.eval("document.querySelectorAll('#static article').length") == 92
    assert plain.eval("document.getElementById('nav').hidden") is True
    assert plain.complaints() == []


def test_a_browser_that_cannot_unpack_shows_what_stands_in_the_page(chromium, pages):
    chromium.emulate()
    chromium.before_scripts("delete window.DecompressionStream")
    try:
        chromium.open((pages / "rich.html").as_uri())
        chromium.until("!document.getElementById('old').hidden")
        assert chromium.eval("document.querySelectorAll('#static article').length") == 92
        assert chromium.eval("document.getElementById('static').checkVisibility()") is True
        assert chromium.complaints() == []
    finally:
        chromium.before_scripts(None)
