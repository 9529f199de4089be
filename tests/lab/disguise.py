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
After=lab-kernel.service
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
cp -a /run/lab/sys/class /run/lab/class
mount --bind /run/lab/sys/devices/virtual/net /sys/devices/virtual/net; umount /run/lab/sys
mkdir -p /run/lab/class/hwmon/hwmon0; cd /run/lab/class/hwmon/hwmon0
echo coretemp >name; echo 95000 >temp1_crit; cp /etc/lab/heat temp1_input; cd /
if [ -e /etc/lab/radio ]; then
mkdir -p /run/lab/class/net/wlan0/wireless; echo 0x1003 >/run/lab/class/net/wlan0/flags
fi
mount --bind /run/lab/class /sys/class
sed "s/^SwapTotal:.*/SwapTotal: 1000000 kB/; s/^SwapFree:.*/SwapFree: $(cat /etc/lab/swap) kB/" \
  /proc/meminfo >/run/lab/meminfo; mount --bind /run/lab/meminfo /proc/meminfo
# settings that this kernel has not: a copy of all others, with these
mkdir /run/lab/real /run/lab/kernel; mount --rbind /proc/sys/kernel /run/lab/real
cd /run/lab/real
for f in *; do
if [ -d $f ]; then mkdir /run/lab/kernel/$f; continue; fi
cat $f >/run/lab/kernel/$f 2>/dev/null
chmod --reference=$f /run/lab/kernel/$f; chmod o-w /run/lab/kernel/$f
done
cd /run/lab/kernel; mkdir -p yama
[ -e sysrq ] || cp /etc/lab/kernel.sysrq sysrq
[ -e yama/ptrace_scope ] || cp /etc/lab/kernel.yama.ptrace_scope yama/ptrace_scope
cd /; mount --bind /run/lab/kernel /proc/sys/kernel
for d in /run/lab/real/*/; do
[ $d = /run/lab/real/yama/ ] || mount --rbind $d /proc/sys/kernel/$(basename $d)
done
mount -o remount,bind,ro /proc/sys/kernel; umount -l /run/lab/real
mount --bind /run/lab/cmdline /proc/cmdline
# what the machine below has loaded, and its access control
[ ! -e /proc/modules ] || mount --bind /run/lab/nothing /proc/modules
mount -t tmpfs -o mode=755 tmpfs /sys/module
"""
#: An auditctl that answers from files: the kernel lets no container ask for its rules.
_AUDITCTL = """#!/bin/sh
case "$1" in
-s) cat /etc/lab/audit-status ;;
-l) cat /etc/lab/audit-rules ;;
*) exit 1 ;;
esac"""
#: A disk that can be asked how it is.
_SMARTCTL = """#!/bin/sh
case "$*" in
--scan*) echo '/dev/sda -d sat # /dev/sda, ATA device' ;;
*-H*) echo 'SMART overall-health self-assessment test result: {health}' ;;
*) exit 1 ;;
esac"""


def machine(
    *,
    cmdline: str,
    kernel: Mapping[str, str],
    mitigation: str,
    apparmor: bool,
    audit: tuple[int, str],
    healthy: bool,
) -> list[str]:
    """Return setup lines for it.

    Args:
        cmdline: what the kernel was started with.
        kernel: settings, see `kernel_settings`.
        mitigation: what the kernel says of meltdown.
        apparmor: whether profiles are loaded and enforced.
        healthy: whether it is cool, its disk is well, it hardly swaps and has no radio.
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
            "mkdir -p /sys/module/apparmor/parameters",
            "echo Y >/sys/module/apparmor/parameters/enabled",
        ]
    enabled, rules = audit
    status = f"enabled {enabled}\\nfailure 1\\npid 77\\nrate_limit 0\\nbacklog_limit 8192\\nlost 0"
    health = "PASSED" if healthy else "FAILED!"
    return [
        *kernel_settings(kernel),
        f"echo {45000 if healthy else 99000} >{_LAB}/heat",
        f"echo {900000 if healthy else 90000} >{_LAB}/swap",
        *([] if healthy else [f": >{_LAB}/radio"]),
        write("/usr/sbin/smartctl", _SMARTCTL.format(health=health), mode="0755"),
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
