"""The Messages API's own OpenAPI schema as a judge of our answers, and the order of events that the schema cannot say.

The schema is the file that ``llm-comply`` carries. It is read where the judges' environment installed it and is no
part of this project.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonschema_rs

from tests.end_to_end.sse import Event, read_events
from tests.environments import JUDGES, built

EVENT_SCHEMAS = {
    "message_start": "MessageStartEvent",
    "content_block_start": "ContentBlockStartEvent",
    "content_block_delta": "ContentBlockDeltaEvent",
    "content_block_stop": "ContentBlockStopEvent",
    "message_delta": "MessageDeltaEvent",
    "message_stop": "MessageStopEvent",
}

DELTA_BLOCKS = {
    "text_delta": ("text",),
    "input_json_delta": ("tool_use", "server_tool_use"),
    "thinking_delta": ("thinking",),
    "signature_delta": ("thinking",),
}
"""Which block a delta may be in."""

TOO_LARGE = "request_too_large"
"""The one documented error type (status 413) that the schema lists nowhere among the others."""

STATUS_ERRORS = {
    400: {"invalid_request_error"},
    401: {"authentication_error"},
    402: {"billing_error"},
    403: {"permission_error"},
    404: {"not_found_error"},
    405: {"invalid_request_error"},
    408: {"timeout_error"},
    413: {TOO_LARGE},
    429: {"rate_limit_error"},
    500: {"api_error"},
    502: {"api_error"},
    503: {"api_error"},
    504: {"timeout_error"},
    529: {"overloaded_error"},
}
"""The error types that go with a status."""


@functools.cache
def _components() -> dict[str, Any]:
    path = built(JUDGES).site_file("llm_comply", "specs", "anthropic.json")
    components: dict[str, Any] = json.loads(path.read_bytes())["components"]
    return components


@functools.cache
def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    assert name in _components()["schemas"], f"the schema knows no {name}"
    root = {"$ref": f"#/components/schemas/{name}", "components": _components()}
    return jsonschema_rs.Draft202012Validator(root, validate_formats=True)


def validate(name: str, value: object) -> list[str]:
    """Return what is wrong with ``value`` (decoded JSON) as a ``name`` of the schema: ``Message``, ``ModelInfo`` ..."""
    return [
        f"{name}{''.join(f'[{part!r}]' for part in error.instance_path)}: {error.message}"
        for error in _validator(name).iter_errors(value)
    ]


def validate_error(value: Any) -> list[str]:
    """Return what is wrong with an error, as a body or as an event of a stream."""
    if (
        isinstance(value, Mapping)
        and isinstance(value.get("error"), Mapping)
        and value["error"].get("type") == TOO_LARGE
    ):
        value = {**value, "error": {**value["error"], "type": "invalid_request_error"}}
    told = validate("ErrorResponse", value)
    if not told and not value["request_id"]:
        return ["ErrorResponse: has no request_id"]
    return told


def validate_models(value: Any) -> list[str]:
    """Return what is wrong with a list of models, its first and last id included."""
    told = validate("ListResponse_ModelInfo_", value)
    if not told:
        ids = [one["id"] for one in value["data"]] or [None]
        if (value["first_id"], value["last_id"]) != (ids[0], ids[-1]):
            told.append(f"first_id and last_id are {value['first_id']} and {value['last_id']}")
    return told


def validate_stream(events: Sequence[Event]) -> list[str]:
    """Return what is wrong with a whole stream, from ``message_start`` to ``message_stop`` or an error."""
    told = [problem for event in events for problem in _validate_event(event)]
    return told or list(_validate_order([event for event in events if event.name != "ping"]))


def _validate_event(event: Event) -> list[str]:
    if event.name == "ping":
        return [] if event.data == {"type": "ping"} else [f"ping: is {event.data}"]
    if event.name == "error":
        return validate_error(event.data)
    if event.name not in EVENT_SCHEMAS:
        return [f"{event.name}: is no event of the API"]
    return validate(EVENT_SCHEMAS[event.name], event.data)


def _validate_order(events: Sequence[Event]) -> Iterator[str]:
    """Hold valid events against the order that all known clients can read."""
    names = [event.name for event in events]
    if names in (["error"], []):
        yield from () if names else ["the stream is empty"]
        return
    if names[0] != "message_start" or names.count("message_start") > 1:
        yield "message_start: is not the first event, once"
    if names[-1] == "error":
        if {"message_delta", "message_stop"} & set(names):
            yield "error: comes in a stream that also ends normally"
    elif names[-2:] != ["message_delta", "message_stop"]:
        yield "message_delta, message_stop: are not the last two events"
    elif names.count("message_delta") > 1 or names.count("message_stop") > 1:
        yield "message_delta, message_stop: come twice"
    if names.count("error") > 1 or "error" in names[:-1]:
        yield "error: is not the last event"
    yield from _validate_blocks(events, cut=names[-1] == "error")


def _validate_blocks(events: Sequence[Event], *, cut: bool) -> Iterator[str]:
    """Blocks come one after the other, numbered from 0; a delta fits its block."""
    index, kind = 0, None
    for event in events:
        where = f"{event.name} {event.data.get('index')}"
        match event.name:
            case "content_block_start":
                if kind is not None or event.data["index"] != index:
                    yield f"{where}: another block is open, or the next index is {index}"
                kind = event.data["content_block"]["type"]
            case "content_block_delta":
                delta = event.data["delta"]["type"]
                if event.data["index"] != index or kind not in DELTA_BLOCKS.get(delta, ()):
                    yield f"{where}: {delta} in block {index} of kind {kind}"
            case "content_block_stop":
                if kind is None or event.data["index"] != index:
                    yield f"{where}: block {index} of kind {kind} is open"
                index, kind = index + 1, None
    if kind is not None and not cut:
        yield f"block {index}: is never closed"


def validate_answer(path: str, status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    """Return what is wrong with any whole answer of the bridge, by what was asked and what kind of answer it is.

    :param path: of the request, with its query.
    :param headers: names in lower case.
    """
    told = [] if headers.get("request-id") else ["the header request-id is missing"]
    kind = headers.get("content-type", "").partition(";")[0]
    if kind == "text/event-stream":
        return told + validate_stream(read_events(body))
    if not body:
        return told
    if kind != "application/json":
        return [*told, f"content-type: is {kind}"]
    value = json.loads(body)
    if path.startswith("/health"):
        return told  # the bridge's own, also when it says 503
    if status >= 400:
        return told + validate_error(value) + list(_validate_status(status, headers, value))
    return told + _validate_success(path.partition("?")[0], value)


def _validate_status(status: int, headers: Mapping[str, str], value: Any) -> Iterator[str]:
    kind = value.get("error", {}).get("type")
    if kind not in STATUS_ERRORS.get(status, set()):
        yield f"status {status}: does not go with {kind}"
    if value.get("request_id") != headers.get("request-id"):
        yield "request_id: is not that of the header"


def _validate_success(path: str, value: Any) -> list[str]:
    if path == "/v1/messages":
        return validate("Message", value)
    if path == "/v1/messages/count_tokens":
        return validate("CountMessageTokensResponse", value)
    if path == "/v1/models":
        return validate_models(value)
    if path.startswith("/v1/models/"):
        return validate("ModelInfo", value)
    return []  # a greeting


def assert_valid(told: Sequence[str]) -> None:
    """Fail with all that one of the functions above told."""
    assert not told, "\n".join(told)
