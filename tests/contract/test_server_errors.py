"""Refusals of servers (docs/servers.md) in their own shapes, and what a client gets for each.

Each is read as the body of a response, and as what stands in a body with status 200 or in the middle of a stream, in
pieces of four sizes. Overflows of the context window have tests of their own (`test_overflows`).
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import frozen

from claude_bridge.core import errors
from claude_bridge.core.backend_api import UpstreamFailure
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.upstream_errors import classification, overflow_detection
from tests.contract.answers import says
from tests.contract.test_irregularities import SIZES, sse
from tests.core.strategies import in_steps
from tests.core.transcripts import carried

CREDENTIAL, RATE, SERVER = errors.UpstreamCredentialRefused, errors.UpstreamRateLimited, errors.UpstreamServerError
REFUSED, BILLING, MISSING = errors.UpstreamRefused, errors.BillingRefused, errors.NotFound
UNAVAILABLE, TIMEOUT, LARGE = errors.UpstreamUnavailable, errors.UpstreamTimeout, errors.RequestTooLarge


@frozen(kw_only=True)
class Refusal:
    """One refusal.

    :ivar body: JSON, or a page.
    :ivar kind: the error that the client gets, with its own status.
    :ivar says: what its message must hold: the server's own words.
    :ivar wait: seconds that the client is told to wait.
    :ivar source: where the shape comes from.
    :ivar alone: the kind, where the status is not there to tell it.
    """

    server: str
    source: str
    status: int
    body: object
    kind: type[errors.BridgeError]
    says: str
    wait: float | None = None
    headers: tuple[tuple[str, str], ...] = ()
    alone: type[errors.BridgeError]

    def __str__(self) -> str:
        """Name it in a test's id."""
        return f"{self.server}-{self.status}-{self.says[:24]}"

    @property
    def bytes(self) -> bytes:
        """Write the body down."""
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


def refusal(
    server: str,
    source: str,
    status: int,
    body: object,
    kind: type[errors.BridgeError],
    says: str,
    *,
    alone: type[errors.BridgeError] | None = None,
    wait: float | None = None,
    **headers: str,
) -> Refusal:
    """Make a refusal that is the same without its status, unless told otherwise."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Refusal(
        server=server,
        source=source,
        status=status,
        body=body,
        kind=kind,
        says=says,
        wait=wait,
        headers=named,
        alone=alone or kind,
    )


def openai(message: str, kind: str | None = None, code: str | int | None = None, **more: object) -> dict[str, Any]:
    """Make the shape of OpenAI."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code, **more}}


def flat(message: object, kind: str, code: int | None) -> dict[str, Any]:
    """Make the flat shape of SGLang, Mistral and old versions of vLLM."""
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


AUTO = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
PER_MINUTE = (
    "Request too large for model `llama-3.1-70b-versatile` on tokens per minute (TPM): Limit 6000, Requested 14368, "
    "please reduce your message size and try again."
)
RETRY = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "26s"}]
BUSY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"

VLLM = "vLLM 0.33, serving code"
LLAMA = "llama.cpp, server-common.cpp and recorded (docs/servers.md 1.3)"
OPENROUTER = "openrouter.ai/docs, errors"
GOOGLE = "docs/servers.md 2.10; ai.google.dev, troubleshooting"

