"""Every connection of a run: opened once, shared by all checks, closed at the end."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sysaudit.errors import CannotAssess, SysauditError, Unreachable
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from pytest_sysaudit.aws.session import AwsSession
    from pytest_sysaudit.facts.plan import Plan
    from pytest_sysaudit.host import Host
    from pytest_sysaudit.http.client import HttpClient
    from pytest_sysaudit.inventory.secrets import Secrets
    from pytest_sysaudit.network.sniffer import Sniffer

T = TypeVar("T")
#: Threads that open connections ahead: a dead host costs its timeout once, not once a host.
DIALERS = 64
#: Of these, how many go to one address or jump host: sshd drops some beyond ten (MaxStartups).
DIALERS_AT_ONE_DOOR = 8


class Connections:
    """Opens each target once and remembers what came of it.

    Args:
        targets: every target of the inventory, by name (jump hosts and watchers are among them).
        secrets: where passwords come from.
        transports: further ways to hosts, as `pytest_sysaudit.transport.open_transport` takes them.
        facts: further fact tables, by name.
        plans: what the checks will ask of each host, by name; may be filled until it is opened.
    """

    def __init__(
        self,
        targets: Mapping[str, Target],
        secrets: Secrets,
        *,
        transports: Mapping[str, str | Callable[..., Any]] | None = None,
        facts: Mapping[str, str] | None = None,
        plans: Mapping[str, Plan] | None = None,
    ) -> None:
        self.targets = targets
        self._secrets = secrets
        self._transports = dict(transports or {})
        self._facts = dict(facts or {})
        self._plans = plans if plans is not None else {}
        self._lock = threading.Lock()
        self._futures: dict[str, Future[Any]] = {}
        self._dead: dict[str, str] = {}
        self._told: set[str] = set()

    def host(self, target: Target) -> Host:
        """Return the host of a local or ssh target."""
        return self._open(target, self._new_host)

    def aws(self, target: Target) -> AwsSession:
        """Return the session of an AWS account."""
        return self._open(target, self._new_aws)

    def http(self, target: Target) -> HttpClient:
        """Return the client of an HTTP endpoint."""
        return self._open(target, self._new_http)

    def network(self, target: Target) -> Sniffer:
        """Return the sniffer of a network."""
        return self._open(target, self._new_sniffer)

    def refuse_dead(self, name: str) -> None:
        """Raise if the target *name* is dead: its reason for the first who asks.

        Raises:
            Unreachable: nobody was told yet.
            CannotAssess: somebody was.
        """
        if (reason := self._dead.get(name)) is None:
            return
        with self._lock:
            told = name in self._told
            self._told.add(name)
        raise CannotAssess(f"not assessed: {reason}") if told else Unreachable(reason)

    def bury(self, name: str, reason: str, *, told: bool) -> None:
        """Remember that the target *name* is dead: nothing else is tried on it.

        Args:
            name: the target.
            reason: why.
            told: whether a result says so already.
        """
        self._dead.setdefault(name, reason)
        if told:
            self._told.add(name)

    def dial(self, targets: list[Target]) -> None:
        """Begin to open *targets* in the background; the first check of each waits for it.

        Those that ask somebody for a password are left for later: two questions at once, in the
        middle of what the run shows, could not be answered.
        """
        asking = {target.name for target in self.targets.values() if _asks(target)}
        remote = [
            target
            for target in targets
            if target.kind is Kind.SSH and not asking & {target.name, _jump(target)}
        ]
        slots = threading.Semaphore(DIALERS)
        doors: dict[object, threading.Semaphore] = defaultdict(
            lambda: threading.Semaphore(DIALERS_AT_ONE_DOOR)
        )
        for target in remote:
            door = doors[self._door(target)]
            with self._lock:
                if target.name in self._futures:
                    continue
                future = self._futures[target.name] = Future()
            threading.Thread(
                target=_dial, args=(door, slots, future, self._new_host, target), daemon=True
            ).start()

    def _door(self, target: Target) -> object:
        """Return what is the same for all targets whose connections begin at the same server."""
        seen = {target.name}
        while (jump := _jump(target)) in self.targets and jump not in seen:
            seen.add(jump)
            target = self.targets[jump]
        entry: Any = target.entry
        return jump or (entry.address or target.name, entry.port)

    def states(self) -> dict[str, dict[str, Plain]]:
        """Return what is known of each target that was touched, as JSON data."""
        found: dict[str, dict[str, Plain]] = {}
        for name, future in list(self._futures.items()):
            reason = self._dead.get(name, "")
            identity: Mapping[str, Plain] = {}
            if future.done() and future.exception() is None:
                identity = dict(getattr(_way(future.result()), "identity", None) or {})
            elif future.done():
                reason = reason or str(future.exception()) or repr(future.exception())
            found[name] = {"identity": identity, "reachable": not reason, "reason": reason}
        for name, reason in self._dead.items():
            found.setdefault(name, {"identity": {}, "reachable": False, "reason": reason})
        return found

    def close(self) -> None:
        """Close everything that was opened; errors at the end of a run change nothing."""
        with self._lock:
            futures, self._futures = dict(self._futures), {}
        for future in futures.values():
            if not future.done():
                future.add_done_callback(_close_late)
                continue
            _close_late(future)

    def _open(self, target: Target, make: Callable[[Target], T]) -> T:
        self.refuse_dead(target.name)
        with self._lock:
            future = self._futures.get(target.name)
            mine = future is None
            if future is None:
                future = self._futures[target.name] = Future()
        if mine:
            _fulfil(future, make, target)
        try:
            value: T = future.result()
        except Unreachable as error:
            self.bury(target.name, str(error), told=True)
            raise
        return value

    def _new_host(self, target: Target) -> Host:
        from pytest_sysaudit.host import Host
        from pytest_sysaudit.transport import open_transport

        try:
            transport = open_transport(target, self._secrets, self.targets, extra=self._transports)
        except SysauditError:
            raise
        except (Exception, SystemExit) as error:  # a fault of a transport, maybe not of ours
            words = f"{type(error).__name__}: {error}".rstrip(": ")
            raise Unreachable(
                f"{target.name}: its transport broke while opening: {words}"
            ) from error
        host = Host(target, transport, extra_facts=self._facts, plan=self._plans.get(target.name))
        host.read_ahead()
        return host

    def _new_aws(self, target: Target) -> AwsSession:
        from pytest_sysaudit.aws.session import open_session

        return open_session(target, self._secrets)

    def _new_http(self, target: Target) -> HttpClient:
        from pytest_sysaudit.http.client import open_client

        client = open_client(target, self._secrets)
        client.probe()
        return client

    def _new_sniffer(self, target: Target) -> Sniffer:
        from pytest_sysaudit.network.sniffer import Sniffer

        via = getattr(target.entry, "via", None)
        host = self.host(self.targets[via]) if via else None
        return Sniffer(target, host=host, exercise=lambda: self._exercise(target))

    def _exercise(self, target: Target) -> None:
        """Make traffic that begins while the capture runs: over connections of its own."""
        for name in getattr(target.entry, "exercise", ()):
            try:
                client = self._new_http(self.targets[name])
                try:
                    client.get("/")
                finally:
                    client.close()
            except CannotAssess as error:  # the network is alive, whatever the endpoint is
                raise CannotAssess(f"no traffic could be made to {name}: {error}") from error


def _dial(
    door: threading.Semaphore,
    slots: threading.Semaphore,
    future: Future[T],
    make: Callable[[Target], T],
    target: Target,
) -> None:
    # Behind a door that does not open, nobody waits for those before him to give up.
    passed = door.acquire(timeout=target.setting("connect_timeout"))
    try:
        with slots:
            _fulfil(future, make, target)
    finally:
        if passed:
            door.release()


def _fulfil(future: Future[T], make: Callable[[Target], T], target: Target) -> None:
    try:
        future.set_result(make(target))
    except BaseException as error:  # noqa: BLE001 - it is raised again where the result is asked for
        future.set_exception(error)


def _close_late(future: Future[Any]) -> None:
    if future.exception() is None:
        with contextlib.suppress(Exception):
            _way(future.result()).close()


def _asks(target: Target) -> bool:
    """Whether a secret of *target* is to be typed in."""
    parts = list(target.entry.model_dump(exclude={"vars", "inputs"}).values())
    while parts:
        part = parts.pop()
        if part == "prompt":
            return True
        parts += part.values() if isinstance(part, Mapping) else ()
    return False


def _jump(target: Target) -> str:
    return getattr(getattr(target.entry, "ssh", None), "proxy_jump", None) or ""


def _way(opened: Any) -> Any:
    """Return what holds the connection and knows the identity: a host's transport, else itself."""
    return opened.transport if "transport" in dir(type(opened)) else opened
