"""Decoding of a large request in steps, each of which is short whatever the request holds.

The result is what `codec.decode_request` returns, and so is the error for a body with one mistake; one with several may
be told of another of them. It differs for hostile bodies only: what exceeds a limit is refused before it is decoded, or
not decoded where a backend that is passed the body may judge it.

JSON that is only skipped takes 1 ms a MiB, 4 ms if it is all brackets; decoded, the smallest values take 20 to 40.
"""

from __future__ import annotations

from codecs import utf_8_decode
from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Raw

from claude_bridge.core import json_layout, surrogates
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api.anthropic_types import EMPTY, InputMessage, MessagesRequest, Tool
from claude_bridge.core.messages_api.codec import NOT_JSON, NOT_TEXT, LoneSurrogates
from claude_bridge.core.messages_api.limits import MAX_SYSTEM_BLOCKS, RequestLimits
from claude_bridge.core.strict_json import ERRORS, JsonError, begins_list, explain

LARGE: Final = 2 << 20
"""Bytes of the smallest body that is worth the steps; those below are decoded in 75 ms at worst, in 1 ms usually."""

STEP: Final = 1 << 20
"""Bytes of messages or tools that are decoded in one step, in 40 ms at worst; a larger one is decoded alone."""

TEXT_STEP: Final = 8 << 20
"""Bytes that are checked for UTF-8 in one step, in 15 ms."""

MAX_BRACKETS: Final = 3_000_000
"""Opening brackets in a body, those in texts included: so many are skipped in 23 ms if they are nested deeply, and some
turns skip them four times. A conversation of a million tokens has some 200,000."""

MANY: Final = 500_000
"""Commas, those in texts included, up to which all elements of a list are decoded, in 20 ms."""

_FIELDS: Final = 20_480
"""Elements of a list that a decoder returns at once: it takes 40 ms to make, and 8 MB, and is made once, if ever."""

_MAX_FIELDS: Final = 5 * _FIELDS
"""The highest limit above which no more elements are decoded. Who sets a higher one accepts longer turns."""


class _Large(msgspec.Struct):
    """The fields of a request that may be large, undecoded."""

    messages: Raw = EMPTY
    system: Raw = EMPTY
    tools: Raw = EMPTY


class _Rest(MessagesRequest):
    """A request of which these fields are not decoded."""

    messages: Raw  # type: ignore[assignment]
    system: Raw = EMPTY  # type: ignore[assignment]
    tools: Raw = EMPTY  # type: ignore[assignment]


class _LargeMessage(msgspec.Struct):
    role: str
    content: Raw


_large: Final = msgspec.json.Decoder(_Large)
_rest: Final = msgspec.json.Decoder(_Rest)
_message: Final = msgspec.json.Decoder(InputMessage)
_large_message: Final = msgspec.json.Decoder(_LargeMessage)
_messages: Final = msgspec.json.Decoder(list[InputMessage])
_content: Final = msgspec.json.Decoder(str | list[Raw])
_system: Final = msgspec.json.Decoder(str | list[Raw] | None)
_tool: Final = msgspec.json.Decoder(Tool)
_tools: Final = msgspec.json.Decoder(list[Tool] | None)
_raws: Final = msgspec.json.Decoder(list[Raw])

Steps = Generator[None, None, None]


def decode_in_steps(body: bytes, bounds: RequestLimits) -> Generator[None, None, MessagesRequest]:
    """Return the request of a body; yields between two steps.

    Raises `JsonError` and `LoneSurrogates` as `codec.decode_request` does, and `InvalidRequest` for what is too much.
    """
    yield  # the body has been searched in this turn, when it arrived
    yield from _check_text(body)
    if len(body) >= 2 * MAX_BRACKETS:
        _check_brackets(body)
        yield
    large = _decoded(_large, body)
    if len(body) - len(large.messages) - len(large.system) - len(large.tools) > json_layout.MAX_REST_BYTES:
        raise InvalidRequest(f"more than {json_layout.MAX_REST_BYTES} bytes beside messages, system and tools")
    yield
    rest = _decoded(_rest, body)
    yield
    fields = {name: getattr(rest, name) for name in MessagesRequest.__struct_fields__}
    if may_have_many_elements(body):
        _decoder_of_first(_FIELDS)
        yield
    fields["system"] = _decode_system(large.system)
    yield
    fields["tools"] = yield from _decode_tools(large.tools, bounds)
    fields["messages"] = yield from _decode_messages(large.messages, bounds)
    yield
    return MessagesRequest(**fields)


def _check_text(body: bytes) -> Steps:
    """Raise `JsonError` for bytes that are not UTF-8."""
    if body.isascii():
        return
    view, done = memoryview(body), 0
    while done < len(body):
        end = done + TEXT_STEP
        try:
            done += utf_8_decode(view[done:end], "strict", end >= len(body))[1]
        except UnicodeDecodeError:
            raise JsonError(NOT_TEXT) from None
        yield


