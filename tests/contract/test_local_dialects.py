"""Answers of the engines that people run themselves and of other peers (docs/servers.md 1).

Each has the message that it must become. vLLM's, SGLang's and Ollama's shapes are written after their sources,
llama.cpp's are recorded from build 11549 without what is the same in every chunk, the peers' are what they were seen to
send. Each is read as a stream, in pieces of four sizes, and whole.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_bridge.core.backend_api import UpstreamFailure
from claude_bridge.core.chat_completions.dialect import Dialect
from claude_bridge.core.chat_completions.dialects.chutes import Chutes
from claude_bridge.core.chat_completions.dialects.llamacpp import LlamaCpp
from claude_bridge.core.chat_completions.dialects.lmstudio import LmStudio
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.chat_completions.dialects.sglang import Sglang
from claude_bridge.core.chat_completions.dialects.vllm import Vllm
from claude_bridge.core.chat_completions.openai_types import EMPTY
from claude_bridge.core.upstream_errors import classification
from tests.contract.answers import Answer, called, check, ends, fragment, read, says, whole
from tests.contract.test_irregularities import SIZES, shown, sse
from tests.core.strategies import in_steps
from tests.core.transcripts import carried
from tests.end_to_end.sse import read_events

PLAIN = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
THOUGHT = (("thinking", "Hm"), ("text", "Hi"))
CALLED = (("tool_use", "f", "call_1", {"a": 1}),)
TWO: tuple[tuple[Any, ...], ...] = (("tool_use", "f", "call_f", {}), ("tool_use", "g", "call_g", {}))


def stops(reason: str, **more: Any) -> dict[str, Any]:
    """Make the chunk of the finish reason, with what the engine says beside it."""
    chunk = says(reason)
    chunk["choices"][0].update(more)
    return chunk


def stopped(reason: str, usage: dict[str, Any], beside: dict[str, Any], **message: Any) -> dict[str, Any]:
    """Make an unstreamed answer, with what the engine says beside its finish reason."""
    answer = whole(reason, usage, **message)
    answer["choices"][0].update(beside)
    return answer


def counting(*chunks: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return each chunk a count, as vLLM and SGLang do on request: of the prompt's 12 tokens and of those so far."""
    counts = ({"prompt_tokens": 12, "total_tokens": 12 + n, "completion_tokens": n} for n in range(len(chunks)))
    return tuple({**chunk, "usage": usage} for chunk, usage in zip(chunks, counts, strict=True))


VLLM_USAGE = {**PLAIN, "prompt_tokens": 12, "prompt_tokens_details": {"cached_tokens": 8}}
VLLM = Answer(
    dialect="vllm",
    model="Qwen/Qwen3-32B",
    source="vLLM 0.33 chat_completion/protocol.py and serving.py: reasoning, usage in every chunk, stop_reason",
    stream=(
        *counting(
            says(role="assistant", content=""),
            says(reasoning="Hm"),
            says(content="Hi"),
            stops("stop", stop_reason=None, token_ids=None),
        ),
        ends(VLLM_USAGE),
    ),
    whole=stopped(
        "stop",
        VLLM_USAGE,
        {"stop_reason": None, "token_ids": None},
        content="Hi",
        reasoning="Hm",
        refusal=None,
        annotations=None,
        audio=None,
        function_call=None,
        tool_calls=[],
    ),
    content=THOUGHT,
    usage=(4, 5, 8, 0),
)
VLLM_FORCED = Answer(
    dialect="vllm",
    model="forced-tool",
    source="vLLM 0.33 serving.py: after a tool forced by its name the finish reason stays stop; the call comes whole",
    stream=(
        says(role="assistant", content=""),
        says(tool_calls=[fragment(id="call_1", type="function", name="f", arguments='{"a": 1}')]),
        stops("stop", stop_reason=None),
        ends(PLAIN),
    ),
    whole=whole("stop", PLAIN, content="", reasoning=None, tool_calls=[called("f", '{"a": 1}')]),
    content=CALLED,
    stop="tool_use",
    usage=(10, 5, 0, 0),
)
VLLM_REPEATED = Answer(
    dialect="vllm",
    model="repeated-id",
    source="nanoclaw 1241 (docs/chat-completions.md 2.4): some of vLLM's parsers repeat the id with every fragment",
    stream=(
        says(role="assistant", content=""),
        says(tool_calls=[fragment(id="call_1", type="function", name="f", arguments='{"a"')]),
        says(tool_calls=[fragment(id="call_1", type="function", arguments=": 1}")]),
        stops("tool_calls"),
        ends(PLAIN),
    ),
    whole=whole("tool_calls", PLAIN, content=None, tool_calls=[called("f", '{"a": 1}')]),
    content=CALLED,
    stop="tool_use",
    usage=(10, 5, 0, 0),
)
VLLM_STOP = Answer(
    dialect="vllm",
    model="stop-string",
    source="vLLM 0.33: the matched stop string stands in stop_reason",
    stream=(says(role="assistant", content="Hi"), stops("stop", stop_reason="END"), ends(PLAIN)),
    whole=stopped("stop", PLAIN, {"stop_reason": "END"}, content="Hi"),
    content=(("text", "Hi"),),
    stop="stop_sequence",
    usage=(10, 5, 0, 0),
    options={"stop_sequences": ("END",)},
)
VLLM_STOP_TOKEN = Answer(
    dialect="vllm",
    model="stop-token",
    source="vLLM 0.33: the number of a stop token stands there, too",
    stream=(says(role="assistant", content="Hi"), stops("stop", stop_reason=128009), ends(PLAIN)),
    whole=stopped("stop", PLAIN, {"stop_reason": 128009}, content="Hi"),
    content=(("text", "Hi"),),
    usage=(10, 5, 0, 0),
    options={"stop_sequences": ("END",)},
)

