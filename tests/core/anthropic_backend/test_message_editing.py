"""Tests for `claude_bridge.core.anthropic_backend.message_editing`, through the editing of whole bodies."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.anthropic_backend import message_editing
from claude_bridge.core.anthropic_backend.body_editing import Changes, Editing, edited, leaves_thinking_out
from claude_bridge.core.anthropic_backend.message_editing import MAX_BLOCKS, MAX_OTHER_BYTES, MAX_SEARCH_VALUES
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.events import SearchHit
from claude_bridge.core.opaque_state import OpaqueState, pack_snippet, pack_state
from tests.core.anthropic_backend.bodies import (
    body,
    message,
    objects,
    redacted,
    text,
    thinking,
    written_values,
)
from tests.core.strategies import JSON

OURS = pack_state(OpaqueState("deepseek", "chat", {"reasoning": "…"}))
SIGNED = "EqQBCgIYAhIM"


def messages(sent: bytes) -> Any:
    """Return the messages of a body."""
    return json.loads(sent)["messages"]


def search(query: str, *hits: SearchHit, call: str = "srvtoolu_1") -> list[dict[str, Any]]:
    """Return the blocks of a search by the bridge, as it gives them to clients."""
    found = [
        {
            "type": "web_search_result",
            "url": hit.url,
            "title": hit.title,
            "encrypted_content": pack_snippet(hit.snippet),
            "page_age": hit.age,
        }
        for hit in hits
    ]
    return [
        {"type": "server_tool_use", "id": call, "name": "web_search", "input": {"query": query}},
        {"type": "web_search_tool_result", "tool_use_id": call, "content": found},
    ]


def timed(sent: bytes, changes: Changes) -> tuple[bytes, float]:
    """Return the body that is sent on, and the CPU seconds of the best of three runs, some of which collect garbage."""
    seconds = []
    for _ in range(3):
        began = time.thread_time()
        left = edited(sent, changes)
        seconds.append(time.thread_time() - began)
    return left, min(seconds)


class TooMuchTests:
    """Requests with more in them than can be looked at in one turn of the reactor."""

    THINKING = b'{"type":"thinking","thinking":"x","signature":""}'
    HIT = b'{"type":"web_search_result","encrypted_content":"cbs1.eA"}'

    @pytest.mark.parametrize("block", [b"{}", b"0", b"[]"])
    def test_blocks(self, block: bytes) -> None:
        """The blocks of a request with too many stay as they are."""
        blocks = b",".join([self.THINKING, *[block] * MAX_BLOCKS])
        sent = b'{"messages":[{"role":"assistant","content":[%b]}],"model":"old"}' % blocks
        assert edited(sent, Changes(model="new", past_thinking="none")) == sent.replace(b"old", b"new")

    @pytest.mark.parametrize("where", ["content", "input"])
    def test_searches(self, where: str) -> None:
        """The results of a search with too many values are not decoded, nor are those after it."""
        many = b",".join([self.HIT, *[b"[]"] * MAX_SEARCH_VALUES])
        hits, query = (many, b"") if where == "content" else (self.HIT, many)
        blocks = (
            b'{"type":"server_tool_use","id":"s","input":[%b]}' % query,
            b'{"type":"web_search_tool_result","tool_use_id":"s","content":[%b]}' % hits,
        )
        sent = b'{"messages":[{"role":"assistant","content":[%b]}],"model":"old"}' % b",".join(blocks)
        assert edited(sent, Changes(model="new")) == sent.replace(b"old", b"new")

    def test_many_cuts(self) -> None:
        """As many cuts as there may be take time in proportion to their number."""
        kept = b'{"type":"text","text":"y"}'
        blocks = b",".join([self.THINKING, kept] * (MAX_BLOCKS // 2))
        sent = b'{"messages":[{"role":"assistant","content":[%b]}],"model":"old"}' % blocks
        left, seconds = timed(sent, Changes(model="new", past_thinking="none"))
        assert seconds < 0.5  # a tenth of that on an idle machine, and 1 s if it were quadratic
        assert len(messages(left)[0]["content"]) == MAX_BLOCKS // 2

    def test_no_text(self) -> None:
        """What should be a text and is none is not decoded: thinking with such a signature counts as unsigned."""
        many = b",".join([b"[]"] * 500_000)
        block = b'{"type":"thinking","thinking":"x","signature":[%b]}' % many
        sent = b'{"messages":[{"role":"assistant","content":[%b]}],"model":"old"}' % block
        left, seconds = timed(sent, Changes(model="new", past_thinking="signed"))
        assert seconds < 0.25  # decoded it would be ten times as long
        assert messages(left) == []


class PastThinkingTests:
    """Thinking blocks in the history."""

    CONVERSATION = (
        message("user", "hi"),
        message("assistant", thinking("a", ""), "one"),
        message("user", "go on"),
        message("assistant", thinking("b", OURS), redacted(OURS), "two", thinking("c", SIGNED)),
        message("user", "go on"),
        message("assistant", thinking("d", None), redacted(SIGNED)),
        message("user", "go on"),
        message("assistant", thinking("e", OURS)),
        message("user", "and now?", thinking("not an answer's", "")),
    )

    def test_all(self) -> None:
        """Where signatures are not checked, everything the model thought goes back to it."""
        assert messages(edited(body(*self.CONVERSATION), Changes(model="new"))) == [*self.CONVERSATION]

    def test_signed(self) -> None:
        """Where they are checked, blocks go that have none, an empty one or the bridge's; an empty message goes too."""
        sent = edited(body(*self.CONVERSATION), Changes(model="new", past_thinking="signed"))
        assert messages(sent) == [
            message("user", "hi"),
            message("assistant", "one"),
            message("user", "go on"),
            message("assistant", "two", thinking("c", SIGNED)),
            message("user", "go on"),
            message("assistant", redacted(SIGNED)),
            message("user", "go on"),
            message("user", "and now?", thinking("not an answer's", "")),
        ]

    def test_none(self) -> None:
        """After a refusal all of the assistant's go."""
        sent = edited(body(*self.CONVERSATION), Changes(model="new", past_thinking="none"))
        assert b"thinking" in sent  # the user's
        assert [each["role"] for each in messages(sent)] == ["user", "assistant", "user", "assistant", *["user"] * 3]
        assert leaves_thinking_out(body(*self.CONVERSATION), "none")
        assert not leaves_thinking_out(sent, "none")

    def test_nothing_to_leave_out(self) -> None:
        """A conversation that only the backend itself has answered arrives byte for byte."""
        given_body = body(message("user", "hi"), message("assistant", thinking("a", SIGNED), redacted(SIGNED), "one"))
        expected = given_body.replace(b'"alias"', b'"new"')
        assert edited(given_body, Changes(model="new", past_thinking="signed")) == expected

    @given(st.data())
    def test_nothing_else(self, data: st.DataObject) -> None:
        """What is left out is cut out: the bytes of all other blocks, and of everything around them, are the same."""
        unsigned = st.sampled_from([thinking("x", ""), thinking("x", OURS), redacted(OURS), thinking("x", None)])
        others = st.sampled_from([text("t"), thinking("x", SIGNED), redacted(SIGNED)])
        contents = data.draw(
            st.lists(st.lists(unsigned | others, min_size=1, max_size=4), min_size=1, max_size=3), label="contents"
        )
        value, given_body = data.draw(
            written_values(objects(model="", messages=[message("assistant", *each) for each in contents]))
        )
        sent = edited(given_body, Changes(model="", past_thinking="signed"))
        kept = [[block for block in each if SIGNED in block.values() or "text" in block] for each in contents]
        value["messages"] = [message("assistant", *each) for each in kept if each]
        assert json.loads(sent) == value
        rest = iter(given_body)
        assert all(byte in rest for byte in sent)  # nothing but cuts

    @pytest.mark.parametrize(
        "odd",
        [
            {"role": "assistant", "content": "thinking"},
            {"role": "assistant"},
            {"role": "assistant", "content": None},
            {"role": 3, "content": [thinking("x", "")]},
            {"role": "assistant", "content": [3, {"type": 4, "thinking": ""}, {"type": "thinking2"}]},
            7,
        ],
    )
    def test_odd_messages(self, odd: Any) -> None:
        """What is no message or block is left to the backend to refuse; all others are read all the same."""
        sent = edited(
            body(odd, message("assistant", thinking("x", ""), "one")), Changes(model="new", past_thinking="signed")
        )
        assert messages(sent) == [odd, message("assistant", "one")]

    @given(st.lists(JSON | st.builds(lambda content: {"role": "assistant", "content": content}, JSON), max_size=4))
    def test_any_messages(self, anything: list[Any]) -> None:
        """Any messages at all do no harm."""
        sent = edited(body(*anything, thinking=1), Changes(model="new", past_thinking="none"))
        assert messages(sent) == anything

    @pytest.mark.parametrize("signature", [3, None, [], {"cb1.": 1}])
    def test_odd_signature(self, signature: Any) -> None:
        """A signature that is no text is none."""
        block = {"type": "thinking", "thinking": "x", "signature": signature}
        sent = edited(body(message("assistant", block, "one")), Changes(model="new", past_thinking="signed"))
        assert messages(sent) == [message("assistant", "one")]


