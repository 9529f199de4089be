"""200 hosts, 100 of which do not answer: the run ends within the connect timeout plus 5 seconds.

The living are one sshd on as many loopback addresses, so each counts as a host of its own. Every
figure is that of a whole pytest process, its start and its reports included.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from lab import faults  # noqa: E402 - the lab is no installed package
from lab.sshd import Sshd  # noqa: E402

SLACK = 5.0
CHECK = '''\
import pytest


@pytest.mark.control("bench.shell")
def test_a_command_runs(ssh_host):
    """Commands run on the host."""
    assert ssh_host.check_output("echo here") == "here"


@pytest.mark.control("bench.passwd")
def test_root_is_known(ssh_host):
    """There is a root."""
    assert ssh_host.user("root").uid == 0
'''


def main() -> int:
    """Print the run times; return 1 if one of them is beyond the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--dead", type=int, default=100)
    parser.add_argument("--timeout", type=float, default=5.0, help="connect_timeout, in seconds")
    parser.add_argument("--connections", nargs="+", default=["ssh", "openssh"])
    options = parser.parse_args()
    bound = options.timeout + SLACK
    late = False
    print(f"{options.hosts} hosts, {options.dead} unanswered; the bound is {bound:g} s")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        config = ["MaxStartups 1000", "PerSourceMaxStartups none"]
        server = stack.enter_context(Sshd(folder / "sshd", address="0.0.0.0", config=config))
        dead = [stack.enter_context(faults.unanswered()) for _ in range(options.dead)]
        for connection in options.connections:
            hosts = _hosts(server, dead, options.hosts - options.dead, connection)
            defaults = {"connect_timeout": options.timeout}
            inventory = {"version": 1, "defaults": defaults, "hosts": hosts}
            seconds, states = _run(folder, inventory)
            late = late or seconds > bound
            print(f"  connection {connection:8} {seconds:6.2f} s   {states}")
    return int(late)


def _hosts(server: Sshd, dead: list[faults.Address], living: int, connection: str) -> dict:
    """Return the hosts of the inventory, the dead ones first: they must not be in the way."""
    entry = server.entry(connection=connection)
    entry["ssh"] |= {"fingerprint": server.fingerprint, "known_hosts": None}
    hosts = {
        f"dead{n}": {**entry, "address": address, "port": port}
        for n, (address, port) in enumerate(dead)
    }
    places = [f"127.0.{1 + n // 250}.{1 + n % 250}" for n in range(living)]
    return {**hosts, **{f"web{n}": {**entry, "address": a} for n, a in enumerate(places)}}


def _run(folder: Path, inventory: dict) -> tuple[float, str]:
    """Audit once; return the seconds, and what became of the hosts."""
    (folder / "inventory.yaml").write_text(json.dumps(inventory))
    (folder / "test_hosts.py").write_text(CHECK)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no"]
    argv += ["--audit-report=json=out.json", f"--rootdir={folder}", "test_hosts.py"]
    began = time.monotonic()
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode not in (1, 10):
        sys.exit(
            f"pytest ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    results = json.loads((folder / "out.json").read_text())["results"]
    passed = sum(row["verdict"] == "pass" for row in results)
    errors = sum(row["verdict"] == "error" for row in results)
    return seconds, f"{passed} passed, {errors} not assessed"


if __name__ == "__main__":
    sys.exit(main())
