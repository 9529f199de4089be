"""The checks of boot, modules and access control: well, broken, and not to be known."""

from __future__ import annotations

import pytest
from lab.textfiles import told
from lab.wellhost import (
    ABSENT,
    CUT,
    NOT_ROOT,
    SYSCTL,
    Case,
    answers,
    assert_verdict,
    breaks,
    rows,
    uncovered,
)

from checks.linux import test_boot, test_mac, test_modules

BOOT = """release 6.1.0-18-amd64
version #1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)
arguments BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet audit=1
container
kernel /boot/vmlinuz-6.1.0-17-amd64
kernel /boot/vmlinuz-6.1.0-18-amd64
kernel /boot/vmlinuz-6.1.0-19-cloud-amd64
kernel /boot/vmlinuz-0-rescue-77
modules /lib/modules/6.1.0-18-amd64/modules.dep
@files
file /boot/efi/EFI/debian/grub.cfg
file /boot/grub/grub.cfg
superusers "root"
password hash
entry
kernel /vmlinuz-6.1.0-18-amd64 root=/dev/sda1 ro quiet audit=1
kernel /vmlinuz-6.1.0-18-amd64 root=/dev/sda1 ro single
@end
"""
PACKAGES = "dpkg-query\nii \tlinux-image-6.1.0-18-amd64\t6.1.76-1\tamd64\t\n@end\n"
CPU = "/sys/devices/system/cpu/vulnerabilities/*"
FLAWS = {
    "/sys/devices/system/cpu/vulnerabilities/meltdown": "Mitigation: PTI\n",
    "/sys/devices/system/cpu/vulnerabilities/l1tf": "Mitigation: PTE; VMX: SMT vulnerable\n",
    "/sys/devices/system/cpu/vulnerabilities/mmio": "Unknown: No mitigations\n",
}
RESCUE = """LoadState=loaded
Environment=HOME=/root
ExecStart={ path=/lib/systemd/systemd-sulogin-shell ; argv[]=/lib/systemd/systemd-sulogin-shell x }
"""
MODULES = """ext4 1 0 - Live 0x0
@config
install cramfs /bin/false
blacklist udf
@dep
ext4
cramfs
udf
@whole
@builtin
tmpfs
@whole
@end
"""
MAC = """configured SELINUX=permissive
apparmor Y
/usr/sbin/chronyd (enforce)
/usr/bin/man (enforce)
docker-default (unconfined)
@profiles
@end
"""
MORE = {
    "boot": ("printf 'release", BOOT),
    "built": ("dpkg-query", PACKAGES),
    "flaws": ("d 1 /sys/devices", told([CPU], FLAWS)),
    "rescue": ("rescue.service", RESCUE),
    "emergency": ("emergency.service", RESCUE),
    "inittab": ("d 1 /etc", told(["/etc/inittab"], {})),
    "modules": ("modprobe --showconfig", MODULES),
    "mac": ("/sys/fs/selinux", MAC),
    "settings": ("cd /proc/sys", f"./kernel/sysrq:16\n{SYSCTL}"),
}
CONTAINER = breaks("boot", "container\n", "container lxc\n")
NO_BOOT = (answers("boot", CUT), answers("boot", (1, "", "sh: cannot open")))
#: What was found is all there was to be found; this is not.
REFUSED = (
    breaks("boot", "@files", "refused /boot\n@files"),
    breaks("boot", "@files", "@files\nrefused /boot/grub/custom.cfg"),
    breaks("boot", "@files", "unmounted /boot\n@files"),
)
#: No file of a boot loader.
BARE = BOOT.partition("file ")[0]


def flaws(**states):
    files = {**FLAWS, **{f"{CPU[:-1]}{name}": f"{state}\n" for name, state in states.items()}}
    return answers("flaws", told([CPU], files))


