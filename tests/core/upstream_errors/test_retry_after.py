"""A backend's wish to be left alone for a while is understood in every notation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.upstream_errors import retry_after

NOON = 1_764_590_400.0  # Mon, 01 Dec 2025 12:00:00 GMT


class DurationTests:
    """Durations as servers write them."""

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("6m0s", 360),
            ("1s", 1),
            ("350ms", 0.35),
            ("2m59.56s", 179.56),
            ("1h0m5s", 3605),
            ("1d2h", 93600),
            ("1d1h1m1s1ms", 90061),
            ("26.4s.", 26.4),
            ("3 seconds", 3),
            ("5 minutes", 300),
            ("20 milliseconds", 0.02),
            ("2 hours", 7200),
            ("1 day", 86400),
            ("7", 7),
            (" 0.5 ", 0.5),
            ("", None),
            ("soon", None),
            ("-5", None),
            ("5 apples", None),
            ("1e9", None),
            ("nan", None),
        ],
    )
    def test_notations(self, text: str, seconds: float | None) -> None:
        """Go's, Python's and people's notations give the same seconds; anything else gives none."""
        assert retry_after.duration(text) == (None if seconds is None else pytest.approx(seconds))

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """No text makes it fail or gives a negative wait."""
        for read in (retry_after.duration, retry_after.in_words):
            wait = read(text)
            assert wait is None or wait >= 0


class InHeadersTests:
    """Headers."""

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry-after": "7"}, 7),
            ({"retry-after": "7.5"}, 7.5),
            ({"retry-after": "Mon, 01 Dec 2025 12:00:30 GMT"}, 30),
            ({"retry-after": "Mon, 01 Dec 2025 11:00:00 GMT"}, 0),
            ({"retry-after": "Mon, 40 Dec 2025 11:00:00 GMT"}, None),
            ({"retry-after-ms": "350", "retry-after": "1"}, 0.35),
            ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}, 360),
            (
                {
                    "x-ratelimit-reset-requests": "1s",
                    "x-ratelimit-remaining-requests": "0",
                    "x-ratelimit-reset-tokens": "6m0s",
                    "x-ratelimit-remaining-tokens": "149984",
                },
                1,
            ),
            ({"x-ratelimit-reset": "1764590410"}, 10),
            ({"x-ratelimit-reset": "1764590420500"}, 20.5),
            ({"x-ratelimit-reset": "12"}, 12),
            ({"x-ratelimit-reset-tokens": "later"}, None),
            ({}, None),
        ],
    )
    def test_headers(self, headers: dict[str, str], seconds: float | None) -> None:
        """The finest of the headers counts, and of several limits the one that is used up."""
        wait = retry_after.in_headers(429, headers, now=NOON)
        assert wait == (None if seconds is None else pytest.approx(seconds))

    def test_resets_of_other_answers(self) -> None:
        """A reset header beside another failure is only bookkeeping; retry-after always counts."""
        assert retry_after.in_headers(500, {"x-ratelimit-reset-requests": "6m0s"}, now=NOON) is None
        assert retry_after.in_headers(503, {"retry-after": "3"}, now=NOON) == 3

    @given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset"]), st.text()))
    def test_any_headers(self, headers: dict[str, str]) -> None:
        """No header makes it fail."""
        wait = retry_after.in_headers(429, headers, now=NOON)
        assert wait is None or wait >= 0


class InWordsTests:
    """Sentences."""

    @pytest.mark.parametrize(
        ("message", "seconds"),
        [
            ("Rate limit reached for gpt-4o on tokens per min. Please try again in 3.5s. Visit the console.", 3.5),
            ("Please try again in 6m0s.", 360),
            ("Please try again in 20ms.", 0.02),
            ("You exceeded your current quota. Please retry in 26.4s.", 26.4),
            ("Too many requests, retry after 30 seconds", 30),
            ("wait about 2 minutes", 120),
            ("try again in 5", None),
            ("try again later", None),
            ("retry the 3 requests", None),
        ],
    )
    def test_sentences(self, message: str, seconds: float | None) -> None:
        """A wait that is told in words is found, and no other number is taken for one."""
        wait = retry_after.in_words(message)
        assert wait == (None if seconds is None else pytest.approx(seconds))
