"""What lies in the folders that everybody may write to."""

from __future__ import annotations

import pytest

from pytest_sysaudit.facts.file_search import but
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")


@pytest.mark.control(
    "health.tmp-exec",
    severity="high",
    inputs={"allowed": []},
)
def test_no_program_lies_in_folders_for_temporary_files(host, audit):
    """There is no program in /tmp, /var/tmp and /dev/shm.

    Why: that is where attackers put their tools, for everybody may write there.

    Fix: find out where it comes from, and remove it. Name what builds and updates leave there in
    the input `allowed`, as paths or patterns.
    """
    search = host.facts.file_search
    bad = but(search.programs(), audit.inputs.allowed)
    names = [f"{f.path} ({f.mode:04o} {host.facts.accounts.user_name(f.uid)})" for f in bad]
    audit.observe("programs", names[:50])
    assert not names, f"can be run: {listed(names)}"
    search.require_all()
