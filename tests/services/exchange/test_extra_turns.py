"""Promises of answers that take more than one turn of the model."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any, ClassVar

import pytest

from claude_bridge.core.events import Finished, SearchHit, SearchResulted, ServerToolCalled
from claude_bridge.core.messages_api.parsing import decode
from claude_bridge.services.exchange.extra_turns import extra_turns
from claude_bridge.services.interfaces import SearchFailed
from claude_bridge.testing.chat import ToolCall, chat_stream, token_usage
from claude_bridge.testing.fakes import HeldSearch
from tests.services.exchange.stage import DOCUMENT, HELLO, ONE, Stage, asking, configured, refusal

SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
FORCED: dict[str, Any] = {"tools": [SEARCH], "tool_choice": {"type": "tool", "name": "web_search"}}
HIT = SearchHit("Twisted", "https://twisted.org", "An event-driven engine.")


def wanting(*queries: str) -> tuple[bytes, ...]:
    """Make the answer of a model that wants to search."""
    calls = [
        ToolCall(id=f"c{at}", name="web_search", arguments=json.dumps({"query": q})) for at, q in enumerate(queries)
    ]
    return chat_stream(tool_calls=calls, usage=token_usage(100, 10))


def searching() -> tuple[Stage, HeldSearch]:
    """Make a stage with a search engine."""
    engine = HeldSearch()
    return Stage(search=engine), engine


def roles(sent: Any) -> list[str]:
    """Return the roles of a request's messages."""
    return [message["role"] for message in sent["messages"]]


class SearchTests:
    """Web search that the bridge does itself."""

    def test_one_answer_of_two_turns(self) -> None:
        """The model asks, the bridge searches, the model answers with what was found: one answer for the client."""
        stage, engine = searching()
        stage.run(**FORCED)
        assert [tool["function"]["name"] for tool in stage.sent["tools"]] == ["web_search"]
        stage.call.head()
        stage.call.data(*wanting("twisted"))
        assert [question.text for question in engine.asked] == ["twisted"]
        assert not any(isinstance(event, Finished) for event in stage.downstream.events)
        engine.give(HIT)
        assert roles(stage.sent) == ["user", "assistant", "tool"]
        assert "https://twisted.org" in stage.sent["messages"][-1]["content"]
        assert stage.sent.get("tool_choice", "auto") == "auto"
        stage.call.head()
        stage.call.data(*HELLO)
        kinds = [type(event) for event in stage.downstream.events]
        assert kinds.index(ServerToolCalled) < kinds.index(SearchResulted) < kinds.index(Finished)
        assert stage.downstream.text == "Hello there"
        assert stage.outcomes == ("ok", "ok", "ok")
        (record,) = stage.records.requests
        assert [attempt.usage.output_tokens for attempt in record.attempts if attempt.usage] == [10, 7]
        assert stage.downstream.usage is not None
        assert (stage.downstream.usage.output_tokens, stage.downstream.usage.web_search_requests) == (17, 1)
        assert len(stage.downstream.started) == 1
        assert stage.breaker.out == 0

    def test_engine_fails(self) -> None:
        """A search that fails tells client and model so, and the model answers all the same."""
        stage, engine = searching()
        stage.run(**FORCED)
        stage.call.head()
        stage.call.data(*wanting("twisted"))
        engine.fail(SearchFailed("unavailable", "refused"))
        (result,) = [event for event in stage.downstream.events if isinstance(event, SearchResulted)]
        assert result.error_code == "unavailable"
        stage.call.head()
        stage.call.data(*HELLO)
        assert stage.downstream.text == "Hello there"

    def test_client_leaves(self) -> None:
        """A client that leaves while a search is under way ends it, and nobody is asked again."""
        stage, engine = searching()
        run = stage.run(**FORCED)
        stage.call.head()
        stage.call.data(*wanting("twisted", "python"))
        run.cancel()
        assert engine.left == 1
        assert len(stage.client.calls) == 1
        assert stage.outcomes == ("ok", "client_left")

    def test_second_turn_fails(self) -> None:
        """A backend that fails over the results fails the answer: it has begun, and nothing is asked twice."""
        stage, engine = searching()
        stage.run(**FORCED)
        stage.call.head()
        stage.call.data(*wanting("twisted"))
        engine.give(HIT)
        stage.fail(status=500)
        assert stage.error.status == 502
        assert len(stage.client.calls) == 3

    def test_max_uses(self) -> None:
        """More searches than the client allows are refused with the code for it."""
        stage, engine = searching()
        stage.run(**FORCED)
        stage.call.head()
        stage.call.data(*wanting("a", "b", "c"))
        engine.give(HIT)
        engine.give(HIT)
        results = [event for event in stage.downstream.events if isinstance(event, SearchResulted)]
        assert [result.error_code for result in results] == [None, None, "max_uses_exceeded"]

    def test_no_engine(self) -> None:
        """Without an engine the honest text comes at once, and no backend is asked."""
        stage = Stage()
        stage.run(**FORCED)
        assert "not available" in stage.downstream.text
        assert not stage.client.calls

    def test_no_search_in_the_request(self) -> None:
        """Other requests take no detour."""
        assert extra_turns(decode(json.dumps(asking()).encode()), HeldSearch(), configured(ONE).limits, bytes) == ()

    def test_second_turn_refused_in_a_way_that_helps(self) -> None:
        """What the second turn's refusal teaches is tried at once: that turn has shown the client nothing."""
        stage, engine = searching()
        stage.run(**FORCED)
        stage.call.head()
        stage.call.data(*wanting("twisted"))
        engine.give(HIT)
        stage.call.head(400)
        stage.call.data(
            refusal(
                "This model's maximum context length is 8192 tokens. However, you requested 9192 tokens "
                "(1192 in the messages, 8000 in the completion)."
            )
        )
        stage.call.end()
        stage.call.head()
        stage.call.data(*HELLO)
        assert stage.downstream.text == "Hello there"
        assert not stage.downstream.errors

    def test_and_a_shape(self) -> None:
        """A search and a required shape in one request: each turn is paid once, and the answer is checked."""
        engine = HeldSearch()
        stage = Stage(configured(ShapeTests.TOLD), search=engine)
        shape = {"format": {"type": "json_schema", "schema": ShapeTests.SCHEMA}}
        stage.run(tools=[SEARCH], output_config=shape)
        stage.call.head()
        stage.call.data(*wanting("twisted"))
        engine.give(HIT)
        stage.call.head()
        stage.call.data(*chat_stream(text='{"name": 1}', usage=token_usage(100, 10)))
        stage.call.head()
        stage.call.data(*chat_stream(text='{"title": "Hello"}', usage=token_usage(100, 10)))
        assert stage.downstream.text == '{"title": "Hello"}'
        usage = stage.downstream.usage
        assert usage is not None
        assert (usage.input_tokens, usage.output_tokens, usage.web_search_requests) == (300, 30, 1)


