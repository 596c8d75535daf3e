"""Tests for `claude_bridge.core.chat_completions.chat_tools`: which tools a backend is offered, under which names."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal, get_args

import pytest

from claude_bridge.core.chat_completions import chat_tools
from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.conversation import ToolChoice
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.tool_choice import ToolChoices
from tests.core.asking import TARGET, asked, assistant, chat, refusal, result, system, text, tool, translate, use, user
from tests.core.asking import sent as sent_to

LONG = "mcp__" + "very_long_server_name_" * 4 + "search"
DOTTED = "server.search"
SERVER_TYPES = [
    "web_search_20250305", "web_search_20260209", "web_search_20260318", "web_search_20300101", "web_fetch_20250910",
    "web_fetch_20260209", "web_fetch_20260309", "web_fetch_20260318", "code_execution_20250522",
    "code_execution_20250825", "code_execution_20260120", "code_execution_20260521", "tool_search_tool_bm25_20251119",
    "tool_search_tool_regex_20251119", "advisor_20260301", "mcp_toolset",
]  # fmt: skip


def functions(sent: Any) -> list[Any]:
    """Return the offered functions."""
    return [one["function"] for one in sent.get("tools", ())]


def names(*messages: object, **fields: Any) -> list[str]:
    """Return the names of the tools that the backend is offered."""
    return [one["name"] for one in functions(chat(*messages, **fields))]


class DefinitionTests:
    """What becomes of a definition."""

    def test_custom(self) -> None:
        """A custom tool keeps its name, description and schema; everything else about it stays here."""
        schema = {"$schema": "x", "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
        sent = chat(
            user("hi"),
            tools=[
                tool(
                    "a",
                    type="custom",
                    input_schema=schema,
                    strict=True,
                    cache_control={"type": "ephemeral"},
                    eager_input_streaming=True,
                    input_examples=[{"a": "b"}],
                    allowed_callers=["direct"],
                    defer_loading=False,
                )
            ],
        )
        assert sent["tools"] == [
            {"type": "function", "function": {"name": "a", "description": "Does a.", "parameters": schema}}
        ]

    def test_schema_bytes(self) -> None:
        """A schema reaches the backend byte for byte."""
        schema = b'{ "type":"object", "properties" : {"n":{"maximum":1.50}} }'
        raw = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"tools":[{"name":"a",'
        body = raw + b'"input_schema":' + schema + b"}]}"
        assert schema in translate(parsing.decode(body), TARGET).body

    @pytest.mark.parametrize("more", [{}, {"input_schema": None}, {"input_schema": {}}, {"description": None}])
    def test_little_said(self, more: dict[str, Any]) -> None:
        """A tool without description or parameters can be offered: it takes an empty object."""
        (function,) = functions(chat(user("hi"), tools=[{"name": "a", **more}]))
        assert function == {"name": "a", "parameters": {"type": "object", "properties": {}}}

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ({"input_schema": {"type": "object"}}, "tools.1.name: Field required"),
            ({"name": "", "type": "custom"}, "tools.1.name: Field required"),
            ({"name": 5}, "tools.1.name: "),
            ({"name": "a", "input_schema": []}, "tools.1.input_schema: Input should be an object"),
            ("a", "tools.1: "),
        ],
    )
    def test_malformed(self, value: object, expected: str) -> None:
        """A malformed definition is refused by its place in the list."""
        assert refusal(user("hi"), tools=[tool("x"), value]).startswith(expected)

    @pytest.mark.parametrize(
        ("kind", "given", "offered", "property_"),
        [
            ("bash_20250124", "bash", "bash", "command"),
            ("bash_20300101", None, "bash", "command"),
            ("text_editor_20250124", "str_replace_editor", "str_replace_editor", "old_str"),
            ("text_editor_20250429", "str_replace_based_edit_tool", "str_replace_based_edit_tool", "old_str"),
            ("text_editor_20250728", "str_replace_based_edit_tool", "str_replace_based_edit_tool", "old_str"),
            ("memory_20250818", "memory", "memory", "new_path"),
            ("computer_20241022", "computer", "computer", "coordinate"),
            ("computer_20250124", "computer", "computer", "coordinate"),
            ("computer_20251124", "computer", "computer", "coordinate"),
        ],
    )
    def test_typed_client_tools(self, kind: str, given: str | None, offered: str, property_: str) -> None:
        """A tool that Anthropic's models know by heart is described to a model that does not, whatever its date."""
        typed = {"type": kind} if given is None else {"type": kind, "name": given, "max_characters": 100}
        (function,) = functions(chat(user("hi"), tools=[typed]))
        assert function["name"] == offered
        assert function["description"]
        assert property_ in function["parameters"]["properties"]

    def test_screen_size(self) -> None:
        """A model is told how large the screen is that it is to click on."""
        computer = {"type": "computer_20250124", "name": "computer", "display_width_px": 1024, "display_height_px": 768}
        (function,) = functions(chat(user("hi"), tools=[computer]))
        assert function["description"].endswith("The screen is 1024 pixels wide and 768 high.")

    @pytest.mark.parametrize("kind", SERVER_TYPES)
    def test_server_tools(self, kind: str) -> None:
        """A tool that Anthropic's servers would run is not offered; the others are, and no choice points to it."""
        server = {"type": kind, "name": "served", "max_uses": 8}
        sent = chat(user("hi"), tools=[server, tool("a")], tool_choice={"type": "tool", "name": "served"})
        assert [one["name"] for one in functions(sent)] == ["a"]
        assert "tool_choice" not in sent

    @pytest.mark.parametrize("kind", ["computer_toolset_20260801", "browser_toolset_20260801", "novel_20300101"])
    def test_unknown_typed_tools(self, kind: str) -> None:
        """A typed tool of which nobody here knows what it takes is left out, not refused."""
        sent = chat(user("hi"), tools=[{"type": kind, "configs": {}}])
        assert "tools" not in sent

    def test_unknown_type_with_a_schema(self) -> None:
        """A tool of unknown type that brings its own schema is as good as any."""
        assert names(user("hi"), tools=[tool("a", type="novel_20300101")]) == ["a"]

    def test_one_name_twice(self) -> None:
        """Of two tools with one name the first is offered: servers refuse two."""
        (function,) = functions(chat(user("hi"), tools=[tool("a"), tool("a", description="other")]))
        assert function["description"] == "Does a."

    def test_no_tools(self) -> None:
        """Where no tool is left, neither tools nor anything about them is sent."""
        for list_ in (None, [], [{"type": "web_fetch_20250910", "name": "web_fetch"}]):
            sent = chat(user("hi"), tools=list_, tool_choice={"type": "any", "disable_parallel_tool_use": True})
            assert not {"tools", "tool_choice", "parallel_tool_calls"} & sent.keys()


