"""The estimator is never absurd, never slow and never fails."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.tokens import media
from claude_bridge.core.tokens.estimator import (
    MIN_REMEMBERED_CHARACTERS,
    CountCache,
    Tally,
    estimate_json,
    estimate_text,
    rough_tokens,
)

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 200, 200) + b"\0" * 30).decode()
# Text as people and programs write it; surrogates too, which a client's broken escapes can leave behind.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=200)
PLAIN = st.text("abz AZ09_-.,:{}\"'\n\t\u00e9\u4e2d", max_size=200)


class EstimateTextTests:
    """Plain text."""

    @pytest.mark.parametrize(
        ("text", "tokens"),
        [
            ("", 0),
            ("a", 1),
            ("letters", 1),
            ("sentence", 2),
            ("abcdefabcdef", 2),
            ("abcdefabcdefg", 3),
            ("one two three", 3),
            ("12", 1),
            ("1234567", 3),
            ("...", 2),
            ("a\n    b", 3),
            ("\u4e2d\u6587" * 5, 8),
            ("\u0434" * 10, 3),
        ],
    )
    def test_pieces(self, text: str, tokens: int) -> None:
        """Words, digits, punctuation and other scripts are counted by their own rules."""
        assert estimate_text(text) == tokens

    # Counted with o200k_base.
    @pytest.mark.parametrize(
        ("text", "actual"),
        [
            (
                (
                    "The quick development of large language models has changed how people write software. Nobody "
                    "expected that simple next token prediction would generalise so well, and yet here we are, "
                    "debugging distributed systems with it. "
                ),
                39,
            ),
            (
                "\u6df1\u5ea6\u5b66\u4e60\u6a21\u578b\u9700\u8981\u5927\u91cf\u7684\u6570\u636e\u6765\u8bad\u7ec3\uff0c",
                11,
            ),
            ("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 ", 44),
        ],
    )
    def test_near_a_real_tokenizer(self, text: str, actual: int) -> None:
        """Prose, Chinese and hex come out within half of what a real tokenizer counts."""
        assert 0.67 * actual <= estimate_text(text) <= 1.5 * actual

    @given(TEXTS)
    def test_any_text(self, text: str) -> None:
        """Any text has a count between nothing and two tokens a character, and only blank text has none."""
        tokens = estimate_text(text)
        assert 0 <= tokens <= 2 * len(text)
        assert tokens or not text.strip()

    @given(TEXTS, TEXTS)
    def test_concatenation(self, one: str, other: str) -> None:
        """Two texts together cost what they cost apart, give or take what happens at the seam."""
        apart = estimate_text(one) + estimate_text(other)
        assert abs(estimate_text(one + other) - apart) <= 3

    @given(PLAIN, PLAIN)
    def test_monotone(self, one: str, other: str) -> None:
        """More text does not cost noticeably less."""
        assert estimate_text(one + other) >= max(estimate_text(one), estimate_text(other)) - 1

    def test_long_text(self) -> None:
        """A text of many slices costs what its slices cost."""
        assert estimate_text("word and number 123, " * 45_000) == pytest.approx(5 * 45_000, rel=0.001)

    @pytest.mark.parametrize("count", [estimate_text, estimate_json])
    def test_very_long_text(self, count: Callable[[str], int]) -> None:
        """Of 30 MB not everything is looked at, so nobody waits for a second, and the count is still about right."""
        text = "word and number 123, " * 700_000 + '\\u4e2d\\n" ' * 1_500_000
        start = process_time()
        counted = count(text)
        assert process_time() - start < 0.5
        parts = count(text[:1_000_000]) * 14.7 + count(text[-1_000_000:]) * 16.5
        assert counted == pytest.approx(parts, rel=0.1)

    @pytest.mark.parametrize(
        "unit", ["a", "1", " ", "\n", "-", "\u00e9", "\u4e2d", "a-", "ab ", "\\", "\\u00", "\ud800"]
    )
    def test_linear(self, unit: str) -> None:
        """200,000 repeated characters take no longer than other text (it would be minutes, not a second, if not)."""
        text = (unit * 200_000)[:200_000]
        start = process_time()
        estimate_text(text)
        estimate_json(text)
        assert process_time() - start < 5


class EstimateJsonTests:
    """Raw JSON."""

    def test_like_text(self) -> None:
        """JSON without escapes costs what it costs as text."""
        raw = '{"type":"object","properties":{"path":{"type":"string"}}}'
        assert estimate_json(raw) == estimate_text(raw)

    def test_escapes(self) -> None:
        """Escapes are counted as what they stand for."""
        assert estimate_json(r'"line one\nline two"') == estimate_text('"line one\nline two"')
        assert estimate_json(r"\u6df1\u5ea6\u5b66\u4e60\u6a21") == estimate_text("\u6df1\u5ea6\u5b66\u4e60\u6a21")
        assert estimate_json(r"say \"yes\"") == estimate_text('say "yes"')

    @given(TEXTS)
    def test_any_text(self, raw: str) -> None:
        """No text makes it fail, JSON or not."""
        assert estimate_json(raw) >= 0


class RoughTests:
    """The guess from a size alone."""

    def test_sizes(self) -> None:
        """A size in bytes becomes tokens, rounded up; no size gives less than nothing."""
        assert [rough_tokens(count) for count in (0, 1, 36, 49_000, -5)] == [0, 1, 10, 13_612, 0]


class RememberedTests:
    """Counts that are remembered."""

    def test_counted_once(self) -> None:
        """A text that comes again is not counted again, and text and JSON are told apart."""
        counted: list[str] = []

        def count(text: str) -> int:
            counted.append(text)
            return len(counted)

        def other(text: str) -> int:
            return len(text)

        remembered = CountCache()
        text = "a" * MIN_REMEMBERED_CHARACTERS
        assert [remembered.count(count, text) for _ in range(3)] == [1, 1, 1]
        assert remembered.count(other, text) == MIN_REMEMBERED_CHARACTERS
        assert counted == [text]

    def test_bounded(self) -> None:
        """Of too many texts those that were not asked for longest are forgotten."""
        counted: list[str] = []

        def count(text: str) -> int:
            counted.append(text[0])
            return 1

        remembered = CountCache(most=2)
        for name in "abacab":
            remembered.count(count, name * MIN_REMEMBERED_CHARACTERS)
        assert counted == ["a", "b", "c", "b"]

    @given(TEXTS)
    def test_changes_nothing(self, text: str) -> None:
        """A count that is remembered is the same as one that is made."""
        again = Tally()
        again.add_text(text * 3)
        assert again.total() == 3 + estimate_text(text * 3)


class TallyTests:
    """Adding up a request."""

    def test_empty(self) -> None:
        """A request with nothing in it still costs what opens the reply."""
        assert Tally().total() == 3

    def test_parts(self) -> None:
        """Every part adds its own cost."""
        tally = Tally()
        tally.add_message()
        tally.add_text("one two three")
        tally.add_tool()
        tally.add_json("{}")
        tally.add_image("image/png", PNG)
        tally.add_document("application/pdf", base64.b64encode(b"/Type /Page /Type /Page ").decode())
        assert tally.total() == 3 + 4 + 3 + 10 + 1 + 64 + 4000

    def test_wrongly_named_image(self) -> None:
        """A picture under another picture's name is measured by what it is."""
        tally = Tally()
        tally.add_image("image/jpeg", PNG)
        assert tally.total() == 3 + 64

    def test_unknown_media(self) -> None:
        """What cannot be measured costs a flat sum as a picture, and by its size as a document."""
        tally = Tally()
        tally.add_image("application/octet-stream", PNG)
        assert tally.total() == 3 + 1600
        tally.add_document("text/plain", "A" * 480)
        assert tally.total() == 3 + 1600 + 100

    @given(st.text(), st.text())
    def test_any_media(self, media_type: str, data: str) -> None:
        """No media type and no data make it fail or give anything back."""
        tally = Tally()
        tally.add_image(media_type, data)
        tally.add_document(media_type, data)
        assert tally.total() >= 3

    def test_many_pages(self) -> None:
        """The pages of the first PDFs are counted; the others of a large request have as many by their size."""
        pdf = base64.b64encode(b"%PDF-1.4" + b"/Type /Page  " * 30 + b" " * (1 << 20)).decode()
        other = base64.b64encode(b"%PDF-1.4" + b" " * (1 << 20)).decode()
        totals = []
        for documents in ([pdf] * 3, [pdf] * 20, [pdf] * 10 + [other] * 10, [other] * 20):
            tally = Tally()
            for each in documents:
                tally.add_document("application/pdf", each)
            totals.append((tally.total() - 3) // media.PDF_PAGE_TOKENS)
        assert totals[0] == 90
        assert 600 <= totals[1] <= 620
        assert 600 <= totals[2] <= 620
        assert totals[3] == 20