class ShapeTests:
    """Answers of a required shape from a backend that does not see to it."""

    TOLD = ONE.replace("context_window = 100000", "structured_output = instruction")
    SCHEMA: ClassVar = {
        "type": "object",
        "properties": {"title": {"type": "string"}},
        "required": ["title"],
        "additionalProperties": False,
    }

    def ask(self, text: str = TOLD) -> Stage:
        """Ask for a title."""
        stage = Stage(configured(text))
        stage.run(output_config={"format": {"type": "json_schema", "schema": self.SCHEMA}})
        stage.call.head()
        return stage

    def test_right_at_once(self) -> None:
        """A right answer comes as JSON and nothing else, whatever the model wrote around it."""
        stage = self.ask()
        assert "response_format" not in stage.sent
        assert '"required":["title"]' in stage.sent["messages"][0]["content"]
        stage.call.data(*chat_stream(text='Sure!\n```json\n{"title": "Hello"}\n```'))
        assert stage.downstream.text == '{"title": "Hello"}'
        assert len(stage.client.calls) == 1

    def test_not_counted(self) -> None:
        """The records have the bridge's own counts of an answer that its backend did not count."""
        stage = self.ask()
        stage.call.data(*chat_stream(text='{"title": "Hello"}', usage=None))
        (record,) = stage.records.requests
        assert [attempt.usage and attempt.usage.estimated for attempt in record.attempts] == [True]

    def test_repaired(self) -> None:
        """A wrong answer is asked for once more with what is wrong, and the client sees the right one alone."""
        stage = self.ask()
        stage.call.data(*chat_stream(text='{"name": "Hello"}', usage=token_usage(100, 10)))
        assert [message["role"] for message in stage.sent["messages"]][-2:] == ["assistant", "user"]
        assert "name" in stage.sent["messages"][-1]["content"]
        assert stage.downstream.text == ""
        stage.call.head()
        stage.call.data(*chat_stream(text='{"title": "Hello"}', usage=token_usage(150, 8)))
        assert stage.downstream.text == '{"title": "Hello"}'
        assert stage.outcomes == ("ok", "ok", "ok")
        assert stage.downstream.usage is not None
        assert (stage.downstream.usage.input_tokens, stage.downstream.usage.output_tokens) == (250, 18)

    def test_wrong_again(self) -> None:
        """A model that cannot do it is not asked a third time: the client gets what it wrote."""
        stage = self.ask()
        stage.call.data(*chat_stream(text="no"))
        stage.call.head()
        stage.call.data(*chat_stream(text="never"))
        assert stage.downstream.text == "never"
        assert len(stage.client.calls) == 2

    @pytest.mark.parametrize("status", [400, 429, 500])
    def test_repair_fails(self, status: int) -> None:
        """A failed second question does not cost the client the answer to the first."""
        stage = self.ask()
        stage.call.data(*chat_stream(text='{"name": "Hello"}', usage=token_usage(100, 10)))
        stage.fail(refusal("no"), status=status)
        assert stage.downstream.text == '{"name": "Hello"}'
        assert not stage.downstream.errors
        (record,) = stage.records.requests
        assert record.outcome == "ok"
        assert stage.breaker.out == 0

    def test_nothing_keeps_a_failed_repair_alive(self) -> None:
        """Its bodies go with its end, without the collector."""
        stage = Stage(configured(self.TOLD))
        gc.collect()
        gc.disable()
        try:
            run = stage.run(output_config={"format": {"type": "json_schema", "schema": self.SCHEMA}})
            gone = weakref.ref(run)
            del run
            stage.call.answer(*chat_stream(text='{"name": "Hello"}'))
            stage.call.answer(refusal("no"), status=400)
            stage.client.calls.clear()
            assert gone() is None
        finally:
            gc.enable()

    def test_repair_says_nothing(self) -> None:
        """Nor does an empty second answer."""
        stage = self.ask()
        stage.call.data(*chat_stream(text='{"name": "Hello"}'))
        for _ in range(2):
            stage.call.head()
            stage.call.data(*chat_stream(text=""))
        assert stage.downstream.text == '{"name": "Hello"}'

    def test_cut(self) -> None:
        """An answer that was cut by its limit is given as it is, with the reason."""
        stage = self.ask()
        stage.call.data(*chat_stream(text='{"title": "Hel', finish="length"))
        assert stage.downstream.text == '{"title": "Hel'
        assert len(stage.client.calls) == 1

    def test_called(self) -> None:
        """A tool call instead of an answer is no wrong answer."""
        stage = self.ask()
        stage.call.data(*chat_stream(text="Let me look.", tool_calls=[ToolCall(id="c", name="Bash", arguments="{}")]))
        assert stage.downstream.text == "Let me look."
        assert len(stage.client.calls) == 1

    def test_backend_sees_to_it(self) -> None:
        """Where the backend takes schemas the answer streams as it comes."""
        stage = self.ask(ONE)
        assert stage.sent["response_format"]["type"] == "json_schema"
        stage.call.data(*chat_stream(text='{"name": "Hello"}')[:3])
        assert stage.downstream.text

    def test_refused_by_the_backend(self) -> None:
        """A backend that turns out to take no schemas is asked in words, and from then on at once."""
        stage = self.ask(ONE)
        stage.call.head(400)
        stage.call.data(refusal("response_format.type: json_schema is not supported by this model"))
        stage.call.end()
        assert stage.sent.get("response_format", {}).get("type") != "json_schema"


class LeavingTests:
    """Clients that leave while something is waited for."""

    def test_nothing_is_left(self) -> None:
        """Nothing keeps the request alive: the collector looks rarely, and conversations with documents are large."""
        stage = Stage()
        gc.collect()
        gc.disable()
        try:
            run = stage.run(messages=[{"role": "user", "content": [DOCUMENT]}])
            gone = weakref.ref(run)
            run.cancel()
            del run
            assert gone() is None
        finally:
            gc.enable()
