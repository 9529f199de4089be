from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import struct
import threading
import time
import zlib

import pytest
import requests
from lab.faults import refused, unanswered
from lab.tls import Authority
from lab.web import ScriptedServer, answer, client_of, redirect, routes

from pytest_sysaudit.errors import (
    CannotAssess,
    ConnectionLost,
    Incomplete,
    RefusedByPolicy,
    TimedOut,
    Unreachable,
)
from pytest_sysaudit.http.exchange import BODY_START
from pytest_sysaudit.http.failures import NotListening, TlsFailed, Untrusted


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server().files)
    return context


def test_is_a_session_and_joins_paths_to_base_url():
    with routes({"/app": answer(b"root"), "/app/x": answer(b"x"), "/y": answer(b"y")}) as server:
        client = client_of(f"{server.url}/app")
        assert isinstance(client, requests.Session)
        assert [client.get(path).text for path in ("", "x", "/y")] == ["root", "x", "y"]
        assert client.get(f"{server.url}/y").text == "y"
        assert client.head("x").status_code == 200


def test_exchange_tells_everything_and_no_secret(monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "tok-5e8a1f")
    page = answer(
        b"your token is tok-5e8a1f",
        "200 Fine",
        "Set-Cookie: sid=s3cr3t; Secure",
        "Set-Cookie: lang=en; Path=/",
        "X-Api-Key: k-123456",
    )
    with routes({"/?token=abcdef": page}) as server:
        client = client_of(server.url, auth={"bearer": "env:SHOP_TOKEN"})
        client.cookies.set("old", "v4lue")
        response = client.get("/?token=abcdef")
        plain = json.dumps(response.exchange.to_plain())
    assert "Authorization: Bearer tok-5e8a1f" in server.requests[0]
    assert "old=v4lue" in server.requests[0]
    for secret in ("tok-5e8a1f", "s3cr3t", "k-123456", "abcdef", "v4lue"):
        assert secret not in plain
    exchange = response.exchange
    assert ("Set-Cookie", "sid=[redacted]; Secure") in exchange.headers
    assert ("Set-Cookie", "lang=[redacted]; Path=/") in exchange.headers
    assert ("Authorization", "Bearer [redacted]") in exchange.request_headers
    assert (exchange.method, exchange.status, exchange.reason) == ("GET", 200, "Fine")
    assert exchange.body_size == 24
    assert exchange.peer == f"127.0.0.1:{server.port}"
    assert exchange.timings.total >= exchange.timings.first_byte > 0
    assert response.tls is None
    assert client.history == [exchange]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_tls_facts_survive_bodies_redirects_and_kept_connections(authority, tls, method):
    with routes({"/": redirect("/end"), "/end": answer()}, tls) as server:
        client = client_of(server.url, ca_file=str(authority.ca_file))
        for _ in range(2):
            response = client.request(method, "", allow_redirects=True, stream=True)
            if method == "HEAD":  # the scripted body of a HEAD answer is in the way of the next
                client.close()
            assert response.tls.verified
            assert response.tls.version == "TLSv1.3"
            assert response.tls.certificate.names == ("localhost", "127.0.0.1", "::1")
            assert [cert.subject for cert in response.tls.chain] == [
                "CN=good",
                "CN=lab intermediate",
            ]
            assert [hop.tls.verified for hop in response.history] == [True]
            assert response.exchange.redirects[0].location == "/end"
        if method == "GET":
            assert server.connections == 1
            assert client.history[-1].timings.connect is None
    assert json.dumps(response.exchange.to_plain())


