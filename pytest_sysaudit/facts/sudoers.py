"""Who may become whom without a password, as sudo itself reads its files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.facts.reading import ABSENT, ROOT_ONLY, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: cvtsudoers comes with sudo (1.8.24 and later), follows includes and refuses broken files.
_SCRIPT = Script(f"""[ -e /etc/sudoers ] && command -v sudo >/dev/null || exit {ABSENT}
[ "$(id -u)" = 0 ] || exit {ROOT_ONLY}
cvtsudoers -f json /etc/sudoers""")
ASKS: tuple[Command, ...] = (_SCRIPT,)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: who may run what as whom. ``authenticate`` is None where the rule does not say.

    Groups are written ``%group``, all other kinds by their value alone.
    """

    users: tuple[str, ...]
    run_as: tuple[str, ...]
    commands: tuple[str, ...]
    authenticate: bool | None = None


@dataclass(frozen=True, slots=True)
class Default:
    """One option of a Defaults line, and for whom it holds; no users: for everybody."""

    name: str
    value: Any
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sudoers:
    """The rules and options in the order of the files."""

    rules: tuple[Rule, ...]
    defaults: tuple[Default, ...]

    def without_password(self) -> tuple[str, ...]:
        """Return who may run something without a password, sorted.

        That is by NOPASSWD, by !authenticate, or by membership in the exempt_group.
        """
        users = {u for rule in self.rules if rule.authenticate is False for u in rule.users}
        for default in self.defaults:
            if default.name == "authenticate" and default.value is False:
                users |= set(default.users or ("ALL",))
            if default.name == "exempt_group" and default.value:
                users.add(f"%{default.value}")
        return tuple(sorted(users))


def parse(text: str) -> Sudoers:
    """Parse the JSON of cvtsudoers.

    Raises:
        ValueError: it is not JSON.
        LookupError: a rule lacks what every rule has.
    """
    data = json.loads(text)
    rules = []
    for spec in data.get("User_Specs", ()):
        users = tuple(_names(spec["User_List"]))
        for command in spec["Cmnd_Specs"]:
            options = {k: v for option in command.get("Options", ()) for k, v in option.items()}
            run_as = (
                *_names(command.get("runasusers", ())),
                *_names(command.get("runasgroups", ())),
            )
            commands = tuple(_names(command["Commands"]))
            rules.append(Rule(users, run_as, commands, options.get("authenticate")))
    return Sudoers(tuple(rules), tuple(_defaults(data.get("Defaults", ()))))


def _defaults(entries: list[Mapping[str, Any]]) -> Iterator[Default]:
    for entry in entries:
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
                yield f"{negated}{'%' if kind == 'usergroup' else ''}{value}"


def read(facts: Facts) -> Sudoers:
    """Ask sudo's own converter.

    Raises:
        NotApplicable: there is no sudo.
        Denied: we are not root.
        CannotAssess: the files are broken, or sudo is older than 1.8.24.
    """
    return parse(script(facts.run(_SCRIPT), "sudo"))