class ChoiceTests:
    """The tool choice."""

    @pytest.mark.parametrize(
        ("choice", "expected"),
        [
            ({"type": "auto"}, "auto"),
            ({"type": "any"}, "required"),
            ({"type": "none"}, "none"),
            ({"type": "tool", "name": "b"}, {"type": "function", "function": {"name": "b"}}),
            ({"type": "tool", "name": "unknown"}, None),
            ({"type": "tool"}, None),
            ({"type": "novel"}, "auto"),
            (None, None),
        ],
    )
    def test_choice(self, choice: object, expected: object) -> None:
        """Each choice has its counterpart; one that points at nothing is left out."""
        sent = chat(user("hi"), tools=[tool("a"), tool("b")], tool_choice=choice)
        assert sent.get("tool_choice") == expected

    def test_nothing_to_choose(self) -> None:
        """Without tools there is no choice."""
        kinds: tuple[Literal["any", "auto", "none", "tool"], ...] = ("any", "auto", "none", "tool")
        for kind in kinds:
            chosen = chat_tools.resolve_choice(ToolChoice(kind=kind), chat_tools.OfferedTools([], {}), "named")
            assert chosen == chat_tools.ResolvedToolChoice(definitions=[])

    @pytest.mark.parametrize(("value", "expected"), [(True, False), (False, None), (None, None)])
    @pytest.mark.parametrize("kind", ["auto", "any", "tool"])
    def test_parallel(self, kind: str, value: object, expected: object) -> None:
        """A client that wants one call at a time gets that passed on."""
        choice = {"type": kind, "name": "a", "disable_parallel_tool_use": value}
        assert chat(user("hi"), tools=[tool("a")], tool_choice=choice).get("parallel_tool_calls") is expected


