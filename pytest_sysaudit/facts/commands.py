"""Which commands a host has: asked of its shell, which starts no process for it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.facts.keyed import KeyedTable
from pytest_sysaudit.transport.base import CommandResult, Script


class Commands(KeyedTable[str]):
    """``facts.commands["nft"]``: what ``command -v`` says, mostly a path; "" if there is none."""

    NAME = "commands"

    @classmethod
    def command(cls, keys: Sequence[str]) -> Script:
        """Return the shell lines that look for *keys*."""
        words = " ".join(map(shlex.quote, keys))
        text = f"for c in {words}; do command -v -- \"$c\"; printf '\\0'; done\nprintf '@end\\n'"
        return Script(text)

    @classmethod
    def parse(cls, keys: Sequence[str], result: CommandResult) -> Mapping[str, str]:
        """Parse its output: one record for each name, then the end mark."""
        *records, end = result.expect(0).out.split("\0")
        if end != "@end\n" or len(records) != len(keys):
            raise Incomplete("commands: the output is not whole (its end mark is missing)")
        return {key: record.rstrip("\n") for key, record in zip(keys, records, strict=True)}
