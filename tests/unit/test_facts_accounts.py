"""Accounts, passwords, sudo rules: what their parsers make of usual, odd and broken files."""

from __future__ import annotations

import json

import pytest
from lab.fake import FakeTransport

from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable
from pytest_sysaudit.facts import accounts, login_defs, open_facts, shadow, sudoers

ROOT = "root:x:0:0:root:/root:/bin/bash\n"
ROOT_GROUP = "root:x:0:\n"


def test_accounts_keep_order_and_duplicates():
    passwd = ROOT + "toor:x:0:0::/root:/bin/sh\nroot:x:0:0::/:/bin/sh\n"
    table = accounts.parse(passwd, "root:x:0:\nadm:x:4:ann, bob\nadm:x:4:\n")
    assert [user.name for user in table.users] == ["root", "toor", "root"]
    assert [group.members for group in table.groups] == [(), ("ann", "bob"), ()]
    assert table.group_name(4) == "adm"
    assert table.group_name(77) == "77"
    assert table.user_name(0) == "root"


def test_nis_lines_are_kept_apart():
    table = accounts.parse("+@admins::::::\n-eve\n" + ROOT, "+:::\n" + ROOT_GROUP)
    assert table.nis == ("/etc/passwd: +@admins", "/etc/passwd: -eve", "/etc/group: +")
    assert len(table.users) == 1


def test_comments_and_blank_lines_are_no_accounts():
    table = accounts.parse(f"# note\n\n{ROOT}\n", ROOT_GROUP)
    assert len(table.users) == 1


@pytest.mark.parametrize(
    ("passwd", "group", "message"),
    [
        (ROOT + "short:x:1\n", ROOT_GROUP, "/etc/passwd: unknown format at line 2"),
        ("root:x:zero:0:::\n", ROOT_GROUP, "/etc/passwd: unknown format at line 1"),
        ("root:x: 0:0:::\n", ROOT_GROUP, "/etc/passwd: unknown format at line 1"),
        ("root:x:1_0:0:::\n", ROOT_GROUP, "/etc/passwd: unknown format at line 1"),
        ("root:x:\u0663:0:::\n", ROOT_GROUP, "/etc/passwd: unknown format at line 1"),
        (ROOT, "root:x\n", "/etc/group: unknown format at line 1"),
        ("", ROOT_GROUP, "/etc/passwd: no account"),
        ("+::::::\n", ROOT_GROUP, "/etc/passwd: no account"),
        (ROOT, "", "/etc/group: no account"),
    ],
)
def test_broken_account_files_are_no_table(passwd, group, message):
    with pytest.raises(CannotAssess, match=message):
        accounts.parse(passwd, group)


@pytest.mark.parametrize(
    ("shell", "expected"),
    [
        ("/bin/bash", True),
        ("", True),
        ("/usr/bin/zsh", True),
        ("/usr/sbin/nologin", False),
        ("/bin/false", False),
        ("/bin/sync", False),
        ("/tmp/false", True),
        ("nologin", True),
    ],
)
def test_shells_to_work_in(shell, expected):
    assert accounts.parse_user(f"a:x:1:1::/:{shell}").can_log_in is expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [("x", True), ("*", True), ("!", True), ("!!", True), ("", False), ("(hidden)", False)],
)
def test_shadowed_passwords(field, expected):
    assert accounts.parse_user(f"a:{field}:1:1::/:/bin/sh").is_shadowed is expected


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ((2, "", "cannot open /etc/passwd: No such file"), CannotAssess, "no such"),
        ((2, "", "cannot open /etc/passwd: Permission denied"), Denied, "root"),
        ((2, "", "cannot open /etc/passwd: I/O error"), CannotAssess, "I/O error"),
    ],
)
def test_accounts_that_cannot_be_read(answer, error, message):
    transport = FakeTransport(results={"cat /etc/passwd": answer, "cat /etc/group": ROOT_GROUP})
    with pytest.raises(error, match=message):
        _ = open_facts(transport).accounts


@pytest.mark.parametrize(
    ("beginning", "length", "state", "scheme"),
    [
        ("", 0, "empty", ""),
        ("!", 1, "locked", ""),
        ("*", 1, "locked", ""),
        ("!", 2, "locked", ""),
        ("*", 4, "locked", ""),
        ("!", 107, "locked", ""),
        ("x", 1, "locked", ""),
        ("$y$", 73, "set", "yescrypt"),
        ("$6$", 106, "set", "sha512crypt"),
        ("$2b$", 60, "set", "bcrypt"),
        ("$1$", 34, "set", "md5crypt"),
        ("$md5,rounds=5$", 40, "set", "sunmd5"),
        ("_", 20, "set", "bsdicrypt"),
        ("x", 13, "set", "descrypt"),
        ("a", 13, "set", "descrypt"),
        ("a", 12, "set", "unknown"),
        ("$99$", 40, "set", "unknown"),
    ],
)
def test_password_forms(beginning, length, state, scheme):
    assert shadow.classify("a", beginning, length) == shadow.Password("a", state, scheme)


