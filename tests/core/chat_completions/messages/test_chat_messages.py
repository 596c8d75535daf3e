"""Tests for `claude_bridge.core.chat_completions.messages.chat_messages`.

Calls and results in pairs, ids, and which thinking goes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, get_args

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.call_ids import ToolIds
from claude_bridge.core.chat_completions.dialect import GENERIC, Generic, Target
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.chat_completions.messages.chat_messages import write
from claude_bridge.core.chat_completions.openai_types import ChatMessage
from claude_bridge.core.chat_completions.traits import (
    CallContent,
    Prefill,
    ReasoningEcho,
    ReasoningField,
    SystemRole,
)
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.ids import downstream_id
from claude_bridge.core.media_parts import ImageSupport, PdfSupport
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.opaque_state import MAX_STATE_CHARACTERS, OpaqueState, pack_state
from claude_bridge.core.turns import SystemMessages
from tests.core.asking import IMAGE, IMAGE_PART, asked, assistant, result, system, text, told, use, user
from tests.core.asking import sent as unchecked
from tests.core.conversations import CONVERSATIONS


def calls(sent: Any) -> list[str]:
    """Return the ids of the calls in their order."""
    return [call["id"] for one in sent for call in one.get("tool_calls", ())]


def answers(sent: Any) -> list[tuple[str, str]]:
    """Return the tool messages: id and content."""
    return [(one["tool_call_id"], one["content"]) for one in sent if one["role"] == "tool"]


class PairTests:
    """Every call is answered once, directly after it, in order."""

    def test_in_the_calls_order(self) -> None:
        """Results in another order, and among text, are put in the order of the calls; the text follows them."""
        sent = told(
            user("a"),
            assistant(text("b"), use("t1"), use("t2")),
            user(text("first"), result("t2", "two"), text("last"), result("t1", "one")),
        )
        assert sent[1]["content"] == "b"
        assert answers(sent) == [("t1", "one"), ("t2", "two")]
        assert sent[-1] == {"role": "user", "content": "first\n\nlast"}

    def test_results_in_several_messages(self) -> None:
        """Results that come in messages of their own belong together."""
        sent = told(user("a"), assistant(use("t1"), use("t2")), user(result("t1")), user(result("t2")), assistant("b"))
        assert [one["role"] for one in sent] == ["user", "assistant", "tool", "tool", "assistant"]

    def test_no_text(self) -> None:
        """Calls without a word have null for content, as the official API writes it."""
        assert told(user("a"), assistant(use("t")))[1]["content"] is None

    def test_missing_results(self) -> None:
        """A call that nobody answered gets a placeholder: servers refuse an open one."""
        assert answers(told(user("a"), assistant(use("t")), user("go on"))) == [("t", "[no result]")]
        assert answers(told(user("a"), assistant(use("t")))) == [("t", "[no result]")]
        sent = told(user("a"), assistant(use("t1"), use("t2")), user(result("t2", "two")))
        assert answers(sent) == [("t1", "[no result]"), ("t2", "two")]

    def test_orphan(self) -> None:
        """A result without a call becomes a text of the user, its picture with it."""
        (message,) = told(user(result("t", [text("said"), IMAGE], is_error=True)))
        assert [one.get("text") for one in message["content"]] == [
            "[tool result without call: t] [tool error] said\n[image 1]",
            "[image 1] of the tool result above:",
            None,
        ]

    def test_late(self) -> None:
        """A result that comes after the conversation went on is a text too: its call was closed."""
        sent = told(user("a"), assistant(use("t")), user("b"), assistant("c"), user(result("t", "late")))
        assert answers(sent) == [("t", "[no result]")]
        assert sent[-1]["content"] == "[tool result without call: t] late"

    def test_duplicate(self) -> None:
        """Of two results for one call the first answers it; what the second said is not lost."""
        sent = told(user("a"), assistant(use("t")), user(result("t", "one"), result("t", "two")))
        assert answers(sent) == [("t", "one")]
        assert sent[-1] == {"role": "user", "content": "[tool result without call: t] two"}

    def test_result_of_the_assistant(self) -> None:
        """A result in an assistant's message, where it does not belong, becomes text."""
        sent = told(user("a"), assistant(result("t", "said")))
        assert sent[1] == {"role": "assistant", "content": "[result of call t]\nsaid"}

    def test_call_of_the_user(self) -> None:
        """A call in a user's message, where it does not belong, becomes text."""
        assert told(user(use("t", "f", x=1)))[0]["content"] == '[call of f] {"x":1}'

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("said", "[tool error] said"),
            ("", "[tool error] (no output)"),
            ("<tool_use_error>said</tool_use_error>", "<tool_use_error>said</tool_use_error>"),
            ("<error>said", "<error>said"),
            ("[tool error] said", "[tool error] said"),
        ],
    )
    def test_error(self, given: str, expected: str) -> None:
        """A failed tool's result says that it is an error, once."""
        sent = told(user("a"), assistant(use("t")), user(result("t", given, is_error=True)))
        assert answers(sent) == [("t", expected)]
        assert answers(told(user("a"), assistant(use("t")), user(result("t", "x", is_error=None)))) == [("t", "x")]

    def test_media_of_several_results(self) -> None:
        """Pictures of several results are numbered through, in the calls' order, before the user's own."""
        sent = told(
            user("a"),
            assistant(use("t1"), use("t2")),
            user(IMAGE, result("t2", [IMAGE]), result("t1", [text("see"), IMAGE])),
        )
        assert answers(sent) == [("t1", "see\n[image 1]"), ("t2", "[image 2]")]
        labels = [{"type": "text", "text": f"[image {number}] of the tool result above:"} for number in (1, 2)]
        assert sent[-1]["content"] == [labels[0], IMAGE_PART, labels[1], IMAGE_PART, IMAGE_PART]


