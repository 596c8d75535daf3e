"""Answers of hosted services (docs/servers.md 2) as they come, each with the message that it must become.

Each is read as a stream, in pieces of four sizes, and whole. What is kept for the server goes back to it in the next
request as the client returns it. `Answer.source` says where a shape comes from; no service was asked for these tests.
"""

from __future__ import annotations

import json

import pytest

from claude_bridge.core import opaque_state
from claude_bridge.core.chat_completions.dialects.gemini import UNSIGNED
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.upstream_errors import classification
from tests.contract.answers import DONE, Answer, called, check, ends, fragment, read, says, whole
from tests.contract.test_irregularities import SIZES
from tests.core.asking import result, tool, user
from tests.core.chat_completions.dialects.translated import request
from tests.core.strategies import in_steps
from tests.core.transcripts import carried

COUNTED = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
PLAIN = (10, 5, 0, 0)

DEEPSEEK_USAGE = {**COUNTED, "prompt_tokens": 100, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}
DEEPSEEK = Answer(
    dialect="deepseek",
    model="deepseek-v4-flash",
    source="AI SDK deepseek 2.0.69, fixtures of its tests; keep-alives as api-docs.deepseek.com/quick_start/rate_limit",
    stream=(
        ": keep-alive\n\n",
        "\n",
        says(role="assistant", content=None, reasoning_content=""),
        says(content=None, reasoning_content="Hm"),
        "\n\n: keep-alive\n\n",
        says(content=None, tool_calls=[fragment(id="call_1", type="function", name="Read", arguments="")]),
        says(content=None, tool_calls=[fragment(arguments='{"path":')]),
        says(content=None, tool_calls=[fragment(arguments='"a"}')]),
        {**says("tool_calls", content=""), "usage": DEEPSEEK_USAGE},
    ),
    whole=whole(
        "tool_calls",
        DEEPSEEK_USAGE,
        content="",
        reasoning_content="Hm",
        tool_calls=[called("Read", '{"path":"a"}')],
    ),
    content=(("thinking", "Hm"), ("tool_use", "Read", "call_1", {"path": "a"})),
    stop="tool_use",
    usage=(36, 5, 64, 0),
)

DETAIL = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
OPENROUTER_USAGE = {
    **COUNTED,
    "prompt_tokens": 100,
    "prompt_tokens_details": {"cached_tokens": 50, "cache_write_tokens": 20},
    "cost": 0.01,
    "cost_details": {"upstream_inference_cost": None},
    "is_byok": False,
}
OPENROUTER = Answer(
    dialect="openrouter",
    model="anthropic/claude-sonnet-5",
    source="openrouter.ai/docs (streaming, reasoning tokens, usage accounting); @openrouter/ai-sdk-provider 2.10.0",
    stream=(
        ": OPENROUTER PROCESSING\n\n",
        says(role="assistant", content="", reasoning="Let ", reasoning_details=[{**DETAIL, "text": "Let "}]),
        says(role="assistant", content="", reasoning="me.", reasoning_details=[{**DETAIL, "text": "me."}]),
        ": OPENROUTER PROCESSING\n\n",
        says(role="assistant", content="", reasoning_details=[{**DETAIL, "signature": "c2ln"}]),
        {**says(role="assistant", content="Ok."), "provider": "Anthropic"},
        says(tool_calls=[fragment(id="toolu_up", type="function", name="Read", arguments="")]),
        says(tool_calls=[fragment(id=None, name=None, arguments='{"path":"a"}')]),
        says("tool_calls", role="assistant", content=""),
        ends(OPENROUTER_USAGE),
    ),
    whole=whole(
        "tool_calls",
        OPENROUTER_USAGE,
        content="Ok.",
        reasoning="Let me.",
        reasoning_details=[{**DETAIL, "text": "Let me.", "signature": "c2ln"}],
        tool_calls=[called("Read", '{"path":"a"}', "toolu_up", index=0)],
    ),
    content=(("thinking", "Let me."), ("text", "Ok."), ("tool_use", "Read", "toolu_up", {"path": "a"})),
    stop="tool_use",
    usage=(30, 5, 50, 20),
    states=([{**DETAIL, "signature": "c2ln", "text": "Let me."}],),
)

