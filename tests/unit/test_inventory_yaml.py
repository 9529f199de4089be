"""What YAML means here: nothing changes its value silently, and everything has a place."""

from __future__ import annotations

import itertools

import pytest
import yaml as pyyaml
from lab.inventories import faults, loaded

from pytest_sysaudit.errors import InventoryError
from pytest_sysaudit.inventory.scalars import AmbiguousError, resolve
from pytest_sysaudit.inventory.yaml import LARGEST, parse, read


@pytest.fixture(params=["libyaml", "pure"])
def reader(request, monkeypatch):
    """Both parsers of PyYAML must find the same."""
    if request.param == "libyaml" and not pyyaml.__with_libyaml__:
        pytest.skip("PyYAML was built without libyaml")
    if request.param == "pure":
        monkeypatch.delattr(pyyaml, "CSafeLoader", raising=False)


def said(text: str) -> list[str]:
    """Return what is wrong with the YAML *text*."""
    try:
        return [str(problem) for problem in parse(text.encode(), "f.yaml").problems]
    except InventoryError as error:
        return [str(problem) for problem in error.problems]


MEANINGS = [
    ("true", True),
    ("False", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("0", 0),
    ("-7", -7),
    ("22", 22),
    ("1.5", 1.5),
    ("10.0", 10.0),
    ("0.00001", 0.00001),
    ("12:34:56", "12:34:56"),
    ("00:11:22:33:44:55", "00:11:22:33:44:55"),
    ("2026-01-31", "2026-01-31"),
    ("2026-01-31 12:00:00", "2026-01-31 12:00:00"),
    ("192.0.2.10", "192.0.2.10"),
    ("3.11.7", "3.11.7"),
    ("fe80::1", "fe80::1"),
    ("=", "="),
    ("'no'", "no"),
    ('"0640"', "0640"),
    ("! 12", "12"),
    ("|\n  no\n", "no\n"),
    ("nobody", "nobody"),
    ("tRUE", "tRUE"),
]


@pytest.mark.parametrize("text, value", MEANINGS)
def test_what_is_unmistakable_keeps_its_meaning(reader, text, value):
    document = parse(f"k: {text}".encode(), "f.yaml")
    assert (document.data, document.problems) == ({"k": value}, ())
    assert type(document.data["k"]) is type(value)


AMBIGUOUS = [
    ("no", "write false, or quote it: 'no'"),
    ("No", "write false, or quote it: 'No'"),
    ("OFF", "write false, or quote it: 'OFF'"),
    ("yes", "write true, or quote it: 'yes'"),
    ("on", "write true, or quote it: 'on'"),
    ("y", "write true, or quote it: 'y'"),
    ("N", "write false, or quote it: 'N'"),
    ("0640", "write it without the leading zero, or quote it: '0640'"),
    ("08", "write it without the leading zero, or quote it: '08'"),
    ("0o640", "quote it: '0o640'"),
    ("0x1F", "write 31, or quote it: '0x1F'"),
    ("0b101", "write 5, or quote it: '0b101'"),
    ("1_000", "write 1000, or quote it: '1_000'"),
    ("+49", "write 49, or quote it: '+49'"),
    ("1e3", "write 1000.0, or quote it: '1e3'"),
    ("1.10", "write 1.1, or quote it: '1.10'"),
    (".5", "write 0.5, or quote it: '.5'"),
    (".inf", "quote it: '.inf'"),
    ("-.INF", "quote it: '-.INF'"),
    (".NaN", "quote it: '.NaN'"),
    ("1e400", "quote it: '1e400'"),
    ("12345678901234567890", "quote it: '12345678901234567890'"),
]


@pytest.mark.parametrize("text, way_out", AMBIGUOUS, ids=lambda value: value[:20])
def test_what_readers_disagree_on_is_refused(reader, text, way_out):
    assert said(f"k: [{text}]") == [f"f.yaml:1:5: k[0]: {text} is ambiguous in YAML; {way_out}"]


def test_no_short_word_has_another_meaning_than_for_pyyaml():
    """Every word of up to four of these characters, against PyYAML's YAML 1.1."""
    loader = pyyaml.SafeLoader("")
    texts = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:value", "tag:yaml.org,2002:merge"}
    for size in range(1, 5):
        for letters in itertools.product("0179_.xeo+-:n", repeat=size):
            word = "".join(letters)
            tag = loader.resolve(pyyaml.ScalarNode, word, (True, False))
            try:
                value = resolve(word)
            except AmbiguousError:
                continue
            if isinstance(value, str):
                assert value == word
                assert tag in texts or ":" in word, word
            else:
                assert repr(value) == word
                assert loader.construct_object(pyyaml.ScalarNode(tag, word)) == value


def test_very_long_numbers_are_refused_shortly(reader):
    (line,) = said(f"k: {'9' * 5000}")
    assert line.startswith(f"f.yaml:1:4: k: {'9' * 60}… (4940 characters more) is ambiguous")


@pytest.mark.parametrize(
    "value", ["!!python/object/apply:os.system [id]", "!vault abc", "!!set {a: null}", "!!int 1"]
)
def test_tags_are_refused(reader, value):
    text = "tags are not used here; quote a value that begins with '!'"
    assert said(f"k: {value}") == [f"f.yaml:1:4: k: {text}"]


def test_what_is_tagged_as_text_is_text(reader):
    assert parse(b"k: !!str 0640", "f.yaml").data == {"k": "0640"}


KEYS = [
    ("no: 1", [], {"no": 1}),
    ("Y: 1", [], {"Y": 1}),
    ("12:34: 1", [], {"12:34": 1}),
    ("'22': 1", [], {"22": 1}),
    ("22: 1", ["f.yaml:1:1: keys are text; quote it: '22'"], {}),
    ("true: 1", ["f.yaml:1:1: keys are text; quote it: 'true'"], {}),
    ("0640: 1", ["f.yaml:1:1: keys are text; quote it: '0640'"], {}),
    ("!x k: 1", ["f.yaml:1:1: tags are not used here; quote a value that begins with '!'"], {}),
    ("~: 1", ["f.yaml:1:1: keys are text; quote it: '~'"], {}),
    (
        "k: {{ name }}",
        ["f.yaml:1:5: k: a key is text; quote a value that begins with '{' or '['"],
        {"k": {}},
    ),
    (
        "a: 1\nb: {c: 1, c: 2}\na: 3",
        [
            "f.yaml:2:11: b: duplicate key 'c', first on line 2",
            "f.yaml:3:1: duplicate key 'a', first on line 1",
        ],
        {"a": 1, "b": {"c": 1}},
    ),
]


@pytest.mark.parametrize("text, lines, data", KEYS)
def test_keys_are_text_and_stand_once(reader, text, lines, data):
    assert said(text) == lines
    assert parse(text.encode(), "f.yaml").data == data


def test_merged_keys_give_way_to_own_ones(reader):
    text = """
        a: &a {x: 1, y: 2}
        b: &b {x: 3, z: 4}
        c: {<<: [*a, *b], y: 5}
    """
    document = parse(text.encode(), "f.yaml")
    assert document.problems == ()
    assert document.data["c"] == {"x": 1, "y": 5, "z": 4}
    assert document.locate(("c", "z")) == (3, 25)
    assert document.locate(("c", "y")) == (4, 30)


ALIASES = [
    ("a: *b", ["f.yaml:1:4: an alias of nothing; quote a value that begins with '*'"]),
    ("a: &a [*a]", ["f.yaml:1:4: a[0]: an alias that holds itself"]),
    ("a: &a {<<: *a}", ["f.yaml:1:4: a: an alias that holds itself"]),
    ("a: {<<: 5}", ["f.yaml:1:9: a: '<<' takes keys and values, or a list of such"]),
    ("a: &x 1\nb: &x 2", ["f.yaml:2:4: an anchor with the name of an earlier one"]),
]


@pytest.mark.parametrize("text, lines", ALIASES)
def test_bad_aliases_are_refused(reader, text, lines):
    assert said(text) == lines
    assert parse(b"a: &a {<<: *a}", "f.yaml").locate(("a", "b")) == (1, 1)


def test_an_alias_bomb_is_refused_at_once(reader):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 40)]
    found = said("\n".join(lines))
    assert found[0] == "f.yaml:6:5: a5: aliases repeat more than 1000000 values"


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000])
def test_deep_nesting_is_refused(text):
    (line,) = said(text)
    assert line.endswith(": more than 50 levels of nesting")


