"""What was served is told in one sentence."""

from __future__ import annotations

import pytest

from claude_bridge.services.accounting.store.counts import Counts
from claude_bridge.services.accounting.totals import duration, short_count, summary

DOLLAR = 10**12


class SummaryTests:
    """The sentence."""

    def test_requests_failures_and_tokens(self) -> None:
        """Requests, those that failed, and the tokens of prompts and answers."""
        counts = Counts(requests=3, failed=1, input=3_000_000, cache_read=120_000, output=210_000)
        assert summary(counts, 7_800) == "served 3 requests (1 failed) in 2 h 10 min, 3.1M tokens in, 210k out"

    @pytest.mark.parametrize(
        ("priced", "unpriced", "told"),
        [
            (0, 2, "17 tokens in, 7 out"),
            (2, 0, "17 tokens in, 7 out, $2.40"),
            (2, 1, "17 tokens in, 7 out, $2.40 and 1 answer of unknown price"),
            (2, 2, "17 tokens in, 7 out, $2.40 and 2 answers of unknown price"),
        ],
    )
    def test_cost(self, priced: int, unpriced: int, told: str) -> None:
        """What is known of the cost is told, and how much of it is not known; nothing where no price is."""
        cost = 24 * DOLLAR // 10 if priced else 0
        counts = Counts(requests=4, input=17, output=7, cost=cost, priced=priced, unpriced=unpriced)
        assert summary(counts, 60).endswith(f", {told}")

    def test_nothing(self) -> None:
        """A process that served nothing says so."""
        assert summary(Counts(), 4.9) == "served no requests in 4 s"

    def test_one_request(self) -> None:
        """One request is one request."""
        assert summary(Counts(requests=1), 61) == "served 1 request in 1 min 1 s"


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