ENCRYPTED = {"type": "reasoning.encrypted", "data": "ZW5j", "id": "rs_1", "format": "openai-responses-v1", "index": 0}
OPENROUTER_ENCRYPTED = Answer(
    dialect="openrouter",
    model="openai/gpt-6-sol",
    source="@openrouter/ai-sdk-provider 2.10.0: finish reason stop beside calls when reasoning is encrypted",
    stream=(
        says(role="assistant", content="", reasoning_details=[ENCRYPTED]),
        says(tool_calls=[fragment(None, id="call_1", type="function", name="Read", arguments="{}")]),
        says("stop", content=""),
        ends(COUNTED),
    ),
    whole=whole("stop", COUNTED, content="", reasoning_details=[ENCRYPTED], tool_calls=[called("Read", "{}")]),
    content=(("redacted",), ("tool_use", "Read", "call_1", {})),
    stop="tool_use",
    usage=PLAIN,
    states=([ENCRYPTED],),
)

GROQ = Answer(
    dialect="groq",
    model="openai/gpt-oss-120b",
    source="AI SDK groq 3.0.71: reasoning, usage under x_groq in the last chunk",
    stream=(
        {**says(role="assistant", content=""), "x_groq": {"id": "req_1"}},
        says(reasoning="Hm", channel="analysis"),
        says(content="Hi"),
        {**says("stop"), "x_groq": {"id": "req_1", "usage": {**COUNTED, "queue_time": 0.1, "total_time": 0.2}}},
    ),
    whole={**whole("stop", COUNTED, content="Hi", reasoning="Hm"), "x_groq": {"id": "req_1"}},
    content=(("thinking", "Hm"), ("text", "Hi")),
    usage=PLAIN,
)

TOGETHER = Answer(
    dialect="together",
    model="zai-org/GLM-5.3",
    source="docs.together.ai (reasoning): GLM-5.3's reasoning_content, usage alone in the last chunk",
    stream=(
        {**says(role="assistant", content="", reasoning_content="Hm"), "usage": None},
        {**says(role="assistant", content="Hi", token_id=7), "usage": None},
        {**says("stop", content=""), "usage": None},
        ends(COUNTED),
    ),
    whole=whole("stop", COUNTED, content="Hi", reasoning_content="Hm", tool_calls=[]),
    content=(("thinking", "Hm"), ("text", "Hi")),
    usage=PLAIN,
)

TOGETHER_OTHER = Answer(
    dialect="together",
    model="moonshotai/Kimi-K2.6",
    source="docs.together.ai (reasoning): all but GLM-5.3 have reasoning",
    stream=(
        {**says(role="assistant", content="", reasoning="Hm"), "usage": None},
        {**says(role="assistant", content="Hi", reasoning=None), "usage": None},
        {**says("stop", content=""), "usage": None},
        ends(COUNTED),
    ),
    whole=whole("stop", COUNTED, content="Hi", reasoning="Hm"),
    content=(("thinking", "Hm"), ("text", "Hi")),
    usage=PLAIN,
)

FIREWORKS = Answer(
    dialect="fireworks",
    model="accounts/fireworks/models/kimi-k2p6",
    source="docs.fireworks.ai/guides/reasoning; LiteLLM 1.109 fireworks_ai (perf_metrics, raw_output)",
    stream=(
        says(role="assistant"),
        says(reasoning_content="Hm"),
        says(content="Hi"),
        {
            **says("stop"),
            "usage": {**COUNTED, "prompt_tokens_details": {"cached_tokens": 4}},
            "perf_metrics": {"x": "1"},
        },
    ),
    whole={
        **whole(
            "stop",
            {**COUNTED, "prompt_tokens_details": {"cached_tokens": 4}},
            content="Hi",
            reasoning_content="Hm",
        ),
        "perf_metrics": {"x": "1"},
    },
    content=(("thinking", "Hm"), ("text", "Hi")),
    usage=(6, 5, 4, 0),
)

MISTRAL_PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, {"type": "text", "text": "Ok."}]
MISTRAL = Answer(
    dialect="mistral",
    model="mistral-small-2603",
    source="AI SDK mistral 3.0.69: content as parts; LiteLLM 1.109: id and index of a call disagree across chunks",
    stream=(
        says(role="assistant", content=""),
        says(content=MISTRAL_PARTS[:1]),
        says(content=MISTRAL_PARTS[1:]),
        says(tool_calls=[fragment(0, id="gSIMJiOkT", name="Read", arguments='{"path":')]),
        says(tool_calls=[fragment(1, id="gSIMJiOkT", name="", arguments='"a"}')]),
        {**says("tool_calls", content=""), "usage": COUNTED},
    ),
    whole=whole(
        "tool_calls",
        COUNTED,
        content=MISTRAL_PARTS,
        tool_calls=[{"id": "gSIMJiOkT", "function": {"name": "Read", "arguments": '{"path":"a"}'}, "index": 0}],
    ),
    content=(("thinking", "Hm"), ("text", "Ok."), ("tool_use", "Read", "gSIMJiOkT", {"path": "a"})),
    stop="tool_use",
    usage=PLAIN,
)

