"""One real run over all kinds of target, every report at once, each before its judge."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
from lab import browser, heimdall, judges, scap
from lab.junit_readers import gitlab
from lab.sshd import needs_sshd
from lxml import etree
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families

from pytest_sysaudit.reports import FILE_NAMES, WRITERS
from pytest_sysaudit.reports.json_report import schema
from pytest_sysaudit.reports.status import STATUSES
from pytest_sysaudit.reports.xccdf_names import xccdf_id

pytestmark = [needs_sshd, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
CHOSEN = ("ssh.max-*", "ssh.root-*", "ssh.banner", "aws.s3-*", "http.*", "network.*", "tls.*")
WAIVERS = """\
version: 1
waivers:
  - control: ssh.max-auth-tries
    targets: kind:ssh
    justification: replaced <b>next</b> month
    approver: m.weber
    ticket: SEC-114
    expires: {expires}
"""


def audit(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Audit what the inventory of this repository lists, in *folder*."""
    argv = [sys.executable, "-m", "pytest", str(ROOT / "checks"), "-q", "-p", "no:cacheprovider"]
    argv += [f"--audit-inventory={ROOT / 'inventory.yaml'}", "--rootdir", str(ROOT)]
    argv += [f"--audit-control={name}" for name in CHOSEN]
    done = subprocess.run(
        [*argv, *options], cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of all reports of a run with a waiver and a baseline, and its document."""
    folder = tmp_path_factory.mktemp("run")
    expires = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
    (folder / "waivers.yaml").write_text(WAIVERS.format(expires=f"{expires} UTC"))
    audit(folder, "--audit-target=here", "--audit-report=json=before.json")
    asked = [f"--audit-report={name}" for name in sorted(WRITERS)]
    with_files = ["--audit-waivers=waivers.yaml", "--audit-baseline=before.json"]
    audit(folder, *asked, *with_files)
    reports = folder / "audit-report"
    assert {path.name for path in reports.iterdir()} == set(FILE_NAMES.values())
    document = json.loads((reports / "results.json").read_bytes())
    return SimpleNamespace(
        document=document,
        verdicts=Counter(row["verdict"] for row in document["results"]),
        path=lambda name: reports / FILE_NAMES[name],
    )


def test_the_run_has_every_kind_of_target_a_waiver_and_drift(run):
    kinds = {target["kind"] for target in run.document["targets"] if target["reachable"]}
    assert kinds == {"local", "ssh", "aws", "http", "network"}
    assert run.verdicts["pass"] > 30
    assert run.verdicts["fail"] > 5
    assert run.verdicts["waived"] == 1
    assert run.verdicts["not_applicable"] > 0
    assert {row["drift"] for row in run.document["results"]} >= {"new", "unchanged"}


def test_json(run):
    jsonschema.Draft202012Validator(schema()).validate(run.document)


def test_junit(run):
    content = run.path("junit").read_bytes()
    xsd = etree.XMLSchema(file=str(ROOT / "tests/data/junit-10.xsd"))
    xsd.assertValid(etree.fromstring(content))
    assert len(gitlab(content)) == len(run.document["results"])


@pytest.mark.parametrize("name", ["sarif", "sarif-github"])
def test_sarif(run, name):
    log = json.loads(run.path(name).read_bytes())
    assert judges.sarif(log) == []
    suppressed = [r for r in log["runs"][0]["results"] if r.get("suppressions")]
    assert len(suppressed) == (1 if name == "sarif" else len(suppressed))


def test_oscal(run):
    assert judges.oscal(json.loads(run.path("oscal").read_bytes())) == []


def test_ocsf(run):
    lines = run.path("ocsf").read_text().splitlines()
    assert len(lines) == len(run.document["results"])
    assert [c for line in lines for c in judges.ocsf(json.loads(line))] == []


@pytest.mark.skipif(bool(heimdall.NO_NODE), reason=heimdall.NO_NODE or "")
def test_hdf(run, tmp_path):
    read = heimdall.read(heimdall.unpack(tmp_path), run.path("hdf"))
    assert (read["kind"], read["errors"]) == ("exec-json", {})
    shown = {control["id"]: control["status"] for control in read["shown"]}
    places = {(row["control"], row["target"]) for row in run.document["results"]}
    assert set(shown) == {f"{control}[{target}]" for control, target in places}
    for control in run.document["results"]:
        if control["verdict"] == "fail":
            assert shown[f"{control['control']}[{control['target']}]"] == "Failed"


@pytest.mark.skipif(bool(scap.NO_OSCAP), reason=scap.NO_OSCAP or "")
def test_xccdf(run, tmp_path):
    done = scap.oscap("validate", run.path("xccdf"))
    assert done.returncode == 0, done.stdout + done.stderr
    tree = etree.parse(str(run.path("xccdf")))
    scap.schema().assertValid(tree)
    done = scap.oscap("generate", "report", "--output", tmp_path / "r.html", run.path("xccdf"))
    assert (done.returncode, done.stderr) == (0, "")
    results = {r.get("id"): r for r in tree.iterfind("{*}TestResult")}
    for target in run.document["targets"]:
        words = Counter(
            r.text for r in results[xccdf_id("testresult", target["name"])].iter("{*}result")
        )
        rows = [row for row in run.document["results"] if row["target"] == target["name"]]
        assert words == Counter(STATUSES[row["verdict"]].xccdf for row in rows)


def test_csv(run):
    with run.path("csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["verdict"] for row in rows) == run.verdicts


def test_markdown(run):
    html = MarkdownIt("commonmark").enable("table").render(run.path("markdown").read_text())
    assert "<table>" in html
    assert "ssh.max-auth-tries" in html
    assert "<b>next" not in html


def test_prometheus(run):
    counts: Counter[str] = Counter()
    for family in text_string_to_metric_families(run.path("prometheus").read_text()):
        assert family.type == "gauge"
        if family.name == "sysaudit_results":
            for sample in family.samples:
                counts[sample.labels["verdict"]] += int(sample.value)
    assert +counts == run.verdicts


@pytest.mark.skipif(not browser.PROGRAM, reason="no Chromium here: install chromium")
def test_html(run):
    with browser.chromium() as page:
        page.emulate()
        page.open(run.path("html").as_uri())
        page.until("document.readyState === 'complete'")
        text = page.eval("document.body.innerText")
    assert "ssh.max-auth-tries" in text
    assert "sshd" in text
