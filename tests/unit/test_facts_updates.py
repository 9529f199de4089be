"""Pending updates, repositories, changed files: lists of each package manager, odd and broken."""

from __future__ import annotations

import gzip
import itertools
import shutil
import subprocess

import pytest
from lab.fake import FakeTransport

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts import open_facts, repositories, updates, verified_files
from pytest_sysaudit.facts.debian_versions import is_later
from pytest_sysaudit.facts.packages import Package, Packages
from pytest_sysaudit.facts.text_files import Texts
from pytest_sysaudit.facts.updates import Update

SHELLS = [
    argv for argv in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(argv[0])
]
#: Each comes before the next one.
VERSIONS = (
    *("0", "1.0~~", "1.0~rc1-1", "1.0~rc2", "1.0-1~deb12u1", "1.0-1", "1.0-1+deb12u3"),
    *("1.0-1+deb12u10", "1.0a", "1.0+a", "1.09", "1.10", "2-1-2", "1:0.9"),
)


@pytest.mark.parametrize(("one", "two"), list(itertools.combinations(VERSIONS, 2)))
def test_versions_of_debian_packages(one, two):
    assert is_later(two, one)
    assert not is_later(one, two)
    assert not is_later(one, one)


@pytest.mark.skipif(not shutil.which("dpkg"), reason="asks dpkg")
def test_dpkg_agrees():
    for one, two in itertools.pairwise(VERSIONS):
        assert (
            subprocess.run(["dpkg", "--compare-versions", two, "gt", one], check=False).returncode
            == 0
        )


def test_a_version_may_be_written_in_several_ways():
    assert not is_later("1.0", "1.0-0")
    assert not is_later("1.09", "1.9")
    assert not is_later("0:1", "1")


INSTALLED = Packages(
    "dpkg",
    (
        Package("openssl", "3.0.11-1~deb12u2", "amd64"),
        Package("libssl3", "3.0.11-1", "amd64"),
        Package("libssl3", "3.0.16-1", "i386"),
        Package("tzdata", "2024a", "all"),
        Package("gone", "1", "amd64", "removed"),
    ),
)
NOW = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 UTC
APT = f"""apt {NOW}
deb.example_dists_bookworm_InRelease:Date: Sat, 10 Jun 2023 08:53:33 UTC
deb.example_dists_bookworm-security_InRelease:Date: Sun, 12 Nov 2023 22:13:20 UTC
deb.example_dists_bookworm-security_InRelease:Valid-Until: Sun, 19 Nov 2023 22:13:20 UTC
@lists
list deb.example_dists_bookworm-security_main_binary-amd64_Packages
offer openssl 3.0.11-1~deb12u3 amd64
offer libssl3 3.0.15-1 amd64
offer libssl3 3.0.15-1 i386
offer tzdata 2024b all
offer gone 2 amd64
@end
"""


def test_updates_of_apt():
    found = updates.parse(APT, INSTALLED)
    assert found.pending == (
        Update("libssl3", "3.0.11-1", "3.0.15-1"),
        Update("openssl", "3.0.11-1~deb12u2", "3.0.11-1~deb12u3"),
        Update("tzdata", "2024a", "2024b"),
    )
    assert str(found.pending[0]) == "libssl3 3.0.11-1 -> 3.0.15-1"
    assert (found.days, found.expired, found.complete) == (2.0, (), True)


def test_a_fresh_list_of_others_does_not_make_the_security_list_fresh():
    text = APT.replace("Sat, 10 Jun 2023", "Tue, 14 Nov 2023").replace("Sun, 12 Nov", "Wed, 1 Nov")
    assert updates.parse(text, INSTALLED).days == 13.0


def test_a_list_past_its_last_day():
    found = updates.parse(APT.replace("Sun, 19 Nov", "Mon, 13 Nov"), INSTALLED)
    assert found.expired == ("deb.example_dists_bookworm-security_InRelease",)


