"""How hard work is to be done here, who is logged in, and whether the hardware is well."""

from __future__ import annotations

import pytest

from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")


@pytest.mark.control(
    "health.pressure",
    severity="low",
    inputs={"maximum": {"cpu": 90.0, "memory": 20.0, "io": 60.0}},
)
@pytest.mark.parametrize("resource", ["cpu", "memory", "io"])
def test_work_does_not_wait(host, audit, resource):
    """Work does not wait long for processors, memory and disks.

    Why: waiting shows that a host is overloaded before its load average does.

    Fix: find what takes the resource with `top` or `iotop`. The input `maximum` is in percent of
    the last minute in which something had to wait.
    """
    if resource not in host.facts.pressure:
        audit.cannot_assess(f"the kernel does not tell the pressure on {resource}")
    maximum = audit.inputs.maximum.get(resource, 100.0)
    waited = audit.observe("waited percent", host.facts.pressure[resource].some[60])
    assert waited <= maximum, f"work waited {waited} % of the last minute; allowed: {maximum} %"


@pytest.mark.control(
    "health.users",
    severity="low",
    inputs={"users": None},
)
def test_only_expected_users_are_logged_in(host, audit):
    """Nobody has a terminal here but those whom the inventory expects.

    Why: on hosts that are managed from outside, a person at work is an event worth a question.

    Fix: ask who it is; name administrators in the input `users`.
    """
    if audit.inputs.users is None:
        audit.not_applicable("the inventory names no expected users (input `users`)")
    users = [user for user in host.health.users if user.terminal]
    names = audit.observe("logged in", sorted({user.name for user in users}))
    extra = [name for name in names if name not in audit.inputs.users]
    assert not extra, f"logged in, but not expected: {listed(extra)}"


@pytest.mark.control(
    "health.sensors",
    severity="low",
    inputs={"maximum": 90.0, "margin": 5.0},
)
def test_temperatures_are_low(host, audit):
    """No sensor is close to the temperature at which damage begins.

    Why: heat slows processors down, ages disks, and ends in a sudden stop.

    Fix: look at fans, dust and the air of the room. The input `margin` is the distance from what a
    chip itself calls critical, `maximum` holds where it names nothing.
    """
    sensors = host.facts.sensors
    if not audit.observe("sensors", len(sensors)):
        audit.not_applicable("no sensor measures a temperature here")
    known = [sensor for sensor in sensors if sensor.value is not None]
    if not known:
        audit.cannot_assess("no sensor answers")
    hot = []
    for sensor in known:
        limit = audit.inputs.maximum
        if sensor.critical is not None:
            limit = sensor.critical - audit.inputs.margin
        if sensor.value > limit:
            hot.append(f"{sensor.name} ({sensor.path}): {sensor.value} °C, allowed: {limit} °C")
    audit.observe("highest", max(sensor.value for sensor in known))
    assert not hot, f"too hot: {listed(hot)}"


@pytest.mark.control(
    "health.raid",
    severity="medium",
)
def test_disks_and_arrays_are_whole(host, audit):
    """Every RAID array, ZFS pool and disk that tells of itself is whole.

    Why: an array that lost a disk works on without a sign, until the next one fails.

    Fix: look at `cat /proc/mdstat`, `zpool status` or `smartctl -a DISK`, and replace the disk.
    Disks are asked where smartctl is installed.
    """
    arrays = [array for array in host.facts.raid if array.healthy is not None]
    audit.observe("arrays", {array.name: array.state for array in host.facts.raid})
    if not arrays:
        audit.not_applicable("there is no array here, and no disk that tells of itself")
    bad = [f"{array.name} ({array.kind}): {array.state}" for array in arrays if not array.healthy]
    assert not bad, f"not whole: {listed(bad)}"
