"""What an expression in a test may be, given the test's parameters; no code of the test runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

Params = Mapping[str, Any]
Values = Callable[[Params], tuple[Any, ...]]
"""What an expression may be, given the parameters of a test; () if that is not known."""

#: How many values an expression may have before nobody can say what it will be.
MOST = 2000


def always(value: Any) -> Values:
    """Return a constant."""
    return lambda _: (value,)


def parameter(name: str) -> Values:
    """Return the parameter *name* of the test."""
    return lambda params: (params[name],) if name in params else ()


def items(value: Any) -> Values | None:
    """Return what the loop over *value* yields; None if that is not known."""
    if not callable(value):
        return None
    return lambda params: tuple(
        item
        for thing in value(params)
        if isinstance(thing, (tuple, list, dict, set, frozenset))
        for item in islice(thing, MOST)
    )


def at(value: Values, place: int) -> Values:
    """Return ``value[place]``."""
    return lambda params: tuple(each for thing in value(params) for each in part(thing, place))


def view(value: Values, name: str) -> Values:
    """Return ``value.items()``, or what else *name* says."""
    return lambda params: tuple(
        tuple(getattr(thing, name)()) for thing in value(params) if type(thing) is dict
    )


def part(thing: Any, place: Any) -> Iterator[Any]:
    """Yield ``thing[place]``, if there is such a thing and looking it up runs nobody's code."""
    if type(thing) in (tuple, list, dict):
        try:
            yield thing[place]
        except (LookupError, TypeError):
            return


def subscript(whose: Values, index: Values) -> Values:
    """Return ``whose[index]``."""
    return lambda params: tuple(
        value
        for thing, place in islice(product(whose(params), index(params)), MOST)
        for value in part(thing, place)
    )


def combined(parts: Sequence[Values]) -> Values:
    """Return tuples with one value of each of *parts*."""
    return lambda params: tuple(islice(product(*(each(params) for each in parts)), MOST))


def joined(parts: Sequence[Values]) -> Values:
    """Return the text of *parts* one after the other, as an f-string does."""
    every = combined(parts)
    return lambda params: tuple(
        "".join(map(str, texts))
        for texts in every(params)
        if all(type(text) in (str, int) for text in texts)
    )


def added(left: Values, right: Values) -> Values:
    """Return ``left + right`` of texts and lists."""
    both = combined((left, right))
    return lambda params: tuple(
        a + b for a, b in both(params) if type(a) is type(b) and type(a) in (str, tuple, list)
    )


def either(one: Values, other: Values) -> Values:
    """Return the values of both."""
    return lambda params: one(params) + other(params)
