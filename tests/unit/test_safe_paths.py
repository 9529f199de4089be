"""Paths that only root can change: links, what they lead to, and all that lies above."""

from __future__ import annotations

import os

import pytest
from lab.fake import fake_target

from pytest_sysaudit.facts import open_facts
from pytest_sysaudit.facts.safe_paths import unsafe
from pytest_sysaudit.inventory.target import Kind
from pytest_sysaudit.transport.local import LocalTransport

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="root gives files to others"),
]


@pytest.fixture
def tree(tmp_path):
    """A program of root's in a folder of somebody else, and a link that leads there."""
    for folder in ("own/bin", "tools"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "own/bin/app").touch(mode=0o755)
    (tmp_path / "tools/app").symlink_to("../own/bin/app")
    (tmp_path / "tools/gone").symlink_to("../own/none")
    return tmp_path


def found(tree, *names):
    paths = unsafe(
        open_facts(LocalTransport(fake_target("here", kind=Kind.LOCAL))),
        [f"{tree}/{name}" for name in names],
    )
    return {path.removeprefix(f"{tree}/") for path in paths if path.startswith(f"{tree}/")}


def test_what_is_roots_is_safe(tree):
    assert found(tree, "tools/app", "own/bin/app", "tools/gone", "tools/none") == set()


def test_the_folders_above_what_a_link_leads_to_count(tree):
    os.chown(tree / "own", 7, 0)
    assert found(tree, "tools/app") == {"own"}
    assert found(tree, "tools/gone") == set()


def test_a_folder_that_others_may_write_is_not_safe(tree):
    (tree / "tools").chmod(0o775)
    assert found(tree, "tools/app") == {"tools"}
