"""The text of PDFs, read in a few child processes at a time and kept for the next turn of the conversation.

Who waits gets a turn after everybody else has had one, not after all documents that came before.
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
a third of that. The last one is never the same client's as the others."""

MAX_QUEUED: Final = 64
"""Who comes later would wait for more than ten minutes at worst; clients give up before that."""

TROUBLE_SECONDS: Final = 300.0
"""How long it is remembered that a document took too much time: the machine may only have been busy."""

_SLICE: Final = 1 << 20
"""Characters that are hashed at a time, so that no copy of a large document is made."""

MAX_DOCUMENTS: Final = 64
"""Enough for a few dozen conversations with some documents each."""

MAX_BYTES: Final = 32 * 1024 * 1024
"""Of text in all: eighty documents of `child.MAX_CHARACTERS` characters of ASCII."""

_FLEETING: Final = (Reason.FAILED, Reason.STOPPED, Reason.CROWDED)
"""What says nothing of the document."""


@frozen
class Text:
    """A text that is kept, its size in bytes, and until when (seconds of the clock; None: for good)."""

    text: str = field(repr=False)
    size: int
    until: float | None


class TextCache:
    """Texts by a document's digest: a client sends the same document again with every turn of a conversation."""

    def __init__(self, max_documents: int = MAX_DOCUMENTS, max_bytes: int = MAX_BYTES) -> None:
        self._texts: BoundedMap[bytes, Text] = BoundedMap(max_documents, max_bytes, lambda _, text: text.size)

    def get(self, digest: bytes, now: float) -> str | None:
        """Return the text of a document, None if it is not there or no longer good."""
        kept = self._texts.get(digest)
        if kept is not None and kept.until is not None and now >= kept.until:
            self._texts.discard(digest)
            return None
        return None if kept is None else kept.text

    def put(self, digest: bytes, text: str, until: float | None = None) -> None:
        """Keep a text; one that is too large for itself is not kept."""
        self._texts.put(digest, Text(text, size(text), until))


@define(eq=False)
class Job:
    """One document that somebody waits for.

    :ivar document: in base64.
    :ivar waiting: what is fired with the text, and for whom.
    :ivar reading: the child, None while it waits for its turn.
    """

    digest: bytes
    document: str = field(repr=False)
    waiting: dict[Deferred[str], TurnOwner] = field(factory=dict)
    reading: Reading | None = None

    @property
    def clients(self) -> Collection[TurnOwner]:
        """Whoever wants it, each once, in the order in which they came."""
        return dict.fromkeys(self.waiting.values())


class PdfTexts:
    """Implements `claude_bridge.services.interfaces.Documents`.

    :param limits: of each document.
    :param texts: where texts are kept.
    :param max_children: documents read at the same time.
    :param max_of_one: documents of one client read at the same time.
    :param max_queued: documents that wait for their turn.
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
        self._kept = texts or TextCache()
        self._max_children = max_children
        self._max_queued = max_queued
        self._jobs: dict[bytes, Job] = {}
        self._turns = Turns(max_of_one)
        self._queue: list[Job] = []
        self._children: dict[Reading, TurnOwner] = {}
        self._stopped = False

    def text(self, data: str, client: TurnOwner) -> Deferred[str]:
        """Return the text of a PDF in base64, to be shown to a model; what cannot be read is a note in brackets.

        Never fails but with ``CancelledError``, when cancelled: the reading ends then if nobody else waits.
        """
        digest = _digest(data)
        known = None if digest is None else self._kept.get(digest, self._clock.seconds())
        if digest is None or known is not None:
            return succeed(known or unread(Reason.NOT_BASE64, self._limits))
        refused = self._refusal(digest, client)
        if refused is not None:
            return succeed(unread(refused, self._limits))
        return self._wait(self._jobs.get(digest) or self._queued(digest, data), client)

    def stop(self) -> None:
        """End all children; who waits gets what was read so far, and who comes now a note."""
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
        """Return whether a document of a client's would not have to wait, whatever is in the queue."""
        return len(self._children) < self._max_children and self._turns.may_read(client, self._reading())

    def _reading(self) -> Counter[TurnOwner]:
        return Counter(self._children.values())

    def _queued(self, digest: bytes, document: str) -> Job:
        job = self._jobs[digest] = Job(digest, document)
        self._queue.append(job)
        return job

    def _wait(self, job: Job, client: TurnOwner) -> Deferred[str]:
        waiter: Deferred[str] = Deferred(lambda waiter: self._left(job, waiter))
        job.waiting[waiter] = client
        self._start()
        return waiter

    def _left(self, job: Job, waiter: Deferred[str]) -> None:
        """Forget somebody who waited; if nobody else waits, stop reading."""
        if waiter not in job.waiting:
            return
        del job.waiting[waiter]
        if job.waiting:
            return
        del self._jobs[job.digest]
        if job.reading is not None:
            job.reading.abandon()
        else:
            self._queue.remove(job)

    def _start(self) -> None:
        """Read what waits, as many at a time as may be."""
        while len(self._children) < self._max_children:
            chosen = self._turns.next(self._queue, self._reading())
            if chosen is None:
                return
            job, client = chosen
            self._queue.remove(job)
            self._read(job, client)

    def _read(self, job: Job, client: TurnOwner) -> None:
        def done(extracted: Extracted) -> None:
            self._finish(job, extracted)

        def gone() -> None:
            self._children.pop(reading, None)
            self._start()

        reading = job.reading = Reading(job.document, self._limits, done, gone)
        job.document = ""
        self._children[reading] = client
        reading.start(self._reactor, self._clock)

    def _finish(self, job: Job, extracted: Extracted) -> None:
        del self._jobs[job.digest]
        text = shown(extracted, self._limits)
        if extracted.reason not in _FLEETING:
            late = extracted.reason is Reason.TIME
            self._kept.put(job.digest, text, self._clock.seconds() + TROUBLE_SECONDS if late else None)
        waiting, job.waiting = job.waiting, {}
        for waiter in waiting:
            if not waiter.called:  # one may have cancelled another
                waiter.callback(text)


def _digest(document: str) -> bytes | None:
    """Name a document; None for what is no base64, as far as can be seen at a glance."""
    if not document.isascii():
        return None
    digest = sha256()
    for start in range(0, len(document), _SLICE):
        digest.update(document[start : start + _SLICE].encode("ascii"))
    return digest.digest()
