"""What a check's source tells about what it will ask, and what it does not."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.plan import Plan
from pytest_sysaudit.foresight import EVERY_RESOURCE, NOTHING, foresee, make_plan
from pytest_sysaudit.resources.needs import NEEDS as REAL_NEEDS
from pytest_sysaudit.resources.needs import Need


def unit(name):
    if not name:
        raise CannotAssess("no unit")
    return f"{name}.service"


NEEDS = {
    "exists": Need(keyed={"commands": str}),
    "file": Need(
        keyed={"paths": str},
        only=True,
        members={"content": Need(keyed={"contents": str}), "contains": Need()},
        pairs={"contains": ("matches", "|")},
    ),
    "package": Need(tables=("packages",)),
    "service": Need(keyed={"units": unit}, members={"properties": Need(keyed={"more": unit})}),
    "process": Need(tables=("processes",)),
}
KEYED = ("paths", "units")
PASSWD = "/etc/passwd"
FOLDERS = ("/etc", "/var")
MODES = {"/etc/shadow": 0o640, "/etc/group": 0o644}
USER: Any = object()


def foreseen(check, **params):
    """Return the tables that *check* will ask, and its rows as ``table:key``."""
    found = foresee(check, {"host"}, NEEDS, KEYED)
    return sorted(found.tables - {*EVERY_RESOURCE}) + sorted(
        {f"{table}:{key}" for table, key in found.keys(params)}
    )


def literal(host):
    assert host.file("/etc/passwd").exists


def keyword(host):
    assert host.file(path="/etc/passwd").exists


def constant(host):
    assert host.file(PASSWD).exists


def several_attributes(host):
    f = host.file(PASSWD)
    assert f.is_file
    assert "root" in f.content


def one_attribute(host):
    f = host.file(PASSWD)
    assert "root" in f.content
    assert host.service("ssh").properties


def no_attribute(host):
    f = host.file(PASSWD)
    assert len(f)
    assert not host.exists("telnet") or host.exists("nc")
    assert host.service


def loop(host):
    for path in ("/a", "/b"):
        assert host.file(path).exists


def loop_over_a_constant(host):
    for path in FOLDERS:
        assert host.file(f"{path}/log").exists


def loop_over_pairs(host):
    for path, mode in MODES.items():
        assert host.file(path).mode == mode


def loop_over_sorted_names(host):
    for path in sorted(MODES):
        assert host.file(path).exists


def comprehension(host):
    assert all(host.file(p).exists for p in ["/a", "/b"])
    assert not [p for p in FOLDERS if not host.file(p).exists]


def starred(host):
    for path in (*FOLDERS, "/a"):
        assert host.file(path).exists
    assert host.file("/b").mode in (*(1, 2), 3)


def joined(host):
    top = "/etc" + "/ssh"
    assert host.file(top + "/sshd_config").exists


def either(host):
    name = "ssh" if host.package("openssh-server").is_installed else "dropbear"
    assert host.service(name).is_running


def table_of_a_resource(host):
    assert host.process.filter(comm="sshd")


def facts(host):
    tables = host.facts
    assert tables.sysctl["kernel.ostype"]
    assert host.facts.sshd.number("port") == 22
    assert host.health.disks


def loaded_together(host):
    packages, sockets = host.facts.load("packages", "sockets")
    assert packages
    assert sockets


def rows_of_facts(host):
    host.facts.units.ask(["a.service", "b.service"])
    assert host.facts.paths["/etc/passwd"]


def key_without_a_row(host):
    assert host.service("")


def helper(host):
    assert _is_there(host, "/etc/passwd")
    assert _is_there(where=host, path="/etc/group")


def _is_there(where, path):
    return _really(where, path)


def _really(where, path):
    return where.file(path).exists


def other_user(host):
    with host.sudo("ann"):
        assert host.file("/home/ann").exists
    assert host.file("/home").exists


def inner_function(host):
    def there(path):
        return host.file(path).exists and host.file("/inner").exists

    assert there("/x")


def contained(host):
    f = host.file(PASSWD)
    assert f.contains("^root")
    assert all(f.contains(pattern=p) for p in ("^a", "^b"))
    assert f.contains(USER)


def unknown(host):
    assert host.file(USER).exists
    assert host.file(host.check_output("echo /x")).exists
    assert host.run("rm").rc


def other_argument(machine):
    assert machine.file("/etc").exists


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (literal, ["paths:/etc/passwd"]),
        (keyword, ["paths:/etc/passwd"]),
        (constant, ["paths:/etc/passwd"]),
        (several_attributes, ["contents:/etc/passwd", "paths:/etc/passwd"]),
        (one_attribute, ["contents:/etc/passwd", "more:ssh.service", "units:ssh.service"]),
        (no_attribute, ["commands:nc", "commands:telnet", "paths:/etc/passwd"]),
        (loop, ["paths:/a", "paths:/b"]),
        (loop_over_a_constant, ["paths:/etc/log", "paths:/var/log"]),
        (loop_over_pairs, ["paths:/etc/group", "paths:/etc/shadow"]),
        (loop_over_sorted_names, ["paths:/etc/group", "paths:/etc/shadow"]),
        (comprehension, ["paths:/a", "paths:/b", "paths:/etc", "paths:/var"]),
        (starred, ["paths:/b"]),
        (joined, ["paths:/etc/ssh/sshd_config"]),
        (either, ["packages", "units:dropbear.service", "units:ssh.service"]),
        (table_of_a_resource, ["processes"]),
        (facts, ["health", "sshd", "sysctl"]),
        (loaded_together, ["packages", "sockets"]),
        (rows_of_facts, ["paths:/etc/passwd", "units:a.service", "units:b.service"]),
        (key_without_a_row, []),
        (helper, ["paths:/etc/group", "paths:/etc/passwd"]),
        (other_user, ["paths:/home"]),
        (inner_function, ["paths:/inner"]),
        (contained, [f"matches:/etc/passwd|^{what}" for what in ("a", "b", "root")]),
        (unknown, []),
        (other_argument, []),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_plain_to_see_is_foreseen(check, expected):
    assert foreseen(check) == expected


def by_parameter(host, path, case, attribute):
    assert getattr(host.file(path), attribute)
    name, _ = case
    assert host.service(name).is_running
    assert host.service(case[1]["also"]).is_enabled


def test_parameters_of_the_test_say_which_rows():
    found = foreseen(by_parameter, path="/p", case=("nginx", {"also": "ssh"}), attribute="size")
    assert found == ["paths:/p", "units:nginx.service", "units:ssh.service"]
    assert foreseen(by_parameter, path=7, case="n") == []


def test_resources_ask_which_system_it_is_and_facts_do_not():
    assert foresee(literal, {"host"}, NEEDS).tables == {"uname"}
    assert foresee(facts, {"host"}, NEEDS).tables == {"health", "sshd", "sysctl"}


class Checks:
    def method(self, host):
        assert host.file("/m").exists


def test_a_method_is_read_as_a_function_is():
    assert foreseen(Checks().method) == ["paths:/m"]


def test_a_function_without_source_asks_nothing():
    assert foresee(eval("lambda host: host.file('/x').exists"), {"host"}, NEEDS) == NOTHING
    assert foresee(len, {"host"}, NEEDS) == NOTHING


def test_no_code_of_the_test_runs():
    class Loud(dict):
        def __getitem__(self, key):
            raise AssertionError(key)

        __iter__ = __getitem__

    assert foreseen(by_parameter, path="/p", case=Loud(a=1)) == ["paths:/p"]


def test_equal_plans_are_equal_whatever_the_order():
    one = make_plan(["b", "a", "a"], [("p", "2"), ("p", "1"), ("q", "1"), ("p", "1")])
    assert one == Plan(("a", "b"), {"p": ("1", "2"), "q": ("1",)})
    assert one == make_plan({"a", "b"}, [("q", "1"), ("p", "1"), ("p", "2")])


def test_the_commands_of_a_plan_are_known_before_any_connection():
    def table(facts):
        return facts.run("one").out

    table.ASKS = ("one", ["two", "words"])
    plan = Plan(("table", "unknown"), {"paths": ("/a",)})
    assert plan.commands({"table": table}) == ("one", ("two", "words"))


@pytest.mark.parametrize("family", ["linux", "ssh", "health"])
def test_every_shipped_check_of_hosts_is_foreseen(family):
    package = importlib.import_module(f"pytest_sysaudit.checks.{family}")
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        checks = vars(importlib.import_module(module.name)).items()
        for check in [function for name, function in checks if name.startswith("test_")]:
            found = foresee(check, {"host"}, REAL_NEEDS)
            assert found.tables or found.rows, f"{module.name}: {check.__name__}"
