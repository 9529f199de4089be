"""What makes a container look like a machine with a kernel of its own.

Many checks do not apply in a container, as it has no boot loader, no clock and no kernel. The lab's
hosts are containers, so what gives them away is hidden, and what the kernel here has not is laid
over /proc and /sys, as `kernel_settings` does with sysctls.
"""

from __future__ import annotations

from collections.abc import Mapping

from lab.nspawn import kernel_settings
from lab.plant import write

_LAB = "/etc/lab"
#: Where that lies while the host runs: in memory, for a mount of a disk would be looked at.
_SEEN = "/run/lab"
#: Run early: nothing that is mounted over can be asked before.
_UNIT = """[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /etc/lab/disguise
[Install]
WantedBy=sysinit.target"""
_HIDE = """
mount --make-rprivate /
mkdir -p /run/lab; cp /etc/lab/* /run/lab/
# systemd has seen these already; who looks later finds nothing
rm -f /run/systemd/container
mount --bind /run/lab/nothing /proc/1/environ
sed 's/^CapBnd.*/CapBnd: 000001ffffffffff/' /proc/1/status >/run/lab/status
mount --bind /run/lab/status /proc/1/status
umount -l /run/host  # a mount over itself, which hides two others
for f in os-release incoming; do umount -l /run/host/$f; done
rm -f /run/host/container-*
# /sys tells of the network that the one who mounted it was in
mkdir /run/lab/sys; mount -t sysfs sysfs /run/lab/sys
for f in devices/virtual/net class/net; do mount --bind /run/lab/sys/$f /sys/$f; done
umount /run/lab/sys
mount --bind /run/lab/cmdline /proc/cmdline
"""
#: An auditctl that answers from files: the kernel lets no container ask for its rules.
_AUDITCTL = """#!/bin/sh
case "$1" in
-s) cat /etc/lab/audit-status ;;
-l) cat /etc/lab/audit-rules ;;
*) exit 1 ;;
esac"""


def machine(
    *,
    cmdline: str,
    kernel: Mapping[str, str],
    mitigation: str,
    apparmor: bool,
    audit: tuple[int, str],
) -> list[str]:
    """Return setup lines for it.

    Args:
        cmdline: what the kernel was started with.
        kernel: settings, see `kernel_settings`.
        mitigation: what the kernel says of meltdown.
        apparmor: whether profiles are loaded and enforced.
        audit: whether auditing is enabled (2: locked), and the rules in force.
    """
    cpu = "/sys/devices/system/cpu/vulnerabilities"
    steps = [_HIDE.strip()]
    steps += [
        f"for f in {cpu}/*; do mount --bind {_SEEN}/not-affected $f; done",
        f"mount --bind {_SEEN}/mitigation {cpu}/meltdown",
    ]
    if apparmor:
        steps += [
            "mount -t tmpfs -o mode=755 securityfs /sys/kernel/security",
            "mkdir -p /sys/kernel/security/apparmor",
            "echo '/usr/sbin/chronyd (enforce)' >/sys/kernel/security/apparmor/profiles",
            "chmod 0444 /sys/kernel/security/apparmor/profiles",
            "mount -t tmpfs -o mode=755 tmpfs /sys/module",
            "mkdir -p /sys/module/apparmor/parameters",
            "echo Y >/sys/module/apparmor/parameters/enabled",
        ]
    enabled, rules = audit
    status = f"enabled {enabled}\\nfailure 1\\npid 77\\nrate_limit 0\\nbacklog_limit 8192\\nlost 0"
    return [
        *kernel_settings(kernel),
        f": >{_LAB}/nothing; echo 'Not affected' >{_LAB}/not-affected",
        write(f"{_LAB}/cmdline", cmdline),
        write(f"{_LAB}/mitigation", mitigation),
        f"printf '{status}\\n' >{_LAB}/audit-status",
        write(f"{_LAB}/audit-rules", rules),
        "dpkg-divert --local --quiet --rename --add /sbin/auditctl",
        write("/sbin/auditctl", _AUDITCTL, mode="0755"),
        write(f"{_LAB}/disguise", "\n".join(steps)),
        write("/etc/systemd/system/lab-disguise.service", _UNIT),
        "systemctl enable --quiet lab-disguise.service",
        # without the clock of its own: chronyd only looks at it
        write("/etc/systemd/system/chrony.service.d/lab.conf", "[Unit]", "ConditionCapability="),
        "echo 'DAEMON_OPTS=\"-F 0 -x\"' >/etc/default/chrony",
        "mkdir -p /boot; : >/boot/vmlinuz-$(uname -r)",
    ]
