"""Sanitised JSON schemas of tools, for the level of JSON Schema that a server accepts (docs/chat-completions.md 1.4).

``none``: byte for byte the client's. ``basic``: without the document's own identifiers. ``mistral``, ``moonshot`` and
``gemini``: without what these refuse, and in the form that they require. ``bare``: only types, properties, required,
items, enumerations and descriptions, for the second try after a refusal (llama.cpp, LM Studio and others cannot convert
every schema into a grammar).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import define, field, frozen

from claude_bridge.core import strict_json
from claude_bridge.core.backend_api import ClientRequest
from claude_bridge.core.bounded import BoundedMap
from claude_bridge.core.json_schema.levels import SANITISERS, SchemaLevel
from claude_bridge.core.json_schema.walk import VOCABULARY, SchemaTooLarge, Walk
from claude_bridge.core.strict_json import Raw

OTHERS: Final = "others"
"""Stands for keys that are not keywords: clients make them up, and they must not fill logs and memory."""

MAX_SCHEMA_BYTES: Final = 1 << 18
"""Bytes of the largest schema that is sanitised; a larger one is sent unchanged. Claude Code's have up to 15 KB."""

MAX_STRICT_BYTES: Final = 1 << 16
"""Bytes of the largest schema that is checked, in each request, for strictness; OpenAI accepts no larger ones."""

STEP: Final = 1000
"""Subschemas of one step: 15 ms for most, 35 ms if one schema alone has 2,500."""

MAX_CACHED_SCHEMAS: Final = 2000
"""Results in the cache: the tools of a few dozen clients, each of which sends 30 to 100 with every request."""

MAX_CACHED_BYTES: Final = 16 << 20
"""Bytes of all schemas in the cache, original and sanitised: two thousand of the usual 2 to 4 KB."""


@frozen
class Sanitised:
    """A sanitised schema.

    :ivar dropped_keywords: the keywords that were removed or replaced, for the log; other keys count as `OTHERS`.
    :ivar walked: the number of subschemas visited.
    """

    schema: Raw
    dropped_keywords: frozenset[str] = frozenset()
    walked: int = 0


@define
class SchemaCache:
    """A cache of results by level and bytes, as a client sends the same thirty schemas with every request.

    The least recently used results are dropped when there are too many or they are too large together.

    :ivar walked: the total number of subschemas visited for new results.
    """

    walked: int = field(default=0, init=False)
    _results: BoundedMap[tuple[SchemaLevel, bytes], Sanitised] = field(
        factory=lambda: BoundedMap(MAX_CACHED_SCHEMAS, MAX_CACHED_BYTES, _weight), init=False
    )

    def sanitised(self, raw: Raw, level: SchemaLevel) -> Sanitised:
        """Return a schema sanitised for a level, or unchanged if it is invalid, too large or nested too deeply."""
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
    """Return a schema sanitised for a level other than ``none``; the result depends on the bytes only."""
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
    """Return whether OpenAI accepts a schema as ``strict``: each object closed, with all its properties required.

    With any other schema ``strict`` is answered with a 400 (docs/chat-completions.md 1.1).
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
"""The cache of this process; used in the reactor's thread only."""


@define
class SanitisingWork:
    """Sanitises many schemas in steps and caches the results, before they are needed all at once.

    Implements `claude_bridge.core.backend_api.Preparation`.
    """

    _schemas: Sequence[Raw]
    level: SchemaLevel
    _done: int = field(default=0, init=False)

    @property
    def key(self) -> SchemaLevel:
        """Return the level."""
        return self.level

    def step(self) -> bool:
        """Sanitise more schemas, until `STEP` subschemas were visited, and return whether these were the last."""
        before = SCHEMA_CACHE.walked
        while self._done < len(self._schemas) and SCHEMA_CACHE.walked - before < STEP:
            SCHEMA_CACHE.sanitised(self._schemas[self._done], self.level)
            self._done += 1
        return self._done == len(self._schemas)


def sanitising_work(asked: ClientRequest, level: SchemaLevel) -> SanitisingWork | None:
    """Return the work to be done on the schemas of a request's tools, or None if they are sent unchanged."""
    return None if level == "none" else SanitisingWork([tool.parameters for tool in asked.conversation.tools], level)