FORMS: list[tuple[ToolChoices, str, object, list[str]]] = [
    ("named", "any", "required", ["a", "b"]),
    ("named", "tool", {"type": "function", "function": {"name": "b"}}, ["a", "b"]),
    ("named", "none", "none", ["a", "b"]),
    ("required", "any", "required", ["a", "b"]),
    ("required", "tool", "required", ["b"]),
    ("required", "none", "none", ["a", "b"]),
    ("any", "any", "any", ["a", "b"]),
    ("any", "tool", "any", ["b"]),
    ("any", "none", "none", ["a", "b"]),
    ("auto", "any", "auto", ["a", "b"]),
    ("auto", "tool", "auto", ["b"]),
    ("auto", "auto", "auto", ["a", "b"]),
    ("auto", "none", None, []),
    ("none", "any", None, ["a", "b"]),
    ("none", "tool", None, ["b"]),
    ("none", "auto", None, ["a", "b"]),
    ("none", "none", None, []),
]


class FormTests:
    """The tool choice at servers that take less than all of its forms."""

    @pytest.mark.parametrize(("form", "kind", "expected", "offered"), FORMS)
    def test_forms(self, form: ToolChoices, kind: str, expected: object, offered: list[str]) -> None:
        """Each choice reaches the server in the strongest form it takes; a single tool is offered alone if need be."""
        target = Target(model="m", tool_choice=form)
        sent = sent_to(user("hi"), target=target, tools=[tool("a"), tool("b")], tool_choice={"type": kind, "name": "b"})
        assert sent.get("tool_choice") == expected
        assert [one["name"] for one in functions(sent)] == offered

    @pytest.mark.parametrize("form", ["auto", "none"])
    @pytest.mark.parametrize(
        ("kind", "said"), [("any", "You must call one of your tools now."), ("tool", "You must call the tool b now.")]
    )
    def test_said_where_it_cannot_be_forced(self, form: ToolChoices, kind: str, said: str) -> None:
        """A model that cannot be forced is told at the very end, behind every prefix that may be cached."""
        sent = sent_to(
            system("Be brief."),
            user("hi"),
            system=[text("rules")],
            target=Target(model="m", tool_choice=form),
            tools=[tool("a"), tool("b")],
            tool_choice={"type": kind, "name": "b"},
        )
        assert sent["messages"][0]["content"] == "rules"
        assert sent["messages"][-1]["content"].endswith(f"\n\n{said}")

    @pytest.mark.parametrize("form", ["named", "required", "any"])
    def test_nothing_said_where_it_is_forced(self, form: ToolChoices) -> None:
        """Where the server forces the call, the conversation stays as it is."""
        for kind in ("any", "tool"):
            sent = sent_to(
                user("hi"),
                target=Target(model="m", tool_choice=form),
                tools=[tool("a")],
                tool_choice={"type": kind, "name": "a"},
            )
            assert sent["messages"] == [{"role": "user", "content": "hi"}]

    @pytest.mark.parametrize("form", ["required", "any", "auto", "none"])
    def test_history_of_other_tools(self, form: ToolChoices) -> None:
        """A choice of one tool leaves the calls of others in the conversation."""
        sent = sent_to(
            user("hi"),
            assistant(use("x", "a")),
            user(result("x")),
            target=Target(model="m", tool_choice=form),
            tools=[tool("a"), tool("b")],
            tool_choice={"type": "tool", "name": "b"},
        )
        assert sent["messages"][1]["tool_calls"][0]["function"]["name"] == "a"
        assert [one["name"] for one in functions(sent)] == ["b"]

    def test_unknown_tool(self) -> None:
        """A choice of a tool that is not offered is no choice, at any server."""
        for form in get_args(ToolChoices):
            sent = sent_to(
                user("hi"),
                target=Target(model="m", tool_choice=form),
                tools=[tool("a")],
                tool_choice={"type": "tool", "name": "gone"},
            )
            assert "tool_choice" not in sent
            assert [one["name"] for one in functions(sent)] == ["a"]
            assert sent["messages"][-1]["content"] == "hi"

    def test_switched_off_for_good(self) -> None:
        """Where no tools are sent, nothing else about them is."""
        choice = {"type": "none", "disable_parallel_tool_use": True}
        sent = sent_to(user("hi"), target=Target(model="m", tool_choice="auto"), tools=[tool("a")], tool_choice=choice)
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & sent.keys()
        translated = translate(
            asked(user("hi"), tools=[tool("a")], tool_choice=choice), Target(model="m", tool_choice="none")
        )
        assert not translated.with_tools


