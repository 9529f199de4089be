"""A run that was to audit something and audited nothing is never green."""

from __future__ import annotations

import pytest

PLAIN = "def test_plain():\n    assert True\n"
CHECK = "def test_x(host):\n    assert host\n"
EMPTY = """
@pytest.mark.parametrize("port", [])
def test_empty(host, port):
    assert port

@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.parametrize("port", [])
def test_stacked(host, name, port):
    assert port

@pytest.fixture(params=[])
def each(request):
    return request.param

def test_fixture(host, each):
    assert each
"""


@pytest.mark.parametrize(("mark", "lanes"), [("skip", "auto"), ("xfail", "0")])
def test_an_empty_parametrization_is_an_error(project, mark, lanes):
    project.check(EMPTY)
    setting = f"empty_parameter_set_mark={mark}"
    run = project.run("-o", setting, "--audit-target=alpha", f"--audit-lanes={lanes}")
    assert run.ret == 10
    assert project.verdicts() == {
        ("alpha", "test_empty"): "error",
        ("alpha", "test_fixture"): "error",
        ("alpha", "test_stacked[a]"): "error",
        ("alpha", "test_stacked[b]"): "error",
    }
    row = project.row("alpha", "::test_empty")
    assert row["message"] == "its parametrization is empty: there is no value for port"
    assert row["params"] == {}


@pytest.mark.parametrize(
    ("files", "arguments", "code"),
    [
        ([PLAIN], [], 5),
        ([PLAIN], ["-n1"], 5),
        ([PLAIN, CHECK], ["-k", "plain"], 5),
        ([CHECK], ["-k", "nothing"], 5),
        ([CHECK], ["--audit-severity=critical"], 5),
        (["@pytest.mark.targets('db')\n" + CHECK], ["--audit-target=web"], 5),
        ([], ["--audit-target=web"], 5),
        ([CHECK], ["--audit-control=no.such"], 4),
        ([CHECK], ["--audit-framework=none"], 4),
        ([CHECK], ["--audit-target=no-such"], 4),
        ([PLAIN, CHECK], [], 0),
    ],
)
def test_a_run_with_nothing_to_audit_is_not_green(project, files, arguments, code):
    for number, text in enumerate(files):
        project.check(text, f"test_{number}.py")
    result = project.run(*arguments)
    assert result.ret == code
    if code == 5:
        line = "nothing was audited: no check was left to carry out (*--audit-report)"
        result.stdout.fnmatch_lines([line])
    else:
        result.stdout.no_fnmatch_line("*nothing was audited*")


@pytest.mark.parametrize("workers", ["0", "1"])
def test_checks_that_are_skipped_as_a_whole_break_the_gate(project, workers):
    project.check("pytest.importorskip('no_such')\n" + CHECK, "test_lost.py")
    project.check("pytest.importorskip('no_such')\n" + PLAIN, "test_plain.py")
    project.check("pytestmark = pytest.mark.skip\n" + CHECK, "test_kept.py")
    project.check(CHECK)
    result = project.run("--audit-gate=fail=any", "-n", workers)
    assert result.ret == 1
    rule = project.document["summary"]["gate"]["rule"]
    assert rule == (
        "could not be collected: checks/test_lost.py (skipped as a whole; "
        "'pytestmark = pytest.mark.skip' keeps its checks in the report)"
    )


def test_an_empty_group_is_no_target(project):
    project.inventory("version: 1\ngroups: {web: {}}\nhosts: {alpha: {connection: local}}\n")
    project.check(CHECK)
    result = project.run("--audit-target=web")
    assert result.ret == 4
    assert "target expression 'web': 'web' has no targets" in result.stderr.str()


@pytest.mark.parametrize("arguments", [["--collect-only"], ["--setup-plan"]])
def test_who_only_looks_wants_nothing_audited(project, arguments):
    project.check(PLAIN)
    assert project.run(*arguments).ret == 0


def test_who_asks_for_no_audit_needs_no_check(project):
    project.check(PLAIN)
    assert project.pytester.runpytest_subprocess("-p", "no:cacheprovider").ret == 0


def test_a_duplicate_id_and_a_duplicate_key_run_nothing(project):
    marked = '@pytest.mark.control("mine.same")\n'
    project.check(f"{marked}def test_a(host):\n    assert host\n")
    project.check(f"{marked}def test_b(host):\n    assert host\n", "test_b.py")
    result = project.run()
    assert result.ret == 4
    assert "duplicate control id 'mine.same'" in result.stderr.str()
    (project.path / "waivers.yaml").write_text("version: 1\nwaivers: []\nwaivers: []\n")
    result = project.run("--audit-waivers=waivers.yaml")
    assert result.ret == 4
    assert "waivers.yaml:3:1: duplicate key 'waivers', first on line 2" in result.stderr.str()


def test_a_mistyped_marker_is_told(project):
    marked = "@pytest.mark.targets('alhpa')\n" + CHECK
    other = "@pytest.mark.targets('other')\ndef test_y(host):\n    assert host\n"
    project.check(marked + other)
    project.check(CHECK, "test_more.py")
    result = project.run()
    line = "*targets('alhpa'): there is no 'alhpa' in the inventory*Did you mean 'alpha'?"
    result.stdout.fnmatch_lines([line])
    result.stdout.no_fnmatch_line("*'other'*")
    project.check("@pytest.mark.targets(kind='shh')\n" + CHECK)
    result = project.run()
    assert result.ret == 4
    assert "kind: expected one of host, local, ssh, aws, http, network" in result.stderr.str()
