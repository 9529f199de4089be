"""What the ssh program of a host does by default, as ``ssh -G`` says of a host nobody named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.reading import ABSENT, complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Our script's exit codes where to ask would run a program, ask a name server, or do what we cannot
#: see before.
_RUNS, _LOOKS_UP, _UNSEEN = 44, 45, 46
_WHY = {
    _RUNS: "ssh -G would run a program (Match exec)",
    _LOOKS_UP: "ssh -G would ask a name server (CanonicalizeHostname)",
    _UNSEEN: "it includes files that may make ssh -G run a program (Match exec)",
}
#: The files of the whole host alone; what a user has in his own is his. ssh -G runs what ``Match
#: exec`` names, and an audit runs nothing. Another ssh (dropbear) knows no -G.
_SCRIPT = Script(f"""command -v ssh >/dev/null || exit {ABSENT}
main=/etc/ssh/ssh_config
[ -f "$main" ] || main=/usr/etc/ssh/ssh_config
[ -f "$main" ] || main=none
[ "$main" = none ] || set -- "$main"
for f in /etc/ssh/ssh_config.d/*.conf /usr/etc/ssh/ssh_config.d/*.conf; do
  [ ! -f "$f" ] || set -- "$@" "$f"
done
for f; do
  while read -r word rest || [ -n "$word" ]; do
    case $word in
      [Mm][Aa][Tt][Cc][Hh]*)
        case $rest in *[Ee][Xx][Ee][Cc]*) echo "$f" >&2; exit {_RUNS} ;; esac ;;
      [Cc][Aa][Nn][Oo][Nn][Ii][Cc][Aa][Ll][Ii][Zz][Ee][Hh]*)
        case $rest in [Nn][Oo]*) ;; *) echo "$f" >&2; exit {_LOOKS_UP} ;; esac ;;
      [Ii][Nn][Cc][Ll][Uu][Dd][Ee]*)
        case $rest in
          /etc/ssh/ssh_config.d/\\*.conf|/usr/etc/ssh/ssh_config.d/\\*.conf) ;;
          ssh_config.d/\\*.conf|/etc/crypto-policies/back-ends/openssh.config) ;;
          *) echo "$f" >&2; exit {_UNSEEN} ;;
        esac ;;
    esac
  done <"$f" || exit
done
ssh -F "$main" -G host.invalid && echo @end && exit
code=$?
case $(ssh -V 2>&1) in *OpenSSH*) exit $code ;; *) exit {ABSENT} ;; esac""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_ALWAYS_THERE = ("stricthostkeychecking", "forwardagent", "forwardx11")


def parse(text: str) -> Mapping[str, str]:
    """Return the settings by their lower-case names, of each its first value.

    Raises:
        CannotAssess: it is cut, or a setting that every ssh has is missing.
    """
    found: dict[str, str] = {}

    def one(line: str) -> None:
        name, _, value = line.partition(" ")
        found.setdefault(name, value.strip())

    parse_lines("ssh -G", "\n".join(complete("ssh -G", text, "@end")), one)
    missing = [name for name in _ALWAYS_THERE if name not in found]
    if missing:
        raise CannotAssess(f"ssh -G: unknown format, no {', '.join(missing)} in it")
    return found


def read(facts: Facts) -> Mapping[str, str]:
    """Ask ssh.

    Raises:
        NotApplicable: there is no OpenSSH client.
        CannotAssess: to ask it would run a program, or ask a name server; or it refuses its files.
    """
    result = facts.run(_SCRIPT)
    if result.exit_code in _WHY:
        raise CannotAssess(f"{result.err.strip()}: {_WHY[result.exit_code]}; audits only read")
    return parse(script(result, "OpenSSH client (ssh)"))
