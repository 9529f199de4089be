"""The cookies that a server sets, with the attributes as it sent them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.http.headers import values
from pytest_sysaudit.http.pages import page

if TYPE_CHECKING:
    from pytest_sysaudit.http.client import HttpClient


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie, without its value. Names of attributes are in lower case."""

    name: str
    attributes: Mapping[str, str]

    @property
    def secure(self) -> bool:
        """Whether it is only sent over TLS."""
        return "secure" in self.attributes

    @property
    def http_only(self) -> bool:
        """Whether scripts cannot read it."""
        return "httponly" in self.attributes

    @property
    def same_site(self) -> str:
        """``strict``, ``lax``, ``none``, or "" where the server leaves it to the browser.

        A word that browsers do not know counts as "", and so does none without Secure, which they
        refuse.
        """
        word = self.attributes.get("samesite", "").lower()
        if word not in ("strict", "lax", "none") or (word == "none" and not self.secure):
            return ""
        return word


def parse_cookie(text: str) -> Cookie:
    """Read the value of one Set-Cookie header (RFC 6265, 5.2)."""
    pair, *parts = text.split(";")
    split = (part.partition("=") for part in parts)
    attributes = {key.strip().lower(): value.strip() for key, _, value in split}
    name, mark, _ = pair.partition("=")
    return Cookie(name.strip() if mark else "", attributes)


def set_by(response: Any) -> list[Cookie]:
    """Return the cookies of *response* and of the redirects to it on the same host.

    One that is set again, for the same domain and path, counts as it was set last.
    """
    host = urlsplit(response.url).hostname
    hops = [hop for hop in response.history if urlsplit(hop.url).hostname == host]
    found = [parse_cookie(text) for hop in (*hops, response) for text in values(hop, "Set-Cookie")]
    return list({(c.name, *map(c.attributes.get, ("domain", "path"))): c for c in found}.values())


def fresh_cookies(client: HttpClient) -> list[Cookie]:
    """Ask for base_url as a visitor without cookies and return those that are set.

    Raises:
        NotApplicable: none is set.
        CannotAssess: no page was seen; see `page`.
    """
    found = set_by(page(client.fork()))
    if not found:
        raise NotApplicable(f"{client.base_url} sets no cookies")
    return found
