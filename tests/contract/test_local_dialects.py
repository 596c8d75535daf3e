"""Streams of the engines that people run themselves (wire-contract 4.1), in the shapes that they are known to send.

vLLM's, SGLang's and Ollama's are written after their sources, llama.cpp's are recorded from build 11549 without what is
the same in every chunk. Each is read in pieces of four sizes.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from claude_bridge.core import failures, wire
from claude_bridge.core.dialect import Dialect
from claude_bridge.core.dialects.chutes import Chutes
from claude_bridge.core.dialects.llamacpp import LlamaCpp
from claude_bridge.core.dialects.lmstudio import LmStudio
from claude_bridge.core.dialects.ollama import Ollama
from claude_bridge.core.dialects.sglang import Sglang
from claude_bridge.core.dialects.vllm import Vllm
from tests.contract.test_irregularities import (
    BEGIN,
    DONE,
    SIZES,
    STOP,
    call,
    called,
    part,
    read,
    says,
    shown,
    sse,
    thought,
)
from tests.core.strategies import in_steps
from tests.core.transcripts import carried
from tests.end_to_end.sse import read_events

SAID = [*thought("Hm"), "start 1 text", 'delta 1 text "Hi"', "stop 1", "end end_turn", "message_stop"]


def lines(upstream: bytes, size: int, dialect: Dialect, **options: Any) -> list[str]:
    """Carry a good answer through and write it down without its pings, which only show that the backend lives."""
    written = shown(read(upstream, size, dialect=dialect, **options).stream)
    return [line for line in written if line != "ping"]


def began(upstream: bytes, size: int, dialect: Dialect) -> dict[str, Any]:
    """Give the usage that a client sees before the answer begins."""
    first = read_events(read(upstream, size, dialect=dialect).stream)[0]
    usage: dict[str, Any] = first.data["message"]["usage"]
    return usage


def failed(upstream: bytes, size: int, dialect: Dialect) -> str:
    """Carry a failing answer and give what the backend said."""
    carried_over = carried(in_steps(upstream, size), dialect=dialect)
    assert carried_over.message is None
    assert b"message_stop" not in carried_over.stream
    return failures.from_error(carried_over.failure, decode=wire.decode).message


def cut_off(upstream: bytes, size: int, dialect: Dialect) -> str:
    """Carry an answer that the limit cut inside a call, which the client handles, and give what came of the call."""
    written = without_pings(shown(carried(in_steps(upstream, size), dialect=dialect).stream))
    assert written[-3:] == ["stop 0", "end max_tokens", "message_stop"]
    arguments: str = json.loads(written[2].removeprefix("delta 0 partial_json "))
    return arguments


def finish(reason: str, **more: Any) -> dict[str, Any]:
    """Make the chunk that ends the answer."""
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason, **more}]}


def without_pings(written: list[str]) -> list[str]:
    """Leave out the ping that every stream begins with."""
    return [line for line in written if line != "ping"]


@pytest.mark.parametrize("size", SIZES)
class VllmTests:
    """vLLM 0.33: chat_completion/protocol.py and serving.py."""

    def test_usage_everywhere(self, size: int) -> None:
        """Reasoning is ``reasoning``; usage is in every chunk, so the client learns the prompt's size at once."""
        deltas = [{"role": "assistant", "content": ""}, {"reasoning": "Hm"}, {"content": "Hi"}]
        counts = [{"prompt_tokens": 12, "total_tokens": 12 + n, "completion_tokens": n} for n in range(4)]
        upstream = sse(
            *(says(**delta) | {"usage": usage} for delta, usage in zip(deltas, counts, strict=False)),
            finish("stop", stop_reason=None, token_ids=None) | {"usage": counts[3]},
            {"choices": [], "usage": {**counts[3], "prompt_tokens_details": {"cached_tokens": 8}}},
        )
        assert lines(upstream + DONE, size, Vllm()) == ["message_start", *SAID]
        assert began(upstream + DONE, size, Vllm())["input_tokens"] == 12
        message = read(upstream + DONE, size, dialect=Vllm()).message
        assert message is not None
        assert (message["usage"]["input_tokens"], message["usage"]["cache_read_input_tokens"]) == (4, 8)
        assert message["usage"]["output_tokens"] == 3

    def test_forced_tool(self, size: int) -> None:
        """After a tool that was forced by its name the finish reason stays ``stop``; the call comes whole."""
        whole = part("f", '{"a": 1}', id="chatcmpl-tool-1", type="function", index=0)
        upstream = sse(says(role="assistant", content=""), call(whole), finish("stop", stop_reason=None)) + DONE
        assert lines(upstream, size, Vllm()) == without_pings(called(("f", "chatcmpl-tool-1", '{"a": 1}')))

    def test_cut_call(self, size: int) -> None:
        """A call that the limit cut keeps ``length``."""
        cut = part("f", '{"a": ', id="x", index=0)
        assert cut_off(sse(call(cut), finish("length")) + DONE, size, Vllm()) == '{"a": '

    def test_stop_sequence(self, size: int) -> None:
        """The matched stop string is in ``stop_reason``, a token's number is none."""
        for matched, reason in (("END", "stop_sequence"), (128009, "end_turn")):
            upstream = sse(says(content="Hi"), finish("stop", stop_reason=matched)) + DONE
            assert f"end {reason}" in lines(upstream, size, Vllm(), stop_sequences=("END",))

    def test_error_in_the_stream(self, size: int) -> None:
        """An error comes as data like any other, and ``[DONE]`` after it is no good end."""
        error = {"error": {"message": "engine died", "type": "InternalServerError", "param": None, "code": 500}}
        assert failed(sse(says(content="Hi"), error) + DONE, size, Vllm()) == "engine died"


