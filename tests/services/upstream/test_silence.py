"""Promises of the limits on a quiet backend."""

from __future__ import annotations

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from claude_bridge.core.errors import UpstreamError, UpstreamTimeout
from claude_bridge.services.interfaces import Watch
from claude_bridge.services.sweep import PeriodicSweep
from claude_bridge.services.upstream.silence import GRACE_SECONDS, Silence


@define(eq=False)
class Scene:
    """Limits of 900 s and 300 s under a sweep of one second."""

    clock: Clock = field(factory=Clock)
    ends: list[UpstreamError | None] = field(factory=list)
    silence: Silence = field(init=False)
    sweep: PeriodicSweep = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start."""
        self.sweep = PeriodicSweep(self.clock)
        self.silence = Silence(
            backend="b", first_byte_timeout=900, idle_timeout=300, seconds=self.clock.seconds, on_expired=self.expired
        )
        watch: Watch = self.silence
        self.sweep.add(watch)

    def expired(self, error: UpstreamError | None) -> None:
        """Note the end and stop watching, as a call does."""
        self.ends.append(error)
        self.sweep.discard(self.silence)

    def wait(self, seconds: float) -> None:
        """Let time pass, second by second."""
        for _ in range(int(seconds)):
            self.clock.advance(1)
        self.clock.advance(seconds % 1)


class SilenceTests:
    """Four phases, each with its own limit."""

    def test_first_byte_limit(self) -> None:
        """Nothing at all for 900 s ends the request, not a second before, and the error says which limit it was."""
        scene = Scene()
        scene.wait(899)
        assert scene.ends == []
        scene.wait(2)
        (error,) = scene.ends
        assert isinstance(error, UpstreamTimeout)
        assert error.message == "backend b did not begin to answer within 900 s (first_byte_timeout)"

    def test_comments_keep_the_wait_alive(self) -> None:
        """A backend that sends comments while it thinks is waited for without end."""
        scene = Scene()
        for _ in range(10):
            scene.wait(800)
            scene.silence.bytes_seen += 3
        scene.wait(890)
        assert scene.ends == []

    def test_idle_limit_after_the_first_data_event(self) -> None:
        """Once data came, 300 s of silence are enough to give up."""
        scene = Scene()
        scene.silence.bytes_seen += 1
        scene.silence.data_event_seen()
        scene.wait(300)
        assert scene.ends == []
        scene.wait(2)
        (error,) = scene.ends
        assert isinstance(error, UpstreamTimeout)
        assert error.message == "backend b was silent inside its answer for 300 s (idle_timeout)"

    def test_any_byte_starts_the_idle_limit_anew(self) -> None:
        """A slow stream that never stops for long has no limit on the whole."""
        scene = Scene()
        scene.silence.data_event_seen()
        for _ in range(20):
            scene.wait(290)
            scene.silence.bytes_seen += 1
        assert scene.ends == []

    def test_grace_after_the_finish_reason(self) -> None:
        """After the finish reason there are five seconds for late usage, and their end is no fault."""
        scene = Scene()
        scene.silence.data_event_seen()
        scene.wait(100.5)
        scene.silence.finish_seen()
        scene.wait(GRACE_SECONDS - 0.6)
        assert scene.ends == []
        scene.wait(2)
        assert scene.ends == [None]

    def test_bytes_do_not_prolong_the_grace(self) -> None:
        """Keep-alives after the finish reason do not keep a finished answer waiting."""
        scene = Scene()
        scene.silence.finish_seen()
        for _ in range(6):
            scene.wait(1)
            scene.silence.bytes_seen += 10
        assert scene.ends == [None]

    def test_content_begins_the_grace_anew(self) -> None:
        """Content after the finish reason does: whoever reads it says so."""
        scene = Scene()
        for _ in range(6):
            scene.silence.finish_seen()
            scene.wait(1)
        assert scene.ends == []
        scene.wait(6)
        assert scene.ends == [None]

    @pytest.mark.parametrize("phase", ["first", "idle", "grace"])
    def test_paused_time_does_not_count(self, phase: str) -> None:
        """A client that does not read for an hour is not held against the backend, in any phase."""
        scene = Scene()
        limit = {"first": 900, "idle": 300, "grace": 5}[phase]
        if phase == "idle":
            scene.silence.data_event_seen()
        if phase == "grace":
            scene.silence.finish_seen()
        scene.wait(limit - 2)
        scene.silence.paused()
        scene.silence.paused()
        scene.wait(3600)
        scene.silence.resumed()
        scene.silence.resumed()
        scene.wait(1)
        assert scene.ends == []
        scene.wait(2)
        assert len(scene.ends) == 1

    def test_short_pauses_do_not_renew_the_limit(self) -> None:
        """A client that stutters does not keep a dead backend alive."""
        scene = Scene()
        for _ in range(900):
            scene.silence.paused()
            scene.silence.resumed()
            scene.wait(1)
        scene.wait(1)
        assert len(scene.ends) == 1

    @given(st.lists(st.tuples(st.sampled_from(["bytes", "pause", "resume", "wait"]), st.floats(0.1, 400)), max_size=40))
    def test_never_early(self, steps: list[tuple[str, float]]) -> None:
        """Whatever happens, nobody is given up before 900 s of listening without a byte."""
        scene = Scene()
        listened, paused = 0.0, False
        for step, amount in steps:
            if step == "bytes" and not paused:
                scene.silence.bytes_seen += 1
                listened = 0.0
            elif step == "pause":
                paused = True
                scene.silence.paused()
            elif step == "resume":
                paused = False
                scene.silence.resumed()
            elif step == "wait":
                scene.clock.advance(amount)
                listened += 0 if paused else amount
            assert not scene.ends or listened >= 900 - 1e-6
            if scene.ends:
                return
