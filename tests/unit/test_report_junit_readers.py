"""What the readers of CI systems show of the JUnit report: counts, names, texts."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import junitparser
import pytest
from lab.junit_readers import dorny, gitlab, mikepenz
from lab.report_sample import big_document, rich, sample

from pytest_sysaudit.reports import junit

#: What each reader calls the elements of the report.
WORDS = {
    gitlab: {"": "success", "failure": "failure", "error": "error", "skipped": "skipped"},
    dorny: {"": "success", "failure": "failed", "error": "failed", "skipped": "skipped"},
    mikepenz: {"": "success", "failure": "failure", "error": "failure", "skipped": "skipped"},
}
ELEMENTS = {
    "pass": "",
    "fail": "failure",
    "error": "error",
    "not_applicable": "skipped",
    "manual": "skipped",
    "waived": "skipped",
}
READERS = pytest.mark.parametrize("read", WORDS, ids=lambda read: read.__name__)


@READERS
@pytest.mark.parametrize("make", [sample, rich])
def test_every_reader_counts_every_result_once(read, make):
    built = make()
    expected: Counter[str] = Counter()
    for verdict, count in built["summary"]["verdicts"].items():
        expected[WORDS[read][ELEMENTS[verdict]]] += count
    assert Counter(shown.status for shown in read(junit.render(built))) == +expected


@READERS
def test_every_reader_keeps_all_names_apart(read):
    shown = read(junit.render(rich()))
    assert len({(one.suite, one.name) for one in shown}) == len(shown) == len(rich()["results"])


@READERS
def test_every_reader_shows_what_was_found_and_how_to_mend_it(read):
    found = [one for one in read(junit.render(sample())) if "test_root_login[web1" in one.name]
    (shown,) = found
    for said in ("permitrootlogin is yes, expected no", "Observed:", "Fix: Set permitrootlogin"):
        assert said in shown.text


def test_gitlab_shows_the_file_as_suite_and_why_something_was_skipped():
    shown = {one.name: one for one in gitlab(junit.render(rich()))}
    assert shown["test_root_login[web1]"].suite == "ssh.test_root_login"
    manual = shown["test_access_review[shop]"]
    assert (manual.status, manual.text.splitlines()[0]) == (
        "skipped",
        "nobody has attested this control",
    )


def test_dorny_groups_by_target_and_names_the_control():
    shown = {one.name: one for one in dorny(junit.render(sample()))}
    failed = shown["test_root_login[web1]"]
    assert failed.suite == "web1 / ssh.test_root_login"
    assert failed.text.startswith("fail: ssh.root-login (high): permitrootlogin is yes")


def test_mikepenz_finds_the_file_of_the_check(tmp_path):
    """It looks for a file of the class's last part, with any ending, below the workspace."""
    spec = importlib.util.find_spec("pytest_sysaudit.checks.ssh")
    (folder,) = spec.submodule_search_locations
    built = sample()
    real = min(Path(folder).glob("test_*.py"))
    row = {**built["results"][0], "check": f"ssh/{real.name}::test_it", "verdict": "fail"}
    (shown,) = mikepenz(junit.render({**built, "results": [row]}))
    found = [path for path in Path(folder).rglob(f"{shown.suite}.*") if path.suffix != ".pyc"]
    assert found == [real]


def test_gitlab_takes_ten_thousand_results():
    """Its limit is 30 MB a file."""
    built = big_document(250)
    assert len(gitlab(junit.render(built))) == len(built["results"]) == 10_000


def test_junitparser_reads_names_texts_and_properties(tmp_path):
    built = rich()
    junit.write(built, tmp_path / "junit.xml")
    read = junitparser.JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    suites = {suite.name: suite for suite in read}
    assert set(suites) == {"run", *(target["name"] for target in built["targets"])}
    assert {p.name: p.value for p in suites["web3"].properties()}["reachable"] == "no"
    (case,) = [case for case in suites["web1"] if case.name == "test_root_login[web1]"]
    (failure,) = case.result
    assert case.classname == "ssh.test_root_login"
    assert (failure.type, failure.message) == (
        "fail",
        "ssh.root-login (high): permitrootlogin is yes, expected no",
    )
    assert "Fix: Set permitrootlogin" in failure.text
    assert "severity: high" in case.system_out
    counts = Counter(type(part).__name__ for s in read for c in s for part in c.result)
    verdicts = built["summary"]["verdicts"]
    assert counts == {
        "Failure": verdicts["fail"],
        "Error": verdicts["error"],
        "Skipped": sum(verdicts[name] for name in ("not_applicable", "manual", "waived")),
    }
