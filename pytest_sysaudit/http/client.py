"""The HTTP client of one endpoint: a requests.Session that an audit can rely on.

It imports requests, so it is itself imported only when an endpoint is opened.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests

from pytest_sysaudit.errors import CannotAssess, NotApplicable, RefusedByPolicy
from pytest_sysaudit.http.adapter import AuditAdapter, HttpResponse
from pytest_sysaudit.http.exchange import Exchange, Redirect
from pytest_sysaudit.http.failures import Untrusted
from pytest_sysaudit.http.policy import Origin
from pytest_sysaudit.http.recording import ExchangeRecorder, usual_headers
from pytest_sysaudit.http.settings import Settings, read_settings
from pytest_sysaudit.http.tls import TlsProbe, probe_tcp
from pytest_sysaudit.http.tls_recording import FactRecorder
from pytest_sysaudit.http.trust import NO_ISSUER
from pytest_sysaudit.inventory.target import Target

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.observation import Journal
    from pytest_sysaudit.http.tls import Keeper
    from pytest_sysaudit.inventory.secrets import Secrets

_MAX_REDIRECTS = 10


class HttpClient(requests.Session):
    """A ``requests.Session`` for one endpoint of the inventory.

    Paths are joined to ``base_url``: ``""`` is base_url itself, ``"x"`` lies below it, ``"/x"`` at
    the root of the host. Nothing of the environment is used: no proxy, CA bundle or netrc. Bodies
    are read at once, within the limits. Answers are `HttpResponse` objects with ``.tls``,
    ``.exchange`` and ``.redirect_refused``.

    All requests raise `RefusedByPolicy` for methods and hosts that the inventory does not allow,
    `Unreachable`, `Untrusted`, `TimedOut`, `ConnectionLost` or `Incomplete` when no whole answer
    came, and another `CannotAssess` for what is no HTTP.

    Attributes:
        name: the endpoint's name in the inventory.
        base_url: as in the inventory.
        history: every exchange of this client, those that failed too, oldest first.
        identity: ``url``, and after `probe` the ``peer`` that answered.
    """

    def __init__(self, settings: Settings, shared: Shared | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.name, self.base_url = settings.target, settings.base_url
        self.history: list[Exchange] = []
        self._shared = shared or Shared(settings)
        self.trust_env = False
        self.verify = settings.store if settings.verify else False
        self.cert = settings.cert
        self.auth = settings.auth
        self.max_redirects = _MAX_REDIRECTS
        if settings.proxy:
            self.proxies = {"http": settings.proxy, "https": settings.proxy}
        self.headers.update(usual_headers(settings))
        recorder = Recorder(self._shared, self.history)
        self.mount("http://", recorder)
        self.mount("https://", recorder)

    def fork(self) -> HttpClient:
        """Return a client with the same connections, but cookies, headers and history of its own.

        One for each check keeps a check from seeing what another one left behind.
        """
        return HttpClient(self.settings, self._shared)

    @property
    def identity(self) -> Mapping[str, str]:
        """What identifies the endpoint: ``url`` and, once `probe` ran, ``peer``."""
        peer = self._shared.peer
        return {"url": self.base_url, **({"peer": peer} if peer else {})}

    @property
    def tls(self) -> TlsProbe:
        """Facts of the endpoint's TLS, found without trusting it; each is asked for once.

        Raises:
            NotApplicable: base_url is an http:// one.
            CannotAssess: a proxy stands in the way.
        """
        if self.settings.policy.base.scheme != "https":
            raise NotApplicable(f"{self.base_url} is not served over TLS")
        if self.settings.proxy:
            raise CannotAssess(
                f"{self.name}: TLS is not probed through a proxy; audit it from a place that "
                "reaches it directly"
            )
        return self._shared.tls

    @property
    def plain_url(self) -> str:
        """The URL where plain HTTP is expected on the endpoint's host.

        It is base_url itself if that is an http:// one, port 80 if it uses port 443, else the other
        port of the same host that ``allow_hosts`` names.

        Raises:
            NotApplicable: no such port is known.
        """
        base = self.settings.policy.base
        if base.scheme == "http":
            return self.base_url
        if base.standard:
            return f"{dataclasses.replace(base, scheme='http', port=80)}/"
        for entry in self.settings.policy.hosts:
            host, _, port = entry.rpartition(":")
            if host.lower().strip("[]") == base.host and port.isdecimal():
                return f"{Origin('http', base.host, int(port))}/"
        raise NotApplicable(
            f"no plain HTTP port belongs to {base}; if there is one, name it in allow_hosts "
            f"as '{base.host}:8080'"
        )

    def probe(self) -> Mapping[str, str]:
        """Connect once (TCP, then TLS that is not verified) and return `identity`.

        Raises:
            Unreachable: the name is not known, the port refuses, or nothing answers.
        """
        self._shared.probe()
        return self.identity

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        """Send a request; *url* is relative to ``base_url``. All else is as in requests.

        ``timeout`` defaults to the inventory's connect_timeout and read_timeout.
        """
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self.settings.timeout
        there = self.join(url)
        self.settings.policy.require(method, there)
        try:
            response = super().request(method, there, *args, **kwargs)
        except requests.TooManyRedirects as error:
            raise CannotAssess(
                f"{method.upper()} {self.settings.redact(there)}: it redirects in a "
                f"circle, or more than {self.max_redirects} times"
            ) from error
        if not isinstance(response, HttpResponse):
            raise TypeError(f"an adapter of its own answered for {url!r}")
        self._note_redirects(response)
        return response

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send one prepared request, following redirects that stay within the policy."""
        self._shared.adapter.require(request)  # also where an adapter of its own is mounted
        try:
            response = super().send(request, **kwargs)
        except Untrusted as error:
            explained = self._explained(error)
            if explained is error:
                raise
            raise explained from error
        if self._shared.kept and isinstance(response, HttpResponse):  # the same in a replay
            spent = response.exchange.timings.total
            response.elapsed = timedelta(milliseconds=spent)
        return response

    def get(self, url: str | bytes, **kwargs: Any) -> HttpResponse:
        """Send a GET request; see `request`."""
        kwargs.setdefault("allow_redirects", True)
        return self.request("GET", _text(url), **kwargs)

    def head(self, url: str | bytes, **kwargs: Any) -> HttpResponse:
        """Send a HEAD request, not following redirects; see `request`."""
        kwargs.setdefault("allow_redirects", False)
        return self.request("HEAD", _text(url), **kwargs)

    def options(self, url: str | bytes, **kwargs: Any) -> HttpResponse:
        """Send an OPTIONS request; see `request`."""
        kwargs.setdefault("allow_redirects", True)
        return self.request("OPTIONS", _text(url), **kwargs)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where *resp* leads, or None if it leads nowhere or where we may not go."""
        location = super().get_redirect_target(resp)
        if location is None:
            return None
        try:
            refused = self.settings.policy.refusal(urljoin(resp.url, location))
        except ValueError:
            refused = "no URL"
        if refused and isinstance(resp, HttpResponse):
            resp.redirect_refused = location
        return None if refused else location

    def nowhere(self) -> str:
        """Return the path of a page that cannot exist.

        It is always the same for an endpoint, so that findings can be compared from run to run.
        """
        return f"/{hashlib.sha256(self.base_url.encode()).hexdigest()[:24]}"

    def join(self, url: str) -> str:
        """Return the absolute form of *url*."""
        if not url:
            return self.base_url
        folder = self.base_url if self.base_url.endswith("/") else f"{self.base_url}/"
        return urljoin(folder, url)

    def _note_redirects(self, response: HttpResponse) -> None:
        redact = self.settings.redact
        followed = tuple(
            Redirect(
                status=hop.status_code,
                url=redact(hop.url),
                location=redact(hop.headers.get("Location", "")),
            )
            for hop in response.history
        )
        bare = response.exchange
        full = dataclasses.replace(
            bare, redirects=followed, redirect_refused=redact(response.redirect_refused)
        )
        response.exchange = full
        self.history[:] = [full if item is bare else item for item in self.history]

    def _explained(self, error: Untrusted) -> Untrusted:
        """Tell a missing intermediate certificate from an unknown CA, which OpenSSL does not."""
        if error.verify_code not in NO_ISSUER:
            return error
        try:
            trust = self.tls.trust
        except (CannotAssess, NotApplicable):
            return error
        return error if trust.verified else Untrusted(error.place, trust)


class Shared:
    """What all clients of one endpoint share: connections, TLS facts, who answered."""

    def __init__(
        self,
        settings: Settings,
        *,
        journal: Journal | None = None,
        adapter: AuditAdapter | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.settings = settings
        self.recorder = ExchangeRecorder(journal, settings) if journal is not None else None
        self._keeper = keeper
        if journal is not None:
            self._keeper = FactRecorder(journal, settings.target)
        self.adapter = adapter or AuditAdapter(settings.policy, settings.limits, settings.redact)
        self.peer = ""

    @property
    def kept(self) -> bool:
        """Whether this is a run that is recorded, or the replay of one."""
        return self._keeper is not None

    @cached_property
    def tls(self) -> TlsProbe:
        """The probe of the endpoint's TLS."""
        settings, base = self.settings, self.settings.policy.base
        return TlsProbe(
            base.host,
            base.port,
            store=settings.store,
            timeout=settings.timeout[0],
            client_cert=settings.cert,
            keeper=self._keeper,
        )

    def probe(self) -> None:
        """Connect once and note the peer; raises Unreachable."""
        settings, base = self.settings, self.settings.policy.base
        if settings.proxy:
            proxy = urlsplit(settings.proxy)
            port = proxy.port or (443 if proxy.scheme == "https" else 80)
            self.peer = probe_tcp(proxy.hostname or "", port, settings.timeout[0])
        elif base.scheme == "http":
            self.peer = probe_tcp(base.host, base.port, settings.timeout[0])
        else:
            self.peer = self.tls.reach()
        if self.recorder is not None:
            self.recorder.opened(self.peer)


