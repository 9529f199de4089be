"""Reading the results of an earlier run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_sysaudit.compliance.regular import open_regular
from pytest_sysaudit.errors import ComplianceError, Problem, SysauditError
from pytest_sysaudit.evidence import folder as files
from pytest_sysaudit.inventory.build import quoted
from pytest_sysaudit.inventory.yaml import shown_path
from pytest_sysaudit.record import SCHEMA, Plain, Verdict

FILE_NAME = "results.json"
"""What the result file of a folder is called."""
_WAY_OUT = "--audit-report json=PATH writes one"
_TEXTS = ("control", "check", "target", "resource", "message")
_KEPT = (*_TEXTS, "params", "verdict", "observed")
_VERDICTS = frozenset(verdict.value for verdict in Verdict)


@dataclass(frozen=True, slots=True)
class Baseline:
    """The results of an earlier run.

    Attributes:
        path: the file as messages show it.
        run: the id of the run.
        started: when it began, UTC ISO 8601.
        sha256: of the file, in hex; of a recording, that of its main chain.
        results: what `drift.compare` looks at.
    """

    path: str
    run: str
    started: str
    sha256: str
    results: tuple[Mapping[str, Plain], ...]

    def to_plain(self) -> dict[str, str]:
        """Return what reports say about it."""
        return {
            "path": self.path,
            "run": self.run,
            "started": self.started,
            "sha256": self.sha256,
        }


def read_baseline(path: Path) -> Baseline:
    """Return the results at *path*.

    Args:
        path: a json report, the folder of a recording, or one that holds a ``results.json``.

    Raises:
        ComplianceError: it cannot be read, is no result file, or one of another version.
    """
    if files.is_recording(path):
        return _recorded(path)
    return _reported(path / FILE_NAME if path.is_dir() else path)


def _recorded(folder: Path) -> Baseline:
    """Return the results that the recording in *folder* holds."""
    from pytest_sysaudit.evidence.bundle import open_bundle
    from pytest_sysaudit.evidence.verify import verify

    shown = shown_path(folder)
    try:
        bundle = open_bundle(folder)
        broken = verify(folder).broken
        sha256 = hashlib.sha256(files.chain_path(folder, files.MAIN).read_bytes()).hexdigest()
        document = {"schema": SCHEMA, "run": {}, "results": list(bundle.results)}
        document["run"] = {"id": bundle.begin.get("run"), "started": bundle.begin.get("started")}
    except OSError as error:
        raise _refuse(shown, f"cannot be read: {error.strerror or error}") from error
    except (SysauditError, ValueError, KeyError) as error:
        raise _refuse(shown, f"is no recording: {error}") from error
    if broken:
        way_out = "compare with a recording that 'sysaudit evidence verify' takes"
        raise _refuse(shown, f"is not as it was recorded: {broken}; {way_out}")
    return _baseline(document, shown, sha256)


def _reported(path: Path) -> Baseline:
    """Return the results of the json report at *path*."""
    shown = shown_path(path)
    try:
        with open_regular(path) as file:
            content = file.read()
        document = json.loads(content)
    except FileNotFoundError:
        raise _refuse(shown, f"no such file; {_WAY_OUT}") from None
    except OSError as error:
        raise _refuse(shown, f"cannot be read: {error.strerror or error}") from error
    except json.JSONDecodeError as error:
        why = f"is no whole result file: {error.msg}; {_WAY_OUT}"
        raise ComplianceError([Problem(shown, error.lineno, error.colno, why)]) from None
    except (ValueError, RecursionError) as error:
        raise _refuse(shown, f"is no result file: {error}; {_WAY_OUT}") from None
    return _baseline(document, shown, hashlib.sha256(content).hexdigest())


def _baseline(document: Any, shown: str, sha256: str) -> Baseline:
    """Return what is needed of *document*."""
    if why := _fault(document):
        raise _refuse(shown, why)
    run = document["run"]
    rows = tuple({name: row[name] for name in _KEPT} for row in document["results"])
    return Baseline(shown, run["id"], run["started"], sha256, rows)


def _refuse(shown: str, why: str) -> ComplianceError:
    return ComplianceError([Problem(shown, 0, 0, why)])


def _fault(document: Any) -> str:
    """Return why *document* is not the results of a run; "" if it is."""
    if not isinstance(document, dict) or not isinstance(document.get("schema"), str):
        return f"is no result file: expected the key 'schema', which says {SCHEMA}; {_WAY_OUT}"
    schema = document["schema"]
    if schema != SCHEMA:
        name, _, version = SCHEMA.partition("/")
        if schema.partition("/")[0] != name:
            return f"is no result file: its schema is {quoted(schema)}; {_WAY_OUT}"
        return f"is of version {quoted(schema)}; this pytest-sysaudit reads version {version}"
    run = document.get("run")
    if not isinstance(run, dict) or not all(isinstance(run.get(k), str) for k in ("id", "started")):
        return "is no whole result file: it does not say which run it is of"
    rows = document.get("results")
    if not isinstance(rows, list):
        return "is no whole result file: it has no results"
    wrong = next((n for n, row in enumerate(rows, 1) if not _is_result(row)), 0)
    return f"is no whole result file: result {wrong} is not one" if wrong else ""


def _is_result(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(name), str) for name in _TEXTS)
        and row.get("verdict") in _VERDICTS
        and "observed" in row
        and isinstance(row.get("params"), dict)
        and all(isinstance(value, str) for value in row["params"].values())
    )
