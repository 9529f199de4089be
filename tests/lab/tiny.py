"""A host as small as routers and containers are: busybox and dropbear, no systemd, no packages."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from lab import nspawn
from lab.nspawn import Machine, call

PACKAGES = ("busybox-static", "dropbear-bin")
_FILES = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nauditor:x:1000:1000::/home/auditor:/bin/sh\n",
    "group": "root:x:0:\nauditor:x:1000:\n",
    "shadow": "root:*:19000:0:99999:7:::\nauditor:*:19000:0:99999:7:::\n",
    "shells": "/bin/sh\n",
    "os-release": 'ID=tiny\nPRETTY_NAME="Tiny"\n',
}


@contextmanager
def tiny_host(name: str = "tiny") -> Iterator[Machine]:
    """Run such a host and stop it at the end; nothing of it is left then."""
    base = nspawn.base_tree(PACKAGES, "extract")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sysaudit-lab-")))
        tag = nspawn.new_tag()
        tree = stack.enter_context(nspawn.copy_of(base, folder / name))
        machine = _prepare(name, folder, tree, nspawn.free_address())
        stack.enter_context(nspawn.network(tag, machine.address, {}))
        groups = stack.enter_context(nspawn.control_groups(tag))
        machine = replace(machine, groups=tuple(groups))
        command = ["/usr/sbin/dropbear", "-F", "-E", "-s", "-r", "/etc/dropbear.key"]
        log = folder / "console.log"
        stack.enter_context(
            nspawn.running(tag, machine, groups, log, command=command, ready="echo running")
        )
        yield machine


def _prepare(name: str, folder: Path, tree: Path, address: str) -> Machine:
    for path in ("root", "home/auditor", "proc", "sys", "run", "tmp", "var/log", "sbin"):
        (tree / path).mkdir(parents=True, exist_ok=True)
    for path in ("var/cache/apt", "var/lib/apt"):  # left by who made the tree, as a user of theirs
        shutil.rmtree(tree / path, ignore_errors=True)
    (tree / "tmp").chmod(0o1777)
    (tree / "root").chmod(0o700)
    for file, text in _FILES.items():
        (tree / "etc" / file).write_text(text)
    (tree / "etc/shadow").chmod(0o600)
    call(["chroot", tree, "/bin/busybox", "--install", "-s"])
    key = folder / "key"
    call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", key])
    for home, owner in ((tree / "root", 0), (tree / "home/auditor", 1000)):
        (home / ".ssh").mkdir(mode=0o700)
        (home / ".ssh/authorized_keys").write_text(key.with_suffix(".pub").read_text())
        for path in (home, home / ".ssh", home / ".ssh/authorized_keys"):
            os.chown(path, owner, owner)
    said = call(["chroot", tree, "dropbearkey", "-t", "ed25519", "-f", "/etc/dropbear.key"])
    public = next(line for line in said.splitlines() if line.startswith("ssh-ed25519 "))
    known = folder / "known_hosts"
    known.write_text(f"{address} {' '.join(public.split()[:2])}\n")
    return Machine(name=name, address=address, key_file=key, known_hosts=known, tree=tree)
