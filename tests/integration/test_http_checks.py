from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from lab.checking import verdict_of
from lab.faults import refused
from lab.nginx import GOOD_HEADERS, HELLO, nginx, plain_server, tls_server
from lab.tls import Authority
from lab.web import ScriptedServer, answer, client_of, redirect, routes

from checks.http import test_cookies as cookies
from checks.http import test_errors as errors
from checks.http import test_exposure as exposure
from checks.http import test_headers as headers
from pytest_sysaudit.record import Verdict

PASS, FAIL, ERROR, NA = Verdict.PASS, Verdict.FAIL, Verdict.ERROR, Verdict.NOT_APPLICABLE
CHECKS = {
    mark.args[0]: function
    for module in (headers, cookies, errors, exposure)
    for name, function in vars(module).items()
    if name.startswith("test_")
    for mark in function.pytestmark
    if mark.name == "control"
}
#: A page as php of old would send it; its 404 page is nginx' own.
BAD = """location / { default_type text/html; return 200 "x";
add_header Strict-Transport-Security max-age=600;
add_header Content-Security-Policy "script-src 'self' 'unsafe-inline' 'unsafe-eval'";
add_header X-Content-Type-Options sniff;
add_header X-Frame-Options "ALLOW-FROM https://x.test";
add_header X-Powered-By PHP/5.6;
add_header Referrer-Policy unsafe-url;
add_header Set-Cookie "sid=1; Path=/";
add_header Access-Control-Allow-Origin $http_origin;
add_header Access-Control-Allow-Credentials true; }
location ~ ^/[0-9a-f]+$ { return 404 "Traceback (most recent call last):"; }"""
BARE = """location / { default_type text/html; return 200 "x"; }
location ~ ^/[0-9a-f]+$ { return 404; } server_tokens off;"""
GOOD = """location ~ ^/[0-9a-f]+$ { return 404; }
location /.well-known/security.txt { default_type text/plain;
return 200 "Contact: mailto:a@b.test\\nExpires: 2099-01-01T00:00:00Z\\n"; }"""


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """Endpoints of one nginx, by name: good and bad ones, and one whose certificate is expired."""
    folder = tmp_path_factory.mktemp("nginx")
    authority = Authority(folder / "ca")
    pair = authority.server()
    servers = {
        "good": tls_server(pair, GOOD_HEADERS + HELLO + GOOD),
        "bad": tls_server(pair, BAD),
        "bare": tls_server(pair, BARE),
        "expired": tls_server(authority.server("expired", start=-100, days=90)),
        "plain": plain_server(GOOD_HEADERS + HELLO + GOOD),
        "broken": tls_server(pair, "location / { return 502; }"),
        "upgrade": plain_server("location / { return 301 https://localhost:@good@$uri; }"),
        "stay": plain_server("location / { return 200 welcome; }"),
    }
    with nginx(folder, servers) as ports:
        made = {
            name: client_of(
                f"http{'s' if 'ssl' in text else ''}://localhost:{ports[name]}",
                ca_file=str(authority.ca_file),
                allow_hosts=[f"localhost:{ports['stay' if name == 'bad' else 'upgrade']}"],
            )
            for name, text in servers.items()
        }
        yield made
        for client in made.values():
            client.close()


