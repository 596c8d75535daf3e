"""Tests for `claude_bridge.testing.messages_backend`, on real loopback sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing.chat import sse
from claude_bridge.testing.messages import message_json, message_text
from claude_bridge.testing.messages_backend import MessagesBackend
from tests.end_to_end.client import Client, Reply

TEXT: dict[str, Any] = {"type": "text", "text": "Hello."}
VERSION = {"anthropic-version": "2023-06-01"}


@pytest_twisted.async_yield_fixture()
async def anthropic_backend(reactor: Any) -> AsyncIterator[MessagesBackend]:
    """Yield a backend that listens."""
    backend = MessagesBackend(reactor)
    backend.start()
    yield backend
    await backend.stop()


@pytest.fixture
def client(reactor: Any, anthropic_backend: MessagesBackend) -> Client:
    """Return a client of the backend."""
    return Client(reactor, anthropic_backend.url, VERSION)


def asking(*history: object, **more: Any) -> dict[str, Any]:
    """Make a request after an assistant message of these blocks, if there are any."""
    said: list[Any] = [{"role": "user", "content": "Hi"}]
    if history:
        said += [{"role": "assistant", "content": list(history)}, {"role": "user", "content": "And?"}]
    return {"model": "claude-test", "max_tokens": 100, "messages": said, **more}


def reason(reply: Reply) -> str:
    """Return the words of a refusal."""
    assert reply.json["type"] == "error"
    return str(reply.json["error"]["message"])


class AnswerTests:
    """What it answers."""

    @pytest_twisted.ensureDeferred
    async def test_scripted(self, anthropic_backend: MessagesBackend, client: Client) -> None:
        """Queued answers come first, then those of the script."""
        anthropic_backend.script = lambda _: message_json({"type": "text", "text": "scripted"})
        anthropic_backend.enqueue(sse(message_text("queued")))
        streamed = await client.post("/v1/messages", asking(stream=True))
        whole = await client.post("/v1/messages?beta=true", asking())
        assert streamed.body == b"".join(message_text("queued"))
        assert whole.json["content"][0]["text"] == "scripted"
        assert len(anthropic_backend.chats) == 2

    @pytest_twisted.ensureDeferred
    async def test_models_and_counts(self, client: Client) -> None:
        """It lists its models and counts tokens."""
        models = await client.get("/v1/models")
        counted = await client.post("/v1/messages/count_tokens", {"model": "claude-test", "messages": []})
        assert [each["id"] for each in models.json["data"]] == ["claude-test"]
        assert counted.json["input_tokens"] > 0

    @pytest_twisted.ensureDeferred
    async def test_unexpected(self, client: Client) -> None:
        """A request that the test did not expect is a loud error."""
        assert (await client.post("/v1/messages", asking())).status == 500
        assert (await client.post("/v1/complete", {})).status == 404


class RefusalTests:
    """What it refuses, as Anthropic does."""

    @pytest_twisted.ensureDeferred
    async def test_signatures(self, anthropic_backend: MessagesBackend, client: Client) -> None:
        """Thinking must have its own signature; that of another backend, or none, is refused."""
        own, foreign = anthropic_backend.thinking("Hm."), {"type": "thinking", "thinking": "Hm.", "signature": ""}
        anthropic_backend.enqueue(message_json(TEXT))
        assert (await client.post("/v1/messages", asking(own, TEXT))).status == 200
        refused = await client.post("/v1/messages", asking(TEXT, foreign))
        assert refused.status == 400
        assert reason(refused) == "messages.1.content.1: Invalid `signature` in `thinking` block"

    @pytest_twisted.ensureDeferred
    async def test_thinking_first(self, anthropic_backend: MessagesBackend, client: Client) -> None:
        """Where it says so, the last assistant message begins with thinking if that is enabled."""
        anthropic_backend.thinking_first = True
        refused = await client.post("/v1/messages", asking(TEXT, thinking={"type": "enabled", "budget_tokens": 1024}))
        assert reason(refused).startswith("messages.1.content.0.type: Expected `thinking` or `redacted_thinking`")
        anthropic_backend.enqueue(message_json(TEXT))
        assert (await client.post("/v1/messages", asking(TEXT, thinking={"type": "disabled"}))).status == 200

    @pytest_twisted.ensureDeferred
    async def test_the_rest(self, anthropic_backend: MessagesBackend, client: Client) -> None:
        """A missing version, a wrong key, an unknown model, an empty message, another's search results."""
        without = await client.post("/v1/messages", asking(), headers={"anthropic-version": None})
        unknown = await client.post("/v1/messages", asking(model="gpt"))
        empty = await client.post("/v1/messages", {**asking(), "messages": [{"role": "assistant", "content": []}]})
        found = {"type": "web_search_tool_result", "content": [{"encrypted_content": "cbs1.x"}]}
        searched = await client.post("/v1/messages", asking(found))
        anthropic_backend.api_key = "sk-ant-x"
        wrong = await client.post("/v1/messages", asking(), headers={"x-api-key": "sk-ant-y"})
        assert [each.status for each in (without, unknown, empty, searched, wrong)] == [400, 404, 400, 400, 401]