NULLS: dict[str, Any] = {"role": None, "content": None, "reasoning_content": None, "tool_calls": None}
SGLANG_USAGE = {**PLAIN, "prompt_tokens_details": None, "reasoning_tokens": 0}
SGLANG = Answer(
    dialect="sglang",
    model="Qwen/Qwen3-32B",
    source="SGLang 0.5.23 openai/serving_chat.py: all fields in each delta, the finish reason in a chunk of its own",
    stream=(
        says(**NULLS | {"role": "assistant", "content": ""}),
        says(**NULLS | {"reasoning_content": "Hm"}),
        says(**NULLS | {"content": "Hi"}),
        stops("stop", matched_stop=151645),
        ends(SGLANG_USAGE),
    ),
    whole=stopped(
        "stop", SGLANG_USAGE, {"matched_stop": 151645}, content="Hi", reasoning_content="Hm", tool_calls=None
    ),
    content=THOUGHT,
    usage=(10, 5, 0, 0),
)
SGLANG_CALL = Answer(
    dialect="sglang",
    model="calls",
    source="SGLang 0.5.23 serving_chat.py: id and name first, then null for both; the rest of the arguments comes late",
    stream=(
        says(**NULLS | {"role": "assistant", "content": ""}),
        says(tool_calls=[fragment(id="call_1", type="function", name="f", arguments="")]),
        says(tool_calls=[fragment(id=None, name=None, arguments='{"a"')]),
        says(tool_calls=[fragment(id=None, name=None, arguments=": 1}")]),
        stops("tool_calls", matched_stop=None),
        ends(SGLANG_USAGE),
    ),
    whole=stopped(
        "tool_calls",
        SGLANG_USAGE,
        {"matched_stop": None},
        content=None,
        reasoning_content=None,
        tool_calls=[called("f", '{"a": 1}', index=0)],
    ),
    content=CALLED,
    stop="tool_use",
    usage=(10, 5, 0, 0),
)
SGLANG_FLUSHED = Answer(
    dialect="sglang",
    model="flushed-late",
    source="SGLang 0.5.23 serving_chat.py: what its parser still holds is flushed behind the finish reason",
    stream=(
        says(tool_calls=[fragment(id="call_1", type="function", name="f", arguments='{"a"')]),
        stops("tool_calls", matched_stop=None),
        says(tool_calls=[fragment(id=None, name=None, arguments=": 1}")]),
        ends(SGLANG_USAGE),
    ),
    whole=whole("tool_calls", SGLANG_USAGE, content=None, tool_calls=[called("f", '{"a": 1}')]),
    content=CALLED,
    stop="tool_use",
    usage=(10, 5, 0, 0),
)
SGLANG_STOP = Answer(
    dialect="sglang",
    model="stop-string",
    source="SGLang 0.5.23: the matched stop string stands in matched_stop",
    stream=(says(role="assistant", content="Hi"), stops("stop", matched_stop="END"), ends(SGLANG_USAGE)),
    whole=stopped("stop", SGLANG_USAGE, {"matched_stop": "END"}, content="Hi"),
    content=(("text", "Hi"),),
    stop="stop_sequence",
    usage=(10, 5, 0, 0),
    options={"stop_sequences": ("END",)},
)

