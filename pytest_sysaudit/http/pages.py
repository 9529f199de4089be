"""What answers give away, and pages with a fixed place: error pages, security.txt, plain HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_sysaudit import clock
from pytest_sysaudit.errors import CannotAssess, NotApplicable

if TYPE_CHECKING:
    from pytest_sysaudit.http.adapter import HttpResponse
    from pytest_sysaudit.http.client import HttpClient

_OK, _ERRORS = 200, 400

#: What programs print when they fail, by the language or framework.
_TRACES = {
    "Python": re.compile(r"Traceback \(most recent call last\)|File \"[^\"\n]+\", line \d+"),
    "Java": re.compile(r"(?m)^\s*at [\w$.<>]+\([\w$]+\.(?:java|kt|scala|groovy):\d+\)"),
    "PHP": re.compile(r"(?s)(?:Fatal error|Warning|Parse error)</?b?>?:.{1,300}? on line "),
    ".NET": re.compile(r"(?m)\[\w+Exception[^\]]*\]|^\s*at [\w.<>]+\(.*\) in .+:line \d+"),
    "Node.js": re.compile(r"(?m)^\s*at (?:[\w.<>\[\] ]+ \()?(?:file://|/|node:)[^\s)]+:\d+:\d+"),
    "Ruby": re.compile(r"[\w/.-]+\.rb:\d+:in [`']"),
    "Go": re.compile(r"goroutine \d+ \[running\]"),
    "Django": re.compile(r"You're seeing this error because you have <code>DEBUG = True"),
    "Werkzeug": re.compile(r"Werkzeug Debugger|__debugger__=yes"),
    "SQL": re.compile(r"You have an error in your SQL syntax|ORA-\d{5}:|SQLSTATE\["),
}


def page(client: HttpClient, **options: Any) -> HttpResponse:
    """Ask for base_url and return the page, redirects on the endpoint's host followed.

    Args:
        client: the endpoint.
        options: as for ``client.get``.

    Raises:
        CannotAssess: what is there is no page of this endpoint: an error, or a redirect elsewhere
            or from HTTPS to plain HTTP.
    """
    response = client.get("", **options)
    _require_tls_kept(client, response)
    there = urlsplit(response.url).hostname
    if response.redirect_refused or there != client.settings.policy.base.host:
        where = response.redirect_refused or response.url
        raise CannotAssess(
            f"{client.base_url} redirects to {client.settings.redact(where)}, so no page of this "
            "endpoint was seen; give base_url the path of one"
        )
    if response.status_code >= _ERRORS:
        raise CannotAssess(
            f"{client.base_url} is answered with {response.status_code}, so no page was seen; "
            "give base_url the path of one, and auth if it needs that"
        )
    return response


def error_page(client: HttpClient) -> HttpResponse:
    """Ask for a page that cannot exist and return the answer.

    Raises:
        CannotAssess: the answer is no error: the server answers everything alike; or it came over
            plain HTTP.
    """
    response = client.get(client.nowhere())
    _require_tls_kept(client, response)
    if response.status_code < _ERRORS:
        raise CannotAssess(
            f"{response.url}: a page that does not exist is answered with "
            f"{response.status_code}, so no error page was seen"
        )
    return response


def _require_tls_kept(client: HttpClient, response: HttpResponse) -> None:
    """Refuse an answer that came over plain HTTP from an endpoint that is served over HTTPS."""
    if client.settings.policy.base.scheme == "https" and urlsplit(response.url).scheme != "https":
        raise CannotAssess(
            f"{client.base_url} redirects to plain HTTP ({client.settings.redact(response.url)}), "
            "where anybody on the way can change the answer; see http.https-redirect"
        )


def stack_traces(text: str) -> list[str]:
    """Return whose stack traces or debug pages *text* holds, as ``["Python"]``."""
    plain = text.replace("&quot;", '"').replace("&#x27;", "'").replace("&#39;", "'")
    return [name for name, pattern in _TRACES.items() if pattern.search(plain)]


@dataclass(frozen=True, slots=True)
class FirstHop:
    """What plain HTTP answers first. ``listening`` is false where the port refuses connections."""

    url: str
    listening: bool
    status: int = 0
    location: str = ""

    @property
    def upgrades(self) -> bool:
        """Whether nobody stays on plain HTTP: it is closed, or leads to https on the same host."""
        if not self.listening:
            return True
        from pytest_sysaudit.http.policy import Origin

        try:
            there = Origin.of(self.location)
        except ValueError:
            return False
        secure = there.scheme == "https" and there.host == Origin.of(self.url).host
        return secure and self.status in (301, 302, 303, 307, 308)


def first_hop(client: HttpClient) -> FirstHop:
    """Ask over plain HTTP, following nothing; NotApplicable if no port for it is known."""
    from pytest_sysaudit.http.failures import NotListening

    url = client.plain_url
    try:
        response = client.fork().get(url, allow_redirects=False)
    except NotListening:
        return FirstHop(url, listening=False)
    location = response.headers.get("Location", "")
    return FirstHop(url, True, response.status_code, location)


@dataclass(frozen=True, slots=True)
class SecurityTxt:
    """A security.txt file (RFC 9116). ``expires`` is aware; None if absent or unreadable."""

    contacts: tuple[str, ...]
    expires: datetime | None

    def current(self, now: datetime | None = None) -> bool:
        """Tell whether it has not expired."""
        return self.expires is not None and self.expires > (now or clock.now())


def security_txt(client: HttpClient) -> SecurityTxt | None:
    """Return the endpoint's security.txt; None if it has none."""
    response = client.get("/.well-known/security.txt")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if response.status_code in (404, 410):
        return None
    if response.status_code != _OK:
        raise CannotAssess(f"{response.url}: status {response.status_code}")
    return parse_security_txt(response.text) if kind == "text/plain" else None


