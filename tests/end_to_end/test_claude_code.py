"""The real Claude Code client, through the running daemon, with scripted backends that play the model.

What the client does with each answer was measured with the version that `tests.npm` pins.
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import datetime
from itertools import zip_longest
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.demo import model_server
from claude_bridge.testing.answers import Answer, Cut, Pause, Send, Stall, Step
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS, ToolCall, chat_stream, chunk, error, events, sse, token_usage
from claude_bridge.testing.received import Received
from tests.end_to_end.claude_code import CONTROL_C, ESCAPE, ClaudeCode
from tests.end_to_end.conftest import StartDaemon
from tests.end_to_end.daemon import Daemon, ini
from tests.end_to_end.llamacpp import DEMO, start_llama
from tests.end_to_end.users import (
    ALLOWED,
    CLIENT,
    PICTURE,
    NewUser,
    calls,
    messages,
    new_user,
    program,
    requests,
    said,
    says,
    user,
)

__all__ = ["new_user", "program", "user"]  # fixtures

pytestmark = CLIENT

GONE_SECONDS = 0.1
"""Seconds within which an upstream connection is gone after the client left."""

KEY_SECONDS = 1.0
"""Seconds that the client may take over a key, on a busy machine: it waits a little whether more of a sequence comes,
and takes about 0.05 s."""


class TurnTests:
    """What a user does all day."""

    @pytest_twisted.ensureDeferred
    async def test_plain(self, backend: ScriptedBackend, daemon: Daemon, user: ClaudeCode) -> None:
        """A question is one request, its answer arrives as it is, with the backend's own token counts."""
        backend.enqueue(says("Paris, d'accord. \N{CAT FACE}", usage=token_usage(14_000, 7, cached=13_000)))
        turn = await user.turn("What is the capital of France?")
        assert turn.answer == "Paris, d'accord. \N{CAT FACE}"
        (chat,) = backend.chats
        assert said(messages(chat, "user")[-1]).count("What is the capital of France?") == 1
        assert "x-anthropic-billing-header" not in chat.body.decode()
        assert [message["role"] for message in chat.json["messages"]].count("system") == 1
        usage = turn.result["usage"]
        assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (1000, 13_000, 7)
        (line,) = requests(daemon)
        assert (line["outcome"], line["session"], line["attempts"]) == ("ok", turn.session, 1)

    @pytest_twisted.ensureDeferred
    async def test_bash(self, backend: ScriptedBackend, user: ClaudeCode) -> None:
        """A command that the model asks for runs, and its output goes back to the model."""
        backend.enqueue(
            calls("Bash", command="echo $((6 * 7)) | tee answer.txt", description="Compute"),
            says("It is 42."),
        )
        turn = await user.turn("Compute 6 * 7", *ALLOWED)
        assert turn.answer == "It is 42."
        assert (user.project / "answer.txt").read_text() == "42\n"
        asked, answered = backend.chats[1].json["messages"][-2:]
        assert [call["function"]["name"] for call in asked["tool_calls"]] == ["Bash"]
        assert answered["tool_call_id"] == asked["tool_calls"][0]["id"]
        assert said(answered) == "42"

    @pytest_twisted.ensureDeferred
    async def test_edit(self, backend: ScriptedBackend, user: ClaudeCode) -> None:
        """A file that the model reads and edits really changes, odd characters included."""
        path = user.project / "notes.txt"
        path.write_text('one\n\ttw\u00f6 "2"\nthree\n')
        backend.enqueue(
            calls("Read", "call_read", file_path=str(path)),
            calls("Edit", "call_edit", file_path=str(path), old_string='\ttw\u00f6 "2"', new_string="\u4e8c\\n2"),
            says("Done."),
        )
        turn = await user.turn("Change the second line", *ALLOWED)
        assert turn.answer == "Done."
        assert path.read_text() == "one\n\u4e8c\\n2\nthree\n"
        assert '\ttw\u00f6 "2"' in said(messages(backend.chats[1], "tool")[-1])
        arguments = messages(backend.chats[2], "assistant")[-1]["tool_calls"][0]["function"]["arguments"]
        assert json.loads(arguments)["new_string"] == "\u4e8c\\n2"

    @pytest_twisted.ensureDeferred
    async def test_picture(self, backend: ScriptedBackend, user: ClaudeCode) -> None:
        """A picture that the model reads reaches it as a picture."""
        path = user.project / "dot.png"
        path.write_bytes(b64decode(PICTURE))
        backend.enqueue(calls("Read", file_path=str(path)), says("A dot."))
        turn = await user.turn("Look at it", *ALLOWED)
        assert turn.answer == "A dot."
        parts = messages(backend.chats[1], "user")[-1]["content"]
        (picture,) = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        assert b64decode(picture.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")

    @pytest_twisted.ensureDeferred
    async def test_parallel(self, backend: ScriptedBackend, user: ClaudeCode) -> None:
        """Two calls whose arguments arrive interleaved both run, and each result stands beside its own call."""
        first, second = (
            ToolCall(
                id=f"call_{word}",
                name="Bash",
                arguments=json.dumps({"command": f"echo {word} > {word}.txt; echo said {word}", "description": word}),
            )
            for word in ("alpha", "beta")
        )
        backend.enqueue(sse(_interleaved(first, second)), says("Both."))
        turn = await user.turn("Do both", *ALLOWED)
        assert turn.answer == "Both."
        assert [(user.project / f"{word}.txt").read_text() for word in ("alpha", "beta")] == ["alpha\n", "beta\n"]
        asked, *answered = backend.chats[1].json["messages"][-3:]
        assert [call["id"] for call in asked["tool_calls"]] == [one["tool_call_id"] for one in answered]
        assert [said(one) for one in answered] == ["said alpha", "said beta"]
        assert ["alpha" in call["function"]["arguments"] for call in asked["tool_calls"]] == [True, False]

    @pytest_twisted.ensureDeferred
    async def test_subagent(self, backend: ScriptedBackend, daemon: Daemon, user: ClaudeCode) -> None:
        """A subagent asks for itself, and what it found reaches the main conversation."""

        def play(received: Received) -> Answer:
            asked = said(messages(received, "user")[-1])
            if "count the sheep" in asked:
                return says("There are 17 sheep.")
            if messages(received, "tool"):
                return says("The agent counted.")
            return calls(
                "Agent", description="Count", prompt="count the sheep", subagent_type="general-purpose",
                run_in_background=False,
            )  # fmt: skip

        backend.script = play
        turn = await user.turn("How many?", *ALLOWED)
        assert turn.answer == "The agent counted."
        assert len(backend.chats) == 3
        assert "There are 17 sheep." in said(messages(backend.chats[2], "tool")[-1])
        assert len(requests(daemon, "subagent")) == 1
        assert len({line["session"] for line in daemon.events("request")}) == 1

    @pytest_twisted.ensureDeferred
    async def test_web_search(self, backend: ScriptedBackend, daemon: Daemon, user: ClaudeCode) -> None:
        """A tool that is loaded late can be called; the search that only Anthropic could run is refused in words."""
        backend.enqueue(
            calls("ToolSearch", "call_load", query="select:WebSearch", max_results=1),
            calls("WebSearch", "call_search", query="weather in Paris"),
            says("No search here."),
        )
        turn = await user.turn("Search the web", *ALLOWED)
        assert turn.answer == "No search here."
        offered = [[tool["function"]["name"] for tool in chat.json["tools"]] for chat in backend.chats]
        assert ["WebSearch" in names for names in offered] == [False, True, True]
        assert "Web search is not available" in said(messages(backend.chats[2], "tool")[-1])
        backends = [line.get("backend") for line in requests(daemon)]
        assert (len(backends), backends.count("scripted")) == (4, 3)


def _interleaved(*tool_calls: ToolCall) -> tuple[bytes, ...]:
    """Stream several calls whose arguments take turns, a few characters each."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
    for index, call in enumerate(tool_calls):
        function = {"name": call.name, "arguments": ""}
        deltas.append({"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]})
    pieces = [[call.arguments[at : at + 5] for at in range(0, len(call.arguments), 5)] for call in tool_calls]
    for row in zip_longest(*pieces, fillvalue=""):
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for index, piece in enumerate(row)
        ]
    return events([*map(chunk, deltas), chunk({}, finish="tool_calls")])


class SessionTests:
    """What lasts longer than a turn."""

    @pytest_twisted.ensureDeferred
    async def test_thinking(self, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """Thinking goes back to the model within a tool loop, and is still there when the session is resumed later.

        It even is at another address: the second daemon sends all of it back, as its model wants it.
        """
        daemon = await start_daemon()
        user = new_user(daemon)
        backend.enqueue(
            calls("Bash", reasoning="First I look around.", command="echo seen", description="Look"),
            sse(chat_stream(reasoning="Now I know.", text="I have seen it.")),
        )
        turn = await user.turn("Look around", *ALLOWED)
        assert turn.answer == "I have seen it."
        assert [block["thinking"] for block in turn.blocks("thinking")] == ["First I look around.", "Now I know."]
        (looped,) = messages(backend.chats[1], "assistant")
        assert looped["reasoning_content"] == "First I look around."

        later = await start_daemon(
            {
                "model:thinker": {"name": "test-model", "reasoning_echo": "all_turns"},
                "route:default": {"models": "thinker"},
            }
        )
        backend.enqueue(says("Still here."))
        user.url = later.url
        resumed = await user.turn("And now?", "--continue", *ALLOWED)
        assert resumed.answer == "Still here."
        past = messages(backend.chats[2], "assistant")
        assert [message.get("reasoning_content") for message in past] == ["First I look around.", "Now I know."]
        assert said(messages(backend.chats[2], "tool")[0]) == "seen"

    @pytest_twisted.ensureDeferred
    async def test_resumed(self, backend: ScriptedBackend, user: ClaudeCode) -> None:
        """A session resumed by its id carries what was said, and the request begins with the same bytes as before."""
        backend.enqueue(says("Noted: 4711."), says("It was 4711."))
        first = await user.turn("Remember 4711")
        second = await user.turn("Which number?", "--resume", first.session)
        assert second.answer == "It was 4711."
        before, after = (chat.body for chat in backend.chats)
        assert after.startswith(before[: before.rindex(b"Remember 4711")])
        assert [said(message) for message in messages(backend.chats[1], "assistant")] == ["Noted: 4711."]


class SideRequestTests:
    """What the client asks beside its turns."""

    @pytest_twisted.ensureDeferred
    async def test_context(self, backend: ScriptedBackend, daemon: Daemon, user: ClaudeCode) -> None:
        """`/context` gets all its counts at once, and shows a table of them."""
        turn = await user.turn("/context")
        counts = requests(daemon, "count_tokens")
        assert len(counts) > 10
        assert {line["status"] for line in counts} == {200}
        assert backend.chats == []
        (total,) = re.findall(r"\*\*Tokens:\*\* ([0-9.]+)k", turn.answer)
        assert 5 < float(total) < 20

    @pytest_twisted.ensureDeferred
    async def test_large_file(self, backend: ScriptedBackend, daemon: Daemon, user: ClaudeCode) -> None:
        """A large file is counted once before the model gets it."""
        path = user.project / "large.txt"
        path.write_text("".join(f"line {number} of a file\n" for number in range(3_000)))
        backend.enqueue(calls("Read", file_path=str(path)), says("Read."))
        turn = await user.turn("Read it", *ALLOWED)
        assert turn.answer == "Read."
        assert [line["status"] for line in requests(daemon, "count_tokens")] == [200]
        assert "line 1000 of a file" in said(messages(backend.chats[1], "tool")[-1])

    @pytest_twisted.ensureDeferred
    async def test_discovery(self, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """The client keeps the models that the bridge publishes, and one of them answers."""
        backend.models = ["zai-org/GLM-4.5-Air", "qwen"]
        daemon = await start_daemon(
            {
                "model:glm": {"name": "zai-org/GLM-4.5-Air"},
                "model:team/qwen": {"name": "qwen"},
                "route:default": {"models": "team/qwen"},
            }
        )
        user = new_user(daemon)
        backend.enqueue(says("GLM here."))
        discover = {"CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1"}
        turn = await user.turn("Who are you?", "--model", "glm@claude-bridge", environment=discover)
        assert turn.answer == "GLM here."
        assert backend.chats[0].json["model"] == "zai-org/GLM-4.5-Air"
        assert len(requests(daemon, "models")) == 1
        kept = json.loads((user.home / ".claude" / "cache" / "gateway-models.json").read_text())
        assert kept["baseUrl"] == daemon.url
        assert {one["id"]: one["display_name"] for one in kept["models"]} == {
            "glm@claude-bridge": "glm",
            "team/qwen@claude-bridge": "team/qwen",
        }


class LeavingTests:
    """A user who has seen enough."""

    @pytest_twisted.ensureDeferred
    async def test_escape(self, backend: ScriptedBackend, reactor: Any, daemon: Daemon, user: ClaudeCode) -> None:
        """Escape in the middle of an answer closes the backend's connection within 0.1 s; the session goes on."""
        story = chat_stream(text="Once upon a time,\n\nthere was", split=19)
        backend.enqueue(Answer(200, STREAM_HEADERS, (*map(Send, story[:3]), Stall())), says("A short one."))
        screen = await user.screen("--permission-mode", "acceptEdits")
        try:
            await screen.enter("Tell me a story")
            await screen.shown("Once upon a time,")
            (chat,) = backend.chats
            pressed = backend.monotonic()
            screen.press(ESCAPE)
            await chat.when_over().addTimeout(5, reactor)
            assert chat.gone is not None
            assert chat.gone - pressed < KEY_SECONDS + GONE_SECONDS
            noticed = await daemon.wait_for("request")
            assert noticed["outcome"] == "client_left"
            assert abs(_monotonic(noticed["time"]) - chat.gone) < GONE_SECONDS
            await screen.enter("A shorter story")
            await screen.shown("A short one.")
        finally:
            await screen.close()
        assert said(messages(backend.chats[1], "user")[-1]).count("A shorter story") == 1

    @pytest_twisted.ensureDeferred
    async def test_interrupt(self, backend: ScriptedBackend, reactor: Any, daemon: Daemon, user: ClaudeCode) -> None:
        """Ctrl-C while the model has not said a word yet does the same."""
        backend.enqueue(Answer(200, STREAM_HEADERS, (Stall(),)))
        screen = await user.screen("--permission-mode", "acceptEdits")
        try:
            await screen.enter("Think it over")
            chat = await backend.arrivals.get().addTimeout(20, reactor)
            await screen.shown("esc to interrupt")
            screen.press(CONTROL_C)
            await chat.when_over().addTimeout(5, reactor)
            noticed = await daemon.wait_for("request")
            assert noticed["outcome"] == "client_left"
            assert chat.gone is not None
            assert abs(_monotonic(noticed["time"]) - chat.gone) < GONE_SECONDS
        finally:
            await screen.close()


def _monotonic(told: str) -> float:
    """Turn a time of the daemon's log into one of this process's monotonic clock."""
    return datetime.fromisoformat(told).timestamp() - time.time() + time.monotonic()


TOO_LONG = error(
    400,
    {
        "message": "This model's maximum context length is 32768 tokens. However, you requested 32000 output tokens "
        "and your prompt contains at least 40000 input tokens, for a total of at least 72000 tokens. Please reduce the "
        "length of the input prompt or the number of requested output tokens.",
        "type": "invalid_request_error",
        "param": "input_tokens",
        "code": 400,
    },
)
"""In vLLM's words, without the name by which its errors are known: the backend stays the plain one."""

SUMMARY = "<summary>They spoke of a long book.</summary>"


class FaultTests:
    """What the backend cannot do or does not finish."""

    async def _overflow(self, backend: ScriptedBackend, user: ClaudeCode, refusal: Answer) -> None:
        """Let the second turn of a session overflow until the client has compacted it."""

        def play(received: Received) -> Answer:
            if "detailed summary" in said(messages(received, "user")[-1]):
                return says("<summary>They spoke of a long book.</summary>")
            return refusal if "a very long book" in received.body.decode() else says("They lived happily.")

        backend.enqueue(says("It is a long one."))
        backend.script = play
        await user.turn("This is a very long book. " * 20)
        turn = await user.turn("And then?", "--continue")
        assert turn.answer == "They lived happily."
        assert len(turn.system("compact_boundary")) == 1
        last = backend.chats[-1].body.decode()
        assert "They spoke of a long book." in last
        assert "And then?" in last

    @pytest_twisted.ensureDeferred
    async def test_overflow(self, backend: ScriptedBackend, daemon: Daemon, user: ClaudeCode) -> None:
        """A conversation that has become too long is compacted at once and goes on."""
        await self._overflow(backend, user, TOO_LONG)
        assert [line["status"] for line in requests(daemon)] == [200, 400, 200, 200]

    @pytest_twisted.ensureDeferred
    async def test_overflow_after_commit(
        self, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser
    ) -> None:
        """The same where the backend finds out so late that the stream has begun: one request more."""
        daemon = await start_daemon({"server": {"commit_after": "0.2"}})
        late = Answer(400, TOO_LONG.headers, (Pause(0.6), *TOO_LONG.steps))
        await self._overflow(backend, new_user(daemon), late)
        told = [(line["outcome"], line["status"], line["streamed"]) for line in requests(daemon)]
        assert told[1:3] == [("context_overflow", 200, True), ("context_overflow", 400, False)]
        assert [line[:2] for line in told[3:]] == [("ok", 200)] * 2

    @pytest_twisted.ensureDeferred
    async def test_room(self, backend: ScriptedBackend, daemon: Daemon, user: ClaudeCode) -> None:
        """Where only the client's wish for 128,000 tokens does not fit, the bridge asks for less by itself.

        It learns: the next turn's first attempt already fits.
        """
        window, prompt = 40_000, 10_500

        def play(received: Received) -> Answer:
            asked = received.json["max_tokens"]
            if prompt + asked <= window:
                return says("It fits.", usage=token_usage(prompt, 4))
            told = (
                f"'max_tokens' or 'max_completion_tokens' is too large: {asked}. This model's maximum context length "
                f"is {window} tokens and your request has {prompt} input tokens ({asked} > {window} - {prompt})."
            )
            return error(400, {"message": told, "type": "invalid_request_error", "code": 400})

        backend.script = play
        for _ in range(2):
            turn = await user.turn("Does it fit?")
            assert turn.answer == "It fits."
        assert [line["attempts"] for line in requests(daemon)] == [2, 1]
        first, *others = [chat.json["max_tokens"] for chat in backend.chats]
        assert first == 128_000
        assert min(others) > 20_000

    @pytest_twisted.ensureDeferred
    async def test_wrong_key(self, backend: ScriptedBackend, daemon: Daemon, user: ClaudeCode) -> None:
        """A key that the backend refuses ends the turn at once with the backend's words, not after minutes."""
        backend.api_key = "another"
        turn = await user.turn("Let me in")
        assert turn.result["is_error"]
        assert "Incorrect API key provided." in turn.result["result"]
        assert [line["status"] for line in requests(daemon)] == [401]
        assert turn.system("api_retry") == []

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize(
        "fault",
        [*map(Send, events([{"error": {"message": "out of memory", "code": 500}}], done=False)), Cut()],
        ids=["error event", "cut"],
    )
    async def test_broken(self, backend: ScriptedBackend, daemon: Daemon, user: ClaudeCode, fault: Step) -> None:
        """An answer that breaks off is asked for again in one piece, and the user sees only that one."""
        begun = map(Send, chat_stream(text="Half of an answer.")[:2])
        backend.enqueue(Answer(200, STREAM_HEADERS, (*begun, fault)), says("A whole answer."))
        turn = await user.turn("Tell me")
        assert turn.answer == "A whole answer."
        assert [(line["streamed"], line["outcome"] == "ok") for line in requests(daemon)] == [
            (True, False),
            (False, True),
        ]


@pytest_twisted.async_yield_fixture()
async def model_url(reactor: Any) -> AsyncIterator[str]:
    """Yield the address of a real small model."""
    server = await start_llama(reactor, DEMO)
    yield f"{server.url}/v1"
    await server.stop(reactor)


@pytest.mark.model
class RealModelTests:
    """A model that nobody scripted."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.timeout(900)
    async def test_bare(self, start_daemon: StartDaemon, new_user: NewUser, model_url: str) -> None:
        """The client's smallest request gets an answer out of a real llama.cpp, with the tokens that it counted."""
        model = {"name": model_server.ALIAS, "context_window": str(model_server.WINDOW)}
        config = ini(model_url, {"model:small": model, "route:default": {"models": "small"}})
        daemon = await start_daemon(config=config)
        environment = {
            "ANTHROPIC_AUTH_TOKEN": None,
            "ANTHROPIC_API_KEY": "test-key",  # --bare knows no other credential
            "CLAUDE_CODE_EXTRA_BODY": json.dumps({"temperature": 0}),
        }
        turn = await new_user(daemon).turn("Say hello.", "--bare", environment=environment, seconds=300)
        assert "hello" in turn.answer.lower()
        (line,) = requests(daemon)
        assert (line["outcome"], line["attempts"], line["upstream_model"]) == ("ok", 1, model_server.ALIAS)
        assert line["output_tokens"] == turn.result["usage"]["output_tokens"] > 1
        assert line["input_tokens"] > 20
