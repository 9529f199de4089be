"""What may be sent where: methods, hosts, and who gets to see credentials."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pytest_sysaudit.errors import RefusedByPolicy

_PORTS = {"http": 80, "https": 443}
#: Headers that let a server take a request for one of another method.
_OVERRIDES = frozenset({"x-http-method", "x-http-method-override", "x-method-override"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host (lower case, no brackets) and port of a URL."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Return the origin of *url*; raises ValueError if it is not an http or https URL."""
        parts = urlsplit(url)
        scheme, host = parts.scheme.lower(), (parts.hostname or "").rstrip(".")
        if scheme not in _PORTS or not host:
            raise ValueError("not an http or https URL")
        if parts.username is not None or set(parts.netloc) & set("\\@"):
            raise ValueError("it has a user name or a backslash before the host")
        return cls(scheme, host, parts.port if parts.port is not None else _PORTS[scheme])

    @property
    def place(self) -> str:
        """``host:port``, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def standard(self) -> bool:
        """Whether the port is the scheme's own."""
        return self.port == _PORTS[self.scheme]

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.standard else f":{self.port}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What one endpoint's inventory entry allows.

    Attributes:
        target: the endpoint's name, for messages.
        base: where its base_url points.
        methods: the HTTP methods that may be sent.
        hosts: further hosts, as ``host`` (any port) or ``host:port``.
        secret_headers: names of headers, lower case, that only the endpoint itself may see.
        own_host: the Host header that the inventory itself sets; "" if it sets none.
        proxy: the URL of the inventory's proxy, the only one that is used; "" for none.
    """

    target: str
    base: Origin
    methods: Collection[str]
    hosts: Collection[str] = ()
    secret_headers: Collection[str] = ()
    own_host: str = ""
    proxy: str = ""

    def refusal(self, url: str) -> str:
        """Say why *url* may not be asked; "" if it may."""
        try:
            there = Origin.of(url)
        except ValueError as error:
            return f"{url!r} is refused: {error}"
        if there == self.base or self._twin(there):
            return ""
        if {there.host, there.place} & {host.lower().strip("[]") for host in self.hosts}:
            return ""
        if there.place in self.hosts or f"{there.host}:{there.port}" in self.hosts:
            return ""
        return (
            f"{there} is outside of {self.target} ({self.base}); "
            f"if the audit may reach it, add {there.place!r} to its allow_hosts"
        )

    def require(self, method: str, url: str) -> None:
        """Refuse what the inventory does not allow.

        Raises:
            RefusedByPolicy: the method, or the place of *url*.
        """
        if method.upper() not in self.methods:
            allowed = ", ".join(self.methods) or "nothing"
            raise RefusedByPolicy(
                f"{method.upper()} {url} was not sent: the inventory allows {self.target} only "
                f"{allowed}; if it is harmless there, add it to allow_methods"
            )
        why = self.refusal(url)
        if why:
            raise RefusedByPolicy(f"{method.upper()} was not sent: {why}")

    def require_headers(self, url: str, headers: Mapping[str, str | bytes]) -> None:
        """Refuse headers that ask for another method, or another host, than the request itself.

        Raises:
            RefusedByPolicy: the inventory does not allow what they ask for.
        """
        for name, value in headers.items():
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            if name.lower() in _OVERRIDES:
                self.require(text.strip(), url)
            elif name.lower() == "host" and (why := self.refusal(self._named(url, text))):
                raise RefusedByPolicy(f"a request with Host: {text} was not sent: {why}")

    def require_proxy(self, proxy: str | None) -> None:
        """Refuse a proxy that the inventory does not name: it would see all that is sent.

        Raises:
            RefusedByPolicy: *proxy* is not the one of the inventory.
        """
        if proxy and proxy != self.proxy:
            raise RefusedByPolicy(
                f"nothing was sent through the proxy {proxy}: the inventory names "
                f"{self.proxy or 'none'} for {self.target}; set proxy there"
            )

    def _named(self, url: str, host: str) -> str:
        """Return the URL that a request to *url* with the header ``Host: host`` asks for."""
        return url if host == self.own_host else f"{urlsplit(url).scheme}://{host}/"

    def trusts(self, url: str, host: str = "") -> bool:
        """Tell whether *url* may see credentials: the endpoint itself, or its https form.

        *host* is the Host header, if the request has one of its own.
        """
        if host:
            url = self._named(url, host)
        there = Origin.of(url)
        upgraded = self.base.standard and there.standard and there.scheme == "https"
        return there == self.base or (upgraded and there.host == self.base.host)

    def _twin(self, there: Origin) -> bool:
        """Tell whether *there* is the same host by the other scheme."""
        if there.host != self.base.host or there.scheme == self.base.scheme:
            return False
        return there.scheme == "https" or (self.base.standard and there.standard)
