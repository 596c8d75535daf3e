"""Tests for `claude_bridge.core.messages_api.large_body`: decoding in steps is decoding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api import codec, large_body, parsing
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.conversation_reader import prepare_reading, reading_of
from claude_bridge.core.messages_api.limits import BOUNDS, RequestLimits
from claude_bridge.core.strict_json import JsonError
from tests.core.asking import body, text, tool, use, user

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)
_blocks = st.lists(st.fixed_dictionaries({"type": st.sampled_from(["text", "image", "novel"]), "text": _texts}) | _json)
_contents = _texts | _blocks
_messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": _contents}, optional={"x": _json})
)
_tools = st.lists(st.fixed_dictionaries({"name": _texts}, optional={"input_schema": _json, "type": _texts}), max_size=4)
_requests = st.fixed_dictionaries(
    {"model": _texts, "messages": _messages},
    optional={
        "max_tokens": st.integers(0, 9),
        "system": _contents | st.none(),
        "tools": _tools | st.none(),
        "stop_sequences": st.lists(_texts, max_size=3),
        "thread": _json,
        "novel": _json,
    },
)
_steps = st.integers(1, 40)

FEW = RequestLimits(max_messages=100, max_blocks=100, max_tools=100)
"""Limits that the generated requests are below, for which the decoders are small."""


@contextmanager
def small_steps(step: int, text_step: int = 4) -> Iterator[None]:
    """Let a step be of so many bytes, and so many elements of a list be all that one decoder has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_body, "STEP", step)
        patch.setattr(large_body, "LARGE", step)
        patch.setattr(large_body, "_FIELDS", 128)
        patch.setattr(large_body, "MANY", 0)
        patch.setattr(large_body, "TEXT_STEP", text_step)
        yield


def in_steps(raw: bytes, bounds: RequestLimits = BOUNDS) -> tuple[MessagesRequest, int]:
    """Return the decoded request, and the number of steps."""
    steps = large_body.decode_in_steps(raw, bounds)
    count = 1
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, count
        count += 1


def stepwise(raw: bytes) -> MessagesRequest:
    """Return the decoded request."""
    return in_steps(raw, FEW)[0]


def outcome(decode: Any, raw: bytes) -> Any:
    """Return what comes of decoding: the fields, or the error's type and words."""
    try:
        request = decode(raw)
    except JsonError as error:
        return type(error), str(error)
    assert type(request) is MessagesRequest
    return {name: getattr(request, name) for name in request.__struct_fields__}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value inside a value."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(inner, (*path, key))


class DecodingTests:
    """Whatever the sizes of the steps, the result is that of decoding in one piece."""

    @given(_requests, _steps, st.integers(4, 9), st.booleans())
    def test_equal(self, asked: Any, step: int, text_step: int, ascii_only: bool) -> None:
        """A valid request is the same, to the byte."""
        raw = json.dumps(asked, ensure_ascii=ascii_only).encode()
        with small_steps(step, text_step):
            assert outcome(stepwise, raw) == outcome(codec.decode_request, raw)

    @given(_requests, st.data(), _json, _steps)
    def test_one_mistake(self, asked: Any, data: st.DataObject, wrong: Any, step: int) -> None:
        """So is the error for a value that is not what it should be, or is missing."""
        path = data.draw(st.sampled_from([*places(asked)]))
        inside = asked
        for key in path[:-1]:
            inside = inside[key]
        if data.draw(st.booleans()):
            inside[path[-1]] = wrong
        else:
            del inside[path[-1]]
        raw = json.dumps(asked).encode()
        with small_steps(step):
            assert outcome(stepwise, raw) == outcome(codec.decode_request, raw)

    @given(_requests, st.data(), _steps)
    def test_broken(self, asked: Any, data: st.DataObject, step: int) -> None:
        """A body cut short is invalid for the same reason; one with a broken byte is accepted by both or neither."""
        raw = json.dumps(asked, ensure_ascii=False).encode()
        end = data.draw(st.integers(0, len(raw) - 1))
        byte = data.draw(st.integers(0, 255))
        broken = raw[:end] + bytes([byte]) + raw[end + 1 :]
        with small_steps(step):
            assert outcome(stepwise, raw[:end]) == outcome(codec.decode_request, raw[:end])
            found, expected = outcome(stepwise, broken), outcome(codec.decode_request, broken)
        assert isinstance(found, dict) == isinstance(expected, dict)
        assert found == expected or not isinstance(found, dict)

    def test_surrogates(self) -> None:
        """Lone surrogates are told apart from what else is not JSON, as they can be replaced."""
        broken = body(user("@")).replace(b"@", b"\\ud800")
        assert outcome(stepwise, broken)[0] is codec.LoneSurrogates
        assert outcome(stepwise, broken) == outcome(codec.decode_request, broken)

    def test_is_divided(self) -> None:
        """Many messages, and many tools, are decoded some at a time, and a large message on its own."""
        raw = body(*[user("x" * 50)] * 100, user(text("y" * 500)), tools=[tool()] * 100)
        with small_steps(1000):
            request, steps = in_steps(raw)
        assert steps > 15
        assert request.messages == codec.decode_request(raw).messages

    def test_used_by_parsing(self) -> None:
        """A large body takes several steps, also one with lone surrogates; the last leaves the request complete."""
        for said in ("x", "\\ud83d"):
            decoding = parsing.Decoding(body(user("a" * large_body.LARGE + "@")).replace(b"@", said.encode()))
            assert not decoding.step()
            assert not decoding.step()
            while not decoding.step():
                pass
            assert reading_of(decoding.request).read_all().turns
            assert json.loads(decoding.take_body())["messages"][0]["content"][-1] in {"x", "\ufffd"}


