"""Text, redaction, records and the audit object, by rows."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from pytest_sysaudit.audit import Audit, judge, to_plain
from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.evidence.redact import MASK, Redactor
from pytest_sysaudit.record import Control, Result, Severity, Verdict, utc_text, worst
from pytest_sysaudit.source import read_doc, read_source
from pytest_sysaudit.text import decode, first_line, plural, printable, settled, shorten


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"plain", "plain"), (b"\xff!", "\\xff!"), ("ü".encode(), "ü"), (b"\xed\xa0\x80", None)],
)
def test_decoding_never_fails_and_never_leaves_surrogates(data, text):
    found = decode(data)
    found.encode()
    assert text is None or found == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\n", "a\tb\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("nul\0", "nul\\x00"),
        ("\udcff", "\\udcff"),
        ("a\r\nb", "a\nb"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_printable_text_can_stand_anywhere(text, shown):
    assert printable(text) == shown


def test_messages_do_not_vary():
    message = (
        "assert 8 >= 14\n +  where 8 = observe('length', 8)\n +    where observe = audit.observe\n"
        " +  and   <map object at 0x7f2370965410> = x"
    )
    assert settled(message) == (
        "assert 8 >= 14\n +  where 8 = observe('length', 8)\n +  and   <map object> = x"
    )


def test_shortening_says_what_is_missing():
    assert shorten("abc", 3) == "abc"
    assert shorten("abcdef", 2) == "ab… (4 characters more)"
    assert first_line("\n  one\ntwo") == "one"
    assert (plural(1, "host"), plural(2, "host"), plural(2, "entry", "entries")) == (
        "1 host",
        "2 hosts",
        "2 entries",
    )


SECRET = "p@ss w0rd/+=ü"


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"user:" + SECRET.encode()).decode(),
        base64.urlsafe_b64encode(b"xx" + SECRET.encode() + b"yyy").decode(),
    ],
)
def test_a_known_secret_is_masked_in_every_form(text):
    redacted = Redactor([SECRET]).text(f"before {text} after")
    assert MASK in redacted
    assert SECRET not in redacted
    for pad in range(3):
        core = base64.b64encode(b"\0" * pad + SECRET.encode()).decode()[4:-4]
        assert core not in redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {MASK}"),
        ("{'Authorization': 'Basic dTpw'}", f"{{'Authorization': 'Basic {MASK}'}}"),
        ("GET /x?token=abc&y=1", f"GET /x?token={MASK}&y=1"),
        ("https://u:pw@h/", f"https://u:{MASK}@h/"),
        ("https://h:8443/a", "https://h:8443/a"),
        ("-----BEGIN RSA PRIVATE KEY-----\nAA\n-----END RSA PRIVATE KEY-----", MASK),
        ("nothing here", "nothing here"),
    ],
)
def test_shapes_of_secrets_are_masked(text, redacted):
    assert Redactor().text(text) == redacted


def test_redaction_goes_through_json_data_keys_included():
    redactor = Redactor(["sesame1"])
    assert redactor.plain({"sesame1": ["x sesame1", 1, None, ("sesame1",)]}) == {
        MASK: [f"x {MASK}", 1, None, [MASK]]
    }


def test_what_was_clean_is_looked_at_again_when_a_secret_becomes_known():
    redactor = Redactor()
    assert redactor.text("open sesame") == "open sesame"
    redactor.add("sesame")
    assert redactor.text("open sesame") == f"open {MASK}"


def test_a_secret_too_short_to_look_for_is_left_alone():
    assert Redactor(["abc"]).text("abc abcdef") == "abc abcdef"


def test_records_survive_json():
    control = Control(id="a", title="t", severity=Severity.HIGH, frameworks={"x": ("1",)})
    result = Result(control="a", check="c", target="t", verdict=Verdict.FAIL, params={"b": "1"})
    for value in (control, result):
        plain = json.loads(json.dumps(value.to_plain()))
        assert type(value).from_plain(plain).to_plain() == plain


def test_gravity():
    assert worst(list(Verdict)) is Verdict.FAIL
    assert worst([Verdict.PASS, Verdict.ERROR, Verdict.WAIVED]) is Verdict.ERROR
    assert Severity.CRITICAL.weight > Severity.HIGH.weight
    assert utc_text(0) == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("error", "verdict", "message"),
    [
        (AssertionError("x"), Verdict.FAIL, "x"),
        (AssertionError(), Verdict.FAIL, "assertion failed"),
        (NotApplicable("no"), Verdict.NOT_APPLICABLE, "no"),
        (CannotAssess("why"), Verdict.ERROR, "why"),
        (KeyError("k"), Verdict.ERROR, "KeyError: 'k'"),
    ],
)
def test_judging(error, verdict, message):
    assert judge(error) == (verdict, message)


def test_the_worst_row_decides():
    audit = Audit()
    for name, error in (("a", None), ("b", CannotAssess("hidden")), ("c", AssertionError("open"))):
        with audit.resource(name):
            if error:
                raise error
    with pytest.raises(AssertionError, match=r"1 of 3 resources fail:\nc: open"):
        audit.conclude()


def test_rows_that_do_not_apply_make_a_check_that_does_not():
    audit = Audit()
    with audit.resource("a"):
        audit.not_applicable("not of this kind")
    with pytest.raises(NotApplicable):
        audit.conclude()


def test_resources_do_not_nest():
    audit = Audit()
    with audit.resource("outer"), audit.resource("inner"):
        pass
    assert audit.rows[0].verdict is Verdict.ERROR
    assert "nested" in audit.rows[0].message


def test_an_undeclared_input_is_told():
    audit = Audit({"maximum": 1})
    assert audit.inputs.maximum == audit.inputs["maximum"] == 1
    with pytest.raises(AttributeError, match=r"no input 'minimum' \(declared: maximum\)"):
        _ = audit.inputs.minimum


def test_plain_data():
    assert to_plain({1: (b"\xff", {"b", "a"}, 1.5, None, Severity.LOW)}) == {
        "1": ["\\xff", ["a", "b"], 1.5, None, "low"]
    }


def certain(x):
    y = x + 1
    assert y


def in_a_with(x):
    with x as f:
        assert f


def in_a_loop(x):
    for y in x:
        assert y


def behind_a_return(x):
    if x:
        return
    assert x


def in_a_helper(host):
    host.run_expect([0], "true")


def behind_a_return_in_a_with(x):
    with x:
        return
    assert x


def in_a_guard(x):
    if not x:
        raise AssertionError(x)


def in_a_function_of_its_own(x):
    return lambda: expect_x(x)  # noqa: F821


def only_expected_to_work(host):
    host.transport.run(["true"]).expect(0)


def none(x):
    x()


@pytest.mark.parametrize(
    ("function", "is_certain", "count"),
    [
        (certain, True, 1),
        (in_a_with, False, 1),
        (behind_a_return_in_a_with, False, 1),
        (in_a_guard, False, 1),
        (in_a_function_of_its_own, False, 1),
        (only_expected_to_work, False, 0),
        (in_a_loop, False, 1),
        (behind_a_return, False, 1),
        (in_a_helper, True, 1),
        (none, False, 0),
    ],
)
def test_what_a_source_asserts(function, is_certain, count):
    source = read_source(function)
    assert (source.certain, source.lines) == (is_certain, count)


def test_what_has_no_source_is_not_accused():
    namespace = {}
    exec("def made(): pass", namespace)
    assert read_source(namespace["made"]).certain


def test_doc_sections():
    def check():
        """Title over
        two lines.

        Words.

        Why: reason.

        Fix: mend
        it.
        """

    doc = read_doc(check)
    assert (doc.title, doc.why, doc.fix) == ("Title over two lines.", "reason.", "mend it.")
