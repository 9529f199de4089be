"""Reports: one writer a file, all from the json document."""

from __future__ import annotations

import difflib
import errno
import os
import pkgutil
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from pytest_sysaudit.errors import ReportError
from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports.through import STANDARD_OUTPUT, is_shared, write_through


class Writer(Protocol):
    """Writes one format."""

    def __call__(self, document: Mapping[str, Plain], path: Path) -> None:
        """Write *document* to the new file *path*; may raise OSError."""


#: Where the writer of each format is; imported when a report of that format is written.
WRITERS: Mapping[str, str] = {
    "csv": "pytest_sysaudit.reports.csv_report:write",
    "hdf": "pytest_sysaudit.reports.hdf:write",
    "html": "pytest_sysaudit.reports.html:write",
    "json": "pytest_sysaudit.reports.json_report:write",
    "junit": "pytest_sysaudit.reports.junit:write",
    "markdown": "pytest_sysaudit.reports.markdown:write",
    "ocsf": "pytest_sysaudit.reports.ocsf:write",
    "oscal": "pytest_sysaudit.reports.oscal:write",
    "prometheus": "pytest_sysaudit.reports.prometheus:write",
    "sarif": "pytest_sysaudit.reports.sarif:write",
    "sarif-github": "pytest_sysaudit.reports.sarif:write_github",
    "xccdf": "pytest_sysaudit.reports.xccdf:write",
}
#: The file that a report without a path goes to.
FILE_NAMES: Mapping[str, str] = {
    "csv": "results.csv",
    "hdf": "hdf.json",
    "html": "report.html",
    "json": "results.json",
    "junit": "junit.xml",
    "markdown": "report.md",
    "ocsf": "ocsf.jsonl",
    "oscal": "oscal.json",
    "prometheus": "sysaudit.prom",
    "sarif": "results.sarif",
    "sarif-github": "github.sarif",
    "xccdf": "xccdf.xml",
}
#: The folder of reports without a path, in the current folder.
FOLDER = Path("audit-report")

_WAYS_OUT = {
    errno.ENOSPC: "free some space, or name another file",
    errno.EDQUOT: "free some space, or name another file",
    errno.EACCES: "name a file that you may write",
    errno.EPERM: "name a file that you may write",
    errno.EROFS: "name a file on a file system that can be written",
    errno.ENOTDIR: "name a file in a folder",
    errno.ENAMETOOLONG: "name a shorter file name",
}


@dataclass(frozen=True, slots=True)
class ReportSpec:
    """One wanted report: its format and the file it goes to."""

    format: str
    path: Path


def parse_spec(text: str, writers: Mapping[str, str | Writer] = WRITERS) -> ReportSpec:
    """Read ``FORMAT`` or ``FORMAT=PATH``.

    Args:
        text: as given to ``--audit-report``. A path that ends in ``/``, or is a folder, means the
            format's usual file name in that folder; ``-`` is standard output.
        writers: the formats that there are.

    Raises:
        ReportError: an unknown format, or ``=`` with nothing behind it.
    """
    name, equals, rest = text.partition("=")
    name = name.strip().lower()
    if name not in writers:
        raise ReportError(_unknown(name, writers))
    if equals and not rest.strip():
        raise ReportError(f"report {text!r}: no path behind '='; write {name}=PATH or just {name}")
    usual = FILE_NAMES.get(name, f"report.{name}")
    if not equals:
        return ReportSpec(name, FOLDER / usual)
    path = STANDARD_OUTPUT if rest == "-" else Path(rest).expanduser()
    return ReportSpec(name, path / usual if rest.endswith("/") or path.is_dir() else path)


def parse_specs(
    texts: Iterable[str], writers: Mapping[str, str | Writer] = WRITERS
) -> list[ReportSpec]:
    """Read several of `parse_spec`; the same one twice counts once.

    Raises:
        ReportError: as `parse_spec`, or two formats go to the same file.
    """
    specs: dict[str, ReportSpec] = {}
    for text in texts:
        spec = parse_spec(text, writers)
        other = specs.setdefault(os.path.realpath(spec.path), spec)
        if other.format != spec.format:
            raise ReportError(
                f"{spec.path}: both the {other.format} and the {spec.format} report would go "
                "there; give each a path of its own"
            )
    return list(specs.values())


def write(
    name: str,
    document: Mapping[str, Plain],
    path: Path,
    writers: Mapping[str, str | Writer] = WRITERS,
) -> None:
    """Write one report, all of it or nothing: what stood at *path* stays until the new one is done.

    Args:
        name: the format.
        document: from `document.build`.
        path: the file; its folders are made, a link is followed, and a device or pipe is written
            into as it is.
        writers: by format, a callable or where it is (``"module:function"``).

    Raises:
        ReportError: an unknown format, or the file cannot be written.
    """
    writer = writers.get(name)
    if writer is None:
        raise ReportError(_unknown(name, writers))
    if isinstance(writer, str):
        writer = cast("Writer", pkgutil.resolve_name(writer))
    try:
        if is_shared(path):
            write_through(lambda file: writer(document, file), path)
        else:
            _write_atomically(writer, document, Path(os.path.realpath(path)))
    except OSError as error:
        raise ReportError(_failed(name, path, error)) from error


def _write_atomically(writer: Writer, document: Mapping[str, Plain], path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error
    temporary = path.parent / f".sysaudit-{secrets.token_hex(6)}.tmp"
    try:
        writer(document, temporary)
        _sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unknown(name: str, writers: Mapping[str, object]) -> str:
    known = ", ".join(sorted(writers))
    close = difflib.get_close_matches(name, list(writers), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"unknown report format {name!r}; there are: {known}.{hint}"


def _failed(name: str, path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    way_out = _WAYS_OUT.get(error.errno or 0, f"name another file with --audit-report {name}=PATH")
    return f"{path}: the {name} report could not be written: {reason}; {way_out}"
