"""`sysaudit init`: the first files of an audit, which run at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from pytest_sysaudit.command import output
from pytest_sysaudit.command.ending import Refused, remark
from pytest_sysaudit.command.group import examples

#: What each file is made of.
_ALWAYS: Mapping[str, str] = {
    "inventory.yaml": "inventory.yaml",
    "checks/test_first.py": "test_first.py.j2",
}
_CI: Mapping[str, tuple[str, str]] = {
    "github": (".github/workflows/audit.yml", "github.yaml"),
    "gitlab": (".gitlab-ci.yml", "gitlab.yaml"),
}
_SETTINGS = ("pytest.ini", "pytest.ini.j2")
#: Files that may hold pytest's settings; where one is there, another would compete with it.
_COMPETING = ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml")
_CONFIGS = (*_COMPETING, "pyproject.toml", "tox.ini", "setup.cfg")


@click.command(
    short_help="Write an inventory, a first check and a CI job.",
    epilog=examples(
        ["sysaudit init", "sysaudit init audits --ci gitlab", "sysaudit init --ci none"]
    ),
)
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=".")
@click.option(
    "--ci",
    type=click.Choice(["github", "gitlab", "both", "none"]),
    default="both",
    show_default=True,
    help="for which CI a job is written",
)
@click.option(
    "--settings/--no-settings",
    default=True,
    help="whether pytest.ini is written, unless there are settings of pytest  [default: yes]",
)
@click.option("--force", is_flag=True, help="replace files that are there")
def init(folder: Path, ci: str, *, settings: bool, force: bool) -> None:
    """Write an inventory, a first check and a CI job into DIR, by default the current folder.

    What it writes runs at once: `pytest checks`. Files that are there are kept, unless --force.
    """
    from importlib.resources import files

    from pytest_sysaudit.command.files import write_new

    if folder.exists() and not folder.is_dir():
        raise Refused(f"{folder}: is no folder; name one, or none for the current folder")
    templates = files("pytest_sysaudit.command.templates")
    for name, template in _wanted(folder, ci, settings=settings, force=force):
        text = templates.joinpath(template).read_text("utf-8")
        if write_new(folder / name, text, force=force):
            output.say(f"wrote  {folder / name}", "green")
        else:
            output.say(f"kept   {folder / name}  (it was there; --force replaces it)")
    for line in _remarks(folder, ci, settings=settings):
        remark(line)
    way = "" if folder == Path() else f"cd {folder} && "
    output.say(f"next:  {way}pytest checks")


def _wanted(folder: Path, ci: str, *, settings: bool, force: bool) -> Iterator[tuple[str, str]]:
    """Yield each file and its template."""
    yield from _ALWAYS.items()
    for name, file in _CI.items():
        if ci in (name, "both"):
            yield file
    if settings and (not _configs(folder) or (force and (folder / _SETTINGS[0]).exists())):
        yield _SETTINGS


def _configs(folder: Path) -> list[str]:
    return [name for name in _CONFIGS if (folder / name).exists()]


def _remarks(folder: Path, ci: str, *, settings: bool) -> Iterator[str]:
    from pytest_sysaudit.command.files import repository

    others = [name for name in _configs(folder) if name != _SETTINGS[0]]
    if settings and others and not (folder / _SETTINGS[0]).exists():
        yield (
            f"{folder / others[0]} is there, so no pytest.ini was written; settings that help: "
            "testpaths = checks, audit_inventory = inventory.yaml"
        )
    top = repository(folder)
    if ci != "none" and top is not None and top != folder.resolve():
        yield (
            f"CI jobs are read at the top of the repository only: move them to {top}, and let "
            f"them begin with: cd {folder.resolve().relative_to(top)}"
        )
