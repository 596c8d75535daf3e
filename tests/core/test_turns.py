"""Tests for `claude_bridge.core.turns`: turns, system messages and the system prompt."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.turns import ATTRIBUTION, SystemMessages, is_question, merge_turns, system_text
from tests.core.asking import IMAGE, IMAGE_PART, asked, assistant, refusal, result, system, text, told, use, user

INLINE = Target(model="m", system_messages="inline")


def reminder(said: str) -> str:
    """Return a system message as it is folded."""
    return f"<system-reminder>\n{said}\n</system-reminder>"


def shape(messages: Any) -> list[tuple[str, str]]:
    """Return roles and contents."""
    return [(one["role"], one["content"]) for one in messages]


class TurnTests:
    """Messages become turns."""

    def test_merged(self) -> None:
        """Successive messages of one role are one."""
        messages = [user("a"), user(text("b")), assistant("c"), assistant("d"), user("e")]
        assert shape(told(*messages)) == [("user", "a\n\nb"), ("assistant", "c\n\nd"), ("user", "e")]

    def test_first_and_last(self) -> None:
        """A conversation may begin or end with the assistant: a prefill is passed on."""
        assert shape(told(assistant("a"))) == [("assistant", "a")]
        assert shape(told(user("a"), assistant("The answer is"))) == [("user", "a"), ("assistant", "The answer is")]

    @pytest.mark.parametrize("role", ["tool", "developer", "", "User"])
    def test_unknown_role(self, role: str) -> None:
        """An unknown role is refused by name and place."""
        told_ = refusal(user("a"), {"role": role, "content": "b"})
        assert told_ == "messages.1.role: Input should be 'user', 'assistant' or 'system'"

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            ({"role": "user"}, "messages.1.content: Field required"),
            ({"content": "x"}, "messages.1.role: Field required"),
            ({"role": "user", "content": None}, "messages.1.content: "),
            ({"role": "user", "content": 5}, "messages.1.content: "),
            ({"role": None, "content": "x"}, "messages.1.role: "),
            ("x", "messages.1: "),
        ],
    )
    def test_malformed(self, message: object, expected: str) -> None:
        """A malformed message is refused by its place and field."""
        assert refusal(user("a"), message).startswith(expected)

    @pytest.mark.parametrize("empty", ["", [], [text("")]])
    def test_empty(self, empty: object) -> None:
        """An empty user message is sent empty, an empty assistant message not at all."""
        nothing: dict[str, object] = {"content": empty}
        assert shape(told({"role": "user", **nothing})) == [("user", "")]
        assert shape(told(user("a"), {"role": "assistant", **nothing})) == [("user", "a")]
        assert shape(told(user("a"), {"role": "system", **nothing})) == [("user", "a")]

    def test_nothing_at_all(self) -> None:
        """A conversation in which nobody says anything is refused rather than sent without messages."""
        assert refusal(assistant("")) == "messages: at least one message must have content"


class FoldTests:
    """System messages for chat templates that want them first or not at all."""

    def test_after_text(self) -> None:
        """A system message becomes a reminder in the user message that it directly follows."""
        assert shape(told(user("a"), system("s"))) == [("user", f"a\n\n{reminder('s')}")]

    def test_after_results(self) -> None:
        """After tool results it stands in a user message behind them."""
        sent = told(user("a"), assistant(use("t")), user(result("t", "ok")), system(text("s")), assistant("b"))
        assert shape(sent)[2:] == [("tool", "ok"), ("user", reminder("s")), ("assistant", "b")]

    def test_between_call_and_result(self) -> None:
        """Between a call and its result it waits until after the result, in front of the user's own words."""
        sent = told(user("a"), assistant(use("t")), system("s"), user(text("b"), result("t", "ok")))
        assert shape(sent)[2:] == [("tool", "ok"), ("user", f"{reminder('s')}\n\nb")]

    def test_between_answers(self) -> None:
        """Between two messages of the assistant it becomes a user message of its own."""
        sent = told(user("a"), assistant("b"), system("s"), assistant("c"), user("d"))
        assert shape(sent)[1:] == [("assistant", "b"), ("user", reminder("s")), ("assistant", "c"), ("user", "d")]

    def test_first_and_last(self) -> None:
        """At the very beginning it precedes the user's text; at the end it is a user message of its own."""
        assert shape(told(system("s"), user("a"))) == [("user", f"{reminder('s')}\n\na")]
        assert shape(told(system("s"), assistant("a"))) == [("user", reminder("s")), ("assistant", "a")]
        assert shape(told(user("a"), assistant("b"), system("s")))[2:] == [("user", reminder("s"))]
        assert shape(told(system("s"))) == [("user", reminder("s"))]

    def test_several(self) -> None:
        """Each of several becomes a reminder, in their order."""
        sent = told(assistant("b"), system("s"), system("t"), user("a"), system("u"))
        assert shape(sent)[1:] == [("user", "\n\n".join([reminder("s"), reminder("t"), "a", reminder("u")]))]

    def test_never_to_the_top(self) -> None:
        """The system prompt stays as it is, whatever comes later: the backend's cache depends on it."""
        sent = told(user("a"), system("s"), system="top")
        assert shape(sent) == [("system", "top"), ("user", f"a\n\n{reminder('s')}")]

    def test_already_a_reminder(self) -> None:
        """Text that is wrapped already is not wrapped again."""
        assert shape(told(user("a"), system(reminder("s")))) == [("user", f"a\n\n{reminder('s')}")]

    def test_string_or_block(self) -> None:
        """The client writes the newest message as blocks and older ones as strings: the bytes are the same."""
        assert told(user("a"), system("s")) == told(user(text("a")), system(text("s", cache_control={"type": "x"})))

    def test_media(self) -> None:
        """A picture in a system message is not lost."""
        (message,) = told(user("a"), system(text("s"), IMAGE))
        assert message["content"][1:] == [{"type": "text", "text": reminder("s")}, IMAGE_PART]
        (message,) = told(user("a"), system(IMAGE))
        assert message["content"] == [{"type": "text", "text": "a"}, IMAGE_PART]

    def test_anything_else(self) -> None:
        """Calls and results in a system message, where they do not belong, become text."""
        (message,) = told(user("a"), system(use("t", "f"), result("t", "ok")))
        assert (
            message["content"]
            == f"a\n\n{reminder('[call of f] {}' + chr(10) * 2 + '[result of call t]' + chr(10) + 'ok')}"
        )


