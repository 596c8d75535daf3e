"""Tests for `claude_bridge.services.exchange.open_attempt`: what an attempt holds, until it has ended."""

from __future__ import annotations

import json
import sys

import pytest
from attrs import evolve
from twisted.logger import LogEvent

from claude_bridge.core.errors import InternalFault, UpstreamCut
from tests.services.exchange.stage import HELLO, ONE, Stage, configured, refusal

TOO_LONG = refusal(
    "This model's maximum context length is 8192 tokens. However, you requested 13000 tokens "
    "(5000 in the messages, 8000 in the completion)."
)
LIMITED = ONE.replace("url = http://box", "max_streams = 1\nurl = http://box")


class EndTests:
    """Whatever ends it, the slot is free, and lease and records learn of it once."""

    @pytest.mark.parametrize(
        ("end", "told", "outcome"),
        [
            ("answer", "succeeded", "ok"),
            ("refusal", "failed upstream_refused", "upstream_refused"),
            ("cut after content", "failed upstream_cut", "upstream_cut"),
            ("fault", "abandoned", "internal_fault"),
            ("client left", "abandoned", "client_left"),
        ],
    )
    def test_reported_once(self, end: str, told: str, outcome: str, logged_failures: list[LogEvent]) -> None:
        """The breaker hears how the attempt ended, and the records have it."""
        stage = Stage(configured(LIMITED))
        run = stage.run()
        if end == "answer":
            stage.call.answer(*HELLO)
        elif end == "refusal":
            stage.call.answer(refusal("no"), status=400)
        elif end == "cut after content":
            stage.call.head()
            stage.call.data(*HELLO[:2])
            stage.call.end(UpstreamCut("gone"))
        elif end == "fault":
            stage.call.end(InternalFault("bug"))
        else:
            run.cancel()
        assert stage.breaker.told == ["admit", told]
        assert [attempt.outcome for attempt in stage.records.attempts] == [outcome]
        assert stage.admission.services.slots.figures("box") == (0, 0)
        assert stage.call.over
        assert logged_failures == []


class PreparationTests:
    """What was sent."""

    def test_backends_request_is_not_kept(self) -> None:
        """What was sent is not held while the answer is waited for, and made anew where a refusal needs it."""
        stage = Stage()
        stage.run(messages=[{"role": "user", "content": "x" * 100_000}])
        body = stage.call.request.body
        stage.call.request = evolve(stage.call.request, body=b"")
        assert sys.getrefcount(body) == 2
        stage.call.answer(TOO_LONG, status=400)
        assert json.loads(stage.call.request.body) == json.loads(body) | {"max_tokens": stage.sent["max_tokens"]}