@pytest.mark.parametrize("size", SIZES)
class SglangTests:
    """SGLang 0.5.23: openai/serving_chat.py."""

    def test_reasoning(self, size: int) -> None:
        """Every delta has all fields, most of them null; the finish reason has a chunk of its own."""
        none = {"role": None, "content": None, "reasoning_content": None, "tool_calls": None}
        upstream = sse(
            says(**none | {"role": "assistant", "content": ""}),
            says(**none | {"reasoning_content": "Hm"}),
            says(**none | {"content": "Hi"}),
            finish("stop", matched_stop=151645),
            {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "reasoning_tokens": 0}},
        )
        assert lines(upstream + DONE, size, Sglang()) == ["message_start", *SAID]

    def test_calls(self, size: int) -> None:
        """Id and name come first, later fragments have null for both, and the rest of the arguments may come late."""
        upstream = sse(
            call(part("f", "", id="call_1", type="function", index=0)),
            call({"index": 0, "id": None, "function": {"name": None, "arguments": '{"a":'}}),
            call({"index": 0, "id": None, "function": {"name": None, "arguments": "1}"}}),
            finish("tool_calls", matched_stop=None),
        )
        assert lines(upstream + DONE, size, Sglang()) == [
            "message_start",
            "start 0 tool_use f call_1",
            'delta 0 partial_json "{\\"a\\":"',
            'delta 0 partial_json "1}"',
            "stop 0",
            "end tool_use",
            "message_stop",
        ]

    def test_stop_sequence(self, size: int) -> None:
        """The matched stop string is in ``matched_stop``."""
        upstream = sse(says(content="Hi"), finish("stop", matched_stop="END")) + DONE
        assert "end stop_sequence" in lines(upstream, size, Sglang(), stop_sequences=("END",))

    def test_abort(self, size: int) -> None:
        """An aborted answer is no good one."""
        assert "abort" in failed(sse(says(content="Hi"), finish("abort")) + DONE, size, Sglang())

    def test_errors(self, size: int) -> None:
        """An error is flat before the stream and nested inside it."""
        flat = {"object": "error", "message": "no", "type": "BadRequestError", "param": None, "code": 400}
        assert failed(json.dumps(flat).encode(), size, Sglang()) == "no"
        assert failed(sse(says(content="Hi"), {"error": flat}) + DONE, size, Sglang()) == "no"


