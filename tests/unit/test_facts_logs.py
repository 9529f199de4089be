"""Log lines, the journal's settings, files of log daemons, exports, jobs: odd and broken ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import pytest
from lab.fake import FakeTransport

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts import exports, ftp, integrity, journald, log_lines, open_facts, openrc
from pytest_sysaudit.facts.jobs import Jobs
from pytest_sysaudit.facts.log_lines import LogLine, RecentLines
from pytest_sysaudit.facts.syslog import rsyslog, syslog_ng
from pytest_sysaudit.facts.text_files import Texts
from pytest_sysaudit.transport.base import CommandResult

SHELLS = [
    argv for argv in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(argv[0])
]
KEY = "24 security"
NOW = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 UTC


def result(out, code=0, err=""):
    out = out.encode() if isinstance(out, str) else out
    return CommandResult(
        command="x", exit_code=code, stdout=out, stderr=err.encode(), started=0, duration=0
    )


def read(*lines, key=KEY, zone="+0000", err=""):
    text = "\n".join([f"@now {NOW} {zone}", *lines, "@end", ""])
    return RecentLines.parse([key], result(text, err=err))[key]


def test_lines_of_the_journal():
    found = read(
        "l 1699999999.123456 host sshd[77]: Failed password for x",
        "l 1699999999.200000 host kernel: one: two",
        "l     and more of it",
        "@code 0",
        "@lines 3",
    )
    assert found.lines == (
        LogLine(1699999999.123456, "sshd: Failed password for x"),
        LogLine(1699999999.2, "kernel: one: two"),
        LogLine(1699999999.2, "    and more of it"),
    )
    assert (found.sources, found.cut) == (("journal",), ())


@pytest.mark.parametrize(
    ("line", "zone", "seconds"),
    [
        ("Nov 14 22:13:19 h sshd[1]: x", "+0000", 1),
        ("Nov 14 23:13:19 h sshd: x", "+0100", 1),
        ("Nov 14 17:43:19 h auth.info sshd[1]: x", "-0430", 1),
        ("2023-11-14T22:13:19.5+00:00 h sshd[1]: x", "-0430", 0.5),
        ("2023-11-14T23:13:19+01:00 h sshd[1]: x", "+0000", 1),
        ("2023-11-14T22:13:19Z h sshd[1]: x", "+0000", 1),
    ],
)
def test_times_in_files(line, zone, seconds):
    (found,) = read("@file auth.log", f"l {line}", "@bytes 9", zone=zone).lines
    assert found == LogLine(NOW - seconds, "sshd: x")


def test_dates_without_a_year_are_the_last_ones():
    clock = log_lines._Clock(1_704_067_200, 0, 0)  # 1 January 2024
    assert clock.when("Dec 31 23:59:59 h x: y")[0] == 1_704_067_199
    assert clock.when("Jan  1 12:00:00 h x: y")[0] == 1_704_067_200 + 43200  # a clock ahead
    assert clock.when("Jan  3 12:00:00 h x: y")[0] == 1_704_067_200 - 363 * 86400 + 43200
    assert time.gmtime(clock.when("Feb 29 12:00:00 h x: y")[0])[:3] == (2020, 2, 29)
    with pytest.raises(ValueError):
        clock.when("Feb 30 12:00:00 h x: y")


def test_what_is_too_old_is_left_out():
    found = read("@file a", "l Nov 13 22:13:19 h x: old", "l Nov 13 22:13:20 h x: new", "@bytes 9")
    assert [line.text for line in found.lines] == ["x: new"]


def test_repeated_lines_count():
    found = read(
        "@file auth.log",
        "l Nov 14 20:00:00 h sshd[1]: Failed password",
        "l Nov 14 20:00:01 h sshd[1]: message repeated 2 times: [ Failed password]",
        "l Nov 14 20:00:02 h last message repeated 5 times",
        "@bytes 9",
    )
    assert [line.count for line in found.lines] == [1, 2, 5]
    assert {line.text for line in found.lines} == {"sshd: Failed password"}
    assert (
        read("@file a", "l Nov 14 20:00:02 h last message repeated 5 times", "@bytes 9").lines == ()
    )


OLD, YOUNG = "@first Nov 13 00:00:00 h x: y", "@first Nov 14 20:00:00 h x: y"


@pytest.mark.parametrize(
    ("lines", "cut"),
    [
        (["@lines 20000"], ("journal",)),
        (["@lines 19999"], ()),
        (["@file a", YOUNG, "@bytes 100"], ()),
        (["@file a", YOUNG, "@bytes 4000000"], ("a",)),
        (["@file a", OLD, "@bytes 4000000"], ()),
        (["@file a", "@first what", "@bytes 4000000"], ("a",)),
        (["@older a", "@file a", YOUNG, "@bytes 100"], ("a",)),
        (["@older a", "@file a", OLD, "@bytes 100", "@file b", YOUNG, "@bytes 9"], ()),
        (["@older b", "@file a", OLD, "@bytes 100", "@file b", "@bytes 0"], ("b",)),
    ],
)
def test_what_was_not_read_to_its_beginning(lines, cut):
    assert read(*lines).cut == cut


@pytest.mark.parametrize(
    ("lines", "err"),
    [
        (["@code 1", "@lines 0"], ""),
        (["@file a", "@code 1", "@bytes 0"], ""),
        (["@lines 0"], "Journal file /x is truncated, ignoring file."),
    ],
)
def test_a_log_that_was_not_read(lines, err):
    with pytest.raises(Incomplete):
        read(*lines, err=err)


@pytest.mark.parametrize("lines", [[], ["@what"], ["@lines x"], ["l Nov 14 x"]])
def test_an_unknown_answer_about_logs(lines):
    with pytest.raises(ValueError):
        read(*lines)


@pytest.mark.parametrize(("code", "error"), [(42, NotApplicable), (43, Denied), (1, CannotAssess)])
def test_no_log(code, error):
    with pytest.raises(error):
        RecentLines.parse([KEY], result("", code, "journalctl is not there"))
    with pytest.raises(Incomplete):
        RecentLines.parse([KEY], result(f"@now {NOW} +0000\n@lines 0\n"))


def test_a_key_that_is_none():
    done = subprocess.run(
        ["sh", "-c", RecentLines.command(["1 x"])], capture_output=True, check=False
    )
    assert (done.returncode, b"24 security" in done.stderr) == (1, True)


class Logs:
    """A folder in the place of /var/log and /run/log, read by a shell."""

    def __init__(self, shell, folder):
        self.shell, self.folder = shell, folder
        (folder / "var/log").mkdir(parents=True)

    def write(self, name, *lines):
        path = self.folder / "var/log" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            b"".join(line.encode("utf-8", "surrogateescape") + b"\n" for line in lines)
        )
        return path

    def read(self, key=KEY, before=()):
        text = RecentLines.command([key])
        for name in ("/var/log", "/run/log"):
            text = text.replace(name, f"{self.folder}{name}")
        done = subprocess.run([*before, *self.shell, "-c", text], capture_output=True, check=False)
        told = result(done.stdout, done.returncode, done.stderr.decode())
        return RecentLines.parse([key], told)[key]


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def logs(request, tmp_path):
    return Logs(request.param, tmp_path)


def stamp(ago=60, form="%b %e %H:%M:%S"):
    return time.strftime(form, time.localtime(time.time() - ago))


def test_files_of_debian(logs):
    logs.write("auth.log.1", f"{stamp(7200)} h sshd[1]: Failed password for a\udcff from b")
    logs.write(
        "auth.log", f"{stamp()} h sudo[1]: pam_unix(sudo:session): session opened for user x"
    )
    logs.write("kern.log", f"{stamp()} h kernel: [ 1.0] Oops: x", "@end", "  @bytes 7")
    logs.write("syslog", f"{stamp()} h kernel: [ 1.0] Oops: x")
    logs.write("auth.log.2.gz", "x")
    found = logs.read()
    assert found.sources == ("auth.log.1", "auth.log", "kern.log")
    assert [line.text for line in found.lines] == [
        "sshd: Failed password for a\\xff from b",
        "kernel: [ 1.0] Oops: x",
        "@end",
        "  @bytes 7",
    ]
    assert found.cut == ("auth.log.1",)
    assert logs.read("24 all").sources == ("auth.log.1", "auth.log", "syslog")


def test_files_of_other_distributions(logs):
    day = stamp(form="%Y-%m-%dT%H:%M:%S+00:00")
    logs.write("secure", f"{stamp()} h sshd[1]: Failed x")
    logs.write("secure-20200101", f"{stamp(86400 * 9)} h sshd[1]: old")
    logs.write(
        "messages", f"{stamp()} h kernel: y", f"{stamp()} h cron[1]: z", f"{day} h kernel: w"
    )
    found = logs.read()
    assert found.sources == ("secure-20200101", "secure", "messages")
    assert [line.text for line in found.lines] == ["sshd: Failed x", "kernel: y", "kernel: w"]
    assert "cron: z" in [line.text for line in logs.read("24 all").lines]


def test_files_of_busybox(logs):
    logs.write(
        "messages",
        f"{stamp()} h auth.info dropbear[1]: Bad password",
        f"{stamp()} h user.notice app: kernel of truth",
        f"{stamp()} h kern.err kernel: x",
    )
    found = logs.read()
    assert [line.text for line in found.lines] == ["dropbear: Bad password", "kernel: x"]


def test_no_files_at_all(logs):
    with pytest.raises(NotApplicable):
        logs.read()


def test_a_long_file_is_read_from_its_end(logs):
    line = f"{stamp()} h sshd[1]: {'x' * 900}"
    logs.write("auth.log", *[line] * (log_lines.BYTES // 900 + 9))
    found = logs.read()
    assert found.cut == ("auth.log",)
    assert 0 < len(found.lines) < log_lines.BYTES // 900


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root gives up its rights")
@pytest.mark.parametrize("name", ["journal/1/system.journal", "auth.log"])
def test_a_log_that_others_may_not_read_is_not_empty(logs, name):
    for folder in (logs.folder, *logs.folder.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and str(folder).count("/") > 1:
            folder.chmod(folder.stat().st_mode | 0o055)
    logs.write("messages", f"{stamp()} h kern.err kernel: x")
    logs.write(name, "x").chmod(0o600)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    with pytest.raises(Denied):
        logs.read(before=nobody)


JOURNALCTL = """#!/bin/sh
case "$*" in *"_TRANSPORT=kernel + SYSLOG_FACILITY=4"*) ;; *) [ "$WANT" = all ] || exit 9 ;; esac
printf '%s\\n' "$(date +%s).5 h kernel: x" '@end' "$(date +%s).5 h su[1]: @code 7"
exit $CODE
"""


@pytest.mark.parametrize("code", [0, 1])
def test_the_journal_on_disk_comes_before_files(logs, code, tmp_path, monkeypatch):
    tool = tmp_path / "bin/journalctl"
    tool.parent.mkdir()
    tool.write_text(JOURNALCTL)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CODE", str(code))
    logs.write("auth.log", f"{stamp()} h sshd[1]: Failed x")
    logs.write("journal/1/system.journal", "x")
    if code:
        with pytest.raises(Incomplete):
            logs.read()
        return
    found = logs.read()
    assert found.sources == ("journal",)
    assert [line.text for line in found.lines] == ["kernel: x", "@end", "su: @code 7"]
    monkeypatch.setenv("WANT", "all")
    assert logs.read("24 all").sources == ("journal",)


def test_a_journal_in_memory_comes_after_files(logs):
    path = logs.folder / "run/log/journal/1"
    path.mkdir(parents=True)
    (path / "system.journal").touch()
    logs.write("auth.log", f"{stamp()} h sshd[1]: Failed x")
    assert logs.read().sources == ("auth.log",)


def settings(main, *dropins, masked=()):
    empty = [{}] * 4
    given = [dict(each) for each in dropins] + empty
    pairs = journald.merged([main, *empty], given[:4], masked)
    return {name: value for _, name, value in pairs}


ETC, USR = "/etc/systemd/journald.conf.d", "/usr/lib/systemd/journald.conf.d"


def test_settings_of_the_journal_are_merged():
    main = {
        "/etc/systemd/journald.conf": "[Journal]\nStorage=volatile\n#Compress=no\n[x]\nSeal=no\n"
    }
    assert settings(main) == {"Storage": "volatile"}
    etc = {f"{ETC}/b.conf": "[Journal]\nStorage = persistent\n"}
    usr = {f"{USR}/a.conf": "[Journal]\nStorage=none\n", f"{USR}/b.conf": "[Journal]\nStorage=auto"}
    assert settings(main, etc, {}, {}, usr) == {"Storage": "persistent"}
    usr[f"{USR}/c.conf"] = "[Journal]\nStorage=none\n"
    assert settings(main, etc, {}, {}, usr) == {"Storage": "none"}
    assert settings(main, etc, {}, {}, usr, masked=[f"{ETC}/c.conf"]) == {"Storage": "persistent"}


@pytest.mark.parametrize("shell", SHELLS, ids=lambda argv: argv[0])
def test_the_reading_scripts_of_logs_run_in_every_shell(shell):
    for script in (journald._SCRIPT, integrity._SCRIPT, openrc._SCRIPT):
        done = subprocess.run([*shell, "-c", script], capture_output=True, check=False)
        assert done.returncode in (0, 42), done.stderr
        assert done.returncode == 42 or done.stdout.endswith(b"@end\n")


@pytest.mark.parametrize("shell", SHELLS, ids=lambda argv: argv[0])
def test_journals_are_found(shell, tmp_path):
    script = journald._SCRIPT
    for name in ("/run/", "/var/log/", "/etc/systemd", "/usr/l"):
        script = script.replace(f" {name}", f" {tmp_path}{name}")
    (tmp_path / "run/systemd/journal").mkdir(parents=True)
    (tmp_path / "var/log/journal/1").mkdir(parents=True)
    (tmp_path / "var/log/journal/1/system.journal").touch()
    (tmp_path / "etc/systemd/journald.conf.d").mkdir(parents=True)
    (tmp_path / "etc/systemd/journald.conf.d/a.conf").symlink_to("/dev/null")
    done = subprocess.run([*shell, "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().replace(str(tmp_path), "").splitlines() == [
        "masked /etc/systemd/journald.conf.d/a.conf",
        "folder /var/log/journal",
        "journal /var/log/journal/1/system.journal",
        "@end",
    ]


RSYSLOG = """# *.* @@no
module(load="imudp") # a module alone takes nothing
$FileCreateMode 0640
$IncludeConfig /etc/rsyslog.d/*.conf
*.* @127.0.0.1
mail.* /var/log/mail   # ann@example.com
"""


def files(folder, *named):
    return Texts({f"{folder}{name}": text for name, text in named})


@pytest.mark.parametrize(
    ("text", "targets", "inputs"),
    [
        ("*.* @@loghost:514", ["loghost"], []),
        ("*.* @(z9)[2001:db8::1]:514", ["[2001:db8::1]"], []),
        ("if $x then @loghost\n& @other", ["loghost", "other"], []),
        ("*.* :omrelp:loghost:2514", ["loghost"], []),
        ('*.* action(type="omfwd"\n Target="loghost" template="a(b)")', ["loghost"], []),
        ('action(type="omelasticsearch" server="es")', ["es"], []),
        ('action(type="omfile" file="/x")', [], []),
        ('action(type="omfwd" target="localhost")', [], []),
        ('#action(type="omfwd" target="loghost")', [], []),
        ('input(type="imtcp" port="514")', [], ["imtcp 514"]),
        ('input(type="imudp" address="127.0.0.1" port="514")', [], []),
        ("$ModLoad imtcp\n$InputTCPServerRun 10514", [], ["InputTCPServerRun 10514"]),
    ],
)
def test_rsyslog(text, targets, inputs):
    main = files("", ("/etc/rsyslog.conf", RSYSLOG))
    found = rsyslog(main, files("/etc/rsyslog.d/", ("a.conf", text)))
    assert found.targets == tuple(f"/etc/rsyslog.d/a.conf: {host}" for host in targets)
    assert found.inputs == tuple(f"/etc/rsyslog.d/a.conf: {name}" for name in inputs)
    assert (found.modes, found.unread) == ((("/etc/rsyslog.conf", 0o640),), ())


def test_files_that_rsyslog_takes_in():
    further = files("/etc/rsyslog.d/", ("a.conf", "*.* @@loghost"))
    assert rsyslog(files("", ("/etc/rsyslog.conf", "")), further).targets == ()
    newer = 'include(file="/etc/rsyslog.d/*.conf" mode="optional")\ninclude(file="/opt/x.conf")'
    found = rsyslog(files("", ("/etc/rsyslog.conf", newer)), further)
    assert (len(found.targets), found.unread) == (1, ("/opt/x.conf",))


def test_modes_of_rsyslog():
    text = (
        '$Umask 0027\nmodule(load="builtin:omfile" FileCreateMode="0644")\n$FileCreateMode 0600\n'
    )
    found = rsyslog(files("", ("/etc/rsyslog.conf", text)), Texts({}))
    assert ([mode for _, mode in found.modes], found.umask) == ([0o600, 0o644], 0o027)


SYSLOG_NG = """@include "scl.conf"
options { perm(0640); };
source s_src { system(); internal(); };
source s_net { network(ip(0.0.0.0) transport("tcp")); };
source s_unused { tcp(); };
destination d_net { network("loghost" port(6514) tls(ca-dir("/x") { })); };
destination d_local { tcp("127.0.0.1"); };
destination d_file { file("/var/log/x" perm(0600)); };
log { source(s_src); destination(d_file); destination(d_local); };
@include "/etc/syslog-ng/conf.d/*.conf"
"""


def test_syslog_ng():
    main = files("/etc/syslog-ng/", ("syslog-ng.conf", SYSLOG_NG))
    found = syslog_ng(main, Texts({}))
    assert (found.targets, found.inputs, found.unread) == ((), (), ())
    assert [mode for _, mode in found.modes] == [0o640, 0o600]
    used = files(
        "/etc/syslog-ng/conf.d/", ("a.conf", "log { source(s_net); destination( d_net ); };")
    )
    found = syslog_ng(main, used)
    assert found.targets == ("/etc/syslog-ng/syslog-ng.conf: loghost",)
    assert found.inputs == ("/etc/syslog-ng/syslog-ng.conf: 0.0.0.0",)


def test_lines_of_exports():
    text = '# x\n"/a b" -ro,sync h1 h2(rw) \\\n  h3(ro,rw) # y\n/c (rw)\n\n/d'
    found = [(e.path, e.client, e.has("rw", "ro"), e.place) for e in exports.parse("x", text)]
    assert found == [
        ("/a b", "h1", False, "x:2"),
        ("/a b", "h2", True, "x:2"),
        ("/a b", "h3", True, "x:2"),
        ("/c", "*", True, "x:4"),
        ("/d", "*", False, "x:6"),
    ]
    with pytest.raises(ValueError):
        list(exports.parse("x", "/a h(rw))"))


def test_settings_of_ftp_servers():
    assert list(ftp._vsftpd(files("", ("/v", "#anonymous_enable=NO\nanonymous_enable=NO\n")))) == []
    told = list(
        ftp._vsftpd(files("", ("/v", "anonymous_enable=NO\nanonymous_enable=yes\n"), ("/w", "")))
    )
    assert told == ["/v:2: anonymous_enable", "/w: no anonymous_enable, which means YES"]
    assert list(ftp._pure_ftpd(files("", ("/p.conf", "NoAnonymous yes\n")))) == []
    assert len(list(ftp._pure_ftpd(files("", ("/p.conf", "NoAnonymous no\n"))))) == 1


def test_words_of_jobs():
    jobs = Jobs((("/a", 1, "0 5 * * * root /usr/bin/aide.wrapper --check"), ("/b", 2, "/x/aide")))
    assert jobs.mentions(r"aide|aide\.wrapper") == ("/a:1", "/b:2")
    assert Jobs((("/a", 1, "my-aide aide-x /aide.d aides"),)).mentions("aide") == ("/a:1",)
    assert Jobs((("/a", 1, "my-aide aide-x aides"),)).mentions("aide") == ()


def test_data_bases_of_integrity():
    found = integrity.parse(
        "tool aide\ndenied /var/lib/tripwire\nbase aide /var/lib/aide/aide.db.new\n"
        "base aide /var/lib/aide/a b\n@end\n"
    )
    assert (found.tools, found.bases) == (("aide",), {"aide": ("/var/lib/aide/a b",)})
    assert (found.hides("tripwire"), found.hides("aide")) == ("/var/lib/tripwire", "")
    with pytest.raises(Incomplete):
        integrity.parse("tool aide\n")


def test_openrc():
    facts = open_facts(FakeTransport(results={bool: "/run/openrc/started/a\n@end\n"}))
    assert (facts.openrc.started, facts.openrc.enabled) == ({"a"}, set())
    with pytest.raises(NotApplicable):
        _ = open_facts(FakeTransport(results={bool: (42, "", "")})).openrc
