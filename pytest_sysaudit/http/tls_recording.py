"""Facts of a server's TLS as observations, and the same again in a replay."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.errors import CannotAssess, Incomplete
from pytest_sysaudit.evidence.observation import NotRecorded, Observation
from pytest_sysaudit.evidence.trail import collected, used
from pytest_sysaudit.http import failures
from pytest_sysaudit.http.session import TlsInfo, pack, unpack
from pytest_sysaudit.http.suites import Suite
from pytest_sysaudit.http.trust import Trust
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.observation import Journal, Player, Stored

Find = Callable[[], Any]


class FactRecorder:
    """Keeps what is found out about the TLS of one endpoint.

    Args:
        journal: where.
        target: the endpoint's name.
    """

    def __init__(self, journal: Journal, target: str) -> None:
        self._journal, self._target = journal, target

    def find(self, asked: Mapping[str, Plain], find: Find) -> Any:
        """Return what *find* gives, and keep it, or its error."""
        started, error = time.time(), None
        told: dict[str, Any] = {}
        with collected() as inner:
            try:
                value = find()
                told["answer"], told["parts"] = _plain(value)
            except CannotAssess as failure:
                error, told = failure, {"error": failures.to_plain(failure)}
        self._journal.note(
            Observation(
                kind="tls",
                target=self._target,
                asked=asked,
                started=started,
                duration=time.time() - started,
                made_of=tuple(inner.ids),
                **told,
            )
        )
        if error is not None:
            raise error
        return value


class FactPlayer:
    """Tells what was found out about the TLS of one endpoint when it was recorded."""

    def __init__(self, player: Player, target: str) -> None:
        self._player, self._target = player, target

    def find(self, asked: Mapping[str, Plain], _find: Find) -> Any:
        """Return what was found when the same was asked, or raise what was raised."""
        known = self._player.find("tls", self._target, asked)
        if known is None:
            what = " ".join(str(asked[name]) for name in ("fact", "version") if name in asked)
            raise NotRecorded(self._target, f"tls {what} of {asked['place']}")
        if known.error is not None:
            raise failures.from_plain(known.error)
        if known.cut:
            used(known.id, redacted=True)  # a check that looked at it stands as it was recorded
            raise Incomplete(
                f"{self._target}: the recording holds only a part of the certificates of "
                f"{asked['place']}; see its limits"
            )
        return _value(known)


def _plain(value: Any) -> tuple[Plain, dict[str, bytes]]:
    if isinstance(value, TlsInfo):
        plain, parts = pack(value)
        return {"handshake": plain}, parts
    if isinstance(value, Trust):
        return {"trust": value.to_plain()}, {}
    if isinstance(value, Mapping):
        return {"versions": [list(pair) for pair in value.items()]}, {}
    return {"suites": [[suite.code, suite.name] for suite in value]}, {}


def _value(stored: Stored) -> Any:
    ((kind, plain),) = stored.answer.items()
    if kind == "handshake":
        return unpack(plain, stored.parts)
    if kind == "trust":
        return Trust(**plain)
    if kind == "versions":
        return dict(plain)
    return tuple(Suite(*each) for each in plain)