@pytest.mark.parametrize("size", SIZES)
class LlamaCppTests:
    """llama.cpp's server, recorded."""

    PROGRESS = tuple(
        says(role="assistant", content=None)
        | {"prompt_progress": {"total": 339, "cache": 275, "processed": processed, "time_ms": processed * 9}}
        for processed in (275, 320, 339)
    )
    USAGE: ClassVar[dict[str, Any]] = {
        "choices": [],
        "usage": {
            "completion_tokens": 2,
            "prompt_tokens": 339,
            "total_tokens": 341,
            "prompt_tokens_details": {"cached_tokens": 275},
        },
        "timings": {"cache_n": 275, "prompt_n": 64, "predicted_n": 2, "predicted_ms": 0.001},
    }

    def test_progress(self, size: int) -> None:
        """Progress tells the prompt's true size before the first word, and each step shows that the backend lives."""
        upstream = sse(*self.PROGRESS, says(reasoning_content="Hm"), says(content="Hi"), STOP, self.USAGE) + DONE
        written = shown(read(upstream, size, dialect=LlamaCpp()).stream)
        assert without_pings(written) == ["message_start", *SAID]
        assert len(written) > len(without_pings(written))
        usage = began(upstream, size, LlamaCpp())
        assert usage["input_tokens"] + usage["cache_read_input_tokens"] == 339

    def test_usage(self, size: int) -> None:
        """Usage comes in a last chunk without choices; where it is missing the timings beside it tell the same."""
        timings = {"choices": [], "timings": self.USAGE["timings"]}
        for last in (self.USAGE, timings):
            message = read(sse(says(content="Hi"), STOP, last) + DONE, size, dialect=LlamaCpp()).message
            assert message is not None
            usage = message["usage"]
            assert [usage[f"{name}_tokens"] for name in ("input", "cache_read_input", "output")] == [64, 275, 2]

    def test_pings(self, size: int) -> None:
        """A bare colon and an empty line are its pings while it reads the prompt."""
        upstream = b":\n\n" * 3 + sse(says(role="assistant", content=None), says(content="Hi")) + b":\n\n" + sse(STOP)
        assert lines(upstream + DONE, size, LlamaCpp())[1:3] == ["start 0 text", 'delta 0 text "Hi"']

    def test_calls(self, size: int) -> None:
        """Calls are told apart by index, the id comes once, and there may be more than one (operations 1.4)."""
        upstream = sse(
            call(part("f", "{", index=0, id="a", type="function")),
            call(part(None, "}", index=0)),
            call(part("g", "{}", index=1, id="b", type="function")),
            finish("tool_calls"),
        )
        assert [line for line in lines(upstream + DONE, size, LlamaCpp()) if line.startswith("start")] == [
            "start 0 tool_use f a",
            "start 1 tool_use g b",
        ]

    def test_cut_call(self, size: int) -> None:
        """The limit may leave of the last call no more than an opening brace (operations 1.4)."""
        upstream = sse(call(part("f", "{", index=0, id="a", type="function")), finish("length")) + DONE
        assert cut_off(upstream, size, LlamaCpp()) == "{"

    def test_only_thoughts(self, size: int) -> None:
        """An answer may be thinking from its beginning to its end (operations 1.3)."""
        written = lines(sse(says(reasoning_content="Hm"), STOP) + DONE, size, LlamaCpp())
        assert written[:5] == ["message_start", *thought("Hm")]


@pytest.mark.parametrize("size", SIZES)
class OllamaTests:
    """Ollama: openai.go and middleware/openai.go."""

    FINGERPRINT: ClassVar[dict[str, Any]] = {"system_fingerprint": "fp_ollama"}

    def test_reasoning(self, size: int) -> None:
        """Reasoning and text never share a chunk; the finish reason has its own, and so has usage without details."""
        usage = {"prompt_tokens": 26, "completion_tokens": 4, "total_tokens": 30}
        upstream = sse(
            says(role="assistant", content="", reasoning="Hm") | self.FINGERPRINT,
            says(content="Hi") | self.FINGERPRINT,
            STOP | self.FINGERPRINT,
            {"choices": [], "usage": usage} | self.FINGERPRINT,
        )
        assert lines(upstream + DONE, size, Ollama()) == ["message_start", *SAID]
        message = read(upstream + DONE, size, dialect=Ollama()).message
        assert message is not None
        assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (26, 4)

    def test_calls(self, size: int) -> None:
        """Calls come whole, with an index from the model: several may say 0."""
        calls = [part(name, "{}", id=f"call_{name}", index=0, type="function") for name in ("f", "g")]
        upstream = sse(says(role="assistant", content="", tool_calls=calls), finish("tool_calls")) + DONE
        expected = called(("f", "call_f", "{}"), ("g", "call_g", "{}"))
        assert lines(upstream, size, Ollama()) == without_pings(expected)


@pytest.mark.parametrize("size", SIZES)
class LmStudioTests:
    """LM Studio (wire-contract 4.1)."""

    def test_inline_thinking(self, size: int) -> None:
        """Reasoning is inline where its setting says so."""
        upstream = sse(says(role="assistant", content="<think>Hm</think>"), says(content="Hi"), STOP) + DONE
        assert lines(upstream, size, LmStudio())[-5:] == SAID[-5:]

    @pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
    def test_reasoning(self, size: int, key: str) -> None:
        """Or it is under either name."""
        assert lines(sse(says(**{key: "Hm"}), says(content="Hi"), STOP) + DONE, size, LmStudio())[1:] == SAID

    def test_errors(self, size: int) -> None:
        """An error may be plain text, and is an event of that name inside a stream."""
        assert failed(b'{"error": "Unexpected endpoint"}', size, LmStudio()) == "Unexpected endpoint"
        for error in ({"error": "boom"}, {"error": {"message": "boom"}}, {"message": "boom"}):
            upstream = sse(says(content="Hi")) + b"event: error\n" + sse(error)
            assert failed(upstream, size, LmStudio()) == "boom"


@pytest.mark.parametrize("size", SIZES)
class ChutesTests:
    """Chutes (wire-contract 4.2)."""

    @pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
    def test_either_engine(self, size: int, key: str) -> None:
        """Whichever engine answers, its key for reasoning is read."""
        assert lines(sse(says(**{key: "Hm"}), says(content="Hi"), STOP) + DONE, size, Chutes())[1:] == SAID


def test_streams_begin_alike() -> None:
    """What is left out above is the ping after the beginning of each stream."""
    assert BEGIN == ["message_start", "ping"]
