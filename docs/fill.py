"""Fill the parts of the pages that come from the code and from the examples.

    python docs/fill.py            rewrite the pages
    python docs/fill.py --record   run the commands of the examples' session.txt again first

A part begins with ``<!-- fill: WHAT ARGUMENT -->`` and ends with ``<!-- end -->``; what stands
between is replaced. tests/integration/test_docs_examples.py fails where a page is not current.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import tables

DOCS = Path(__file__).parent
ROOT = DOCS.parent
EXAMPLES = DOCS / "examples"
COLUMNS = "96"
_PART = re.compile(
    r"(?P<mark><!-- fill: (?P<what>\w+)(?P<rest>[^>\n]*) -->\n)(?s:.*?)(?=<!-- end -->)"
)
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".ini": "ini", ".json": "json"}
_HEADER = re.compile(r"(platform|rootdir:|plugins:|configfile:|cachedir:|hypothesis|created:) ?")


_RUN = "6f1c2a34-0b7d-4e58-9a61-d2c3b4a5e6f7"


def pages() -> list[Path]:
    """Return every page, the README too."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def filled(page: Path) -> str:
    """Return the text of *page* as it should be."""
    return _PART.sub(_fill, page.read_text("utf-8"))


def _fill(match: re.Match[str]) -> str:
    what, rest = match["what"], match["rest"].split()
    makers: dict[str, Callable[..., str]] = {"file": _file, "session": _session, **tables.MAKERS}
    return f"{match['mark']}\n{makers[what](*rest).rstrip()}\n\n"


def _file(path: str) -> str:
    """Return an example's file as a block of code."""
    text = (EXAMPLES / path).read_text("utf-8")
    folder, _, name = path.partition("/")
    name = "inventory.yaml" if folder == "inventories" else name
    return f'```{_LANGUAGES[Path(path).suffix]} title="{name}"\n{text.rstrip()}\n```'


def _session(folder: str) -> str:
    """Return what was typed in an example, and what came of it."""
    return f"```console\n{(EXAMPLES / folder / 'session.txt').read_text('utf-8').rstrip()}\n```"


def play(folder: Path, session: str) -> str:
    """Run the commands of *session* in a copy of *folder*; return them with what they print.

    Args:
        folder: an example.
        session: lines that begin with ``$ `` are commands; the others are what they printed.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
    environment |= {"COLUMNS": COLUMNS, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    shown, code = [], 0
    with tempfile.TemporaryDirectory(prefix="sysaudit-docs-") as scratch:
        copy = Path(scratch) / folder.name
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("session.txt", "__pycache__"))
        for line in session.splitlines():
            if not line.startswith("$ "):
                continue
            if line == "$ echo $?":
                shown += [line, str(code)]
                continue
            command = re.sub(r"^pytest\b", f"{sys.executable} -m pytest", line[2:])
            ended = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=copy,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
                check=False,
            )
            code = ended.returncode
            output = ended.stdout.replace(str(copy), "/audit").splitlines()
            shown += [line, *[text for text in output if not _HEADER.match(text)]]
    return "\n".join(steady(text) for text in shown) + "\n"


def steady(line: str) -> str:
    """Return *line* with what differs from run to run replaced: times, ports, users."""
    line = re.sub(r" in \d+\.\d\ds", " in 0.42s", line)
    line = re.sub(r" in \d+\.\d s\b", " in 0.0 s", line)
    line = re.sub(r"since \d{4}-\d\d-\d\d \d\d:\d\d", "since 2026-11-23 09:00", line)
    line = re.sub(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", _RUN, line)
    line = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "2026-11-23T09:00:00.000Z", line)
    line = re.sub(r"^(\d+ records, .*), \d+ bytes$", r"\1, 9876 bytes", line)
    line = re.sub(r"((?:127\.0\.0\.1|localhost):)\d{4,5}", r"\g<1>40000", line)
    line = re.sub(r"(started for \w+:) .*?(on [\d.:]+)(, as \w+)?$", r"\1 sshd \2", line)
    return re.sub(r"^=+ (.*?) =+$", lambda m: f" {m[1]} ".center(int(COLUMNS), "="), line)


def sessions() -> list[Path]:
    """Return the sessions of all examples."""
    return sorted(EXAMPLES.glob("*/session.txt"))


def main(arguments: list[str]) -> None:
    """Do what the command line asks for."""
    if "--record" in arguments:
        for path in sessions():
            path.write_text(play(path.parent, path.read_text("utf-8")), "utf-8")
    for page in pages():
        text = filled(page)
        if text != page.read_text("utf-8"):
            page.write_text(text, "utf-8")
            sys.stdout.write(f"filled {page.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