class LevelTests:
    """Schemas at servers that do not take every one."""

    SCHEMA: ClassVar = {"$schema": "x", "type": "object", "properties": {"a": {"type": "string", "pattern": "^a"}}}

    def test_level(self) -> None:
        """Each schema is brought down to the server's level, and what went is told."""
        target = Target(model="m", schema="bare")
        given = [tool("a", input_schema=self.SCHEMA), tool("b")]
        first, second = functions(chat(user("hi"), target=target, tools=given))
        assert first["parameters"] == {"type": "object", "properties": {"a": {"type": "string"}}}
        assert second["parameters"] == {"type": "object", "properties": {}}
        translated = translate(asked(user("hi"), tools=given), target)
        assert translated.dropped_keywords == {"$schema", "pattern"}

    CLOSED: ClassVar = {**SCHEMA, "required": ["a"], "additionalProperties": False}

    @pytest.mark.parametrize(
        ("trait", "schema", "strict", "expected"),
        [
            (True, CLOSED, True, True),
            (True, CLOSED, False, False),
            (True, CLOSED, None, None),
            (True, SCHEMA, True, None),
            (False, CLOSED, True, None),
        ],
    )
    def test_strict(self, trait: bool, schema: object, strict: bool | None, expected: bool | None) -> None:
        """A strict tool stays one where the server knows that and would not refuse its schema for it."""
        sent = chat(
            user("hi"),
            target=Target(model="m", strict=trait),
            tools=[tool("a", input_schema=schema, strict=strict)],
        )
        assert functions(sent)[0].get("strict") is expected


class NameTests:
    """Names that the backend would refuse."""

    @pytest.mark.parametrize("name", [LONG, DOTTED, "ä", "a b", "line\n", "", "x" * 65])
    def test_everywhere_and_back(self, name: str) -> None:
        """A name too long or illegal has one legal form in definition, history and choice, and the way back."""
        given = [tool(name)] if name else []
        messages = [user("hi"), assistant(use("a", name)), user(result("a"))]
        request_ = asked(*messages, tools=given, tool_choice={"type": "tool", "name": name})
        sent = chat(*messages, tools=given, tool_choice={"type": "tool", "name": name})
        legal = sent["messages"][1]["tool_calls"][0]["function"]["name"]
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", legal)
        assert translate(request_, TARGET).tool_names == {legal: name}
        if given:
            assert functions(sent)[0]["name"] == legal
            assert sent["tool_choice"]["function"]["name"] == legal

    def test_reference(self) -> None:
        """A model is told the name under which it can call a tool that was found."""
        found = result("s", [{"type": "tool_reference", "tool_name": DOTTED}])
        sent = chat(user("x"), assistant(use("s")), user(found), tools=[tool(DOTTED, defer_loading=True)])
        assert sent["messages"][-1]["content"] == f"Tool {functions(sent)[0]['name']} is available now."

    def test_legal_names_stay(self) -> None:
        """A legal name is not touched, and nothing is to be mapped back."""
        translated = translate(asked(user("hi"), tools=[tool("Read-me_2"), tool("x" * 64)]), TARGET)
        assert translated.tool_names == {}
        assert names(user("hi"), tools=[tool("Read-me_2"), tool("x" * 64)]) == ["Read-me_2", "x" * 64]
