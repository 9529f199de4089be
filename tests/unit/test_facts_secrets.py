"""What the host's own tools take for a secret, and that none of it leaves the host."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.facts import cmdline_secrets, history_secrets, secrets
from pytest_sysaudit.facts.secrets import SecretFiles
from pytest_sysaudit.transport.base import CommandResult

SHELLS = [
    argv for argv in (["dash"], ["bash"], ["busybox", "sh"], ["mksh"]) if shutil.which(argv[0])
]
#: Each shell with the tools that are here, and busybox with its own.
WAYS = [(argv, False) for argv in SHELLS] + [(x, True) for x in SHELLS if x[0] == "busybox"]
#: Put together here, so that no other search finds them in this file.
AWS = "AKIA" + "IOSFODNN7QXRMPLZ"
GITHUB = "ghp" + "_0123456789abcdefghijABCDEFGHIJ012345"
SLACK = "xoxb" + "-1234567890-AbCdEfGhIj"
GOOGLE = "AIza" + "SyD4x7Q2mN8pL5kR9tV3wB6yC1zE0fG2hJQ"
HASH = ":$6" + "$aBcDeFgH$" + "k3Zq8Wx1Lp0Rt5Yv7Nm2" * 4 + "Qs4Uw6"
STRIPE = "sk" + "_live_4eC39HqLyjWDarjtT1zdp7dc"


def result(out, code=0, err=b""):
    return CommandResult(command="x", exit_code=code, stdout=out, stderr=err, started=0, duration=0)


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0][0]}-{'own' if way[1] else 'tools'}")
def run(request, tmp_path_factory):
    """Run a script as the audit does."""
    shell, own = request.param
    path = os.environ["PATH"]
    if own:
        folder = tmp_path_factory.mktemp("bin")
        for name in ("find", "grep", "awk", "tr", "xargs", "sha256sum", "timeout", "head", "cat"):
            (folder / name).symlink_to(shutil.which("busybox"))
        path = f"{folder}:{path}"

    def run(script, *before):
        done = subprocess.run(
            [*before, *shell, "-c", script],
            capture_output=True,
            env={"LC_ALL": "C", "PATH": path},
            check=False,
        )
        return result(done.stdout, done.returncode, done.stderr)

    return run


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def search(run, *keys, before=()):
    keys = [str(key) for key in keys]
    answer = run(SecretFiles.command(keys), *before)
    return SecretFiles.parse(keys, answer), answer


@pytest.fixture
def tree(tmp_path):
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and str(folder).count("/") > 1:
            folder.chmod(folder.stat().st_mode | 0o055)
    folder = tmp_path / "it's (here)"
    folder.mkdir()
    folder.chmod(0o755)
    return folder


SECRETS = [
    ("a.env", "DB_PASSWORD=SuperSecret9!", "password", "SuperSecret9!"),
    ("shadow.bak", f"ann{HASH}:19000:0:99999:7:::", "password-hash", HASH),
    ("q.env", "DB_PASS=Wq8zP3rT", "password", "Wq8zP3rT"),
    ("r.php", "$dbpass = 'Wq8zP3rT';", "password", "Wq8zP3rT"),
    ("s.conf", 'psk="Wq8zP3rT"', "password", "Wq8zP3rT"),
    ("b.env", "export API_KEY='zX9kLq2mN'", "password", "zX9kLq2mN"),
    ("c.ini", "  password : Tr0ub4dor&3  # comment", "password", "Tr0ub4dor&3"),
    ("d.py", 'token = "jS0nPassw9rd"', "password", "jS0nPassw9rd"),
    ("e.php", "define('DB_PASSWORD', 'Wq8zP3rT');", "password", "Wq8zP3rT"),
    ("f.php", "'password' => 'Wq8zP3rT',", "password", "Wq8zP3rT"),
    ("g.xml", "<password>Wq8zP3rT</password>", "password", "Wq8zP3rT"),
    ("h.json", '{"a": 1, "client_secret": "Wq8zP3rT"}', "password", "Wq8zP3rT"),
    ("i.conf", "url = postgres://app:s3cr3tPw9@db/x", "url", "s3cr3tPw9"),
    ("j", f"# {AWS}", "aws-key", AWS),
    ("k", f"x {GITHUB} y", "github", GITHUB),
    ("l", f"hook={SLACK}", "slack", SLACK),
    ("m", f"key: {GOOGLE}", "google", GOOGLE),
    ("n", f"{STRIPE}", "stripe", STRIPE),
    ("o.env", "PASSWORD=SuperSecret9!\r", "password", "SuperSecret9!"),
    ("p.yml", "secret_key: a\u00e9b9Zk3Lq", "password", "a\u00e9b9Zk3Lq"),
]
HARMLESS = [
    "PASSWORD=",
    "PASSWORD=${DB_PASSWORD}",
    "PASSWORD=$DB_PASSWORD",
    "password: <password>",
    "password = changeme",
    "password = change_me_now_123",
    "password = xxxxxxxxxxxx",
    "password = ************",
    'password = "{{ vault_password }}"',
    "password = %(password)s",
    "password = env:DB_PASSWORD",
    "secret = /run/secrets/db",
    "# password = Zx9kLq2mN",
    "; password = Zx9kLq2mN",
    "// password = Zx9kLq2mN",
    "passwd: files systemd",
    "Password: Enter your password here",
    "token_timeout = 123456789",
    "password_file = /etc/Zx9kLq2mN",
    "if password == Zx9kLq2mN",
    "password = os.environ['PASSWORD9x']",
    "password = settings.database.password",
    "password required pam_unix.so",
    "AKIAIOSFODNN7EXAMPLE",
    "AKIA1234",
    "https://example.org:8443/x@y",
    "-----BEGIN PRIVATE KEY-----",
]


def test_every_form_of_a_secret_is_found_and_none_is_told(run, tree):
    for name, line, _, _ in SECRETS:
        (tree / name).write_bytes(f"first\n{line}\n".encode())
    found, answer = search(run, tree)
    told = {f.path.rpartition("/")[2]: (f.line, f.kind, f.hash) for f in found[str(tree)]}
    assert told == {name: (2, kind, sha(secret)) for name, _, kind, secret in SECRETS}
    assert found[str(tree)].unseen == ""
    for *_, secret in SECRETS:
        assert secret.encode() not in answer.stdout + answer.stderr


@pytest.mark.parametrize("name", ["x.conf", "x.sh"])
def test_what_only_looks_like_a_secret_is_left_alone(run, tree, name):
    (tree / name).write_text("\n".join([*HARMLESS, ""]))
    (tree / "x.py").write_text("password = get_Passw0rd\ntoken = Zx9kLq2mN\nsecret: str9xKq2\n")
    found, _ = search(run, tree)
    assert [str(one) for one in found[str(tree)]] == []


def test_private_keys_are_known_by_their_body(run, tree):
    body = "\n".join(["b3BlbnNzaC1rZXktdjEAAAAA" * 2] * 3)
    for name in ("id", "id\u00e9 x"):
        (tree / name).write_text(
            f"-----BEGIN X PRIVATE KEY-----\n{body}\n-----END X PRIVATE KEY-----\n"
        )
    flat = body.replace("\n", "\\n")
    (tree / "account").write_text(f'{{"k": "-----BEGIN PRIVATE KEY-----\\n{flat}\\n"}}\n')
    found, answer = search(run, tree)
    assert [one.kind for one in found[str(tree)]] == ["private-key"] * 3
    assert {one.hash for one in found[str(tree)]} >= {sha(body.replace("\n", ""))}
    assert body[:20].encode() not in answer.stdout + answer.stderr


def test_only_what_everybody_can_read_is_looked_into(run, tree):
    line = "DB_PASSWORD=SuperSecret9!\n"
    for folder in ("open", "closed", "node_modules"):
        (tree / folder).mkdir()
        (tree / folder).chmod(0o700 if folder == "closed" else 0o755)
        (tree / folder / "x").write_text(line)
    (tree / "own").write_text(line)
    (tree / "own").chmod(0o640)
    (tree / "large").write_text(line * 20_000)
    (tree / "binary").write_bytes(b"\0" + line.encode())
    (tree / "link").symlink_to(tree / "own")
    found, _ = search(run, tree, "/nowhere")
    names = {one.path.removeprefix(f"{tree}/") for one in found[str(tree)]}
    assert names - {"binary"} == {"open/x"}  # busybox's grep looks into binary files too
    assert found["/nowhere"].findings == ()
    assert found["/nowhere"].unseen == ""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root mounts")
def test_a_file_system_below_a_folder_is_searched_too(run, tree):
    tree = tree.rename(tree.with_name("plain"))
    script = f"""mkdir {tree}/a '{tree}/b c' {tree}/d
