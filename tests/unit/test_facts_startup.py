"""What starts services: the scripts of both tables in every shell, and answers that are none."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from lab.shells import NOBODY

from pytest_sysaudit.errors import CannotAssess, Incomplete, NotApplicable
from pytest_sysaudit.facts import startup_files, unit_programs
from pytest_sysaudit.facts.reading import script
from pytest_sysaudit.transport.base import CommandResult

TOOLS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(argv, text, path=TOOLS):
    done = subprocess.run(
        [*argv, "-c", text],
        capture_output=True,
        env={"LC_ALL": "C", "PATH": path},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return CommandResult(
        command="x",
        exit_code=done.returncode,
        stdout=done.stdout,
        stderr=done.stderr,
        started=0,
        duration=0,
    )


@pytest.fixture(params=["dash", "bash", "mksh", "busybox"])
def shell(request, tmp_path_factory):
    """A shell with its tools: GNU's, or all of them busybox'."""
    program = shutil.which(request.param)
    if program is None:
        pytest.skip(f"there is no {request.param}")
    if request.param != "busybox":
        return [program], TOOLS
    folder = tmp_path_factory.mktemp("bin")
    for tool in ("find", "stat", "sh", "sed"):
        (folder / tool).symlink_to(program)
    return [program, "sh"], str(folder)


def below(top):
    """The script for a host whose files lie below *top*."""
    text = startup_files._SCRIPT
    for place in startup_files.PLACES:
        text = text.replace(f" {place} ", f" {top}{place} ").replace(
            f" {place};", f" {top}{place};"
        )
    return text.replace(" /lib", f" {top}/lib")


def test_units_that_others_may_write_are_found_in_every_shell(shell, tmp_path):
    units = tmp_path / "etc/systemd/system"
    (units / "a.service.d").mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    elsewhere.chmod(0o666)
    for name, mode in {"fine": 0o644, "odd\nname": 0o664, "a.service.d/x.conf": 0o646}.items():
        (units / name).touch()
        (units / name).chmod(mode)
    (units / "linked").symlink_to(elsewhere)
    (units / "masked").symlink_to("/dev/null")
    (units / "gone").symlink_to("/no/such")
    (units / "a.service.d").chmod(0o777)
    (tmp_path / "etc/rc.local").touch()
    (tmp_path / "etc/rc.local").chmod(0o775)
    argv, path = shell
    found = startup_files.parse(run(argv, below(tmp_path), path))
    found.require_all()
    assert found.places == (f"{tmp_path}/etc/systemd", f"{tmp_path}/etc/rc.local")
    assert {f.path.removeprefix(f"{tmp_path}/etc/"): f.mode for f in found.open if not f.uid} == {
        "rc.local": 0o775,
        "systemd/system/a.service.d": 0o777,
        "systemd/system/a.service.d/x.conf": 0o646,
        "systemd/system/linked": 0o666,
        "systemd/system/odd\nname": 0o664,
    }


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root gives files to others")
def test_a_unit_of_somebody_else_is_found_in_every_shell(shell, tmp_path):
    (tmp_path / "etc/init.d").mkdir(parents=True)
    (tmp_path / "etc/init.d/x").touch()
    os.chown(tmp_path / "etc/init.d/x", 7, 0)
    argv, path = shell
    found = startup_files.parse(run(argv, below(tmp_path), path))
    assert [(f.path, f.uid) for f in found.open] == [(f"{tmp_path}/etc/init.d/x", 7)]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root gives the files to another user")
def test_a_closed_folder_is_told(tmp_path):
    (tmp_path / "etc/init.d/closed").mkdir(parents=True)
    (tmp_path / "etc/init.d/closed").chmod(0o700)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and str(folder).count("/") > 1:
            folder.chmod(folder.stat().st_mode | 0o055)
    found = startup_files.parse(run([*NOBODY, "sh"], below(tmp_path)))
    with pytest.raises(Incomplete, match="closed"):
        found.require_all()


def test_a_host_that_starts_nothing_has_no_places(shell, tmp_path):
    argv, path = shell
    found = startup_files.parse(run(argv, below(tmp_path), path))
    assert (found.places, found.open) == ((), ())


def test_without_find_nothing_is_said(tmp_path):
    (tmp_path / "etc/init.d").mkdir(parents=True)
    with pytest.raises(CannotAssess, match="find"):
        startup_files.parse(run([shutil.which("sh")], below(tmp_path), str(tmp_path)))


@pytest.mark.parametrize(
    ("out", "code", "error"),
    [
        ("", 0, Incomplete),
        ("places /etc\n", 0, Incomplete),
        ("places /etc\nf 666 0 0 /a@end 0\n", 0, ValueError),
        ("places /etc\nwhat\0@end 0\n", 0, ValueError),
        ("places /etc\n@end 137\n", 0, CannotAssess),
        ("places /etc\n@end 0\n", 1, CannotAssess),
    ],
)
def test_what_is_no_list_of_files(out, code, error):
    result = CommandResult(
        command="x", exit_code=code, stdout=out.encode(), stderr=b"", started=0, duration=0
    )
    with pytest.raises(error):
        startup_files.parse(result)


#: As systemd 252 prints it; arguments may be anything.
SYSTEMCTL = r"""#!/bin/sh
cat <<'END'
ExecStart={ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -D $OPTS ; ignore_errors=no ; pid=7 }
ExecStartPre={ path=/usr/bin/my tool ; argv[]=/usr/bin/my tool --password=s3cret ; pid=0 }
ExecReload={ path=/bin/kill ; argv[]=/bin/kill a ; argv[]= x ; pid=0 }
ExecStart={ path=/bin/sh ; argv[]=/bin/sh -e /opt/run.sh s3cret ; pid=0 }
ExecStart={ path=/usr/bin/env ; argv[]=/usr/bin/env A=b python3 /opt/x.py s3cret ; pid=0 }
ExecStart={ path=/usr/bin/java ; argv[]=/usr/bin/java -Xmx1g -jar /opt/x.jar ; pid=0 }
ExecStartPre={ path=/bin/bash ; argv[]=/bin/bash -lc /bin/s3cret /tmp/x ; pid=0 }
Id=ssh.service
User=

