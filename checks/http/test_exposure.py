"""What an endpoint answers besides its pages."""

from __future__ import annotations

import pytest

from pytest_sysaudit.http.headers import values
from pytest_sysaudit.http.pages import answers_trace, first_hop, page, security_txt


@pytest.mark.control(
    "http.https-redirect",
    severity="high",
    frameworks={
        "owasp-asvs-4": ["9.1.1"],
        "mdn-observatory": ["redirection-missing", "redirection-not-to-https"],
        "nist-800-53": ["SC-8"],
    },
)
def test_plain_http_leads_to_https(http_client, audit):
    """Plain HTTP is closed, or leads to HTTPS on the same host at once.

    Why: what is answered over plain HTTP can be read and changed on the way.

    Fix: answer everything on port 80 with a redirect (301 or 308) to https:// on the same host, and
    leave other redirects to the next step.
    """
    hop = first_hop(http_client)
    audit.observe("answer", {"url": hop.url, "status": hop.status, "location": hop.location})
    assert hop.upgrades, f"{hop.url} answers {hop.status} {hop.location or 'without Location'}"


@pytest.mark.control(
    "http.trace-method",
    severity="low",
    frameworks={"owasp-asvs-4": ["14.5.1"], "nist-800-53": ["CM-7"]},
)
@pytest.mark.intrusive
def test_trace_is_refused(http_client, audit):
    """The TRACE method is refused.

    Why: TRACE sends back all that came, headers added by proxies included.

    Fix: TraceEnable Off (Apache); most other servers refuse it unless told otherwise.
    """
    taken = audit.observe("trace", answers_trace(http_client))
    assert not taken, "the server answers TRACE"


@pytest.mark.control(
    "http.cors",
    severity="high",
    frameworks={
        "owasp-asvs-4": ["14.5.3"],
        "mdn-observatory": ["CrossOriginResourceSharingImplementedWithUniversalAccess"],
    },
    inputs={"origin": "https://stranger.invalid"},
)
def test_strange_sites_cannot_read_answers_of_visitors(http_client, audit):
    """A strange site cannot read what a visitor's browser is answered.

    Why: a server that allows every Origin, with credentials, lets any page read a visitor's data.

    Fix: compare Origin with a list of your own sites; never send back what came together with
    Access-Control-Allow-Credentials.
    """
    response = page(http_client, headers={"Origin": audit.inputs.origin})
    origin = audit.observe("allow-origin", values(response, "Access-Control-Allow-Origin"))
    credentials = audit.observe(
        "allow-credentials", values(response, "Access-Control-Allow-Credentials")
    )
    read = audit.inputs.origin in origin and "true" in credentials
    assert not read, f"{audit.inputs.origin} may read answers, with the visitor's credentials"


@pytest.mark.control("http.security-txt", severity="info")
def test_finders_of_holes_know_whom_to_tell(http_client, audit):
    """A security.txt that has not expired says whom to tell about holes.

    Why: who finds a hole and knows no address tells everybody, or nobody.

    Fix: serve /.well-known/security.txt (RFC 9116) as text/plain over HTTPS, with Contact and an
    Expires in the future.
    """
    found = security_txt(http_client)
    assert found is not None, "there is no /.well-known/security.txt"
    audit.observe("expires", found.expires)
    assert found.contacts, "it names no Contact"
    assert found.current(), "Expires is absent or past"
