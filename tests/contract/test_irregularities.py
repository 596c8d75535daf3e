"""The liberties that backends take, each as a recorded stream with the answer it must become.

See docs/chat-completions.md 2.3.

Every stream is read in pieces of four sizes, and the client's bytes are the same each time. What is written here is
the whole stream that a client gets, one line an event; `shown` says how.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from claude_bridge.core.errors import UpstreamCut, UpstreamProtocolError
from claude_bridge.core.ids import upstream_id
from claude_bridge.core.upstream_errors import classification
from tests.contract.stream_rules import check_stream
from tests.core.strategies import in_steps
from tests.core.transcripts import Transcript, carried
from tests.end_to_end.sse import Event, read_events

SIZES = (1, 7, 37, 4096)
DONE = b"data: [DONE]\n\n"
STOP: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
CALLS: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
BEGIN = ["message_start", "ping"]
TEXT_HI = [*BEGIN, "start 0 text", 'delta 0 text "Hi"', "stop 0", "end end_turn", "message_stop"]


def sse(*chunks: dict[str, Any]) -> bytes:
    """Write chunks as plain events."""
    return b"".join(b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n" for chunk in chunks)


def says(**delta: Any) -> dict[str, Any]:
    """Make a chunk with a delta."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def call(*fragments: dict[str, Any]) -> dict[str, Any]:
    """Make a chunk with fragments of calls."""
    return says(tool_calls=list(fragments))


