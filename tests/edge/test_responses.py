"""Promises of answers: bytes, status, pings and back-pressure on the client's side."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import define, field

from claude_bridge.core.errors import UpstreamCut
from claude_bridge.edge.responses import JsonResponse, StreamResponse, SwitchableProducer
from claude_bridge.testing.chat import ToolCall, chat_stream, chunk, events
from tests.edge.stage import Edge, Line
from tests.services.exchange.stage import EMPTY, HELLO, ONE, asking, configured, refusal

TOO_MUCH = (
    "This model's maximum context length is 8192 tokens. However, you requested 13000 tokens "
    "(5000 in the messages, 8000 in the completion)."
)
HIDDEN = chat_stream(reasoning="let me see", text="Hello")
NAMES = ["message_start", "ping", "content_block_start", "content_block_delta", "content_block_stop"]


@define
class Tap:
    """A producer that notes."""

    told: list[str] = field(factory=list)

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Note it."""
        self.told.append("pause")

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Note it."""
        self.told.append("resume")

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Note it."""
        self.told.append("stop")


def streaming(edge: Edge, **more: Any) -> Line:
    """Ask for a stream."""
    line = edge.line()
    line.post(asking(**more))
    return line


def whole(edge: Edge, **more: Any) -> Line:
    """Ask for a whole answer."""
    return streaming(edge, stream=False, **more)


class FaucetTests:
    """One tap for all attempts."""

    def test_passes_on(self) -> None:
        """Pause and resume reach the attempt of the moment, and that there is a pause is known."""
        producer, tap = SwitchableProducer(), Tap()
        producer.switch(tap)
        producer.pauseProducing()
        paused = producer.paused
        producer.resumeProducing()
        assert (paused, producer.paused, tap.told) == (True, False, ["pause", "resume"])

    def test_remembers(self) -> None:
        """An attempt that begins while the client is slow learns that at once; the one before may run out."""
        producer, first, second = SwitchableProducer(), Tap(), Tap()
        producer.switch(first)
        producer.pauseProducing()
        producer.switch(second)
        assert (first.told, second.told) == (["pause", "resume"], ["pause"])
        producer.resumeProducing()
        assert (first.told, second.told) == (["pause", "resume"], ["pause", "resume"])

    def test_nobody_there(self) -> None:
        """Between attempts a pause is only remembered."""
        producer, tap = SwitchableProducer(), Tap()
        producer.pauseProducing()
        producer.switch(None)
        producer.switch(tap)
        producer.switch(None)
        producer.resumeProducing()
        assert tap.told == ["pause", "resume"]


