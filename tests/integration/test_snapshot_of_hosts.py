"""Snapshots of real hosts: their checks pass at once, and fail when the host changes."""

from __future__ import annotations

import json
import os
import re

import pytest
import yaml
from lab import nspawn
from lab.command import shell
from lab.sshd import needs_sshd

RUN = "pytest -q -p no:cacheprovider --audit-report=json=out.json"


def inventory(folder, **hosts):
    (folder / "inventory.yaml").write_text(yaml.safe_dump({"version": 1, "hosts": hosts}))


def results(folder):
    """Return the verdicts by control and parameter."""
    document = json.loads((folder / "out.json").read_text())
    return {
        (row["control"].split(".", 2)[2], *row["params"].values()): (row["verdict"], row["message"])
        for row in document["results"]
    }


def failed(folder):
    return {key for key, (verdict, _) in results(folder).items() if verdict != "pass"}


#: A view of this machine in which other tests mount nothing and add no users. All of /etc: who adds
#: a user renames /etc/passwd, which undoes a mount on that file in every view.
ALONE = """\
cp -a /etc etc; cp /etc/passwd /etc/group etc && exec unshare --mount bash -e -c '
mount --bind etc /etc
sysaudit snapshot here --only users --only groups --only mounts
%s checks'
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a view of its own")
def test_this_machine_as_it_is(tmp_path):
    inventory(tmp_path, here={"connection": "local"}, other={"connection": "local"})
    ended = shell(ALONE % RUN, tmp_path)
    assert ended.code == 0, ended.out + ended.err
    assert re.match(
        r"wrote checks/test_snapshot_here\.py: \d+ users, \d+ groups, \d+ mounts\n"
        r"next:  pytest checks/test_snapshot_here\.py\n",
        ended.out,
    )
    found = results(tmp_path)
    assert ("users", "root") in found
    assert ("mounts", "/") in found
    assert ("other-users",) in found
    path = tmp_path / "checks" / "test_snapshot_here.py"
    text = path.read_text()
    path.write_text(
        text.replace('"root": (0, 0,', '"root": (0, 1,').replace(
            '    "daemon": ', '    "demon": ', 1
        )
    )
    assert path.read_text() != text
    assert shell(f"{RUN} checks", tmp_path).code == 1
    assert failed(tmp_path) >= {("users", "root"), ("users", "demon"), ("other-users",)}
    assert "daemon" in results(tmp_path)["other-users",][1]


@needs_sshd
def test_a_host_over_ssh(tmp_path, sshd):
    inventory(tmp_path, web1=sshd.entry())
    ended = shell("sysaudit snapshot web1 --only sysctls", tmp_path)
    assert ended.code == 0, ended.err
    ended = shell(f"{RUN} checks", tmp_path)
    assert ended.code == 0, ended.out
    found = results(tmp_path)
    assert len(found) > 100
    path = tmp_path / "checks" / "test_snapshot_web1.py"
    path.write_text(re.sub(r'("net.ipv4.ip_forward": ")', r"\g<1>7", path.read_text()))
    assert shell(f"{RUN} checks -k 'ip_forward or core_pattern'", tmp_path).code == 1
    assert failed(tmp_path) == {("sysctls", "net.ipv4.ip_forward")}


UNIT = r"[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
SETUP = [
    "useradd -r keeper",
    f"printf '{UNIT}' >/etc/systemd/system/sleeper.service",
    "cp /etc/systemd/system/sleeper.service /etc/systemd/system/later.service",
    "systemctl enable sleeper.service",
]
CHANGES = """\
useradd -r intruder
usermod -s /bin/bash keeper
groupadd wheel2
systemctl stop sleeper.service
systemctl enable later.service 2>/dev/null
mkdir -p /data && mount -t tmpfs tmpfs /data
mount -o remount,noexec /dev/shm
rm -rf /var/lib/dpkg/info/sudo.* ; sed -i 's/^Package: sudo$/Package: sudont/' /var/lib/dpkg/status
/usr/sbin/sshd -p 2222
"""


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(bool(nspawn.why_not()), reason=nspawn.why_not() or "never")
def test_every_change_of_a_real_host_is_noticed(tmp_path):
    with nspawn.booted_host("snap", SETUP) as machine:
        inventory(tmp_path, snap=machine.entry(), auditor=machine.entry("auditor"))
        ended = shell(
            "sysaudit snapshot snap --versions && sysaudit snapshot auditor --only ports", tmp_path
        )
        assert ended.code == 0, ended.err
        assert "the programs behind the ports: only root is told" in ended.err
        ended = shell(f"{RUN} checks/test_snapshot_snap.py", tmp_path)
        assert ended.code == 0, ended.out
        assert {("services", "sleeper.service"), ("packages", "sudo")} <= results(tmp_path).keys()
        done = machine.run(CHANGES)
        assert done.returncode == 0, done.stderr
        assert shell(f"{RUN} checks/test_snapshot_snap.py", tmp_path).code == 1
        found = failed(tmp_path)
        expected = {
            *(("users", "keeper"), ("other-users",), ("other-groups",), ("other-ports",)),
            *(("services", "sleeper.service"), ("other-services",)),
            *(("packages", "sudo"), ("other-packages",), ("other-mounts",)),
            ("mounts", "/dev/shm"),
        }
        assert expected <= found, expected - found
        assert {key[0] for key in found - expected} <= {"sysctls"}, found - expected
        messages = results(tmp_path)
        assert "intruder" in messages["other-users",][1]
        assert ":2222" in messages["other-ports",][1]
        assert "later.service" in messages["other-services",][1]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become nobody")
@pytest.mark.root
def test_what_only_root_is_told_is_said(tmp_path):
    tmp_path.chmod(0o777)
    line = (
        "setpriv --reuid=65534 --regid=65534 --clear-groups "
        "sysaudit snapshot localhost --only ports --only sysctls -o -"
    )
    ended = shell(line, tmp_path, HOME=str(tmp_path))
    if "Permission denied" in ended.err and "sysaudit" in ended.err and ended.code == 126:
        pytest.skip("this Python is in a folder that others cannot enter")
    assert ended.code == 0, ended.err
    assert "ports: without the programs behind the ports: only root is told" in ended.err
    assert "# ports: without the programs behind the ports" in ended.out
    assert "only root may read" in ended.err
    assert "host.facts.listeners" in ended.out
