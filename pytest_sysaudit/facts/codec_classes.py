"""Which classes the data of a recorded fact table may name, and how objects of them are made."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from typing import Any

OURS = "pytest_sysaudit"


class Unknown(Exception):  # noqa: N818 - handled where a table is kept, never shown
    """The value holds something that cannot be written as data, or the data cannot be read."""


def find(module: str, name: str, packages: frozenset[str]) -> Any:
    """Return the class *name* of *module*: a frozen dataclass, a named tuple or an enum.

    Modules of others are not imported for it.

    Raises:
        Unknown: there is none, or it is of none of the *packages*.
    """
    package = module.partition(".")[0]
    if package not in packages:
        raise Unknown(f"{module}.{name}: not of the table's package")
    if package == OURS and module not in sys.modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise Unknown(f"there is no module {module}") from error
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if isinstance(found, type) and (frozen(found) or named(found) or issubclass(found, Enum)):
        return found
    raise Unknown(f"{module}.{name}")


def frozen(kind: type) -> bool:
    """Whether *kind* is a dataclass whose objects do not change."""
    return bool(getattr(getattr(kind, "__dataclass_params__", None), "frozen", False))


def named(kind: type) -> bool:
    """Whether *kind* is a named tuple."""
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def fields_of(kind: type) -> tuple[Field[Any], ...]:
    """Return the fields of a dataclass; none of another class."""
    return fields(kind) if is_dataclass(kind) else ()


def maker(kind: type, names: list[str]) -> Callable[[list[Any]], Any]:
    """Return what makes an object of a frozen dataclass from the values of its fields *names*.

    Its ``__init__`` is not called: the values are those of an object that was made by it. Fields
    that came since then have their defaults.
    """
    now = fields_of(kind)
    order = [each.name for each in now]
    new, put = object.__new__, object.__setattr__

    def make(values: list[Any]) -> Any:
        made: Any = new(kind)
        for name, value in zip(order, values, strict=True):
            put(made, name, value)
        return made

    def make_older(values: list[Any]) -> Any:
        known = dict(zip(names, values, strict=True))
        return make([known[f.name] if f.name in known else _default(f) for f in now])

    # a name may have been taken for a secret: then the place of the field tells which it is
    return make if len(names) == len(order) else make_older


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    if field.default_factory is not MISSING:
        return field.default_factory()
    raise Unknown(f"it has no field {field.name!r}")
