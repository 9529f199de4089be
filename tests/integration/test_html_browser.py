"""The html report in a real browser."""

from __future__ import annotations

import json

import pytest
from lab import browser as lab_browser
from lab.report_sample import RUN, controls, large, nasty, sample, targets

from pytest_sysaudit.reports import document, html

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(lab_browser.PROGRAM is None, reason="Chromium is not installed"),
]

VISIBLE = "[...document.querySelectorAll('#rows > details')].filter(r => !r.hidden)"
CELLS = VISIBLE + ".map(r => [...r.firstElementChild.children].slice(0, 4).map(c => c.textContent))"
SHOWN = "document.getElementById('shown').textContent"


@pytest.fixture(scope="module")
def chromium():
    with lab_browser.chromium() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    made = {"sample": sample(), "nasty": nasty(), "large": large(20_000)}
    made["empty"] = document.build(RUN, targets(), controls(), [])
    for name, content in made.items():
        html.write(content, folder / f"{name}.html")
    return folder


@pytest.fixture
def page(chromium, pages):
    chromium.emulate()
    chromium.open((pages / "sample.html").as_uri())
    return chromium


def tick(page, name: str, value: str) -> None:
    page.click(f'input[name="{name}"][value="{value}"]')


def choose(page, name: str, value: str) -> None:
    field = f"document.querySelector('select[name={name}]')"
    change = "dispatchEvent(new Event('change', {bubbles: true}))"
    page.eval(f"{field}.value = {json.dumps(value)}, {field}.{change}")


def wanted(**facets) -> list[list[str]]:
    """Return the cells that the sample's document says must be visible."""
    made = sample()
    severities = {control["id"]: control["severity"] for control in made["controls"]}
    rows = [
        [html.WORDS[r["verdict"]], severities[r["control"]], r["control"], r["target"]]
        for r in made["results"]
        if r["verdict"] in facets.get("verdict", list(html.WORDS))
        and severities[r["control"]] in facets.get("severity", set(severities.values()))
        and r["target"] in facets.get("target", made["summary"]["by_target"])
    ]
    return sorted(rows)


@pytest.mark.parametrize("name", ["sample", "nasty", "empty"])
def test_it_opens_without_complaint_and_asks_for_nothing(chromium, pages, name):
    url = (pages / f"{name}.html").as_uri()
    chromium.open(url)
    chromium.eval("document.querySelectorAll('details').forEach(d => d.open = true)")
    chromium.eval("new Promise(done => setTimeout(done, 200))")
    assert chromium.complaints() == []
    assert [asked for asked in chromium.requests() if asked != "about:blank"] == [url]


@pytest.mark.parametrize("name", ["sample", "nasty"])
def test_hostile_text_stays_text(chromium, pages, name):
    chromium.open((pages / f"{name}.html").as_uri())
    chromium.eval("document.querySelectorAll('details').forEach(d => d.open = true)")
    chromium.until("document.querySelectorAll('dl[data-full]').length > 5")
    assert chromium.eval("document.images.length") == 0
    assert chromium.eval("document.scripts.length") == 1
    assert "onerror=alert(1)" in chromium.eval("document.body.textContent")
    assert chromium.complaints() == []


def test_script_that_is_not_ours_would_not_run(page):
    page.eval(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.owned = 1';"
        "document.body.append(s); })()"
    )
    assert page.eval("window.owned") is None


def test_everything_is_shown_at_first(page):
    assert sorted(page.eval(CELLS)) == wanted()
    assert page.eval(SHOWN) == f"{len(wanted())} of {len(wanted())} findings, worst first"


def test_filters_combine(page):
    tick(page, "verdict", "fail")
    assert sorted(page.eval(CELLS)) == wanted(verdict=["fail"])
    tick(page, "verdict", "error")
    assert sorted(page.eval(CELLS)) == wanted(verdict=["fail", "error"])
    tick(page, "severity", "high")
    assert sorted(page.eval(CELLS)) == wanted(verdict=["fail", "error"], severity=["high"])
    choose(page, "target", "web1")
    left = wanted(verdict=["fail", "error"], severity=["high"], target=["web1"])
    assert sorted(page.eval(CELLS)) == left
    assert page.eval(SHOWN).startswith(f"{len(left)} of ")


