"""Promises of a request under way, on loopback sockets."""

from __future__ import annotations

import gc
import weakref
from functools import partial
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.config.schema import Backend
from claude_bridge.core.errors import UpstreamTimeout
from claude_bridge.services.upstream.call import MAX_NAMES, _header_name
from tests.services.upstream.loopback import CHUNKED, Bench, Conversation, Notes, answer, chunk


class CancelTests:
    """A client that leaves takes the upstream connection with it."""

    @pytest_twisted.ensureDeferred
    async def test_before_the_head(self, bench: Bench) -> None:
        """Before an answer began, the backend sees the close at once."""
        raw, backend = bench.serve(lambda *_: None)
        notes = Notes()
        call = bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: raw.requests)
        call.cancel()
        await bench.until(lambda: raw.conversations[0].lost, 0.1)
        await bench.pause(0.03)
        assert not notes.heard

    @pytest_twisted.ensureDeferred
    async def test_while_connecting(self, bench: Bench) -> None:
        """Before there even is a connection, none is made."""
        raw, backend = bench.serve(answer)
        notes = Notes()
        bench.client.send(bench.request(backend), notes).cancel()
        await bench.pause(0.05)
        assert not notes.heard
        assert raw.requests == []

    @pytest_twisted.ensureDeferred
    async def test_in_the_body(self, bench: Bench) -> None:
        """In the middle of an answer, the backend sees the close at once and no more is heard of it."""

        def script(conversation: Conversation, _: int) -> None:
            conversation.transport.write(CHUNKED + chunk(b"x"))

        raw, backend = bench.serve(script)
        notes = Notes()
        call = bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: notes.pieces)
        call.cancel()
        call.cancel()
        await bench.until(lambda: raw.conversations[0].lost, 0.1)
        assert notes.ends == []
        assert len(bench.sweep) == 0

    @pytest_twisted.ensureDeferred
    async def test_while_paused(self, bench: Bench) -> None:
        """A client that stalled and then left closes the connection too."""
        raw, backend = bench.serve(lambda c, _: c.transport.write(CHUNKED + chunk(b"x")))
        notes = Notes(on_head=lambda producer: producer.pauseProducing())
        call = bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: notes.head)
        call.cancel()
        await bench.until(lambda: raw.conversations[0].lost, 0.1)

    @pytest_twisted.ensureDeferred
    async def test_from_inside_the_receiver(self, bench: Bench) -> None:
        """A receiver may have had enough in the middle of hearing something."""
        raw, backend = bench.serve(lambda c, _: c.transport.write(CHUNKED + chunk(b"x")))
        calls: list[Any] = []
        on_head = Notes(on_head=lambda _: calls[-1].cancel())
        on_data = Notes(on_data=lambda _: calls[-1].cancel())
        for notes in (on_head, on_data):
            calls.append(bench.client.send(bench.request(backend), notes))
            await bench.until(partial(getattr, notes, "head"))
        await bench.until(lambda: len(raw.conversations) == 2 and all(c.lost for c in raw.conversations))
        assert (on_head.pieces, on_head.ends) == ([], [])
        assert (on_data.pieces, on_data.ends) == ([b"x"], [])

    @pytest_twisted.ensureDeferred
    async def test_stopped_as_a_producer(self, bench: Bench) -> None:
        """A consumer that wants no more ends the request as a cancel does."""
        raw, backend = bench.serve(lambda c, _: c.transport.write(CHUNKED + chunk(b"x")))
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: notes.pieces)
        assert notes.producer is not None
        notes.producer.stopProducing()
        await bench.until(lambda: raw.conversations[0].lost, 0.1)
        assert notes.ends == []
        assert len(bench.sweep) == 0

    @pytest_twisted.ensureDeferred
    async def test_after_the_end(self, bench: Bench) -> None:
        """A late cancel does nothing, above all not to the next request on that connection."""
        raw, backend = bench.serve(answer)
        first, second = Notes(), Notes()
        call = bench.client.send(bench.request(backend), first)
        await bench.until(lambda: first.ends)
        bench.client.send(bench.request(backend), second)
        call.cancel()
        assert first.producer is not None
        first.producer.stopProducing()
        await bench.until(lambda: second.ends)
        assert (second.ends, len(raw.conversations)) == ([None], 1)


