"""How rsyslog and syslog-ng are set up: where logs go, what is taken in, with which modes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.text_files import Texts

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_RSYSLOG, _RSYSLOG_D = "/etc/rsyslog.conf", "/etc/rsyslog.d/*.conf"
_SYSLOG_NG, _SYSLOG_NG_D = "/etc/syslog-ng/syslog-ng.conf", "/etc/syslog-ng/conf.d/*.conf"
ROWS: Mapping[str, Sequence[str]] = {"texts": (_RSYSLOG, _RSYSLOG_D, _SYSLOG_NG, _SYSLOG_NG_D)}
_LOOPBACK = re.compile(r"localhost|127\.[\d.]+|\[?::1\]?")
_COMMENT = re.compile(r"(?m)(?:^|(?<=\s))#.*$")
_HOST = r"\[[^\]\s]+\]|[\w.-]+"
#: rsyslog's objects: ``action(type="omfwd" target="...")``.
_OBJECT = re.compile(
    r"\b(action|input|module|global)\s*\(((?:[^()\"]|\"[^\"]*\")*)\)", re.IGNORECASE
)
_FIELD = re.compile(r'([\w.]+)\s*=\s*"([^"]*)"')
_FORWARD = re.compile(rf"(?m)(?:^|[\s&])@@?(?:\([^)\s]*\))?({_HOST})")
_RELP = re.compile(rf":omrelp:({_HOST})")
_LEGACY_INPUT = re.compile(
    r"(?mi)^\s*\$(InputTCPServerRun|UDPServerRun|InputRELPServerRun)\s+(\S+)"
)
_LEGACY_MODE = re.compile(r"(?mi)^\s*\$FileCreateMode\s+(\d+)")
_LEGACY_UMASK = re.compile(r"(?mi)^\s*\$Umask\s+(\d+)")
_LEGACY_INCLUDE = re.compile(r"(?mi)^\s*\$IncludeConfig\s+(\S+)")
_INCLUDE = re.compile(r"(?i)\binclude\s*\([^)]*\bfile\s*=\s*\"([^\"]+)\"")
_SENDERS = ("omfwd", "omrelp", "omelasticsearch", "omkafka", "omhttp", "omgssapi")
_TAKERS = ("imtcp", "imudp", "imrelp", "imgssapi", "imhttp", "im3195")
#: syslog-ng's drivers that speak with other hosts.
_DRIVER = re.compile(rf"\b(?:network|syslog|tcp6?|udp6?)\s*\(\s*(?:ip\s*\(\s*)?[\"']?({_HOST})?")
_BLOCK = re.compile(r"\b(destination|source)\s+([\w-]+)\s*\{")
_PERM = re.compile(r"\bperm\s*\(\s*(0?[0-7]{3})\s*\)")
_NG_INCLUDE = re.compile(r"(?m)^\s*@include\s+[\"']([^\"']+)[\"']")


@dataclass(frozen=True, slots=True)
class Syslog:
    """The files of one log daemon.

    Attributes:
        targets: other hosts that logs are sent to, with the place.
        inputs: where logs of other hosts are taken in.
        modes: the modes of new files, each with its place; none: the daemon's own default.
        umask: what is taken off these modes.
        unread: files that are included, and that we do not know.
    """

    targets: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    modes: tuple[tuple[str, int], ...] = ()
    umask: int = 0
    unread: tuple[str, ...] = ()


def rsyslog(main: Texts, further: Texts) -> Syslog:
    """Return what rsyslog's files say; *further* ones count if the main one takes them in."""
    texts = dict(main)
    whole = "\n".join(map(_bare, main.values()))
    included = [*_LEGACY_INCLUDE.findall(whole), *_INCLUDE.findall(whole)]
    if any(name in (_RSYSLOG_D, "/etc/rsyslog.d/", "/etc/rsyslog.d/*") for name in included):
        texts |= further
    known = (_RSYSLOG_D, "/etc/rsyslog.d/", "/etc/rsyslog.d/*")
    targets, inputs, modes = list[str](), list[str](), list[tuple[str, int]]()
    umask = 0
    for path, text in texts.items():
        bare = _bare(text)
        targets += [f"{path}: {host}" for host in _targets(bare) if not _LOOPBACK.fullmatch(host)]
        inputs += [f"{path}: {name}" for name in _inputs(bare)]
        modes += [(path, int(mode, 8)) for mode in _modes(bare)]
        umask |= sum(int(mask, 8) for mask in _LEGACY_UMASK.findall(bare)[-1:])
    unread = tuple(name for name in included if name not in known)
    return Syslog(tuple(targets), tuple(inputs), tuple(modes), umask, unread)


