"""A snapshot as a Python module: tables of values, and plain pytest checks that compare them."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_sysaudit.command.sections import TRANSIENT, Missing, Section, Value
from pytest_sysaudit.text import printable

_WIDTH = 96


@dataclass(frozen=True, slots=True)
class Shape:
    """How one section is written.

    Attributes:
        comment: what a row of the table is.
        each: the check of one row; "" if the table alone says all.
        others: the check that there is nothing else.
        helper: what both need.
        setlike: whether the table holds names alone.
    """

    comment: str
    each: str
    others: str
    helper: str = ""
    setlike: bool = False


_SHAPES: Mapping[str, Shape] = {
    "users": Shape(
        "name: (uid, gid, home, shell)",
        '''\
def test_user(host, name):
    """Each user has its numbers, home and shell."""
    user = host.facts.passwd.get(name)
    assert user is not None, f"there is no user {name}"
    assert (user.uid, user.gid, user.home, user.shell) == USERS[name]
''',
        '''\
def test_no_other_user(host):
    """There is no user that was not there."""
    others = sorted({user.name for user in host.facts.passwd} - USERS.keys())
    assert others == []
''',
    ),
    "groups": Shape(
        "name: (gid, members)",
        '''\
def test_group(host, name):
    """Each group has its number and its members."""
    group = host.facts.group.get(name)
    assert group is not None, f"there is no group {name}"
    assert (group.gid, tuple(sorted(group.members))) == GROUPS[name]
''',
        '''\
def test_no_other_group(host):
    """There is no group that was not there."""
    others = sorted({group.name for group in host.facts.group} - GROUPS.keys())
    assert others == []
''',
    ),
    "ports": Shape(
        "protocol, address and port: the programs that listen",
        '''\
def test_port(host, place):
    """Each port is listened on, by the same programs."""
    found = listening(host)
    assert place in found, f"nobody listens on {place}"
    assert tuple(sorted(found[place])) == PORTS[place]
''',
        '''\
def test_no_other_port(host):
    """Nobody listens on a port that was closed."""
    others = sorted(listening(host).keys() - PORTS.keys())
    assert others == []
''',
        '''\
def listening(host):
    """Return the programs behind each port; those that the kernel hands out are left out."""
    found = {}
    for one in host.facts.TABLE:
        if one.port not in HANDED_OUT:
            place = f"{one.protocol} {one.address}:{one.port}"
            found.setdefault(place, set()).update(one.processes)
    return found
''',
    ),
    "services": Shape(
        "unit: running (and enabled), enabled, masked",
        '''\
def test_service(host, unit):
    """Each unit is enabled or masked as it was, and runs if it ran."""
    state, found = SERVICES[unit], host.facts.units.get(unit)
    assert unit in starting(host), f"{unit} is neither enabled nor masked any more"
    assert starting(host)[unit] == ("masked" if state == "masked" else "enabled")
    if state == "running":
        assert found is not None and found.sub_state == "running"
''',
        '''\
def test_no_other_service(host):
    """No unit starts with the host that did not before."""
    others = sorted(unit for unit, state in starting(host).items() if state != "masked")
    assert [unit for unit in others if unit not in SERVICES and not passing(unit)] == []
''',
        '''\
def starting(host):
    """Return ``enabled`` or ``masked`` of each unit of which either is true."""
    units = host.facts.units
    states = {unit.name: {unit.file_state} for unit in units}
    for name, state in units.files.items():
        states.setdefault(name, set()).add(state)
    kinds = (".service", ".socket", ".timer", ".path")
    return {
        name: "masked" if "masked" in found else "enabled"
        for name, found in states.items()
        if found & {"enabled", "masked"} and name.endswith(kinds)
    }


def passing(unit):
    """Tell units that come and go with logins, commands and devices."""
    globs = ("user@*", "user-runtime-dir@*", "session-*", "run-*", "systemd-fsck@*", "*@dev-*")
    return any(fnmatch.fnmatchcase(unit, glob) for glob in globs)
''',
    ),
    "packages": Shape(
        "names of packages that are installed",
        '''\
def test_package(host, name):
    """Each package is installed."""
    assert host.facts.packages.get(name) is not None, f"{name} is not installed"
''',
        '''\
def test_no_other_package(host):
    """No package is installed that was not."""
    found = {package.name for package in host.facts.packages if package.state == "installed"}
    assert sorted(found - PACKAGES) == []
''',
        setlike=True,
    ),
    "packages with versions": Shape(
        "name: version",
        '''\
def test_package(host, name):
    """Each package is installed, in its version."""
    package = host.facts.packages.get(name)
    assert package is not None, f"{name} is not installed"
    assert package.version == PACKAGES[name]
''',
        '''\
def test_no_other_package(host):
    """No package is installed that was not."""
    found = {package.name for package in host.facts.packages if package.state == "installed"}
    assert sorted(found - PACKAGES.keys()) == []
''',
    ),
    "sysctls": Shape(
        "setting of the kernel: value",
        '''\
def test_sysctl(host, key):
    """Each setting of the kernel has its value."""
    assert " ".join(host.facts.sysctl[key].split()) == SYSCTLS[key]
''',
        "",
    ),
    "mounts": Shape(
        "path: (type, what may be done there)",
        '''\
def test_mount(host, path):
    """Each file system is mounted, with the same options."""
    mount = host.facts.mounts.at(path)
    assert mount is not None, f"nothing is mounted at {path}"
    options = [one for one in ("ro", "rw", "nosuid", "nodev", "noexec") if one in mount.options]
    assert (mount.type, " ".join(options)) == MOUNTS[path]
''',
        '''\
def test_no_other_mount(host):
    """Nothing is mounted where nothing was, but for sessions, containers and media."""
    others = [
        mount.path
        for mount in host.facts.mounts
        if mount.path not in MOUNTS
        and mount.type not in ("autofs", "nsfs")
        and not any(fnmatch.fnmatchcase(mount.path, glob) for glob in PASSING)
    ]
    assert others == []
''',
    ),
}
_KEYS: Mapping[str, str] = {
    "ports": "place",
    "services": "unit",
    "sysctls": "key",
    "mounts": "path",
}
_SEVERITIES: Mapping[str, str] = {"users": "high", "ports": "high"}


def module(
    target: str,
    when: str,
    identity: str,
    sections: Sequence[Section],
    missing: Sequence[Missing],
) -> str:
    """Return the text of the module.

    Args:
        target: the name of the target in the inventory.
        when: the day, as 2026-11-23.
        identity: what the host said of itself, in a line.
        sections: what was recorded.
        missing: what could not be.
    """
    parts = [_head(target, when, identity, sections, missing)]
    parts += [_section(target, section) for section in sections]
    return "\n\n".join(parts)


def _head(
    target: str, when: str, identity: str, sections: Sequence[Section], missing: Sequence[Missing]
) -> str:
    body = "\n".join("".join(_whole(section)) for section in sections)
    imports = ["import fnmatch\n"] if "fnmatch." in body else []
    lines = [
        f'"""What {target} was on {when}, as checks: change what is to change.',
        "",
        f"Written by `sysaudit snapshot {target}`.",
        *([f"The host said that it is {_plain_words(identity)}."] if identity else []),
        '"""',
    ]
    comments = [f"{one.name}: not recorded: {one.reason}" for one in missing]
    comments += [
        f"{section.name}: without {text}" for section in sections for text in section.left_out
    ]
    remarks = [line for text in comments for line in _comment(text)]
    tail = ["import pytest", "", f"pytestmark = pytest.mark.targets({quoted(target)})", ""]
    return "\n".join([*lines, *remarks, "", *imports, *tail])


