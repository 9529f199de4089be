"""Values of boto3 as JSON data and back: what a replay hands out equals what AWS answered."""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib
import io
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn

from botocore.eventstream import EventStream
from botocore.response import StreamingBody

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.record import Plain

#: Places in a list that is told in pages. They may be secret, and a replay only has to tell one
#: from the other: a digest does that.
_PAGE = re.compile(
    r"(?:next_?|next_?page_?|continuation_?|next_?continuation_?|page_?|pagination_?)token",
    re.IGNORECASE,
)
_DIGITS = 16
#: Bytes of a body that is read at once, to be kept.
LARGEST_BODY = 64 << 20
_OPAQUE = "page-"
#: What boto3 itself takes zones from; it has no types.
_zones: Any = importlib.import_module("dateutil.tz")
_ORDER = "$order"


def to_plain(value: Any, name: str = "") -> Plain:
    """Return *value*, as boto3 takes and gives it, as JSON data; *name* is its key, if it has one.

    A `StreamingBody` has to be `whole`.
    """
    if isinstance(value, str):
        return {"$page": _digest(value)} if _PAGE.fullmatch(name) else value
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return _tagged(value)


def _mapping(value: Mapping[Any, Any]) -> Plain:
    if all(isinstance(key, str) and key[:1] != "$" for key in value):
        plain: dict[str, Plain] = {key: to_plain(item, key) for key, item in value.items()}
        # what is kept has its keys sorted, and messages of asserts show them as they came
        return plain if list(plain) == sorted(plain) else {**plain, _ORDER: list(plain)}
    return {"$pairs": [[to_plain(key), to_plain(item)] for key, item in value.items()]}


def _tagged(value: Any) -> Plain:
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, (bytes, bytearray)):
        return _bytes(bytes(value))
    return next(
        ({tag: put(value)} for kind, tag, put in _DO if isinstance(value, kind)),
        {"$text": str(value)},
    )


def _bytes(value: bytes) -> Plain:
    try:
        return {"$bytes": value.decode()}
    except UnicodeDecodeError:
        return {"$base64": base64.b64encode(value).decode()}


def _digest(text: str) -> str:
    known = text.removeprefix(_OPAQUE)
    if text != known and len(known) == _DIGITS:
        return known
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def from_plain(plain: Plain) -> Any:
    """Undo `to_plain`.

    Raises:
        Incomplete: binary content from which a secret was taken out, or a body that was not kept.
    """
    if isinstance(plain, list):
        return [from_plain(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if len(plain) == 1:
        ((tag, content),) = plain.items()
        if tag in _UNDO:
            return _UNDO[tag](content)
    order = plain.get(_ORDER) or [*plain]
    return {key: from_plain(plain[key]) for key in order if key in plain}


def _datetime(value: datetime) -> list[str]:
    return [value.isoformat(), type(value.tzinfo).__name__]


def _moment(told: list[str]) -> datetime:
    """Return the moment, in the class of time zone that boto3 takes: asserts show it."""
    text, zone = told
    found = datetime.fromisoformat(text)
    if zone == "tzutc":
        return found.replace(tzinfo=_zones.tzutc())
    here = found.astimezone(_zones.tzlocal()) if zone == "tzlocal" else found
    return here if here.utcoffset() == found.utcoffset() else found


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Incomplete("a secret was taken out of the recorded content") from error


def _not_kept(_: object) -> NoReturn:
    raise Incomplete(
        f"its body is not in the recording: it is a stream of events, or larger "
        f"than {LARGEST_BODY} bytes"
    )


_UNDO: dict[str, Callable[[Any], Any]] = {
    "$page": lambda digits: f"{_OPAQUE}{digits}",
    "$pairs": lambda pairs: {from_plain(key): from_plain(item) for key, item in pairs},
    "$float": float,
    "$datetime": _moment,
    "$bytes": str.encode,
    "$base64": _unpacked,
    "$stream": lambda content: Whole(from_plain(content)),
    "$left_out": _not_kept,
    "$decimal": Decimal,
    "$set": lambda items: {from_plain(item) for item in items},
    "$text": str,
}


class Whole(StreamingBody):  # type: ignore[misc]  # botocore ships no types
    """A body that was read at once, and can be read as if it came now.

    Attributes:
        content: all of it.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), len(content))
        self.content = content


_DO: tuple[tuple[type | tuple[type, ...], str, Callable[[Any], Plain]], ...] = (
    (float, "$float", repr),
    (datetime, "$datetime", _datetime),
    (Whole, "$stream", lambda body: _bytes(body.content)),
    ((StreamingBody, EventStream), "$left_out", lambda _: None),
    (Decimal, "$decimal", str),
    ((set, frozenset), "$set", lambda items: sorted(map(to_plain, items), key=str)),
)


def whole(answer: Any) -> Any:
    """Return what AWS answered with its body read, so that it can be kept and still be read.

    One that says it is larger than `LARGEST_BODY` is left as it is.

    Raises:
        botocore.exceptions.BotoCoreError: the body broke off.
    """
    if not isinstance(answer, dict):
        return answer
    size = answer.get("ContentLength", 0)
    return {
        key: Whole(value.read())
        if isinstance(value, StreamingBody) and size <= LARGEST_BODY
        else value
        for key, value in answer.items()
    }
