"""Becoming another user on this machine, with the real sudo."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import threading
import uuid
from pathlib import Path

import psutil
import pytest
from lab.sshd import end_processes_of, temporary_user, wait_until

from pytest_sysaudit.errors import ConnectionLost, SysauditError
from pytest_sysaudit.inventory import model
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.transport.local import LocalTransport, identify

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes users"),
    pytest.mark.skipif(shutil.which("sudo") is None, reason="needs sudo"),
]


class Secrets:
    """Hands out one password."""

    def __init__(self, password):
        self.password = password

    def get(self, ref, **_):
        assert ref == "env:SUDO"
        return self.password


def local(password=None, **entry):
    become = {"become": {"password": "env:SUDO"}} if password else {}
    host = model.Host.model_validate({"connection": "local", **become, **entry})
    return LocalTransport(Target(name="here", kind=Kind.LOCAL, entry=host), Secrets(password))


def as_user(name, work):
    """Call *work* in a child process that is the user *name*; an error comes back as its text."""
    identify()  # everything that is imported late is imported before we lose our rights
    "".encode("ascii")
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            account = pwd.getpwnam(name)
            os.initgroups(name, account.pw_gid)
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            os.write(write_end, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return json.loads(answer)


def tell(transport, command, **options):
    try:
        result = transport.run(command, **options)
    except SysauditError as error:
        return f"{type(error).__name__}: {error}"
    return [result.exit_code, result.out, result.err]


def test_root_becomes_others_and_stays_itself():
    assert tell(local(), ["id", "-un"], user="nobody") == [0, "nobody\n", ""]
    assert tell(local(), "id -un; exit 7", user="root") == [7, "root\n", ""]
    assert tell(local(become={"user": "nobody"}), "id -un") == [0, "nobody\n", ""]
    assert tell(local(), ["no-such-program"], user="nobody")[0] == 127
    told = tell(local(), "id", user="no-such-user")
    assert told.startswith("Denied: sudo did not run 'id' as no-such-user")


def test_the_privileged_command_has_our_environment_and_its_input():
    result = local().run("echo $LC_ALL $PATH; cat", user="nobody", stdin=b"\0\xff")
    assert result.stdout.startswith(b"C /usr/local/sbin:")
    assert result.stdout.endswith(b"\n\0\xff")


def test_without_a_password_sudo_asks_nothing():
    with temporary_user(sudo=["{user} ALL=(ALL:ALL) NOPASSWD: ALL"]) as user:
        told = as_user(user.name, lambda: tell(local("unused"), "id -un; cat", stdin=b"in"))
        assert told == [0, "root\nin", ""]


def test_a_user_who_may_not_is_denied_and_never_exit_code_1():
    with temporary_user() as user:
        told = as_user(user.name, lambda: tell(local(), "id", user="root"))
        assert told.startswith("Denied: sudo did not run 'id' as root: ")


@pytest.mark.slow
def test_the_password_is_typed_when_asked_and_never_read_by_the_command():
    def work():
        transport = local(password)
        return [tell(transport, "id -un; cat", stdin=stdin) for stdin in (b"one", b"", b"two")]

    with temporary_user(sudo=["{user} ALL=(ALL:ALL) ALL"]) as user:
        password = user.password
        told = as_user(user.name, work)
    assert told == [[0, "root\none", ""], [0, "root\n", ""], [0, "root\ntwo", ""]]


@pytest.mark.slow
def test_a_refused_password_is_typed_once():
    def work():
        transport = local("wrong password")
        return [tell(transport, "id"), tell(transport, "id")]

    with temporary_user(sudo=["{user} ALL=(ALL:ALL) ALL"]) as user:
        first, second = as_user(user.name, work)
    assert first == "Denied: the sudo password is refused"
    assert second.endswith("the password is not tried again")


@pytest.mark.slow
@pytest.mark.parametrize("password", ["", "PASSWD: "])
def test_a_deadline_ends_what_runs_as_another_user(password):
    line = "trap '' TERM; sleep 61.25; sleep 61.5"
    rule = "{user} ALL=(ALL:ALL) " + (password or "NOPASSWD: ") + "ALL"
    with temporary_user(sudo=[rule]) as user:
        told = as_user(user.name, lambda: tell(local(user.password), line, timeout=1))
        assert told == f"TimedOut: {line}: no end within 1 s"
        left = [p for p in psutil.process_iter(["cmdline"]) if "61.25" in str(p.info["cmdline"])]
        for process in left:
            process.kill()
        end_processes_of(user.name)
    assert not left


def test_files_that_the_user_may_not_read_are_read_as_become():
    """As over ssh."""

    def work(**entry):
        found = []
        for ask in (
            lambda host: len(host.read("/etc/sudoers")),
            lambda host: host.listdir("/root/.ssh-none"),
            lambda host: host.stat("/root/.").uid,
        ):
            try:
                found.append(ask(local(**entry)))
            except SysauditError as error:
                found.append(type(error).__name__)
        return found

    with temporary_user(sudo=["{user} ALL=(ALL:ALL) NOPASSWD: ALL"]) as user:
        assert as_user(user.name, work) == ["Denied"] * 3
        size = len(Path("/etc/sudoers").read_bytes())
        assert as_user(user.name, lambda: work(become={})) == [size, "NotApplicable", 0]


def test_ctrl_c_ends_what_runs_as_another_user():
    number = f"9{uuid.uuid4().int % 10**9}"

    def left():
        return [
            p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", number]
        ]

    def interrupt():
        wait_until(left)
        os.kill(os.getpid(), signal.SIGINT)

    def work():
        threading.Thread(target=interrupt).start()
        try:
            local(become={}).run(["sleep", number], timeout=60)
        except KeyboardInterrupt:
            return "interrupted"

    with temporary_user(sudo=["{user} ALL=(ALL:ALL) NOPASSWD: ALL"]) as user:
        assert as_user(user.name, work) == "interrupted"
        wait_until(lambda: not left())


def test_close_ends_what_another_thread_runs():
    host = local()
    threading.Timer(0.5, host.close).start()
    with pytest.raises(ConnectionLost, match="the run ended before `sleep 60` did"):
        host.run(["sleep", "60"])