class OtherMessagesTests:
    """What else becomes a message."""

    def test_system(self) -> None:
        """The system prompt comes first; system messages keep their place where the server takes them."""
        inline = Target(model="m", system_messages="inline")
        sent = told(user("a"), system("s"), assistant(use("t")), system("u"), system=[text("top")], target=inline)
        assert [(one["role"], one["content"]) for one in sent] == [
            ("system", "top"),
            ("user", "a"),
            ("system", "s"),
            ("assistant", None),
            ("tool", "[no result]"),
            ("system", "u"),
        ]
        assert told(user("a"), system(""), target=inline) == [{"role": "user", "content": "a"}]

    def test_summary(self) -> None:
        """What is left of a compacted part is told to the model by the user."""
        summary = {"type": "compaction", "content": "well"}
        sent = told(assistant(summary, text("so")))
        assert sent[0] == {"role": "user", "content": "Summary of earlier conversation: well"}
        assert sent[1] == {"role": "assistant", "content": "so"}

    def test_system_role(self) -> None:
        """Where the owner of the word is the developer, system messages come in that role, wherever they stand."""
        developer = Target(model="m", system_role="developer", system_messages="inline")
        sent = told(user("a"), system("s"), assistant("b"), system="top", target=developer)
        assert [(one["role"], one["content"]) for one in sent][:3] == [
            ("developer", "top"),
            ("user", "a"),
            ("developer", "s"),
        ]

    def test_call_content(self) -> None:
        """Beside calls without text there is an empty text where a template cannot take null."""
        empty = Target(model="m", call_content="empty")
        assert told(user("a"), assistant(use("t")), target=empty)[1]["content"] == ""
        assert told(user("a"), assistant(text("b"), use("t")), target=empty)[1]["content"] == "b"

    def test_names(self) -> None:
        """A called tool whose name is illegal has a legal one, and the way back is kept."""
        written = write(conversation_of(asked(user("a"), assistant(use("t", "s.f")))), Target(model="m"), {})
        calls_ = written.messages[1].tool_calls
        assert calls_ is not None
        assert written.names == {calls_[0].function.name: "s.f"}


class IdTests:
    """Ids of calls."""

    def test_decoded(self) -> None:
        """The backend gets its own id back, out of the one that the client was given."""
        ours = downstream_id("functions.Read:0", lambda size: bytes(range(size)))
        sent = told(user("a"), assistant(use(ours)), user(result(ours)))
        assert calls(sent) == ["functions.Read:0"]
        assert answers(sent) == [("functions.Read:0", "done")]

    def test_foreign(self) -> None:
        """An id of another's making is passed on as it is."""
        sent = told(user("a"), assistant(use("call_1:0|x")), user(result("call_1:0|x")))
        assert calls(sent) == ["call_1:0|x"]

    def test_repeated_by_the_backend(self) -> None:
        """A backend that numbers its calls anew in each answer sees unique ones in the history."""
        first = downstream_id("f:0", lambda size: b"1" * size)
        second = downstream_id("f:0", lambda size: b"2" * size)
        sent = told(
            user("a"), assistant(use(first)), user(result(first, "one")), assistant(use(second)), user(result(second))
        )
        assert calls(sent) == ["f:0", second]
        assert answers(sent) == [("f:0", "one"), (second, "done")]

    def test_repeated_in_one_message(self) -> None:
        """Two calls with one id become two, and their results are matched in order."""
        sent = told(user("a"), assistant(use("t"), use("t")), user(result("t", "one"), result("t", "two")))
        assert len(set(calls(sent))) == 2
        assert [content for _, content in answers(sent)] == ["one", "two"]

    def test_empty(self) -> None:
        """A call with an empty id gets one."""
        sent = told(user("a"), assistant(use(""), use("")), user(result("", "one")))
        assert all(calls(sent))
        assert [content for _, content in answers(sent)] == ["one", "[no result]"]

    def test_many_alike(self) -> None:
        """Thousands of calls with one id take no thousands of tries each."""
        count = 9_000
        sent = told(user("a"), assistant(*[use("t")] * count), user(*[result("t")] * count))
        assert len(set(calls(sent))) == count


