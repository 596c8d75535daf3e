"""Tests for `claude_bridge.core.responses_api.input_items`."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given

from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.opaque_state import MAX_STATE_CHARACTERS, OpaqueState, pack_state
from claude_bridge.core.responses_api import translation
from claude_bridge.core.tool_results import NO_RESULT
from tests.core.asking import IMAGE, PIXEL, asked, assistant, result, system, text, use, user
from tests.core.conversations import CONVERSATIONS
from tests.core.responses_api.asking import GPT, TARGET, items, sent, translate

PICTURE = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
PDF = {
    "type": "document",
    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"},
    "title": "T",
}
FILE = {"type": "input_file", "filename": "T", "file_data": "data:application/pdf;base64,JVBERi0xLjQK"}


def said(role: str, content: object) -> dict[str, Any]:
    """Return a message as the server gets it."""
    return {"type": "message", "role": role, "content": content}


def called(call_id: str, name: str = "Read", arguments: str = "{}") -> dict[str, Any]:
    """Return a call as the server gets it."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def output(call_id: str, content: object) -> dict[str, Any]:
    """Return a result as the server gets it."""
    return {"type": "function_call_output", "call_id": call_id, "output": content}


def signed(item_id: str, model: str = "m", dialect: str = "generic", content: str = "gAAA") -> str:
    """Return what carries encrypted reasoning."""
    state = {"id": item_id, "summary": [], "encrypted_content": content}
    return pack_state(OpaqueState(dialect, model, state))


def thinking(signature: str) -> dict[str, Any]:
    """Build a thinking block."""
    return {"type": "thinking", "thinking": "hm", "signature": signature}


def reasoning(item_id: str) -> dict[str, Any]:
    """Return encrypted reasoning as the server gets it."""
    return {"type": "reasoning", "id": item_id, "summary": [], "encrypted_content": "gAAA"}


class MessageTests:
    """What people and the model said."""

    def test_order(self) -> None:
        """Text, calls and results stand in their order; the system prompt is no item."""
        request = sent(
            user("a"),
            assistant(text("b"), use("1"), use("2", path="x")),
            user(result("2"), result("1", "one"), text("c")),
            system="rules",
        )
        assert request["instructions"] == "rules"
        assert request["input"] == [
            said("user", "a"),
            said("assistant", "b"),
            called("1"),
            called("2", arguments='{"path":"x"}'),
            output("1", "one"),
            output("2", "done"),
            said("user", "c"),
        ]

    def test_text_between_calls(self) -> None:
        """Text that the model wrote between two calls stays between them."""
        got = items(user("a"), assistant(use("1"), text("b"), use("2")), user(result("1"), result("2")))
        assert got[1:4] == [called("1"), said("assistant", "b"), called("2")]

    def test_phases(self) -> None:
        """Models that know phases are told which of their messages was a comment and which an answer."""
        turns = user("a"), assistant(text("b"), use("1")), user(result("1")), assistant("c"), user("d")
        phases = [each.get("phase") for each in items(*turns, target=GPT) if each.get("role") == "assistant"]
        assert phases == ["commentary", "final_answer"]
        assert not any("phase" in each for each in items(*turns))

    def test_images(self) -> None:
        """An image is a part of the message."""
        assert items(user(text("see"), IMAGE)) == [said("user", [{"type": "input_text", "text": "see"}, PICTURE])]

    def test_documents(self) -> None:
        """A PDF is a file where the server takes files, else a note."""
        assert items(user(PDF), target=GPT)[0]["content"] == [FILE]
        assert items(user(PDF))[0]["content"] == "[document omitted: T]"

    def test_system_messages(self) -> None:
        """They stay in their place where the server takes them, after the results that are still awaited."""
        inline = evolve(TARGET, system_messages="inline", system_role="developer")
        got = items(user("a"), assistant(use("1")), system("be brief"), user(result("1")), target=inline)
        assert got[2:] == [output("1", "done"), said("developer", "be brief")]
        assert "be brief" in items(user("a"), system("be brief"))[0]["content"]

    def test_nothing(self) -> None:
        """A conversation without content is refused here."""
        with pytest.raises(InvalidRequest, match="at least one message"):
            translate(assistant(text("")))

    def test_prefill(self) -> None:
        """An answer that is begun is refused where the model cannot go on with it."""
        with pytest.raises(InvalidRequest, match="prefill"):
            translate(user("a"), assistant("b"), target=GPT)
        assert items(user("a"), assistant("b"))[-1] == said("assistant", "b")


