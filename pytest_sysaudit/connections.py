"""Every connection of a run: opened once, shared by all checks, closed at the end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sysaudit.dialing import Call, Dialer
from pytest_sysaudit.errors import CannotAssess, SysauditError, Unreachable
from pytest_sysaudit.evidence import faults
from pytest_sysaudit.evidence.observation import Observation
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.lanes import wait, wait_for
from pytest_sysaudit.openings import Openings, way
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from pytest_sysaudit.aws.session import AwsSession
    from pytest_sysaudit.evidence.observation import Journal, Player
    from pytest_sysaudit.facts.plan import Plan
    from pytest_sysaudit.facts.tape import Decoder
    from pytest_sysaudit.host import Host
    from pytest_sysaudit.http.client import HttpClient
    from pytest_sysaudit.inventory.secrets import Secrets
    from pytest_sysaudit.network.sniffer import Sniffer
    from pytest_sysaudit.transport.base import Command, Transport

T = TypeVar("T")


class _Interrupted(Exception):  # noqa: N818 - it is handled, never shown
    """Whoever opened it was told to stop; who waits for it tries again."""


class Connections:
    """Opens each target once and remembers what came of it.

    Args:
        targets: every target of the inventory, by name (jump hosts and watchers are among them).
        secrets: where passwords come from.
        transports: further ways to hosts, as `pytest_sysaudit.transport.open_transport` takes them.
        facts: further fact tables, by name.
        plans: what the checks will ask of each host, by name; may be filled until it is opened.
        journal: where all that is seen is kept; None: nowhere.
        player: a recording that answers in place of the targets; None: they are asked.

    Attributes:
        targets: as given.
        evidence: the id of the observation of each target's opening, by name.
    """

    def __init__(  # noqa: PLR0913 - each is optional but for two
        self,
        targets: Mapping[str, Target],
        secrets: Secrets,
        *,
        transports: Mapping[str, str | Callable[..., Any]] | None = None,
        facts: Mapping[str, str] | None = None,
        plans: Mapping[str, Plan] | None = None,
        journal: Journal | None = None,
        player: Player | None = None,
    ) -> None:
        self.targets = targets
        self._secrets = secrets
        self._transports = dict(transports or {})
        self._facts = dict(facts or {})
        self._plans = plans if plans is not None else {}
        self._journal, self._player = journal, player
        self._openings = Openings(journal, player)
        self.evidence = self._openings.evidence
        self._lock = threading.Lock()
        self._futures: dict[str, Future[Any]] = {}
        self._parted: dict[str, dict[str, Plain]] = {}
        self._dead: dict[str, str] = {}
        self._told: set[tuple[str, str]] = set()
        self._dialer: Dialer | None = None
        self._asked_first: dict[object, tuple[Command, ...]] = {}

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

    def refuse_dead(self, name: str, *, asker: str | None = None) -> None:
        """Raise if the target *name* is dead: its reason for the first check of each asker.

        So who is told does not depend on which of several targets comes first.

        Args:
            name: the target.
            asker: the name of the target that is judged; None: *name* itself.

        Raises:
            Unreachable: this asker was not told yet.
            CannotAssess: it was.
        """
        if (reason := self._dead.get(name)) is None:
            return
        key = (name, asker or name)
        with self._lock:
            told = key in self._told
            self._told.add(key)
        raise CannotAssess(f"not assessed: {reason}") if told else Unreachable(reason)

    def bury(self, name: str, reason: str, *, told: bool, asker: str | None = None) -> None:
        """Remember that the target *name* is dead: nothing else is tried on it.

        Args:
            name: the target.
            reason: why.
            told: whether a result of *asker* says so already.
            asker: the name of the target that is judged; None: *name* itself.
        """
        with self._lock:
            self._dead.setdefault(name, reason)
            if told:
                self._told.add((name, asker or name))

    def keep_dead(self, name: str, reason: str) -> None:
        """Record that the target *name* was never tried, and why."""
        if self._journal is not None:
            error = faults.to_plain(Unreachable(reason))
            seen = Observation(
                kind="target", target=name, asked={}, started=time.time(), error=error
            )
            self.evidence[name] = self._journal.note(seen).id

    def dial(self, targets: list[Target]) -> None:
        """Begin to open *targets* in the background; the first check of each waits for it.

        Those that ask somebody for a password are left for later: two questions at once, in the
        middle of what the run shows, could not be answered.
        """
        calls: list[Call] = []
        for target in targets if self._player is None else ():
            if target.kind is not Kind.SSH or self._asks(target):
                continue
            future: Future[Any] = Future()
            with self._lock:
                if target.name in self._futures:
                    continue
                self._futures[target.name] = future
            calls.append(
                Call(
                    name=target.name,
                    open=partial(self._dialed, future, target),
                    door=self._door(target),
                    patience=target.setting("connect_timeout"),
                )
            )
        self._dialer = Dialer(calls)
        self._dialer.start()

    def _dialed(self, future: Future[Any], target: Target) -> bool:
        self._fulfil(future, self._new_host, target)
        return future.exception() is None

    def _asks(self, target: Target) -> bool:
        """Whether a secret is to be typed in on the way to *target*."""
        return any(_asks(step) for step in self._way_to(target))

    def _door(self, target: Target) -> object:
        """Return what is the same for all targets whose connections begin at the same server."""
        *_, first = self._way_to(target)
        entry: Any = first.entry
        return _jump(first) or (entry.address or first.name, entry.port)

    def _way_to(self, target: Target) -> list[Target]:
        """Return *target* and the jump hosts of the inventory before it, the nearest first."""
        way = [target]
        while (jump := _jump(way[-1])) in self.targets and self.targets[jump] not in way:
            way.append(self.targets[jump])
        return way

    def states(self) -> dict[str, dict[str, Plain]]:
        """Return what is known of each target that was touched, as JSON data."""
        found = dict(self._parted)
        found |= {name: self._state_of(name, future) for name, future in [*self._futures.items()]}
        for name, reason in self._dead.items():
            found.setdefault(name, {"identity": {}, "reachable": False, "reason": reason})
        return found

    def _state_of(self, name: str, future: Future[Any]) -> dict[str, Plain]:
        reason = self._dead.get(name, "")
        identity: Mapping[str, Plain] = {}
        if future.done() and future.exception() is None:
            identity = dict(getattr(way(future.result()), "identity", None) or {})
        elif future.done():
            reason = reason or str(future.exception()) or repr(future.exception())
        return {"identity": identity, "reachable": not reason, "reason": reason}

    def part(self, name: str) -> None:
        """Close the target *name*, whose last check is done, and forget what was read of it.

        Who it was stays known, and who asks for it all the same opens it anew.
        """
        with self._lock:
            future = self._futures.get(name)
            if future is None or not future.done():
                return
            self._parted[name] = self._state_of(name, self._futures.pop(name))
        if self._dialer is not None:
            self._dialer.give_back(name)
        if future.exception() is not None:
            return
        if hasattr(type(opened := future.result()), "facts"):
            opened.facts.refresh()  # at once: the garbage collector may come to it late
        if self._player is not None:
            _close_late(future)  # there is nobody to wait for
            return
        threading.Thread(target=_close_late, args=(future,), daemon=True).start()

    def close(self) -> None:
        """Close everything that was opened; errors at the end of a run change nothing."""
        if self._dialer is not None:
            self._dialer.stop()
        with self._lock:
            futures, self._futures = dict(self._futures), {}
        for future in futures.values():
            if not future.done():
                future.add_done_callback(_close_late)
                continue
            _close_late(future)

    def _open(self, target: Target, make: Callable[[Target], T], asker: str | None = None) -> T:
        """Return what *make* gave for *target*; the first who asks makes it, unless dialed.

        Where somebody is asked for a password, the turn is not given away: other lanes would write
        over the question.
        """
        self.refuse_dead(target.name, asker=asker)
        while True:
            with self._lock:
                future = self._futures.get(target.name)
                mine = future is None
                if future is None:
                    future = self._futures[target.name] = Future()
            if not future.done() and self._dialer is not None:
                self._dialer.need(target.name)
            if mine and self._asks(target):
                self._fulfil(future, make, target)
            elif mine:
                wait(self._fulfil, future, make, target)
            try:
                value: T = wait_for(future)
            except _Interrupted:
                continue
            except Unreachable as error:
                self.bury(target.name, str(error), told=False)
                raise error.with_traceback(None)  # noqa: B904 - the same error, to each who asks
            return value

    def _fulfil(self, future: Future[T], make: Callable[[Target], T], target: Target) -> None:
        try:
            value = self._openings.open(make, target)
        except Exception as error:  # noqa: BLE001 - it is raised again where the result is asked for
            future.set_exception(error)
        except BaseException:
            with self._lock:
                if self._futures.get(target.name) is future:
                    del self._futures[target.name]
            future.set_exception(_Interrupted())
            raise
        else:
            future.set_result(value)

    def _new_host(self, target: Target) -> Host:
        from pytest_sysaudit.host import Host

        if self._player is not None:
            from pytest_sysaudit.facts.tape import ReplayTape
            from pytest_sysaudit.transport.replay import ReplayTransport

            return Host(
                target,
                ReplayTransport(target.name, self._player),
                extra_facts=self._facts,
                tape=ReplayTape(target.name, self._player, self._decoder),
            )
        plan, tape = self._plans.get(target.name), None
        transport = self._new_transport(target, plan)
        if self._journal is not None:
            from pytest_sysaudit.facts.tape import RecordingTape
            from pytest_sysaudit.transport.recording import recording

            transport = recording(transport, self._journal)
            tape = RecordingTape(target.name, self._journal)
        host = Host(target, transport, extra_facts=self._facts, plan=plan, tape=tape)
        host.read_ahead()
        return host

    @cached_property
    def _decoder(self) -> Decoder:
        from pytest_sysaudit.facts.tape import Decoder

        return Decoder()

    def _first_asked(self, plan: Plan | None) -> tuple[Command, ...]:
        """Return what a host is asked with the login; most hosts have the same plan."""
        from pytest_sysaudit.facts import TABLES

        if plan is None:
            return ()
        key = (plan.tables, tuple(plan.keys.items()))
        if key not in self._asked_first:
            self._asked_first[key] = plan.commands({**TABLES, **self._facts})
        return self._asked_first[key]

    def _new_transport(self, target: Target, plan: Plan | None) -> Transport:
        from pytest_sysaudit.transport import open_transport

        try:
            return open_transport(
                target,
                self._secrets,
                self.targets,
                extra=self._transports,
                ahead=self._first_asked(plan),
            )
        except SysauditError:
            raise
        except (Exception, SystemExit) as error:  # a fault of a transport, maybe not of ours
            words = f"{type(error).__name__}: {error}".rstrip(": ")
            raise Unreachable(
                f"{target.name}: its transport broke while opening: {words}"
            ) from error

    def _new_aws(self, target: Target) -> AwsSession:
        if self._player is not None:
            from pytest_sysaudit.aws.replay import replay_session

            return replay_session(target, self._player)
        from pytest_sysaudit.aws.session import open_session

        return open_session(target, self._secrets, journal=self._journal)

    def _new_http(self, target: Target) -> HttpClient:
        if self._player is not None:
            from pytest_sysaudit.http.replay import replay_client

            return replay_client(target, self._player)
        from pytest_sysaudit.http.client import open_client

        client = open_client(target, self._secrets, journal=self._journal)
        client.probe()
        return client

    def _new_sniffer(self, target: Target) -> Sniffer:
        from pytest_sysaudit.network.sniffer import Sniffer

        if self._player is not None:
            from pytest_sysaudit.network.replay import replay_sniffer

            return replay_sniffer(target, self._player)
        via = getattr(target.entry, "via", None)
        host = self._open(self.targets[via], self._new_host, target.name) if via else None
        exercise = partial(self._exercise, target)
        return Sniffer(target, host=host, exercise=exercise, journal=self._journal)

    def _exercise(self, target: Target) -> None:
        """Make traffic that begins while the capture runs: over connections of its own.

        It is no evidence of the endpoint, and nothing of it is kept.
        """
        from pytest_sysaudit.http.client import open_client

        for name in getattr(target.entry, "exercise", ()):
            try:
                client = open_client(self.targets[name], self._secrets)
                try:
                    client.probe()
                    client.get("/")
                finally:
                    client.close()
            except CannotAssess as error:  # the network is alive, whatever the endpoint is
                raise CannotAssess(f"no traffic could be made to {name}: {error}") from error


def _close_late(future: Future[Any]) -> None:
    if future.exception() is None:
        with contextlib.suppress(Exception):
            way(future.result()).close()


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
