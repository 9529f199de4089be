"""Single kernel settings, one process for all that are asked for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts.keyed import KeyedTable
from pytest_sysaudit.facts.outcome import Failure
from pytest_sysaudit.facts.reading import script
from pytest_sysaudit.transport.base import CommandResult, Script

#: One grep for all that are there: the shell's own ``read`` takes a byte at a time, and the kernel
#: gives the first byte of a number only. Of a path that is not there, the shell says why. grep's
#: code 2 means that some could not be read; beyond that it was killed, or is not there.
_SCRIPT = r"""cd /proc/sys || exit
for p in %PATHS%; do
if [ -f "$p" ]; then set -- "$@" "$p"; printf '+\0'
else { true <"$p"; } 2>&1; printf '\0'; fi
done
[ $# = 0 ] || grep -H '' -- "$@" || [ $? -le 2 ] || exit
printf '\0@end\n'"""
_FAILED = re.compile(r"grep: (\./.*): (.+)$", re.MULTILINE)
_ABSENT = re.compile("no such file|not a directory|nonexistent", re.IGNORECASE)
_DENIED = re.compile("permission denied|operation not permitted", re.IGNORECASE)


def path_of(key: str) -> str:
    """Return the path below /proc/sys of *key*, as sysctl(8) takes it.

    Whichever of ``.`` and ``/`` comes first separates; the other one is then a dot in a name:
    ``net.ipv4.conf.eth0/7.rp_filter`` and ``net/ipv4/conf/eth0.7/rp_filter`` are the same.
    """
    first = next((character for character in key if character in "./"), ".")
    return key if first == "/" else key.translate(str.maketrans("./", "/."))


class SysctlKeys(KeyedTable[str]):
    """``facts.sysctl_keys["kernel.ostype"]``; NotApplicable if the kernel has no such setting.

    A value of several lines keeps them, without the last newline.
    """

    NAME = "sysctl_keys"

    @classmethod
    def command(cls, keys: Sequence[str]) -> Script:
        """Return the shell lines that read *keys*."""
        words = " ".join(map(shlex.quote, _paths(keys)))
        return Script(_SCRIPT.replace("%PATHS%", words))

    @classmethod
    def parse(cls, keys: Sequence[str], result: CommandResult) -> Mapping[str, str | Failure]:
        """Parse its output: a record for each key, ``path:value`` lines, and the end mark."""
        *records, lines, end = script(result, "sysctl").split("\0")
        paths = _paths(keys)
        if end != "@end\n" or len(records) != len(paths):
            raise Incomplete("sysctl: the output is not whole (its end mark is missing)")
        said = dict(zip(paths, records, strict=True))
        values = dict.fromkeys((path for path in paths if said[path] == "+"), "")
        for path, value in _values(lines, values):
            values[path] = f"{values[path]}\n{value}" if values[path] else value
        refused = dict(_FAILED.findall(result.err))
        return {key: _row(key, values, said, refused) for key in keys}


def _paths(keys: Sequence[str]) -> list[str]:
    """Return each file once: two spellings of a key may name the same."""
    return list(dict.fromkeys(f"./{path_of(key)}" for key in keys))


def _row(
    key: str, values: Mapping[str, str], said: Mapping[str, str], refused: Mapping[str, str]
) -> str | Failure:
    path = f"./{path_of(key)}"
    if path in refused:
        return _refused(key, refused[path])
    return values[path] if path in values else _missing(key, said[path])


def _values(text: str, paths: Collection[str]) -> Iterator[tuple[str, str]]:
    """Return path and value of each line of grep; both may hold a colon."""
    for line in text.removesuffix("\n").split("\n") if text else ():
        parts = line.split(":")
        path = next(p for p in accumulate(parts, lambda a, b: f"{a}:{b}") if p in paths)
        yield path, line[len(path) + 1 :]


def _missing(key: str, words: str) -> Failure:
    reason = words.strip().rpartition(": ")[2]
    if _ABSENT.search(reason):
        return NotApplicable(f"this kernel has no setting {key}")
    return _refused(key, reason)


def _refused(key: str, reason: str) -> Failure:
    if _DENIED.search(reason):
        return Denied(f"{key}: permission denied; reading it needs root")
    return CannotAssess(f"{key}: {reason or 'not a setting'}")
