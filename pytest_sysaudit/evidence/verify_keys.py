"""Whether the signatures of a recording are those of the key that it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence import folder as files
from pytest_sysaudit.evidence import manifest
from pytest_sysaudit.evidence.signing import is_signature
from pytest_sysaudit.evidence.verify_chain import GONE, Broken, Chained
from pytest_sysaudit.record import Plain


def check(folder: Path, main: Chained, finished: Mapping[str, Plain] | None) -> str:
    """Check the seals of the chain *main*, and the signature of the manifest *finished*.

    Returns:
        The public key (64 hex digits) that they are from; "" if nothing is signed.

    Raises:
        Broken: at the first that is not.
        OSError: a file cannot be read.
    """
    key = str(main.begin.get("key") or "")
    if finished is not None and str(finished["key"] or "") != key:
        what = f"expected the key {key or 'none'} that main.chain names, found {finished['key']}"
        raise Broken(folder / files.MANIFEST, "", what)
    for line, before, signature in main.seals:
        if not is_signature(key, signature, manifest.SIGNED_SEAL + before.encode("ascii")):
            what = f"the seal is not one of the key {key or 'none'}"
            raise Broken(main.path, f"line {line}", what)
    if finished is not None or (folder / files.SIGNATURE).exists():
        _check_manifest(folder, key, finished=finished is not None)
    return key if main.seals or finished is not None else ""


def _check_manifest(folder: Path, key: str, *, finished: bool) -> None:
    path = folder / files.SIGNATURE
    if not key:
        if path.exists():
            raise Broken(path, "", "the recording names no key: it was added")
        return
    if not path.exists():
        raise Broken(path, "", GONE)
    try:
        told = manifest.read_canonical(path.read_bytes())
    except EvidenceError as error:
        raise Broken(path, "", str(error)) from error
    expected = {"algorithm": "ed25519", "key": key}
    if {**told, **expected} != told or told.keys() != {*expected, "signature"}:
        what = f"expected an ed25519 signature of the key {key}, found {told}"
        raise Broken(path, "", what)
    if not finished:  # killed between the two: there is nothing yet that it signs
        return
    signed = manifest.SIGNED_MANIFEST + (folder / files.MANIFEST).read_bytes()
    if not is_signature(key, str(told["signature"]), signed):
        raise Broken(path, "", f"is not the signature of the key {key} of {files.MANIFEST}")