def test_shadow_marks_nis_and_leaves_out_comments_but_no_duplicates():
    table = shadow.parse(
        "root:!:1:9:::::\n+::0:9:::::\n# note::0:1:::::\nann::0:9:::::\nann:$6$:99:9:1:0:-1:7:\n"
    )
    assert [(entry.name, entry.state) for entry in table] == [
        ("root", "locked"),
        ("+", "nis"),
        ("ann", "empty"),
        ("ann", "set"),
    ]
    assert table[0].ages == shadow.Ages()
    assert table[-1].ages == shadow.Ages(changed=1, minimum=0, warning=7)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+::0:9:::::\n",
        "root:!:1:9:::::\nann::0:1:::::\n",
        "root\n",
        "a:b:c:d:::::\n",
        "root:!:1:9\n",
        "root:!:1:9:19000:0:9\n",
        "root:!:1:9:x::::\n",
        "root:!:1:9:1:2:3:4:5:6\n",
    ],
)
def test_broken_shadow_is_no_table(text):
    with pytest.raises(CannotAssess, match="/etc/shadow"):
        shadow.parse(text)


def test_hashes_do_not_leave_the_host(tmp_path):
    import subprocess  # the reading command itself is what is tried here

    path = tmp_path / "shadow"
    path.write_text("root:$6$salt$verysecrethash:1::\nold:Ab3xyzABCDEFG:1::9:7:\nann::1::\nodd\n")
    argv = ["awk", "-F:", shadow._SHAPE, str(path)]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert text == ("root:$6$:22:5:1::::\nold:A:13:7:1::9:7:\nann::0:5:1::::\nodd::0:1:::::\n")
    with pytest.raises(CannotAssess, match="line 4"):
        shadow.parse(text)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((2, "", "awk: cannot open /etc/shadow (Permission denied)"), Denied),
        ((2, "", "awk: cannot open /etc/shadow (No such file or directory)"), CannotAssess),
    ],
)
def test_shadow_that_cannot_be_read(answer, error):
    transport = FakeTransport(results={lambda command: command[0] == "awk": answer})
    with pytest.raises(error):
        _ = open_facts(transport).shadow


def test_login_defs_take_the_last_line():
    settings = login_defs.parse(
        '# UID_MIN 5\nUID_MIN\t 500\nUID_MIN 501 # now\nENV_PATH "a b"\nX\n'
    )
    assert settings == {"UID_MIN": "501", "GID_MIN": "1000", "ENV_PATH": "a b", "X": ""}


def test_without_login_defs_the_defaults_hold():
    answer = (1, "", "cat: /etc/login.defs: No such file or directory")
    assert open_facts(FakeTransport(results={"cat /etc/login.defs": answer})).login_defs[
        "UID_MIN"
    ] == ("1000")


def test_the_vendors_login_defs_hold_where_there_are_no_others():
    vendor = {"/usr/etc/login.defs": "UID_MIN 1\n"}
    assert open_facts(FakeTransport(files=vendor)).login_defs["UID_MIN"] == "1"
    both = {**vendor, "/etc/login.defs": "UID_MIN 2\n"}
    assert open_facts(FakeTransport(files=both)).login_defs["UID_MIN"] == "2"
    with pytest.raises(NotApplicable, match=r"^/etc/login.defs"):
        login_defs.read_file(open_facts(FakeTransport()))


def sudo_rule(*users, **options):
    return {
        "User_List": list(users),
        "Host_List": [{"hostname": "ALL"}],
        "Cmnd_Specs": [
            {
                "runasusers": [{"username": "ALL"}],
                "Options": [{name: value} for name, value in options.items()],
                "Commands": [{"command": "ALL"}],
            }
        ],
    }


def test_sudo_rules_that_ask_for_no_password():
    rules = [
        sudo_rule({"username": "root"}, setenv=True),
        sudo_rule({"usergroup": "ops"}, {"username": "ann"}, authenticate=False),
        sudo_rule({"username": "bob"}, authenticate=True),
    ]
    table = sudoers.parse(json.dumps({"User_Specs": rules}))
    assert table.without_password() == ("%ops", "ann")
    assert table.rules[0] == sudoers.Rule(("root",), ("ALL",), ("ALL",))


@pytest.mark.parametrize(
    ("binding", "expected"), [(None, ("ALL",)), ([{"username": "ann"}], ("ann",))]
)
def test_sudo_defaults_that_ask_for_no_password(binding, expected):
    entry = {"Options": [{"env_reset": True}, {"authenticate": False}]}
    entry |= {"Binding": binding} if binding else {}
    assert sudoers.parse(json.dumps({"Defaults": [entry]})).without_password() == expected


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ((42, "", ""), NotApplicable, "no sudo"),
        ((43, "", ""), Denied, "root"),
        ((1, "", "cvtsudoers: parse error in /etc/sudoers"), CannotAssess, "parse error"),
        ((127, "", "sh: cvtsudoers: not found"), CannotAssess, "not found"),
        ('{"User_Specs": [', CannotAssess, "unknown format"),
        ('{"User_Specs": [{}]}', CannotAssess, "unknown format"),
    ],
)
def test_sudo_that_cannot_be_read(answer, error, message):
    transport = FakeTransport(results={lambda command: "cvtsudoers" in command: answer})
    with pytest.raises(error, match=message):
        _ = open_facts(transport).sudoers