PROGRESS = tuple(
    {
        **says(role="assistant", content=None),
        "prompt_progress": {"total": 339, "cache": 275, "processed": processed, "time_ms": processed * 9},
    }
    for processed in (275, 320, 339)
)
LLAMA_TIMINGS = {"cache_n": 275, "prompt_n": 64, "predicted_n": 2, "predicted_ms": 0.001}
LLAMA_USAGE = {
    "completion_tokens": 2,
    "prompt_tokens": 339,
    "total_tokens": 341,
    "prompt_tokens_details": {"cached_tokens": 275},
}
LLAMACPP = Answer(
    dialect="llamacpp",
    model="smollm2-135m",
    source="llama.cpp build 11549, recorded: progress, role with null, pings, usage without choices, timings",
    stream=(
        ":\n\n",
        *PROGRESS[:2],
        ":\n\n",
        PROGRESS[2],
        says(role="assistant", content=None),
        says(reasoning_content="Hm"),
        ":\n\n",
        says(content="Hi"),
        says("stop"),
        ends(LLAMA_USAGE, timings=LLAMA_TIMINGS),
    ),
    whole={**whole("stop", LLAMA_USAGE, content="Hi", reasoning_content="Hm"), "timings": LLAMA_TIMINGS},
    content=THOUGHT,
    usage=(64, 2, 275, 0),
)
LLAMACPP_TIMINGS = Answer(
    dialect="llamacpp",
    model="timings-alone",
    source="llama.cpp build 11549: without usage the timings tell the same (docs/chat-completions.md 2.8)",
    stream=(
        says(role="assistant", content=None),
        says(content="Hi"),
        {**says("stop"), "timings": LLAMA_TIMINGS},
    ),
    whole={
        "choices": whole("stop", {}, content="Hi")["choices"],
        "object": "chat.completion",
        "timings": LLAMA_TIMINGS,
    },
    content=(("text", "Hi"),),
    usage=(64, 2, 275, 0),
)
LLAMACPP_CALLS = Answer(
    dialect="llamacpp",
    model="calls",
    source="llama.cpp build 11549, recorded: the id comes once, then the index tells; several calls although unasked",
    stream=(
        says(role="assistant", content=None),
        says(tool_calls=[fragment(0, id="call_f", type="function", name="f", arguments="{")]),
        says(tool_calls=[fragment(0, arguments="}")]),
        says(tool_calls=[fragment(1, id="call_g", type="function", name="g", arguments="{")]),
        says(tool_calls=[fragment(1, arguments="}")]),
        says("tool_calls"),
        ends(LLAMA_USAGE),
    ),
    whole=whole(
        "tool_calls", LLAMA_USAGE, content="", tool_calls=[called("f", "{}", "call_f"), called("g", "{}", "call_g")]
    ),
    content=TWO,
    stop="tool_use",
    usage=(64, 2, 275, 0),
)
LLAMACPP_THOUGHTS = Answer(
    dialect="llamacpp",
    model="only-thoughts",
    source="llama.cpp build 11549, seen with a template that opens the thinking: nothing but thoughts",
    stream=(says(role="assistant", content=None), says(reasoning_content="Hm"), says("stop"), ends(LLAMA_USAGE)),
    whole=whole("stop", LLAMA_USAGE, content="", reasoning_content="Hm"),
    content=(("thinking", "Hm"),),
    usage=(64, 2, 275, 0),
)

