"""Names that say "secret" are found around what they hold as they would be in all of a text."""

from __future__ import annotations

import importlib.util
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


@pytest.mark.parametrize("start", ["", "x" * 200 + "-"], ids=["short", "long"])
def test_a_name_is_judged_by_its_end_however_long_it_is(start):
    for _ in range(2):  # the second time from memory
        assert shapes.is_secret_name(f"{start}db-Password")
        assert not shapes.is_secret_name(f"{start}password-file")


def test_what_no_text_needs_is_not_compiled():
    spec = importlib.util.find_spec(shapes.__name__)
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    texts = ("nothing of interest", "https://user:secret@host/", "/etc/passwd is of root")
    assert [fresh.mask(text) for text in texts] == [shapes.mask(text) for text in texts]
    compiled = [rule.hints for rule in fresh._RULES if "sub" in vars(rule.pattern)]
    assert set(compiled) == {("://",)}
