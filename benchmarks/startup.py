"""What the plugin costs a pytest run that does not use it, and a collection of all checks.

    python benchmarks/startup.py [ROUNDS]

Each round runs the same one-test suite with and without the plugin, in turns, so that whatever
else the machine does hits both. Times are user + system CPU seconds and wall seconds, medians.
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
    print(f"{'':10} {'wall ms':>9} {'CPU ms':>9}   ({rounds} rounds, medians)")
    medians = {}
    for name, figures in found.items():
        medians[name] = [statistics.median(column) * 1000 for column in zip(*figures, strict=True)]
        print(f"{name:10} {medians[name][0]:9.1f} {medians[name][1]:9.1f}")
    wall, cpu = (medians["with"][n] - medians["without"][n] for n in (0, 1))
    print(f"{'plugin':10} {wall:9.1f} {cpu:9.1f}   to stay below 50 ms")
    print(f"ratio      {medians['with'][0] / medians['without'][0]:9.3f}")


if __name__ == "__main__":
    main()
