"""Crontabs, what their lines start, and who could change that; and what Docker says."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab.fake import FakeTransport

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.facts import containers, cron, open_facts
from pytest_sysaudit.facts.cron_lines import parse_anacrontab, parse_crontab, programs
from pytest_sysaudit.transport.base import CommandResult

SHELLS = [
    argv for argv in (["dash"], ["bash"], ["busybox", "sh"], ["mksh"]) if shutil.which(argv[0])
]


def result(out, code=0, err=""):
    return CommandResult(
        command="x",
        exit_code=code,
        stdout=out.encode(),
        stderr=err.encode(),
        started=0,
        duration=0,
    )


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }",
            ("/etc/cron.daily",),
        ),
        ("cd /srv/app && ./job.sh >/var/log/x 2>&1", ("/srv/app/job.sh",)),
        ("cd /srv/app/; FOO=1 ./job.sh", ("/srv/app/job.sh",)),
        ("./job.sh", ()),
        ("job --file /home/x", ()),
        ("/opt/a | /opt/b --x /home/y &", ("/opt/a", "/opt/b")),
        ("/usr/bin/flock -n /run/lock/x /opt/b.sh /home/y", ("/usr/bin/flock", "/opt/b.sh")),
        ("flock /run/lock/x -c '/opt/b.sh; /opt/c.sh'", ("/opt/b.sh", "/opt/c.sh")),
        ("bash -lc 'cd /x; /opt/c.sh'", ("/opt/c.sh",)),
        ("sh /home/x.sh /home/y", ("/home/x.sh",)),
        (". /etc/profile; x", ("/etc/profile",)),
        ("python3 -u /srv/x.py --out /tmp/y", ("/srv/x.py",)),
        ("nice -n 10 ionice -c3 timeout 5m /usr/bin/q /home/x", ("/usr/bin/q",)),
        ("nice backup /home/x", ()),
        ("env A=/home/x /opt/y", ("/opt/y",)),
        ("[ -x /etc/a ] && if [ ! -d /run/x ]; then /etc/a start; fi", ("/etc/a",)),
        ("su - bob -c '/home/bob/x' && /opt/y", ("/opt/y",)),
        ("su root -c /opt/y", ("/opt/y",)),
        ("sudo -u bob /home/bob/x", ()),
        ("sudo -n -u root /opt/y", ("/opt/y",)),
        ("runuser -u bob -- /home/bob/x", ()),
        ("x `/opt/y` $(/opt/z)", ("/opt/y", "/opt/z")),
        ('"/opt/a b" x', ("/opt/a b",)),
        ("/opt/x 'unclosed", ("/opt/x",)),
        ("", ()),
    ],
)
def test_what_a_command_line_starts(command, expected):
    assert programs(command) == expected


SYSTEM = """# comment
SHELL = /bin/sh
PATH="/usr/bin:bin:/opt/bin"
MAILTO=x

