import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "checks"))

from test_site import test_host_names_its_owner as names_its_owner
from test_site import test_only_root_writes_passwd as only_root_writes_passwd


def test_a_good_host(audit_recording):
    only_root_writes_passwd(audit_recording("../evidence").host("here"))


def test_a_host_without_owner(audit_recording):
    with pytest.raises(AssertionError, match="no /etc/owner"):
        names_its_owner(audit_recording("../evidence").host("here"))
