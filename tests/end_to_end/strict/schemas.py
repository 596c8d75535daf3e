"""What two services say of tools' schemas that JSON Schema allows and they do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

GEMINI = frozenset({
    "type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required",
    "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering",
    "default", "items", "minimum", "maximum",
})  # fmt: skip
"""The fields of a Schema, ai.google.dev/api/caching#Schema."""

_FLAVOUR = "tools.function.parameters is not a valid moonshot flavored json schema, details: "


def gemini_problems(schema: Any, path: str) -> Iterator[str]:
    """Yield what Google's reader of JSON says of unknown fields (claude-code-router 187, openswarm 24)."""
    for key, value in schema.items():
        if key not in GEMINI:
            yield f"Invalid JSON payload received. Unknown name \"{key}\" at '{path}': Cannot find field."
        elif key == "type" and not isinstance(value, str):
            yield (  # zed 53919
                f"Invalid JSON payload received. Unknown name \"type\" at '{path}': Proto field is not repeating, "
                "cannot start list."
            )
    for at, inner in enumerate(schema.get("properties", {}).values()):
        yield from gemini_problems(inner, f"{path}.properties[{at}].value")
    if isinstance(schema.get("items"), dict):
        yield from gemini_problems(schema["items"], f"{path}.items")
    for at, inner in enumerate(schema.get("anyOf", ())):
        yield from gemini_problems(inner, f"{path}.any_of[{at}]")


def moonshot_problems(schema: Any) -> Iterator[str]:
    """Yield what Moonshot's validator says.

    kimi-cli 2061, GitNexus 2703, opencode 27054, kimi-code 1610, AI SDK 18921.
    """
    if schema.get("type") != "object":
        yield 'tools.function.parameters.type is required and must be "object"'
    for told in _flavour(schema, "root"):
        yield f"{_FLAVOUR}<At path '{told}>"


def _flavour(schema: Any, path: str) -> Iterator[str]:
    if not isinstance(schema, dict):
        yield f"{path}': schema must be an object"
        return
    if "anyOf" in schema and "type" in schema:
        yield f"{path}': when using anyOf, type should be defined in anyOf items instead of the parent schema"
    if not str(schema.get("$ref", "#/$defs/")).startswith("#/$defs/"):
        yield f"{path}.$ref': references must start with #/$defs/"
    if "$ref" in schema and len(schema) > 1:
        conflicting = next(key for key in schema if key != "$ref")
        yield f"{path}': conflicting keywords found after $ref expansion: {conflicting}"
    for name in schema.get("required", ()):
        if name not in schema.get("properties", {}):
            yield f"{path}.required': required property '{name}' is not defined in properties"
    if isinstance(schema.get("items", {}), list | bool):
        yield f"{path}.items': items must be an object"
    yield from _inner(schema, "" if path == "root" else f"{path}.")


def _inner(schema: dict[str, Any], path: str) -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        yield from _flavour(inner, f"{path}properties.{name}")
    for name, inner in schema.get("$defs", {}).items():
        yield from _flavour(inner, f"{path}$defs.{name}")
    if isinstance(schema.get("items"), dict):
        yield from _flavour(schema["items"], f"{path}items")
    for at, inner in enumerate(schema.get("anyOf", ())):
        yield from _flavour(inner, f"{path}anyOf.{at}")
