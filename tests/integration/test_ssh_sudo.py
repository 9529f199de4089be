"""sudo over ssh, on real accounts: what it refuses is no answer, and nobody is locked out."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from lab.sshd import Secrets, Sshd, needs_sshd, run, temporary_user, wait_until

from pytest_sysaudit.errors import ConnectionLost, Denied, Incomplete, NotApplicable, TimedOut
from pytest_sysaudit.transport.ssh import open_ssh

pytestmark = [
    needs_sshd,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make users and sudoers"),
    pytest.mark.skipif(shutil.which("sudo") is None, reason="needs sudo"),
]

EVERY_BYTE = bytes(range(256))


def processes(*options: str) -> str:
    """The processes that pgrep finds."""
    return subprocess.run(["pgrep", *options], capture_output=True, text=True, check=False).stdout


class Bed:
    """One account with one sudoers rule, and an sshd that lets it in."""

    def __init__(self, user, server, log: Path) -> None:
        self.user = user
        self.server = server
        self.log = log
        self.secrets = Secrets(PASSWORD=user.password, WRONG="not the password")
        self._opened = []

    def open(self, password: str | None = "PASSWORD", **entry):
        become = {"password": f"env:{password}"} if password else {}
        become |= entry.pop("become", {})
        target = self.server.target(become=become, **entry)
        self._opened.append(open_ssh(target, self.secrets, {}))
        return self._opened[-1]

    def failures(self) -> int:
        """How many wrong passwords sudo has logged."""
        text = self.log.read_text() if self.log.exists() else ""
        return sum(map(int, re.findall(r"(\d+) incorrect password attempt", text)))

    def close(self) -> None:
        for transport in self._opened:
            transport.close()


@pytest.fixture(scope="module")
def make_bed(tmp_path_factory):
    """Make a bed: ``make_bed("NOPASSWD: ALL", "Defaults:{user} requiretty")``."""
    with contextlib.ExitStack() as stack:

        def make(rule: str, *defaults: str, **sshd) -> Bed:
            folder = tmp_path_factory.mktemp("sudo")
            log = folder / "sudo.log"
            lines = [f"Defaults:{{user}} logfile={log}", *defaults]
            lines += [f"{{user}} ALL=(ALL:ALL) {rule}"] if rule else []
            user = stack.enter_context(temporary_user(sudo=lines))
            server = stack.enter_context(Sshd(folder / "sshd", user=user.name, **sshd))
            bed = Bed(user, server, log)
            stack.callback(bed.close)
            return bed

        yield make


@pytest.fixture(scope="module", params=["free", "password", "pty"])
def remote(request, make_bed):
    """root on a host where sudo wants: nothing; a password; a password, and a pty of its own."""
    kinds = {
        "free": ("NOPASSWD: ALL", "Defaults:{user} !use_pty"),
        "password": ("ALL", "Defaults:{user} !use_pty"),
        "pty": ("ALL", "Defaults:{user} use_pty"),
    }
    return make_bed(*kinds[request.param]).open()


def test_commands_run_as_root(remote):
    assert remote.run(["id", "-u"]).out == "0\n"
    assert remote.run("id -un; echo oops >&2; exit 4").exit_code == 4


def test_results_are_exact(remote):
    script = 'i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %03o $i)"; i=$((i+1)); done'
    result = remote.run(f"{script}; printf no-newline >&2; kill -KILL $$")
    assert (result.exit_code, result.stdout, result.stderr) == (137, EVERY_BYTE, b"no-newline")
    codes = [remote.run(f"exit {code}").exit_code for code in (0, 1, 2, 126, 255)]
    assert codes == [0, 1, 2, 126, 255]
    assert remote.run(["no-such-program"]).exit_code == 127


def test_arguments_and_environment(remote):
    argv = ["printf", "%s|", "a b", "$x", "`y`", "it's", '"', "!!", "\\n", "line\nbreak", "é", ""]
    assert remote.run(argv).out == "|".join([*argv[2:], ""])
    told = remote.run(["env"]).out.splitlines()
    assert "LC_ALL=C" in told
    ours = [line for line in told if "sysaudit" in line]
    assert [line.partition("=")[0] for line in ours] == ["SUDO_COMMAND"]  # sudo's own doing


def test_input(remote):
    data = EVERY_BYTE * 1000
    assert remote.run(["cat"], stdin=data).stdout == data
    assert remote.run(["cat"]).stdout == b""
    assert remote.run('read x; echo "$x"', stdin=b"no script\nexit 9\n").out == "no script\n"


def test_much_output(remote):
    result = remote.run("head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero")
    assert (len(result.stdout), len(result.stderr)) == (3_000_000, 3_000_000)


def test_background_process_is_not_waited_for(remote):
    assert remote.run("sleep 3 & echo started").out == "started\n"
    assert remote.run(["echo", "next"]).out == "next\n"


def test_deadline_kills_and_the_shell_goes_on(remote):
    mark = f"0{uuid.uuid4().int % 10**9}"
    with pytest.raises(TimedOut, match=r"\(as root\) did not end within 0.5 s") as caught:
        remote.run(f"sleep 9{mark} & trap '' TERM; sleep 8{mark}; sleep 7{mark}", timeout=0.5)
    assert "it was killed" in str(caught.value)
    pattern = f"^sleep [789]{mark}$"
    wait_until(lambda: not processes("-f", pattern), 3)
    assert remote.run(["id", "-u"]).out == "0\n"


def test_the_login_user_is_still_there(remote):
    me = remote.run("echo $SUDO_USER").out.strip()
    assert remote.run(["id", "-un"], user=me).out.strip() == me
    assert remote.run(["id", "-un"], user="nobody").out.strip() == "nobody"
    assert remote.run(["id", "-un"], user="root").out.strip() == "root"
    assert remote.run(["id", "-un"], user="daemon").out.strip() == "daemon"


def test_files_that_only_root_may_read(remote, tmp_path):
    assert remote.read("/etc/sudoers") == Path("/etc/sudoers").read_bytes()
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "\udcff\n'").write_bytes(b"x")
    assert remote.listdir(f"{tmp_path}/a b") == ["\udcff\n'"]  # tmp_path itself is root's alone
    facts = remote.stat(f"{tmp_path}/a b/\udcff\n'")
    assert (facts.size, facts.uid, facts.mode & 0o170000) == (1, 0, 0o100000)
    assert remote.read(f"{tmp_path}/a b/\udcff\n'") == b"x"
    with pytest.raises(NotApplicable, match="there is no"):
        remote.read(f"{tmp_path}/none")
    with pytest.raises(NotApplicable, match="there is no"):
        remote.listdir(f"{tmp_path}/none")
    with pytest.raises(Incomplete, match="larger than 10 bytes"):
        remote.read("/etc/shadow", limit=10)


def test_sudo_is_asked_once(make_bed):
    bed = make_bed("ALL")
    host = bed.open()
    for _ in range(5):
        assert host.run(["true"]).ok
    assert bed.secrets.asked == ["env:PASSWORD"]
    log = bed.log.read_text()
    assert log.count("COMMAND=") <= 2  # the probe without a password, and the shell
    assert bed.user.password not in log


def test_password_is_shown_nowhere(make_bed, caplog):
    caplog.set_level(logging.DEBUG)
    bed = make_bed("ALL")
    host = bed.open()
    result = host.run("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; cat")
    for text in (caplog.text, result.out, result.err, host.run("set; env").out):
        assert bed.user.password not in text


def test_wrong_password_is_typed_once_and_never_again(make_bed):
    bed = make_bed("ALL")
    host = bed.open("WRONG")
    with pytest.raises(Denied, match="Sorry, try again; the password was typed once") as caught:
        host.run(["id"])
    assert "not the password" not in str(caught.value)
    with pytest.raises(Denied, match="Sorry, try again"):
        host.run(["id"])
    with pytest.raises(Denied, match="Sorry, try again"):
        host.run(["id"], user="nobody")
    with pytest.raises(Denied):
        host.read("/etc/shadow")
    assert bed.failures() <= 1
    assert bed.secrets.asked.count("env:WRONG") == 1
    assert host.run(["id", "-un"], user=bed.user.name).out.strip() == bed.user.name
    assert not processes("-U", bed.user.name, "-f", "sysaudit-password-")


def test_wrong_password_counts_once_for_faillock(make_bed, tmp_path_factory):
    """In a mount namespace of its own, sudo's PAM stack locks accounts after failures."""
    if shutil.which("faillock") is None or shutil.which("unshare") is None:
        pytest.skip("needs pam_faillock and unshare")
    folder = tmp_path_factory.mktemp("pam")
    tally = folder / "tally"
    tally.mkdir()
    pam = folder / "sudo"
    lock = f"pam_faillock.so %s dir={tally} deny=3 even_deny_root"
    pam.write_text(
        f"auth required {lock % 'preauth'}\nauth sufficient pam_unix.so\n"
        f"auth [default=die] {lock % 'authfail'}\naccount required {lock % ''}\n"
        "account required pam_unix.so\nsession required pam_permit.so\n"
    )
    mounts = f"mount --bind '{pam}' /etc/pam.d/sudo && exec \"$@\""
    bed = make_bed("ALL", wrap=["unshare", "-m", "/bin/sh", "-c", mounts, "sh"])
    for _ in range(2):
        host = bed.open("WRONG")
        for _ in range(3):
            with pytest.raises(Denied):
                host.run(["id"])
        host.close()
    told = run("faillock", "--dir", str(tally), "--user", bed.user.name)
    assert len(re.findall(r"V$", told, re.MULTILINE)) == 2, told  # one for each connection
    assert bed.open().run(["id", "-u"]).out == "0\n"  # and the account is not locked


