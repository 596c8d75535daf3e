"""What a client that leaves means for the backend and for the daemon's log."""

from __future__ import annotations

from typing import Any

import pytest_twisted

from claude_bridge.testing.answers import Answer, Send, Stall
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS, chat_stream
from tests.end_to_end.client import Client
from tests.end_to_end.daemon import Daemon

ASKED = {"model": "test-model", "max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}]}


class LeavingTests:
    """A client that closes its connection in the middle of an answer."""

    @pytest_twisted.ensureDeferred
    async def test_mid_stream(self, reactor: Any, backend: ScriptedBackend, daemon: Daemon, client: Client) -> None:
        """The backend's work ends within 0.1 s, and the log calls it a client that left, with no fault beside it."""
        stream = chat_stream(text="A story. " * 10)[:4]
        backend.enqueue(Answer(200, STREAM_HEADERS, (*map(Send, stream), Stall())))
        reading = await client.send("POST", "/v1/messages", {**ASKED, "stream": True})
        while b"content_block_delta" not in reading.raw:
            await reading.more()
        left = backend.monotonic()
        reading.leave()
        (chat,) = backend.chats
        await chat.when_over().addTimeout(5, reactor)
        assert chat.gone is not None
        assert chat.gone - left < 0.1
        line = await daemon.wait_for("request")
        assert line["outcome"] == "client_left"
        await daemon.stop()
        assert [line for line in daemon.lines if "traceback" in line] == []
