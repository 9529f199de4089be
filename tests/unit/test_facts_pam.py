"""PAM's files: what stands in them, what they include, and where a stack leads."""

from __future__ import annotations

import pytest
from lab.fake import FakeTransport
from lab.textfiles import told

from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable
from pytest_sysaudit.facts import open_facts, pam
from pytest_sysaudit.facts.pam_rules import Include, Rule, flat, parse_rules, walk


def rules(text, path="/etc/pam.d/x"):
    return list(parse_rules(path, text))


def table(settings=(), **files):
    paths = {name: (f"/etc/pam.d/{name}", text) for name, text in files.items()}
    return pam.Pam(paths, dict(settings))


def modules(stack):
    return [rule.module for rule in flat(stack)]


def test_lines_as_they_may_stand():
    text = """#%PAM-1.0
  AUTH Required pam_env.so  # always
-session optional pam_systemd.so
auth [success=1 \\
   default=ignore] \\
   /lib/security/pam_unix.so nullok [file=/a b] try=1
@include common-account
account substack inner
session include inner

"""
    assert rules(text) == [
        Rule("/etc/pam.d/x", 2, "auth", "required", "pam_env"),
        Rule("/etc/pam.d/x", 3, "session", "optional", "pam_systemd", (), True),
        Rule(
            "/etc/pam.d/x",
            4,
            "auth",
            "[success=1 default=ignore]",
            "pam_unix",
            ("nullok", "file=/a b", "try=1"),
        ),
        Include("/etc/pam.d/x", 7, "", "common-account"),
        Include("/etc/pam.d/x", 8, "account", "inner", substack=True),
        Include("/etc/pam.d/x", 9, "session", "inner"),
    ]
    assert rules(text)[2].options == {"nullok": "", "file": "/a b", "try": "1"}
    assert rules(text)[2].place == "/etc/pam.d/x:4"


@pytest.mark.parametrize(
    "line",
    [
        "auth",
        "auth required",
        "what required pam_unix.so",
        "auth perhaps pam_unix.so",
        "@include",
        "auth include",
        "\\xff\\xfe",
        "auth [success=1 pam_unix.so",
    ],
)
def test_what_is_no_rule(line):
    with pytest.raises(CannotAssess, match=r"/etc/pam.d/x: line 2"):
        rules(f"# first\n{line}\n")


@pytest.mark.parametrize(
    ("control", "enforced", "skips"),
    [
        ("required", True, False),
        ("requisite", True, False),
        ("sufficient", False, True),
        ("optional", False, False),
        ("[success=1 default=ignore]", False, True),
        ("[success=ok default=die]", True, False),
        ("[success=done default=bad]", True, True),
        ("[default=die]", True, False),
        ("[default=1]", False, True),
        ("[success=0 default=ignore]", False, False),
        ("[success=ok]", True, False),
    ],
)
def test_what_a_control_does(control, enforced, skips):
    (rule,) = rules(f"auth {control} pam_x.so")
    assert (rule.enforced, rule.skips) == (enforced, skips)


def test_a_module_that_may_lack_enforces_nothing():
    (rule,) = rules("-password required pam_pwquality.so")
    assert not rule.enforced


def test_includes_of_one_type_and_of_all():
    found = table(
        a="@include b\nauth required pam_a.so\n",
        b="auth include c\naccount required pam_b.so\nauth include /etc/pam.d/d\n",
        c="auth required pam_c.so\naccount required pam_no.so\n",
        d="auth required pam_d.so\n",
    )
    assert modules(found.stack("a", "auth")) == ["pam_c", "pam_d", "pam_a"]
    assert modules(found.stack("a", "account")) == ["pam_b"]
    assert found.rules("a", "session") == ()
    assert found.services == ("a",)
    assert "a" in found
    assert "z" not in found


def test_a_service_without_a_file_is_other():
    found = table(other="auth required pam_deny.so\n")
    assert modules(found.stack("what", "auth")) == ["pam_deny"]
    with pytest.raises(CannotAssess, match="neither x nor other"):
        table(a="").stack("x", "auth")


def test_left_over_files_are_no_services():
    names = ("a", "a~", "a.bak", "a.dpkg-old", "a.rpmnew", "a.rpmsave", "b.conf")
    found = pam.Pam({name: (f"/etc/pam.d/{name}", "") for name in names})
    assert found.services == ("a", "b.conf")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a": "@include b\n"}, "/etc/pam.d/a:1 includes b, which is not there"),
        ({"a": "auth include /opt/b\n", "b": ""}, "includes /opt/b, which is not there"),
        ({"a": "auth substack a\n"}, "in a circle"),
        ({"a": "@include b\n", "b": "@include a\n"}, "in a circle"),
        ({"a": "@include b\n", "b": "what\n"}, "/etc/pam.d/b: line 1"),
    ],
)
def test_includes_that_lead_nowhere(files, words):
    with pytest.raises(CannotAssess, match=words):
        table(**files).stack("a", "auth")


