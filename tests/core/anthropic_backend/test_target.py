"""Tests for `claude_bridge.core.anthropic_backend.target`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_bridge.core.anthropic_backend.backend import ANTHROPIC_MESSAGES
from claude_bridge.core.anthropic_backend.message_reader import MessageReader
from claude_bridge.core.anthropic_backend.neutral_reader import NeutralReader
from claude_bridge.core.anthropic_backend.stream_reader import StreamReader
from claude_bridge.core.anthropic_backend.target import LARGE, MessagesTarget
from claude_bridge.core.backend_api import AnswerLimits, NeutralRequest, OriginalRequest
from claude_bridge.core.conversation import Conversation, Text, Turn
from claude_bridge.core.errors import InvalidRequest
from tests.core.anthropic_backend.bodies import body, message, thinking

HELLO = Conversation(system=[], turns=[Turn("user", [Text("hi")])])
LIMITS = AnswerLimits(max_event=2048, max_held_arguments=1024, max_answer=4096)


def target(dialect: str = "generic", overrides: dict[str, Any] | None = None, **options: Any) -> MessagesTarget:
    """Make a target."""
    limits = {"context_window": None, "window_configured": False, "max_output_tokens": None, "strip_attribution": True}
    return ANTHROPIC_MESSAGES.target(dialect, "claude-opus-5", overrides or {}, **(limits | options))


def asked(sent: bytes, **headers: str) -> NeutralRequest:
    """Return a client's request."""
    return NeutralRequest(HELLO, "", OriginalRequest(sent, headers))


class PreparedTests:
    """A request that is ready to be sent."""

    def test_passed_on(self) -> None:
        """It is the client's but for the model's name; credentials are not among its headers."""
        given = body(message("user", "hi"), stream=True, something_new={"a": 1})
        prepared = target().prepare(asked(given, authorization="Bearer sk", **{"anthropic-beta": "x", "cookie": "y"}))
        assert prepared.path == "v1/messages"
        assert prepared.body == given.replace(b'"alias"', b'"claude-opus-5"')
        assert prepared.headers == (
            ("anthropic-beta", "x"),
            ("content-type", "application/json"),
            ("anthropic-version", "2023-06-01"),
        )

    @pytest.mark.parametrize(
        ("headers", "name"),
        [
            ({"authorization": "Bearer sk"}, "Authorization"),
            ({"authorization": "Bearer sk", "x-api-key": "sk"}, "Authorization"),
            ({"x-api-key": "sk"}, "x-api-key"),
            ({"authorization": "Basic eDp5", "x-api-key": "sk"}, "x-api-key"),
        ],
    )
    def test_client_key(self, headers: dict[str, str], name: str) -> None:
        """The client's own credential goes where the client had it: its kinds of keys have different headers."""
        assert target().prepare(asked(body(), **headers)).client_key_header == name

    def test_signatures(self) -> None:
        """Where signatures are checked, what the bridge signed is left out."""
        given = body(message("user", "hi"), message("assistant", thinking("a", "cb1.x"), "one"))
        assert b"cb1." in target().prepare(asked(given)).body
        assert b"cb1." not in target("anthropic").prepare(asked(given)).body
        assert b"cb1." not in target(overrides={"signatures": "checked"}).prepare(asked(given)).body
        assert b"cb1." in target("anthropic", {"signatures": "unchecked"}).prepare(asked(given)).body

    @pytest.mark.parametrize(
        ("more", "expected"), [({}, False), ({"tools": []}, False), ({"tools": None}, False), ({"tools": [{}]}, True)]
    )
    def test_with_tools(self, more: dict[str, Any], expected: bool) -> None:
        """Whether tools are offered stands in the body."""
        assert target().prepare(asked(body(**more))).with_tools is expected

    @pytest.mark.parametrize(
        ("more", "reader"),
        [
            ({"stream": True}, StreamReader(max_event=2048)),
            ({"stream": False}, MessageReader(max_answer=4096)),
            ({"stream": None}, MessageReader(max_answer=4096)),
            ({}, MessageReader(max_answer=4096)),
        ],
    )
    def test_reader(self, more: dict[str, Any], reader: object) -> None:
        """The answer is read as the client asked for it."""
        assert target().prepare(asked(body(**more))).reader(LIMITS, bytes) == reader

    @pytest.mark.parametrize("odd", [b"[]", b"{", b'{"model":"a","model":"b"}', b'{"messages":[]}'])
    def test_refused(self, odd: bytes) -> None:
        """A body in which the model cannot be replaced is the client's mistake."""
        with pytest.raises(InvalidRequest):
            target().prepare(asked(odd))

    def test_neutral(self) -> None:
        """A request that the bridge itself makes is one of this API, with the backend's own credential."""
        prepared = target(max_output_tokens=77).prepare(NeutralRequest(HELLO))
        sent = json.loads(prepared.body)
        assert (sent["model"], sent["max_tokens"], sent["stream"]) == ("claude-opus-5", 77, True)
        assert prepared.client_key_header == ""
        assert prepared.headers == (("content-type", "application/json"), ("anthropic-version", "2023-06-01"))
        assert isinstance(prepared.reader(LIMITS, bytes), NeutralReader)

    def test_nothing_is_done(self) -> None:
        """No schema is reduced, nothing in the answer is checked."""
        prepared = target().prepare(asked(body()))
        assert (prepared.dropped_keywords, prepared.answer_shape) == (frozenset(), None)