def thinking(said: str, signature: str | None = "") -> dict[str, object]:
    """Build a thinking block."""
    return {"type": "thinking", "thinking": said, "signature": signature}


HISTORY = [
    user("question 1"),
    assistant(thinking("t1"), text("x"), use("a")),
    user(result("a")),
    assistant(thinking("t2"), text("answer 1")),
    user("question 2"),
    assistant(thinking("t3", "signed"), thinking("and t4", None), use("b")),
    user(result("b"), text("a note of the client")),
    assistant(thinking(""), {"type": "redacted_thinking", "data": "z"}, use("c")),
    user(result("c"), text("<system-reminder>r</system-reminder>")),
    assistant(thinking("t5"), text("hm")),
]


class EchoTests:
    """Past thinking, sent back as the model's policy says."""

    @pytest.mark.parametrize(
        ("echo", "expected"),
        [
            ("current_turn", [None, None, "t3\nand t4", None, None]),
            ("never", [None, None, None, None, None]),
            ("tool_turns", ["t1", None, "t3\nand t4", " ", None]),
            ("after_last_user", [None, None, "t3\nand t4", " ", "t5"]),
            ("all_turns", ["t1", "t2", "t3\nand t4", " ", "t5"]),
        ],
    )
    def test_policy(self, echo: ReasoningEcho, expected: list[str | None]) -> None:
        """Signed or not, thinking goes back where the policy wants it; empty and redacted thinking never does.

        A space stands where a server for which the policy is meant requires the field and there is none.
        """
        sent = told(*HISTORY, target=Target(model="m", reasoning_echo=echo))
        assert [one.get("reasoning_content") for one in sent if one["role"] == "assistant"] == expected
        assert not any("t1" in str(one["content"]) for one in sent)

    def test_thinking_alone(self) -> None:
        """A message of nothing but thinking is not empty where the thinking goes back, and is left out elsewhere."""
        alone = [user("a"), assistant(thinking("t"))]
        assert told(*alone) == [{"role": "user", "content": "a"}]
        assert told(*alone, target=Target(model="m", reasoning_echo="all_turns"))[1] == {
            "role": "assistant",
            "content": "[no answer]",
            "reasoning_content": "t",
        }

    @pytest.mark.parametrize("echo", ["current_turn", "never", "after_last_user", "tool_turns", "all_turns"])
    def test_nothing_thought(self, echo: ReasoningEcho) -> None:
        """A turn that had no thinking at all gets the space too; one with nothing in it is still left out."""
        history = [user("a"), assistant(text("b")), user("c"), assistant(use("x")), user("d"), assistant(thinking(""))]
        sent = told(*history, target=Target(model="m", reasoning_echo=echo))
        spaces = {"tool_turns": [None, " "], "all_turns": [" ", " "]}.get(echo, [None, None])
        assert [one.get("reasoning_content") for one in sent if one["role"] == "assistant"] == spaces

    def test_no_question(self) -> None:
        """Without any words of a person all thinking before calls goes back."""
        sent = told(user(text("<system-reminder>r</system-reminder>")), assistant(thinking("t"), use("a")))
        assert sent[1]["reasoning_content"] == "t"


@frozen
class Keeping(Generic):
    """A server whose state shows in a field where the test can see it."""

    name: ClassVar[str] = "keeping"
    stateful: ClassVar[bool] = True

    def restore(self, message: ChatMessage, states: Sequence[tuple[int, object]]) -> None:
        """Write the state down as it came."""
        message.reasoning_details = [[calls, state] for calls, state in states]


KEEPING = Target(model="m", dialect=Keeping())


def signed(state: object, dialect: str = "keeping", model: str = "m") -> str:
    """Return a carrier."""
    return pack_state(OpaqueState(dialect, model, state))


def redacted(data: str) -> dict[str, object]:
    """Build reasoning that nobody can read."""
    return {"type": "redacted_thinking", "data": data}


def restored(*blocks: object, target: Target = KEEPING) -> Any:
    """Return the state that the server gets back with the assistant's message of these blocks; None without message."""
    messages = unchecked(user("a"), assistant(*blocks), user("b"), target=target)["messages"]
    return messages[1].get("reasoning_details") if messages[1]["role"] == "assistant" else None


