"""Every server's words for an overflow, in every shape of error body, end as one of the two texts clients act on.

What a client reads is made as dispatch makes it: the body becomes an `UpstreamFailure`, `overflow_detection.detect`
looks at it,
`overflow.canonical` words it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.backend_api import UpstreamFailure
from claude_bridge.core.tokens import overflow
from claude_bridge.core.upstream_errors import classification, overflow_detection
from tests.core.overflows import NEAR_MISSES, WORDINGS, Wording, is_true

Shape = Callable[[str], object]

SHAPES: Mapping[str, Shape] = {
    "openai": lambda text: {
        "error": {
            "message": text,
            "type": "invalid_request_error",
            "param": "messages",
            "code": "invalid_request_error",
        }
    },
    "vllm": lambda text: {"error": {"message": text, "type": "BadRequestError", "param": None, "code": 400}},
    "sglang": lambda text: {"object": "error", "message": text, "type": "BadRequestError", "param": None, "code": 400},
    "string (xai, ollama)": lambda text: {"code": "Client specified an invalid argument", "error": text},
    "gemini": lambda text: [{"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}],
    "detail (fastapi)": lambda text: {"detail": text},
    "detail with an object": lambda text: {"detail": {"error": {"message": text}}},
    "pydantic": lambda text: {"detail": [{"type": "value_error", "loc": ["body", "messages"], "msg": text}]},
    "message (bedrock)": lambda text: {"message": text},
    "mistral": lambda text: {"object": "error", "message": text, "type": "invalid_request", "code": "3051"},
    "mistral, nested": lambda text: {"object": "error", "message": {"detail": [{"loc": ["body"], "msg": text}]}},
    "siliconflow": lambda text: {"code": 20015, "message": text, "data": None},
    "tgi": lambda text: {"error": text, "error_type": "validation"},
    "watsonx": lambda text: {"errors": [{"code": "invalid_input_argument", "message": text}], "status_code": 400},
    "anthropic": lambda text: {"type": "error", "error": {"type": "invalid_request_error", "message": text}},
    "openrouter": lambda text: {
        "error": {
            "message": "Provider returned error",
            "code": 400,
            "metadata": {"raw": json.dumps({"error": {"message": text}}), "provider_name": "P"},
        }
    },
    "litellm": lambda text: {
        "error": {"message": f"litellm.BadRequestError: OpenAIException - {text}", "type": None, "code": "400"}
    },
    "a gateway's own": lambda text: {"detail": f"Error code: 400 - {{'object': 'error', 'message': {text!r}}}"},
}

STATUSES = (400, 413, 422, 500)


def answered(status: int, body: object) -> UpstreamFailure:
    """Read a refusal as it comes over the wire."""
    return classification.from_response(status, {}, json.dumps(body).encode(), now=0.0)


def overflow_text(failure: UpstreamFailure) -> str | None:
    """Return what the client is told, or None where it is no overflow."""
    found = overflow_detection.detect(failure)
    if found is None:
        return None
    return overflow.canonical(found, estimate=150_000, window=None, max_tokens=32_000).message


def by_wording(wording: Wording) -> str:
    """Name a test after its server."""
    return wording.server


@pytest.mark.parametrize("wording", WORDINGS, ids=by_wording)
class WordingTests:
    """One server's words, whoever wraps them."""

    def test_shapes(self, wording: Wording) -> None:
        """In every shape and with every status that servers use, one true canonical text comes out, always the same."""
        for shape, wrapped in SHAPES.items():
            body = wrapped(wording.message)
            texts = {overflow_text(answered(status, body)) for status in STATUSES}
            assert len(texts) == 1, shape
            text = texts.pop()
            assert text is not None, shape
            assert is_true(text), (shape, text)

    def test_without_status(self, wording: Wording) -> None:
        """An error in a body with status 200, or in the middle of a stream, is the same overflow."""
        for shape, wrapped in SHAPES.items():
            body = wrapped(wording.message)
            whole = overflow_text(answered(200, body))
            chunk = overflow_text(classification.from_error(body))
            assert whole is not None, shape
            assert whole == chunk == overflow_text(answered(400, body)), shape

    def test_plain(self, wording: Wording) -> None:
        """Words that come as plain text, of which only the beginning is read, or in a proxy's page, are recognised."""
        text = overflow_text(classification.from_response(400, {}, wording.message.encode(), now=0.0))
        assert text is not None
        assert is_true(text), text

    def test_upper_case(self, wording: Wording) -> None:
        """Recognition does not depend on case."""
        assert overflow_text(answered(400, SHAPES["openai"](wording.message.upper()))) == overflow_text(
            answered(400, SHAPES["openai"](wording.message))
        )

    def test_other_statuses(self, wording: Wording) -> None:
        """With a status that means something else it is not an overflow."""
        body = SHAPES["openai"](wording.message)
        statuses = (401, 402, 403, 404, 429, 503, 529)
        assert [overflow_text(answered(status, body)) for status in statuses] == [None] * len(statuses)


class NamedTests:
    """Errors that have a name of their own."""

    @pytest.mark.parametrize(
        "name",
        [
            "context_length_exceeded",
            "exceed_context_size_error",
            "model_context_window_exceeded",
            "model_max_prompt_tokens_exceeded",
        ],
    )
    @pytest.mark.parametrize("status", [*STATUSES, 200])
    def test_names(self, name: str, status: int) -> None:
        """The name alone is enough, as code and as type, whatever language the words are in."""
        for body in ({"error": {"code": name, "message": "nein"}}, {"error": {"type": name, "message": "nein"}}):
            text = overflow_text(answered(status, body))
            assert text is not None
            assert is_true(text)

    def test_llama_cpp(self) -> None:
        """llama.cpp's numbers are told to the client as they are."""
        body = {
            "error": {
                "code": 400,
                "message": "request (9739 tokens) exceeds the available context size (8192 tokens), try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 9739,
                "n_ctx": 8192,
            }
        }
        assert overflow_text(answered(400, body)) == "prompt is too long: 9739 tokens > 8192 maximum"


@pytest.mark.parametrize("message", NEAR_MISSES)
class NearMissTests:
    """What only sounds like an overflow."""

    def test_shapes(self, message: str) -> None:
        """It is not told as one, in whatever shape it comes: the client would throw a conversation away for nothing."""
        for shape, wrapped in SHAPES.items():
            body = wrapped(message)
            assert [overflow_text(answered(status, body)) for status in (*STATUSES, 200)] == [None] * 5, shape


class AnyTextTests:
    """Words that nobody knows."""

    @given(
        st.lists(st.sampled_from([wording.message for wording in WORDINGS]) | st.text(max_size=40), max_size=4),
        st.sampled_from(sorted(SHAPES)),
        st.sampled_from([*STATUSES, 200]),
    )
    def test_all_or_nothing(self, parts: list[str], shape: str, status: int) -> None:
        """Either it is no overflow, or the text is one of the two and true."""
        text = overflow_text(answered(status, SHAPES[shape](" ".join(parts))))
        assert text is None or is_true(text), text
