"""The JSON of an Anthropic message: envelope, usage, stop reason and blocks, for streams and whole messages alike.

Every field that the API's OpenAPI document requires is written, as null where there is no value. One is not null:
``citations`` of a text block is an empty list, because the AI SDK 5 and 6 refuse null there. The document allows
both, and Anthropic's own API leaves the key out.
"""

from __future__ import annotations

from claude_bridge.core import strict_json
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.events import (
    Finished,
    FinishReason,
    ReasoningState,
    SearchHit,
    SearchResulted,
    ServerToolCalled,
    ToolCallStarted,
    Usage,
)
from claude_bridge.core.opaque_state import pack_snippet


def envelope(message_id: str, model: str, usage: dict[str, object]) -> dict[str, object]:
    """Return the message without content, as ``message_start`` carries it."""
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "usage": usage,
    }


def usage_fields(usage: Usage) -> dict[str, object]:
    """Return the whole usage object of a message."""
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.cache_write_tokens, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": _details(usage),
        "server_tool_use": _server_tools(usage),
        "service_tier": None,
        "inference_geo": None,
    }


def delta_usage_fields(usage: Usage) -> dict[str, object]:
    """Return the cumulative usage of ``message_delta``."""
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": _details(usage),
        "server_tool_use": _server_tools(usage),
    }


def stop_fields(finished: Finished, *, called: bool, hidden_only: bool) -> dict[str, object]:
    """Return the stop reason that fits both the backend's finish reason and the content that was sent.

    A tool block means ``tool_use`` unless the answer was cut by a limit: clients do not run tools otherwise, and
    ``tool_use`` without a block makes Claude Code ask again (docs/claude-code.md 6). ``hidden_only``: the answer was
    nothing but reasoning that the client did not ask to see, so it must not look like an empty but complete answer.
    """
    details: dict[str, object] | None = None
    reason = "end_turn"
    if finished.reason is FinishReason.REFUSED:
        reason = "refusal"
        details = {"type": "refusal", "category": None, "explanation": finished.explanation}
    elif finished.reason is FinishReason.LENGTH or hidden_only:
        reason = "max_tokens"
    elif finished.reason is FinishReason.CONTEXT_FULL:
        reason = "model_context_window_exceeded"
    elif called:
        reason = "tool_use"
    elif finished.reason is FinishReason.STOP_SEQUENCE:
        reason = "stop_sequence"
    return {
        "stop_reason": reason,
        "stop_sequence": finished.stop_sequence if reason == "stop_sequence" else None,
        "stop_details": details,
        "container": None,
    }


def text_block(text: str) -> dict[str, object]:
    """Return a text block; in a stream it begins with empty text."""
    return {"type": "text", "text": text, "citations": []}


def tool_call(event: ToolCallStarted, tool_input: object) -> dict[str, object]:
    """Return the block of a call that the client runs; in a stream it begins with empty input."""
    return {
        "type": "tool_use",
        "id": event.id,
        "name": event.name,
        "input": tool_input,
        "caller": {"type": "direct"},
    }


def server_call(event: ServerToolCalled, tool_input: object) -> dict[str, object]:
    """Return the block of a call that the bridge runs itself; in a stream it begins with empty input."""
    return {
        "type": "server_tool_use",
        "id": event.id,
        "name": event.name,
        "input": tool_input,
        "caller": {"type": "direct"},
    }


def search_result(event: SearchResulted) -> dict[str, object]:
    """Return the block with a search's results, or with the reason why there are none."""
    content: object = [_hit(hit) for hit in event.hits]
    if event.error_code is not None:
        content = {"type": "web_search_tool_result_error", "error_code": event.error_code}
    return {
        "type": "web_search_tool_result",
        "tool_use_id": event.call_id,
        "content": content,
        "caller": {"type": "direct"},
    }


def thinking_block(text: str, signature: str) -> dict[str, object]:
    """Return a thinking block; in a stream it begins with both empty."""
    return {"type": "thinking", "thinking": text, "signature": signature}


def redacted(event: ReasoningState) -> dict[str, object]:
    """Return the block for opaque state, which clients send back unread."""
    return {"type": "redacted_thinking", "data": event.carrier}


def error_fields(error: BridgeError, request_id: str) -> dict[str, object]:
    """Return the error envelope of the Messages API."""
    fields: dict[str, object] = {"type": error.kind, "message": error.message}
    if error.details is not None:
        fields["details"] = error.details
    return {"type": "error", "error": fields, "request_id": request_id}


def error_body(error: BridgeError, request_id: str) -> bytes:
    """Return the error envelope as JSON; an error of a backend that speaks the Messages API itself is not changed."""
    if error.response is not None:
        return error.response.body
    return strict_json.encode(error_fields(error, request_id))


def _details(usage: Usage) -> dict[str, object] | None:
    return None if usage.thinking_tokens is None else {"thinking_tokens": usage.thinking_tokens}


def _server_tools(usage: Usage) -> dict[str, object] | None:
    searches = usage.web_search_requests
    return {"web_search_requests": searches, "web_fetch_requests": 0} if searches else None


def _hit(hit: SearchHit) -> dict[str, object]:
    return {
        "type": "web_search_result",
        "url": hit.url,
        "title": hit.title,
        "encrypted_content": pack_snippet(hit.snippet),
        "page_age": hit.age,
    }
