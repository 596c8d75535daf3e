"""Tests for `claude_bridge.core.call_ids`.

Ids that are legal at the backend, and each only once.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.call_ids import CallIds, ToolIds, nine_characters
from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.ids import downstream_id
from tests.core.asking import assistant, result, sent, use, user
from tests.core.conversations import CONVERSATIONS

FORMS: st.SearchStrategy[ToolIds] = st.sampled_from(["any", "nine"])
LEGAL = re.compile(r"[0-9A-Za-z]{9}")


def ours(upstream: str, noise: bytes = b"1") -> str:
    """Return the id that the client has for a backend's."""
    return downstream_id(upstream, lambda size: noise * size)


class AnyFormTests:
    """Servers that take any id."""

    def test_own_again(self) -> None:
        """The backend gets its own id back; an id of another's making stays as it is."""
        ids = CallIds()
        assert [ids.assign(each) for each in (ours("functions.f:0"), "call_1|x")] == ["functions.f:0", "call_1|x"]

    def test_repeated(self) -> None:
        """What was there before is replaced by the client's own id, or a number is added."""
        ids = CallIds()
        second = ours("f:0", b"2")
        assert [ids.assign(each) for each in (ours("f:0"), second, "t", "t")] == ["f:0", second, "t", "t_3"]

    def test_long(self) -> None:
        """One that is too long for OpenAI becomes another, the same one in every request, and never one there is."""
        long = "call_" + "0" * 36
        first, second = (given_ := CallIds()).assign(long), given_.assign(long)
        assert len({first, second, long}) == 3
        assert max(len(first), len(second)) <= 40
        assert CallIds().assign(long) == first
        assert CallIds().assign(long[1:]) == long[1:]

    def test_long_repeated(self) -> None:
        """So does the client's own id where the backend's came twice."""
        ids = CallIds()
        upstream = "call_" + "x" * 24
        given_ = [ids.assign(ours(upstream, noise)) for noise in (b"1", b"2")]
        assert given_[0] == upstream
        assert given_[1] != upstream
        assert len(given_[1]) <= 40

    def test_empty(self) -> None:
        """An empty id becomes one."""
        ids = CallIds()
        assert ids.assign("")
        assert ids.assign("") not in {"", "call"}


class NineTests:
    """Mistral, which refuses everything but nine letters and digits."""

    def test_own_again(self) -> None:
        """Mistral's own id comes back to it."""
        assert CallIds("nine").assign(ours("D681PevKs")) == "D681PevKs"

    @pytest.mark.parametrize("foreign", ["call_1", "functions.f:0", "toolu_01A", "", "D681PevKs0", "D681PevK\u00e9"])
    def test_foreign(self, foreign: str) -> None:
        """Another server's id becomes a legal one, the same one in every request."""
        given_ = CallIds("nine").assign(foreign)
        assert LEGAL.fullmatch(given_)
        assert given_ == CallIds("nine").assign(foreign)

    def test_collision(self) -> None:
        """Two calls that would get the same id get two."""
        ids = CallIds("nine")
        first = ids.assign(ours(nine_characters("call_1")))
        second = ids.assign("call_1")
        assert first == nine_characters("call_1") != second
        assert LEGAL.fullmatch(second)

    def test_lone_surrogate(self) -> None:
        """Even an id that is no proper text gets one."""
        assert LEGAL.fullmatch(nine_characters("\ud800"))

    def test_many_alike(self) -> None:
        """Thousands of calls with one id take no thousands of tries each."""
        ids = CallIds("nine")
        assert len({ids.assign("t") for _ in range(20_000)}) == 20_000


def pairs(messages: Any) -> tuple[list[str], list[str]]:
    """Return the ids of the calls and of the results."""
    calls = [call["id"] for one in messages for call in one.get("tool_calls", ())]
    return calls, [one["tool_call_id"] for one in messages if one["role"] == "tool"]


class ConversationTests:
    """What holds for any conversation."""

    @given(CONVERSATIONS, FORMS)
    def test_unique_and_agreeing(self, messages: list[Any], form: ToolIds) -> None:
        """No id is there twice, each result has its call's, and all are legal."""
        called, answered = pairs(sent(user("a"), *messages, target=Target(model="m", tool_ids=form))["messages"])
        assert len(set(called)) == len(called)
        assert answered == called
        assert form == "any" or all(map(LEGAL.fullmatch, called))
        assert all(len(each) <= 40 for each in called)

    @given(CONVERSATIONS)
    def test_stable(self, messages: list[Any]) -> None:
        """A call keeps its id when the conversation goes on: otherwise the backend's cache would be lost."""
        target = Target(model="m", tool_ids="nine")
        before, _ = pairs(sent(user("a"), *messages, target=target)["messages"])
        grown = [user("a"), *messages, assistant(use("x")), user(result("x"))]
        after, _ = pairs(sent(*grown, target=target)["messages"])
        assert after[: len(before)] == before
