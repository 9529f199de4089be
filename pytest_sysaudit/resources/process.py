"""``host.process``: one ps for all processes and all usual fields."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pytest_sysaudit.facts.ps import ALIASES, ProcessTable, Value
from pytest_sysaudit.resources.base import Absent, Module, Source

_START = "%a %b %d %H:%M:%S %Y"
#: Where testinfra's own processes keep how to ask for more.
_MORE = "_get_process_attribute_by_pid"


class Process(dict[str, Any]):
    """One process; the fields of ps(1) are attributes: ``pid``, ``user``, ``comm``, ``args`` ..."""

    def __init__(self, source: Source, fields: Mapping[str, Value]) -> None:
        super().__init__(fields)
        self._source = source

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        known = ALIASES.get(name, name)
        if known in self:
            return self[known]
        return self._ask(name)

    def _ask(self, name: str) -> Any:
        """Ask ps for a field that the table has not, and whether it is the same process still."""
        more = getattr(self._source.testinfra(), _MORE)(self["pid"], name)
        if "lstart" in self and not _together(more["lstart"], self["lstart"]):
            raise Absent(f"{self!r} has ended; {self['pid']} is another process now")
        return more[name]

    def __repr__(self) -> str:
        return f"<process {self['comm']} (pid={self['pid']})>"


def _together(first: str, second: str) -> bool:
    """Whether two starts in the words of ps are the same; its clock may be off by a second."""
    times = [datetime.strptime(text, _START) for text in (first, second)]  # noqa: DTZ007 - no zone
    return abs(times[0] - times[1]) <= timedelta(seconds=2)


class Processes(Module):
    """``host.process``."""

    __slots__ = ()

    def filter(self, **filters: object) -> list[Any]:
        """Return the processes whose fields have these values, as ps writes them.

        Raises:
            Incomplete: the host shows our own processes only.
            CannotAssess: it did not list them.
        """
        table: ProcessTable = self._source.facts().ps
        names = {key: ALIASES.get(key, key) for key in filters}
        if not set(names.values()) <= set(table.names):
            return list(self._source.testinfra().filter(**filters))
        wanted = {names[key]: str(value) for key, value in filters.items()}
        return [Process(self._source, process) for process in table.having(wanted)]

    def get(self, **filters: object) -> Any:
        """Return the only process whose fields have these values.

        Raises:
            Absent: there is none, or there are several.
        """
        found = self.filter(**filters)
        if len(found) == 1:
            return found[0]
        raise Absent(f"Multiple process found: {found}" if found else "No process found")

    def __repr__(self) -> str:
        return "<process>"
