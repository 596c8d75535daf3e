"""The real Claude Code client with backends that speak dialects: what it does with what only a dialect makes.

The services refuse what the real ones refuse; what the client does was seen with the version that `tests.npm` pins.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import pytest_twisted

from claude_bridge.core import opaque_state
from claude_bridge.testing.answers import Answer
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import chunk, events, sse
from claude_bridge.testing.searxng import FakeSearXNG, page
from tests.end_to_end.claude_code import ClaudeCode
from tests.end_to_end.conftest import StartDaemon
from tests.end_to_end.daemon import LISTEN
from tests.end_to_end.strict.conversation import Services, compact
from tests.end_to_end.strict.deepseek import DeepSeekV4
from tests.end_to_end.strict.gemini import ANY_SIGNATURE, Gemini, signature_of
from tests.end_to_end.strict.mistral import Mistral
from tests.end_to_end.strict.service import ModelTurn, Service, answers_of, calls_of
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
)  # fmt: skip
from tests.services.documents import pdfs

__all__ = ["new_user", "program", "user"]  # fixtures

pytestmark = CLIENT


def bash(*words: str) -> tuple[tuple[str, str], ...]:
    """Make calls that say a word each."""
    return tuple(("Bash", compact({"command": f"echo {word}", "description": word})) for word in words)


@pytest_twisted.async_yield_fixture()
async def services(reactor: Any) -> AsyncIterator[Services]:
    """Yield the means to start services, and check in the end that they said all they should and refused nothing."""
    started = Services(reactor)
    yield started
    await started.stop()
    left = [(service.refused, list(service.says)) for service, _ in started._running]
    assert left == [([], [])] * len(left)


def at_port(config: str, port: int) -> str:
    """Change the configuration so that the daemon listens there."""
    assert LISTEN in config
    return config.replace(LISTEN, f"tcp:{port}:interface=127.0.0.1")


def results(service: Service) -> list[str]:
    """Return what the tools said in the last request that a service took."""
    return [said(message) for message in service.accepted[-1]["messages"] if message["role"] == "tool"]


def signatures(service: Service) -> list[list[str | None]]:
    """Return the signatures of all calls in the last request that a service took, by message."""
    return [
        [signature_of(call) for call in calls_of(message)]
        for _, message in answers_of(service.accepted[-1])
        if calls_of(message)
    ]


class StateTests:
    """What a backend wants back, in the hands of the client."""

    @pytest_twisted.ensureDeferred
    async def test_signatures(self, services: Services, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """Signatures of calls come back with the calls that they were made for, whether or not the client thinks."""
        gemini = services.start(Gemini())
        daemon = await start_daemon(config=services.config)
        for words, environment in (("one", {}), ("other", {"CLAUDE_CODE_DISABLE_THINKING": "1"})):
            gemini.says.extend(
                [ModelTurn(calls=bash(words)), ModelTurn(calls=bash("first", "second")), ModelTurn(text="Done.")]
            )
            user = new_user(daemon)
            turn = await user.turn("Go", "--model", gemini.model, *ALLOWED, environment=environment)
            assert turn.answer == "Done."
            assert [opaque_state.unpack_state(block["data"]) is None for block in turn.blocks("redacted_thinking")] == [
                False
            ] * 2
            assert results(gemini) == [words, "first", "second"]
            (one,), (first, second) = signatures(gemini)
            assert one is not None
            assert first is not None
            assert ANY_SIGNATURE not in {one, first}
            assert second is None

    @pytest_twisted.ensureDeferred
    async def test_details(self, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """Reasoning details come back with their turn, wherever in it the backend gave them.

        What comes behind the last text is given up: the client would print nothing instead of that text.
        """
        backend.extensions = {"reasoning", "assistant.reasoning_details", "assistant.reasoning"}
        daemon = await start_daemon({"backend:scripted": {"dialect": "openrouter"}})
        user = new_user(daemon)
        backend.enqueue(
            deltas(thinks("Let me"), thinks(" look."), {"reasoning_details": [SIGNED]}, runs("a")),
            deltas(encrypted("early"), runs("b")),
            deltas(runs("c"), encrypted("late")),
            deltas({"content": "Some text."}, encrypted("between"), runs("d")),
            deltas({"content": "All "}, encrypted("at the end"), {"content": "done."}),
        )
        turn = await user.turn("Go", *ALLOWED)
        assert turn.answer == "All done."
        assert [block["thinking"] for block in turn.blocks("thinking")] == ["Let me look."]
        backend.enqueue(says("Still here."))
        assert (await user.turn("And now?", "--continue", *ALLOWED)).answer == "Still here."
        past = messages(backend.chats[-1], "assistant")
        assert [message.get("reasoning_details") for message in past] == [
            [{**SIGNED, "text": "Let me look."}],
            *(encrypted(word)["reasoning_details"] for word in ("early", "late", "between")),
            None,
        ]
        assert [message["content"] for message in past] == [None, None, None, "Some text.", "All done."]

    @pytest_twisted.ensureDeferred
    async def test_moves(self, services: Services, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """A session goes on with models of other services, each of which gets what it insists on, and back again.

        With another bridge, too: in the end nothing of the first model's is lost.
        """
        gemini, mistral, deepseek = (services.start(one) for one in (Gemini(), Mistral(), DeepSeekV4()))
        user = new_user(await start_daemon(config=services.config))
        told: list[str] = []
        for service in (gemini, mistral, deepseek, gemini):
            word = f"{service.dialect}{len(told)}"
            told.append(word)
            service.says.extend(
                [ModelTurn(thought="Hm.", calls=bash(word)), ModelTurn(thought="So.", text=f"Said {word}.")]
            )
            past = ("--continue",) if len(told) > 1 else ()
            turn = await user.turn(f"Say {word}", "--model", service.model, *past, *ALLOWED)
            assert turn.answer == f"Said {word}."
            assert results(service) == told
        # nothing of Gemini's thinking was ever seen, and Mistral's is not signed
        thoughts = [message["reasoning_content"] for _, message in answers_of(deepseek.accepted[-1])]
        assert thoughts == [" ", " ", "Hm.", "So.", "Hm."]
        first, *others, last = signatures(gemini)
        assert others == [[ANY_SIGNATURE]] * 2
        assert ANY_SIGNATURE not in (*first, *last)  # the client gives to each model what is its own

        user.url = (await start_daemon(config=services.config)).url
        gemini.says.append(ModelTurn(text="Still here."))
        turn = await user.turn("And now?", "--model", gemini.model, "--continue", *ALLOWED)
        assert turn.answer == "Still here."
        assert signatures(gemini) == [first, *others, last]


class ThinkingTests:
    """Thinking that must come back."""

    @pytest_twisted.ensureDeferred
    async def test_deepseek(self, services: Services, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """All of it is there in a tool loop, after a restart of the bridge, and with a bridge at another address."""
        deepseek = services.start(DeepSeekV4())
        daemon = await start_daemon(config=services.config)
        user = new_user(daemon)
        deepseek.says.extend(ModelTurn(thought=f"I need {word}.", calls=bash(word)) for word in ("one", "two", "three"))
        await self.ask(user, deepseek)
        await daemon.stop()
        await start_daemon(config=at_port(services.config, daemon.port))
        await self.ask(user, deepseek, "--continue")
        user.url = (await start_daemon(config=services.config)).url
        await self.ask(user, deepseek, "--continue")

    @staticmethod
    async def ask(user: ClaudeCode, deepseek: Service, *past: str) -> None:
        """Have a turn, and find all thinking of before in its last request."""
        deepseek.says.append(ModelTurn(thought="Now I know.", text=f"Answer {len(deepseek.said)}."))
        turn = await user.turn("Go on", "--model", deepseek.model, *past, *ALLOWED)
        assert turn.answer == deepseek.said[-1].text
        assert deepseek.wanted(deepseek.accepted[-1]) == {one.key: one.thought for one in deepseek.said[:-1]}


FORM = {"index": 0, "format": "anthropic-claude-v1"}
SIGNED = {"type": "reasoning.text", "signature": "signed", **FORM}


def thinks(text: str) -> dict[str, Any]:
    """Make a delta of thinking, as OpenRouter sends Anthropic's (docs/servers.md 2.2)."""
    return {"reasoning": text, "reasoning_details": [{"type": "reasoning.text", "text": text, **FORM}]}


