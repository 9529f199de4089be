"""What a host says before and after the login."""

from __future__ import annotations

import re

import pytest

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

FILES = ("/etc/motd", "/etc/issue", "/etc/issue.net")
TEXTS = (*FILES, "/etc/issue.d/*.issue")
#: What getty puts in: machine, release, kernel, version, and fields of os-release.
_TELLS = re.compile(r"\\[mrsvS]")


@pytest.mark.control(
    "perm.banners",
    severity="low",
    frameworks={"cis-debian12": ["1.6.5"], "cis-dil": ["1.7.1.4", "1.7.1.5", "1.7.1.6"]},
)
def test_banners_are_writable_by_root_only(host, audit):
    """Only root can change what is shown at login.

    Why: who may write there can ask users for their passwords in the host's name.

    Fix: `chown root:root FILE; chmod 0644 FILE`.
    """
    host.facts.paths.ask(FILES)
    paths = [host.facts.paths[path] for path in FILES]
    there = {path.path: path for path in paths if path.holds("e")}
    if not there:
        audit.not_applicable("there is no motd, issue or issue.net")
    for path in there.values():
        if path.details is None:
            raise path.error
    stats = {path: fact.details for path, fact in there.items()}
    modes = {path: f"{s.permissions:04o} {s.user}:{s.group}" for path, s in stats.items()}
    audit.observe("modes", modes)
    bad = [
        f"{path} ({modes[path]})"
        for path, stat in stats.items()
        if stat.uid != 0 or stat.permissions & ~0o644
    ]
    assert not bad, f"expected 0644 root: {listed(bad)}"


def _own_name(host):
    """Return the distribution's ID; "" where the host does not say."""
    try:
        return host.facts.os_release.id
    except NotApplicable:
        return ""


@pytest.mark.control(
    "banner.text",
    severity="low",
    frameworks={"cis-debian12": ["1.6.2"], "cis-dil": ["1.7.1.1", "1.7.1.2", "1.7.1.3"]},
    inputs={"words": []},
)
def test_banners_tell_nothing_about_the_system(host, audit):
    r"""What is shown at login names neither the distribution nor the kernel.

    Why: it tells strangers which attacks to try.

    Fix: put a text of your own into /etc/motd, /etc/issue and /etc/issue.net, without `\m`, `\r`,
    `\s`, `\v`, `\S` and the name of the distribution. The input `words` names further words.
    """
    host.facts.texts.ask(TEXTS)
    texts = {path: text for key in TEXTS for path, text in host.facts.texts[key].items()}
    if not texts:
        audit.not_applicable("there is no motd, issue or issue.net")
    words = [word for word in (_own_name(host), *audit.inputs.words) if word]
    shapes = [rf"\b{re.escape(word)}\b" for word in words]
    names = re.compile("|".join(shapes) or "(?!)", re.IGNORECASE)
    bad = [
        f"{path}: {', '.join(found)}"
        for path, text in texts.items()
        if (found := dict.fromkeys([*_TELLS.findall(text), *names.findall(text)]))
    ]
    audit.observe("telling", bad)
    assert not bad, f"they tell what runs here: {listed(bad)}"
