"""The page for an address that does not exist."""

from __future__ import annotations

import pytest

from pytest_sysaudit.http.headers import disclosed_versions, hsts, tokens
from pytest_sysaudit.http.pages import error_page, require_https, stack_traces


@pytest.mark.control(
    "http.error-traces",
    severity="medium",
    frameworks={"owasp-asvs-4": ["7.4.1", "14.3.2"], "nist-800-53": ["SI-11"]},
)
def test_error_pages_show_no_stack_trace(http_client, audit):
    """Error pages show no stack trace and no debugger.

    Why: paths, names and values of a running program help whoever looks for a way in, and some
    debuggers run commands.

    Fix: switch the framework's debug mode off and give visitors a plain error page.
    """
    response = error_page(http_client)
    audit.observe("status", response.status_code)
    found = audit.observe("traces", stack_traces(response.text))
    assert not found, f"the error page shows a stack trace or a debugger: {', '.join(found)}"


@pytest.mark.control(
    "http.error-nosniff",
    severity="low",
    frameworks={"owasp-asvs-4": ["14.4.4"]},
)
def test_error_pages_forbid_guessing_content_types(http_client, audit):
    """Error pages, too, tell browsers not to guess content types.

    Why: error pages often repeat what was asked for; nginx and Apache leave headers out there
    unless told otherwise.

    Fix: add_header ... always (nginx), Header always set (Apache).
    """
    response = error_page(http_client)
    options = audit.observe("x-content-type-options", tokens(response, "X-Content-Type-Options"))
    told = ", ".join(options) or "absent"
    assert set(options) == {"nosniff"}, f"X-Content-Type-Options is {told}; expected: nosniff"


@pytest.mark.control(
    "http.error-hsts",
    severity="low",
    frameworks={"owasp-asvs-4": ["14.4.5"]},
)
def test_error_pages_keep_browsers_on_https(http_client, audit):
    """Error pages, too, tell browsers to stay on HTTPS.

    Why: a first visit may well end on an error page; nginx and Apache leave headers out there
    unless told otherwise.

    Fix: add_header ... always (nginx), Header always set (Apache).
    """
    require_https(http_client)
    policy = audit.observe("hsts", hsts(error_page(http_client)))
    assert policy is not None, "no Strict-Transport-Security header that browsers accept"
    assert policy.max_age > 0, "max-age=0 tells browsers to forget that they should stay on HTTPS"


@pytest.mark.control(
    "http.error-version-disclosure",
    severity="low",
    frameworks={"owasp-asvs-4": ["14.3.3"], "nist-800-53": ["SI-11"]},
)
def test_error_pages_do_not_tell_versions(http_client, audit):
    """Headers of error pages do not tell the versions of the software behind them.

    Why: errors are often answered by another program than pages are, with a configuration of its
    own.

    Fix: switch version tokens off in every server on the way, proxies included.
    """
    response = error_page(http_client)
    audit.observe("status", response.status_code)
    told = audit.observe("versions", disclosed_versions(response))
    assert not told, "; ".join(f"{name}: {text}" for name, text in told.items())
