"""A run as a whole: what it shows, what it writes, how it ends when things go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab.report_sample import html_columns

CHECKS = """
    @pytest.mark.control("a.good")
    def test_good(host):
        assert True

    @pytest.mark.control("a.bad", severity="high")
    def test_bad(host):
        \"\"\"The world is good.\"\"\"
        assert 1 == 2, "it is not"
"""


def test_the_terminal_follows_targets_and_ends_with_short_reasons(project):
    project.check(CHECKS)
    result = project.run("--audit-lanes=0")
    text = result.stdout.str()
    result.stdout.fnmatch_lines(["alpha *.F*", "beta *.F*", "*= audit =*", "*a.bad*it is not*"])
    assert "FAILURES" not in text
    assert "Traceback" not in text
    result.stdout.fnmatch_lines(["gate broken: fail: 2 found, 0 allowed", "json report: out.json"])


def test_a_traceback_is_there_for_who_asks(project):
    project.check(CHECKS)
    result = project.run("--tb=short")
    result.stdout.fnmatch_lines(["*= FAILURES =*", "E   AssertionError: it is not"])


def test_collect_only_writes_nothing(project):
    project.check(CHECKS)
    assert project.run("--collect-only").ret == 0
    assert not (project.path / "out.json").exists()


def test_other_tests_in_the_run_still_count(project):
    project.check(CHECKS + "\n    def test_plain():\n        assert 1 == 2\n")
    result = project.run("--audit-control=a.good")
    result.assert_outcomes(passed=2, failed=1, deselected=2)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*= FAILURES =*"])


def test_the_run_block_says_who_when_and_with_what(project):
    project.check(CHECKS)
    project.run()
    run = project.document["run"]
    assert run["operator"].partition("@")[0]
    assert run["started"] < run["ended"]
    assert "--audit-report=json=out.json" in run["command_line"]
    assert len(run["inventory_sha256"]) == 64
    assert run["versions"]["pytest"] == pytest.__version__


@pytest.mark.parametrize("spec", ["jsn=x", "json="])
def test_a_wrong_report_is_a_usage_error(project, spec):
    project.check(CHECKS)
    result = project.run(f"--audit-report={spec}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *report*"])


def test_reports_can_stand_in_the_settings(project):
    (project.path / "pytest.ini").write_text("[pytest]\naudit_report =\n    json=from_ini.json\n")
    project.check(CHECKS)
    project.pytester.runpytest_subprocess()
    assert (project.path / "from_ini.json").exists()


def test_a_report_that_cannot_be_written_fails_the_run_and_loses_nothing(project, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(project.path))  # where the results are kept then
    project.check("def test_x(host):\n    assert True\n")
    (project.path / "file").write_text("")
    result = project.run("--audit-report=junit=file/junit.xml")
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["report not written: *file/junit.xml*"])
    assert "the results are kept in" in result.stdout.str()
    assert len(project.document["results"]) == 2


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_told_and_nothing_is_lost(project):
    disk = project.path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], check=True)
    try:
        (disk / "fill").write_bytes(b"x" * 12288)
        project.check(CHECKS)
        result = project.run("--audit-report=html=disk/report.html")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["report not written: *report.html*No space left*"])
    kept = next(line for line in result.outlines if "the results are kept in" in line)
    path = Path(kept.rpartition(" ")[2])
    assert '"a.bad"' in path.read_text()
    path.unlink()


def test_ctrl_c_keeps_what_was_found(project):
    project.check(
        """
        import pathlib, time

        def test_1(host):
            assert False, "found before"

        def test_2(host):
            pathlib.Path("reached").touch()
            time.sleep(60)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--audit-report=json=out.json", "--audit-target=alpha"],
        cwd=project.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    deadline = time.monotonic() + 60
    while not (project.path / "reached").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output.decode()
    assert project.verdicts() == {("alpha", "test_1"): "fail", ("alpha", "test_2"): "error"}
    assert "the run ended before" in project.row("alpha", "::test_2")["message"]


def test_no_secret_is_shown_logged_or_stored(project, monkeypatch):
    monkeypatch.setenv("THE_SECRET", "hunter2hunter2")
    project.inventory(
        "version: 1\nhosts:\n  a:\n    connection: local\n"
        "    become: {user: nobody, password: env:THE_SECRET}\n"
    )
    project.check(
        """
        import logging, os
        from pytest_sysaudit.hooks.keys import state_of

        def test_x(host, audit, request):
            secrets = state_of(request.config).secrets
            secrets.get("env:THE_SECRET", purpose="test", base=request.path)
            secret = os.environ["THE_SECRET"]
            logging.getLogger("pytest_sysaudit.test").warning("password is %s", secret)
            print("printed", secret)
            audit.observe("seen", {"key": secret})
            assert secret == "", f"it was {secret}"
        """
    )
    for arguments in ([], ["--tb=long", "-l"], ["--tb=short", "-o", "log_cli=true"]):
        result = project.run("--audit-report=html=r.html", "--audit-report=junit=r.xml", *arguments)
        assert result.ret == 1
        texts = [result.stdout.str(), result.stderr.str()]
        texts += [(project.path / name).read_text() for name in ("out.json", "r.html", "r.xml")]
        texts.append(json.dumps(html_columns((project.path / "r.html").read_bytes())))
        assert [text for text in texts if "hunter2hunter2" in text] == []
    assert project.row("a", "::test_x")["observed"] == {"seen": {"key": "[redacted]"}}


