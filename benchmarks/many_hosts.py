"""The same forty checks on many hosts, with pytest-testinfra and with pytest-sysaudit, in turns.

    python benchmarks/many_hosts.py [--quick] [--hosts 1,10,50] [--rtt 0,10,50] [--rounds 3]
                                    [--only TEXT ...] [--all] [--json FILE]

Needs root. Each host is a namespace with a real sshd (see bed.py). For each number of hosts and
each RTT, a round runs every program once, in random order, each in a process of its own; the
medians of the rounds are printed. What took longer than a minute is not repeated.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from bed import Bed, hosts, move_in
from goals import OURS, goals
from running import Figures, medians, run

CHECKS = 40
LONG = 60.0  # seconds after which a run is not repeated
LIMIT = 1200.0  # seconds after which a run is given up
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
SUITE = Path(__file__).with_name("suite") / "test_forty.py"


@dataclass(frozen=True)
class Variant:
    """One way to run the checks."""

    name: str
    backend: str = ""  # of testinfra; empty: ours
    more: tuple[str, ...] = ()
    extra: bool = False  # only measured where it says something new

    def argv(self, bed: Bed) -> list[str]:
        """The command that runs it over the hosts of *bed*."""
        if not self.backend:
            return [*PYTEST, *self.more, SUITE.name]
        places = ",".join(f"{self.backend}://{place}" for place in bed.addresses())
        ours_off = ["-p", "no:sysaudit", f"--hosts={places}", "--ssh-config=ssh_config"]
        return [*PYTEST, *ours_off, *self.more, SUITE.name]

    def fits(self, hosts: int, rtt: float) -> bool:
        """Whether it ends in reasonable time, and is not one of the side shows."""
        slow = self.backend != "" and not self.more and hosts > 1 and rtt > 0
        return not slow and not (self.extra and hosts > 1 and rtt > 0)


VARIANTS = [
    Variant("testinfra paramiko -n0", "paramiko"),
    Variant("testinfra paramiko -n8", "paramiko", ("-n", "8")),
    Variant("testinfra ssh+ControlPath -n0", "ssh", extra=True),
    Variant("testinfra ssh+ControlPath -n8", "ssh", ("-n", "8")),
    Variant(OURS),
    Variant(f"{OURS}, no lanes", more=("--audit-lanes", "0"), extra=True),
    Variant(f"{OURS} -n2", more=("-n", "2"), extra=True),
]


def main() -> int:
    options = _options()
    move_in()
    failed = False
    table: dict[tuple[int, float, str], Figures] = {}
    started = time.monotonic()
    _print_machine()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for rtt in options.rtt:
            for count in options.hosts:
                with hosts(Path(name), count, rtt) as bed:
                    measured = bed.measured_rtt()
                    chosen = [one for one in VARIANTS if _chosen(one, options, count, rtt)]
                    found = _scenario(bed, chosen, options.rounds)
                for variant, runs in found.items():
                    if runs:
                        table[count, rtt, variant] = medians(runs)
                    failed |= not runs
                _print_scenario(bed, found, measured)
    print("\nGoals (ratios of the medians above)")
    for goal in goals(table):
        print(goal)
    print(f"\n{(time.monotonic() - started) / 60:.1f} minutes in all")
    if options.json:
        _write(options.json, table)
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    def numbers(text: str) -> list[float]:
        return [float(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="10 hosts, RTT 0, 1 round")
    parser.add_argument("--hosts", type=numbers, help="numbers of hosts; default 1,10,50")
    parser.add_argument("--rtt", type=numbers, help="round trip times in ms; default 0,10,50")
    parser.add_argument("--rounds", type=int, help="how often each is run; default 3")
    parser.add_argument("--only", action="append", help="only programs with this in their name")
    parser.add_argument("--all", action="store_true", help="also what takes many minutes")
    parser.add_argument("--json", type=Path, help="write the medians to this file")
    options = parser.parse_args()
    options.hosts = [int(n) for n in options.hosts or ([10] if options.quick else [1, 10, 50])]
    options.rtt = options.rtt or ([0.0] if options.quick else [0.0, 10.0, 50.0])
    options.rounds = options.rounds or (1 if options.quick else 3)
    if options.quick and not options.only:
        options.only = ["-n8", OURS]
    if options.json:
        options.json = options.json.absolute()
    return options


def _chosen(variant: Variant, options: argparse.Namespace, hosts: int, rtt: float) -> bool:
    named = options.only is None or any(text in variant.name for text in options.only)
    return named and (options.all or variant.fits(hosts, rtt))


def _scenario(bed: Bed, variants: Sequence[Variant], rounds: int) -> dict[str, list[Figures]]:
    folder = bed.folder / "client"
    folder.mkdir()
    (folder / SUITE.name).write_text(SUITE.read_text())
    (folder / "inventory.yaml").write_text(bed.inventory())
    mux = [f"ControlPath {folder}/%C", "KexAlgorithms curve25519-sha256"]
    (folder / "ssh_config").write_text(bed.ssh_config(*mux))
    # The first run fills the byte code caches of pytest's rewritten assertions.
    subprocess.run([*PYTEST, "--collect-only", SUITE.name], cwd=folder, capture_output=True)  # noqa: PLW1510 - only warms up
    found: dict[str, list[Figures]] = {variant.name: [] for variant in variants}
    for number in range(rounds):
        for variant in random.sample(variants, len(variants)):
            runs = found[variant.name]
            if not any(one.wall > LONG for one in runs):
                runs += _run(bed, variant, folder, f"round {number + 1} of {rounds}")
    return found


def _run(bed: Bed, variant: Variant, folder: Path, progress: str) -> list[Figures]:
    """Return the figures of one run; none if it failed."""
    where = f"{bed.hosts} x {CHECKS}, RTT {bed.rtt:g} ms, {progress}"
    print(f"  {where}: {variant.name} ...", end="", flush=True, file=sys.stderr)
    try:
        figures = run(bed, variant.argv(bed), folder, limit=LIMIT)
    except RuntimeError as error:
        print(f" failed: {str(error)[-2000:]}", file=sys.stderr)
        return []
    print(f" {figures.wall:.2f} s", file=sys.stderr)
    if figures.passed != bed.hosts * CHECKS:
        print(f"  {figures.passed} passed, not {bed.hosts * CHECKS}", file=sys.stderr)
        return []
    return [figures]


def _print_machine() -> None:
    versions = [
        f"{name} {metadata.version(name)}"
        for name in ("pytest-sysaudit", "pytest-testinfra", "pytest", "pytest-xdist", "paramiko")
    ]
    plugins = sorted(plugin.name for plugin in metadata.entry_points(group="pytest11"))
    print(f"Python {platform.python_version()}, {', '.join(versions)}; {os.cpu_count()} cores")
    print(f"plugins that every run loads: {', '.join(plugins)}")


def _print_scenario(bed: Bed, found: dict[str, list[Figures]], rtt: float) -> None:
    results = bed.hosts * CHECKS
    many = f"{bed.hosts} host" + "s" * (bed.hosts != 1)
    print(f"\n{many} x {CHECKS} checks, RTT {bed.rtt:g} ms (a TCP connection took {rtt:.2f} ms)")
    head = ("wall s", "checks/s", "client CPU s", "ms/check", "server CPU s", "memory MB")
    print(f"{'':31}" + "".join(f"{text:>14}" for text in (*head, "connections", "rounds", "times")))
    ours = medians(found[OURS]) if found.get(OURS) else None
    for name, runs in found.items():
        if not runs:
            print(f"{name:31}{'failed':>14}")
            continue
        one = medians(runs)
        ratio = f"{one.wall / ours.wall:.1f}" if ours else "-"
        row = (
            *(f"{one.wall:.2f}", f"{results / one.wall:.0f}", f"{one.client_cpu:.2f}"),
            *(f"{one.client_cpu / results * 1000:.2f}", f"{one.server_cpu:.2f}"),
            *(f"{one.memory / 1e6:.0f}", f"{one.connections:.0f}", str(len(runs)), ratio),
        )
        print(f"{name:31}" + "".join(f"{text:>14}" for text in row), flush=True)


def _write(path: Path, table: dict[tuple[int, float, str], Figures]) -> None:
    rows = [
        {"hosts": count, "rtt": rtt, "variant": name, **dataclasses.asdict(figures)}
        for (count, rtt, name), figures in table.items()
    ]
    path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
