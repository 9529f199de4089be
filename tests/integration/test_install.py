"""The installed package: as a wheel, from a source archive and in place, without the repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def run(*argv: str, cwd: Path, code: int | None = 0) -> str:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        argv, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert code is None or result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that was built from the source archive, so that the archive is whole."""
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"
    skip = shutil.ignore_patterns(
        ".git", ".venv*", "*.egg-info", "build", "__pycache__", ".*_cache"
    )
    shutil.copytree(ROOT, source, ignore=skip)
    text = run(
        sys.executable, "-m", "build", "--outdir", str(folder), str(source), cwd=folder, code=None
    )
    found = list(folder.glob("*.whl"))
    if not found and "ConnectionError" in text:
        pytest.skip("the build backend cannot be downloaded here")
    assert found, text
    return found[0]


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with the wheel installed, that finds its libraries where this one does."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for library in _libraries():
        (site / library.name).symlink_to(library)
    return str(folder / "bin" / "python")


def _libraries() -> list[Path]:
    """Everything that is installed beside this pytest, but ourselves."""
    site = Path(pytest.__file__).parents[1]
    return [
        path
        for path in site.iterdir()
        if "sysaudit" not in path.name and not path.name.endswith(".pth") and path.name != "bin"
    ]


def test_the_wheel_holds_all_that_it_needs(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "pytest_sysaudit/py.typed",
        "pytest_sysaudit/checks/linux/test_accounts.py",
        "pytest_sysaudit/checks/frameworks/cis-dil.yaml",
        "pytest_sysaudit/checks/profiles/baseline.yaml",
        "pytest_sysaudit/command/templates/github.yaml",
        "pytest_sysaudit/command/templates/test_first.py.j2",
        "pytest_sysaudit/reports/templates/report.html.j2",
        "pytest_sysaudit/reports/templates/report.css",
        "pytest_sysaudit/reports/results.schema.json",
    } <= names
    assert not [name for name in names if name.startswith(("tests/", "checks/", "docs/"))]


def test_the_source_archive_holds_the_repository(wheel):
    import tarfile

    (archive,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert {"inventory.yaml", "conftest.py", "Makefile", "tests/unit/test_core.py"} <= names
    assert {"docs/js/filter.js", "docs/css/filter.css", "checks/frameworks/cis-dil.yaml"} <= names


@pytest.mark.parametrize("inventory", [False, True])
def test_the_packaged_checks_run_from_a_wheel(python, tmp_path, inventory):
    if inventory:
        (tmp_path / "inventory.yaml").write_text(
            "version: 1\nhosts: {here: {connection: local}, other: {connection: local}}\n"
        )
    arguments = ["--audit-target=here"] if inventory else []
    text = run(
        *(python, "-m", "pytest", "-p", "no:cacheprovider", "--pyargs", "pytest_sysaudit.checks"),
        *("--audit-report=json=out.json", "--audit-report=html=out.html", *arguments),
        cwd=tmp_path,
        code=None,
    )
    document = json.loads((tmp_path / "out.json").read_text())
    assert {row["target"] for row in document["results"]} == {"here" if inventory else "localhost"}
    assert len(document["results"]) >= 60, text
    assert "linux/test_accounts.py" in {
        row["check"].partition("::")[0] for row in document["results"]
    }


def test_a_check_has_the_same_id_however_it_is_called(python, tmp_path):
    found = []
    for where, cwd, interpreter in (
        (["--pyargs", "pytest_sysaudit.checks.linux.test_accounts"], tmp_path, python),
        (["--pyargs", "pytest_sysaudit.checks.linux.test_accounts"], tmp_path, sys.executable),
        (["checks/linux/test_accounts.py", "--audit-target=here"], ROOT, sys.executable),
    ):
        out = tmp_path / f"{len(found)}.json"
        text = run(
            *(interpreter, "-m", "pytest", "-p", "no:cacheprovider", *where),
            f"--audit-report=json={out}",
            cwd=cwd,
            code=None,
        )
        assert out.exists(), text
        rows = json.loads(out.read_text())["results"]
        found.append({(row["check"], row["control"]) for row in rows})
    assert found[0] == found[1] == found[2]
    assert all(check.startswith("linux/test_accounts.py::") for check, _ in found[0])


def test_a_profile_is_found_by_name(python, tmp_path):
    listed = run(python, "-m", "pytest", "--audit-profile=list", cwd=tmp_path)
    assert listed.startswith("baseline ")
    text = run(
        *(python, "-m", "pytest", "-p", "no:cacheprovider", "--audit-report=json=out.json"),
        *("--pyargs", "pytest_sysaudit.checks.health", "--audit-profile=baseline"),
        cwd=tmp_path,
        code=None,
    )
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["run"]["profile"]["name"] == "baseline", text
    assert "health.disk" in {control["id"] for control in document["controls"]}
    assert "health.swap" not in {control["id"] for control in document["controls"]}


def test_failed_assertions_of_packaged_checks_are_explained(python, tmp_path):
    """pytest rewrites the asserts of an installed package's checks too."""
    text = run(
        *(python, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short"),
        *("--pyargs", "pytest_sysaudit.checks.health", "-o", "audit_inventory=inv.yaml"),
        cwd=_strict(tmp_path),
        code=1,
    )
    assert "E   AssertionError:" in text
    assert "assert" in text.partition("E   AssertionError:")[2]


def _strict(folder: Path) -> Path:
    (folder / "inv.yaml").write_text(
        "version: 1\nhosts: {here: {connection: local}}\ninputs:\n  health.memory: {minimum: 101}\n"
    )
    return folder
