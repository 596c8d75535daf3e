"""Tests for `claude_bridge.services.exchange.local_answers`: reading a request, and answering it without a backend."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from claude_bridge.config.schema import Limits
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.events import Finished
from claude_bridge.core.messages_api.parsing import decode
from claude_bridge.core.messages_api.request_info import request_info
from claude_bridge.services.exchange.delivery import Delivery
from claude_bridge.services.exchange.local_answers import LocalAnswers
from claude_bridge.services.pace import Pace
from claude_bridge.testing.fakes import FakeClientResponse, HeldSearch
from tests.services.exchange.stage import HELLO, Stage, asking

SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FORCED: dict[str, Any] = {"tools": [SEARCH], "tool_choice": {"type": "tool", "name": "web_search"}}


class LargeTests:
    """Requests that take long to prepare: others are answered in between."""

    BLOCKS = [{"type": "text", "text": "a"}] * 3000

    def test_many_blocks(self) -> None:
        """A long conversation is read in turns, and loses nothing by it."""
        stage = Stage()
        stage.run(messages=[{"role": "user", "content": self.BLOCKS}])
        assert stage.client.calls == []
        stage.clock.pump([0] * 4)

        assert stage.sent["messages"][0]["content"].count("a") == 3000
        stage.call.answer(*HELLO)
        assert stage.outcomes == ("ok", "ok")

    def test_client_leaves_meanwhile(self) -> None:
        """A client that leaves while its request is read costs nothing more."""
        stage = Stage()
        stage.run(messages=[{"role": "user", "content": self.BLOCKS}]).cancel()

        assert stage.clock.getDelayedCalls() == []
        assert (stage.client.calls, stage.outcomes) == ([], ("client_left",))

    def test_malformed(self) -> None:
        """What is malformed is told before anybody is asked, and is booked."""
        stage = Stage()
        stage.run(messages=[{"role": "user", "content": [{"type": "text"}]}])

        assert str(stage.error) == "messages.0.content.0.text: Field required"
        assert (stage.client.calls, stage.outcomes) == ([], ("invalid_request",))


class LocalAnswerTests:
    """What needs no backend."""

    def test_no_backend_for_what_needs_none(self) -> None:
        """A request to warm a cache is answered here, even while the circuit is open."""
        stage = Stage()
        stage.run(max_tokens=0)
        assert (stage.client.calls, stage.outcomes, stage.breaker.told) == ([], ("ok",), [])

    def answer(
        self, search: HeldSearch | None = None, *, has_failed: bool = False, **more: Any
    ) -> tuple[bool | Failure, FakeClientResponse, Delivery]:
        """Return whether a request was answered, with its client and its delivery."""
        body = json.dumps(asking(**more)).encode()
        asked, client = decode(body), FakeClientResponse()
        local, delivery = LocalAnswers(Pace(Clock()), Limits(), search, bytes), Delivery(client)
        found: list[bool | Failure] = []
        coroutine = local.answer(asked, request_info(asked, {}, len(body)), delivery, has_failed=has_failed)
        Deferred.fromCoroutine(coroutine).addBoth(found.append)
        return found[0], client, delivery

    def test_answered(self) -> None:
        """The answer says who has given it, and ends."""
        answered, client, _ = self.answer(max_tokens=0)
        assert answered is True
        assert client.started == [
            {"served_by": "claude-bridge/local", "model": "glm", "show_reasoning": False, "input_tokens": 0}
        ]
        assert isinstance(client.events[-1], Finished)

    def test_for_a_backend(self) -> None:
        """What a backend must answer is left to it, and it is known which extra turns that may need."""
        answered, client, delivery = self.answer(HeldSearch(), **FORCED)
        assert (answered, client.started, len(delivery.extra_turns)) == (False, [], 1)
        assert self.answer()[2].extra_turns == ()

    @pytest.mark.parametrize(
        "more", [{"mcp_servers": [{"type": "url"}]}, {"messages": [{"role": "user", "content": [{"type": "text"}]}]}]
    )
    def test_refused(self, more: dict[str, Any]) -> None:
        """What the bridge can neither read nor pass on is refused."""
        answered, client, _ = self.answer(**more)
        assert isinstance(answered, Failure)
        assert isinstance(answered.value, InvalidRequest)
        assert client.started == []

    def test_after_a_failure(self) -> None:
        """Without an engine a search is answered by a text; after a backend that might have searched it is refused."""
        answered, client, _ = self.answer(**FORCED)
        assert (answered, bool(client.text)) == (True, True)
        answered, client, _ = self.answer(has_failed=True, **FORCED)
        assert isinstance(answered, Failure)
        assert client.events == []
        assert self.answer(has_failed=True, max_tokens=0)[0] is True

    @pytest.mark.parametrize(
        ("more", "expected"),
        [
            ({"max_tokens": 0}, True),
            ({}, False),
            ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, False),
        ],
    )
    def test_can_answer(self, more: dict[str, Any], expected: bool) -> None:
        """It can be asked whether a request needs no backend, with no answer to it."""
        body = json.dumps(asking(**more)).encode()
        asked = decode(body)
        local = LocalAnswers(Pace(Clock()), Limits(), None, bytes)
        found: list[bool | Failure] = []
        Deferred.fromCoroutine(local.can_answer(asked, request_info(asked, {}, len(body)))).addBoth(found.append)
        assert found == [expected]
