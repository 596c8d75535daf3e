"""Promises of the checks of counts, speed and clients that leave."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted

from claude_bridge.doctor.checks import speed
from claude_bridge.testing.answers import Answer, Pause, Send
from claude_bridge.testing.chat import STREAM_HEADERS, chat_stream, json_answer, sse, token_usage
from claude_bridge.testing.friendly import Friendly
from claude_bridge.testing.received import Received
from tests.doctor.stand_ins import entry, examined, first, of, served, sometimes, wrong


def is_long(body: dict[str, Any]) -> bool:
    """Whether it is the long prompt."""
    return "lazy dog" in str(body.get("messages"))


class CountTests:
    """The server's count and the bridge's."""

    @pytest_twisted.ensureDeferred
    async def test_good(self, reactor: Any) -> None:
        """Two counts that agree are told; nothing is wrong."""
        async with served(reactor) as server:
            findings = await examined(reactor, server.url, quick=False)
        assert wrong(findings) == []
        assert "by the bridge's estimate" in of(findings, 16).sentence

    @pytest_twisted.ensureDeferred
    async def test_cut(self, reactor: Any) -> None:
        """A server that counts a quarter of the prompt has cut it."""
        cut = sse(chat_stream(text="ready", usage=token_usage(512, 2)))
        async with served(reactor, sometimes(is_long, cut)) as server:
            findings = await examined(reactor, server.url, quick=False)
        assert wrong(findings) == [(16, "fault")]
        assert first(findings).option == "truncates = yes"

    @pytest_twisted.ensureDeferred
    async def test_quick(self, reactor: Any) -> None:
        """A quick examination sends no long prompt."""
        async with served(reactor) as server:
            findings = await examined(reactor, server.url)
            assert not any(is_long(chat.json) for chat in server.chats)
        assert {16, 18}.isdisjoint(each.number for each in findings)


class SpeedTests:
    """How long the first prompt takes."""

    @pytest_twisted.ensureDeferred
    async def test_slow(self, reactor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """A server that needs long for Claude Code's first prompt is told to be slow."""
        monkeypatch.setattr(speed, "SLOW_SECONDS", 2.0)
        parts = chat_stream(text="ready", usage=token_usage(2000, 2, cached=0))
        slow = Answer(200, STREAM_HEADERS, (Send(b""), Pause(0.3), *map(Send, parts)))
        async with served(reactor, sometimes(is_long, slow)) as server:
            findings = await examined(reactor, server.url, quick=False)
        assert wrong(findings) == [(18, "warning")]
        assert "takes about" in first(findings).sentence
        assert "Expect waits" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_cached(self, reactor: Any) -> None:
        """Usage says whether the prompt was remembered."""
        friendly = Friendly()

        def script(received: Received) -> Answer:
            if not is_long(received.json):
                return friendly(received)
            return sse(chat_stream(text="ready", usage=token_usage(2000, 2, cached=1990)))

        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url, quick=False)
        assert "is remembered" in of(findings, 18).sentence


class LeavingTests:
    """A client that has left is not worked for."""

    @pytest_twisted.ensureDeferred
    async def test_goes_on(self, reactor: Any) -> None:
        """Where the server still works two seconds later, something keeps the connection."""
        slots = [json_answer(200, [{"is_processing": busy}]) for busy in (False, True)]
        listed = [entry(owner="llamacpp", max_model_len=131_072)]
        async with served(reactor, listed=listed, strict=False) as server:
            pages = server.pages
            pages["GET", "/slots"] = slots[0]

            def script(received: Received) -> Answer:
                if "lighthouse" in str(received.json):
                    pages["GET", "/slots"] = slots[1]
                return Friendly()(received)

            server.script = script
            findings = await examined(reactor, server.url)
            assert any("lighthouse" in str(chat.json) for chat in server.chats)
        assert wrong(findings) == [(19, "warning")]

    @pytest_twisted.ensureDeferred
    async def test_stops(self, reactor: Any) -> None:
        """Where it does not, all is well."""
        listed = [entry(owner="llamacpp", max_model_len=131_072)]
        pages = {("GET", "/slots"): json_answer(200, [{"is_processing": False}])}
        async with served(reactor, listed=listed, strict=False, pages=pages) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == []
        assert of(findings, 19).sentence == "an answer ends when the client leaves"

    @pytest_twisted.ensureDeferred
    async def test_unseen(self, reactor: Any) -> None:
        """Where nothing can be seen nothing is asked."""
        async with served(reactor) as server:
            findings = await examined(reactor, server.url)
            assert not any("lighthouse" in str(chat.json) for chat in server.chats)
        assert 19 not in {each.number for each in findings}
