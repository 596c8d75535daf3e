"""The levels of `claude_bridge.core.json_schema.sanitising`: how each sanitises a node.

What a server refuses is removed or expressed in an equivalent way. If that is not possible, the result allows more than
the client's schema (the client checks arguments itself), or a subset of it: a string for a value of any type, if a
server requires a type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from claude_bridge.core.json_schema.walk import (
    Node,
    NodeSanitiser,
    Walk,
    join_both,
    properties,
    required,
    union_of_objects,
)

SchemaLevel = Literal["none", "basic", "moonshot", "mistral", "gemini", "bare"]
"""How much of JSON Schema a server accepts, as `claude_bridge.core.json_schema.sanitising` describes it."""

TYPES: Final = ("string", "integer", "number", "boolean", "array", "object", "null")

_ANY: Final = ("string", "number", "boolean", "array", "object")
_IDENTITY: Final = frozenset({"$schema", "$id"})
# LiteLLM removes these for Mistral (docs/servers.md 2.6).
_MISTRAL: Final = _IDENTITY | {"additionalProperties", "strict"}
_COMBINING: Final = frozenset({"anyOf", "oneOf", "allOf"})
_NUMBERS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_KEYWORDS_BY_TYPE: Final[Mapping[str, frozenset[str]]] = {
    "object": frozenset({"properties", "required", "additionalProperties", "patternProperties", "minProperties"})
    | {"maxProperties", "propertyNames"},
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"}),
    "string": frozenset({"minLength", "maxLength", "pattern", "format"}),
    "integer": _NUMBERS,
    "number": _NUMBERS,
}
"""Keywords that only apply to values of one type."""

# https://ai.google.dev/api/caching#Schema: the request is refused for any other name.
_GEMINI: Final = frozenset({"type", "format", "title", "description", "nullable", "enum", "items", "anyOf"}) | {
    "maxItems", "minItems", "properties", "required", "minProperties", "maxProperties", "minLength", "maxLength",
    "pattern", "example", "propertyOrdering", "default", "minimum", "maximum",
}  # fmt: skip
_GEMINI_FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    "string": ("enum", "date-time"),
    "number": ("float", "double"),
    "integer": ("int32", "int64"),
}
_BARE: Final = frozenset({"type", "description", "properties", "required", "items", "enum"})


def basic(walk: Walk, node: Node, depth: int) -> Node:
    """Remove identifiers of the document, and keywords with the boolean values of draft 4."""
    odd = {key for key in ("required", "exclusiveMinimum", "exclusiveMaximum") if isinstance(node.get(key), bool)}
    node = walk.sanitise_children(walk.without_keys(node, _IDENTITY | odd), depth)
    return node if depth else {**node, **_object(node)}


def mistral(walk: Walk, node: Node, depth: int) -> Node:
    """Remove what Mistral's API refuses."""
    node = walk.sanitise_children(walk.without_keys(node, _MISTRAL), depth)
    return node if depth else {**node, **_object(node)}


def moonshot(walk: Walk, node: Node, depth: int) -> Node:
    """Return a node in the form that Moonshot's validator requires (MFJS, github.com/MoonshotAI/walle).

    A ``$ref`` stands alone and leads into ``$defs``; ``type`` is one word and not beside ``anyOf``; the root is an
    object; tuples are ``prefixItems``; a schema is an object, never true or false.
    """
    node = walk.without_keys(node, _IDENTITY)
    if isinstance(node.get("$ref"), str) and depth:
        walk.dropped |= node.keys() - {"$ref"}
        return {"$ref": node["$ref"].replace("#/definitions/", "#/$defs/", 1)}
    if not depth:
        node = _with_defs(_with_object_root(walk, node))
    node = _tuple_as_prefix(walk, _split_types(walk, node))
    if isinstance(node.get("type"), str) and isinstance(node.get("anyOf"), list):
        node = _move_into_branches(walk, node)
    node = walk.sanitise_children(_define_required(walk.without_keys(node, frozenset({"propertyNames"}))), depth)
    if isinstance(node.get("type"), str) or _COMBINING & node.keys() or "enum" in node:
        return node
    kind = _implied_type(node)
    return {**node, "type": kind} if kind else {**node, "anyOf": [{"type": each} for each in _ANY]}


