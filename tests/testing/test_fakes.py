"""Promises of the fakes; those of the upstream client hold for the fake and for the real one alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_twisted
from attrs import define

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import InvalidRequest, UpstreamCut
from claude_bridge.core.events import Finished, FinishReason, TextDelta
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.services.breaker import CircuitBreakers
from claude_bridge.services.interfaces import (
    Breaker,
    ClientResponse,
    ModelLists,
    Records,
    Signposts,
    UpstreamCall,
    UpstreamClient,
    UpstreamRequest,
)
from claude_bridge.testing.fakes import (
    FakeCall,
    FakeClientResponse,
    FakeUpstreamClient,
    FixedLists,
    FixedSignposts,
    KeptRecords,
    NotedBreaker,
)
from tests.services.accounting.test_request_log import ATTEMPT, RECORD
from tests.services.upstream.loopback import Bench, Conversation, Notes, chunk


@pytest_twisted.async_yield_fixture()
async def bench(reactor: Any) -> AsyncIterator[Bench]:
    """Yield a client on the real reactor; all it opened is closed afterwards."""
    made = Bench(reactor)
    yield made
    await made.stop()


class Far(ABC):
    """The backend's end of one request."""

    @abstractmethod
    def head(self, status: int = 200) -> None:
        """Send the head of an answer."""

    @abstractmethod
    def data(self, data: bytes) -> None:
        """Send some of its body."""

    @abstractmethod
    def finish(self) -> None:
        """End it well."""

    @abstractmethod
    def cut(self) -> None:
        """Break the connection."""


@define
class FakeFar(Far):
    """That of a fake."""

    call: FakeCall

    def head(self, status: int = 200) -> None:
        """As told."""
        self.call.head(status)

    def data(self, data: bytes) -> None:
        """As told."""
        self.call.data(data)

    def finish(self) -> None:
        """As told."""
        self.call.end()

    def cut(self) -> None:
        """As told."""
        self.call.end(UpstreamCut("reset"))


@define
class SocketFar(Far):
    """That of a socket."""

    conversation: Conversation

    def head(self, status: int = 200) -> None:
        """As told."""
        head = b"HTTP/1.1 %d X\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.conversation.transport.write(head % status)

    def data(self, data: bytes) -> None:
        """As told."""
        self.conversation.transport.write(chunk(data))

    def finish(self) -> None:
        """As told."""
        self.data(b"")

    def cut(self) -> None:
        """As told."""
        self.conversation.transport.abortConnection()


@define
class Asked:
    """One request under way, seen from both ends."""

    notes: Notes
    call: UpstreamCall
    far: Far


