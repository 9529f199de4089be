"""Limits of core dumps, and systemd-coredump's merged settings."""

from __future__ import annotations

from lab.fake import FakeTransport
from lab.textfiles import told

from pytest_sysaudit.facts import core_dumps, open_facts
from pytest_sysaudit.facts.text_files import Texts


def test_hard_limits_in_their_order():
    text = "# * hard core 1\n*\thard core 0 #x\n@x - core UNLIMITED\nann soft core 9\n* - nofile 1"
    found = list(core_dumps.parse_limits(Texts({"/a": text, "/b": "* hard\nx y core z w\n"})))
    assert found == [
        core_dumps.Limit("/a:2", "*", "0"),
        core_dumps.Limit("/a:3", "@x", "unlimited"),
    ]


def test_settings_merge_as_systemd_does():
    found = core_dumps.parse_handler(
        {
            "/usr/lib/systemd/coredump.conf": "Storage=journal\nProcessSizeMax=1\n",
            "/etc/systemd/coredump.conf": "[Coredump]\n#Storage=x\n;Storage=y\n Storage = External",
            "/usr/lib/systemd/coredump.conf.d/a.conf": "Storage=none\n",
            "/etc/systemd/coredump.conf.d/a.conf": "Compress=yes\n",
            "/run/systemd/coredump.conf.d/b.conf": "ProcessSizeMax=0\n",
            "/usr/local/lib/systemd/coredump.conf.d/0.conf": "ProcessSizeMax=7\n",
        }
    )
    assert found == {"storage": "external", "compress": "yes", "processsizemax": "0"}


def test_the_last_line_for_everybody_counts():
    files = {
        "/etc/security/limits.conf": "* hard core 5\n",
        "/etc/security/limits.d/a.conf": "* - core 0\nroot hard core 1\n",
        "/etc/security/limits.d/b.txt": "* hard core 9\n",
    }
    answer = told(core_dumps.ROWS["texts"], files)
    facts = open_facts(FakeTransport(results={lambda command: "@text" in command: answer}))
    assert facts.core_dumps.hard() == core_dumps.Limit("/etc/security/limits.d/a.conf:1", "*", "0")
    assert core_dumps.CoreDumps((), {}).hard() is None
