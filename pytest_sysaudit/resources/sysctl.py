"""``host.sysctl(name)``: a kernel setting, read from /proc/sys."""

from __future__ import annotations

from pytest_sysaudit.resources.base import Module, row


class Sysctl(Module):
    """``host.sysctl``."""

    __slots__ = ()

    def __call__(self, name: str) -> int | str:
        """Return the value of *name*, a number if it is one.

        Raises:
            Absent: the kernel has no such setting.
            Denied: it may not be read.
        """
        value: str = row(self._source.facts().sysctl_keys, name)
        try:
            return int(value)
        except ValueError:
            return value

    def __repr__(self) -> str:
        return "<sysctl>"