def gemini(walk: Walk, node: Node, depth: int) -> Node:
    """Return a node in Google's subset of OpenAPI 3.0: references resolved, null as ``nullable``."""
    return walk.with_dereferenced(node, lambda node: _gemini(walk, node, depth))


def bare(walk: Walk, node: Node, depth: int) -> Node:
    """Return a node with types, properties, required, items, enumerations and descriptions only, for any server."""
    return walk.with_dereferenced(node, lambda node: _bare(walk, node, depth))


SANITISERS: Final[Mapping[SchemaLevel, NodeSanitiser]] = {
    "basic": basic,
    "mistral": mistral,
    "moonshot": moonshot,
    "gemini": gemini,
    "bare": bare,
}


def _object(node: Node) -> Node:
    return {"type": "object", **({} if isinstance(node.get("properties"), dict) else {"properties": {}})}


def _with_object_root(walk: Walk, node: Node) -> Node:
    """Return a root that is itself an object: alternative objects at the root are merged into one."""
    if isinstance(node.get("$ref"), str) or _COMBINING & node.keys():
        return walk.with_dereferenced(node, lambda node: _merge_alternatives(walk, node))
    return {**node, **_object(node)}


def _with_defs(node: Node) -> Node:
    """Return a node with its definitions under ``$defs``, as in draft 2020-12."""
    old, new = node.get("definitions"), node.get("$defs")
    if not isinstance(old, dict):
        return node
    kept = {key: value for key, value in node.items() if key != "definitions"}
    return {**kept, "$defs": {**old, **(new if isinstance(new, dict) else {})}}


def _merge_alternatives(walk: Walk, node: Node) -> Node:
    """Return alternatives, of which only objects count, merged into an object that allows what any of them does."""
    own = walk.without_keys(node, frozenset({"anyOf", "oneOf"}))
    for key in ("anyOf", "oneOf"):
        parts = [walk.dereference(part) for part in _schemas(node.get(key)) if _first_type(part) in {"object", ""}]
        if parts:
            own = join_both(own, union_of_objects(parts))
    return {**own, **_object(own)}


def _split_types(walk: Walk, node: Node) -> Node:
    """Return a node with several types as ``anyOf``, each branch with the keywords of its type."""
    kinds = node.get("type")
    if not isinstance(kinds, list):
        return node
    walk.dropped.add("type")
    known = [kind for kind in kinds if kind in TYPES]
    rest = {key: value for key, value in node.items() if key != "type"}
    if len(known) == 1:
        return {"type": known[0], **rest}
    if not known or "anyOf" in node:
        return rest
    belonging = frozenset().union(*_KEYWORDS_BY_TYPE.values(), {"enum"})
    branches = [_branch(node, kind) for kind in known]
    return {**{key: value for key, value in rest.items() if key not in belonging}, "anyOf": branches}


def _branch(node: Node, kind: str) -> Node:
    branch = {"type": kind, **{key: value for key, value in node.items() if key in _KEYWORDS_BY_TYPE.get(kind, ())}}
    values = [value for value in _list(node.get("enum")) if _has_type(value, kind)]
    return {**branch, "enum": values} if values and kind != "null" else branch


def _move_into_branches(walk: Walk, node: Node) -> Node:
    """Return a node with ``type`` and its keywords moved from beside ``anyOf`` into the branches."""
    kind = _first_type(node)
    moved = {key: value for key, value in node.items() if key == "type" or key in _KEYWORDS_BY_TYPE.get(kind, ())}
    walk.dropped.add("type")
    branches = [
        join_both(part, moved) if "$ref" not in part and _first_type(part) in {"", kind} else part
        for part in _schemas(node["anyOf"])
    ]
    return {**{key: value for key, value in node.items() if key not in moved}, "anyOf": branches}


