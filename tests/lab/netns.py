"""Network namespaces for tests: a pair of them joined by a cable, gone when the test ends."""

from __future__ import annotations

import ctypes
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

CLONE_NEWNET = 0x40000000


def _may_make_namespaces() -> bool:
    if os.geteuid() != 0:
        return False
    done = subprocess.run(
        ["unshare", "--net", "true"], capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0


needs_netns = pytest.mark.skipif(
    not _may_make_namespaces(), reason="needs root and network namespaces"
)


def ip(*words: str) -> str:
    """Run iproute2's ``ip``; its failure is the test's error."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Put the current thread, and the processes that it starts, into the namespace *name*."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as old, Path(f"/run/netns/{name}").open() as new:
        assert libc.setns(new.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(old.fileno(), CLONE_NEWNET) == 0


@dataclass(frozen=True)
class Pair:
    """Two namespaces, `near` and `far`, with interface ``wire0`` in each and a cable between."""

    near: str
    far: str
    near_address: str = "192.0.2.1"
    far_address: str = "192.0.2.2"
    interface: str = "wire0"


@contextmanager
def pair() -> Iterator[Pair]:
    """Make a `Pair` and take it away again."""
    tag = secrets.token_hex(4)
    made = Pair(f"sa-{tag}-a", f"sa-{tag}-b")
    try:
        for name in (made.near, made.far):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        peer = ("peer", "name", made.interface, "netns", made.far)
        ip("-n", made.near, "link", "add", made.interface, "type", "veth", *peer)
        ends = ((made.near, made.near_address), (made.far, made.far_address))
        for name, address in ends:
            ip("-n", name, "addr", "add", f"{address}/24", "dev", made.interface)
            # Without IPv6 there are no neighbour and router solicitations between the packets.
            ip("netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
            ip("-n", name, "link", "set", made.interface, "up")
        yield made
    finally:
        for name in (made.near, made.far):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
