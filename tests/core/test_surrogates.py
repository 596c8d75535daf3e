"""Promises of mending lone surrogates."""

from __future__ import annotations

import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core import surrogates
from claude_bridge.core.surrogates import STEP, Mending, has_surrogates, mend

ESCAPES = st.sampled_from([r"\ud83d", r"\ude00", r"\uD83D\uDE00", r"\\", r"\"", r"\n", r"\u00e9", "a", "ud800", "é"])


class MendTests:
    """Broken escapes in a conversation."""

    @pytest.mark.parametrize(
        ("broken", "mended"),
        [
            (r'"\ud800"', r'"\ufffd"'),
            (r'"\uDFFFx"', r'"\ufffdx"'),
            (r'"\ud83d\ude00"', r'"\ud83d\ude00"'),
            (r'"\\ud800 \ud800"', r'"\\ud800 \ufffd"'),
            (r'"\ud800\ud83d\ude00"', r'"\ufffd\ud83d\ude00"'),
        ],
    )
    def test_mended(self, broken: str, mended: str) -> None:
        """A lone surrogate becomes the replacement character; pairs and escaped backslashes stay."""
        assert mend(broken.encode()) == mended.encode()

    def test_are_in(self) -> None:
        """Only what may hold a surrogate is mended; what holds a zero byte is no JSON whatever is done."""
        assert has_surrogates(rb'"\ud800"')
        assert not has_surrogates(rb'"\x"')
        assert not has_surrogates(b'"\\ud800\0"')

    @given(st.lists(ESCAPES), st.integers(12, 40))
    def test_any_step(self, escapes: list[str], step: int) -> None:
        """Wherever a body is cut, it says what Python's lenient decoder reads, with U+FFFD for what is alone."""
        body = b'"%b"' % "".join(escapes).encode()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(surrogates, "STEP", step)
            mended = mend(body)
        wanted = json.loads(body).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        assert msgspec.json.decode(mended) == wanted

    @given(st.binary(), st.integers(12, 40))
    def test_any_bytes(self, body: bytes, step: int) -> None:
        """What is no JSON is gone through to its end, too."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(surrogates, "STEP", step)
            mend(body)

    @pytest.mark.parametrize("part", [r"\\", r"\ud800", r"\ud83d\ude00", "a", r"\n", r"\u", "\\u12zz"])
    def test_no_long_step(self, part: str) -> None:
        """A body of many MB is mended in short steps, whatever it is full of."""
        mending = Mending(b'"\\ud800%b"' % (part * (4 * STEP // len(part))).encode())
        longest, steps, done = 0.0, 0, False
        while not done:
            begun = time.thread_time()
            done = mending.step()
            longest = max(longest, time.thread_time() - begun)
            steps += 1
        assert steps >= 4
        assert longest < 0.3  # a tenth of it on an ordinary machine
