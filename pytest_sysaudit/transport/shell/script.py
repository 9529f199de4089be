r"""The texts that a persistent shell is made of; all plain POSIX, nothing in them but builtins.

Two shells run on the host. The doorman reads our lines and hands them on to the worker, which runs
them; so there is always somebody who listens: to a line that asks to end what the worker runs, and
to the end of the line itself, when all that runs is ended. Both are told a secret mark, which is in
no environment and on no command line.
"""

from __future__ import annotations

import re
import shlex

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.transport.base import ENVIRONMENT, Command, Script

#: What `Starter` is given. The doorman itself comes as the first line of standard input: ``read``
#: takes not one byte more than that line, as a shell that reads its script would.
BOOT = 'IFS= read -r s && eval "$s"'
START = f"exec /bin/sh -c '{BOOT}'"

_LONGEST = (1 << 17) - 1  # Linux takes no longer argument
_PIECE = 4096

#: ``d``: the pids in $f, and all that descend from them, but not our own. ``k``: end those.
_DOORMAN = r"""
LC_ALL=C; export LC_ALL;
if [ -n "$KSH_VERSION" ]; then p() { print -r -- "$1"; }; else p() { printf "%s\n" "$1"; }; fi;
d() {
  more=1;
  while [ -n "$more" ]; do
    more=;
    for q in /proc/[0-9]*; do
      q=${q#/proc/};
      case "$f$me " in *" $q "*) continue ;; esac;
      l=; read -r l <"/proc/$q/stat" || continue;
      set -- ${l##*) };
      case "$f" in *" $2 "*) f="$f$q "; more=$1 ;; esac;
    done;
  done;
} 2>/dev/null;
k() {
  d; kill -TERM $f;
  for i in 1 2 3 4 5; do
    alive=; for q in $f; do kill -0 $q && alive=1; done;
    [ -n "$alive" ] || return 0;
    sleep 0.1 || sleep 1;
  done;
  d; kill -KILL $f;
} 2>/dev/null;
o() {
  case $1 in
    look) f=" $2 "; more=1; w=$2; c=;
      for q in /proc/[0-9]*; do
        l=; { read -r l <"$q/stat"; } 2>/dev/null || continue;
        set -- ${l##*) };
        [ "$2" != "$w" ] || c="$c ${q#/proc/}";
      done; p "${n}K$c" >&2 ;;
    stop) shift; f=" $* "; k ;;
    bye) bye=1 ;;
  esac;
};
{
  bye=; read -r me l </proc/self/stat; p "m=$me"; me=" $me";
  while IFS= read -r l; do
    case $l in "$n "*) o ${l#"$n "} ;; *) p "$l" ;; esac;
  done;
  if [ -z "$bye" ] && kill -0 $$; then f=" $$ "; d; f=${f#" $$"}; k; fi 2>/dev/null;
} | { SHELL_OF_THE_WORKER 2>&3 3>&-; [ $? = 0 ] || kill -9 $$; } 3>&2 2>/dev/null
"""

#: Whether a command left a process behind that could write into the next one's answer. Asked are
#: the pids given since the last time (loadavg tells the newest; ``b``: it does here), or all where
#: that number is of no use, and again if one ended meanwhile: it may have a child. ``_h``: whether
#: one holds a stream of ours, and is no child of the doorman (``m``) that is just being started;
#: another user's does not tell, but its session does.
_STRAYS = r"""
_l() { l=0; read -r x x x x l </proc/loadavg; };
_h() {
  if [ -r "/proc/$1/fd" ]; then
    for f in "/proc/$1/fd/"*; do
      if [ "$f" -ef "/proc/$$/fd/1" ] || [ "$f" -ef "/proc/$$/fd/3" ]; then
        k=; read -r k <"/proc/$1/stat"; set -- ${k##*) }; [ "$2" != "$m" ]; return;
      fi;
    done; return 1;
  fi;
  k=; read -r k <"/proc/$1/stat"; set -- ${k##*) }; [ "$4" = "$g" ];
};
_a() {
  z=;
  for i in 1 2 3 4 5 6 7 8 9; do
    o=$z; z=;
    for p in /proc/[0-9]*; do
      p=${p#/proc/}; k=; read -r k <"/proc/$p/stat" || z="$z $p"; set -- ${k##*) };
      if [ "$p" != $$ ] && [ "${20:-0}" -gt "$t" ]; then
        _h "$p" && return 0;
        set -- "/proc/$p/fd/"*; [ -e "$1" ] || z="$z $p";
      fi;
    done;
    [ "$z" != "$o" ] || return 1;
  done; return 0;
};
_s() {
  q=$l; _l;
  if [ -z "$b" ] || [ "$l" -lt "$q" ] || [ "$l" -gt $((q+500)) ]; then _a; return; fi;
  while [ "$q" -lt "$l" ]; do
    q=$((q+1)); [ -d "/proc/$q" ] && _h "$q" && return 0;
    if [ "$q" -ge "$l" ]; then _l; fi;
  done; return 1;
};
b=; _l; q=$l; p=$(read -r p x </proc/self/stat; echo "$p"); _l;
if [ "$p" -gt "$q" ] && [ "$p" -le "$l" ]; then b=1; fi;
read -r k </proc/$$/stat; set -- ${k##*) }; g=$4; t=${20};
"""

