"""The benchmarks' own arithmetic: addresses of the bed, what is read from logs, goals."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def bench():
    """Import a benchmark's module by name, as the benchmark itself does."""
    before = dict(sys.modules)
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module
    sys.path.remove(str(BENCHMARKS))
    for name in set(sys.modules) - set(before):
        if str(BENCHMARKS) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@pytest.fixture(scope="module")
def figures(bench):
    return bench("running").Figures


def figure(figures, **changes):
    same = {"wall": 2.0, "client_cpu": 2.0, "server_cpu": 3.0}
    return figures(**same | {"memory": 50e6, "connections": 50, "passed": 2000} | changes)


@pytest.mark.parametrize(
    "number, expected",
    [
        (0, "198.18.1.1"),
        (1, "198.18.1.2"),
        (249, "198.18.1.250"),
        (250, "198.18.2.1"),
        (59_999, "198.18.240.250"),
    ],
)
def test_address_of_a_host(bench, number, expected):
    assert bench("bed").address(number) == expected


@pytest.mark.parametrize("number", [-1, 60_000])
def test_a_host_outside_the_range_is_refused(bench, number):
    with pytest.raises(ValueError, match="expected 0 to 59999"):
        bench("bed").address(number)


def test_no_two_hosts_share_an_address(bench):
    address = bench("bed").address
    assert len({address(number) for number in range(2000)}) == 2000


def test_the_forwarder_counts_addresses_as_the_bed_does(bench):
    """delay.c maps the last two bytes back to the number: the same formula, the other way."""
    line = next(x for x in (BENCHMARKS / "delay.c").read_text().splitlines() if "int number" in x)
    formula = re.search(r"= (.*);", line)[1].replace("bytes[18]", "a").replace("bytes[19]", "b")
    for number in (0, 249, 250, 777, 59_999):
        a, b = map(int, bench("bed").address(number).split(".")[2:])
        assert eval(formula, {"a": a, "b": b}) == number


def test_connections_are_counted_in_sshds_log(bench):
    log = (
        "Server listening on 0.0.0.0 port 22.\n"
        'Connection from 198.18.0.1 port 54310 on 198.18.1.1 port 22 rdomain ""\n'
        "Accepted publickey for root from 198.18.0.1 port 54310 ssh2: ED25519 SHA256:x\n"
        "Connection closed by 198.18.0.1 port 54310\n"
        'Connection from 198.18.0.1 port 54311 on 198.18.1.1 port 22 rdomain ""\n'
    )
    assert bench("bed").count_connections(log) == 2


@pytest.mark.parametrize(
    "output, expected",
    [
        ("....\n40 passed in 1.15s\n", {"passed": 40}),
        ("1 failed, 39 passed, 2 warnings in 3.00s\n", {"failed": 1, "passed": 39, "warnings": 2}),
        ("== 2000 passed, 1 warning in 143.20s (0:02:23) ==\n", {"passed": 2000, "warnings": 1}),
        ("1 target: 40 passed\n40 passed in 1.15s\n", {"passed": 40}),
        ("2 failed in the past\n", {}),
        ("no tests ran in 0.21s\n", {}),
        ("", {}),
    ],
)
def test_pytests_last_line(bench, output, expected):
    assert bench("running").read_summary(output) == expected


@pytest.mark.parametrize(
    "status, expected",
    [
        ("Name:\tpython\nVmPeak:\t 90 kB\nVmHWM:\t   41000 kB\nVmRSS:\t 4 kB\n", 41_984_000),
        ("Name:\tkthreadd\n", 0),
    ],
)
def test_peak_memory(bench, status, expected):
    assert bench("groups").peak_of(status) == expected


def test_medians_are_of_each_figure_by_itself(bench, figures):
    runs = [figure(figures, wall=wall, client_cpu=cpu) for wall, cpu in ((1, 9), (2, 7), (30, 8))]
    assert bench("running").medians(runs) == figure(figures, wall=2, client_cpu=8)


def table(figures, **ours):
    return {
        (50, 0.0, "pytest-sysaudit"): figure(figures, **{"memory": 99e6} | ours),
        (1, 0.0, "pytest-sysaudit"): figure(figures, memory=50e6, connections=1),
        (50, 0.0, "testinfra paramiko -n8"): figure(figures, wall=20.0),
        (50, 0.0, "testinfra paramiko -n0"): figure(figures, wall=79.0),
    }


def test_goals(bench, figures):
    found = [(g.found, g.mark) for g in bench("goals").goals(table(figures))]
    assert found == [
        (10.0, "reached"),
        (39.5, "MISSED"),
        (None, "not measured"),
        (1.0, "reached"),
        (1.0, "reached"),
        (1.0, "reached"),
    ]


@pytest.mark.parametrize(
    "ours, text",
    [
        ({"wall": 2.1}, "-n8"),
        ({"wall": 3.1}, "wall time over client CPU"),
        ({"connections": 51}, "connections for each host"),
        ({"memory": 99.1e6}, "memory for each host"),
    ],
)
def test_a_goal_that_is_missed_says_so(bench, figures, ours, text):
    goal = next(g for g in bench("goals").goals(table(figures, **ours)) if text in g.text)
    assert goal.mark == "MISSED"
    assert "MISSED" in str(goal)


def test_a_program_that_left_checks_out_gives_no_figures(bench):
    with pytest.raises(RuntimeError, match="'failed': 1"):
        bench("running")._passed("1 failed, 39 passed in 3.00s\n")


def test_neither_program_gets_our_shells_settings(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-v")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/tmp/agent")
    given = bench("running").environment(tmp_path)
    assert not {"PYTHONDONTWRITEBYTECODE", "PYTEST_ADDOPTS", "SSH_AUTH_SOCK"} & set(given)
    assert given["HOME"] == str(tmp_path)


def test_forty_checks(bench):
    """The number that all figures are divided by is the number of checks."""
    suite = BENCHMARKS / "suite" / "test_forty.py"
    argv = ["-m", "pytest", "-q", "--collect-only", "-p", "no:sysaudit", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, *argv, "--hosts=local://", str(suite)],
        capture_output=True,
        text=True,
        check=False,
        cwd=suite.parent,
    )
    assert done.stdout.count("::") == bench("many_hosts").CHECKS, done.stdout + done.stderr


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the hosts are namespaces")
@pytest.mark.skipif(
    not all(map(shutil.which, ("cc", "unshare", "ip", "/usr/sbin/sshd"))),
    reason="needs cc, unshare, ip and sshd",
)
def test_two_distant_hosts_are_measured_and_nothing_is_left(bench, tmp_path):
    argv = ["--hosts", "2", "--rtt", "10", "--rounds", "1", "--only", "pytest-sysaudit"]
    found = tmp_path / "found.json"
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "many_hosts.py"), *argv, "--json", str(found)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads(found.read_text())
    assert (row["passed"], row["connections"]) == (80, 2)
    assert row["wall"] > 0.05  # five round trips and more cannot take less
    assert min(row["client_cpu"], row["server_cpu"], row["memory"]) > 0
    assert not list(tmp_path.glob("bench-*"))
    assert not [x for x in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(x.info)]
