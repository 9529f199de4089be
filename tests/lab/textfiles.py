"""Canned answers of the table of text files."""

from __future__ import annotations

from collections.abc import Mapping

#: A mark that every command of the table has, and the answer that nothing is there.
NO_TEXTS = ("printf '@text", "@text\0@end\n")


def texts(files: Mapping[str, str]) -> str:
    """What the host answers whom asks for one pattern, and finds *files*."""
    head = "".join(f"1:{path}\0" for path in files)
    body = ""
    for number, text in enumerate(files.values(), start=1):
        body += "".join(f"{number}:{line}\n" for line in text.split("\n"))
        body += f"{number}.\n"
    return f"{head}@text\0{body}@end\n"


def denied(path: str) -> str:
    """What the host answers when *path* may not be read."""
    return f"1!{path}: Permission denied\0@text\0@end\n"