MISTRAL_FULL = Answer(
    dialect="mistral",
    model="mistral-large-2512",
    source="AI SDK mistral 3.0.69: finish reason model_length",
    stream=(says(role="assistant", content="Hi"), {**says("model_length", content=""), "usage": COUNTED}),
    whole=whole("model_length", COUNTED, content="Hi"),
    content=(("text", "Hi"),),
    stop="max_tokens",
    usage=PLAIN,
)

MOONSHOT_USAGE = {**COUNTED, "cached_tokens": 6}
MOONSHOT = Answer(
    dialect="moonshot",
    model="kimi-k2.6",
    source="AI SDK moonshotai 2.0.61: usage on the choice, cached_tokens on top; native ids (docs/servers.md 2.7)",
    stream=(
        says(role="assistant", content=""),
        says(reasoning_content="Hm"),
        says(tool_calls=[fragment(id="functions.Read:0", type="function", name="Read", arguments="")]),
        says(tool_calls=[fragment(arguments='{"path":"a"}')]),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls", "usage": MOONSHOT_USAGE}]},
    ),
    whole=whole(
        "tool_calls",
        MOONSHOT_USAGE,
        content="",
        reasoning_content="Hm",
        tool_calls=[called("Read", '{"path":"a"}', "functions.Read:0", index=0)],
    ),
    content=(("thinking", "Hm"), ("tool_use", "Read", "functions.Read:0", {"path": "a"})),
    stop="tool_use",
    usage=(4, 5, 6, 0),
)

ZAI = Answer(
    dialect="zai",
    model="glm-5.2",
    source="docs.z.ai (chat completion, stream tool call): usage in the chunk of the finish reason, unasked",
    stream=(
        says(role="assistant", reasoning_content="Hm"),
        says(role="assistant", content="Ok."),
        says(role="assistant", tool_calls=[fragment(id="call_-7", type="function", name="Read", arguments='{"path')]),
        says(role="assistant", tool_calls=[fragment(id="call_-7", type="function", name="", arguments='":"a"}')]),
        {
            **says("tool_calls", role="assistant", content=""),
            "usage": {**COUNTED, "prompt_tokens_details": {"cached_tokens": 3}},
        },
    ),
    whole=whole(
        "tool_calls",
        {**COUNTED, "prompt_tokens_details": {"cached_tokens": 3}},
        content="Ok.",
        reasoning_content="Hm",
        tool_calls=[called("Read", '{"path":"a"}', "call_-7", index=0)],
    ),
    content=(("thinking", "Hm"), ("text", "Ok."), ("tool_use", "Read", "call_-7", {"path": "a"})),
    stop="tool_use",
    usage=(7, 5, 3, 0),
)

ZAI_SENSITIVE = Answer(
    dialect="zai",
    model="glm-5.2",
    source="docs.z.ai (chat completion): finish reason sensitive",
    stream=(says(role="assistant", content="Well"), {**says("sensitive", content=""), "usage": COUNTED}),
    whole=whole("sensitive", COUNTED, content="Well"),
    content=(("text", "Well"),),
    stop="refusal",
    usage=PLAIN,
)