class HostileTests:
    """What is too much is not decoded."""

    def test_messages_and_tools(self) -> None:
        """Too many messages or tools are refused as they are in a small body; none of them is decoded."""
        many = [1] * 200
        bounds = RequestLimits(max_messages=100, max_tools=100)
        with small_steps(50):
            with pytest.raises(InvalidRequest, match="at most 100 messages"):
                in_steps(body(*many), bounds)
            with pytest.raises(InvalidRequest, match="at most 100 tools"):
                in_steps(body(user("hi"), tools=many), bounds)

    def test_system(self) -> None:
        """A system prompt of too many blocks is refused, in a small body too."""
        raw = body(user("hi"), system=[text("x")] * 1001)
        with pytest.raises(InvalidRequest, match="system: at most 1000 blocks"):
            parsing.decode(raw)
        with small_steps(50):
            request, _ = in_steps(raw)
        assert len(request.system or ()) == 1001

    @pytest.mark.parametrize("step", [50, 1 << 20])
    def test_blocks(self, step: int) -> None:
        """Of too many blocks only so many are kept that the reading refuses them, as it does those of a small body."""
        raw = body(user(*[text("x")] * 70), user(*[text("y")] * 70), user(*[text("z")] * 900), user("end"))
        bounds = RequestLimits(max_blocks=100)
        with small_steps(step):
            request, _ = in_steps(raw, bounds)
        assert len(request.messages) == 4
        assert [message.role for message in request.messages] == ["user"] * 4
        assert sum(len(message.content) for message in request.messages) <= 150
        prepare_reading(request, bounds, marked=False)
        with pytest.raises(InvalidRequest, match="at most 100 content blocks"):
            reading_of(request).read_all()

    def test_calls_stay_raw(self) -> None:
        """A kept block is its own bytes."""
        call = use("toolu_1", key="a b")
        with small_steps(10):
            request, _ = in_steps(body(user(call, call)))
        assert [bytes(block) for block in request.messages[0].content] == [json.dumps(call).encode()] * 2  # type: ignore[arg-type]

    def test_rest(self) -> None:
        """A body that is large without messages, system prompt and tools is refused before any of it is decoded."""
        with pytest.raises(InvalidRequest, match="bytes beside messages, system and tools"):
            in_steps(body(user("hi"), stop_sequences=[""] * 600_000))

    def test_brackets(self) -> None:
        """So is one of nothing but brackets, which take long even to skip."""
        raw = body(user(text("@"))).replace(b'"@"', b"[" * 3_000_001 + b"]" * 3_000_001)
        with pytest.raises(InvalidRequest, match="more than 3000000 lists and objects"):
            in_steps(raw)

    def test_limit_above_all_decoders(self) -> None:
        """A limit that was set higher than any decoder goes works all the same."""
        raw = body(*[user("x")] * 30)
        with small_steps(10):
            request, _ = in_steps(raw, RequestLimits(max_messages=1_000_000))
        assert request.messages == msgspec.json.decode(raw, type=MessagesRequest).messages
