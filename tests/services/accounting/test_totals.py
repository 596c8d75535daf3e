"""What was served is added up, and told in one sentence."""

from __future__ import annotations

import pytest
from attrs import evolve

from claude_bridge.core.events import Usage
from claude_bridge.services.accounting.totals import Totals, duration, short_count
from claude_bridge.testing.fakes import KeptRecords
from tests.services.accounting.test_request_log import ATTEMPT, RECORD


class TotalsTests:
    """Counting."""

    def test_requests_failures_and_tokens(self) -> None:
        """Each request counts once, a failure apart, and the tokens of every attempt; a client that left is none."""
        totals = Totals(KeptRecords())
        for outcome in ("ok", "client_left", "upstream_cut"):
            totals.attempt_ended("r", evolve(ATTEMPT, usage=Usage(1_000_000, 70_000, 40_000)))
            totals.attempt_ended("r", evolve(ATTEMPT, usage=None))
            totals.request_ended(evolve(RECORD, outcome=outcome))
        assert totals.summary(7_800) == "served 3 requests (1 failed) in 2 h 10 min, 3.1M tokens in, 210k out"

    def test_cost(self) -> None:
        """What is known of the cost is added up, and it is told how much of it is not known."""
        totals = Totals(KeptRecords())
        priced = evolve(ATTEMPT, cost=1_200_000_000_000)
        for record in (priced, priced, evolve(ATTEMPT, usage=None)):
            totals.attempt_ended("r", record)
        assert totals.summary(60).endswith("34 tokens in, 14 out, $2.40")
        totals.attempt_ended("r", ATTEMPT)
        assert totals.summary(60).endswith("21 out, $2.40 and 1 answer of unknown price")
        totals.attempt_ended("r", ATTEMPT)
        assert totals.summary(60).endswith("28 out, $2.40 and 2 answers of unknown price")
        assert (totals.cost, totals.unpriced) == (2_400_000_000_000, 2)

    def test_what_is_no_request_for_a_model(self) -> None:
        """Lists of models and paths that are not there are no requests of this kind."""
        totals = Totals(KeptRecords())
        totals.request_ended(evolve(RECORD, model="", kind="models"))
        totals.request_ended(evolve(RECORD, model="", kind="/favicon.ico", status=404, outcome="not_found"))
        assert totals.summary(4.9) == "served no requests in 4 s"

    def test_one_request(self) -> None:
        """One request is one request."""
        totals = Totals(KeptRecords())
        totals.request_ended(RECORD)
        assert totals.summary(61) == "served 1 request in 1 min 1 s"

    def test_passes_records_on(self) -> None:
        """Whoever comes next gets every record."""
        kept = KeptRecords()
        totals = Totals(kept)
        totals.attempt_ended("req_1", ATTEMPT)
        totals.request_ended(RECORD)
        assert (kept.attempts, kept.requests) == ([ATTEMPT], [RECORD])


class WordsTests:
    """Durations and counts for people."""

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(0, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3_600, "1 h 0 min"), (86_400 * 9 + 3_700, "9 d 1 h")],
    )
    def test_duration(self, seconds: float, words: str) -> None:
        """A duration has its two largest units."""
        assert duration(seconds) == words

    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (0, "0"),
            (999, "999"),
            (1_000, "1k"),
            (9_540, "9.5k"),
            (999_999, "999k"),
            (3_149_000, "3.1M"),
            (10**9, "1000M"),
        ],
    )
    def test_short_count(self, number: int, words: str) -> None:
        """A large number has few digits, and is never rounded up."""
        assert short_count(number) == words
