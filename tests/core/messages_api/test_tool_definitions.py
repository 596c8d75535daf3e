"""Tests for `claude_bridge.core.messages_api.tool_definitions`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_bridge.core.messages_api import tool_definitions as messages_tools
from tests.core.asking import asked, assistant, chat, result, system, text, tool, use, user

DOTTED = "server.search"


def functions(sent: Any) -> list[Any]:
    """Return the offered functions."""
    return [one["function"] for one in sent.get("tools", ())]


def names(*messages: object, **fields: Any) -> list[str]:
    """Return the names of the tools that the backend is offered."""
    return [one["name"] for one in functions(chat(*messages, **fields))]


class DeferredTests:
    """Tools that appear and go in the course of a conversation."""

    def test_deferred(self) -> None:
        """A deferred tool is only offered once tool search has found it; Claude Code's placeholder never is."""
        given = [
            tool("ToolSearch"),
            tool("DeferredToolPlaceholder", defer_loading=True),
            tool("Found", defer_loading=True),
            tool("Hidden", defer_loading=True),
        ]
        found = [
            user("hi"),
            assistant(use("s", "ToolSearch")),
            user(result("s", [{"type": "tool_reference", "tool_name": "Found"}])),
        ]
        assert names(user("hi"), tools=given) == ["ToolSearch"]
        assert names(*found, tools=given) == ["ToolSearch", "Found"]

    def test_found_by_anthropic(self) -> None:
        """A tool that Anthropic's own tool search found earlier in the session is offered too."""
        search = {
            "type": "tool_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": {
                "type": "tool_search_tool_search_result",
                "tool_references": [{"type": "tool_reference", "tool_name": "Found"}],
            },
        }
        given = [tool("Found", defer_loading=True), tool("Hidden", defer_loading=True)]
        assert names(user("hi"), assistant(search), user("go"), tools=given) == ["Found"]

    def test_addition_and_removal(self) -> None:
        """A message can bring a tool and take it away again; the last word counts."""
        given = [tool("a"), tool("b", defer_loading=True)]
        add_b = system({"type": "tool_addition", "tool": {"type": "tool_reference", "name": "b"}})
        remove_a = system({"type": "tool_removal", "tool": {"type": "tool_reference", "name": "a"}})
        add_a = system({"type": "tool_addition", "tool": {"type": "tool_reference", "name": "a"}})
        assert names(user("hi"), add_b, tools=given) == ["a", "b"]
        assert names(user("hi"), add_b, remove_a, tools=given) == ["b"]
        assert names(user("hi"), remove_a, add_a, tools=given) == ["a"]

    def test_defined_in_a_message(self) -> None:
        """A tool that is defined inside the conversation is offered as if it stood in the list."""
        added = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": tool("late")}}
        sent = chat(user("hi"), system(added), tools=[tool("a")])
        assert functions(sent)[1] == {
            "name": "late",
            "description": "Does late.",
            "parameters": {"type": "object", "properties": {}},
        }
        assert names(user("hi"), system(added)) == ["late"]

    @pytest.mark.parametrize(
        "change",
        [
            {"type": "mcp_tool_reference", "server_name": "s", "name": "a"},
            {"type": "mcp_toolset_reference", "server_name": "s"},
            {"type": "tool_definition", "definition": {"type": "mcp_toolset", "mcp_server_name": "s"}},
            {"type": "tool_reference", "name": None},
            None,
            "a",
        ],
    )
    @pytest.mark.parametrize("kind", ["tool_addition", "tool_removal"])
    def test_not_ours(self, kind: str, change: object) -> None:
        """A change that concerns tools of Anthropic's MCP client, or nothing at all, leaves the list as it is."""
        assert names(user("hi"), system({"type": kind, "tool": change}), tools=[tool("a")]) == ["a"]


class OnlyWebSearchTests:
    """Claude Code's WebSearch side request."""

    SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}  # noqa: RUF012 - never changed

    def test_recognised(self) -> None:
        """A request whose only tools Anthropic would run, web search among them, is that request."""
        assert self._only([self.SEARCH])
        assert self._only([self.SEARCH, {"type": "web_fetch_20250910", "name": "web_fetch"}])
        assert self._only([self.SEARCH, tool("a", defer_loading=True)])

    def test_others(self) -> None:
        """A request with a tool that the backend can be offered is not, nor one without web search."""
        assert not self._only([self.SEARCH, tool("a")])
        assert not self._only([{"type": "web_fetch_20250910", "name": "web_fetch"}])
        assert not self._only([tool("web_search_own")])
        assert not self._only([self.SEARCH, tool("a", defer_loading=True)], loaded={"a"})

    def test_free_for_ordinary_requests(self) -> None:
        """The conversation is not looked at unless a deferred tool makes it matter."""

        def unread() -> set[str]:
            raise AssertionError

        for list_ in ([tool("a"), tool("b", defer_loading=True)], [self.SEARCH], [self.SEARCH, tool("a")]):
            messages_tools.only_web_search(asked(user("hi"), tools=list_).tools or (), referenced=unread)

    @staticmethod
    def _only(given: list[Any], loaded: set[str] | None = None) -> bool:
        return messages_tools.only_web_search(
            asked(user("hi"), tools=given).tools or (), referenced=lambda: loaded or set()
        )


class SchemaTests:
    """The schemas written for typed tools."""

    def test_valid(self) -> None:
        """Each is JSON for an object's schema whose required properties exist."""
        for name, description, schema in messages_tools._CLIENT_TOOLS.values():
            value = json.loads(schema)
            assert name
            assert description
            assert value["type"] == "object"
            assert set(value.get("required", ())) <= value["properties"].keys()

    def test_text_blocks_beside(self) -> None:
        """A tool's name in a text is left alone."""
        sent = chat(user(text(f"use {DOTTED}")), tools=[tool(DOTTED)])
        assert sent["messages"][0]["content"] == f"use {DOTTED}"
