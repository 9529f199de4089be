"""What checks observe stands in every report: none of it may be a secret."""

from __future__ import annotations

import pytest
from lab.fake import judge_check
from lab.textfiles import told
from lab.wellhost import MOUNTS, SYSCTL, answers, well_host

from checks.linux import test_boot, test_mounts, test_sysctl_files
from pytest_sysaudit.audit import Audit
from pytest_sysaudit.facts.sysctl_files import ROWS

SECRET = "s3cr3t-Wq8zP3rT"
BOOT = f"""release 6.1
version #1
arguments ro audit=1 systemd.set_credential=passwd:{SECRET}
container
@files
file /boot/grub/grub.cfg
entry
kernel ro systemd.set_credential=passwd:{SECRET}
@end
"""
#: By check: what the host says, and a word that is observed all the same.
HOSTS = {
    "mounts": (
        test_mounts.test_mounts_are_as_fstab_says,
        {
            "fstab": (
                "cat /etc/fstab",
                f"//nas/x /mnt cifs nosuid,username=ann,password={SECRET} 0 0\n",
            ),
            "mounts": ("cat /proc/self/mounts", f"{MOUNTS}//nas/x /mnt cifs rw,nosuid 0 0\n"),
        },
        "nosuid",
    ),
    "arguments": (
        test_boot.test_no_argument_weakens_the_kernel,
        {"boot": ("printf 'release", BOOT)},
        "systemd.set_credential",
    ),
    "settings": (
        test_sysctl_files.test_files_keep_the_settings,
        {
            "boot": ("printf 'release", BOOT),
            "masks": ("mask %s", "systemd\n@end\n"),
            "files": (
                "d 1 /etc/sysctl.d",
                told(
                    ROWS["texts"],
                    {"/etc/sysctl.d/x.conf": f"net.ipv6.conf.eth0.stable_secret = {SECRET}\n"},
                ),
            ),
            "settings": (
                "cd /proc/sys",
                SYSCTL.replace("@end", f"./net/ipv6/conf/eth0/stable_secret:{SECRET}7\n@end"),
            ),
        },
        "stable_secret",
    ),
}


@pytest.mark.parametrize("name", HOSTS)
def test_no_secret_is_observed(name):
    check, more, word = HOSTS[name]
    marks = [mark for mark in check.pytestmark if mark.name == "control"]
    audit = Audit(marks[0].kwargs.get("inputs", {}))
    reason = judge_check(check, audit=audit, host=well_host(more=more))[1]
    told_of = f"{audit.observations} {reason}"
    assert word in told_of
    assert SECRET not in told_of


def test_a_secret_of_the_kernel_that_drifts_is_told_without_it():
    check, more, _ = HOSTS["settings"]
    verdict, reason = judge_check(check, host=well_host(more=more))
    assert verdict == "fail"
    assert "stable_secret is (hidden)" in reason
    same = answers("settings", more["settings"][1].replace(f"{SECRET}7", SECRET))
    assert judge_check(check, host=well_host(same, more=more))[0] == "pass"
