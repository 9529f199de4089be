"""Cookies that the page at base_url sets for a visitor who has none."""

from __future__ import annotations

import pytest

from pytest_sysaudit.http.cookies import fresh_cookies


@pytest.mark.control(
    "http.cookie-secure",
    severity="high",
    frameworks={
        "owasp-asvs-4": ["3.4.1"],
        "mdn-observatory": ["cookies-without-secure-flag", "cookies-session-without-secure-flag"],
        "nist-800-53": ["SC-23"],
    },
)
def test_cookies_are_only_sent_over_tls(http_client, audit):
    """Cookies are only sent over TLS.

    Why: one request over plain HTTP is enough to give a cookie without Secure away.

    Fix: set the Secure attribute on every cookie.
    """
    for cookie in fresh_cookies(http_client):
        with audit.resource(cookie.name):
            audit.observe("attributes", cookie.attributes)
            assert cookie.secure, f"cookie {cookie.name} has no Secure attribute"


@pytest.mark.control(
    "http.cookie-httponly",
    severity="medium",
    frameworks={
        "owasp-asvs-4": ["3.4.2"],
        "mdn-observatory": ["cookies-session-without-httponly-flag"],
        "nist-800-53": ["SC-23"],
    },
    inputs={"readable": []},
)
def test_scripts_cannot_read_cookies(http_client, audit):
    """Scripts cannot read cookies, but those that are meant for them.

    Why: an injected script takes what it can read; a session cookie is what it looks for.

    Fix: set the HttpOnly attribute; name the cookies that scripts need in the input readable.
    """
    for cookie in fresh_cookies(http_client):
        with audit.resource(cookie.name):
            audit.observe("attributes", cookie.attributes)
            readable = cookie.name in audit.inputs.readable
            assert cookie.http_only or readable, f"cookie {cookie.name} has no HttpOnly attribute"


@pytest.mark.control(
    "http.cookie-samesite",
    severity="medium",
    frameworks={
        "owasp-asvs-4": ["3.4.3"],
        "mdn-observatory": ["cookies-samesite-flag-invalid"],
        "nist-800-53": ["SC-23"],
    },
)
def test_cookies_say_whether_other_sites_may_send_them(http_client, audit):
    """Cookies say whether requests that other sites cause carry them.

    Why: without SameSite it depends on the browser whether a foreign page can act for the visitor.

    Fix: set SameSite=Lax or Strict; None only where other sites embed this one, and with Secure.
    """
    for cookie in fresh_cookies(http_client):
        with audit.resource(cookie.name):
            audit.observe("attributes", cookie.attributes)
            assert cookie.same_site, f"cookie {cookie.name} has no SameSite that browsers accept"
