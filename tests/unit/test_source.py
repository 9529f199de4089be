"""The text of a check is what `inspect` says it is, however it was found."""

from __future__ import annotations

import ast
import importlib.util
import inspect

import pytest

from pytest_sysaudit import source

QUICK = {
    "plain": "def f():\n    assert 1\n",
    "a comment behind it": "def f():\n    assert 1\n    # a\n\n  # not\n\n    # its own\n\n",
    "a comment at the margin": "def f():\n    assert 1\n# of the next\n    # its own\n",
    "tabs": "def f():\n\tassert 1\n\t# why\n # not its own\n",
    "one line": "def f(): assert 1\n    # not its own\n",
    "one line with a letter": "def f(a='é'): assert a\n    # not its own\n",
    "a signature of lines": "def f(\n    a=1,\n): assert a\n    # not its own\n",
    "a signature of lines and a body": "def f(\n    a=1,\n):\n    assert a\n    # why\n",
    "async": "async def f():\n    assert 1\n",
    "decorators": "@keep\n# a word\n@keeper(\n    1,\n)\n\ndef f():\n    assert 1\n",
    "blanks in a text": "def f():\n    a = '''\n   \n\t\n    '''\n    assert a\n   \n",
    "a bracket at the margin": "def f():\n    a = [\n]\n    assert not a\n",
    "no end of line": "def f():\n    assert 1\n    # why",
    "a function within": "def f():\n    def g():\n        pass\n        # of g\n    assert g()\n",
    "an unusual separator": "def f():\n    a = '\x1c\u2028'\n    # why\n    assert a\n    # \x85\n",
    "a docstring": 'def f():\n    """Title.\n\n    Why: so.\n    """\n',
}
SLOW = {
    "a text at the margin": "def f():\n    a = '''\nwords\n'''\n    assert a\n",
    "a text that looks like code": "def f():\n    a = '''\ndef g():\n    pass\n'''\n    assert a\n",
    "a number at the margin": "def f():\n    a = (\n1)\n    assert a\n",
    "a long line": "def f():\n    assert 1 \\\n\n    # why\n",
    "a method": "class C:\n    def f(self):\n        assert 1\n\n    # why\nf = C.f\n",
    "a lambda": "f = lambda: 1\n",
    "a form feed": "def f():\n    assert 1\n\f\n    # why\n",
}
AFTER = ("", "def after():\n    pass\n", "AFTER = 1\n", "# a word\n\n\nclass After:\n    pass\n")


@pytest.fixture(params=AFTER)
def made(request, tmp_path):
    """Return a maker of functions from the text of their file."""

    def make(text):
        before = "def keep(f):\n    return f\n\n\ndef keeper(_):\n    return keep\n\n\n"
        path = tmp_path / "made.py"
        ends = "\n" if request.param and not text.endswith("\n") else ""
        path.write_text(before + text + ends + request.param, "utf-8")
        spec = importlib.util.spec_from_file_location("made", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.f

    return make


@pytest.mark.parametrize("text", QUICK.values(), ids=QUICK)
def test_a_function_at_the_margin_is_read_quickly_and_as_inspect_does(text, made):
    function = made(text)
    quick, slow = source._quick_block(function), source._block(function)
    assert quick is not None
    assert quick[0] == slow[0]
    dumped = [ast.dump(tree, include_attributes=True) for _, tree in (quick, slow)]
    assert dumped[0] == dumped[1]


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_what_cannot_be_told_so_quickly_is_left_to_inspect(text, made):
    function = made(text)
    assert source._quick_block(function) is None
    text, tree = source.read_tree(function)
    assert text == source._block(function)[0] or tree is None


def test_what_has_no_source_has_no_tree():
    assert source.read_tree(len) == ("", None)
    namespace = {}
    exec("def f(): pass", namespace)
    assert source.read_tree(namespace["f"]) == ("", None)


def test_all_of_a_tree_is_walked_through_in_the_usual_order():
    tree = ast.parse(inspect.getsource(source))
    assert source._walked(tree) == list(ast.walk(tree))
