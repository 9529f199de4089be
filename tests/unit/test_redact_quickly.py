"""The short cuts of redaction leave out nothing that the long way finds."""

from __future__ import annotations

import random
import re
import string
import time

import pytest
from test_redact import LEAKY, SECRETS, WRITTEN

from pytest_sysaudit.evidence import forms, shapes
from pytest_sysaudit.evidence.known import FEW, Index, Known
from pytest_sysaudit.evidence.redact import MASK, Redactor

PROSE = """\
assert 493 == 420
 +  where 493 = <file /etc/passwd on web-0001>.mode
/etc/passwd: root:x:0:0:root:/root:/bin/bash; keyboard, the value of a string, author
2026-11-23T12:10:34.123Z https://shop.example/a?b=c&d=e {"name": "x", "value": 3}
Kelvin \u212aey=hunter22abc long \u017fecret=hunter22abc pa\u017f\u017fword: hunter22abc
""".splitlines()
SHAPED = [
    *LEAKY.splitlines(),
    "root:$6$salt$abcdefghijklmnop:19000:0:99999:7:::",
    "user:abcdefghijklm:19000:0:99999",
    "Authorization: Bearer abcdefghijklmnopqrst",
    "Cookie: a=bcdefgh; c=d",
    "x-api-key: abcdefghijklm",
    "https://user:hunter22@shop.example/?token=hunter22&x=y",
    "%3ftoken%3dhunter22%26",
    "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
    "{SSHA}abcdefghijkl ghp_" + "a" * 36 + " SCRAM-SHA-256$4096:abcdefghijkl",
    "sshpass -p hunter22 ssh",
    "curl -u a:hunter22 x",
    "mysql -phunter22 x",
    "ACCOUNT KEY=hunter22xyz connection_string: hunter22xyz auth-value=hunter22xyz pwd=hunter22",
]


def mask_slowly(text: str) -> str:
    """Mask by every rule, whatever the text holds."""
    for rule in shapes._RULES:
        text = rule.pattern.sub(rule.result, text)
    return shapes._mask_named(text)


def look_slowly(secrets: list[str], text: str) -> str:
    """Mask all forms of all *secrets*, whatever the text holds."""
    each = {s for secret in secrets for s in (secret, *forms.lines(secret))}
    ordered = sorted(each, key=lambda secret: (-len(secret), secret))
    words = {word for secret in ordered for word in forms.literals(secret)}
    longest = sorted(words, key=lambda word: (-len(word), word))
    text = re.sub("|".join(map(re.escape, longest)), MASK, text)
    text = re.sub("|".join(form for s in ordered for form in forms.coded(s)), MASK, text)
    for secret in ordered:
        text = re.sub(forms.escaped(secret), MASK, text)
    return text


def mixed(chance: random.Random, parts: list[str]) -> str:
    """Return a text of some of *parts*, some of them cut, folded or in another case."""
    text = ""
    for part in chance.choices(parts, k=chance.randint(1, 4)):
        at = chance.randint(0, len(part))
        ways = [part, part[:at], part[at:], part.upper(), part.lower()]
        ways += [part[:at] + chance.choice(["\n", "\\n", "\\\\r", " ", ":", "\\x"]) + part[at:]]
        text += chance.choice(ways) + chance.choice(["", " ", "\n", "=", ": ", '"', "\\", "\\n"])
    return text


@pytest.mark.parametrize("seed", range(20))
def test_shapes_are_found_as_by_every_rule(seed):
    chance = random.Random(seed)
    for _ in range(100):
        text = mixed(chance, [*PROSE, *SHAPED])
        if "\u212a" not in text and "\u017f" not in text:
            assert shapes.mask(text) == mask_slowly(text), text


@pytest.mark.parametrize("text", SHAPED)
def test_every_shape_of_the_corpus_is_masked_the_same_by_itself(text):
    assert shapes.mask(text) == mask_slowly(text)


def secrets_of(chance: random.Random, count: int) -> list[str]:
    letters = string.ascii_letters + string.digits + "+/=nr\\-_ %&é"
    lengths = [4, 5, 6, 8, 12, 20]
    made = ["".join(chance.choices(letters, k=chance.choice(lengths))) for _ in range(count)]
    return [secret for secret in [*SECRETS, *made] if len(secret.strip()) >= 4]


@pytest.mark.parametrize("count", [0, 3 * FEW])
@pytest.mark.parametrize("seed", range(6))
def test_many_secrets_are_found_as_by_looking_for_each(seed, count):
    chance = random.Random(seed)
    secrets = secrets_of(chance, count)
    index = Index()
    for text in {s for secret in secrets for s in (secret, *forms.lines(secret))}:
        index.add(Known(text))
    assert len(index.all) > FEW, "or the short cut is not taken"
    written = [form(s) for s in secrets for form in chance.sample([*WRITTEN.values()], 4)]
    for _ in range(25):
        text = mixed(chance, [*PROSE, *written])
        assert index.mask(text, MASK) == look_slowly(secrets, text), text


def test_two_thousand_secrets_are_learnt_one_by_one():
    redactor = Redactor()
    began = time.process_time()
    for number in range(2000):
        redactor.add(f"the-secret-of-host-{number:04}")
        assert redactor.text(f"using the-secret-of-host-{number:04}") == f"using {MASK}"
    assert time.process_time() - began < 60  # it was hours: each one was looked for with all before
    assert redactor.text("the-secret-of-host-0000!") == f"{MASK}!"


def test_what_was_remembered_is_redacted_anew_with_a_new_secret():
    redactor = Redactor()
    assert redactor.text("a plainsecret1") == "a plainsecret1"
    version = redactor.version
    redactor.add("plainsecret1")
    assert redactor.text("a plainsecret1") == f"a {MASK}"
    assert redactor.version != version
