"""The shape that an answer must have, checked here where the server does not guarantee it.

See docs/chat-completions.md 1.1.

The schema goes to the model as an instruction, the answer is checked here, and for a wrong one the model can be asked
once more (the repair turn). Schemas come from clients and answers from backends, so both are bounded before they are
decoded, and nothing that a schema refers to is ever fetched.
"""

from __future__ import annotations

import re
from itertools import islice
from json import JSONDecoder
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

from claude_bridge.core import strict_json
from claude_bridge.core.json_pointer import resolve_pointer
from claude_bridge.core.strict_json import Raw

if TYPE_CHECKING:
    from jsonschema_rs import Validator

MAX_SCHEMA_BYTES: Final = 1 << 16
"""Bytes of a schema that answers are checked against; real ones have a few thousand."""

MAX_ANSWER_CHARACTERS: Final = 1 << 20
"""Characters of the longest answer that is checked: more than any model writes, and at worst 20 MB of Python values."""

MAX_STEPS: Final = 20_000_000
"""Steps of checking, at worst: half a second in which the daemon does nothing else."""

MAX_EXPLAINED_STEPS: Final = 200_000
"""Steps up to which a mistake is described in detail, which keeps a copy of the answer for each alternative."""

MAX_MATCHED_CHARACTERS: Final = 50_000
"""Characters of an answer times patterns in its schema: a pattern takes 6 microseconds a character at worst."""

MAX_PATTERN_BYTES: Final = 1 << 16
"""Bytes of a compiled pattern; matching takes linear time with this as its factor."""

_JSON_START: Final = re.compile(r"[{\[]")
_MAX_CANDIDATES: Final = 16
_FENCE: Final = "```"
_MAX_MISTAKE_CHARACTERS: Final = 300
_UNSPECIFIED_MISTAKE: Final = "it does not keep to the JSON Schema"
_UNSUPPORTED_REFERENCES: Final = frozenset(
    {"$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor", "$recursiveAnchor"}
)


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


_decoder: Final = JSONDecoder(parse_constant=_refuse_constant)


def instruction(schema: Raw) -> str:
    """Return the instruction that tells the model to answer with JSON."""
    with_schema = (
        "Answer with JSON only: one JSON value that keeps to the JSON Schema below. Write no text before or after it, "
        "and no code fence.\n\n"
    )
    if not strict_json.present(schema):
        return "Answer with JSON only: one JSON object. Write no text before or after it, and no code fence."
    return with_schema + strict_json.compact(schema)


@frozen
class AnswerShape:
    """What an answer must be, where the server does not guarantee it.

    :ivar schema: as the client gave it; empty where any JSON object will do.
    """

    schema: Raw

    @property
    def instruction(self) -> str:
        """Return the instruction for the model."""
        return instruction(self.schema)

    def check(self, text: str) -> str | None:
        """Return the mistake in an answer, as a part of a sentence, or None if none is found."""
        if len(text) > MAX_ANSWER_CHARACTERS:
            return None
        try:
            value = strict_json.decode(extract_json(text).encode())
        except (strict_json.JsonError, UnicodeEncodeError):
            return "it is not valid JSON"
        if strict_json.present(self.schema):
            return _mistake(self.schema, value, len(text))
        return None if isinstance(value, dict) else "it is not a JSON object"


def extract_json(text: str) -> str:
    """Return the JSON in an answer: all of it, else the first complete object or list, else the whole text.

    If there is a code fence, the search begins after it.
    """
    stripped = text.strip()
    if len(text) > MAX_ANSWER_CHARACTERS or strict_json.is_object(stripped):
        return stripped
    fence = max(0, text.find(_FENCE))
    for match in islice(_JSON_START.finditer(text, fence), _MAX_CANDIDATES):
        try:
            _, end = _decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        return text[match.start() : end]
    return stripped


def correction(mistake: str) -> str:
    """Return the user message that asks again after a wrong answer; ``mistake`` is what `AnswerShape.check` returns."""
    return f"That answer cannot be used: {mistake}. Write it once more, as JSON only."


