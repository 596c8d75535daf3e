"""The codec of the Responses API: bytes -> events and items, as leniently as servers require, and requests -> bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw

from claude_bridge.core import json_weight
from claude_bridge.core.answer_body import check_values
from claude_bridge.core.lenient_json import MEND_EVENT_LIMIT, as_object, raw, raws, text
from claude_bridge.core.responses_api import wire_types
from claude_bridge.core.strict_json import ERRORS, decode, encode

_event: Final = msgspec.json.Decoder(wire_types.StreamEvent).decode
_response: Final = msgspec.json.Decoder(wire_types.Response).decode
_item: Final = msgspec.json.Decoder(wire_types.OutputItem).decode
_part: Final = msgspec.json.Decoder(wire_types.OutputPart).decode


def decode_event(data: bytes) -> wire_types.StreamEvent:
    """Return a decoded event: quickly if its types are as documented, else with every field that fits."""
    try:
        return _event(data)
    except ERRORS:
        value = _object(data)
    return wire_types.StreamEvent(
        type=text(value.get("type")) or "",
        delta=text(value.get("delta")),
        item_id=text(value.get("item_id")),
        output_index=_number(value.get("output_index")),
        content_index=_number(value.get("content_index")),
        summary_index=_number(value.get("summary_index")),
        text=text(value.get("text")),
        refusal=text(value.get("refusal")),
        name=text(value.get("name")),
        arguments=_arguments(value.get("arguments")),
        item=raw(value.get("item")),
        response=raw(value.get("response")),
        error=raw(value.get("error")),
    )


def decode_response(data: bytes) -> wire_types.Response:
    """Return a decoded answer, likewise."""
    try:
        return _response(data)
    except ERRORS:
        value = _object(data)
    details = value.get("incomplete_details")
    reason = text(details.get("reason")) if isinstance(details, dict) else None
    return wire_types.Response(
        object=text(value.get("object")),
        status=text(value.get("status")),
        model=text(value.get("model")),
        output=raw(value.get("output")),
        usage=raw(value.get("usage")),
        error=raw(value.get("error")),
        incomplete_details=None if reason is None else wire_types.IncompleteDetails(reason),
    )


def decode_item(data: bytes) -> wire_types.OutputItem:
    """Return a decoded item of an answer, likewise. Raises `UpstreamProtocolError` for one with too many values."""
    if len(data) > json_weight.MAX_UNCHECKED_BYTES:
        check_values(bytes(data))
    try:
        return _item(data)
    except ERRORS:
        value = _object(data)
    return wire_types.OutputItem(
        type=text(value.get("type")) or "",
        id=text(value.get("id")),
        call_id=text(value.get("call_id")),
        name=text(value.get("name")),
        arguments=_arguments(value.get("arguments")),
        content=raws(value.get("content")),
        summary=raws(value.get("summary")),
        encrypted_content=text(value.get("encrypted_content")),
    )


def decode_part(data: bytes) -> wire_types.OutputPart:
    """Return a decoded part of an item; of one that is not an object nothing."""
    try:
        return _part(data)
    except ERRORS:
        value = decode(data, mend_limit=MEND_EVENT_LIMIT)
    if not isinstance(value, dict):
        return wire_types.OutputPart()
    return wire_types.OutputPart(text(value.get("type")) or "", text(value.get("text")), text(value.get("refusal")))


def decode_output(data: bytes) -> list[Raw]:
    """Return the items of an answer, each undecoded; none if there is no list."""
    if len(data) > json_weight.MAX_UNCHECKED_BYTES:
        check_values(bytes(data))
    return raws(decode(data, mend_limit=MEND_EVENT_LIMIT)) or []


def encode_tool(tool: wire_types.FunctionTool) -> Raw:
    """Return one entry of ``tools``, its type first."""
    return Raw(b'{"type":"function",' + encode(tool)[1:])


def encode_request(request: wire_types.ResponseRequest, items: Iterable[wire_types.InputItem]) -> bytes:
    """Return an encoded request: its fields in their order, then the input."""
    head = memoryview(encode(request))[:-1]  # with a conversation's tools it is large, so it is not copied
    return b"".join((head, b',"input":', encode(list(items)), b"}"))


def _object(data: bytes) -> dict[str, Any]:
    check_values(data)
    return as_object(decode(data, mend_limit=MEND_EVENT_LIMIT))


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _arguments(value: object) -> str | None:
    """Return arguments as text; some servers send them as an object."""
    return encode(value).decode() if isinstance(value, dict) else text(value)
