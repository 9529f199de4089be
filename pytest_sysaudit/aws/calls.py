"""One API call: what names it, and what watches it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from pytest_sysaudit.audit import to_plain
from pytest_sysaudit.errors import RefusedByPolicy, SysauditError
from pytest_sysaudit.lanes import wait
from pytest_sysaudit.record import Plain, utc_text

if TYPE_CHECKING:
    from pytest_sysaudit.aws.recording import CallRecorder


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operation of one service in one region of one account.

    ``endpoint`` tells its URL, "" if that is not known.
    """

    target: str
    service: str
    operation: str
    region: str
    endpoint: Callable[[], str] = field(default=str, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.target}: {self.service}:{self.operation} in {self.region}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A call that was made and what came of it; a page of several is one exchange.

    ``started`` is seconds since the epoch, ``duration`` is in seconds, retries included. ``error``
    is AWS's error code or the exception's name, "" if there was an answer. Nothing is redacted.
    """

    call: Call
    params: Mapping[str, Any]
    started: float
    duration: float
    error: str
    answer: Mapping[str, Any] | None

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data."""
        return {
            "call": f"{self.call.service}:{self.call.operation}",
            "region": self.call.region,
            "params": to_plain(self.params),
            "started": utc_text(self.started),
            "duration": self.duration,
            "error": self.error,
            "answer": to_plain(self.answer),
        }


class Watcher(Protocol):
    """What is asked before, and told after, every call of a session's clients."""

    def before(self, call: Call) -> None:
        """Raise something if the call should not be made."""

    def after(self, call: Call, error: Exception) -> None:
        """Learn from a call that failed; *error* goes on to the caller."""

    def record(self, exchange: Exchange) -> None:
        """Store what was exchanged."""


def call_of(client: Any, operation: str, target: str) -> Call:
    """Return what *client* is about to call. The region is the one that it was made for.

    boto3 may have another one in mind: ``aws-global``, where a service has no regions.
    """
    return Call(
        target=target,
        service=client.meta.service_model.service_name,
        operation=operation,
        region=getattr(client, "audit_region", None) or client.meta.region_name,
        endpoint=lambda: str(client.meta.endpoint_url),
    )


def watched(
    watcher: Watcher,
    target: str,
    recorder: CallRecorder | None = None,
    send: Callable[..., Any] = wait,
) -> type:
    """Return a base class for boto3's clients that tells *watcher* of every call.

    Args:
        watcher: asked before and told after each call.
        target: the account's name.
        recorder: keeps each call; None: nobody does.
        send: calls its first argument with the others, while other lanes go on.
    """

    class WatchedClient:
        """Errors of its calls carry ``audit_call``, so that the place is known far from here."""

        def _make_api_call(self, operation_name: str, api_params: dict[str, Any]) -> Any:
            parent: Any = super()
            call = call_of(self, operation_name, target)
            onward = partial(send, parent._make_api_call, operation_name, api_params)  # noqa: SLF001 - overridden
            return watch_over(watcher, call, api_params, onward, recorder)

    return WatchedClient


def watch_over(
    watcher: Watcher,
    call: Call,
    params: dict[str, Any],
    make: Callable[[], Any],
    recorder: CallRecorder | None = None,
) -> Any:
    """Return what *make* gives, which makes *call*; *watcher* and *recorder* learn of it.

    What it raises carries ``audit_call``.
    """
    note, whole = (recorder.begin(call, params), recorder.whole) if recorder else _BARE
    try:
        watcher.before(call)
    except SysauditError as error:
        note(error, None)
        raise
    started = time.time()
    answer, failure = None, None
    try:
        answer = whole(make())
        note(None, answer)
    except Exception as error:
        failure = error
        _attach(error, "audit_call", call)
        note(error, None)  # first: who learns from it makes calls of its own
        watcher.after(call, error)
        raise
    finally:
        if not isinstance(failure, RefusedByPolicy):
            watcher.record(_exchange(call, params, started, failure, answer))
    return answer


_BARE: Any = (lambda *_: None, lambda answer: answer)
"""What keeps nothing of a call."""


def _attach(error: Exception, name: str, value: object) -> None:
    """Hang *value* on *error*, unless an inner call did so before."""
    if not hasattr(error, name):
        setattr(error, name, value)


def _exchange(
    call: Call, params: Any, started: float, failure: Exception | None, answer: Any
) -> Exchange:
    response = getattr(failure, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return Exchange(
        call=call,
        params=params,
        started=started,
        duration=time.time() - started,
        error=code or (type(failure).__name__ if failure else ""),
        answer=answer,
    )


def key_of(*parts: object) -> str:
    """Return the same text for equal *parts*, whatever the order of their keys."""
    return json.dumps(parts, sort_keys=True, default=str)


def copied(value: Any) -> Any:
    """Return *value* with its lists and dicts copied: what is done to it stays with the caller."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value
