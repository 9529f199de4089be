"""How vars and inputs flow from groups to targets."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from lab.inventories import loaded

from pytest_sysaudit.inventory.frozen import FrozenDict, freeze

#: Groups, the groups that the host lists, and the order in which their vars are laid down.
ORDERS = [
    ("{web: , prod: {children: [web]}}", ["web"], ["prod", "web"]),
    ("{prod: {children: [web]}, web: }", ["web", "prod"], ["prod", "web"]),
    ("{web: , prod: {children: [web]}}", ["prod", "web"], ["prod", "web"]),
    ("{a: , b: }", ["a", "b"], ["a", "b"]),
    ("{a: , b: }", ["b", "a"], ["b", "a"]),
    ("{a: , b: , c: {children: [a]}, d: {children: [b]}}", ["a", "b"], ["c", "d", "a", "b"]),
    ("{a: , b: , c: {children: [a]}, d: {children: [b]}}", ["b", "a"], ["d", "c", "b", "a"]),
    ("{a: , x: {children: [a]}, y: {children: [a]}}", ["a"], ["x", "y", "a"]),
    ("{a: , x: {children: [a, z]}, z: {children: [a]}}", ["a"], ["x", "z", "a"]),
    ("{a: , b: , p: {children: [a, b]}}", ["a", "b"], ["p", "a", "b"]),
    ("{a: , all: , p: {children: [a]}}", ["a"], ["all", "p", "a"]),
    ("{all: {children: [a]}, a: , b: }", ["b"], ["all", "b"]),
    ("{a: , b: }", [], []),
    ("{a: }", ["a", "a"], ["a"]),
]


@pytest.mark.parametrize("groups, direct, order", ORDERS)
def test_the_nearest_group_wins_and_then_the_later_one(tmp_path, groups, direct, order):
    """Each group sets a var of its own name and one that all set; so does each input."""
    plain = loaded(tmp_path, f"version: 1\ngroups: {groups}\nhosts: {{h: }}\n").model.groups
    text = {
        name: {
            "children": list(group.children),
            "vars": {"last": name, name: name},
            "inputs": {"c": {"last": name, name: name}},
        }
        for name, group in plain.items()
    }
    target = loaded(
        tmp_path,
        json.dumps({"version": 1, "groups": text, "hosts": {"h": {"groups": direct}}}),
    ).targets["h"]
    expected = {name: name for name in order} | ({"last": order[-1]} if order else {})
    assert target.groups == tuple(sorted(order))
    assert target.vars == expected
    assert target.inputs == ({"c": expected} if order else {})
    # every pair of the order, as only the last one shows above
    for index, name in enumerate(order):
        for later in order[index + 1 :]:
            rest = {
                key: {**group, "vars": {"last": key} if key in (name, later) else {}}
                for key, group in text.items()
            }
            data = {"version": 1, "groups": rest, "hosts": {"h": {"groups": direct}}}
            assert loaded(tmp_path, json.dumps(data)).targets["h"].vars == {"last": later}


def test_own_vars_win_and_replace_as_a_whole(tmp_path):
    text = """\
        version: 1
        groups:
          web: {vars: {ports: {ssh: 22, http: 80}, role: front}}
        hosts:
          a: {groups: [web], vars: {ports: {ssh: 2222}}}
          b: {groups: [web]}
          c: {}
        http:
          d: {base_url: "http://x", groups: [web]}
        """
    targets = loaded(tmp_path, text).targets
    assert targets["a"].vars == {"ports": {"ssh": 2222}, "role": "front"}
    assert targets["b"].vars == {"ports": {"ssh": 22, "http": 80}, "role": "front"}
    assert targets["c"].vars == {}
    assert targets["d"].vars == targets["b"].vars


def test_inputs_win_parameter_by_parameter(tmp_path):
    text = """\
        version: 1
        inputs:
          ssh.tries: {maximum: 4, minimum: 1, unit: tries}
          other: {x: 1}
        groups:
          all: {inputs: {ssh.tries: {unit: times}}}
          web: {inputs: {ssh.tries: {maximum: 3}}}
        hosts:
          a: {groups: [web], inputs: {ssh.tries: {maximum: 2}}}
          b: {groups: [web]}
          c: {}
        """
    inventory = loaded(tmp_path, text)
    found = {name: target.inputs["ssh.tries"] for name, target in inventory.targets.items()}
    assert found == {
        "a": {"maximum": 2, "minimum": 1, "unit": "times"},
        "b": {"maximum": 3, "minimum": 1, "unit": "times"},
        "c": {"maximum": 4, "minimum": 1, "unit": "times"},
    }
    assert all(target.inputs["other"] == {"x": 1} for target in inventory.targets.values())
    assert inventory.inputs["ssh.tries"]["maximum"] == 4


def test_groups_list_their_members_in_the_order_of_the_targets(tmp_path):
    text = """\
        version: 1
        groups: {prod: {children: [web, db]}, web: , db: , empty: , all: }
        networks: {n: {interface: eth0, groups: [db]}}
        hosts: {z: {groups: [web]}, b: {groups: [db, web]}, a: {groups: [prod]}}
        """
    inventory = loaded(tmp_path, text)
    assert list(inventory.targets) == ["z", "b", "a", "n"]
    assert inventory.groups == {
        "prod": ("z", "b", "a", "n"),
        "web": ("z", "b"),
        "db": ("b", "n"),
        "empty": (),
        "all": ("z", "b", "a", "n"),
    }


@pytest.fixture
def values(tmp_path):
    text = "version: 1\nhosts: {h: {vars: {d: {k: [1, {x: 2}]}}, inputs: {c: {p: [1]}}}}\n"
    return loaded(tmp_path, text).targets["h"]


CHANGES = [
    lambda t: t.vars.update(d=1),
    lambda t: t.vars.__setitem__("d", 1),
    lambda t: t.vars.pop("d"),
    lambda t: t.vars["d"].clear(),
    lambda t: t.vars["d"]["k"].append(3),
    lambda t: t.vars["d"]["k"].sort(),
    lambda t: t.vars["d"]["k"].__delitem__(0),
    lambda t: t.vars["d"]["k"][1].setdefault("y", 1),
    lambda t: t.inputs["c"]["p"].extend([2]),
    lambda t: t.inputs["c"].__ior__({"p": 2}),
]


@pytest.mark.parametrize("change", CHANGES, ids=map(str, range(len(CHANGES))))
def test_one_check_cannot_change_what_the_next_one_reads(values, change):
    with pytest.raises(TypeError, match="cannot be changed; work on a copy"):
        change(values)
    assert values.vars == {"d": {"k": [1, {"x": 2}]}}
    assert values.inputs == {"c": {"p": [1]}}


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))], ids=["copy", "pickle"]
)
def test_copies_are_plain_and_can_be_changed(values, duplicate):
    again = duplicate(values.vars)
    again["d"]["k"].append(3)
    assert type(again) is dict
    assert type(again["d"]["k"]) is list
    assert values.vars["d"]["k"] == [1, {"x": 2}]


def test_frozen_values_are_json_and_plain_data_to_everybody(values):
    assert json.loads(json.dumps(values.vars)) == {"d": {"k": [1, {"x": 2}]}}
    assert isinstance(values.vars, dict)
    assert isinstance(values.vars["d"]["k"], list)
    assert type(values.vars["d"]["k"][:1]) is list
    assert isinstance(freeze({"a": (1, 2)})["a"], list)
    assert FrozenDict(a=1) | {"b": 2} == {"a": 1, "b": 2}