17 * * * * root    run-parts /x
@reboot bob /home/bob/x
5 0 * * * root echo 100\\% >/x%input
too short
@daily root
"""


def test_a_system_crontab():
    table = parse_crontab("/etc/crontab", SYSTEM)
    assert table.folders == ("/usr/bin", "/opt/bin")
    assert [(job.line, job.user, job.command) for job in table.jobs] == [
        (6, "root", "run-parts /x"),
        (7, "bob", "/home/bob/x"),
        (8, "root", "echo 100% >/x"),
    ]
    assert table.jobs[0].place == "/etc/crontab line 6"


def test_a_users_crontab():
    jobs = parse_crontab("/x/ann", "1 2 3 4 5 /bin/x y\n@hourly z\n1 2 3\n", "ann").jobs
    assert [(job.line, job.user, job.command) for job in jobs] == [
        (1, "ann", "/bin/x y"),
        (2, "ann", "z"),
    ]


def test_an_anacrontab():
    text = "START_HOURS_RANGE=3-22\n# 1 5 x y\n1\t5\tcron.daily\tnice run-parts /etc/cron.daily\n"
    jobs = parse_anacrontab("/etc/anacrontab", text).jobs
    assert [(job.line, job.user, job.command) for job in jobs] == [
        (3, "root", "nice run-parts /etc/cron.daily")
    ]


@pytest.fixture
def jobs(tmp_path):
    """A folder that looks like /, with jobs in it."""
    for name in ("etc/cron.d", "etc/cron.daily", "spool", "opt/real", "opt/a b", "home"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/crontab").write_text(
        f"PATH=/usr/bin:{tmp_path}/home\n# {tmp_path}/opt/no\n"
        f"1 1 * * * root cd {tmp_path}/opt && ./job.sh >{tmp_path}/gone 2>&1\n"
    )
    (tmp_path / "etc/cron.d/x").write_text(
        f"1 1 * * * root {tmp_path}/opt/link;{tmp_path}/opt/no\n"
        "1 1 * * * root nice back-up.sh; other\n"
    )
    (tmp_path / "usr/local/bin").mkdir(parents=True)
    for name in (
        "usr/local/bin/back-up.sh",
        "usr/local/bin/unused",
        "opt/job.sh",
        "opt/real/x",
        "opt/no",
        "etc/cron.daily/a b",
        "etc/cron.daily/b\nc",
    ):
        (tmp_path / name).touch()
    (tmp_path / "opt/link").symlink_to("real/x")
    (tmp_path / "opt/real").chmod(0o777)
    return tmp_path


def places(argv, folder):
    text = cron._SCRIPT.replace("/etc/", f"{folder}/etc/").replace(
        "/var/spool/", f"{folder}/spool/"
    )
    text = text.replace("/usr/local/", f"{folder}/usr/local/")
    done = subprocess.run(
        [*argv, "-c", text],
        capture_output=True,
        text=True,
        env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        check=True,
    )
    return cron.parse_places(done.stdout)


@pytest.mark.parametrize("argv", SHELLS, ids=lambda argv: argv[0])
def test_all_that_jobs_depend_on(argv, jobs):
    found, real = places(argv, jobs)
    ours = {path.removeprefix(f"{jobs}/") for path in real if path.startswith(f"{jobs}/")}
    assert ours == {
        *("etc/crontab", "etc/cron.d/x", "etc/cron.daily/a b", "home", "opt"),
        *("opt/job.sh", "opt/link", "opt/no", "usr/local/bin/back-up.sh"),
    }
    assert real[f"{jobs}/opt/link"] == f"{jobs}/opt/real/x"
    assert found[f"{jobs}/opt/real"].mode == 0o777
    assert {"/", "/usr", "/usr/bin", str(jobs), str(jobs.parent)} <= set(found)
    table = cron.Cron({}, {}, found, real)
    assert f"{jobs}/opt/real" in [place.path for place in table.unsafe(f"{jobs}/opt/link")]
    assert table.unsafe("/not/there") == ()
    with pytest.raises(Incomplete):
        table.unsafe("/opt/$HOME")


@pytest.mark.parametrize("argv", SHELLS, ids=lambda argv: argv[0])
def test_a_host_without_jobs(argv, tmp_path):
    assert places(argv, tmp_path) == ({}, {})


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "safe"),
    [
        (0o755, 0, 0, True),
        (0o775, 0, 0, True),
        (0o775, 0, 50, False),
        (0o757, 0, 0, False),
        (0o1777, 0, 0, False),
        (0o700, 1000, 0, False),
    ],
)
def test_what_only_root_can_change(mode, uid, gid, safe):
    assert cron.Place("/x", mode, uid, gid).is_safe is safe


def texts(**files):
    records = "".join(f"1:{path}\0" for path in files)
    lines = "".join(
        "".join(f"{n}:{line}\n" for line in text.splitlines()) + f"{n}.\n"
        for n, text in enumerate(files.values(), start=1)
    )
    return f"{records}@text\0{lines}@end\n"


def test_crontabs_of_all_kinds():
    answers = {
        "for f in /etc/crontab; do l": texts(**{"/etc/crontab": "1 1 * * * root /opt/a\n"}),
        "for f in /etc/anacrontab; do l": texts(**{"/etc/anacrontab": "1 5 x /opt/b\n"}),
        "for f in /etc/crontabs/*; do l": texts(**{"/etc/crontabs/ann": "@daily /opt/c\n"}),
        "for f in /var/spool/cron/*; do l": texts(**{"/var/spool/cron/root": "@daily /opt/d\n"}),
        "for f in /etc/periodic/daily/*; do l": texts(**{"/etc/periodic/daily/e": "x\n"}),
        "@text": texts(),
        "@real": "@real\n@stat\n@end\n",
    }
    fits = {(lambda command, mark=mark: mark in command): text for mark, text in answers.items()}
    table = open_facts(FakeTransport(results=fits)).cron
    assert [(job.user, job.command) for job in table.jobs] == [
        ("root", "/opt/a"),
        ("root", "/opt/b"),
        ("root", "/opt/d"),
        ("ann", "/opt/c"),
    ]
    assert list(table.run_by_root()) == [
        ("/etc/periodic/daily/e", "/etc/periodic/daily"),
        ("/etc/crontab", "crontab"),
        ("/opt/a", "/etc/crontab line 1"),
        ("/etc/anacrontab", "crontab"),
        ("/opt/b", "/etc/anacrontab line 1"),
        ("/opt/d", "/var/spool/cron/root line 1"),
    ]


@pytest.mark.parametrize("text", ["", "@real\n@stat\n", "@real\n/x\n@stat\n@end\n", "/x\n@end\n"])
def test_places_that_are_not_whole(text):
    with pytest.raises((CannotAssess, ValueError)):
        cron.parse_places(text)


INFO = (
    '{"live_restore":false,"security":["name=apparmor","name=seccomp,profile=builtin"],'
    '"registry":{"InsecureRegistryCIDRs":["::1/128","10.0.0.0/8"],'
    '"IndexConfigs":{"docker.io":{"Secure":true},"reg:5000":{"Secure":false}}},'
    '"logging":"json-file","swarm":"active"}'
)
DOCKER = f"""@arguments
dockerd
-H
fd://
--host=tcp://[::]:2376
-Hunix:///x
--tlsverify=false
--tlsverify
@info
{INFO}
@bridge
{{"a":"b"}}
@docker
{{"name":"/web","privileged":false,"mounts":null}}
@podman
{{"name":"db","privileged":true,"mounts":[{{"Type":"bind","Source":"/","Destination":"/h","RW":false}}]}}
@others
/run/containerd/containerd.sock
@end
"""


def test_what_docker_and_podman_say():
    found = containers.parse(result(DOCKER))
    docker = found.docker
    assert docker.option("-H", "--host") == ("fd://", "tcp://[::]:2376", "unix:///x")
    assert docker.flag("--tlsverify")
    assert not docker.flag("--tls")
    assert docker.security == {"apparmor", "seccomp", "profile=builtin"}
    assert docker.insecure == ("10.0.0.0/8", "reg:5000")
    assert (docker.live_restore, docker.swarm, docker.logging) == (False, True, "json-file")
    assert docker.bridge == {"a": "b"}
    web, db = found.containers
    assert (web.name, web.runtime, web.privileged, web.mounts) == ("web", "docker", False, ())
    assert (db.name, db.runtime, db.privileged) == ("db", "podman", True)
    assert [str(mount) for mount in db.mounts] == ["/ on /h (read-only)"]
    assert found.others == ("/run/containerd/containerd.sock",)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (result(DOCKER.removesuffix("@end\n")), Incomplete),
        (result(DOCKER.partition("@others")[0]), Incomplete),
        (result(DOCKER, 0, "Error: cannot connect\n"), Incomplete),
        (result("@arguments\n", 1, "dial unix /run/docker.sock: permission denied"), Denied),
        (result("@arguments\n", 1, "docker: not found, but its daemon runs"), CannotAssess),
        (result(DOCKER.replace("@info\n{", "@info\n")), ValueError),
        (result(DOCKER.replace('"mounts":null', '"mount":null')), KeyError),
    ],
)
def test_what_docker_did_not_say(answer, error):
    with pytest.raises(error):
        containers.parse(answer)


@pytest.fixture
def runtime(tmp_path):
    """A host on which Docker and Podman run, as far as the script can tell."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "run/libpod").mkdir(parents=True)
    (tmp_path / "run/libpod/alive").touch()
    (tmp_path / "run/docker.pid").write_text(str(os.getpid()))
    for name, texts in {"docker": ("5", INFO), "podman": ("", "")}.items():
        path = tmp_path / "bin" / name
        path.write_text(
            f"""#!/bin/sh
case " $* " in
*' ps '*) printf '{texts[0]}';;
*' info '*) echo '{texts[1]}';;
*' network '*) echo 'Error: No such network: bridge' >&2; exit 1;;
*' inspect '*) echo '{{"name":"/x","privileged":true,"mounts":[]}}';;
*) exit 3;;
esac
"""
        )
        path.chmod(0o755)
    return tmp_path


