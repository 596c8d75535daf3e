"""Promises of admission control: how many requests there are, and that each is counted once."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from claude_bridge.core.errors import BridgeOverloaded
from claude_bridge.testing.chat import chat_stream
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


KEYED = ONE.replace("credentials = none", "credentials = keys") + "[key:alice]\nsecret = a\n{}\n[key:bob]\nsecret = b\n"


class LimitsOfKeysTests:
    """Each client's key has limits of its own."""

    @pytest.mark.parametrize("limit", ["rpm = 1", "max_streams = 1", "tpm = 5"])
    def test_refused(self, limit: str) -> None:
        """Past a limit the client gets a 429 with the time to wait; nobody is asked, and no backend is blamed."""
        stage = Stage(configured(KEYED.format(limit)))
        stage.run(client="alice")
        stage.run(client="alice")
        error = stage.error
        assert (error.status, error.kind) == (429, "rate_limit_error")
        assert error.retry_after > 0
        assert "the key alice is limited to " in error.message
        assert f"({limit.partition(' ')[0]})" in error.message
        assert stage.outcomes == ("key_limited",)
        assert len(stage.client.calls) == 1
        assert stage.breaker.told == ["admit"]  # for the first one
        stage.run(client="bob")
        assert len(stage.client.calls) == 2

    def test_every_end_frees_its_place(self) -> None:
        """Answered, failed, refused and abandoned requests run no longer."""
        stage = Stage(configured(KEYED.format("max_streams = 1")))
        stage.run(client="alice")
        stage.call.answer(*HELLO)
        stage.run(client="alice")
        stage.fail(status=500)
        stage.run(client="alice").cancel()
        stage.run(client="alice", messages=[{"role": "user", "content": [{"type": "text"}]}])
        stage.run(client="alice", max_tokens=0)
        stage.run(client="alice")
        assert "key_limited" not in {record.outcome for record in stage.records.requests}

    def test_refused_model(self) -> None:
        """A request for a model that the key may not use counts for nothing."""
        stage = Stage(configured(KEYED.format("rpm = 1\nmax_streams = 1\nmodels = glm")))
        for _ in range(2):
            stage.run(client="alice", model="box/other")
        stage.run(client="alice")
        assert [record.outcome for record in stage.records.requests] == ["not_allowed", "not_allowed"]
        assert len(stage.client.calls) == 1

    def test_tokens_that_were_used(self) -> None:
        """The estimate is corrected by what the backend says of its answers, those of failed attempts included."""
        stage = Stage(configured(KEYED.format("tpm = 10K")))
        stage.run(client="alice")
        stage.call.answer(*chat_stream(text="Hi", usage={"prompt_tokens": 9000, "completion_tokens": 995}))
        stage.run(client="alice")
        assert "10,000 tokens a minute" in stage.error.message
        assert stage.error.retry_after == 60
        stage.clock.advance(60)
        stage.run(client="alice")
        stage.call.answer(*HELLO)
        assert [record.outcome for record in stage.records.requests] == ["ok", "key_limited", "ok"]

    def test_limits_outlive_a_configuration(self) -> None:
        """Exchanges of an earlier configuration count, under the limits of the new one."""
        old, new = Stage(configured(KEYED.format(""))), Stage(configured(KEYED.format("max_streams = 1")))
        new.admission.limits = old.admission.limits
        old.run(client="alice")
        new.run(client="alice")
        assert new.error.status == 429
        old.call.answer(*HELLO)
        new.run(client="alice")
        assert len(new.client.calls) == 1


class ModelsOfKeysTests:
    """A client whose key may not use every model."""

    @pytest.mark.parametrize(
        "more",
        [{"model": "box/other"}, {"system": "<CCR-SUBAGENT-MODEL>box,other</CCR-SUBAGENT-MODEL>"}],
        ids=["named", "tag"],
    )
    def test_refused(self, more: dict[str, str]) -> None:
        """A name or a tag that leads elsewhere gets a 404 that names what the key may use; no backend is asked."""
        stage = Stage(configured(KEYED.format("models = glm")))
        stage.run(client="alice", **more)
        error = stage.error
        assert (error.status, error.kind, error.should_retry) == (404, "not_found_error", False)
        assert "box" in error.message
        assert "the key alice may use, which is limited to the models glm" in error.message
        assert stage.outcomes == ("not_allowed",)
        assert stage.client.calls == []
        stage.run(client="bob", **more)
        assert stage.sent["model"] == "other"
        stage.run(client="alice", model="claude-opus-5")
        assert stage.sent["model"] == "zai/GLM"


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