class InlineTests:
    """System messages for servers that take them anywhere."""

    def test_in_place(self) -> None:
        """They stay where they are, as system messages."""
        sent = told(system("r"), user("a"), system("s"), system("t"), assistant("b"), system("u"), target=INLINE)
        assert shape(sent) == [
            ("system", "r"),
            ("user", "a"),
            ("system", "s\n\nt"),
            ("assistant", "b"),
            ("system", "u"),
        ]

    def test_not_between_call_and_result(self) -> None:
        """Between a call and its result they wait: nothing may stand there."""
        sent = told(user("a"), assistant(use("t")), system("s"), user(result("t", "ok"), text("b")), target=INLINE)
        assert shape(sent)[2:] == [("tool", "ok"), ("user", "b"), ("system", "s")]
        sent = told(user("a"), assistant(use("t")), system("s"), assistant("b"), target=INLINE)
        assert shape(sent)[2:] == [("tool", "[no result]"), ("system", "s"), ("assistant", "b")]
        sent = told(user("a"), assistant(use("t")), system("s"), target=INLINE)
        assert shape(sent)[2:] == [("tool", "[no result]"), ("system", "s")]

    def test_after_results(self) -> None:
        """After tool results they stand behind them."""
        sent = told(user("a"), assistant(use("t")), user(result("t", "ok")), system("s"), target=INLINE)
        assert shape(sent)[2:] == [("tool", "ok"), ("system", "s")]


