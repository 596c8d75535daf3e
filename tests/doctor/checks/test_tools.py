"""Promises of the checks of tools, the complaint that people have most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.core.chat_completions.tool_parsers.syntaxes import SYNTAXES
from claude_bridge.doctor.checks.tools import PARSERS, written_form
from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import chat_stream, error, json_answer, sse
from claude_bridge.testing.friendly import Friendly
from claude_bridge.testing.received import Received
from tests.doctor.stand_ins import entry, examined, first, of, served, sometimes, wrong

HERMES = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'


def writing(text: str) -> Callable[[Received], Answer]:
    """Return a script that writes its calls as text, in whatever way it is asked for one."""

    def asks(body: dict[str, Any]) -> bool:
        return "tools" in body and body["messages"][-1]["role"] == "user" and "weather" in str(body["messages"])

    return sometimes(asks, sse(chat_stream(text=text)))


def weak(received: Received) -> Answer:
    """Call a tool only if it must."""
    friendly, body = Friendly(), received.json
    if body.get("tools") and body.get("tool_choice", "auto") == "auto" and body["messages"][-1]["role"] == "user":
        return sse(chat_stream(text="It is sunny."))
    return friendly(received)


class ToolsTests:
    """Claude Code lives by tools."""

    @pytest_twisted.ensureDeferred
    async def test_no_parser(self, reactor: Any) -> None:
        """Calls in the text are recognised, with the flag of the server and the line of the configuration."""
        listed = [entry("my-model", "vllm", max_model_len=131_072)]
        async with served(reactor, writing(HERMES), listed=listed, models=["my-model"]) as server:
            findings = await examined(reactor, server.url)
        assert first(findings).number == 9
        assert first(findings).level == "fault"
        assert "calls come as text, in the form of Hermes" in first(findings).sentence
        assert "--enable-auto-tool-choice --tool-call-parser hermes" in first(findings).sentence
        assert first(findings).option == "recover_tool_calls = yes"

    @pytest_twisted.ensureDeferred
    async def test_no_parser_and_the_bridge_helps(self, reactor: Any) -> None:
        """Where the bridge makes real calls of them it works."""
        async with served(reactor, writing(HERMES)) as server:
            more = "[model:m]\nname = test-model\nrecover_tool_calls = yes"
            findings = await examined(reactor, server.url, more=more)
        assert [number for number, level in wrong(findings) if level == "fault"] == []
        assert of(findings, 9).level == "ok"

    @pytest_twisted.ensureDeferred
    async def test_bare_json(self, reactor: Any) -> None:
        """A call as nothing but JSON is one too."""
        text = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
        async with served(reactor, writing(text)) as server:
            findings = await examined(reactor, server.url)
        assert "in the form of JSON" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_refused(self, reactor: Any) -> None:
        """VLLM without its flags says which are missing."""
        told = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
        refusal = error(400, {"message": told, "type": "BadRequestError", "code": 400})
        async with served(reactor, sometimes(lambda body: "tools" in body, refusal)) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(9, "fault")]  # and nothing of choices, results and schemas, which follow from it
        assert "--enable-auto-tool-choice --tool-call-parser NAME" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_fails_inside_the_answer(self, reactor: Any) -> None:
        """A server that cannot read what the model has written refuses nothing: what it takes is not known."""
        failing = sse([b'data: {"error": {"code": 500, "message": "does not match the expected format"}}\n\n'])
        async with served(reactor, sometimes(lambda body: "tools" in body, failing)) as server:
            findings = await examined(reactor, server.url)
        assert (9, "fault") in wrong(findings)
        assert first(findings).sentence.startswith("the answer fails when a tool is offered: ")
        assert "refused" not in str([each.sentence for each in findings])
        assert {level for number, level in wrong(findings) if number in {10, 14}} == {"warning"}

    @pytest_twisted.ensureDeferred
    async def test_no_tools_at_all(self, reactor: Any) -> None:
        """A model that takes none is named as what it is."""
        refusal = error(400, {"message": "registry.ollama.ai/library/gemma:2b does not support tools"})
        async with served(reactor, sometimes(lambda body: "tools" in body, refusal)) as server:
            findings = await examined(reactor, server.url)
        assert first(findings).number == 9
        assert "does not support tools" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_template_without_tools(self, reactor: Any) -> None:
        """llama.cpp tells without a token that the template has no tools."""
        caps = json_answer(200, {"chat_template_caps": {"supports_tools": False}})
        listed = [entry(owner="llamacpp", max_model_len=131_072)]
        async with served(reactor, listed=listed, pages={("GET", "/props"): caps}, strict=False) as server:
            findings = await examined(reactor, server.url)
            assert not any(
                "get_weather" in chat.body.decode() for chat in server.chats if b'role":"tool' not in chat.body
            )
        assert wrong(findings) == [(9, "fault")]
        assert "--chat-template-file" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_only_if_forced(self, reactor: Any) -> None:
        """A model that calls only when it must is a weak one."""
        async with served(reactor, weak) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(9, "warning")]
        assert "only when it is forced" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_never(self, reactor: Any) -> None:
        """A model that never calls is none for Claude Code."""
        async with served(reactor, lambda _: sse(chat_stream(text="It is sunny."))) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(9, "fault")]
        assert "was not trained for tools" in first(findings).sentence


VALUES = "Invalid tool_choice type: 'object'. Supported string values: none, auto, required"


def choice(body: dict[str, Any]) -> str:
    """Return what kind of tool choice a request has."""
    given = body.get("tool_choice", "")
    return given if isinstance(given, str) else "named"


class ToolChoiceTests:
    """How a tool is forced."""

    @pytest_twisted.ensureDeferred
    async def test_all_taken(self, reactor: Any) -> None:
        """A server that takes every form is a good one."""
        async with served(reactor) as server:
            findings = await examined(reactor, server.url)
            sent = [choice(chat.json) for chat in server.chats]
        assert wrong(findings) == []
        assert of(findings, 10).sentence == "a tool by its name, required and none are accepted (`tool_choice = named`)"
        assert {"named", "required", "none"} <= set(sent)

    @pytest_twisted.ensureDeferred
    async def test_named_refused(self, reactor: Any) -> None:
        """What is taken instead is told, as a line for the configuration."""
        script = sometimes(lambda body: choice(body) == "named", error(400, {"message": VALUES}))
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(10, "warning")]
        assert "to send `required` with that tool alone" in first(findings).sentence
        assert first(findings).option == "tool_choice = required"

    @pytest.mark.parametrize(("refused", "taken"), [({"named"}, "required"), ({"named", "required"}, "auto")])
    @pytest_twisted.ensureDeferred
    async def test_words_that_teach_nothing(self, reactor: Any, refused: set[str], taken: str) -> None:
        """What is taken is found, although the refusal does not tell the bridge what it is about."""
        script = sometimes(lambda body: choice(body) in refused, error(400, {"message": "no"}))
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(10, "warning")]
        assert first(findings).sentence.startswith("a tool that is forced by its name is refused (")
        assert first(findings).option == f"tool_choice = {taken}"

    @pytest_twisted.ensureDeferred
    async def test_required_refused(self, reactor: Any) -> None:
        """A server that takes a name and not `required` has a line, too."""
        script = sometimes(lambda body: choice(body) in {"required", "any"}, error(400, {"message": "no"}))
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(10, "warning")]
        assert first(findings).sentence.startswith("`required` is refused, while a tool's name is accepted (")
        assert first(findings).option == "tool_choice = auto"

    @pytest_twisted.ensureDeferred
    async def test_none_refused(self, reactor: Any) -> None:
        """What the bridge sends instead of `none` is told; a line would take more away than it gives."""
        script = sometimes(lambda body: choice(body) == "none", error(400, {"message": "no"}))
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(10, "warning")]
        assert first(findings).sentence.startswith("`tool_choice = none` is refused")
        assert first(findings).option == ""

    @pytest_twisted.ensureDeferred
    async def test_known_dialect(self, reactor: Any) -> None:
        """What a dialect does not send is not asked for."""
        listed = [entry(owner="organization_owner", loaded_context_length=65_536)]
        async with served(reactor, listed=listed) as server:
            findings = await examined(reactor, server.url)
            assert "named" not in [choice(chat.json) for chat in server.chats]
        assert wrong(findings) == []
        assert of(findings, 10).sentence.startswith("required is the most")


class ResultsTests:
    """What tools return goes back to the model."""

    @pytest_twisted.ensureDeferred
    async def test_template_that_fails(self, reactor: Any) -> None:
        """A template that cannot have two results is named."""
        refusal = error(500, {"message": "Only one tool call is supported at a time", "type": "server_error"})
        script = sometimes(lambda body: body["messages"][-1]["role"] == "tool", refusal)
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert first(findings).number == 11
        assert "Only one tool call" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_empty(self, reactor: Any) -> None:
        """An empty answer to results is a doubt."""
        empty = sse(chat_stream(text=""))
        script = sometimes(lambda body: body["messages"][-1]["role"] == "tool", empty)
        async with served(reactor, script) as server:
            findings = await examined(reactor, server.url)
        assert (11, "warning") in wrong(findings)


class WrittenFormTests:
    """The form of a call in a text."""

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            (f"Let me see. {HERMES}", "Hermes"),
            ("<function=get_weather><parameter=city>Paris</parameter></function>", "Qwen3-Coder"),
            ('[TOOL_CALLS]get_weather{"city": "Paris"}', "Mistral"),
            ('<|channel|>commentary to=functions.get_weather<|message|>{"city": "Paris"}<|call|>', "gpt-oss"),
        ],
    )
    def test_known(self, text: str, name: str) -> None:
        """Each known form has the parsers that read it."""
        form = written_form(text)
        assert form is not None
        assert form[0] == name

    def test_no_call(self) -> None:
        """Talk about a tool is no call."""
        assert written_form("I would call get_weather for Paris.") is None

    def test_every_syntax_has_parsers(self) -> None:
        """No syntax that the bridge reads is without the names of the servers' parsers."""
        assert {syntax.__name__ for syntax in SYNTAXES.values()} <= set(PARSERS)
