"""What the readers look for in answers: the few fields that decide how an answer goes on, everything else undecoded."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from claude_bridge.core import json_weight, strict_json
from claude_bridge.core.answer_body import check_values
from claude_bridge.core.errors import UpstreamProtocolError


class WireEvent(msgspec.Struct):
    """An event of a stream, or a whole message; what is missing is empty."""

    type: Raw = Raw()
    message: Raw = Raw()
    delta: Raw = Raw()
    content: Raw = Raw()
    usage: Raw = Raw()
    error: Raw = Raw()
    choices: Raw = Raw()
    stop_reason: Raw = Raw()
    stop_sequence: Raw = Raw()
    stop_details: Raw = Raw()

    @property
    def kind(self) -> str:
        """The type, or "" if it is no text."""
        kind = decoded(self.type)
        return kind if isinstance(kind, str) else ""


class ReportedError(dict[str, Any]):
    """An error inside an answer, decoded, which is passed on as it came.

    :ivar data: its JSON, in one line.
    """

    def __init__(self, fields: dict[str, Any], data: bytes) -> None:
        super().__init__(fields)
        self.data = data


_event: Final = msgspec.json.Decoder(WireEvent)


def read_event(data: bytes | Raw) -> WireEvent | None:
    """Return an event, or None for anything but a JSON object."""
    try:
        event = _event.decode(data)
    except strict_json.ERRORS:
        return None
    return event


def decoded(raw: bytes | Raw) -> Any:  # noqa: ANN401 - decoded JSON is what it is
    """Return a small value decoded; None if it is missing or broken. Raises `UpstreamProtocolError` for a huge one."""
    if not raw:
        return None
    if len(raw) > json_weight.MAX_UNCHECKED_BYTES:
        check_values(bytes(raw))
    try:
        value = strict_json.decode(raw)
    except strict_json.JsonError:
        return None
    return value


def decoded_object(raw: bytes | Raw) -> dict[str, Any]:
    """Return an object decoded, empty for anything else."""
    value = decoded(raw)
    return value if isinstance(value, dict) else {}


def reported_error(data: bytes) -> object:
    """Return the error that an event or a body contains, decoded; JSON of several lines is passed on as one."""
    value = decoded(data)
    if not isinstance(value, dict):
        return {"error": data.decode("utf-8", "replace")}
    return ReportedError(value, strict_json.encode(value) if b"\n" in data or b"\r" in data else data)


def check_api(event: WireEvent) -> None:
    """Raise `UpstreamProtocolError` for an answer in the chat completions API, which some servers give at any path."""
    if strict_json.present(event.choices) and not event.kind:
        raise UpstreamProtocolError(
            "the backend answered with a chat completion, not with a message: this url belongs to kind = openai"
        )
