"""Hosts to audit: each a real sshd in network, process and mount namespaces of its own.

The benchmark itself moves into a network and a process namespace first (`move_in`). So its
addresses meet nothing of this machine, and when it ends, however it ends, the kernel ends the rest.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import yaml
from groups import Group

CLIENT = "198.18.0.1"  # 198.18.0.0/15 is set aside for benchmarks
INSIDE = "SYSAUDIT_BENCH_INSIDE"
MOST = 60_000
# Debian's own, on the host's own keys (comments left out).
SSHD_CONFIG = """Include /etc/ssh/sshd_config.d/*.conf
KbdInteractiveAuthentication no
UsePAM yes
X11Forwarding yes
PrintMotd no
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
"""
# What each host does: own name, home and /etc/ssh; wait for its network device; become sshd.
# sshd logs connections (Debian's default is logins only), because they are counted.
BOOT = """set -e
hostname "$1"
mount --bind "$2/root" /root
mount --bind "$2/ssh" /etc/ssh
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/sshd
echo ready
read -r device
ip link set lo up
ip link set "$device" name eth0 up
ip addr add "$3/32" dev eth0
ip route add "$4/32" dev eth0 src "$3" congctl cubic
exec </dev/null >/dev/null /usr/sbin/sshd -D -o LogLevel=VERBOSE -E "$2/log"
"""


def address(number: int) -> str:
    """The address of host *number*; the forwarder computes the same."""
    if not 0 <= number < MOST:
        raise ValueError(f"host {number}: expected 0 to {MOST - 1}")
    return f"198.18.{number // 250 + 1}.{number % 250 + 1}"


def move_in() -> None:
    """Go on in namespaces of our own: start this program again inside them, and wait for it."""
    if os.environ.pop(INSIDE, None):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: sys.exit(128 + number))
        return
    if os.geteuid() != 0:
        sys.exit("The hosts are namespaces with an sshd in each: that needs root.")
    needed = ("unshare", "setpriv", "ip", "ssh", "/usr/sbin/sshd")
    if missing := [name for name in needed if not shutil.which(name)]:
        sys.exit(f"{', '.join(missing)}: not found; apt-get install openssh-server iproute2")
    namespaces = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    process = subprocess.Popen(
        # Each ends with its parent: unshare with us, and what it starts with it.
        ["setpriv", "--pdeathsig=KILL", "unshare", *namespaces, "--", *sys.orig_argv],
        env={**os.environ, INSIDE: "1"},
    )
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one inside gets Ctrl-C too, and cleans up
    signal.signal(signal.SIGTERM, lambda *_: _end_inside(process))
    sys.exit(process.wait())


def _end_inside(process: subprocess.Popen[bytes]) -> None:
    for child in psutil.Process(process.pid).children():
        child.terminate()


class Bed:
    """Some hosts at one distance; a context manager.

    Attributes:
        hosts: how many.
        rtt: the round trip to each, in milliseconds, that was asked for.
        servers: the sshds and what they start.
        inventory: an inventory.yaml, ssh_config: what ssh wants, for the same hosts.
    """

    def __init__(self, folder: Path, hosts: int, rtt: float) -> None:
        self.folder, self.hosts, self.rtt = folder, hosts, rtt
        self.key = folder / "key"
        self.known_hosts = folder / "known_hosts"
        self.servers = Group(f"sysaudit-bench-{time.time_ns()}-servers")
        self._started: list[subprocess.Popen[str]] = []
        self._forwarder: subprocess.Popen[str] | None = None

    def __enter__(self) -> Bed:
        try:
            self._write_files()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:  # unshare --kill-child takes the whole host with it
            process.kill()
        for process in self._started:
            process.wait()
        self.servers.remove()
        if self._forwarder is not None:
            self._forwarder.kill()
            self._forwarder.wait()
        subprocess.run(["ip", "link", "del", "bench"], capture_output=True, check=False)

    def addresses(self) -> list[str]:
        """Where the hosts are."""
        return [address(number) for number in range(self.hosts)]

    def connections(self) -> int:
        """How many TCP connections the sshds have accepted so far."""
        return sum(count_connections(log.read_text()) for log in self.folder.glob("h*/log"))

    def sessions(self) -> int:
        """How many sessions (one command or one shell each) the sshds have started so far."""
        return sum(
            log.read_text().count("Starting session: ") for log in self.folder.glob("h*/log")
        )

    def processes(self, number: int = 0) -> int:
        """How many processes host *number* has started so far, this reading's own included."""
        inside = psutil.Process(self._started[number].pid).children()[0].pid
        argv = ["nsenter", f"--target={inside}", "--pid", "--mount", "cat", "/proc/loadavg"]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        return int(done.stdout.split()[-1])  # the last process id that was given away

    def measured_rtt(self) -> float:
        """Milliseconds that a TCP connection to the first host takes: one round trip."""
        return statistics.median(_connect_ms(address(0)) for _ in range(7))

    def inventory(self) -> str:
        """The inventory.yaml of these hosts."""
        ssh = {
            "key_file": str(self.key),
            "known_hosts": str(self.known_hosts),
            "config_file": "none",
            "agent": False,
        }
        hosts = {
            f"h{number}": {"address": place, "user": "root", "ssh": ssh}
            for number, place in enumerate(self.addresses())
        }
        dumper = yaml.SafeDumper
        dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign]
        return yaml.dump({"version": 1, "hosts": hosts}, Dumper=dumper, sort_keys=False)

    def ssh_config(self, *more: str) -> str:
        """The ssh configuration of these hosts."""
        lines = [
            *("User root", f"IdentityFile {self.key}", "IdentitiesOnly yes"),
            *(f"UserKnownHostsFile {self.known_hosts}", "StrictHostKeyChecking yes", *more),
        ]
        return "Host *\n" + "".join(f"  {line}\n" for line in lines)

    def _write_files(self) -> None:
        _make_key(self.key)
        root = self.folder / "root"
        (root / ".ssh").mkdir(parents=True, mode=0o700)
        shutil.copy(f"{self.key}.pub", root / ".ssh" / "authorized_keys")
        known = []
        for number, place in enumerate(self.addresses()):
            ssh = self.folder / f"h{number}" / "ssh"
            ssh.mkdir(parents=True)
            (ssh.parent / "root").symlink_to(root)
            (ssh / "sshd_config").write_text(SSHD_CONFIG)
            for kind in ("ed25519", "ecdsa"):
                public = _make_key(ssh / f"ssh_host_{kind}_key", kind)
                known.append(f"{place} {' '.join(public.split()[:2])}\n")
        self.known_hosts.write_text("".join(known))

    def _start(self) -> None:
        device = "benchc" if self.rtt else "bench"
        if self.rtt:
            self._start_forwarder()
        else:
            _ip([f"link add {device} type bridge"])
        _ip(
            [
                *("link set lo up", f"link set {device} up"),
                *(f"addr add {CLIENT}/32 dev {device}",),
                f"route add 198.18.0.0/15 dev {device} src {CLIENT} congctl cubic",
            ]
        )
        for number in range(self.hosts):
            self._started.append(self._boot(number))
        for number, process in enumerate(self._started):
            self._connect(number, process)
        for place in self.addresses():
            _wait_for_port(place)

    def _start_forwarder(self) -> None:
        program = self.folder / "delay"
        source = Path(__file__).with_name("delay.c")
        subprocess.run(["cc", "-O2", "-o", str(program), str(source)], check=True)
        argv = [str(program), "bench", str(self.hosts), str(round(self.rtt * 500))]
        self._forwarder = subprocess.Popen(
            argv, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        if self._forwarder.stdout is None or self._forwarder.stdout.readline() != "ready\n":
            raise OSError("the packet forwarder did not start")

    def _boot(self, number: int) -> subprocess.Popen[str]:
        namespaces = ["--net", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"]
        place = str(self.folder / f"h{number}")
        script = ["sh", "-c", BOOT, "boot", f"h{number}", place, address(number), CLIENT]
        process = subprocess.Popen(
            self.servers.wrap(["unshare", *namespaces, "--", *script]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.servers.follow(process.pid)
        return process

    def _connect(self, number: int, process: subprocess.Popen[str]) -> None:
        if (
            process.stdin is None
            or process.stdout is None
            or process.stdout.readline() != "ready\n"
        ):
            raise OSError(f"host {number} did not start")
        inside = psutil.Process(process.pid).children()[0].pid
        device = f"bench{number}"
        if self.rtt:
            _ip([f"link set {device} netns {inside}"])
        else:
            _ip(
                [
                    f"link add benchv{number} type veth peer name {device} netns {inside}",
                    f"link set benchv{number} master bench up",
                ]
            )
        process.stdin.write(device + "\n")
        process.stdin.close()
        process.stdout.close()


def count_connections(log: str) -> int:
    """Count the connections in what an sshd logged."""
    return sum(line.startswith("Connection from ") for line in log.splitlines())


def _make_key(path: Path, kind: str = "ed25519") -> str:
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "bench", "-f", str(path)]
    subprocess.run(argv, check=True)
    return Path(f"{path}.pub").read_text()


def _ip(lines: list[str]) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)


def _connect_ms(place: str) -> float:
    started = time.perf_counter()
    with socket.create_connection((place, 22), timeout=5):
        return (time.perf_counter() - started) * 1000


def _wait_for_port(place: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            _connect_ms(place)
        except OSError as error:
            if time.monotonic() > deadline:
                raise OSError(f"the sshd of {place} does not answer: {error}") from error
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def hosts(folder: Path, count: int, rtt: float) -> Iterator[Bed]:
    """A `Bed` in a folder of its own below *folder*, which goes with it."""
    place = folder / f"bed-{count}-{rtt:g}"
    place.mkdir()
    try:
        with Bed(place, count, rtt) as bed:
            yield bed
    finally:
        shutil.rmtree(place, ignore_errors=True)