def seen(text, *refusing, **files):
    stack = table(a=text, **files).stack("a", "auth")
    return " ".join(rule.module[4:] for rule in walk(stack, lambda r: r.module not in refusing))


def lines(*pairs):
    return "".join(f"auth {pair}.so\n" for pair in pairs)


JUMP = lines(
    "[success=2 default=ignore] pam_u", "required pam_x", "requisite pam_d", "required pam_k"
)


@pytest.mark.parametrize(
    ("text", "refusing", "expected"),
    [
        (JUMP, (), "u k"),
        (JUMP, ("pam_u", "pam_d"), "u x d"),
        (lines("sufficient pam_a", "required pam_b"), (), "a"),
        (lines("sufficient pam_a", "required pam_b"), ("pam_a",), "a b"),
        (lines("required pam_a", "sufficient pam_b", "required pam_c"), ("pam_a",), "a b c"),
        (lines("required pam_a", "[success=reset] pam_b", "sufficient pam_c", "required pam_d"),
         ("pam_a",), "a b c"),
        (lines("[default=9] pam_a", "required pam_b"), (), "a"),
    ],
)  # fmt: skip
def test_where_a_stack_leads(text, refusing, expected):
    assert seen(text, *refusing) == expected


def test_what_ends_a_substack_does_not_end_the_rest():
    inner = lines("sufficient pam_i", "required pam_j")
    text = "auth [success=1] pam_a.so\nauth substack b\nauth required pam_c.so\n"
    assert seen(text, b=inner) == "a c"
    text = text.replace("success=1", "success=ok")
    assert seen(text, b=inner) == "a i c"
    assert seen(text, "pam_i", b=inner) == "a i j c"
    assert seen(text.replace("substack", "include"), b=inner) == "a i"
    die = lines("requisite pam_i", "required pam_j")
    assert seen(text, "pam_i", b=die) == "a i c"
    assert seen(text.replace("substack", "include"), "pam_i", b=die) == "a i"


def test_arguments_win_over_files_and_later_files_over_earlier():
    settings = {
        "/etc/security/pwquality.conf.d/a.conf": "minlen = 9\nminclass=2\n",
        "/etc/security/pwquality.conf": "# minlen = 1\nminlen = 12 # now\nenforce_for_root\n",
        "/etc/security/faillock.conf": "minlen = 3\n",
    }
    found = table(settings, a="password requisite pam_pwquality.so minclass=4 retry=3\n")
    (rule,) = found.rules("a", "password")
    assert found.options(rule) == {
        "minlen": "12",
        "minclass": "4",
        "enforce_for_root": "",
        "retry": "3",
    }
    assert pam.number(found.options(rule), "minlen", 8) == 12
    assert pam.number(found.options(rule), "ocredit", 0) == 0


def test_options_that_are_not_known():
    found = table(a="auth required pam_faillock.so conf=/etc/x preauth\n")
    (rule,) = found.rules("a", "auth")
    with pytest.raises(CannotAssess, match="the options in /etc/x are not known"):
        found.options(rule)
    with pytest.raises(CannotAssess, match="deny=x: not a number"):
        pam.number({"deny": "x"}, "deny", 3)


def read(files, denied=()):
    answer = told(pam.EVERY, files, denied)
    return open_facts(FakeTransport(results={lambda command: "@text" in command: answer})).pam


def test_files_of_the_administrator_come_first():
    found = read(
        {
            "/usr/lib/pam.d/su": "auth required pam_vendor.so\n",
            "/usr/lib/pam.d/sshd": "auth required pam_vendor.so\n",
            "/etc/pam.d/su": "auth required pam_own.so\n",
            "/etc/security/faillock.conf": "deny = 5\n",
        }
    )
    assert modules(found.stack("su", "auth")) == ["pam_own"]
    assert modules(found.stack("sshd", "auth")) == ["pam_vendor"]
    assert found.settings == {"/etc/security/faillock.conf": "deny = 5\n"}


@pytest.mark.parametrize(
    ("files", "denied", "error"),
    [
        ({}, (), NotApplicable),
        ({"/etc/pam.conf": "# nothing\n"}, (), NotApplicable),
        ({"/etc/pam.conf": "su auth required pam_unix.so\n"}, (), CannotAssess),
        ({"/etc/pam.d/su": "x", "/etc/pam.d/x": "x"}, ("/etc/pam.d/x",), Denied),
        (
            {"/etc/pam.d/su": "", "/etc/security/faillock.conf": "x"},
            ("/etc/security/faillock.conf",),
            Denied,
        ),
    ],
)
def test_pam_that_cannot_be_read(files, denied, error):
    with pytest.raises(error):
        read(files, denied)