mount -t tmpfs tmpfs {tree}/a || exit 99
mount -t sysfs sysfs {tree}/d
echo DB_PASSWORD=SuperSecret9! >{tree}/a/x
"""
    text = SecretFiles.command([str(tree)])
    answer = run(f"{script}{text}", "unshare", "--mount")
    if answer.exit_code == 99 or b"unshare" in answer.stderr:
        pytest.skip("nothing can be mounted here")
    found = SecretFiles.parse([str(tree)], answer)[str(tree)]
    assert [one.path for one in found] == [f"{tree}/a/x"]
    found.require_all()
    (tree / "a").rmdir()
    (tree / "b c").rmdir()
    (tree / "d").rmdir()
    answer = run(script.replace(f"{tree}/a |", f"'{tree}/b c' |") + text, "unshare", "--mount")
    with pytest.raises(Incomplete, match="not searched"):
        SecretFiles.parse([str(tree)], answer)[str(tree)].require_all()


def test_folders_that_are_not_there_hold_nothing(run):
    found, _ = search(run, "/nowhere", "/no/where")
    assert [(x.findings, x.unseen) for x in found.values()] == [((), ""), ((), "")]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_name_with_a_newline_makes_the_search_incomplete(run, tree, kind):
    if kind == "folder":
        (tree / "a\nb").mkdir()
    (tree / "a\nb" / "c" if kind == "folder" else tree / "a\nb").write_text("x = 1\n")
    found, _ = search(run, tree)
    with pytest.raises(Incomplete, match="1 names hold a newline"):
        found[str(tree)].require_all()


def test_a_name_with_a_newline_does_no_harm_where_nothing_can_be_read(run, tree):
    (tree / "empty\nfile").touch()
    (tree / "own\nfile").write_text("x = 1\n")
    (tree / "own\nfile").chmod(0o600)
    (tree / "own\nfolder").mkdir(mode=0o700)
    (tree / "a\nlink").symlink_to("/etc/passwd")
    found, _ = search(run, tree)
    found[str(tree)].require_all()


def test_a_search_is_cut_and_says_so(run, tree, monkeypatch):
    monkeypatch.setattr(secrets, "FILES", 3)
    for number in range(6):
        (tree / f"{number}").write_text("DB_PASSWORD=SuperSecret9!\n")
    found, _ = search(run, tree)
    assert len(found[str(tree)].findings) == 3
    with pytest.raises(Incomplete, match="more than 3 files"):
        found[str(tree)].require_all()


def test_a_search_that_takes_too_long_says_so(run, tree, monkeypatch, tmp_path):
    monkeypatch.setattr(secrets, "SECONDS", 1)
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "find").write_text("#!/bin/sh\nexec sleep 60\n")
    (slow / "find").chmod(0o755)
    script = f"PATH={slow}:$PATH\n{SecretFiles.command([str(tree)])}"
    found = SecretFiles.parse([str(tree)], run(script))
    with pytest.raises(Incomplete, match="more than 1 seconds"):
        found[str(tree)].require_all()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root gives the files to another user")
def test_a_folder_that_cannot_be_listed_makes_the_search_incomplete(run, tree):
    (tree / "in").mkdir()
    (tree / "in").chmod(0o711)
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    found, _ = search(run, tree, before=user)
    with pytest.raises(Incomplete, match="Permission denied"):
        found[str(tree)].require_all()


@pytest.mark.parametrize(
    "out",
    [b"", b"@end\n", b"@found 0\n", b"what\n@found 1\n@end\n", b"a\tb\tc\td\te\n@found 1\n@end\n"],
)
def test_output_that_is_not_whole_is_no_answer(out):
    with pytest.raises((CannotAssess, ValueError)):
        SecretFiles.parse(["/x"], result(out, err=b"@find 0\n@grep 0\n"))


COMMANDS = [
    ("mysql -u root -pHunter2x db", "Hunter2x"),
    ("/usr/bin/mysqldump -pHunter2x db", "Hunter2x"),
    ("curl -u bob:sw0rdfish https://x/", "sw0rdfish"),
    ("curl --user bob:sw0rdfish https://x/", "sw0rdfish"),
    ("export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENG", "wJalrXUtnFEMIK7MDENG"),
    ("PGPASSWORD=pgS3cr psql -h x", "pgS3cr"),
    ("PGUSER=x mysql -pgS3cr1", "gS3cr1"),
    ("x --db-password pgS3cr -v", "pgS3cr"),
    ("x --password=pgS3cr -v", "pgS3cr"),
    ("x token=pgS3cr", "pgS3cr"),
    ("openssl rsa -passin pass:Op3nS in.pem", "Op3nS"),
    ("sshpass -p Sp4ss ssh x", "Sp4ss"),
    ("sshpass -pSp4ss ssh x", "Sp4ss"),
    ("git clone https://me:t0k3nVal@github.example/x", "t0k3nVal"),
    ('curl -H "Authorization: Bearer abcd1234efgh" x', "abcd1234efgh"),
    ("docker run -e DB_PASSWORD=D0ckerPw x", "D0ckerPw"),
]
QUIET = [
    ("mysql -P3306 -p",),
    ("vault login -token $TOKEN",),
    ("mysql --password=",),
    ('foo --password "$PW" --password-file /x',),
    ("grep -pfoo x",),
    ("ssh -p2222 x",),
    ("curl -u bob https://x/",),
    ("x --password-file=/etc/Zx9kLq2mN",),
    ("mysql -pxxxxxxx",),
    ("x --token -v",),
    ("passwd bob",),
    ("cat /etc/passwd",),
]
HISTORY = [
    *COMMANDS,
    ("echo 'bob:Chpw99x' | sudo chpasswd", "Chpw99x"),
    ("echo Sud0pw | sudo -S id", "Sud0pw"),
    ("create user x identified by 'Sq1Pw9';", "Sq1Pw9"),
    ("alter role x with password 'Sq1Pw9';", "Sq1Pw9"),
    (": 1699:0;mysql -pHunter2x", "Hunter2x"),
    ("- cmd: mysql -pHunter2x", "Hunter2x"),
]


def histories(run, home):
    script = history_secrets._SCRIPT.replace("/root /home/*", f"{home}/*").replace(
        "</etc/passwd", f"<{home}.passwd"
    )
    return history_secrets.parse(run(script))


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home.passwd").write_text(f"x:x:1:1::{tmp_path}/home/ann:/bin/sh\nbad\ny:::::\n")
    (tmp_path / "home/ann").mkdir()
    return tmp_path / "home"


def test_passwords_in_histories(run, home):
    lines = [line for line, *_ in HISTORY] + [line for line, *_ in QUIET] + ["#1699999999"]
    (home / "ann/.bash_history").write_text("\n".join([*lines, ""]))
    (home / "bob").mkdir()
    (home / "bob/.mysql_history").write_bytes(b"\xff\n" + HISTORY[18][0].encode() + b"\n")
    (home / "bob/.zsh_history").symlink_to("/dev/null")
    found = histories(run, home)
    ann = [one for one in found if one.path.endswith("ann/.bash_history")]
    assert {one.line: one.hash for one in ann} == {
        number: sha(secret) for number, (_, secret) in enumerate(HISTORY, start=1)
    }
    bob = [one for one in found if one not in ann]
    assert [(one.path, one.line, one.hash) for one in bob] == [
        (f"{home}/bob/.mysql_history", 2, sha("Sq1Pw9"))
    ]
    assert (found.files, found.more, found.unseen) == (2, 0, "")


def test_many_findings_are_counted(run, home):
    (home / "ann/.bash_history").write_text("".join(f"x --password=abcd{n}Q\n" for n in range(103)))
    found = histories(run, home)
    assert (len(found.findings), found.more) == (100, 3)


def test_no_history_is_an_answer(run, home):
    found = histories(run, home)
    assert (found.files, found.findings, found.unseen) == (0, (), "")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root gives the files to another user")
def test_a_home_that_is_closed_is_not_empty(run, home):
    (home / "ann").chmod(0o700)
    for folder in (home, *home.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and str(folder).count("/") > 1:
            folder.chmod(folder.stat().st_mode | 0o055)
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    found = histories(lambda script: run(script, *user), home)
    with pytest.raises(Denied, match="ann: Permission denied"):
        found.require_all()


def test_passwords_on_command_lines(run, tmp_path):
    """What /proc would show is read from a folder that looks like it."""
    proc = tmp_path / "proc"
    every = [*COMMANDS, *QUIET, ("a\tb --password=\n",), ("looks-for-secrets --password=Abc123x",)]
    for number, (line, *_) in enumerate(every, start=1):
        (proc / str(number)).mkdir(parents=True)
        (proc / str(number) / "cmdline").write_bytes(line.encode().replace(b" ", b"\0") + b"\0")
    (proc / "99").mkdir()
    (proc / "99/cmdline").write_bytes(b"")
    answer = run(cmdline_secrets._SCRIPT.replace("cd /proc", f"cd {proc}"))
    found = cmdline_secrets.parse(answer.out)
    told = {int(one.path.split()[1]): one.hash for one in found}
    assert told == {number: sha(secret) for number, (_, secret) in enumerate(COMMANDS, start=1)}
    assert "process 2 (mysqldump)" in {one.path for one in found}
    assert found.processes == len(every) + 1


def test_processes_of_this_machine(run):
    argument = "--password=S3en" + "ByAll"
    with subprocess.Popen([sys.executable, "-c", "input()", argument], stdin=-1) as child:
        answer = run(cmdline_secrets._SCRIPT)
        child.communicate(b"\n")
    found = {one.path: one.hash for one in cmdline_secrets.parse(answer.out)}
    assert found[f"process {child.pid} ({Path(sys.executable).name})"] == sha("S3enByAll")
    assert argument.encode() not in answer.stdout + answer.stderr


@pytest.mark.parametrize(
    "out", ["", "@end\n", "@seen 0\n@found 0\n@end\n", "@found 0\n@end\n", "@seen 3\n@end\n"]
)
def test_command_lines_that_were_not_seen_are_no_answer(out):
    with pytest.raises((CannotAssess, ValueError)):
        cmdline_secrets.parse(out)
