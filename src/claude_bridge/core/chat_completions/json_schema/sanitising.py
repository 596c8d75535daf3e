"""Tools' JSON Schemas at the level that a server takes (wire-contract 5.4).

``none``: byte for byte the client's. ``basic``: without what names the document. ``mistral``, ``moonshot`` and
``gemini``: without what these refuse, written as these want it. ``bare``: types, properties, required, items,
enumerations and descriptions alone, for the second try after a refusal (llama.cpp, LM Studio and others cannot make a
grammar of every schema).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import define, field, frozen

from claude_bridge.core import strict_json
from claude_bridge.core.bounded import BoundedMap
from claude_bridge.core.chat_completions.json_schema.levels import SANITISERS
from claude_bridge.core.chat_completions.json_schema.walk import VOCABULARY, SchemaTooLarge, Walk
from claude_bridge.core.chat_completions.traits import SchemaLevel
from claude_bridge.core.strict_json import Raw

OTHERS: Final = "others"
"""Stands for keys that are no keywords: clients make them up, and logs and memory have no place for all of them."""

MAX_SCHEMA_BYTES: Final = 1 << 18
"""Bytes of a schema that is looked into; a larger one goes as it is. Claude Code's own have up to 15 KB."""

MAX_STRICT_BYTES: Final = 1 << 16
"""Bytes of a schema that is read, at each request anew, for whether it may be strict; OpenAI takes no larger ones."""

STEP: Final = 1000
"""Subschemas of one step: 15 ms for most, 35 ms where one schema alone has 2,500."""

MAX_CACHED_SCHEMAS: Final = 2000
"""Results kept: the tools of a few dozen different clients, of which each has 30 to 100 and sends them every time."""

MAX_CACHED_BYTES: Final = 16 << 20
"""Bytes of all schemas kept, before and after: two thousand of the common 2 to 4 KB."""


@frozen
class Sanitised:
    """A schema fit to be sent.

    :ivar dropped_keywords: the keywords that were taken out or replaced, for the log; keys of other names are `OTHERS`.
    :ivar walked: how many subschemas were gone through.
    """

    schema: Raw
    dropped_keywords: frozenset[str] = frozenset()
    walked: int = 0


@define
class SchemaCache:
    """Results by level and bytes: a client sends the same thirty schemas with every request.

    The longest unused goes first, when there are too many or they are too large together.

    :ivar walked: how many subschemas were gone through for new results, ever.
    """

    walked: int = field(default=0, init=False)
    _results: BoundedMap[tuple[SchemaLevel, bytes], Sanitised] = field(
        factory=lambda: BoundedMap(MAX_CACHED_SCHEMAS, MAX_CACHED_BYTES, _weight), init=False
    )

    def sanitised(self, raw: Raw, level: SchemaLevel) -> Sanitised:
        """Return a schema at a level; one that cannot be read, or is too large or deep, as it is."""
        if level == "none" or len(raw) > MAX_SCHEMA_BYTES:
            return Sanitised(raw)
        key = (level, bytes(raw))
        found = self._results.get(key)
        if found is None:
            found = sanitised(raw, level)
            self.walked += found.walked
            self._results.put(key, found)
        return found


def _weight(key: tuple[SchemaLevel, bytes], result: Sanitised) -> int:
    return len(key[1]) + len(result.schema)


def sanitised(raw: Raw, level: SchemaLevel) -> Sanitised:
    """Return a schema at a level other than ``none``, always the same for the same bytes."""
    try:
        root = strict_json.decode(raw)
    except strict_json.JsonError:
        return Sanitised(raw)
    if not isinstance(root, dict):
        return Sanitised(raw)
    walk = Walk(root, SANITISERS[level])
    try:
        shaped = Raw(strict_json.encode(walk.sanitise(root, 0)))
    except (SchemaTooLarge, RecursionError):
        return Sanitised(raw, walked=walk.nodes)
    known = walk.dropped & VOCABULARY
    removed = frozenset(known | {OTHERS}) if known != walk.dropped else frozenset(known)
    return Sanitised(shaped, removed, walk.nodes)


def is_strict(schema: Raw) -> bool:
    """Return whether OpenAI takes a schema as ``strict``: each object closed, with all its properties required.

    Strictness is a promise worth having, and a 400 where the schema is another (wire-contract 5.1).
    """
    if len(schema) > MAX_STRICT_BYTES:
        return False
    try:
        nodes = [strict_json.decode(schema)]
    except strict_json.JsonError:
        return False
    while nodes:
        node = nodes.pop()
        if isinstance(node, list):
            nodes += node
        elif isinstance(node, dict):
            if not _closed(node):
                return False
            nodes += node.values()
    return True


def _closed(node: dict[str, object]) -> bool:
    properties, required = node.get("properties"), node.get("required")
    listed = set(map(str, required)) if isinstance(required, list) else set()
    return not isinstance(properties, dict) or (
        node.get("additionalProperties") is False and listed == properties.keys()
    )


SCHEMA_CACHE: Final = SchemaCache()
"""The results of this process; only ever used in the reactor's thread."""


@define
class SanitisingWork:
    """Brings many schemas to a level a few at a time, before somebody wants them all at once.

    Implements `claude_bridge.core.backend_api.SchemaWork`.
    """

    _schemas: Sequence[Raw]
    level: SchemaLevel
    _done: int = field(default=0, init=False)

    def step(self) -> bool:
        """Shape some more, until `STEP` subschemas were gone through, and return whether those were the last."""
        before = SCHEMA_CACHE.walked
        while self._done < len(self._schemas) and SCHEMA_CACHE.walked - before < STEP:
            SCHEMA_CACHE.sanitised(self._schemas[self._done], self.level)
            self._done += 1
        return self._done == len(self._schemas)