@pytest.mark.parametrize(
    "control, expected",
    [
        # good, bad, bare (no headers at all), plain http, 502, an expired certificate
        ("http.hsts", (PASS, FAIL, FAIL, NA, ERROR, ERROR)),
        ("http.content-type-options", (PASS, FAIL, FAIL, PASS, ERROR, ERROR)),
        ("http.csp", (PASS, PASS, FAIL, PASS, ERROR, ERROR)),
        ("http.csp-scripts", (PASS, FAIL, NA, PASS, ERROR, ERROR)),
        ("http.clickjacking", (PASS, FAIL, FAIL, PASS, ERROR, ERROR)),
        ("http.referrer-policy", (PASS, FAIL, FAIL, PASS, ERROR, ERROR)),
        ("http.version-disclosure", (PASS, FAIL, PASS, PASS, ERROR, ERROR)),
        ("http.cookie-secure", (PASS, FAIL, NA, PASS, ERROR, ERROR)),
        ("http.cookie-httponly", (PASS, FAIL, NA, PASS, ERROR, ERROR)),
        ("http.cookie-samesite", (PASS, FAIL, NA, PASS, ERROR, ERROR)),
        ("http.error-traces", (PASS, FAIL, PASS, PASS, PASS, ERROR)),
        ("http.error-nosniff", (PASS, FAIL, FAIL, PASS, FAIL, ERROR)),
        ("http.error-hsts", (PASS, FAIL, FAIL, NA, FAIL, ERROR)),
        ("http.error-version-disclosure", (PASS, FAIL, PASS, PASS, FAIL, ERROR)),
        ("http.https-redirect", (PASS, FAIL, PASS, FAIL, PASS, PASS)),
        ("http.trace-method", (ERROR, ERROR, ERROR, ERROR, ERROR, ERROR)),
        ("http.cors", (PASS, FAIL, PASS, PASS, ERROR, ERROR)),
        ("http.security-txt", (PASS, FAIL, FAIL, PASS, ERROR, ERROR)),
    ],
)
def test_check_against_nginx(clients, control, expected):
    names = ("good", "bad", "bare", "plain", "broken", "expired")
    found = {name: verdict_of(CHECKS[control], clients[name].fork()) for name in names}
    told = dict(zip(names, expected, strict=True))
    assert {name: verdict for name, (verdict, _) in found.items()} == told, found
    assert all(message for verdict, message in found.values() if verdict is not PASS)


def test_every_check_has_rows():
    rows = test_check_against_nginx.pytestmark[0].args[1]
    assert {row[0] for row in rows} == set(CHECKS)


@pytest.mark.parametrize("control", sorted(CHECKS))
def test_dead_endpoint_cannot_be_assessed(control):
    client = client_of(f"https://localhost:{refused()[1]}", retries=0)
    verdict, message = verdict_of(CHECKS[control], client)
    expected = NA if control == "http.https-redirect" else ERROR  # no plain port is known
    assert (verdict, "refused" in message or verdict is NA) == (expected, True)


@pytest.mark.parametrize("status, expected", [("405 No", PASS), ("501 No", PASS), ("200 OK", FAIL)])
def test_trace_is_sent_where_the_inventory_allows_it(status, expected):
    with routes({"/": answer(b"TRACE / HTTP/1.1\r\nX-Proxy: secret\r\n", status)}) as server:
        client = client_of(server.url, allow_methods=["GET", "TRACE"])
        assert verdict_of(exposure.test_trace_is_refused, client)[0] is expected
        assert server.requests[0].startswith("TRACE / ")


@pytest.mark.parametrize("allow, expected", [("GET, HEAD", ERROR), ("GET, trace", FAIL)])
def test_trace_is_looked_up_where_it_is_not_allowed(allow, expected):
    with routes({"/": answer(b"", "200 OK", f"Allow: {allow}")}) as server:
        assert verdict_of(exposure.test_trace_is_refused, client_of(server.url))[0] is expected
        assert server.requests[0].startswith("OPTIONS / ")


@pytest.mark.parametrize(
    "location, expected",
    [
        ("https://localhost/", PASS),
        ("https://localhost:8443/x", PASS),
        ("http://localhost/", FAIL),
        ("https://elsewhere.test/", FAIL),
        ("/relative", FAIL),
        ("javascript:alert(1)", FAIL),
    ],
)
def test_where_plain_http_leads(location, expected):
    with routes({"/": redirect(location)}) as server:
        found = verdict_of(exposure.test_plain_http_leads_to_https, client_of(server.url))
        assert found[0] is expected, found


def test_closed_plain_port_is_as_good_as_a_redirect():
    port = refused()[1]
    client = client_of("https://localhost:8443", allow_hosts=[f"localhost:{port}"], retries=0)
    assert verdict_of(exposure.test_plain_http_leads_to_https, client)[0] is PASS


def test_redirect_to_a_login_elsewhere_is_no_page():
    with routes({"/": redirect("https://login.elsewhere.test/?token=abcdef")}) as server:
        verdict, message = verdict_of(
            headers.test_a_content_security_policy_is_enforced, client_of(server.url)
        )
    assert verdict is ERROR
    assert "https://login.elsewhere.test/?token=[redacted]" in message


def test_cookie_of_an_earlier_visit_does_not_hide_the_next():
    page = answer(b"", "200 OK", "Set-Cookie: sid=1; Path=/")
    with routes({"/": page}) as server:
        client = client_of(server.url)
        client.get("")
        verdict, message = verdict_of(cookies.test_cookies_are_only_sent_over_tls, client)
        assert verdict is FAIL
        assert "sid" in message
        assert "Cookie:" not in server.requests[-1]
        readable = verdict_of(cookies.test_scripts_cannot_read_cookies, client, readable=["sid"])
        assert readable[0] is PASS