def test_counts_follow_the_other_filters(page):
    choose(page, "target", "web1")
    count = "document.querySelector('input[value=%s]').parentNode.querySelector('output').value"
    assert page.eval(count % "fail") == str(len(wanted(verdict=["fail"], target=["web1"])))
    tick(page, "severity", "critical")
    left = wanted(verdict=["error"], severity=["critical"], target=["web1"])
    assert page.eval(count % "error") == str(len(left))


@pytest.mark.parametrize(
    ("choice", "names"),
    [("group:web", ["web1", "web2", "web3"]), ("kind:aws", ["payments", "sandbox"])],
)
def test_groups_and_kinds_are_targets_too(page, choice, names):
    choose(page, "target", choice)
    assert sorted(page.eval(CELLS)) == wanted(target=names)


def test_words_are_found_anywhere_in_a_finding_and_all_must_be_there(page):
    page.press("/")
    assert page.eval("document.activeElement.name") == "q"
    page.type("PermitRootLogin web2")
    page.until(f"{VISIBLE}.length === 1")
    assert page.eval(CELLS) == [["Failed", "high", "ssh.root-login", "web2"]]
    page.press("Escape")
    page.until(f"{VISIBLE}.length === {len(wanted())}")


def test_numbers_of_frameworks_are_found(page):
    page.click("input[name=q]")
    page.type("cis-debian12 4.1.27")
    page.until(f"{VISIBLE}.length < 20")
    assert {row[2] for row in page.eval(CELLS)} == {"aws.password-policy"}


def test_nothing_matches_is_said_and_undone(page):
    page.click("input[name=q]")
    page.type("zebra")
    page.until("!document.getElementById('nothing').hidden")
    assert page.eval(f"{VISIBLE}.length") == 0
    page.click("#nothing button")
    page.until(f"{VISIBLE}.length === {len(wanted())}")
    assert page.eval("document.getElementById('nothing').hidden") is True


def test_the_address_keeps_the_filters(page, pages):
    tick(page, "verdict", "fail")
    choose(page, "target", "web1")
    address = page.eval("location.href")
    assert "verdict=fail" in address
    page.open(address)
    assert sorted(page.eval(CELLS)) == wanted(verdict=["fail"], target=["web1"])
    assert page.eval("document.querySelector('input[value=fail]').checked") is True


def test_the_summary_leads_to_the_findings(page):
    page.click("a.tile.error")
    assert sorted(page.eval(CELLS)) == wanted(verdict=["error"])
    page.eval("history.back()")
    page.until(f"{VISIBLE}.length === {len(wanted())}")


def test_the_order_can_be_changed_and_changed_back(page):
    worst = page.eval(CELLS)
    choose(page, "order", "target")
    names = [row[3] for row in page.eval(CELLS)]
    assert names == sorted(names)
    choose(page, "order", "")
    assert page.eval(CELLS) == worst


def test_a_finding_opens_with_everything_about_it(page):
    page.click("#rows > details.fail > summary")
    page.until("document.querySelector('#rows > details[open] dl').dataset.full === 'yes'")
    text = page.eval("document.querySelector('#rows > details[open] dl').innerText")
    labels = ["Expected", "Observed", "Requirement", "Why", "Fix", "nist-800-53", "Check", "Link"]
    assert [label for label in labels if label not in text] == []
    assert "permitemptypasswords: no" in text
    assert "SHA-256" in text
    assert page.eval("document.querySelectorAll('#rows dl[data-full]').length") == 1


