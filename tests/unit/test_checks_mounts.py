"""The checks of mounts: well, broken, and not to be known."""

from __future__ import annotations

import pytest
from lab.wellhost import CUT, DENIED, MOUNTS, Case, answers, assert_verdict, breaks, rows, uncovered

from checks.linux import test_mounts

VAR_TMP = "tmpfs /var/tmp tmpfs rw,nosuid,nodev,noexec 0 0\n"
FOLDER = "ed\0" + "43ff 0 0 9 9 9 2 root:root\n" + "\0@end\n"
NOTHING = ": no such file\n\0\0@end\n"
HOME = "/dev/sda2 /home ext4 rw,nosuid,nodev 0 0\n"
FSTAB = """# /etc/fstab
UUID=1 / ext4 errors=remount-ro 0 1
UUID=2 none swap sw 0 0
tmpfs /tmp tmpfs rw,nosuid,nodev,noexec 0 0
UUID=3 /mnt/usb vfat noauto,user 0 0
"""
SEPARATE = MOUNTS + "".join(f"/dev/sda3 {p} ext4 rw 0 0\n" for p in ("/home", "/var", "/var/log"))
#: Everything is in its place.
GOOD = SEPARATE.replace("ext4 rw 0 0\n", "ext4 rw,nosuid,nodev 0 0\n") + VAR_TMP
#: What further answers the well host needs, by what only their commands hold.
MORE = {
    "mounts": ("cat /proc/self/mounts", GOOD),
    "var_tmp": ("for p in /var/tmp;", FOLDER),
    "real_path": ("readlink -f", "/tmp\n"),
    "fstab": ("cat /etc/fstab", FSTAB),
    "audit_folder": ("/var/log/audit", NOTHING),
    "ostree": ("/run/ostree-booted", NOTHING),
    "docker": ("/.dockerenv", NOTHING),
    "podman": ("/run/.containerenv", NOTHING),
    "systemd": ("/run/systemd/container", NOTHING),
}
IS_THERE = "ef\0" + "81a4 0 0 9 9 9 1 root:root\n" + "\0@end\n"


def mounts(text):
    return answers("mounts", text)


def fstab(old, new):
    return breaks("fstab", old, new)