class StreamTests:
    """Answers that stream."""

    def test_stream(self) -> None:
        """Head and events are those of the API, with the answering model in a header, and the connection stays."""
        edge = Edge()
        line = streaming(edge, model="claude-opus-5-5")
        edge.client.last.answer(*HELLO)
        answer = line.answer()
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-claude-bridge-model"] == "box/zai/GLM"
        assert answer.headers["request-id"].startswith("req_")
        assert answer.names == [*NAMES, "message_delta", "message_stop"]
        start = answer.events[0][1]["message"]
        assert start["model"] == "claude-opus-5-5"
        assert start["id"].startswith("msg_")
        assert line.how == ""
        assert edge.records.requests[0].status == 200

    @pytest.mark.parametrize("stream", [True, False])
    def test_odd_model_name(self, *, stream: bool) -> None:
        """Of a client's own name for a model only printable characters reach a header."""
        edge = Edge(configured("[server]\ncredentials = none\n[backend:box]\nurl = http://box/v1\n"))
        line = streaming(edge, model="a\r\nX-Evil: 1\x00\x1f\x7fé b", stream=stream)
        edge.client.last.answer(*HELLO)
        answer = line.answer()
        assert answer.headers["x-claude-bridge-model"] == "box/a??X-Evil: 1???? b"
        assert "x-evil" not in answer.headers

    def test_one_read_is_one_write(self) -> None:
        """Everything that one read of the backend yields goes out together."""
        edge = Edge()
        line = streaming(edge)
        edge.client.last.head()
        writes: list[bytes] = []
        original = line.writeSequence
        line.writeSequence = lambda data: (writes.append(b"".join(data)), original(data))  # type: ignore[method-assign,func-returns-value]
        edge.client.last.data(b"".join(chat_stream(text="x" * 400)[:-3]))
        assert len(writes) <= 2
        assert line.answer().body.count(b"content_block_delta") > 20

    def test_no_status_before_content(self) -> None:
        """Neither the backend's head nor its first empty event is a promise."""
        edge = Edge()
        line = streaming(edge)
        edge.client.last.head()
        edge.client.last.data(HELLO[0])
        assert line.value() == b""
        for _ in range(2):  # it is asked once more
            edge.client.last.end(UpstreamCut("reset"))
        answer = line.answer()
        assert (answer.status, answer.error["type"]) == (502, "api_error")

    def test_second_attempt_is_not_seen(self) -> None:
        """A client that has nothing yet reads one answer, whichever attempt it is from."""
        edge = Edge()
        line = streaming(edge)
        edge.client.last.answer(*EMPTY)
        edge.client.last.answer(*HELLO)
        assert line.answer().names.count("message_start") == 1

    def test_failure_after_content(self) -> None:
        """A cut inside the answer is an error event, and nothing that looks like an end."""
        edge = Edge()
        line = streaming(edge)
        edge.client.last.head()
        edge.client.last.data(*HELLO[:2])
        edge.client.last.end(UpstreamCut("reset"))
        answer = line.answer()
        assert answer.names[-1] == "error"
        assert "message_stop" not in answer.names
        told = answer.events[-1][1]
        assert (told["error"]["type"], told["request_id"]) == ("api_error", answer.headers["request-id"])
        assert line.how == ""

    def test_hidden_reasoning(self) -> None:
        """Reasoning that nobody asked to see is not shown, and starts no content by itself."""
        edge = Edge()
        line = streaming(edge)
        edge.client.last.head()
        edge.client.last.data(*HIDDEN[:2])
        assert line.value() == b""
        edge.client.last.data(*HIDDEN[2:])
        answer = line.answer()
        assert b"let me" not in answer.body
        assert answer.names.count("content_block_start") == 1

    def test_hidden_reasoning_alone(self) -> None:
        """An answer of hidden reasoning alone does not look like an empty one that is complete."""
        edge = Edge()
        line = streaming(edge)
        edge.client.last.answer(*chat_stream(reasoning="let me see"))
        (delta,) = [data for name, data in line.answer().events if name == "message_delta"]
        assert delta["delta"]["stop_reason"] == "max_tokens"

    def test_shown_reasoning(self) -> None:
        """Reasoning that was asked for is a thinking block."""
        edge = Edge()
        line = streaming(edge, thinking={"type": "adaptive"})
        edge.client.last.answer(*HIDDEN)
        starts = [data["content_block"]["type"] for name, data in line.answer().events if name == "content_block_start"]
        assert starts == ["thinking", "text"]

    def test_held_arguments_are_bounded(self) -> None:
        """What has to wait for an unfinished call has its limit; past it the stream ends in an error."""
        edge = Edge(configured(ONE + "[limits]\nmax_held_arguments = 1024\n"))
        line = streaming(edge)
        call = edge.client.last
        call.head()

        def piece(index: int, text: str, name: str | None = None) -> bytes:
            function = {"arguments": text} | ({} if name is None else {"name": name})
            return events([chunk({"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]})])[0]

        call.data(piece(0, '{"a":', "A"), piece(1, '{"b":"', "B"))
        call.data(*[piece(1, "x" * 500)] * 4)
        answer = line.answer()
        assert answer.names[-1] == "error"
        assert call.cancelled

    def test_model_name_cannot_add_headers(self) -> None:
        """A model's name is no way to write headers, nor need it be ASCII."""
        edge = Edge(configured("[backend:default]\nurl = http://box/v1\n[server]\ncredentials = none\n"))
        line = streaming(edge, model="default/a\r\nx-evil: 1\u00e9")
        edge.client.last.answer(*HELLO)
        assert "x-evil" not in line.answer().headers


class EarlyCommitTests:
    """A backend that takes long to begin."""

    def test_pings_instead_of_silence(self) -> None:
        """After `commit_after` the stream is opened, then a ping comes in every silence, for as long as it takes."""
        edge = Edge()
        line = streaming(edge, model="claude-opus-5-5")
        edge.advance(9)
        assert line.value() == b""
        edge.advance(1)
        line_open = line.value()
        assert line_open.startswith(b"HTTP/1.1 200 ")
        edge.advance(600)
        edge.client.last.answer(*HELLO)
        answer = line.answer()
        assert answer.names[0] == "message_start"
        assert answer.names[-1] == "message_stop"
        assert 50 <= answer.names.count("ping") <= 62
        assert answer.names.count("message_start") == 1

    def test_pings_inside_the_answer(self) -> None:
        """Silence in the middle is filled the same way, and there are no pings where bytes flow."""
        edge = Edge()
        line = streaming(edge)
        edge.client.last.head()
        for part in HELLO[:2]:
            edge.client.last.data(part)
            edge.advance(5)
        assert line.value().count(b"event: ping") == 1
        edge.advance(25)
        assert line.value().count(b"event: ping") in (3, 4)

    def test_error_after_commit(self) -> None:
        """What fails after the commit is an error event; the records have both."""
        edge = Edge()
        line = streaming(edge)
        edge.advance(11)
        edge.client.last.answer(refusal("prompt is too long: 9000 tokens > 8192 maximum"), status=400)
        answer = line.answer()
        assert (answer.status, answer.names[-1]) == (200, "error")
        assert answer.events[-1][1]["error"]["message"].startswith("prompt is too long")
        (record,) = edge.records.requests
        assert (record.status, record.outcome, record.first_byte_seconds) == (200, "context_overflow", None)

    def test_another_attempt_after_commit(self) -> None:
        """As long as no content is out another attempt may take over, in the same stream."""
        edge = Edge()
        line = streaming(edge)
        edge.advance(11)
        edge.client.last.answer(*EMPTY)
        edge.client.last.answer(*HELLO)
        answer = line.answer()
        assert answer.names.count("message_start") == 1
        assert answer.names[-1] == "message_stop"

    def test_nothing_of_a_failed_attempt_after_commit(self) -> None:
        """Neither the blank text nor the hidden thinking of a failed attempt is in the answer that takes over."""
        edge = Edge()
        line = streaming(edge)
        edge.advance(11)
        failed = [{"reasoning_content": "hm " * 4000}, {"content": "\n"}]
        edge.client.last.head()
        edge.client.last.data(*events([chunk(delta) for delta in failed], done=False))
        edge.client.last.data(b"data: " + refusal(TOO_MUCH) + b"\n\n")
        assert len(edge.client.calls) == 2
        edge.client.last.answer(*chat_stream(text="Hello", usage=None))
        answer = line.answer()
        texts = [data["delta"]["text"] for name, data in answer.events if name == "content_block_delta"]
        assert ("".join(texts), answer.names.count("message_start")) == ("Hello", 1)
        assert answer.events[-2][1]["usage"]["output_tokens"] < 100

    def test_configured(self) -> None:
        """When to commit and how often to ping is the owner's choice."""
        text = ONE.replace("[server]", "[server]\ncommit_after = 2\nping_interval = 3")
        edge = Edge(configured(text))
        line = streaming(edge)
        edge.advance(2)
        assert line.value().startswith(b"HTTP/1.1 200 ")
        edge.advance(12)
        assert 4 <= line.value().count(b"event: ping") <= 5

    def test_no_timer_is_left(self) -> None:
        """However a stream ends, nothing of it ticks on."""
        for end in ("answer", "fail", "leave"):
            edge = Edge()
            line = streaming(edge)
            if end == "answer":
                edge.client.last.answer(*HELLO)
            elif end == "fail":
                edge.client.last.answer(status=500)
            line.leave()
            edge.advance(2)
            assert (end, edge.clock.getDelayedCalls()) == (end, [])
            assert len(edge.sweep) == 0


class SlowClientTests:
    """Clients that read slowly or not at all."""

    def test_back_pressure(self) -> None:
        """While the client's connection is full the backend is held back; then it goes on where it was."""
        edge = Edge()
        line = streaming(edge)
        call = edge.client.last
        call.head()
        call.data(*HELLO[:2])
        line.paced_producer.pauseProducing()
        assert call.paused
        size = len(line.value())
        call.data(*HELLO[2:])
        assert len(line.value()) == size
        line.paced_producer.resumeProducing()
        assert line.answer().names[-1] == "message_stop"

    def test_no_pings_into_a_full_connection(self) -> None:
        """A client that does not read gets no pings on top."""
        edge = Edge()
        line = streaming(edge)
        edge.client.last.head()
        edge.client.last.data(*HELLO[:2])
        line.paced_producer.pauseProducing()
        before = line.value().count(b"event: ping")
        edge.advance(60)
        assert line.value().count(b"event: ping") == before

    def test_stalled_client_is_given_up(self) -> None:
        """Who reads nothing for `stalled_client` loses the connection, and the backend is left alone."""
        edge = Edge(configured(ONE + "[limits]\nstalled_client = 60\n"))
        line = streaming(edge)
        edge.client.last.head()
        edge.client.last.data(*HELLO[:2])
        line.paced_producer.pauseProducing()
        edge.advance(59)
        line.paced_producer.resumeProducing()
        line.paced_producer.pauseProducing()
        edge.advance(59)
        assert line.how == ""
        edge.advance(2)
        assert line.how == "aborted"
        assert edge.client.last.cancelled
        assert edge.records.requests[0].outcome == "client_left"

    def test_client_leaves(self) -> None:
        """Who hangs up, in whatever phase, closes the backend's connection in the same moment."""
        for phase in range(4):
            edge = Edge()
            line = whole(edge) if phase == 3 else streaming(edge)
            if phase:
                edge.client.last.head()
                edge.client.last.data(*HELLO[:phase])
            line.leave()
            assert edge.client.last.cancelled
            (record,) = edge.records.requests
            assert (record.outcome, record.status) == ("client_left", 200 if phase == 2 else 0)
            assert edge.admission.active == 0


class WholeTests:
    """Answers in one piece."""

    def test_whole(self) -> None:
        """The message is one JSON object, with the answering model in a header."""
        edge = Edge()
        line = whole(edge, model="claude-opus-5-5", tools=[{"name": "Bash", "input_schema": {"type": "object"}}])
        call = ToolCall(id="c1", name="Bash", arguments='{"command":"ls"}')
        edge.client.last.answer(*chat_stream(text="Hello", tool_calls=(call,)))
        answer = line.answer()
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert answer.headers["x-claude-bridge-model"] == "box/zai/GLM"
        message = answer.json
        assert (message["model"], message["stop_reason"]) == ("claude-opus-5-5", "tool_use")
        assert [block["type"] for block in message["content"]] == ["text", "tool_use"]
        assert message["content"][1]["input"] == {"command": "ls"}
        assert edge.records.requests[0].attempts[0].usage is not None

    def test_slow_client(self) -> None:
        """A client takes its answer at its own pace, each piece within `stalled_client`, however long the whole is."""
        edge = Edge(configured(ONE + "[limits]\nkeep_alive = 5\nstalled_client = 60\n"))
        line = whole(edge)
        original = line.write
        line.write = lambda data: (original(data), line.paced_producer.pauseProducing())  # type: ignore[method-assign]
        edge.client.last.answer(*chat_stream(text="x" * 400_000)[:-2], b"data: [DONE]\n\n")
        for _ in range(20):
            edge.advance(50)
            line.paced_producer.resumeProducing()
            if not line.channel.requests:
                break
        assert line.how == ""
        assert len(line.answer().json["content"][0]["text"]) == 400_000

    def test_client_that_leaves_in_the_middle_of_it(self) -> None:
        """Half a whole answer is left behind without a fault."""
        edge = Edge()
        line = whole(edge)
        original = line.write
        line.write = lambda data: (original(data), line.paced_producer.pauseProducing())  # type: ignore[method-assign]
        edge.client.last.answer(*chat_stream(text="x" * 400_000))
        line.leave()
        assert (edge.admission.active, len(edge.records.requests)) == (0, 1)
        assert edge.clock.getDelayedCalls() == []

    def test_never_commits_early(self) -> None:
        """However long it takes, an error keeps its status: an overflow is a true 400."""
        edge = Edge()
        line = whole(edge)
        edge.advance(800)
        assert line.value() == b""
        edge.client.last.answer(refusal("prompt is too long: 9000 tokens > 8192 maximum"), status=400)
        answer = line.answer()
        assert (answer.status, answer.error["message"]) == (400, "prompt is too long: 9000 tokens > 8192 maximum")

    def test_failure_in_the_middle(self) -> None:
        """Half an answer is none."""
        edge = Edge()
        line = whole(edge)
        edge.client.last.head()
        edge.client.last.data(*HELLO[:2])
        for _ in range(2):  # it is asked once more
            edge.client.last.end(UpstreamCut("reset"))
        assert line.answer().status == 502

    def test_second_attempt_starts_anew(self) -> None:
        """Nothing of an attempt that came to nothing is in the answer."""
        edge = Edge()
        line = whole(edge, thinking={"type": "adaptive"})
        edge.client.last.answer(*chat_stream(text=" \n"))
        edge.client.last.answer(*HELLO)
        content = line.answer().json["content"]
        assert content == [{"type": "text", "text": "Hello there", "citations": []}]

    def test_bounded(self) -> None:
        """An answer beyond `max_answer` is an error, and the backend's connection closed."""
        edge = Edge(configured(ONE + "[limits]\nmax_answer = 1024\n"))
        line = whole(edge)
        edge.client.last.head()
        edge.client.last.data(*chat_stream(text="x" * 2000)[:-3])
        assert line.answer().status == 502
        assert edge.client.last.cancelled

    def test_read_as_fast_as_it_comes(self) -> None:
        """A whole answer is bounded, so nothing holds the backend back."""
        edge = Edge()
        whole(edge)
        edge.client.last.head()
        assert not edge.client.last.paused


@pytest.mark.parametrize("stream", [True, False])
class RefusedTests:
    """Requests that never reach a backend."""

    def test_error_has_its_status(self, stream: bool) -> None:
        """Streaming or not, what is refused here has its own status in the envelope."""
        edge = Edge()
        line = streaming(edge, stream=stream, messages=[{"role": "user", "content": [{"type": "text"}]}])
        answer = line.answer()
        assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
        assert edge.client.calls == []

    def test_answered_here(self, stream: bool) -> None:
        """A request that needs no backend is answered at once."""
        edge = Edge()
        line = streaming(edge, stream=stream, max_tokens=0)
        assert line.answer().status == 200
        assert edge.client.calls == []


def left_over(edge: Edge, line: Line) -> list[weakref.ref[Any]]:
    """Point at what a request that is under way is made of."""
    (request,) = line.channel.requests
    answers = [one for one in gc.get_objects() if isinstance(one, StreamResponse | JsonResponse)]
    (answer,) = [one for one in answers if one._request is request]
    (run,) = edge.admission._active
    return [weakref.ref(answer), weakref.ref(run)]


@pytest.mark.parametrize("stream", [True, False])
class LettingGoTests:
    """What a request held is free with its end: five megabytes of conversation must not wait for a collection."""

    @pytest.fixture(autouse=True)
    def _uncollected(self) -> Iterator[None]:
        """Do without the collector."""
        gc.collect()
        gc.disable()
        yield
        gc.enable()

    @pytest.mark.parametrize("end", ["answer", "refusal", "cut", "leave", "leave in the middle"])
    def test_nothing_is_left(self, stream: bool, end: str) -> None:
        """However it ended, the answer and its run are gone at once, though the connection stays."""
        edge = Edge()
        line = streaming(edge, stream=stream)
        pointers = left_over(edge, line)
        call = edge.client.last
        edge.client.calls.clear()
        if end == "answer":
            call.answer(*HELLO)
        elif end == "refusal":
            call.answer(refusal("no"), status=400)
        elif end == "leave":
            line.leave()
        else:
            call.head()
            call.data(*HELLO[:3])
            if end == "cut":
                call.end(UpstreamCut("reset"))
            else:
                line.paced_producer.pauseProducing()
                line.leave()
        del call
        edge.stage.records.requests.clear()
        assert [pointer() for pointer in pointers] == [None, None]