def whole(finish: Any = "stop", usage: Any = ..., **message: Any) -> bytes:
    """Write an unstreamed answer; what is not given is absent."""
    answer: dict[str, Any] = {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    return json.dumps(answer | ({} if usage is ... else {"usage": usage}), ensure_ascii=False).encode()


def part(name: str | None = None, arguments: Any = ..., **more: Any) -> dict[str, Any]:
    """Make a fragment of a call; what is not given is absent."""
    function: dict[str, Any] = {} if name is None else {"name": name}
    if arguments is not ...:
        function["arguments"] = arguments
    return {**more, "function": function}


def shown(raw: bytes) -> list[str]:
    """Write a stream down, one line an event.

    start INDEX KIND [NAME UPSTREAM-ID]    delta INDEX KIND JSON    stop INDEX    end STOP-REASON
    """
    return [_line(event) for event in read_events(raw)]


def _line(event: Event) -> str:
    data = event.data
    match event.name:
        case "content_block_start":
            block = data["content_block"]
            return " ".join(["start", str(data["index"]), block["type"], *_named(block)])
        case "content_block_delta":
            ((key, value),) = ((key, value) for key, value in data["delta"].items() if key != "type")
            return f"delta {data['index']} {key} {json.dumps(value, ensure_ascii=False)}"
        case "content_block_stop":
            return f"stop {data['index']}"
        case "message_delta":
            return f"end {data['delta']['stop_reason']}"
        case _:
            return event.name


def _named(block: dict[str, Any]) -> Iterable[str]:
    if block["type"] == "tool_use":
        yield block["name"]
        original = upstream_id(block["id"])
        yield "-" if original == block["id"] else original


def thought(text: str, index: int = 0) -> list[str]:
    """Write down a thinking block."""
    return [
        f"start {index} thinking",
        f"delta {index} thinking {json.dumps(text)}",
        f'delta {index} signature ""',
        f"stop {index}",
    ]


def called(*calls: tuple[str, str, str]) -> list[str]:
    """Write down a stream of whole calls: name, upstream id, arguments."""
    lines = list(BEGIN)
    for index, (name, identifier, arguments) in enumerate(calls):
        lines += [f"start {index} tool_use {name} {identifier}", f"delta {index} partial_json {json.dumps(arguments)}"]
        lines.append(f"stop {index}")
    return [*lines, "end tool_use", "message_stop"]


def read(upstream: bytes, size: int, **options: Any) -> Transcript:
    """Carry a good answer through, and hold its stream against the rules and the whole message."""
    carried_over = carried(in_steps(upstream, size), **options)
    assert (carried_over.failure, carried_over.error) == (None, None)
    assert carried_over.message is not None
    assert check_stream(carried_over.stream)["content"] == carried_over.message["content"]
    return carried_over


def lines(upstream: bytes, size: int, **options: Any) -> list[str]:
    """Carry a good answer through and write it down; the bytes are those of any other size."""
    carried_over = read(upstream, size, **options)
    assert carried_over.stream == read(upstream, len(upstream), **options).stream
    return shown(carried_over.stream)


@pytest.mark.parametrize("size", SIZES)
class ReasoningTests:
    """Where reasoning hides."""

    ANSWER = (*BEGIN, *thought("Hm"), "start 1 text", 'delta 1 text "Hi"', "stop 1", "end end_turn", "message_stop")

    @pytest.mark.parametrize(
        "delta",
        [
            {"reasoning_content": "Hm"},
            {"reasoning": "Hm"},
            {"reasoning_text": "Hm"},
            {"thinking": "Hm"},
            {"reasoning_details": [{"type": "reasoning.text", "text": "Hm"}]},
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm"}]},
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]},
            {"reasoning": "Hm", "reasoning_content": "Hm", "reasoning_details": [{"text": "Hm"}]},
            {"reasoning_content": "", "reasoning": "Hm"},
            {"reasoning_content": None, "reasoning": "Hm", "content": ""},
        ],
    )
    def test_fields(self, size: int, delta: dict[str, Any]) -> None:
        """Reasoning is found under any name, once."""
        assert tuple(lines(sse(says(**delta), says(content="Hi"), STOP) + DONE, size)) == self.ANSWER
        thinking = delta.get("content") or []
        message = {**delta, "content": [*thinking, {"type": "text", "text": "Hi"}] if thinking else "Hi"}
        assert tuple(lines(whole(**message), size)) == self.ANSWER

    def test_both_in_one_chunk(self, size: int) -> None:
        """Reasoning and text in one chunk are two blocks, and neither is lost (LiteLLM 33224)."""
        upstream = sse(says(reasoning="Hm", content="Hi"), STOP) + DONE
        assert tuple(lines(upstream, size)) == self.ANSWER

    def test_missing_opener(self, size: int) -> None:
        """Where the chat template has opened the tag, as the configuration says, the answer begins inside it."""
        text = "\nHm</think>\n\nHi"
        for upstream in (sse(*(says(content=each) for each in text), STOP) + DONE, whole(content=text)):
            message = read(upstream, size, thinking_opened=True).message
            assert message is not None
            assert [block.get("thinking", block.get("text")) for block in message["content"]] == ["Hm", "Hi"]

    @pytest.mark.parametrize("tag", ["<think>", "<thinking>", "[THINK]", "◁think▷", "<seed:think>"])
    def test_tags(self, size: int, tag: str) -> None:
        """So is reasoning that the server left between tags in the text, one character a chunk."""
        closing = tag[0] + "/" + tag[1:]
        text = f"{tag}\nHm{closing}\n\nHi"
        upstream = sse(*(says(content=character) for character in text), STOP) + DONE
        message = read(upstream, size).message
        assert message is not None
        assert [block.get("thinking", block.get("text")) for block in message["content"]] == ["Hm", "Hi"]
        assert tuple(lines(sse(says(content=text), STOP) + DONE, size)) == self.ANSWER
        assert tuple(lines(whole(content=text), size)) == self.ANSWER

    def test_tag_elsewhere(self, size: int) -> None:
        """A tag that does not open the answer is prose; so is a closing tag that was never opened."""
        for text in ("a <think>b</think>", "Hm</think>Hi"):
            for upstream in (sse(says(content=text), STOP) + DONE, whole(content=text)):
                assert lines(upstream, size)[3] == f"delta 0 text {json.dumps(text)}"


LEAKED = (
    '<tool_call>{"name": "f", "arguments": {}}</tool_call>',
    "<tool_call><function=f><parameter=a>1</parameter></function></tool_call>",
    "<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>",
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{}<|tool_call_end|>",
    "<|open|>tools<|sep|>",
    "<｜tool▁calls▁begin｜>",  # noqa: RUF001 - DeepSeek's own bar
    '<｜DSML｜function_calls><｜DSML｜invoke name="f">',  # noqa: RUF001 - the same
    "<minimax:tool_call>",
    '[TOOL_CALLS][{"name": "f", "arguments": {}}]',
    '<|python_tag|>{"name": "f"}',
    "[f(a=1)]",
    "<|channel|>commentary to=functions.f",
)


