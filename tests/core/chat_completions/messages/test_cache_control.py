"""Tests for `claude_bridge.core.chat_completions.messages.cache_control`.

Marks for servers that cache what is marked.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from claude_bridge.core.chat_completions.dialect import Target
from tests.core.asking import IMAGE, IMAGE_PART, assistant, result, sent, text, use, user
from tests.core.conversations import CONVERSATIONS

MARK = {"cache_control": {"type": "ephemeral"}}
MARKING = Target(model="m", cache_control=True)
PLAIN = Target(model="m")
SYSTEM = [text("s", **MARK)]


def messages(*given_: object, target: Target = MARKING, system: object = SYSTEM) -> Any:
    """Return the messages that the server gets."""
    return sent(*given_, target=target, system=system)["messages"]


def marked(message: dict[str, Any]) -> bool:
    """Return whether a message has a mark."""
    return isinstance(message["content"], list) and any("cache_control" in part for part in message["content"])


def unmarked(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message as it would be without its mark."""
    content = message["content"]
    if isinstance(content, list):
        content = [{key: part[key] for key in part if key != "cache_control"} for part in content]
        if [part["type"] for part in content] == ["text"]:
            content = content[0]["text"]
    return {**message, "content": content}


class MarkTests:
    """Where the marks are."""

    def test_system_and_user(self) -> None:
        """The system prompt and the two most recent messages of the user are marked, their text as it was."""
        told = messages(user("a"), assistant("b"), user("c"), assistant("d"), user("e"))
        part = {"type": "text", **MARK}
        assert [one["content"] for one in told] == [
            [{**part, "text": "s"}], "a", "b", [{**part, "text": "c"}], "d", [{**part, "text": "e"}],
        ]  # fmt: skip

    def test_tool_loop(self) -> None:
        """In a tool loop the results are what was said to the model: the last of each turn is marked."""
        told = messages(
            user("a"),
            assistant(use("t"), use("u")),
            user(result("t"), result("u")),
            assistant(use("v")),
            user(result("v"), text("b")),
        )
        assert [(one["role"], marked(one)) for one in told] == [
            ("system", True),
            ("user", False),
            ("assistant", False),
            ("tool", False),
            ("tool", True),
            ("assistant", False),
            ("tool", False),
            ("user", True),
        ]

    def test_beside_images(self) -> None:
        """Among parts the last text is marked; where there is none the message before is."""
        told = messages(user("a"), assistant("b"), user(text("c"), text("d"), IMAGE))
        assert told[-1]["content"][1:] == [{"type": "text", "text": "d", **MARK}, IMAGE_PART]
        told = messages(user("a"), assistant("b"), user("c"), assistant("d"), user(IMAGE), assistant("e"), user("f"))
        assert [marked(one) for one in told] == [True, False, False, True, False, False, False, True]

    def test_developer(self) -> None:
        """A system prompt in the developer's role is one too."""
        assert marked(messages(user("a"), target=Target(model="m", cache_control=True, system_role="developer"))[0])

    def test_no_text(self) -> None:
        """An empty text has no mark: it would be refused."""
        assert messages(user(""), system=[text("", **MARK)]) == [{"role": "user", "content": ""}]

    @pytest.mark.parametrize(
        ("given_", "system"),
        [
            (user(text("a", **MARK)), "s"),
            (user(result("t", "x", **MARK)), None),
            (assistant(text("a", **MARK)), [text("s")]),
        ],
    )
    def test_asked(self, given_: dict[str, Any], system: object) -> None:
        """One mark of the client's anywhere is enough."""
        assert any(map(marked, messages(given_, user("b"), system=system)))

    @pytest.mark.parametrize("system", ["s", [text("s")], [text('say "cache_control"')], None])
    def test_not_asked(self, system: object) -> None:
        """A client that marks nothing gets nothing marked, whatever it talks about."""
        assert not any(map(marked, messages(user("cache_control"), system=system)))

    def test_elsewhere(self) -> None:
        """Servers that do not know marks never see one."""
        given_ = [user(text("a", **MARK)), assistant("b"), user("c")]
        assert "cache_control" not in str(messages(*given_, target=PLAIN))

    @given(CONVERSATIONS)
    def test_any(self, conversation: list[Any]) -> None:
        """There are never more than four marks, and without them every message is as it would have been."""
        told = messages(user("a"), *conversation)
        assert str(told).count("cache_control") <= 4
        assert marked(told[0])
        assert [unmarked(one) for one in told] == messages(user("a"), *conversation, target=PLAIN)
