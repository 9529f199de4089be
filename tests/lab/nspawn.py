"""Real Debian hosts with systemd and sshd: a tree made once by mmdebstrap, booted by nspawn."""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

SUITE = "bookworm"
PACKAGES = ("systemd-sysv", "dbus", "openssh-server", "iproute2", "procps", "sudo")
TOOLS = ("mmdebstrap", "systemd-nspawn", "ip", "chroot", "ssh", "ssh-keygen", "setpriv")
#: The hosts get /30 networks out of this one.
NETWORK = ipaddress.ip_network("10.213.0.0/16")
#: Seconds until a host must have started.
START = 60.0
#: Seconds until a host must have stopped when it is asked to.
STOP = 20.0


class LabError(Exception):
    """The host could not be made; the message holds what the tool said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A running host.

    Attributes:
        name: its host name.
        address: where its sshd listens, at ``port``.
        key_file: logs in as ``root`` and as ``auditor``, a user without sudo.
        known_hosts: has its host keys.
        tree: its root folder, seen from here.
        groups: its control groups.
    """

    name: str
    address: str
    key_file: Path
    known_hosts: Path
    tree: Path
    port: int = 22
    user: str = "root"
    groups: tuple[Path, ...] = ()

    def cpu(self) -> float:
        """Return the seconds of CPU that all of its processes have used so far."""
        for group in self.groups:
            old, new = group / "cpuacct.usage", group / "cpu.stat"
            if old.exists():
                return int(old.read_text()) / 1e9
            if new.exists():
                return int(dict(map(str.split, new.read_text().splitlines()))["usage_usec"]) / 1e6
        raise LabError(f"{self.name}: no control group counts its CPU time")

    def entry(self, user: str = "root") -> dict[str, object]:
        """Return the inventory's entry for this host."""
        ssh = {"key_file": str(self.key_file), "known_hosts": str(self.known_hosts)}
        return {
            "address": self.address,
            "port": self.port,
            "user": user,
            "ssh": {**ssh, "agent": False, "config_file": "none"},
        }

    def run(
        self, command: str, *, user: str = "root", timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell line there with OpenSSH's client; the exit code is the caller's to judge."""
        options = ["-F", "none", "-oBatchMode=yes", "-oConnectTimeout=2", "-oLogLevel=ERROR"]
        options += [f"-oUserKnownHostsFile={self.known_hosts}", "-oIdentitiesOnly=yes"]
        return subprocess.run(
            ["ssh", *options, "-i", self.key_file, f"{user}@{self.address}", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def why_not() -> str:
    """Return why no host can be made on this machine; "" if it can."""
    if os.geteuid() != 0:
        return "systemd-nspawn needs root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def base_tree(
    packages: Sequence[str] = PACKAGES, variant: str = "minbase", *, lists: bool = False
) -> Path:
    """Return a Debian tree with *packages*; it takes a minute the first time, then it is kept.

    It is kept in ``$SYSAUDIT_LAB``, else in ``~/.cache/pytest-sysaudit-lab``, for copying only.
    With *lists*, apt's lists of packages stay in it.
    """
    cache = Path(os.environ.get("SYSAUDIT_LAB") or Path.home() / ".cache/pytest-sysaudit-lab")
    cache.mkdir(parents=True, exist_ok=True)
    made_of = [SUITE, variant, sorted(packages), *(["lists"] if lists else [])]
    key = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]
    tree = cache / f"{SUITE}-{key}"
    with (cache / f"{tree.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes may want it at once
        if not tree.exists():
            _build(tree, packages, variant, ["--skip=cleanup/apt/lists"] if lists else [])
    return tree


def _build(tree: Path, packages: Sequence[str], variant: str, options: Sequence[str]) -> None:
    unfinished = tree.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    include = f"--include={','.join(packages)}"
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    argv: list[str | Path] = ["mmdebstrap", "--quiet", f"--variant={variant}", include]
    argv += [*options, SUITE, unfinished, *([sources] if sources.exists() else [])]
    call(argv, timeout=900)
    unfinished.rename(tree)


@contextmanager
def booted_host(
    name: str,
    setup: Sequence[str] = (),
    *,
    sysctls: Mapping[str, str] | None = None,
    packages: Sequence[str] = PACKAGES,
    lists: bool = False,
    overlay: bool = True,
) -> Iterator[Machine]:
    """Boot a host and stop it at the end; nothing of it is left then.

    Args:
        name: its host name.
        setup: shell lines that are run in the tree before it boots, as root, without /proc.
        sysctls: ``net.*`` settings of its network; others are the kernel's, see `kernel_settings`.
        packages: what is installed in it besides the essential packages.
        lists: whether it has apt's lists of packages.
        overlay: whether its root may be an overlay, which is quick; else it is a copy.

    Raises:
        LabError: it did not start.
    """
    base = base_tree(packages, lists=lists)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sysaudit-lab-")))
        tag = new_tag()
        tree = stack.enter_context(copy_of(base, folder / name, overlay=overlay))
        machine = _prepare(name, folder, tree, free_address())
        for line in setup:
            call(["chroot", tree, "sh", "-euc", line])
        stack.enter_context(network(tag, machine.address, sysctls or {}))
        groups = stack.enter_context(control_groups(tag))
        machine = replace(machine, groups=tuple(groups))
        stack.enter_context(running(tag, machine, groups, folder / "console.log"))
        yield machine


@contextmanager
def copy_of(base: Path, tree: Path, *, overlay: bool = True) -> Iterator[Path]:
    """A tree that may be changed: an overlay, or a real copy, also where the kernel has none."""
    upper, work = tree.with_suffix(".upper"), tree.with_suffix(".work")
    for folder in (tree, upper, work):
        folder.mkdir()
    upper.chmod(0o755)
    options = f"lowerdir={base},upperdir={upper},workdir={work}"
    argv = ["mount", "-t", "overlay", "-o", options, "overlay", str(tree)]
    mounted = overlay and subprocess.run(argv, capture_output=True, check=False).returncode == 0
    try:
        if not mounted:
            call(["cp", "-a", "--reflink=auto", f"{base}/.", tree])
        yield tree
    finally:
        if mounted:
            call(["umount", "--lazy", tree])


def _prepare(name: str, folder: Path, tree: Path, address: str) -> Machine:
    key = folder / "key"
    call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", key])
    public = key.with_suffix(".pub").read_text()
    for old in (tree / "etc/ssh").glob("ssh_host_*"):
        old.unlink()
    call(["chroot", tree, "ssh-keygen", "-A"])
    call(["chroot", tree, "useradd", "-m", "-s", "/bin/bash", "auditor"])
    for home, owner in ((tree / "root", 0), (tree / "home/auditor", 1000)):
        (home / ".ssh").mkdir(mode=0o700, exist_ok=True)
        (home / ".ssh/authorized_keys").write_text(public)
        for path in (home / ".ssh", home / ".ssh/authorized_keys"):
            os.chown(path, owner, owner)
    (tree / "etc/hostname").write_text(f"{name}\n")
    (tree / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    known = folder / "known_hosts"
    keys = [path.read_text() for path in sorted((tree / "etc/ssh").glob("ssh_host_*.pub"))]
    known.write_text("".join(f"{address} {' '.join(text.split()[:2])}\n" for text in keys))
    return Machine(name=name, address=address, key_file=key, known_hosts=known, tree=tree)


def kernel_settings(values: Mapping[str, str]) -> list[str]:
    """Return setup lines that make the host see these values of kernel-wide sysctls.

    A container cannot have a ``kernel.*`` or ``fs.*`` setting of its own, so files with the
    wanted values are mounted over those of /proc/sys.
    """
    lines = ["mkdir -p /etc/lab"]
    mounts = ["mkdir -p /run/lab"]
    for key, value in values.items():
        lines.append(f"echo {value} >/etc/lab/{key}")
        path = f"/proc/sys/{key.replace('.', '/')}"
        seen = f"cp /etc/lab/{key} /run/lab/ && mount --bind /run/lab/{key} {path}"
        mounts.append(f"[ ! -e {path} ] || {{ {seen}; }}")
    unit = (
        "[Unit]\\nDefaultDependencies=no\\n[Service]\\nType=oneshot\\nRemainAfterExit=yes\\n"
        "ExecStart=/bin/sh /etc/lab/mount\\n[Install]\\nWantedBy=sysinit.target\\n"
    )
    body = "\n".join(mounts)
    return [
        *lines,
        f"cat >/etc/lab/mount <<'END'\n{body}\nEND",
        f"printf '{unit}' >/etc/systemd/system/lab-kernel.service",
        "systemctl enable --quiet lab-kernel.service",
    ]


def new_tag() -> str:
    """Return a name for network and groups that fits an interface, and tells whose it is."""
    return f"lab{os.getpid():x}{random.randrange(1 << 16):04x}"[:14]


def free_address() -> str:
    """Return the upper address of a /30 that no interface of this machine has."""
    used = {
        ipaddress.ip_interface(address["local"]).network.network_address
        for link in json.loads(call(["ip", "-json", "address"]))
        for address in link.get("addr_info", ())
    }
    while True:
        subnet = ipaddress.ip_network((int(NETWORK[0]) + 4 * random.randrange(1 << 14), 30))
        if not used & set(subnet):
            return str(subnet[2])


@contextmanager
def network(tag: str, address: str, sysctls: Mapping[str, str]) -> Iterator[None]:
    """A network namespace of the host's own, and a cable to this machine."""
    near = str(ipaddress.ip_address(address) - 1)
    inside = ["ip", "netns", "exec", tag]
    call(["ip", "netns", "add", tag])
    try:
        call(["ip", "link", "add", tag, "type", "veth", "peer", "name", "host0", "netns", tag])
        call(["ip", "address", "add", f"{near}/30", "dev", tag])
        call(["ip", "link", "set", tag, "up"])
        call([*inside, "ip", "address", "add", f"{address}/30", "dev", "host0"])
        call([*inside, "ip", "link", "set", "host0", "up"])
        call([*inside, "ip", "link", "set", "lo", "up"])
        for key, value in sysctls.items():
            call([*inside, "sysctl", "-qw", f"{key}={value}"])
        yield
    finally:
        subprocess.run(["ip", "link", "delete", tag], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "delete", tag], capture_output=True, check=False)


