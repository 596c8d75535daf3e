"""The text of PDFs, read in a few child processes at a time and cached for the next turn of the conversation.

Clients take turns: a client does not wait for all documents that arrived before its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from hashlib import sha256
from typing import Final

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorProcess, IReactorTime

from claude_bridge.core.bounded import BoundedMap
from claude_bridge.core.sizes import size
from claude_bridge.services.documents.child import Extracted, ExtractionLimits, Reason
from claude_bridge.services.documents.notes import shown, unread
from claude_bridge.services.documents.reading import Reading
from claude_bridge.services.documents.reading_turns import MAX_OF_ONE, Turns, to_displace
from claude_bridge.services.interfaces import TurnOwner

MAX_CHILDREN: Final = MAX_OF_ONE + 1
"""A document keeps one processor busy, and with `child.MEMORY` three may take 2.3 GB at worst; bombs were seen to take
a third of that. The last one never belongs to the same client as the others."""

MAX_QUEUED: Final = 64
"""More would wait for over ten minutes at worst; clients give up before that."""

TROUBLE_SECONDS: Final = 300.0
"""How long we remember that a document took too much time: the machine may just have been busy."""

_SLICE: Final = 1 << 20
"""Characters that are hashed at a time, so that no copy of a large document is made."""

MAX_DOCUMENTS: Final = 64
"""Enough for a few dozen conversations with some documents each."""

MAX_BYTES: Final = 32 * 1024 * 1024
"""Bytes of all texts: eighty documents of `child.MAX_CHARACTERS` ASCII characters."""

_TEMPORARY: Final = (Reason.FAILED, Reason.STOPPED, Reason.CROWDED)
"""Reasons that say nothing about the document, so that the result is not cached."""


@frozen
class Text:
    """A cached text, its size in bytes, and until when it is valid (seconds of the clock; None: for ever)."""

    text: str = field(repr=False)
    size: int
    until: float | None


class TextCache:
    """Texts by a document's digest: a client sends the same document again with every turn of a conversation."""

    def __init__(self, max_documents: int = MAX_DOCUMENTS, max_bytes: int = MAX_BYTES) -> None:
        self._texts: BoundedMap[bytes, Text] = BoundedMap(max_documents, max_bytes, lambda _, text: text.size)

    def get(self, digest: bytes, now: float) -> str | None:
        """Return the text of a document, None if it is not there or no longer valid."""
        kept = self._texts.get(digest)
        if kept is not None and kept.until is not None and now >= kept.until:
            self._texts.discard(digest)
            return None
        return None if kept is None else kept.text

    def put(self, digest: bytes, text: str, until: float | None = None) -> None:
        """Store a text, unless it alone exceeds the limit."""
        self._texts.put(digest, Text(text, size(text), until))


@define(eq=False)
class Job:
    """One document that clients wait for.

    :ivar document: in base64.
    :ivar waiting: the Deferreds that fire with the text, with their clients.
    :ivar reading: the child process, None while the document waits for its turn.
    """

    digest: bytes
    document: str = field(repr=False)
    waiting: dict[Deferred[str], TurnOwner] = field(factory=dict)
    reading: Reading | None = None

    @property
    def clients(self) -> Collection[TurnOwner]:
        """The clients that wait for it, each once, in the order of their requests."""
        return dict.fromkeys(self.waiting.values())