def test_environment_changes_nothing(authority, tls, monkeypatch, tmp_path):
    other = Authority(tmp_path / "other", "other")
    trap = f"http://127.0.0.1:{refused()[1]}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, trap)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(other.ca_file))
    (tmp_path / ".netrc").write_text("machine localhost login joe password hush\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with routes({"/": answer()}, tls) as server:
        assert client_of(server.url, ca_file=str(authority.ca_file)).get("").ok
        assert "Authorization" not in server.requests[0]
        with pytest.raises(Untrusted):
            client_of(server.url, ca_file=str(other.ca_file)).get("")
    mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mine.load_cert_chain(*other.server().files)
    with routes({"/": answer()}, mine) as server, pytest.raises(Untrusted):
        client_of(server.url).get("")  # no ca_file: the system's store, whatever the variables say


def test_proxy_of_the_inventory_is_used():
    with routes({"http://shop.test/": answer(b"by proxy")}) as proxy:
        client = client_of("http://shop.test", proxy=proxy.url)
        assert client.probe()["peer"] == f"127.0.0.1:{proxy.port}"
        response = client.get("")
        assert response.text == "by proxy"
        assert response.exchange.proxy == proxy.url
    dead = client_of("http://shop.test", proxy=f"http://127.0.0.1:{refused()[1]}", retries=0)
    with pytest.raises(Unreachable, match="proxy"):
        dead.get("")


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_tls_is_the_servers_own_through_a_proxy(authority, tls):
    with routes({"/": answer(b"inside")}, tls) as server:

        def tunnel(sock, head):
            with socket.create_connection(("127.0.0.1", server.port)) as inner:
                sock.sendall(b"HTTP/1.1 200 go on\r\n\r\n")
                threading.Thread(target=pump, args=(inner, sock), daemon=True).start()
                pump(sock, inner)

        with ScriptedServer(tunnel) as proxy:
            client = client_of(server.url, ca_file=str(authority.ca_file), proxy=proxy.url)
            response = client.get("")
            client.close()
    assert (response.text, response.tls.verified) == ("inside", True)
    assert response.exchange.peer == f"127.0.0.1:{proxy.port}"
    assert proxy.requests[0].startswith(f"CONNECT localhost:{server.port} ")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_methods_beyond_the_inventory_are_not_sent(method):
    with routes({"/": answer()}) as server:
        client = client_of(server.url)
        with pytest.raises(RefusedByPolicy, match=r"GET, HEAD, OPTIONS.*allow_methods"):
            client.request(method, "")
        assert server.requests == []
        allowed = client_of(server.url, allow_methods=["GET", "POST"])
        assert allowed.post("").ok


@pytest.mark.parametrize(
    "options, why",
    [
        ({"headers": {"X-HTTP-Method-Override": "DELETE"}}, "DELETE .*allow_methods"),
        ({"headers": {"x-http-method": b"put"}}, "PUT .*allow_methods"),
        ({"headers": {"Host": "evil.test"}}, "Host: evil.test.*allow_hosts"),
        ({"proxies": {"http": "http://127.0.0.1:9/"}}, "proxy http://127.0.0.1:9/.*names none"),
        ({"proxies": {"all": "http://127.0.0.1:9/"}}, "proxy"),
    ],
)
def test_what_asks_for_more_than_the_request_line_says_is_not_sent(options, why):
    with routes({"/": answer()}) as server:
        client = client_of(server.url)
        with pytest.raises(RefusedByPolicy, match=why):
            client.get("", **options)
        assert client.get("", headers={"X-HTTP-Method-Override": "GET"}).ok
    assert len(server.requests) == 1


def test_a_proxy_of_the_environment_and_an_adapter_of_a_check_open_no_way(monkeypatch):
    with routes({"/": answer()}) as server, routes({}) as stranger:
        monkeypatch.setenv("http_proxy", stranger.url)
        client = client_of(server.url)
        client.trust_env = True
        with pytest.raises(RefusedByPolicy, match="proxy"):
            client.get("")
        client.mount("http://", requests.adapters.HTTPAdapter())
        with pytest.raises(RefusedByPolicy, match="DELETE"):
            client.send(requests.Request("DELETE", server.url).prepare())
    assert server.requests + stranger.requests == []


def test_another_name_of_the_server_is_asked_for_as_the_inventory_says(monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "hush-hush-hush")
    auth = {"bearer": "env:SHOP_TOKEN"}
    with routes({"/": answer()}) as server:
        assert client_of(server.url, headers={"Host": "shop.test"}, auth=auth).get("").ok
        other = client_of(server.url, allow_hosts=["admin.test"], auth=auth)
        assert other.get("", headers={"Host": "admin.test"}).ok
    named, guest = server.requests
    assert "Host: shop.test" in named
    assert "hush-hush-hush" in named
    assert "Host: admin.test" in guest
    assert "hush-hush-hush" not in guest


def test_other_hosts_are_refused_and_redirects_there_recorded(authority, tls):
    with routes({"/": answer(b"stranger")}) as other:
        elsewhere = f"http://localhost:{other.port}/"
        with routes({"/": redirect(elsewhere), "/ftp": redirect("ftp://localhost/x")}) as server:
            client = client_of(server.url)
            response = client.get("")
            assert (response.status_code, response.redirect_refused) == (302, elsewhere)
            assert response.exchange.redirect_refused == elsewhere
            assert client.get("/ftp").redirect_refused == "ftp://localhost/x"
            with pytest.raises(RefusedByPolicy, match=f"allow_hosts.*|localhost:{other.port}"):
                client.get(elsewhere)
            assert other.requests == []
            friend = client_of(server.url, allow_hosts=[f"localhost:{other.port}"])
            assert friend.get("").text == "stranger"
            assert friend.history[-1].redirects[0].status == 302


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pw@localhost/",
        "http://localhost\\@evil.test/",
        "file:///etc/passwd",
        "//evil.test/",
        "http://127.0.0.1:1/",
    ],
)
def test_urls_that_only_look_like_ours_are_refused(url):
    with routes({"/": redirect(url)}) as server:
        client = client_of(server.url)
        with pytest.raises(RefusedByPolicy):
            client.get(url)
        assert client.get("").redirect_refused