@contextmanager
def control_groups(tag: str) -> Iterator[list[Path]]:
    """Groups of the host's own: two systemds in one group would see each other's services."""
    made = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, path, kind, options, *_ = line.split()
        wanted = {"name=systemd", "cpuacct"} & set(options.split(","))
        if kind == "cgroup2" or (kind == "cgroup" and wanted):
            made.append(Path(path) / tag)
    try:
        for group in made:
            group.mkdir()
        yield made
    finally:
        for group in made:
            for folder in sorted(group.glob("**/"), key=lambda path: len(path.parts), reverse=True):
                folder.rmdir()


@contextmanager
def running(
    tag: str,
    machine: Machine,
    groups: Sequence[Path],
    log: Path,
    *,
    command: Sequence[str] = (),
    ready: str = "systemctl is-system-running --wait",
) -> Iterator[None]:
    """The running host; it stops with this process at the latest.

    Args:
        tag: names its network and groups.
        machine: what is started.
        groups: its control groups.
        log: where its console goes.
        command: what runs in it; nothing: its own init.
        ready: is asked over ssh until it says that all is up.
    """
    joins = "".join(f"echo $$ >{group}/cgroup.procs; " for group in groups)
    argv = ["setpriv", "--pdeathsig=TERM", "systemd-nspawn", "--quiet", "--register=no"]
    argv += [
        "--keep-unit",
        "--as-pid2" if command else "--boot",
        f"--directory={machine.tree}",
        f"--machine={tag}",
    ]
    argv += [f"--hostname={machine.name}", f"--network-namespace-path=/run/netns/{tag}"]
    argv += ["--capability=CAP_NET_ADMIN"]  # its network is its own
    argv += ["--console=pipe", "--link-journal=no", "--timezone=off", *command]
    with log.open("wb") as console:
        process = subprocess.Popen(
            ["sh", "-c", f'{joins}exec "$@"', "sh", *argv],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(machine, process, log, ready)
        yield
    finally:
        _stop(process)
        left = Path("/run/systemd/nspawn/propagate") / tag
        if left.is_dir():
            left.rmdir()


def _wait(machine: Machine, process: subprocess.Popen[bytes], log: Path, ready: str) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise LabError(f"{machine.name}: nspawn ended: {log.read_text(errors='replace')}")
        state = machine.run(ready).stdout.strip()
        if state in ("running", "degraded"):
            return
        time.sleep(0.2)
    raise LabError(f"{machine.name} did not start: {log.read_text(errors='replace')[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask for an orderly halt; a second SIGTERM ends it at once, SIGKILL in any case."""
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        process.send_signal(number)
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            continue
        return


def call(argv: Sequence[str | Path], *, timeout: float = 120) -> str:
    result = subprocess.run(
        [str(word) for word in argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if result.returncode:
        raise LabError(f"{' '.join(map(str, argv))}: {result.stderr.strip()[-2000:]}")
    return result.stdout