REFUSALS = (
    refusal("vllm", VLLM, 400, openai(AUTO, "BadRequestError", 400), REFUSED, AUTO),
    refusal(
        "vllm",
        VLLM,
        404,
        openai("The model `m` does not exist.", "NotFoundError", 404),
        MISSING,
        "The model `m` does not exist.",
    ),
    refusal(
        "vllm", VLLM, 500, openai("EngineCore encountered an issue.", "InternalServerError", 500), SERVER, "EngineCore"
    ),
    refusal("vllm", "vLLM before 0.10: flat", 400, flat("bad", "BadRequestError", 400), REFUSED, "bad"),
    refusal("sglang", "SGLang 0.5.23 serving_base.py: flat", 400, flat("bad", "BadRequestError", 400), REFUSED, "bad"),
    refusal(
        "llamacpp",
        LLAMA,
        400,
        {"error": {"code": 400, "message": "bad", "type": "invalid_request_error"}},
        REFUSED,
        "bad",
    ),
    refusal(
        "llamacpp",
        LLAMA,
        500,
        {"error": {"code": 500, "message": "template", "type": "server_error"}},
        SERVER,
        "template",
    ),
    refusal(
        "llamacpp",
        LLAMA,
        501,
        {"error": {"code": 501, "message": "no tools", "type": "not_supported_error"}},
        SERVER,
        "no tools",
    ),
    refusal(
        "llamacpp",
        LLAMA,
        503,
        {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
        UNAVAILABLE,
        "Loading model",
        wait=5,
    ),
    refusal(
        "ollama",
        "Ollama openai.go",
        404,
        openai('model "m" not found, try pulling it first', "not_found_error"),
        MISSING,
        "try pulling it first",
    ),
    refusal(
        "ollama",
        "OpenManus 220, picobot 6",
        400,
        openai("registry.ollama.ai/library/qwen:4b does not support tools", "api_error"),
        REFUSED,
        "does not support tools",
        alone=SERVER,
    ),
    refusal(
        "lmstudio",
        "docs/servers.md 1.5: error as a string",
        400,
        {"error": "Invalid tool_choice type: 'object'"},
        REFUSED,
        "Invalid tool_choice type",
        alone=SERVER,
    ),
    refusal(
        "deepseek",
        "api-docs.deepseek.com, error codes",
        402,
        openai("Insufficient Balance", "unknown_error", "invalid_request_error"),
        BILLING,
        "Insufficient Balance",
    ),
    refusal(
        "deepseek",
        "api-docs.deepseek.com, error codes",
        422,
        openai("Invalid Parameters", "invalid_request_error", "invalid_request_error"),
        REFUSED,
        "Invalid Parameters",
    ),
    refusal(
        "deepseek",
        "api-docs.deepseek.com, error codes",
        503,
        openai("Service is too busy", "service_unavailable_error", "service_unavailable_error"),
        UNAVAILABLE,
        "too busy",
        wait=5,
    ),
    refusal(
        "openrouter",
        OPENROUTER,
        402,
        {"error": {"code": 402, "message": "Insufficient credits."}, "user_id": "u"},
        BILLING,
        "Insufficient credits",
    ),
    refusal(
        "openrouter",
        OPENROUTER,
        403,
        {
            "error": {
                "code": 403,
                "message": "Input was flagged",
                "metadata": {"reasons": ["violence"], "flagged_input": "x"},
            }
        },
        REFUSED,
        "flagged",
    ),
    refusal(
        "openrouter", OPENROUTER, 408, {"error": {"code": 408, "message": "Request timed out"}}, TIMEOUT, "timed out"
    ),
    refusal(
        "openrouter",
        OPENROUTER,
        502,
        {
            "error": {
                "code": 502,
                "message": "Provider returned error",
                "metadata": {"provider_name": "X", "raw": '{"detail":"out of memory"}'},
            }
        },
        SERVER,
        "out of memory",
    ),
    refusal(
        "openrouter",
        OPENROUTER,
        503,
        {"error": {"code": 503, "message": "No allowed providers"}},
        UNAVAILABLE,
        "No allowed providers",
        wait=5,
    ),
    refusal(
        "openrouter",
        "AI SDK provider 2.10.0: code as text",
        429,
        {"error": {"code": "429", "message": "slow"}},
        RATE,
        "slow",
        wait=5,
    ),
    refusal(
        "groq",
        "console.groq.com/docs/errors",
        400,
        openai("Failed to call a function.", "invalid_request_error", "tool_use_failed", failed_generation="<f"),
        SERVER,
        "Failed to call",
    ),
    refusal(
        "groq",
        "console.groq.com/docs/rate-limits",
        429,
        openai("Rate limit reached for model. Please try again in 7.66s.", "tokens", "rate_limit_exceeded"),
        RATE,
        "Rate limit",
        wait=7.66,
    ),
    refusal(
        "groq",
        "gpt-researcher 985, podscript 20",
        413,
        openai(
            PER_MINUTE,
            "tokens",
            "rate_limit_exceeded",
        ),
        LARGE,
        "Limit 6000",
    ),
    refusal(
        "openai",
        "platform.openai.com/docs, rate limits",
        429,
        openai(
            PER_MINUTE.replace("minute", "min"),
            "tokens",
            "rate_limit_exceeded",
        ),
        LARGE,
        "Limit 6000",
    ),
    refusal(
        "together",
        "docs.together.ai, error codes",
        422,
        openai("bad", "invalid_request_error", "invalid_parameter"),
        REFUSED,
        "bad",
    ),
    refusal(
        "fireworks",
        "docs.fireworks.ai, error codes",
        400,
        {
            "error": {
                "object": "error",
                "type": "invalid_request_error",
                "code": "invalid_request_error",
                "message": "bad",
            }
        },
        REFUSED,
        "bad",
    ),
    refusal(
        "mistral",
        "docs.mistral.ai; docs/servers.md 2.6: flat",
        400,
        flat("Invalid model: m", "invalid_model", 1500),
        MISSING,
        "Invalid model",
        alone=SERVER,
    ),
    refusal(
        "mistral",
        "docs/servers.md 2.6",
        422,
        {
            "detail": [
                {
                    "type": "extra_forbidden",
                    "loc": ["body", "stream_options"],
                    "msg": "Extra inputs are not permitted",
                    "input": {},
                }
            ]
        },
        REFUSED,
        "body.stream_options: Extra inputs",
        alone=SERVER,
    ),
    refusal(
        "mistral",
        "avante.nvim 2347: a list inside the message",
        422,
        flat({"detail": [{"loc": ["body", "x"], "msg": "Extra"}]}, "invalid_request_error", None),
        REFUSED,
        "body.x: Extra",
    ),
    refusal(
        "mistral",
        "docs.mistral.ai",
        401,
        {"message": "Unauthorized", "request_id": "r1"},
        CREDENTIAL,
        "Unauthorized",
        alone=SERVER,
    ),
    refusal(
        "moonshot",
        "opencode 24462",
        429,
        openai(
            "Your account org-x <ak-y> is suspended due to insufficient balance, please recharge your account",
            "exceeded_current_quota_error",
        ),
        BILLING,
        "suspended",
    ),
    refusal(
        "moonshot",
        "kimi-cli 2209 and 2571",
        429,
        openai("The engine is currently overloaded, please try again later", "engine_overloaded_error"),
        RATE,
        "overloaded",
        wait=5,
    ),
    refusal(
        "zai",
        "docs.z.ai, error codes",
        400,
        {"error": {"code": "1210", "message": "Invalid API parameter"}},
        REFUSED,
        "Invalid API parameter",
        alone=SERVER,
    ),
    refusal(
        "zai",
        "docs.z.ai, error codes",
        429,
        {"error": {"code": "1113", "message": "Insufficient balance or no resource package. Please recharge."}},
        BILLING,
        "recharge",
        alone=SERVER,
    ),
    refusal(
        "zai",
        "docs.z.ai, error codes",
        429,
        {"error": {"code": "1302", "message": "High concurrency usage of this API"}},
        RATE,
        "High concurrency",
        alone=SERVER,
        wait=5,
    ),
    refusal(
        "dashscope",
        "alibabacloud.com/help, error codes",
        400,
        {**openai("bad", "invalid_request_error", "invalid_parameter_error"), "request_id": "r1"},
        REFUSED,
        "bad",
    ),
    refusal(
        "dashscope",
        "TradingAgents-CN 170",
        400,
        openai("Access denied, please make sure your account is in good standing.", "Arrearage", "Arrearage"),
        BILLING,
        "good standing",
    ),
    refusal(
        "gemini",
        GOOGLE,
        503,
        [{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}],
        UNAVAILABLE,
        "overloaded",
        wait=5,
    ),
    refusal(
        "gemini",
        GOOGLE,
        429,
        [{"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED", "details": RETRY}}],
        RATE,
        "Quota",
        wait=26,
    ),
    refusal(
        "gemini",
        GOOGLE,
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": "API key not valid. Please pass a valid API key.",
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
        CREDENTIAL,
        "API key not valid",
    ),
    refusal(
        "gemini",
        GOOGLE,
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": "Function call is missing a thought_signature",
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
        REFUSED,
        "thought_signature",
    ),
    refusal(
        "xai",
        "litellm 12635",
        400,
        {"code": "Client specified an invalid argument", "error": "Argument not supported on this model: stop"},
        REFUSED,
        "not supported",
        alone=SERVER,
    ),
    refusal(
        "xai",
        "docs.x.ai, debugging errors",
        400,
        {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***zz."},
        CREDENTIAL,
        "Incorrect API key",
        alone=SERVER,
    ),
    refusal(
        "xai",
        "continue 12670, griptape-nodes-engine 1079",
        403,
        {
            "code": "The caller does not have permission",
            "error": "Your newly created team doesn't have any credits yet. You can purchase credits on https://console.x.ai.",
        },
        BILLING,
        "any credits",
        alone=SERVER,
    ),
    refusal(
        "xai",
        "continue 10373",
        429,
        {
            "code": "Some resource has been exhausted",
            "error": "Your team t has either used all available credits or reached its monthly spending limit.",
        },
        BILLING,
        "used all available credits",
        alone=SERVER,
    ),
    refusal(
        "azure",
        "docs/servers.md 2.12: content filter with innererror",
        400,
        openai(
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            None,
            "content_filter",
            innererror={"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}},
        ),
        REFUSED,
        "content management policy",
    ),
    refusal(
        "azure",
        "learn.microsoft.com",
        404,
        {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}},
        MISSING,
        "deployment",
    ),
    refusal(
        "azure",
        "learn.microsoft.com",
        429,
        {"error": {"code": "429", "message": "Requests have exceeded call rate limit. Please retry after 22 seconds."}},
        RATE,
        "rate limit",
        wait=22,
    ),
    refusal(
        "openai",
        "platform.openai.com, error codes",
        429,
        openai("You exceeded your current quota, please check your plan", "insufficient_quota", "insufficient_quota"),
        BILLING,
        "quota",
    ),
    refusal(
        "openai",
        "platform.openai.com, error codes",
        401,
        openai("Incorrect API key provided", "invalid_request_error", "invalid_api_key"),
        CREDENTIAL,
        "Incorrect API key",
    ),
    refusal(
        "openai",
        "platform.openai.com, error codes",
        404,
        openai("The model `m` does not exist", "invalid_request_error", "model_not_found"),
        MISSING,
        "does not exist",
    ),
    refusal(
        "chutes",
        "docs/servers.md 2.14: capacity",
        429,
        {"detail": "Infrastructure is at maximum capacity, try again later"},
        RATE,
        "capacity",
        alone=SERVER,
        wait=5,
    ),
    refusal(
        "chutes",
        "docs/servers.md 2.14: capacity",
        503,
        {"detail": "No instances available (yet)"},
        UNAVAILABLE,
        "No instances",
        alone=SERVER,
        wait=5,
    ),
    refusal("chutes", "any proxy", 502, BUSY_PAGE, SERVER, "502 Bad Gateway"),
    refusal(
        "generic",
        "LiteLLM's proxy (docs/servers.md 1.6)",
        429,
        openai("slow", "throttling_error", "429"),
        RATE,
        "slow",
        wait=5,
    ),
    refusal(
        "generic",
        "llama-cpp-python (docs/servers.md 1.6)",
        500,
        openai("[{'type': 'missing', 'loc': ('body', 'messages')}]", "internal_server_error"),
        SERVER,
        "missing",
    ),
    refusal(
        "generic",
        "llmock (docs/servers.md 1.6): both headers",
        429,
        openai("slow", "requests", "rate_limit_exceeded"),
        RATE,
        "slow",
        wait=1.5,
        retry_after="2",
        retry_after_ms="1500",
    ),
)


def told(failure: UpstreamFailure) -> errors.BridgeError:
    """Return a client of a failure of the bridge's own credential's backend."""
    assert overflow_detection.detect(failure) is None
    return classification.to_client(failure, backend="b", model="m", forwarded=False, scrub=str)


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
class RefusalTests:
    """One refusal on its way to the client."""

    def test_response(self, refusal: Refusal) -> None:
        """Its status and its words give the error that the client can act on."""
        found = told(classification.from_response(refusal.status, dict(refusal.headers), refusal.bytes, now=0.0))
        assert type(found) is refusal.kind
        assert refusal.says in found.message
        assert found.retry_after == refusal.wait

    @pytest.mark.parametrize("size", SIZES)
    def test_with_status_200(self, refusal: Refusal, size: int) -> None:
        """The same body where an answer should be is a failure as well: by its code, or the server's own fault."""
        found = carried(in_steps(refusal.bytes, size), dialect=DIALECTS[refusal.server])
        assert (found.message, found.stream, found.error) == (None, b"", None)
        self.check(refusal, found.failure)

    @pytest.mark.parametrize("size", SIZES)
    def test_in_the_stream(self, refusal: Refusal, size: int) -> None:
        """In the middle of a stream it ends the answer, which then has no good end."""
        if isinstance(refusal.body, str):
            return
        body = sse(says(content="Hi")) + b"data: " + refusal.bytes + b"\n\ndata: [DONE]\n\n"
        found = carried(in_steps(body, size), dialect=DIALECTS[refusal.server])
        assert (found.message, found.error) == (None, None)
        assert b"message_stop" not in found.stream
        self.check(refusal, found.failure)

    @staticmethod
    def check(refusal: Refusal, reported: object) -> None:
        """Compare what the client gets with what it must get, as far as it can be told without a status."""
        found = told(classification.from_error(reported))
        assert type(found) is refusal.alone
        assert refusal.says in found.message
