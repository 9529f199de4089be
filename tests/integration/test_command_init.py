"""`sysaudit init`: what it writes runs at once, is valid, and harms nothing that is there."""

from __future__ import annotations

import errno
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from lab.command import Command, shell
from lab.mortal import mortal

from pytest_sysaudit.command.files import write_new
from pytest_sysaudit.inventory.load import load

FILES = {
    "inventory.yaml",
    "checks/test_first.py",
    ".github/workflows/audit.yml",
    ".gitlab-ci.yml",
    "pytest.ini",
}


@pytest.fixture
def command(capsys):
    return Command(capsys)


def files(folder):
    found = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in found}


def test_what_it_writes_runs_at_once(tmp_path):
    ended = shell("sysaudit init mine && cd mine && pytest checks -p no:cacheprovider", tmp_path)
    assert ended.code == 0, ended.out + ended.err
    assert "next:  cd mine && pytest checks" in ended.out
    assert "1 target: 2 passed" in ended.out
    assert files(tmp_path / "mine") >= FILES


def test_it_runs_in_the_middle_of_another_project_too(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    line = "sysaudit init sub/mine && cd sub/mine && pytest -p no:cacheprovider"
    ended = shell(line, tmp_path)
    assert ended.code == 0, ended.out + ended.err
    assert "inventory.yaml: 1 target selected" in ended.out or "2 passed" in ended.out


def test_nothing_that_is_there_is_written_over(command, tmp_path):
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "test_first.py").write_text("# mine\n")
    (tmp_path / ".gitlab-ci.yml").symlink_to("gone.yml")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    ended = command("init", tmp_path)
    assert ended.code == 0
    assert (tmp_path / "checks" / "test_first.py").read_text() == "# mine\n"
    assert (tmp_path / ".gitlab-ci.yml").is_symlink()
    assert not (tmp_path / "gone.yml").exists()
    assert len(re.findall("^kept ", ended.out, re.MULTILINE)) == 2
    assert not (tmp_path / "pytest.ini").exists()
    assert "testpaths = checks" in ended.err
    before = {name: (tmp_path / name).read_bytes() for name in ("inventory.yaml",)}
    (tmp_path / "inventory.yaml").write_text("version: 1\n")
    ended = command("init", tmp_path, "--force")
    assert ended.code == 0
    assert (tmp_path / "inventory.yaml").read_bytes() == before["inventory.yaml"]
    assert "test_only_root" in (tmp_path / "checks" / "test_first.py").read_text()


@pytest.mark.parametrize(
    "options, left_out",
    [
        (["--ci", "none"], {".github/workflows/audit.yml", ".gitlab-ci.yml"}),
        (["--ci", "github"], {".gitlab-ci.yml"}),
        (["--ci", "gitlab"], {".github/workflows/audit.yml"}),
        (["--no-settings"], {"pytest.ini"}),
    ],
)
def test_only_what_is_wanted_is_written(command, tmp_path, options, left_out):
    assert command("init", tmp_path / "x", *options).code == 0
    assert files(tmp_path / "x") == FILES - left_out


def test_a_folder_below_the_top_of_a_repository_is_told(command, tmp_path):
    (tmp_path / ".git").mkdir()
    ended = command("init", tmp_path / "audits")
    assert f"move them to {tmp_path}" in ended.err
    assert "cd audits" in ended.err
    assert "move them" not in command("init", tmp_path).err


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/self/x"])
def test_where_nothing_can_be_written(command, tmp_path, name):
    (tmp_path / "file").write_text("x")
    ended = command("init", tmp_path / name)
    assert ended.code in (3, 4)
    assert ended.err.startswith("sysaudit: ")
    assert "Traceback" not in ended.err


def test_a_full_disk_leaves_no_half_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "x")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_new(tmp_path / "a" / "b.txt", "text")
    assert files(tmp_path) == set()


