"""What a profile makes of a run: which checks, which values, what the reports say."""

# ruff: noqa: E501 - messages as they are printed

from __future__ import annotations

import hashlib
import textwrap

import pytest

from pytest_sysaudit.profiles.load import shipped

CONTROLS = """
    @pytest.mark.control("mine.limit", severity="low", inputs={"maximum": 4, "ratio": 0.5, "names": []})
    def test_limit(host, audit):
        audit.observe("maximum", audit.inputs.maximum)
        audit.observe("ratio", audit.inputs.ratio)
        assert audit.inputs.maximum

    @pytest.mark.control("mine.other", severity="high", frameworks={"cis-debian12": ["5.1.1"]})
    def test_other(host):
        assert True

    @pytest.mark.control("mine.third", severity="medium")
    def test_third(host):
        assert True
"""


@pytest.fixture
def profile(project):
    project.check(CONTROLS)

    def write(text, name="p.yaml"):
        path = project.path / name
        path.write_text("version: 1\n" + textwrap.dedent(text))
        return path

    return write


def names(project):
    return {name.removeprefix("test_") for _, name in project.verdicts()}


@pytest.mark.parametrize("workers", [["-n0"], ["-n2"]])
def test_a_profile_selects_and_the_reports_say_so(project, profile, workers):
    path = profile(
        """
        title: Ours
        include: [mine.*]
        exclude:
          - control: mine.third
            reason: nobody here  uses it
          - {control: mine.gone-by-glob*, reason: none of them is here}
        severities: {mine.limit: critical, mine.other: high}
        """
    )
    (project.path / "checks" / "test_gone.py").write_text(
        'import pytest\n\n@pytest.mark.control("mine.gone-by-glob")\ndef test_x(host):\n    assert False\n'
    )
    result = project.run(*workers, "--audit-profile=p.yaml", "--audit-report=html=out.html")
    assert result.ret == 0
    assert names(project) == {"limit", "other"}
    run = project.document["run"]
    assert run["selection"]["profiles"] == ["p.yaml"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert run["profile"] == {
        "name": "p.yaml",
        "files": [{"name": "p.yaml", "title": "Ours", "sha256": digest}],
        "excluded": [
            {"control": "mine.gone-by-glob", "reason": "none of them is here", "profile": "p.yaml"},
            {"control": "mine.third", "reason": "nobody here uses it", "profile": "p.yaml"},
        ],
        "severities": [
            {
                "control": "mine.limit",
                "declared": "low",
                "severity": "critical",
                "profile": "p.yaml",
            }
        ],
    }
    assert {c["id"]: c["severity"] for c in project.document["controls"]} == {
        "mine.limit": "critical",
        "mine.other": "high",
    }
    counts = project.document["summary"]["by_severity"]
    assert [counts[level]["pass"] for level in ("critical", "high", "low")] == [2, 2, 0]
    result.stdout.fnmatch_lines(
        ["profile p.yaml: 2 controls left out on purpose, 1 of another severity"]
    )
    result.stdout.no_fnmatch_line("*nobody here uses it*")
    page = (project.path / "out.html").read_text("utf-8")
    assert "mine.third is left out: nobody here uses it" in page
    assert digest in page


def test_more_words_tell_the_reasons(project, profile):
    profile("exclude: [{control: mine.third, reason: nobody uses it}]")
    result = project.run("-v", "-n0", "--audit-profile=p.yaml")
    result.stdout.fnmatch_lines(["  mine.third is left out: nobody uses it"])


def test_without_a_profile_there_is_none(project, profile):
    result = project.run()
    assert names(project) == {"limit", "other", "third"}
    assert project.document["run"]["profile"] is None
    result.stdout.no_fnmatch_line("profile *")


def observed(project, target):
    return project.row(target, "::test_limit")["observed"]


def test_the_inventorys_values_come_before_the_profiles(project, profile):
    profile("inputs: {mine.limit: {maximum: 9, ratio: 1}}")
    project.inventory(
        "version: 1\nhosts:\n  alpha: {connection: local}\n"
        "  beta: {connection: local, inputs: {mine.limit: {maximum: 7, ratio: 0.25}}}\n"
    )
    assert project.run("--audit-profile=p.yaml").ret == 0
    assert observed(project, "alpha") == {"maximum": 9, "ratio": 1}
    assert observed(project, "beta") == {"maximum": 7, "ratio": 0.25}
    assert "maximum = 9" in project.row("alpha", "::test_limit")["expected"]
    assert project.run().ret == 0
    assert observed(project, "alpha") == {"maximum": 4, "ratio": 0.5}


def test_options_narrow_a_profile_by_the_severities_that_it_gives(project, profile):
    profile(
        "include: [mine.limit, mine.other]\nseverities: {mine.limit: critical, mine.other: low}\n"
    )
    project.run("--audit-profile=p.yaml", "--audit-severity=high")
    assert names(project) == {"limit"}
    profile("include: [{at_least: high}]\nseverities: {mine.limit: critical, mine.other: low}\n")
    project.run("--audit-profile=p.yaml")
    assert names(project) == {"other"}  # rules look at what the checks declare


def test_profiles_add_up_and_the_setting_counts_without_the_option(project, profile):
    profile("include: [mine.limit]", "a.yaml")
    profile("include: [mine.other]\nextends: a.yaml", "b.yaml")
    profile("include: [mine.third]", "c.yaml")
    (project.path / "pytest.ini").write_text("[pytest]\naudit_profile = b.yaml\n")
    project.run()
    assert names(project) == {"limit", "other"}
    project.run("--audit-profile=c.yaml")
    assert names(project) == {"third"}
    project.run("--audit-profile=a.yaml", "--audit-profile=./c.yaml")
    assert names(project) == {"limit", "third"}
    project.run("-o", "audit_profile=")
    assert names(project) == {"limit", "other", "third"}


BROKEN = """\
include: [mine.limti, "your.*"]
exclude:
  - {framework: [cis-debian12, cis-debain13], reason: x}
inputs:
  mine.limit: {maximum: "4", maximun: 3, names: [a]}
  mine.otehr: {x: 1}
severities: {nobody.knows: high}
"""


@pytest.mark.parametrize("workers", [["-n0"], ["-n1"]])
def test_names_that_nobody_knows_are_told_at_once(project, profile, workers):
    profile(BROKEN)
    result = project.run(*workers, "--audit-profile=p.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    for line in [
        "p.yaml:2:11: include[0]: no check judges the control 'mine.limti'. Did you mean 'mine.limit'?",
        "p.yaml:2:23: include[1]: no check judges the control 'your.*'.",
        "p.yaml:4:32: exclude[0].framework[1]: no check maps to the framework 'cis-debain13'. Did you mean 'cis-debian12'?",
        "p.yaml:6:25: inputs.mine.limit.maximum: expected a whole number, found a text",
        "p.yaml:6:30: inputs.mine.limit: unknown input 'maximun' (this control has: maximum, names, ratio). Did you mean 'maximum'?",
        "p.yaml:7:3: inputs: no check judges the control 'mine.otehr'. Did you mean 'mine.other'?",
        "p.yaml:8:14: severities: no check judges the control 'nobody.knows'.",
    ]:
        assert line in text
    assert "INTERNALERROR" not in text
    assert text.count("p.yaml:") == 7 * (1 if workers == ["-n0"] else text.count("p.yaml:2:11"))


@pytest.mark.parametrize("workers", [["-n0"], ["-n1"]])
def test_a_broken_file_ends_the_run_before_anything_is_collected(project, profile, workers):
    profile("inlcude: []\n")
    result = project.run(*workers, "--audit-profile=p.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert "p.yaml:2:1: unknown key 'inlcude'. Did you mean 'include'?" in text
    assert "collected" not in text
    result = project.run(*workers, "--audit-profile=baselin")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "there is no profile 'baselin'. Did you mean 'baseline'?" in result.stderr.str()


def test_a_part_of_the_checks_may_be_run(project, profile):
    """What a profile names besides is in the project's checks, or was shipped."""
    profile(
        "include: [mine.limit, mine.other, ssh.root-login, 'aws.*', {framework: nist-800-53}]\n"
        "inputs: {ssh.root-login: {allowed: ['no']}, mine.limit: {maximum: 5}}\n"
    )
    result = project.run("-k", "test_other", "--audit-profile=p.yaml")
    assert result.ret == 0
    assert names(project) == {"other"}
    result = project.run("checks/test_it.py::test_limit", "--audit-profile=p.yaml")
    assert result.ret == 0
    profile("include: [mine.other]\ninputs: {ssh.root-login: {alowed: ['no']}}\n")
    result = project.run("--audit-profile=p.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unknown input 'alowed' (*allowed*Did you mean 'allowed'?"])


def test_a_profile_that_takes_no_check_ends_as_any_choice_of_none(project, profile):
    profile("include: [ssh.root-login]")
    assert project.run("--audit-profile=p.yaml").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_shipped_ones_are_listed(project):
    result = project.run("--audit-profile=list")
    assert result.ret == 0
    assert [line.split()[0] for line in result.outlines] == list(shipped())
    assert not (project.path / "out.json").exists()


def test_other_tests_are_none_of_its_business(project, profile):
    profile("include: [mine.limit]")
    project.check("def test_plain():\n    assert True\n", "test_plain.py")
    project.run("--audit-profile=p.yaml", "-n0").assert_outcomes(passed=3, deselected=4)
