"""The checks of services and of file integrity on canned hosts."""

from __future__ import annotations

import pytest
from lab.textfiles import NO_TEXTS, denied, texts
from lab.wellhost import ABSENT, CUT, UNITS, Case, answers, assert_verdict, breaks, rows, uncovered

from checks.linux import test_integrity, test_services

TIMER = """
Id=dailyaidecheck.timer
LoadState=loaded
ActiveState=active
SubState=waiting
UnitFileState=enabled
@files
"""
PROCESSES = """1/status:Name:\tsystemd
1/status:State:\tS (sleeping)
1/status:PPid:\t0
1/status:Uid:\t0\t0\t0\t0
9/status:Name:\tcron
9/status:State:\tS (sleeping)
9/status:PPid:\t1
9/status:Uid:\t0\t0\t0\t0
@arguments
1/cmdline:/sbin/init\0
9/cmdline:/usr/sbin/cron\0-f\0
self/cmdline:grep\0-a\0

@end
"""
MORE = {
    # longer marks first
    "etab": ("/var/lib/nfs/etab;", texts({"/var/lib/nfs/etab": "/srv\tann(ro,root_squash)"})),
    "exports": ("/etc/exports;", texts({"/etc/exports": "/srv -rw ann(ro) 192.0.2.0/24 # x\n"})),
    "exports.d": ("/etc/exports.d/*.exports;", NO_TEXTS[1]),
    "vsftpd": ("/etc/vsftpd.conf;", texts({"/etc/vsftpd.conf": "anonymous_enable=NO"})),
    "proftpd": ("/etc/proftpd/*.conf;", NO_TEXTS[1]),
    "pure-ftpd": ("/etc/pure-ftpd/conf/NoAnonymous;", NO_TEXTS[1]),
    "command": ("for c in", "/usr/sbin/it\0@end\n"),
    "exposure": (
        "systemd-analyze security",
        '[{"unit": "ssh.service", "exposure": "8.9"}, {"unit": "x.service", "exposure": "1.0"}]',
    ),
    "openrc": ("/run/openrc", ABSENT),
    "all processes": ("self/cmdline", PROCESSES),
    "integrity": ("for t in aide", "tool aide\nbase aide /var/lib/aide/aide.db\n@end\n"),
    "crontab": (
        "/etc/cron.daily/*;",
        texts({"/etc/cron.daily/dailyaidecheck": "#!/bin/sh\n/usr/bin/aide --check\n"}),
    ),
    "root's crontab": ("/var/spool/cron/crontabs/root;", NO_TEXTS[1]),
    "systemd": ("/run/systemd/system; do f", "\0\0@end\n"),
    "database": ("/opt/aide.db; do f", "ef\x0081a4 0 0 9 1 2 1 root:root\n\0@end\n"),
    "texts": NO_TEXTS,
}
NO_UNITS = (answers("units", CUT), answers("units", (1, "", "Failed to connect to bus")))
NOBODY = answers("command", "\0@end\n")
NOT_SYSTEMD = answers("units", ABSENT)


def exported(line):
    """The host's file of exports."""
    return answers("exports", texts({"/etc/exports": line}))