def test_lists_without_a_security_archive_tell_nothing():
    text = "".join(
        line
        for line in APT.splitlines(keepends=True)
        if "ecurity" not in line and "offer" not in line
    )
    found = updates.parse(text, INSTALLED)
    assert (found.pending, found.complete, found.days is None) == ((), False, False)
    assert updates.parse(f"apt {NOW}\n@lists\n@end\n", INSTALLED).days is None


def test_a_clock_that_is_behind_makes_no_list_younger_than_new():
    assert updates.parse(APT.replace(f"{NOW}", f"{NOW - 86400 * 9}"), INSTALLED).days == 0.0


DNF = f"""dnf {NOW}
seen {NOW - 86400}
@lists

openssl.x86_64      1:3.0.7-25.el9   baseos
a-very-long-name-that-dnf-puts-on-a-line-of-its-own.noarch
                    1.0-2.el9        appstream
glibc.i686          2.34-83.el9      baseos
Obsoleting Packages
grub2-tools.x86_64  1:2.06-70.el9    baseos
@end
"""


def test_updates_of_dnf_and_apk():
    packages = Packages("rpm", (Package("openssl", "3.0.7-24.el9", "x86_64"),))
    found = updates.parse(DNF, packages)
    assert found.pending == (
        Update("a-very-long-name-that-dnf-puts-on-a-line-of-its-own", "", "1.0-2.el9"),
        Update("glibc", "", "2.34-83.el9"),
        Update("openssl", "3.0.7-24.el9", "1:3.0.7-25.el9"),
    )
    assert (found.days, found.complete) == (1.0, True)
    text = f"apk {NOW}\nseen {NOW}\n@lists\nInstalled:     Available:\n"
    text += "lib-x-1.2_p1-r0   < 1.3-r1\nbusybox-1.36.1-r4  < 1.36.1-r5\n@end\n"
    found = updates.parse(text, Packages("apk", ()))
    assert found.pending == (
        Update("busybox", "1.36.1-r4", "1.36.1-r5"),
        Update("lib-x", "1.2_p1-r0", "1.3-r1"),
    )
    assert not updates.parse(f"apk {NOW}\n@lists\n@end\n", Packages("apk", ())).complete


@pytest.mark.parametrize(
    "text",
    [
        APT.removesuffix("@end\n"),
        APT.replace("offer tzdata", "@failed 100\noffer tzdata"),
        "",
    ],
)
def test_lists_that_were_not_read_are_no_updates(text):
    with pytest.raises(CannotAssess):
        updates.parse(text, INSTALLED)


@pytest.mark.parametrize(
    "text",
    [
        APT.replace("@lists\n", ""),
        APT.replace("Sun, 12 Nov 2023 22:13:20 UTC", "some day"),
        APT.replace("2024b all", "2024b"),
        APT.replace("apt 1", "apt x"),
        DNF.replace("openssl.x86_64      1:3.0.7-25.el9   baseos", "Error: what"),
    ],
)
def test_lists_of_an_unknown_format(text):
    with pytest.raises((ValueError, LookupError)):
        updates.parse(text, INSTALLED)


def rooted(script, root):
    """The script, with its folders below *root*."""
    for folder in ("/var/lib/", "/lib/apk", "/var/cache/", "/etc/apk"):
        script = script.replace(folder, f"{root}{folder}")
    return script


PACKAGES = "".join(
    f"Package: {name}\nVersion: {version}\nInstalled-Size: 1\nArchitecture: amd64\nDepends: b\n\n"
    for name, version in (("openssl", "9"), ("other", "3"))
)