@pytest.mark.parametrize("size", SIZES)
class ChunkTests:
    """Chunks that are not quite as they should be."""

    @pytest.mark.parametrize("text", LEAKED)
    def test_leaked_calls(self, size: int, text: str) -> None:
        """A call that leaked into the text stays text, to the last character."""
        for upstream in (sse(says(content=text), STOP) + DONE, whole(content=text)):
            message = read(upstream, size).message
            assert message is not None
            assert [block["text"] for block in message["content"]] == [text]

    @pytest.mark.parametrize(
        "empty",
        [
            {"choices": []},
            {"choices": [], "prompt_filter_results": []},
            {"id": "x"},
            {"choices": None},
            {"choices": [{"index": 0}]},
            {"choices": [{"index": 0, "delta": None}]},
            {"choices": [{"index": 0, "delta": None, "finish_reason": None}], "error": None},
        ],
    )
    def test_nothing_in_it(self, size: int, empty: dict[str, Any]) -> None:
        """A chunk with nothing in it does no harm, wherever it comes."""
        upstream = sse(empty, says(role="assistant"), empty, says(content="Hi"), empty, STOP, empty) + DONE
        assert lines(upstream, size) == TEXT_HI

    def test_usage_everywhere(self, size: int) -> None:
        """Where each chunk counts, the last count is the true one."""
        counts = [{"usage": {"prompt_tokens": 9, "completion_tokens": count}} for count in (1, 2, 3)]
        upstream = sse(*(says(content="a") | count for count in counts), STOP, {"choices": [], **counts[2]}) + DONE
        message = read(upstream, size).message
        assert message is not None
        assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (9, 3)

    def test_usage_not_filled_in(self, size: int) -> None:
        """Zeros in the first chunks, or everywhere, do not make the client believe that its context is empty."""
        zeros = {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}
        first = {"usage": {"prompt_tokens": 0, "completion_tokens": 1}}
        true = {"usage": {"prompt_tokens": 9, "completion_tokens": 3}}
        for begin, end, counts in ((zeros, true, (5, 9, 3)), (first, true, (5, 9, 3)), (zeros, zeros, (5, 5, 1))):
            carried_over = read(sse(says(content="Hi") | begin, STOP | end) + DONE, size)
            assert carried_over.message is not None
            started = read_events(carried_over.stream)[0].data["message"]["usage"]["input_tokens"]
            usage = carried_over.message["usage"]
            assert (started, usage["input_tokens"], usage["output_tokens"]) == counts
        message = read(whole(content="Hi", usage=zeros["usage"]), size).message
        assert message is not None
        assert message["usage"]["input_tokens"] == 5

    @pytest.mark.parametrize("role", [{"role": ""}, {"role": None}, {}, {"role": "assistant"}])
    def test_role(self, size: int, role: dict[str, Any]) -> None:
        """The role says nothing that was not known."""
        assert lines(sse(says(**role, content="Hi"), STOP) + DONE, size) == TEXT_HI
        assert lines(whole(**role, content="Hi"), size) == TEXT_HI

    def test_parts(self, size: int) -> None:
        """Content in parts is joined, each kind where it belongs."""
        parts = [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "H"}, {"type": "text", "text": "i"}]
        for upstream in (sse(says(content=parts), STOP) + DONE, whole(content=parts)):
            assert lines(upstream, size) == [
                *BEGIN,
                *thought("Hm"),
                "start 1 text",
                'delta 1 text "H"',
                'delta 1 text "i"',
                "stop 1",
                "end end_turn",
                "message_stop",
            ]

    def test_huge_event(self, size: int) -> None:
        """An event may be large, up to a limit."""
        upstream = sse(says(content="Hi" + " " * 200_000), STOP) + DONE
        assert len(lines(upstream, size)[3]) > 200_000
        stopped = carried(in_steps(upstream, size), max_event=100_000)
        assert isinstance(stopped.error, UpstreamProtocolError)
        assert stopped.message is None