class StateTests:
    """What a backend wants back and text cannot carry: it comes from the client, so a restart changes nothing."""

    def test_places(self) -> None:
        """States come back in order, each with the number of calls before it."""
        blocks = [thinking("t", signed(1)), text("x"), redacted(signed({"k": [2]})), use("a"), redacted(signed("3"))]
        assert restored(*blocks) == [[0, 1], [0, {"k": [2]}], [1, "3"]]

    def test_without_state(self) -> None:
        """A server that has state is asked about every message of the assistant, for it may want a placeholder."""
        assert restored(use("a")) == []

    @pytest.mark.parametrize("foreign", [signed(1, dialect="other"), signed(1, model="n"), "EqQBCkgIBBAB", "cb1.x"])
    def test_of_another(self, foreign: str) -> None:
        """Another server's or model's state, and Anthropic's own, are left out; the thinking's text is kept."""
        target = Target(model="m", dialect=Keeping(), reasoning_echo="all_turns")
        assert restored(thinking("t", foreign), redacted(foreign), text("x"), target=target) == []
        sent = unchecked(user("a"), assistant(thinking("t", foreign), text("x")), user("b"), target=target)
        assert sent["messages"][1]["reasoning_content"] == "t"
        assert foreign not in str(sent)

    def test_elsewhere(self) -> None:
        """A server that has no state never sees another's."""
        sent = told(user("a"), assistant(redacted(signed("secret")), thinking("t", signed("secret")), text("x")))
        assert sent[1] == {"role": "assistant", "content": "x"}

    def test_alone(self) -> None:
        """A turn of hidden reasoning alone makes no empty message."""
        assert restored(redacted(signed(1))) is None
        assert restored(thinking("", signed(1))) is None
        sent = unchecked(user("a"), assistant(redacted(signed(1))), user("b"), target=KEEPING)["messages"]
        assert [one["role"] for one in sent] == ["user", "user"]

    def test_misplaced(self) -> None:
        """State in a user's message, or inside a result, is nobody's."""
        hidden = redacted(signed(1))
        sent = told(user(text("a"), hidden), assistant(use("t")), user(result("t", [text("x"), hidden]), hidden))
        assert sent[0]["content"] == "a"
        assert answers(sent) == [("t", "x")]
        assert len(sent) == 3

    def test_too_much(self) -> None:
        """Of more state than real conversations have, the newest comes back: memory has an end."""
        large = "x" * 600_000
        count = 3 + MAX_STATE_CHARACTERS // len(signed([0, large]))
        blocks = [one for number in range(count) for one in (redacted(signed([number, large])), use(str(number)))]
        kept = [state[0] for _, state in restored(*blocks)]
        assert kept == list(range(count - len(kept), count))
        assert 5 < len(kept) < count

    def test_dialects(self) -> None:
        """Every dialect that puts state back says that it has some: it would not be asked otherwise."""
        for dialect in DIALECTS.values():
            assert dialect.stateful == (type(dialect).restore is not Generic.restore), dialect.name


TARGETS = st.builds(
    Target,
    model=st.just("m"),
    dialect=st.sampled_from([GENERIC, Keeping()]),
    **{
        name: st.sampled_from(get_args(choices))
        for name, choices in (
            ("reasoning_field", ReasoningField),
            ("reasoning_echo", ReasoningEcho),
            ("system_messages", SystemMessages),
            ("system_role", SystemRole),
            ("tool_ids", ToolIds),
            ("call_content", CallContent),
            ("images", ImageSupport),
            ("pdf", PdfSupport),
            ("prefill", Prefill),
        )
    },
    alternate=st.booleans(),
    tool_images=st.booleans(),
    cache_control=st.booleans(),
)
REFUSALS = ("capability_rejected: ", "This model does not support assistant message prefill")


class AnyTargetTests:
    """What holds for any conversation at any server."""

    @given(CONVERSATIONS, TARGETS, st.sampled_from([1, [2, {"a": "b"}], "x"]))
    def test_whole_or_refused(self, messages: list[Any], target: Target, state: object) -> None:
        """It is refused in words that the client knows, or it is sent with each call answered by its result."""
        carried = assistant(redacted(signed(state)), thinking("t", signed(state)), use("z"))
        refusal, sent = REFUSALS[0], []
        try:
            sent = unchecked(user("a"), *messages, carried, user("b"), target=target)["messages"]
        except InvalidRequest as refused:
            refusal = str(refused)
        assert refusal.startswith(REFUSALS)
        assert [identifier for identifier, _ in answers(sent)] == calls(sent)
        assert len(set(calls(sent))) == len(calls(sent))
        assert not any("cb1." in str(one) for one in sent)
