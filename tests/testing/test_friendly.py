"""Tests for `claude_bridge.testing.friendly`, read by the official ``openai`` SDK in a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing import friendly
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.friendly import Friendly
from tests.end_to_end.client import Client
from tests.end_to_end.processes import run_program
from tests.environments import JUDGES, built

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["c", "f"]}, "days": {"type": "integer"}},
            "required": ["city", "unit", "days"],
        },
    },
}


def request(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make a request; by default the user says hi."""
    return {"model": "test-model", "messages": list(messages) or [user("hi")], **more}


def user(text: str) -> dict[str, Any]:
    """Make a user message."""
    return {"role": "user", "content": text}


class FriendlyTests:
    """What it answers."""

    @pytest.fixture
    def client(self, reactor: Any, backend: ScriptedBackend) -> Client:
        """Return a client of a friendly backend."""
        backend.script = Friendly()
        backend.extensions = {"thinking", "chat_template_kwargs"}
        return Client(reactor, backend.url)

    async def _choice(self, client: Client, asked: dict[str, Any]) -> dict[str, Any]:
        reply = await client.post("/chat/completions", asked)
        assert reply.status == 200
        choice: dict[str, Any] = reply.json["choices"][0]
        return choice

    @pytest_twisted.ensureDeferred
    async def test_echo(self, client: Client) -> None:
        """The answer shows that the question arrived, parts and all."""
        parts = [
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}},
        ]
        choice = await self._choice(client, request({"role": "user", "content": parts}))
        assert choice["message"]["content"] == "You said: look\n[image_url]"
        assert choice["finish_reason"] == "stop"

    @pytest_twisted.ensureDeferred
    async def test_call_on_request(self, client: Client) -> None:
        """A tool is called when the user text asks for it, with just those arguments."""
        asked = request(user('please call get_weather {"city": "Paris"}'), tools=[TOOL])
        (call,) = (await self._choice(client, asked))["message"]["tool_calls"]
        assert call["function"] == {"name": "get_weather", "arguments": '{"city": "Paris"}'}

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
    async def test_forced_call(self, client: Client, choice: object) -> None:
        """A forced call has arguments that fit the schema."""
        answered = await self._choice(client, request(tools=[TOOL], tool_choice=choice))
        (call,) = answered["message"]["tool_calls"]
        assert json.loads(call["function"]["arguments"]) == {"city": "text", "unit": "c", "days": 1}
        assert answered["finish_reason"] == "tool_calls"

    @pytest_twisted.ensureDeferred
    async def test_tool_result(self, client: Client) -> None:
        """After a tool's result the answer tells it."""
        call = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
        asked = request(
            user("hi"),
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "sunny"},
            tools=[TOOL],
        )
        assert (await self._choice(client, asked))["message"]["content"] == "The tool said: sunny"

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize(
        ("more", "thinks"),
        [
            ({}, False),
            ({"reasoning_effort": "high"}, True),
            ({"reasoning_effort": "none"}, False),
            ({"thinking": {"type": "enabled"}}, True),
            ({"thinking": {"type": "disabled"}}, False),
            ({"chat_template_kwargs": {"enable_thinking": True}}, True),
        ],
    )
    async def test_reasoning_when_asked(self, client: Client, more: dict[str, Any], thinks: bool) -> None:
        """It thinks aloud when asked to, in any of the ways that servers know."""
        message = (await self._choice(client, request(**more)))["message"]
        assert ("reasoning_content" in message) is thinks

    @pytest_twisted.ensureDeferred
    async def test_limits(self, client: Client) -> None:
        """The token limit and the stop sequences are kept."""
        long = await self._choice(client, request(user("a" * 100), max_tokens=5))
        assert (len(long["message"]["content"]), long["finish_reason"]) == (20, "length")
        stopped = await self._choice(client, request(user("one two three"), stop=["two"]))
        assert stopped["message"]["content"] == "You said: one "

    def test_names(self) -> None:
        """The names that scripts of others use stay."""
        assert friendly.__all__ == ["Friendly"]


class OfficialSDKTests:
    """The official SDK reads what the backend says: it is a verified fake."""

    @pytest_twisted.ensureDeferred
    async def test_reads_everything(self, reactor: Any, backend: ScriptedBackend) -> None:
        """Whole answers, streams, tool calls, usage, the model list and errors are all understood."""
        backend.script = Friendly(reasoning="always")
        reader = Path(__file__).with_name("read_by_openai.py")
        ran = await run_program(reactor, [sys.executable, str(reader), backend.url])
        assert ran.code == 0, ran.err
        told = json.loads(ran.out)
        assert told["whole"] == told["streamed"] == "You said: hi"
        assert told["reasoning"] == friendly.REASONING
        assert told["call"] == {"name": "get_weather", "arguments": {"city": "Paris"}}
        assert told["usage"]["total_tokens"] > 0
        assert told["models"] == ["test-model"]
        assert told["refused"] == ["NotFoundError", "model_not_found"]
        assert told["invalid"] == "BadRequestError"


class LlmComplyTests:
    """``llm-comply`` judges the fake by OpenAI's schema, as it judges the bridge by Anthropic's."""

    @pytest_twisted.ensureDeferred
    async def test_all_pass(self, reactor: Any, backend: ScriptedBackend, tmp_path: Path) -> None:
        """All tests of chat completions pass, and none warns or is skipped."""
        backend.models = ["gpt-5-scripted"]
        backend.extensions = {"reasoning"}  # which this judge sends beside OpenAI's own reasoning_effort
        backend.script = Friendly(reasoning="always")
        command = [
            str(built(JUDGES).folder / "bin" / "llm-comply"), "run", "-u", backend.url, "--format", "openai-chat",
            "-k", "none", "-m", backend.models[0], "--json",
        ]  # fmt: skip
        ran = await run_program(reactor, command, environment={"HOME": str(tmp_path)}, folder=tmp_path)
        assert ran.code == 0, ran.out + ran.err
        told = json.loads(ran.out)
        assert told["summary"] == {"total": 9, "passed": 9, "failed": 0, "skipped": 0}
        assert [one for one in told["results"] if one.get("warnings")] == []
