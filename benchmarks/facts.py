"""What two kinds of questions cost a host: commands, processes, round trips.

    python benchmarks/facts.py [ROUNDS]

Needs root and dpkg. Asks seven attributes of one file, and whether 200 packages are installed, with
pytest-testinfra (paramiko) and with pytest-sysaudit. Each figure is what a run takes more than a
run that only logs in and runs `true`: commands are counted in the program, processes by the process
ids that the host has given away; round trips are the time at RTT 100 ms beyond that at RTT 0, over
100 ms, so they come with a fraction.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tempfile
from dataclasses import astuple, dataclass
from pathlib import Path

from bed import Bed, hosts, move_in
from running import run

RTT = 100.0  # ms
LONG = 20.0  # seconds after which a run is not repeated
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
PROGRAMS = {
    "testinfra paramiko": ["-p", "no:sysaudit", "--ssh-config=ssh_config"],
    "pytest-sysaudit": [],
}
LOGIN = "test_login.py"
CHECKS = {
    LOGIN: """
def test_login(host):
    assert host.run("true").rc == 0
""",
    "test_seven_attributes.py": """
def test_file(host):
    file = host.file("/etc/passwd")
    assert file.exists
    assert file.user == "root"
    assert file.group == "root"
    assert file.mode == 0o644
    assert file.size > 0
    assert file.mtime
    assert len(file.sha256sum) == 64

def test_login(host):
    assert host.run("true").rc == 0
""",
    "test_200_packages.py": """
import pytest

@pytest.mark.parametrize("name", {packages})
def test_package(host, name):
    assert host.package(name).is_installed

def test_login(host):
    assert host.run("true").rc == 0
""",
}
# Both programs make one such object for each command that a host has answered.
CONFTEST = """
def count(kind):
    original = kind.__init__

    def counting(self, *args, **kwargs):
        count.answers += 1
        original(self, *args, **kwargs)

    kind.__init__ = counting

def pytest_configure(config):
    count.answers = 0
    if config.pluginmanager.hasplugin("sysaudit"):
        from pytest_sysaudit.transport.base import CommandResult
    else:
        from testinfra.backend.base import CommandResult
    count(CommandResult)

def pytest_unconfigure():
    print(f"commands: {count.answers}")
"""


@dataclass(frozen=True)
class Cost:
    """What one run took of one host."""

    wall: float
    commands: float
    processes: float


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    move_in()
    found: dict[tuple[str, str, float], Cost] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for rtt in (0.0, RTT):
            with hosts(Path(name), 1, rtt) as bed:
                _write(bed, folder := bed.folder / "client")
                for checks, program in itertools.product(CHECKS, PROGRAMS):
                    print(f"  RTT {rtt:g} ms: {program}, {checks}", file=sys.stderr)
                    costs = _measure(bed, folder, program, checks, rounds)
                    found[checks, program, rtt] = least(costs)
    print(f"{'more than a login':28}{'commands':>12}{'processes':>12}{'round trips':>14}")
    for checks in list(CHECKS)[1:]:
        print(checks.removeprefix("test_").removesuffix(".py").replace("_", " "))
        _print(checks, found)


def _print(checks: str, found: dict[tuple[str, str, float], Cost]) -> None:
    for program in PROGRAMS:
        near = less(found[checks, program, 0], found[LOGIN, program, 0])
        far = less(found[checks, program, RTT], found[LOGIN, program, RTT])
        trips = (far.wall - near.wall) * 1000 / RTT
        print(f"  {program:26}{near.commands:12.0f}{near.processes:12.0f}{trips:14.1f}")


def _write(bed: Bed, folder: Path) -> None:
    folder.mkdir()
    listed = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package}\\n"],
        check=True,
        capture_output=True,
        text=True,
    )
    packages = sorted(set(listed.stdout.split()))[:200]
    for name, text in CHECKS.items():
        (folder / name).write_text(text.replace("{packages}", repr(packages)))
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "inventory.yaml").write_text(bed.inventory())
    (folder / "ssh_config").write_text(bed.ssh_config())


def _measure(bed: Bed, folder: Path, program: str, checks: str, rounds: int) -> list[Cost]:
    places = [] if program == "pytest-sysaudit" else [f"--hosts=paramiko://{bed.addresses()[0]}"]
    argv = [*PYTEST, *PROGRAMS[program], *places, checks]
    costs: list[Cost] = []
    for number in range(rounds + 1):
        looked, before = bed.processes(), bed.processes()
        figures = run(bed, argv, folder, limit=600)
        started = bed.processes() - before - (before - looked)
        printed = (folder / "output").read_text()
        commands = int(re.findall(r"^commands: (\d+)", printed, re.MULTILINE)[-1])
        if number or figures.wall > LONG:  # the first one fills the caches
            costs.append(Cost(figures.wall, commands, started))
        if figures.wall > LONG:
            break
    return costs


def least(costs: list[Cost]) -> Cost:
    """The least of each figure by itself: what a busy machine disturbs least."""
    return Cost(*map(min, zip(*map(astuple, costs), strict=True)))


def less(cost: Cost, base: Cost) -> Cost:
    """What *cost* is above *base*."""
    return Cost(*(a - b for a, b in zip(astuple(cost), astuple(base), strict=True)))


if __name__ == "__main__":
    main()