def test_credentials_stay_with_the_endpoint(monkeypatch):
    monkeypatch.setenv("SHOP_PASSWORD", "hush-hush")
    monkeypatch.setenv("SHOP_KEY", "key-778899")
    with routes({"/": answer(b"friend")}) as friend:
        start = redirect(friend.url + "/", "302 Found", "Set-Cookie: sid=1; Path=/")
        with routes({"/": start, "/me": answer()}) as server:
            client = client_of(
                server.url,
                auth={"basic": {"user": "joe", "password": "env:SHOP_PASSWORD"}},
                headers={"X-Shop-Key": "env:SHOP_KEY"},
                allow_hosts=["localhost"],
            )
            assert client.get("").text == "friend"
            client.get(friend.url + "/")
            assert client.get("/me").ok
    assert all("Basic " in head and "key-778899" in head for head in server.requests)
    assert len(friend.requests) == 2
    for head in friend.requests:
        assert not {"authorization", "x-shop-key", "cookie"} & {
            line.partition(":")[0].lower() for line in head.splitlines()
        }


def test_http_base_upgrades_to_https_on_the_same_host(authority, tls):
    with (
        routes({"/": answer(b"safe")}, tls) as safe,
        routes({"/": redirect(f"{safe.url}/")}) as plain,
    ):
        assert client_of(plain.url, ca_file=str(authority.ca_file)).get("").text == "safe"
        back = client_of(safe.url, ca_file=str(authority.ca_file))
        with pytest.raises(RefusedByPolicy):
            back.get(plain.url)


def test_forks_share_connections_but_nothing_else():
    with routes({"/": answer(b"x", "200 OK", "Set-Cookie: sid=1; Path=/")}) as server:
        client = client_of(server.url)
        client.get("")
        client.headers["X-Mine"] = "1"
        fork = client.fork()
        fork.get("")
        assert server.connections == 1
        assert "Cookie:" not in server.requests[1]
        assert "X-Mine:" not in server.requests[1]
        assert len(fork.history) == len(client.history) == 1


def test_refused_port_is_unreachable_after_the_retries():
    port = refused()[1]
    client = client_of(f"http://127.0.0.1:{port}", retries=2)
    with pytest.raises(Unreachable, match="connection refused"):
        client.get("")
    exchange = client.history[0]
    assert [attempt.number for attempt in exchange.attempts] == [1, 2, 3]
    assert all("refused" in attempt.error for attempt in exchange.attempts)
    assert exchange.status is None
    with pytest.raises(Unreachable):
        client.probe()
    once = client_of(f"http://127.0.0.1:{port}", retries=2, allow_methods=["POST"])
    with pytest.raises(Unreachable):
        once.post("")
    assert len(once.history[0].attempts) == 1


def test_another_port_that_refuses_does_not_bury_the_endpoint():
    port = refused()[1]
    client = client_of("http://127.0.0.1:1", allow_hosts=[f"127.0.0.1:{port}"], retries=0)
    with pytest.raises(NotListening):
        client.get(f"http://127.0.0.1:{port}/")


