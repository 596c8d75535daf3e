"""The daemon's side of a child that reads a document, whatever the child does."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import pytest
import pytest_twisted
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs

from claude_bridge.services.documents.child import Extracted, ExtractionLimits, Reason
from claude_bridge.services.documents.reading import LAST_WORDS, MAX_TOTAL_PAGES, Reading, command
from tests.services.documents import pdfs
from tests.services.documents.processes import FakeProcess, FakeProcesses

READY = ["ready", None]


@define
class Scene:
    """A document being read by a child that the test plays.

    :ivar told: ``done`` with what was read, and ``gone``, as they came.
    """

    limits: ExtractionLimits = field(factory=ExtractionLimits)
    processes: FakeProcesses = field(factory=FakeProcesses)
    clock: Clock = field(factory=Clock)
    told: list[Extracted | str] = field(factory=list)
    reading: Reading = field(init=False)

    def start(self) -> FakeProcess:
        """Start it."""
        self.reading = Reading("QUJD", self.limits, self.told.append, lambda: self.told.append("gone"))
        self.reading.start(self.processes, self.clock)
        return self.processes.started[0]

    def of(self, *said: object) -> list[Extracted | str]:
        """Return so much, as a good child does, and end."""
        child = self.start()
        child.says(READY, *said)
        child.ends()
        return self.told


@pytest.fixture
def logged() -> Iterator[Sequence[LogEvent]]:
    """Collect what is logged."""
    with capturedLogs() as events:
        yield events


class ReadingTests:
    """A child that does what it should."""

    def test_document_goes_in(self) -> None:
        """The child gets the document on its input, its limits as arguments, and nothing of our environment."""
        scene = Scene(ExtractionLimits(max_pages=7))
        child = scene.start()
        assert (child.written, child.input_closed) == (b"QUJD", True)
        assert child.command == command(ExtractionLimits(max_pages=7))
        assert child.environment == {}

    def test_pages_come_out(self) -> None:
        """All pages are told when the child has said its last, and its end is told when it is gone."""
        scene = Scene()
        child = scene.start()
        child.says(READY, ["total", 3], ["page", "One"], ["page", ""], ["page", None])
        assert scene.told == []
        child.says(["end", None])
        whole = Extracted(pages=("One", "", None), total_pages=3)
        assert scene.told == [whole]
        child.ends()
        assert scene.told == [whole, "gone"]
        assert scene.clock.getDelayedCalls() == []

    def test_reason_comes_out(self) -> None:
        """Why a document could not be read is told."""
        assert Scene().of(["end", "password"]) == [Extracted(reason=Reason.PASSWORD), "gone"]

    @pytest.mark.parametrize("size", [1, 2, 7, 1000])
    def test_output_in_pieces(self, size: int) -> None:
        """Reports are understood however the pipe cuts them, in the middle of a character too."""
        said = b'["ready",null]\n["total",1]\n["page","\xc3\xa9\xf0\x9f\x98\x80"]\n["end",null]\n'
        scene = Scene()
        child = scene.start()
        for start in range(0, len(said), size):
            child.out(said[start : start + size])
        assert scene.told == [Extracted(pages=("é😀",), total_pages=1)]


class TroubleTests:
    """A child that does what it should not."""

    def test_too_long(self) -> None:
        """A child that takes too long is killed on time, and the pages read so far are not lost."""
        scene = Scene(ExtractionLimits(seconds=20))
        child = scene.start()
        child.says(READY, ["total", 9], ["page", "One"])
        scene.clock.advance(19.9)
        assert not child.killed
        scene.clock.advance(0.1)
        assert child.killed
        assert scene.told == [Extracted(pages=("One",), total_pages=9, reason=Reason.TIME)]
        child.says(["page", "late"], ["end", None])
        child.ends()
        assert scene.told[1:] == ["gone"]

    def test_does_not_end(self) -> None:
        """A child that has said its last and stays is killed when its time is over."""
        scene = Scene(ExtractionLimits(seconds=20))
        child = scene.start()
        child.says(READY, ["end", None])
        scene.clock.advance(20)
        assert child.killed
        child.ends()
        assert scene.told == [Extracted(), "gone"]

    def test_out_of_processor_time(self) -> None:
        """The kernel's limit on the processor's time is a limit of time as well."""
        scene = Scene()
        child = scene.start()
        child.says(READY)
        child.ends(signal=24)
        assert scene.told == [Extracted(reason=Reason.TIME), "gone"]

    @pytest.mark.parametrize("end", [{"status": 1}, {"signal": 11}, {"signal": 9}, {}])
    def test_early_end(self, end: dict[str, int], logged: Sequence[LogEvent]) -> None:
        """A child that is gone too soon is told and logged; what it read counts."""
        scene = Scene()
        child = scene.start()
        child.says(READY, ["total", 2], ["page", "private"])
        child.err(b"Traceback: private")
        child.ends(**end)
        assert scene.told == [Extracted(pages=("private",), total_pages=2, reason=Reason.FAILED), "gone"]
        assert [event["event"] for event in logged] == ["document"]
        assert "private" not in str(logged)
        assert scene.clock.getDelayedCalls() == []

    def test_does_not_start(self, logged: Sequence[LogEvent]) -> None:
        """If the child cannot even start, the log says why: its last words, of any length."""
        scene = Scene()
        child = scene.start()
        child.err(b"x" * 10 * LAST_WORDS)
        child.err(b"ModuleNotFoundError: No module named 'pypdf'\n")
        child.ends(1)
        assert scene.told == [Extracted(reason=Reason.FAILED), "gone"]
        assert "No module named 'pypdf'" in logged[0]["said"]
        assert len(logged[0]["said"]) <= LAST_WORDS

    def test_no_process(self, logged: Sequence[LogEvent]) -> None:
        """If no process can be started, that is told and logged at once."""
        scene = Scene()
        scene.processes.refusal = OSError(11, "Resource temporarily unavailable")
        with pytest.raises(IndexError):
            scene.start()
        assert scene.told == [Extracted(reason=Reason.FAILED), "gone"]
        assert "temporarily" in str(logged[0]["error"])
        assert scene.clock.getDelayedCalls() == []

    @pytest.mark.parametrize(
        "said",
        [
            b"hello\n",
            b"\xff\xfe\n",
            b"\n",
            b"[" * 5000 + b"\n",
            b'{"page":"x"}\n',
            b'["page",7]\n',
            b'["page"]\n',
            b'["total","7"]\n',
            b'["total",-1]\n',
            b'["total",%d]\n' % (MAX_TOTAL_PAGES + 1),
            b'["end","of story"]\n',
            b'["end",7]\n',
        ],
    )
    def test_garbage(self, said: bytes, logged: Sequence[LogEvent]) -> None:
        """A child that says anything else is killed: somebody else speaks through it."""
        scene = Scene()
        child = scene.start()
        child.says(READY)
        child.out(said)
        assert child.killed
        assert scene.told == [Extracted(reason=Reason.FAILED)]
        assert len(logged) == 1

    @pytest.mark.parametrize("said", [b"x" * 1000, b'["page","x"]\n' * 100])
    def test_flood(self, said: bytes) -> None:
        """A child that says more than any document may have fills no memory."""
        scene = Scene(ExtractionLimits(max_pages=2, max_characters=100))
        child = scene.start()
        sent = 0
        while not child.killed:
            child.out(said)
            sent += len(said)
        assert sent <= scene.limits.output + len(said)
        child.out(said)
        child.ends()
        assert len(scene.told) == 2


class StopTests:
    """The document is not needed any more."""

    def test_stop(self) -> None:
        """Who waits when the daemon stops is told at once."""
        scene = Scene()
        child = scene.start()
        child.says(READY, ["total", 2], ["page", "One"])
        scene.reading.stop()
        assert child.killed
        assert scene.told == [Extracted(pages=("One",), total_pages=2, reason=Reason.STOPPED)]

    def test_cancel(self, logged: Sequence[LogEvent]) -> None:
        """When nobody waits nothing is told or logged, but that the child is gone."""
        scene = Scene()
        child = scene.start()
        scene.reading.cancel()
        assert child.killed
        child.out(b"garbage\n")
        child.ends()
        assert scene.told == ["gone"]
        assert len(logged) == 0
        assert scene.clock.getDelayedCalls() == []

    def test_stop_after_the_end(self) -> None:
        """Stopping what is over does nothing."""
        scene = Scene()
        scene.of(["end", None])
        scene.reading.stop()
        scene.reading.cancel()
        assert scene.told == [Extracted(), "gone"]


@define
class RealScene:
    """A document being read by a real child."""

    done: Deferred[Extracted] = field(factory=Deferred)
    gone: Deferred[None] = field(factory=Deferred)
    clock: Clock = field(factory=Clock)

    def start(self, document: bytes) -> Reading:
        """Start it."""
        from twisted.internet import reactor

        reading = Reading(
            pdfs.base64(document), ExtractionLimits(), self.done.callback, lambda: self.gone.callback(None)
        )
        reading.start(reactor, self.clock)
        return reading


class RealChildTests:
    """Real children."""

    @pytest_twisted.ensureDeferred
    async def test_read(self) -> None:
        """A document is read, one larger than any pipe too, and the child ends by itself."""
        scene = RealScene()
        scene.start(pdfs.pdf("One", "Two") + b"%" * 1_000_000)
        assert await scene.done == Extracted(pages=("One", "Two"), total_pages=2)
        await scene.gone
        assert scene.clock.getDelayedCalls() == []

    @pytest_twisted.ensureDeferred
    async def test_time(self) -> None:
        """A child that works for too long is really gone."""
        scene = RealScene()
        scene.start(b"%PDF-1.7\n" + b"1 0 obj\n<<\n" * 2_000_000)
        scene.clock.advance(ExtractionLimits().seconds)
        assert (await scene.done).reason is Reason.TIME
        await scene.gone


class CommandTests:
    """How a child is started."""

    def test_finds_modules(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The child looks for modules where the daemon does, but not in the working directory."""
        monkeypatch.setattr(sys, "path", ["", "/a", "/b"])
        assert command(ExtractionLimits())[-2:] == ["/a", "/b"]
        assert "" not in command(ExtractionLimits())