CASES = [
    Case(
        test_boot.test_processor_flaws_are_mitigated,
        fails=(
            flaws(meltdown="Vulnerable"),
            flaws(mds="Vulnerable: Clear CPU buffers attempted, no microcode"),
            flaws(itlb="KVM: Vulnerable"),
        ),
        errors=(
            *NO_BOOT,
            answers("flaws", (0, "1:/x\0@text\0", "")),
            answers("flaws", told([CPU], {})),
            answers("flaws", told([CPU], FLAWS, denied=list(FLAWS))),
        ),
        absent=(CONTAINER,),
        passes=(flaws(meltdown="Not affected"),),
        more=MORE,
    ),
    Case(
        test_boot.test_no_restart_is_pending,
        fails=(
            breaks("boot", "@files", "marker /run/reboot-required\nwaits linux-base\n@files"),
            breaks("boot", "kernel /boot/vmlinuz-6.1.0-17", "kernel /boot/vmlinuz-6.1.0-21"),
            breaks("boot", "kernel /boot/vmlinuz-6.1.0-18", "kernel /boot/vmlinuz-6.1.0-16"),
            breaks("built", "6.1.76-1", "6.1.85-1"),
            breaks("boot", "@files", "clock 1000 100.5\ninstalled 950 glibc\n@files"),
        ),
        errors=(
            *NO_BOOT,
            REFUSED[0],
            REFUSED[2],
            answers("built", CUT),
            breaks("boot", "@files", "clock 1000 100.5\n@files"),
        ),
        absent=(
            CONTAINER,
            answers("boot", BARE.replace("kernel /", "other /").replace("modules", "o") + "@end"),
        ),
        passes=(
            REFUSED[1],
            breaks("boot", "@files", "clock 1000 100.5\ninstalled 800 glibc\n@files"),
        ),
        more=MORE,
    ),
    Case(
        test_boot.test_boot_menu_asks_for_a_password,
        fails=(
            breaks("boot", 'superusers "root"\n', ""),
            breaks("boot", 'superusers "root"', 'superusers ""'),
            breaks("boot", "password hash\n", ""),
            breaks("boot", "password hash", "password plain"),
            breaks("boot", "password hash", "password broken"),
            breaks("boot", "password hash", "password variable"),
        ),
        errors=(
            *NO_BOOT,
            *REFUSED,
            breaks("boot", "entry\n", ""),
            answers("boot", BARE + "@end\n"),
            answers("boot", BARE + "file /boot/extlinux/extlinux.conf\n@end\n"),
        ),
        absent=(
            CONTAINER,
            answers("boot", BARE.replace("kernel /", "other /").replace("modules", "o") + "@end"),
        ),
        passes=(
            breaks(
                "boot",
                "password hash\nentry",
                "password variable\nentry\nfile /boot/grub/user.cfg\nvariable",
            ),
        ),
        more=MORE,
    ),
    Case(
        test_boot.test_no_argument_weakens_the_kernel,
        fails=(
            breaks("boot", "ro quiet audit=1\ncontainer", "ro mitigations=off\ncontainer"),
            breaks("boot", "ro quiet audit=1\nkernel", "ro selinux=0\nkernel"),
            breaks("boot", "ro single", "ro init=/bin/sh"),
            breaks("boot", "ro single", "systemd.debug-shell=1"),
        ),
        errors=(*NO_BOOT, *REFUSED),
        absent=(CONTAINER,),
        passes=(breaks("boot", "ro single", "systemd.debug-shell=0 init=/sbin/init"),),
        more=MORE,
    ),
    Case(
        test_boot.test_rescue_mode_asks_for_a_password,
        fails=(
            answers("rescue", RESCUE.replace("/lib/systemd/systemd-sulogin-shell", "/bin/sh")),
            breaks("emergency", "HOME=/root", "HOME=/root SYSTEMD_SULOGIN_FORCE=1"),
            breaks("emergency", "-shell x", "-shell --force"),
            breaks("shadow", "root:!:1", "root::0"),
            breaks("boot", "ro quiet audit=1\ncontainer", "SYSTEMD_SULOGIN_FORCE=1\ncontainer"),
        ),
        errors=(
            *NO_BOOT,
            answers("rescue", (1, "", "Failed to connect to bus")),
            answers("rescue", ABSENT),
            answers("shadow", (1, "", "awk: cannot open /etc/shadow (Permission denied)")),
            answers("shadow", "ann:!:1:9\n"),
            breaks("rescue", "ExecStart", "ExecStop"),
        ),
        absent=(CONTAINER,),
        passes=(
            answers("rescue", "LoadState=masked\nExecStart=\n"),
            breaks("shadow", "root:!:1", "root:$y$:73"),
        ),
        more=MORE,
    ),
    Case(
        test_boot.test_magic_keys_are_limited,
        fails=(breaks("settings", "sysrq:16", "sysrq:1"),),
        errors=(answers("settings", CUT), breaks("settings", "sysrq:16", "sysrq:x")),
        absent=(answers("settings", SYSCTL),),
        passes=(breaks("settings", "sysrq:16", "sysrq:0"),),
        more=MORE,
    ),
    Case(
        test_modules.test_unused_modules_are_blocked,
        fails=(
            breaks("modules", "install cramfs /bin/false", "install cramfs /sbin/modprobe x"),
            breaks("modules", "ext4\ncramfs", "usb-storage\ncramfs"),
            breaks("modules", "ext4 1", "usb_storage 1"),
            breaks("modules", "tmpfs", "sctp"),
        ),
        errors=(
            *NO_BOOT,
            answers("modules", CUT),
            answers("modules", MODULES.replace("@whole\n", "")),
        ),
        absent=(CONTAINER,),
        passes=(answers("modules", ABSENT), breaks("modules", "tmpfs", "squashfs")),
        more=MORE,
    ),
    Case(
        test_mac.test_access_control_is_enforced,
        fails=(
            breaks("mac", "man (enforce)", "man (complain)"),
            answers("mac", MAC.replace("enforce", "unconfined")),
            answers("mac", "apparmor N\n@end\n"),
            answers("mac", "selinux 0\nconfigured SELINUX=enforcing\napparmor N\n@end\n"),
            answers("mac", "selinux 1\nconfigured SELINUX=disabled\napparmor N\n@end\n"),
        ),
        errors=(
            *NO_BOOT,
            answers("mac", CUT),
            answers("mac", "apparmor Y\n@end\n"),
            answers("mac", "apparmor Y\n@unmounted\n@end\n"),
            answers("mac", "apparmor Y\ncat: x: Permission denied\n@refused\n@end\n"),
            breaks("mac", "man (enforce)", "man"),
        ),
        absent=(CONTAINER,),
        passes=(
            answers("mac", "selinux 1\nconfigured SELINUX=enforcing\napparmor N\n@end\n"),
            answers("mac", "selinux 1\napparmor N\n@end\n"),
        ),
        more=MORE,
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts_of_the_start(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_every_check_of_the_start_has_rows():
    assert not uncovered(CASES, test_boot, test_mac, test_modules)


@pytest.mark.parametrize(
    ("check", "inputs", "broken", "verdict"),
    [
        (
            test_boot.test_processor_flaws_are_mitigated,
            {"accepted": ["meltdown"]},
            flaws(meltdown="Vulnerable"),
            "pass",
        ),
        (test_boot.test_processor_flaws_are_mitigated, {"unknown_fails": True}, flaws(), "fail"),
        (
            test_boot.test_no_restart_is_pending,
            {"foreign_kernel": True},
            breaks("boot", "vmlinuz-6.1.0-17", "vmlinuz-6.1.0-21"),
            "not_applicable",
        ),
        (
            test_boot.test_boot_menu_asks_for_a_password,
            {"exempt": True},
            breaks("boot", "password hash\n", ""),
            "not_applicable",
        ),
        (
            test_boot.test_rescue_mode_asks_for_a_password,
            {"locked": False},
            breaks("boot", "quiet", "quiet"),
            "fail",
        ),
        (
            test_mac.test_access_control_is_enforced,
            {"complain": ["/usr/bin/*"]},
            breaks("mac", "man (enforce)", "man (complain)"),
            "pass",
        ),
        (
            test_modules.test_unused_modules_are_blocked,
            {"unused": ["ext4"]},
            breaks("modules", "tmpfs", "tmpfs"),
            "fail",
        ),
    ],
)
def test_inputs_of_the_start(check, inputs, broken, verdict):
    assert Case(check, inputs=inputs, more=MORE).judge(broken)[0] == verdict


def test_a_marker_counts_in_a_container_too():
    case = Case(test_boot.test_no_restart_is_pending, more=MORE)
    text = BOOT.replace("container\n", "container lxc\nmarker /run/reboot-required\n")
    assert case.judge(answers("boot", text))[0] == "fail"


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("~~:S:wait:/sbin/sulogin", "pass"),
        ("~~:S:wait:/bin/sh", "fail"),
        ("tty1::respawn:/sbin/getty 38400 tty1", "error"),
    ],
)
def test_single_user_mode_without_systemd(line, verdict):
    case = Case(test_boot.test_rescue_mode_asks_for_a_password, more=MORE)
    inittab = told(["/etc/inittab"], {"/etc/inittab": f"# init\n{line}\n"})
    found = case.judge(answers("rescue", ABSENT), answers("inittab", inittab))
    assert found[0] == verdict


def test_a_host_without_packages_has_no_package_of_its_kernel():
    case = Case(test_boot.test_no_restart_is_pending, more=MORE)
    assert case.judge(answers("built", ABSENT))[0] == "pass"


def test_only_root_knows_profiles_and_passwords():
    case = Case(test_boot.test_rescue_mode_asks_for_a_password, more=MORE)
    assert case.judge(answers("shadow", NOT_ROOT))[0] == "error"