def _tuple_as_prefix(walk: Walk, node: Node) -> Node:
    items = node.get("items")
    if isinstance(items, list):
        node = {**node, "prefixItems": [*_list(node.get("prefixItems")), *items]}
    return walk.without_keys(node, frozenset({"items"})) if isinstance(items, list | bool) else node


def _define_required(node: Node) -> Node:
    """Return a node in which every required name is a property: servers refuse undefined ones."""
    missing = [name for name in required(node) if name not in properties(node)]
    if not missing:
        return node
    return {**node, "properties": {**properties(node), **{name: {} for name in missing}}}


def _gemini(walk: Walk, node: Node, depth: int) -> Node:
    if not depth:
        node = _merge_alternatives(walk, node) if _COMBINING & node.keys() else {**node, **_object(node)}
    node = _without_const(walk, _with_inclusive_bounds(walk, _define_required(node)))
    if isinstance(node.get("oneOf"), list) and "anyOf" not in node:
        node = {**node, "anyOf": node["oneOf"]}
    node = _nullable(walk, _tuple_as_items(walk, _split_types(walk, node)))
    if node.get("type") is None and "anyOf" not in node:
        node = {**node, "type": _implied_type(node) or "string"}
    if node.get("type") == "array" and not isinstance(node.get("items"), dict):
        node = {**node, "items": {"type": "string"}}
    out = walk.sanitise_children(_only_any_of(walk, _only_known_values(walk, walk.only_keys(node, _GEMINI))), depth)
    return _collapse_single_branch(out)


def _only_any_of(walk: Walk, node: Node) -> Node:
    """Return a node with nothing beside ``anyOf``: "When using any_of, it must be the only field set" (Vertex AI)."""
    if not isinstance(node.get("anyOf"), list):
        return node
    node = _move_into_branches(walk, node) if isinstance(node.get("type"), str) else node
    shared = {key: node[key] for key in ("description", "nullable") if key in node}
    walk.dropped |= node.keys() - {"anyOf"}
    return {"anyOf": [{**shared, **part} for part in _schemas(node["anyOf"])]}


def _with_inclusive_bounds(walk: Walk, node: Node) -> Node:
    """Return a node with inclusive instead of exclusive bounds: the next integer, or the bound itself for others."""
    for key, plain, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
        bound = node.get(key)
        if not isinstance(bound, int | float) or isinstance(bound, bool):
            continue
        walk.dropped.add(key)
        value = bound + step if node.get("type") == "integer" and isinstance(bound, int) else bound
        other = node.get(plain)
        if isinstance(other, int | float) and not isinstance(other, bool):
            value = max(value, other) if step > 0 else min(value, other)
        node = {**node, plain: value}
    return node


def _without_const(walk: Walk, node: Node) -> Node:
    if "const" not in node:
        return node
    value = node["const"]
    node = walk.without_keys(node, frozenset({"const"}))
    return node if "enum" in node else {**node, "enum": [value], "type": node.get("type") or _type_of(value)}


def _nullable(walk: Walk, node: Node) -> Node:
    """Return a node with ``nullable`` instead of null among alternatives and values."""
    branches = _schemas(node.get("anyOf"))
    others = [part for part in branches if part.get("type") != "null"]
    values = _list(node.get("enum"))
    if len(others) < len(branches) and others:
        walk.dropped.add("anyOf")
        node = {**node, "anyOf": others, "nullable": True}
    if None in values:
        node = {**node, "enum": [value for value in values if value is not None], "nullable": True}
    return node


def _tuple_as_items(walk: Walk, node: Node) -> Node:
    """Return a tuple as an array of any of its parts."""
    parts = [*_list(node.get("prefixItems")), *(node["items"] if isinstance(node.get("items"), list) else [])]
    if not parts:
        return node
    walk.dropped.add("items" if isinstance(node.get("items"), list) else "prefixItems")
    return {**node, "items": {"anyOf": parts} if len(parts) > 1 else parts[0]}


