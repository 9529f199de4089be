"""The check of the kernel's settings in files: well, broken, and not to be known."""

from __future__ import annotations

import pytest
from lab.textfiles import told
from lab.wellhost import CUT, SYSCTL, Case, answers, assert_verdict, breaks, rows, uncovered

from checks.linux import test_sysctl_files
from pytest_sysaudit.facts.sysctl_files import ROWS

SETTINGS = "/etc/sysctl.d/99-lab.conf"
FILES = {
    SETTINGS: "kernel.randomize_va_space = 2\nnet.ipv4.conf.all.accept_redirects=0\n"
    "vm.swappiness = 0x0a\n-net.none.such = 1\n",
    "/usr/lib/sysctl.d/10-lab.conf": "kernel.randomize_va_space = 0\n",
    "/usr/lib/sysctl.d/99-lab.conf": "kernel.randomize_va_space = 1\n",
}
BOOT = "release 6.1\nversion #1\narguments quiet\ncontainer \n@files\n@end\n"
RUNNING = SYSCTL.replace("@end", "./vm/swappiness:10\n./net/core/x:7\n@end")


def files(text="", denied=(), **other):
    """What is there, with *text* as the last file."""
    there = {**FILES, **({"/etc/sysctl.d/zz.conf": text} if text else {}), **other}
    return answers("files", told(ROWS["texts"], there, denied))


def main(text):
    """What is there, with /etc/sysctl.conf."""
    return files(**{"/etc/sysctl.conf": text})


MORE = {
    "boot": ("printf 'release", BOOT),
    "files": ("d 1 /etc/sysctl.d", files().new),
    "masks": ("mask %s", "systemd\n@end\n"),
    "settings": ("cd /proc/sys", RUNNING),
}
CHECK = test_sysctl_files.test_files_keep_the_settings
CASES = [
    Case(
        CHECK,
        fails=(
            files("kernel.randomize_va_space = 1\n"),
            files("kernel/randomize_va_space = 1\n"),
            files("net.ipv4.ip_forward = 1\n"),
            files("net.ipv4.conf.eth0.accept_redirects = 1\n"),
            files("net.ipv4.conf.*.accept_redirects = 1\n"),
            files("net.ipv4.conf.all.rp_filter = 0\n"),
            files("net.ipv4.conf.default.rp_filter = 0\nnet.ipv4.conf.all.rp_filter = 0\n"),
            files("net.ipv6.conf.all.accept_source_route = 1\n"),
            files("kernel.sysrq = 1\n"),
            files("fs.suid_dumpable = what\n"),
            files("vm.swappiness = 60\n"),
            breaks("settings", "swappiness:10", "swappiness:60"),
            main("vm.swappiness = 60\n"),
        ),
        errors=(
            answers("masks", CUT),
            answers("masks", (1, "", "why")),
            answers("files", (0, "1:/x\0", "")),
            files(denied=[SETTINGS]),
            answers("settings", CUT),
            answers("boot", CUT),
            answers(
                "settings",
                (
                    0,
                    RUNNING.replace("./vm/swappiness:10\n", ""),
                    "grep: ./vm/swappiness: Permission denied\n",
                ),
            ),
        ),
        passes=(
            answers("files", told(ROWS["texts"], {})),
            files("net.ipv4.conf.*.forwarding = 0\n-net.ipv4.conf.all.forwarding\n"),
            files("net.ipv4.conf.lo.accept_redirects = 1\n"),
            files("kernel.sysrq = 0x10\n"),
            main("vm.swappiness = 10\n"),
        ),
        more=MORE,
    )
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts_of_files(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_the_check_of_files_has_rows():
    assert not uncovered(CASES, test_sysctl_files)


@pytest.mark.parametrize(
    ("inputs", "broken", "verdict"),
    [
        ({"router": True}, files("net.ipv6.conf.all.forwarding = 1\n"), "fail"),  # not in force
        ({"router": True}, files("net.ipv4.ip_forward = 0\n"), "pass"),
        ({"policy": {}}, files("fs.suid_dumpable = 0\nkernel.none = 7\n"), "pass"),
        ({"policy": {"net.core.x": "<=6"}}, files("net.core.x = 7\n"), "fail"),
        ({"policy": {"net.core.x": "5|>=7"}}, files("net.core.x = 7\n"), "pass"),
        ({"required": ["vm.swappiness"]}, files(), "pass"),
        ({"required": ["kernel.kptr_restrict"]}, files(), "fail"),
        ({"may_differ": ["vm.swap*"]}, files("vm.swappiness = 60\n"), "pass"),
    ],
)
def test_inputs_of_files(inputs, broken, verdict):
    assert Case(CHECK, inputs=inputs, more=MORE).judge(broken)[0] == verdict


def test_a_link_to_nothing_hides_a_file():
    case = Case(CHECK, more=MORE)
    gone = answers("files", told(ROWS["texts"], {k: v for k, v in FILES.items() if k != SETTINGS}))
    assert "99-lab.conf:1" in case.judge(gone)[1]
    hidden = breaks("masks", "systemd", f"systemd\nmask {SETTINGS}")
    assert "10-lab.conf:1" in case.judge(gone, hidden)[1]
    both = breaks("masks", "systemd", f"mask {SETTINGS}\nmask /etc/sysctl.d/10-lab.conf\nsystemd")
    assert case.judge(gone, both)[0] == "pass"


def test_a_container_sets_only_what_is_its_own():
    case = Case(CHECK, more=MORE)
    inside = breaks("boot", "container ", "container lxc")
    for text, verdict in (("vm.swappiness = 60\n", "pass"), ("net.core.x = 6\n", "fail")):
        assert case.judge(inside, files(text))[0] == verdict


def test_without_systemd_the_main_file_is_read_last():
    case = Case(CHECK, more=MORE)
    other_init = answers("masks", "@end\n")
    assert case.judge(other_init, main("kernel.randomize_va_space = 0\n"))[0] == "fail"
    assert case.judge(other_init, main("vm.swappiness = 10\n"))[0] == "pass"


def test_the_message_names_the_line():
    told_ = Case(CHECK, more=MORE).judge(files("# no\nkernel.randomize_va_space = 1\n"))[1]
    assert told_.splitlines()[0] == (
        "2 settings: kernel.randomize_va_space = 1 (/etc/sysctl.d/zz.conf:2); expected: 2, "
        "kernel.randomize_va_space is 2, but /etc/sysctl.d/zz.conf:2 says 1"
    )
