"""Tests for `claude_bridge.core.chat_completions.messages.alternation`: what templates that insist on turns accept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.chat_completions.messages.alternation import ACKNOWLEDGED, OPENING, alternated
from claude_bridge.core.chat_completions.openai_types import ChatMessage
from claude_bridge.core.turns import SystemMessages
from tests.contract.chat_completion import spoken
from tests.core.asking import IMAGE, IMAGE_PART, asked, assistant, result, system, text, told, translate, use, user
from tests.core.conversations import CONVERSATIONS, TOOLS, spoken_words

STRICT = Target(model="m", alternate=True)
REMINDER = "<system-reminder>\nr\n</system-reminder>"
POLICIES: st.SearchStrategy[SystemMessages] = st.sampled_from(["fold", "inline", "leading"])
AFTER = {"": {"user"}, "user": {"assistant"}, "assistant": {"user", "tool"}, "tool": {"tool", "assistant"}}
"""Who may speak after whom, as mistral-common 1.8 checks requests."""


def complaints(messages: list[dict[str, Any]]) -> list[str]:
    """Return what strict templates would raise.

    Two readings: mistral-common's validator, and the template of Mistral 7B Instruct v0.3, which counts neither tool
    messages nor assistant messages with calls; without any of those it is Llama 2's and Gemma 2's, too.
    """
    rest = messages[1:] if messages[0]["role"] == "system" else messages
    found = []
    before = ""
    for one in rest:
        if one["role"] not in AFTER[before]:
            found.append(f"Unexpected role '{one['role']}' after role '{before}'")
        before = one["role"]
    counted = [one for one in rest if one["role"] != "tool" and not one.get("tool_calls")]
    for at, one in enumerate(counted):
        if (one["role"] == "user") != (at % 2 == 0):
            found.append("Conversation roles must alternate user/assistant/user/assistant/...")
    return found


def shape(messages: Any) -> list[tuple[str, Any]]:
    """Return roles and contents."""
    return [(one["role"], one["content"]) for one in messages]


class CheckerTests:
    """The check that the others rest on."""

    @pytest.mark.parametrize(
        "roles",
        [
            ["assistant"],
            ["system", "assistant"],
            ["user", "user"],
            ["user", "system"],
            ["user", "assistant", "assistant"],
        ],
    )
    def test_refuses(self, roles: list[str]) -> None:
        """It does refuse what a strict template refuses."""
        assert complaints([{"role": role, "content": "x"} for role in roles])

    def test_generic_is_refused(self) -> None:
        """What a lenient server gets would be refused in each of these cases."""
        for messages in (
            [assistant("a")],
            [user("a"), assistant(use("t")), user(result("t"), text("b"))],
            [user("a"), assistant({"type": "compaction", "content": "s"}, text("b"))],
        ):
            assert complaints(told(*messages))
            assert complaints(told(*messages, target=STRICT)) == []


class AlternatedTests:
    """Each way in which a conversation is out of order."""

    def test_in_order(self) -> None:
        """What is in order stays as it is."""
        messages = [user("a"), assistant(text("b"), use("t")), user(result("t")), assistant("c"), user("d")]
        assert told(*messages, system="s", target=STRICT) == told(*messages, system="s")

    def test_assistant_first(self) -> None:
        """Where the assistant speaks first the user says as little as possible before."""
        assert shape(told(assistant("a"), system="s", target=STRICT)) == [
            ("system", "s"),
            ("user", OPENING),
            ("assistant", "a"),
        ]

    def test_assistant_twice(self) -> None:
        """Between two messages of the assistant the user says as little."""
        messages = [ChatMessage("user", "a"), ChatMessage("assistant", "b"), ChatMessage("assistant", "c")]
        assert [(one.role, one.content) for one in alternated(messages)][1:] == [
            ("assistant", "b"),
            ("user", OPENING),
            ("assistant", "c"),
        ]

    def test_user_twice(self) -> None:
        """Successive messages of the user become one, in their order, images and all."""
        summary = {"type": "compaction", "content": "s"}
        both = "Summary of earlier conversation: s"
        assert shape(told(user("a"), assistant(summary, text("b")), target=STRICT))[0] == ("user", f"a\n\n{both}")
        sent = told(user(text("a"), IMAGE), assistant(summary, text("b")), target=STRICT)
        assert sent[0]["content"] == [{"type": "text", "text": "a"}, IMAGE_PART, {"type": "text", "text": both}]

    def test_words_after_results(self) -> None:
        """Before what a person says beside results the assistant says a word."""
        sent = told(user("a"), assistant(use("t")), user(result("t", "ok"), text("stop")), target=STRICT)
        assert shape(sent)[2:] == [("tool", "ok"), ("assistant", ACKNOWLEDGED), ("user", "stop")]
        sent = told(user("a"), assistant(use("t")), user(result("t", [IMAGE])), target=STRICT)
        assert [one["role"] for one in sent][2:] == ["tool", "assistant", "user"]

    def test_reminders_after_results(self) -> None:
        """What the client itself reminds of joins the last result: a made-up answer each time would be imitated."""
        said = user(result("t", "ok"), result("u", "too"), text(REMINDER), text(REMINDER))
        sent = told(user("a"), assistant(use("t"), use("u")), said, system("s"), target=STRICT)
        folded = "<system-reminder>\ns\n</system-reminder>"
        assert shape(sent)[2:] == [("tool", "ok"), ("tool", f"too\n\n{REMINDER}\n\n{REMINDER}\n\n{folded}")]

    @pytest.mark.parametrize(
        "said", [f"{REMINDER}\n\nstop", f"stop {REMINDER}", f"{REMINDER}stop{REMINDER}", "<system-reminder> open"]
    )
    def test_words_beside_reminders(self, said: str) -> None:
        """A person's words among reminders are still a person's."""
        sent = told(user("a"), assistant(use("t")), user(result("t", "ok"), text(said)), target=STRICT)
        assert shape(sent)[2:] == [("tool", "ok"), ("assistant", ACKNOWLEDGED), ("user", said)]

    def test_nothing_after_results(self) -> None:
        """An empty message after results is none."""
        sent = told(user("a"), assistant(use("t")), user(""), target=STRICT)
        assert shape(sent)[2:] == [("tool", "[no result]")]

    def test_system_alone(self) -> None:
        """Where there is nothing but a system message the user says as little as possible."""
        leading = Target(model="m", alternate=True, system_messages="leading")
        assert shape(told(system("s"), target=leading)) == [("system", "s"), ("user", OPENING)]
        assert alternated([]) == []

    def test_never_inline(self) -> None:
        """A system message inside the conversation is folded, whatever the policy: no such template has a place."""
        inline = Target(model="m", alternate=True, system_messages="inline")
        messages = [user("a"), system("s"), assistant("b"), system("t"), user("c")]
        assert told(*messages, target=inline) == told(*messages, target=STRICT)

    def test_many(self) -> None:
        """Thousands of messages to merge take no thousands of copies."""
        (message,) = alternated([ChatMessage("user", "x" * 100) for _ in range(50_000)])
        assert len(str(message.content)) == 50_000 * 102 - 2


def prefix(messages: list[Any]) -> str:
    """Return the request's messages as they are written, without the bracket at their end."""
    raw = translate(asked(*messages), STRICT).body
    return json.dumps(json.loads(raw)["messages"])[:-1]


class AnyConversationTests:
    """What holds for any conversation."""

    @given(CONVERSATIONS, POLICIES)
    def test_accepted(self, messages: list[Any], policy: SystemMessages) -> None:
        """No strict template has anything against it, and nothing that was said is missing."""
        target = Target(model="m", alternate=True, system_messages=policy)
        sent = told(*messages, system="said first", tools=TOOLS, target=target)
        assert complaints(sent) == []
        arrived = spoken(sent)
        assert [word for word in spoken_words(messages) if word not in arrived] == []

    @given(CONVERSATIONS, st.sampled_from([user("go on"), user(result("a"), text("go on")), system("go on")]))
    def test_prefix(self, messages: list[Any], last: Any) -> None:
        """When the assistant goes on, the bytes before that stay the same."""
        messages = [*messages, last]
        after = [*messages, assistant(text("so"), use("next")), user(result("next"))]
        assert prefix(after).startswith(prefix(messages))
