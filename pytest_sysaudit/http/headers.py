"""What security headers say, read as browsers read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: A number that stands alone (nginx/1.25, IIS 10) or has a point (PHP8.2), not AmazonS3 or h2o.
_VERSION = re.compile(r"(?<![A-Za-z0-9])v?\d|\d\.\d")
#: Headers that name the software behind an endpoint.
_NAMING = (
    "Server",
    "X-Powered-By",
    "X-AspNet-Version",
    "X-AspNetMvc-Version",
    "X-Generator",
    "X-Powered-CMS",
    "X-Jenkins",
    "X-Mod-Pagespeed",
    "X-Page-Speed",
    "X-OWA-Version",
    "MicrosoftSharePointTeamServices",
    "Liferay-Portal",
    "Via",
)
_MAX_AGE = re.compile(r'"?(\d+)"?')
#: A source that fits every site: a scheme alone, or * for the host, with any scheme or port.
_EVERY_SITE = re.compile(r"[a-z][a-z0-9+.-]*:(?:/{0,2})|(?:[a-z][a-z0-9+.-]*://)?\*(?::[\d*]+)?/?")


def values(response: Any, name: str) -> list[str]:
    """Return every value of the header *name* of *response*, repeated ones apart, in order."""
    return [str(value).strip() for value in response.raw.headers.getlist(name)]


def tokens(response: Any, name: str) -> list[str]:
    """Return the comma-separated items of all headers called *name*, in lower case."""
    parts = (part.strip().lower() for value in values(response, name) for part in value.split(","))
    return [part for part in parts if part]


@dataclass(frozen=True, slots=True)
class Hsts:
    """A Strict-Transport-Security header; ``max_age`` is in seconds."""

    max_age: int
    include_subdomains: bool = False
    preload: bool = False


def hsts(response: Any) -> Hsts | None:
    """Return what the first Strict-Transport-Security header says (RFC 6797, 8.1).

    None if there is none, or if browsers would ignore it: no max-age, or a directive twice.
    """
    found = values(response, "Strict-Transport-Security")
    parts = [part.strip() for part in found[0].split(";") if part.strip()] if found else []
    pairs = [
        (key.strip().lower(), text.strip()) for key, _, text in (p.partition("=") for p in parts)
    ]
    directives = dict(pairs)
    age = _MAX_AGE.fullmatch(directives.get("max-age", ""))
    if age is None or len(directives) != len(pairs):
        return None
    return Hsts(int(age[1]), "includesubdomains" in directives, "preload" in directives)


@dataclass(frozen=True, slots=True)
class Csp:
    """One Content-Security-Policy: directives in lower case, each with its sources."""

    directives: Mapping[str, tuple[str, ...]]

    @classmethod
    def parse(cls, text: str) -> Csp:
        """Read one policy; of a directive that comes twice, the first counts."""
        found: dict[str, tuple[str, ...]] = {}
        for part in text.split(";"):
            name, *sources = part.split() or [""]
            if name:
                found.setdefault(name.lower(), tuple(sources))
        return cls(found)

    def script_sources(self, kind: str = "script-src") -> tuple[str, ...] | None:
        """Return the sources that rule scripts; None if the policy does not rule them at all.

        Args:
            kind: ``script-src``, or ``script-src-elem`` and ``script-src-attr``, which fall back
                to it.
        """
        for name in (kind, "script-src", "default-src"):
            if name in self.directives:
                return self.directives[name]
        return None

    @property
    def allows_inline(self) -> bool:
        """Whether scripts inside the page run: a nonce, a hash or strict-dynamic forbids it."""
        return any(map(self._inline, ("script-src-elem", "script-src-attr")))

    @property
    def allows_eval(self) -> bool:
        """Whether text may be turned into code."""
        sources = self.script_sources()
        return sources is None or "'unsafe-eval'" in map(str.lower, sources)

    @property
    def limits_framing(self) -> bool:
        """Whether it names who may frame the page, and that is not everybody."""
        ancestors = self.directives.get("frame-ancestors")
        if ancestors is None:
            return False
        return not any(_EVERY_SITE.fullmatch(source.lower()) for source in ancestors)

    @property
    def rules_content(self) -> bool:
        """Whether it says at all where scripts, or everything, may come from."""
        return self.script_sources() is not None

    def _inline(self, kind: str) -> bool:
        sources = self.script_sources(kind)
        if sources is None:
            return True
        lower = [source.lower() for source in sources]
        strict = ("'nonce-", "'sha256-", "'sha384-", "'sha512-", "'strict-dynamic'")
        return "'unsafe-inline'" in lower and not any(s.startswith(strict) for s in lower)


def policies(response: Any) -> list[Csp]:
    """Return the policies that are enforced; browsers apply all of them together."""
    texts = values(response, "Content-Security-Policy")
    parts = [part for text in texts for part in text.split(",") if part.strip()]
    return [Csp.parse(part) for part in parts]


def framing_is_limited(response: Any) -> bool:
    """Tell whether other sites are kept from framing the page.

    frame-ancestors of a policy counts; where there is one, browsers ignore X-Frame-Options.
    """
    naming = [policy for policy in policies(response) if "frame-ancestors" in policy.directives]
    if naming:
        return any(policy.limits_framing for policy in naming)
    options = set(tokens(response, "X-Frame-Options"))
    return options in ({"deny"}, {"sameorigin"})


def disclosed_versions(response: Any) -> dict[str, str]:
    """Return the headers that give away the version of some software, by name."""
    found = {name: ", ".join(values(response, name)) for name in _NAMING}
    if found["Via"]:  # "1.1 proxy" begins with the version of HTTP
        found["Via"] = re.sub(r"(^|,\s*)(?:HTTP/)?\d(?:\.\d)?\s", r"\1", found["Via"])
    return {name: text for name, text in found.items() if _VERSION.search(text)}
