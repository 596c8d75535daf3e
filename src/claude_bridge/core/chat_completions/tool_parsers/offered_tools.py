"""The tools that a request offered: their names, and the types of arguments that are written without quotes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from attrs import define, field

from claude_bridge.core import strict_json
from claude_bridge.core.json_pointer import resolve_pointer

MAX_BRANCHES: Final = 64
"""References and alternatives that are followed to find a property's type; real schemas have a handful."""

_PYTHON_WORDS: Final = {"True": True, "False": False, "None": None}
"""Some templates print booleans and None as Python does (Qwen3-Coder's), and models copy that."""


@define
class Tools:
    """The names of tools, and their JSON schemas as far as known, decoded when first needed."""

    names: Collection[str]
    schemas: Mapping[str, strict_json.Raw] = field(factory=dict)
    _decoded: dict[str, dict[str, Any]] = field(factory=dict, init=False)

    def convert_value(self, tool: str, key: str, text: str) -> object:
        """Return a value converted to the type in the schema, or the text unchanged if it is a string or unknown."""
        types = self._types(tool, key)
        if "null" in types and text.strip() in {"null", "None"}:
            return None
        if not types or "string" in types:
            return text
        return parse_as(types, text)

    def _types(self, tool: str, key: str) -> set[str]:
        schema = self._schema(tool)
        properties = schema.get("properties")
        return _types(properties.get(key), schema) if isinstance(properties, dict) else set()

    def _schema(self, tool: str) -> dict[str, Any]:
        if tool not in self._decoded:
            try:
                schema = strict_json.decode(self.schemas.get(tool, strict_json.Raw(b"{}")))
            except strict_json.JsonError:
                schema = None
            self._decoded[tool] = schema if isinstance(schema, dict) else {}
        return self._decoded[tool]


def parse_as(types: Collection[str], text: str) -> object:
    """Return a text decoded as JSON of one of these types (any if none is given), or the text itself if it is not."""
    word = text.strip()
    if word in _PYTHON_WORDS:
        value: object = _PYTHON_WORDS[word]
    else:
        try:
            value = strict_json.decode(word.encode("utf-8", "replace"))
        except strict_json.JsonError:
            return text
    return value if not types or not _kinds(value).isdisjoint(types) else text


def _kinds(value: object) -> set[str]:
    if isinstance(value, bool) or value is None:
        return {"null" if value is None else "boolean"}
    if isinstance(value, float):
        return {"number", "integer"} if value.is_integer() else {"number"}
    names = {int: {"integer", "number"}, str: {"string"}, list: {"array"}, dict: {"object"}}
    return names.get(type(value), set())


def _types(schema: object, root: dict[str, Any]) -> set[str]:
    """Return the types that a schema allows; none if it does not say."""
    found: set[str] = set()
    waiting = [schema]
    for _ in range(MAX_BRANCHES):
        if not waiting:
            break
        branch = waiting.pop()
        if isinstance(branch, dict):
            kind = branch.get("type")
            found.update(name for name in (kind if isinstance(kind, list) else [kind]) if isinstance(name, str))
            for word in ("anyOf", "oneOf", "allOf"):
                options = branch.get(word)
                waiting += options[:MAX_BRANCHES] if isinstance(options, list) else []
            if isinstance(branch.get("$ref"), str):
                waiting.append(resolve_pointer(root, branch["$ref"]))
    return found
