"""The official schemas of report formats, as validators."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

_SCHEMAS = Path(__file__).parents[1] / "data" / "schemas"


@cache
def _validator(name: str) -> Any:
    schema = json.loads(gzip.decompress((_SCHEMAS / f"{name}.json.gz").read_bytes()))
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def complaints(name: str, document: Any) -> list[str]:
    """What the schema *name* has against *document*."""
    found = _validator(name).iter_errors(document)
    return [f"{'/'.join(map(str, e.instance_path))}: {e.message[:300]}" for e in found]


def sarif(document: Any) -> list[str]:
    return complaints("sarif-2.1.0", document)


def oscal(document: Any) -> list[str]:
    return complaints("oscal-1.2.3-assessment-results", document)


def ocsf(document: Any) -> list[str]:
    return complaints("ocsf-1.5.0-compliance_finding", document)