def parse_security_txt(text: str) -> SecurityTxt:
    """Read the fields of a security.txt file; names are case-insensitive, # begins a comment."""
    lines = [line.partition(":") for line in text.splitlines() if not line.startswith("#")]
    fields = [(name.strip().lower(), value.strip()) for name, mark, value in lines if mark]
    stamps = [value for name, value in fields if name == "expires"]
    return SecurityTxt(
        contacts=tuple(value for name, value in fields if name == "contact"),
        expires=_stamp(stamps[0]) if len(stamps) == 1 else None,
    )


def allowed_methods(client: HttpClient, path: str = "") -> set[str]:
    """Return the methods that the server says it takes, in its answer to OPTIONS.

    Raises:
        CannotAssess: it does not say.
    """
    from pytest_sysaudit.http.headers import tokens

    response = client.options(path)
    found = {word.upper() for word in tokens(response, "Allow")}
    if not found:
        raise CannotAssess(f"{response.url}: the answer to OPTIONS has no Allow header")
    return found


def answers_trace(client: HttpClient) -> bool:
    """Tell whether the server takes TRACE: by sending it if the inventory allows that.

    Else by what it answers to OPTIONS, which can say yes only: what stands before or behind the
    program that answers may take TRACE all the same.

    Raises:
        CannotAssess: TRACE was not sent, and the server does not say that it takes it.
    """
    if "TRACE" not in client.settings.policy.methods:
        way_out = "add TRACE to allow_methods to send one"
        try:
            listed = "TRACE" in allowed_methods(client)
        except CannotAssess as error:
            raise CannotAssess(f"{error}; {way_out}") from error
        if not listed:
            raise CannotAssess(f"{client.base_url} does not list TRACE, but may take it; {way_out}")
        return True
    response = client.request("TRACE", "", allow_redirects=False)
    return response.status_code == _OK and "TRACE /" in response.text


def require_https(client: HttpClient) -> None:
    """Raise NotApplicable for an endpoint over plain HTTP, where browsers ignore some headers."""
    if client.settings.policy.base.scheme != "https":
        raise NotApplicable(f"browsers ignore this header over plain HTTP ({client.base_url})")


def _stamp(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
