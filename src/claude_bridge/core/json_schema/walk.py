"""Traversal of a JSON Schema: its subschemas, its references, and bounds on both.

A schema comes from a client, often from an arbitrary MCP server, so nothing about it is certain: a value in the place
of a schema that is not one stays unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import define, field

from claude_bridge.core.json_pointer import resolve_pointer

Node = dict[str, Any]

MAX_DEPTH: Final = 64
"""Levels of nesting; real schemas have up to a dozen. This keeps Python's own stack small."""

MAX_NODES: Final = 2500
"""Subschemas of the result. Real tools have up to some hundreds; dereferencing could multiply them."""

MAPS: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
LISTS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
SINGLES: Final = frozenset({"additionalProperties", "unevaluatedProperties", "propertyNames", "items", "not"}) | {
    "additionalItems", "unevaluatedItems", "contains", "if", "then", "else",
}  # fmt: skip
VOCABULARY: Final = MAPS | LISTS | SINGLES | {
    "$schema", "$id", "id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor",
    "$comment", "$vocabulary", "type", "enum", "const", "title", "description", "default", "examples", "example",
    "deprecated", "readOnly", "writeOnly", "nullable", "format", "pattern", "minLength", "maxLength", "minimum",
    "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems",
    "minContains", "maxContains", "required", "minProperties", "maxProperties", "dependencies", "dependentRequired",
    "discriminator", "contentEncoding", "contentMediaType", "contentSchema", "strict",
}  # fmt: skip
"""Keywords of JSON Schema from draft 4 on, and of OpenAPI."""

CLOSING: Final = frozenset({"additionalProperties", "unevaluatedProperties", "additionalItems", "unevaluatedItems"})
"""Keys whose values are usually just true or false, which are not schemas to be expanded."""


class SchemaTooLarge(ValueError):
    """A schema is deeper or larger than any real one."""


NodeSanitiser = Callable[["Walk", Node, int], Node]
"""Sanitises one node for one level; calls the walk for the subschemas."""


@define
class Walk:
    """The traversal of one schema for one level.

    :ivar dropped: the keys that were removed or replaced.
    :ivar nodes: the number of subschemas visited.
    """

    root: Node
    sanitise_node: NodeSanitiser
    dropped: set[str] = field(factory=set, init=False)
    _open: list[str] = field(factory=list, init=False)
    nodes: int = field(default=0, init=False)

    def sanitise(self, value: Any, depth: int) -> Any:  # noqa: ANN401 - a schema, or whatever stands in its place
        """Return a schema sanitised. Raises `SchemaTooLarge`."""
        if value is True:
            value = {}
        elif value is False:
            value = {"not": {}}
        if not isinstance(value, dict):
            return value
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise SchemaTooLarge
        return self.sanitise_node(self, value, depth)

    def sanitise_children(self, node: Node, depth: int) -> Node:
        """Return a node with the same keys and its subschemas sanitised."""
        return {key: self._sanitise_value(key, value, depth + 1) for key, value in node.items()}

    def without_keys(self, node: Node, keys: frozenset[str]) -> Node:
        """Return a node without these keys, and note them as dropped."""
        found = keys & node.keys()
        if not found:
            return node
        self.dropped |= found
        return {key: value for key, value in node.items() if key not in found}

    def only_keys(self, node: Node, keys: frozenset[str]) -> Node:
        """Return a node with nothing but these keys, and note the others as dropped."""
        return self.without_keys(node, frozenset(node.keys() - keys))

    def with_dereferenced(self, node: Node, run: Callable[[Node], Node]) -> Node:
        """Call ``run`` with the node `dereference`d; after that its references may be written out once more."""
        mark = len(self._open)
        try:
            return run(self.dereference(node))
        finally:
            del self._open[mark:]

    def dereference(self, node: Node) -> Node:
        """Return the node that local references lead to, joined with its ``allOf``; only inside `with_dereferenced`.

        A reference to what is being dereferenced already, or to nothing in this document, is replaced by the type of
        its target: so dereferencing ends, and nothing is ever fetched.
        """
        for _ in range(MAX_DEPTH):
            if isinstance(node.get("$ref"), str):
                node = self._follow_reference(node)
            elif isinstance(node.get("allOf"), list):
                node = self._join_all_of(node)
            else:
                return node
        raise SchemaTooLarge

    def _follow_reference(self, node: Node) -> Node:
        self.dropped.add("$ref")
        reference = node["$ref"]
        own = {key: value for key, value in node.items() if key != "$ref"}
        target = resolve_pointer(self.root, reference)
        if reference in self._open or target is None:
            kind = (target or {}).get("type")
            return {**({"type": kind} if kind else {}), **own}
        self._open.append(reference)
        return {**target, **own}

    def _join_all_of(self, node: Node) -> Node:
        self.dropped.add("allOf")
        joined = {key: value for key, value in node.items() if key != "allOf"}
        for part in node["allOf"]:
            if isinstance(part, dict):
                joined = join_both(joined, self.dereference(part))
            if size(joined) > MAX_NODES:
                raise SchemaTooLarge
        return joined

    def _sanitise_value(self, key: str, value: Any, depth: int) -> Any:  # noqa: ANN401 - decoded JSON
        if key in MAPS and isinstance(value, dict):
            return {name: self.sanitise(each, depth) for name, each in value.items()}
        if isinstance(value, list) and (key in LISTS or key == "items"):
            return [self.sanitise(each, depth) for each in value]
        if key in SINGLES and (isinstance(value, dict) or (isinstance(value, bool) and key not in CLOSING)):
            return self.sanitise(value, depth)
        return value


def size(node: Node) -> int:
    """Return roughly the number of keys and properties, which joining could multiply."""
    return len(node) + len(properties(node))


def properties(node: Node) -> Node:
    """Return a node's properties, or none if they are missing or invalid."""
    found = node.get("properties")
    return found if isinstance(found, dict) else {}


def required(node: Node) -> list[str]:
    """Return the names that a node requires."""
    found = node.get("required")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def join_both(one: Node, other: Node) -> Node:
    """Return a node that requires what both require, as far as they can be joined; the first takes precedence."""
    joined = {**other, **one}
    if "properties" in one or "properties" in other:
        joined["properties"] = {**properties(other), **properties(one)}
    names = dict.fromkeys([*required(one), *required(other)])
    if names:
        joined["required"] = list(names)
    return joined


def union_of_objects(nodes: list[Node]) -> Node:
    """Return an object that allows what any of several allows: with all properties, requiring what all require."""
    named: Node = {}
    for node in nodes:
        for name, schema in properties(node).items():
            named.setdefault(name, schema)
    common = set(required(nodes[0])).intersection(*(required(node) for node in nodes[1:])) if nodes else set()
    joined: Node = {"type": "object", "properties": named}
    if common:
        joined["required"] = [name for name in named if name in common]
    return joined
