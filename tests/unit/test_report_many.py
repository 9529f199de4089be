"""20,000 results in every format take less than a gigabyte of memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pytest_sysaudit.reports import WRITERS

CODE = """
import resource, sys
from pathlib import Path
from lab.report_sample import big_document
from pytest_sysaudit.reports import WRITERS, write

made = big_document()
assert len(made["results"]) == 20_000
for name in WRITERS:
    write(name, made, Path(sys.argv[1]) / name)
    print(name, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_every_format_of_many_results_stays_small_in_memory(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peaks = {name: int(peak) for name, peak in map(str.split, done.stdout.splitlines())}
    assert set(peaks) == set(WRITERS)
    assert max(peaks.values()) < 1000, peaks
    sizes = {name: (tmp_path / name).stat().st_size / 1e6 for name in WRITERS}
    assert sizes["html"] < 3
    assert sizes["junit"] < 30  # as much as GitLab reads
    assert sizes["markdown"] < 0.25