def test_unknown_name_and_unanswered_port_are_unreachable():
    with pytest.raises(Unreachable, match="cannot be resolved"):
        client_of("http://nowhere.invalid", retries=0).probe()
    with pytest.raises(Unreachable):
        client_of("http://nowhere.invalid", retries=0).get("")
    with unanswered() as (host, port):
        client = client_of(f"http://{host}:{port}", connect_timeout=0.3, retries=0)
        with pytest.raises(Unreachable, match="no answer"):
            client.get("")
        with pytest.raises(Unreachable, match="no answer"):
            client.probe()


def say_nothing(sock, head):
    time.sleep(1)


def test_tls_that_answers_nothing_is_unreachable():
    with ScriptedServer(say_nothing) as server:
        client = client_of(f"https://localhost:{server.port}", connect_timeout=0.3, retries=0)
        with pytest.raises(Unreachable, match="answers nothing"):
            client.probe()
        with pytest.raises(TimedOut):
            client.get("")


def test_silent_server_times_out():
    with ScriptedServer(say_nothing) as server:
        client = client_of(server.url, read_timeout=0.3)
        assert client.probe()["url"] == server.url
        with pytest.raises(TimedOut, match="read_timeout"):
            client.get("")
        assert len(server.requests) == 1


def drip(sock: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        for byte in data:
            sock.sendall(bytes([byte]))
            time.sleep(0.05)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 2000, id="headers"),
        pytest.param(answer(b"y" * 2000), id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n" + b"z" * 2000, id="body-without-length"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 200, id="continue"),
    ],
)
@pytest.mark.parametrize("encrypted", [False, True])
def test_dribble_ends_at_the_deadline(data, encrypted, authority, tls):
    start = len(data) - 1990 if data.endswith((b"y", b"z")) else 0

    def script(sock, head):
        sock.sendall(data[:start])
        drip(sock, data[start:])

    with ScriptedServer(script, tls if encrypted else None) as server:
        client = client_of(
            server.url,
            ca_file=str(authority.ca_file),
            connect_timeout=0.3,
            read_timeout=0.4,
            defaults={"command_timeout": 0.5},
        )
        with pytest.raises(TimedOut, match="whole answer"):
            client.get("")


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", id="between-headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", id="length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf", id="chunk"
        ),
    ],
)
@pytest.mark.parametrize("end", [reset, socket.socket.close], ids=["reset", "close"])
def test_answer_that_breaks_off_is_lost(sent, end):
    def script(sock, head):
        sock.sendall(sent)
        end(sock)

    with ScriptedServer(script) as server:
        client = client_of(server.url)
        with pytest.raises(ConnectionLost):
            client.get("")
        assert len(server.requests) == 1, "what may have arrived is not sent again"


def test_headers_after_a_line_that_is_none_are_not_missing():
    page = b"HTTP/1.1 200 OK\r\nno colon here\r\nX-Real: 1\r\nContent-Length: 0\r\n\r\n"
    with routes({"/": page}) as server, pytest.raises(Incomplete, match="no colon here"):
        client_of(server.url).get("")


def test_connection_that_the_server_closed_meanwhile_is_opened_again():
    def script(sock, head):
        sock.sendall(answer())
        sock.shutdown(socket.SHUT_RDWR)

    with ScriptedServer(script) as server:
        client = client_of(server.url)
        for _ in range(3):
            assert client.get("").ok


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b"\0" * (1 << 20)
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


@pytest.mark.parametrize(
    "body, headers",
    [
        pytest.param(b"x" * 5001, (), id="plain"),
        pytest.param(bomb(1 << 26), ("Content-Encoding: gzip",), id="gzip-bomb"),
        pytest.param(
            gzip.compress(gzip.compress(b"x" * 9)),
            ("Content-Encoding: gzip, gzip",),
            id="gzip-twice",
        ),
        pytest.param(b"x", ("Content-Encoding: br",), id="unasked"),
    ],
)
def test_body_that_cannot_be_had_whole_is_incomplete(body, headers):
    with routes({"/": answer(body, "200 OK", *headers)}) as server:
        with pytest.raises(Incomplete):
            client_of(server.url, max_body=5000).get("")
        assert client_of(server.url, max_body=5000).head("").ok


