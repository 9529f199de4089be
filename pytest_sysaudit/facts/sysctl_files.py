"""The kernel settings that stand in files, merged as they are at the next start."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.facts.sysctl_keys import path_of
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.text_files import Texts

#: The first of these that has a file of some name hides the others' files of that name.
FOLDERS = (
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
)
#: systemd reads it only through a link among the others; all else reads it last.
MAIN = "/etc/sysctl.conf"
ROWS: Mapping[str, tuple[str, ...]] = {"texts": (*(f"{f}/*.conf" for f in FOLDERS), MAIN)}
#: A file that is a link to /dev/null hides the others too, and is not among the texts.
_SCRIPT = Script(f"""[ ! -d /run/systemd/system ] || echo systemd
for f in {" ".join(f"{f}/*.conf" for f in FOLDERS)}; do
[ ! -c "$f" ] || printf 'mask %s\\n' "$f"
done
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of a file.

    Attributes:
        path: below /proc/sys; may be a pattern.
        value: None for a line ``-key``, which keeps patterns away from the key.
        place: file and line.
    """

    path: str
    value: str | None
    place: str

    @property
    def is_pattern(self) -> bool:
        """Whether it is for every key that fits."""
        return bool(_PATTERN.search(self.path))


@dataclass(frozen=True, slots=True)
class SysctlFiles:
    """What the files say, in the order in which it is applied.

    Attributes:
        settings: those that count.
        unread: those of /etc/sysctl.conf where the start passes that file by.
    """

    settings: tuple[Setting, ...]
    unread: tuple[Setting, ...] = field(default=())

    def merged(self, running: Iterable[str]) -> Mapping[str, Setting]:
        """Return what is set at the start, by path below /proc/sys: the last line counts.

        A key's own line counts more than any pattern, wherever it stands. Patterns are for the
        keys of *running*, the paths that the kernel has.
        """
        own = {setting.path: setting for setting in self.settings if not setting.is_pattern}
        found = {path: setting for path, setting in own.items() if setting.value is not None}
        patterns = [setting for setting in self.settings if setting.is_pattern]
        if patterns:
            names = [path for path in running if path not in own]
            for setting in patterns:
                fits = _expression(setting.path)
                found.update((path, setting) for path in names if fits.fullmatch(path))
        return found


def _expression(pattern: str) -> re.Pattern[str]:
    """Return what *pattern* fits; none of its parts holds a slash."""
    words = re.split(r"(\[[^]/]+\]|[*?])", pattern)
    known = {"*": "[^/]*", "?": "[^/]"}
    parts = [known.get(w) or (_class(w) if w[:1] == "[" else re.escape(w)) for w in words]
    return re.compile("".join(parts))


def _class(words: str) -> str:
    negated = words[1:2] in ("!", "^")
    inside = words[1 + negated : -1].replace("\\", r"\\").replace("^", r"\^")
    return f"[{'^' * negated}{inside}]"


def parse(texts: Mapping[str, Texts], lines: Iterable[str]) -> SysctlFiles:
    """Merge the files of `ROWS`.

    Args:
        texts: by pattern.
        lines: what the script says: ``systemd``, ``mask PATH``.
    """
    lines = list(lines)
    masks = {line.removeprefix("mask ") for line in lines if line.startswith("mask ")}
    chosen: dict[str, Iterable[Setting]] = {}
    for folder in FOLDERS:
        files = texts[f"{folder}/*.conf"]
        here = [path for path in {*files, *masks} if path.rpartition("/")[0] == folder]
        for path in here:
            name = path.rpartition("/")[2]
            chosen.setdefault(name, tuple(_settings(path, files.get(path, ""))))
    settings = [setting for name in sorted(chosen) for setting in chosen[name]]
    main = [s for path, text in texts[MAIN].items() for s in _settings(path, text)]
    if "systemd" not in lines:
        return SysctlFiles((*settings, *main))
    known = {(setting.path, setting.value) for setting in settings}
    return SysctlFiles(tuple(settings), tuple(s for s in main if (s.path, s.value) not in known))


def _settings(path: str, text: str) -> Iterator[Setting]:
    """Yield the settings of one file; lines that sysctl would complain of are none."""
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.strip()
        if not words or words[0] in "#;":
            continue
        key, equals, value = (part.strip() for part in words.partition("="))
        ignored = key.startswith("-")
        key = key.removeprefix("-").strip()
        if key and (equals or ignored):
            place = f"{path}:{number}"
            yield Setting(path_of(key).strip("/"), value if equals else None, place)


def plain_value(value: str) -> str:
    """Return *value* as the kernel would tell it: numbers are decimal, gaps are one blank."""
    return " ".join(map(_plain_word, value.split()))


def _plain_word(word: str) -> str:
    if re.fullmatch(r"[-+]?0[xX][0-9a-fA-F]+", word):
        return str(int(word, 16))
    if re.fullmatch(r"[-+]?0[0-7]+", word):
        return str(int(word, 8))
    return str(int(word)) if re.fullmatch(r"[-+]?\d+", word) else word


def read(facts: Facts) -> SysctlFiles:
    """Read them all.

    Raises:
        Denied: one of them may not be read.
    """
    facts.texts.ask(ROWS["texts"])
    lines = complete("sysctl files", script(facts.run(_SCRIPT), "sysctl files"), "@end")
    return parse({key: facts.texts[key] for key in ROWS["texts"]}, lines)
