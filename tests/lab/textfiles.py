"""What a host says about text files, for canned hosts: answers to `TextFiles.command`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

#: A mark that every command of the table has, and the answer that nothing is there.
NO_TEXTS = ("printf '@text", "@text\0@end\n")


def texts(files: Mapping[str, str]) -> str:
    """What the host answers whom asks for one pattern, and finds *files*."""
    return _answer((f"1:{path}" for path in files), files.values())


def denied(path: str) -> str:
    """What the host answers when *path* may not be read."""
    return _answer([f"1!{path}: Permission denied"], [])


def told(
    patterns: Sequence[str], files: Mapping[str, str], denied: Collection[str] = ()
) -> tuple[int, str, str]:
    """Return what the host says of *patterns*, if *files* are there and may be read."""
    records, read = [], []
    for key, pattern in enumerate(patterns, start=1):
        folder = pattern.rpartition("/")[0]
        for path in sorted(files):
            if path.rpartition("/")[0] != folder or not fnmatchcase(path, pattern):
                continue
            if path in denied:
                records.append(f"{key}!{path}: Permission denied")
            else:
                records.append(f"{key}:{path}")
                read.append(files[path])
    return 0, _answer(records, read), ""


def _answer(records: Iterable[str], contents: Iterable[str]) -> str:
    lines = []
    for number, text in enumerate(contents, start=1):
        body = text.removesuffix("\n")
        lines += [f"{number}:{line}\n" for line in body.split("\n") if text]
        lines.append(f"{number}.\n")
    head = "".join(f"{record}\0" for record in records)
    return f"{head}@text\0{''.join(lines)}@end\n"