def test_endless_body_is_incomplete():
    def script(sock, head):
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(b"x" * 65536)

    with ScriptedServer(script) as server, pytest.raises(Incomplete, match="max_body"):
        client_of(server.url, max_body=1 << 20).get("")


@pytest.mark.parametrize(
    "coding, pack",
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data, wbits=-15)),
        ("gzip", lambda data: gzip.compress(data[:3]) + gzip.compress(data[3:])),
    ],
)
def test_codings_are_undone(coding, pack):
    page = answer(pack(b"hello hello"), "200 OK", f"Content-Encoding: {coding}")
    with routes({"/": page}) as server:
        assert client_of(server.url).get("").text == "hello hello"
    broken = answer(pack(b"hello hello")[:-3], "200 OK", f"Content-Encoding: {coding}")
    with routes({"/": broken}) as server, pytest.raises((ConnectionLost, CannotAssess)):
        client_of(server.url).get("")


def test_redirects_in_a_circle_cannot_be_assessed():
    with routes({"/": redirect("/a"), "/a": redirect("/")}) as server:
        client = client_of(server.url)
        with pytest.raises(CannotAssess, match="circle"):
            client.get("")
        assert len(client.history) == 11


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH_9\r\n", b"\0\xff" * 40, b"HTTP/9 hi\r\n\r\n"])
def test_what_is_no_http_cannot_be_assessed(data):
    def script(sock, head):
        sock.sendall(data)
        sock.close()

    with ScriptedServer(script) as server, pytest.raises(CannotAssess):
        client_of(server.url).get("")


def test_plain_server_behind_an_https_url_is_no_tls():
    with routes({"/": answer()}) as server:
        client = client_of(f"https://localhost:{server.port}", connect_timeout=1)
        with pytest.raises((TlsFailed, TimedOut)):
            client.get("")


def test_verify_false_is_recorded_and_says_nothing(authority, tls, recwarn):
    with routes({"/": answer()}, tls) as server:
        response = client_of(server.url, verify=False).get("")
        assert response.tls.verified is False
        assert response.exchange.to_plain()["tls"]["verified"] is False
    assert not [w for w in recwarn if "Insecure" in w.category.__name__]


def test_client_certificates_are_sent_to_the_endpoint_only(authority):
    mine = authority.issue("me", by=authority.intermediate, send=(authority.intermediate,))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server("mtls").files)
    context.load_verify_locations(authority.ca_file)
    context.verify_mode = ssl.CERT_OPTIONAL
    seen = []

    def script(sock, head):
        seen.append(bool(sock.getpeercert()))
        sock.sendall(answer())

    with ScriptedServer(script, context) as server, ScriptedServer(script, context) as other:
        cert, key = mine.files
        client = client_of(
            server.url,
            ca_file=str(authority.ca_file),
            client_cert=cert,
            client_key=key,
            allow_hosts=[f"localhost:{other.port}"],
        )
        client.get("")
        client.get(other.url)
    assert seen == [True, False]


@pytest.mark.parametrize("key", ["ca_file", "client_cert"])
def test_files_that_do_not_exist_are_named(key, tmp_path):
    with pytest.raises(CannotAssess, match=rf"shop: {key} .*nothing.pem does not exist"):
        client_of("https://localhost", base=tmp_path, **{key: "nothing.pem"})


def test_ca_file_that_is_none_is_named(tmp_path):
    (tmp_path / "ca.pem").write_text("hello")
    with pytest.raises(CannotAssess, match=r"shop: ca_file .*ca.pem cannot be used"):
        client_of("https://localhost", base=tmp_path, ca_file="ca.pem")


def test_encrypted_client_key_does_not_ask_on_the_terminal(tmp_path):
    (tmp_path / "me.pem").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    with pytest.raises(CannotAssess, match="encrypted"):
        client_of("https://localhost", base=tmp_path, client_cert="me.pem")


def test_a_secret_where_the_record_of_a_body_ends_leaves_no_part(monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "correct-horse-battery")
    body = b"." * (BODY_START - 12) + b"correct-horse-battery and more"
    with routes({"/": answer(body)}) as server:
        response = client_of(server.url, auth={"bearer": "env:SHOP_TOKEN"}).get("")
    assert "correct" not in response.exchange.body_start
    assert len(response.exchange.body_start) == BODY_START
