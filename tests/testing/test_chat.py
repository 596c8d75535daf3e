"""Tests for `claude_bridge.testing.chat`: the official ``openai`` package is asked what it reads."""

from __future__ import annotations

import msgspec
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from claude_bridge.testing import chat
from claude_bridge.testing.answers import Pause, Send
from claude_bridge.testing.chat import ToolCall, chat_json, chat_stream, chunk, error, events, sse, token_usage

CALLS = (ToolCall(id="a", name="f", arguments='{"x": 1}'), ToolCall(id="b", name="g", arguments="{}"))


def decoded(parts: tuple[bytes, ...]) -> list[ChatCompletionChunk]:
    """Read the events of a stream with the official types, which must know every one."""
    assert parts[-1] == b"data: [DONE]\n\n"
    return [ChatCompletionChunk.model_validate_json(part.removeprefix(b"data: ")) for part in parts[:-1]]


class StreamTests:
    """Streams of chunks."""

    @pytest.mark.parametrize("split", [1, 3, 1000])
    def test_says_everything(self, split: int) -> None:
        """Text, reasoning and calls can be put together again, however they were split."""
        chunks = decoded(chat_stream(text="héllo", reasoning="well", tool_calls=CALLS, split=split))
        deltas = [one.choices[0].delta for one in chunks if one.choices]
        assert "".join(delta.content or "" for delta in deltas) == "héllo"
        assert "".join((delta.model_extra or {}).get("reasoning_content", "") for delta in deltas) == "well"
        calls = [call for delta in deltas for call in delta.tool_calls or ()]
        for index, call in enumerate(CALLS):
            own = [one.function for one in calls if one.index == index and one.function]
            assert "".join(one.arguments or "" for one in own) == call.arguments
            assert own[0].name == call.name

    def test_finish_fits(self) -> None:
        """The finish reason is what fits, unless the test wants another."""
        told = [
            [one.choices[0].finish_reason for one in decoded(parts) if one.choices][-1]
            for parts in (chat_stream(text="x"), chat_stream(tool_calls=CALLS), chat_stream(finish="length"))
        ]
        assert told == ["stop", "tool_calls", "length"]

    def test_usage_is_last(self) -> None:
        """Usage comes in a last chunk without choices, or not at all."""
        last = decoded(chat_stream(text="x", usage=token_usage(5, 2, cached=3, reasoning=1)))[-1]
        assert last.choices == []
        assert last.usage is not None
        assert last.usage.total_tokens == 7
        assert last.usage.prompt_tokens_details is not None
        assert last.usage.prompt_tokens_details.cached_tokens == 3
        assert all(one.usage is None for one in decoded(chat_stream(text="x", usage=None)))

    def test_events(self) -> None:
        """Any objects can be framed, for what no builder knows; the end mark can be left out."""
        assert events([{"a": 1}], done=False) == (b'data: {"a":1}\n\n',)
        assert events([chunk(None, usage={})])[-1] == b"data: [DONE]\n\n"


class AnswerTests:
    """Answers made of parts."""

    @pytest.mark.parametrize("size", [1, 7, 37, 4096])
    def test_cut_anew(self, size: int) -> None:
        """The same bytes can be sent in writes of any size."""
        parts = chat_stream(text="some text")
        sent = [step.data for step in sse(parts, size=size).steps if isinstance(step, Send)]
        assert b"".join(sent) == b"".join(parts)
        assert {len(one) for one in sent[:-1]} <= {size}

    def test_paced(self) -> None:
        """A stream can be sent slowly."""
        assert sse((b"a", b"b"), pause=0.5).steps == (Send(b"a"), Pause(0.5), Send(b"b"), Pause(0.5))

    def test_whole(self) -> None:
        """A whole answer is one that the official types know, of the length that it says."""
        answer = chat_json(text="hi", reasoning="well", tool_calls=CALLS)
        (body,) = [step.data for step in answer.steps if isinstance(step, Send)]
        message = ChatCompletion.model_validate_json(body).choices[0].message
        assert message.content == "hi"
        assert len(message.tool_calls or ()) == 2
        assert dict(answer.headers)["content-length"] == str(len(body))

    def test_errors(self) -> None:
        """An error is OpenAI's envelope by default, and anything else when the test wants it."""
        bodies = [
            step.data
            for body in ({"message": "no"}, {"error": "no"}, ["no"], "<html>")
            for step in error(500, body).steps
            if isinstance(step, Send)
        ]
        assert msgspec.json.decode(bodies[0]) == {"error": {"message": "no", "type": None, "param": None, "code": None}}
        assert bodies[1:] == [b'{"error":"no"}', b'["no"]', b"<html>"]


class ExportsTests:
    """What is promised to outsiders."""

    def test_names(self) -> None:
        """The names that scripts of others use stay."""
        assert set(chat.__all__) == {
            "USAGE", "ToolCall", "chat_json", "chat_stream", "chunk", "error", "events", "json_answer", "sse",
            "token_usage",
        }  # fmt: skip
