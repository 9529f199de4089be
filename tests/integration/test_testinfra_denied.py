"""What an ordinary user may not see is never a no: testinfra's modules on this machine."""

from __future__ import annotations

import os
import shutil

import pytest
from lab.fake import fake_host
from lab.shells import NOBODY, ShellTransport

from pytest_sysaudit.errors import Denied

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, and setpriv"
)


@pytest.fixture
def host():
    return fake_host(ShellTransport(*NOBODY, "sh"))


@pytest.fixture
def closed(tmp_path):
    """A folder that only root may enter, with a file in it."""
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "file").write_text("secret\n")
    (tmp_path / "link").symlink_to(folder / "below/file")
    folder.chmod(0o700)
    for parent in (tmp_path, *tmp_path.parents):
        if not parent.stat().st_mode & 0o001:
            parent.chmod(0o755)
    return folder


#: What can be asked of a file, and how methods are called.
QUESTIONS = (
    *("exists", "is_file", "is_directory", "is_symlink", "is_executable", "mode", "user", "size"),
    *("mtime", "content", "content_string", "contains", "sha256sum", "md5sum", "linked_to"),
    "listdir",
)
ARGUMENTS = {"contains": ["x"], "listdir": []}


def ask(thing, name):
    found = getattr(thing, name)
    return found(*ARGUMENTS[name]) if name in ARGUMENTS else found


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("name", ["closed/file", "closed/none", "closed/below/file"])
def test_files_in_a_folder_we_may_not_enter(host, closed, name, question):
    with pytest.raises(Denied):
        ask(host.file(str(closed.parent / name)), question)


def test_a_link_into_such_a_folder(host, closed):
    link = host.file(str(closed.parent / "link"))
    assert link.is_symlink
    for question in ("exists", "linked_to"):
        with pytest.raises(Denied):
            ask(link, question)


def test_what_is_not_there_is_a_no_all_the_same(host, closed):
    assert not host.file(str(closed.parent / "none")).exists
    with pytest.raises(AssertionError):
        _ = host.file(str(closed.parent / "none/below")).linked_to
    assert host.file(str(closed)).exists


@pytest.mark.parametrize("name", ["root", "daemon", "nosuchuser"])
@pytest.mark.parametrize(
    "question", ["password", "password_max_days", "password_min_days", "expiration_date"]
)
def test_passwords(host, name, question):
    with pytest.raises(Denied, match="/etc/shadow"):
        ask(host.user(name), question)
    assert host.user("root").shell


def test_facts_that_only_root_is_told(host):
    for table in ("shadow", "sshd", "sudoers"):
        with pytest.raises(Denied):
            getattr(host.facts, table)