def _bare(text: str) -> str:
    """Return *text* without comments."""
    return _COMMENT.sub("", text)


def _objects(text: str, *kinds: str) -> Iterator[Mapping[str, str]]:
    for kind, inside in _OBJECT.findall(text):
        if kind.lower() in kinds:
            yield {name.lower(): value for name, value in _FIELD.findall(inside)}


def _targets(text: str) -> Iterator[str]:
    for fields in _objects(text, "action"):
        if fields.get("type", "").lower() in _SENDERS:
            yield fields.get("target") or fields.get("server") or fields["type"]
    outside = _OBJECT.sub("", text)
    yield from _FORWARD.findall(outside)
    yield from _RELP.findall(outside)


def _inputs(text: str) -> Iterator[str]:
    for fields in _objects(text, "input"):
        takes = fields.get("type", "").lower() in _TAKERS
        if takes and not _LOOPBACK.fullmatch(fields.get("address", "*")):
            yield f"{fields['type']} {fields.get('port', '')}".strip()
    for name, port in _LEGACY_INPUT.findall(text):
        yield f"{name} {port}"


def _modes(text: str) -> Iterator[str]:
    yield from _LEGACY_MODE.findall(text)
    for fields in _objects(text, "module", "action", "global"):
        if "filecreatemode" in fields:
            yield fields["filecreatemode"]


def syslog_ng(main: Texts, further: Texts) -> Syslog:
    """Return what syslog-ng's files say; *further* ones count as for rsyslog."""
    whole = "\n".join(map(_bare, main.values()))
    included = _NG_INCLUDE.findall(whole)
    known = (_SYSLOG_NG_D, "conf.d/*.conf", "/etc/syslog-ng/conf.d/")
    files = {**main, **(further if set(included) & set(known) else {})}
    everything = "\n".join(map(_bare, files.values()))
    targets, inputs, modes = list[str](), list[str](), list[tuple[str, int]]()
    for path, text in files.items():
        for kind, name, inside in _blocks(_bare(text)):
            if not re.search(rf"\b{kind}\s*\(\s*{re.escape(name)}\s*\)", everything):
                continue  # no log path uses it
            hosts = [host or "*" for host in _DRIVER.findall(inside)]
            told = [f"{path}: {host}" for host in hosts if not _LOOPBACK.fullmatch(host)]
            (targets if kind == "destination" else inputs).extend(told)
        modes += [(path, int(mode, 8)) for mode in _PERM.findall(_bare(text))]
    unread = tuple(n for n in included if n not in known and not n.startswith("scl"))
    return Syslog(tuple(targets), tuple(inputs), tuple(modes), 0, unread)


def _blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield kind, name and inside of each destination and source; braces may be nested."""
    for match in _BLOCK.finditer(text):
        depth, end = 1, match.end()
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        yield match[1], match[2], text[match.end() : end]


@dataclass(frozen=True, slots=True)
class Syslogs:
    """What each log daemon is set up to do, by the name of its process; whether it runs or not."""

    rsyslogd: Syslog
    syslog_ng: Syslog

    def of(self, daemons: Sequence[str]) -> Iterator[tuple[str, Syslog]]:
        """Yield those of *daemons* whose files we know, with what these say."""
        known = {"rsyslogd": self.rsyslogd, "syslog-ng": self.syslog_ng}
        yield from ((name, known[name]) for name in daemons if name in known)


def read(facts: Facts) -> Syslogs:
    """Read their files.

    Raises:
        Denied: we may not read one.
    """
    texts = facts.texts
    return Syslogs(
        rsyslog(texts[_RSYSLOG], texts[_RSYSLOG_D]),
        syslog_ng(texts[_SYSLOG_NG], texts[_SYSLOG_NG_D]),
    )