def test_no_password_at_hand(make_bed):
    bed = make_bed("ALL")
    host = bed.open(None)
    with pytest.raises(Denied, match=r"a password is required; set become\.password"):
        host.run(["true"])
    assert bed.failures() == 0


def test_not_in_sudoers(make_bed):
    bed = make_bed("")
    host = bed.open()
    with pytest.raises(Denied, match="not in the sudoers file"):
        host.run("exit 1")
    with pytest.raises(Denied, match="not in the sudoers file"):
        host.run("exit 1")
    assert bed.secrets.asked == ["env:PASSWORD"]


def test_only_some_commands_allowed(make_bed):
    host = make_bed("NOPASSWD: /usr/bin/id").open(None)
    with pytest.raises(Denied, match="sudo -u root refused: "):
        host.run(["id"])


def test_unknown_user(make_bed):
    host = make_bed("NOPASSWD: ALL").open(None, become={"user": "nobody-at-all"})
    with pytest.raises(Denied, match="unknown user"):
        host.run(["id"])


def test_shell_that_may_start_nothing_is_refused(make_bed):
    bed = make_bed("NOPASSWD: NOEXEC: ALL")
    host = bed.open(None)
    for _ in range(2):
        with pytest.raises(Denied, match=r"sudo -u root refused: .*/bin/sh"):
            host.run(["id"])
    assert host.run(["true"], user=bed.user.name).ok


