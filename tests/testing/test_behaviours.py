"""Tests for `claude_bridge.testing.behaviours`."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing import behaviours
from claude_bridge.testing.answers import Cut, Stall
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.behaviours import BEHAVIOURS, STREAM, cut_after
from tests.end_to_end.client import Client

CHAT = {"model": "test-model", "messages": [{"role": "user", "content": "hi"}]}
ENDING = sorted(
    name for name, answer in BEHAVIOURS.items() if not any(isinstance(step, (Cut, Stall)) for step in answer.steps)
)


class BehavioursTests:
    """Each behaviour, as a client of the backend sees it."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("name", ENDING)
    async def test_ends(self, reactor: Any, backend: ScriptedBackend, name: str) -> None:
        """What neither stalls nor cuts is a whole HTTP answer with its status."""
        backend.enqueue(BEHAVIOURS[name])
        reply = await Client(reactor, backend.url).post("/chat/completions", CHAT)
        assert reply.status == BEHAVIOURS[name].status

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("count", range(len(STREAM) + 1))
    async def test_cut_after(self, reactor: Any, backend: ScriptedBackend, count: int) -> None:
        """A cut at an event boundary lets exactly the events before it through."""
        backend.enqueue(cut_after(STREAM, count))
        reading = await Client(reactor, backend.url).send("POST", "/chat/completions", CHAT)
        await reading.ended()
        assert bytes(reading.raw) == b"".join(STREAM[:count])
        assert not reading.is_complete

    @pytest_twisted.ensureDeferred
    async def test_rate_limit(self, reactor: Any, backend: ScriptedBackend) -> None:
        """The rate limit says when to come back."""
        backend.enqueue(BEHAVIOURS["rate limited"])
        reply = await Client(reactor, backend.url).post("/chat/completions", CHAT)
        assert reply.headers["retry-after"] == "3"

    def test_names(self) -> None:
        """The names that scripts of others use stay."""
        assert behaviours.__all__ == ["BEHAVIOURS", "cut_after"]