def encrypted(word: str) -> dict[str, Any]:
    """Make a delta of thinking, as OpenRouter sends OpenAI's."""
    form = {"format": "openai-responses-v1", "index": 0, "id": f"rs_{word}"}
    return {"reasoning_details": [{"type": "reasoning.encrypted", "data": f"secret {word}", **form}]}


def runs(word: str) -> dict[str, Any]:
    """Make a delta with a whole call."""
    ((name, arguments),) = bash(word)
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": 0, "id": f"call_{word}", "type": "function", "function": function}]}


def deltas(*told: dict[str, Any]) -> Answer:
    """Make a stream of deltas."""
    finish = "tool_calls" if any("tool_calls" in one for one in told) else "stop"
    return sse(events([*map(chunk, told), chunk({}, finish=finish)]))


def only(**traits: str) -> dict[str, dict[str, str]]:
    """Configure a single model."""
    return {"model:only": {"name": "test-model", **traits}, "route:default": {"models": "only"}}


class ToolTests:
    """What the client's tools bring."""

    @pytest_twisted.ensureDeferred
    async def test_search(
        self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser
    ) -> None:
        """WebSearch shows the model the links that the search engine found."""
        searxng = FakeSearXNG(reactor, lambda _: [page("Rain in Paris", "https://weather.example/paris", "9 °C")])
        searxng.start()
        daemon = await start_daemon({"web_search": {"engine": "searxng", "url": searxng.url}})
        backend.enqueue(
            calls("WebSearch", query="weather"),
            calls("web_search", query="weather Paris"),
            says("It rains."),
            says("Rain, they say."),
        )
        turn = await new_user(daemon).turn("How is the weather?", *ALLOWED)
        await searxng.stop()
        assert turn.answer == "Rain, they say."
        assert searxng.questions == ["weather Paris"]
        assert "9 °C" in said(messages(backend.chats[2], "tool")[-1])
        shown = said(messages(backend.chats[3], "tool")[-1])
        assert '{"title":"Rain in Paris","url":"https://weather.example/paris"}' in shown
        assert "It rains." in shown

    @pytest_twisted.ensureDeferred
    async def test_refused(self, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """What a model cannot see the client takes out, once each, and the session goes on, also later."""
        daemon = await start_daemon(only(images="refuse", pdf="refuse"))
        user = new_user(daemon)
        for name, content in (("dot.png", b64decode(PICTURE)), ("page.pdf", pdfs.pdf("Kumquat."))):
            (user.project / name).write_bytes(content)
            backend.enqueue(calls("Read", f"call_{name[0]}", file_path=str(user.project / name)))
        backend.enqueue(says("I cannot see them."), says("Still here."))
        turn = await user.turn("Look at both", *ALLOWED)
        assert turn.answer == "I cannot see them."
        assert [line["status"] for line in requests(daemon)] == [200, 400, 200, 400, 200]
        assert (await user.turn("And now?", "--continue", *ALLOWED)).answer == "Still here."
        assert [line["status"] for line in requests(daemon)][5:] == [200]
        picture, document = (said(message) for message in messages(backend.chats[-1], "tool"))
        assert "media removed" in picture
        assert "Kumquat" not in document

    @pytest_twisted.ensureDeferred
    async def test_pdf(self, backend: ScriptedBackend, user: ClaudeCode) -> None:
        """A PDF that the model reads reaches it as text."""
        path = user.project / "page.pdf"
        path.write_bytes(pdfs.pdf("Kumquats are fruit.", "Quinces, too."))
        backend.enqueue(calls("Read", file_path=str(path)), says("Fruit."))
        turn = await user.turn("Read it", *ALLOWED)
        assert turn.answer == "Fruit."
        read = said(messages(backend.chats[1], "tool")[-1])
        assert "[page 1]\nKumquats are fruit.\n\n[page 2]\nQuinces, too." in read

    @pytest_twisted.ensureDeferred
    async def test_leaked_call(self, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """A call that the model wrote as text runs, and goes back as a call."""
        user = new_user(await start_daemon(only(recover_tool_calls="yes")))
        call = {"name": "Bash", "arguments": {"command": "echo leaked", "description": "Leak"}}
        backend.enqueue(says(f"Let me look.\n<tool_call>\n{json.dumps(call)}\n</tool_call>"), says("Done."))
        turn = await user.turn("Look", *ALLOWED)
        assert turn.answer == "Done."
        assert [block["text"] for block in turn.blocks("text")] == ["Let me look.", "Done."]
        asked, answered = backend.chats[1].json["messages"][-2:]
        assert [one["function"]["name"] for one in asked["tool_calls"]] == ["Bash"]
        assert said(answered) == "leaked"


class SystemMessageTests:
    """System messages inside the conversation."""

    @pytest_twisted.ensureDeferred
    async def test_rejected(self, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """Where they are refused, the client folds them by itself after one refusal, for the whole session."""
        daemon = await start_daemon(only(system_messages="reject"))
        backend.enqueue(calls("Bash", command="echo hi", description="Hi"), says("Done."))
        turn = await new_user(daemon).turn("Say hi", *ALLOWED)
        assert turn.answer == "Done."
        assert [line["status"] for line in requests(daemon)] == [400, 200, 200]
        for chat in backend.chats:
            assert "# Environment" in said(messages(chat, "user")[0])
            assert len(messages(chat, "system")) == 1
