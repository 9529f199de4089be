"""Whether a recording is what was written: every byte of every file, and who signed it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence import folder as files
from pytest_sysaudit.evidence import manifest, pack
from pytest_sysaudit.evidence.chain import SUFFIX
from pytest_sysaudit.evidence.signing import is_signature, read_public_key
from pytest_sysaudit.evidence.verify_chain import Broken, Chained, walk
from pytest_sysaudit.evidence.verify_pack import walk_pack
from pytest_sysaudit.record import Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found.

    Attributes:
        ok: whether all that is there is as it was written.
        complete: whether the run ended, and its manifest says that nothing is missing.
        broken: the first broken link: file, line or byte, what was expected and found; "" if ok.
        signed: the public key (64 hex digits) that the signatures are from; "" if there is none.
        trusted: whether that is the key that the caller named.
        until: when the last record was written that says so, UTC ISO 8601; "" if none does.
        records: whole records of all chains.
        observations: those of them that are observations.
        results: those of them that are results.
        contents: contents in the packs.
        size: bytes of all files.
        remarks: what is to be known of it: not signed, killed, cut, contents left out.
    """

    ok: bool
    complete: bool = False
    broken: str = ""
    signed: str = ""
    trusted: bool = False
    until: str = ""
    records: int = 0
    observations: int = 0
    results: int = 0
    contents: int = 0
    size: int = 0
    remarks: tuple[str, ...] = ()


def verify(folder: Path, public_key: str | None = None) -> Verification:
    """Walk through the whole recording in *folder*.

    Args:
        folder: of the recording.
        public_key: whose signature it must have, PEM or 64 hex digits; None: any, or none.

    Raises:
        EvidenceError: there is no recording, it cannot be read, or *public_key* is no key.
    """
    expected = read_public_key(public_key) if public_key else ""
    walker = _Walker(folder, expected)
    try:
        walker.walk()
    except Broken as link:
        return walker.found(broken=str(link))
    except OSError as error:
        raise EvidenceError(f"{error.filename or folder}: {error.strerror}") from error
    return walker.found()