def _whole(section: Section) -> Iterator[str]:
    shape = _shape(section)
    yield from (shape.helper, shape.each, shape.others)


def _shape(section: Section) -> Shape:
    if section.name == "packages" and section.extra["versions"]:
        return _SHAPES["packages with versions"]
    return _SHAPES[section.name]


def _section(target: str, section: Section) -> str:
    shape, name = _shape(section), section.name.upper()
    lines = [f"# {shape.comment}", *_table(name, section.rows, setlike=shape.setlike)]
    if section.name == "mounts":
        lines += ["", *_names("PASSING", TRANSIENT)]
    if section.name == "ports":
        lines += ["", f"HANDED_OUT = range({section.extra['first']}, {section.extra['end']})"]
    pieces = ["\n".join(lines) + "\n"]
    if shape.helper:
        pieces.append(_filled(shape.helper, section))
    if section.rows:
        key = _KEYS.get(section.name, "name")
        each = "sorted(PACKAGES)" if shape.setlike else name
        marks = f'@pytest.mark.parametrize("{key}", {each})\n'
        pieces.append(_control(target, section.name, section.name) + marks + shape.each)
    if shape.others:
        pieces.append(_control(target, section.name, f"other-{section.name}") + shape.others)
    return "\n\n".join(pieces)


def _filled(helper: str, section: Section) -> str:
    if section.name != "ports":
        return helper
    table = "sockets" if section.extra["root"] else "listeners"
    return helper.replace("TABLE", table)


def _control(target: str, section: str, name: str) -> str:
    severity = _SEVERITIES.get(section, "medium")
    return f'@pytest.mark.control("snapshot.{target}.{name}", severity="{severity}")\n'


def _table(name: str, rows: Mapping[str, Value], *, setlike: bool) -> Iterator[str]:
    if setlike:
        yield from ([f"{name} = set()"] if not rows else _names(name, rows, "{", "}"))
        return
    yield f"{name} = {{"
    for key, value in rows.items():
        yield f"    {quoted(key)}: {quoted(value)},"
    yield "}"


def _names(name: str, values: Iterable[str], left: str = "(", right: str = ")") -> Iterator[str]:
    yield f"{name} = {left}"
    yield from (f"    {quoted(value)}," for value in values)
    yield right


def quoted(value: Value) -> str:
    """Return *value* as Python writes it, texts in double quotes."""
    if isinstance(value, tuple):
        inner = ", ".join(map(quoted, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, str) and value.isprintable():
        return json.dumps(value, ensure_ascii=False)
    return ascii(value)


def _plain_words(text: str) -> str:
    """Return *text* as it may stand in a docstring."""
    line = printable(" ".join(text.split()))
    return re.sub(r'["\\]', "", line)[: _WIDTH - 40]


def _comment(text: str) -> list[str]:
    line = printable(" ".join(text.split()))
    return textwrap.wrap(line, _WIDTH, initial_indent="# ", subsequent_indent="#   ")