FINGERPRINT = {"system_fingerprint": "fp_ollama"}
OLLAMA = Answer(
    dialect="ollama",
    model="qwen3:8b",
    source="Ollama openai.go and middleware/openai.go: reasoning and text never in one chunk, usage without details",
    stream=(
        {**says(role="assistant", content="", reasoning="Hm"), **FINGERPRINT},
        {**says(role="assistant", content="Hi"), **FINGERPRINT},
        {**says("stop", role="assistant", content=""), **FINGERPRINT},
        ends(PLAIN, **FINGERPRINT),
    ),
    whole={**whole("stop", PLAIN, content="Hi", reasoning="Hm"), **FINGERPRINT},
    content=THOUGHT,
    usage=(10, 5, 0, 0),
)
OLLAMA_CALLS = Answer(
    dialect="ollama",
    model="calls",
    source="Ollama openai.go: calls whole in one chunk, with an index from the model; several may say 0",
    stream=(
        says(
            role="assistant",
            content="",
            tool_calls=[
                fragment(0, id=f"call_{name}", type="function", name=name, arguments="{}") for name in ("f", "g")
            ],
        ),
        says("tool_calls", role="assistant", content=""),
        ends(PLAIN),
    ),
    whole=whole(
        "tool_calls",
        PLAIN,
        content="",
        tool_calls=[called("f", "{}", "call_f", index=0), called("g", "{}", "call_g", index=0)],
    ),
    content=TWO,
    stop="tool_use",
    usage=(10, 5, 0, 0),
)

LMSTUDIO_INLINE = Answer(
    dialect="lmstudio",
    model="inline",
    source="LM Studio: reasoning stays in the text where its setting says so (docs/servers.md 1.5)",
    stream=(says(role="assistant", content="<think>Hm</think>"), says(content="Hi"), says("stop"), ends(PLAIN)),
    whole={**whole("stop", PLAIN, content="<think>Hm</think>Hi"), "stats": {}},
    content=THOUGHT,
    usage=(10, 5, 0, 0),
)
LMSTUDIO = tuple(
    Answer(
        dialect="lmstudio",
        model=key,
        source="LM Studio: or it is under either name, by setting (docs/servers.md 1.5)",
        stream=(says(role="assistant", **{key: "Hm"}), says(content="Hi"), says("stop"), ends(PLAIN)),
        whole={**whole("stop", PLAIN, content="Hi", **{key: "Hm"}), "stats": {}},
        content=THOUGHT,
        usage=(10, 5, 0, 0),
    )
    for key in ("reasoning_content", "reasoning")
)
CHUTES = tuple(
    Answer(
        dialect="chutes",
        model=key,
        source="Chutes: vLLM's or SGLang's key by model (docs/servers.md 2.14)",
        stream=(says(role="assistant", content=""), says(**{key: "Hm"}), says(content="Hi"), says("stop"), ends(PLAIN)),
        whole=whole("stop", PLAIN, content="Hi", **{key: "Hm"}),
        content=THOUGHT,
        usage=(10, 5, 0, 0),
    )
    for key in ("reasoning_content", "reasoning")
)

