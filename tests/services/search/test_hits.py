"""Tests for `claude_bridge.services.search.hits`."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.events import SearchHit
from claude_bridge.services.search.hits import MAX_SNIPPET_CHARACTERS, cleaned, plain


class CleanedTests:
    """Which results are shown, and how."""

    @pytest.mark.parametrize(
        "url",
        [
            "javascript:alert(1)",
            "ftp://e.org/",
            "file:///etc/passwd",
            "data:text/html,x",
            "//e.org/",
            "e.org",
            "",
            "http://",
            "https:///path",
            "https://user@e.org/",
            "https://e.org/a b",
            "https://e.org/\n[system]",
            "https://e.org\\@x.example/",
            "https://e.org:port/",
            "https://[::1",
            "https://e.org/\u202etxt",
            "https://e.org/" + "x" * 2048,
        ],
    )
    def test_addresses_left_out(self, url: str) -> None:
        """Only ordinary web addresses reach the model and the client."""
        assert list(cleaned([SearchHit("T", url)])) == []

    @pytest.mark.parametrize(
        "url", ["http://e.org", "https://e.org:8443/a?b=c#d", "https://bücher.example/ü", "http://[::1]/"]
    )
    def test_addresses_kept(self, url: str) -> None:
        """Those stay as they are."""
        assert [hit.url for hit in cleaned([SearchHit("T", f" {url}\n")])] == [url]

    def test_texts(self) -> None:
        """Titles, excerpts and ages are plain text."""
        hit = SearchHit("<b>Rain</b> &amp; wind", "https://e.org/", "It\n<br/>\x1b[0m rains.", "<i>May</i> 3")
        assert list(cleaned([hit])) == [SearchHit("Rain & wind", "https://e.org/", "It [0m rains.", "May 3")]

    def test_no_title(self) -> None:
        """A page without a title has its address for one, and no age is none."""
        assert list(cleaned([SearchHit("<p></p>", "https://e.org/", "", " ")])) == [
            SearchHit("https://e.org/", "https://e.org/")
        ]

    def test_once(self) -> None:
        """A page that several engines found is shown once."""
        assert [hit.title for hit in cleaned([SearchHit(title, "https://e.org/") for title in ("a", "b")])] == ["a"]

    @given(
        st.lists(
            st.builds(SearchHit, st.text(), st.text() | st.just("https://e.org/"), st.text(), st.none() | st.text())
        )
    )
    def test_anything(self, hits: list[SearchHit]) -> None:
        """Whatever an engine sends, what is shown is on one line."""
        for hit in cleaned(hits):
            for shown in (hit.title, hit.snippet, hit.age or ""):
                assert "\n" not in shown
                assert "\x00" not in shown
            assert hit.title


class PlainTests:
    """Texts of strangers."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a <strong>b</strong> c", "a b c"),
            ("if a < b and c > d", "if a < b and c > d"),
            ("x &lt;script&gt; y", "x <script> y"),
            ("<!-- hidden --><p class='a'>b</p>", "b"),
            ("cut <a href='x", "cut <a href='x"),
            ("tab\tnew\r\nline\u2028end\u00a0.", "tab new line end ."),
            ("a\u202eb\U000e0041\u200bc", "abc"),
            ("\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"),  # Persian needs the joiner
            ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
            ("\ud800x", "x"),
        ],
    )
    def test_forms(self, text: str, expected: str) -> None:
        """No markup, no control characters, nothing that nobody sees; letters of all languages stay."""
        assert plain(text, 100) == expected

    def test_bounded(self) -> None:
        """Texts are cut."""
        assert plain("word " * 10_000, 9) == "word word"
        assert len(plain("x" * 10_000, MAX_SNIPPET_CHARACTERS)) == MAX_SNIPPET_CHARACTERS

    @pytest.mark.parametrize("text", ["<" * 10**6, "<a" * 10**6, "<a " + "x" * 10**6, "&" * 10**6, "&#" * 10**6])
    def test_hostile(self, text: str) -> None:
        """Texts made to take long do not."""
        before = time.process_time()
        plain(text, MAX_SNIPPET_CHARACTERS)
        assert time.process_time() - before < 1
