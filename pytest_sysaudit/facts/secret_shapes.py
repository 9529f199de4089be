"""How secrets look, in the words of a host's own tools: what they find stays on the host.

grep chooses lines, awk takes the secret out of each, and the shell hashes it. What leaves the host
is a kind, a place, the number of bits that one character holds, and the beginning of the hash.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

#: Forms that are secrets wherever they stand: the kind, where it begins, which characters follow,
#: and how many there are at least, all in all.
_TOKENS: Final = (
    ("aws-key", "AKIA", "[A-Z0-9]", 20),
    ("aws-key", "ASIA", "[A-Z0-9]", 20),
    ("github", "gh[pousr]_", "[A-Za-z0-9]", 40),
    ("github", "github_pat_", "[A-Za-z0-9_]", 60),
    ("gitlab", "glpat-", "[A-Za-z0-9_-]", 26),
    ("slack", "xox[abeprs]-", "[A-Za-z0-9-]", 20),
    ("google", "AIza", "[A-Za-z0-9_-]", 39),
    ("stripe", "[sr]k_live_", "[A-Za-z0-9]", 20),
    ("npm", "npm_", "[A-Za-z0-9]", 40),
    ("password-hash", "[: =][$](apr1|gy|y|1|2[abxy]|5|6|7)[$]", "[A-Za-z0-9./$=,]", 34),
)
#: How the names of settings end whose value is a secret.
_NAME = (
    "(pass(word|wd|phrase|code)|[_-]pass|(admin|db|dn|ftp|key|ldap|mail|root|smtp|sql|user)pass|pwd"
    "|psk|secret|token|(api|secret|access|auth|private|shared|encryption)[_-]?key)"
)
#: What stands between a name and its value: ``=``, ``:``, ``=>``, ``:=``, ``'x', '``, ``<x>``.
_GAP = "[\"']?[ \t]*(=>|:=|=|:|>|,[ \t]*[\"'])[ \t]*"
_URL = "[a-zA-Z]://[^/:@ \t\"'<>]*:[^/@ \t\"'<>]+@"
_KEY_BLOCK = "-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----"
#: Lines that may hold one; without a bounded repetition, for not every awk knows these.
GREP_FILES: Final = "|".join(
    [_KEY_BLOCK, *(f"{start}{rest}" for _, start, rest, _ in _TOKENS), _URL, f"{_NAME}{_GAP}[^ ]"]
)
#: Command lines name them in more ways.
GREP_COMMANDS: Final = (
    f"{GREP_FILES}|{_NAME}[ =]| -pass| -p *[^ ]| -u | --(proxy-)?user |authorization:|chpasswd"
    "|passwd --stdin|sudo -S|identified by"
)
#: Ignored are processes whose arguments hold this: those that look for secrets.
OWN: Final = "looks-for-secrets"
#: Words that stand where no secret does.
_PLACEHOLDERS: Final = (
    "secret pass passwd password token none null nil true false yes no on off undefined unset empty"
    " missing absent default prompt ask test string bytes str todo fixme hidden removed required"
    " requisite optional sufficient disabled enabled never always stdin inherit compat files"
    " systemd env"
)
#: So many are hashed; the others are counted.
MOST: Final = 100
#: Bits for each character, in hundredths, below which nothing in a file is a secret.
FLOOR: Final = 200

#: Some awks have no logarithm. ``emit`` prints a finding: kind, bits, line, path, secret, with \001
#: between them.
_COMMON = r"""
function lg(x,  k, i, b) {
for (k = 0; x >= 2; k++) x /= 2
b = 1
for (i = 0; i < 14; i++) {
b /= 2
x *= x
if (x >= 2) { x /= 2; k += b }
}
return k
}
function bits(v,  i, n, c, count, sum) {
n = length(v)
for (i = 1; i <= n; i++) count[substr(v, i, 1)]++
for (c in count) sum += count[c] * lg(count[c])
return n ? int((lg(n) - sum / n) * 100 + 0.5) : 0
}
function emit(kind, v) {
gsub("\001", " ", v)
printf "%s\001%d\001%d\001%s\001%s\n", kind, bits(v), line, path, v
found++
}
function harmless(v,  l) {
l = tolower(v)
if (length(v) < 4 || bits(v) < 50) return 1
if (l ~ /^[$<{%@[(|>&*]/ || l ~ /[$%#][{(]|[{][{]|<[%]|[.][.][.]$|[*][*][*]/) return 1
if (l ~ /^(~|[.][.]?)?\// || l ~ /^(env|file|vault|arn|ssm|https?|sops|secret):/) return 1
if (l ~ /^(change[-_ ]?(me|it|this)|dummy|sample|your|insert|replace)/) return 1
if (l ~ /(change[-_]?me|example|placeholder|redacted|your[-_](pass|secret|token|key|api))/) return 1
if (l ~ /^x+$/ || l in WORDS) return 1
if (l ~ /(os[.]environ|getenv|process[.]env|env[[(]|lookup[(])/) return 1
return 0
}
function tokens(s,  i, r, m) {
for (i = 1; i <= shapes; i++) {
r = s
while (match(r, shape[i])) {
m = substr(r, RSTART, RLENGTH)
if (length(m) >= least[i] && !harmless(m) && bits(m) >= 250) emit(kind[i], m)
r = substr(r, RSTART + RLENGTH)
}
}
}
function urls(s,  m) {
while (match(s, URL)) {
m = substr(s, RSTART + 4, RLENGTH - 5)
sub(/^[^:]*:/, "", m)
if (!harmless(m)) emit("url", m)
s = substr(s, RSTART + RLENGTH)
}
}
"""

#: A setting in a file. In a program, only what stands in quotes is a value; without quotes, it is
#: one if nothing else follows on the line.
_SETTINGS = r"""
function settings(s,  l, r, q, v, at) {
if (s ~ /^[ \t]*(#|;|\/\/|\*|--|<!--|\/\*|rem )/) return
l = tolower(s)
while (match(l, NAME GAP)) {
at = RSTART + RLENGTH
q = substr(l, RSTART, RLENGTH)
l = substr(l, at)
s = substr(s, at)
if (q ~ /=$/ && l ~ /^[=~]/) continue
if (q ~ /,[ \t]*["']$/) { q = substr(q, length(q)); r = s }
else if (q ~ />[ \t]*$/ && q !~ /=>[ \t]*$/) {
v = s
if (sub(/<\/.*/, "", v) && v !~ /[ \t]/ && !harmless(v)) emit("password", v)
continue
}
else { q = substr(s, 1, 1); r = substr(s, 2) }
if (q == "\"" || q == "'") {
if (!index(r, q)) continue
v = substr(r, 1, index(r, q) - 1)
if (v !~ /[ \t]/ && !harmless(v)) emit("password", v)
continue
}
if (program) continue
v = s
sub(/[ \t]+[#;].*$/, "", v)
sub(/[;, \t\r]+$/, "", v)
if (v ~ /[] \t()[{}]/ || v ~ /^[a-zA-Z_]+[.][a-zA-Z_.]+$/ || v ~ /^["'!&|]/) continue
if (!harmless(v)) emit("password", v)
}
}
"""

#: What a command is given: ``--password=x``, ``-px`` of mysql, ``-u name:x`` of curl.
_WORDS = r"""
function base(w) { sub(/.*\//, "", w); return w }
function quiet(w) { gsub(/^["']+|["';|)]+$/, "", w); return w }
function given(w) { w = quiet(w); if (!harmless(w) && w !~ /^-/) emit("password", w) }
function words(w, n,  i, p, o, v, b) {
p = ""
for (i = 1; i <= n; i++) {
v = quiet(w[i]); o = tolower(v); b = tolower(i > 1 ? w[i - 1] : "")
if (p == "" || b ~ /^([|]|[|][|]|&&|sudo|exec|env|nohup|time)$/ || b ~ /;$/) p = base(o)
if (p == o && o ~ /^[a-z_][a-z0-9_]*=/) p = ""
if (match(o, "^[a-z0-9_.=-]*(pass|" NAME ")[=:]")) {
v = substr(v, RLENGTH + 1)
if (v == "" && o ~ /:$/ && i < n) v = w[i + 1]
given(v)
} else if (i < n && o ~ ("^--[a-z0-9_.-]*(pass|" NAME ")$")) given(w[i + 1])
else if (v ~ /^-p./ && p ~ /^(mysql|mariadb|mycli|sshpass)/) given(substr(v, 3))
else if (v == "-p" && p == "sshpass" && i < n) given(w[i + 1])
else if (v ~ /^(-u|--user|--proxy-user)$/ && p == "curl" && w[i + 1] ~ /:./) {
v = w[i + 1]; sub(/^[^:]*:/, "", v); given(v)
} else if (v ~ /^-pass(in|out)?$/ && w[i + 1] ~ /^["']?pass:/) {
v = quiet(w[i + 1]); given(substr(v, 6))
} else if (o ~ /^(bearer|basic)$/ && b ~ /authorization:$/) given(w[i + 1])
else if (b == "identified" && o == "by") given(w[i + 1])
else if (o == "password" && b ~ /^(with|encrypted|=)$/ && w[i + 1] ~ /^['"]/) given(w[i + 1])
else if (o ~ /^(chpasswd|passwd|sudo)$/ && tolower(w[1]) == "echo" && b ~ /^([|]|sudo)$/) {
v = quiet(w[2]); sub(/^[a-zA-Z_][a-zA-Z0-9_.-]*:/, "", v); given(v)
}
}
}
"""


def awk(*, commands: bool) -> str:
    """Return the functions that take secrets out of a line."""
    tables = "\n".join(
        f'kind[{n}] = "{kind}"; shape[{n}] = "{start}{rest}+"; least[{n}] = {least}'
        for n, (kind, start, rest, least) in enumerate(_TOKENS, start=1)
    )
    texts = "\n".join(
        f"{name} = {_quoted(text)}"
        for name, text in (("NAME", _NAME), ("GAP", _GAP), ("URL", _URL))
    )
    words = f'split("{_PLACEHOLDERS}", w, " "); for (i in w) WORDS[w[i]]'
    begin = f"BEGIN {{\n{tables}\nshapes = {len(_TOKENS)}\n{texts}\n{words}\n}}"
    return f"# {OWN}\n{begin}{_COMMON}{_WORDS if commands else _SETTINGS}"


def _quoted(text: str) -> str:
    return '"{}"'.format(text.replace('"', '\\"').replace("\t", "\\t"))


#: Reads what ``emit`` printed, and prints it with a hash for the secret: kind, bits, line, hash,
#: path.
HASH: Final = rf"""{{
n=0
s=$(printf '\001')
while IFS=$s read -r k b l p v; do
case $k in @*) echo "$k $b"; continue;; esac
[ $b -ge {{floor}} ] || continue
n=$((n+1))
[ $n -le {MOST} ] || continue
h=$(printf %s "$v" | sha256sum) || exit
h=${{h%% *}}
printf '%s\t%s\t%s\t%.8s\t%s\n' "$k" "$b" "$l" "$h" "$p"
done
echo "@found $n"
}}"""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Where a secret stands.

    Attributes:
        path: the file; for processes, the number and the program.
        line: its number; 0 for processes.
        kind: ``password``, ``private-key``, ``aws-key`` ...
        hash: the first 8 hexadecimal digits of its SHA-256.
        bits: how much information one of its characters holds.
    """

    path: str
    line: int
    kind: str
    hash: str
    bits: float

    def __str__(self) -> str:
        place = f"{self.path} line {self.line}" if self.line else self.path
        return f"{place}: {self.kind} (sha256 {self.hash})"


def filtered(program: str, *, floor: int = FLOOR) -> str:
    """Return the pipe's end that turns lines into findings with *program*, an awk text."""
    return f"awk {shlex.quote(program)} | {HASH.replace('{floor}', str(floor))}"


def parse(lines: Sequence[str]) -> tuple[tuple[Finding, ...], int]:
    """Parse what `HASH` printed; return the findings and how many there are besides.

    Raises:
        ValueError: a line is unknown, or the number is missing.
    """
    if not lines or not lines[-1].startswith("@found "):
        raise ValueError("the findings are not whole")
    found: dict[tuple[str, int, str], Finding] = {}
    for one in _findings(lines[:-1]):
        place = (one.path, one.line, one.hash)
        if place not in found or found[place].kind == "password":  # a plainer kind is known
            found[place] = one
    return tuple(sorted(found.values())), max(0, int(lines[-1].removeprefix("@found ")) - MOST)


def _findings(lines: Sequence[str]) -> Iterator[Finding]:
    for line in lines:
        kind, bits, number, digest, path = line.split("\t", 4)
        yield Finding(path, int(number), kind, digest, int(bits) / 100)
