"""Whether the files of a recording are those that it names, and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence import folder as files
from pytest_sysaudit.evidence import manifest, pack
from pytest_sysaudit.evidence.chain import SUFFIX
from pytest_sysaudit.evidence.verify_chain import GONE, Broken, Chained
from pytest_sysaudit.record import Plain

_ADDED = "the manifest does not name it: it was added"
_MISSING = "the manifest names it, and it is not there"


def names_of(folder: Path) -> tuple[Sequence[str], int]:
    """Return the names of the files in *folder* and their bytes in all.

    Raises:
        Broken: there is something else in it, or the first file is missing.
        EvidenceError: it holds no recording.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise EvidenceError(f"{folder}: cannot be read: {error.strerror}") from error
    names = [path.name for path in paths]
    if not any(name.endswith((SUFFIX, pack.SUFFIX)) or "manifest" in name for name in names):
        raise EvidenceError(
            f"{folder}: holds no recording; name the folder that --audit-evidence wrote"
        )
    for path in paths:
        if path.is_symlink() or not path.is_file():
            raise Broken(path, "", "expected a file, found something else")
    main = files.chain_path(folder, files.MAIN)
    if main.name not in names:
        raise Broken(main, "", GONE)
    return names, sum(path.stat().st_size for path in paths)


def manifest_of(folder: Path) -> dict[str, Plain]:
    """Return what the manifest in *folder* says.

    Raises:
        Broken: it is not what was written.
        OSError: it cannot be read.
    """
    path = folder / files.MANIFEST
    try:
        found = manifest.read(path.read_bytes())
        manifest.check_shape(found)
    except EvidenceError as error:
        raise Broken(path, "", str(error)) from error
    return found


def check_names(
    folder: Path, names: Sequence[str], chains: Mapping[str, Chained], *, finished: bool
) -> None:
    """Check that no file is there but those that belong to *chains*.

    Raises:
        Broken: at the first that is.
    """
    last = {files.MANIFEST, files.SIGNATURE}
    known = last if finished else {files.SIGNATURE, *(name + files.UNFINISHED for name in last)}
    for process in chains:
        known |= {process + SUFFIX, process + pack.SUFFIX}
    for name in names:
        if name not in known:
            raise Broken(folder / name, "", "does not belong to the recording: it was added")


def check_joined(chains: Mapping[str, Chained]) -> None:
    """Check that each worker joined this recording, not another.

    Raises:
        Broken: at the first that did not.
    """
    first = chains[files.MAIN].first
    for process, chain in chains.items():
        expected = {"process": process, **({"main": first} if process != files.MAIN else {})}
        for name, value in expected.items() if chain.records else ():
            if chain.begin.get(name) != value:
                found = f"expected {name} {value}, found {chain.begin.get(name)}"
                raise Broken(chain.path, "line 1", f"is of another recording: {found}")


def check_chains(
    folder: Path, chains: Mapping[str, Chained], finished: Mapping[str, Plain]
) -> None:
    """Check the chains against what the manifest *finished* says of them.

    Raises:
        Broken: at the first that is another, is missing or was added.
    """
    told = {str(entry["name"]): entry for entry in finished["chains"]}
    for chain in chains.values():
        entry = told.pop(chain.path.name, None)
        if entry is None:
            raise Broken(chain.path, "", _ADDED)
        here = {"records": chain.records, "last": chain.last, "size": chain.size}
        for name, value in here.items():
            if entry[name] != value:
                what = f"the manifest expects {name} {entry[name]}, found {value}"
                raise Broken(chain.path, f"line {chain.records}", what)
    for name in told:
        raise Broken(folder / name, "", _MISSING)
    main = chains[files.MAIN]
    if not main.ended or finished["run"] != str(main.begin.get("run", "")):
        raise Broken(folder / files.MANIFEST, "", "is not that of the run of main.chain")


def check_packs(folder: Path, chains: Mapping[str, Chained], finished: Mapping[str, Plain]) -> None:
    """Check the packs against what the manifest *finished* says of them.

    Raises:
        Broken: at the first that is another, is missing or was added.
        OSError: one cannot be read.
    """
    told = {str(entry["name"]): entry for entry in finished["packs"]}
    for process in chains:
        path = files.pack_path(folder, process)
        entry = told.pop(path.name, None)
        if entry is None:
            raise Broken(path, "", _ADDED)
        expected, found = (entry["size"], entry["sha256"]), manifest.file_sha256(path)
        if expected != found:
            what = "the manifest expects {} bytes with sha256 {}, found {} with {}"
            raise Broken(path, "", what.format(*expected, *found))
    for name in told:
        raise Broken(folder / name, "", _MISSING)