def _mistake(raw: Raw, value: Any, length: int) -> str | None:  # noqa: ANN401 - decoded JSON
    """Return the mistake in a value, or None; also None if the schema cannot be built or checking takes too long."""
    if len(raw) > MAX_SCHEMA_BYTES:
        return None
    try:
        schema = strict_json.decode(raw)
        weight = _Weight(schema)
        work = weight.work(value, length)
        if work > MAX_STEPS or weight.patterns * length > MAX_MATCHED_CHARACTERS:
            return None
        validator = _validator(schema)
        if validator.is_valid(value):
            return None
    except (ValueError, RecursionError):
        return None  # the schema cannot be checked; that the answer is JSON has to do
    return _describe_mistake(validator, value) if work <= MAX_EXPLAINED_STEPS else _UNSPECIFIED_MISTAKE


def _describe_mistake(validator: Validator, value: Any) -> str:  # noqa: ANN401 - decoded JSON
    """Return what is wrong with a value that is known to be wrong, in detail where the checker can say it."""
    try:
        error = next(validator.iter_errors(value))
    except (ValueError, RecursionError, StopIteration):
        return _UNSPECIFIED_MISTAKE  # nested too deeply for the copy that the checker makes only for details
    place = "/".join(map(str, error.instance_path))
    return f"at {place or 'the top'}: {error.message}"[:_MAX_MISTAKE_CHARACTERS]


def _validator(schema: Any) -> Validator:  # noqa: ANN401 - decoded JSON
    """Return a validator that fetches nothing and matches patterns in linear time; raises ValueError."""
    import jsonschema_rs  # noqa: PLC0415 - 8 MB of memory that most daemons never need

    return jsonschema_rs.validator_for(
        schema,
        pattern_options=jsonschema_rs.RegexOptions(size_limit=MAX_PATTERN_BYTES),
        validate_formats=False,
        offline=True,
    )


@define
class _Weight:
    """How much work checking a schema takes at worst, references included. Raises ValueError if that is unknown.

    :ivar patterns: the number of patterns.
    :ivar loops: the number of references that lead back into a schema around them.
    """

    root: Any
    patterns: int = field(default=0, init=False)
    loops: int = field(default=0, init=False)
    _weights: dict[str, int] = field(factory=dict, init=False)
    _open: set[str] = field(factory=lambda: {"#"}, init=False)

    def work(self, value: Any, length: int) -> int:  # noqa: ANN401 - decoded JSON
        """Return the steps of checking a value at worst: each part against all of the schema, once for each loop."""
        steps = self._weigh(self.root) * (_count_values(value) + length // 8)
        return steps if self.loops < 2 else min(steps * self.loops ** min(_depth(value), 64), MAX_STEPS + 1)  # noqa: PLR2004

    def _weigh(self, node: Any) -> int:  # noqa: ANN401 - decoded JSON
        if isinstance(node, list):
            return min(1 + sum(map(self._weigh, node)), MAX_STEPS + 1)
        if not isinstance(node, dict):
            return 1
        if _UNSUPPORTED_REFERENCES & node.keys():
            raise ValueError("references that only show while checking")
        patterns = node.get("patternProperties")
        self.patterns += ("pattern" in node) + (len(patterns) if isinstance(patterns, dict) else 0)
        total = 1 + sum(map(self._weigh, node.values()))
        reference = node.get("$ref")
        return min(total + (self._weigh_target(reference) if isinstance(reference, str) else 0), MAX_STEPS + 1)

    def _weigh_target(self, reference: str) -> int:
        if reference in self._open:
            self.loops += 1
            return 1
        if reference not in self._weights:
            target = resolve_pointer(self.root, reference)
            if target is None:
                raise ValueError("a reference to another document or to an anchor")
            self._open.add(reference)
            self._weights[reference] = self._weigh(target)
            self._open.discard(reference)
        return self._weights[reference]


def _count_values(value: Any) -> int:  # noqa: ANN401 - decoded JSON
    """Return the number of values in a JSON value, itself included."""
    count, rest = 0, [value]
    while rest:
        found = rest.pop()
        count += 1
        if isinstance(found, dict):
            rest += found.values()
        elif isinstance(found, list):
            rest += found
    return count


def _depth(value: Any) -> int:  # noqa: ANN401 - decoded JSON
    """Return the levels of nesting in a JSON value."""
    depth, values = 0, [value]
    while values := [
        inner
        for each in values
        if isinstance(each, dict | list)
        for inner in (each.values() if isinstance(each, dict) else each)
    ]:
        depth += 1
    return depth