class LimitTests:
    """Each limit fires on its own case, through the whole client."""

    @pytest_twisted.ensureDeferred
    async def test_no_head(self, bench: Bench) -> None:
        """A backend that takes the request and is silent runs into the first-byte limit, and its connection goes."""
        raw, backend = bench.serve(lambda *_: None)
        notes = Notes()
        bench.client.send(bench.request(backend, first_byte_timeout=0.1, idle_timeout=50), notes)
        await bench.end_of(notes)
        (error,) = notes.ends
        assert isinstance(error, UpstreamTimeout)
        assert "0.1 s (first_byte_timeout)" in error.message
        await bench.until(lambda: raw.conversations[0].lost, 0.1)

    @pytest_twisted.ensureDeferred
    async def test_head_but_no_data_event(self, bench: Bench) -> None:
        """Headers and comments alone are no answer: the first-byte limit holds on after them."""
        raw, backend = bench.serve(lambda c, _: c.transport.write(CHUNKED + chunk(b": wait\n\n")))
        notes = Notes()
        bench.client.send(bench.request(backend, first_byte_timeout=0.1, idle_timeout=50), notes)
        await bench.end_of(notes)
        assert "first_byte_timeout" in str(notes.ends[0])
        await bench.until(lambda: raw.conversations[0].lost, 0.1)

    @pytest_twisted.ensureDeferred
    async def test_silence_inside(self, bench: Bench) -> None:
        """A backend that stops in the middle of its answer runs into the idle limit."""
        raw, backend = bench.serve(lambda c, _: c.transport.write(CHUNKED + chunk(b"data: x\n\n")))
        notes = Notes(on_data=lambda _: call.data_event_seen())
        call = bench.client.send(bench.request(backend, first_byte_timeout=50, idle_timeout=0.1), notes)
        await bench.end_of(notes)
        (error,) = notes.ends
        assert isinstance(error, UpstreamTimeout)
        assert "0.1 s (idle_timeout)" in error.message
        await bench.until(lambda: raw.conversations[0].lost, 0.1)
        assert len(bench.sweep) == 0

    @pytest_twisted.ensureDeferred
    async def test_grace_is_no_fault(self, bench: Bench, monkeypatch: Any) -> None:
        """A backend that says it is finished but never closes is left after the grace, without an error."""
        monkeypatch.setattr("claude_bridge.services.upstream.silence.GRACE_SECONDS", 0.1)
        raw, backend = bench.serve(lambda c, _: c.transport.write(CHUNKED + chunk(b"data: x\n\n")))
        notes = Notes(on_data=lambda _: call.finish_seen())
        call = bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert notes.ends == [None]
        await bench.until(lambda: raw.conversations[0].lost, 0.1)

    @pytest_twisted.ensureDeferred
    async def test_slow_client_is_not_a_silent_backend(self, bench: Bench) -> None:
        """While the client does not read, the backend is not blamed for silence."""
        _, backend = bench.serve(lambda c, _: c.transport.write(CHUNKED + chunk(b"data: x\n\n")))
        notes = Notes(on_head=lambda producer: producer.pauseProducing())
        bench.client.send(bench.request(backend, first_byte_timeout=0.1), notes)
        await bench.until(lambda: notes.head)
        await bench.pause(0.3)
        assert notes.ends == []
        assert notes.producer is not None
        notes.producer.resumeProducing()
        await bench.end_of(notes)
        assert "first_byte_timeout" in str(notes.ends[0])


async def names_of(bench: Bench, backend: Backend) -> list[str]:
    """Ask for an answer, and return the names of its headers."""
    notes = Notes()
    bench.client.send(bench.request(backend), notes)
    await bench.until(lambda: notes.ends)
    assert notes.head is not None
    return list(notes.head.headers)


class HeadTests:
    """The names of an answer's headers."""

    @pytest_twisted.ensureDeferred
    async def test_one_text_for_all_answers(self, bench: Bench) -> None:
        """Answers under way do not have the same names once more each."""
        _, backend = bench.serve(answer)
        first, second = [await names_of(bench, backend) for _ in range(2)]
        assert first[0] == "content-length"
        assert first[0] is second[0]

    @pytest_twisted.ensureDeferred
    async def test_other_names_each_time(self, bench: Bench) -> None:
        """A backend that makes up names for ever does not fill the memory with them."""

        def script(conversation: Conversation, number: int) -> None:
            made_up = b"".join(b"x-%d-%d: 1\r\n" % (number, each) for each in range(50))
            conversation.transport.write(b"HTTP/1.1 200 OK\r\n%bcontent-length: 2\r\n\r\nok" % made_up)

        _, backend = bench.serve(script)
        seen = {each for _ in range(8) for each in await names_of(bench, backend)}
        assert len(seen) > MAX_NAMES
        assert _header_name.cache_info().currsize <= MAX_NAMES


class EndTests:
    """What is left of a call that is over."""

    @pytest.mark.parametrize("how", ["answered", "cancelled", "cut"])
    @pytest_twisted.ensureDeferred
    async def test_nothing_keeps_it_alive(self, bench: Bench, how: str) -> None:
        """A call goes with its end, and its request with it: the collector looks rarely, conversations are large."""

        def script(conversation: Conversation, number: int) -> None:
            if how == "answered":
                answer(conversation, number)
            elif how == "cut":
                conversation.transport.write(CHUNKED + chunk(b"x"))
                conversation.transport.loseConnection()
            else:
                conversation.transport.write(CHUNKED + chunk(b"x"))

        _, backend = bench.serve(script)
        notes = Notes()
        gc.collect()
        gc.disable()
        try:
            call = bench.client.send(bench.request(backend), notes)
            await bench.until(lambda: notes.pieces)
            if how == "cancelled":
                call.cancel()
            else:
                await bench.until(lambda: notes.ends)
            gone = weakref.ref(call)
            await bench.pause(0.05)
            notes.producer = None  # the call itself
            del call
            assert gone() is None
        finally:
            gc.enable()