CASES = [
    Case(
        test_mounts.test_tmp_is_a_mount_of_its_own,
        fails=(
            breaks("mounts", "tmpfs /tmp tmpfs rw,nosuid,nodev,noexec 0 0\n", ""),
            breaks("mounts", "tmpfs /tmp tmpfs rw,nosuid", "tmpfs /tmp tmpfs rw"),
            breaks("mounts", "tmpfs /dev/shm tmpfs rw,nosuid", "tmpfs /tmp tmpfs rw"),
        ),
        errors=(answers("mounts", DENIED), answers("mounts", "tmpfs /tmp tmpfs rw 0 0\n")),
    ),
    Case(
        test_mounts.test_shared_memory_runs_no_programs,
        fails=(breaks("mounts", "/dev/shm tmpfs rw,nosuid", "/dev/shm tmpfs rw"),),
        errors=(answers("mounts", DENIED), answers("mounts", "")),
        absent=(breaks("mounts", "/dev/shm", "/dev/other"),),
    ),
    Case(
        test_mounts.test_var_tmp_runs_no_programs,
        fails=(
            mounts(MOUNTS),
            mounts(MOUNTS + VAR_TMP.replace(",noexec", "")),
            mounts(MOUNTS + VAR_TMP + VAR_TMP.replace("nodev,", "")),
        ),
        passes=(
            mounts(MOUNTS + VAR_TMP),
            mounts(MOUNTS + VAR_TMP.replace("/var/tmp", "/var")),
        ),
        errors=(
            answers("var_tmp", CUT),
            answers("var_tmp", ": Permission denied\n\0\0@end\n"),
            mounts(""),
        ),
        absent=(answers("var_tmp", NOTHING),),
        more=MORE,
    ),
    Case(
        test_mounts.test_data_that_grows_is_on_file_systems_of_its_own,
        fails=(
            mounts(MOUNTS),
            mounts(SEPARATE.replace("/home", "/srv")),
        ),
        passes=(mounts(SEPARATE),),
        errors=(
            mounts("x"),
            answers("docker", CUT),
            answers("systemd", ": Permission denied\n\0\0@end\n"),
        ),
        absent=(
            answers("docker", IS_THERE),
            answers("podman", IS_THERE),
            answers("systemd", IS_THERE),
            answers("ostree", IS_THERE),
            breaks("mounts", "/dev/sda1 / ext4 rw,nosuid,nodev", "overlay / overlay rw"),
            breaks("mounts", "/dev/sda1 / ext4 rw,nosuid,nodev", "/dev/sda1 / ext4 ro"),
        ),
        more=MORE,
    ),
    Case(
        test_mounts.test_data_holds_no_devices_and_no_set_uid_programs,
        fails=(
            mounts(MOUNTS + HOME.replace("nosuid,", "")),
            mounts(MOUNTS + HOME.replace("/home", "/srv/a\\040b").replace(",nodev", "")),
            mounts(MOUNTS + HOME + HOME.replace(",nodev", "")),
            mounts(MOUNTS + "x /srv/x tmpfs rw 0 0\n"),
        ),
        passes=(mounts(MOUNTS + HOME), mounts(MOUNTS + HOME.replace(",nodev", "") + HOME)),
        errors=(mounts(CUT), answers("mounts", DENIED)),
        more=MORE,
        absent=(
            mounts("/dev/sda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\n"),
            mounts(MOUNTS.replace("/dev/shm", "/dev/x") + "a /usr ext4 rw 0 0\n"),
        ),
    ),
    Case(
        test_mounts.test_mounts_are_as_fstab_says,
        fails=(
            breaks("mounts", "/tmp tmpfs rw,nosuid", "/tmp tmpfs rw"),
            breaks("mounts", "/tmp tmpfs", "/elsewhere tmpfs"),
            breaks("mounts", "/dev/sda1 / ext4 rw,nosuid,nodev", "/dev/sda1 / ext4 ro"),
            mounts(MOUNTS + "/dev/sdb /mnt/usb vfat rw,nosuid,nodev 0 0\n"),
            fstab("errors=remount-ro", "ro,nodev,noexec"),
            fstab("/mnt/usb vfat noauto,user", "/mnt/usb vfat"),
            fstab("noauto,user", "user"),
        ),
        passes=(
            mounts(MOUNTS + "/dev/sdb /mnt/usb vfat rw,nosuid,nodev,noexec 0 0\n"),
            fstab("noauto,user", "nofail"),
            fstab("noexec 0 0", "noexec,exec 0 0"),
            fstab("/tmp tmpfs", "/tmp/ tmpfs"),
        ),
        errors=(
            answers("fstab", (1, "", "cat: /etc/fstab: Permission denied")),
            answers("fstab", "what\n"),
            mounts(CUT),
        ),
        absent=(
            answers("fstab", (1, "", "cat: /etc/fstab: No such file or directory")),
            answers("fstab", "# none\nUUID=2 none swap sw 0 0\n"),
        ),
        more=MORE,
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_every_check_has_rows():
    assert not uncovered(CASES, test_mounts)


def test_a_link_is_followed():
    case = Case(test_mounts.test_var_tmp_runs_no_programs, more=MORE)
    link = answers("var_tmp", FOLDER.replace("ed", "Led"))
    assert case.judge(link)[0] == "pass"
    open_tmp = breaks("mounts", "/tmp tmpfs rw,nosuid,nodev,noexec", "/tmp tmpfs rw,nosuid,nodev")
    verdict, reason = case.judge(link, open_tmp)
    assert (verdict, reason.splitlines()[0]) == (
        "fail",
        "/var/tmp lies on /tmp, which lacks noexec",
    )
    assert case.judge(link, answers("real_path", (1, "", "readlink: I/O error")))[0] == "error"


def test_where_auditd_writes_a_file_system_is_asked_for():
    case = Case(test_mounts.test_data_that_grows_is_on_file_systems_of_its_own, more=MORE)
    verdict, reason = case.judge(mounts(SEPARATE), answers("audit_folder", FOLDER))
    assert (verdict, "/var/log/audit" in reason) == ("fail", True)


@pytest.mark.parametrize(
    ("check", "inputs", "broken"),
    [
        (
            test_mounts.test_var_tmp_runs_no_programs,
            {"options": ["nosuid"]},
            mounts(MOUNTS + VAR_TMP.replace(",noexec", "")),
        ),
        (
            test_mounts.test_data_that_grows_is_on_file_systems_of_its_own,
            {"paths": ["/var"]},
            mounts(SEPARATE.replace("/home", "/srv")),
        ),
        (
            test_mounts.test_data_holds_no_devices_and_no_set_uid_programs,
            {"options": ["nodev"]},
            mounts(MOUNTS + HOME.replace("nosuid,", "")),
        ),
    ],
)
def test_inputs_make_exceptions(check, inputs, broken):
    assert Case(check, more=MORE).judge(broken)[0] == "fail"
    assert Case(check, inputs=inputs, more=MORE).judge(broken)[0] == "pass"
