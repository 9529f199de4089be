"""Ids of controls that would not be the same in a report as in the check."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("id_", ['"a.b\\u202e"', '"a.\\x1b[31mb"', '"a\\nb"', "5"])
def test_an_id_that_cannot_be_shown_as_it_is_runs_nothing(project, id_):
    project.check(
        f'@pytest.mark.control({id_}, severity="critical")\ndef test_a(host):\n    assert host\n'
    )
    result = project.run()
    assert result.ret == 4
    told = result.stderr.str()
    assert "test_it.py::test_a: @pytest.mark.control: the id " in told
    assert "is no printable text; write letters, digits, . and -" in told
