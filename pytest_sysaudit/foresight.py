"""What a check will ask of its host, read from its source before anything is connected.

Only what is plain to see is found: ``host.facts.<table>``, ``host.health``, and resources whose
argument is a literal, a parameter of the test, a constant of its module, or a loop over such. What
is missed is asked when the check asks for it; what a branch not taken would have asked is read in
vain, so resources with costly tables are not foreseen at all. Blocks under ``host.sudo()`` are left
out: they ask as another user.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from pytest_sysaudit import possible
from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.plan import Plan
from pytest_sysaudit.possible import Params, Values
from pytest_sysaudit.resources.needs import KeyOf, Need
from pytest_sysaudit.source import read_tree

#: How deep helper functions of the same module are followed.
DEPTH = 2
#: What any resource asks besides: whether this is Linux.
EVERY_RESOURCE = ("uname",)
_PLAIN = (str, int, float, bool, tuple, list, dict, set, frozenset, type(None))
_SAME_ITEMS = frozenset({"sorted", "list", "tuple", "set", "reversed"})


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What one function asks: tables, and rows whose keys may depend on its parameters.

    Attributes:
        tables: tables without keys.
        rows: a keyed table each, and what the key may be.
        params: the parameters that keys may depend on.
    """

    tables: frozenset[str] = frozenset()
    rows: tuple[tuple[str, Values], ...] = ()
    params: frozenset[str] = frozenset()

    def keys(self, params: Params) -> Iterator[tuple[str, str]]:
        """Yield table and key of each row, for the parameters of one test."""
        for table, values in self.rows:
            for key in values(params):
                if isinstance(key, str):
                    yield table, key


NOTHING = Foreseen()


def make_plan(tables: Iterable[str], rows: Iterable[tuple[str, str]]) -> Plan:
    """Return the plan for *tables* and for *rows*, pairs of a keyed table and a key."""
    keys: dict[str, list[str]] = {}
    for table, key in sorted(set(rows)):
        keys.setdefault(table, []).append(key)
    return Plan(tuple(sorted(set(tables))), {name: tuple(each) for name, each in keys.items()})


def foresee(
    function: Callable[..., Any],
    hosts: Collection[str],
    needs: Mapping[str, Need],
    keyed: Container[str] = (),
) -> Foreseen:
    """Return what *function* will ask of its host.

    Args:
        function: a check.
        hosts: which of its arguments are hosts: ``host``.
        needs: by resource (``file``), the tables that it is answered from.
        keyed: the names of those tables of ``host.facts`` whose rows are asked for by key.
    """
    function = inspect.unwrap(getattr(function, "__func__", function))
    tree = _tree(function)
    if tree is None or not isinstance(function, FunctionType):
        return NOTHING
    names: dict[str, Any] = {name: possible.parameter(name) for name in _arguments(tree)}
    names.update(dict.fromkeys(hosts, _HOST))
    sight = _Sight(needs, keyed)
    _Reader(function, names, sight).read(tree.body)
    return Foreseen(frozenset(sight.tables), tuple(sight.rows), frozenset(names) - set(hosts))


def _tree(function: Callable[..., Any]) -> ast.FunctionDef | None:
    _, tree = read_tree(function)
    return tree if isinstance(tree, ast.FunctionDef) else None


def _arguments(tree: ast.FunctionDef) -> list[str]:
    every = tree.args
    return [each.arg for each in (*every.posonlyargs, *every.args, *every.kwonlyargs)]


