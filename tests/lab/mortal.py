"""Programs as root without root's power over files: for root reads and writes everything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_WITHOUT = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


def mortal(folder: Path, module: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m module args`` in *folder*, bound by the modes of files."""
    argv = [sys.executable, "-m", module, *args]
    if os.geteuid() == 0:
        argv = [*_WITHOUT, *argv]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
