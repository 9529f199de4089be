"""What a server's TLS is like: certificate and trust, protocol versions, cipher suites.

Nothing here judges; checks do. A question that got no clear answer raises `CannotAssess`, for
silence is no evidence that a version or a suite is refused.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pytest_sysaudit.errors import CannotAssess, TimedOut, Unreachable
from pytest_sysaudit.evidence.trail import Trail, collected, passed_on
from pytest_sysaudit.http.certificate import Certificate
from pytest_sysaudit.http.failures import Untrusted, translate
from pytest_sysaudit.http.hello import VERSIONS, Answer, Reply, ask
from pytest_sysaudit.http.session import TlsInfo, tls_info
from pytest_sysaudit.http.suites import Suite, all_suites
from pytest_sysaudit.http.trust import WRONG_HOST, Trust, default_store, distrust, load_store
from pytest_sysaudit.lanes import wait
from pytest_sysaudit.record import Plain

#: A server that closes without a word is asked again as often, in case it was an accident.
_AGAIN = 2


def inspect_tls(
    host: str,
    port: int = 443,
    *,
    store: str = "",
    timeout: float = 5.0,
    client_cert: tuple[str, str] | str | None = None,
) -> TlsProbe:
    """Return a probe of the TLS server at *host*:*port*; nothing is sent before it is asked.

    Args:
        host: name or address; also the name that the certificate must be for.
        port: TCP port.
        store: file or folder of CA certificates; "" for the system's.
        timeout: seconds for each connection and each answer.
        client_cert: PEM file with certificate and key, or one file each.
    """
    return TlsProbe(host, port, store=store, timeout=timeout, client_cert=client_cert)


class Keeper(Protocol):
    """What keeps the facts of a probe, or has kept them."""

    def find(self, asked: Mapping[str, Plain], find: Callable[[], Any]) -> Any:
        """Return what *find* gives, or what it gave when it was recorded."""


class TlsProbe:
    """Facts of one TLS server; each is found when it is first asked for, and kept.

    Everything raises `Unreachable` if the port does not take connections, `TimedOut` if nothing
    answers, and other kinds of `CannotAssess` if the answer is not clear.
    """

    def __init__(  # noqa: PLR0913 - four are optional
        self,
        host: str,
        port: int,
        *,
        store: str = "",
        timeout: float = 5.0,
        client_cert: tuple[str, str] | str | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.host, self.port = host, port
        self._store, self._timeout, self._client_cert = store, timeout, client_cert
        self._keeper = keeper
        self._known: dict[str, tuple[Any, Trail]] = {}

    @property
    def place(self) -> str:
        """``host:port``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def reach(self) -> str:
        """Connect, shake hands without verifying, and return the peer's ``address:port``.

        A handshake that the server refuses counts as reached: TLS checks tell more.

        Raises:
            Unreachable: no connection, or nothing came back on it.
        """
        peer = probe_tcp(self.host, self.port, self._timeout)
        try:
            _ = self.handshake
        except TimedOut as error:
            raise Unreachable(f"{self.place}: it takes connections but answers nothing") from error
        except Unreachable:
            raise
        except CannotAssess:
            return peer
        return peer

    @property
    def handshake(self) -> TlsInfo:
        """The best handshake that this python can make, nothing verified."""
        found: TlsInfo = self._fact("handshake", lambda: self._shake(_context()))
        return found

    @property
    def certificate(self) -> Certificate:
        """The server's own certificate."""
        return self.handshake.certificate

    @property
    def chain(self) -> tuple[Certificate, ...]:
        """All certificates that the server sent, its own first."""
        return self.handshake.chain

    @property
    def trust(self) -> Trust:
        """Whether the certificate verifies: trusted CA, in date, for this host's name.

        Sizes and algorithms do not count here: what the local OpenSSL makes of them differs from
        machine to machine, and they are facts of the certificate.
        """
        found: Trust = self._fact("trust", self._find_trust)
        return found

    def _find_trust(self) -> Trust:
        found = self._verify(name=True)
        if found.code not in WRONG_HOST:
            return found
        # OpenSSL looks at the name before the dates and stops there: ask again without the name.
        chain = self._verify(name=False)
        return found if chain.verified else chain

    @property
    def verified(self) -> bool:
        """Whether the certificate verifies; `trust` says why not."""
        return self.trust.verified

    @property
    def versions(self) -> Mapping[str, bool]:
        """Protocol versions, oldest first, and whether the server accepts each.

        SSL 2.0 is not asked for. A server that closes the connection instead of sending an alert
        has refused, if it does so each time and accepts another version in between.
        """
        found: Mapping[str, bool] = self._fact("versions", self._find_versions)
        return found

    def _find_versions(self) -> Mapping[str, bool]:
        answers = {name: self._ask(name, _candidates(name)) for name in VERSIONS}
        if not any(answer.reply is Reply.ACCEPTED for answer in answers.values()):
            told = "; ".join(f"{name}: {_words(answer)}" for name, answer in answers.items())
            raise CannotAssess(f"{self.place}: no TLS version was accepted ({told})")
        return {name: self._clear(name, answer) for name, answer in answers.items()}

    @property
    def suites(self) -> Mapping[str, tuple[Suite, ...]]:
        """The cipher suites that each accepted version accepts, the server's first choice first."""
        return {name: self.suites_of(name) for name, accepted in self.versions.items() if accepted}

    def suites_of(self, version: str) -> tuple[Suite, ...]:
        """Return the suites accepted with *version*: () if the version itself is refused."""

        def find() -> tuple[Suite, ...]:
            return self._enumerate(version) if self.versions[version] else ()

        found: tuple[Suite, ...] = self._fact("suites", find, version=version)
        return found

    def _fact(self, name: str, find: Callable[[], Any], **more: str) -> Any:
        """Return what *find* gave when it was first asked for; errors are not kept.

        Whoever gets it from memory used what it was seen in, too.
        """
        key = " ".join((name, *more.values()))
        if key not in self._known:
            asked: dict[str, Plain] = {"place": self.place, "fact": name, **more}
            try:
                with collected() as seen:
                    self._known[key] = self._find(asked, find), seen
            except CannotAssess:
                passed_on(seen)
                raise
        value, seen = self._known[key]
        passed_on(seen)
        return value

    def _find(self, asked: Mapping[str, Plain], find: Callable[[], Any]) -> Any:
        return find() if self._keeper is None else self._keeper.find(asked, find)

    def to_plain(self) -> dict[str, Plain]:
        """Return all facts as JSON data; asks for those that are not known yet."""
        return {
            "place": self.place,
            "handshake": self.handshake.to_plain(),
            "trust": self.trust.to_plain(),
            "versions": dict(self.versions),
            "suites": {name: [str(s) for s in found] for name, found in self.suites.items()},
        }

    def _enumerate(self, version: str) -> tuple[Suite, ...]:
        """Offer all suites, then all but the chosen one, and so on, until none is accepted."""
        left = _candidates(version)
        found: list[Suite] = []
        while left:
            answer = self._ask(version, left)
            if answer.reply is not Reply.ACCEPTED:
                self._clear(f"{version} with fewer suites", answer)
                self._require_still_there(version, found, answer)
                break
            if answer.suite not in left:
                raise CannotAssess(f"{self.place}: it chose a suite that was not offered")
            found.append(left.pop(answer.suite))
        return tuple(found)

    def _require_still_there(self, version: str, found: list[Suite], answer: Answer) -> None:
        """A server that closes because it had enough of us has not refused what is left."""
        known = {suite.code: suite for suite in found[:1]}
        if not known or (
            answer.reply is Reply.CLOSED and self._ask(version, known).reply is not Reply.ACCEPTED
        ):
            raise CannotAssess(
                f"{self.place}: {version}: it does not take any more what it took before "
                f"({_words(answer)}), so its suites are not all known; it may limit connections"
            )

    def _ask(self, version: str, suites: Mapping[int, Suite]) -> Answer:
        answer = Answer(Reply.CLOSED)
        for _ in range(1 + _AGAIN):
            try:
                place = (self.host, self.port)
                answer = wait(ask, place, self.host, version, list(suites), self._timeout)
            except OSError as error:
                raise _no_connection(error, self.place) from error
            if answer.reply is not Reply.CLOSED:
                break
        return answer

    def _clear(self, what: str, answer: Answer) -> bool:
        """Tell whether *answer* accepts; raises CannotAssess if it says neither yes nor no.

        Only called once the server is known to accept some version.
        """
        if answer.reply in (Reply.SILENT, Reply.UNCLEAR):
            raise CannotAssess(
                f"{self.place}: {what}: no clear answer ({_words(answer)}), so it is not known "
                "whether the server accepts it"
            )
        return answer.reply is Reply.ACCEPTED

    def _verify(self, *, name: bool) -> Trust:
        """Shake hands and verify the chain, and the name too if *name* says so."""
        context = _context()
        load_store(context, self._store or default_store())
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = name
        sent = len(self.handshake.chain_der)
        try:
            self._shake(context, sent=sent)
        except Untrusted as error:
            return error.trust
        return Trust(verified=True)

    def _connect(self, context: ssl.SSLContext) -> TlsInfo:
        """Connect and shake hands, by *context*."""
        try:
            raw = socket.create_connection((self.host, self.port), timeout=self._timeout)
        except OSError as error:
            raise _no_connection(error, self.place) from error
        begin = time.monotonic()
        with raw, context.wrap_socket(raw, server_hostname=self.host) as sock:
            spent = (time.monotonic() - begin) * 1000
            verified = context.verify_mode is ssl.CERT_REQUIRED
            return tls_info(sock, verified=verified, handshake_ms=spent)

    def _shake(self, context: ssl.SSLContext, sent: int | None = None) -> TlsInfo:
        try:
            if self._client_cert:
                pair = self._client_cert
                context.load_cert_chain(*((pair,) if isinstance(pair, str) else pair))
        except OSError as error:
            raise CannotAssess(f"{self.place}: client_cert cannot be used: {error}") from error
        try:
            return wait(self._connect, context)
        except ssl.SSLCertVerificationError as error:
            raise Untrusted(self.place, distrust(error, sent)) from error
        except TimeoutError as error:
            raise TimedOut(
                f"{self.place}: no answer to the TLS handshake within {self._timeout:g} s"
            ) from error
        except (OSError, ValueError) as error:
            raise translate(error, self.place) from error


def probe_tcp(host: str, port: int, timeout: float) -> str:
    """Connect to *host*:*port* once and return the peer as ``address:port``.

    Raises:
        Unreachable: the name is not known, the port refuses, or nothing answers.
    """
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        with socket.create_connection((host, port), timeout=timeout) as sock:
            address, number = sock.getpeername()[:2]
    except OSError as error:
        raise _no_connection(error, place) from error
    return f"[{address}]:{number}" if ":" in address else f"{address}:{number}"


def _no_connection(error: OSError, place: str) -> CannotAssess:
    if isinstance(error, TimeoutError):
        return Unreachable(f"{place}: no answer to the attempt to connect")
    found = translate(error, place)
    return found if isinstance(found, Unreachable) else Unreachable(str(found))


def _context() -> ssl.SSLContext:
    """Return a context that verifies nothing and takes the oldest and weakest there is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    return context


def _candidates(version: str) -> dict[int, Suite]:
    modern = version == "TLSv1.3"
    return {code: suite for code, suite in all_suites().items() if suite.tls13 == modern}


def _words(answer: Answer) -> str:
    return f"{answer.reply}, {answer.detail}" if answer.detail else str(answer.reply)
