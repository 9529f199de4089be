"""Security headers of the page at base_url."""

from __future__ import annotations

import pytest

from pytest_sysaudit.http.headers import (
    disclosed_versions,
    framing_is_limited,
    hsts,
    policies,
    tokens,
    values,
)
from pytest_sysaudit.http.pages import page, require_https

SAFE_REFERRERS = {
    "no-referrer",
    "same-origin",
    "origin",
    "strict-origin",
    "origin-when-cross-origin",
    "strict-origin-when-cross-origin",
}
LEAKING_REFERRERS = {"unsafe-url", "no-referrer-when-downgrade"}


@pytest.mark.control(
    "http.hsts",
    severity="high",
    frameworks={
        "owasp-asvs-4": ["14.4.5"],
        "mdn-observatory": ["hsts-not-implemented", "HstsImplementedMaxAgeLessThanSixMonths"],
        "nist-800-53": ["SC-8", "SC-23"],
    },
    inputs={"min_age": 15_768_000},
)
def test_browsers_are_told_to_stay_on_https(http_client, audit):
    """Browsers are told to use HTTPS only, for long enough.

    Why: without Strict-Transport-Security each visit may begin over plain HTTP, where anyone on the
    way can answer instead.

    Fix: send Strict-Transport-Security with a max-age of at least half a year (two are better),
    on every answer over HTTPS.
    """
    require_https(http_client)
    response = page(http_client)
    audit.observe("strict-transport-security", values(response, "Strict-Transport-Security"))
    policy = hsts(response)
    assert policy is not None, "no Strict-Transport-Security header that browsers accept"
    told = f"max-age is {policy.max_age} seconds; expected: {audit.inputs.min_age} or more"
    assert policy.max_age >= audit.inputs.min_age, told


@pytest.mark.control(
    "http.content-type-options",
    severity="low",
    frameworks={
        "owasp-asvs-4": ["14.4.4"],
        "mdn-observatory": ["x-content-type-options-not-implemented"],
    },
)
def test_browsers_do_not_guess_content_types(http_client, audit):
    """Browsers are told not to guess content types.

    Why: a browser that guesses may run an uploaded text or picture as a script.

    Fix: send X-Content-Type-Options: nosniff on every answer.
    """
    response = page(http_client)
    options = audit.observe("x-content-type-options", tokens(response, "X-Content-Type-Options"))
    told = ", ".join(options) or "absent"
    assert set(options) == {"nosniff"}, f"X-Content-Type-Options is {told}; expected: nosniff"


@pytest.mark.control(
    "http.csp",
    severity="medium",
    frameworks={"owasp-asvs-4": ["14.4.3"], "mdn-observatory": ["csp-not-implemented"]},
)
def test_a_content_security_policy_is_enforced(http_client, audit):
    """A content security policy is enforced.

    Why: the policy is what stops injected content when escaping was forgotten somewhere; one that
    only reports stops nothing.

    Fix: send Content-Security-Policy, beginning with default-src 'self'.
    """
    response = page(http_client)
    audit.observe("content-security-policy", values(response, "Content-Security-Policy"))
    found = policies(response)
    assert found, "no Content-Security-Policy header"
    assert any(policy.rules_content for policy in found), (
        "it has neither default-src nor script-src"
    )


@pytest.mark.control(
    "http.csp-scripts",
    severity="medium",
    frameworks={
        "owasp-asvs-4": ["14.4.3"],
        "mdn-observatory": [
            "csp-implemented-with-unsafe-inline",
            "csp-implemented-with-unsafe-eval",
        ],
    },
)
def test_injected_scripts_do_not_run(http_client, audit):
    """The content security policy lets no inline script and no eval run.

    Why: a policy that allows inline scripts runs those of an attacker, too.

    Fix: take 'unsafe-inline' and 'unsafe-eval' out of script-src (or default-src) and mark the
    scripts of the page with nonces or hashes.
    """
    found = policies(page(http_client))
    if not found:
        audit.not_applicable("there is no content security policy; see http.csp")
    audit.observe("script-src", [policy.script_sources() for policy in found])
    assert not all(policy.allows_inline for policy in found), "inline scripts run"
    assert not all(policy.allows_eval for policy in found), "eval() works"


@pytest.mark.control(
    "http.clickjacking",
    severity="medium",
    frameworks={
        "owasp-asvs-4": ["14.4.7"],
        "mdn-observatory": ["x-frame-options-not-implemented"],
    },
)
def test_other_sites_cannot_frame_the_page(http_client, audit):
    """Other sites cannot frame the page.

    Why: a page inside an invisible frame of another site can be made to take the visitor's clicks.

    Fix: send frame-ancestors in Content-Security-Policy ('none', 'self' or the sites that may), or
    X-Frame-Options: DENY where old browsers matter.
    """
    response = page(http_client)
    for name in ("Content-Security-Policy", "X-Frame-Options"):
        audit.observe(name.lower(), values(response, name))
    assert framing_is_limited(response), "neither frame-ancestors nor X-Frame-Options limit framing"


@pytest.mark.control(
    "http.referrer-policy",
    severity="low",
    frameworks={
        "owasp-asvs-4": ["14.4.6"],
        "mdn-observatory": ["referrer-policy-unsafe", "referrer-policy-not-implemented"],
    },
)
def test_addresses_of_pages_do_not_leak(http_client, audit):
    """Other sites are not told the full address of the page a visitor comes from.

    Why: addresses hold search words, ids and sometimes tokens.

    Fix: send Referrer-Policy: strict-origin-when-cross-origin, or a stricter one.
    """
    words = audit.observe("referrer-policy", tokens(page(http_client), "Referrer-Policy"))
    known = [word for word in words if word in SAFE_REFERRERS | LEAKING_REFERRERS]
    assert known[-1:], "no Referrer-Policy header that browsers know"
    assert known[-1] in SAFE_REFERRERS, f"Referrer-Policy is {known[-1]}"


@pytest.mark.control(
    "http.version-disclosure",
    severity="low",
    frameworks={"owasp-asvs-4": ["14.3.3"]},
)
def test_versions_of_software_are_not_told(http_client, audit):
    """Headers do not tell the versions of the software behind them.

    Why: a version tells an attacker which known holes to try.

    Fix: server_tokens off (nginx), ServerTokens Prod (Apache), and switch off X-Powered-By and its
    like in the framework.
    """
    response = page(http_client)
    audit.observe("server", values(response, "Server"))
    told = audit.observe("versions", disclosed_versions(response))
    assert not told, "; ".join(f"{name}: {text}" for name, text in told.items())
