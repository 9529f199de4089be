"""Waivers, attestations, a baseline and a gate in a run: verdicts, reports, exit codes."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import jsonschema
import pytest

from pytest_sysaudit import reports
from pytest_sysaudit.reports.document import equal_parts

SCHEMA = json.loads((Path(reports.__file__).parent / "results.schema.json").read_text())
CHECKS = """
    @pytest.mark.control("mine.plain", severity="high")
    def test_plain(host):
        assert 1 == 2, "one is not two"

    @pytest.mark.control("mine.rows", severity="low")
    def test_rows(host, audit):
        for name in ("a", "b", "c"):
            with audit.resource(name):
                assert name == "a"

    @pytest.mark.control("mine.person", manual=True)
    def test_person(host):
        \"\"\"A person looks.\"\"\"

    @pytest.mark.control("mine.good")
    def test_good(host):
        assert host
"""


def entry(control, targets, expires="2099-01-31 Europe/Berlin", **more):
    known = {
        "control": control, "targets": targets, "justification": "moved next month",
        "approver": "m.weber", "ticket": "SEC-1", "expires": expires,
    }  # fmt: skip
    return known | more


def answer(targets, status="pass", valid_until="2099-01-31 UTC"):
    return {
        "control": "mine.person", "targets": targets, "status": status, "by": "c.ortiz",
        "at": "2026-01-02 UTC", "valid_until": valid_until, "explanation": "looked",
    }  # fmt: skip


@pytest.fixture
def mine(project):
    project.check(CHECKS)
    return project


def write(project, kind, *entries, name=None):
    """Write a file of waivers or attestations; JSON is YAML."""
    path = project.path / (name or f"{kind}.yaml")
    path.write_text(json.dumps({"version": 1, kind: entries}, indent=1))
    return f"--audit-{kind}={path.name}"


def states(project, part="waivers"):
    return [(one["control"], one["state"], one["results"]) for one in project.document[part]]


ALL = (
    entry("mine.plain", "web"),
    entry("mine.rows", "all", resource="b"),
    entry("mine.rows", "db", resource="c"),
    entry("mine.good", "all"),
    entry("no.such", "all"),
    entry("mine.plain", "db", expires="2020-01-31 UTC"),
)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-v"], "*test_plain[[]alpha[]] WAIVED (waived until 2099-01-31*"),
        (["--audit-lanes=0", "-q"], "wFm.*"),
    ],
)
def test_a_failure_is_waived_and_its_raw_verdict_kept(mine, arguments, line):
    result = mine.run(write(mine, "waivers", *ALL), *arguments)
    assert result.ret == 1
    jsonschema.validate(mine.document, SCHEMA)
    assert mine.verdicts() == {
        ("alpha", "test_plain"): "waived",
        ("alpha", "test_rows[a]"): "pass",
        ("alpha", "test_rows[b]"): "waived",
        ("alpha", "test_rows[c]"): "fail",
        ("alpha", "test_person"): "manual",
        ("alpha", "test_good"): "pass",
        ("beta", "test_plain"): "fail",
        ("beta", "test_rows[a]"): "pass",
        ("beta", "test_rows[b]"): "waived",
        ("beta", "test_rows[c]"): "waived",
        ("beta", "test_person"): "manual",
        ("beta", "test_good"): "pass",
    }
    row = mine.row("alpha", "::test_plain")
    assert row["message"].startswith("one is not two")
    assert row["waiver"] == {
        "by": "waivers.yaml",
        "reason": "moved next month",
        "raw": "fail",
        "approver": "m.weber",
        "ticket": "SEC-1",
        "expires": "2099-01-31T23:00:00.000Z",
        "place": row["waiver"]["place"],
        "target": "web",
        "resource": "",
    }
    assert states(mine) == [
        ("mine.plain", "used", 1),
        ("mine.rows", "used", 2),
        ("mine.rows", "used", 1),
        ("mine.good", "not needed", 0),
        ("no.such", "unknown control", 0),
        ("mine.plain", "expired", 0),
    ]
    result.assert_outcomes(failed=2, passed=2)
    result.stdout.fnmatch_lines(["waivers: 3 used, 1 not needed, 1 unknown control, 1 expired"])
    result.stdout.fnmatch_lines(["*waivers.yaml:*: no.such on all: no check judges this control*"])
    result.stdout.fnmatch_lines(["*mine.plain on db: expired on 2020-02-01"])
    result.stdout.fnmatch_lines([line])


def test_a_run_whose_failures_are_all_waived_is_green(mine):
    waivers = write(mine, "waivers", entry("mine.plain", "all"), entry("mine.rows", "all"))
    xml = f"--junitxml={mine.path / 'pytest.xml'}"
    result = mine.run(waivers, xml, "-x", "--maxfail=1")
    assert result.ret == 0
    assert mine.document["summary"]["verdicts"]["waived"] == 6
    assert mine.document["summary"]["gate"]["broken"] is False
    text = (mine.path / "pytest.xml").read_text()
    assert 'failures="0"' in text
    assert 'message="waived until 2099-01-31: moved next month"' in text
    assert "2 of 3 resources waived" in text


def test_what_part_of_the_rows_fails_is_all_that_pytest_tells(mine):
    waivers = write(mine, "waivers", entry("mine.rows", "all", resource="b"))
    result = mine.run(waivers, "--audit-control=mine.rows", "--tb=long", "-rf")
    result.stdout.fnmatch_lines(["FAILED *test_rows[[]alpha[]]*1 of 3 resources fail*"])
    result.stdout.no_fnmatch_line("*2 of 3 resources fail*")


def test_only_a_failure_is_waived(project):
    project.check(
        """
        @pytest.mark.control("x.error")
        def test_error(host):
            raise OSError("gone")

        @pytest.mark.control("x.rows")
        def test_rows(host, audit):
            with audit.resource("a"):
                assert False
            with audit.resource("b"):
                audit.cannot_assess("denied")

        @pytest.fixture
        def late(host):
            yield
            raise OSError("disk gone")

        @pytest.mark.control("x.late")
        def test_late(late):
            assert False

        @pytest.mark.control("x.marked")
        @pytest.mark.xfail(reason="known")
        def test_marked(host):
            assert False

        @pytest.mark.control("x.strict")
        @pytest.mark.xfail(reason="gone by now", strict=True)
        def test_strict(host):
            assert True

        @pytest.mark.control("x.stopped")
        def test_stopped(host, audit):
            with audit.resource("a"):
                assert False
            assert False, "stopped"
        """
    )
    names = ("error", "rows", "late", "marked", "strict")
    waivers = [entry(f"x.{name}", "all") for name in names]
    waivers += [entry("x.stopped", "all", resource="a")]
    project.run(write(project, "waivers", *waivers), "--audit-target=alpha")
    assert {name: verdict for (_, name), verdict in project.verdicts().items()} == {
        "test_error": "error",
        "test_rows[a]": "waived",
        "test_rows[b]": "error",
        "test_late": "error",
        "test_marked": "waived",
        "test_strict": "fail",
        "test_stopped[a]": "waived",
        "test_stopped": "fail",
    }
    by = {row["check"].rpartition("::")[2]: row["waiver"] for row in project.document["results"]}
    assert by["test_marked"]["by"] == "xfail marker"
    assert by["test_late"] is None


def test_last_failed_does_not_come_back_to_a_waived_failure(mine):
    mine.check("def test_other(host):\n    assert False\n", "test_other.py")
    waivers = write(mine, "waivers", entry("mine.plain", "all"), entry("mine.rows", "all"))
    run = ["--audit-report=json=out.json", "--audit-target=alpha", waivers]
    assert mine.pytester.runpytest_subprocess(*run).ret == 1
    result = mine.pytester.runpytest_subprocess(*run, "--lf")
    assert mine.verdicts() == {("alpha", "test_other"): "fail"}
    assert result.ret == 1


def test_a_person_answers_a_manual_control(mine):
    mine.inventory(
        "version: 1\nhosts: {" + ", ".join(f"{n}: {{connection: local}}" for n in "abcde") + "}\n"
    )
    answers = [
        answer("a"),
        answer("b", "fail"),
        answer("c", "not_applicable"),
        answer("d", valid_until="2026-01-03 UTC"),
        answer("e", "fail"),
    ]
    result = mine.run(
        write(mine, "attestations", *answers),
        write(mine, "waivers", entry("mine.person", "e")),
        "--audit-control=mine.person",
        "-rA",
    )
    jsonschema.validate(mine.document, SCHEMA)
    rows = {row["target"]: row for row in mine.document["results"]}
    verdicts = {name: row["verdict"] for name, row in rows.items()}
    assert verdicts == {
        "a": "pass",
        "b": "fail",
        "c": "not_applicable",
        "d": "manual",
        "e": "waived",
    }
    assert rows["a"]["attestation"]["by"] == "c.ortiz"
    assert rows["a"]["message"].startswith(
        "c.ortiz said pass on 2026-01-02, which holds until 2099"
    )
    assert rows["d"]["attestation"]["expired"] is True
    assert rows["d"]["message"].startswith("a person must judge this again")
    assert rows["e"]["waiver"]["raw"] == "fail"
    assert result.ret == 1
    told = [(state, count) for _, state, count in states(mine, "attestations")]
    assert told == [("used", 1), ("used", 1), ("used", 1), ("expired", 0), ("used", 1)]
    assert result.parseoutcomes()["failed"] == 1
    assert result.parseoutcomes()["passed"] == 1
    result.stdout.fnmatch_lines(["attestations: 4 used, 1 expired"])


def test_evidence_that_changed_makes_a_control_manual_again(mine):
    (mine.path / "sub").mkdir()
    (mine.path / "sub" / "review.txt").write_text("what was seen")
    given = answer("all") | {"evidence": {"file": "review.txt", "sha256": "0" * 64}}
    option = write(mine, "attestations", given, name="sub/answers.yaml")
    option = option.replace("=answers", "=sub/answers")
    result = mine.run(option, "--audit-gate=attestations.changed=0,fail=any")
    assert mine.row("alpha", "::test_person")["verdict"] == "manual"
    assert (
        "the evidence file review.txt has changed" in mine.row("beta", "::test_person")["message"]
    )
    assert states(mine, "attestations") == [("mine.person", "evidence changed", 0)]
    assert result.ret == 1
    result.stdout.fnmatch_lines(["gate broken: attestations.changed: 1 found, 0 allowed"])


def test_a_recording_is_a_baseline_and_its_replay_judges_the_same(mine):
    decisions = [write(mine, "waivers", *ALL), write(mine, "attestations", answer("web"))]
    mine.run("--audit-evidence=seen", *decisions)
    before = equal_parts(mine.document)
    mine.run("--audit-replay=seen", *decisions)
    assert json.dumps(equal_parts(mine.document)) == json.dumps(before)
    result = mine.run("--audit-baseline=seen", "--audit-gate=only_new,fail=1", *decisions)
    assert {row["drift"] for row in mine.document["results"]} == {"unchanged"}
    assert mine.document["drift"]["baseline"]["path"] == "seen"
    assert result.ret == 0
    chain = mine.path / "seen" / "main.chain"
    chain.write_bytes(chain.read_bytes().replace(b'"verdict":"pass"', b'"verdict":"fail"', 1))
    result = mine.run("--audit-baseline=seen", "--audit-gate=only_new", *decisions)
    assert result.ret == 4
    assert "seen: is not as it was recorded: main.chain:" in result.stderr.str()


def test_drift_and_a_gate_for_what_is_new(mine):
    mine.run()
    (mine.path / "out.json").rename(mine.path / "earlier.json")
    since = ["--audit-baseline=earlier.json", "--audit-gate=only_new"]
    result = mine.run(*since)
    assert result.ret == 0
    document = mine.document
    jsonschema.validate(document, SCHEMA)
    assert {row["drift"] for row in document["results"]} == {"unchanged"}
    assert document["drift"]["baseline"]["path"] == "earlier.json"
    result.stdout.fnmatch_lines(["since 20* (earlier.json): 0 new (0 findings), 0 fixed*"])
    result.stdout.fnmatch_lines(["gate holds: new fail: 0, error: 0"])
    mine.check(
        CHECKS.replace("assert host\n", "assert not host\n").replace("1 == 2", "1 == 1")
        + "\n    def test_more(host):\n        assert True\n",
        "test_moved.py",
    )
    (mine.path / "checks" / "test_it.py").unlink()
    result = mine.run(*since, "--audit-target=alpha", "-v")
    assert result.ret == 1
    document = mine.document
    jsonschema.validate(document, SCHEMA)
    assert {
        row["check"].rpartition("::")[2] + row["resource"]: row["drift"]
        for row in document["results"]
    } == {
        "test_plain": "fixed",
        "test_rowsa": "unchanged",
        "test_rowsb": "unchanged",
        "test_rowsc": "unchanged",
        "test_person": "unchanged",
        "test_good": "new",
        "test_more": "new",
    }
    counts = {"new": 2, "fixed": 1, "unchanged": 4, "changed": 0, "gone": 6}
    assert document["drift"]["counts"] == counts
    assert {gone["target"] for gone in document["drift"]["gone"]} == {"beta"}
    result.stdout.fnmatch_lines(
        [
            "since *: 2 new (1 finding), 1 fixed, 0 changed, 4 unchanged, 6 gone",
            "  new * alpha * mine.good * fail: *",
            "  fixed * alpha * mine.plain * pass*",
            "  gone * beta *",
            "gate broken: new fail: 1 found, 0 allowed",
        ]
    )


@pytest.mark.parametrize(
    ("gate", "code", "line"),
    [
        ("fail=6", 0, "gate holds: fail: 6, error: 0"),
        ("fail.high=1", 1, "gate broken: fail.high: 2 found, 1 allowed"),
        ("fail.critical=0,manual=1", 1, "gate broken: manual: 2 found, 1 allowed"),
        ("gate.yaml", 1, "gate broken: fail.low: 4 found, 3 allowed (and 1 more rule)"),
    ],
)
def test_a_gate_decides_the_exit_code(mine, gate, code, line):
    (mine.path / "gate.yaml").write_text(
        "version: 1\nfail: {high: 2, low: 3}\ncompliance: {min: 90}\n"
    )
    result = mine.run(f"--audit-gate={gate}")
    assert result.ret == code
    result.stdout.fnmatch_lines([line])
    found = mine.document["summary"]["gate"]
    assert found["source"] == gate
    assert found["broken"] == bool(code)
    assert mine.document["run"]["exit_code"] == code


def test_what_could_not_be_assessed_has_its_own_exit_code(project):
    project.check("def test_x(host):\n    1 / 0\ndef test_y(host):\n    assert False\n")
    assert project.run("--audit-gate=fail=9", "--audit-target=alpha").ret == 10
    assert project.run("--audit-gate=fail=9,error=1", "--audit-target=alpha").ret == 0


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("def test_other():\n    assert False\n", "tests that are no checks: 1 failed"),
        ("import there_is_no_such_module\n", "could not be collected: checks/test_other.py"),
    ],
)
def test_no_gate_covers_what_is_no_check(mine, text, rule):
    mine.check(text, "test_other.py")
    result = mine.run("--audit-gate=fail=any,error=any", "--continue-on-collection-errors")
    assert result.ret == 1
    assert mine.document["summary"]["gate"]["rule"] == rule
    result.stdout.fnmatch_lines([f"gate broken: {rule}"])


def test_waivers_that_nobody_needs_can_break_the_gate(mine):
    waivers = write(mine, "waivers", *ALL)
    gate = "--audit-gate=fail=any,waivers.expired=0,waivers.unknown=0"
    result = mine.run(waivers, gate)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["gate broken: waivers.expired: 1 found, 0 allowed (and 1 more rule)"]
    )


def test_all_mistakes_are_told_before_anything_runs(mine):
    write(mine, "waivers", entry("mine.*", "web") | {"justificaton": "x"})
    result = mine.run(
        "--audit-waivers=waivers.yaml",
        "--audit-attestations=none.yaml",
        "--audit-baseline=inventory.yaml",
        "--audit-gate=fial=0",
    )
    assert result.ret == 4
    assert not (mine.path / "out.json").exists()
    text = result.stderr.str()
    for said in (
        "waivers.yaml:11:4: waivers[0]: unknown key 'justificaton'. Did you mean 'justification'?",
        "waivers[0].control: expected the id of one control",
        "none.yaml: no such file",
        "inventory.yaml:1:1: is no whole result file",
        "--audit-gate: unknown rule 'fial'. Did you mean 'fail'?",
    ):
        assert said in text
    assert "Traceback" not in text


def test_two_waivers_for_one_control_and_target_are_refused(mine):
    waivers = write(mine, "waivers", entry("mine.plain", "web"), entry("mine.plain", "all"))
    result = mine.run(waivers)
    assert result.ret == 4
    text = result.stderr.str()
    assert (
        "waivers.yaml:12:3: waivers[1]: waivers.yaml:4 waives mine.plain on alpha already" in text
    )


def test_settings_start_from_the_root_folder(mine):
    write(mine, "waivers", entry("mine.plain", "all"), entry("mine.rows", "all"))
    write(mine, "attestations", answer("all"))
    mine.run("--audit-report=json=earlier.json")
    settings = """\
        [pytest]
        audit_waivers = waivers.yaml
        audit_attestations = attestations.yaml
        audit_baseline = earlier.json
        audit_gate = waived=5
        audit_expiring_days = 99999
        """
    (mine.path / "pytest.ini").write_text(textwrap.dedent(settings))
    result = mine.pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "--rootdir=.", "-c", "pytest.ini",
        "--audit-report=json=out.json", "checks",
    )  # fmt: skip
    assert result.ret == 1
    assert mine.document["summary"]["gate"]["rule"] == "waived: 6 found, 5 allowed"
    assert mine.document["drift"]["counts"]["changed"] == 8
    assert {one["expiring"] for one in mine.document["waivers"]} == {True}
    result = mine.pytester.runpytest_subprocess("-o", "audit_expiring_days=soon", "checks")
    assert result.ret == 4
    assert "audit_expiring_days: expected a number of days, found 'soon'" in result.stderr.str()


def test_equal_findings_are_equal_bytes_whatever_ran_them(mine):
    options = [write(mine, "waivers", *ALL), write(mine, "attestations", answer("web"))]
    mine.run(*options)
    serial = equal_parts(mine.document)
    mine.run(*options, "-n2")
    assert json.dumps(equal_parts(mine.document)) == json.dumps(serial)