class UpstreamClientContract:
    """What every `UpstreamClient` promises. Children give `ask`, `until` and `calm`."""

    async def ask(self, notes: Notes) -> Asked:
        """Send a request and give it when the backend has it."""
        raise NotImplementedError

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for ``condition``."""
        raise NotImplementedError

    async def calm(self) -> None:
        """Wait long enough for anything that might still happen."""
        raise NotImplementedError

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("status", [200, 503])
    async def test_answer(self, status: int) -> None:
        """Head, body in order, one end without an error, whatever the status."""
        asked = await self.ask(Notes())
        assert not asked.notes.heard
        asked.far.head(status)
        await self.until(lambda: asked.notes.head)
        asked.far.data(b"one")
        await self.until(lambda: asked.notes.body == b"one")
        asked.far.data(b"two")
        asked.far.finish()
        await self.until(lambda: asked.notes.ends)
        assert asked.notes.head is not None
        assert (asked.notes.head.status, asked.notes.body, asked.notes.ends) == (status, b"onetwo", [None])

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("begun", [False, True])
    async def test_cut(self, begun: bool) -> None:
        """A broken connection is one end with its error, after whatever came before."""
        asked = await self.ask(Notes())
        if begun:
            asked.far.head()
            asked.far.data(b"one")
            await self.until(lambda: asked.notes.body)
        asked.far.cut()
        await self.until(lambda: asked.notes.ends)
        (error,) = asked.notes.ends
        assert isinstance(error, UpstreamCut)
        assert (asked.notes.head is not None, asked.notes.body) == (begun, b"one" if begun else b"")

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("begun", [False, True])
    async def test_cancel(self, begun: bool) -> None:
        """After a cancel nothing is heard any more, and a second one is harmless."""
        asked = await self.ask(Notes())
        if begun:
            asked.far.head()
            await self.until(lambda: asked.notes.head)
        asked.call.cancel()
        asked.call.cancel()
        asked.far.data(b"one")
        asked.far.cut()
        await self.calm()
        assert (asked.notes.pieces, asked.notes.ends) == ([], [])

    @pytest_twisted.ensureDeferred
    async def test_cancel_after_the_end(self) -> None:
        """When all is over a cancel changes nothing."""
        asked = await self.ask(Notes())
        asked.far.head()
        asked.far.finish()
        await self.until(lambda: asked.notes.ends)
        asked.call.cancel()
        await self.calm()
        assert asked.notes.ends == [None]

    @pytest_twisted.ensureDeferred
    async def test_cancel_while_reading(self) -> None:
        """A receiver may have had enough in the middle of what it is given."""
        notes = Notes()
        asked = await self.ask(notes)
        notes.on_data = lambda _: asked.call.cancel()
        asked.far.head()
        asked.far.data(b"one")
        await self.until(lambda: notes.pieces)
        asked.far.data(b"two")
        asked.far.finish()
        await self.calm()
        assert (notes.body, notes.ends) == (b"one", [])

    @pytest_twisted.ensureDeferred
    async def test_pause(self) -> None:
        """A body that is held back waits, and goes on where it was."""
        asked = await self.ask(Notes())
        asked.far.head()
        await self.until(lambda: asked.notes.head)
        producer = asked.notes.producer
        assert producer is not None
        producer.pauseProducing()
        asked.far.data(b"one")
        asked.far.finish()
        await self.calm()
        assert (asked.notes.body, asked.notes.ends) == (b"", [])
        producer.resumeProducing()
        await self.until(lambda: asked.notes.ends)
        assert (asked.notes.body, asked.notes.ends) == (b"one", [None])

    @pytest_twisted.ensureDeferred
    async def test_stop(self) -> None:
        """Stopping the producer is a cancel."""
        asked = await self.ask(Notes())
        asked.far.head()
        await self.until(lambda: asked.notes.head)
        assert asked.notes.producer is not None
        asked.notes.producer.stopProducing()
        asked.far.data(b"one")
        await self.calm()
        assert (asked.notes.pieces, asked.notes.ends) == ([], [])


class FakeUpstreamClientTests(UpstreamClientContract):
    """The contract on the fake."""

    async def ask(self, notes: Notes) -> Asked:
        """Send one."""
        fake = FakeUpstreamClient()
        client: UpstreamClient = fake
        call = client.send(UpstreamRequest(backend=Backend(name="b"), url="http://b/v1"), notes)
        return Asked(notes, call, FakeFar(fake.last))

    async def until(self, condition: Callable[[], object]) -> None:
        """Nothing takes time here."""
        assert condition()

    async def calm(self) -> None:
        """Nothing takes time here."""

    def test_records(self) -> None:
        """Requests, what timers were told, pauses and cancels can be looked at."""
        fake = FakeUpstreamClient()
        request = UpstreamRequest(backend=Backend(name="b"), url="http://b/v1")
        call = fake.send(request, Notes())
        call.data_event_seen()
        call.finish_seen()
        call.pauseProducing()
        assert fake.last.request is request
        assert (fake.last.told, fake.last.paused) == (["data_event_seen", "finish_seen"], True)
        call.cancel()
        assert (fake.last.cancelled, len(fake.calls)) == (True, 1)


class TreqUpstreamTests(UpstreamClientContract):
    """The contract on the real client, over loopback."""

    bench: Bench

    @pytest.fixture(autouse=True)
    def _on(self, bench: Bench) -> None:
        self.bench = bench

    async def ask(self, notes: Notes) -> Asked:
        """Send one to a raw socket."""
        conversations: list[Conversation] = []
        _, backend = self.bench.serve(lambda conversation, _: conversations.append(conversation))
        client: UpstreamClient = self.bench.client
        call = client.send(self.bench.request(backend), notes)
        await self.bench.until(lambda: conversations)
        return Asked(notes, call, SocketFar(conversations[0]))

    async def until(self, condition: Callable[[], object]) -> None:
        """Turn the reactor."""
        await self.bench.until(condition)

    async def calm(self) -> None:
        """Turn the reactor for a while."""
        await self.bench.pause(0.05)


class OtherFakesTests:
    """The smaller ones."""

    def test_breaker(self) -> None:
        """Both breakers take one report of each who was admitted; the fake refuses any other."""
        noted = NotedBreaker()
        breakers: list[Breaker] = [noted, CircuitBreakers(lambda: 0.0, failures=5, open_seconds=1)]
        for breaker in breakers:
            breaker.admit("b").succeeded()
            breaker.admit("b").failed(UpstreamCut("reset"))
            breaker.admit("b").abandoned()
        admission = noted.admit("b")
        assert noted.out == 1
        admission.succeeded()
        assert (noted.out, noted.told[-2:]) == (0, ["admit", "succeeded"])
        with pytest.raises(AssertionError, match="reported already"):
            admission.abandoned()

    def test_downstream(self) -> None:
        """It keeps what it is given and insists on one end."""
        fake = FakeClientResponse()
        downstream: ClientResponse = fake
        downstream.emit([TextDelta("  ")])
        assert not downstream.content_started
        downstream.emit([TextDelta("Hello"), Finished(FinishReason.STOPPED)])
        assert (fake.text, downstream.content_started, downstream.status) == ("  Hello", True, 200)
        with pytest.raises(AssertionError, match="over"):
            downstream.fail(InvalidRequest("late"))

    def test_lists(self) -> None:
        """They know what they were given, and who asked with what."""
        fake = FixedLists({"b": (ModelInfo(id="m"),)})
        lists: ModelLists = fake
        found: list[tuple[ModelInfo, ...]] = []
        lists.fetch(Backend(name="b"), Secret("k")).addCallback(found.append)
        lists.fetch(Backend(name="other"), None).addCallback(found.append)
        assert found == [(ModelInfo(id="m"),), ()]
        assert lists.known(Backend(name="b"), None) == (ModelInfo(id="m"),)
        assert fake.asked == [("b", "k"), ("other", None)]

    def test_signposts(self) -> None:
        """They say what they were given, and know who asked with what."""
        fake = FixedSignposts("there")
        signposts: Signposts = fake
        found: list[str] = []
        signposts.look(Backend(name="b"), Secret("k")).addCallback(found.append)
        assert (found, fake.asked) == (["there"], [("b", "k")])

    def test_records(self) -> None:
        """They keep everything."""
        fake = KeptRecords()
        records: Records = fake
        records.attempt_ended("req_1", ATTEMPT)
        records.request_ended(RECORD)
        assert (fake.attempts, fake.requests) == ([ATTEMPT], [RECORD])
