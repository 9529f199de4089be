"""The single place where secrets are taken out of what is stored, logged or shown."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "[redacted]"
#: Shorter values would blank out ordinary text.
SHORTEST = 4

_SHAPES = re.compile(
    r"(?P<keep>"
    r"(?:authorization|proxy-authorization|x-api-key|x-amz-security-token)['\"]?\s*[:=]\s*['\"]?"
    r"(?:(?:bearer|basic|aws4-hmac-sha256|digest)\s+)?"
    r"|[?&](?:access_token|token|api_?key|key|password|passwd|secret|sig|signature|x-amz-signature"
    r"|x-amz-credential|x-amz-security-token)="
    r")(?P<secret>[^\s'\"&,;]+)"
    r"|(?P<url>://[^/\s:@]+:)[^/\s'\"@]+(?=@)"
    r"|(?P<pem>-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))",
    re.IGNORECASE | re.DOTALL,
)


class Redactor:
    """Replaces known secrets, in plain, base64 and url-encoded form, and known secret shapes."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Redact *secret* from now on. Values shorter than four characters are left alone."""
        if len(secret) < SHORTEST:
            return
        raw = secret.encode("utf-8", "surrogatepass")
        self._forms |= {secret, quote(secret, safe=""), quote_plus(secret), quote(secret)}
        for pad in range(3):  # base64 depends on where in the text the secret begins
            coded = base64.b64encode(b"\0" * pad + raw).decode().rstrip("=")
            part = coded[(0, 2, 3)[pad] : len(coded) - (1 if (pad + len(raw)) % 3 else 0)]
            if len(part) > SHORTEST:
                self._forms |= {part, part.replace("+", "-").replace("/", "_")}
        ordered = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered)))

    def text(self, text: str) -> str:
        """Return *text* without secrets."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        return _SHAPES.sub(_mask_shape, text)

    def plain(self, value: Any) -> Any:
        """Return JSON data without secrets, keys of mappings included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(k)): self.plain(v) for k, v in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.plain(v) for v in value]
        return value


def _mask_shape(match: re.Match[str]) -> str:
    return f"{match['keep'] or match['url'] or ''}{MASK}"
