"""Keys in files, the files that let in, and dot files: output of the scripts, and what is none."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess

import pytest
from lab.fake import FakeTransport

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.facts import authorized_keys, dotfiles, homes, open_facts, ssh_keys, sshd
from pytest_sysaudit.facts.accounts import User
from pytest_sysaudit.facts.public_keys import parse_key

NAMES = "h/root\0/root/.ssh/authorized_keys\0/root/.ssh/a\nb\0@away\0\0@stat\n"
STATS = "41c0 0 0\n8180 0 0\n81a4 7 8\n@then\n"


def valid(kind="ssh-ed25519", *fields):
    data = b"".join(len(x).to_bytes(4, "big") + x for x in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(data).decode()}"


KEY = valid("ssh-ed25519", b"x" * 32)
TEXT = f'{NAMES}{STATS}2:4:command=""\t {KEY} of ann\n2:5?\n2.\n3:1!pem plain\n3.\n@end\n'


def test_what_the_script_tells():
    found = ssh_keys.parse(TEXT)
    (private,) = found.private
    assert (private.path, private.line, private.kind) == ("/root/.ssh/a\nb", 1, "pem")
    assert (private.encrypted, private.mode, private.uid, private.gid) == (False, 0o644, 7, 8)
    (file,) = found.authorized
    assert [(e.line, e.options, bool(e.key)) for e in file.entries] == [
        (4, 'command=""', True),
        (5, "", False),
    ]
    assert file.entries[0].key.comment == "of ann"
    assert found.homes == {"/root": 0}


def test_every_file_lets_in_if_it_was_asked_for_that():
    text = "/etc/keys/ann\0@away\0\0@stat\n81b6 0 0\n@then\n1.\n@end\n"
    assert ssh_keys.parse(text).authorized == ()
    assert [f.mode for f in ssh_keys.parse(text, all_let_in=True).authorized] == [0o666]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("@end\n", "", Incomplete),
        (TEXT, "", Incomplete),
        ("@away\0", "", Incomplete),
        ("\0@stat\n", "", Incomplete),
        ("@then\n", "", Incomplete),
        ("81a4 7 8\n", "", Incomplete),
        ("3.\n", "", Incomplete),
        ("3.\n", "3#\n", CannotAssess),
        ("h/root", "root", ValueError),
        ("41c0 0 0", "41c0 0", ValueError),
        ("3:1!pem plain", "3:1!pem", ValueError),
        ("3:1!pem plain", "3:1!pem open", LookupError),
        ("3:1!pem plain", "4:1!pem plain", LookupError),
        ("2:5?", "hello", ValueError),
    ],
)
def test_what_is_no_answer(old, new, error):
    assert old in TEXT
    with pytest.raises(error):
        ssh_keys.parse(TEXT.replace(old, new, 1))


@pytest.mark.parametrize("cut", range(0, len(TEXT) - 1, 7))
def test_a_cut_answer_is_never_taken(cut):
    with pytest.raises((CannotAssess, ValueError)):
        ssh_keys.parse(TEXT[:cut])


def test_names_with_odd_bytes_survive():
    names = "h/root\0/root/.caf\\xe9\0@away\0\n/far\n/away too\0@stat\n"
    text = f"{names}41c0 0 0\n81b6 0 0\n@then\n@end\n"
    found = dotfiles.parse(text)
    assert [file.path for file in found.files] == ["/root/.caf\\xe9"]
    assert found.left_out == ("/far", "/away too")


def test_other_things_than_files_and_folders_are_no_dotfiles():
    text = "h/a\0/a/.sock\0/a/.dir\0@away\0\0@stat\n41c0 0 0\nc1ff 0 0\n41ed 0 0\n@then\n@end\n"
    assert [file.path for file in dotfiles.parse(text).files] == ["/a/.dir"]


def test_entries_are_not_mixed_up():
    with pytest.raises(Incomplete, match="files changed"):
        homes.parse_entries("x", "h/a\0/a/b\0@away\0\0@stat\n41c0 0 0\n@then\n")


@pytest.mark.parametrize(
    ("text", "kind", "bits"),
    [
        (valid("ssh-ed25519", b"x" * 32), "ssh-ed25519", 256),
        (
            valid("sk-ssh-ed25519@openssh.com", b"x" * 32, b"ssh:"),
            "sk-ssh-ed25519@openssh.com",
            256,
        ),
        (valid("ecdsa-sha2-nistp521", b"nistp521", b"x"), "ecdsa-sha2-nistp521", 521),
        (valid("ssh-rsa", b"\1\0\1", b"\0\x80" + b"\1" * 255), "ssh-rsa", 2048),
        (valid("ssh-rsa", b"\3", b"\x40" + b"\1" * 127), "ssh-rsa", 1023),
        (valid("ssh-dss", b"\0\x80" + b"\1" * 127, b"q", b"g", b"y"), "ssh-dss", 1024),
        (valid("brand-new@example.org", b"x"), "brand-new@example.org", 0),
    ],
)
def test_kinds_and_sizes(text, kind, bits):
    key = parse_key(f"{text} my comment\n")
    assert (key.kind, key.bits, key.comment) == (kind, bits, "my comment")


def test_a_certificate_has_the_size_of_its_key():
    kind = "ssh-rsa-cert-v01@openssh.com"
    fields = (kind.encode(), b"nonce", b"\1\0\1", b"\0\x80" + b"\1" * 383)
    data = b"".join(len(x).to_bytes(4, "big") + x for x in fields) + bytes(8) + b"\0\0\0\1"
    assert parse_key(f"{kind} {base64.b64encode(data).decode()}").bits == 3072


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-rsa",
        "ssh-rsa ????",
        "ssh-rsa AAAA",
        "ssh-rsa AAAAB3NzaC1yc2E",
        valid("ssh-rsa"),
        valid("ssh-rsa", b"e"),
        valid("ssh-ed25519", b"x").replace("ssh-ed25519", "ssh-rsa", 1),
    ],
)
def test_what_is_no_public_key(text):
    with pytest.raises(ValueError, match=r"unpack|base64|cut|kind|empty"):
        parse_key(text)


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")
@pytest.mark.parametrize("kind", [("rsa", "2048"), ("ecdsa", "384"), ("ed25519", "256")])
def test_sizes_and_fingerprints_are_those_of_ssh_keygen(kind, tmp_path):
    key = tmp_path / "key"
    argv = ["ssh-keygen", "-q", "-N", "", "-t", kind[0], "-b", kind[1], "-f", key]
    subprocess.run(argv, check=True, env={**os.environ, "LC_ALL": "C"})
    listed = subprocess.run(["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True)
    bits, fingerprint, *_ = listed.stdout.split()
    parsed = parse_key((tmp_path / "key.pub").read_text())
    assert (str(parsed.bits), parsed.fingerprint) == (bits, fingerprint)


def user(name, uid, home):
    return User(name, "x", uid, uid, "", home, "/bin/sh")


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (".ssh/authorized_keys", "/home/ann/.ssh/authorized_keys"),
        ("%h/keys", "/home/ann/keys"),
        ("/etc/ssh/keys/%u", "/etc/ssh/keys/ann"),
        ("/etc/keys/%U/100%%", "/etc/keys/1000/100%"),
        ("/etc/%x/a", "/etc/%x/a"),
        ("../a", "/home/a"),
    ],
)
def test_where_sshd_looks_for_a_user(pattern, path):
    assert authorized_keys.expand(pattern, user("ann", 1000, "/home/ann")) == path


def test_shared_homes_have_several_owners():
    users = [user("ann", 1000, "/srv"), user("bob", 1001, "/srv"), user("x", 7, "")]
    found = authorized_keys.places((".ssh/k", "/etc/k"), users)
    assert found == {"/srv/.ssh/k": {1000, 1001}, "/etc/k": {1000, 1001}}


def config(lines="", match=""):
    always = "port 22\npermitrootlogin no\nmaxauthtries 4\nciphers x\n"
    return sshd.parse(f"{always}{lines}@files\n{match}@end\n")


def test_patterns_and_commands_of_all_match_blocks():
    found = config(
        "authorizedkeysfile .ssh/authorized_keys\nauthorizedkeyscommand none\n",
        "Match User Git\nAuthorizedKeysFile /Git/Keys none\nAuthorizedKeysCommand /bin/Keys %u\n",
    )
    assert authorized_keys.patterns(found) == (".ssh/authorized_keys", "/Git/Keys")
    assert authorized_keys.commands(found) == ("/bin/Keys",)
    assert authorized_keys.commands(config()) == ()


PASSWD = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n"
FOUND = (
    "h/root\0h/home/ann\0h/home/ldap\0/root/.ssh/authorized_keys2\0"
    "/home/ann/.ssh/authorized_keys\0/home/ldap/.ssh/authorized_keys\0@away\0\0@stat\n"
    "41c0 0 0\n41c0 1000 0\n41c0 5000 0\n8180 0 0\n8180 1000 0\n8180 5000 0\n@then\n"
    "4.\n5.\n6.\n@end\n"
)


def keys_host(setting, further=None, sshd_answer=None, found=FOUND, passwd=PASSWD):
    always = "port 22\npermitrootlogin no\nmaxauthtries 4\nciphers x\n"
    answer = sshd_answer or f"{always}authorizedkeysfile {setting}\n@files\n@end\n"
    results = {
        lambda command: '"$sshd" -T' in command: answer,
        lambda command: "plain=0" in command: further or AssertionError("not to be asked"),
        lambda command: "BEGIN OPENSSH" in command: found,
    }
    files = {"/etc/passwd": passwd, "/etc/group": "root:x:0:\n"}
    return FakeTransport(results=results, files=files)


def table(*args, **fields):
    return open_facts(keys_host(*args, **fields)).authorized_keys


def test_the_usual_files_need_no_further_command():
    found = table(".ssh/authorized_keys .ssh/authorized_keys2")
    assert {f.path: found.owners[f.path] for f in found.files} == {
        "/root/.ssh/authorized_keys2": {0},
        "/home/ann/.ssh/authorized_keys": {1000},
        "/home/ldap/.ssh/authorized_keys": {5000},
    }


def test_files_that_sshd_does_not_read_let_nobody_in():
    found = table("%h/.ssh/authorized_keys")
    assert [f.path for f in found.files] == [
        "/home/ann/.ssh/authorized_keys",
        "/home/ldap/.ssh/authorized_keys",
    ]
    assert table("none").files == ()


def test_other_places_are_looked_at_too():
    further = "/etc/keys/ann\0@away\0\0@stat\n81b6 0 0\n@then\n1.\n@end\n"
    found = table("/etc/keys/%u", further)
    assert [(f.path, found.owners[f.path]) for f in found.files] == [("/etc/keys/ann", {1000})]
    with pytest.raises(Incomplete):
        table("/etc/keys/%u", further.removesuffix("@end\n"))


def test_homes_of_other_hosts_are_not_looked_into():
    far = FOUND.replace("@away\0", "@away\0\n/home/ann")
    further = "/root/keys\0@away\0\0@stat\n8180 0 0\n@then\n1.\n@end\n"
    found = table("%h/keys", further, found=far)
    assert [file.path for file in found.files] == ["/root/keys"]
    assert found.left_out == ("/home/ann",)
    with pytest.raises(AssertionError, match="not to be asked"):
        table("%h/keys", found=far)


def test_many_users_are_asked_for_in_parts():
    users = "".join(f"u{n}:x:{n}:{n}::/h:/bin/sh\n" for n in range(1, 1201))
    empty = "@away\0\0@stat\n@then\n@end\n"
    transport = keys_host("/etc/keys/%u", empty, passwd=f"{PASSWD}{users}")
    assert open_facts(transport).authorized_keys.files == ()
    asked = [str(command) for command, _ in transport.calls if "plain=0" in str(command)]
    assert len(asked) == 3
    assert [text.count("/etc/keys/") for text in asked] == [500, 500, 202]


def test_without_openssh_the_usual_files_count():
    assert len(table("", sshd_answer=(42, "", "")).files) == 3
    routers = FOUND.replace("h/home/ldap\0", "").replace("41c0 5000 0\n", "")
    routers = routers.replace("/home/ldap/.ssh", "/etc/dropbear").replace("4.", "3.")
    routers = routers.replace("5.\n6.", "4.\n5.")
    found = table("", sshd_answer=(42, "", ""), found=routers)
    assert found.owners["/etc/dropbear/authorized_keys"] == frozenset()
    assert len(found.files) == 3


@pytest.mark.parametrize(
    ("answer", "error"), [((43, "", ""), Denied), ((255, "", "line 3: Bad"), CannotAssess)]
)
def test_what_sshd_does_not_tell_is_not_guessed(answer, error):
    with pytest.raises(error):
        table("", sshd_answer=answer)
