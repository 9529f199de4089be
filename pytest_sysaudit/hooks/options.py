"""Command-line options, settings and markers."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from pytest_sysaudit.hooks.collector import restorer, spare
from pytest_sysaudit.hooks.keys import state_of
from pytest_sysaudit.hooks.late import engage

if TYPE_CHECKING:
    from pytest_sysaudit.reports import Writer


def lanes_count(text: str) -> str:
    """Return *text*, a value of ``--audit-lanes``: ``auto`` or a number."""
    if text != "auto" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'auto' nor a number")
    return text


_OPTIONS: tuple[tuple[str, dict[str, object]], ...] = (
    ("--audit-inventory", {"metavar": "PATH", "help": "inventory file (default: inventory.yaml)"}),
    (
        "--audit-target",
        {
            "metavar": "EXPR",
            "action": "append",
            "default": [],
            "help": "targets: a name, group, glob or kind:aws; 'web:!db', 'web:&prod'; repeatable",
        },
    ),
    (
        "--audit-profile",
        {
            "metavar": "NAME|PATH",
            "action": "append",
            "default": [],
            "help": "which controls to check: a profile or its file; repeatable; 'list' shows all",
        },
    ),
    (
        "--audit-control",
        {
            "metavar": "EXPR",
            "action": "append",
            "default": [],
            "help": "controls to check: an id or a glob; may be repeated",
        },
    ),
    (
        "--audit-severity",
        {
            "metavar": "LEVEL",
            "choices": ("info", "low", "medium", "high", "critical"),
            "help": "only controls of this severity and above",
        },
    ),
    (
        "--audit-framework",
        {
            "metavar": "NAME[:GLOB]",
            "action": "append",
            "default": [],
            "help": "only controls of this framework, as cis-debian12:5.1.*; may be repeated",
        },
    ),
    (
        "--audit-lanes",
        {
            "metavar": "auto|N",
            "type": lanes_count,
            "help": "targets at once in this process; 0: one after the other (default: auto)",
        },
    ),
    (
        "--audit-report",
        {
            "metavar": "FORMAT[=PATH]",
            "action": "append",
            "default": [],
            "help": "write a report: csv, hdf, html, json, junit, markdown, ocsf, oscal, "
            "prometheus, sarif, sarif-github or xccdf; may be repeated",
        },
    ),
    (
        "--audit-evidence",
        {"metavar": "DIR", "help": "record all that is seen into this new folder"},
    ),
    (
        "--audit-replay",
        {"metavar": "DIR", "help": "judge again what was recorded there; no target is touched"},
    ),
    (
        "--audit-waivers",
        {
            "metavar": "PATH",
            "action": "append",
            "default": [],
            "help": "file of accepted risks: failures that count as waived; may be repeated",
        },
    ),
    (
        "--audit-attestations",
        {
            "metavar": "PATH",
            "action": "append",
            "default": [],
            "help": "file of answers to manual controls; may be repeated",
        },
    ),
    (
        "--audit-baseline",
        {"metavar": "PATH", "help": "json report of an earlier run: tell what is new and fixed"},
    ),
    (
        "--audit-gate",
        {
            "metavar": "PATH|EXPR",
            "help": "what makes the run fail, as 'fail.high=0,error=0' (default: fail=0,error=0)",
        },
    ),
    (
        "--audit-allow-intrusive",
        {"action": "store_true", "help": "run checks that a target may notice as an attack"},
    ),
)
_JUDGED_BY = ("audit_waivers", "audit_attestations", "audit_baseline", "audit_gate")
"""What names the files that findings are judged by; each is a setting too."""
_MARKERS = (
    "control(id, severity='medium', frameworks={}, inputs={}, manual=False): what it judges",
    "targets(expression='all', kind=None): the targets that this check runs on",
    "platform(system='linux', distribution=None): not applicable on other platforms",
    "needs(privilege): 'root': not assessed without it",
    "exclusive: while it waits for its target, no other check runs",
    "intrusive: sends what a target may notice as an attack; needs --audit-allow-intrusive",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sysaudit", "system audit")
    for name, settings in _OPTIONS:
        group.addoption(name, dest=name[2:].replace("-", "_"), **settings)
    parser.addini("audit_evidence_part", "largest content that is recorded whole", default="16M")
    parser.addini("audit_evidence_total", "largest recording, all contents", default="2G")
    files = "files of answers to manual controls"
    parser.addini("audit_attestations", files, type="linelist", default=[])
    parser.addini("audit_baseline", "json report of an earlier run", default="")
    parser.addini("audit_expiring_days", "when a waiver is told as expiring", default="30")
    parser.addini("audit_gate", "what makes the run fail: a file or an expression", default="")
    parser.addini("audit_waivers", "files of accepted risks", type="linelist", default=[])
    parser.addini("audit_inventory", "inventory file of the audit", default="")
    parser.addini("audit_lanes", "targets at once in this process: auto or a number", default="")
    parser.addini("audit_profile", "profiles of the audit", type="linelist", default=[])
    parser.addini("audit_report", "reports to write, as FORMAT[=PATH]", type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.add_cleanup(restorer(config))
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    try:
        lanes_count(config.getini("audit_lanes") or "auto")
    except argparse.ArgumentTypeError as error:
        raise pytest.UsageError(f"audit_lanes: {error}") from error
    if getattr(config.option, "dist", "no") != "no" or hasattr(config, "workerinput"):
        engage(config)  # the controller of pytest-xdist collects nothing that could tell
    specs = config.getoption("audit_report") + config.getini("audit_report")
    chosen = config.getoption("audit_inventory") or config.getoption("audit_target")
    profiles = config.getoption("audit_profile") or config.getini("audit_profile")
    if config.getoption("audit_replay"):
        _begin(config, "evidence", "replay")
    judged = any(config.getoption(name) or config.getini(name) for name in _JUDGED_BY)
    if (specs or chosen or profiles or judged) and not hasattr(config, "workerinput"):
        _look_at_options(config, specs, chosen=bool(chosen))
    if config.getoption("audit_evidence"):  # last: a wrong option leaves no folder behind
        _begin(config, "evidence")


def _begin(config: pytest.Config, *names: str) -> None:
    """Register the modules *names* of hooks, once the last one has opened its folder."""
    from pytest_sysaudit.errors import SysauditError

    spare(config)  # a recording is read whole
    modules = [import_module(f"pytest_sysaudit.hooks.{name}") for name in names]
    try:
        modules[-1].begin(config)
    except SysauditError as error:
        raise pytest.UsageError(str(error)) from error
    for module in modules:
        config.pluginmanager.register(module, module.__name__)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Show the shipped profiles, if that is all that was asked for."""
    if "list" not in config.getoption("audit_profile"):
        return None
    from pytest_sysaudit.hooks.profiles import listing

    sys.stdout.write("".join(f"{line}\n" for line in listing()))
    return int(pytest.ExitCode.OK)


def _look_at_options(config: pytest.Config, specs: list[str], *, chosen: bool) -> None:
    """Tell what is wrong with the options before anything is collected."""
    from pytest_sysaudit.errors import SysauditError

    try:
        _check_reports(config, specs)
        if config.getoption("audit_profile") or config.getini("audit_profile"):
            _ = state_of(config).overlay
        if any(config.getoption(name) or config.getini(name) for name in _JUDGED_BY):
            from pytest_sysaudit.hooks.compliance import compliance_of

            compliance_of(config)
        if chosen:
            _ = state_of(config).selected
    except SysauditError as error:
        raise pytest.UsageError(str(error)) from error


def _check_reports(config: pytest.Config, specs: list[str]) -> None:
    from pytest_sysaudit.reports import parse_specs

    parse_specs(specs, report_writers(config))


def report_writers(config: pytest.Config) -> dict[str, str | Writer]:
    """Return the report writers by format, those of other plugins included."""
    from pytest_sysaudit.reports import WRITERS

    found: dict[str, str | Writer] = dict(WRITERS)
    for more in config.hook.pytest_sysaudit_reports():
        found.update(more)
    return found
