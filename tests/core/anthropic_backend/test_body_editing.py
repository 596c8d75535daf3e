"""Tests for `claude_bridge.core.anthropic_backend.body_editing`."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.anthropic_backend.body_editing import (
    MAX_BLOCKS,
    MAX_REST_BYTES,
    MAX_SEARCH_VALUES,
    Changes,
    PastThinking,
    edited,
    leaves_thinking_out,
)
from claude_bridge.core.anthropic_backend.json_layout import members
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
from tests.core.strategies import JSON, TEXT

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


class ModelTests:
    """The model's name."""

    @given(written_values(objects(model="old")), TEXT)
    def test_nothing_else(self, pair: tuple[dict[str, Any], bytes], name: str) -> None:
        """Every byte outside the value of the top level's ``model`` is the same, however the body is written."""
        value, given_body = pair
        sent = edited(given_body, Changes(model=name))
        assert json.loads(sent) == {**value, "model": name}
        before, after = (next(each for each in members(it) if each.key == "model") for it in (given_body, sent))
        assert sent[: after.start] == given_body[: before.start]
        assert sent[after.end :] == given_body[before.end :]

    @given(written_values(objects(model=[1, {"model": "inner"}])))
    def test_any_value(self, pair: tuple[dict[str, Any], bytes]) -> None:
        """The value is replaced as a whole, even if it is not a text."""
        value, given_body = pair
        assert json.loads(edited(given_body, Changes(model="new"))) == {**value, "model": "new"}

    @pytest.mark.parametrize("twice", [b'{"model":"a","model":"b"}', b'{"model":"a","mode\\u006c":"a"}'])
    def test_twice(self, twice: bytes) -> None:
        """A body with two models is refused: which of them counts is different from server to server."""
        with pytest.raises(InvalidRequest, match="model: the request has this field twice"):
            edited(twice, Changes(model="new"))

    def test_missing(self) -> None:
        """A body without a model is refused."""
        with pytest.raises(InvalidRequest, match="model: Field required"):
            edited(b'{"messages":[]}', Changes(model="new"))

    @pytest.mark.parametrize("past_thinking", ["signed", "none"])
    def test_cost(self, past_thinking: PastThinking) -> None:
        """A long conversation takes no longer than a request can wait in one turn of the reactor."""
        turns = [message("user", "w " * 500), message("assistant", thinking("t " * 300, SIGNED * 30), "a " * 300)] * 40
        sent = body(*turns)
        assert len(sent) > 100_000
        taken = []
        for _ in range(5):
            began = time.process_time()
            edited(sent, Changes(model="new", past_thinking=past_thinking))
            taken.append(time.process_time() - began)
        assert min(taken) < 0.02  # 0.2 and 0.6 ms on an idle machine


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

    def test_rest(self) -> None:
        """Large are the messages, the system prompt and the tools, and nothing else."""
        parts = dict.fromkeys(("messages", "system", "tools"), "x" * MAX_REST_BYTES)
        assert json.loads(edited(json.dumps({"model": "old", **parts}).encode(), Changes(model="new"))) == {
            "model": "new",
            **parts,
        }
        with pytest.raises(InvalidRequest, match="beside messages"):
            edited(json.dumps({"model": "old", **parts, "more": "x" * MAX_REST_BYTES}).encode(), _AS_IS)
        with pytest.raises(InvalidRequest):
            edited(b"[%b]" % (b" " * MAX_REST_BYTES), _AS_IS)

    def test_many_cuts(self) -> None:
        """As many cuts as there may be take time in proportion to their number."""
        kept = b'{"type":"text","text":"y"}'
        blocks = b",".join([self.THINKING, kept] * (MAX_BLOCKS // 2))
        sent = b'{"messages":[{"role":"assistant","content":[%b]}],"model":"old"}' % blocks
        began = time.thread_time()
        left = edited(sent, Changes(model="new", past_thinking="none"))
        assert time.thread_time() - began < 0.5  # a tenth of that on an idle machine, and 1 s if it were quadratic
        assert len(messages(left)[0]["content"]) == MAX_BLOCKS // 2

    def test_no_text(self) -> None:
        """What should be a text and is none is not decoded: thinking with such a signature counts as unsigned."""
        many = b",".join([b"[]"] * 500_000)
        block = b'{"type":"thinking","thinking":"x","signature":[%b]}' % many
        sent = b'{"messages":[{"role":"assistant","content":[%b]}],"model":"old"}' % block
        began = time.thread_time()
        left = edited(sent, Changes(model="new", past_thinking="signed"))
        assert time.thread_time() - began < 0.25  # decoded it would be ten times as long
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


class ThinkingOffTests:
    """Thinking that is turned off for one request."""

    OFF = Changes(model="alias", thinking_off=True)

    def test_replaced(self) -> None:
        """Only the value of ``thinking`` is replaced; the effort stays."""
        asked = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
        sent = edited(body(message("user", "hi"), **asked), self.OFF)
        assert json.loads(sent)["thinking"] == {"type": "disabled"}
        assert json.loads(sent)["output_config"] == {"effort": "high"}

    def test_inserted(self) -> None:
        """A server whose models think by default is told not to."""
        given_body = body(message("user", "hi"))
        sent = edited(given_body, self.OFF)
        assert json.loads(sent) == {**json.loads(given_body), "thinking": {"type": "disabled"}}
        assert sent.replace(b'"thinking":{"type":"disabled"},', b"") == given_body

    def test_context_management(self) -> None:
        """Edits that clear thinking go along, since the API refuses them without; others stay."""
        clearing = {"type": "clear_thinking_20251015", "keep": "all"}
        other = {"type": "clear_tool_uses_20250919"}
        for edits, expected in (
            ([clearing, other], {"edits": [other]}),
            ([clearing], None),
            ([other], {"edits": [other]}),
        ):
            sent = json.loads(edited(body(message("user", "hi"), context_management={"edits": edits}), self.OFF))
            assert sent.get("context_management") == expected

    @given(written_values(objects(model="alias", context_management={"edits": [{"type": "clear_thinking_1"}]})))
    def test_anywhere(self, pair: tuple[dict[str, Any], bytes]) -> None:
        """Wherever the members stand, the others are the same."""
        value, given_body = pair
        del value["context_management"]
        assert json.loads(edited(given_body, self.OFF)) == {**value, "thinking": {"type": "disabled"}}


_AS_IS = Changes(model="alias")