CASES = [
    Case(
        test_services.test_no_unit_has_failed,
        fails=(breaks("units", "ActiveState=inactive", "ActiveState=failed"),),
        errors=NO_UNITS,
        absent=(NOT_SYSTEMD,),
    ),
    Case(
        test_services.test_no_unwanted_service_runs,
        fails=(
            breaks("units", "ActiveState=inactive", "ActiveState=active"),
            breaks("units", "cups.service disabled", "cups.service enabled"),
            breaks("units", "ssh.service enabled", "rpcbind.socket enabled"),
            breaks("units", "Id=ssh.service", "Id=ssh.service\nNames=ssh.service inetd.service"),
        ),
        errors=(*NO_UNITS, NOT_SYSTEMD),
        more=MORE,
    ),
    Case(
        test_services.test_required_services_run,
        fails=(
            breaks("units", "ActiveState=active", "ActiveState=failed"),
            breaks("units", "Id=ssh.service\nLoadState=loaded", "Id=ssh.service\nLoadState=masked"),
            breaks("units", "Id=ssh.service", "Id=lookalike-ssh.service"),
            answers("units", UNITS.replace("enabled", "disabled")),
        ),
        passes=(
            answers("units", UNITS.replace("enabled", "static")),
            breaks("units", "Id=ssh.service", "Id=sshd.service\nNames=sshd.service ssh.service"),
        ),
        errors=(*NO_UNITS, NOT_SYSTEMD),
        inputs={"services": ["ssh"]},
        more=MORE,
    ),
    Case(
        test_services.test_ftp_wants_a_login,
        fails=(
            answers("vsftpd", texts({"/etc/vsftpd.conf": "anonymous_enable=YES"})),
            answers("vsftpd", texts({"/etc/vsftpd.conf": "#anonymous_enable=NO"})),
            answers(
                "vsftpd", texts({"/etc/vsftpd.conf": "anonymous_enable=NO\nanonymous_enable=1"})
            ),
            answers("proftpd", texts({"/etc/proftpd/proftpd.conf": "  <Anonymous ~ftp>"})),
            answers("pure-ftpd", texts({"/etc/pure-ftpd/conf/NoAnonymous": "no"})),
            answers("pure-ftpd", NO_TEXTS[1]),
        ),
        errors=(
            answers("vsftpd", denied("/etc/vsftpd.conf")),
            answers("vsftpd", CUT),
            answers("command", CUT),
        ),
        absent=(NOBODY,),
        more={
            **MORE,
            "pure-ftpd": (MORE["pure-ftpd"][0], texts({"/etc/pure-ftpd/conf/NoAnonymous": "yes"})),
        },
    ),
    Case(
        test_services.test_nfs_exports_are_limited,
        fails=(
            exported("/srv *(rw)"),
            exported("/srv ann (rw)"),
            exported("/srv ann(ro) \\\n bob(rw,no_root_squash)"),
            exported("/srv -rw"),
            exported("/srv 0.0.0.0/0(ro,rw)"),
            exported("/srv ::0/0(rw)"),
            exported("/srv 192.0.2.1/0.0.0.0(rw)"),
            exported("/srv ?*(rw)"),
            exported("/srv ann(ro,all_squash,anonuid=0)"),
            exported("/srv ann(ro,anongid=0)"),
            answers("etab", texts({"/var/lib/nfs/etab": "/srv\t*(rw,wdelay,root_squash)"})),
            answers("exports.d", texts({"/etc/exports.d/a.exports": "/a *(rw)"})),
        ),
        passes=(
            exported("/srv *(ro)"),
            exported("/srv *(rw,ro)"),
            exported("/srv *.example(rw,no_root_squash,root_squash,anonuid=1000)"),
            exported("/srv gss/krb5(rw)"),
            exported("/srv @admins(rw) 192.0.2.0/24(rw)"),
            exported('"/srv with space" *(rw,sec=krb5p:krb5i)'),
            exported("/srv"),
        ),
        errors=(
            answers("exports", denied("/etc/exports")),
            answers("etab", CUT),
            exported("/srv ann(rw"),
        ),
        more=MORE,
    ),
    Case(
        test_services.test_services_are_sandboxed,
        fails=(breaks("exposure", "8.9", "9.6"),),
        errors=(
            answers("exposure", "[]"),
            answers("exposure", (1, "", "Unknown option --json")),
            answers("exposure", "no json"),
            breaks("exposure", "ssh.service", "y.service"),
        ),
        absent=(answers("exposure", ABSENT),),
        inputs={"enabled": True, "services": ["ssh.service"]},
        more=MORE,
    ),
    Case(
        test_integrity.test_a_tool_watches_over_files,
        fails=(
            answers("integrity", "@end\n"),
            breaks("integrity", "base aide /var/lib/aide/aide.db\n", ""),
            breaks("integrity", "aide.db", "aide.db.new"),
        ),
        passes=(
            breaks("integrity", "aide.db", "aide.db.gz"),
            answers("integrity", "tool samhain\nbase samhain /x\n@end\n"),
        ),
        errors=(
            answers("integrity", CUT),
            answers("integrity", "what\n@end\n"),
            breaks("integrity", "base aide /var/lib/aide/aide.db", "denied /var/lib/aide"),
            answers("all processes", CUT),
        ),
        more=MORE,
    ),
    Case(
        test_integrity.test_files_are_compared_regularly,
        fails=(
            answers("crontab", NO_TEXTS[1]),
            answers("crontab", texts({"/etc/cron.daily/x": "# aide\nlookalike-aide\n"})),
            answers("all processes", PROCESSES.replace("cron", "cups")),
        ),
        errors=(
            answers("integrity", CUT),
            answers("all processes", CUT),
            answers("crontab", denied("/etc/cron.daily")),
            answers("units", CUT),
            answers("systemd", CUT),
        ),
        passes=(NOT_SYSTEMD, breaks("integrity", "tool aide", "tool tripwire")),
        absent=(answers("integrity", "@end\n"),),
        more=MORE,
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_every_check_has_rows():
    assert uncovered(CASES, test_services, test_integrity) == set()


def test_failed_units_may_be_allowed():
    failed = breaks("units", "ActiveState=inactive", "ActiveState=failed")
    inputs = {"allowed": ["cups.service"]}
    assert Case(test_services.test_no_unit_has_failed, inputs=inputs).judge(failed)[0] == "pass"


@pytest.mark.parametrize(
    ("started", "enabled", "verdict"),
    [("ssh", "default/ssh", "pass"), ("ssh", "default/x", "fail"), ("sshd", "default/ssh", "fail")],
)
def test_services_under_openrc(started, enabled, verdict):
    said = f"/run/openrc/started/{started}\n/etc/runlevels/{enabled}\n@end\n"
    case = Case(test_services.test_required_services_run, inputs={"services": ["ssh"]}, more=MORE)
    assert case.judge(NOT_SYSTEMD, answers("openrc", said))[0] == verdict
    assert case.judge(NOT_SYSTEMD, answers("openrc", CUT))[0] == "error"


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        ("/run/openrc/started/rpcbind", "fail"),
        ("/etc/runlevels/default/rpcbind", "fail"),
        ("/etc/runlevels/default/rpcbind-lookalike", "pass"),
    ],
)
def test_unwanted_services_under_openrc(path, verdict):
    case = Case(test_services.test_no_unwanted_service_runs, more=MORE)
    assert case.judge(NOT_SYSTEMD, answers("openrc", f"{path}\n@end\n"))[0] == verdict


