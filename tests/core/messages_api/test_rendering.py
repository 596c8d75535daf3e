"""Tests for `claude_bridge.core.messages_api.rendering`."""

from __future__ import annotations

import pytest

from claude_bridge.core.errors import InvalidRequest, UpstreamOverloaded
from claude_bridge.core.events import Finished, FinishReason, SearchResulted, ServerToolCalled, Usage
from claude_bridge.core.messages_api import rendering


class StopTests:
    """Why an answer ended, after what was emitted."""

    @pytest.mark.parametrize(
        ("reason", "called", "hidden_only", "stop"),
        [
            (FinishReason.STOPPED, False, False, "end_turn"),
            (FinishReason.STOPPED, True, False, "tool_use"),
            (FinishReason.STOP_SEQUENCE, False, False, "stop_sequence"),
            (FinishReason.STOP_SEQUENCE, True, False, "tool_use"),
            (FinishReason.LENGTH, False, False, "max_tokens"),
            (FinishReason.LENGTH, True, False, "max_tokens"),
            (FinishReason.CONTEXT_FULL, True, False, "model_context_window_exceeded"),
            (FinishReason.REFUSED, True, False, "refusal"),
            (FinishReason.STOPPED, False, True, "max_tokens"),
            (FinishReason.REFUSED, False, True, "refusal"),
        ],
    )
    def test_reason(self, reason: FinishReason, called: bool, hidden_only: bool, stop: str) -> None:
        """The stop reason follows from the blocks that are there, and a limit or a refusal comes first."""
        fields = rendering.stop_fields(Finished(reason, "END"), called=called, hidden_only=hidden_only)
        assert fields["stop_reason"] == stop
        assert fields["stop_sequence"] == ("END" if stop == "stop_sequence" else None)

    def test_details(self) -> None:
        """A refusal says what there is to say; nothing else has details."""
        refused = rendering.stop_fields(
            Finished(FinishReason.REFUSED, explanation="filtered"), called=False, hidden_only=False
        )
        assert refused["stop_details"] == {"type": "refusal", "category": None, "explanation": "filtered"}
        assert (
            rendering.stop_fields(Finished(FinishReason.LENGTH), called=False, hidden_only=False)["stop_details"]
            is None
        )


class FieldsTests:
    """The parts of a message."""

    def test_envelope(self) -> None:
        """Every field that a client may look at is there."""
        fields = rendering.envelope("msg_1", "m", {"input_tokens": 1})
        assert (fields["id"], fields["model"], fields["usage"]) == ("msg_1", "m", {"input_tokens": 1})
        assert (fields["type"], fields["role"], fields["content"]) == ("message", "assistant", [])

    def test_search(self) -> None:
        """A search that failed says why in the API's own form."""
        assert rendering.server_call(ServerToolCalled("srvtoolu_1", "web_search", ""), {"query": "q"}) == {
            "type": "server_tool_use",
            "id": "srvtoolu_1",
            "name": "web_search",
            "input": {"query": "q"},
            "caller": {"type": "direct"},
        }
        assert rendering.search_result(SearchResulted("srvtoolu_1", error_code="too_many_requests")) == {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": {"type": "web_search_tool_result_error", "error_code": "too_many_requests"},
            "caller": {"type": "direct"},
        }

    def test_searches_counted(self) -> None:
        """Searches are counted where there were any, at the stream's end as in a whole message."""
        for fields in (rendering.usage_fields, rendering.delta_usage_fields):
            assert fields(Usage(1, 2))["server_tool_use"] is None
            counted = {"web_search_requests": 3, "web_fetch_requests": 0}
            assert fields(Usage(1, 2, web_search_requests=3))["server_tool_use"] == counted

    def test_usage(self) -> None:
        """The four counts of tokens, in the stream's end as in a whole message."""
        used = Usage(1, 2, cache_read_tokens=3, cache_write_tokens=4, thinking_tokens=1)
        end, full = rendering.delta_usage_fields(used), rendering.usage_fields(used)
        assert end == {
            "input_tokens": 1,
            "cache_creation_input_tokens": 4,
            "cache_read_input_tokens": 3,
            "output_tokens": 2,
            "output_tokens_details": {"thinking_tokens": 1},
            "server_tool_use": None,
        }
        assert end.items() <= full.items()
        assert full["cache_creation"] == {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 0}

    def test_error(self) -> None:
        """An error carries its type, its sentence and the request's id."""
        assert rendering.error_fields(UpstreamOverloaded("busy"), "req_1") == {
            "type": "error",
            "error": {"type": "overloaded_error", "message": "busy"},
            "request_id": "req_1",
        }

    def test_error_details(self) -> None:
        """Details by which an SDK decides what to do stand inside the error, as the API has them."""
        error = InvalidRequest("thread: no", details={"error_code": "thread_unsupported_request"})

        assert rendering.error_fields(error, "req_1")["error"] == {
            "type": "invalid_request_error",
            "message": "thread: no",
            "details": {"error_code": "thread_unsupported_request"},
        }

    def test_no_citations(self) -> None:
        """A text block's citations are an empty list: the AI SDK 5 and 6 refuse null, the API's document no key."""
        assert rendering.text_block("hi") == {"type": "text", "text": "hi", "citations": []}