@dataclass(slots=True)
class _Walker:
    folder: Path
    expected: str
    chains: dict[str, Chained] = field(default_factory=dict)
    complete: bool = False
    signed: str = ""
    contents: int = 0
    size: int = 0
    remarks: list[str] = field(default_factory=list)

    def walk(self) -> None:
        """Look at everything.

        Raises:
            Broken: at the first thing that is not as it was written.
            EvidenceError: there is nothing to look at.
            OSError: a file cannot be read.
        """
        names = self._names()
        finished = manifest_of(self.folder) if files.MANIFEST in names else None
        for process in files.processes(self.folder):
            path = files.chain_path(self.folder, process)
            self.chains[process] = walk(path, finished=finished is not None)
        self._check_strays(names, finished is not None)
        self._check_joined()
        if finished is not None:
            self._check_manifest(finished)
        self._check_packs(finished is not None)
        self._check_results()
        self._check_key(finished)
        self.complete = finished is not None
        if finished is None:
            self.remarks.insert(0, self._not_ended())

    def found(self, broken: str = "") -> Verification:
        """Return what was found so far."""
        chains = self.chains.values()
        cut = sum(chain.cut for chain in chains)
        remarks = list(self.remarks)
        if cut:
            remarks.append(f"{cut} observations have contents that are cut or left out")
        remarks += [f"{chain.path.name}: {text}" for chain in chains for text in chain.notes]
        return Verification(
            ok=not broken,
            complete=self.complete and not broken,
            broken=broken,
            signed=self.signed,
            trusted=bool(self.expected) and self.signed == self.expected,
            until=max((chain.until for chain in chains), default=""),
            records=sum(chain.records for chain in chains),
            observations=sum(len(chain.ids) for chain in chains),
            results=sum(chain.results for chain in chains),
            contents=self.contents,
            size=self.size,
            remarks=tuple(remarks),
        )

    def _names(self) -> list[str]:
        try:
            paths = sorted(self.folder.iterdir())
        except OSError as error:
            raise EvidenceError(f"{self.folder}: cannot be read: {error.strerror}") from error
        names = [path.name for path in paths]
        if not any(name.endswith((SUFFIX, pack.SUFFIX)) or "manifest" in name for name in names):
            raise EvidenceError(
                f"{self.folder}: holds no recording; name the folder that --audit-evidence wrote"
            )
        for path in paths:
            if path.is_symlink() or not path.is_file():
                raise Broken(path, "", "expected a file, found something else")
        self.size = sum(path.stat().st_size for path in paths)
        if files.chain_path(self.folder, files.MAIN).name not in names:
            raise Broken(
                files.chain_path(self.folder, files.MAIN), "", "the file is missing: it was removed"
            )
        return names

    def _check_strays(self, names: list[str], finished: bool) -> None:
        known = {files.MANIFEST, files.SIGNATURE} if finished else {files.SIGNATURE}
        if not finished:
            known |= {files.MANIFEST + files.UNFINISHED, files.SIGNATURE + files.UNFINISHED}
        for process in self.chains:
            known |= {process + SUFFIX, process + pack.SUFFIX}
        for name in names:
            if name not in known:
                raise Broken(self.folder / name, "", "does not belong to the recording")
        for process in self.chains:
            path = files.pack_path(self.folder, process)
            if path.name not in names:
                raise Broken(path, "", "the file is missing: it was removed")

    def _check_joined(self) -> None:
        """Check that each worker joined this recording, not another."""
        main = self.chains[files.MAIN]
        for process, chain in self.chains.items():
            if chain.records == 0:
                continue
            if chain.begin.get("process") != process:
                raise Broken(
                    chain.path,
                    "line 1",
                    f"expected the records of {process}, found those of "
                    f"{chain.begin.get('process')!r}",
                )
            if process != files.MAIN and chain.begin.get("main") != main.first:
                raise Broken(
                    chain.path,
                    "line 1",
                    f"expected to join the recording that begins with {main.first}, found "
                    f"{chain.begin.get('main')!r}",
                )

    def _check_manifest(self, finished: dict[str, Plain]) -> None:
        path = self.folder / files.MANIFEST
        told = {entry["name"]: entry for entry in finished["chains"]}
        for chain in self.chains.values():
            entry = told.pop(chain.path.name, None)
            if entry is None:
                raise Broken(chain.path, "", "the manifest does not name it: it was added")
            here = {
                "name": chain.path.name,
                "records": chain.records,
                "last": chain.last,
                "size": chain.size,
            }
            if entry != here:
                wrong = next(name for name in here if entry.get(name) != here[name])
                raise Broken(
                    chain.path,
                    f"line {chain.records}",
                    f"the manifest expects {wrong} {entry.get(wrong)}, found {here[wrong]}",
                )
        for name in told:
            raise Broken(self.folder / name, "", "the manifest names it, and it is not there")
        main = self.chains[files.MAIN]
        if not main.ended or finished["run"] != str(main.begin.get("run", "")):
            raise Broken(path, "", "it is not that of the run that main.chain records")

    def _check_packs(self, finished: bool) -> None:
        told = {}
        if finished:
            told = {e["name"]: e for e in manifest_of(self.folder)["packs"]}
        for process, chain in self.chains.items():
            path = files.pack_path(self.folder, process)
            if finished and path.name not in told:
                raise Broken(path, "", "the manifest does not name it: it was added")
            # a worker that was killed may leave contents that no record names yet
            self.contents += walk_pack(path, chain.packed, whole=finished or chain.ended)
            if finished:
                entry = told.pop(path.name)
                size, sha256 = manifest.file_sha256(path)
                if (entry["size"], entry["sha256"]) != (size, sha256):
                    raise Broken(
                        path,
                        "",
                        f"the manifest expects {entry['size']} bytes with sha256 "
                        f"{entry['sha256']}, found {size} with {sha256}",
                    )
        for name in told:
            raise Broken(self.folder / name, "", "the manifest names it, and it is not there")

    def _check_results(self) -> None:
        """Check that every observation that something names is there."""
        known = {id_ for chain in self.chains.values() for id_ in chain.ids}
        for chain in self.chains.values():
            for line, id_ in chain.named:
                if id_ not in known:
                    raise Broken(
                        chain.path,
                        f"line {line}",
                        f"names the observation {id_}, and it is not there",
                    )

    def _check_key(self, finished: dict[str, Plain] | None) -> None:
        """Check the signatures: of the seals, and of the manifest."""
        main = self.chains[files.MAIN]
        key = str(main.begin.get("key") or "")
        path = self.folder / files.SIGNATURE
        if finished is not None and str(finished.get("key") or "") != key:
            raise Broken(
                self.folder / files.MANIFEST,
                "",
                f"expected the key {key or 'none'} that main.chain names, found "
                f"{finished.get('key')}",
            )
        for line, before, signature in main.seals:
            if not is_signature(key, signature, manifest.SIGNED_SEAL + before.encode("ascii")):
                raise Broken(
                    main.path, f"line {line}", f"the seal is not one of the key {key or 'none'}"
                )
        if finished is not None or path.exists():
            self._check_signature(path, key, finished is not None)
        self.signed = key if main.seals or finished is not None else ""
        if self.expected and self.signed != self.expected:
            found = f"that of {self.signed}" if self.signed else "none"
            raise Broken(
                path, "", f"expected the signature of the key {self.expected}, found {found}"
            )
        if not self.signed:
            self.remarks.append(
                "not signed: whoever can write to the folder could have made all of it anew"
            )
        elif not self.expected:
            self.remarks.append(
                "the signature is one of the key that the recording itself names; "
                "compare it with yours, or name yours"
            )

    def _check_signature(self, path: Path, key: str, finished: bool) -> None:
        if not key:
            if path.exists():
                raise Broken(path, "", "the recording names no key: it was added")
            return
        if not path.exists():
            raise Broken(path, "", "the file is missing: it was removed")
        try:
            told = manifest.read_canonical(path.read_bytes())
        except EvidenceError as error:
            raise Broken(path, "", str(error)) from error
        if told.keys() != {"algorithm", "key", "signature"} or told["algorithm"] != "ed25519":
            raise Broken(path, "", "expected an ed25519 key and its signature, nothing else")
        if told["key"] != key:
            raise Broken(path, "", f"expected the key {key}, found {told['key']}")
        if not finished:
            return
        content = (self.folder / files.MANIFEST).read_bytes()
        if not is_signature(key, str(told["signature"]), manifest.SIGNED_MANIFEST + content):
            raise Broken(path, "", f"it is not the signature of the key {key} of manifest.json")

    def _not_ended(self) -> str:
        main = self.chains[files.MAIN]
        torn = [
            f"{chain.path.name} has {chain.size - chain.whole} bytes of a record that was not done"
            for chain in self.chains.values()
            if chain.size > chain.whole
        ]
        why = "the run did not end"
        if main.ended:
            why = "the run ended, and was killed before it wrote one, or it was removed"
        return "; ".join([f"no manifest: {why}", *torn])


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
