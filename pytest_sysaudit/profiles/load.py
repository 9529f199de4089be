"""From names and paths to a `Profile`: `load`, `shipped`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from pytest_sysaudit.errors import InventoryError, Problem, ProfileError
from pytest_sysaudit.inventory.build import Loc, quoted
from pytest_sysaudit.inventory.suggest import did_you_mean
from pytest_sysaudit.inventory.yaml import Document, read, shown_path
from pytest_sysaudit.profiles.model import Layer, Profile
from pytest_sysaudit.profiles.read import read_layer

_ENDINGS = (".yaml", ".yml")


def folder() -> Path:
    """Return where the shipped profiles are."""
    return Path(str(files("pytest_sysaudit.checks") / "profiles"))


def shipped() -> dict[str, Path]:
    """Return the shipped profiles by name."""
    return {path.stem: path for path in sorted(folder().glob("*.yaml"))}


def load(asked: Sequence[str], base: Path) -> Profile:
    """Return what *asked* comes to, the later on top of the earlier.

    Args:
        asked: names of shipped profiles, and paths of files.
        base: where relative paths start.

    Raises:
        ProfileError: with everything that is wrong with the files.
    """
    loader = _Loader()
    for word in asked:
        loader.add(word, base)
    if loader.problems:
        raise ProfileError(sorted(set(loader.problems)))
    names = [word if word in loader.shipped else shown_path(base / word) for word in asked]
    return Profile(" + ".join(names), tuple(loader.layers))


class _Loader:
    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.problems: list[Problem] = []
        self.shipped = shipped()
        self._done: set[Path] = set()
        self._open: list[tuple[Path, str]] = []

    def add(self, word: str, base: Path, by: tuple[Document, Loc] | None = None) -> None:
        """Read the profile *word* and what it extends, unless that is done.

        Args:
            word: a name or a path.
            base: where relative paths start.
            by: the place of *word*, if a file names it.
        """
        found = self._find(word, base)
        if isinstance(found, str):
            self._tell(by, f"--audit-profile={word}", found)
            return
        path = found.resolve()
        way = [name for _, name in self._open]
        if path in (step for step, _ in self._open):
            self._tell(by, word, f"circle: {' -> '.join([*way, word])}")
        elif path not in self._done:
            self._open.append((path, word))
            self._read(word, found)
            self._open.pop()
            self._done.add(path)

    def _find(self, word: str, base: Path) -> Path | str:
        """Return the file of the profile *word*, or why there is none."""
        if word in self.shipped:
            return self.shipped[word]
        path = base / Path(word)
        if "/" in word or word.endswith(_ENDINGS):
            return path
        hint = did_you_mean(word, self.shipped, otherwise="Shipped are")
        is_file = " A file is named with its path: ./" + word if path.is_file() else ""
        return f"there is no profile {quoted(word)}.{hint}{is_file}"

    def _read(self, word: str, path: Path) -> None:
        is_ours = word in self.shipped
        try:
            document = read(path)
        except InventoryError as error:
            self.problems += error.problems
            return
        name = word if is_ours else document.shown
        layer, problems = read_layer(document, name=name, path=str(path), shipped=is_ours)
        self.problems += problems
        many = isinstance(document.data, dict) and isinstance(document.data.get("extends"), list)
        for number, other in enumerate(layer.extends):
            loc: Loc = ("extends", number) if many else ("extends",)
            self.add(other, path.parent, (document, loc))
        self.layers.append(layer)

    def _tell(self, by: tuple[Document, Loc] | None, option: str, message: str) -> None:
        if by is None:
            self.problems.append(Problem(option, 0, 0, message))
        else:
            self.problems.append(by[0].problem(by[1], message))
