"""Thirty planted secrets, in any encoding, and none in what a run leaves behind."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import subprocess
import sys
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

import pytest
from lab.moto import ACCOUNT
from lab.web import answer, routes

pytest_plugins = ("lab.moto_fixtures",)

FORMATS = ["json", "junit", "html", "csv", "markdown", "sarif", "oscal", "hdf", "xccdf"]
FORMATS += ["ocsf", "prometheus"]
#: What the inventory names: these are known, whatever form they take.
INVENTORY = {
    "BEARER": "kx7Q-shop-bearer/9fZ+tail==",
    "BASIC_PASSWORD": "p@ss w0rd&more?yes",
    "HEADER": "internal-0451-header-value",
    "SUDO": 'sudo"quoted\\back',
    "PASSPHRASE": "phrase-für-den-schlüssel",
    "EXTERNAL": "external-id-77-of-the-role",
    "VAR": "zq84-nobody-reads-this",
    "UNUSED": "never-opened-but-named-63",
}
_B64 = base64.b64encode(b"#!/bin/sh\nexport DB_PASSWORD=Us3rDataPass77\n").decode()


@dataclass(frozen=True)
class Planted:
    """A secret that nobody told us of: it shows by its form or its name where it stands.

    Attributes:
        value: what must not be left behind.
        text: how it stands in a file of the host; "" if it is planted elsewhere.
    """

    value: str
    text: str = ""


SHAPES = {
    "password setting": Planted("Wint3r-Gale-55", "db_password = Wint3r-Gale-55"),
    "yaml password": Planted("yam1Pa55w0rd", "spring:\n  password: yam1Pa55w0rd\n"),
    "json secret": Planted("json5ecretX1", '{"client_secret": "json5ecretX1", "n": 1}'),
    "url password": Planted("urlPass0rd9", "postgres://app:urlPass0rd9@db.example/app"),
    "access key": Planted(
        "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12",
        "aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12",
    ),
    "github": Planted("ghp_" + "a1B2c3D4e5" * 4, "token is ghp_" + "a1B2c3D4e5" * 4),
    "gitlab": Planted("glpat-Ab12Cd34Ef56Gh78Ij90", "see glpat-Ab12Cd34Ef56Gh78Ij90 here"),
    "slack": Planted("xoxb-123456789012-abcdefGHIJKL", "hook xoxb-123456789012-abcdefGHIJKL"),
    "jwt": Planted(
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLW9mLWl0",
        "id eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLW9mLWl0",
    ),
    "private key": Planted(
        "MC4CAQAwBQYDK2VwBCIEIPlantedPlantedPlanted",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIPlantedPlantedPlanted\n"
        "-----END PRIVATE KEY-----\n",
    ),
    "crypt": Planted(
        "saltsalt$9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f",
        "app:$6$saltsalt$9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f:19000:0:::::",
    ),
    "stripe": Planted("sk_live_51Habcdefghijk", "key sk_live_51Habcdefghijk"),
    "npm": Planted("npm_" + "0a1b2c3d4e" * 4, "//registry/:_authToken=npm_" + "0a1b2c3d4e" * 4),
    "sshpass": Planted("hunterSSH22", "sshpass -p hunterSSH22 ssh root@db"),
    "authorization": Planted(
        "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    ),
    "option": Planted("0ptionPass31", "mysqldump --password=0ptionPass31 all"),
    "query": Planted("q5ecretquery99", "GET https://api.example/v1?token=q5ecretquery99&a=1"),
    "encoded user data": Planted(_B64, f"user-data: {_B64}"),
    "cookie": Planted("s3ss10n-c00k1e-value"),
    "body": Planted("b0dy-5ecret-41"),
    "environment": Planted("env1ronment-pw-88"),
    "lambda": Planted("lambda-env-pw-66"),
}
CHECKS = """
import base64, logging, os, urllib.parse, warnings
import pytest

log = logging.getLogger("their.own")


def forms(secret):
    raw = secret.encode()
    return [
        secret,
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        base64.b64encode(b"user:" + raw + b"\\n").decode(),
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        raw.hex(),
        "see " + secret + " and " + secret[::-1][::-1],
    ]


def shout(audit, text):
    print(text)
    log.warning("it says %s", text)
    warnings.warn(UserWarning("careful"))
    audit.observe("text", text)


@pytest.mark.control("host.files")
def test_files(host, audit):
    "Files hold nothing."
    text = host.check_output("cat %s", "planted.txt")
    shout(audit, text)
    assert text == ""


@pytest.mark.control("host.content")
def test_content(host, audit):
    "Files hold nothing."
    assert host.file("planted.txt").content_string == ""


@pytest.mark.control("host.environment")
def test_environment(host, audit):
    "The environment holds nothing."
    text = host.run("env").stdout
    shout(audit, text)
    raise RuntimeError(text)


@pytest.mark.control("known.forms")
@pytest.mark.parametrize("name", NAMES)
def test_forms(host, audit, name):
    "Known secrets are known in each form."
    for text in forms(os.environ[name]):
        shout(audit, text)
        host.run("echo %s; echo %s >&2", text, text)
        with audit.resource(text):
            assert text == host.check_output("printf %s", text) + "x"


@pytest.mark.control("shop.page")
def test_page(http_client, audit):
    "The page holds nothing."
    response = http_client.get("/page?token=q5ecretquery99")
    shout(audit, response.text)
    shout(audit, str(dict(response.headers)))
    shout(audit, str(dict(response.request.headers)))
    assert response.text == ""