DASHSCOPE_USAGE = {
    **COUNTED,
    "prompt_tokens": 100,
    "prompt_tokens_details": {"cached_tokens": 50, "cache_creation_input_tokens": 30, "cache_type": "ephemeral"},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
DASHSCOPE = Answer(
    dialect="dashscope",
    model="qwen3.7-plus",
    source="AI SDK alibaba 1.0.61; alibabacloud.com/help/en/model-studio/deep-thinking",
    stream=(
        {**says(role="assistant", content=None, reasoning_content=""), "usage": None},
        {**says(content=None, reasoning_content="Hm"), "usage": None},
        {**says(content="Hi", reasoning_content=None), "usage": None},
        {**says("stop", content="", reasoning_content=None), "usage": None},
        ends(DASHSCOPE_USAGE),
    ),
    whole=whole("stop", DASHSCOPE_USAGE, content="Hi", reasoning_content="Hm"),
    content=(("thinking", "Hm"), ("text", "Hi")),
    usage=(20, 5, 50, 30),
)

SIGNED = {"extra_content": {"google": {"thought_signature": "Q1NJR25hdHVyZQ=="}}}
GEMINI_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45}
GEMINI = Answer(
    dialect="gemini",
    model="gemini-3.1-pro-preview",
    source="ai.google.dev/gemini-api/docs/thought-signatures (OpenAI compatibility); docs/servers.md 2.10",
    stream=(
        says(
            role="assistant",
            tool_calls=[
                fragment(None, id="function-call-1", type="function", name="Read", arguments='{"path":"a"}', **SIGNED)
            ],
        ),
        says(
            role="assistant", tool_calls=[fragment(None, id="function-call-2", name="Read", arguments='{"path":"b"}')]
        ),
        {**says("stop", role="assistant"), "usage": GEMINI_USAGE},
    ),
    whole=whole(
        "tool_calls",
        GEMINI_USAGE,
        tool_calls=[
            called("Read", '{"path":"a"}', "function-call-1", **SIGNED),
            called("Read", '{"path":"b"}', "function-call-2"),
        ],
    ),
    content=(
        ("redacted",),
        ("tool_use", "Read", "function-call-1", {"path": "a"}),
        ("tool_use", "Read", "function-call-2", {"path": "b"}),
    ),
    stop="tool_use",
    usage=(10, 35, 0, 0),
    states=({"signature": "Q1NJR25hdHVyZQ=="},),
)

VERTEX = Answer(
    dialect="gemini",
    model="google/gemini-3.5-flash",
    source="docs/servers.md 2.10: Vertex AI has extra_content.vertex",
    stream=(
        says(role="assistant", content="Ok."),
        says(
            tool_calls=[
                fragment(
                    0, id="c1", name="Read", arguments="{}", extra_content={"vertex": {"thought_signature": "Vg=="}}
                )
            ]
        ),
        {**says("tool_calls"), "usage": COUNTED},
    ),
    whole=whole(
        "tool_calls",
        COUNTED,
        content="Ok.",
        tool_calls=[called("Read", "{}", "c1", extra_content={"vertex": {"thought_signature": "Vg=="}})],
    ),
    content=(("text", "Ok."), ("redacted",), ("tool_use", "Read", "c1", {})),
    stop="tool_use",
    usage=PLAIN,
    states=({"signature": "Vg==", "maker": "vertex"},),
)

XAI_USAGE = {
    "prompt_tokens": 30,
    "completion_tokens": 9,
    "total_tokens": 179,
    "prompt_tokens_details": {"text_tokens": 30, "cached_tokens": 100},
    "completion_tokens_details": {"reasoning_tokens": 40},
}
XAI = Answer(
    dialect="xai",
    model="grok-4.3",
    source="AI SDK xai 3.0.138: role and usage in the first and last chunk; LiteLLM 1.109: reasoning counted apart",
    stream=(
        {**says(role="assistant", content=""), "usage": {**XAI_USAGE, "completion_tokens": 0}},
        says(role="assistant", reasoning_content="Thinking..."),
        says(content="Hi"),
        {**says("stop", role="assistant", content=""), "usage": XAI_USAGE},
        ends(XAI_USAGE),
    ),
    whole=whole("stop", XAI_USAGE, content="Hi", reasoning_content="Thinking...", refusal=None),
    content=(("thinking", "Thinking..."), ("text", "Hi")),
    usage=(30, 49, 100, 0),
)

XAI_TWICE = Answer(
    dialect="xai",
    model="grok-4.6",
    source="AI SDK xai 3.0.138 drops a piece of reasoning that equals the one before; here both stay, nothing is lost",
    stream=(
        says(role="assistant", reasoning_content="Hm "),
        says(role="assistant", reasoning_content="Hm "),
        says(content="Hi"),
        says("stop"),
        ends(COUNTED),
    ),
    whole=whole("stop", COUNTED, content="Hi", reasoning_content="Hm Hm "),
    content=(("thinking", "Hm Hm "), ("text", "Hi")),
    usage=PLAIN,
)

