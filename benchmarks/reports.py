"""What the reports of a large run cost: seconds and peak memory of each format, and of all of them.

    python benchmarks/reports.py [--hosts 500] [--runs 5] [FORMAT ...]

The document is that of the tests: 40 controls on each host, waivers, attestations, drift and
evidence in it. Each run is a process of its own, which reads the json report and then writes; the
seconds are those of writing, by the clock and of CPU, the memory is the peak of the process, the
document included. Figures are medians, with the largest in brackets. For all formats together it
says whether the goals are reached, 20 s and 1 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from goals import Goal

LIMIT_SECONDS, LIMIT_MB = 20.0, 1024.0
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Print a line a format, and one for all of them in one process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("formats", nargs="*")
    parser.add_argument("--hosts", type=int, default=500)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--child", nargs=2, metavar=("DOCUMENT", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(*map(Path, arguments.child), arguments.formats)
        return
    from pytest_sysaudit.reports import WRITERS

    formats = arguments.formats or sorted(WRITERS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = make(folder / "document.json", arguments.hosts)
        print(f"{results} results on {arguments.hosts} hosts, medians of {arguments.runs} runs")
        print(f"{'':16} {'seconds':>18} {'CPU seconds':>18} {'peak MB':>18} {'file MB':>9}")
        for wanted in [[one] for one in formats] + [formats]:
            label = wanted[0] if len(wanted) == 1 else f"all {len(wanted)}"
            last = line(label, [measure(folder, wanted) for _ in range(arguments.runs)])
    if not arguments.formats:
        print(Goal("all formats", last[0], "at most", LIMIT_SECONDS, " s"))
        print(Goal("memory of the process", last[2], "at most", LIMIT_MB, " MB"))


def make(path: Path, hosts: int) -> int:
    """Write the document to *path* and return how many results it has."""
    sys.path.insert(0, str(ROOT / "tests"))
    from lab.report_sample import big_document

    from pytest_sysaudit.reports import write

    document = big_document(hosts)
    write("json", document, path)
    return len(document["results"])


def measure(folder: Path, formats: list[str]) -> tuple[float, ...]:
    """Write *formats* in one process; return seconds, CPU seconds, peak MB, MB on disk."""
    target = folder / "written"
    target.mkdir(exist_ok=True)
    for old in target.iterdir():
        old.unlink()
    argv = [sys.executable, __file__, "--child", str(folder / "document.json"), str(target)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*argv, "--", *formats], check=True, stdout=subprocess.PIPE, text=True, env=environment
    )
    return *map(float, done.stdout.split()), sum(f.stat().st_size for f in target.iterdir()) / 1e6


def child(document: Path, folder: Path, formats: list[str]) -> None:
    """Write *formats* below *folder*; print both seconds and the peak MB."""
    from pytest_sysaudit.reports import write

    loaded = json.loads(document.read_bytes())
    begun, worked = time.perf_counter(), time.process_time()
    for name in formats:
        write(name, loaded, folder / name)
    seconds, work = time.perf_counter() - begun, time.process_time() - worked
    print(seconds, work, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def line(label: str, runs: list[tuple[float, ...]]) -> list[float]:
    """Print the medians of *runs*, with the largest, and return them."""
    figures = list(zip(*runs, strict=True))
    medians = [statistics.median(found) for found in figures]
    seconds, work, peak, size = medians
    times = f"{seconds:9.2f} ({max(figures[0]):6.2f}) {work:9.2f} ({max(figures[1]):6.2f})"
    print(f"{label:16} {times} {peak:9.0f} ({max(figures[2]):6.0f}) {size:9.1f}", flush=True)
    return medians


if __name__ == "__main__":
    main()
