"""Where packages come from, and what lets in those that nobody signed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.facts.reading import ABSENT, complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.text_files import Texts

_OPTIONS = (
    "APT::Get::AllowUnauthenticated",
    "Acquire::AllowInsecureRepositories",
    "Acquire::AllowWeakRepositories",
    "Acquire::AllowDowngradeToInsecureRepositories",
)
#: The settings in force, of all of apt's own files; only those that we ask for, for others may
#: hold passwords.
_SCRIPT = Script(f"""[ -s /var/lib/dpkg/status ] || {{ echo none; echo @end; exit; }}
if ! command -v apt-config >/dev/null; then
  [ ! -e /etc/apt ] || {{ echo "apt-config is not there" >&2; exit 1; }}
  exit {ABSENT}
fi
apt-config shell {" ".join(f"o{n} {name}" for n, name in enumerate(_OPTIONS))} || exit
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
USES = ("packages",)
_APT = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list")
_DEB822 = "/etc/apt/sources.list.d/*.sources"
_MAIN = ("/etc/dnf/dnf.conf", "/etc/yum.conf", "/etc/zypp/zypp.conf")
_REPOS = ("/etc/yum.repos.d/*.repo", "/etc/zypp/repos.d/*.repo", "/etc/distro.repos.d/*.repo")
#: zypp checks signatures unless told not to, dnf and yum only if they are told to.
_ZYPP = "/etc/zypp/"
_APK = ("/etc/apk/repositories", "/etc/apk/repositories.d/*.list")
_APK_CONFIG = "/etc/apk/config"
ROWS: Mapping[str, Sequence[str]] = {
    "texts": (*_APT, _DEB822, *_MAIN, *_REPOS, *_APK, _APK_CONFIG),
}
_YES = ("1", "yes", "true", "on", "enable", "with", "force")
_LAX = {"trusted", "allow-insecure", "allow-weak", "allow-downgrade-to-insecure"}
_ONE_LINE = re.compile(r"deb(?:-src)?\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)")
_PASSWORD = re.compile(r"(?<=://)[^/\s]*@")  # up to the last one: passwords may hold an @
_SETTING = re.compile(r"""o(\d)=['"]?(.*?)['"]?""")


@dataclass(frozen=True, slots=True)
class Repositories:
    """The repositories of a host.

    Attributes:
        manager: as `Packages.manager`.
        sources: each one that is switched on, without passwords.
        unsigned: what lets in packages without a good signature, and where that stands.
    """

    manager: str
    sources: tuple[str, ...]
    unsigned: tuple[str, ...]


def _shown(url: str) -> str:
    return _PASSWORD.sub("", url)


def _one_lines(texts: Texts) -> Iterator[tuple[str, list[str]]]:
    for path, number, line in texts.lines():
        match = _ONE_LINE.match(line)
        if match is None:
            raise ValueError(f"{path}:{number} is not a source")
        pairs = [option.partition("=") for option in (match[1] or "").split()]
        lax = [f"{k}={v}" for k, _, v in pairs if k.lower() in _LAX and v.lower() in _YES]
        url = f"{_shown(match[2])} {match[3]}"
        yield url, [f"{path}:{number}: {option}" for option in lax]


def _stanzas(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the first line and the fields of each stanza; a value may go on on further lines."""
    fields: dict[str, str] = {}
    first, name = 0, ""
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield first, fields
            fields, first = {}, 0
        elif line[0] in " \t":
            fields[name] = f"{fields.get(name, '')} {line.strip()}".strip()
        else:
            name, _, value = line.partition(":")
            name, first = name.lower(), first or number
            fields[name] = value.strip()


def _deb822(texts: Texts) -> Iterator[tuple[str, list[str]]]:
    for path, text in texts.items():
        for number, fields in _stanzas(text):
            if fields.get("enabled", "yes").lower() in ("no", "false", "0", "off"):
                continue
            lax = [f"{k}: {fields[k]}" for k in sorted(_LAX & fields.keys()) if _on(fields[k])]
            url = f"{_shown(fields.get('uris', ''))} {fields.get('suites', '')}"
            yield url, [f"{path}:{number}: {option}" for option in lax]


def _on(value: str) -> bool:
    return value.strip().lower() in _YES


def _sections(text: str) -> Iterator[tuple[int, str, dict[str, str]]]:
    """Yield the line, the name and the settings of each section of an ini file."""
    start, name, fields = 0, "", dict[str, str]()
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("[") and "]" in line:
            if name:
                yield start, name, fields
            start, name, fields = number, line[1:].partition("]")[0], {}
        elif "=" in line and line[0] not in "#; \t":
            key, _, value = line.partition("=")
            fields[key.strip().lower()] = value.strip()
    if name:
        yield start, name, fields


def _rpm(main: Sequence[Texts], repos: Sequence[Texts]) -> Iterator[tuple[str, list[str]]]:
    """Yield each repository; what it does not say itself, the main section says."""
    usual: dict[str, str] = {}
    for text in next((list(texts.values()) for texts in main if texts), []):
        for _, name, fields in _sections(text):
            usual |= fields if name == "main" else {}
    for texts in repos:
        for path, text in texts.items():
            for number, name, fields in _sections(text):
                if not _on(fields.get("enabled", "1")):
                    continue
                default = "1" if path.startswith(_ZYPP) else ""
                check = fields.get("gpgcheck", usual.get("gpgcheck", default))
                bad = [] if _on(check) else [f"{path}:{number}: [{name}] gpgcheck is {check or 0}"]
                yield f"{name} {_shown(fields.get('baseurl', ''))}".strip(), bad


def _options(text: str) -> list[str]:
    """Return the settings of apt that are on and must not be."""
    found = []
    for line in complete("repositories", text, "@end"):
        match = _SETTING.fullmatch(line)
        if match is None:
            raise ValueError("not a line of apt-config shell")
        if _on(match[2]):
            found.append(f"apt: {_OPTIONS[int(match[1])]} is {match[2]}")
    return found


def read(facts: Facts) -> Repositories:
    """Read the files of the manager that this host has.

    Raises:
        NotApplicable: this host has no package manager, or one without repositories.
    """
    manager = facts.packages.manager
    lax: list[str] = []
    pairs: list[tuple[str, list[str]]] = []
    if manager == "dpkg":
        lax = _options(script(facts.run(_SCRIPT), "apt"))
        for pattern in _APT:
            pairs += _one_lines(facts.texts[pattern])
        pairs += _deb822(facts.texts[_DEB822])
    elif manager == "rpm":
        main = [facts.texts[path] for path in _MAIN]
        pairs += _rpm(main, [facts.texts[pattern] for pattern in _REPOS])
    else:
        lines = [one for pattern in _APK for one in facts.texts[pattern].lines()]
        pairs += [(_shown(line), []) for _, _, line in lines]
        config = facts.texts[_APK_CONFIG].lines()
        lax = [f"{path}:{n}: {line}" for path, n, line in config if "allow-untrusted" in line]
    if not pairs and not lax:
        raise NotApplicable("no repository is configured on this host")
    unsigned = [*lax, *(each for _, bad in pairs for each in bad)]
    return Repositories(manager, tuple(url for url, _ in pairs), tuple(unsigned))
