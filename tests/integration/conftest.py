"""What tests of real services share."""

from __future__ import annotations

import pytest
from lab.sshd import Sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    """A server of the usual kind, for the tests of one file."""
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server
