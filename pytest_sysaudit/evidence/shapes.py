"""What shows by itself that it is a secret, whoever wrote it: by its name or by its form."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

MASK = "[redacted]"


class _Pattern:
    """A regular expression that is compiled when it is first used: most runs need few of them."""

    match: Callable[..., re.Match[str] | None]
    search: Callable[..., re.Match[str] | None]
    fullmatch: Callable[..., re.Match[str] | None]
    finditer: Callable[..., Iterator[re.Match[str]]]
    sub: Callable[..., str]

    def __init__(self, text: str, flags: re.RegexFlag = re.NOFLAG) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        method = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, method)
        return method


_WORD = (
    r"(?<!/)(?:pass(?:word|wd|phrase|code)|(?<![a-z])pwd|secret|token|credential"
    r"|(?:api|secret|private|access|account|encryption|signing|shared|master)[-_ ]?key"
    r"|connection[-_]?string|(?:secret|auth)[-_ ]?value)"
)
_SECRET_NAME = _Pattern(
    rf"{_WORD}$|^(?:proxy-)?authorization$|^x-amz-(?:credential|signature)$", re.IGNORECASE
)
#: Values that are settings, references or places to fill in, and no secrets.
_HARMLESS = _Pattern(
    r".{0,2}|[-+]?\d{1,4}(?:\.\d*)?|[*!xX.?…_-]*|\[redacted.*|<[^>]*>|\{\{?[^}]*\}?\}|%s|%\(\w+\)s"
    r"|(?-i:\$\{[^}]*\}?|\$[A-Z_][A-Z0-9_]*|\$\(.*)|(?:env|file|arn|ssm|vault|https?):.*"
    r"|true|false|yes|no|on|off|null|none|nil|undefined|unset|set|empty|missing|absent|present"
    r"|prompt|required|requisite|sufficient|optional|mandatory|enabled|disabled|never|always"
    r"|expired|locked|invalid|valid|wrong|incorrect|denied|bearer|basic|digest|negotiate"
    r"|str|string|bytes|int|bool|any|all",
    re.IGNORECASE | re.DOTALL,
)
_QUOTES = r"(?:\\*['\"]|&quot;|&#0?3[49];|&#x2[27];|&apos;)"
_GAP = r"[^\S\n]{0,8}"
_OPEN = rf"(?:b?{_QUOTES})?"
#: A name that says "secret", up to the value.
_NAMED = _Pattern(
    rf"--[a-z-]{{0,40}}{_WORD} {{1,8}}(?!-)|{_WORD}>"
    rf"|{_WORD}{_QUOTES},\s{{0,40}}{_QUOTES}value{_QUOTES}{_GAP}:{_GAP}"
    rf"|define\(\s{{0,8}}{_QUOTES}\w{{0,60}}{_WORD}{_QUOTES},{_GAP}"
    rf"|{_WORD}{_QUOTES}?\]?{_GAP}(?::=|=>|=(?!=)|:(?!:)){_GAP}b?(?={_QUOTES})"
    rf"|{_WORD}{_QUOTES}?\]?{_GAP}(?::=|=>|=(?!=)|:(?!:)){_GAP}",
    re.IGNORECASE,
)
#: Each name that `_NAMED` finds holds one of these, and is not longer than that on either side.
_IN_NAMES = (
    *("password", "passwd", "passphrase", "passcode", "pwd", "secret", "token", "credential"),
    *("key", "string", "value"),
)
_IN_NAME = _Pattern("|".join(_IN_NAMES), re.IGNORECASE)
_AROUND = 400
_QUOTE = _Pattern(_QUOTES)
_BARE = _Pattern(r"[^\s'\"&,;<>(){}\[\]\\][^\s'\"&,;<>)}\]\\]*")
#: What may stand behind a bare value after a colon: in prose there is more on the line.
_ENDS = _Pattern(
    r"['\"&<>)}\]\\]|,\s{0,8}['\"]?[\w.-]{1,60}['\"]?\s{0,8}[:=]|[,;]?[^\S\n]*(?:$|\n|#|\|)"
)
#: What may stand before a name that begins a line, as in YAML: its value goes to the line's end.
_LINE_START = _Pattern(r"(?:^|\n)[^\S\n]*(?:[E>+|-][^\S\n]+)*[\w.-]{0,60}\Z")
_REST = _Pattern(r"[^\n#]*[^\s#]")


def is_secret_name(name: str) -> bool:
    """Whether what is called *name* is a secret: ``db_password``, ``SecretAccessKey``."""
    return _known_name(name) if len(name) <= _LONG_NAME else bool(_SECRET_NAME.search(name))


#: Names of a usual length come again and again, as keys; longer ones are not worth the memory.
_LONG_NAME = 80


@lru_cache(maxsize=2048)
def _known_name(name: str) -> bool:
    return bool(_SECRET_NAME.search(name))


def is_secret_value(value: str) -> bool:
    """Whether *value* of something with such a name is one, not a setting or a reference."""
    return not _HARMLESS.fullmatch(value.strip())


def _mask_named(text: str) -> str:
    """Mask what stands behind a name: ``password=...``, ``"SecretKey": "..."``, ``<token>...``."""
    pieces, done = [], 0
    for name in _names(text):
        if name.end() < done:
            continue
        start, end = _value_at(text, name)
        if end > start and is_secret_value(text[start:end]):
            pieces += [text[done:start], MASK]
            done = end
    return "".join([*pieces, text[done:]]) if pieces else text


def _names(text: str) -> Iterator[re.Match[str]]:
    """Yield what `_NAMED` finds in *text*, looking only around what each such name holds."""
    begin = end = 0
    for at in _stems(text):
        if at - _AROUND > end:
            yield from _NAMED.finditer(text, begin, end)
            begin = at - _AROUND
        end = at + _AROUND
    if end:
        yield from _NAMED.finditer(text, begin, end)


def _stems(text: str) -> list[int]:
    """Return where one of `_IN_NAMES` begins."""
    if not text.isascii():  # some other letter may be an s or k in another case
        return [found.start() for found in _IN_NAME.finditer(text)]
    lower = text.lower()  # looking for words one by one is much quicker than for either of them
    return sorted(found.start() for word in _IN_NAMES for found in re.finditer(word, lower))


def _value_at(text: str, name: re.Match[str]) -> tuple[int, int]:
    """Return where the value behind *name* begins and ends; nothing if there is none."""
    start = name.end()
    quote = _QUOTE.match(text, start)
    if quote:
        ends = (text.find(quote[0], quote.end()), text.find("\n", quote.end()), len(text))
        return quote.end(), next(end for end in ends if end >= 0)
    bare = _BARE.match(text, start)
    if bare is None:
        return start, start
    if name[0].rstrip().endswith(":") and not _ENDS.match(text, bare.end()):
        rest = _REST.match(text, start)
        begins = _LINE_START.search(text, max(0, name.start() - 100), name.start())
        return rest.span() if rest and begins and "pass" in name[0].lower() else (start, start)
    return bare.span()


class _Rule(NamedTuple):
    """What to mask, and what a text must hold for that to be tried.

    One of the ``hints``, and one of ``also`` if there are any, in lower case; and so many colons.
    Whatever the pattern matches must hold them: the tests try both ways.
    """

    hints: tuple[str, ...]
    pattern: _Pattern
    result: str
    also: tuple[str, ...] = ()
    colons: int = 0

    def may_match(self, lower: str) -> bool:
        """Whether a text that is *lower* in lower case is worth a try."""
        if not _any_in(self.hints, lower) or lower.count(":") < self.colons:
            return False
        return not self.also or _any_in(self.also, lower)


_SCHEME = r"(?:bearer|basic|token|negotiate|apikey|ntlm)[^\S\n]{1,8}"
_ONE = r"[^\s'\"&,;<>\\]+"
_LINE = r"(?:[^'\"\r\n\\=]|=(?:\"[^\"\r\n]{0,500}\")?)+"
_KEPT = rf"\g<keep>{MASK}"


def _rule(
    hints: str, pattern: str, result: str = _KEPT, *, also: str = "", colons: int = 0
) -> _Rule:
    tried = _Pattern(pattern, re.IGNORECASE | re.DOTALL)
    return _Rule(tuple(hints.split()), tried, result, tuple(also.split()), colons)


#: Each: what a text must hold (in lower case) for the pattern to be tried, pattern, replacement.
_RULES = (
    _rule(
        "-----begin",
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r".*?(?:-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
        MASK,
    ),
    _rule(
        "authorization",
        rf"(?P<keep>authorization{_QUOTES}?{_GAP}[:=,]{_GAP}{_OPEN}{_SCHEME}){_ONE}",
    ),
    _rule(
        "authorization",
        rf"(?P<keep>authorization{_QUOTES}?{_GAP}[:=,]{_GAP}{_OPEN})(?!{_SCHEME})"
        rf"(?=[\w-]{{1,40}}[^\S\n]+[^\s'\"]|[^\s'\"]{{20}}){_LINE}",
    ),
    _rule(
        "cookie",
        rf"(?P<keep>\bset-cookie{_QUOTES}?{_GAP}[:=,]{_GAP}{_QUOTES}?[^\s=;,'\"]{{1,200}}=){_ONE}",
    ),
    _rule(
        "cookie",
        rf"(?P<keep>(?<![\w-])cookie{_QUOTES}?{_GAP}[:=]{_GAP}{_QUOTES}?(?=[^\s=;'\"]{{1,200}}=)){_LINE}",
    ),
    _rule(
        "x-api-key x-amz- x-auth-",
        rf"(?P<keep>(?<![\w-])(?:x-api-key|x-amz-security-token|x-auth-\w{{1,20}}){_QUOTES}?{_GAP}[:=,]{_GAP}"
        rf"{_OPEN}){_ONE}",
    ),
    _rule("bearer", r"(?P<keep>\bbearer\s{1,8})[\w.~+/=-]{16,}"),
    _rule(
        "= %3d",
        r"(?P<keep>(?:[?&;]|%26|%3f)(?:[a-z]{1,20}[-_])?(?:token|api_?key|key|password|passwd|pwd|secret|sig|signature"
        r"|x-amz-signature|x-amz-credential|x-amz-security-token)(?:=|%3d))[^\s'\"&;,<>\\]+",
        also="? & ; %26 %3f",
    ),
    _rule("://", r"(?P<keep>://[^/\s:@'\"]{0,200}:)[^/\s'\"]+(?=@)"),
    _rule("://", r"(?P<keep>://)[^/\s:@'\"]{20,}(?=@)"),
    _rule(
        "$",
        r"(?P<keep>\$(?:1|2[abxy]?|5|6|7|g?y|md5|sha1|apr1|scrypt|argon2\w{0,2}|pbkdf2[\w-]{0,20})\$)"
        r"[./\w$=,+-]{8,}",
    ),
    _rule("{", r"(?P<keep>\{(?:S?SHA\d{0,3}|S?MD5|CRYPT|PBKDF2[\w-]{0,20})\})[\w+/=.$]{8,}"),
    _rule("scram-sha-", r"(?P<keep>SCRAM-SHA-\d{1,3}\$\d{1,9}:)[\w+/=$:]{8,}"),
    _rule(
        ":",
        r"(?P<keep>(?:(?<=\s)|(?<=^)|(?<=['\"n]))[a-z_][\w.-]{0,31}:!{0,2})[./a-z0-9]{13}(?=:\d{0,6}:\d{0,6}:)",
        colons=4,
    ),
    _rule(
        "eyj gh github_pat_ glpat- xox _live_ aiza npm_ sk-",
        r"\b(?:eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|gh[pousr]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{16,}"
        r"|xox[abeprs]-[\w-]{10,}|[srp]k_live_\w{10,}|AIza[\w-]{30,}|npm_\w{30,}|sk-[\w-]{32,})",
        MASK,
    ),
    _rule("sshpass", r"(?P<keep>sshpass\s{1,8}-p\s{0,8}\\*['\"]?)[^\s'\"]+"),
    _rule(
        "curl wget",
        r"(?P<keep>(?:curl|wget)\b[^\n|;&]{0,300}?\s(?-i:-u|--user)[\s=]{0,8}\\*['\"]?[^\s:'\"]{1,100}:)"
        r"[^\s'\"\\]+",
    ),
    _rule(
        "mysql mariadb",
        r"(?P<keep>(?:mysql(?:dump|admin|check|show|import)?|mariadb(?:-[a-z]{1,10})?)(?=\s)"
        r"[^\n|;&]{0,300}?\s(?-i:-p))(?=\S{2})[^\s'\"\\]+",
    ),
)
_NAME_HINTS = ("pass", "pwd", "secret", "token", "key", "credential", "string", "auth")


#: One of them, or of a pair one of each, is in every name that `_NAMED` finds in an ASCII text.
_STEMS = ("password", "passwd", "passphrase", "passcode", "pwd", "secret", "token", "credential")
_PAIRS = (
    ("key", ("api", "private", "access", "account", "encryption", "signing", "shared", "master")),
    ("string", ("connection",)),
    ("value", ("auth",)),
)


def mask(text: str) -> str:
    """Return *text* without what looks like a secret, encoded in base64 too."""
    text = _mask_plain(text)
    return _ENCODED.sub(_mask_encoded, text) if len(text) >= _SHORTEST_ENCODED else text


def _mask_plain(text: str) -> str:
    lower = text.lower()
    for rule in _RULES:
        for hint in rule.hints:  # most texts hold none: no call is made for that
            if hint in lower:
                if rule.may_match(lower):
                    text = rule.pattern.sub(rule.result, text)
                break
    return _mask_named(text) if _may_name(text, lower) else text


#: Less holds no name and value; what is no base64, or no text within, is left as it is.
_SHORTEST_ENCODED = 20
_ENCODED = _Pattern(
    rf"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/]{{{_SHORTEST_ENCODED},}}={{0,2}}(?![A-Za-z0-9+/=_-])"
)


def _mask_encoded(found: re.Match[str]) -> str:
    """Return the mask for base64 of a text that a secret stands in, as the data of a user."""
    encoded = found[0]
    if len(encoded) % 4 == 1 or encoded.isdecimal():
        return encoded
    try:
        text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode()
    except ValueError:
        return encoded
    return encoded if _mask_plain(text) == text else MASK


def _may_name(text: str, lower: str) -> bool:
    """Whether *text* may hold a name that says "secret"."""
    if not text.isascii():  # some other letter may be an s or k in another case
        return _any_in(_NAME_HINTS, lower)
    lower = lower.replace("/passwd", "")  # every other check names that file
    return _any_in(_STEMS, lower) or any(
        end in lower and _any_in(starts, lower) for end, starts in _PAIRS
    )


def _any_in(words: tuple[str, ...], text: str) -> bool:
    for word in words:  # noqa: SIM110 - half the time of any(), once for each text that is kept
        if word in text:
            return True
    return False


def named_pair(value: Mapping[str, object]) -> bool:
    """Whether *value* is a pair that says it holds a secret: ``{"Name": "DB_PASSWORD", ...}``."""
    name = next((value[key] for key in ("name", "Name", "key", "Key") if key in value), None)
    return (
        isinstance(name, str)
        and is_secret_name(name)
        and ({"value", "Value"} & value.keys()) != set()
    )
