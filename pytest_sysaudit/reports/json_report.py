"""The json report: the document itself. ``results.schema.json`` beside this file describes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports.document import pieces


def write(document: Mapping[str, Plain], path: Path) -> None:
    """Write *document* to *path*."""
    with path.open("wb") as file:
        file.writelines(pieces(document))


def schema() -> dict[str, Plain]:
    """Return the published JSON Schema (2020-12) of the json report."""
    text = resources.files(__package__).joinpath("results.schema.json").read_text("utf-8")
    loaded: dict[str, Plain] = json.loads(text)
    return loaded