@pytest.mark.parametrize("size", SIZES)
class CallTests:
    """Tool calls."""

    @pytest.mark.parametrize("index", [{}, {"index": None}, {"index": 0}, {"index": "0"}])
    def test_index(self, size: int, index: dict[str, Any]) -> None:
        """Without an index, or all with the same, calls are told apart by their ids; the rest is the latest's."""
        upstream = sse(
            call(part("f", '{"a":', id="x", **index)),
            call(part(None, "1}", **index)),
            call(part("f", "", id="y", **index)),
            call(part(None, "{}", **index)),
            CALLS,
        )
        assert lines(upstream + DONE, size) == [
            *BEGIN,
            "start 0 tool_use f x",
            'delta 0 partial_json "{\\"a\\":"',
            'delta 0 partial_json "1}"',
            "stop 0",
            "start 1 tool_use f y",
            'delta 1 partial_json "{}"',
            "stop 1",
            "end tool_use",
            "message_stop",
        ]

    @pytest.mark.parametrize("one_chunk", [True, False])
    def test_whole_calls_under_one_index(self, size: int, one_chunk: bool) -> None:
        """Parallel calls that all have index 0 are as many calls as they have ids."""
        parts = [part("f", "{}", index=0, id="x"), part("g", "{}", index=0, id="y")]
        upstream = sse(call(*parts), CALLS) if one_chunk else sse(*(call(one) for one in parts), CALLS)
        assert lines(upstream + DONE, size) == called(("f", "x", "{}"), ("g", "y", "{}"))

    def test_whole_calls(self, size: int) -> None:
        """The same unstreamed: without an index, or all with the same."""
        for index in ({}, {"index": None}, {"index": 0}, {"index": "0"}):
            parts = [part("f", "{}", id="x", **index), part("g", "{}", id="y", **index)]
            assert lines(whole("tool_calls", content=None, tool_calls=parts), size) == called(
                ("f", "x", "{}"), ("g", "y", "{}")
            )

    def test_repeats(self, size: int) -> None:
        """Id and name in each fragment are neither new calls nor a longer name."""
        upstream = sse(*(call(part("f", piece, index=0, id="x")) for piece in ("{", "}")), CALLS) + DONE
        assert lines(upstream, size) == [
            *called(("f", "x", "{"))[:-3],
            'delta 0 partial_json "}"',
            *called(("f", "x", "{"))[-3:],
        ]

    def test_name_late(self, size: int) -> None:
        """A name may come after arguments, or be empty at first."""
        upstream = sse(
            call(part("", '{"a"', index=0, id="x")),
            call(part(None, ":1", index=0)),
            call(part("f", "}", index=0)),
            CALLS,
        )
        assert lines(upstream + DONE, size) == called(("f", "x", '{"a":1}'))

    def test_nameless(self, size: int) -> None:
        """A call that never gets a name cannot be made; what else was said is kept."""
        nameless = part(None, "{}", index=0, id="x")
        assert lines(sse(says(content="Hi"), call(nameless), CALLS) + DONE, size) == TEXT_HI
        assert lines(whole("tool_calls", content="Hi", tool_calls=[nameless]), size) == TEXT_HI

    @pytest.mark.parametrize(
        ("arguments", "passed"),
        [({"a": 1}, '{"a":1}'), ({}, "{}"), (None, "{}"), ("", "{}"), ("null", "{}"), (..., "{}")],
    )
    def test_arguments(self, size: int, arguments: Any, passed: str) -> None:
        """Arguments may be an object, nothing, or missing; the client always gets an object."""
        made = part("f", arguments, index=0, id="x")
        for upstream in (sse(call(made), CALLS) + DONE, whole("tool_calls", tool_calls=[made])):
            assert lines(upstream, size) == called(("f", "x", passed))

    @pytest.mark.parametrize("finish", ["stop", "tool_calls", "function_call", "eos"])
    def test_finish_reason(self, size: int, finish: str) -> None:
        """What was emitted decides how the answer ends, not what the backend calls it."""
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
        assert lines(sse(call(part("f", "{}", index=0, id="x")), last) + DONE, size) == called(("f", "x", "{}"))
        assert lines(sse(says(content="Hi"), last) + DONE, size) == TEXT_HI
        made = [part("f", "{}", id="x")]
        assert lines(whole(finish, content=None, tool_calls=made), size) == called(("f", "x", "{}"))
        assert lines(whole(finish, content="Hi", tool_calls=[]), size) == TEXT_HI

    @pytest.mark.parametrize("finish", [None, "", "unheard-of"])
    def test_no_finish_reason(self, size: int, finish: str | None) -> None:
        """An unstreamed answer is finished whatever it says of its end, and so is a stream with its end mark."""
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
        made = part("f", "{}", index=0, id="x")
        for upstream in (sse(call(made), last) + DONE, whole(finish, tool_calls=[made])):
            assert lines(upstream, size) == called(("f", "x", "{}"))
        for upstream in (sse(says(content="Hi"), last) + DONE, whole(finish, content="Hi")):
            assert lines(upstream, size) == TEXT_HI

    def test_one_id_twice(self, size: int) -> None:
        """Two calls under one id get two ids, since the client would drop the second."""
        parts = [part("f", "{}", index=0, id="x"), part("f", "{}", index=1, id="x")]
        for upstream in (sse(*map(call, parts), CALLS) + DONE, whole("tool_calls", tool_calls=parts)):
            assert lines(upstream, size) == called(("f", "x", "{}"), ("f", "x", "{}"))
            message = read(upstream, size).message
            assert message is not None
            assert len({block["id"] for block in message["content"]}) == 2

    def test_no_id(self, size: int) -> None:
        """Calls without an id get one each."""
        parts = [part("f", "{}", index=0), part("f", "{}", index=1, id="")]
        for upstream in (sse(*map(call, parts), CALLS) + DONE, whole("tool_calls", tool_calls=parts)):
            assert lines(upstream, size) == called(("f", "-", "{}"), ("f", "-", "{}"))

    def test_interleaved(self, size: int) -> None:
        """Interleaved parallel calls reach the client one after the other, the first of them live."""
        upstream = sse(
            call(part("f", "", index=0, id="x"), part("g", "", index=1, id="y")),
            call(part(None, '{"b":', index=1)),
            call(part(None, '{"a":', index=0)),
            says(content="so"),
            call(part(None, "2}", index=1)),
            call(part(None, "1}", index=0)),
            CALLS,
        )
        assert lines(upstream + DONE, size) == [
            *BEGIN,
            "start 0 tool_use f x",
            'delta 0 partial_json "{\\"a\\":"',
            'delta 0 partial_json "1}"',
            "stop 0",
            "start 1 tool_use g y",
            'delta 1 partial_json "{\\"b\\":2}"',
            "stop 1",
            "start 2 text",
            'delta 2 text "so"',
            "stop 2",
            "end tool_use",
            "message_stop",
        ]


