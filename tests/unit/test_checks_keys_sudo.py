"""The checks of keys, dot files, ssh's exceptions and sudo's rules, on canned hosts."""

from __future__ import annotations

import base64
import json

import pytest
from lab.wellhost import ABSENT, CUT, DENIED, NOT_ROOT, SSHD, Case, answers, breaks, rows, uncovered

from checks.linux import test_ssh_keys, test_sudo, test_sudo_rules
from checks.ssh import test_access, test_client, test_keys


def blob(*fields: bytes) -> str:
    """Return what a public key with these fields looks like."""
    data = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    return base64.b64encode(data).decode()


def rsa(bits: int, kind: str = "ssh-rsa") -> str:
    number = (1 << (bits - 1)) + 1
    modulus = number.to_bytes(bits // 8 + 1, "big")
    fields = (b"nonce",) if "-cert-" in kind else ()
    return f"{kind} {blob(kind.encode(), *fields, b'e', modulus)}"


DSA = f"ssh-dss {blob(b'ssh-dss', b'p' * 128, b'q', b'g', b'y')}"
ED25519 = f"ssh-ed25519 {blob(b'ssh-ed25519', b'x' * 32)} ann@laptop"
ROOT_KEYS = "/root/.ssh/authorized_keys"

#: sshd's settings that `SSHD` of the well host does not have.
MORE_SSHD = """banner /etc/issue.net
allowgroups admins
hostkey /etc/ssh/ssh_host_rsa_key
hostkey /etc/ssh/ssh_host_ed25519_key
authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2
authorizedkeyscommand none
authenticationmethods any
permituserrc yes
"""
SSHD_WORD = '"$sshd" -T'
GROUP_EXCHANGE = SSHD.replace(
    "diffie-hellman-group14-sha256", "diffie-hellman-group-exchange-sha256"
)
WELL_SSHD = MORE_SSHD + GROUP_EXCHANGE


def files(*entries: tuple[str, str, int, int], away: str = "", then: str = "") -> str:
    """Return the answer of the scripts about homes: path (h: a home), mode, uid and gid."""
    names = "".join(f"{path}\0" for path, *_ in entries)
    stats = "".join(f"{mode} {uid} {gid}\n" for _, mode, uid, gid in entries)
    return f"{names}@away\0{away}\0@stat\n{stats}@then\n{then}@end\n"


HOMES = (("h/root", "41c0", 0, 0), ("h/home/ann", "41e8", 1000, 1000))
KEYS = files(
    *HOMES,
    (ROOT_KEYS, "8180", 0, 0),
    ("/home/ann/.ssh/id", "8180", 1000, 1000),
    ("/etc/ssh/ssh_host_rsa_key", "8180", 0, 0),
    then=f"3:1:\t {ED25519}\n3.\n4:1!openssh encrypted\n4.\n5:1!openssh plain\n5.\n",
)
DOTS = files(
    *HOMES,
    ("/root/.bashrc", "81a4", 0, 0),
    ("/home/ann/.bashrc", "81b4", 1000, 1000),
    ("/home/ann/.ssh", "41c0", 1000, 1000),
)
PUBLIC = "/etc/ssh/ssh_host_rsa_key.pub"


def texts(key: str) -> str:
    return f"1:{PUBLIC}\0@text\0001:{key}\n1.\n@end\n"


CLIENT = "stricthostkeychecking ask\nforwardagent no\nforwardx11 no\n@end\n"
#: What the paths table says of /etc/ssh/ssh_config, and of the usual files of a banner.
DETAILS = "81a4 0 0 30 0 7 1 root:root\n"
CONFIG = f"ef\0{DETAILS}\0@end\n"
BANNER = f"ef\0\0{DETAILS}\0@end\n"
MORE = {
    "settings": (SSHD_WORD, WELL_SSHD),
    "ssh_keys": ("BEGIN OPENSSH PRIVATE KEY", KEYS),
    "dotfiles": ("'.[!.]* ..?*'", DOTS),
    "client": ("host.invalid", CLIENT),
    "moduli": ("n[$5]++", "3071 4\n8191 2\n@end\n"),
    "texts": ("@text", texts(rsa(3072))),
    "banner": ("for p in /etc/issue.net", BANNER),
    "config": ("for p in /etc/ssh/ssh_config", CONFIG),
    "host_keys": ("for p in /etc/ssh/ssh_host_rsa_key", f"ef\0\0\0\0{DETAILS}\0@end\n"),
}
NO_SSHD = (
    answers("settings", NOT_ROOT),
    answers("settings", CUT),
    answers("settings", (255, "", "Bad configuration option: Foo")),
)
NO_HOMES = (
    answers("ssh_keys", NOT_ROOT),
    answers("ssh_keys", CUT),
    answers("ssh_keys", (1, "", "awk: out of memory")),
    breaks("ssh_keys", "5.\n", ""),
    breaks("ssh_keys", "5.\n", "5#\n"),
    breaks("ssh_keys", "8180 0 0\n", ""),
    breaks("ssh_keys", "@away\0", "@away\0\n/home/far"),
)


def ssh_case(check, **fields):
    fields["errors"] = (*NO_SSHD, *fields.get("errors", ()))
    fields["absent"] = (answers("settings", ABSENT), *fields.get("absent", ()))
    return Case(check, more=MORE, **fields)


def key_file(mode="8180", uid=0, line=f"3:1:\t {ED25519}"):
    """Break root's file of keys."""
    entry = (ROOT_KEYS, mode, uid, 0)
    return answers("ssh_keys", files(*HOMES, entry, then=f"{line}\n3.\n"))


def private(path, mode, uid, kind, gid=0):
    entry = (path, mode, uid, gid)
    return answers("ssh_keys", files(*HOMES, entry, then=f"3:1!{kind}\n3.\n"))


def dotfile(path, mode, uid, gid):
    return answers("dotfiles", files(*HOMES, (path, mode, uid, gid)))


SSH = [
    ssh_case(
        test_access.test_a_banner_is_shown_before_the_login,
        fails=(
            breaks("settings", "banner /etc/issue.net", "banner none"),
            breaks("settings", "@end", "Match User ann\nBanner none\n@end"),
            answers("banner", "\0\0\0@end\n"),
            breaks("banner", "0 0 30 0", "0 0 0 0"),
        ),
        errors=(
            breaks("settings", "banner /etc/issue.net\n", ""),
            answers("banner", CUT),
            answers("banner", ": /etc/issue.net: Permission denied\0\0\0@end\n"),
        ),
    ),
    Case(
        test_access.test_a_banner_is_shown_before_the_login,
        inputs={"wanted": False},
        fails=(breaks("settings", "banner none", "banner /etc/issue"),),
        errors=NO_SSHD,
        more={**MORE, "settings": (SSHD_WORD, WELL_SSHD.replace("/etc/issue.net", "none"))},
    ),
    ssh_case(
        test_access.test_logins_are_limited_to_a_list,
        fails=(
            breaks("settings", "allowgroups admins\n", ""),
            breaks("settings", "allowgroups admins", "allowusers *"),
            breaks("settings", "allowgroups admins", "allowusers *@*"),
        ),
        passes=(breaks("settings", "allowgroups admins", "denyusers root"),),
    ),
    ssh_case(
        test_access.test_match_blocks_loosen_nothing,
        fails=tuple(
            breaks("settings", "@end", f"Match User ann\n{line}\n@end")
            for line in (
                "PasswordAuthentication yes",
                "PermitRootLogin yes",
                "MaxAuthTries 5",
                "AllowTcpForwarding local",
                "X11Forwarding maybe",
            )
        ),
        passes=tuple(
            breaks("settings", "@end", f"Match User ann\n{line}\n@end")
            for line in ("PermitRootLogin prohibit-password", "MaxAuthTries 3", "Banner none")
        ),
    ),
    Case(
        test_access.test_match_blocks_loosen_nothing,
        inputs={"allowed": ["Match User ann*: max*"]},
        passes=(breaks("settings", "@end", "Match User ann\nMaxSessions 20\n@end"),),
        fails=(breaks("settings", "@end", "Match User bob\nMaxSessions 20\n@end"),),
        errors=NO_SSHD,
        more=MORE,
    ),
    ssh_case(
        test_keys.test_host_keys_are_long,
        fails=(
            answers("texts", texts(rsa(2048))),
            answers("texts", texts(rsa(2048, "ssh-rsa-cert-v01@openssh.com"))),
            answers("texts", texts(DSA)),
        ),
        errors=(
            answers("texts", CUT),
            answers("texts", texts("ssh-rsa AAAA")),
            answers("host_keys", f"ef\0\0ef\0\0{DETAILS * 2}\0@end\n"),
            answers("host_keys", CUT),
            answers("texts", "@text\0@end\n"),
        ),
        absent=(answers("host_keys", "\0\0\0\0\0@end\n"),),
        passes=(answers("texts", texts(ED25519)),),
    ),
    ssh_case(
        test_keys.test_groups_for_diffie_hellman_are_large,
        fails=(breaks("moduli", "3071", "2047"),),
        errors=(
            answers("moduli", CUT),
            answers("moduli", "@end\n"),
            answers("moduli", NOT_ROOT),
            breaks("settings", "banner", "modulifile /etc/other\nbanner"),
        ),
        absent=(
            answers("moduli", ABSENT),
            breaks("settings", "group-exchange-sha256", "group16-sha512"),
        ),
    ),
    Case(
        test_client.test_the_client_trusts_no_stranger,
        more=MORE,
        fails=(
            breaks("client", "checking ask", "checking false"),
            breaks("client", "checking ask", "checking accept-new"),
            breaks("client", "agent no", "agent yes"),
            breaks("client", "x11 no", "x11 yes"),
            breaks("config", "81a4", "81b6"),
            breaks("config", "81a4 0", "81a4 7"),
        ),
        errors=(
            answers("client", CUT),
            answers("client", "@end\n"),
            answers("client", (44, "", "/etc/ssh/ssh_config")),
            answers("client", (45, "", "/etc/ssh/ssh_config")),
            answers("client", (46, "", "/etc/ssh/ssh_config")),
            answers("client", (255, "", "line 3: Bad configuration option")),
            answers("config", CUT),
        ),
        absent=(answers("client", ABSENT),),
        passes=(answers("config", "\0\0@end\n"), breaks("client", "checking ask", "checking true")),
    ),
]
KEY_FILES = [
    Case(
        test_ssh_keys.test_keys_that_let_in_are_strong_and_their_owners,
        more=MORE,
        fails=(
            key_file(mode="81a4"),
            key_file(uid=1000),
            key_file(line=f"3:2:no-pty\t {rsa(1024)} x"),
            key_file(line=f"3:2:\t{DSA}"),
            breaks("settings", "command none", "command /usr/local/bin/keys %u"),
        ),
        errors=(*NO_HOMES, *NO_SSHD, answers("passwd", DENIED)),
        passes=(
            answers("settings", ABSENT),
            key_file(line="3:2?"),
            key_file(line=f"3:2:\t{rsa(2048)}"),
            breaks("settings", "command none", "command /usr/bin/sss_ssh_authorizedkeys"),
            breaks("settings", "file .ssh/authorized_keys .ssh/authorized_keys2", "file none"),
        ),
    ),
    Case(
        test_ssh_keys.test_keys_that_let_in_are_strong_and_their_owners,
        inputs={"known": ["ann@*"], "elsewhere": ["/home/far"]},
        more=MORE,
        fails=(key_file(line=f"3:1:\t{rsa(3072)} bob@pc"),),
        errors=NO_HOMES[:1],
        passes=(breaks("ssh_keys", "@away\0", "@away\0\n/home/far"),),
    ),
    Case(
        test_ssh_keys.test_private_keys_are_private_and_encrypted,
        more=MORE,
        fails=(
            private("/home/ann/.ssh/id", "81a4", 1000, "openssh encrypted"),
            private("/home/ann/.ssh/id", "8180", 1001, "openssh encrypted"),
            private("/home/ann/.ssh/id", "8180", 1000, "pem plain"),
            private("/etc/ssh/ssh_host_rsa_key", "81a0", 0, "openssh plain", 42),
        ),
        errors=(
            *NO_HOMES,
            private("/home/ann/.ssh/id", "8180", 1000, "openssh unknown"),
            private("/home/ann/.ssh/id", "8180", 1000, "openssh"),
            answers("passwd", DENIED),
        ),
        passes=(
            answers("ssh_keys", files(*HOMES)),
            answers(
                "ssh_keys",
                files(
                    ("h/usr/sbin", "41ed", 1, 1),
                    ("/usr/sbin/tls.pem", "8180", 1, 1),
                    then="2:1!pkcs8 plain\n2.\n",
                ),
            ),
        ),
    ),
    Case(
        test_ssh_keys.test_private_keys_are_private_and_encrypted,
        inputs={"passphrase": False},
        more=MORE,
        fails=(private("/root/.ssh/id", "81a0", 0, "pem plain"),),
        errors=NO_HOMES[:1],
        passes=(private("/root/.ssh/id", "8180", 0, "pem plain"),),
    ),
    Case(
        test_ssh_keys.test_dotfiles_are_written_by_their_users_only,
        more=MORE,
        fails=(
            dotfile("/home/ann/.rhosts", "8180", 1000, 1000),
            dotfile("/root/.netrc", "8180", 0, 0),
            dotfile("/home/ann/.profile", "81b6", 1000, 1000),
            dotfile("/home/ann/.profile", "81b4", 1000, 42),
            dotfile("/home/ann/.profile", "81a4", 1, 0),
            dotfile("/home/ann/.config", "41ff", 1000, 1000),
            dotfile("/home/ldap/.profile", "81b6", 5000, 5000),
            dotfile("/usr/sbin/.forward", "8180", 1, 1),
            breaks("group", "ann:x:1000:", "ann:x:1000:bob"),
        ),
        errors=(
            answers("dotfiles", NOT_ROOT),
            answers("dotfiles", CUT),
            breaks("dotfiles", "81a4 0 0\n", ""),
            breaks("dotfiles", "@away\0", "@away\0\n/home/far"),
            answers("passwd", DENIED),
        ),
        passes=(
            dotfile("/usr/sbin/.profile", "81b6", 1, 1),
            dotfile("/home/ann/.history", "21b6", 0, 0),
            dotfile("/home/ldap/.profile", "81a4", 5000, 5000),
        ),
    ),
    Case(
        test_ssh_keys.test_dotfiles_are_written_by_their_users_only,
        inputs={"allowed": ["/home/*/.forward"], "elsewhere": ["/home/far"]},
        more=MORE,
        fails=(dotfile("/root/.forward", "8180", 0, 0),),
        errors=(answers("dotfiles", CUT),),
        passes=(
            dotfile("/home/ann/.forward", "8180", 1000, 1000),
            breaks("dotfiles", "@away\0", "@away\0\n/home/far"),
        ),
    ),
]


def sudo(*defaults, users=None, elsewhere="", version="cvtsudoers version 1.9.13p3"):
    """Return what the sudoers script answers."""
    options = [{"Options": [each]} for each in defaults]
    options += [{"Options": [d], "Binding": [{"username": u}]} for u, d in (users or {}).items()]
    spec = {"User_List": [{"username": "root"}], "Cmnd_Specs": [{"Commands": [{"command": "ALL"}]}]}
    data = json.dumps({"Defaults": options, "User_Specs": [spec]})
    sources = f"@sources {elsewhere}\n" if elsewhere else ""
    return f"{data}\n@version\n{version}\n{sources}@end\n"


def full(user, kind="username", commands=("ALL",), run_as="ALL"):
    """Return a rule of *user*."""
    spec = {
        "runasusers": [{"username": run_as}],
        "Commands": [{"command": command} for command in commands],
    }
    return json.dumps({"User_Specs": [{"User_List": [{kind: user}], "Cmnd_Specs": [spec]}]})


SUDO_WELL = {"rules": ("cvtsudoers", sudo({"use_pty": True}))}
NO_SUDO = (
    answers("rules", NOT_ROOT),
    answers("rules", (1, "", "parse error")),
    answers("rules", '{"User_Specs"'),
)
IN_LDAP = answers("rules", sudo({"use_pty": True}, elsewhere="files [SUCCESS=return] ldap sss"))


def sudo_case(check, **fields):
    fields["errors"] = (*NO_SUDO, *fields.get("errors", ()))
    return Case(check, more=SUDO_WELL, absent=(answers("rules", ABSENT),), **fields)


SUDO = [
    sudo_case(
        test_sudo.test_sudo_asks_for_a_password,
        fails=(answers("rules", sudo({"authenticate": False})),),
        errors=(IN_LDAP,),
        passes=(answers("rules", sudo(elsewhere="files")),),
    ),
    sudo_case(
        test_sudo_rules.test_sudo_always_authenticates,
        fails=(
            answers("rules", sudo({"authenticate": False})),
            answers("rules", sudo({"authenticate": True}, users={"ann": {"authenticate": False}})),
        ),
        errors=(IN_LDAP,),
        passes=(answers("rules", sudo({"authenticate": False}, {"authenticate": True})),),
    ),
    Case(
        test_sudo_rules.test_sudo_always_authenticates,
        inputs={"allowed": ["ann"], "directories": ["ldap", "sss"]},
        more=SUDO_WELL,
        fails=(answers("rules", sudo({"authenticate": False})),),
        errors=NO_SUDO,
        passes=(IN_LDAP, answers("rules", sudo(users={"ann": {"authenticate": False}}))),
    ),
    sudo_case(
        test_sudo_rules.test_only_listed_users_may_run_everything,
        fails=(
            answers("rules", full("ann")),
            answers("rules", full("staff", "usergroup")),
            answers("rules", full("ann", run_as="root")),
            answers("rules", full("ann", commands=("/bin/ls", "ALL"))),
            answers("rules", full(1000, "userid")),
        ),
        errors=(IN_LDAP,),
        passes=(
            answers("rules", full("wheel", "usergroup")),
            answers("rules", full("ann", run_as="postgres")),
            answers("rules", full("ann", commands=("/bin/ls",))),
        ),
    ),
    sudo_case(
        test_sudo_rules.test_sudo_runs_commands_in_a_terminal_of_their_own,
        fails=(
            answers("rules", sudo()),
            answers("rules", sudo({"use_pty": True}, {"use_pty": False})),
            answers("rules", sudo({"use_pty": True}, users={"ann": {"use_pty": False}})),
            answers("rules", sudo({"use_pty": False}, version="cvtsudoers version 1.9.16")),
        ),
        errors=(answers("rules", sudo(version="")),),
        passes=(
            answers("rules", sudo(version="cvtsudoers version 1.9.14")),
            answers("rules", sudo(version="cvtsudoers version 2.0")),
            answers("rules", sudo({"use_pty": False}, {"use_pty": True})),
        ),
    ),
    sudo_case(
        test_sudo_rules.test_sudo_writes_down_what_it_runs,
        fails=(
            answers("rules", sudo({"syslog": False})),
            answers("rules", sudo(users={"ann": {"syslog": False}})),
        ),
        passes=(
            answers("rules", sudo({"syslog": False}, {"logfile": "/var/log/sudo.log"})),
            answers("rules", sudo({"syslog": "local1"})),
        ),
    ),
    Case(
        test_sudo_rules.test_sudo_writes_down_what_it_runs,
        inputs={"syslog": False},
        more={"rules": ("cvtsudoers", sudo({"logfile": "/var/log/sudo.log"}))},
        fails=(answers("rules", sudo()),),
        errors=NO_SUDO,
    ),
]
CASES = [*SSH, *KEY_FILES, *SUDO]


@pytest.mark.parametrize(
    ("case", "broken", "expected"), rows([case for case in CASES if not case.inputs])
)
def test_verdicts(case, broken, expected):
    verdict, reason = case.judge(*broken)
    assert verdict is expected, reason


@pytest.mark.parametrize(
    ("case", "broken", "expected"), rows([case for case in CASES if case.inputs])
)
def test_verdicts_by_inputs(case, broken, expected):
    verdict, reason = case.judge(*broken)
    assert verdict is expected, reason


def test_every_check_has_rows():
    modules = (test_access, test_keys, test_client, test_ssh_keys, test_sudo_rules)
    assert not uncovered(CASES, *modules)


@pytest.mark.parametrize(
    ("check", "broken", "words"),
    [
        (0, key_file(line=f"3:7:\t{rsa(1024)}"), f"{ROOT_KEYS} line 7: an RSA key of 1024 bits"),
        (2, private("/root/k", "81a4", 0, "pem plain"), "/root/k line 1 (pem) has mode 0644"),
        (4, dotfile("/root/.a\nb", "81b6", 0, 0), "/root/.a\\nb can be written by everybody"),
    ],
)
def test_failures_name_the_place(check, broken, words):
    assert words in KEY_FILES[check].judge(broken)[1]