class PreparationTests:
    """Large requests, which are edited in steps."""

    LARGE = body(message("user", "x" * LARGE), message("assistant", thinking("a", "cb1.x"), "one"), stream=True)

    def test_in_steps(self) -> None:
        """The result of the steps is what is prepared, for every attempt with the same changes."""
        request, asks = asked(self.LARGE), target("anthropic")
        assert request.original is not None
        derived = request.original.derived
        work = asks.preparation(request)
        assert work is not None
        while not work.step():
            assert not derived
        assert asks.preparation(request) is None
        assert [*derived] == [work.key]
        prepared = asks.prepare(request)
        assert prepared.body == target("anthropic").prepare(asked(self.LARGE)).body
        assert b"cb1." not in prepared.body
        assert (prepared.streams, prepared.max_tokens, prepared.with_tools) == (True, 9, False)

    def test_other_changes(self) -> None:
        """Other changes are other work."""
        request = asked(self.LARGE)
        target("anthropic").prepare(request)
        assert target("anthropic").preparation(request) is None
        assert target("generic").preparation(request) is not None
        assert b"cb1." in target("generic").prepare(request).body

    def test_none(self) -> None:
        """There is none for a request of the bridge's own, nor for a small one."""
        assert target().preparation(NeutralRequest(HELLO)) is None
        assert target().preparation(asked(body())) is None


class TargetTests:
    """A model behind the Messages API."""

    def test_window(self) -> None:
        """Only a configured window counts: a beta may make it larger than the backend's list says."""
        assert target(context_window=200_000).context_window is None
        configured = target(context_window=200_000, window_configured=True)
        assert (configured.context_window, configured.window_configured) == (200_000, True)
        assert target().with_window(100).context_window is None

    def test_counter(self) -> None:
        """Prompts are counted by the backend, with the whole request."""
        counter = target().tokenizer
        assert counter is not None
        assert (counter.path, counter.key, counter.fields) == ("v1/messages/count_tokens", "input_tokens", None)

    def test_other_kinds_traits(self) -> None:
        """Traits of other kinds, configured or learned, do no harm."""
        assert target(overrides={"schema": "bare"}) == target()
        assert target().adjusted({"schema": "bare"}, refuses_reasoning=True, max_output_tokens=5) == target()

    def test_adjusted(self) -> None:
        """What refusals taught applies."""
        taught = target().adjusted({"signatures": "checked"}, refuses_reasoning=False, max_output_tokens=None)
        assert taught == target(overrides={"signatures": "checked"})

    def test_passed_through(self) -> None:
        """Nothing is made of the request."""
        it = target()
        assert (it.passes_through, it.strip_attribution, it.truncates, it.documents_as_text) == (True, *[False] * 3)
