"""Tests for `claude_bridge.core.responses_api.target`: what is sent, and how its answer and its refusal are read."""

from __future__ import annotations

import json

from claude_bridge.core.backend_api import (
    Adjustment,
    Circumstances,
    NeutralRequest,
    TokenizerEndpoint,
    UpstreamFailure,
)
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.events import Finished, TextDelta
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.responses_api.backend import RESPONSES_API
from claude_bridge.testing.responses import response_stream
from tests.core.asking import IMAGE, asked, tool, user
from tests.core.responses_api.asking import LIMITS, target

HERE = Circumstances(
    backend="b", url="http://b.invalid/v1/responses", model="claude", forwarded=False, estimate=10, scrub=str
)


def request(sent: MessagesRequest) -> NeutralRequest:
    """Make a client's request."""
    return NeutralRequest(conversation_of(sent), session="s-1")


class TargetTests:
    """A model at a server."""

    def test_adjusted(self) -> None:
        """What refusals taught changes the target; a larger limit does not."""
        plain = target()
        assert plain.adjusted({}, refuses_reasoning=False, max_output_tokens=None) is plain
        learned = plain.adjusted({"reasoning_summary": False}, refuses_reasoning=True, max_output_tokens=8192)
        assert (learned.reasoning_summary, learned.past_reasoning, learned.max_output_tokens) == (False, False, 8192)
        assert learned.encrypted_reasoning
        assert learned.adjusted({}, refuses_reasoning=False, max_output_tokens=9000) is learned
        assert learned.with_window(5).context_window == 5

    def test_counter(self) -> None:
        """OpenAI and llama.cpp count prompts themselves."""
        assert isinstance(target().tokenizer, TokenizerEndpoint)
        assert target("llamacpp").tokenizer == target().tokenizer
        assert target("generic").tokenizer is None

    def test_preparation(self) -> None:
        """Schemas are worked on only where the server needs it."""
        conversation = request(asked(user("hi"), tools=[tool("a")]))
        assert target().preparation(conversation) is not None
        assert target("generic").preparation(conversation) is None
        assert target("generic", pdf="text").documents_as_text


class PreparedTests:
    """A request, and its answer."""

    def test_request(self) -> None:
        """It goes to the path of this API."""
        prepared = target().prepare(request(asked(user("hi"), tools=[tool("a")])))
        assert (prepared.path, prepared.with_tools) == ("responses", True)
        assert ("Accept", "text/event-stream") in prepared.headers
        assert json.loads(prepared.body)["model"] == "gpt-5.6"
        assert json.loads(prepared.body)["prompt_cache_key"] == "s-1"

    def test_reader(self) -> None:
        """Its reader maps names of tools back and knows the limits."""
        prepared = target().prepare(request(asked(user("hi"))))
        reader = prepared.reader(LIMITS, lambda count: b"\0" * count)
        events = [each for part in response_stream(text="hi") for each in reader.feed(part)]
        assert [type(each) for each in events][-2:] == [TextDelta, Finished]

    def test_refusals(self) -> None:
        """A refusal that teaches something leads to one retry; any other is explained."""
        prepared = target().prepare(request(asked(user("hi"), thinking={"type": "adaptive"})))
        refusal = UpstreamFailure(status=400, message="Unsupported parameter: 'reasoning.summary'", answered=400)
        advice = prepared.adjust(refusal, estimate=10)
        assert advice.adjustment == Adjustment(why="reasoning_summary = False", overrides={"reasoning_summary": False})
        other = UpstreamFailure(status=400, code="bad", message="no", answered=400)
        assert prepared.adjust(other, estimate=10).adjustment is None
        assert str(prepared.explain(other, HERE).error) == "upstream rejected the request: no"
        assert prepared.describe(other) == "backend: 400 bad"

    def test_images(self) -> None:
        """A model without eyes is an error on which the client leaves images out."""
        prepared = target("generic").prepare(request(asked(user(IMAGE))))
        words = UpstreamFailure(status=500, message="image input is not supported - hint: mmproj", answered=500)
        error = prepared.explain(words, HERE).error
        assert isinstance(error, InvalidRequest)
        assert "image_block" in str(error)

    def test_errors(self) -> None:
        """Error bodies and error events are read as those of every OpenAI-compatible server."""
        body = b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}'
        assert RESPONSES_API.read_refusal(429, {}, body, now=0.0).message == "slow down"
        assert RESPONSES_API.read_error({"error": {"code": "server_error", "message": "x"}}).status == 502
        models = RESPONSES_API.read_models(b'{"data":[{"id":"gpt-5.6"}]}')
        assert models is not None
        assert len(models) == 1