def test_requiretty(make_bed):
    host = make_bed("NOPASSWD: ALL", "Defaults:{user} requiretty").open(None)
    with pytest.raises(Denied, match=r"must have a tty.*requiretty must be off"):
        host.run(["id"])


def test_no_sudo_on_the_host(make_bed):
    bed = make_bed("NOPASSWD: ALL", wrap=hidden("/usr/bin/sudo"))
    with pytest.raises(Denied, match=r"refused: .*sudo.*(denied|not found|cannot)"):
        bed.open().run(["id"])


def hidden(path: str) -> list[str]:
    """Start a program where *path* cannot be executed."""
    script = f'mount --bind /dev/null {path} && exec "$@"'
    return ["unshare", "-m", "/bin/sh", "-c", script, "sh"]


def test_killed_shell_is_no_answer_and_the_next_command_gets_a_new_one(make_bed):
    bed = make_bed("NOPASSWD: ALL", "Defaults:{user} !use_pty")
    host = bed.open(None)
    with pytest.raises(ConnectionLost, match="the shell of root ended"):
        host.run("kill -KILL $PPID")
    assert host.run(["id", "-u"]).out == "0\n"


def test_too_much_output_is_killed_and_the_shell_goes_on(make_bed):
    host = make_bed("NOPASSWD: ALL").open(None, max_output=100_000)
    word = f"y-{uuid.uuid4().hex}"
    with pytest.raises(Incomplete, match=r"more than 100000 bytes \(max_output\); it was killed"):
        host.run(["yes", word])
    assert not processes("-f", word)
    assert host.run(["id", "-u"]).out == "0\n"


def test_connection_cut_while_sudo_runs(make_bed):
    bed = make_bed("NOPASSWD: ALL")
    host = bed.open(None)
    for _ in range(2):
        assert host.run(["id", "-u"]).out == "0\n"
        bed.server.kill_sessions()
        wait_until(lambda: not host.connected)
    for _ in range(2):
        with pytest.raises(ConnectionLost):
            host.run(["true"])


@pytest.mark.parametrize("sessions", [1, 2])
def test_shells_that_wait_make_room(make_bed, sessions):
    """One session for a shell of root leaves none for the rest, if MaxSessions is that low."""
    bed = make_bed("NOPASSWD: ALL", config=[f"MaxSessions {sessions}"])
    host = bed.open(None)
    sudoers = Path("/etc/sudoers").read_bytes()
    for _ in range(2):
        assert host.run(["id", "-un"]).out == "root\n"
        assert host.run(["id", "-un"], user="nobody").out == "nobody\n"
        assert host.run(["id", "-un"], user=bed.user.name).out == f"{bed.user.name}\n"
        assert host.read("/etc/sudoers") == sudoers


def test_shells_that_wait_make_room_to_kill_a_command(make_bed):
    bed = make_bed("NOPASSWD: ALL", config=["MaxSessions 2"])
    host = bed.open(None)
    assert host.run(["id", "-un"]).out == "root\n"
    with pytest.raises(TimedOut, match="it was killed"):
        host.run(["sleep", "30"], timeout=0.3, user=bed.user.name)
    assert host.run(["id", "-un"], user=bed.user.name).ok


def test_without_sftp(make_bed):
    host = make_bed("NOPASSWD: ALL", sftp=None).open(None)
    assert host.read("/etc/sudoers") == Path("/etc/sudoers").read_bytes()
    assert host.listdir("/etc/ssh") == sorted(path.name for path in Path("/etc/ssh").iterdir())
    assert host.stat("/etc/shadow").mode == Path("/etc/shadow").stat().st_mode
