"""The real Claude Code client in front of a server of the Responses API."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import pytest_twisted

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import ToolCall, sse
from claude_bridge.testing.responses import response_stream
from claude_bridge.testing.responses_backend import ResponsesBackend
from tests.end_to_end.claude_code import ClaudeCode
from tests.end_to_end.conftest import StartDaemon
from tests.end_to_end.daemon import ini
from tests.end_to_end.users import ALLOWED, CLIENT, PICTURE, NewUser, new_user, program, requests

__all__ = ["new_user", "program"]  # fixtures

pytestmark = CLIENT

KIND = {"backend:scripted": {"kind": "responses", "dialect": "openai"}, "route:default": {"models": "scripted/gpt-5.6"}}


def thinks(encrypted: str, name: str = "", text: str = "", **arguments: str) -> Answer:
    """Think, and then call a tool or say something."""
    calls = [ToolCall(id=f"call_{name}", name=name, arguments=json.dumps(arguments))] if name else []
    return sse(response_stream(reasoning="Let me see.", encrypted=encrypted, text=text, calls=calls))


@pytest_twisted.async_yield_fixture()
async def server(reactor: Any) -> AsyncIterator[ResponsesBackend]:
    """Yield a server of the Responses API."""
    made = ResponsesBackend(reactor, models=["gpt-5.6"])
    made.start()
    yield made
    await made.stop()


class ResponsesTests:
    """What a user does all day."""

    @pytest_twisted.ensureDeferred
    async def test_tool_loop(self, server: ResponsesBackend, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """Tools run, a picture is seen, and what the model thought comes back in every later request of the session.

        So it does when the session goes on in another run of the client, with another daemon.
        """
        daemon = await start_daemon(config=ini(server.url, KIND))
        user: ClaudeCode = new_user(daemon)
        path = user.project / "dot.png"
        path.write_bytes(b64decode(PICTURE))
        server.enqueue(
            thinks("gAAAA-one", "Bash", command="echo $((6 * 7)) | tee answer.txt", description="Compute"),
            thinks("gAAAA-two", "Read", file_path=str(path)),
            thinks("gAAAA-three", text="It is 42, and a dot."),
        )
        turn = await user.turn("Compute 6 * 7 and look at the picture", *ALLOWED)
        assert turn.answer == "It is 42, and a dot."
        assert (user.project / "answer.txt").read_text() == "42\n"
        assert [block["thinking"] for block in turn.blocks("thinking")] == ["Let me see."] * 3

        again = await start_daemon(config=ini(server.url, KIND))
        user.url = again.url
        server.enqueue(thinks("gAAAA-four", text="Yes."))
        assert (await user.turn("Sure?", "--continue", *ALLOWED)).answer == "Yes."

        assert [one.problems for one in server.chats] == [()] * 4
        assert len({one.json["prompt_cache_key"] for one in server.chats}) == 1
        items = server.chats[-1].json["input"]
        secrets = [item["encrypted_content"] for item in items if item["type"] == "reasoning"]
        assert secrets == ["gAAAA-one", "gAAAA-two", "gAAAA-three"]
        command, picture = [item["output"] for item in items if item["type"] == "function_call_output"]
        assert command == "42"
        assert [part["type"] for part in picture].count("input_image") == 1
        assert [line["outcome"] for line in [*requests(daemon), *requests(again)]] == ["ok"] * 4
