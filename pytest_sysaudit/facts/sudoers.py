"""What sudo allows whom, as sudo itself reads its files; where it has no converter, as we do."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.reading import ABSENT, ROOT_ONLY, complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: cvtsudoers comes with sudo (1.8.24 and later), follows includes and refuses broken files; its
#: own settings could hide rules. Without it, as with sudo-rs, the files are printed, included ones
#: where they stand. Which other sources there are, nsswitch.conf says.
_SCRIPT = Script(f"""main=/etc/sudoers
[ -e $main ] || main=/usr/etc/sudoers
[ -e $main ] && command -v sudo >/dev/null || exit {ABSENT}
[ "$(id -u)" = 0 ] || exit {ROOT_ONLY}
if command -v cvtsudoers >/dev/null; then
  cvtsudoers -c /dev/null -e -f json $main || exit
  tool=cvtsudoers
else
  echo @files
  walk() (
    [ "$2" -lt 20 ] && [ -f "$1" ] || {{ echo "$1: too deep, or no file" >&2; exit 1; }}
    cd "${{1%/*}}/" || exit
    while IFS= read -r line || [ -n "$line" ]; do
      case $line in
        [@#]includedir[\\ \\	]*)
          set -f; set -- "$1" "$2" ${{line#?includedir}}; set +f
          for file in "${{3%/}}"/*; do
            case ${{file##*/}} in *~|*.*) continue ;; esac
            [ ! -f "$file" ] || walk "$file" $(($2 + 1)) || exit
          done ;;
        [@#]include[\\ \\	]*)
          set -f; set -- "$1" "$2" ${{line#?include}}; set +f
          walk "$3" $(($2 + 1)) || exit ;;
        *) printf '%s\\n' "$line" ;;
      esac
    done <"$1"
  )
  walk $main 0 || exit
  tool=sudo
fi
echo
echo @version
"$tool" -V </dev/null 2>/dev/null | {{ read -r line; printf '%s\\n' "$line"; }}
while read -r word rest; do
  [ "$word" != sudoers: ] || echo "@sources $rest"
done 2>/dev/null </etc/nsswitch.conf
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
#: What a name of each kind begins with, as in the files.
_MARKS = {"usergroup": "%", "userid": "#", "usergid": "%#", "netgroup": "+", "nonunixgroup": "%:"}
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
#: cvtsudoers writes ``Defaults:root``, for root himself, and ``Defaults>root``, for whoever becomes
#: root, alike.
_ROOT = ("root", "#0")
_AS_ROOT = "everybody who becomes root"
#: Words of nsswitch.conf that are no source.
_NO_SOURCE = re.compile(r"files|compat|\[.*")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: who may run what as whom. ``authenticate`` is None where the rule does not say.

    Groups are written ``%group``, numbers ``#1000``, what is excepted ``!name``.
    """

    users: tuple[str, ...]
    run_as: tuple[str, ...]
    commands: tuple[str, ...]
    authenticate: bool | None = None

    @property
    def is_full(self) -> bool:
        """Whether it gives every command as root, or as everybody."""
        as_root = not self.run_as or bool({"ALL", "root", "#0"} & set(self.run_as))
        return as_root and "ALL" in self.commands


@dataclass(frozen=True, slots=True)
class Default:
    """One option of a Defaults line, and for whom or what it holds; nothing: for everybody."""

    name: str
    value: Any
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sudoers:
    """The rules and options in the order of the files.

    Attributes:
        version: of sudo, as numbers; empty if it does not say.
        software: its first line: ``Sudo version 1.9.13p3``.
        elsewhere: further sources of rules that these files do not show, as ``sss`` and ``ldap``.
    """

    rules: tuple[Rule, ...]
    defaults: tuple[Default, ...]
    version: tuple[int, ...] = ()
    software: str = ""
    elsewhere: tuple[str, ...] = ()

    def without_password(self) -> tuple[str, ...]:
        """Return who may run something without a password, sorted.

        That is by NOPASSWD, by !authenticate, or by membership in the exempt_group. What holds for
        root may hold for everybody who becomes root, and is told so.
        """
        users = {u for rule in self.rules if rule.authenticate is False for u in rule.users}
        for default in self.defaults:
            if default.name == "authenticate" and default.value is False:
                users |= {_AS_ROOT if u in _ROOT else u for u in default.users or ("ALL",)}
            if default.name == "exempt_group" and default.value:
                users.add(f"%{default.value}")
        return tuple(sorted(user for user in users if not user.startswith("!")))

    def option(self, name: str) -> Any:
        """Return the last value of *name* that holds for everybody; None if there is none."""
        values = [d.value for d in self.defaults if d.name == name and not d.users]
        return values[-1] if values else None

    def exceptions(self, name: str, value: object) -> tuple[str, ...]:
        """Return for whom or what *name* is *value*, whatever holds for the others."""
        last = {d.users: d.value for d in self.defaults if d.name == name and d.users}
        return tuple(", ".join(users) for users, found in last.items() if found == value)

    def require_all(self, known: Collection[str] = ()) -> None:
        """Say that these are all rules; raises CannotAssess if another source has some too.

        Args:
            known: sources that are audited elsewhere.
        """
        unknown = [source for source in self.elsewhere if source not in known]
        if unknown:
            where = ", ".join(unknown)
            raise CannotAssess(f"sudo asks {where} for rules too, and those cannot be listed here")


def parse(text: str) -> Sudoers:
    """Parse the JSON of cvtsudoers, or the files, and what stands behind them.

    Raises:
        ValueError: it is not JSON, or a line is none of sudoers.
        LookupError: a rule lacks what every rule has.
    """
    if text.startswith("@files\n"):
        from pytest_sysaudit.facts.sudoers_text import parse_text

        complete("sudoers", text, "@end")
        files, _, tail = text.removeprefix("@files\n").rpartition("\n@version\n")
        rules, defaults = parse_text(files)
    else:
        data, end = json.JSONDecoder().raw_decode(text)
        rules, defaults, tail = tuple(_rules(data)), tuple(_defaults(data)), text[end:]
    software = next((x for x in tail.splitlines() if x[:1] not in ("", "@")), "")
    found = _VERSION.search(software)
    version = tuple(int(part or 0) for part in found.groups()) if found else ()
    sources = [x.split()[1:] for x in tail.splitlines() if x.startswith("@sources")]
    words = dict.fromkeys(word for each in sources for word in each)
    elsewhere = tuple(word for word in words if not _NO_SOURCE.fullmatch(word))
    return Sudoers(rules, defaults, version, software, elsewhere)


def _rules(data: Mapping[str, Any]) -> Iterator[Rule]:
    for spec in data.get("User_Specs", ()):
        users = tuple(_names(spec["User_List"]))
        for command in spec["Cmnd_Specs"]:
            options = {k: v for option in command.get("Options", ()) for k, v in option.items()}
            run_as = (
                *_names(command.get("runasusers", ())),
                *_names(command.get("runasgroups", ())),
            )
            commands = tuple(_names(command["Commands"]))
            yield Rule(users, run_as, commands, options.get("authenticate"))


def _defaults(data: Mapping[str, Any]) -> Iterator[Default]:
    for entry in data.get("Defaults", ()):
        users = tuple(_names(entry.get("Binding", ())))
        for option in entry["Options"]:
            for name, value in option.items():
                if name not in ("operation", "list"):
                    yield Default(name, value, users)


def _names(items: list[Mapping[str, Any]]) -> Iterator[str]:
    for item in items:
        negated = "!" if item.get("negated") else ""
        for kind, value in item.items():
            if kind != "negated":
                yield f"{negated}{_MARKS.get(kind, '')}{value}"


def read(facts: Facts) -> Sudoers:
    """Ask sudo's own converter; where there is none, read the files.

    Raises:
        NotApplicable: there is no sudo.
        Denied: we are not root.
        CannotAssess: the files are broken.
    """
    return parse(script(facts.run(_SCRIPT), "sudo"))
