"""Programs that watch over files."""

from __future__ import annotations

import pytest

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.facts.integrity import DAEMONS
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: What the timers of packages for aide and tripwire are called.
TIMERS = ["dailyaidecheck.timer", "aidecheck.timer", "aide.timer", "aide-check.timer"]
#: A line of cron that runs a check.
PROGRAMS = r"aide|aide\.wrapper|aidecheck|dailyaidecheck|tripwire"
CRON = ("cron", "crond", "fcron", "cronie", "anacron")


def _watchers(host, audit):
    """Return the names of daemons that watch over files and run."""
    names = (*DAEMONS, *audit.inputs.agents)
    processes = host.facts.processes
    return sorted(name for name in names if processes.named(name))


@pytest.mark.control(
    "integrity.installed",
    severity="medium",
    frameworks={
        "cis-debian12": ["6.3.1"],
        "cis-dil": ["1.3.1"],
        "nist-800-53": ["CM-6(a)"],
        "pci-dss-4": ["11.5.2"],
    },
    inputs={"agents": [], "databases": []},
)
def test_a_tool_watches_over_files(host, audit):
    """A tool for file integrity is installed and has a data base, or runs as a daemon.

    Why: without a list of what the files were, nobody sees which ones an intruder changed.

    Fix: install aide, and run `aideinit` (`aide --init`, then rename aide.db.new). `agents` names
    processes of other products; `databases` are paths where aide or tripwire keep theirs.
    """
    found = host.facts.integrity
    running = audit.observe("running", _watchers(host, audit))
    tools = audit.observe("tools", found.tools)
    assert tools or running, "no tool for file integrity is here (aide, tripwire, samhain, wazuh)"
    bases = [path for tool in tools for path in found.bases.get(tool, ())]
    bases += [path for path in audit.inputs.databases if host.facts.paths[path].holds("f")]
    audit.observe("databases", bases)
    if not bases and not running:
        hidden = listed(folder for tool in tools if (folder := found.hides(tool)))
        if hidden:
            audit.cannot_assess(f"only root may look into {hidden}")
    assert bases or running, f"{listed(tools)} has no data base"


@pytest.mark.control(
    "integrity.scheduled",
    severity="medium",
    frameworks={
        "cis-debian12": ["6.3.2"],
        "cis-dil": ["1.3.2"],
        "nist-800-53": ["CM-6(a)", "SI-7", "SI-7(1)"],
        "pci-dss-4": ["11.5.2"],
    },
    inputs={"agents": [], "timers": TIMERS, "programs": PROGRAMS},
)
def test_files_are_compared_regularly(host, audit):
    """The tool for file integrity runs regularly.

    Why: a data base that nobody compares with shows nothing.

    Fix: `systemctl enable --now dailyaidecheck.timer`, or a line in /etc/cron.d. `timers` are names
    of timers, `programs` is a regular expression for what cron runs.
    """
    running = audit.observe("running", _watchers(host, audit))
    found, jobs, processes = host.facts.integrity, host.facts.jobs, host.facts.processes
    if not found.tools and not running:
        audit.not_applicable("no tool for file integrity is here")
    timers = _timers(host, audit)
    places = audit.observe("cron", jobs.mentions(audit.inputs.programs))
    cron = any(processes.named(name) for name in CRON)
    assert not places or running or timers or cron, f"{listed(places)}: but no cron daemon runs"
    if not (running or timers or places) and jobs.hidden:
        audit.cannot_assess(jobs.hidden)
    assert running or timers or places, f"nothing runs {listed(found.tools)}"


def _timers(host, audit):
    """Return the timers that are on; none without systemd."""
    try:
        units = host.facts.units
    except NotApplicable:
        return []
    return audit.observe("timers", [name for name in audit.inputs.timers if units.is_on(name)])
