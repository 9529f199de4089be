"""Names that say "secret" are found around what they hold as they would be in all of a text."""

from __future__ import annotations

import random

import pytest
from test_redact_quickly import PROSE, SHAPED, mixed

from pytest_sysaudit.evidence import shapes
from pytest_sysaudit.evidence.redact import MASK, Redactor

FILL = ["", " " * 399, "x" * 401, "-" * 60, "define(  '", "ü", "\\" * 30 + '"', "\n" * 900]


@pytest.mark.parametrize("seed", range(10))
def test_every_name_is_found(seed):
    chance = random.Random(seed)
    for _ in range(100):
        parts = [mixed(chance, [*PROSE, *SHAPED]) + chance.choice(FILL) for _ in range(6)]
        text = "".join(parts)
        found = [name.span() for name in shapes._names(text)]
        assert found == [name.span() for name in shapes._NAMED.finditer(text)], text


@pytest.mark.parametrize("far", [0, 390, 410, 5000])
@pytest.mark.parametrize("fill", ["x ", "é "])
def test_a_secret_is_found_wherever_it_stands(far, fill):
    text = f"{fill * far}password=hunter22hunter\n{fill * far}api_key: 'hunter22hunter'"
    clean = Redactor().text(text)
    assert "hunter" not in clean
    assert clean.count(MASK) == 2