def _only_known_values(walk: Walk, node: Node) -> Node:
    """Return a node without formats and enumerations that Google refuses: it allows enumerations of strings only."""
    kind = node.get("type")
    dropped: set[str] = set()
    if "format" in node and node["format"] not in _GEMINI_FORMATS.get(kind if isinstance(kind, str) else "", ()):
        dropped.add("format")
    if "enum" in node and not (kind == "string" and all(isinstance(value, str) for value in _list(node["enum"]))):
        dropped.add("enum")
    return walk.without_keys(node, frozenset(dropped))


def _collapse_single_branch(node: Node) -> Node:
    """Return a node with its only remaining alternative in place of ``anyOf``."""
    branches = _schemas(node.get("anyOf"))
    if len(branches) != 1:
        return node
    return {**branches[0], **{key: value for key, value in node.items() if key != "anyOf"}}


def _bare(walk: Walk, node: Node, depth: int) -> Node:
    node = _without_const(walk, _define_required(_resolve_alternatives(walk, node)))
    kind = _first_type(node) or _implied_type(node) or ("string" if depth else "object")
    kind = kind if depth else "object"
    node = {**_tuple_first(walk, node), "type": kind}
    if kind == "array" and not isinstance(node.get("items"), dict | bool):
        node["items"] = {"type": "string"}
    if kind == "object":
        node["properties"] = properties(node)
    values = [value for value in _list(node.get("enum")) if _has_type(value, kind)]
    unfit = (_KEYWORDS_BY_TYPE["object"] if kind != "object" else frozenset()) | (
        _KEYWORDS_BY_TYPE["array"] if kind != "array" else frozenset()
    )
    node = walk.without_keys(walk.only_keys(node, _BARE), unfit if values else unfit | {"enum"})
    return walk.sanitise_children({**node, "enum": values} if values else node, depth)


def _resolve_alternatives(walk: Walk, node: Node) -> Node:
    """Return a node without alternatives: objects are merged, else the first one that is not null is used."""
    for key in ("anyOf", "oneOf"):
        parts = [walk.dereference(part) for part in _schemas(node.get(key))]
        node = walk.without_keys(node, frozenset({key}))
        parts = [part for part in parts if _first_type(part) != "null"]
        if parts and all((_first_type(part) or _implied_type(part) or _first_type(node)) == "object" for part in parts):
            node = join_both(node, union_of_objects(parts)) if len(parts) > 1 else join_both(node, parts[0])
        elif parts:
            node = join_both(node, _resolve_alternatives(walk, parts[0]))
    return node


def _tuple_first(walk: Walk, node: Node) -> Node:
    parts = [*_list(node.get("prefixItems")), *(node["items"] if isinstance(node.get("items"), list) else [])]
    node = walk.without_keys(node, frozenset({"prefixItems"}))
    return {**node, "items": parts[0]} if parts else node


def _first_type(node: Node) -> str:
    """Return the type of a node, of several the first that is not null; "" if it has none."""
    kind = node.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    named = [each for each in kinds if each in TYPES]
    return next((each for each in named if each != "null"), named[0] if named else "")


def _implied_type(node: Node) -> str:
    """Return the type that a node's other keywords imply, or ""."""
    for kind, key in (("object", "properties"), ("array", "items"), ("array", "prefixItems")):
        if key in node:
            return kind
    values = [*_list(node.get("enum")), node.get("const")]
    kinds = {_type_of(value) for value in values if value is not None}
    return kinds.pop() if len(kinds) == 1 else ""


def _type_of(value: Any) -> str:  # noqa: ANN401 - decoded JSON
    for kind, types in (("boolean", bool), ("string", str), ("integer", int), ("number", float), ("array", list)):
        if isinstance(value, types):
            return kind
    return "object" if isinstance(value, dict) else "null"


def _has_type(value: Any, kind: str) -> bool:  # noqa: ANN401 - decoded JSON
    found = _type_of(value)
    return found == kind or (kind == "number" and found == "integer")


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - decoded JSON
    return value if isinstance(value, list) else []


def _schemas(value: Any) -> list[Node]:  # noqa: ANN401 - decoded JSON
    """Return the schemas in a list; true becomes the empty schema, and false is left out."""
    return [part if isinstance(part, dict) else {} for part in _list(value) if isinstance(part, dict) or part is True]