def test_what_nobody_asks_for_is_not_run():
    never = AssertionError("it was run")
    for check in (
        test_services.test_services_are_sandboxed,
        test_services.test_required_services_run,
    ):
        case = Case(check, more=MORE)
        assert (
            case.judge(answers("exposure", never), answers("units", never))[0] == "not_applicable"
        )


def test_every_service_is_judged_if_none_is_named():
    inputs = {"enabled": True, "maximum": 0.5, "allowed": ["ssh.service"]}
    case = Case(test_services.test_services_are_sandboxed, inputs=inputs, more=MORE)
    assert case.judge()[1].startswith("more than 0.5: x.service 1.0")


def test_exports_without_a_server():
    case = Case(test_services.test_nfs_exports_are_limited, more=MORE)
    bad = exported("/srv *(rw)")
    assert case.judge(bad, NOBODY, answers("etab", NO_TEXTS[1]))[0] == "not_applicable"
    assert case.judge(bad, NOBODY)[0] == "fail"  # the kernel's own server still serves
    none = answers("exports", texts({"/etc/exports": "# none"}))
    assert case.judge(none, answers("etab", NO_TEXTS[1]))[0] == "not_applicable"
    assert Case(case.check, inputs={"allowed": ["/srv"]}, more=MORE).judge(bad)[0] == "pass"


def test_a_data_base_in_another_place():
    inputs = {"databases": ["/opt/aide.db"]}
    case = Case(test_integrity.test_a_tool_watches_over_files, inputs=inputs, more=MORE)
    assert case.judge(answers("integrity", "tool aide\n@end\n"))[0] == "pass"
    gone = answers("database", "\0\0@end\n")
    assert case.judge(answers("integrity", "tool aide\n@end\n"), gone)[0] == "fail"


def test_an_agent_is_a_tool():
    inputs = {"agents": ["cron"]}
    for check in (
        test_integrity.test_a_tool_watches_over_files,
        test_integrity.test_files_are_compared_regularly,
    ):
        case = Case(check, inputs=inputs, more=MORE)
        nothing = (answers("integrity", "@end\n"), answers("crontab", NO_TEXTS[1]))
        assert case.judge(*nothing)[0] == "pass"


def test_a_script_that_leaves_the_work_to_systemd():
    idle = "#!/bin/sh\nif [ -d /run/systemd/system ]; then exit 0; fi\naide --check\n"
    script = answers("crontab", texts({"/etc/cron.daily/dailyaidecheck": idle}))
    booted = answers("systemd", "ed\x0041ed 0 0 9 1 2 1 root:root\n\0@end\n")
    case = Case(test_integrity.test_files_are_compared_regularly, more=MORE)
    assert case.judge(script, booted)[0] == "fail"
    assert case.judge(script)[0] == "pass"
    timer = breaks("units", "@files\n", TIMER)
    assert case.judge(script, booted, timer)[0] == "pass"


def test_what_only_root_sees_may_be_the_job():
    case = Case(test_integrity.test_files_are_compared_regularly, more=MORE)
    nothing = answers("crontab", NO_TEXTS[1])
    hidden = answers("root's crontab", denied("/var/spool/cron/crontabs"))
    assert case.judge(nothing, hidden)[0] == "error"
    assert case.judge(hidden)[0] == "pass"
