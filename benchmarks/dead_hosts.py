"""What three dead hosts among ten add to a run: refused, unanswered, wrong key.

    python benchmarks/dead_hosts.py [ROUNDS]

Runs the same checks on seven living hosts, and on these and three dead ones, in turns, and prints
how much longer the second takes. It is to stay below connect_timeout plus 2 seconds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from lab.faults import refused, unanswered
from lab.sshd import Sshd, make_key

CONNECT_TIMEOUT = 5
CHECKS = """
import pytest

@pytest.mark.parametrize("n", range(5))
def test_passwd(host, n):
    assert host.file("/etc/passwd").exists
"""


def measure(folder: Path, selection: str) -> float:
    """Return the seconds of one audit of the targets that *selection* names."""
    started = time.perf_counter()
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("--audit-target", selection, "--audit-report", "json", "checks"),
        ],
        cwd=folder,
        check=False,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - started


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as name, unanswered() as (mute, mute_port):
        folder = Path(name)
        (folder / "checks").mkdir()
        (folder / "checks" / "test_it.py").write_text(CHECKS)
        with Sshd(folder / "sshd") as server:
            stranger = make_key(folder / "stranger")
            address, port = refused()
            hosts = {f"web{n}": server.entry(groups=["alive"]) for n in range(7)}
            hosts["refused"] = {"address": address, "port": port}
            hosts["mute"] = {"address": mute, "port": mute_port}
            hosts["stranger"] = server.entry(ssh={"key_file": str(stranger), "agent": False})
            (folder / "inventory.yaml").write_text(
                yaml.safe_dump(
                    {
                        "version": 1,
                        "defaults": {"connect_timeout": CONNECT_TIMEOUT},
                        "groups": {"alive": {}},
                        "hosts": hosts,
                    }
                )
            )
            found: dict[str, list[float]] = {"alive": [], "all": []}
            for _ in range(rounds):
                for selection, figures in found.items():
                    figures.append(measure(folder, selection))
    alive, whole = (statistics.median(figures) for figures in found.values())
    print(f"7 living hosts             {alive:6.2f} s   ({rounds} rounds, medians)")
    print(f"the same and 3 dead ones   {whole:6.2f} s")
    print(f"the dead ones add          {whole - alive:6.2f} s   below {CONNECT_TIMEOUT} + 2 s")


if __name__ == "__main__":
    main()
