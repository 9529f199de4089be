"""A list that answers "nothing there" only where that may be concluded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.record import Plain

T_co = TypeVar("T_co", covariant=True)

SHOWN = 10


class Sightings(Sequence[T_co], Generic[T_co]):
    """What was seen in a capture; absence is only stated if the capture allows it.

    If packets may have been missed, or none were seen at all, then an empty one refuses
    ``not seen``, ``seen == []`` and iteration with `Incomplete`, while one that holds something
    answers as any sequence does, but for ``len(seen)``: how many there were is not known, and
    ``len(seen) < 5`` would be a statement about absence. What comes to an end without a find (a
    loop over all, ``x in seen``) is one as well and is refused in the same way; `where` and `none`
    keep the distinction, and `seen` is what was seen, without any promise.

    Attributes:
        doubt: why absence proves nothing; "" if it does.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, items: Sequence[T_co], doubt: str = "") -> None:
        self._items = items
        self.doubt = doubt

    def _settle(self) -> None:
        if self.doubt:
            raise Incomplete(self.doubt)

    @property
    def seen(self) -> tuple[T_co, ...]:
        """What was seen, as a plain tuple that promises nothing about what is not in it."""
        return tuple(self._items)

    def where(self, predicate: Callable[[T_co], bool]) -> Sightings[T_co]:
        """Return those that *predicate* holds for, with the same doubt."""
        return Sightings([item for item in self._items if predicate(item)], self.doubt)

    def none(self, predicate: Callable[[T_co], bool] | None = None) -> bool:
        """Say whether nothing was seen (that *predicate* holds for).

        Raises:
            Incomplete: nothing was seen, and that proves nothing.
        """
        return not (self if predicate is None else self.where(predicate))

    def to_plain(self) -> list[Plain]:
        """Return JSON data of what was seen."""
        items = self._items
        return [item.to_plain() if hasattr(item, "to_plain") else _show(item) for item in items]

    def __bool__(self) -> bool:
        if not self._items:
            self._settle()
        return bool(self._items)

    def __len__(self) -> int:
        self._settle()
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> Sightings[T_co]: ...
    def __getitem__(self, index: int | slice) -> T_co | Sightings[T_co]:
        if isinstance(index, slice):
            return Sightings(self._items[index], self.doubt)
        try:
            return self._items[index]
        except IndexError:
            self._settle()
            raise

    def __iter__(self) -> Iterator[T_co]:
        yield from self._items
        self._settle()

    def __reversed__(self) -> Iterator[T_co]:
        yield from reversed(self._items)
        self._settle()

    def __contains__(self, value: object) -> bool:
        if value in self._items:
            return True
        self._settle()
        return False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        items = other.seen if isinstance(other, Sightings) else tuple(other)
        if all(item in items for item in self._items):  # the rest would be a matter of absence
            self._settle()
        return self.seen == items

    def __str__(self) -> str:
        shown = [_show(item) for item in self._items[:SHOWN]]
        if len(self._items) > SHOWN:
            shown.append(f"and {len(self._items) - SHOWN} more")
        return ", ".join(shown)

    def __repr__(self) -> str:
        what = f"{len(self._items)} seen: {self}" if self._items else "none seen"
        return f"<{what}{f' ({self.doubt})' if self.doubt else ''}>"


def _show(item: Any) -> str:
    """Return one line; the ``str`` of a scapy packet would be its bytes."""
    return str(item.summary() if hasattr(item, "summary") else item)
