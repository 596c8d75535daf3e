"""Promises of an answer's body: back-pressure, pieces, one end."""

from __future__ import annotations

from typing import Any

import pytest_twisted
from attrs import define, field
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from claude_bridge.services.interfaces import ResponseHead
from claude_bridge.services.upstream.pool import Reads
from claude_bridge.services.upstream.response_body import ReceiverBroke, ResponseBody
from claude_bridge.services.upstream.silence import Silence
from tests.services.upstream.loopback import Bench, Conversation, Notes, answer


class BackPressureTests:
    """A slow client slows the backend down."""

    @pytest_twisted.ensureDeferred
    async def test_pause_reaches_the_socket(self, bench: Bench) -> None:
        """While the client does not read, the backend cannot get rid of its answer; afterwards all of it comes."""
        total = 48 * 1024 * 1024

        def script(conversation: Conversation, _: int) -> None:
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total
            conversation.transport.write(head + bytes(total))

        raw, backend = bench.serve(script)
        sizes: list[int] = []
        notes = Notes(on_head=lambda producer: producer.pauseProducing(), on_data=lambda data: sizes.append(len(data)))
        bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: notes.head)
        await bench.pause(0.2)
        assert sum(sizes) <= 64 * 1024
        assert not raw.conversations[0].lost
        assert notes.producer is not None
        notes.producer.resumeProducing()
        await bench.until(lambda: notes.ends, 20)
        assert (sum(sizes), notes.ends) == (total, [None])

    @pytest_twisted.ensureDeferred
    async def test_connection_paused_at_its_end_is_of_use_again(self, bench: Bench) -> None:
        """An answer that ends while its client stalls does not leave a deaf connection behind."""
        raw, backend = bench.serve(answer)
        first, second = Notes(on_data=lambda _: first.producer.pauseProducing()), Notes()  # type: ignore[union-attr]
        bench.client.send(bench.request(backend), first)
        await bench.until(lambda: first.ends)
        bench.client.send(bench.request(backend), second)
        await bench.until(lambda: second.ends)
        assert (second.body, len(raw.conversations)) == (b"ok", 1)


@define(eq=False)
class Scene:
    """A body on an in-memory transport."""

    notes: Notes = field(factory=Notes)
    reads: Reads = field(factory=Reads)
    transport: StringTransport = field(factory=StringTransport)
    reasons: list[Failure] = field(factory=list)
    stops: list[str] = field(factory=list)
    silence: Silence = field(init=False)
    body: ResponseBody = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Build and connect the body."""
        self.silence = Silence(
            backend="b", first_byte_timeout=9, idle_timeout=9, seconds=Clock().seconds, on_expired=lambda _: None
        )
        self.body = ResponseBody(
            ResponseHead(status=200, headers={}),
            self.notes,
            self.reads,
            self.silence,
            on_end=self.reasons.append,
            on_stop=lambda: self.stops.append("stop"),
        )
        self.body.begin(self.deliver)

    def deliver(self, protocol: Any) -> None:
        """Connect as Twisted does: then the transport is resumed."""
        protocol.makeConnection(self.transport)
        self.transport.resumeProducing()

    def end(self) -> None:
        """End the body well."""
        self.body.connectionLost(Failure(ResponseDone()))


class AnswerBodyTests:
    """Bytes pass straight through, all of one read together."""

    def test_outside_of_a_read_bytes_pass_at_once(self) -> None:
        """What does not come from a read going on is not held back."""
        scene = Scene()
        scene.body.dataReceived(b"a")
        scene.body.dataReceived(b"b")
        assert scene.notes.pieces == [b"a", b"b"]

    def test_pieces_of_a_read_are_joined(self) -> None:
        """The chunks of one read are one piece, given when the read is over."""
        scene = Scene()

        def receive(data: bytes) -> None:
            for number in range(len(data)):
                scene.body.dataReceived(data[number : number + 1])
            assert scene.notes.pieces in ([], [b"abc"])

        scene.reads.during(receive, b"abc")
        scene.reads.during(receive, b"de")
        assert scene.notes.pieces == [b"abc", b"de"]

    def test_end_inside_a_read_comes_after_its_bytes(self) -> None:
        """The last bytes are given before the end that came with them."""
        scene = Scene()

        def receive(data: bytes) -> None:
            scene.body.dataReceived(data)
            scene.end()
            assert scene.notes.pieces == [b"abc"]

        scene.reads.during(receive, b"abc")
        assert scene.notes.pieces == [b"abc"]
        assert len(scene.reasons) == 1

    def test_bytes_are_counted_for_the_limits(self) -> None:
        """Every byte is a sign of life."""
        scene = Scene()
        scene.body.dataReceived(b"abc")
        assert scene.silence.bytes_seen == 3

    def test_pause_asked_with_the_head_holds(self) -> None:
        """A client that is slow from the first moment on is respected, although Twisted resumes the transport."""
        scene = Scene(notes=Notes(on_head=lambda producer: producer.pauseProducing()))
        assert scene.transport.producerState == "paused"
        scene.body.resumeProducing()
        assert scene.transport.producerState == "producing"

    def test_closed_body_is_silent(self) -> None:
        """After a close nothing is heard, not even what was held."""
        scene = Scene()

        def receive(data: bytes) -> None:
            scene.body.dataReceived(data)
            scene.body.close()

        scene.reads.during(receive, b"abc")
        scene.body.dataReceived(b"more")
        scene.end()
        assert (scene.notes.pieces, scene.reasons) == ([], [])
        assert scene.transport.producerState == "stopped"

    def test_stopping_is_left_to_the_call(self) -> None:
        """A consumer's stop ends the whole request and not only the bytes."""
        scene = Scene()
        scene.body.stopProducing()
        assert scene.stops == ["stop"]

    def test_end_after_a_broken_receiver_says_so(self) -> None:
        """When our own code failed over the bytes, the end does not blame the backend."""

        def broken(_: bytes) -> None:
            raise RuntimeError("bug")

        scene = Scene(notes=Notes(on_data=broken))
        try:
            scene.body.dataReceived(b"x")
        except RuntimeError:
            scene.end()
        assert [reason.type for reason in scene.reasons] == [ReceiverBroke]