@pytest.mark.control("aws.functions")
def test_functions(aws_session, audit):
    "Functions hold nothing."
    found = aws_session.call("ssm", "describe_parameters")
    shout(audit, str(found))
    assert found == {}
"""


def forms(secret: str) -> set[bytes]:
    """Return what *secret* may look like."""
    raw = secret.encode()
    found = {
        raw,
        base64.b64encode(raw),
        base64.b64encode(raw).rstrip(b"="),
        base64.urlsafe_b64encode(raw),
        base64.urlsafe_b64encode(raw).rstrip(b"="),
        urllib.parse.quote(secret, safe="").encode(),
        urllib.parse.quote_plus(secret).encode(),
        raw.hex().encode(),
        json.dumps(secret)[1:-1].encode(),
        raw.replace(b"&", b"&amp;").replace(b'"', b"&#34;"),
    }
    return {form for form in found if len(form) >= 6}


def everything(folder: Path) -> dict[str, bytes]:
    """Return what a run left behind, packed contents and data in pages unpacked."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if (
            not path.is_file()
            or path.suffix == ".pyc"
            or path.name in ("planted.txt", "inventory.yaml", "test_it.py")
        ):
            continue
        data = path.read_bytes()
        found[str(path.relative_to(folder))] = data
        if path.suffix == ".gz":
            found[f"{path.name} unpacked"] = gzip.decompress(data)
        for number, blob in enumerate(re.findall(rb"H4sI[A-Za-z0-9+/=]{40,}", data)):
            found[f"{path.name} data {number}"] = gzip.decompress(base64.b64decode(blob))
    return found


@pytest.fixture
def left(tmp_path, moto):
    """What is left of a run that met all of them."""
    folder = tmp_path / "project"
    (folder / "checks").mkdir(parents=True)
    moto.admin("ssm").put_parameter(
        Name="/app/DB_PASSWORD",
        Value="unused",
        Type="String",
        Description="password=lambda-env-pw-66",
    )
    known = "".join(
        f"{value}\n{base64.b64encode(value.encode()).decode()}\n" for value in INVENTORY.values()
    )
    (folder / "planted.txt").write_text(
        "".join(f"# {name}\n{each.text}\n" for name, each in SHAPES.items()) + known
    )
    (folder / "checks/test_it.py").write_text(CHECKS.replace("NAMES", repr([*INVENTORY])))
    page = answer(
        b'{"api_key": "b0dy-5ecret-41"} ' + INVENTORY["BEARER"].encode(),
        "200 OK",
        "Set-Cookie: session=s3ss10n-c00k1e-value; Path=/",
        f"X-Echo: {INVENTORY['HEADER']}",
    )
    with routes({"/page?token=q5ecretquery99": page}) as server:
        (folder / "inventory.yaml").write_text(
            json.dumps(
                {
                    "version": 1,
                    "hosts": {
                        "here": {"connection": "local"},
                        "far": {
                            "address": "127.0.0.1",
                            "port": 9,
                            "user": "x",
                            "become": {"method": "sudo", "password": "env:SUDO"},
                            "ssh": {"key_passphrase": "env:PASSPHRASE", "password": "env:VAR"},
                        },
                    },
                    "aws": {
                        "payments": {
                            "account_id": ACCOUNT,
                            "endpoint_url": moto.url,
                            "regions": ["eu-west-1"],
                            "external_id": "env:EXTERNAL",
                        }
                    },
                    "http": {
                        "shop": {
                            "base_url": server.url,
                            "auth": {"bearer": "env:BEARER"},
                            "headers": {"X-Internal": "env:HEADER"},
                        },
                        "unused": {
                            "base_url": "http://127.0.0.1:9",
                            "auth": {"bearer": "env:UNUSED"},
                        },
                        "other": {
                            "base_url": server.url,
                            "auth": {"basic": {"user": "app", "password": "env:BASIC_PASSWORD"}},
                        },
                    },
                }
            )
        )
        ran = subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "pytest",
                    "checks",
                    "-vv",
                    "-rA",
                    "-l",
                    "--log-level=DEBUG",
                ),
                *("-p", "no:cacheprovider", "-o", "junit_logging=all", "--junitxml=own.xml"),
                *("--log-file=log.txt", "--log-cli-level=DEBUG", "--audit-evidence=ev"),
                *(f"--audit-report={name}=out/{name}" for name in FORMATS),
            ],
            cwd=folder,
            env={**os.environ, **INVENTORY, "APP_PASSWORD": "env1ronment-pw-88"}
            | {"AWS_ACCESS_KEY_ID": "AKIAPLANTEDPLANTED12", "AWS_SECRET_ACCESS_KEY": "x" * 8},
            capture_output=True,
            check=False,
            timeout=300,
        )
    (folder / "stdout").write_bytes(ran.stdout)
    (folder / "stderr").write_bytes(ran.stderr)
    assert ran.returncode == 1, ran.stdout.decode()[-3000:] + ran.stderr.decode()[-3000:]
    return everything(folder)


def test_none_is_left_behind(left):
    assert {"stdout", "log.txt", "own.xml", "ev/main.chain", "ev/manifest.json"} <= left.keys()
    assert {f"out/{name}" for name in FORMATS} <= left.keys()
    assert len(INVENTORY) + len(SHAPES) >= 30
    told = []
    values = {**INVENTORY, **{name: each.value for name, each in SHAPES.items()}}
    for name, value in values.items():
        for form in forms(value):
            for place, data in left.items():
                if form in data:
                    at = data.index(form)
                    told.append(
                        f"{name} in {place}: {data[max(0, at - 60) : at + len(form) + 20]!r}"
                    )
    assert told == [], "\n".join(told)
