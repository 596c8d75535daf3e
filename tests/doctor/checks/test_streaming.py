"""Promises of the checks of streaming and usage."""

from __future__ import annotations

from typing import Any

import pytest_twisted

from claude_bridge.testing.answers import Answer, Pause, Send
from claude_bridge.testing.chat import STREAM_HEADERS, ToolCall, chat_json, chat_stream, error, sse
from tests.doctor.stand_ins import examined, first, of, served, wrong

NUMBERS = "one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen"
CALL = (ToolCall(id="c1", name="get_weather", arguments='{"city": "Paris"}'),)


class StreamingTests:
    """An answer should come while it is written."""

    @pytest_twisted.ensureDeferred
    async def test_buffered(self, reactor: Any) -> None:
        """An answer that comes late and in one piece is held back by something between."""
        held = Answer(200, STREAM_HEADERS, (Send(b""), Pause(1.1), Send(b"".join(chat_stream(text=NUMBERS, split=4)))))
        async with served(reactor) as server:
            server.enqueue(held, held)
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(8, "warning")]
        assert "proxy_buffering off" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_slow_start(self, reactor: Any) -> None:
        """A server that takes its time, once, and then streams fast holds nothing back."""
        late = Answer(200, STREAM_HEADERS, (Send(b""), Pause(1.1), Send(b"".join(chat_stream(text=NUMBERS, split=4)))))
        async with served(reactor) as server:
            server.enqueue(late)
            findings = await examined(reactor, server.url)
        assert wrong(findings) == []

    @pytest_twisted.ensureDeferred
    async def test_speed_of_a_stream(self, reactor: Any) -> None:
        """The rate of a real stream is told."""
        async with served(reactor) as server:
            server.enqueue(sse(chat_stream(text=NUMBERS, split=4), pause=0.005))
            findings = await examined(reactor, server.url)
        assert wrong(findings) == []
        assert of(findings, 8).sentence.endswith("tokens/s")

    @pytest_twisted.ensureDeferred
    async def test_no_stream(self, reactor: Any) -> None:
        """A server that answers with one JSON object works, and makes people wait."""
        async with served(reactor, lambda _: chat_json(text="ready")) as server:
            findings = await examined(reactor, server.url)
        assert first(findings).number == 8
        assert "ignores `stream`" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_refused(self, reactor: Any) -> None:
        """A server that answers nothing is not asked any further."""
        async with served(reactor, lambda _: error(500, {"message": "out of memory"})) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(8, "fault")]
        assert "out of memory" in first(findings).sentence


class UsageTests:
    """Counts come from the backend."""

    @pytest_twisted.ensureDeferred
    async def test_missing(self, reactor: Any) -> None:
        """Without usage the counts are estimates."""

        def script(received: Any) -> Answer:
            calls = "tools" in received.json and "weather" in received.body.decode()
            return sse(chat_stream(text="" if calls else "ready", tool_calls=CALL if calls else (), usage=None))

        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(17, "warning")]
        assert "estimates" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_there(self, reactor: Any) -> None:
        """With usage they are reported."""
        async with served(reactor) as server:
            findings = await examined(reactor, server.url)
        assert of(findings, 17).sentence.endswith("are reported")
