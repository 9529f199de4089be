"""``host.file(path)``: all that stat tells of a path costs one command, for any number of paths."""

from __future__ import annotations

from datetime import datetime

from pytest_sysaudit.facts.file_contents import SEPARATOR
from pytest_sysaudit.facts.paths import FileDetails
from pytest_sysaudit.resources.base import Absent, Module, Source, row
from pytest_sysaudit.text import decode


class File:
    """One path of a host; links are followed, except where it is said.

    Every property raises `CannotAssess` (`Denied` where a folder may not be entered) if the answer
    is not known, and all but the tests (``exists``, ``is_...``) `Absent`, an AssertionError, if
    there is no such file.

    Attributes:
        path: as it was asked for; a relative one starts where the host's commands do.
    """

    __slots__ = ("_source", "path")

    def __init__(self, source: Source, path: str) -> None:
        self._source = source
        self.path = path

    def _holds(self, test: str) -> bool:
        return bool(self._source.facts().paths[self.path].holds(test))

    def _details(self) -> FileDetails:
        fact = self._source.facts().paths[self.path]
        details: FileDetails | None = fact.details
        if details is not None:
            return details
        if fact.error is not None:
            raise fact.error.with_traceback(None)
        raise Absent(f"{self.path}: no such file")

    @property
    def exists(self) -> bool:
        """Whether something is there; a link that leads nowhere is nothing."""
        return self._holds("e")

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self._holds("f")

    @property
    def is_directory(self) -> bool:
        """Whether it is a folder."""
        return self._holds("d")

    @property
    def is_executable(self) -> bool:
        """Whether the user whom commands run as may execute it."""
        return self._holds("x")

    @property
    def is_pipe(self) -> bool:
        """Whether it is a named pipe."""
        return self._holds("p")

    @property
    def is_socket(self) -> bool:
        """Whether it is a Unix socket."""
        return self._holds("S")

    @property
    def is_symlink(self) -> bool:
        """Whether the path itself is a symbolic link."""
        return self._holds("L")

    @property
    def linked_to(self) -> str:
        """The path without any link in it."""
        return str(row(self._source.facts().real_paths, self.path))

    @property
    def user(self) -> str:
        """The owner's name; ``UNKNOWN`` if the number has none."""
        return self._details().user

    @property
    def uid(self) -> int:
        """The owner's number."""
        return self._details().uid

    @property
    def group(self) -> str:
        """The group's name; ``UNKNOWN`` if the number has none."""
        return self._details().group

    @property
    def gid(self) -> int:
        """The group's number."""
        return self._details().gid

    @property
    def mode(self) -> int:
        """The permissions with set-id and sticky bits: ``0o644``."""
        return self._details().mode & 0o7777

    @property
    def size(self) -> int:
        """The length in bytes."""
        return self._details().size

    @property
    def inode(self) -> int:
        """The inode's number."""
        return self._details().inode

    @property
    def mtime(self) -> datetime:
        """When the content was changed: whole seconds, in this machine's local time."""
        return datetime.fromtimestamp(self._details().mtime)  # noqa: DTZ006 - as testinfra

    def contains(self, pattern: str) -> bool:
        """Return whether a line fits the basic regular expression *pattern* of grep(1)."""
        return bool(row(self._source.facts().matches, f"{self.path}{SEPARATOR}{pattern}"))

    @property
    def md5sum(self) -> str:
        """The MD5 digest of the content, in hexadecimal digits."""
        return str(row(self._source.facts().md5, self.path))

    @property
    def sha256sum(self) -> str:
        """The SHA-256 digest of the content, in hexadecimal digits."""
        return str(row(self._source.facts().sha256, self.path))

    @property
    def content(self) -> bytes:
        """The bytes of the file; read once."""
        content: bytes = row(self._source.facts().contents, self.path)
        return content

    @property
    def content_string(self) -> str:
        r"""The content as text; what is not UTF-8 is written as ``\xNN``."""
        return decode(self.content)

    def listdir(self) -> list[str]:
        """Return the names in this folder but hidden ones, sorted; of a file, its own path.

        Bytes that are not UTF-8 are surrogates, as `os.listdir` has them.
        """
        return list(row(self._source.facts().listings, self.path))

    def __repr__(self) -> str:
        return f"<file {self.path}>"

    def __eq__(self, other: object) -> bool:
        return self.path == (other.path if isinstance(other, File) else other)

    def __hash__(self) -> int:
        return hash(self.path)


class Files(Module):
    """``host.file``."""

    __slots__ = ()

    def __call__(self, path: str) -> File:
        """Return the file at *path*; nothing is asked yet."""
        return File(self._source, path)
