"""Everything that a run judges its findings by, read from files before anything is run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_sysaudit.compliance.gate import Gate, default_gate
from pytest_sysaudit.errors import ComplianceError, InventoryError, Problem
from pytest_sysaudit.inventory.yaml import Document, read

if TYPE_CHECKING:
    from pytest_sysaudit.compliance.attestations import Attestation
    from pytest_sysaudit.compliance.baseline import Baseline
    from pytest_sysaudit.compliance.waivers import Waiver

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the files say."""

    waivers: tuple[Waiver, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    baseline: Baseline | None = None
    gate: Gate = field(default_factory=default_gate)


@dataclass(frozen=True, slots=True)
class GateText:
    """A gate as somebody wrote it.

    Attributes:
        text: a file or an expression.
        base: where a relative path starts.
        where: the option or setting, for messages.
    """

    text: str
    base: Path
    where: str = "--audit-gate"


def load(
    waivers: Iterable[Path] = (),
    attestations: Iterable[Path] = (),
    baseline: Path | None = None,
    gate: GateText | None = None,
) -> Loaded:
    """Read all files.

    Args:
        waivers: YAML files.
        attestations: YAML files.
        baseline: a json report, or its folder.
        gate: None for the default one.

    Raises:
        ComplianceError: with everything that is wrong with any of them.
    """
    loader = _Loader()
    loaded = Loaded(
        waivers=tuple(loader.entries(waivers, _waivers)),
        attestations=tuple(loader.entries(attestations, _attestations)),
        baseline=loader.baseline(baseline) if baseline else None,
        gate=loader.gate(gate) if gate else default_gate(),
    )
    if loaded.gate.only_new and baseline is None:
        why = "only_new needs an earlier run to compare with: --audit-baseline results.json"
        loader.problems.append(Problem(loaded.gate.source, 0, 0, why))
    if loader.problems:
        raise ComplianceError(sorted(set(loader.problems)))
    return loaded


# most runs have neither: what reads them is imported for those that do


def _waivers(document: Document, _: Path) -> tuple[list[Waiver], list[Problem]]:
    from pytest_sysaudit.compliance.waivers import read_waivers

    return read_waivers(document)


def _attestations(document: Document, base: Path) -> tuple[list[Attestation], list[Problem]]:
    from pytest_sysaudit.compliance.attestations import read_attestations

    return read_attestations(document, base)


class _Loader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def entries(
        self,
        paths: Iterable[Path],
        read_entries: Callable[[Document, Path], tuple[list[T], list[Problem]]],
    ) -> Iterator[T]:
        """Yield the entries of all files; one that is named twice counts once."""
        for path in {path.resolve(): path for path in paths}.values():
            document = self._read(path)
            if document is not None:
                found, problems = read_entries(document, path.parent)
                self.problems += problems
                yield from found

    def baseline(self, path: Path) -> Baseline | None:
        """Return the earlier run."""
        from pytest_sysaudit.compliance.baseline import read_baseline

        try:
            return read_baseline(path)
        except ComplianceError as error:
            self.problems += error.problems
            return None

    def gate(self, given: GateText) -> Gate:
        """Return the gate."""
        from pytest_sysaudit.compliance.gate_read import is_path, parse_gate, read_gate

        if is_path(given.text, given.base):
            document = self._read(given.base / Path(given.text).expanduser())
            found, problems = read_gate(document) if document else (default_gate(), [])
        else:
            found, problems = parse_gate(given.text, given.where)
        self.problems += problems
        return found

    def _read(self, path: Path) -> Document | None:
        try:
            return read(path)
        except InventoryError as error:
            self.problems += error.problems
            return None
