from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from urllib3 import HTTPHeaderDict

from pytest_sysaudit.errors import RefusedByPolicy
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.http.cookies import parse_cookie
from pytest_sysaudit.http.exchange import clean_headers
from pytest_sysaudit.http.headers import (
    Csp,
    Hsts,
    disclosed_versions,
    framing_is_limited,
    hsts,
    policies,
    tokens,
)
from pytest_sysaudit.http.pages import parse_security_txt, stack_traces
from pytest_sysaudit.http.policy import Origin, Policy


def response(*headers: tuple[str, str]) -> SimpleNamespace:
    lines = HTTPHeaderDict()
    for name, value in headers:
        lines.add(name, value)
    return SimpleNamespace(raw=SimpleNamespace(headers=lines))


@pytest.mark.parametrize(
    "found, expected",
    [
        ((), None),
        (("max-age=31536000",), Hsts(31536000)),
        (('MAX-AGE="600" ; includeSubdomains;preload',), Hsts(600, True, True)),
        (("max-age=0",), Hsts(0)),
        (("includeSubDomains",), None),
        (("max-age=",), None),
        (("max-age=-1",), None),
        (("max-age=1e9",), None),
        (("max-age=1; max-age=31536000",), None),
        (("max-age=600", "max-age=31536000"), Hsts(600)),
        (("junk", "max-age=31536000"), None),
    ],
)
def test_hsts(found, expected):
    assert hsts(response(*(("strict-transport-security", text) for text in found))) == expected


@pytest.mark.parametrize(
    "text, inline, evaluation",
    [
        ("default-src 'self'", False, False),
        ("default-src 'none'; script-src 'self'", False, False),
        ("DEFAULT-SRC 'self' 'Unsafe-Inline'", True, False),
        ("script-src 'self' 'unsafe-inline' 'nonce-abc'", False, False),
        ("script-src 'unsafe-inline' 'strict-dynamic'", False, False),
        ("script-src 'unsafe-inline' 'sha256-abc='", False, False),
        ("script-src 'self' 'unsafe-eval'", False, True),
        ("script-src 'self' 'wasm-unsafe-eval'", False, False),
        ("default-src 'unsafe-inline' 'unsafe-eval'; script-src 'self'", False, False),
        ("script-src 'self'; script-src 'unsafe-inline'", False, False),
        ("script-src 'self'; script-src-attr 'unsafe-inline'", True, False),
        ("script-src 'self'; script-src-elem 'unsafe-inline'", True, False),
        ("script-src-elem 'self'", True, True),
        ("img-src 'self'", True, True),
        ("style-src 'unsafe-inline'; default-src 'self'", False, False),
        ("", True, True),
    ],
)
def test_csp(text, inline, evaluation):
    policy = Csp.parse(text)
    assert (policy.allows_inline, policy.allows_eval) == (inline, evaluation)