def _check_brackets(body: bytes) -> None:
    if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
        raise InvalidRequest(f"the request body has more than {MAX_BRACKETS} lists and objects")


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:  # noqa: ANN401 - what the decoder returns
    """Return the whole body decoded; its errors are those of `codec.decode_request`."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise JsonError(explain(error)) from None
    except ERRORS as error:
        reason = f"{NOT_JSON}: {explain(error)}"
        raise LoneSurrogates(reason) if surrogates.has_surrogates(body) else JsonError(reason) from None


def _part(decoder: msgspec.json.Decoder[Any], raw: Raw, path: str) -> Any:  # noqa: ANN401 - the same
    try:
        return decoder.decode(raw)
    except ERRORS as error:
        raise JsonError(explain(error, path)) from None


def _decode_system(raw: Raw) -> str | list[Raw] | None:
    if not raw:
        return None
    if not begins_list(raw):
        return _part(_system, raw, "system")  # type: ignore[no-any-return]
    return first_elements(raw, MAX_SYSTEM_BLOCKS + 1)


def _decode_tools(raw: Raw, bounds: RequestLimits) -> Generator[None, None, list[Tool] | None]:
    if not raw or not begins_list(raw):
        return _part(_tools, raw, "tools") if raw else None
    parts = first_elements(raw, bounds.max_tools + 1)
    if len(parts) > bounds.max_tools:
        raise bounds.too_many_tools()
    yield
    tools: list[Tool] = []
    step = _Step()
    for index, part in enumerate(parts):
        if step.is_full_with(len(part)):
            yield
        tools.append(_part(_tool, part, f"tools.{index}"))
    return tools


def _decode_messages(raw: Raw, bounds: RequestLimits) -> Generator[None, None, list[InputMessage]]:
    if not begins_list(raw):
        return _part(_messages, raw, "messages")  # type: ignore[no-any-return]
    parts = first_elements(raw, bounds.max_messages + 1)
    if len(parts) > bounds.max_messages:
        raise bounds.too_many_messages()
    yield
    messages: list[InputMessage] = []
    step, blocks = _Step(), 0
    for index, part in enumerate(parts):
        if step.is_full_with(len(part)):
            yield
        path = f"messages.{index}"
        if len(part) <= STEP and blocks <= bounds.max_blocks:
            message = _part(_message, part, path)
        else:
            message = yield from _decode_large_message(part, path, bounds.max_blocks + 1 - blocks)
        blocks += len(message.content) if isinstance(message.content, list) else 0
        messages.append(message)
    return messages


def _decode_large_message(raw: Raw, path: str, most: int) -> Generator[None, None, InputMessage]:
    """Return a message with ``most`` of its blocks at most: if they are more than a request may have, none is read."""
    message = _part(_large_message, raw, path)
    if len(raw) > STEP:
        yield
    if not begins_list(message.content):
        return InputMessage(message.role, _part(_content, message.content, f"{path}.content"))
    return InputMessage(message.role, first_elements(message.content, most) if most > 0 else [])


class _Step:
    """Tells when a step has done enough."""

    def __init__(self) -> None:
        self._done = 0

    def is_full_with(self, size: int) -> bool:
        """Count ``size`` more bytes; return whether they belong to the next step."""
        self._done += size
        if self._done <= STEP:
            return False
        self._done = size
        return True


def first_elements(raw: Raw, most: int, *, many: bool = False) -> list[Raw]:
    """Return the first elements of a list, ``most`` at most; the others are only skipped where they may be many.

    ``many``: whether that is known already.
    """
    if len(raw) <= LARGE or most > _MAX_FIELDS or not (many or may_have_many_elements(bytes(raw))):
        found: Sequence[Raw] = _raws.decode(raw)
    else:
        found = msgspec.structs.astuple(_decoder_of_first(_rounded(most)).decode(raw))
    return [element for element in found[:most] if element]


def may_have_many_elements(json: bytes) -> bool:
    """Return whether a list in JSON may have so many elements that it is worth a decoder of the first ones."""
    return len(json) > LARGE and json.count(b",") > MANY


def _rounded(most: int) -> int:
    """Return the number of fields of the decoder: one size for all of the default limits."""
    return -(-most // _FIELDS) * _FIELDS


@lru_cache(maxsize=4)
def _decoder_of_first(count: int) -> msgspec.json.Decoder[Any]:
    """Return a decoder of a list's first elements: to msgspec they are the fields of an object that is sent as a list.

    It checks the others, but makes nothing of them, which takes a thirtieth of the time.
    """
    fields = [(f"element_{index}", Raw, EMPTY) for index in range(count)]
    return msgspec.json.Decoder(msgspec.defstruct("FirstElements", fields, array_like=True))
