"""Values of fact tables as JSON data: everything comes back as it was, whatever is masked in it."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import ipaddress
import json
import math
import pkgutil
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import PosixPath, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

import pytest
from lab.tapes import shape

import pytest_sysaudit.facts
from pytest_sysaudit.errors import CannotAssess, ConnectionLost, Denied, NotApplicable
from pytest_sysaudit.evidence.redact import MASK, Redactor
from pytest_sysaudit.facts.accounts import Group
from pytest_sysaudit.facts.codec import OURS, Unknown, decode, encode
from pytest_sysaudit.facts.health import Load
from pytest_sysaudit.facts.outcome import Outcome
from pytest_sysaudit.facts.tape import Decoder

HERE = __name__.partition(".")[0]


class Colour(enum.Enum):
    RED = "r"


class Pair(NamedTuple):
    one: int
    two: str


@dataclasses.dataclass(frozen=True)
class Login:
    name: str
    password: str = ""
    tokens: tuple[str, ...] = ()
    made: str = dataclasses.field(default="", init=False)

    def __post_init__(self):
        object.__setattr__(self, "made", self.made or "by hand")


@dataclasses.dataclass(frozen=True, slots=True)
class Nested:
    logins: tuple[Login, ...]
    by_key: dict[object, object]
    hidden: tuple[str, ...] = dataclasses.field(default=(), compare=False, repr=False)


@dataclasses.dataclass
class Changes:
    name: str


class Plainly:
    pass


def there_and_back(value, packages=(HERE,)):
    text = json.dumps(encode(value, packages), allow_nan=False, ensure_ascii=False, sort_keys=True)
    return decode(json.loads(text.encode("utf-8")), packages)


VALUES = [
    None,
    True,
    0,
    -(10**30),
    0.1,
    math.inf,
    -math.inf,
    "",
    "gr\u00fcn \u2028",
    "odd \udcff name",
    b"",
    b"text\n",
    b"\0\xff\xfe",
    (),
    (1, (2, ("three",))),
    [1, [2]],
    {3, 1, 2},
    frozenset({("a", 1), ("b", 2)}),
    frozenset({"a", 1, None}),
    {},
    {"b": 1, "a": 2},
    {1: "int", "1": "text", (1, 2): "pair", None: "none", False: "bool"},
    MappingProxyType({"a": [1]}),
    {"password": "hunter2", "db_token": b"x", "/etc/pam.d/common-password": "text of it"},
    datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    datetime(2026, 1, 2),  # noqa: DTZ001 - tables of others may hold such
    datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))),
    date(2026, 1, 2),
    time(3, 4),
    timedelta(days=-1, microseconds=5),
    ipaddress.ip_address("192.0.2.1"),
    ipaddress.ip_address("2001:db8::1"),
    ipaddress.ip_network("192.0.2.0/24"),
    ipaddress.ip_network("2001:db8::/32"),
    ipaddress.ip_interface("192.0.2.1/24"),
    ipaddress.ip_interface("2001:db8::1/32"),
    PosixPath("/etc"),
    PurePosixPath("a/\udcff"),
    Colour.RED,
    Pair(1, "two"),
    Load(0.1, 0.2, 0.3),
    Login("root", "secret words", ("a", "b")),
    Nested((Login("a"), Login("b")), {Login("a"): {Colour.RED: {1}}}, ("x",)),
    Group("adm", 4, ("root",)),
    Denied("no"),
    {"/etc/x": ConnectionLost("gone", final=False), "/etc/y": NotApplicable("odd \udcff")},
    Outcome(error=CannotAssess("lost")),
]


@pytest.mark.parametrize("value", VALUES, ids=map(repr, range(len(VALUES))))
def test_what_a_table_may_hold_comes_back(value):
    assert shape(there_and_back(value)) == shape(value)


def test_what_is_no_number_comes_back():
    assert math.isnan(there_and_back(math.nan))


def test_an_error_comes_back_with_all_that_is_asked_of_it():
    assert there_and_back(ConnectionLost("gone", final=False)).final is False
    assert there_and_back(ConnectionLost("gone")).final is True


def test_sets_are_written_in_one_order_and_mappings_in_theirs():
    assert encode(frozenset("cab")) == encode(frozenset("bca"))
    assert [*there_and_back({"b": 1, "a": 2})] == ["b", "a"]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (object(), "builtins.object"),
        (Plainly(), "Plainly"),
        (Changes("a"), "Changes"),
        ((1, [Plainly()]), "Plainly"),
        (print, "builtin_function"),
        (1j, "complex"),
        (ValueError("x"), "ValueError"),
        (type("Text", (str,), {})("x"), "Text"),
        (dataclasses.make_dataclass("Local", ["a"], frozen=True)(1), "Local"),
    ],
)
def test_what_cannot_be_written_is_named(value, name):
    with pytest.raises(Unknown, match=name):
        encode(value, [HERE, "builtins", "types"])


def test_classes_of_other_packages_are_neither_written_nor_made():
    with pytest.raises(Unknown, match=f"{HERE}.Login: not of the table's package"):
        encode(Login("a"))
    with pytest.raises(Unknown, match=f"{HERE}.Login: not of the table's package"):
        decode(encode(Login("a"), [HERE]))


def data_for(module, name):
    """What stands for an object of a class without fields."""
    number = encode(Group("adm", 4, ()))[2][0]
    return [1, [[module, name, []]], [number, 0]]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("subprocess", "Popen"),
        (f"{OURS}.evidence.redact", "Redactor"),
        (f"{OURS}.facts.health", "Health"),
        (f"{OURS}.facts.health", "psutil"),
        (f"{OURS}.facts.nothing", "Such"),
        (f"{OURS}.facts.accounts", "Gone"),
        (f"{OURS}.facts.accounts", "parse"),
        ("antigravity", "Group"),
    ],
)
def test_data_cannot_have_anything_else_made_or_imported(module, name):
    with pytest.raises(Unknown):
        decode(data_for(module, name), ["antigravity"])
    assert "antigravity" not in __import__("sys").modules


@pytest.mark.parametrize(
    "data",
    [
        None,
        5,
        {},
        [],
        [1],
        [2, [], None],
        [1, [], [99]],
        [1, [], []],
        [1, [], [12, 0]],
        [1, [], {}],
    ],
)
def test_other_data_is_none(data):
    with pytest.raises(Unknown):
        decode(data)


def test_a_value_written_by_an_older_version_has_the_defaults_of_new_fields():
    data = encode(Login("root", "p"), [HERE])
    data[1][0][2] = data[1][0][2][:2]  # it knew no more fields then
    data[2] = data[2][:4]
    found = decode(data, [HERE])
    assert (found.name, found.password, found.tokens, found.made) == ("root", "p", (), "")
    del data[1][0][2][0], data[2][2]
    with pytest.raises(Unknown, match="it has no field 'name'"):
        decode(data, [HERE])


SECRETS = ["hunter2hunter2", "name", "pytest", "Group", "tokens", "common"]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_taken_out_of_the_texts_and_the_rest_can_still_be_read(secret):
    value = Nested(
        (Login(f"x {secret} y", "abc"), Login("b", tokens=(secret, "kept"))),
        {secret: [secret.encode(), b"\xff" + secret.encode()], "other": Denied(f"no {secret}")},
    )
    masked = Redactor([secret]).plain(encode(value, [HERE]))
    assert secret not in json.dumps(masked[2])
    found = decode(masked, [HERE])
    assert found.logins[0].name == f"x {MASK} y"
    assert found.logins[1].tokens == (MASK, "kept")
    assert found.by_key[MASK] == [MASK.encode(), b"\xff" + MASK.encode()]
    assert str(found.by_key["other"]) == f"no {MASK}"


def test_a_secret_that_is_a_piece_of_our_names_makes_it_unreadable_and_not_wrong():
    with pytest.raises(Unknown, match="not of the table's package"):
        decode(Redactor([OURS]).plain(encode(Group("adm", 4, ()))))


def test_what_has_the_name_of_a_secret_is_taken_out_too():
    value = {"db_password": "Tr0ub4dor", "PASS_MAX_DAYS": "99999", "login": Login("a", "Tr0ub4dor")}
    found = decode(Redactor().plain(encode(value, [HERE])), [HERE])
    assert found == {
        "db_password": MASK,
        "PASS_MAX_DAYS": "99999",
        "login": Login("a", MASK),
    }


def test_what_was_hidden_on_the_host_is_no_secret_any_more():
    value = Login("lp", "(hidden)")
    assert decode(Redactor().plain(encode(value, [HERE])), [HERE]) == value


def test_the_text_of_a_file_is_not_taken_for_a_secret_by_its_path():
    value = {"/etc/pam.d/common-password": "password requisite pam_deny.so\n"}
    assert decode(Redactor().plain(encode(value))) == value


def classes():
    """Every frozen dataclass of the fact tables."""
    found = set()
    for info in pkgutil.iter_modules(pytest_sysaudit.facts.__path__):
        module = importlib.import_module(f"{OURS}.facts.{info.name}")
        for each in vars(module).values():
            if dataclasses.is_dataclass(each) and each.__module__ == module.__name__:
                found.add(each)
    return sorted(found, key=lambda kind: (kind.__module__, kind.__qualname__))


#: They stay in the process: what reading is done with.
TOOLS = {"_Notes", "_Shared", "_Walk", "_Rows", "Printed"}


@pytest.mark.parametrize(
    "kind",
    [kind for kind in classes() if kind.__name__ not in TOOLS],
    ids=lambda kind: f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}",
)
def test_every_class_of_the_tables_comes_back(kind):
    value = object.__new__(kind)
    for number, field in enumerate(dataclasses.fields(kind)):
        object.__setattr__(value, field.name, ("x", number))
    found = decode(encode(value))
    assert type(found) is kind
    assert shape(found) == shape(value)


def test_equal_data_of_several_targets_is_one_value():
    decoder = Decoder()
    data = json.dumps(encode(Group("wheel", 10, ("ann",)))).encode()
    value = decoder.decode(data, ())
    assert value == Group("wheel", 10, ("ann",))
    assert decoder.decode(bytes(bytearray(data)), ()) is value
    assert decoder.decode(data, {"others"}) is not value
    assert decoder.decode(data + b" ", ()) == value


def test_a_decoder_keeps_what_came_last_of_so_many_bytes():
    texts = [json.dumps(encode((name,) * 10)).encode() for name in "abc"]
    decoder = Decoder(limit=2 * len(texts[0]))
    first, second, third = (decoder.decode(text, ()) for text in texts)
    assert decoder.decode(texts[1], ()) is second
    assert decoder.decode(texts[2], ()) is third
    assert decoder.decode(texts[0], ()) is not first
    again = decoder.decode(texts[0], ())
    large = json.dumps(encode(("x" * 999,))).encode()
    assert decoder.decode(large, ()) == decoder.decode(large, ()) == ("x" * 999,)
    assert decoder.decode(large, ()) is not decoder.decode(large, ())
    assert decoder.decode(texts[0], ()) is again


def test_what_cannot_be_decoded_is_tried_again():
    decoder = Decoder()
    for _ in range(2):
        with pytest.raises(Unknown):
            decoder.decode(b"[99, [], 1]", ())