class PdfTexts:
    """Implements `claude_bridge.services.interfaces.Documents`.

    :param limits: the limits for each document.
    :param texts: the cache.
    :param max_children: documents read at the same time.
    :param max_of_one: documents of one client read at the same time.
    :param max_queued: documents that may wait for their turn.
    """

    def __init__(
        self,
        reactor: IReactorProcess,
        clock: IReactorTime,
        limits: ExtractionLimits | None = None,
        *,
        texts: TextCache | None = None,
        max_children: int = MAX_CHILDREN,
        max_of_one: int = MAX_OF_ONE,
        max_queued: int = MAX_QUEUED,
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._limits = limits or ExtractionLimits()
        self._cache = texts or TextCache()
        self._max_children = max_children
        self._max_queued = max_queued
        self._jobs: dict[bytes, Job] = {}
        self._turns = Turns(max_of_one)
        self._queue: list[Job] = []
        self._children: dict[Reading, TurnOwner] = {}
        self._stopped = False

    def text(self, data: str, client: TurnOwner) -> Deferred[str]:
        """Return the text of a PDF in base64, ready to be shown to a model; for an unreadable one a note in brackets.

        Fails only with ``CancelledError``, when it is cancelled: then the reading ends if nobody else waits for it.
        """
        digest = _digest(data)
        cached = None if digest is None else self._cache.get(digest, self._clock.seconds())
        if digest is None or cached is not None:
            return succeed(cached or unread(Reason.NOT_BASE64, self._limits))
        refused = self._refusal(digest, client)
        if refused is not None:
            return succeed(unread(refused, self._limits))
        return self._wait(self._jobs.get(digest) or self._queued(digest, data), client)

    def stop(self) -> None:
        """Kill all children; those who wait get what was read so far, and later calls a note."""
        self._stopped = True
        self._queue.clear()
        for job in tuple(self._jobs.values()):
            if job.reading is not None:
                job.reading.stop()
            else:
                self._finish(job, Extracted(reason=Reason.STOPPED))

    def _refusal(self, digest: bytes, client: TurnOwner) -> Reason | None:
        if self._stopped:
            return Reason.STOPPED
        if digest in self._jobs or len(self._queue) < self._max_queued or self._at_once(client):
            return None
        displaced = to_displace(self._queue, client)
        if displaced is None:
            return Reason.CROWDED
        self._queue.remove(displaced)
        self._finish(displaced, Extracted(reason=Reason.CROWDED))
        return None

    def _at_once(self, client: TurnOwner) -> bool:
        """Return whether a document of a client would not have to wait, whatever is in the queue."""
        return len(self._children) < self._max_children and self._turns.may_read(client, self._reading())

    def _reading(self) -> Counter[TurnOwner]:
        return Counter(self._children.values())

    def _queued(self, digest: bytes, document: str) -> Job:
        job = self._jobs[digest] = Job(digest, document)
        self._queue.append(job)
        return job

    def _wait(self, job: Job, client: TurnOwner) -> Deferred[str]:
        waiter: Deferred[str] = Deferred(lambda waiter: self._cancelled(job, waiter))
        job.waiting[waiter] = client
        self._start()
        return waiter

    def _cancelled(self, job: Job, waiter: Deferred[str]) -> None:
        """Remove a waiter; if it was the last one, stop reading."""
        if waiter not in job.waiting:
            return
        del job.waiting[waiter]
        if job.waiting:
            return
        del self._jobs[job.digest]
        if job.reading is not None:
            job.reading.cancel()
        else:
            self._queue.remove(job)

    def _start(self) -> None:
        """Start reading queued documents, as many as may be read at the same time."""
        while len(self._children) < self._max_children:
            chosen = self._turns.next(self._queue, self._reading())
            if chosen is None:
                return
            job, client = chosen
            self._queue.remove(job)
            self._read(job, client)

    def _read(self, job: Job, client: TurnOwner) -> None:
        def on_result(extracted: Extracted) -> None:
            self._finish(job, extracted)

        def on_exit() -> None:
            self._children.pop(reading, None)
            self._start()

        reading = job.reading = Reading(job.document, self._limits, on_result, on_exit)
        job.document = ""
        self._children[reading] = client
        reading.start(self._reactor, self._clock)

    def _finish(self, job: Job, extracted: Extracted) -> None:
        del self._jobs[job.digest]
        text = shown(extracted, self._limits)
        if extracted.reason not in _TEMPORARY:
            timed_out = extracted.reason is Reason.TIME
            self._cache.put(job.digest, text, self._clock.seconds() + TROUBLE_SECONDS if timed_out else None)
        waiting, job.waiting = job.waiting, {}
        for waiter in waiting:
            if not waiter.called:  # the callback of one may have cancelled another
                waiter.callback(text)


def _digest(document: str) -> bytes | None:
    """Return a document's digest; None if it is obviously not base64."""
    if not document.isascii():
        return None
    digest = sha256()
    for start in range(0, len(document), _SLICE):
        digest.update(document[start : start + _SLICE].encode("ascii"))
    return digest.digest()
