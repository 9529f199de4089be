"""Which controls there are: collected by pytest, so that what is listed is what would run."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest

from pytest_sysaudit.command.ending import Refused
from pytest_sysaudit.hooks.early import own_fixtures
from pytest_sysaudit.hooks.keys import check_key, state_of
from pytest_sysaudit.inventory.flow import Flow
from pytest_sysaudit.inventory.load import LoadedInventory
from pytest_sysaudit.inventory.model import Aws, Host, Http, Inventory, Network
from pytest_sysaudit.record import Control, Plain

SHIPPED = "pytest_sysaudit.checks"
#: The kinds of targets that each fixture stands for.
_KINDS: Mapping[str, tuple[str, ...]] = {
    "host": ("local", "ssh"),
    "ssh_host": ("ssh",),
    "local_host": ("local",),
    "aws_session": ("aws",),
    "http_client": ("http",),
    "sniffer": ("network",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One control, and what is known of it before it runs.

    Attributes:
        control: what its marker and its docstring say.
        family: the folder that its check is in, or the first word of its id.
        kinds: the kinds of targets that it judges; empty: any, or none.
        inputs: its inputs and their defaults.
        manual: whether only a person can judge it.
        intrusive: whether it runs only with ``--audit-allow-intrusive``.
        platforms: the arguments of its platform markers, as they are written.
        file: where its check is, an absolute path.
        line: from 1.
    """

    control: Control
    family: str
    kinds: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    manual: bool = False
    intrusive: bool = False
    platforms: tuple[str, ...] = ()
    file: str = ""
    line: int = 0

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data."""
        return {
            **self.control.to_plain(),
            "family": self.family,
            "target_kinds": [*self.kinds],
            "inputs": {name: _json(value) for name, value in self.inputs.items()},
            "manual": self.manual,
            "intrusive": self.intrusive,
            "platforms": [*self.platforms],
            "file": self.file,
            "line": self.line,
        }


def collect(paths: Sequence[str]) -> list[Entry]:
    """Return the controls of the checks at *paths*, sorted by id.

    Args:
        paths: files and folders.

    Raises:
        Refused: a path is not there, a check cannot be imported, a marker is wrong.
    """
    for path in paths:
        if not Path(path.partition("::")[0]).exists():
            raise Refused(f"{path}: there is no such file or folder")
    return _sorted(_pytest([*paths]))


def shipped() -> list[Entry]:
    """Return the controls that come with this package, sorted by id."""
    return _sorted(_pytest(["--pyargs", SHIPPED]))


def quick_ids() -> list[str]:
    """Return the ids of shipped controls, read from the text of the checks: fit for a Tab."""
    from pytest_sysaudit.profiles.catalogue import read_catalogue
    from pytest_sysaudit.profiles.load import folder

    return sorted(read_catalogue([folder().parent]).inputs)


def _sorted(found: Mapping[str, Entry]) -> list[Entry]:
    return [found[id_] for id_ in sorted(found)]


def _pytest(arguments: Sequence[str]) -> dict[str, Entry]:
    """Let pytest collect, silently and without an inventory; return what it found."""
    plugin = _Collected()
    options = ["--collect-only", "-qq", "-p", "no:cacheprovider", "--audit-allow-intrusive"]
    # what settings of the project choose, or report, has nothing to do with what there is
    options += ["-o", "addopts=", "-o", "audit_profile=", "-o", "audit_report="]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), _own_options():
        code = pytest.main([*options, *arguments], plugins=[plugin])
    if code == pytest.ExitCode.INTERRUPTED and not plugin.broken:
        raise click.Abort
    if plugin.broken:
        raise Refused("\n".join(plugin.broken))
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        words = [line for line in said.getvalue().splitlines() if line.strip()]
        raise Refused("pytest cannot collect the checks:\n" + "\n".join(words[-10:]))
    return plugin.found


@contextlib.contextmanager
def _own_options() -> Iterator[None]:
    """Keep away the options that the environment adds to every pytest."""
    added = os.environ.pop("PYTEST_ADDOPTS", None)
    try:
        yield
    finally:
        if added is not None:
            os.environ["PYTEST_ADDOPTS"] = added


class _Collected:
    """Notes what pytest collects, and why something could not be.

    Attributes:
        found: the controls by id.
        broken: what is wrong.
    """

    def __init__(self) -> None:
        self.found: dict[str, Entry] = {}
        self.broken: list[str] = []

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_sysaudit_inventory(self) -> LoadedInventory:
        """Give an inventory that needs no file: which targets there are changes no control."""
        model = Inventory(
            version=1,
            hosts={"host": Host(connection="local"), "ssh": Host()},
            aws={"aws": Aws()},
            http={"http": Http()},
            networks={"network": Network()},
        )
        targets = Flow(model, Path.cwd()).targets
        return LoadedInventory(path=None, sha256="", model=model, targets=targets, groups={})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be collected."""
        if report.failed:
            last = [line for line in report.longreprtext.splitlines() if line.strip()][-1:]
            self.broken.append(f"{report.nodeid}: {''.join(last).removeprefix('E').strip()}")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the controls."""
        state = state_of(session.config)
        if state.failure is not None:
            self.broken.append(str(state.failure))
        self._add(session.items)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Note what names groups of an inventory, and so has no target here."""
        self._add(items)

    def _add(self, items: Sequence[pytest.Item]) -> None:
        for item in items:
            check = item.stash.get(check_key, None)
            if check is not None and check.control.id not in self.found:
                self.found[check.control.id] = _entry(item, check)


def _entry(item: pytest.Item, check: Any) -> Entry:
    control: Control = check.control
    path, line, _ = item.reportinfo()
    folder = Path(path).parent.name
    above = Path(path).parents[1].name if folder != "checks" else ""
    return Entry(
        control=control,
        family=folder if above == "checks" else control.id.partition(".")[0],
        kinds=_kinds(item),
        inputs=dict(check.inputs),
        manual=check.manual,
        intrusive=item.get_closest_marker("intrusive") is not None,
        platforms=tuple(_written(mark) for mark in item.iter_markers("platform")),
        file=str(path),
        line=(line or 0) + 1,
    )


def _kinds(item: pytest.Item) -> tuple[str, ...]:
    """Return the kinds of targets that the fixtures and the marker of *item* leave."""
    kinds = [kind for name in sorted(own_fixtures(item)) for kind in _KINDS.get(name, ())]
    for mark in item.iter_markers("targets"):
        if (wanted := mark.kwargs.get("kind")) is not None:
            among = ("local", "ssh") if wanted == "host" else (wanted,)
            kinds = [kind for kind in kinds if kind in among] or [*among]
    return tuple(dict.fromkeys(kinds))


def _written(mark: pytest.Mark) -> str:
    system = [str(word) for word in mark.args] or ["linux"]
    distribution = mark.kwargs.get("distribution") or ()
    names = [distribution] if isinstance(distribution, str) else [*distribution]
    return " ".join([*system, *(f"({name})" for name in names)])


def _json(value: Any) -> Plain:
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return [_json(item) for item in items]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def here(folder: Path) -> list[str]:
    """Return where the user's own checks are: the folder ``checks``, unless it is ours."""
    own = folder / "checks"
    package = sys.modules.get(SHIPPED)
    ours = [Path(path).resolve() for path in getattr(package, "__path__", ())]
    return [str(own)] if own.is_dir() and own.resolve() not in ours else []
