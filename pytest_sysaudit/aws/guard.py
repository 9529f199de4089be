"""The read-only guard: what is not a read is refused before anything is signed or sent.

Three lines, the first that meets a call refuses it:

1. an event handler on the session, run before parameters are even validated;
2. a base class of every client made from the session, which no event can take out;
3. an event handler of each client right before a request is signed.

All of them hold for what is derived from the session: clients, resources, waiters, paginators,
transfers, presigned URLs and posts. Only IAM is a hard guarantee: whoever reads the credentials
out of the session and speaks to AWS without boto3 is not met here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

from pytest_sysaudit.aws.operations import ALSO_READS, CREDENTIAL_CALLS, NOT_READS, READ_WORDS
from pytest_sysaudit.errors import RefusedByPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which calls may be made.

    Attributes:
        owner: the target's name, for messages; "" outside of a target.
        reads: whether calls that only read are allowed.
        allow: further calls, as ``s3:GetObject`` or ``s3:Get*``; ``*`` never stands for a write.
        deny: calls to refuse whatever else holds, as ``s3:*``.
    """

    owner: str = ""
    reads: bool = True
    allow: frozenset[str] = frozenset()
    deny: Sequence[str] = ()

    def refusal(self, service: str, operation: str) -> str:
        """Return why the call is refused, "" if it is allowed."""
        call = f"{service}:{operation}"
        if any(fnmatchcase(call, pattern) for pattern in self.deny):
            return "the inventory's deny_calls names it"
        if call in self.allow or (
            READ_WORDS.match(operation) and any(fnmatchcase(call, name) for name in self.allow)
        ):
            return ""
        if not self.reads:
            return "only calls that fetch credentials are made here"
        if call in NOT_READS:
            return NOT_READS[call]
        reads = call in ALSO_READS or READ_WORDS.match(operation)
        return "" if reads else "it is not a read"

    def check(self, service: str, operation: str) -> None:
        """Do nothing if the call is allowed.

        Raises:
            RefusedByPolicy: it is not.
        """
        why = self.refusal(service, operation)
        if not why:
            return
        call, place = f"{service}:{operation}", f"{self.owner}: " if self.owner else ""
        message = f"{place}{call} refused, nothing was sent: {why}"
        if not why.startswith("the inventory"):
            entry = f"aws.{self.owner}" if self.owner else "the account"
            message += f"; if this audit needs it, add {call!r} to allow_calls of {entry}"
        raise RefusedByPolicy(message)


#: What boto3's credential chain may call, and nothing else.
CREDENTIALS_ONLY = Policy(reads=False, allow=CREDENTIAL_CALLS)
#: What a session may call that is not made by this package and finds its credentials itself.
READ_ONLY = Policy(allow=CREDENTIAL_CALLS)


def guard(session: Any, policy: Policy) -> None:
    """Let clients made from *session* from now on make only calls that *policy* allows.

    Args:
        session: a boto3 or botocore session.
        policy: the calls that may be made.
    """
    mix_in(session, _guarded(policy))

    def before_anything(model: Any, **_: Any) -> None:
        policy.check(model.service_model.service_name, model.name)

    events_of(session).register_first("provide-client-params", before_anything)


def mix_in(session: Any, base: type) -> None:
    """Put *base* in front of the bases of every client class made from *session* from now on."""

    def insert(base_classes: list[type], **_: Any) -> None:
        base_classes.insert(0, base)

    events_of(session).register("creating-client-class", insert)


def events_of(session: Any) -> Any:
    """Return the event system of a boto3 or botocore session."""
    own = getattr(session, "events", None)
    return own if own is not None else session.get_component("event_emitter")


class Guarded:
    """What every client of a guarded session is an instance of."""


def _guarded(policy: Policy) -> type:
    class GuardedClient(Guarded):
        """Asks the policy in the one method that calls and presigned requests have in common."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            this: Any = self
            service: str = this.meta.service_model.service_name

            def before_signing(operation_name: str, request: Any, **_: Any) -> None:
                policy.check(service, operation_name)
                usual = this.meta.service_model.operation_model(operation_name).http["method"]
                if request.method not in {usual, "GET", "HEAD"}:
                    raise RefusedByPolicy(
                        f"{policy.owner}: {service}:{operation_name} as {request.method} refused, "
                        f"nothing was sent: a read is sent as {usual}"
                    )

            this.meta.events.register_first("before-sign", before_signing)

        def _emit_api_params(self, api_params: Any, operation_model: Any, context: Any) -> Any:
            policy.check(operation_model.service_model.service_name, operation_model.name)
            parent: Any = super()
            return parent._emit_api_params(  # noqa: SLF001 - the method that is overridden
                api_params=api_params, operation_model=operation_model, context=context
            )

    return GuardedClient


@contextmanager
def guard_process(policy: Policy = READ_ONLY) -> Iterator[None]:
    """Refuse calls of every boto3 client of this process, also of ``boto3.client()`` in a check.

    Clients of guarded sessions keep their own policy. Everything is as before when the block ends;
    blocks may be nested, the innermost policy is asked first. boto3 is not loaded for this: if the
    block does so, it is guarded from then on.

    Args:
        policy: the calls that may be made; by default reads, and what fetches credentials.
    """
    with ExitStack() as stack:
        if _CLIENTS in sys.modules:
            stack.enter_context(_guard_clients(policy))
        else:
            door = _Door(lambda: stack.enter_context(_guard_clients(policy)))
            sys.meta_path.insert(0, door)
            stack.callback(sys.meta_path.remove, door)
        yield


@contextmanager
def _guard_clients(policy: Policy) -> Iterator[None]:
    from botocore import client

    # The class is patched, not botocore's list of handlers for new sessions: clients that were
    # made while checks were collected must not escape.
    every_client: Any = client.BaseClient
    emit = every_client._emit_api_params  # noqa: SLF001 - all ways to a request go through it

    def emit_guarded(self: Any, api_params: Any, operation_model: Any, context: Any) -> Any:
        if not isinstance(self, Guarded):
            policy.check(operation_model.service_model.service_name, operation_model.name)
        return emit(self, api_params, operation_model, context)

    every_client._emit_api_params = emit_guarded  # noqa: SLF001
    try:
        yield
    finally:
        every_client._emit_api_params = emit  # noqa: SLF001


_CLIENTS = "botocore.client"


class _Door:
    """Stands first in ``sys.meta_path``; calls *opened* as soon as boto3's clients are loaded."""

    def __init__(self, opened: Callable[[], object]) -> None:
        self._opened = opened

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find boto3's clients where everybody would; the name is that of Python's finders."""
        spec = PathFinder.find_spec(name, path, target) if name == _CLIENTS else None
        loader: Any = spec.loader if spec else None
        if loader is None:
            return None
        load = loader.exec_module

        def load_and_tell(module: Any) -> None:
            load(module)
            self._opened()

        loader.exec_module = load_and_tell
        return spec