@pytest.mark.skipif(
    not shutil.which("apt-get") or not shutil.which("apt-config"), reason="needs apt"
)
@pytest.mark.parametrize("shell", SHELLS, ids=lambda argv: argv[0])
@pytest.mark.parametrize("packed", [False, True])
def test_the_lists_of_apt_are_read_packed_or_not(shell, packed, tmp_path):
    lists = tmp_path / "var/lib/apt/lists"
    lists.mkdir(parents=True)
    (tmp_path / "var/lib/dpkg").mkdir()
    status = "Package: openssl\nStatus: install ok installed\nVersion: 3\nArchitecture: amd64\n\n"
    status += "Package: other\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: amd64\n"
    (tmp_path / "var/lib/dpkg/status").write_text(status)
    name = "a b_dists_x-security_main_binary-amd64_Packages"
    if packed:
        (lists / f"{name}.gz").write_bytes(gzip.compress(PACKAGES.encode()))
    else:
        (lists / name).write_text(PACKAGES)
    (lists / "a b_dists_x-security_InRelease").write_text(
        "Suite: x\nDate: Sun, 12 Nov 2023 22:13:20 UTC\n"
    )
    done = subprocess.run(
        [*shell, "-c", rooted(updates._SCRIPT, tmp_path)], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    offers = [line for line in done.stdout.decode().splitlines() if line.startswith("offer")]
    assert offers == ["offer openssl 9 amd64"]
    found = updates.parse(
        done.stdout.decode(), Packages("dpkg", (Package("openssl", "3", "amd64"),))
    )
    assert (len(found.pending), found.complete, found.days > 1) == (1, True, True)


def test_a_list_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "var/lib/apt/lists").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg").mkdir()
    (tmp_path / "var/lib/dpkg/status").write_text("Package: a\nStatus: install ok installed\n")
    (tmp_path / "var/lib/apt/lists/x-security_Packages.gz").write_bytes(b"\x1f\x8b no gzip")
    done = subprocess.run(
        ["sh", "-c", rooted(updates._SCRIPT, tmp_path)], capture_output=True, check=False
    )
    with pytest.raises(CannotAssess, match="apt-helper cat-file"):
        updates.parse(done.stdout.decode(), INSTALLED)


ONE_LINE = """# deb http://x y z
deb [arch=amd64 trusted=yes] http://user:p@w@repo.example/debian stable main
deb-src [ signed-by=/k.gpg ] https://repo.example/debian stable main # why
deb [allow-insecure=Yes] http://b.example ./
deb [trusted=no] http://c.example stable main
"""
DEB822 = """# first
Types: deb
URIs: https://d.example
Suites: s s-updates
Components: main
Trusted: yes
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 x

Types: deb
URIs: https://off.example
Suites: s
Enabled: no
Trusted: yes

Types: deb
URIs: https://e.example
Suites: s
Allow-Weak: no
"""


class Tables:
    """Tables that are given, and nothing else."""

    def __init__(self, manager, texts, options="@end\n"):
        self.packages = Packages(manager, ())
        self.given = texts
        self.options = options
        self.texts = self

    def __getitem__(self, pattern):
        folder, _, last = pattern.rpartition("/")
        end = last.removeprefix("*")
        return Texts(
            {p: t for p, t in self.given.items() if p.startswith(f"{folder}/") and p.endswith(end)}
        )

    def run(self, command):
        assert command == repositories._SCRIPT
        return FakeTransport(results={bool: self.options}).run(command)


def test_sources_of_apt():
    found = repositories.read(
        Tables(
            "dpkg",
            {
                "/etc/apt/sources.list": ONE_LINE,
                "/etc/apt/sources.list.d/d.sources": DEB822,
            },
            "o0='true'\no1='0'\n@end\n",
        )
    )
    assert found.sources == (
        "http://repo.example/debian stable",
        "https://repo.example/debian stable",
        "http://b.example ./",
        "http://c.example stable",
        "https://d.example s s-updates",
        "https://e.example s",
    )
    assert found.unsigned == (
        "apt: APT::Get::AllowUnauthenticated is true",
        "/etc/apt/sources.list:2: trusted=yes",
        "/etc/apt/sources.list:4: allow-insecure=Yes",
        "/etc/apt/sources.list.d/d.sources:2: trusted: yes",
    )


REPO = "[main-repo]\nbaseurl=https://u:p@r.example/\n#gpgcheck=0\n[off]\nenabled=0\ngpgcheck=0\n"


