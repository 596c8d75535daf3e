"""Tests for `claude_bridge.core.anthropic_backend.body_editing`."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given

from claude_bridge.core.anthropic_backend.body_editing import (
    SEARCHED_BYTES,
    Changes,
    Editing,
    edited,
)
from claude_bridge.core.anthropic_backend.message_editing import PastThinking
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.json_layout import MAX_REST_BYTES, members
from tests.core.anthropic_backend.bodies import (
    body,
    message,
    objects,
    thinking,
    written_values,
)
from tests.core.strategies import TEXT


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
        answer = message("assistant", thinking("t " * 300, "EqQBCgIYAhIM" * 30), "a " * 300)
        turns = [message("user", "w " * 500), answer] * 40
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


class EditingTests:
    """The changes worked out in steps."""

    def test_kept(self) -> None:
        """The result is kept under the changes once it is there."""
        kept: dict[Any, object] = {}
        editing = Editing(body(message("user", "hi"), stream=True), _AS_IS, kept)
        assert not editing.step()
        assert not kept
        result = editing.finish()
        assert kept == {_AS_IS: result}
        assert editing.step()
        assert {name: bytes(raw) for name, raw in result.fields.items()} == {"stream": b"true", "max_tokens": b"9"}

    def test_mark_between_two_steps(self) -> None:
        """Thinking is found wherever it stands, also where one step ends and the next begins."""
        answer = message("assistant", thinking("x", ""), "one")
        at = body(message("user", ""), answer).index(b'thinking"')
        for shift in range(-12, 12):
            given_body = body(message("user", "x" * (SEARCHED_BYTES - at + shift)), answer)
            assert b"thinking" not in edited(given_body, Changes(model="new", past_thinking="signed"))


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