@contextmanager
def _socket(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
        yield
    path.unlink()


@contextmanager
def _process(script, *arguments):
    """A process that has the name of *script*, and waits."""
    script.write_text("#!/bin/sh\necho\nread line\n")
    script.chmod(0o755)
    with subprocess.Popen(
        [str(script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        yield
        child.communicate(b"\n")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root gives the folder to another user")
def test_a_folder_of_podman_that_is_closed_is_no_sign_of_its_absence(runtime):
    (runtime / "run/docker.pid").unlink()
    (runtime / "run/libpod").chmod(0o700)
    for folder in (runtime, *runtime.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and str(folder).count("/") > 1:
            folder.chmod(folder.stat().st_mode | 0o055)
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    text = containers._SCRIPT.replace("/run/", f"{runtime}/run/")
    done = subprocess.run([*user, "sh", "-c", text], capture_output=True, text=True, check=False)
    with pytest.raises(Denied):
        containers.parse(result(done.stdout, done.returncode, done.stderr))


@pytest.mark.parametrize("argv", SHELLS, ids=lambda argv: argv[0])
def test_runtimes_are_asked_where_they_run(argv, runtime):
    def ask(path):
        done = subprocess.run(
            [
                shutil.which(argv[0]),
                *argv[1:],
                "-c",
                containers._SCRIPT.replace("/run/", f"{runtime}/run/"),
            ],
            capture_output=True,
            text=True,
            env={"LC_ALL": "C", "PATH": path},
            check=False,
        )
        return containers.parse(result(done.stdout, done.returncode, done.stderr))

    tools = os.environ["PATH"]
    found = ask(f"{runtime}/bin:{tools}")
    assert [(one.name, one.runtime) for one in found.containers] == [("x", "docker")]
    assert found.podman
    assert found.docker.bridge is None
    me = Path("/proc/self/cmdline").read_text().rstrip("\0").split("\0")
    assert list(found.docker.arguments) == me
    (runtime / "run/libpod/alive").unlink()
    (runtime / "run/docker.pid").write_text("99999999")
    assert ask(f"{runtime}/bin:{tools}") == containers.Containers()
    (runtime / "run/docker.pid").write_text(str(os.getpid()))
    (runtime / "run/docker.pid").unlink()
    assert ask(f"{runtime}/bin:{tools}").docker is None
    daemon = runtime / "dockerd"
    with _socket(runtime / "run/docker.sock"), _process(daemon, "-H", "a\nb"):
        arguments = ask(f"{runtime}/bin:{tools}").docker.arguments
    assert arguments == ("/bin/sh", str(daemon), "-H", "a b")
    (runtime / "run/docker.pid").write_text(str(os.getpid()))
    (runtime / "bin/docker").unlink()
    (runtime / "bin/tr").symlink_to(shutil.which("tr"))
    with pytest.raises(CannotAssess, match="docker: not found"):
        ask(f"{runtime}/bin")