def test_an_open_finding_hides_nothing_of_its_message(page):
    page.emulate(width=390)
    page.eval("document.querySelectorAll('#rows > details.fail').forEach(d => d.open = true)")
    cut = "[...document.querySelectorAll('#rows > .fail > summary > span')]"
    assert page.eval(f"{cut}.filter(e => e.scrollHeight > e.clientHeight + 1).length") == 0


def test_a_link_to_a_finding_opens_it_even_if_filters_hide_it(page):
    anchor = page.eval("document.querySelector('#rows > details.pass').id")
    tick(page, "verdict", "fail")
    page.eval(f"location.hash = {json.dumps(anchor)}")
    page.until(f"document.getElementById({json.dumps(anchor)}).open")
    assert page.eval(f"document.getElementById({json.dumps(anchor)}).hidden") is False


def test_the_keyboard_is_enough(page):
    page.eval("document.querySelector('#rows summary').focus()")
    page.press("ArrowDown")
    page.press("ArrowDown")
    page.press("ArrowUp")
    place = "[...document.querySelectorAll('#rows summary')].indexOf(document.activeElement)"
    assert page.eval(place) == 1
    page.press("Enter")
    assert page.eval("document.activeElement.parentNode.open") is True
    page.eval("document.querySelector('input[value=manual]').focus()")
    page.press(" ")
    assert sorted(page.eval(CELLS)) == wanted(verdict=["manual"])


@pytest.mark.parametrize("name", ["sample", "nasty"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_sideways(chromium, pages, name, width):
    chromium.emulate(width=width)
    chromium.open((pages / f"{name}.html").as_uri())
    chromium.eval("document.querySelectorAll('details').forEach(d => d.open = true)")
    over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert chromium.eval(over) <= 0


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_background(chromium, pages, dark):
    chromium.emulate(dark=dark)
    chromium.open((pages / "sample.html").as_uri())
    pairs = chromium.eval(
        """(() => {
          const seen = new Map();
          for (const node of document.querySelectorAll('body *')) {
            const own = [...node.childNodes].some(c => c.nodeType === 3 && c.data.trim());
            if (!own || !node.checkVisibility() || node.closest('.nil, script')) continue;
            let back = node;
            while (back && getComputedStyle(back).backgroundColor === 'rgba(0, 0, 0, 0)')
              back = back.parentElement;
            const pair = [getComputedStyle(node).color,
                          getComputedStyle(back || document.body).backgroundColor];
            seen.set(pair.join(), pair);
          }
          return [...seen.values()];
        })()"""
    )
    assert len(pairs) > 8
    assert {tuple(pair): contrast(*pair) for pair in pairs if contrast(*pair) < 4.5} == {}


def contrast(one: str, other: str) -> float:
    """Return the contrast of WCAG 2 between two colours of CSS."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_twenty_thousand_results_can_be_filtered(chromium, pages):
    chromium.open((pages / "large.html").as_uri())
    chromium.click("input[name=q]")
    chromium.type("host0777 ciphers")
    chromium.until(f"{VISIBLE}.length === 1")
    assert chromium.complaints() == []


def test_paper_shows_what_needs_attention_open(page):
    page.eval("window.dispatchEvent(new Event('beforeprint'))")
    closed = "document.querySelectorAll('#rows > details:is(.fail, .error):not([open])').length"
    assert page.eval(closed) == 0
    assert page.eval("document.querySelectorAll('#rows > details.pass[open]').length") == 0
    page.eval("window.dispatchEvent(new Event('afterprint'))")
    assert page.eval("document.querySelectorAll('#rows > details[open]').length") == 0


def test_it_reads_without_javascript(pages):
    with lab_browser.chromium() as browser:
        browser.emulate()
        browser.disable_script()
        browser.open((pages / "sample.html").as_uri())
        assert browser.eval("document.getElementById('filters').hidden") is True
        browser.click("#rows > details.fail > summary")
        text = browser.eval("document.querySelector('#rows > details[open]').innerText")
        assert "Expected" in text
        assert "Observed" in text
        assert browser.complaints() == []