XAI_CALL = Answer(
    dialect="xai",
    model="grok-4.3",
    source="LiteLLM 1.109 xai: an empty finish reason beside calls, each call in one piece",
    stream=(
        says(role="assistant", content=""),
        says("", tool_calls=[fragment(id="call_1", type="function", name="Read", arguments='{"path":"a"}')]),
        ends(COUNTED),
    ),
    whole=whole("", COUNTED, content="", tool_calls=[called("Read", '{"path":"a"}')]),
    content=(("tool_use", "Read", "call_1", {"path": "a"}),),
    stop="tool_use",
    usage=PLAIN,
)

AZURE = Answer(
    dialect="azure",
    model="gpt-4.1",
    source="docs/servers.md 2.12: a first chunk with empty choices and prompt_filter_results",
    stream=(
        {"object": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        says(role="assistant", content="", refusal=None),
        {"choices": [{"index": 0, "delta": {"content": "Hi"}, "content_filter_results": {}, "finish_reason": None}]},
        says("stop"),
        ends(COUNTED),
    ),
    whole={**whole("stop", COUNTED, content="Hi", refusal=None), "prompt_filter_results": [{"prompt_index": 0}]},
    content=(("text", "Hi"),),
    usage=PLAIN,
)

OPENAI_USAGE = {
    **COUNTED,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "accepted_prediction_tokens": 0},
}
OPENAI = Answer(
    dialect="openai",
    model="gpt-5.6-sol",
    source="openai SDK 3.54.0, types of chat completion chunks: usage null until the end, obfuscation",
    stream=(
        {**says(role="assistant", content=None), "usage": None, "obfuscation": "x1"},
        {**says(tool_calls=[fragment(id="call_1", type="function", name="Read", arguments="")]), "usage": None},
        {**says(tool_calls=[fragment(arguments='{"path":"a"}')]), "usage": None, "obfuscation": "x"},
        {**says("tool_calls"), "usage": None},
        ends(OPENAI_USAGE, service_tier="default"),
    ),
    whole=whole("tool_calls", OPENAI_USAGE, content=None, refusal=None, tool_calls=[called("Read", '{"path":"a"}')]),
    content=(("tool_use", "Read", "call_1", {"path": "a"}),),
    stop="tool_use",
    usage=(6, 5, 4, 0),
)

ANSWERS = (
    DEEPSEEK,
    OPENROUTER,
    OPENROUTER_ENCRYPTED,
    GROQ,
    TOGETHER,
    TOGETHER_OTHER,
    FIREWORKS,
    MISTRAL,
    MISTRAL_FULL,
    MOONSHOT,
    ZAI,
    ZAI_SENSITIVE,
    DASHSCOPE,
    GEMINI,
    VERTEX,
    XAI,
    XAI_TWICE,
    XAI_CALL,
    AZURE,
    OPENAI,
)


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
class AnswerTests:
    """Each service's answer becomes a message that its client understands."""

    @pytest.mark.parametrize("size", SIZES)
    def test_streamed(self, answer: Answer, size: int) -> None:
        """A stream becomes the message, in whatever pieces it comes."""
        check(answer, read(answer, answer.body, size))

    @pytest.mark.parametrize("size", SIZES)
    def test_whole(self, answer: Answer, size: int) -> None:
        """So does an answer that was not streamed."""
        check(answer, read(answer, json.dumps(answer.whole).encode(), size))


CALLING = [answer for answer in ANSWERS if answer.stop == "tool_use"]


@pytest.mark.parametrize("answer", CALLING, ids=str)
class NextRequestTests:
    """Each service gets back what it wants back."""

    def test_next_request(self, answer: Answer) -> None:
        """What the service wants back is in the next request, and no state of ours stands in its text."""
        message = read(answer, answer.body, 37).message
        assert message is not None
        results = [result(block["id"]) for block in message["content"] if block["type"] == "tool_use"]
        conversation = [user("hi"), {"role": "assistant", "content": message["content"]}, user(*results)]
        dialect = DIALECTS[answer.dialect]
        sent = request(dialect, answer.model, *conversation, tools=[tool("Read")])
        (told,) = (each for each in sent["messages"] if each["role"] == "assistant")
        if answer.dialect == "openrouter":
            assert told["reasoning_details"] == answer.states[0]
        if answer.dialect == "gemini":
            maker = "vertex" if answer is VERTEX else "google"
            signature = answer.states[0]["signature"]  # type: ignore[index]
            assert told["tool_calls"][0]["extra_content"] == {maker: {"thought_signature": signature}}
            assert all("extra_content" not in each for each in told["tool_calls"][1:])
        if answer.dialect in {"deepseek", "moonshot", "zai"}:
            assert told["reasoning_content"] == "Hm"
        assert opaque_state.STATE_PREFIX not in json.dumps(sent)
        ids = [each["id"] for each in told["tool_calls"]]
        assert ids == [block[2] for block in answer.content if block[0] == "tool_use"]


