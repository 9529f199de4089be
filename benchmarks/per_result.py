"""What one result costs, in CPU and memory, and whether that stays so as the results get many.

    python benchmarks/per_result.py [SIZE ...] [--reports json,junit,html]

Audits simulated hosts, 100 checks on each, whose transport answers from memory; SIZE is the number
of results, 20,000 and 200,000 unless given. Beside it, pytest alone runs as many trivial tests that
are parametrized in the same way. Each run is a process of its own. It prints CPU (user and system)
and peak memory for each result; memory is counted above that of a run of 100 results.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKS = 100
FAILING = (3, 53)
LIMIT_MS, LIMIT_KB = 1.0, 8.0
PLAIN_CONFTEST = """
import os

def pytest_generate_tests(metafunc):
    metafunc.parametrize("name", [f"host{n:04}" for n in range(int(os.environ["BENCH_HOSTS"]))])
"""
PLAIN_TEST = "def test_{n:02}(name):\n    assert name\n\n"
CONFTEST = '''
import os
import subprocess
import time
from pathlib import Path

from pytest_sysaudit.inventory.flow import Flow
from pytest_sysaudit.inventory.load import LoadedInventory
from pytest_sysaudit.inventory.model import Inventory
from pytest_sysaudit.transport.base import ENVIRONMENT, CommandResult, FileStat


class Memory:
    """Answers what this machine answered the first time: to all hosts, from memory."""

    answers = {}
    stats = {}

    def __init__(self, name):
        self.name = name
        self.identity = {"address": "192.0.2.1", "machine_id": name}

    def run(self, command, *, stdin=b"", timeout=None, user=None):
        key = (command if isinstance(command, str) else tuple(command), stdin)
        if key not in self.answers:
            argv = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
            done = subprocess.run(argv, input=stdin, capture_output=True, env=dict(ENVIRONMENT))
            self.answers[key] = CommandResult(
                command=command, exit_code=done.returncode, stdout=done.stdout,
                stderr=done.stderr, started=time.time(), duration=0.001)
        return self.answers[key]

    def run_many(self, commands, *, timeout=None, user=None):
        return [self.run(command) for command in commands]

    def read(self, path, *, limit=1 << 24):
        return Path(path).read_bytes()

    def stat(self, path):
        if path not in self.stats:
            found = os.lstat(path)
            self.stats[path] = FileStat(
                path=path, mode=found.st_mode, uid=found.st_uid, gid=found.st_gid,
                size=found.st_size, mtime=int(found.st_mtime))
        return self.stats[path]

    def listdir(self, path):
        return sorted(os.listdir(path))

    def close(self):
        pass


def pytest_sysaudit_transports():
    return {"ssh": lambda target, secrets, targets: Memory(target.name)}


def pytest_sysaudit_inventory(config):
    names = [f"host{n:04}" for n in range(int(os.environ["BENCH_HOSTS"]))]
    hosts = {name: {"address": "192.0.2.1", "groups": ["web"]} for name in names}
    model = Inventory.model_validate({"version": 1, "groups": {"web": {}}, "hosts": hosts})
    flow = Flow(model, Path.cwd())
    return LoadedInventory(path=None, sha256="", model=model, targets=flow.targets,
                           groups=flow.groups)
'''
CHECK = '''\
@pytest.mark.control("bench.{family}-{n:02}", severity="{severity}",
                     frameworks={{"cis-debian12": ["{n}.1", "{n}.2"], "nist-800-53": ["AC-6"]}})
def test_{n:02}(host):
    """Requirement {n} about {family} is met on every host of the estate

    Why: a weakness of this kind lets who has an account on the host get at more than was meant.

    Fix: set it as the vendor's guide says, and load the setting anew.
    """
    assert {claim}


'''
CLAIMS = {
    "file": 'host.file("{path}").mode == 0o{mode:o}',
    "owner": 'host.file("{path}").user == "root"',
    "package": 'host.package("dash").is_installed',
    "user": 'host.user("root").uid == {ids}',
    "group": 'host.group("root").gid == {ids}',
}
PATHS = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc", "/etc/hosts", "/bin/sh", "/tmp")


def project(folder: Path) -> None:
    """Write the two suites."""
    plain, audit = folder / "plain", folder / "audit"
    plain.mkdir()
    audit.mkdir()
    (plain / "conftest.py").write_text(PLAIN_CONFTEST)
    (plain / "test_it.py").write_text("".join(PLAIN_TEST.format(n=n) for n in range(CHECKS)))
    (audit / "conftest.py").write_text(CONFTEST)
    checks = "".join(map(_check, range(CHECKS)))
    (audit / "test_it.py").write_text("import pytest\n\n\n" + checks)
    for each in (plain, audit):
        (each / "pytest.ini").write_text("[pytest]\n")


def _check(n: int) -> str:
    family = list(CLAIMS)[n % len(CLAIMS)]
    path = PATHS[n % len(PATHS)]
    mode = Path(path).stat().st_mode & 0o7777
    ids = int(n in FAILING)
    claim = CLAIMS[family].format(path=path, mode=mode, ids=ids)
    severity = ("low", "medium", "high")[n % 3]
    return CHECK.format(n=n, family=family, severity=severity, claim=claim)


def measure(folder: Path, size: int, arguments: list[str]) -> tuple[float, float]:
    """Return CPU seconds and peak KB of one pytest run of *size* results."""
    environment = {**os.environ, "BENCH_HOSTS": str(max(size // CHECKS, 1))}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"pytest ended with {process.returncode} in {folder}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def compare(folder: Path, sizes: list[int], reports: list[str]) -> None:
    """Print a line for each size and kind of run."""
    wanted = {"pytest alone": ("plain", ["-p", "no:sysaudit"])}
    wanted["audit, no report"] = ("audit", [])
    plain = [f"--audit-report={name}=out.{name}" for name in reports if name != "html"]
    wanted[f"audit, {' and '.join(n for n in reports if n != 'html')}"] = ("audit", plain)
    if "html" in reports:
        wanted["audit, html"] = ("audit", ["--audit-report=html=out.html"])
    base = {name: measure(folder / where, CHECKS, args) for name, (where, args) in wanted.items()}
    print(f"{'':24} {'results':>8} {'CPU ms':>8} {'KB':>8}   for each result")
    for name, (where, args) in wanted.items():
        for size in sizes:
            cpu, peak = measure(folder / where, size, args)
            cpu, memory = (cpu - base[name][0]) / size, (peak - base[name][1]) / size
            over = cpu * 1000 > LIMIT_MS or memory > LIMIT_KB
            note = "" if name == "pytest alone" or not over else "   over the bound"
            print(f"{name:24} {size:8} {cpu * 1000:8.3f} {memory:8.2f}{note}", flush=True)
    print(f"{'bound':24} {'':8} {LIMIT_MS:8.3f} {LIMIT_KB:8.2f}   and the same at every size")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int, default=[20_000, 200_000])
    parser.add_argument("--reports", default="json,junit,html")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        project(Path(name))
        compare(Path(name), arguments.sizes, arguments.reports.split(","))


if __name__ == "__main__":
    main()
