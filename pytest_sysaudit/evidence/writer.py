"""The journal that writes a recording: every observation, once, where nothing can change it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence import finish
from pytest_sysaudit.evidence import folder as files
from pytest_sysaudit.evidence.canonical import id_of
from pytest_sysaudit.evidence.chain import HEAD, Chain, record_of
from pytest_sysaudit.evidence.clean import Words, clean_words
from pytest_sysaudit.evidence.contents import Content, Contents, left_out, place
from pytest_sysaudit.evidence.limits import Limits
from pytest_sysaudit.evidence.manifest import FORMAT, SIGNED_SEAL
from pytest_sysaudit.evidence.observation import Observation, Stored
from pytest_sysaudit.evidence.observed import cut_words, said_of, stored_of, unkept
from pytest_sysaudit.evidence.pack import Pack, Packed
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.evidence.trail import used
from pytest_sysaudit.record import Place, Plain, utc_text

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.signing import SigningKey

__all__ = ["BundleJournal", "Limits", "open_journal"]

#: Seconds between two seals, where a key is there.
SEAL_EVERY = 5.0
#: Places in one record of the plan.
_PLACES = 200
#: Bytes that are written between two looks at what other processes have written.
_LOOK_EVERY = 1 << 20


def open_journal(  # noqa: PLR0913 - all but two by name
    folder: Path,
    *,
    process: str,
    redactor: Redactor,
    begin: Mapping[str, Plain] | None,
    key: SigningKey | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> BundleJournal:
    """Begin a recording, or join one.

    Args:
        folder: where it lies. For ``main`` it is new or empty; others join what ``main`` began.
        process: ``main``, or the name of a worker.
        redactor: takes secrets out of all that is written.
        begin: what the recording says first: ``run``, ``started``, who and with what.
        key: what signs it; None: nothing does.
        limits: how much is kept.

    Raises:
        EvidenceError: it cannot be begun there.
    """
    files.make(folder, process)
    first: dict[str, Plain] = {**redactor.plain(begin or {}), "process": process}
    if process == files.MAIN:
        first |= {"format": FORMAT, "key": key.public if key else None}
    else:
        first |= {"main": _first_of_main(folder)}
    try:
        return BundleJournal(folder, process, redactor, first, key=key, limits=limits)
    except OSError as error:
        raise EvidenceError(
            f"{folder}: nothing can be written there: {error.strerror}; name another folder"
        ) from error


def _first_of_main(folder: Path) -> str:
    """Return the hash of the first record of the chain that a worker joins."""
    try:
        with files.chain_path(folder, files.MAIN).open("rb") as file:
            first = file.readline()
    except OSError as error:
        raise EvidenceError(f"{folder}: main.chain cannot be read: {error.strerror}") from error
    if not first.endswith(b"\n"):
        raise EvidenceError(f"{folder}: main.chain holds no record yet")
    return first[: HEAD - 1].decode("ascii", "replace")


class BundleJournal:
    """Writes the part of one process; may be used from several threads.

    Attributes:
        folder: of the recording.
        problem: why nothing is written any more; "" as long as all is well. What was written
            until then stays valid.
    """

    def __init__(  # noqa: PLR0913 - `open_journal` is for others
        self,
        folder: Path,
        process: str,
        redactor: Redactor,
        begin: Mapping[str, Plain],
        *,
        key: SigningKey | None,
        limits: Limits,
    ) -> None:
        self.folder, self.problem = folder, ""
        self._process, self._redactor, self._key, self._limits = process, redactor, key, limits
        self._contents = Contents(redactor, limits.part)
        self._lock = threading.Lock()
        self._run = str(begin.get("run", ""))
        self._closed = self._full = False
        self._looked, self._others = 0, 0
        self._pack = Pack(files.pack_path(folder, process))
        self._chain = Chain(files.chain_path(folder, process))
        self._chain.add("begin", begin)
        self._seal()

    @property
    def signed(self) -> bool:
        """Whether a key signs it."""
        return self._key is not None

    def note(self, seen: Observation) -> Stored:
        """Keep *seen*, and add it to what the running check used. Never raises."""
        stored = unkept(seen)
        if not (self.problem or self._closed):
            try:
                stored = self._note(seen)
            except Exception as error:  # noqa: BLE001 - the audit goes on without it
                self._stop(error)
        used(stored.id, redacted=stored.redacted, target=seen.target)
        return stored

    def result(self, plain: Mapping[str, Plain]) -> None:
        """Keep a result: a row of the json report, which is redacted already. Never raises."""
        self._keep("result", plain)

    def control(self, plain: Mapping[str, Plain]) -> None:
        """Keep a control that was selected, as `Control.to_plain` gives it. Never raises."""
        self._keep("control", plain)

    def plan(self, places: Iterable[Place]) -> None:
        """Keep which checks are to be carried out on which targets. Never raises."""
        plain = [self._redactor.plain(place.to_plain()) for place in places]
        for at in range(0, len(plain), _PLACES):
            self._keep("plan", {"places": plain[at : at + _PLACES]})

    def close(self) -> None:
        """Write no more. A worker's part is then whole; calling it again does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                if self.problem:
                    self._chain.add("note", _words(f"{finish.STOPPED}{self.problem}"))
                elif self._process != files.MAIN:
                    self._end({"ended": utc_text(time.time())})
            except Exception as error:  # noqa: BLE001 - the run ends as it would without it
                self._fail(error)
            finally:
                self._release()

    def finish(self, end: Mapping[str, Plain]) -> None:
        """Write the end of the run, the manifest and its signature; call it once workers closed.

        Without them, if writing stopped before: then the recording says why, if it can. Where a
        worker did not close its part, the recording is finished without the rest of that, and
        `problem` says so.

        Args:
            end: what there is to say: ``ended`` and more.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                if self.problem:
                    self._chain.add("note", _words(f"{finish.STOPPED}{self.problem}"))
                else:
                    self._complete(end)
            except Exception as error:  # noqa: BLE001 - the run ends as it would without it
                self._fail(error)
            finally:
                self._release()

    def _complete(self, end: Mapping[str, Plain]) -> None:
        lost = finish.tidy(self.folder)
        for text in lost:
            self._chain.add("note", _words(text))
        ended = {"ended": utc_text(time.time()), **self._redactor.plain(end)}
        self._end(ended)
        finish.write_manifest(self.folder, self._run, ended["ended"], self._key)
        if lost:
            self._fail(EvidenceError("; ".join(lost)))

    def _note(self, seen: Observation) -> Stored:
        words, redacted = clean_words(seen, self._redactor)
        contents = {name: self._contents.prepare(data) for name, data in seen.parts.items()}
        if seen.value is not None:
            contents["value"] = self._contents.prepare_value(seen.value)
        redacted = (
            redacted or seen.redacted or any(content.redacted for content in contents.values())
        )
        with self._lock:
            return self._write(seen, words, contents, redacted=redacted)

    def _write(
        self,
        seen: Observation,
        words: Words,
        contents: Mapping[str, Content],
        *,
        redacted: bool,
    ) -> Stored:
        if self.problem or self._closed:
            return unkept(seen)
        full = self._is_full()
        placed: dict[str, Plain] = {}
        named: list[Packed | None] = []
        for name, content in contents.items():
            said, packed = (left_out(content), None) if full else place(content, self._pack)
            placed[name] = said
            named.append(packed)
        cut = tuple(name for name, content in contents.items() if content.cut or full)
        said = said_of(seen, words, placed, redacted=redacted, cut=cut)
        record = record_of("observation", said)
        id_ = id_of(record)
        self._add(record, named)
        if cut and not full:
            self._add(record_of("note", _words(cut_words(placed, cut), about=id_)))
        return stored_of(seen, id_, words, redacted=redacted, cut=cut)

    def _keep(self, kind: str, plain: Mapping[str, Plain]) -> None:
        if self.problem or self._closed:
            return
        try:
            with self._lock:
                if not (self.problem or self._closed):
                    self._add(record_of(kind, plain))
        except Exception as error:  # noqa: BLE001 - the audit goes on without it
            self._stop(error)

    def _add(self, record: bytes, named: Iterable[Packed | None] = ()) -> None:
        self._chain.add_record(record)
        for packed in named:
            if packed is not None:
                self._pack.named(packed)
        if self._key is not None and time.monotonic() - self._sealed >= SEAL_EVERY:
            self._seal()

    def _seal(self) -> None:
        """Sign the chain as it stands, if a key is there."""
        self._sealed = time.monotonic()
        if self._key is None:
            return
        signature = self._key.sign(SIGNED_SEAL + self._chain.last.hash.encode("ascii"))
        self._chain.add("seal", {"at": utc_text(time.time()), "signature": signature})
        self._pack.sync()
        self._chain.sync()

    def _is_full(self) -> bool:
        """Whether the recording has reached its limit; then it says so, once."""
        if self._full:
            return True
        own = self._chain.size + self._pack.size
        if own - self._looked >= _LOOK_EVERY:
            self._looked = own
            self._others = max(0, files.size(self.folder) - own)
        self._full = own + self._others >= self._limits.total
        if self._full:
            text = f"the recording has {self._limits.total} bytes, its limit: "
            self._add(record_of("note", _words(f"{text}from here on contents are left out")))
        return self._full

    def _end(self, end: Mapping[str, Plain]) -> None:
        if unnamed := [packed.to_plain() for packed in self._pack.unnamed]:
            self._chain.add("note", {**_words("no record names these contents"), "parts": unnamed})
        self._chain.add("end", end)
        self._seal()
        self._pack.sync()
        self._chain.sync()

    def _stop(self, error: Exception) -> None:
        with self._lock:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        kind = "" if isinstance(error, (OSError, EvidenceError)) else f"{type(error).__name__}: "
        self.problem = self.problem or f"{self.folder}: {kind}{why}"

    def _release(self) -> None:
        self._chain.close()
        self._pack.close()


def _words(text: str, **more: Plain) -> dict[str, Plain]:
    return {"at": utc_text(time.time()), "text": text, **more}
