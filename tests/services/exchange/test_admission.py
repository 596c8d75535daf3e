"""Promises of admission control: how many requests there are, and that each is counted once."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

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
        assert stage.admission.active == 2

    def test_every_end_frees_its_place(self) -> None:
        """Answered, failed, refused and abandoned requests are under way no longer."""
        stage = Stage()
        stage.run()
        stage.call.answer(*HELLO)
        stage.run()
        stage.fail(status=500)
        stage.run().cancel()
        stage.run(messages=[{"role": "user", "content": [{"type": "text"}]}])
        stage.run(max_tokens=0)
        assert stage.admission.active == 0
        assert len(stage.records.requests) == 5

    def test_limit_of_all(self) -> None:
        """Exchanges of other configurations count too, as long as they last."""
        old = Stage()
        old.run()
        new = Stage(configured(ONE + "[limits]\nmax_streams = 1\n"))
        new.admission.running = old.admission.running
        with pytest.raises(BridgeOverloaded):
            new.run()
        old.call.answer(*HELLO)
        new.run()
        assert (old.admission.active, new.admission.active, new.admission.running.exchanges) == (0, 1, 1)


class DrainedTests:
    """The last request."""

    def test_nothing_under_way(self) -> None:
        """Where there is none nothing is waited for."""
        assert Stage().admission.drained().called

    def test_last_exchange(self) -> None:
        """The last exchange is waited for, however it ends; everybody who waits is told."""
        stage = Stage()
        stage.run()
        run = stage.run()
        waiting = [stage.admission.drained(), stage.admission.drained()]
        run.cancel()
        assert [each.called for each in waiting] == [False, False]
        stage.client.calls[0].answer(*HELLO)
        assert [each.called for each in waiting] == [True, True]

    def test_held(self) -> None:
        """So is a request for which something else is awaited, also one that fails."""
        stage = Stage()

        def fail() -> None:
            with stage.admission.held():
                waiting.append(stage.admission.drained())
                stage.run()
                assert not waiting[0].called
                raise ValueError("it fails")

        waiting: list[Deferred[None]] = []
        with pytest.raises(ValueError, match="it fails"):
            fail()
        assert not waiting[0].called
        stage.call.answer(*HELLO)
        assert waiting[0].called