@pytest.mark.parametrize("size", SIZES)
class EndTests:
    """How answers end."""

    def test_deltas_after_the_finish(self, size: int) -> None:
        """The first finish reason holds; what still comes after it counts."""
        length = {"choices": [{"index": 0, "delta": {"content": "H"}, "finish_reason": "length"}]}
        late = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
        carried_over = read(sse(length, says(content="i"), STOP, late), size)
        assert shown(carried_over.stream) == [
            *BEGIN,
            "start 0 text",
            'delta 0 text "H"',
            'delta 0 text "i"',
            "stop 0",
            "end max_tokens",
            "message_stop",
        ]
        assert carried_over.message is not None
        assert carried_over.message["usage"]["output_tokens"] == 4

    def test_no_mark(self, size: int) -> None:
        """The end mark may be missing where a finish reason was there, or the other way round."""
        assert lines(sse(says(content="Hi"), STOP), size) == TEXT_HI
        assert lines(sse(says(content="Hi")) + DONE, size) == TEXT_HI

    def test_cut(self, size: int) -> None:
        """Without either the answer was cut, and the client gets no good end."""
        broken = carried(in_steps(sse(says(content="Hi")), size))
        assert isinstance(broken.error, UpstreamCut)
        assert shown(broken.stream) == [*BEGIN, "start 0 text", 'delta 0 text "Hi"']
        assert broken.message is None

    @pytest.mark.parametrize(
        "body",
        [
            b'{"error": {"message": "boom", "code": 500}}',
            b'{"error": "boom"}',
            b'[{"error": {"message": "boom"}}]',
            b'{"detail": "boom"}',
            b'{"message": "boom", "code": 7}',
            b'{"object": "error", "message": "boom"}',
        ],
    )
    def test_error(self, size: int, body: bytes) -> None:
        """An error is one in each shape: in the stream after content, or alone in an answer with status 200."""
        for upstream in (sse(says(content="Hi")) + b"data: " + body + b"\n\n" + DONE, body, b"data: " + body):
            failed = carried(in_steps(upstream, size))
            assert classification.from_error(failed.failure).message == "boom"
            assert failed.message is None
            assert b"message_stop" not in failed.stream

    def test_page(self, size: int) -> None:
        """So is a page of HTML where an answer should be."""
        failed = carried(in_steps(b"<html><body><h1>502 boom</h1></body></html>", size))
        assert classification.from_error(failed.failure).message == "502 boom"
        assert failed.stream == b""


