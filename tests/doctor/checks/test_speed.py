"""Promises of the checks of counts, speed and clients that leave."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import pytest_twisted

from claude_bridge.doctor.checks import order, speed
from claude_bridge.doctor.finding import Finding
from claude_bridge.testing.answers import Answer, Pause, Send
from claude_bridge.testing.chat import STREAM_HEADERS, chat_stream, json_answer, sse, token_usage
from claude_bridge.testing.friendly import Friendly
from claude_bridge.testing.received import Received
from tests.doctor.stand_ins import entry, examined, first, of, served, sometimes, wrong


def is_long(body: dict[str, Any]) -> bool:
    """Whether it is the long prompt."""
    return "lazy dog" in str(body.get("messages"))


CHECKS = [check for check in order.chosen(quick=True) if check.number in {1, 2, 4, 5, 6, 19}]


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

    METRIC: ClassVar[dict[str, str]] = {"vllm": "vllm:num_requests_running", "sglang": "sglang:num_running_reqs"}

    def page(self, owner: str, running: int) -> Answer:
        """Return what a server tells of the requests it works on."""
        if owner == "llamacpp":
            return json_answer(200, [{"is_processing": number < running} for number in range(4)])
        told = f'# a comment\n{self.METRIC[owner]}{{model_name="m"}} {running}.0\n'
        return Answer(200, (), (Send(told.encode()),))

    async def left(self, reactor: Any, owner: str, *running: int) -> tuple[list[Finding], int]:
        """Return what is found where so many requests run, look by look, and how many looks there were.

        The first look is before anything is asked; the last number holds for all later ones.
        """
        path, counts = "/slots" if owner == "llamacpp" else "/metrics", list(running)
        looks = iter([*counts, *counts[-1:] * 9])
        pages = {("GET", path): lambda: self.page(owner, next(looks))}
        async with served(
            reactor, listed=[entry(owner=owner, max_model_len=131_072)], strict=False, pages=pages
        ) as server:
            findings = await examined(reactor, server.url, checks=CHECKS)
            return findings, sum(each.path == path for each in server.requests)

    @pytest.mark.parametrize("owner", ["llamacpp", "vllm", "sglang"])
    @pytest_twisted.ensureDeferred
    async def test_goes_on(self, reactor: Any, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the server works on and on, something keeps the connection."""
        monkeypatch.setattr(speed, "LOOKS", (0.01, 0.01, 0.01))
        findings, looks = await self.left(reactor, owner, 0, 1)
        assert wrong(findings) == [(19, "warning")]
        assert first(findings).sentence.startswith("the server keeps computing an answer whose client has left")
        assert looks == 4

    @pytest.mark.parametrize("owner", ["llamacpp", "vllm", "sglang"])
    @pytest_twisted.ensureDeferred
    async def test_stops(self, reactor: Any, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where it stops, be it after a moment, all is well, and nobody looks any longer."""
        monkeypatch.setattr(speed, "LOOKS", (0.01, 0.01, 0.01))
        findings, looks = await self.left(reactor, owner, 0, 1, 0)
        assert wrong(findings) == []
        assert of(findings, 19).sentence == "an answer ends when the client leaves"
        assert looks == 3

    @pytest_twisted.ensureDeferred
    async def test_others(self, reactor: Any) -> None:
        """Where others are served at the same time nothing can be told."""
        findings, looks = await self.left(reactor, "vllm", 3)
        assert 19 not in {each.number for each in findings}
        assert looks == 1

    @pytest_twisted.ensureDeferred
    async def test_unseen(self, reactor: Any) -> None:
        """Where nothing can be seen nothing is asked."""
        async with served(reactor) as server:
            findings = await examined(reactor, server.url)
            assert not any("lighthouse" in str(chat.json) for chat in server.chats)
        assert 19 not in {each.number for each in findings}
