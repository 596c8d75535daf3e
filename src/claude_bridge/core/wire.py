"""The one place that turns JSON bytes into wire types and back.

Rules measured for msgspec (json-and-packaging C and D): a decode may raise ValueError in several
forms and RecursionError for deep nesting, so `WireError` stands for all of them; lone surrogates
are mended only after a failed decode; Raw parts are not checked for UTF-8, so bodies are, first.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec
from attrs import frozen
from msgspec import Raw

from claude_bridge.core import surrogates
from claude_bridge.core.chat_completions import openai_types, weight
from claude_bridge.core.messages_api import anthropic_types

__all__ = [
    "Raw",
    "WireError",
    "decode",
    "decode_block",
    "decode_chunk",
    "decode_fields",
    "decode_request",
    "encode",
    "encode_chat",
]

MEND_LIMIT: Final = 4 * 1024 * 1024
"""Largest value in which `decode` mends broken escapes, all at once: of nothing but escapes a MB takes 60 ms."""

MEND_EVENT_LIMIT: Final = 1024 * 1024
"""The same for what a backend sends in one piece, which is read in one turn."""

MOST_COMPACTED: Final = 1 << 20
"""Bytes of JSON from which white space is taken; of nothing but brackets that takes 12 ms a MB."""

_MISSING: Final = re.compile(r"^Object missing required field `([^`]+)`(?: - at `\$\.?(.*)`)?$")
_AT: Final = re.compile(r"^(.*?)(?: - at `\$\.?(.*)`)$", re.DOTALL)

_JSON_ERRORS: Final = (ValueError, RecursionError)

_encoder: Final = msgspec.json.Encoder()
encode: Final = _encoder.encode
_any: Final = msgspec.json.Decoder()
_request: Final = msgspec.json.Decoder(anthropic_types.MessagesRequest)
_block: Final = msgspec.json.Decoder(anthropic_types.KnownBlock)
_chunk: Final = msgspec.json.Decoder(openai_types.Chunk)
_object: Final = msgspec.json.Decoder(dict[str, Raw])

T = TypeVar("T")


@frozen
class WireError(ValueError):
    """Bytes that are not the JSON they should be. ``str()`` is fit for a client."""

    reason: str

    def __str__(self) -> str:
        """Return the reason."""
        return self.reason


@frozen
class LoneSurrogates(WireError):
    """A request whose only fault may be lone surrogates: `claude_bridge.core.surrogates` mends them."""


class _Peek(msgspec.Struct):
    type: str = ""


_peek: Final = msgspec.json.Decoder(_Peek)


def decode(data: bytes | Raw, *, mend_limit: int = MEND_LIMIT) -> Any:  # noqa: ANN401 - decoded JSON is what it is
    """Decode to plain Python values, with U+FFFD for what is not UTF-8 and for lone surrogates.

    For small things only: a hostile body of 40 MB would take 1 GB.
    """
    try:
        return _any.decode(data)
    except _JSON_ERRORS as error:
        problem = error
    text = bytes(data).decode("utf-8", "replace").encode()
    mended = surrogates.mend(text) if len(text) <= mend_limit and surrogates.are_in(text) else text
    if mended != data:
        with contextlib.suppress(*_JSON_ERRORS):
            return _any.decode(mended)
    raise WireError(_explain(problem))


def decode_fields(data: bytes) -> dict[str, Raw]:
    """Decode an object's names and leave its values as they are: cheap however much is in them."""
    try:
        return _object.decode(data)
    except _JSON_ERRORS as error:
        raise WireError(_explain(error)) from None


def decode_request(body: bytes) -> anthropic_types.MessagesRequest:
    """Decode a Messages request; raises `WireError` with the field's path, as the API words it.

    Raises `LoneSurrogates` where it holds escapes of surrogates and is no JSON as it stands.
    """
    if not _is_text(body):
        raise WireError("The request body is not valid JSON: it is not UTF-8 text")
    try:
        return _request.decode(body)
    except msgspec.ValidationError as error:
        raise WireError(_explain(error)) from None
    except _JSON_ERRORS as error:
        reason = f"The request body is not valid JSON: {_explain(error)}"
        raise LoneSurrogates(reason) if surrogates.are_in(body) else WireError(reason) from None


def _is_text(body: bytes) -> bool:
    if body.isascii():
        return True  # most are, and this takes a tenth of the time
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def decode_block(raw: Raw, path: str) -> anthropic_types.Block:
    """Decode one content block; an unknown type is kept as it is. ``path`` is for the error."""
    try:
        block: anthropic_types.Block = _block.decode(raw)
    except _JSON_ERRORS as error:
        try:
            kind = _peek.decode(raw).type
        except _JSON_ERRORS:
            raise WireError(f"{path}: a content block must be an object with a `type`") from None
        if kind in anthropic_types.KNOWN_TYPES or not kind:
            raise WireError(_explain(error, path)) from None
        return anthropic_types.UnknownBlock(kind, raw)
    return block


def decode_chunk(data: bytes) -> openai_types.Chunk:
    """Decode a chunk or a whole answer: quickly if its types are as they should be, else forgivingly."""
    try:
        return _chunk.decode(data)
    except _JSON_ERRORS:
        pass
    return _lenient_chunk(decode(data, mend_limit=MEND_EVENT_LIMIT))


def is_object(text: str) -> bool:
    """Return whether a text is one JSON object, without building what is in it."""
    try:
        _object.decode(text)
    except (*_JSON_ERRORS, UnicodeEncodeError):
        return False
    return True


