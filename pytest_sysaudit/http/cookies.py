"""The cookies that a server sets, with the attributes as it sent them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.http.headers import values

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
    """Return the cookies that *response*, and each redirect on the way to it, sets."""
    hops = [*response.history, response]
    return [parse_cookie(text) for hop in hops for text in values(hop, "Set-Cookie")]


def fresh_cookies(client: HttpClient, path: str = "") -> list[Cookie]:
    """Ask for *path* as a visitor without cookies and return those that are set.

    Raises:
        NotApplicable: none is set.
    """
    from pytest_sysaudit.errors import NotApplicable

    found = set_by(client.fork().get(path))
    if not found:
        raise NotApplicable(f"{client.join(path)} sets no cookies")
    return found
