"""What the plugin costs a pytest run that does not use it, and a collection of all checks.

    python benchmarks/startup.py [ROUNDS]

Each round runs the same one-test suite with and without the plugin, in turns, so that whatever
else the machine does hits both. The least of many rounds is what a busy machine disturbs least.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VARIANTS = {"without": ["-p", "no:sysaudit"], "with": []}


def measure(arguments: list[str], folder: str) -> tuple[float, float]:
    """Return wall and CPU seconds of one pytest run."""
    before = os.times()
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, "test_one.py"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    wall = time.perf_counter() - started
    after = os.times()
    used = after.children_user + after.children_system
    return wall, used - before.children_user - before.children_system


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_one.py").write_text("def test_one():\n    assert 1 + 1 == 2\n")
        for turn in range(rounds + 1):
            for name, arguments in VARIANTS.items():
                figures = measure(arguments, folder)
                if turn:  # the first one fills the caches
                    found[name].append(figures)
    print(f"{rounds} rounds   wall ms: median    least   CPU ms: median    least")
    shown = {}
    for name, figures in found.items():
        columns = list(zip(*figures, strict=True))
        shown[name] = [f(column) * 1000 for column in columns for f in (statistics.median, min)]
        print(f"{name:10} {shown[name][0]:15.1f} {shown[name][1]:8.1f}", end="")
        print(f" {shown[name][2]:16.1f} {shown[name][3]:8.1f}")
    added = [b - a for a, b in zip(shown["without"], shown["with"], strict=True)]
    print(f"plugin     {added[0]:15.1f} {added[1]:8.1f} {added[2]:16.1f} {added[3]:8.1f}")
    print(f"ratio      {shown['with'][0] / shown['without'][0]:15.3f}   to stay below 50 ms more")


if __name__ == "__main__":
    main()