class Recorder(requests.adapters.BaseAdapter):
    """Notes in one client's history what the shared adapter sends for it."""

    def __init__(self, shared: Shared, history: list[Exchange]) -> None:
        super().__init__()
        self._adapter, self._history = shared.adapter, history
        self._kept = shared.recorder

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Send *request*; see `AuditAdapter.send`."""
        try:
            response = self._sent(request, *args, **kwargs)
        except CannotAssess as error:
            if isinstance(exchange := getattr(error, "exchange", None), Exchange):
                self._history.append(exchange)
            raise
        self._history.append(response.exchange)
        return response

    def _sent(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Send *request* and keep the exchange, if anybody does; not what our policy refused."""
        if self._kept is None:
            return self._adapter.send(request, *args, **kwargs)
        asked = self._kept.asked(request)
        try:
            response = self._adapter.send(request, *args, **kwargs)
        except RefusedByPolicy:
            raise
        except CannotAssess as error:
            self._kept.failed(asked, request, error)
            raise
        self._kept.answered(asked, request, response)
        return response

    def close(self) -> None:
        """Close the connections, for all clients of the endpoint; they open again when needed."""
        self._adapter.close()


def open_client(target: Target, secrets: Secrets, *, journal: Journal | None = None) -> HttpClient:
    """Return the client of the HTTP endpoint *target*; nothing is sent yet.

    Args:
        target: the endpoint.
        secrets: where its credentials come from.
        journal: keeps every exchange; None: nobody does.

    Raises:
        SecretError: a secret that the endpoint needs cannot be had.
        CannotAssess: it has no base_url, or a file that it names cannot be used.
    """
    settings = read_settings(target, secrets)
    return HttpClient(settings, Shared(settings, journal=journal))


def _text(url: str | bytes) -> str:
    return url if isinstance(url, str) else url.decode("utf-8")