def encode_chat(
    request: openai_types.ChatRequest, extra: dict[str, object], messages: Iterable[openai_types.ChatMessage]
) -> bytes:
    """Encode a chat request: its fields in their order, then ``extra``, then the messages."""
    head = encode(request)[:-1]
    more = b"," + encode(extra)[1:-1] if extra else b""
    return b"".join((head, more, b',"messages":', encode(list(messages)), b"}"))


def compact(raw: Raw) -> str:
    """Return raw JSON as text, without superfluous white space unless it is very large, keys in the order given."""
    text = bytes(raw)
    if len(text) <= MOST_COMPACTED and (b"\n" in text or b": " in text or b", " in text):
        with contextlib.suppress(*_JSON_ERRORS):
            text = msgspec.json.format(text, indent=-1)
    return text.decode("utf-8", "replace")


def _explain(error: Exception, path: str = "") -> str:
    """Word a msgspec error as the Anthropic API does: the field's path first."""
    text = str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    missing = _MISSING.match(text)
    if missing:
        field = ".".join(part for part in (path, _dotted(missing.group(2) or ""), missing.group(1)) if part)
        return f"{field}: Field required"
    at = _AT.match(text)
    where = ".".join(part for part in (path, _dotted(at.group(2)) if at else "") if part)
    return f"{where}: {at.group(1) if at else text}" if where else text


def _dotted(path: str) -> str:
    return re.sub(r"\[(\d+|\.\.\.)\]", r".\1", path).replace("[...]", "").strip(".")


def _lenient_chunk(value: object) -> openai_types.Chunk:
    """Read a chunk whose types are off: keep every field that fits, return the rest its nearest meaning."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise WireError("it is not a JSON object")
    chunk = openai_types.Chunk(
        model=_text(value.get("model")),
        object=_text(value.get("object")),
        usage=_raw(value.get("usage")),
        error=_raw(value.get("error")),
        timings=_raw(value.get("timings")),
        prompt_progress=_raw(value.get("prompt_progress")),
        x_groq=_raw(value.get("x_groq")),
        system_fingerprint=_text(value.get("system_fingerprint")),
    )
    choices = value.get("choices")
    if isinstance(choices, list):
        chunk.choices = [
            _lenient_choice(choice) for choice in choices[: weight.MOST_CHOICES + 1] if isinstance(choice, dict)
        ]
    return chunk


def _lenient_choice(value: dict[str, Any]) -> openai_types.Choice:
    stop = value.get("stop_reason")
    matched = value.get("matched_stop")
    return openai_types.Choice(
        index=value["index"] if isinstance(value.get("index"), int) else 0,
        delta=_lenient_delta(value.get("delta")),
        message=_lenient_delta(value.get("message")),
        finish_reason=_text(value.get("finish_reason")),
        stop_reason=stop if isinstance(stop, str) else None,
        matched_stop=matched if isinstance(matched, str) else None,
        usage=_raw(value.get("usage")),
    )


def _lenient_delta(value: object) -> openai_types.Delta | None:
    if not isinstance(value, dict):
        return None
    content = value.get("content")
    details, blocks = value.get("reasoning_details"), value.get("thinking_blocks")
    calls = value.get("tool_calls")
    return openai_types.Delta(
        content=_raws(content) if isinstance(content, list) else _text(content),
        reasoning_content=_thinking(value.get("reasoning_content")),
        reasoning=_thinking(value.get("reasoning")),
        reasoning_text=_thinking(value.get("reasoning_text")),
        thinking=_thinking(value.get("thinking")),
        reasoning_details=_raws(details) if isinstance(details, list) else None,
        thinking_blocks=_raws(blocks) if isinstance(blocks, list) else None,
        tool_calls=[_lenient_call(call) for call in calls[: weight.MOST_PARTS + 1] if isinstance(call, dict)]
        if isinstance(calls, list)
        else None,
        function_call=_lenient_function(value.get("function_call")),
        refusal=_text(value.get("refusal")),
    )


def _lenient_call(value: dict[str, Any]) -> openai_types.ToolCallDelta:
    index, identifier = value.get("index"), value.get("id")
    return openai_types.ToolCallDelta(
        index=_number(index),
        id=str(identifier) if isinstance(identifier, str | int) else None,
        function=_lenient_function(value.get("function")),
        extra_content=_raw(value.get("extra_content")),
    )


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:18])
    return int(value) if isinstance(value, int | float) else None


def _lenient_function(value: object) -> openai_types.FunctionDelta | None:
    if not isinstance(value, dict):
        return None
    arguments = value.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        arguments = encode(arguments).decode()
    return openai_types.FunctionDelta(name=_text(value.get("name")), arguments=arguments)


def _thinking(value: object) -> str | None:
    """Return thinking that is text, or an object around it as Envoy's AI gateway sends it."""
    if isinstance(value, dict):
        value = value.get("text") or value.get("content") or value.get("thinking")
    return _text(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _raws(values: list[object]) -> list[Raw]:
    """Keep so many that whoever reads them sees that there are too many."""
    return [_raw(value) for value in values[: weight.MOST_PARTS + 1]]


def _raw(value: object) -> Raw:
    return openai_types.EMPTY if value is None else Raw(encode(value))


def present(raw: Raw) -> bool:
    """Return whether a Raw field held something other than null."""
    return bool(raw) and bytes(raw) != b"null"