@dataclass(frozen=True, slots=True)
class _Host:
    """The host itself."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """``host.facts``."""


@dataclass(frozen=True, slots=True)
class _Resource:
    """``host.file``, or ``host.file(...)`` with the keys that its argument may be."""

    need: Need
    keys: Values | None = None


@dataclass(frozen=True, slots=True)
class _Keyed:
    """``host.facts.<table>`` of a table whose rows are asked for by key."""

    table: str


_HOST, _FACTS = _Host(), _Facts()


@dataclass(slots=True)
class _Sight:
    """What can be asked of a host, and what was seen to be asked."""

    needs: Mapping[str, Need]
    keyed: Container[str]
    tables: set[str] = field(default_factory=set)
    rows: list[tuple[str, Values]] = field(default_factory=list)

    def use(self, resource: _Resource, member: str | None = None) -> None:
        """Note that *member* of *resource*, or nobody knows what of it, is asked for."""
        self.tables.update(EVERY_RESOURCE)
        for need in resource.need.of(member):
            self.tables.update(need.tables)
            if resource.keys is not None:
                for table, key_of in need.keyed.items():
                    self.rows.append((table, _keys(key_of, resource.keys)))


class _Reader:
    """Walks through one function in the order of its lines, and knows what its names stand for."""

    def __init__(
        self,
        function: FunctionType,
        names: dict[str, Any],
        sight: _Sight,
        depth: int = 0,
    ) -> None:
        self._function = function
        self._names = names
        self._sight = sight
        self._depth = depth

    def read(self, body: Sequence[ast.AST]) -> None:
        """Go through the statements of *body*."""
        for node in body:
            self._see(node)

    def _see(self, node: ast.AST | None) -> Any:
        """Return what *node* stands for, when nobody can follow what becomes of it."""
        value = self._value(node)
        if isinstance(value, _Resource):
            self._sight.use(value)
        return value

    def _value(self, node: ast.AST | None) -> Any:
        """Return what *node* stands for: one of the things above, `Values`, or None."""
        method = getattr(self, f"_on_{type(node).__name__.lower()}", None)
        if method is not None:
            return method(node)
        if node is not None:
            self.read(list(ast.iter_child_nodes(node)))
        return None

    def _on_constant(self, node: ast.Constant) -> Values:
        return possible.always(node.value)

    def _on_name(self, node: ast.Name) -> Any:
        if node.id in self._names:
            return self._names[node.id]
        known = self._function.__globals__.get(node.id)
        return possible.always(known) if isinstance(known, _PLAIN) and known is not None else None

    def _on_tuple(self, node: ast.Tuple | ast.List | ast.Set) -> Values | None:
        parts = [self._see(part) for part in node.elts]
        if not all(callable(part) for part in parts):
            return None
        return possible.combined(parts)

    _on_list = _on_set = _on_tuple

    def _on_joinedstr(self, node: ast.JoinedStr) -> Values | None:
        parts = [self._value(part) for part in node.values]
        return possible.joined(parts) if all(map(callable, parts)) else None

    def _on_formattedvalue(self, node: ast.FormattedValue) -> Values | None:
        value: Values | None = self._see(node.value)
        return value if node.format_spec is None and callable(value) else None

    def _on_binop(self, node: ast.BinOp) -> Values | None:
        left, right = self._value(node.left), self._value(node.right)
        known = isinstance(node.op, ast.Add) and callable(left) and callable(right)
        return possible.added(left, right) if known else None

    def _on_ifexp(self, node: ast.IfExp) -> Values | None:
        self._see(node.test)
        one, other = self._value(node.body), self._value(node.orelse)
        return possible.either(one, other) if callable(one) and callable(other) else None

    def _on_assign(self, node: ast.Assign) -> None:
        value = self._value(node.value)
        for target in node.targets:
            self._bind(target, value)

    def _on_annassign(self, node: ast.AnnAssign) -> None:
        self._bind(node.target, self._value(node.value))

    def _on_namedexpr(self, node: ast.NamedExpr) -> Any:
        value = self._value(node.value)
        self._bind(node.target, value)
        return value

    def _on_for(self, node: ast.For) -> None:
        self._bind(node.target, possible.items(self._value(node.iter)))
        self.read([*node.body, *node.orelse])

    def _on_comprehension(self, node: ast.comprehension) -> None:
        self._bind(node.target, possible.items(self._value(node.iter)))
        self.read(node.ifs)

    def _on_listcomp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Values | None:
        before = dict(self._names)
        self.read(node.generators)
        each = self._see(node.elt)
        self._names = before
        return (lambda params: (each(params),)) if callable(each) else None

    _on_setcomp = _on_generatorexp = _on_listcomp

    def _on_dictcomp(self, node: ast.DictComp) -> None:
        before = dict(self._names)
        self.read([*node.generators, node.key, node.value])
        self._names = before

    def _on_with(self, node: ast.With) -> None:
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                whose = self._value(call.func.value)
                if call.func.attr == "sudo" and whose is _HOST:
                    return  # as another user
            value = self._value(call)
            if item.optional_vars is not None:
                self._bind(item.optional_vars, value)
        self.read(node.body)

    def _on_functiondef(self, node: ast.FunctionDef | ast.Lambda) -> None:
        before = dict(self._names)
        for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            self._names[each.arg] = None
        self.read(node.body if isinstance(node.body, list) else [node.body])
        self._names = before

    _on_lambda = _on_functiondef

    def _on_attribute(self, node: ast.Attribute) -> Any:
        whose = self._value(node.value)
        if whose is _HOST:
            return self._of_host(node.attr)
        if whose is _FACTS:
            return self._table(node.attr)
        if isinstance(whose, _Resource):
            self._sight.use(whose, node.attr)
        return None

    def _of_host(self, name: str) -> Any:
        if name == "facts":
            return _FACTS
        if name == "health":
            self._sight.tables.add(name)
        need = self._sight.needs.get(name)
        return _Resource(need) if need is not None else None

    def _table(self, name: str) -> Any:
        if name in self._sight.keyed:
            return _Keyed(name)
        self._sight.tables.add(name)
        return None

    def _on_subscript(self, node: ast.Subscript) -> Values | None:
        whose, index = self._value(node.value), self._value(node.slice)
        if isinstance(whose, _Keyed) and callable(index):
            self._sight.rows.append((whose.table, index))
        known = callable(whose) and callable(index)
        return possible.subscript(whose, index) if known else None

    def _on_call(self, node: ast.Call) -> Any:
        arguments = [self._see(each) for each in node.args]
        named = {each.arg: self._see(each.value) for each in node.keywords}
        if isinstance(node.func, ast.Name):
            return self._call_name(node.func.id, arguments, named)
        if isinstance(node.func, ast.Attribute):
            return self._call_method(node.func, arguments, named)
        self._value(node.func)
        return None

    def _call_name(self, name: str, arguments: list[Any], named: Mapping[str | None, Any]) -> Any:
        if name in _SAME_ITEMS and arguments and name not in self._names:
            return arguments[0]
        helper = self._function.__globals__.get(name)
        if (
            name in self._names
            or self._depth >= DEPTH
            or not isinstance(helper, FunctionType)
            or helper.__module__ != self._function.__module__
        ):
            return None
        tree = _tree(helper)
        if tree is not None:
            names: dict[str, Any] = dict.fromkeys(_arguments(tree))
            names.update(zip(_arguments(tree), arguments, strict=False))
            names.update({str(k): v for k, v in named.items() if k in names})
            inner = _Reader(helper, names, self._sight, self._depth + 1)
            inner.read(tree.body)
        return None

    def _call_method(
        self, method: ast.Attribute, arguments: list[Any], named: Mapping[str | None, Any]
    ) -> Any:
        whose = self._value(method.value)
        if whose is _FACTS and method.attr == "load":
            self._load(arguments)
        elif isinstance(whose, _Keyed) and method.attr == "ask" and arguments:
            asked = possible.items(arguments[0])
            if asked is not None:
                self._sight.rows.append((whose.table, asked))
        elif callable(whose) and method.attr in ("items", "keys", "values"):
            return possible.view(whose, method.attr)
        elif whose is _HOST:
            return self._make(self._of_host(method.attr), arguments, named)
        elif isinstance(whose, _Resource):
            self._sight.use(whose, method.attr)
            self._pair(whose, method.attr, next(iter((*arguments, *named.values())), None))
        return None

    def _pair(self, resource: _Resource, name: str, argument: Any) -> None:
        """Note a row whose key is made of the resource's argument and the method's."""
        table, separator = resource.need.pairs.get(name, ("", ""))
        if table and resource.keys is not None and callable(argument):
            parts = [resource.keys, possible.always(separator), argument]
            self._sight.rows.append((table, possible.joined(parts)))

    def _load(self, arguments: list[Any]) -> None:
        for names in arguments:
            for name in names({}) if callable(names) else ():
                self._table(str(name))

    def _make(self, resource: Any, arguments: list[Any], named: Mapping[str | None, Any]) -> Any:
        if not isinstance(resource, _Resource):
            return None
        keys = next(iter((*arguments, *named.values())), None)
        return _Resource(resource.need, keys if callable(keys) else None)

    def _bind(self, target: ast.AST, value: Any) -> None:
        if isinstance(target, ast.Name):
            self._names[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            for place, part in enumerate(target.elts):
                self._bind(part, possible.at(value, place) if callable(value) else None)
        else:
            self._value(target)


def _keys(key_of: KeyOf, values: Values) -> Values:
    return lambda params: tuple(
        key for value in values(params) if isinstance(value, str) for key in _key(key_of, value)
    )


def _key(key_of: KeyOf, argument: str) -> Iterator[str]:
    try:
        yield key_of(argument)
    except CannotAssess:
        return
