"""Expressions and inputs that name no control, and runs that are told to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lab.sshd import wait_until

CONTROLS = """
    import logging

    @pytest.mark.control("mine.passwd", frameworks={"cis-debian12": ["5.1.1"]}, inputs={"n": 1})
    def test_one(host):
        assert True
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--audit-control=mine.paswd"], "mine.paswd: no collected check judges it. Did you mean"),
        (["--audit-control=mine.*", "--audit-control=x"], "--audit-control=x: no collected check"),
        (["--audit-framework=cis-debian13"], "Did you mean 'cis-debian12'?"),
        (["--audit-framework=pci"], "no collected check maps to it. There are: cis-debian12"),
        (["--audit-framework=cis-debian12:9.*"], "cis-debian12:9.*: no collected check maps"),
    ],
)
@pytest.mark.parametrize("workers", [[], ["-n1"]])
def test_a_choice_that_matches_nothing_is_a_usage_error(project, arguments, message, workers):
    project.check(CONTROLS)
    result = project.run(*arguments, *workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stdout.str() + result.stderr.str()


def test_inputs_of_a_mistyped_control_are_remarked(project):
    project.inventory(
        "version: 1\nhosts: {a: {connection: local}}\n"
        "inputs:\n  mine.paswd: {n: 2}\n  quite.different: {n: 2}\n"
    )
    project.check(CONTROLS)
    result = project.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["inputs: *'mine.paswd'*Did you mean 'mine.passwd'?"])
    assert "quite.different" not in result.stdout.str()


def test_a_target_that_is_missed_for_want_of_an_inventory_says_so(project):
    (project.path / "inventory.yaml").unlink()
    project.check(CONTROLS)
    result = project.run("--audit-target=web")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: *'web'*no inventory was read: there is no *inventory.yaml"]
    )


def test_the_log_of_a_library_holds_no_secret(project, monkeypatch):
    monkeypatch.setenv("THE_SECRET", "hunter2hunter2")
    project.check(
        """
        import logging
        from pytest_sysaudit.hooks.keys import state_of

        def test_x(host, request, caplog):
            state_of(request.config).secrets.get("env:THE_SECRET", purpose="x", base=request.path)
            logging.getLogger("somebody.else").warning("sent %s", "hunter2hunter2")
            logging.getLogger("somebody.else").warning("plain %s", "word")
            assert caplog.records[1].args == ("word",)
            assert False
        """
    )
    result = project.run("-o", "log_cli=true", "--log-file=x.log", "--audit-target=alpha")
    texts = [result.stdout.str(), (project.path / "x.log").read_text()]
    assert all("sent [redacted]" in text for text in texts)
    assert not any("hunter2" in text for text in texts)


def test_sigterm_ends_a_run_as_ctrl_c_does(project):
    project.inventory("version: 1\nhttp: {shop: {embedded: true}}\n")
    project.check(
        """
        import pathlib, time

        def test_1(http_client):
            assert http_client.get("/").status_code == 200

        def test_2(http_client, audit):
            pathlib.Path("reached").touch()
            time.sleep(60)
        """
    )
    environment = {**os.environ, "TMPDIR": str(project.path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--audit-report=json=out.json"],
        cwd=project.path,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    wait_until((project.path / "reached").exists, 60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == pytest.ExitCode.INTERRUPTED
    assert project.verdicts() == {("shop", "test_1"): "pass", ("shop", "test_2"): "error"}
    assert list(project.path.glob("sysaudit-run-*")) == []


def test_the_folder_of_a_killed_run_goes_with_the_next(project):
    project.inventory("version: 1\nhttp: {shop: {embedded: true}}\n")
    project.check(
        "def test_x(http_client):\n"
        "    import pathlib, time\n"
        "    pathlib.Path('reached').touch()\n"
        "    time.sleep(0 if pathlib.Path('second').exists() else 60)\n"
        "    assert True\n"
    )
    environment = {**os.environ, "TMPDIR": str(project.path)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    options = {"cwd": project.path, "env": environment, "stdout": subprocess.DEVNULL}
    process = subprocess.Popen(command, **options)
    wait_until((project.path / "reached").exists, 60)
    process.kill()
    process.wait(60)
    (left,) = project.path.glob("sysaudit-run-*")
    (project.path / "second").touch()
    assert subprocess.run(command, check=False, **options).returncode == 0
    assert not left.exists()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a read-only folder needs root")
def test_what_is_rescued_is_for_the_user_alone(project):
    folder = project.path / "fixed"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], check=True)
    try:
        project.check(CONTROLS)
        result = project.run("--audit-report=json=fixed/out.json", "--audit-target=alpha")
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    kept = next(line for line in result.outlines if "the results are kept in" in line)
    path = Path(kept.rpartition(" ")[2])
    assert path.stat().st_mode & 0o077 == 0
    assert json.loads(path.read_text())["results"]
    path.unlink()


def test_reasons_and_properties_hold_no_secret(project, monkeypatch):
    monkeypatch.setenv("THE_SECRET", "hunter2hunter2")
    project.check(
        """
        import os
        from pytest_sysaudit.hooks.keys import state_of

        @pytest.fixture(autouse=True)
        def learn(request):
            state_of(request.config).secrets.get("env:THE_SECRET", purpose="x", base=request.path)

        def test_skips(host):
            pytest.skip("because of " + os.environ["THE_SECRET"])

        def test_xfails(host):
            pytest.xfail("because of " + os.environ["THE_SECRET"])

        def test_tells(host, record_property):
            record_property("key", os.environ["THE_SECRET"])
            assert host
        """
    )
    result = project.run("-v", "-rA", "--junitxml=plain.xml", "--audit-target=alpha", "-n0")
    assert sorted(project.verdicts().values()) == ["not_applicable", "pass", "waived"]
    texts = [result.stdout.str(), (project.path / "plain.xml").read_text()]
    texts.append((project.path / "out.json").read_text())
    assert [text for text in texts if "hunter2" in text] == []
    assert "because of [redacted]" in texts[0]
