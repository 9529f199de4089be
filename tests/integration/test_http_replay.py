"""Recorded endpoints judged again: the same answers and TLS facts, with nothing opened."""

from __future__ import annotations

import re
import time
from contextlib import closing
from email.utils import formatdate

import pytest
from lab.faults import refused
from lab.journal import MemoryJournal
from lab.judged import checks_of, judged
from lab.nginx import GOOD_HEADERS, HELLO, OLD_TLS, nginx, plain_server, tls_server
from lab.offline import offline
from lab.tls import Authority
from lab.web import ScriptedServer, answer, redirect, routes

from pytest_sysaudit.connections import Connections
from pytest_sysaudit.errors import CannotAssess, RefusedByPolicy, SecretError, Unreachable
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.evidence.trail import collected
from pytest_sysaudit.inventory.model import Http
from pytest_sysaudit.inventory.secrets import Secrets
from pytest_sysaudit.inventory.target import Kind, Target

HTTP = checks_of(*(f"checks.http.test_{n}" for n in ("headers", "cookies", "errors", "exposure")))
TLS = checks_of("checks.tls.test_certificate", "checks.tls.test_protocol")
CHECKS = {**HTTP, **TLS}
BAD = 'location / { return 200 "x"; add_header Set-Cookie "sid=1"; }'


class NoSecrets:
    """A replay asks for none."""

    def __getattr__(self, name):
        raise SecretError(f"a replay asked for a secret: {name}")


class Twice:
    """One endpoint, live and then from its recording."""

    def __init__(self, base_url, redactor=None, **entry):
        model = Http(base_url=base_url, **{"connect_timeout": 5, "read_timeout": 5, **entry})
        self.target = Target(name="shop", kind=Kind.HTTP, entry=model)
        self.redactor = redactor or Redactor()
        self.journal = MemoryJournal(self.redactor)

    def live(self):
        known = {"shop": self.target}
        return Connections(known, Secrets(self.redactor), journal=self.journal).http(self.target)

    def again(self):
        player = self.journal.player()
        return Connections({"shop": self.target}, NoSecrets(), player=player).http(self.target)

    def same(self, look):
        """What *look* says of the client, which has to be the same both times."""
        with closing(self.live()) as client:
            first = look(client)
        with offline(), closing(self.again()) as client:
            second = look(client)
        assert second == first
        return first


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def servers(tmp_path_factory, authority):
    """Ports of one nginx: a good endpoint, a bad one, an expired one, a plain one."""
    pair = authority.server()
    missing = "location ~ ^/[0-9a-f]+$ { return 404; }"
    blocks = {
        "good": tls_server(pair, GOOD_HEADERS + HELLO + missing),
        "bad": tls_server(pair, BAD, OLD_TLS),
        "expired": tls_server(authority.server("expired", start=-100, days=90)),
        "plain": plain_server(HELLO + missing),
    }  # fmt: skip
    with nginx(tmp_path_factory.mktemp("nginx"), blocks) as ports:
        yield ports


def without_ids(row):
    return {key: value for key, value in row.items() if key != "evidence"}


@pytest.mark.parametrize("name", ["good", "bad", "expired", "plain"])
def test_every_shipped_check_sees_the_same_again(servers, authority, name):
    scheme = "http" if name == "plain" else "https"
    twice = Twice(
        f"{scheme}://localhost:{servers[name]}",
        ca_file=str(authority.ca_file),
        allow_hosts=[f"localhost:{servers['plain']}"],
    )
    found = twice.same(
        lambda client: {
            control: judged(check, {"http_client": client.fork()})
            for control, check in CHECKS.items()
        }
    )
    verdicts = [row["verdict"] for row in found.values()]
    wanted = {"good": "pass", "bad": "fail", "expired": "error", "plain": "not_applicable"}
    assert wanted[name] in verdicts
    for control, check in CHECKS.items():  # one alone, in another order than it was recorded
        with offline(), closing(twice.again()) as client:
            alone = judged(check, {"http_client": client.fork()})
        assert without_ids(alone) == without_ids(found[control])
    if name == "bad":  # there each check finds something to look at
        bare = {control for control, row in found.items() if not row["evidence"]}
        assert bare == {"tls.https"}


def test_the_facts_of_tls_are_the_same_objects(servers, authority):
    twice = Twice(f"https://localhost:{servers['good']}", ca_file=str(authority.ca_file))

    def look(client):
        tls = client.tls
        return (client.identity, tls.to_plain(), tls.handshake, tls.chain, tls.trust, tls.place,
                dict(tls.versions), dict(tls.suites), client.get("/").tls)  # fmt: skip

    found = twice.same(look)
    assert found[0]["peer"].startswith("127.0.0.1:")
    assert len(found[3]) == 2


