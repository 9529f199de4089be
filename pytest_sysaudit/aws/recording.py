"""API calls as observations: what was asked, what AWS answered, and the same again in a replay."""

from __future__ import annotations

import importlib
import json
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from pytest_sysaudit.aws.outcomes import code_of, message_of, status_of
from pytest_sysaudit.aws.typed import from_plain, to_plain, whole
from pytest_sysaudit.errors import CannotAssess, Incomplete, RefusedByPolicy, SysauditError
from pytest_sysaudit.evidence import faults
from pytest_sysaudit.evidence.observation import Observation
from pytest_sysaudit.evidence.trail import used
from pytest_sysaudit.record import Plain
from pytest_sysaudit.text import first_line, shorten

if TYPE_CHECKING:
    from pytest_sysaudit.aws.calls import Call
    from pytest_sysaudit.aws.guard import Policy
    from pytest_sysaudit.evidence.observation import Journal, Player, Stored

Note = Callable[[Exception | None, Mapping[str, Any] | None], None]
"""Takes why a call failed, or what was answered."""
#: What is asked for first of all in a replay: who we are, and where calls go that name no region.
SESSION: Mapping[str, Plain] = {"session": "opened"}
#: Error codes that answer the question: what was asked for is not there.
_ANSWERS = re.compile(r"NoSuch|NotFound|^404$")
#: Of parameters that a message shows.
_LONGEST = 200
_FOREIGN = ("botocore", "boto3", "s3transfer", "builtins")


def asked_of(call: Call, params: Mapping[str, Any]) -> dict[str, Plain]:
    """Return what tells *call* with its parameters from all others of the account."""
    return {
        "service": call.service,
        "operation": call.operation,
        "region": call.region,
        "params": to_plain(dict(params)),
    }


class CallRecorder:
    """Keeps every call of one account, answered or not."""

    def __init__(self, journal: Journal, target: str) -> None:
        self._journal, self._target = journal, target

    def begin(self, call: Call, params: Mapping[str, Any]) -> Note:
        """Return what keeps *call* when it is over, told why it failed or what was answered.

        To be called before the call is made, for boto3 may change the parameters.
        """
        return partial(self._keep, asked_of(call, params), time.time())

    @staticmethod
    def whole(answer: Any) -> Any:
        """Return the answer with its body read; see `typed.whole`."""
        return whole(answer)

    def opened(self, **facts: Plain) -> None:
        """Keep what a replay needs to know of the session itself."""
        now = time.time()
        self._journal.note(
            Observation(kind="api", target=self._target, asked=SESSION, started=now, answer=facts)
        )

    def _keep(
        self,
        asked: Mapping[str, Plain],
        started: float,
        failure: Exception | None,
        answer: Mapping[str, Any] | None,
    ) -> None:
        if isinstance(failure, RefusedByPolicy):
            return  # nothing was asked
        told: dict[str, Any] = {"value": {"answer": to_plain(answer)}, "answer": {"status": 200}}
        if failure is not None:
            told = _of_failure(failure)
        elif answer is not None:
            metadata = answer.get("ResponseMetadata") or {}
            told["answer"] = {"status": metadata.get("HTTPStatusCode", 200)}
        self._journal.note(
            Observation(
                kind="api",
                target=self._target,
                asked=asked,
                started=started,
                duration=time.time() - started,
                **told,
            )
        )


def _of_failure(error: Exception) -> dict[str, Any]:
    if isinstance(error, SysauditError):
        return {"error": faults.to_plain(error)}
    words = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, ClientError):
        code = code_of(error)
        known = bool(_ANSWERS.search(code))
        value = {"response": to_plain(error.response), "operation": error.operation_name}
        answer = {"code": code, "status": status_of(error), "message": message_of(error)}
        return {"value": value, "answer": answer, "error": None if known else words}
    kind = type(error)
    settings = {key: _simple(item) for key, item in getattr(error, "kwargs", {}).items()}
    alone = len(error.args) == 1 and isinstance(error.args[0], str)
    said = error.args[0] if alone else str(error)  # the text of a KeyError has quotes around it
    value = {"raised": [kind.__module__, kind.__qualname__], "message": said}
    return {"value": {**value, "settings": settings}, "error": words}


def _simple(value: Any) -> Plain:
    return value if isinstance(value, (bool, int)) or value is None else str(value)


def told_again(stored: Stored, client: Any, place: str) -> Any:
    """Return the answer in *stored*, or raise what was raised.

    Args:
        stored: a call that was kept.
        client: of boto3, whose classes of exceptions are used.
        place: what messages begin with.

    Raises:
        Incomplete: it was not kept whole.
    """
    if "value" in stored.cut:
        used(stored.id, redacted=True)  # a check that looked at it stands as it was recorded
        raise Incomplete(f"{place}: the recording holds only a part of the answer; see its limits")
    if "value" not in stored.parts:
        raise faults.from_plain(stored.error or {"type": "", "message": f"{place}: no answer"})
    value = json.loads(stored.parts["value"])
    if "response" in value:
        response = from_plain(value["response"])
        kind = client.exceptions.from_code(response.get("Error", {}).get("Code"))
        raise kind(response, value["operation"])
    if "raised" in value:
        raise _raised(value)
    try:
        return from_plain(value["answer"])
    except Incomplete as error:
        used(stored.id, redacted=True)
        raise Incomplete(f"{place}: {error}") from error


def recalled(
    player: Player, policy: Policy, call: Call, params: Mapping[str, Any], client: Any
) -> Any:
    """Return what *call* was answered when it was recorded, or raise what it raised.

    Args:
        player: the recording.
        policy: which calls may be made.
        call: what is asked.
        params: its parameters.
        client: of boto3, whose classes of exceptions are used.

    Raises:
        RefusedByPolicy: it is not a read.
        CannotAssess: it is not in the recording.
    """
    policy.check(call.service, call.operation)
    known = player.find("api", call.target, asked_of(call, params))
    if known is None:
        told = ", ".join(f"{name}={value!r}" for name, value in params.items())
        told = shorten(told, _LONGEST) or "no parameters"
        raise CannotAssess(f"{call} ({told}) is not in the recording")
    return told_again(known, client, str(call))


def _raised(value: Mapping[str, Plain]) -> Exception:
    module, name = value["raised"]
    kind: Any = None
    if module.partition(".")[0] in _FOREIGN:
        kind = getattr(importlib.import_module(module), name, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        text = f"{name}: {first_line(value['message'])}"
        return faults.from_plain({"type": "", "message": text})
    error: Any = kind.__new__(kind, value["message"])
    error.args = (value["message"],)
    error.kwargs = value["settings"]
    return error  # type: ignore[no-any-return]
