"""Accounts, endpoints and networks in a bundle on disk: read again, and no secret in any byte."""

from __future__ import annotations

import base64
import gzip
from urllib.parse import quote

import pytest
from lab.judged import checks_of, judged
from lab.offline import offline
from lab.traffic import capture_of, network, talk
from lab.web import answer, routes

from pytest_sysaudit.connections import Connections
from pytest_sysaudit.evidence.bundle import open_bundle
from pytest_sysaudit.evidence.player import BundlePlayer
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.evidence.writer import open_journal
from pytest_sysaudit.inventory.model import Http
from pytest_sysaudit.inventory.secrets import Secrets
from pytest_sysaudit.inventory.target import Kind, Target

pytest_plugins = ("lab.moto_fixtures",)

REGION = "us-east-1"
AWS = checks_of("checks.aws.test_s3", "checks.aws.test_iam")
HTTP = checks_of("checks.http.test_headers", "checks.http.test_cookies", "checks.http.test_errors")
NETWORK = checks_of("checks.network.test_cleartext", "checks.network.test_flows")
BEARER = "planted/Bearer+Token=1"
NAMED = {
    "header": "planted-header-key-2",
    "aws": "planted-aws-password-3",
    "cookie": "planted-cookie-value-4",
    "query": "planted-query-token-5",
    "body": "planted-body-password-6",
    "ftp": "planted-ftp-password-7",
    "basic": "planted-basic-password-8",
    "answer": "planted-answer-key-9",
    "tag": "planted-tag-value-10",
}
CODED = [BEARER, base64.b64encode(BEARER.encode()).decode(), quote(BEARER, safe="")]


class Audited:
    """One target of each kind, with secrets in all that is exchanged with them."""

    def __init__(self, moto, url, folder):
        self.redactor = Redactor()
        entry = Http(
            base_url=url,
            auth={"bearer": "env:SHOP_TOKEN"},
            headers={"X-Tenant": "env:SHOP_KEY"},
            allow_methods=["GET", "POST"],
        )
        targets = [
            moto.target(),
            Target(name="shop", kind=Kind.HTTP, entry=entry),
            network(pcap="wire.pcap", base=folder),
        ]
        self.known = {target.name: target for target in targets}

    def seen(self, connections):
        """All that checks see of the three targets, and some more calls."""
        session = connections.aws(self.known["payments"])
        given = {
            "aws_session": session,
            "aws_region": REGION,
            "http_client": connections.http(self.known["shop"]),
            "sniffer": connections.network(self.known["wire"]),
        }
        client = given["http_client"]
        client.get("/echo", params={"api_key": NAMED["query"]})
        client.fork().post("/echo", data={"password": NAMED["body"]})
        client.fork().get("/echo", headers={"X-Api-Key": NAMED["header"]})
        client.fork().get("/echo", auth=("alice", NAMED["basic"]))
        session.call("iam", "list_roles")
        session.call("iam", "list_role_tags", RoleName="r")
        checks = {**AWS, **HTTP, **NETWORK}
        return {name: judged(check, given) for name, check in checks.items()}


@pytest.fixture
def audited(moto, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", BEARER)
    monkeypatch.setenv("SHOP_KEY", NAMED["header"])
    iam = moto.admin("iam")
    iam.create_user(UserName="alice")
    iam.create_role(
        RoleName="r", AssumeRolePolicyDocument="{}", Description=f"password={NAMED['aws']}",
        Tags=[{"Key": "DB_PASSWORD", "Value": NAMED["tag"]}],
    )  # fmt: skip
    moto.admin("s3").create_bucket(Bucket="ledger")
    login = [("s", b"220 x\r\n"), ("c", b"USER alice\r\n"), ("s", b"331\r\n"),
             ("c", f"PASS {NAMED['ftp']}\r\n".encode())]  # fmt: skip
    plain = [("c", f"GET / HTTP/1.1\r\nX: {BEARER}\r\n\r\n".encode())]
    frames = [*talk(login), *talk(plain, ports=(40001, 80))]
    capture_of(frames).save(tmp_path / "wire.pcap")
    body = f'{{"password": "{NAMED["answer"]}", "echo": "{" ".join(CODED)}"}}'.encode()
    cookie = f"Set-Cookie: sid={NAMED['cookie']}; Path=/; HttpOnly"
    page = answer(body, "200 OK", cookie, f"X-Auth-Token: {NAMED['answer']}")
    pages = {"/": page, "/echo": page, f"/echo?api_key={NAMED['query']}": page}
    with routes(pages) as server:
        yield Audited(moto, server.url, tmp_path)


def bytes_of(folder):
    """All that stands in the files of *folder*, packed or not."""
    found = b""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            found += gzip.decompress(data) if path.suffix == ".gz" and data else data
    return found


def test_a_bundle_gives_the_same_and_holds_no_secret(audited, tmp_path, monkeypatch):
    folder = tmp_path / "evidence"
    journal = open_journal(folder, process="main", redactor=audited.redactor, begin={"run": "r"})
    secrets = Secrets(audited.redactor)
    first = audited.seen(Connections(audited.known, secrets, journal=journal))
    journal.finish({"exit_code": 0})
    assert {row["verdict"] for row in first.values()} >= {"pass", "fail"}
    kept = bytes_of(folder)
    assert b"alice" in kept
    for secret in (*NAMED.values(), *CODED):
        assert secret.encode() not in kept, secret

    for name in ("SHOP_TOKEN", "SHOP_KEY", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name)
    (tmp_path / "wire.pcap").unlink()
    player = BundlePlayer(open_bundle(folder))
    with offline():
        second = audited.seen(Connections(audited.known, None, player=player))
    assert [row["evidence"] for row in second.values()] == [
        row["evidence"] for row in first.values()
    ]
    assert second == first