#: The worker's own standard error ("Killed") is not the command's: it goes nowhere. A command that
#: left something behind, and not just for a moment (it was ended, say), is the last of its worker.
_WORKER = """exec 3>&2 2>/dev/null
{environment}{strays}
_m() {{ echo "$n$1"; echo "$n" >&3; }}
_e() {{
y=$l
for j in 1 2 3 4 5 6 7; do
_s || {{ _m $1; return; }}
sleep 0.1 || sleep 1
l=$y
done
_m "$1 S"; exit 0
}}
_v() {{ _l; (exec 2>&3 3>&- </dev/null; exec "$@"); _e $?; }}
_o() {{ (exec 2>&3 3>&- </dev/null; {unset}; _c=$1; set --; eval "$_c"); _m $?; }}
_i() {{ (exec 2>&3 3>&-; exec "$@"); }}
_m R$$
"""

#: Words that mean themselves to every shell, and what they must not begin with: what a shell knows
#: by itself, and may have no program for.
_PLAIN = re.compile(r" *(?:[\w./:,@%+-]|'[^'\n]*')+(?: +(?:[\w./:=,@%+-]|'[^'\n]*')+)* *", re.ASCII)
_WORDS = (
    ". : alias bg bind break builtin caller case cd chdir command compgen complete "
    "compopt continue coproc declare dirs disown do done echo elif else enable esac eval "
    "exec exit export false fc fg fi for function getopts hash help history if in jobs "
    "kill let local logout mapfile popd print printf pushd pwd r read readarray readonly "
    "return select set shift shopt source suspend test then time times trap true type "
    "typeset ulimit umask unalias unset until wait whence while"
)
_OF_SHELLS = frozenset(_WORDS.split())
#: Of these, the ones that a shell which knows our variables may run as well.
_BUILT_IN = frozenset({"echo", "false", "printf", "test", "true"})

#: A variable that the login environment exports stays exported, whatever it is set to: ours hold
#: the mark.
_UNSET = "unset n s l f me more q w c bye i alive b g k p t x y z j o m"


def opening(mark: str, shell: str = "/bin/sh") -> bytes:
    """Return what is written first: the doorman, and what the worker begins with.

    Args:
        mark: the secret.
        shell: the worker's shell, as words of a shell line.
    """
    text = _DOORMAN.replace("SHELL_OF_THE_WORKER", shell)
    environment = "".join(f"{k}={shlex.quote(v)}; export {k}\n" for k, v in ENVIRONMENT.items())
    strays = _one_line(_STRAYS)
    worker = _WORKER.format(environment=environment, strays=strays, unset=_UNSET)
    return f"{_UNSET}; n={mark}; {_one_line(text)}\nn={mark}\n{worker}".encode()


def _one_line(text: str) -> str:
    return " ".join(line.strip() for line in text.strip().splitlines())


def framed(command: Command, stdin: bytes) -> bytes:
    """Return the lines that make the worker run *command*.

    Raises:
        ValueError: it holds a NUL, which no argument can.
        CannotAssess: an argument is longer than Linux takes.
    """
    argv, is_text = _taken_apart(command)
    if not argv or any("\0" in word for word in argv):
        raise ValueError(f"not a command: {command!r}")
    if is_text and isinstance(command, str) and not stdin:
        return b"_o " + shlex.quote(command).encode("utf-8", "surrogateescape") + b"\n"
    line = shlex.join(argv).encode("utf-8", "surrogateescape")
    if len(line) > _LONGEST:
        _refuse_long(argv)
    if not stdin:
        return b"_v " + line + b"\n"
    return b"_l; " + _fed(stdin) + b" | _i " + line + b"; _e $?\n"


def _taken_apart(command: Command) -> tuple[list[str], bool]:
    """Return what is to be executed, and whether the worker itself may evaluate it instead.

    No shell is executed where that would do nothing but execute.
    """
    if not isinstance(command, str):
        return list(command), False
    words = shlex.split(command) if _PLAIN.fullmatch(command) else []
    name = words[0] if words else ""
    argv = words if words and name not in _OF_SHELLS else ["/bin/sh", "-c", command]
    return argv, isinstance(command, Script) or name in _BUILT_IN


def _refuse_long(argv: list[str]) -> None:
    size = max(len(word.encode("utf-8", "surrogateescape")) for word in argv)
    if size > _LONGEST:
        raise CannotAssess(
            f"an argument of {size} bytes is too long to be sent; give the command its data as "
            "stdin"
        )


def _fed(stdin: bytes) -> bytes:
    """Return shell text that writes *stdin*: every byte but four stands for itself."""
    pieces = (stdin[at : at + _PIECE] for at in range(0, len(stdin), _PIECE))
    writes = b"; ".join(b"printf %b '" + _escaped(piece) + b"'" for piece in pieces)
    return b"{ " + writes + b"; } 3>&-"


def _escaped(data: bytes) -> bytes:
    for byte in b"\\'\0\n":  # the backslash first
        data = data.replace(bytes([byte]), b"\\0%03o" % byte)
    return data


def look(mark: str, worker: int) -> bytes:
    """Return the line that asks what the worker runs; the answer is a note ``KPID...``."""
    return f"{mark} look {worker}\n".encode()


def stop(mark: str, pids: str) -> bytes:
    """Return the line that ends *pids* and what descends from them."""
    return f"{mark} stop {pids}\n".encode()


def bye(mark: str) -> bytes:
    """Return the line that makes the end of the line a quiet one: nothing runs."""
    return f"{mark} bye\n".encode()
