"""Tests for `claude_bridge.core.conversation`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.conversation import (
    Content,
    Piece,
    State,
    Summary,
    Text,
    ToolCall,
    ToolResult,
    pdfs,
    text_of,
)
from claude_bridge.core.messages_api.to_conversation import conversation_of
from tests.core.asking import IMAGE, asked, assistant, result, sent, system, text, use, user
from tests.core.conversations import CONVERSATIONS


class TextOfTests:
    """Pieces as text."""

    def test_total(self) -> None:
        """Every piece can be said as text."""
        part: Content = Text("a")
        pieces: list[Piece] = [part, Summary("b"), ToolResult("c", [part], is_error=False), ToolCall("d", "e", "{}")]
        assert [text_of(piece) for piece in pieces] == ["a", "b", "[result of call c]\na", "[call of e] {}"]
        assert text_of(State("cb1.x")) == ""


DATA = "JVBERi0xLjQK"


def pdf(data: str = DATA, title: str | None = "T", **more: object) -> dict[str, Any]:
    """Build a PDF document."""
    source = {"type": "base64", "media_type": "application/pdf", "data": data}
    return {"type": "document", "source": source, "title": title, **more}


class PdfsTests:
    """Which documents somebody has to read."""

    def test_everywhere(self) -> None:
        """Each PDF is named once, in order: in the user's words, in results, inside other documents."""
        nested = {"type": "document", "source": {"type": "content", "content": [pdf("c")]}}
        asked_ = asked(
            user(text("x"), pdf("a"), pdf("b", title=None)),
            assistant(use("t")),
            user(result("t", [text("see"), nested, pdf("a")])),
            system(pdf("d")),
        )
        assert pdfs(conversation_of(asked_)) == ["a", "b", "c", "d"]

    def test_default_type(self) -> None:
        """A document that does not say its type is taken for a PDF, as everywhere."""
        assert pdfs(conversation_of(asked(user({"type": "document", "source": {"type": "base64", "data": "a"}})))) == [
            "a"
        ]

    @pytest.mark.parametrize(
        "message",
        [
            user('a string with "document" in it'),
            user(text('"document" application/pdf')),
            user({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}),
            user({"type": "document", "source": {"type": "url", "url": "https://example.org/x.pdf"}}),
            user({"type": "document", "source": {"type": "base64", "media_type": "text/plain", "data": "eA=="}}),
            assistant(pdf()),
            user(IMAGE),
        ],
    )
    def test_others(self, message: dict[str, Any]) -> None:
        """Nothing else is a PDF that the model would see."""
        assert pdfs(conversation_of(asked(message))) == []

    @given(CONVERSATIONS)
    def test_complete(self, messages: list[Any]) -> None:
        """With the texts of these there is no PDF left without one."""
        texts = dict.fromkeys(pdfs(conversation_of(asked(*messages))), "found it")
        whole = sent(user("a"), *messages, target=Target(model="m"), documents=texts)
        spoken = [one["content"] for one in whole["messages"] if one["role"] != "assistant"]
        assert "[document omitted: document.pdf]" not in str(spoken)
