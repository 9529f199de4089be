"""Secrets do not survive however they are written; ordinary text does."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from urllib.parse import quote, quote_plus

import pytest

from pytest_sysaudit.evidence.redact import MASK, Redactor

SECRETS = [
    "plainsecret1",
    "naïve-pässwörd",
    "q'uo\"te\\back",
    "re.g*e(x+[$^",
    "amp&lt<>sec;ret",
    "per%cent/sl ash?x=1",
    "line1-secret\nline2-secret\nline3-secret",
    "xxx" + "longsecret" * 12,
    "tab\tsecret!",
    "emoji\U0001f600secret",
]
WRITTEN = {
    "as it is": str,
    "python": repr,
    "python's bytes": lambda s: repr(s.encode()),
    "json": json.dumps,
    "json in json": lambda s: json.dumps(json.dumps(s)),
    "json in html": lambda s: html.escape(json.dumps(s)),
    "url": quote,
    "url, lower case": lambda s: re.sub("%..", lambda m: m[0].lower(), quote(s, safe="")),
    "url, all of it": lambda s: "".join(f"%{byte:02x}" for byte in s.encode()),
    "form": quote_plus,
    "html": html.escape,
    "xml": lambda s: html.escape(s).replace("&#x27;", "&apos;"),
    "html in html": lambda s: html.escape(html.escape(s)),
    "html, by numbers": lambda s: "".join(f"&#{ord(char)};" for char in s),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64, lines": lambda s: base64.encodebytes(b"user:" + s.encode()).decode(),
    "base64, for urls": lambda s: base64.urlsafe_b64encode(b"x:" + s.encode()).decode(),
    "hexadecimal": lambda s: s.encode().hex(),
    "HEXADECIMAL": lambda s: s.encode().hex(" ").upper(),
    "shell": shlex.quote,
    "escapes": lambda s: s.encode("unicode_escape").decode(),
    "wrong encoding": lambda s: s.encode().decode("latin-1"),
    "pytest's lines": lambda s: s.replace("\n", "\nE     "),
}


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("secret", SECRETS, ids=range(len(SECRETS)))
def test_nothing_of_a_known_secret_is_left(secret, form):
    written = WRITTEN[form](secret)
    redacted = Redactor(SECRETS).text(f"<{written}>")
    assert MASK in redacted
    left = [written[at : at + 10] for at in range(len(written) - 9)]
    assert not [piece for piece in left if piece.strip("&quot;amp\\\"'") and piece in redacted]


def test_the_part_of_a_secret_that_a_cut_leaves_is_masked():
    redact = Redactor(["correct-horse-battery"]).text
    assert redact("'xx correct-hor...se-battery yy'") == f"'xx {MASK}...{MASK} yy'"
    assert redact("xx correct-ho… (20 characters more)") == f"xx {MASK}… (20 characters more)"
    assert redact("it waits... then it goes on...") == "it waits... then it goes on..."


LEAKY = r"""
password=hunter22
  passphrase: correct horse hunter22
"password": "hunter22",
{\"password\": \"hunter22\"}
&quot;password&quot;: &quot;hunter22&quot;
export DB_PASSWORD='two hunter22'
db.password = hunter22 ; comment
{password: hunter22, user: x}
'password' => 'hunter22',
define('DB_PASSWORD', 'hunter22');
{"Name": "DB_PASSWORD", "Value": "hunter22"}
password=$hunter22
aws_secret_access_key = wJalr/hunter22
<SessionToken>hunter22/+=</SessionToken>
Authorization: ApiKey hunter22
Authorization: Digest username="u", response="hunter22"
{'Authorization': b'AWS4-HMAC-SHA256 Credential=A/x, SignedHeaders=host, Signature=hunter22'}
'X-Amz-Security-Token': b'hunter22'
Set-Cookie: sid=hunter22; Path=/; HttpOnly
Cookie: a=hunter22; b=hunter22
redis://:hunter22@host/0
postgres://u:hun@ter22hunter22@host/db
https://ghp-hunter22hunter22hunter22@git.test/x
root:$6$saltsalt$hunter22hunter22:19000:0:99999:7:::
root:abJnhunter22x:19000:0:99999:7:::
mysql --password hunter22
sshpass -p hunter22 ssh host
curl -s -u app:hunter22 https://shop.example
curl --user=app:hunter22 https://shop.example
mysql -h db -u root -phunter22 -e 'select 1'
mysqldump -phunter22 --all-databases
uid:{SSHA}hunter22hunter22
GET /x?a=1&client_secret=hunter22&b=2
token eyJhbGciOiJ.eyJzdWIiOiIxMjhunter22.SflKxwRJ
"""


@pytest.mark.parametrize("line", LEAKY.strip().splitlines())
def test_what_looks_like_a_secret_is_masked_once(line):
    redacted = Redactor().text(line)
    assert MASK in redacted
    assert "ter22" not in redacted
    assert Redactor().text(redacted) == redacted


def test_a_private_key_that_was_cut_is_masked_to_the_end():
    text = "x\n-----BEGIN PGP PRIVATE KEY BLOCK-----\nabcd\nef"
    assert Redactor().text(text) == f"x\n{MASK}"


HARMLESS = r"""
mysql -P3306 -h db -u root -p
curl -s -o /dev/null -w '%{http_code}' https://shop.example:8443/
dpkg: mysql-server-8.0 -part of it
PasswordAuthentication: no
HttpTokens: required
{'PasswordPolicy': {'MinimumPasswordLength': 14, "PasswordReusePrevention": 24}}
allowed = ['no', 'prohibit-password', 'without-password', 'forced-commands-only']
password requisite pam_pwquality.so retry=3
web1: sudo password: cannot ask, standard input is no terminal
[sudo] password for audit:
password: env:WEB1_SUDO
ssh.max-auth-tries: {maximum: 3}
/etc/passwd: mode 0644
access key AKIAIOSFODNN7EXAMPLE of user bob is 100 days old
authorization: enabled
root:x:0:0:root:/root:/bin/bash
https://shop.example:8443/a@b
the cookie sid lacks Secure
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFoo user@host
token: the server refused it
"""


@pytest.mark.parametrize("line", HARMLESS.strip().splitlines())
def test_ordinary_text_stays(line):
    assert Redactor(["sesame-street"]).text(line) == line


def test_data_under_the_name_of_a_secret_is_masked():
    seen = {
        "db_password": "hunter22",
        "SecretAccessKey": ["hunter22", None],
        "env": [{"Name": "API_TOKEN", "Value": "hunter22"}, {"Name": "LANG", "Value": "C"}],
        "password": "locked",
        "password_max_days": "90",
    }
    assert Redactor().plain(seen) == {
        "db_password": MASK,
        "SecretAccessKey": [MASK, None],
        "env": [{"Name": "API_TOKEN", "Value": MASK}, {"Name": "LANG", "Value": "C"}],
        "password": "locked",
        "password_max_days": "90",
    }


HOSTILE = [
    "password",
    "password=",
    "password='",
    "password" + " " * 9,
    "password" + "\\" * 50,
    "\npassword: a b",
    "://a:",
    "://",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN ",
    "authorization: x",
    "cookie: a=",
    "abc...abc",
    "$6$",
    "eyJaaaaaaaa.",
    "\\",
    "&amp;",
    "%41",
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_costs_no_more_than_its_length(piece):
    text = piece * (200_000 // len(piece))  # quadratic, it would not end today
    assert Redactor(["abcabcabc", "AAAA", "\\\\\\\\"]).text(text) is not None