class StepTests:
    """Many messages, or large ones, which are read in several steps."""

    BLOCKS = (thinking("x", ""), thinking("x", OURS), redacted(OURS), thinking("x", SIGNED), text("t"), {"no": "type"})
    ODD = ({"role": "assistant", "content": "thinking"}, {"role": "user"}, 7, {"role": 3, "content": [BLOCKS[0]]})

    @given(st.data())
    def test_same(self, data: st.DataObject) -> None:
        """What is sent does not depend on the size of the steps."""
        some = st.lists(st.sampled_from([*self.BLOCKS, *search("rain", SearchHit("W", "https://w.test"))]), max_size=4)
        answers = some.map(lambda blocks: message("assistant", *blocks))
        conversation = data.draw(st.lists(answers | st.sampled_from(self.ODD), max_size=6))
        changes = Changes(model="new", past_thinking=data.draw(st.sampled_from(["all", "signed", "none"])))
        given_body = body(*conversation)
        at_once, left_out = edited(given_body, changes), leaves_thinking_out(given_body, changes.past_thinking)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(message_editing, "STEP_BYTES", data.draw(st.integers(1, 400)))
            assert edited(given_body, changes) == at_once
            assert leaves_thinking_out(given_body, changes.past_thinking) == left_out

    @pytest.mark.parametrize("count", [1, 200])
    def test_steps(self, count: int) -> None:
        """No step reads much more than it should, and no messages are read twice."""
        blocks = [thinking("t " * 2_000, OURS), "w " * 2_000] * (1_000 // count)
        sent = body(*[message("assistant", *blocks)] * count)
        longest = []
        for _ in range(3):  # a machine that does other things takes longer now and then
            editing = Editing(sent, Changes(model="new", past_thinking="signed"))
            taken = []
            done = False
            while not done:
                began = time.thread_time()
                done = editing.step()
                taken.append(time.thread_time() - began)
            assert b"thinking" not in editing.finish().joined()
            assert len(taken) > len(sent) // message_editing.STEP_BYTES
            longest.append(max(taken))
        assert min(longest) < 0.05  # a tenth of that on an idle machine

    def test_too_many_in_a_group(self) -> None:
        """A group with too many blocks is as good as all of them."""
        odd = b'{"role":"assistant","content":[%b]}' % b",".join([b"0"] * (MAX_BLOCKS + 1))
        last = b'{"role":"assistant","content":[%b]}' % TooMuchTests.THINKING
        padding = b'{"role":"user","content":"%b"}' % (b"x" * message_editing.STEP_BYTES)
        sent = b'{"messages":[%b],"model":"old"}' % b",".join([padding, odd, last])
        assert edited(sent, Changes(model="new", past_thinking="none")) == sent.replace(b"old", b"new")

    def test_large_beside_the_content(self) -> None:
        """A large message in which a block is cut has its size in its content."""
        odd = message("assistant", thinking("x", ""), "one") | {"more": "x" * MAX_OTHER_BYTES}
        with pytest.raises(InvalidRequest, match="beside the content"):
            edited(body(odd), Changes(model="new", past_thinking="signed"))


class SearchTests:
    """Searches that the bridge made itself."""

    def test_text(self) -> None:
        """Call and result become a text that has all of it, in its place."""
        hits = (
            SearchHit("Weather", "https://w.test/a", "Rain in Köln.", "1 day"),
            SearchHit("Other", "https://o.test"),
        )
        sent = edited(
            body(message("user", "?"), message("assistant", "I look.", *search("rain", *hits), "It rains.")), _AS_IS
        )
        found = text(
            "Results of the web search 'rain':\n\nWeather\nhttps://w.test/a\n1 day\nRain in Köln.\n\nOther\nhttps://o.test"
        )
        assert messages(sent) == [message("user", "?"), message("assistant", "I look.", found, "It rains.")]

    def test_cache_mark(self) -> None:
        """A mark for the cache stays where it was."""
        call, result = search("rain", SearchHit("W", "https://w.test"))
        sent = edited(body(message("assistant", call, {**result, "cache_control": {"type": "ephemeral"}})), _AS_IS)
        assert messages(sent)[0]["content"][0]["cache_control"] == {"type": "ephemeral"}

    def test_others(self) -> None:
        """What Anthropic found for itself stays, and so does a search without results."""
        call, result = search("rain", call="srvtoolu_2")
        foreign = [{"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "EqgfCioI"}]
        blocks = [*search("sun", SearchHit("W", "https://w.test")), call, {**result, "content": foreign}]
        sent = edited(body(message("assistant", *blocks)), _AS_IS)
        assert messages(sent)[0]["content"][1:] == blocks[2:]
        empty = body(message("assistant", *search("none")))
        assert messages(edited(empty, _AS_IS)) == messages(empty)

    def test_call_in_another_message(self) -> None:
        """A call is left out wherever it stands, as it would be without a result."""
        call, result = search("rain", SearchHit("W", "https://w.test"))
        sent = edited(body(message("assistant", call), message("assistant", result)), _AS_IS)
        assert messages(sent) == [
            message("assistant", "Results of the web search 'rain':\n\nW\nhttps://w.test"),
        ]


_AS_IS = Changes(model="alias")