def test_facts_from_memory_are_used_by_each_who_asks(servers, authority):
    twice = Twice(f"https://localhost:{servers['good']}", ca_file=str(authority.ca_file))

    def look(client):
        trails = []
        for fact in ("certificate", "chain", "trust", "versions", "versions", "suites"):
            with collected() as trail:
                getattr(client.tls, fact)
            trails.append(list(trail.ids))
        return trails

    certificate, chain, trust, versions, again, suites = twice.same(look)
    assert certificate == chain
    assert versions == again
    assert len({*certificate, *trust, *versions}) == 3
    assert set(versions) < set(suites)
    known = {one.id: one for one in twice.journal.of("tls")}
    assert known[trust[0]].made_of == tuple(certificate)
    assert {known[id_].asked["fact"] for id_ in suites} == {"versions", "suites"}


def lines_of(headers):
    """Header lines, without the values of cookies: those are not in a recording."""
    return [(n, re.sub("^([ab])=[^;]*", r"\1=", v) if n == "Set-Cookie" else v) for n, v in headers]


def test_a_handshake_that_fails_is_told_in_the_order_of_the_run(servers):
    twice = Twice(f"https://localhost:{servers['plain']}")

    def look(client):
        found = []
        for _ in range(2):
            with collected() as trail:
                found.append(raised(lambda: client.tls.handshake))
            found.append(list(trail.ids))
        return found

    words, first, _, second = twice.same(look)
    assert words[0].__name__ == "TlsFailed"
    assert first != second


def told(response):
    """All that a check may look at in an answer."""
    exchange = response.exchange
    return {
        "status": (response.status_code, response.reason, response.ok, response.url),
        "headers": [lines_of(response.headers.items()), lines_of(response.raw.headers.iteritems())],
        "body": (response.content, response.text, response.encoding),
        "cookies": [(one.name, one.path, one.secure) for one in response.cookies],
        "history": [(hop.status_code, hop.url) for hop in response.history],
        "refused": response.redirect_refused,
        "elapsed": response.elapsed,
        "request": (response.request.method, response.request.url, response.request.body),
        "exchange": exchange.to_plain(),
        "tls": response.tls,
    }


def test_answers_are_the_same_to_the_last_detail():
    lines = ("Content-Type: text/html", "X-A: 1", "X-A: 2")
    pages = {
        "/": answer("grüße".encode(), "200 Very Fine", *lines),
        "/binary": answer(b"\0\xff\xfe"),
        "/old": redirect("/new", "301 Moved Permanently", "Set-Cookie: a=1; Path=/; HttpOnly"),
        "/new": answer(b"here", "200 OK", "Set-Cookie: b=2; Secure"),
        "/away": redirect("http://elsewhere.example/"),
        "/empty": answer(b"", "204 No Content"),
    }
    with routes(pages) as server:
        twice = Twice(server.url, allow_methods=["GET", "HEAD", "OPTIONS", "POST"])

        def look(client):
            found = [told(client.get(path)) for path in pages]
            found.append(told(client.head("/")))
            found.append(told(client.get("/", params={"q": "1"}, headers={"X-Mine": "y"})))
            found.append(told(client.post("/", data={"q": "1"})))
            found.append(told(client.fork().get("/new")))
            found.append([entry.to_plain() for entry in client.history])
            return found

        found = twice.same(look)
    assert found[2]["history"] == [(301, f"{server.url}/old")]
    assert found[4]["refused"] == "http://elsewhere.example/"


def counted(context=None):
    """A server that numbers its answers and says which cookies it was sent."""
    numbers = iter(range(1000))

    def script(sock, head):
        lines = head.split("\r\n")
        cookies = next((line for line in lines if line.lower().startswith("cookie:")), "none")
        soon = formatdate(time.time() + 1, usegmt=True)
        body = f"{next(numbers)} {cookies}".encode()
        sock.sendall(answer(body, "200 OK", f"Set-Cookie: sid=s3cret-session; Expires={soon}"))

    return ScriptedServer(script, context)


def test_requests_are_told_apart_and_repeated_ones_come_in_their_order():
    with counted() as server:
        twice = Twice(server.url, allow_methods=["GET", "POST"])

        def look(client):
            return [
                client.get("/").text.partition(" ")[0],
                client.fork().get("/").text.partition(" ")[0],
                client.get("/").text.partition(" ")[0],  # with a cookie
                client.fork().get("/", headers={"X-Role": "a"}).text.partition(" ")[0],
                client.fork().get("/", headers={"X-Role": "b"}).text.partition(" ")[0],
                client.fork().get("/", headers={"User-Agent": None}).text.partition(" ")[0],
                client.fork().post("/", json={"a": 1}).text.partition(" ")[0],
                client.fork().post("/", json={"a": 2}).text.partition(" ")[0],
                client.fork().post("/", files={"f": b"x"}).text.partition(" ")[0],
            ]

        assert twice.same(look) == [str(number) for number in range(9)]
        with offline():
            client = twice.again()
            assert client.fork().post("/", json={"a": 2}).text.startswith("7 ")
            assert client.fork().get("/", headers={"X-Role": "b"}).text.startswith("4 ")


