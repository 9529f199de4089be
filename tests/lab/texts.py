"""What the host says about text files, for canned hosts: the answer to `TextFiles.command`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase


def told(
    patterns: Sequence[str], files: Mapping[str, str], denied: Collection[str] = ()
) -> tuple[int, str, str]:
    """Return what the host says of *patterns*, if *files* are there and may be read."""
    records, lines, number = [], [], 0
    for key, pattern in enumerate(patterns, start=1):
        folder = pattern.rpartition("/")[0]
        for path in sorted(files):
            if path.rpartition("/")[0] != folder or not fnmatchcase(path, pattern):
                continue
            if path in denied:
                records.append(f"{key}!{path}: Permission denied\0")
                continue
            number += 1
            records.append(f"{key}:{path}\0")
            text = files[path].removesuffix("\n")
            lines += [f"{number}:{line}" for line in text.split("\n") if text]
            lines.append(f"{number}.")
    return 0, "".join(records) + "@text\0" + "".join(f"{x}\n" for x in [*lines, "@end"]), ""
