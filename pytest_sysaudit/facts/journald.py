"""How systemd's journal is set up, and where it is written in fact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.reading import ABSENT, complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: The first folder wins where two have a file of the same name.
_FOLDERS = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")
_MAIN = tuple(f"{folder}/journald.conf" for folder in _FOLDERS)
_DROPINS = tuple(f"{folder}/journald.conf.d/*.conf" for folder in _FOLDERS)
ROWS: Mapping[str, Sequence[str]] = {"texts": (*_MAIN, *_DROPINS)}
#: What is there but is no file is a link to /dev/null: it masks files of that name.
_SCRIPT = Script(f"""[ -d /run/systemd/journal ] || exit {ABSENT}
for f in {" ".join(_DROPINS)}; do
  if [ -e "$f" ] && [ ! -f "$f" ]; then printf 'masked %s\\n' "$f"; fi
done
for d in /var/log/journal /run/log/journal; do
  [ -d $d ] || continue
  echo "folder $d"
  [ -r $d ] && [ -x $d ] || echo "denied $d"
  for f in $d/*/system.journal; do [ -e "$f" ] && printf 'journal %s\\n' "$f"; done
done
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)


@dataclass(frozen=True, slots=True)
class Journald:
    """The journal.

    Attributes:
        settings: by name, as in the section [Journal]; those that no file sets are not there.
        places: the file that each setting comes from.
        on_disk: whether there is a folder for journals on disk.
        journals: the journals that are written now.
        denied: folders of journals that we may not look into.
    """

    settings: Mapping[str, str]
    places: Mapping[str, str]
    on_disk: bool
    journals: tuple[str, ...]
    denied: tuple[str, ...] = ()

    def on(self, name: str) -> bool:
        """Whether the setting *name*, a switch that is on where nobody sets it, is on."""
        return self.settings.get(name, "yes").lower() not in ("no", "n", "false", "f", "off", "0")

    @property
    def is_persistent(self) -> bool:
        """Whether a journal is written on disk."""
        return any(path.startswith("/var/log/") for path in self.journals)


def merged(
    main: Sequence[Mapping[str, str]],
    dropins: Sequence[Mapping[str, str]],
    masked: Sequence[str] = (),
) -> Iterator[tuple[str, str, str]]:
    """Yield path, name and value of each setting, in the order in which they come into force.

    Args:
        main: the main file of each folder, by path.
        dropins: the further files of each folder, by path; they come after the main file, sorted
            by name.
        masked: further files that are switched off.
    """
    first = next((texts for texts in main if texts), {})
    for path, text in first.items():
        yield from _settings(path, text)
    by_name: dict[str, tuple[str, str]] = {}
    for number, texts in enumerate(dropins):
        folder = _FOLDERS[number]
        off = [(path, "") for path in masked if path.startswith(f"{folder}/journald.conf.d/")]
        for path, text in [*texts.items(), *off]:
            by_name.setdefault(path.rpartition("/")[2], (path, text))
    for _, (path, text) in sorted(by_name.items()):
        yield from _settings(path, text)


def _settings(path: str, text: str) -> Iterator[tuple[str, str, str]]:
    section = ""
    for line in map(str.strip, text.split("\n")):
        if line.startswith("["):
            section = line
        elif section == "[Journal]" and "=" in line and line[0] not in "#;":
            name, _, value = line.partition("=")
            yield path, name.strip(), value.strip()


def read(facts: Facts) -> Journald:
    """Merge its files, and look where the journals are.

    Raises:
        NotApplicable: there is no journald.
        Denied: we may not read a file.
    """
    told = script(facts.run(_SCRIPT), "journal of systemd")
    lines = [line.partition(" ") for line in complete("journald", told, "@end")]
    found: dict[str, list[str]] = {"masked": [], "folder": [], "denied": [], "journal": []}
    for word, _, path in lines:
        found[word].append(path)
    settings, places = dict[str, str](), dict[str, str]()
    texts = facts.texts
    pairs = merged([texts[f] for f in _MAIN], [texts[f] for f in _DROPINS], found["masked"])
    for path, name, value in pairs:
        settings[name], places[name] = value, path
    used = {name: value for name, value in settings.items() if value}  # an empty one resets
    return Journald(
        used,
        places,
        "/var/log/journal" in found["folder"],
        tuple(found["journal"]),
        tuple(found["denied"]),
    )