@pytest.mark.parametrize("size", SIZES)
class FramingTests:
    """How events are written."""

    PLAIN = sse(says(content="Hä 😀"), STOP) + DONE
    ANSWER = (*BEGIN, "start 0 text", 'delta 0 text "Hä 😀"', "stop 0", "end end_turn", "message_stop")

    @pytest.mark.parametrize(
        "upstream",
        [
            PLAIN,
            PLAIN.replace(b"\n", b"\r\n"),
            PLAIN.replace(b"\n", b"\r"),
            b"\xef\xbb\xbf" + PLAIN,
            PLAIN.replace(b"data: ", b"data:"),
            PLAIN.replace(b"data: ", b": comment\n\n:\nevent: message\nid: 1\nretry: 5\ndata: "),
            PLAIN.replace(b'"choices": [', b'"choices":\ndata: ['),
            PLAIN.removesuffix(b"\n\n"),
            sse(says(content="Hä 😀"), STOP).removesuffix(b"\n\n"),
            sse(says(content="Hä 😀"), STOP).removesuffix(b"\n"),
            PLAIN.replace(b"[DONE]", b" [DONE] "),
            b"\n\n" + PLAIN,
        ],
        ids=[
            "LF",
            "CRLF",
            "CR",
            "BOM",
            "no space",
            "comments",
            "lines",
            "end",
            "no mark",
            "half",
            "blank mark",
            "blank",
        ],
    )
    def test_framing(self, size: int, upstream: bytes) -> None:
        """Every way to write the same events means the same, cut inside a character or anywhere else."""
        assert tuple(lines(upstream, size)) == self.ANSWER


WHOLE = {
    "id": "x",
    "object": "chat.completion",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "reasoning_content": "Hm",
                "content": "Hi",
                "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4},
}
STREAMED = sse(
    says(reasoning_content="Hm"),
    says(content="Hi"),
    call(part("f", '{"a": 1}', index=0, id="x")),
    CALLS,
    {"choices": [], "usage": WHOLE["usage"]},
)


@pytest.mark.parametrize("size", SIZES)
class FormTests:
    """Streams and whole answers, whichever was asked for."""

    def test_whole_to_stream(self, size: int) -> None:
        """A whole answer to a request for a stream becomes the stream."""
        assert lines(json.dumps(WHOLE).encode(), size) == [
            *BEGIN,
            *thought("Hm"),
            "start 1 text",
            'delta 1 text "Hi"',
            "stop 1",
            "start 2 tool_use f x",
            'delta 2 partial_json "{\\"a\\": 1}"',
            "stop 2",
            "end tool_use",
            "message_stop",
        ]

    def test_same_in_all_four_ways(self, size: int) -> None:
        """Streamed or whole, upstream and downstream: four ways to one answer, byte for byte."""
        streamed, whole = read(STREAMED + DONE, size), read(json.dumps(WHOLE).encode(), size)
        assert streamed.stream == whole.stream
        assert streamed.message == whole.message
        assert streamed.message is not None
        assert streamed.message["stop_reason"] == "tool_use"
        assert streamed.message["usage"]["output_tokens"] == 4
        kinds = [block["type"] for block in streamed.message["content"]]
        assert kinds == ["thinking", "text", "tool_use"]
