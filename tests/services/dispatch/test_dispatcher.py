"""Promises of the dispatcher: how many requests there are, and that each is counted once."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import Deferred

from claude_bridge.core import request as messages
from claude_bridge.core.errors import BridgeOverloaded
from claude_bridge.testing.chat import chat_stream, token_usage
from tests.services.dispatch.stage import HELLO, ONE, Stage, asking, configured


def succeeded(deferred: Deferred[int]) -> int:
    """Give the result of a Deferred that has fired."""
    results: list[int] = []
    deferred.addCallback(results.append)
    (result,) = results
    return result


class DispatcherTests:
    """Requests under way."""

    def test_more_than_the_limit_is_529(self) -> None:
        """Past `max_streams` a client is told to come back, until somebody is served."""
        stage = Stage(configured(ONE + "[limits]\nmax_streams = 2\n"))
        stage.run()
        stage.run()
        with pytest.raises(BridgeOverloaded) as caught:
            stage.run()
        assert (caught.value.status, caught.value.kind) == (529, "overloaded_error")
        assert caught.value.retry_after is not None
        stage.client.calls[0].answer(*HELLO)
        stage.run()
        assert stage.dispatcher.active == 2

    def test_every_end_frees_its_place(self) -> None:
        """Answered, failed, refused and abandoned requests are under way no longer."""
        stage = Stage()
        stage.run()
        stage.call.answer(*HELLO)
        stage.run()
        stage.call.answer(status=500)
        stage.run().cancel()
        stage.run(messages=[{"role": "user", "content": [{"type": "text"}]}])
        stage.run(max_tokens=0)
        assert stage.dispatcher.active == 0
        assert len(stage.records.requests) == 5


class CountTests:
    """``count_tokens``."""

    LONG = "The quick brown fox jumps over the lazy dog. " * 300

    def counted(self, stage: Stage, model: str = "glm") -> int:
        """Count a long question."""
        asked = messages.decode(json.dumps(asking(model=model, messages=self.long())).encode(), counting=True)
        return succeeded(Deferred.fromCoroutine(stage.dispatcher.count_tokens(asked, None)))

    def long(self) -> list[dict[str, str]]:
        """Make a long question."""
        return [{"role": "user", "content": self.LONG}]

    def test_learns_from_answers(self) -> None:
        """After an answer, the same prompt is counted as the backend counted it."""
        stage = Stage()
        before = self.counted(stage)
        true = round(before * 1.3)
        stage.run(messages=self.long())
        stage.call.answer(*chat_stream(text="yes", usage=token_usage(true, 2)))
        assert abs(self.counted(stage) - true) <= 1

    def test_unknown_model_is_counted(self) -> None:
        """A model that nothing serves is counted too: clients count before they ask."""
        several = "[backend:a]\nurl = http://127.0.0.1:1/v1\n[backend:b]\nurl = http://127.0.0.1:2/v1\n"
        assert self.counted(Stage(configured(several)), "nobody") > 1000