SYNTAX = [
    ("a:\n\tb: 1\n", "2:1: not valid YAML: a tab, or a character that cannot begin a value"),
    ("a: @b\n", "1:4: not valid YAML: a tab, or a character that cannot begin a value"),
    ("a: b: c\n", "1:5: not valid YAML: a second ': ' on one line"),
    ("a: !x!y z\n", "1:4: not valid YAML: a value that begins with '!' must be quoted"),
    ("a: 'x\n", "2:1: not valid YAML: found unexpected end of stream"),
    ("a: 1\n---\nb: 2\n", "2:1: a second document; one file holds one"),
    ("a: [1\nb: 2\n", "2:2: not valid YAML: "),
]


@pytest.mark.parametrize("text, start", SYNTAX)
def test_syntax_errors_have_a_place(reader, text, start):
    (line,) = said(text)
    assert line.startswith(f"f.yaml:{start}")


@pytest.mark.parametrize("secret", ["*S3cret", "!S3cret", "!S3!cret", "@S3cret", "&S3cret *S3cret"])
def test_messages_about_yaml_do_not_repeat_what_may_be_a_secret(reader, secret):
    assert "S3cret" not in "".join(said(f"password: {secret}"))
    assert "0123" not in "".join(said("db_password: 0123"))


BYTES = [
    (b"a: \xff\n", "f.yaml:1:4: is not UTF-8 text (byte 0xff); save it as UTF-8"),
    (
        "version: 1".encode("utf-16"),
        "f.yaml:1:1: is not UTF-8 text (byte 0xff); save it as UTF-8",
    ),
    (b"a: 1\nb: \0\n", "f.yaml:2:4: holds the control character U+0000; YAML is plain text"),
]


