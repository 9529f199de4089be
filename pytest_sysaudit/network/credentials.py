"""Credentials that crossed the wire in the clear, recognised by what was said, not by the port."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

from pytest_sysaudit.network.decode import UDP, decode
from pytest_sysaudit.network.flows import address
from pytest_sysaudit.network.pcap import Frame
from pytest_sysaudit.network.streams import Stream
from pytest_sysaudit.record import Plain
from pytest_sysaudit.text import decode as text_of
from pytest_sysaudit.text import printable

MASK = "***"
PROMPT = 1024  # bytes at the end of what a server says, in which a prompt is looked for


@dataclass(frozen=True, slots=True, order=True)
class Credential:
    """One credential that was seen; the secret itself is not in here.

    Attributes:
        kind: ``http-basic``, ``http-bearer``, ``http-form``, ``http-json``, ``ftp``, ``pop3``,
            ``imap``, ``smtp``, ``telnet``, ``ldap`` or ``snmp-community``.
        user: the user's first letter and ``***``; "" where there is no user, or none was seen.
        client, client_port, server, server_port: who sent it to whom.
    """

    kind: str
    user: str
    client: str
    client_port: int
    server: str
    server_port: int

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        who = f" of {self.user}" if self.user else ""
        return f"{self.kind} credential{who} from {self.client} to {self.server}:{self.server_port}"


def mask(user: str | bytes) -> str:
    """Return the first character of *user* and ``***``; "" stays ""."""
    text = printable(text_of(user) if isinstance(user, bytes) else user).strip()
    return f"{text[0]}{MASK}" if text else ""


def in_streams(streams: Iterable[Stream]) -> Iterator[Credential]:
    """Yield the credentials in TCP streams, each kind and user once in a stream."""
    for stream in streams:
        for kind, user in dict.fromkeys(_found(stream)):
            yield Credential(
                kind, user, stream.client, stream.client_port, stream.server, stream.server_port
            )


def in_datagrams(frames: Iterable[Frame]) -> Iterator[Credential]:
    """Yield the SNMP v1 and v2c communities in UDP packets."""
    for frame in frames:
        packet = decode(frame)
        if packet is None or packet.protocol != UDP:
            continue
        if SNMP.match(frame.data[packet.start : packet.end]):
            ends = address(packet.source), packet.source_port
            yield Credential(
                "snmp-community", "", *ends, address(packet.destination), packet.destination_port
            )


def _found(stream: Stream) -> Iterator[tuple[str, str]]:
    client, server = stream.said(client=True), stream.said(client=False)
    for find in (_http, _mail, _user_and_pass, _ldap):
        yield from find(client, server)
    yield from _telnet(stream)


REQUEST = re.compile(rb"^(?:[A-Z]{3,10}) \S+ HTTP/1\.[01]\r?$", re.MULTILINE)
AUTHORIZATION = re.compile(
    rb"^(?:proxy-)?authorization:[ \t]*(basic|bearer|token)[ \t]+([^\s]+)",
    re.IGNORECASE | re.MULTILINE,
)
FORM = re.compile(
    rb"^content-type:[ \t]*application/x-www-form-urlencoded[^\n]*\n"
    rb"(?:[^\r\n]+\r?\n)*\r?\n([^\r\n]+)",
    re.IGNORECASE | re.MULTILINE,
)
JSON = re.compile(
    rb'"(?:[^"]{0,40}[._-])?(?:password|passwd|pwd|passphrase)"\s*:\s*"[^"]', re.IGNORECASE
)
SECRET_FIELDS = re.compile(
    r"(?i)^(?:.*[._\[-])?(?:password|passwd|passwort|pwd|pass|passphrase)\]?$"
)
_USER_FIELDS = re.compile(r"(?i)^(?:.*[._\[-])?(?:user|username|login|email|name|account)\]?$")


def _http(client: bytes, _server: bytes) -> Iterator[tuple[str, str]]:
    if not REQUEST.search(client):
        return
    for scheme, value in AUTHORIZATION.findall(client):
        if scheme.lower() == b"basic":
            yield "http-basic", mask(unbase64(value).partition(b":")[0])
        else:
            yield "http-bearer", ""
    for body in FORM.findall(client):
        fields = parse_qsl(text_of(body), keep_blank_values=False)
        if any(SECRET_FIELDS.match(name) for name, _ in fields):
            users = [value for name, value in fields if _USER_FIELDS.match(name)]
            yield "http-form", mask(users[0] if users else "")
    if JSON.search(client):
        yield "http-json", ""


IMAP_LOGIN = re.compile(
    rb'^[\w.+-]+ LOGIN (?:(?:"([^"\r\n]*)"|([^\s{]\S*)) \S|\{\d+\+?\}\r?$)',
    re.IGNORECASE | re.MULTILINE,
)
AUTH = re.compile(
    rb"^(?:(AUTH)|([\w.+-]+) AUTHENTICATE) (PLAIN|LOGIN)(?: +([A-Za-z0-9+/=]+))?\r?\n"
    rb"(?:([A-Za-z0-9+/=]+)\r?$)?",
    re.IGNORECASE | re.MULTILINE,
)


def is_mail(server: bytes) -> bool:
    """Whether *server* says what servers of mail say, or nothing that was seen."""
    return not server or bool(re.match(rb"\* |\+OK|220[ -]|\+ |[235]\d\d[ -]|\0", server))


def _mail(client: bytes, server: bytes) -> Iterator[tuple[str, str]]:
    """IMAP LOGIN and AUTHENTICATE, SMTP and POP3 AUTH."""
    if not is_mail(server):
        return
    for quoted, plain in IMAP_LOGIN.findall(client):
        yield "imap", mask(quoted or plain)
    for bare, _tag, method, initial, following in AUTH.findall(client):
        said = unbase64(initial or following)
        if not said:
            continue  # the other side refused, or the client gave up: nothing secret was said
        user = said.split(b"\0")[1:2] or [b""] if method.upper() == b"PLAIN" else [said]
        kind = "imap" if not bare else "pop3" if re.search(rb"^\+OK", server) else "smtp"
        yield kind, mask(user[0])


_USER = re.compile(rb"^USER +([^\r\n]+)\r?$", re.IGNORECASE | re.MULTILINE)
_PASS = re.compile(rb"^PASS +[^\r\n]+\r?$", re.IGNORECASE | re.MULTILINE)
_FTP_ANSWER = re.compile(rb"^(?:220|230|331|332|530)[ -]", re.MULTILINE)


_POP3 = b"+OK"


def is_login(server: bytes) -> bool:
    """Whether *server* says what servers of FTP or POP3 say, or nothing that was seen."""
    return not server or server.startswith(_POP3) or bool(_FTP_ANSWER.search(server))


def _user_and_pass(client: bytes, server: bytes) -> Iterator[tuple[str, str]]:
    """FTP and POP3, which log in with the same two words; an anonymous FTP login is no secret."""
    if not _PASS.search(client):
        return
    if not is_login(server):
        return  # another protocol has these words, too
    pop3 = server.startswith(_POP3)
    users = [user.strip() for user in _USER.findall(client)] or [b""]
    for user in users:
        if pop3 or user.lower() not in (b"anonymous", b"ftp"):
            yield "pop3" if pop3 else "ftp", mask(user)


TELNET_COMMAND = re.compile(
    rb"\xff(?:\xfa.*?\xff\xf0|[\xfb-\xfe].|[\xf0-\xf9])", re.DOTALL
)  # subnegotiation, option, other commands
_LOGIN_PROMPT = re.compile(rb"(?:login|username|user name|user):[ \t]*\Z", re.IGNORECASE)
PASSWORD_PROMPT = re.compile(
    rb"(?:password|passwort|passphrase)(?: for [^:\r\n]*)?:[ \t]*\Z", re.IGNORECASE
)


def _telnet(stream: Stream) -> Iterator[tuple[str, str]]:
    """What a client types after a prompt for a password, on telnet, rlogin or a bare shell."""
    user, typed, asked = "", bytearray(), ""
    for turn in stream.turns:
        data = TELNET_COMMAND.sub(b"", turn.data if turn.client else turn.data[-PROMPT:])
        if not turn.client:
            if PASSWORD_PROMPT.search(data):
                user, asked = (mask(bytes(typed)) if asked == "user" else user), "password"
                typed.clear()
            elif _LOGIN_PROMPT.search(data):
                asked = "user"
                typed.clear()
        elif asked:
            typed += data.replace(b"\0", b"")
            if asked == "password" and re.search(rb"[^\s][^\r\n]*[\r\n]", typed):
                yield "telnet", user
                asked = ""


_LDAP_BIND = re.compile(rb"\x30.{1,5}?\x02[\x01-\x04].{1,4}?\x60", re.DOTALL)


def _ldap(client: bytes, server: bytes) -> Iterator[tuple[str, str]]:
    """LDAP simple binds with a password."""
    for name, _, _ in ldap_binds(client, server):
        yield "ldap", mask(name)


def ldap_binds(client: bytes, server: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield each simple bind: the name, and where in *client* the password begins and ends.

    BindRequest (60), version, name, password (80).
    """
    if not client.startswith(b"\x30") or (server and not server.startswith(b"\x30")):
        return
    for match in _LDAP_BIND.finditer(client):
        try:
            _, start, _ = _element(client, match.end() - 1)
            _, version, after = _element(client, start)
            name_tag, name, name_end = _element(client, after)
            tag, secret, end = _element(client, name_end)
        except IndexError:
            continue
        versions = client[version:after] in (b"\x02", b"\x03")
        if versions and name_tag == 0x04 and tag == 0x80 and end > secret:  # noqa: PLR2004 - BER
            yield client[name:name_end], secret, end


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, start and end of the content of the BER element at *at*; IndexError if cut."""
    size, start = data[at + 1], at + 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[at + 2 : start])
    if start + size > len(data):
        raise IndexError(at)
    return data[at], start, start + size


SNMP = re.compile(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01]\x04[\x01-\x7f]", re.DOTALL)


def unbase64(value: bytes) -> bytes:
    """Return what *value* stands for, padding or not; b"" if it is no base64."""
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4))
    except binascii.Error:
        return b""