class ResultTests:
    """Results of tools."""

    def test_images_inside(self) -> None:
        """An image that a tool returns is a part of its result."""
        got = items(user("a"), assistant(use("1")), user(result("1", [text("see"), IMAGE])))
        assert got[-1] == output("1", [{"type": "input_text", "text": "see"}, PICTURE])

    def test_images_beside(self) -> None:
        """A server whose results are text gets it in the user's message."""
        plain = evolve(TARGET, tool_images=False)
        got = items(user("a"), assistant(use("1")), user(result("1", [text("see"), IMAGE])), target=plain)
        assert got[-2] == output("1", "see\n[image 1]")
        assert got[-1]["content"][-1] == PICTURE

    def test_errors(self) -> None:
        """An error is marked as one."""
        got = items(user("a"), assistant(use("1")), user(result("1", "no such file", is_error=True)))
        assert got[-1] == output("1", "[tool error] no such file")

    def test_missing(self) -> None:
        """A call without a result gets one, and a result without a call is a message: the server refuses both."""
        got = items(user("a"), assistant(use("1")), user("never mind"), assistant("ok"), user(result("1")))
        assert got[2] == output("1", NO_RESULT)
        assert got[-1] == said("user", "[tool result without call: 1] done")

    def test_same_ids(self) -> None:
        """Two calls with one id get ids of their own."""
        got = items(user("a"), assistant(use("1"), use("1")), user(result("1", "x"), result("1", "y")))
        assert got[1]["call_id"] == got[3]["call_id"] != got[2]["call_id"] == got[4]["call_id"]
        assert [each["output"] for each in got[3:]] == ["x", "y"]


class ReasoningTests:
    """Encrypted reasoning that comes back."""

    def test_in_its_place(self) -> None:
        """Each stands in front of what followed it; its text is not sent."""
        got = items(
            user("a"),
            assistant(thinking(signed("rs_1")), text("b"), thinking(signed("rs_2")), use("1")),
            user(result("1")),
        )
        assert got[1:5] == [reasoning("rs_1"), said("assistant", "b"), reasoning("rs_2"), called("1")]

    @pytest.mark.parametrize(
        "signature", ["", "Anthropic's own", signed("a", model="other"), signed("a", dialect="openai")]
    )
    def test_of_others(self, signature: str) -> None:
        """What another model, dialect or vendor gave is left out."""
        assert items(user("a"), assistant(thinking(signature), text("b")), user("c"))[1] == said("assistant", "b")

    def test_nothing_followed(self) -> None:
        """Reasoning at the end of an answer is left out: the server refuses it."""
        got = items(user("a"), assistant(text("b"), thinking(signed("rs_1"))), user("c"))
        assert [each["type"] for each in got] == ["message"] * 3
        assert items(user("a"), assistant(thinking(signed("rs_1"))), user("c"))[-1] == said("user", "c")

    def test_refused(self) -> None:
        """A model that refuses it gets none, nor does one that could not read it."""
        for plain in (evolve(TARGET, encrypted_reasoning=False), evolve(TARGET, past_reasoning=False)):
            got = items(user("a"), assistant(thinking(signed("rs_1")), text("b")), user("c"), target=plain)
            assert [each["type"] for each in got] == ["message"] * 3

    def test_too_much(self) -> None:
        """Of more than real conversations have, the newest comes back: memory has an end."""
        large = "x" * 600_000
        count = 3 + MAX_STATE_CHARACTERS // len(signed("0", content=large))
        turns: list[object] = []
        for number in range(count):
            turns += [user(str(number)), assistant(thinking(signed(str(number), content=large)), text("b"))]
        kept = [each["id"] for each in items(*turns, user("c")) if each["type"] == "reasoning"]
        assert kept == [str(number) for number in range(count - len(kept), count)]
        assert 5 < len(kept) < count

    def test_prefix(self) -> None:
        """The bytes of ten turns begin with those of the turns before, so that a cache knows them."""
        turns: list[object] = [user("0")]
        before = b""
        for number in range(10):
            body = translate(*turns, target=GPT, session="s", system="rules").body
            assert body.startswith(before)
            before = body.removesuffix(b"]}")
            turns += [
                assistant(thinking(signed(f"rs_{number}", model="gpt-5.6", dialect="openai")), use(f"call_{number}")),
                user(result(f"call_{number}")),
            ]
        assert before.count(b'"type":"reasoning"') == 9


class AnyConversationTests:
    """What clients may send."""

    @given(CONVERSATIONS)
    def test_accepted(self, messages: list[Any]) -> None:
        """Whatever the conversation, a strict server accepts it: pairs of calls and results above all."""
        try:
            items(*messages, target=evolve(GPT, prefill="pass"))
        except InvalidRequest as refused:
            assert "at least one message" in refused.message  # noqa: PT017 - any other is a failure

    def test_twice(self) -> None:
        """A conversation can be translated for one backend after another."""
        conversation = conversation_of(asked(user("a"), assistant(use("1")), user(result("1"))))
        first, second = (translation.translate(conversation, TARGET).body for _ in range(2))
        assert first == second
