"""What ``ssh -v`` tells of a login: how far it got, and the key that the server showed."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PLACE = re.compile(r"^debug1: Authenticating to (.+):(\d+) as '(.*)'$", re.MULTILINE)
_DIALED = re.compile(r"^debug1: Connecting to (\S+) (?:\[\S+\] )?port (\d+)\.$", re.MULTILINE)
_KEY = re.compile(r"^debug1: Server host (?:key|certificate): (\S+) (SHA256:[^\s,]+)", re.MULTILINE)
_OFFER = re.compile(r"^debug2: host key algorithms: (.+)$", re.MULTILINE)
_TRIED = re.compile(r"^debug1: Offering public key: (\S+)", re.MULTILINE)
_ACCEPTS = re.compile(r"^debug1: Authentications that can continue: (.+)$", re.MULTILINE)
_HEARD = re.compile(r"^debug1: kex_exchange_identification: banner line \d+: (.*)$", re.MULTILINE)
_OWN = ("debug", "Authenticated to ", "OpenSSH_", "Transferred: ", "Bytes per second")


@dataclass(frozen=True, slots=True)
class Story:
    """The log of one ssh process."""

    text: str

    def __contains__(self, words: str) -> bool:
        return words in self.text

    @property
    def place(self) -> str:
        """``address:port`` of the server, as messages show it; "" before it is known."""
        found = _PLACE.findall(self.text) or _DIALED.findall(self.text)
        if not found:
            return ""
        host, port = found[-1][:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def user(self) -> str:
        """Who logs in; "" before it is known."""
        found = _PLACE.findall(self.text)
        return str(found[-1][2]) if found else ""

    @property
    def connected(self) -> bool:
        """Whether there is a connection: over TCP, or through a jump host."""
        proxied = "debug1: Executing proxy command" in self and self.greeted
        return "debug1: Connection established." in self or proxied

    @property
    def direct(self) -> bool:
        """Whether ssh itself connected to the server, and no command or jump host did."""
        return "debug1: Executing proxy command" not in self and "debug1: Connecting to " in self

    @property
    def greeted(self) -> bool:
        """Whether the server sent its SSH banner."""
        return "debug1: Remote protocol version" in self

    @property
    def trusted(self) -> bool:
        """Whether the key exchange is done, the host key judged and found good."""
        return "debug1: SSH2_MSG_NEWKEYS received" in self

    @property
    def inside(self) -> bool:
        """Whether the server let us in."""
        return "Authenticated to " in self or "debug1: Authentication succeeded" in self

    @property
    def finished(self) -> bool:
        """Whether the server told the end of the command: the connection was there until then."""
        return " rtype exit-status " in self or " rtype exit-signal " in self

    @property
    def key(self) -> tuple[str, str] | None:
        """The type and fingerprint of the host key that the server showed last."""
        found = _KEY.findall(self.text)
        return (found[-1][0], found[-1][1]) if found else None

    @property
    def key_text(self) -> str:
        """``ED25519 SHA256:...``."""
        kind, fingerprint = self.key or ("", "")
        return f"{kind.removeprefix('ssh-').split('-')[0].upper()} {fingerprint}"

    @property
    def host_key_algorithms(self) -> list[str]:
        """The host key algorithms of the server; only a log of ``-vv`` tells them."""
        found = _OFFER.findall(self.text)
        return found[1].split(",") if len(found) > 1 else []

    @property
    def tried(self) -> list[str]:
        """The keys that were offered."""
        return list(dict.fromkeys(_TRIED.findall(self.text)))

    @property
    def accepts(self) -> str:
        """The methods that the server accepts, with commas."""
        found = _ACCEPTS.findall(self.text)
        return ", ".join(found[-1].split(",")) if found else ""

    @property
    def heard(self) -> str:
        """What the server said in place of a banner."""
        return " ".join(_HEARD.findall(self.text)).strip()

    @property
    def told(self) -> list[str]:
        """What ssh itself said, without its debugging."""
        lines = (line.strip() for line in self.text.splitlines())
        return [line for line in lines if line and not line.startswith(_OWN)]
