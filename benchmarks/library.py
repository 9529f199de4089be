"""The whole library over ssh, beside OpenSCAP and Lynis on the same host.

    python benchmarks/library.py [--rounds 3] [--json FILE]

Needs root, mmdebstrap and systemd-nspawn. The host is the hardened one of the tests: Debian 12 with
systemd, some hundred packages, booted in a container of its own. oscap and Lynis are Debian's
packages, installed there and started over ssh; pytest-sysaudit asks from outside. They run in
turns; the first round fills caches and is left out, the rest are medians.

The CPU is what the kernel counts for all processes of the host. Round trips are those after the
login.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from goals import Goal

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

if TYPE_CHECKING:
    from lab.nspawn import Machine

OURS, OSCAP, LYNIS = "pytest-sysaudit", "oscap", "lynis"
#: Debian 12 has no content with a profile of CIS for itself; this package of Debian has.
CONTENT, CONTENT_SUITE = "ssg-debian", "sid"
DATASTREAM = "/usr/share/xml/scap/ssg/content/ssg-debian12-ds.xml"
PROFILE = "xccdf_org.ssgproject.content_profile_cis_level1_server"
COMMANDS = {
    OSCAP: f"oscap xccdf eval --profile {PROFILE} {DATASTREAM}",
    LYNIS: "lynis audit system --quick --no-colors",
}
#: oscap says with 2 that rules failed, Lynis with 78 that it has warnings.
EXPECTED = {OSCAP: (0, 2), LYNIS: (0, 78)}
LIMIT = 600  # seconds


@dataclass(frozen=True)
class Run:
    """What one run took.

    Attributes:
        wall: seconds, from the start of the program here to its end.
        cpu: seconds of CPU of the host.
        trips: round trips after the login; commands that were started over ssh.
        judged: controls, rules or tests that were looked at.
    """

    wall: float
    cpu: float
    trips: float
    judged: float


def main() -> None:
    options = _options()
    from lab import hardened, nspawn
    from lab.plant import PACKAGES

    if why := nspawn.why_not():
        sys.exit(why)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # byte code is cached, as it is for users
    packages = (*PACKAGES, "openscap-scanner", "lynis", "linux-base")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        version = _fetch_content(Path(name))
        with hardened.hardened_host(packages) as machine:
            _unpack(Path(name), machine.tree)
            found = measure(_programs(machine, Path(name) / "run"), options.rounds)
    _print(found, version)
    if options.json:
        rows = {name: asdict(run) for name, run in found.items()}
        options.json.write_text(json.dumps(rows, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The library beside OpenSCAP and Lynis.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _fetch_content(folder: Path) -> str:
    """Fetch the package with the rules, with apt, and return its version."""
    lists, cache = folder / "lists", folder / "cache"
    (lists / "partial").mkdir(parents=True)
    (cache / "archives/partial").mkdir(parents=True)
    sources = folder / "sources.list"
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    line = f"deb [signed-by={key}] http://deb.debian.org/debian {CONTENT_SUITE} main\n"
    sources.write_text(line)
    places = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": lists,
        "Dir::Cache": cache,
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in places.items())]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "download", CONTENT], check=True, cwd=folder)
    (package,) = folder.glob(f"{CONTENT}_*.deb")
    return package.name.split("_")[1]


def _unpack(folder: Path, tree: Path) -> None:
    (package,) = folder.glob(f"{CONTENT}_*.deb")
    subprocess.run(["dpkg-deb", "-x", package, tree], check=True)


def _programs(machine: Machine, folder: Path) -> dict[str, Callable[[], Run]]:
    """Return what is to be compared: each runs once and says what it took."""
    from lab import hardened, library

    hosts = {"host": machine.entry() | hardened.settings(dear=False)}

    def ours() -> Run:
        before = machine.cpu()
        done = library.audit(folder, hosts, inputs=library.IDLE)
        if done.code not in (0, 1):
            raise RuntimeError(done.said)
        judged = len(done.rows["host"])
        return Run(done.wall, machine.cpu() - before, len(done.trips["host"]), judged)

    def other(name: str) -> Run:
        before, started = machine.cpu(), time.perf_counter()
        said = _over_ssh(machine, COMMANDS[name], EXPECTED[name])
        return Run(time.perf_counter() - started, machine.cpu() - before, 1, count(name, said))

    return {OURS: ours, OSCAP: lambda: other(OSCAP), LYNIS: lambda: other(LYNIS)}


def _over_ssh(machine: Machine, command: str, expected: Sequence[int]) -> str:
    done = machine.run(command, timeout=LIMIT)
    if done.returncode not in expected:
        raise RuntimeError(f"{command}: exit code {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def count(name: str, said: str) -> int:
    """Return how many rules or tests a program's output says that it looked at."""
    if name == OSCAP:
        looked = re.findall(r"^Result\s+(\w+)$", said, re.MULTILINE)
        return sum(result not in ("notselected", "notapplicable") for result in looked)
    match = re.search(r"Tests performed\s*:\s*(\d+)", said)
    if match is None:
        raise RuntimeError(f"Lynis does not say how many tests it made: {said[-2000:]}")
    return int(match[1])


def measure(programs: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, Run]:
    """Run all of them in turns, and return the medians without the first round."""
    runs: dict[str, list[Run]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, program in programs.items():
            run = program()
            print(f"  round {number}: {name}: {run.wall:.1f} s", file=sys.stderr)
            if number:
                runs[name].append(run)
    return {name: medians(each) for name, each in runs.items()}


def medians(runs: Sequence[Run]) -> Run:
    """The median of each figure by itself."""
    columns = {f.name: [getattr(run, f.name) for run in runs] for f in fields(Run)}
    return Run(**{name: statistics.median(column) for name, column in columns.items()})


def goals(ours: Run) -> list[Goal]:
    """Return what the library must keep to on a small host."""
    return [
        Goal("the whole library on one host: wall time", ours.wall, "at most", 3, " s"),
        Goal("the whole library on one host: CPU of the host", ours.cpu, "at most", 1, " s"),
        Goal("the whole library on one host: round trips", ours.trips, "at most", 12),
    ]


def _print(found: Mapping[str, Run], version: str) -> None:
    print(f"oscap: {PROFILE.rpartition('profile_')[2]} of {CONTENT} {version} ({CONTENT_SUITE})")
    print(f"{'':18}{'wall s':>10}{'host CPU s':>12}{'round trips':>13}{'judged':>8}")
    for name, run in found.items():
        print(f"{name:18}{run.wall:10.1f}{run.cpu:12.2f}{run.trips:13.0f}{run.judged:8.0f}")
    ours = found[OURS]
    for name in (OSCAP, LYNIS):
        other = found[name]
        wall, cpu = other.wall / ours.wall, other.cpu / ours.cpu
        print(f"{name} takes {wall:.1f} times the time and {cpu:.1f} times the host's CPU")
    for goal in goals(ours):
        print(goal)


if __name__ == "__main__":
    main()
