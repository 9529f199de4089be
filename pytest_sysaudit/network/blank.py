"""Captures without the credentials in them, every frame as long as it was.

What `credentials` finds is written over, in each copy that was sent of it; users stay, so that the
same is found again. Checksums of TCP and UDP are left as they were.
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from urllib.parse import unquote_plus

from pytest_sysaudit.network import credentials as seen
from pytest_sysaudit.network.decode import UDP, decode
from pytest_sysaudit.network.pcap import Trace
from pytest_sysaudit.network.streams import HOLE, Segment, Side, Stream, connections
from pytest_sysaudit.text import decode as text_of

Span = tuple[int, bytes]
"""Where something begins, and what is written over it."""
_X = ord("x")


def blanked(trace: Trace) -> tuple[bytes, bool]:
    """Return the bytes of the capture file of *trace* without credentials.

    Returns:
        The bytes; whether there were any credentials.
    """
    data = bytearray(trace.data)
    found = False
    for offset, new in (*_in_streams(trace), *_in_datagrams(trace)):
        data[offset : offset + len(new)] = new
        found = True
    return bytes(data), found


def _in_datagrams(trace: Trace) -> Iterator[Span]:
    """Yield the SNMP communities, by where they stand in the file."""
    for number, frame in enumerate(trace):
        packet = decode(frame)
        if packet is None or packet.protocol != UDP:
            continue
        said = frame.data[packet.start : packet.end]
        if match := seen.SNMP.match(said):
            size = min(said[match.end() - 1], len(said) - match.end())
            yield trace.offset(number) + packet.start + match.end(), b"x" * size


def _in_streams(trace: Trace) -> Iterator[Span]:
    """Yield the credentials in TCP streams, by where they stand in the file."""
    for connection in connections(trace):
        stream = connection.stream()
        spans = [*_by_position(stream, _said(stream)), *_typed(stream)]
        if spans:
            yield from _copies(trace, connection.sides[connection.client], spans)


def _copies(trace: Trace, side: Side, spans: Iterable[Span]) -> Iterator[Span]:
    """Yield where in the file the *spans* stand, each time that they were sent."""
    segments = sorted(side.segments)
    longest = max(len(data) for _, _, data, _, _ in segments)
    for position, new in spans:
        low = bisect_left(segments, position - longest, key=itemgetter(0))
        high = bisect_left(segments, position + len(new), key=itemgetter(0))
        for segment in segments[low:high]:
            yield from _copy(trace, segment, position, new)


def _copy(trace: Trace, segment: Segment, position: int, new: bytes) -> Iterator[Span]:
    begin, _, data, number, start = segment
    first, last = max(begin, position), min(begin + len(data), position + len(new))
    if first < last:
        offset = trace.offset(number) + start + first - begin
        yield offset, new[first - position : last - position]


def _by_position(stream: Stream, spans: Iterator[Span]) -> Iterator[Span]:
    """Yield *spans* of all that the client said by their position in the stream."""
    turns, at = [], 0
    for turn in stream.turns:
        if turn.client:
            at += len(HOLE) * turn.after_hole
            turns.append((at, turn))
            at += len(turn.data)
    for offset, new in spans:
        low = max(0, bisect_right(turns, offset, key=itemgetter(0)) - 1)
        high = bisect_left(turns, offset + len(new), key=itemgetter(0))
        for begin, turn in turns[low:high]:
            first, last = max(begin, offset), min(begin + len(turn.data), offset + len(new))
            if first < last:
                yield turn.start + first - begin, new[first - offset : last - offset]


def _said(stream: Stream) -> Iterator[Span]:
    """Yield what is to be written over all that the client said."""
    client, server = stream.said(client=True), stream.said(client=False)
    for find in (_http, _mail, _passwords, _ldap):
        yield from find(client, server)


def _over(match: re.Match[bytes], group: int = 0) -> Span:
    return match.start(group), b"x" * len(match[group])


def _http(client: bytes, _server: bytes) -> Iterator[Span]:
    if not seen.REQUEST.search(client):
        return
    for match in seen.AUTHORIZATION.finditer(client):
        basic = match[1].lower() == b"basic"
        yield (match.start(2), _encoded(match[2], _after_colon)) if basic else _over(match, 2)
    for match in seen.FORM.finditer(client):
        yield from _fields(match.start(1), match[1])
    for match in seen.JSON.finditer(client):
        yield _over(_JSON_TEXT.match(client, match.end() - 1) or match)


_JSON_TEXT = re.compile(rb'(?:\\.|[^"\\])*', re.DOTALL)


def _fields(at: int, body: bytes) -> Iterator[Span]:
    for field in body.split(b"&"):
        name, mark, value = field.partition(b"=")
        if value and seen.SECRET_FIELDS.match(unquote_plus(text_of(name))):
            yield at + len(name + mark), b"x" * len(value)
        at += len(field) + 1


def _mail(client: bytes, server: bytes) -> Iterator[Span]:
    if not seen.is_mail(server):
        return
    for match in seen.IMAP_LOGIN.finditer(client):
        yield from _imap(client, match)
    for match in seen.AUTH.finditer(client):
        yield from _sasl(client, match)


def _imap(client: bytes, match: re.Match[bytes]) -> Iterator[Span]:
    """Yield the password of a LOGIN; what is told as a length in braces stands on the next line."""
    begin = match.end() - 1
    if match[1] is None and match[2] is None:
        line, size = _LINE.match(client, match.end()), re.search(rb"\{(\d+)", match[0])
        begin = (line.end() if line else 0) + int(size[1] if size else 0) + 1
    rest = _LINE.match(client, begin)
    if rest and _LITERAL.search(rest[1]):
        rest = _LINE.match(client, rest.end())
    if rest:
        yield _over(rest, 1)


_LINE = re.compile(rb"([^\r\n]*)(?:\r?\n)?")
_LITERAL = re.compile(rb"\{\d+\+?\}\Z")
_BASE64_LINE = re.compile(rb"\r?\n([A-Za-z0-9+/=]+)(?=\r?$)", re.MULTILINE)


def _sasl(client: bytes, match: re.Match[bytes]) -> Iterator[Span]:
    """Yield the password of AUTH PLAIN or LOGIN: in the latter it stands alone, after the user."""
    said = [match.span(group) for group in (4, 5) if match[group]]
    if match[3].upper() == b"PLAIN":
        for start, end in said[:1]:
            yield start, _encoded(client[start:end], _after_second_zero)
        return
    after = _BASE64_LINE.match(client, match.end())
    for start, end in (*said, *([after.span(1)] if after else []))[1:]:
        yield start, _encoded(client[start:end], lambda _: 0)


def _after_colon(raw: bytes) -> int:
    return raw.find(b":") + 1


def _after_second_zero(raw: bytes) -> int:
    return raw.find(b"\0", raw.find(b"\0") + 1) + 1


def _encoded(value: bytes, begin: Callable[[bytes], int]) -> bytes:
    """Return base64 of the same length, its content written over from *begin* on."""
    raw = seen.unbase64(value)
    kept = begin(raw)
    new = base64.b64encode(raw[:kept] + b"x" * (len(raw) - kept))[: len(value)]
    return new if raw and len(new) == len(value) else b"x" * len(value)


def _passwords(client: bytes, server: bytes) -> Iterator[Span]:
    if seen.is_login(server):
        for match in _PASS.finditer(client):
            yield _over(match, 1)


_PASS = re.compile(rb"^PASS +([^\r\n]+)\r?$", re.IGNORECASE | re.MULTILINE)


def _ldap(client: bytes, server: bytes) -> Iterator[Span]:
    for _, start, end in seen.ldap_binds(client, server):
        yield start, b"x" * (end - start)


def _typed(stream: Stream) -> Iterator[Span]:
    """Yield what a client typed after a prompt for a password, by its position in the stream."""
    asked = words = False
    for turn in stream.turns:
        if not turn.client:
            said = seen.TELNET_COMMAND.sub(b"", turn.data[-seen.PROMPT :])
            if seen.PASSWORD_PROMPT.search(said):
                asked, words = True, False
        elif asked:
            new, words, ended = _written_over(turn.data, words=words)
            yield turn.start, new
            asked = not ended


def _written_over(data: bytes, *, words: bool) -> tuple[bytes, bool, bool]:
    """Return *data* with x for what was typed up to the end of the line.

    Args:
        data: what came.
        words: whether something of the line came before.

    Returns:
        The same with x; whether something of the line has come; whether it has ended.
    """
    new = bytearray(data)
    commands = {at for match in seen.TELNET_COMMAND.finditer(data) for at in range(*match.span())}
    for at, byte in enumerate(data):
        if at in commands or byte == 0:
            continue
        if byte in b"\r\n":
            if words:
                return bytes(new), True, True
            continue
        words = words or not bytes([byte]).isspace()
        new[at] = _X
    return bytes(new), words, False
