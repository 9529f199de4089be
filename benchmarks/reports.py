"""What it takes to write 20,000 results in every format.

    python benchmarks/reports.py [HOSTS]

The results are those of HOSTS hosts (500 unless given) with 40 controls each, with waivers, drift
and evidence. It prints wall time, CPU, size and peak memory of each format, and of all.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from lab.report_sample import big_document

from pytest_sysaudit.reports import WRITERS, write


def main() -> None:
    document = big_document(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
    print(f"{len(document['results'])} results, {peak()} MB before the first report")
    with tempfile.TemporaryDirectory() as folder:
        start, cpu = time.perf_counter(), time.process_time()
        for name in sorted(WRITERS):
            began, used = time.perf_counter(), time.process_time()
            path = Path(folder) / name
            write(name, document, path)
            took, spent = time.perf_counter() - began, time.process_time() - used
            size = path.stat().st_size / 1e6
            print(f"{name:14} {took:6.2f} s {spent:6.2f} s CPU {size:7.2f} MB, peak {peak()} MB")
        took, spent = time.perf_counter() - start, time.process_time() - cpu
        print(f"{'all':14} {took:6.2f} s {spent:6.2f} s CPU")


def peak() -> int:
    """Return the most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