@pytest.mark.parametrize("content, line", BYTES)
def test_binary_files_are_refused(content, line):
    with pytest.raises(InventoryError) as caught:
        parse(content, "f.yaml")
    assert str(caught.value) == line


def test_places_count_characters_from_one(reader):
    document = parse("\ufeffäö: {ü: 'é', x: [ß, y]}\r\nb: 1\r\n".encode(), "f.yaml")
    assert document.locate(("äö", "x", 1)) == (1, 21)
    assert document.locate(("äö", "x"), key=True) == (1, 14)
    assert document.locate(("b",)) == (2, 4)
    assert document.locate(("b",), key=True) == (2, 1)
    assert document.locate(("äö", "gone", 3)) == (1, 1)


FILES = [
    ("folder", "is a folder, expected a YAML file"),
    ("pipe", "is not a regular file"),
    ("missing", "no such file"),
    ("loop", "cannot be read: Too many levels of symbolic links"),
    ("large", "is larger than 32 MiB"),
]


@pytest.mark.parametrize("name, why", FILES)
def test_files_that_cannot_be_read(tmp_path, monkeypatch, name, why):
    import os

    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(InventoryError) as caught:
        read(tmp_path / name)
    assert str(caught.value) == f"{name}: {why}"


def test_the_path_is_shown_as_short_as_it_is_clear(tmp_path, monkeypatch):
    (tmp_path / "below").mkdir()
    (tmp_path / "elsewhere").mkdir()
    text = "version: 2\nhosts: {a: }\n"
    monkeypatch.chdir(tmp_path)
    assert faults(tmp_path / "below", text) == [
        "below/inventory.yaml:1:10: version: expected 1, found 2"
    ]
    monkeypatch.chdir(tmp_path / "elsewhere")
    full = tmp_path / "below" / "inventory.yaml"
    assert faults(tmp_path / "below", text) == [f"{full}:1:10: version: expected 1, found 2"]


def test_control_characters_of_a_key_do_not_reach_the_terminal(tmp_path):
    (line,) = faults(tmp_path, 'version: 1\nhosts: {h: {"\\e[31mred": 1}}\n')
    assert "\x1b" not in line
    assert "red" in line


def test_dates_stay_text_in_vars(tmp_path):
    inventory = loaded(
        tmp_path, "version: 1\nhosts: {h: {vars: {end: 2026-12-31, at: 12:34:56}}}\n"
    )
    assert inventory.targets["h"].vars == {"end": "2026-12-31", "at": "12:34:56"}