def test_several_policies():
    found = policies(
        response(
            ("Content-Security-Policy", "default-src 'self', img-src x"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("Content-Security-Policy-Report-Only", "default-src 'none'"),
        )
    )
    assert [list(policy.directives) for policy in found] == [
        ["default-src"],
        ["img-src"],
        ["frame-ancestors"],
    ]


CSP, XFO = "Content-Security-Policy", "X-Frame-Options"


@pytest.mark.parametrize(
    "headers, limited",
    [
        ((), False),
        (((XFO, "DENY"),), True),
        (((XFO, "sameorigin"),), True),
        (((XFO, "DENY"), (XFO, "deny")), True),
        (((XFO, "DENY, SAMEORIGIN"),), False),
        (((XFO, "ALLOW-FROM https://x.test"),), False),
        (((XFO, "ALLOWALL"),), False),
        (((CSP, "frame-ancestors 'none'"),), True),
        (((CSP, "frame-ancestors 'self' https://x.test"),), True),
        (((CSP, "frame-ancestors *"),), False),
        (((CSP, "frame-ancestors https:"),), False),
        (((CSP, "frame-ancestors *"), (XFO, "DENY")), False),
        (((CSP, "frame-ancestors *"), (CSP, "frame-ancestors 'self'")), True),
        (((CSP, "default-src 'self'"),), False),
        (((CSP, "default-src 'self'"), (XFO, "DENY")), True),
        (((CSP + "-Report-Only", "frame-ancestors 'none'"),), False),
    ],
)
def test_framing(headers, limited):
    assert framing_is_limited(response(*headers)) is limited


@pytest.mark.parametrize(
    "name, value, told",
    [
        ("Server", "nginx", False),
        ("Server", "nginx/1.22.1", True),
        ("server", "Apache/2.4.57 (Debian)", True),
        ("X-Powered-By", "PHP/8.2", True),
        ("X-Powered-By", "Express", False),
        ("X-AspNet-Version", "4.0.30319", True),
        ("Via", "1.1 proxy", False),
        ("Via", "1.1 varnish (Varnish/6.5)", True),
        ("Date", "Mon, 23 Nov 2026 08:00:00 GMT", False),
    ],
)
def test_versions(name, value, told):
    assert bool(disclosed_versions(response((name, value)))) is told


def test_tokens_join_repeated_headers():
    found = response(("Allow", "GET, head"), ("allow", "POST,,"))
    assert tokens(found, "ALLOW") == ["get", "head", "post"]


@pytest.mark.parametrize(
    "text, name, secure, http_only, same_site",
    [
        ("sid=1; Secure; HttpOnly; SameSite=Strict", "sid", True, True, "strict"),
        ("sid=1;secure;HTTPONLY;samesite=lax", "sid", True, True, "lax"),
        ("sid=Secure", "sid", False, False, ""),
        ("sid=a=b; Expires=Wed, 09 Jun 2027 10:18:14 GMT; Path=/", "sid", False, False, ""),
        ("sid=1; SameSite=None", "sid", False, False, ""),
        ("sid=1; SameSite=None; Secure", "sid", True, False, "none"),
        ("sid=1; SameSite=Sometimes", "sid", False, False, ""),
        ("sid=1; SameSite", "sid", False, False, ""),
        ("nameless", "", False, False, ""),
    ],
)
def test_cookies(text, name, secure, http_only, same_site):
    cookie = parse_cookie(text)
    found = (cookie.name, cookie.secure, cookie.http_only, cookie.same_site)
    assert found == (name, secure, http_only, same_site)


@pytest.mark.parametrize(
    "text, names",
    [
        ("<p>There is no such page.</p>", []),
        ("Traceback (most recent call last):\n  File &quot;/srv/x.py&quot;, line 3", ["Python"]),
        ("java.lang.X: y\n\tat com.shop.Main.run(Main.java:12)\n", ["Java"]),
        ("<b>Fatal error</b>: Uncaught Error in /srv/x.php on line 3", ["PHP"]),
        ("[NullReferenceException: Object reference]", [".NET"]),
        ("Error: x\n    at run (/srv/app/index.js:3:11)", ["Node.js"]),
        ("/srv/app/x.rb:12:in `run'", ["Ruby"]),
        ("goroutine 1 [running]:", ["Go"]),
        ("You have an error in your SQL syntax; check", ["SQL"]),
        ("We are at home (Mondays):12", []),
        ("See warning on line 3 of the form", []),
    ],
)
def test_stack_traces(text, names):
    assert stack_traces(text) == names


def test_security_txt_fields():
    found = parse_security_txt("# x\nContact: a\nCONTACT: b\nExpires: 2099-01-01T00:00:00Z\nnoise")
    assert found.contacts == ("a", "b")
    assert found.current()
    assert not parse_security_txt("Expires: 2099-01-01T00:00:00").current()


@pytest.mark.parametrize(
    "name, value, kept",
    [
        ("Authorization", "Bearer abcdef", "Bearer [redacted]"),
        ("authorization", "abcdef", "[redacted]"),
        ("Proxy-Authorization", "Basic am9lOng=", "Basic [redacted]"),
        ("Cookie", "a=1; b=2", "a=[redacted]; b=[redacted]"),
        ("Set-Cookie", "sid=abc; Path=/; Secure", "sid=[redacted]; Path=/; Secure"),
        ("X-Api-Key", "abc", "[redacted]"),
        ("X-Csrf-Token", "abc", "[redacted]"),
        ("X-Shop", "abc", "[redacted]"),
        ("Location", "/x?token=abcdef&page=2", "/x?token=[redacted]&page=2"),
        ("X-Told", "it is s3cr3t", "it is [redacted]"),
        ("Server", "nginx", "nginx"),
    ],
)
def test_headers_are_kept_without_secrets(name, value, kept):
    redact = Redactor(["s3cr3t"]).text
    assert clean_headers([(name, value)], redact, ["x-shop"]) == ((name, kept),)


def policy(base: str, *hosts: str) -> Policy:
    return Policy(target="shop", base=Origin.of(base), methods=("GET",), hosts=hosts)


@pytest.mark.parametrize(
    "base, hosts, url, allowed, trusted",
    [
        ("https://a.test", (), "https://A.test:443/x", True, True),
        ("https://a.test", (), "https://a.test./x", True, True),
        ("https://a.test", (), "https://a.test:8443/", False, False),
        ("https://a.test", (), "http://a.test/", True, False),
        ("https://a.test", (), "http://a.test:8080/", False, False),
        ("https://a.test:8443", (), "http://a.test/", False, False),
        ("http://a.test", (), "https://a.test/", True, True),
        ("http://a.test:8080", (), "https://a.test:8443/", True, False),
        ("http://a.test:8080", (), "https://a.test/", True, False),
        ("https://a.test", (), "https://b.test/", False, False),
        ("https://a.test", (), "https://a.test.b.test/", False, False),
        ("https://a.test", ("b.test",), "http://b.test:99/", True, False),
        ("https://a.test", ("B.test:99",), "http://b.test:99/", True, False),
        ("https://a.test", ("b.test:99",), "http://b.test:98/", False, False),
        ("https://a.test", ("::1",), "http://[::1]:98/", True, False),
        ("https://a.test", ("[::1]:98",), "http://[::1]:98/", True, False),
        ("https://[::1]:8443", (), "https://[::1]:8443/x", True, True),
    ],
)
def test_where_requests_and_credentials_may_go(base, hosts, url, allowed, trusted):
    rules = policy(base, *hosts)
    assert (rules.refusal(url) == "", rules.trusts(url)) == (allowed, trusted)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.test/",
        "//a.test/",
        "https://joe@a.test/",
        "https://a.test\\@b.test/",
        "https:///x",
        "https://[::1/",
        "https://a.test:port/",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_url_of_an_endpoint(url):
    with pytest.raises(RefusedByPolicy):
        policy("https://a.test", "b.test").require("GET", url)


def test_refusals_name_the_way_out():
    rules = policy("https://a.test")
    with pytest.raises(RefusedByPolicy, match=r"add 'b.test:443' to its allow_hosts"):
        rules.require("GET", "https://b.test/")
    with pytest.raises(RefusedByPolicy, match=r"allows shop only GET; .* allow_methods"):
        rules.require("post", "https://a.test/")


def test_checks_can_be_collected_without_heavy_libraries():
    modules = "headers", "cookies", "pages", "policy", "tls", "failures"
    names = ", ".join(f"pytest_sysaudit.http.{module}" for module in modules)
    code = (
        f"import sys, {names}\n"
        "heavy = {'requests', 'urllib3', 'cryptography', 'certifi'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