@pytest.mark.parametrize("force", [False, True])
def test_what_cannot_be_written_is_named_with_the_way_out(tmp_path, monkeypatch, force):
    def refused(*_):
        raise PermissionError(errno.EACCES, "Permission denied", ".sysaudit-0.tmp")

    monkeypatch.setattr(Path, "write_text", refused)
    with pytest.raises(PermissionError) as caught:
        write_new(tmp_path / "b.txt", "text", force=force)
    assert caught.value.filename == str(tmp_path / "b.txt")
    assert "cannot be written: Permission denied; name another place" in caught.value.strerror


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    def unknown(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", unknown)
    assert write_new(tmp_path / "b.txt", "text")
    assert not write_new(tmp_path / "b.txt", "other")
    assert (tmp_path / "b.txt").read_text() == "text"
    assert files(tmp_path) == {"b.txt"}


def test_the_inventory_is_valid_also_with_its_examples(command, tmp_path, monkeypatch):
    command("init", tmp_path)
    path = tmp_path / "inventory.yaml"
    assert [*load(path).targets] == ["here"]
    text = path.read_text()
    live = "\n".join(
        re.sub(r"^( *)# ", r"\1", line)
        for line in text.splitlines()
        if not re.match(r"# (What|`sys)|  # A host", line)
    )
    path.write_text(f"{live}\ngroups: {{web: {{}}}}\n")
    names = load(path, check_files=False).targets
    assert {"here", "web1", "payments", "shop", "dmz"} == {*names}


SCHEMAS = {
    ".github/workflows/audit.yml": "vendor.github-workflows",
    ".gitlab-ci.yml": "vendor.gitlab-ci",
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_ci_files_fit_the_published_schemas(command, tmp_path, name):
    pytest.importorskip("check_jsonschema")
    command("init", tmp_path)
    judge = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[name]]
    done = subprocess.run(
        [*judge, str(tmp_path / name)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    bad = tmp_path / "bad.yml"
    bad.write_text((tmp_path / name).read_text().replace("runs-on", "run-on").replace("image", "1"))
    if name.startswith(".github"):  # the judge can say no
        done = subprocess.run([*judge, str(bad)], capture_output=True, text=True, check=False)
        assert done.returncode != 0


def scripts(folder):
    github = yaml.safe_load((folder / ".github/workflows/audit.yml").read_text())
    gitlab = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())
    steps = github["jobs"]["audit"]["steps"]
    (run,) = [step["run"] for step in steps if "pytest checks" in step.get("run", "")]
    uploads = [step["with"] for step in steps if "upload" in step.get("uses", "")]
    assert {"sarif_file": "audit-report/results.sarif", "category": "audit"} in uploads
    assert {"name": "audit-report", "path": "audit-report"} in uploads
    assert gitlab["audit"]["artifacts"]["reports"]["junit"] == "audit-report/junit.xml"
    (line,) = [one for one in gitlab["audit"]["script"] if one.startswith("pytest")]
    return run, line


@pytest.mark.parametrize("which", [0, 1], ids=["github", "gitlab"])
def test_the_ci_jobs_write_what_they_upload(command, tmp_path, which):
    command("init", tmp_path)
    script = scripts(tmp_path)[which]
    ended = shell(f"set -e\n{script}", tmp_path, PYTEST_ADDOPTS="-p no:cacheprovider")
    assert ended.code == 0, ended.out + ended.err
    written = {path.name for path in (tmp_path / "audit-report").iterdir()}
    assert written == {"junit.xml", "results.sarif", "report.html", "results.json"}


@pytest.mark.parametrize("code", [0, 1, 10, 4])
@pytest.mark.parametrize("which", [0, 1], ids=["github", "gitlab"])
def test_the_ci_jobs_are_green_only_if_all_is_well(command, tmp_path, which, code):
    """What could not be looked at is no success; whoever wants a warning finds how to have it."""
    ended, _ = ended_with(command, tmp_path, which, code)
    assert ended.code == code
    gitlab = yaml.safe_load((tmp_path / ".gitlab-ci.yml").read_text())
    assert "allow_failure" not in gitlab["audit"]
    assert "# allow_failure: {exit_codes: 10}" in (tmp_path / ".gitlab-ci.yml").read_text()


@pytest.mark.parametrize("code, expected", [(0, 0), (1, 1), (10, 0), (4, 1)])
def test_the_warning_that_the_github_job_offers(command, tmp_path, code, expected):
    command("init", tmp_path)
    text = (tmp_path / ".github/workflows/audit.yml").read_text()
    (addition,) = re.findall(r"^ *# (\|\| .*)$", text, re.MULTILINE)
    ended, script = ended_with(command, tmp_path, 0, code, addition)
    assert ended.code == expected
    assert ("::warning::" in ended.out) == (code == 10)
    assert yaml.safe_load(f"run: {script}") == {"run": script}


def ended_with(command, folder, which, code, addition=""):
    command("init", folder)
    program = folder / "pytest"
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)
    script = f"{scripts(folder)[which]} {addition}".strip()
    return shell(f"set -e\nPATH={shlex.quote(str(folder))}:$PATH\n{script}", folder), script


def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    ended = mortal(tmp_path, "pytest_sysaudit.command", "init")
    assert ended.returncode == 3
    assert "Permission denied" in ended.stderr
