"""Promises of the doctor's conversations."""

from __future__ import annotations

import base64
import zlib

import pytest

from claude_bridge.core import strict_json
from claude_bridge.core.backend_api import NeutralRequest
from claude_bridge.core.conversation import Conversation, Image
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.tokens.request_count import count
from claude_bridge.doctor import questions
from claude_bridge.testing.requests import problems

ALL = (
    questions.greeting(),
    questions.counting(),
    questions.essay(),
    questions.thinking("high"),
    questions.weather(),
    questions.results(),
    questions.schema(),
    questions.image(),
    questions.long_text(90),
)


class QuestionTests:
    """Each can be asked of any backend."""

    @pytest.mark.parametrize("conversation", ALL)
    def test_valid(self, conversation: Conversation) -> None:
        """Translated for a plain server it is a valid request."""
        target = KINDS["openai"].target(
            "generic",
            "m",
            {},
            context_window=None,
            window_configured=False,
            max_output_tokens=None,
            strip_attribution=True,
        )
        assert problems(strict_json.decode(target.prepare(NeutralRequest(conversation)).body)) == ()

    def test_long_text(self) -> None:
        """Ninety lines have about 2,000 tokens."""
        assert 1800 < count(questions.long_text(90)) < 2400

    def test_picture(self) -> None:
        """The picture is a PNG whose rows are complete."""
        (picture,) = questions.image().media
        assert isinstance(picture, Image)
        data = base64.b64decode(picture.url.partition(",")[2])
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        start = data.index(b"IDAT") + 4
        assert len(zlib.decompressobj().decompress(data[start:])) == 32 * (1 + 32 * 3)