class LeadingTests:
    """System messages for servers that take one only, and first."""

    def test_joined(self) -> None:
        """All of them join the system prompt, in their order; what stood around them grows together."""
        leading = Target(model="m", system_messages="leading")
        sent = told(
            system("r"), user("a"), system("s"), user("b"), assistant("c"), system(""), system="top", target=leading
        )
        assert shape(sent) == [("system", "top\n\nr\n\ns"), ("user", "a\n\nb"), ("assistant", "c")]
        assert shape(told(user("a"), system("s"), target=leading)) == [("system", "s"), ("user", "a")]

    def test_between_call_and_result(self) -> None:
        """Between a call and its result nothing is left."""
        leading = Target(model="m", system_messages="leading")
        sent = told(user("a"), assistant(use("t")), system("s"), user(result("t", "ok")), target=leading)
        assert shape(sent) == [("system", "s"), ("user", "a"), ("assistant", None), ("tool", "ok")]


class RejectTests:
    """System messages for servers that take none, and whose owner leaves the folding to the client."""

    def test_refused(self) -> None:
        """The client hears the word that makes it fold them itself, and where the first one is."""
        rejecting = Target(model="m", system_messages="reject")
        with pytest.raises(InvalidRequest) as caught:
            told(user("a"), system("s"), target=rejecting)
        assert str(caught.value) == (
            "capability_rejected: mid_conv_system (messages.1.role: Input should be 'user' or 'assistant')"
        )
        assert shape(told(user("a"), system="top", target=rejecting)) == [("system", "top"), ("user", "a")]


LINE = f"{ATTRIBUTION}: cc_version=2.1.330.abc; cc_entrypoint=cli;"


class SystemTextTests:
    """The system prompt."""

    def test_attribution(self) -> None:
        """Claude Code's attribution line, which differs from request to request, is dropped, unless it is wanted."""
        blocks = [text(LINE), text("You are."), text("", cache_control={"type": "ephemeral"}), text("Do.")]
        assert told(user("a"), system=blocks)[0] == {"role": "system", "content": "You are.\n\nDo."}
        keeping = Target(model="m", strip_attribution=False)
        assert told(user("a"), system=blocks, target=keeping)[0]["content"] == f"{LINE}\n\nYou are.\n\nDo."

    @pytest.mark.parametrize("policy", ["fold", "inline", "leading"])
    def test_attribution_inside_the_conversation(self, policy: SystemMessages) -> None:
        """The line goes from system messages inside the conversation, too, and what is nothing else goes whole."""
        target = Target(model="m", system_messages=policy)
        said = told(user("a"), system(text(LINE)), system(f"{LINE}\nMind the gap."), assistant("b"), target=target)
        assert ATTRIBUTION not in str(said)
        assert "Mind the gap." in str(said)
        assert shape(told(user("a"), system(LINE), target=target)) == [("user", "a")]

    def test_only_the_line(self) -> None:
        """A prompt that begins with the line keeps the rest."""
        assert system_text([f"{LINE}\nYou are."], strip_attribution=True) == "You are."

    @pytest.mark.parametrize("value", [None, "", [], [text(LINE)], [text("")]])
    def test_none(self, value: object) -> None:
        """Where nothing is said there is no system message."""
        assert shape(told(user("a"), system=value)) == [("user", "a")]

    def test_any_block(self) -> None:
        """What is no text leaves at least a note; what is malformed is named."""
        assert told(user("a"), system=[{"type": "novel", "text": "x"}, IMAGE])[0]["content"] == (
            "[novel] x\n\n[image omitted]"
        )
        assert refusal(user("a"), system=[text("a"), {"type": "text"}]) == "system.1.text: Field required"
        assert refusal(user("a"), system=5).startswith("system: ")


class QuestionTests:
    """What counts as a person's last words decides which thinking goes back; it must not change within a turn."""

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            (user("a"), True),
            (user(IMAGE), True),
            (user(text(reminder("r")), text("a")), True),
            (user(text(reminder("r"))), False),
            (user(""), False),
            (user(result("t")), False),
            (user(result("t"), text("a")), False),
            (user(text("a"), result("t")), False),
            (assistant("a"), False),
            (system("a"), False),
        ],
    )
    def test_question(self, message: dict[str, object], expected: bool) -> None:
        """A person speaks in a user turn without tool results that is not all reminders."""
        turns = merge_turns(conversation_of(asked(message)).turns, "fold").turns
        assert [*map(is_question, turns)] == [expected]
