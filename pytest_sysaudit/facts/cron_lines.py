"""The lines of crontabs, and which programs a command line starts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

#: Programs that run a file which they are given: its first argument that is no option.
_INTERPRETERS = re.compile(
    r"(?:ba|da|a|k|mk|z|c|tc)?sh|python[\d.]*|perl[\d.]*|ruby[\d.]*|php[\d.]*|node|lua[\d.]*"
    r"|awk|gawk|mawk|tclsh|source|\."
)
#: Programs that run another one, somewhere among their arguments.
_WRAPPERS = frozenset(
    (
        *("chroot", "chronic", "chrt", "command", "doas", "env", "exec", "flock", "ionice", "nice"),
        *("nohup", "run-one", "runuser", "setpriv", "setsid", "stdbuf", "su", "sudo"),
        *("systemd-cat", "systemd-run", "taskset", "time", "timeout", "xargs"),
    )
)
#: Wrappers whose first path is none that is run; those that change the user, by name or by -u.
_PATH_FIRST, _USER_FIRST, _USER_OPTION = ("flock", "chroot"), ("su",), ("sudo", "doas", "runuser")
#: Words after which a command begins.
_OPENING = frozenset({"{", "!", "if", "then", "else", "elif", "do", "while", "until"})
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_VARIABLE = re.compile(r"([A-Za-z_]\w*)\s*=\s*(.*)")
_OPERATOR = re.compile(r"[();<>|&]+")
#: Fields of the time, with a name as @daily, and in numbers.
_NAMED, _NUMBERS = 1, 5


@dataclass(frozen=True, slots=True)
class Job:
    """One line of a crontab.

    Attributes:
        path: the crontab.
        line: its number.
        user: as whom it runs.
        command: without what follows an unescaped %, which is its input.
    """

    path: str
    line: int
    user: str
    command: str

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.path} line {self.line}"


@dataclass(frozen=True, slots=True)
class Crontab:
    """One crontab: its jobs, and the folders of its PATH."""

    jobs: tuple[Job, ...]
    folders: tuple[str, ...]


def parse_crontab(path: str, text: str, user: str | None = None) -> Crontab:
    """Return what stands in a crontab; what cron would refuse is left out.

    Args:
        path: its place.
        text: its content.
        user: whose it is; None: each line names its user.
    """
    jobs, folders = [], list[str]()
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        variable = _VARIABLE.fullmatch(line)
        if variable is not None:
            if variable[1] == "PATH":
                folders += [x for x in variable[2].strip("\"'").split(":") if x.startswith("/")]
            continue
        fields = (_NAMED if line.startswith("@") else _NUMBERS) + (user is None)
        words = line.split(None, fields)
        if len(words) > fields:
            jobs.append(Job(path, number, user or words[fields - 1], _command(words[fields])))
    return Crontab(tuple(jobs), tuple(dict.fromkeys(folders)))


def parse_anacrontab(path: str, text: str) -> Crontab:
    """Return what stands in an anacrontab: period, delay, name and command, all root's."""
    rest = []
    for line in text.split("\n"):
        words = line.split(None, 3)
        is_job = len(words) == 4 and not _VARIABLE.fullmatch(line.strip())  # noqa: PLR2004
        rest.append(f"@{words[0]} {words[3]}" if is_job and line.strip()[0] != "#" else line)
    return parse_crontab(path, "\n".join(rest), "root")


def _command(text: str) -> str:
    return re.split(r"(?<!\\)%", text)[0].replace("\\%", "%").strip()


@dataclass(slots=True)
class _Walk:
    """Where in a command line we are."""

    starts: bool = True
    program: str = ""
    wrapped: bool = False
    option: str = ""
    folder: str = ""
    found: list[str] = field(default_factory=list)

    def run(self, word: str) -> None:
        """Take *word* for a program that is started."""
        if word.startswith("./") and self.folder:
            word = f"{self.folder.rstrip('/')}{word[1:]}"
        if word.startswith("/"):
            self.found.append(word)


def programs(command: str) -> tuple[str, ...]:
    """Return the absolute paths of what *command* runs, and of folders given to run-parts.

    What it runs as another user, through su or sudo, is not among them.
    """
    walk = _Walk()
    skip = False
    for word in _words(command):
        if skip:
            skip = False
        elif _OPERATOR.fullmatch(word):
            skip = bool(set(word) & set("<>"))
            if not skip:
                walk.starts, walk.program = True, ""
        elif walk.starts:
            _begin(walk, word)
        else:
            _argument(walk, word)
    return tuple(dict.fromkeys(walk.found))


def _words(command: str) -> Iterator[str]:
    lexer = shlex.shlex(command.replace("`", " ; "), posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        yield from lexer
    except ValueError:  # a quote that is not closed: the shell would refuse it
        return


def _begin(walk: _Walk, word: str) -> None:
    if word in _OPENING or _ASSIGNMENT.fullmatch(word):
        return
    walk.run(word)
    walk.starts = False
    walk.program = word.rpartition("/")[2] if word != "." else word
    walk.wrapped = False


def _argument(walk: _Walk, word: str) -> None:
    name = walk.program
    if name == "cd" and not word.startswith("-"):
        walk.folder = word
    elif name == "run-parts" and word.startswith("/"):
        walk.run(word)
    elif _INTERPRETERS.fullmatch(name):
        if walk.wrapped:  # the text behind -c
            walk.found += [path for path in programs(word) if path not in walk.found]
            walk.program = ""
        elif re.fullmatch(r"-\w*c", word):
            walk.wrapped = True
        elif not word.startswith("-"):
            walk.run(word)
            walk.program = ""
    elif name in _WRAPPERS:
        _wrapped(walk, word)


def _wrapped(walk: _Walk, word: str) -> None:
    """Look for the program among the arguments of one that runs another."""
    base, option, name = word.rpartition("/")[2], walk.option, walk.program
    walk.option = ""
    is_user = option == "-u" if name in _USER_OPTION else name in _USER_FIRST
    if walk.wrapped:
        walk.found += [path for path in programs(word) if path not in walk.found]
        walk.wrapped = False
    elif word.startswith("-"):
        walk.wrapped = word in ("-c", "--command") and name != "ionice"
        walk.option = word if len(word) == 2 else ""  # noqa: PLR2004 - as in -n 10
    elif is_user:
        walk.program = name if word == "root" else ""
    elif word.startswith(("/", "./")):
        if name in _PATH_FIRST:
            walk.program = "env"  # what follows is the program
        else:
            _begin(walk, word)
    elif base in _WRAPPERS or base == "run-parts" or _INTERPRETERS.fullmatch(base):
        walk.program = base
    elif not (option or _is_value(word)):
        walk.program = ""


def _is_value(word: str) -> bool:
    return bool(re.fullmatch(r"[\d.]+[smhd]?", word) or _ASSIGNMENT.fullmatch(word))