@pytest.mark.parametrize(
    ("main", "repo", "count"),
    [
        ("[main]\ngpgcheck=1\n", REPO, 0),
        ("[main]\ngpgcheck=True\n[other]\ngpgcheck=0\n", REPO, 0),
        ("[main]\nkeepcache=0\n", REPO, 1),
        ("[main]\ngpgcheck=0\n", REPO.replace("#gpgcheck=0", "gpgcheck = 1"), 0),
        ("[main]\ngpgcheck=1\n", REPO.replace("#gpgcheck=0", "gpgcheck=0"), 1),
    ],
)
def test_repositories_of_dnf(main, repo, count):
    files = {"/etc/dnf/dnf.conf": main, "/etc/yum.repos.d/a.repo": repo}
    found = repositories.read(Tables("rpm", files))
    assert found.sources == ("main-repo https://r.example/",)
    assert len(found.unsigned) == count
    assert all("[main-repo] gpgcheck is" in each for each in found.unsigned)


def test_zypp_checks_signatures_by_itself():
    files = {"/etc/zypp/repos.d/a.repo": "[a]\nbaseurl=http://x\n[b]\ngpgcheck=0\n"}
    found = repositories.read(Tables("rpm", files)).unsigned
    assert found == ("/etc/zypp/repos.d/a.repo:3: [b] gpgcheck is 0",)


def test_repositories_of_apk():
    files = {"/etc/apk/repositories": "https://a.example/v3\n#https://b.example\n"}
    assert repositories.read(Tables("apk", files)).unsigned == ()
    files["/etc/apk/config"] = "allow-untrusted\n"
    assert repositories.read(Tables("apk", files)).unsigned == (
        "/etc/apk/config:1: allow-untrusted",
    )


def test_no_repository_is_not_a_signed_one():
    with pytest.raises(NotApplicable):
        repositories.read(Tables("apk", {}))
    with pytest.raises(ValueError):
        repositories.read(Tables("dpkg", {"/etc/apt/sources.list": "debian http://x\n"}))
    with pytest.raises(ValueError):
        repositories.read(Tables("dpkg", {"/etc/apt/sources.list": ONE_LINE}, "what\n@end\n"))
    with pytest.raises(Incomplete):
        repositories.read(Tables("dpkg", {"/etc/apt/sources.list": ONE_LINE}, "o1='0'\n"))


@pytest.mark.parametrize("shell", SHELLS, ids=lambda argv: argv[0])
def test_the_settings_of_apt_are_asked_in_every_shell(shell):
    done = subprocess.run([*shell, "-c", repositories._SCRIPT], capture_output=True, check=False)
    assert done.returncode in (0, 42), done.stderr
    assert done.returncode == 42 or done.stdout.endswith(b"@end\n")


VERIFIED = """dpkg
??5?????? c /etc/motd
??5??????   /usr/bin/x y
missing     /usr/share/doc/b/copyright
missing   c /etc/c
@end
"""


def test_changed_files():
    found = verified_files.parse(VERIFIED)
    assert (found.changed, found.missing) == (("/usr/bin/x y",), ("/usr/share/doc/b/copyright",))
    found = verified_files.parse(
        "rpm\nS.5....T.  c /etc/a\nS.5....T.    /bin/b\n..?......    /s\n@end\n"
    )
    assert found.changed == ("/bin/b",)
    found = verified_files.parse("apk\nU bin/x\nA usr/y\nX lib/z\nU etc/motd\nM bin/z\n@end\n")
    assert (found.changed, found.missing) == (("/bin/x",), ("/lib/z",))


@pytest.mark.parametrize(
    "text", ["dpkg\n", VERIFIED.replace("??5??????  ", "what"), "apk\ne x\n@end\n"]
)
def test_files_that_were_not_compared(text):
    with pytest.raises(CannotAssess):
        verified_files.parse(text)


def test_who_is_not_root_compares_nothing():
    facts = open_facts(FakeTransport(results={bool: (43, "", "")}))
    with pytest.raises(Denied):
        _ = facts.verified_files
