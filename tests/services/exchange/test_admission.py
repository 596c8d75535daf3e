"""Promises of the dispatcher: how many requests there are, and that each is counted once."""

from __future__ import annotations

import pytest

from claude_bridge.core.errors import BridgeOverloaded
from tests.services.exchange.stage import HELLO, ONE, Stage, configured


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
