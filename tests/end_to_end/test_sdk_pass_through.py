"""The official SDK for Python with a backend of its own API behind the daemon: what it is driven through elsewhere.

The backend takes no thinking but what it has signed, and no key but the client's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.core.retry import MAX_FAILURES
from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import json_answer, sse
from claude_bridge.testing.messages import message_error, message_json, message_stream
from claude_bridge.testing.messages_backend import MessagesBackend
from claude_bridge.testing.received import Received
from tests.end_to_end.daemon import Daemon, ini
from tests.end_to_end.other_clients import CLIENTS, Exchange, run_client
from tests.end_to_end.scenarios import (
    ANSWER,
    CITIES,
    IMAGE,
    KEY,
    OVERFLOW,
    PERSON,
    PLAIN,
    RATE_LIMITED,
    REASONING,
    RETRY_AFTER,
    STREAMED,
    STREAMED_TOOL_LOOP,
    STRUCTURED,
    THINKING,
    TOOL_LOOP,
    UNAUTHORIZED,
    WEATHER,
)
from tests.end_to_end.users import PICTURE

pytestmark = [pytest.mark.other_clients, pytest.mark.timeout(240)]

(CLIENT,) = (client for client in CLIENTS if client.name == "anthropic-py")
USAGE = {"input": 9, "cached": 100, "output": 23}
TOLD = "K\u00f6ln: 18 degrees and Orl\u00e9ans: 18 degrees"
TOO_LONG = "prompt is too long: 208310 tokens > 200000 maximum"
NO_THREADS = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "message": "thread: Extra inputs are not permitted",
        "details": {"error_code": "thread_unsupported_request", "unsupported": ["thread"]},
    },
    "request_id": "req_1",
}
BUSY = "This request would exceed your account's rate limit."


class Model:
    """Plays the scenarios, each of which is a model of its own name."""

    def __init__(self, backend: MessagesBackend) -> None:
        self.backend = backend
        self.scenes: Mapping[str, Callable[[Received], Answer]] = {
            PLAIN: lambda received: says(received, text(ANSWER)),
            STREAMED: lambda received: says(received, text(ANSWER)),
            THINKING: lambda received: says(received, backend.thinking(REASONING), text(ANSWER)),
            TOOL_LOOP: self.loop,
            STREAMED_TOOL_LOOP: self.loop,
            IMAGE: lambda received: says(received, text(f"I see {received.body.count(PICTURE.encode())} picture.")),
            STRUCTURED: lambda received: says(received, text(json.dumps(PERSON))),
            RATE_LIMITED: lambda _: message_error(429, "rate_limit_error", BUSY, [("retry-after", str(RETRY_AFTER))]),
            OVERFLOW: lambda _: message_error(400, "invalid_request_error", TOO_LONG),
        }
        backend.models = [*self.scenes, UNAUTHORIZED]
        backend.api_key, backend.key_header = KEY, "authorization"  # as this SDK sends it
        backend.script = lambda received: self.scenes[received.json["model"]](received)

    def loop(self, received: Received) -> Answer:
        """Ask for the weather of all cities at once, then repeat what the tool said.

        Where it thinks it keeps no conversations, as most services do not.
        """
        if "thinking" in received.json and "thread" in received.json:
            return json_answer(400, NO_THREADS)
        thinking = [self.backend.thinking(REASONING)] if "thinking" in received.json else []
        results = [
            block["content"] if isinstance(block["content"], str) else block["content"][0]["text"]
            for message in received.json["messages"]
            for block in message["content"]
            if isinstance(block, dict) and block["type"] == "tool_result"
        ]
        if results:
            return says(received, *thinking, text(" and ".join(results)))
        calls = [
            {"type": "tool_use", "id": f"toolu_{at}", "name": WEATHER, "input": {"city": city}}
            for at, city in enumerate(CITIES)
        ]
        return says(received, *thinking, text("I look."), *calls)


def text(said: str) -> dict[str, Any]:
    """Return a block of text."""
    return {"type": "text", "text": said}


def says(received: Received, *blocks: dict[str, Any]) -> Answer:
    """Answer with these blocks, as a stream if one is asked for."""
    model = received.json["model"]
    streams = received.json.get("stream")
    return sse(message_stream(*blocks, model=model, split=4)) if streams else message_json(*blocks, model=model)


@pytest_twisted.async_yield_fixture(scope="module")
async def run(reactor: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Exchange]:
    """Yield what came of all scenarios."""
    backend: Any = MessagesBackend(reactor)
    Model(backend)
    backend.start()
    daemon = Daemon(reactor=reactor, folder=tmp_path_factory.mktemp("daemon"))
    await daemon.start(ini(backend.url, {"backend:scripted": {"kind": "anthropic", "dialect": "anthropic"}}))
    yield await run_client(reactor, CLIENT, (backend, daemon), tmp_path_factory.mktemp("client"))
    await daemon.finish()
    await backend.stop()


class AnswerTests:
    """What the SDK's user gets."""

    @pytest.mark.parametrize("scenario", [PLAIN, STREAMED, THINKING])
    def test_says(self, run: Exchange, scenario: str) -> None:
        """An answer is read with its usage and end, whole or as a stream, with what the model thought."""
        told = run.answer(scenario)
        assert (told["text"], told["finish"], told["usage"]) == (ANSWER, "end_turn", USAGE)
        assert told["reasoning"] == (REASONING if scenario == THINKING else "")
        assert (scenario == STREAMED) == (len(told.get("pieces", ())) > 10)

    @pytest.mark.parametrize("scenario", [TOOL_LOOP, STREAMED_TOOL_LOOP])
    def test_loop(self, run: Exchange, scenario: str) -> None:
        """Both calls are run once, with their arguments.

        The backend keeps the conversation; where it cannot, all comes back, with the thinking that it has signed.
        """
        told = run.answer(scenario)
        assert told["ran"] == [{"city": city} for city in CITIES]
        assert told["text"] == TOLD
        last = run.chats[scenario][-1]
        kept = scenario == TOOL_LOOP
        assert ("thread" in last.json) == kept
        roles = [message["role"] for message in last.json["messages"]]
        assert roles == (["user"] if kept else ["user", "assistant", "user"])
        assert (b'"signature"' in last.body) == (not kept)

    def test_more(self, run: Exchange) -> None:
        """Pictures and shapes of answers arrive as they were sent."""
        assert run.answer(IMAGE)["text"] == "I see 1 picture."
        assert run.answer(STRUCTURED)["value"] == PERSON
        (chat,) = run.chats[STRUCTURED]
        assert set(chat.json["output_config"]["format"]["schema"]["properties"]) == set(PERSON)
        assert chat.headers["x-stainless-lang"] == "python"


class RefusalTests:
    """What the SDK raises."""

    @pytest.mark.parametrize(
        ("scenario", "told"),
        [
            (RATE_LIMITED, ("RateLimitError", 429, str(RETRY_AFTER), BUSY)),
            (UNAUTHORIZED, ("AuthenticationError", 401, None, "invalid x-api-key")),
            (OVERFLOW, ("BadRequestError", 400, None, TOO_LONG)),
        ],
    )
    def test_raises(self, run: Exchange, scenario: str, told: tuple[Any, ...]) -> None:
        """An error is the one that the backend sent."""
        error = run.error(scenario)
        assert (error["kind"], error["status"], error["retry_after"]) == told[:3]
        assert told[3] in error["message"]

    def test_waits(self, run: Exchange) -> None:
        """Between two tries the time passes that the backend asked for, whoever tries."""
        arrivals = [chat.arrived for chat in run.chats[RATE_LIMITED]]
        assert CLIENT.tries <= len(arrivals) <= CLIENT.tries * MAX_FAILURES
        assert min(later - earlier for earlier, later in pairwise(arrivals)) >= RETRY_AFTER
