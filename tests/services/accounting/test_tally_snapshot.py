"""The tally as plain values."""

from __future__ import annotations

import json

import pytest
from attrs import asdict, evolve
from twisted.internet.task import Clock

from claude_bridge.core.events import Usage
from claude_bridge.services.accounting import tally as module
from claude_bridge.services.accounting.tally import Tally
from claude_bridge.services.accounting.tally_snapshot import OTHERS, Sums, snapshot
from tests.services.accounting.test_request_log import ATTEMPT, RECORD


class SnapshotTests:
    """What is told."""

    def test_of_two_requests(self) -> None:
        """Totals, models and keys, in dollars and tokens; the last error of a model with its time."""
        tally = Tally(seconds=Clock().seconds)
        tally.request_ended(evolve(RECORD, attempts=(evolve(ATTEMPT, cost=10**12, seconds=3.0, usage=Usage(5, 200)),)))
        cut = evolve(ATTEMPT, backend="cloud", outcome="upstream_cut", usage=None, first_token_seconds=None)
        tally.request_ended(evolve(RECORD, client="bob", outcome="upstream_cut", attempts=(cut,)))
        seen = snapshot(tally)
        assert seen.sums == Sums(
            requests=2,
            failed=1,
            attempts=2,
            prompt_tokens=5,
            cached_tokens=0,
            output_tokens=200,
            cost_usd=1.0,
            unpriced=0,
        )
        assert (seen.sessions, seen.tokens_per_second) == (1, round(200 / 60, 1))
        cloud, box = seen.models
        assert (cloud.backend, cloud.model, cloud.failed_attempts, cloud.last_error) == (
            "cloud",
            "zai/GLM",
            1,
            "upstream_cut",
        )
        assert cloud.last_error_at == pytest.approx(ATTEMPT.started + ATTEMPT.seconds, abs=0.001)
        assert (box.last_error, box.last_error_at, box.tokens_per_second) == (None, None, round(200 / 2.001, 1))
        assert {each.key: each.sums.requests for each in seen.keys} == {"anna": 1, "bob": 1}

    def test_nothing(self) -> None:
        """Nothing served is no cost, and can be written as JSON."""
        seen = snapshot(Tally(seconds=Clock().seconds))
        assert (seen.sums.cost_usd, seen.models, seen.keys) == (None, (), ())
        json.dumps(asdict(seen))

    def test_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What has no figures of its own any more is told as others, so that the parts add up."""
        monkeypatch.setattr(module, "MAX_MODELS", 1)
        monkeypatch.setattr(module, "MAX_KEYS", 1)
        tally = Tally(seconds=Clock().seconds)
        for name in "abc":
            tally.request_ended(evolve(RECORD, client=name, attempts=(evolve(ATTEMPT, model=name),)))
        seen = snapshot(tally)
        assert [(each.backend, each.model, each.sums.requests) for each in seen.models] == [
            ("box", "c", 1),
            (OTHERS, "", 2),
        ]
        assert [(each.key, each.sums.requests) for each in seen.keys] == [("c", 1), (OTHERS, 2)]
