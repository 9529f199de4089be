"""Single kernel settings, read by the host's shell itself: no process, however many they are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts.keyed import KeyedTable
from pytest_sysaudit.facts.outcome import Failure
from pytest_sysaudit.transport.base import CommandResult

#: ``read`` is silent about an error and about an empty file alike; then cat tells them apart.
_SCRIPT = r"""g() {
n=0
while IFS= read -r v || [ -n "$v" ]; do printf '%s\n' "$v"; n=1; done <"$1" || return
[ $n = 1 ] || cat "$1"
}
cd /proc/sys || exit
for p in %PATHS%; do
if [ -f "$p" ]; then printf '+'; { g "$p"; } 2>&1; printf '\0%s\0' $?
else printf -- '-'; { true <"$p"; } 2>&1; printf '\0%s\0' $?; fi
done
printf '@end\n'"""
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
    def command(cls, keys: Sequence[str]) -> str:
        """Return the shell lines that read *keys*."""
        words = " ".join(shlex.quote(f"./{path_of(key)}") for key in keys)
        return _SCRIPT.replace("%PATHS%", words)

    @classmethod
    def parse(cls, keys: Sequence[str], result: CommandResult) -> Mapping[str, str | Failure]:
        """Parse its output: value and exit code of each key, then the end mark."""
        *records, end = result.expect(0).out.split("\0")
        if end != "@end\n" or len(records) != 2 * len(keys):
            raise Incomplete("sysctl: the output is not whole (its end mark is missing)")
        pairs = zip(records[::2], records[1::2], strict=True)
        return {key: _row(key, *pair) for key, pair in zip(keys, pairs, strict=True)}


def _row(key: str, text: str, code: str) -> str | Failure:
    there, value = text[0] == "+", text[1:].rstrip("\n")
    if there and code == "0":
        return value
    reason = value.rpartition(": ")[2]
    if not there and _ABSENT.search(reason):
        return NotApplicable(f"this kernel has no setting {key}")
    if _DENIED.search(reason):
        return Denied(f"{key}: permission denied; reading it needs root")
    return CannotAssess(f"{key}: {reason or 'not a setting'}")
