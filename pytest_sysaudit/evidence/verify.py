"""Whether a recording is what was written: every byte of every file, and who signed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence import folder as files
from pytest_sysaudit.evidence import verify_files, verify_keys
from pytest_sysaudit.evidence.signing import read_public_key
from pytest_sysaudit.evidence.verify_chain import Broken, Chained, Taker, walk
from pytest_sysaudit.evidence.verify_pack import walk_pack
from pytest_sysaudit.record import Plain
from pytest_sysaudit.text import plural


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found.

    Attributes:
        ok: whether all that is there is as it was written.
        complete: whether the run ended, and its manifest says that nothing is missing.
        broken: the first broken link: file, line or byte, what was expected and found; "" if ok.
        signed: the public key (64 hex digits) that the signatures are from; "" if there is none.
        trusted: whether that is the key that the caller named.
        until: when what was recorded last was recorded, UTC ISO 8601.
        records: whole records of all chains, up to a broken one.
        observations: different observations among them.
        results: results among them.
        contents: contents in the packs.
        size: bytes of all files.
        remarks: what is to be known of it: not signed, killed, contents cut or left out.
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
    walker = _Walker(folder, read_public_key(public_key) if public_key else "")
    try:
        walker.walk()
    except Broken as link:
        return walker.found(broken=str(link))
    except OSError as error:
        raise EvidenceError(f"{error.filename or folder}: {error.strerror}") from error
    return walker.found()


def check_chains(folder: Path, chains: Mapping[str, bytes], take: Taker | None = None) -> None:
    """Check that what the recording in *folder* says is what was written; not its contents.

    These have a hash in what it says, which whoever asks for one compares.

    Args:
        folder: of the recording.
        chains: what was read of each process's chain, `MAIN` first.
        take: is handed the records in their order, before all of them are checked.

    Raises:
        EvidenceError: it is not, or the manifest cannot be read.
    """
    try:
        _Walker(folder, "", chains, take).walk_chains()
    except Broken as link:
        raise EvidenceError(
            f"{folder}: is not what was recorded: {link}; bring back the recording as it was, and "
            f"try: sysaudit evidence verify {folder}"
        ) from link
    except OSError as error:
        raise EvidenceError(f"{error.filename or folder}: {error.strerror}") from error


@dataclass(slots=True)
class _Walker:
    folder: Path
    expected: str
    read: Mapping[str, bytes] | None = None
    take: Taker | None = None
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
        names, self.size = verify_files.names_of(self.folder)
        manifest = self.walk_chains(names)
        for process, chain in self.chains.items():
            path = files.pack_path(self.folder, process)
            # a process that was killed may leave contents that no record names yet
            whole = manifest is not None or chain.ended
            self.contents += walk_pack(path, chain.packed, whole=whole)
        if manifest is not None:
            verify_files.check_packs(self.folder, self.chains, manifest)
        self._check_named()
        self.signed = verify_keys.check(self.folder, self.chains[files.MAIN], manifest)
        self._check_trust()
        self.complete = manifest is not None

    def walk_chains(self, names: Sequence[str] | None = None) -> dict[str, Plain] | None:
        """Look at the chains, and return what the manifest says of them; raises as `walk` does.

        Args:
            names: the files in the folder, of which none may be another; None: they may.
        """
        there = (self.folder / files.MANIFEST).exists()
        manifest = verify_files.manifest_of(self.folder) if there else None
        for process in files.processes(self.folder) if self.read is None else self.read:
            path = files.chain_path(self.folder, process)
            self.chains[process] = walk(
                path,
                path.read_bytes() if self.read is None else self.read[process],
                finished=there,
                take=self.take,
            )
        if names is not None:
            verify_files.check_names(self.folder, names, self.chains, finished=there)
        verify_files.check_joined(self.chains)
        if manifest is not None:
            verify_files.check_chains(self.folder, self.chains, manifest)
        return manifest

    def _check_named(self) -> None:
        """Check that every observation that something names is there."""
        known = {id_ for chain in self.chains.values() for id_ in chain.ids}
        for chain in self.chains.values():
            for line, id_ in chain.named:
                if id_ not in known:
                    what = f"names the observation {id_}, and it is not there"
                    raise Broken(chain.path, f"line {line}", what)

    def _check_trust(self) -> None:
        if self.expected and self.signed != self.expected:
            found = f"that of {self.signed}" if self.signed else "none"
            what = f"expected the signature of the key {self.expected}, found {found}"
            raise Broken(self.folder / files.SIGNATURE, "", what)

    def found(self, broken: str = "") -> Verification:
        """Return what was found so far."""
        chains = tuple(self.chains.values())
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
            remarks=() if broken else self._remarks(chains),
        )

    def _remarks(self, chains: Sequence[Chained]) -> tuple[str, ...]:
        remarks = [] if self.complete else [_not_ended(self.chains[files.MAIN])]
        remarks += [
            f"{chain.path.name}: {plural(chain.size - chain.whole, 'byte')} of a record that was "
            "not done are left out"
            for chain in chains
            if chain.size > chain.whole
        ]
        if cut := sum(chain.cut for chain in chains):
            remarks.append(f"{plural(cut, 'observation')} with contents that are not whole")
        remarks += [f"{chain.path.name}: {text}" for chain in chains for text in chain.notes]
        if not self.signed:
            remarks.append("not signed: whoever can write there could have made all of it anew")
        elif not self.expected:
            remarks.append(
                "signed by the key that the recording itself names: compare it with yours"
            )
        return tuple(remarks)


def _not_ended(main: Chained) -> str:
    if main.ended:
        return "no manifest: the run ended, and was killed before it wrote one, or it was removed"
    return "no manifest: the run did not end"
