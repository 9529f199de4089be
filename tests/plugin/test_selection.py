"""Which checks run on which targets."""

from __future__ import annotations

import pytest

CONTROLS = """
    @pytest.mark.control("a.one", severity="low", frameworks={"cis-debian12": ["5.1.1"]})
    def test_one(host):
        assert True

    @pytest.mark.control("b.two", severity="high", frameworks={"cis-debian12": ["5.2.1"]})
    def test_two(host):
        assert True
"""


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], {"alpha", "beta"}),
        (["--audit-target=alpha"], {"alpha"}),
        (["--audit-target=web"], {"alpha"}),
        (["--audit-target=*eta"], {"beta"}),
        (["--audit-target=kind:local"], {"alpha", "beta"}),
        (["--audit-target=all:!web"], {"beta"}),
        (["--audit-target=alpha", "--audit-target=db"], {"alpha", "beta"}),
        (["-k", "beta"], {"beta"}),
    ],
)
def test_targets_are_chosen_by_expression(project, arguments, names):
    project.check("def test_x(host):\n    assert True\n")
    assert project.run(*arguments).ret == 0
    assert {target for target, _ in project.verdicts()} == names


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--audit-control=a.*"], {"test_one"}),
        (["--audit-control=a.one", "--audit-control=b.two"], {"test_one", "test_two"}),
        (["--audit-severity=high"], {"test_two"}),
        (["--audit-framework=cis-debian12"], {"test_one", "test_two"}),
        (["--audit-framework=cis-debian12:5.2.*"], {"test_two"}),
    ],
)
def test_controls_are_chosen(project, arguments, names):
    project.check(CONTROLS)
    assert project.run("--audit-target=alpha", *arguments).ret == 0
    assert {name for _, name in project.verdicts()} == names


def test_an_expression_that_matches_nothing_is_a_usage_error(project):
    project.check("def test_x(host):\n    assert True\n")
    result = project.run("--audit-target=alhpa")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *alhpa*alpha*"])
    result.stderr.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize("arguments", [[], ["--audit-target=alpha"], ["-n2"]])
def test_a_broken_inventory_names_every_place_and_ends_with_4(project, arguments):
    project.inventory("version: 1\nhosts:\n  a: {adress: x}\n  b: {port: no}\n")
    project.check("def test_x(host):\n    assert True\n")
    result = project.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert "inventory.yaml:3:7: hosts.a: unknown key 'adress'. Did you mean 'address'?" in text
    assert "inventory.yaml:4:" in text
    assert "INTERNALERROR" not in text
    assert "Traceback" not in text


def test_a_check_chooses_its_targets_by_marker(project):
    project.check(
        """
        @pytest.mark.targets("web")
        def test_web(host):
            assert host.target.vars["colour"] == "red"

        @pytest.mark.targets(kind="ssh")
        def test_ssh(host):
            assert True
        """
    )
    result = project.run()
    assert project.verdicts() == {("alpha", "test_web"): "pass"}
    assert result.ret == 0
    result.assert_outcomes(passed=1, deselected=1)


def test_a_check_that_asks_only_for_target_runs_on_each(project):
    project.check(
        """
        def test_name(target):
            assert target.name in ("alpha", "beta")
        """
    )
    project.run()
    assert project.verdicts() == {("alpha", "test_name"): "pass", ("beta", "test_name"): "pass"}


def test_an_intrusive_check_needs_leave(project):
    project.check("@pytest.mark.intrusive\ndef test_x(host):\n    assert True\n")
    project.run("--audit-target=alpha").assert_outcomes(deselected=1)
    project.run("--audit-target=alpha", "--audit-allow-intrusive").assert_outcomes(passed=1)


def test_another_platform_is_not_applicable(project):
    project.check(
        """
        @pytest.mark.platform("linux", distribution=["plan9"])
        def test_x(host):
            assert False
        """
    )
    assert project.run("--audit-target=alpha").ret == 0
    row = project.row("alpha", "::test_x")
    assert row["verdict"] == "not_applicable"
    assert "for plan9; this is" in row["message"]


def test_a_duplicate_control_id_is_a_usage_error(project):
    project.check('@pytest.mark.control("a.b")\ndef test_1(host):\n    assert True\n', "test_a.py")
    project.check('@pytest.mark.control("a.b")\ndef test_2(host):\n    assert True\n', "test_b.py")
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: duplicate control id 'a.b': *test_a.py* and *test_b.py*"])


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ('"x", severity="hihg"', "'hihg' is not a valid Severity"),
        ('"x", severty="high"', "unexpected keyword argument 'severty'"),
    ],
)
def test_a_bad_marker_is_a_usage_error(project, marker, message):
    project.check(f"@pytest.mark.control({marker})\ndef test_1(host):\n    assert True\n")
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()


INPUTS = """
    @pytest.mark.control("a.limit", inputs={"maximum": 4})
    def test_limit(host, audit):
        assert audit.inputs.maximum == 7
"""


def test_inputs_come_from_the_inventory(project):
    project.inventory(
        "version: 1\nhosts: {a: {connection: local}}\ninputs:\n  a.limit: {maximum: 7}\n"
    )
    project.check(INPUTS)
    assert project.run().ret == 0
    assert "maximum = 7" in project.row("a", "::test_limit")["expected"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{maximun: 7}", "inventory.yaml:4:13: inputs.a.limit.maximun: unknown input 'maximun'"),
        ("{maximum: many}", "inputs.a.limit.maximum: expected a whole number, found a text"),
    ],
)
def test_a_wrong_input_is_a_usage_error(project, value, message):
    project.inventory(
        f"version: 1\nhosts: {{a: {{connection: local}}}}\ninputs:\n  a.limit: {value}\n"
    )
    project.check(INPUTS)
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()


def test_without_an_inventory_this_machine_is_audited(project):
    (project.path / "inventory.yaml").unlink()
    project.check(
        '@pytest.mark.control("a")\ndef test_x(host):\n    assert host.run("true").rc == 0\n'
    )
    result = project.run()
    assert result.ret == 0
    assert project.verdicts() == {("localhost", "test_x"): "pass"}
    result.stdout.fnmatch_lines([f"there is no {project.path}/inventory.yaml: only this machine*"])


def test_with_an_inventory_nothing_is_said_of_a_missing_one(project):
    project.inventory("version: 1\nhosts: {localhost: {connection: local}}\n")
    project.check("def test_x(host):\n    assert host.run('true').rc == 0\n")
    result = project.run()
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*only this machine*")


def test_local_host_is_this_machine(project):
    project.check(
        """
        import platform

        def test_x(local_host):
            assert local_host.check_output("uname -r") == platform.release()
        """
    )
    assert project.run().ret == 0
    assert project.verdicts() == {("localhost", "test_x"): "pass"}


def test_title_why_and_fix_come_from_the_docstring(project):
    project.check(
        '''
        @pytest.mark.control("a.b", severity="critical", frameworks={"x": ["1.1", "1.2"]})
        def test_x(host):
            """Something holds.

            Why: it
            matters.

            Fix: do this.

            More words.
            """
            assert True
        '''
    )
    project.run("--audit-target=alpha")
    (control,) = project.document["controls"]
    assert control["title"] == "Something holds."
    assert control["rationale"] == "it matters."
    assert control["remediation"] == "do this. More words."
    assert control["frameworks"] == {"x": ["1.1", "1.2"]}
    assert control["severity"] == "critical"
    assert control["source"] == "test_it.py::test_x"
    assert len(control["source_sha256"]) == 64