@pytest.mark.parametrize(
    "fields, kind, expected",
    [
        ("Contact: mailto:a@b.test\nExpires: {later}", "text/plain", PASS),
        ("contact: x\nEXPIRES: {later}", "text/plain; charset=utf-8", PASS),
        ("Contact: x\nExpires: {before}", "text/plain", FAIL),
        ("Contact: x\nExpires: {later}\nExpires: {later}", "text/plain", FAIL),
        ("Contact: x\nExpires: soon", "text/plain", FAIL),
        ("Contact: x", "text/plain", FAIL),
        ("Expires: {later}", "text/plain", FAIL),
        ("<html>Contact: x\nExpires: {later}", "text/html", FAIL),
    ],
)
def test_security_txt(fields, kind, expected):
    now = datetime.now(UTC)
    text = fields.format(
        later=f"{now + timedelta(1):%Y-%m-%dT%H:%M:%SZ}", before="2020-01-01T00:00Z"
    )
    page = answer(text.encode(), "200 OK", f"Content-Type: {kind}")
    with routes({"/.well-known/security.txt": page}) as server:
        found = verdict_of(exposure.test_finders_of_holes_know_whom_to_tell, client_of(server.url))
    assert found[0] is expected, found


@pytest.mark.parametrize(
    "control, page, expected",
    [
        ("http.csp", "Content-Security-Policy: ;", FAIL),
        ("http.csp", "Content-Security-Policy: upgrade-insecure-requests", FAIL),
        ("http.csp", "Content-Security-Policy: defualt-src 'self'", FAIL),
        ("http.csp", "Content-Security-Policy: default-src 'self'", PASS),
        ("http.clickjacking", "Content-Security-Policy: frame-ancestors https://*:*", FAIL),
        ("http.version-disclosure", "Server: AmazonS3", PASS),
        ("http.version-disclosure", "X-Runtime: 0.0421", PASS),
        ("http.version-disclosure", "X-Jenkins: 2.401.3", FAIL),
    ],
)
def test_headers_that_say_less_or_more_than_they_seem_to(control, page, expected):
    with routes({"/": answer(b"x", "200 OK", page)}) as server:
        found = verdict_of(CHECKS[control], client_of(server.url))
    assert found[0] is expected, found


def test_max_age_0_keeps_nobody_on_https(tmp_path):
    authority = Authority(tmp_path / "ca")
    header = 'add_header Strict-Transport-Security "max-age=0" always;'
    servers = {"zero": tls_server(authority.server(), f"location / {{ {header} return 404; }}")}
    with nginx(tmp_path, servers) as ports:
        client = client_of(f"https://localhost:{ports['zero']}", ca_file=str(authority.ca_file))
        verdict, message = verdict_of(CHECKS["http.error-hsts"], client)
    assert (verdict, "max-age=0" in message) == (FAIL, True)


@pytest.mark.parametrize("control", ["http.hsts", "http.csp", "http.cookie-secure"])
def test_a_page_that_comes_over_plain_http_is_none_of_an_https_endpoint(tmp_path, control):
    authority = Authority(tmp_path / "ca")
    good = answer(b"x", "200 OK", "Strict-Transport-Security: max-age=99999999")
    with routes({"/down": good}) as plain:
        leave = f"location / {{ return 302 {plain.url}/down; }}"
        with nginx(tmp_path, {"leave": tls_server(authority.server(), leave)}) as ports:
            client = client_of(
                f"https://localhost:{ports['leave']}",
                ca_file=str(authority.ca_file),
                allow_hosts=[f"localhost:{plain.port}"],
            )
            verdict, message = verdict_of(CHECKS[control], client)
    assert (verdict, "redirects to plain HTTP" in message) == (ERROR, True)


def test_endpoint_that_answers_everything_alike_shows_no_error_page():
    with routes({}) as empty:
        assert verdict_of(CHECKS["http.error-traces"], client_of(empty.url))[0] is PASS

    with ScriptedServer(lambda sock, _: sock.sendall(answer(b"welcome"))) as server:
        verdict, message = verdict_of(CHECKS["http.error-traces"], client_of(server.url))
    assert (verdict, "no error page was seen" in message) == (ERROR, True)
