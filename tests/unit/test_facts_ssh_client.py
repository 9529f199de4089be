"""The ssh client's defaults, the groups of moduli, and what Match blocks loosen."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from lab.fake import FakeTransport

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts import moduli, open_facts, ssh_client, sshd
from pytest_sysaudit.facts.sshd_looser import loosened
from pytest_sysaudit.transport.base import CommandResult

SHELLS = [
    argv for argv in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(argv[0])
]
GOOD = "stricthostkeychecking ask\nforwardagent no\nforwardx11 no\nidentityfile a\nidentityfile b\n"


def client(answer):
    results = {lambda command: "host.invalid" in command: answer}
    return open_facts(FakeTransport(results=results)).ssh_client


def test_settings_by_name():
    found = client(f"{GOOD}@end\n")
    assert found["stricthostkeychecking"] == "ask"
    assert found["identityfile"] == "a"


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (GOOD, Incomplete, "not whole"),
        ("forwardagent no\n@end\n", CannotAssess, "no stricthostkeychecking, forwardx11"),
        ((42, "", ""), NotApplicable, "no OpenSSH client"),
        ((44, "", "/etc/ssh/ssh_config\n"), CannotAssess, "^/etc/ssh/ssh_config: .*run a program"),
        ((45, "", "/etc/ssh/a"), CannotAssess, "^/etc/ssh/a: .*ask a name server"),
        ((46, "", "/etc/ssh/a"), CannotAssess, "^/etc/ssh/a: it includes files"),
        ((255, "", "line 3: Bad configuration"), CannotAssess, "line 3: Bad configuration"),
    ],
)
def test_what_is_no_answer(answer, error, message):
    with pytest.raises(error, match=message):
        client(answer)


def groups(answer):
    results = {lambda command: "n[$5]++" in command: answer}
    return open_facts(FakeTransport(results=results)).moduli


def test_groups_by_size():
    assert groups("8191 2\n2047 60\n@end\n") == {2048: 60, 8192: 2}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("2047 60\n", Incomplete),
        ("@end\n", CannotAssess),
        ("many 60\n@end\n", CannotAssess),
        ((42, "", ""), NotApplicable),
        ((43, "", ""), Denied),
        ((2, "", "awk: read error"), CannotAssess),
        ((127, "", "sh: awk: not found"), CannotAssess),
    ],
)
def test_what_is_no_count(answer, error):
    with pytest.raises(error):
        groups(answer)


def run(shell, script, files, *more):
    """Run *script* with another /etc/ssh, seen by this one process only."""
    setup = f'mount --bind {files} /etc/ssh && {"".join(more)} exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", setup, "sh", *shell, "-c", script],
        capture_output=True,
        check=False,
        env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    return CommandResult(
        command=script,
        exit_code=done.returncode,
        stdout=done.stdout,
        stderr=done.stderr,
        started=0,
        duration=0,
    )


real = [
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ssh"),
        reason="needs root, unshare and ssh",
    ),
]


@pytest.fixture(params=[pytest.param(argv, id=argv[0], marks=real) for argv in SHELLS])
def shell(request):
    return request.param


@pytest.mark.parametrize(
    ("main", "part", "code"),
    [
        ("ForwardAgent yes\n", "", 0),
        ("Include /etc/ssh/ssh_config.d/*.conf\n", "ForwardAgent yes\n", 0),
        ("match exec 'touch /tmp/no'\nForwardAgent yes", "", 44),
        ("Include /etc/ssh/ssh_config.d/*.conf\n", "Match host x exec true", 44),
        ("CanonicalizeHostname yes\n", "", 45),
        ("include /etc/other/*\n", "", 46),
        ("Nonsense yes\n", "", 255),
        (None, "", 0),
    ],
)
def test_the_real_program(shell, tmp_path, main, part, code):
    if main is not None:
        (tmp_path / "ssh_config").write_text(main)
    (tmp_path / "ssh_config.d").mkdir()
    (tmp_path / "ssh_config.d/a.conf").write_text(part)
    result = run(shell, ssh_client._SCRIPT, tmp_path)
    assert result.exit_code == code, result.err
    if not code:
        wanted = "no" if main is None else "yes"
        assert ssh_client.parse(result.out)["forwardagent"] == wanted


def test_another_ssh_is_not_asked(shell, tmp_path):
    (tmp_path / "ssh").write_text("#!/bin/sh\necho Dropbear client v2022.83 >&2\nexit 1\n")
    (tmp_path / "ssh").chmod(0o755)
    result = run(shell, ssh_client._SCRIPT, tmp_path, "mount --bind /etc/ssh/ssh /usr/bin/ssh &&")
    assert result.exit_code == 42, result.err


def test_the_real_moduli(shell, tmp_path):
    line = "20220213045401 2 6 100 {} 2 F5E8\n"
    text = "# Time Type\n\n" + line.format(2047) * 2 + line.format(3071)
    (tmp_path / "moduli").write_text(text)
    assert moduli.parse(run(shell, moduli._SCRIPT, tmp_path).out) == {2048: 2, 3072: 1}
    (tmp_path / "moduli").unlink()
    facts = open_facts(FakeTransport(results={lambda _: True: _answer(shell, tmp_path)}))
    with pytest.raises(NotApplicable):
        _ = facts.moduli


def _answer(shell, folder):
    result = run(shell, moduli._SCRIPT, folder)
    return result.exit_code, result.stdout, result.stderr


ALWAYS = (
    "port 22\npermitrootlogin without-password\nmaxauthtries 4\nciphers x\nforcecommand /bin/x\n"
    "passwordauthentication no\nallowtcpforwarding yes\nignorerhosts yes\ndisableforwarding yes\n"
    "authenticationmethods publickey,keyboard-interactive\nmaxsessions 10\n"
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("PasswordAuthentication yes", {"passwordauthentication": "no becomes yes"}),
        ("PermitRootLogin yes", {"permitrootlogin": "without-password becomes yes"}),
        ("PermitRootLogin prohibit-password", {}),
        ("PermitRootLogin no", {}),
        ("AllowTcpForwarding all", {}),
        ("IgnoreRhosts shosts-only", {"ignorerhosts": "yes becomes shosts-only"}),
        ("DisableForwarding no", {"disableforwarding": "yes becomes no"}),
        ("MaxAuthTries 10", {"maxauthtries": "4 becomes 10"}),
        ("MaxAuthTries 1", {}),
        ("MaxSessions x", {"maxsessions": "10 becomes x"}),
        ("ForceCommand none", {"forcecommand": "/bin/x becomes none"}),
        ("ForceCommand /bin/Y", {}),
        (
            "AuthenticationMethods publickey",
            {"authenticationmethods": "publickey,keyboard-interactive becomes publickey"},
        ),
        (
            "AuthenticationMethods publickey,password password",
            {
                "authenticationmethods": "publickey,keyboard-interactive becomes "
                "publickey,password password"
            },
        ),
        ("AuthenticationMethods publickey,password,hostbased", {}),
        (
            "AuthenticationMethods any",
            {"authenticationmethods": "publickey,keyboard-interactive becomes any"},
        ),
        ("X11Forwarding yes", {}),
    ],
)
def test_what_a_match_block_loosens(line, expected):
    config = sshd.parse(f"{ALWAYS}@files\nMatch User Ann\n{line}\nMatch all\nPort 22\n@end\n")
    assert loosened(config) == ({"Match User Ann": expected} if expected else {})


def test_paths_and_names_of_match_blocks_keep_their_letters():
    lines = "Banner /etc/Banner\nAuthorizedKeysFile /K/%u\nForceCommand Cmd\nX11Forwarding Yes\n"
    config = sshd.parse(f"{ALWAYS}@files\nMatch User Ann\n{lines}@end\n")
    assert dict(config.matches)["User Ann"] == {
        "banner": "/etc/Banner",
        "authorizedkeysfile": "/K/%u",
        "forcecommand": "Cmd",
        "x11forwarding": "yes",
    }