UNSET: dict[str, Any] = {"content": None, "role": None, "function_call": None, "tool_calls": None}
LLAMA_CPP_PYTHON = Answer(
    dialect="generic",
    model="/models/llama-cpp-python.gguf",
    source="llama-cpp-python (docs/servers.md 1.6): id, type, name and the old function_call in each delta; no usage",
    stream=(
        {**says(role="assistant", content=None, function_call=None, tool_calls=None), "model": "/models/m.gguf"},
        *(
            says(
                role=None,
                content=None,
                function_call={"name": "f", "arguments": piece},
                tool_calls=[fragment(id="call_1", type="function", name="f", arguments=piece)],
            )
            for piece in ("", '{"a"', ": 1}")
        ),
        says("tool_calls", **UNSET),
    ),
    whole=whole(
        "tool_calls",
        {},  # as if it said as little as in streams, where the bridge estimates
        content=None,
        function_call={"name": "f", "arguments": '{"a": 1}'},
        tool_calls=[called("f", '{"a": 1}')],
    ),
    content=CALLED,
    stop="tool_use",
    usage=(5, 3, 0, 0),
)
XPYD = Answer(
    dialect="generic",
    model="xpyd-sim",
    source="xpyd-sim (docs/servers.md 1.6): role, content and tool_calls all null in deltas; stop_reason, service_tier",
    stream=(
        {**says(role="assistant", content="", tool_calls=None), "service_tier": None},
        says(role=None, content="Hi", tool_calls=None),
        {**stops("stop", stop_reason=None), "service_tier": None},
        ends(PLAIN),
    ),
    whole={**stopped("stop", PLAIN, {"stop_reason": None}, content="Hi", tool_calls=None), "service_tier": None},
    content=(("text", "Hi"),),
    usage=(10, 5, 0, 0),
)
LLMOCK = Answer(
    dialect="generic",
    model="llmock",
    source="llmock, as OpenAI (docs/servers.md 1.6): every ordinary chunk has usage null",
    stream=(
        {**says(role="assistant", content=""), "usage": None},
        {**says(content="Hi"), "usage": None},
        {**says("stop"), "usage": None},
        ends(PLAIN),
    ),
    whole=whole("stop", PLAIN, content="Hi", refusal=None),
    content=(("text", "Hi"),),
    usage=(10, 5, 0, 0),
)
LITELLM = Answer(
    dialect="generic",
    model="litellm-mock",
    source="LiteLLM's proxy (docs/servers.md 1.6): an unstreamed call ends with stop",
    stream=(
        says(role="assistant", tool_calls=[fragment(id="call_1", type="function", name="f", arguments='{"a": 1}')]),
        says("stop"),
        ends(PLAIN),
    ),
    whole=whole("stop", PLAIN, content=None, function_call=None, tool_calls=[called("f", '{"a": 1}')]),
    content=CALLED,
    stop="tool_use",
    usage=(10, 5, 0, 0),
)

ANSWERS = (
    VLLM,
    VLLM_FORCED,
    VLLM_REPEATED,
    VLLM_STOP,
    VLLM_STOP_TOKEN,
    SGLANG,
    SGLANG_CALL,
    SGLANG_FLUSHED,
    SGLANG_STOP,
    LLAMACPP,
    LLAMACPP_TIMINGS,
    LLAMACPP_CALLS,
    LLAMACPP_THOUGHTS,
    OLLAMA,
    OLLAMA_CALLS,
    LMSTUDIO_INLINE,
    *LMSTUDIO,
    *CHUTES,
    LLAMA_CPP_PYTHON,
    XPYD,
    LLMOCK,
    LITELLM,
)


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
@pytest.mark.parametrize("size", SIZES)
class AnswerTests:
    """Each engine's answer becomes a message that its client understands."""

    def test_streamed(self, answer: Answer, size: int) -> None:
        """A stream becomes the message, in whatever pieces it comes."""
        check(answer, read(answer, answer.body, size))

    def test_whole(self, answer: Answer, size: int) -> None:
        """So does an answer that was not streamed."""
        check(answer, read(answer, json.dumps(answer.whole).encode(), size))

    def test_recovering(self, answer: Answer, size: int) -> None:
        """Where calls are looked for in the text, too, a server that finds them itself is not disturbed."""
        looking = {**answer.options, "recoverable": {"f": EMPTY, "g": EMPTY}}
        found = carried(in_steps(answer.body, size), dialect=DIALECTS[answer.dialect], **looking)
        assert found.stream == read(answer, answer.body, size).stream


def began(answer: Answer, size: int) -> dict[str, Any]:
    """Return the usage that a client sees before the answer begins."""
    usage: dict[str, Any] = read_events(read(answer, answer.body, size).stream)[0].data["message"]["usage"]
    return usage


