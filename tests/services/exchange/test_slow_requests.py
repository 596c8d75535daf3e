"""What the log says of a request that has run for long without an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, LogLevel, capturedLogs, formatEvent

from claude_bridge.testing.chat import chunk, events
from tests.services.exchange.stage import DOCUMENT, HELLO, ONE, Stage, configured

QUEUED = ONE.replace("url = http://box", "max_streams = 1\nqueue_timeout = 900\nurl = http://box")


def waited(stage: Stage, seconds: float) -> list[LogEvent]:
    """Let time pass, one check of the sweep each second, and return what is logged of waiting requests."""
    with capturedLogs() as logged:
        for _ in range(int(seconds)):
            stage.clock.advance(1)
            stage.ticks.advance(1)
    return [event for event in logged if event.get("event") == "waiting"]


def reading(read: int) -> bytes:
    """Return llama.cpp's news of how far it has read a prompt of 38,000 tokens."""
    progress = {"total": 38_000, "cache": 0, "processed": read, "time_ms": 9}
    return b"".join(events([{**chunk({"role": "assistant", "content": None}), "prompt_progress": progress}])[:-1])


def thought() -> bytes:
    """Return a piece of reasoning, which a client that did not ask for thinking is not shown."""
    return b"".join(events([chunk({"reasoning_content": "hm"})])[:-1])


def asked(stage: Stage) -> None:
    """Ask a backend that does nothing."""
    stage.run()


def reads(stage: Stage) -> None:
    """Ask a backend that tells how far it is."""
    stage.run()
    stage.call.head()
    stage.call.data(reading(4096))
    stage.call.data(reading(12_345))


def has_read(stage: Stage) -> None:
    """Ask a backend that begins to answer, and does not tell how far it is."""
    stage.run()
    stage.call.head()
    stage.call.data(b"".join(events([chunk({"role": "assistant", "content": ""})])[:-1]))


def thinks(stage: Stage) -> None:
    """Ask a backend that thinks."""
    reads(stage)
    stage.call.data(thought())


def writes(stage: Stage) -> None:
    """Ask a backend that writes for a client that does not stream."""
    stage.run(stream=False)
    stage.call.head()
    stage.call.data(thought())


def reads_documents(stage: Stage) -> None:
    """Send a document that is still being read."""
    stage.run(messages=[{"role": "user", "content": [DOCUMENT]}])


class WaitingLineTests:
    """The line of one request."""

    @pytest.mark.parametrize(
        ("arranged", "doing"),
        [
            (asked, "the backend has not begun to answer"),
            (reads, "reading: 12,345 of 38,000 tokens"),
            (has_read, "reading or thinking"),
            (thinks, "thinking"),
            (writes, "writing, for a client that wants the answer in one piece"),
            (reads_documents, "reading documents"),
        ],
    )
    def test_says_what_it_does(self, arranged: Callable[[Stage], None], doing: str) -> None:
        """After 10 s the log says which request waits, and for what."""
        stage = Stage()
        arranged(stage)
        assert waited(stage, 9) == []
        (event,) = waited(stage, 1)
        assert formatEvent(event) == f"glm -> box/zai/GLM  no answer after 10 s: {doing}"
        assert (event["log_level"], event["request_id"], event["seconds"]) == (LogLevel.info, "req_1", 10.0)
        assert (event["model"], event["backend"], event["doing"]) == ("glm", "box", doing)

    def test_once_and_then_each_minute(self) -> None:
        """The line comes once, and again each minute, with what the request does by then."""
        stage = Stage()
        stage.run()
        assert [event["seconds"] for event in waited(stage, 69)] == [10.0]
        stage.call.head()
        stage.call.data(reading(20_000))
        (event,) = waited(stage, 60)
        assert (event["seconds"], event["doing"]) == (70.0, "reading: 20,000 of 38,000 tokens")
        assert [event["seconds"] for event in waited(stage, 60)] == [130.0]

    def test_not_while_it_answers(self) -> None:
        """A request whose client has received content is no such case, however long the answer takes."""
        stage = Stage()
        stage.run()
        stage.call.head()
        stage.call.data(HELLO[0], HELLO[1])
        assert stage.downstream.content_started
        assert waited(stage, 100) == []

    def test_not_after_its_end(self) -> None:
        """A request that has ended is not told of, and the sweep has nothing left to check."""
        stage = Stage()
        stage.run()
        stage.call.answer(*HELLO)
        assert (waited(stage, 100), stage.ticks.getDelayedCalls()) == ([], [])

    def test_in_the_queue(self) -> None:
        """A request that waits for its turn at a backend says so."""
        stage = Stage(configured(QUEUED))
        stage.run()
        stage.run()
        told = [event["doing"] for event in waited(stage, 10)]
        assert sorted(told) == ["the backend has not begun to answer", "waiting in the backend's queue (max_streams)"]

    def test_for_a_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A request that waits for the command which prints its key says so."""
        stage = Stage()
        never: Deferred[None] = Deferred()
        keys: Any = type(stage.admission.services.keys)
        monkeypatch.setattr(keys, "token", lambda *_: never)
        stage.run()
        (event,) = waited(stage, 10)
        assert event["doing"] == "waiting for the backend's key"
