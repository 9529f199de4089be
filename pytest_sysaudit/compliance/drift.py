"""How results differ from those of an earlier run.

A result is the same one if control, target, parameters and resource are; where its check is
written does not count, so checks may be moved and renamed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_sysaudit.record import Plain, Verdict

Row = Mapping[str, Plain]
Key = tuple[str, str, str, tuple[tuple[str, str], ...]]
NEW, FIXED, UNCHANGED, CHANGED = STATES = ("new", "fixed", "unchanged", "changed")
"""What a result can be against an earlier one."""
GONE = "gone"
_FINDINGS = frozenset({Verdict.FAIL.value, Verdict.ERROR.value})
_RIGHT = frozenset({Verdict.PASS.value, Verdict.NOT_APPLICABLE.value})
_GONE = ("control", "check", "target", "resource", "params", "verdict")


@dataclass(frozen=True, slots=True)
class Drift:
    """How results differ from earlier ones.

    Attributes:
        states: one of `STATES` for each result, in their order.
        before: the earlier result for each; None where there was none.
        gone: the earlier results that are not there any more, sorted.
    """

    states: tuple[str, ...]
    before: tuple[Row | None, ...]
    gone: tuple[Row, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each."""
        found = Counter(self.states)
        return {**{state: found[state] for state in STATES}, GONE: len(self.gone)}

    def to_plain(self, baseline: Mapping[str, str]) -> dict[str, Plain]:
        """Return what the document says about it.

        Args:
            baseline: ``path``, ``run``, ``started`` and ``sha256`` of the earlier run.
        """
        gone = [{name: row[name] for name in _GONE} for row in self.gone]
        return {"baseline": dict(baseline), "counts": self.counts, "gone": gone}


def compare(earlier: Iterable[Row], now: Sequence[Row]) -> Drift:
    """Compare results.

    Args:
        earlier: the ``results`` of a document, or what is left of them: ``control``, ``check``,
            ``target``, ``resource``, ``params``, ``verdict``, ``message`` and ``observed``.
        now: the ``results`` of another one.

    Returns:
        A state for each of *now*. ``new``: it fails, or could not be assessed, and that was not so
        before; or there was none. ``fixed``: it did, and now passes or is not applicable.
        ``changed``: another verdict otherwise, or another message or observed value.
    """
    known: dict[Key, list[Row]] = {}
    for row in earlier:
        known.setdefault(_key(row), []).append(row)
    here: dict[Key, list[int]] = {}
    for number, row in enumerate(now):
        here.setdefault(_key(row), []).append(number)
    before: list[Row | None] = [None] * len(now)
    gone: list[Row] = []
    for key, numbers in here.items():
        left = known.pop(key, [])
        for number, row in _pairs([(n, now[n]) for n in numbers], left):
            before[number] = row
        gone += left
    for rows in known.values():
        gone += rows
    states = tuple(_state(old, new) for old, new in zip(before, now, strict=True))
    return Drift(states, tuple(before), tuple(sorted(gone, key=_order)))


def _key(row: Row) -> Key:
    params = row["params"]
    return row["control"], row["target"], row["resource"], tuple(sorted(params.items()))


def _order(row: Row) -> tuple[str, ...]:
    params = ",".join(f"{name}={value}" for name, value in sorted(row["params"].items()))
    names = ("target", "control", "check")
    return (*(str(row[name]) for name in names), params, str(row["resource"]), str(row["verdict"]))


def _pairs(numbered: list[tuple[int, Row]], left: list[Row]) -> Iterator[tuple[int, Row]]:
    """Yield who belongs together of results with one key; take those out of *left*.

    The same check counts first, then the order.
    """
    if len(numbered) == len(left) == 1:
        yield numbered[0][0], left.pop()
        return
    others = []
    for number, row in numbered:
        same = next((n for n, old in enumerate(left) if old["check"] == row["check"]), None)
        if same is None:
            others.append(number)
        else:
            yield number, left.pop(same)
    for number in others:
        if not left:
            return
        yield number, left.pop(0)


def _state(old: Row | None, new: Row) -> str:
    if old is None:
        return NEW
    was, now = old["verdict"], new["verdict"]
    if was == now:
        same = old["message"] == new["message"] and old["observed"] == new["observed"]
        return UNCHANGED if same else CHANGED
    if now == Verdict.FAIL or (now == Verdict.ERROR and was not in _FINDINGS):
        return NEW  # what could not be assessed and now fails is a finding that was not there
    return FIXED if was in _FINDINGS and now in _RIGHT else CHANGED