@pytest.mark.parametrize("size", SIZES)
class StreamTests:
    """What only a stream has."""

    def test_true_count_at_once(self, size: int) -> None:
        """Where the backend counts in its first chunk, the client learns the prompt's true size at once."""
        assert began(VLLM, size)["input_tokens"] == 12
        progress = began(LLAMACPP, size)
        assert progress["input_tokens"] + progress["cache_read_input_tokens"] == 339

    @pytest.mark.parametrize(
        ("dialect", "arguments"),
        [
            (Vllm(), '{"a": '),  # serving.py: the finish reason of a cut call stays "length"
            (LlamaCpp(), "{"),  # recorded (docs/servers.md 1.3): a lone opening brace
        ],
    )
    def test_cut_call(self, size: int, dialect: Dialect, arguments: str) -> None:
        """A call that the limit cut ends with ``max_tokens``; the client, which handles that, gets what there is."""
        body = sse(
            says(role="assistant", content=None),
            says(tool_calls=[fragment(id="call_1", type="function", name="f", arguments=arguments)]),
            says("length"),
        )
        written = shown(carried(in_steps(body, size), dialect=dialect).stream)
        assert written[-4:] == [
            f"delta 0 partial_json {json.dumps(arguments)}",
            "stop 0",
            "end max_tokens",
            "message_stop",
        ]

    def test_cut_call_whole(self, size: int) -> None:
        """The same unstreamed: what there is stands in the input under the client's own word for it."""
        answer = whole("length", PLAIN, content=None, tool_calls=[called("f", '{"a": ')])
        message = carried(in_steps(json.dumps(answer).encode(), size), dialect=Vllm()).message
        assert message is not None
        assert message["stop_reason"] == "max_tokens"
        assert message["content"][0]["input"]["__unparsedToolInput"]["raw"] == '{"a": '


def failed(body: bytes, size: int, dialect: Dialect) -> UpstreamFailure:
    """Carry a failing answer, and return what the backend said."""
    carried_over = carried(in_steps(body, size), dialect=dialect)
    assert carried_over.message is None
    assert b"message_stop" not in carried_over.stream
    return classification.from_error(carried_over.failure)


@pytest.mark.parametrize("size", SIZES)
class FailureTests:
    """Failures that engines report in their answers."""

    def test_vllm(self, size: int) -> None:
        """An error of vLLM comes as data like any other, and ``[DONE]`` after it is no good end (its serving.py)."""
        error = {"error": {"message": "engine died", "type": "InternalServerError", "param": None, "code": 500}}
        for body in (sse(says(content="Hi"), error) + b"data: [DONE]\n\n", json.dumps(error).encode()):
            failure = failed(body, size, Vllm())
            assert (failure.status, failure.message) == (500, "engine died")

    def test_sglang(self, size: int) -> None:
        """SGLang's is flat before the stream and nested inside it (openai/serving_base.py)."""
        flat = {"object": "error", "message": "no", "type": "BadRequestError", "param": None, "code": 400}
        for body in (json.dumps(flat).encode(), sse(says(content="Hi"), {"error": flat}) + b"data: [DONE]\n\n"):
            failure = failed(body, size, Sglang())
            assert (failure.status, failure.message) == (400, "no")

    def test_abort(self, size: int) -> None:
        """An aborted answer is no good one, streamed or not (SGLang's and vLLM's finish reason)."""
        streamed = sse(says(content="Hi"), says("abort")) + b"data: [DONE]\n\n"
        for body in (streamed, json.dumps(whole("abort", PLAIN, content="Hi")).encode()):
            assert "abort" in failed(body, size, Sglang()).message

    def test_llama_cpp(self, size: int) -> None:
        """llama.cpp's has an integer for its code (docs/servers.md 1.3), inside a stream, too."""
        error = {"error": {"code": 500, "message": "slot lost", "type": "server_error"}}
        for body in (sse(says(content="Hi"), error), json.dumps(error).encode()):
            failure = failed(body, size, LlamaCpp())
            assert (failure.status, failure.type, failure.message) == (500, "server_error", "slot lost")

    @pytest.mark.parametrize("error", [{"error": "boom"}, {"error": {"message": "boom"}}, {"message": "boom"}])
    def test_lm_studio(self, size: int, error: dict[str, Any]) -> None:
        """LM Studio's may be plain text, and is an event of that name inside a stream (docs/servers.md 1.5)."""
        for body in (json.dumps(error).encode(), sse(says(content="Hi")) + b"event: error\n" + sse(error)):
            assert failed(body, size, LmStudio()).message == "boom"

    def test_chutes(self, size: int) -> None:
        """Chutes passes on either engine's (docs/servers.md 2.14)."""
        flat = {"object": "error", "message": "no", "type": "BadRequestError", "code": 400}
        for error in (flat, {"error": flat}):
            assert failed(json.dumps(error).encode(), size, Chutes()).message == "no"
