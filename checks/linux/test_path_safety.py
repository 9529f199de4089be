"""Folders from which root's programs, libraries and services come, and where logs go."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.facts.file_contents import SEPARATOR
from pytest_sysaudit.facts.safe_paths import unsafe, with_parents
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: Log files that packages make readable for everybody, and that tell nothing of users' doings.
READABLE = """
/var/log/alternatives.log* /var/log/anaconda/* /var/log/apk.log* /var/log/apt/*
/var/log/boot.log* /var/log/bootstrap.log /var/log/btmp* /var/log/dist-upgrade/* /var/log/dnf*
/var/log/dpkg.log* /var/log/faillog* /var/log/fontconfig.log* /var/log/hawkey.log*
/var/log/installer/* /var/log/landscape/sysinfo.log* /var/log/lastlog* /var/log/rhsm/*
/var/log/sa/* /var/log/sysstat/* /var/log/tallylog* /var/log/tuned/*
/var/log/ubuntu-advantage* /var/log/unattended-upgrades/* /var/log/wtmp* /var/log/Xorg.*
/var/log/yum.log* /var/log/zypp/*
""".split()  # noqa: SIM905 - a table of words


def _named(path, patterns):
    return any(path == pattern or fnmatchcase(path, pattern) for pattern in patterns)


def _too_open(file, inputs):
    if file.mode & 0o002:
        return True
    if file.mode & 0o020 and not _named(file.path, inputs.shared):
        return True
    return bool(file.mode & 0o015) and not _named(file.path, inputs.readable)


@pytest.mark.control(
    "perm.var-log",
    severity="high",
    frameworks={
        "cis-debian12": ["6.1.4.1"],
        "cis-dil": ["4.2.3"],
        "nist-800-53": ["SI-11(a)", "SI-11(b)", "SI-11.1(iii)"],
        "pci-dss-4": ["10.3", "10.3.1"],
        "dev-sec": ["os-11"],
    },
    inputs={
        "readable": READABLE,
        "shared": ["/var/log/btmp*", "/var/log/lastlog*", "/var/log/wtmp*", "/var/log/faillog*"],
        "groups": ["root", "syslog", "adm"],
    },
)
def test_logs_are_private(host, audit):
    """Log files are written by their service, and read by their group at most.

    Why: logs name users, addresses and what was asked for, and who can write them can wipe out
    the traces of an attack.

    Fix: `chmod 0640 FILE; chown root:root /var/log; chmod 0755 /var/log`, and the mode that the
    service or logrotate creates it with. The inputs `readable` (by everybody) and `shared`
    (written by the group too) name exceptions as patterns; `groups` may write to /var/log itself.
    """
    folder = host.facts.file_stats["/var/log"]
    found = audit.observe("/var/log", folder.describe(host.facts.accounts))
    group = host.facts.accounts.group_name(folder.gid)
    allowed = 0o775 if group in audit.inputs.groups else 0o755
    bad = [f"/var/log ({found})"] if folder.uid or folder.laxer_than(allowed) else []
    search = host.facts.file_search
    bad += [f"{f.path} ({f.mode:04o})" for f in search.logs() if _too_open(f, audit.inputs)]
    assert not bad, f"too open: {listed(bad)}; expected: logs 0640 or stricter, /var/log root's"
    search.require_all()


def _programs(host):
    """Return what each service starts, with who may own it; nothing where systemd does not run."""
    try:
        programs = host.facts.unit_programs
    except NotApplicable:
        return []
    users = {user.name: user.uid for user in host.facts.accounts.users}
    ids = {program: users.get(program.user, program.user) for program in programs}
    return [
        (program.unit, program.path, {0, int(uid)} if str(uid).isdigit() else {0})
        for program, uid in ids.items()
    ]


@pytest.mark.control(
    "perm.units",
    severity="critical",
    inputs={"allowed": []},
)
def test_what_starts_services_is_writable_by_root_only(host, audit):
    """Only root can change units and init scripts, and the programs that services start.

    Why: who may write to one of them, or to a folder above it, decides what runs as root at the
    next start.

    Fix: `chown root:root PATH; chmod go-w PATH`. A program may belong to the user that its service
    runs as. Name exceptions in the input `allowed`, as paths or patterns.
    """
    files = host.facts.startup_files
    if not audit.observe("places", files.places):
        audit.not_applicable("neither systemd nor init scripts start anything here")
    bad = {file.path: file.describe(host.facts.accounts) for file in files.open}
    programs = _programs(host)
    above = [folder for place in files.places for folder in with_parents(place)[1:]]
    every = [*above, *(path for _, program, _ in programs for path in with_parents(program))]
    host.facts.paths.ask(dict.fromkeys(every))
    bad.update(unsafe(host.facts, above))
    for unit, path, owners in programs:
        found = unsafe(host.facts, [path], owners)
        bad.update({name: f"{mode}, for {unit}" for name, mode in found.items() if name not in bad})
    audit.observe("programs", len(programs))
    wrong = [
        f"{p} ({why})" for p, why in sorted(bad.items()) if not _named(p, audit.inputs.allowed)
    ]
    assert not wrong, f"others than root may change: {listed(wrong)}"
    files.require_all()


#: The usual search path, so that these are asked for together with all other paths.
SEARCHED = (
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/local",
    "/usr",
    "/",
)


def _search_paths(host):
    """Return where each part of the system's search path is set, by the part."""
    found = {}
    settings = host.facts.login_defs
    for name in ("ENV_SUPATH", "ENV_PATH"):
        for part in settings.get(name, "").removeprefix("PATH=").split(":"):
            if settings.get(name):
                found.setdefault(part, f"{name} in /etc/login.defs")
    for path, _, line in host.facts.texts["/etc/environment"].lines():
        match = re.fullmatch(r"(?:export\s+)?PATH=(.*)", line)
        for part in match[1].strip("\"'").split(":") if match else ():
            found.setdefault(part, path)
    return found


@pytest.mark.control(
    "perm.path-dirs",
    severity="high",
    frameworks={"cis-dil": ["6.2.6"]},
    inputs={"folders": list(SEARCHED[:6]), "allowed": []},
)
def test_the_search_path_is_writable_by_root_only(host, audit):
    """Only root can put programs into the folders of the system's search path.

    Why: who may write there, or to a folder above, gives root another `ls`.

    Fix: `chown root:root FOLDER; chmod go-w FOLDER`; take relative and empty parts out of PATH.
    Checked are the input `folders`, and what login.defs and /etc/environment set. Name exceptions
    in the input `allowed`.
    """
    host.facts.paths.ask(SEARCHED)
    places = {**dict.fromkeys(audit.inputs.folders, "the usual path"), **_search_paths(host)}
    parts = audit.observe("path", [*places])
    bad = [f"{part!r} ({places[part]})" for part in parts if not part.startswith("/")]
    found = unsafe(host.facts, [part for part in parts if part.startswith("/")])
    bad += [f"{path} ({mode})" for path, mode in found.items() if path not in audit.inputs.allowed]
    assert not bad, f"the search path is not safe: {listed(bad)}"


#: Where libraries are looked for in any case, and the files that name more such folders.
LIBRARIES = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
)
#: What the files of usual hosts name, so that it is asked for together with all other paths.
USUAL = (
    "/",
    "/etc",
    "/usr",
    "/usr/local",
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/local/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/local/lib/aarch64-linux-gnu",
)


def _words(texts):
    """Yield the paths in files that name some, one line or many."""
    for _, _, line in texts.lines():
        yield from re.split(r"[\s,:]+", line.split("#", 1)[0].strip())


def _library_folders(host):
    """Return the folders that the loader's configuration names."""
    found = set(_words(host.facts.texts["/etc/ld-musl-*.path"]))
    included = host.facts.texts["/etc/ld.so.conf.d/*.conf"]
    files = [host.facts.texts["/etc/ld.so.conf"], included]
    for texts in files:  # grows
        for _, _, line in texts.lines():
            words = re.split(r"[\s,:]+", line.split("#", 1)[0].strip())
            if words[0] == "include":
                patterns = [p if p.startswith("/") else f"/etc/{p}" for p in words[1:]]
                new = [p for p in patterns if p != "/etc/ld.so.conf.d/*.conf"]
                files += [host.facts.texts[pattern] for pattern in new if len(files) < 50]
            elif words[0] != "hwcap":
                found.update(word.split("=")[0] for word in words)
    return sorted(found - {""})


@pytest.mark.control(
    "perm.library-path",
    severity="high",
    frameworks={"nist-800-53": ["CM-5", "CM-5(6)", "CM-5(6).1"]},
    inputs={"preloaded": [], "allowed": []},
)
def test_libraries_are_writable_by_root_only(host, audit):
    """Only root can change where libraries come from, and none is loaded into every program.

    Why: a library there runs within the programs of root. One that ld.so.preload names runs within
    all programs, and is the usual way to hide processes and files.

    Fix: `chown root:root PATH; chmod go-w PATH`; empty /etc/ld.so.preload, or name what belongs
    there in the input `preloaded`. Name other exceptions in the input `allowed`.
    """
    host.facts.paths.ask(USUAL)
    host.facts.paths.ask(LIBRARIES)
    preloaded = sorted(set(_words(host.facts.texts["/etc/ld.so.preload"])) - {""})
    folders = audit.observe("folders", _library_folders(host))
    audit.observe("preloaded", preloaded)
    extra = [path for path in preloaded if path not in audit.inputs.preloaded]
    bad = [f"{path} (loaded into every program)" for path in extra]
    bad += [f"{path} (a relative path)" for path in folders if not path.startswith("/")]
    paths = [path for path in [*folders, *preloaded] if path.startswith("/")]
    open_paths = unsafe(host.facts, [*LIBRARIES, *paths])
    files = host.facts.file_stats.matching("/etc/ld.so.conf.d/*")
    accounts = host.facts.accounts
    lax = {f.path: f.describe(accounts) for f in files if f.uid or f.laxer_than(0o755)}
    bad += [
        f"{path} ({mode})"
        for path, mode in {**open_paths, **lax}.items()
        if path not in audit.inputs.allowed
    ]
    assert not bad, f"libraries are not safe: {listed(bad)}"


BOOT_FILES = (
    "/boot/grub/grub.cfg",
    "/boot/grub/user.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/grub2/user.cfg",
)
_PASSWORD = "^[[:blank:]]*\\(password\\|GRUB2_PASSWORD\\)"  # noqa: S105 - a pattern of grep


def _may_be_read(host, file, inputs):
    asked = inputs.only_with_password
    return asked and not host.facts.matches[f"{file.path}{SEPARATOR}{_PASSWORD}"]


@pytest.mark.control(
    "perm.bootloader",
    severity="medium",
    frameworks={
        "cis-debian12": ["1.4.2"],
        "cis-dil": ["1.4.1"],
        "nist-800-53": ["AC-6(1)", "CM-6(a)"],
        "pci-dss-4": ["2.2", "2.2.6"],
    },
    inputs={"only_with_password": False},
)
def test_the_boot_loaders_files_are_private(host, audit):
    """Only root can read and write what GRUB boots.

    Why: who writes it boots what he likes, and the hash of its password can be guessed by whoever
    reads it.

    Fix: `chown root:root FILE; chmod 0600 FILE`; on Debian update-grub opens a file without a
    password again. With the input `only_with_password`, such a file may be read by everybody.
    """
    stats = host.facts.file_stats
    files = [stats[path] for path in BOOT_FILES if stats.exists(path)]
    if not files:
        audit.not_applicable("there is no configuration of GRUB here")
    bad = []
    for file in files:
        found = audit.observe(file.path, file.describe(host.facts.accounts))
        allowed = 0o744 if _may_be_read(host, file, audit.inputs) else 0o700
        if file.uid or file.laxer_than(allowed):
            bad.append(f"{file.path} is {found}")
    assert not bad, f"{'; '.join(bad)}; expected: 0600 root:root"