MODELS = {each.dialect: each.model for each in reversed(ANSWERS)}


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("answer", CALLING, ids=str)
class MoveTests:
    """A conversation goes on with another service."""

    def test_moves(self, answer: Answer, name: str) -> None:
        """No state of the first service reaches the second, and each call is answered under its own id."""
        message = read(answer, answer.body, 37).message
        assert message is not None
        results = [result(block["id"]) for block in message["content"] if block["type"] == "tool_use"]
        conversation = [user("hi"), {"role": "assistant", "content": message["content"]}, user(*results)]
        sent = request(DIALECTS[name], MODELS.get(name, "some-model") + "-other", *conversation, tools=[tool("Read")])
        (told,) = (each for each in sent["messages"] if each["role"] == "assistant")
        assert "reasoning_details" not in told
        extra = [each["extra_content"] for each in told["tool_calls"] if "extra_content" in each]
        assert extra == ([{"google": {"thought_signature": UNSIGNED}}] if name == "gemini" else [])
        answered = [each["tool_call_id"] for each in sent["messages"] if each["role"] == "tool"]
        assert answered == [each["id"] for each in told["tool_calls"]]
        assert opaque_state.STATE_PREFIX not in json.dumps(sent)


@pytest.mark.parametrize("size", SIZES)
class FailureTests:
    """Failures that services report in their streams."""

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("deepseek", "insufficient_system_resource"),  # api-docs.deepseek.com, create-chat-completion
            ("zai", "network_error"),  # docs.z.ai, chat completion
            ("openrouter", "error"),  # openrouter.ai/docs, errors
        ],
    )
    def test_finish_reason(self, size: int, name: str, reason: str) -> None:
        """A finish reason that means a breakdown is a failure, not the end of an answer."""
        said = says(role="assistant", content="Hi")
        streamed = f"data: {json.dumps(said)}\n\ndata: {json.dumps(says(reason))}\n\n{DONE}"
        for body in (streamed, json.dumps(whole(reason, COUNTED, content="Hi"))):
            found = carried(in_steps(body.encode(), size), dialect=DIALECTS[name])
            assert found.message is None
            failure = classification.from_error(found.failure)
            assert reason in failure.message

    def test_openrouter(self, size: int) -> None:
        """The provider's own words precede the router's (openrouter.ai/docs, errors; AI SDK provider 2.10.0)."""
        error = {
            "code": 502,
            "message": "Provider returned error",
            "metadata": {"provider_name": "X", "raw": '{"error":{"message":"out of memory","code":"oom"}}'},
        }
        chunk = {**says("error", content=""), "error": error, "provider": "X"}
        found = carried(in_steps(f"data: {json.dumps(chunk)}\n\n".encode(), size), dialect=DIALECTS["openrouter"])
        failure = classification.from_error(found.failure)
        assert (failure.code, failure.message) == ("oom", "out of memory")

    def test_groq(self, size: int) -> None:
        """A call that Groq could not read is told as what may go better (console.groq.com/docs/errors)."""
        error = {
            "message": "Failed to call a function. Please adjust your prompt.",
            "type": "invalid_request_error",
            "code": "tool_use_failed",
            "failed_generation": "<function=Read{",
        }
        found = carried(in_steps(f"data: {json.dumps({'error': error})}\n\n".encode(), size), dialect=DIALECTS["groq"])
        failure = classification.from_error(found.failure)
        told = classification.to_client(failure, backend="groq", model="m", forwarded=False, scrub=str)
        assert (failure.status, told.status, told.should_retry) == (400, 502, None)

    def test_gemini(self, size: int) -> None:
        """An error in a list is an error (docs/servers.md 2.10)."""
        error = {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}
        found = carried(in_steps(json.dumps([{"error": error}]).encode(), size), dialect=DIALECTS["gemini"])
        failure = classification.from_error(found.failure)
        assert (failure.status, failure.type) == (503, "UNAVAILABLE")