def test_a_plugin_can_add_reports_and_watch_results(project):
    (project.path / "conftest.py").write_text(
        "def pytest_sysaudit_reports():\n"
        "    return {'count': lambda d, path: path.write_text(str(len(d['results'])))}\n"
        "def pytest_sysaudit_result(result):\n"
        "    print('SAW', result.control, result.verdict)\n"
    )
    project.check(CHECKS)
    result = project.run("--audit-report=count=n.txt", "-s")
    assert (project.path / "n.txt").read_text() == "4"
    assert result.stdout.str().count("SAW a.bad fail") == 2


def test_a_plugin_can_bring_the_inventory(project):
    (project.path / "inventory.yaml").unlink()
    (project.path / "conftest.py").write_text(
        "from pytest_sysaudit.inventory.load import LoadedInventory\n"
        "def pytest_sysaudit_inventory(config):\n"
        "    return LoadedInventory.implicit()\n"
    )
    project.check("@pytest.mark.control('x')\ndef test_x(host):\n    assert True\n")
    assert project.run().ret == 0
    assert project.verdicts() == {("localhost", "test_x"): "pass"}


def test_a_secret_is_never_asked_for_without_a_terminal(project):
    project.inventory(
        "version: 1\nhosts:\n  a:\n    connection: local\n"
        "    become: {user: nobody, password: prompt}\n"
    )
    project.check(
        """
        from pytest_sysaudit.hooks.keys import state_of

        def test_x(host, request):
            state_of(request.config).secrets.get("prompt", purpose="sudo", base=request.path)
            assert False, "never reached"
        """
    )
    result = project.run()
    assert result.ret == 10
    row = project.row("a", "::test_x")
    assert "terminal" in row["message"]
    assert "env:" in row["message"]


def test_a_secret_is_asked_for_once_on_a_terminal_while_pytest_captures(project):
    import pty

    project.inventory("version: 1\nhosts:\n  a: {connection: local}\n  b: {connection: local}\n")
    project.check(
        """
        from pytest_sysaudit.hooks.keys import state_of

        def test_x(host, audit, request):
            secrets = state_of(request.config).secrets
            found = secrets.get("prompt", purpose="the vault", base=request.path)
            assert found == "open sesame"
        """
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.path)
        arguments = ["-m", "pytest", "-p", "no:cacheprovider", "--audit-report=json=out.json"]
        os.execv(sys.executable, [sys.executable, *arguments])
    shown, asked = b"", 0
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        shown += data
        if shown.count(b"the vault") > asked and shown.rstrip().endswith(b":"):
            asked += 1
            os.write(terminal, b"open sesame\n")
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, shown.decode()
    assert asked == 1
    assert b"open sesame" not in shown


@pytest.mark.parametrize(
    ("arguments", "code", "verdict"),
    [([], 2, "error"), (["--continue-on-collection-errors"], 1, "pass"), (["-n2"], 1, "pass")],
)
def test_a_file_that_cannot_be_collected_is_never_green(project, arguments, code, verdict):
    project.check("def test_x(host):\n    assert True\n")
    project.check("import there_is_no_such_module\n", "test_broken.py")
    result = project.run("--audit-target=alpha", *arguments)
    assert result.ret == code
    assert project.verdicts() == {("alpha", "test_x"): verdict}
    if code == 1:
        rule = "could not be collected: checks/test_broken.py"
        gate = project.document["summary"]["gate"]
        assert (gate["broken"], gate["rule"]) == (True, rule)


@pytest.mark.parametrize(
    "arguments", ["--setup-plan", "--setup-only", "--fixtures", "--fixtures-per-test"]
)
def test_what_is_only_shown_is_not_judged(project, refused_port, arguments):
    project.inventory(f"version: 1\nhosts: {{x: {{address: 127.0.0.1, port: {refused_port}}}}}\n")
    project.check("def test_x(host):\n    assert True\n")
    result = project.run(arguments)
    result.stdout.no_fnmatch_line("*= audit =*")
    assert not (project.path / "out.json").exists()
    assert result.ret == (1 if arguments == "--setup-only" else 0)


@pytest.mark.parametrize("plugin", ["terminal", "capture", "logging", "junitxml", "subtests"])
def test_pytest_without_one_of_its_own_plugins(project, plugin):
    project.check(CHECKS)
    result = project.run("-p", f"no:{plugin}", "--audit-target=alpha")
    assert result.ret == 1
    assert project.verdicts() == {("alpha", "test_good"): "pass", ("alpha", "test_bad"): "fail"}


def test_an_error_that_cannot_tell_its_text_ends_its_own_check_only(project):
    project.check(
        """
        class Odd(Exception):
            def __str__(self):
                raise ValueError("no text")

        class OddAssertion(Odd, AssertionError):
            pass

        def test_1(host):
            raise Odd

        def test_2(host):
            raise OddAssertion

        def test_3(host):
            assert True
        """
    )
    assert project.run("--audit-target=alpha").ret == 1
    verdicts = {name: verdict for (_, name), verdict in project.verdicts().items()}
    assert verdicts == {"test_1": "error", "test_2": "fail", "test_3": "pass"}
    assert (
        "Odd: (its text cannot be had: ValueError)" in project.row("alpha", "::test_1")["message"]
    )
