"""Turning YAML text into nodes, with limits that PyYAML's own composer does not have.

libyaml's composer overflows the C stack on deep nesting, so this one is fed with its events.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

DEEPEST = 50
"""Levels of nesting that a file may have."""

PLAIN = "plain"
"""The tag of an unquoted scalar; every other scalar without a tag has `TEXT`."""
TEXT = "tag:yaml.org,2002:str"
COLLECTION = "collection"
"""The tag of a mapping or sequence that was given none."""

Event = Any
"""PyYAML's type stubs leave out most of what an event has."""


class PlaceError(ValueError):
    """The text cannot be composed; ``line`` and ``column`` count from 1."""

    def __init__(self, mark: Any, message: str) -> None:
        self.line, self.column = mark.line + 1, mark.column + 1
        super().__init__(message)


def compose(text: str) -> Node | None:
    """Return the root node of the one document in *text*; None if it is empty.

    Aliases are the very node that they stand for.

    Raises:
        PlaceError: more than one document, an unknown or repeated anchor, too deep.
        yaml.MarkedYAMLError: the text is not YAML.
    """
    # the C parser reads ten times as fast and gives the same marks
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    composer = _Composer(yaml.parse(text, Loader=loader))
    return composer.document()


class _Composer:
    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._anchors: dict[str, Node] = {}
        self._depth = 0

    def document(self) -> Node | None:
        root = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise PlaceError(event.start_mark, "a second document; one file holds one")
                root = self._node(next(self._events))
        return None if root is None or _is_blank(root) else root

    def _node(self, event: Event) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return self._named(event, _scalar(event))
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise PlaceError(
                    event.start_mark,
                    "an alias of nothing; quote a value that begins with '*'",
                )
            return self._anchors[event.anchor]
        self._depth += 1
        if self._depth > DEEPEST:
            raise PlaceError(event.start_mark, f"more than {DEEPEST} levels of nesting")
        kind = MappingNode if isinstance(event, yaml.MappingStartEvent) else SequenceNode
        node = self._named(event, kind(event.tag or COLLECTION, [], event.start_mark))
        self._fill(node)
        self._depth -= 1
        return node

    def _fill(self, node: Node) -> None:
        for event in self._events:
            if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                return
            item = self._node(event)
            if isinstance(node, MappingNode):
                node.value.append((item, self._node(next(self._events))))
            else:
                node.value.append(item)

    def _named(self, event: Event, node: Node) -> Node:
        anchor = event.anchor
        if anchor is not None:
            if anchor in self._anchors:
                raise PlaceError(event.start_mark, "an anchor with the name of an earlier one")
            self._anchors[anchor] = node
        return node


def _scalar(event: Event) -> ScalarNode:
    tag = event.tag
    if tag is None:
        tag = PLAIN if event.implicit[0] else TEXT
    elif tag == "!":  # what YAML calls non-specific: text, whatever it looks like
        tag = TEXT
    return ScalarNode(tag, event.value, event.start_mark)


def _is_blank(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == PLAIN and not node.value
