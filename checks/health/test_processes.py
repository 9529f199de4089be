"""What processes run from, and what they hold open."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")


def _fits(path, patterns):
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _replaced(host, processes):
    """Return the paths of deleted programs at which another file stands now."""
    every = {process.executable for process in processes if process.deleted}
    paths = sorted(path for path in every if not path.startswith("/memfd:"))  # never was on disk
    host.facts.paths.ask(paths)
    return {path for path in paths if host.facts.paths[path].holds("e")}


@pytest.mark.control(
    "health.deleted-exe",
    severity="high",
    inputs={
        "temporary": ["/tmp", "/var/tmp", "/dev/shm"],  # noqa: S108 - they are looked for
        "allowed": ["/memfd:runc_cloned:*", "/memfd:crun_cloned:*"],
    },
)
def test_no_process_runs_a_hidden_program(host, audit):
    """No process runs a program that is gone from disk, or that lies in a folder for everybody.

    Why: who breaks in starts his tools where everybody may write, and deletes them once they run.

    Fix: look at the process with `ls -l /proc/PID/exe /proc/PID/cwd` and find out who started it.
    Programs that an update replaced are not meant. The input `allowed` has patterns of paths.
    """
    table = host.facts.process_files
    audit.observe("processes", len(table.processes))
    replaced = _replaced(host, table)
    bad = []
    for process in table:
        path = process.executable
        hidden = process.deleted and path not in replaced
        shared = any(path.startswith(f"{folder}/") for folder in audit.inputs.temporary)
        if (hidden or shared) and not _fits(path, audit.inputs.allowed):
            bad.append(f"{process}{', deleted' if process.deleted else ''}")
    assert not bad, f"runs from where no program should be: {listed(bad)}"
    table.require_all()


@pytest.mark.control(
    "health.restart-needed",
    severity="medium",
    inputs={"allowed": []},
)
def test_processes_run_the_programs_on_disk(host, audit):
    """No process still runs a program that an update has replaced.

    Why: what the update repaired stays broken until the process is started again.

    Fix: restart the services (`needrestart` and `dnf needs-restarting` tell which), or the host.
    The input `allowed` has patterns of paths.
    """
    table = host.facts.process_files
    audit.observe("processes", len(table.processes))
    replaced = _replaced(host, table)
    old = [
        str(process)
        for process in table
        if process.deleted
        and process.executable in replaced
        and not _fits(process.executable, audit.inputs.allowed)
    ]
    assert not old, f"restart needed: {listed(old)}"
    table.require_all()


@pytest.mark.control(
    "health.fds",
    severity="low",
    inputs={"maximum": 80, "smallest_limit": 64},
)
def test_processes_can_open_files(host, audit):
    """Neither a process nor the whole host is about to run out of open files.

    Why: beyond its limit a process takes no connection and writes no log.

    Fix: look for a leak with `ls -l /proc/PID/fd`, or raise LimitNOFILE of the unit, or
    fs.file-max. The input `maximum` is in percent; who has a limit below `smallest_limit` has shut
    himself in, as sshd does with those who are not yet logged in.
    """
    table, maximum = host.facts.process_files, audit.inputs.maximum
    whole = audit.observe("open on the host", table.open_files)
    full = [
        f"{process}: {process.open_files} of {process.limit}"
        for process in table
        if process.limit is not None
        and process.limit >= audit.inputs.smallest_limit
        and 100 * (process.open_files or 0) > maximum * process.limit
    ]
    if 100 * whole > maximum * table.most_files:
        full.append(f"all processes: {whole} of {table.most_files}")
    assert not full, f"more than {maximum} % of the files that may be open are: {listed(full)}"
    table.require_all()