def test_a_cookie_that_has_run_out_since_is_still_sent():
    with counted() as server:
        twice = Twice(server.url)
        client = twice.live()
        client.get("/")
        assert "sid=s3cret-session" in client.get("/").text
        client.close()
        time.sleep(2.1)
        with offline():
            client = twice.again()
            client.get("/")
            assert client.get("/").text.startswith("1 ")


def test_values_of_cookies_are_not_kept_and_whoever_reads_them_is_known():
    with counted() as server:
        twice = Twice(server.url)
        with collected() as trail:
            twice.live().get("/favicon.ico")
        assert trail.redacted
        kept = [one for one in twice.journal.of("http") if "url" in one.asked]
        assert "s3cret-session" not in repr([(one.asked, one.answer) for one in kept])
        with collected() as trail:
            assert "s3cret" not in twice.again().get("/favicon.ico").headers["Set-Cookie"]
        assert trail.redacted


def test_a_replay_needs_neither_secrets_nor_files(servers, authority, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "planted-bearer-token")
    monkeypatch.setenv("SHOP_KEY", "planted-header-key")
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(authority.ca_file.read_bytes())
    twice = Twice(
        f"https://localhost:{servers['good']}",
        ca_file=str(ca_file),
        auth={"bearer": "env:SHOP_TOKEN"},
        headers={"X-Tenant": "env:SHOP_KEY", "X-Plain": "yes"},
    )
    with closing(twice.live()) as client:
        first = client.get("/").text, client.tls.verified
    for name in ("SHOP_TOKEN", "SHOP_KEY"):
        monkeypatch.delenv(name)
    ca_file.unlink()
    with offline():
        client = twice.again()
        assert (client.get("/").text, client.tls.verified) == first
    assert "planted" not in repr(twice.journal.kept)


def raised(function):
    try:
        function()
    except CannotAssess as error:
        exchange = getattr(error, "exchange", None)
        return type(error), str(error), exchange and exchange.to_plain()
    return None


def test_errors_come_again_as_they_were(servers, authority):
    twice = Twice(
        f"https://localhost:{servers['good']}", allow_hosts=["localhost"], retries=1
    )  # no CA: untrusted
    closed = refused()

    def look(client):
        found = [
            raised(lambda: client.get("/")),
            raised(lambda: client.get(f"http://localhost:{closed[1]}/")),
            raised(lambda: client.get(f"https://localhost:{servers['plain']}/")),
        ]
        try:
            client.get("/")
        except CannotAssess as error:
            found.append((error.reason, error.verify_code, error.trust))
        return found

    found = twice.same(look)
    names = [each[0].__name__ for each in found[:3]]
    assert names == ["Untrusted", "NotListening", "TlsFailed"]


def test_what_the_policy_refuses_is_refused_again_and_not_recorded(servers, authority):
    twice = Twice(f"http://localhost:{servers['plain']}")
    for opened in (twice.live, twice.again):
        client = opened()
        with pytest.raises(RefusedByPolicy):
            client.delete("/")
        with pytest.raises(RefusedByPolicy):
            client.get("http://elsewhere.example/")
    assert [one.asked for one in twice.journal.of("http")] == [{"fact": "peer"}]


def test_an_endpoint_that_was_dead_is_dead_again():
    closed = refused()
    twice = Twice(f"http://localhost:{closed[1]}")
    words = []
    for opened in (twice.live, twice.again):
        with pytest.raises(Unreachable) as caught:
            opened()
        words.append(str(caught.value))
    assert words[0] == words[1]


def test_what_was_not_asked_then_cannot_be_assessed(servers, authority):
    twice = Twice(f"https://localhost:{servers['good']}", ca_file=str(authority.ca_file))
    twice.live().close()
    with offline():
        client = twice.again()
        with pytest.raises(CannotAssess, match=r"shop: GET https://.*/x is not in the recording"):
            client.get("/x")
        with pytest.raises(CannotAssess, match=r"tls versions of localhost:.* is not in the rec"):
            _ = client.tls.versions


def test_an_answer_that_was_cut_in_the_recording_is_incomplete(servers):
    from dataclasses import replace

    twice = Twice(f"http://localhost:{servers['plain']}")
    twice.live().get("/")
    twice.journal.kept[:] = [
        replace(one, cut=("body",)) if "body" in one.parts else one for one in twice.journal.kept
    ]
    with collected() as trail, pytest.raises(CannotAssess, match="only a part of the answer"):
        twice.again().get("/")
    assert trail.redacted


def test_without_a_journal_nothing_is_prepared(servers, monkeypatch):
    from lab.web import client_of

    from pytest_sysaudit.http import recording, tls_recording

    def refuse(*_: object) -> None:
        raise AssertionError("nothing is kept")

    monkeypatch.setattr(recording, "asked_of", refuse)
    monkeypatch.setattr(tls_recording.FactRecorder, "find", refuse)
    client = client_of(f"https://localhost:{servers['good']}", verify=False)
    assert client.get("/").status_code == 200
    assert client.tls.versions["TLSv1.3"]
    client.close()
