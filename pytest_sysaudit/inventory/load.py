"""From the inventory file to targets: `load`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from pytest_sysaudit.errors import InventoryError, Problem
from pytest_sysaudit.inventory.build import Loc
from pytest_sysaudit.inventory.files import file_problems
from pytest_sysaudit.inventory.flow import Flow
from pytest_sysaudit.inventory.hints import BEGIN
from pytest_sysaudit.inventory.model import Host, Inventory
from pytest_sysaudit.inventory.rules import SECTIONS, rule_problems
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.inventory.yaml import Document, read

#: Keys whose values are secrets, or rather where to find them: text whatever it looks like.
_SECRET_KEYS = frozenset({"password", "key_passphrase", "bearer", "external_id", "signing_key"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedInventory:
    """An inventory without problems.

    Attributes:
        path: the file, absolute; None if there is none.
        sha256: of the file's bytes, in hex; "" if there is no file.
        model: the file as it was written.
        targets: every target by name: hosts, aws, http, networks, each in the order of the file.
        groups: the names of the targets in each group, those of its children included.
        document: the file's data and places; None if there is no file.
    """

    path: Path | None
    sha256: str
    model: Inventory
    targets: Mapping[str, Target]
    groups: Mapping[str, tuple[str, ...]]
    document: Document | None = field(default=None, repr=False, compare=False)

    @property
    def inputs(self) -> Mapping[str, Mapping[str, Any]]:
        """The parameters of checks that hold for all targets, by control id."""
        return self.model.inputs

    def locate(self, loc: Loc, *, key: bool = False) -> tuple[int, int]:
        """Return line and column, from 1, of the value at *loc*, or of its key.

        Args:
            loc: the way to it, as ``("hosts", "web1", "groups", 0)``. What is not in the file
                has the place of the nearest thing around it.
            key: whether the place of the key is meant.

        Returns:
            (0, 0) if there is no file.
        """
        return self.document.locate(loc, key=key) if self.document else (0, 0)

    def problem(self, loc: Loc, message: str, *, key: bool = False) -> Problem:
        """Return a problem at *loc* (see `locate`), worded as those that `load` finds."""
        if self.document is None:
            return Problem("inventory", 0, 0, message)
        return self.document.problem(loc, message, key=key)

    @classmethod
    def implicit(cls) -> Self:
        """Return the inventory of a run without a file: this machine alone."""
        model = Inventory(version=1, hosts={"localhost": Host(connection="local")})
        flow = Flow(model, Path.cwd())
        return cls(path=None, sha256="", model=model, targets=flow.targets, groups={})


def load(path: str | os.PathLike[str], *, check_files: bool = True) -> LoadedInventory:
    """Read and check the inventory at *path*.

    Args:
        path: the YAML file; relative paths in it start from its folder.
        check_files: whether the key files, certificates and captures that it names must be there;
            False for a run that touches no target.

    Raises:
        InventoryError: with everything that is wrong with it.
    """
    absolute = Path(path).absolute()
    document = read(path, texts=_SECRET_KEYS)
    model = _model(document, absolute.parent if check_files else None)
    flow = Flow(model, absolute.parent)
    return LoadedInventory(
        path=absolute,
        sha256=document.sha256,
        model=model,
        targets=flow.targets,
        groups=flow.groups,
        document=document,
    )


def _model(document: Document, base: Path | None) -> Inventory:
    """Return what *document* says, or raise everything that is wrong with it."""
    if not isinstance(document.data, dict):
        raise InventoryError([_not_a_mapping(document)])
    problems = {*document.problems, *rule_problems(document)}
    if base is not None:
        problems |= set(file_problems(document, base))
    try:
        model = Inventory.model_validate(document.data)
    except ValidationError as error:
        # building the JSON schema that explains it takes a while, so it waits for an error
        from pytest_sysaudit.inventory.explain import explain

        raise InventoryError([*problems, *explain(error, document)]) from None
    if not problems and not any(getattr(model, section) for section in SECTIONS):
        problems.add(document.problem((), f"no targets; add {', '.join(SECTIONS)}"))
    if problems:
        raise InventoryError(list(problems))
    return model


def _not_a_mapping(document: Document) -> Problem:
    if document.problems:
        return document.problems[0]
    if document.data is None:
        return document.problem((), f"is empty; {BEGIN}")
    return document.problem((), f"expected keys and values; {BEGIN}")
