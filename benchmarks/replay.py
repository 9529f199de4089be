"""What recording adds to a run over all five kinds of target, and how long its replay takes.

    python benchmarks/replay.py [--hosts 48] [--rounds 3]

The same checks (forty for each host; the shipped ones for AWS, HTTP, TLS and networks) are run
without a recording and with one, in turns, and then judged again from it. All hosts are one sshd.
The verdicts of the replay must equal those of the run; the byte code of the checks is cached.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from goals import Goal

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
CHECKS = ["http", "tls", "network", "aws"]


def measure(folder: Path, *args: str) -> tuple[float, float]:
    """Return wall and CPU seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_checks(), *args],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    wall = time.perf_counter() - started
    if ran.returncode not in (0, 1, 10):
        sys.exit(ran.stdout + ran.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def _checks() -> list[str]:
    shipped = [str(ROOT / "checks" / name) for name in CHECKS]
    return ["-c", "pytest.ini", "--rootdir", ".", "test_forty.py", *shipped]


def prepare(folder: Path, hosts: int, entry: dict[str, object]) -> None:
    """Write the project: as many hosts, and the stand-ins of this repository's own inventory."""
    import yaml

    data = yaml.safe_load((ROOT / "inventory.yaml").read_text())
    data["hosts"] = {f"web{number}": entry for number in range(hosts)}
    (folder / "inventory.yaml").write_text(json.dumps(data))
    (folder / "pytest.ini").write_text("[pytest]\n")
    shutil.copy(ROOT / "benchmarks/suite/test_forty.py", folder)


def findings(path: Path) -> object:
    """Return all of a report but its run block."""
    document = json.loads(path.read_text())
    del document["run"]
    return document


def main() -> None:
    parser = argparse.ArgumentParser(description="Recording and replay.")
    parser.add_argument("--hosts", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    from lab.sshd import Sshd

    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    times: dict[str, list[tuple[float, float]]] = {"plain": [], "recorded": [], "replay": []}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with Sshd(folder / "sshd", config=["MaxStartups 500"]) as sshd:
            prepare(folder, options.hosts, sshd.entry())
            for _ in range(options.rounds + 1):
                shutil.rmtree(folder / "ev", ignore_errors=True)
                times["plain"].append(measure(folder))
                report = "--audit-report=json=run.json"
                times["recorded"].append(measure(folder, "--audit-evidence=ev", report))
        for _ in range(options.rounds + 1):
            report = "--audit-report=json=replay.json"
            times["replay"].append(measure(folder, "--audit-replay=ev", report))
        equal = findings(folder / "run.json") == findings(folder / "replay.json")
        results = len(json.loads((folder / "run.json").read_text())["results"])
        size = sum(file.stat().st_size for file in (folder / "ev").iterdir())
    _print(times, equal=equal, results=results, size=size)


def _print(
    times: dict[str, list[tuple[float, float]]], *, equal: bool, results: int, size: int
) -> None:
    found = {  # the first round fills caches
        name: tuple(statistics.median(column) for column in zip(*rounds[1:], strict=True))
        for name, rounds in times.items()
    }
    print(f"{results} results, {size / 1024:.0f} KB of evidence, verdicts equal: {equal}")
    for name, (wall, cpu) in found.items():
        print(f"{name:10} {wall:6.2f} s wall  {cpu:6.2f} s CPU")
    ratio = found["recorded"][1] / found["plain"][1]
    print(f"recording costs {ratio:.2f} times the CPU of the run")
    share = found["replay"][0] * 2000 / results
    print(Goal("replay of 2,000 results", share, "at most", 2, " s"))


if __name__ == "__main__":
    main()
