"""Whether a host still has room: disks, memory, processors."""

from __future__ import annotations

import pytest

from pytest_sysaudit.text import plural

pytestmark = pytest.mark.platform("linux")


@pytest.mark.control(
    "health.disk",
    severity="high",
    inputs={"maximum": 90},
)
def test_disks_have_space(host, audit):
    """Every file system has space left.

    Why: services stop, logs end and data is lost where nothing can be written.

    Fix: delete or move what is not needed, or make the file system larger. The input `maximum` is
    in percent.
    """
    disks = host.health.disks
    if not audit.observe("file systems", len(disks)):
        audit.not_applicable("no file system here can fill up")
    for disk in disks:
        with audit.resource(disk.mount):
            used = audit.observe("used percent", round(disk.used_percent, 1))
            assert used <= audit.inputs.maximum, f"{used} % used; {disk.free >> 20} MiB are free"


@pytest.mark.control(
    "health.inodes",
    severity="high",
    inputs={"maximum": 90},
)
def test_disks_have_inodes(host, audit):
    """Every file system has room for more files.

    Why: without inodes nothing can be written, however much space is free.

    Fix: find the folder with very many small files, and clear it. The input `maximum` is in
    percent.
    """
    disks = [disk for disk in host.health.disks if disk.inodes_percent is not None]
    if not audit.observe("file systems", len(disks)):
        audit.not_applicable("no file system here has a fixed number of inodes")
    for disk in disks:
        with audit.resource(disk.mount):
            used = audit.observe("used percent", round(disk.inodes_percent, 1))
            assert used <= audit.inputs.maximum, f"{used} % of {disk.inodes_total} inodes used"


@pytest.mark.control(
    "health.memory",
    severity="medium",
    inputs={"minimum": 10},
)
def test_memory_is_available(host, audit):
    """Memory is available without swapping.

    Why: when it runs out, the kernel kills processes of its own choice.

    Fix: find what takes it with `ps aux --sort=-rss`. The input `minimum` is in percent.
    """
    percent = audit.observe("available percent", round(host.health.memory.available_percent, 1))
    assert percent >= audit.inputs.minimum, f"{percent} % of memory available"


@pytest.mark.control(
    "health.swap",
    severity="low",
    inputs={"maximum": 50},
)
def test_swap_is_not_in_use(host, audit):
    """Swap space is mostly free.

    Why: a host that lives on its swap is slow, and close to running out of memory.

    Fix: find what takes the memory. The input `maximum` is in percent.
    """
    swap = host.health.swap
    if not swap.total:
        audit.not_applicable("this host has no swap space")
    used = audit.observe("used percent", round(swap.percent, 1))
    assert used <= audit.inputs.maximum, f"{used} % of swap used"


@pytest.mark.control(
    "health.load",
    severity="medium",
    inputs={"maximum": 2.0},
)
def test_load_is_bearable(host, audit):
    """No more processes want to run than the processors can serve.

    Why: all answers come late, also those that watch over the host.

    Fix: find what runs with `top`. The input `maximum` is the 15-minute load for each processor.
    """
    load = audit.observe("load per processor", round(host.health.load_per_core, 2))
    assert load <= audit.inputs.maximum, f"load is {load} for each processor"


@pytest.mark.control(
    "health.zombies",
    severity="low",
    inputs={"maximum": 0},
)
def test_no_process_is_a_zombie(host, audit):
    """No dead process waits for its parent.

    Why: the parent is stuck or wrong; each zombie holds one of the limited process numbers.

    Fix: find the parent with `ps -eo stat,ppid,comm | grep ^Z` and restart it.
    """
    zombies = audit.observe("zombies", host.health.processes.zombies)
    assert zombies <= audit.inputs.maximum, plural(zombies, "zombie")


@pytest.mark.control(
    "health.uptime",
    severity="low",
    inputs={"minimum_seconds": 0, "maximum_days": 365},
)
def test_uptime_is_within_bounds(host, audit):
    """The host was started neither just now nor very long ago.

    Why: one that was not started for long runs an old kernel; one that starts again and again is
    broken.

    Fix: restart it in a planned way after kernel updates. Both bounds are inputs.
    """
    seconds = audit.observe("uptime seconds", int(host.health.uptime))
    assert seconds >= audit.inputs.minimum_seconds, f"started {seconds} seconds ago"
    assert seconds <= audit.inputs.maximum_days * 86400, f"started {seconds // 86400} days ago"