Id=idle.service
User=ann
END
exit %CODE%
"""


@pytest.mark.parametrize("code", [0, 1])
def test_programs_leave_the_host_without_their_arguments(shell, tmp_path, code):
    argv, path = shell
    tool = tmp_path / "systemctl"
    tool.write_text(SYSTEMCTL.replace("%CODE%", str(code)))
    tool.chmod(0o755)
    text = unit_programs._SCRIPT.replace("/run/systemd/system", str(tmp_path))
    result = run(argv, text, f"{tmp_path}:{path}:/bin")
    assert b"s3cret" not in result.stdout
    if code:
        with pytest.raises(CannotAssess, match="exit code 1"):
            unit_programs.parse(result.out)
        return
    paths = [program.path for program in unit_programs.parse(result.out)]
    scripts = ["/bin/sh", "/opt/run.sh", "/usr/bin/env", "/opt/x.py", "/usr/bin/java", "/opt/x.jar"]
    assert paths == ["/usr/sbin/sshd", "/usr/bin/my tool", "/bin/kill", *scripts, "/bin/bash"]


def test_without_systemd_no_service_runs(tmp_path):
    text = unit_programs._SCRIPT.replace("/run/systemd/system", str(tmp_path / "none"))
    with pytest.raises(NotApplicable):
        script(run(["sh"], text), "systemd")


@pytest.mark.parametrize("out", ["", "Id=a.service\n", "@end\n", "@failed 1\n@end\n"])
def test_what_is_no_list_of_services(out):
    with pytest.raises(CannotAssess):
        unit_programs.parse(out)
