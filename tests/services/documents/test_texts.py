"""Documents as text: shared, queued, kept, cancelled."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
import pytest_twisted
from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from claude_bridge.services.documents.child import ExtractionLimits
from claude_bridge.services.documents.texts import TROUBLE_SECONDS, PdfTexts, TextCache
from claude_bridge.services.interfaces import TurnOwner
from tests.services.documents import pdfs
from tests.services.documents.processes import FakeProcess, FakeProcesses

CROWDED = "[PDF could not be read: too many other documents are waiting to be read]"
STOPPED = "[PDF could not be read: the bridge is being stopped]"
FAILED = "[PDF could not be read: the program that reads PDFs failed]"

ANNA = TurnOwner("anna", "1")
BEN = TurnOwner("ben", "1")
CARL = TurnOwner("carl", "1")


def named(name: str) -> str:
    """Return the base64 of a document that is told from others by its name."""
    return b64encode(name.encode()).decode()


@define
class Scene:
    """Documents whose children are played by the test."""

    processes: FakeProcesses = field(factory=FakeProcesses)
    clock: Clock = field(factory=Clock)
    options: dict[str, Any] = field(factory=dict)
    texts: PdfTexts = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make it."""
        self.texts = PdfTexts(self.processes, self.clock, **self.options)

    @property
    def children(self) -> list[FakeProcess]:
        """Return all that were started."""
        return self.processes.started

    def ask(self, name: str, client: TurnOwner = ANNA) -> list[str]:
        """Ask for a document; the answer comes into the list."""
        got: list[str] = []
        self.texts.text(named(name), client).addCallback(got.append)
        return got

    def answer(self, number: int, *pages: str) -> None:
        """Let a child read its document."""
        child = self.children[number]
        child.says(["ready", None], ["total", len(pages)], *(["page", page] for page in pages), ["end", None])
        child.ends()

    def names(self) -> list[str]:
        """Return the names of the documents that children have got."""
        return [pdfs.decoded(child.written) for child in self.children]


def cancelled(waiting: Deferred[str]) -> None:
    """Cancel; nothing but that comes out."""
    waiting.cancel()
    caught: list[Any] = []
    waiting.addErrback(lambda failure: caught.append(failure.type))
    assert caught == [CancelledError]


class TextTests:
    """One document."""

    def test_text(self) -> None:
        """The text of a document comes as a model is to see it."""
        scene = Scene()
        got = scene.ask("a")
        assert got == []
        scene.answer(0, "One", "Two")
        assert got == ["[page 1]\nOne\n\n[page 2]\nTwo"]

    @pytest.mark.parametrize("data", ["é", "\ud800", "😀" * 5])
    def test_not_even_ascii(self, data: str) -> None:
        """What is no base64 at a glance starts no process."""
        scene = Scene()
        got: list[str] = []
        scene.texts.text(data, ANNA).addCallback(got.append)
        assert got == ["[PDF could not be read: it is not valid base64]"]
        assert scene.children == []

    def test_limits_hold(self) -> None:
        """The configured limits are those of the child, and the notes name them."""
        scene = Scene(options={"limits": ExtractionLimits(seconds=3)})
        got = scene.ask("a")
        scene.clock.advance(3)
        assert got == ["[PDF could not be read: it took longer than 3 s to read]"]


class SharedTests:
    """Several ask for the same."""

    def test_one_child(self) -> None:
        """A document that several want at the same time is read once."""
        scene = Scene()
        first, second = scene.ask("a"), scene.ask("a")
        assert len(scene.children) == 1
        scene.answer(0, "One")
        assert first == second == ["[page 1]\nOne"]

    def test_kept(self) -> None:
        """The next turn of a conversation has the text at once, also of one that is damaged."""
        scene = Scene()
        scene.ask("a")
        scene.answer(0, "One")
        scene.ask("b")
        scene.children[1].says(["ready", None], ["end", "damaged"])
        assert scene.ask("a") == ["[page 1]\nOne"]
        assert scene.ask("b") == ["[PDF could not be read: it is damaged]"]
        assert len(scene.children) == 2

    def test_kept_within_bounds(self) -> None:
        """Of too many documents the one not used for longest is read again."""
        scene = Scene(options={"texts": TextCache(1)})
        for number, name in enumerate("aba"):
            scene.ask(name)
            scene.answer(number, name)
        assert scene.names() == ["a", "b", "a"]
        assert scene.ask("a") == ["[page 1]\na"]

    def test_slow_one_is_tried_again(self) -> None:
        """A document that took too long is not tried again with each turn, but some time later."""
        scene = Scene(options={"limits": ExtractionLimits(seconds=20)})
        scene.ask("a")
        scene.clock.advance(20)
        scene.children[0].ends()
        scene.clock.advance(TROUBLE_SECONDS - 1)
        assert len(scene.ask("a")) == 1
        scene.clock.advance(1)
        assert scene.ask("a") == []
        assert len(scene.children) == 2

    def test_failure_is_not_kept(self) -> None:
        """What says nothing of the document is not remembered."""
        scene = Scene()
        first = scene.ask("a")
        scene.children[0].ends(1)
        assert first == [FAILED]
        second = scene.ask("a")
        scene.answer(1, "One")
        assert second == ["[page 1]\nOne"]

    def test_no_process(self) -> None:
        """If no process can be started, everybody is told so and the next is tried all the same."""
        scene = Scene()
        scene.processes.refusal = OSError(11, "Resource temporarily unavailable")
        assert scene.ask("a") == scene.ask("b") == [FAILED]
        scene.processes.refusal = None
        got = scene.ask("a")
        scene.answer(0, "One")
        assert got == ["[page 1]\nOne"]


class QueueTests:
    """Many documents."""

    def test_few_at_a_time(self) -> None:
        """Only so many are read at a time; the others follow in their order, when a child is really gone."""
        scene = Scene(options={"max_children": 2})
        got = [scene.ask(name) for name in "abcd"]
        assert scene.names() == ["a", "b"]
        scene.children[1].says(["ready", None], ["end", None])
        assert scene.names() == ["a", "b"]
        scene.children[1].ends()
        assert scene.names() == ["a", "b", "c"]
        for number in (0, 2, 3):
            scene.answer(number, "x")
        assert [len(one) for one in got] == [1, 1, 1, 1]

    def test_queue_is_bounded(self) -> None:
        """Who comes when too many wait is told so at once; one that is read already is still shared."""
        scene = Scene(options={"max_children": 1, "max_queued": 2})
        waiting = [scene.ask(name) for name in "abc"]
        assert scene.ask("d") == [CROWDED]
        assert scene.ask("a") == scene.ask("c") == []
        scene.answer(0, "x")
        assert scene.ask("d") == []
        assert [len(one) for one in waiting] == [1, 0, 0]

    def test_time_runs_from_the_start(self) -> None:
        """Waiting in the queue takes nothing from the time that a document has."""
        scene = Scene(options={"max_children": 1, "limits": ExtractionLimits(seconds=20)})
        first, second = scene.ask("a"), scene.ask("b")
        scene.clock.advance(20)
        scene.children[0].ends()
        scene.clock.advance(19)
        assert (len(first), len(second)) == (1, 0)
        scene.answer(1, "x")
        assert second == ["[page 1]\nx"]


class SharesTests:
    """Several clients, of whom one has many documents."""

    @pytest.mark.parametrize("other", [BEN, TurnOwner("anna", "2")], ids=["another client", "another session"])
    def test_small_one_does_not_wait(self, other: TurnOwner) -> None:
        """A document is read at once although another client has six that take long."""
        scene = Scene()
        for name in "abcdef":
            scene.ask(name)
        got = scene.ask("x", other)
        assert scene.names() == ["a", "b", "x"]
        scene.answer(2, "One")
        assert got == ["[page 1]\nOne"]
        assert scene.names() == ["a", "b", "x"], "the place is left to the next client"

    def test_in_turn(self) -> None:
        """Who comes into a long queue gets each other turn, not the turn after all who came before."""
        scene = Scene(options={"max_children": 1})
        for name in "abcd":
            scene.ask(name)
        for name in "xy":
            scene.ask(name, BEN)
        scene.ask("z", CARL)
        for number in range(6):
            scene.answer(number, "x")
        assert scene.names() == ["a", "x", "z", "b", "y", "c", "d"]

    def test_sessions_gain_nothing(self) -> None:
        """Who tells a new session with each document gets no more turns for that than anybody else."""
        scene = Scene(options={"max_children": 1})
        for number in range(4):
            scene.ask(f"a{number}", TurnOwner("anna", str(number)))
        for name in ("x0", "x1"):
            scene.ask(name, BEN)
        for number in range(5):
            scene.answer(number, "x")
        assert scene.names() == ["a0", "x0", "a1", "x1", "a2", "a3"]

    def test_shared_document(self) -> None:
        """A document that several want comes at the turn of the first of them, and is read once."""
        scene = Scene(options={"max_children": 1})
        for name in "abcd":
            scene.ask(name)
        scene.ask("d", BEN)
        scene.answer(0, "x")
        assert scene.names() == ["a", "d"]

    def test_who_leaves_takes_the_turn_along(self) -> None:
        """A document that only the other one still wants waits for that one's turn."""
        scene = Scene(options={"max_children": 1})
        for name in "abc":
            scene.ask(name)
        leaving = scene.texts.text(named("c"), BEN)
        cancelled(leaving)
        scene.answer(0, "x")
        assert scene.names() == ["a", "b"]

    def test_full_queue(self) -> None:
        """A queue that one client has filled has room for others: its last document gives way, and it is told so."""
        scene = Scene(options={"max_children": 1, "max_queued": 4})
        theirs = [scene.ask(name) for name in "abcde"]
        ours = [scene.ask(name, BEN) for name in "xyz"]
        assert theirs[3:] == [[CROWDED], [CROWDED]]
        assert ours == [[], [], [CROWDED]]
        assert theirs[:3] == [[], [], []]
        scene.answer(0, "x")
        assert scene.ask("e") == [], "it is read when there is room"

    def test_full_queue_is_no_reason_to_wait(self) -> None:
        """Who could be read at once is, however many of others wait for their turn."""
        scene = Scene(options={"max_queued": 2})
        for name in "abcd":
            scene.ask(name)
        got = scene.ask("x", BEN)
        scene.answer(2, "One")
        assert got == ["[page 1]\nOne"]


class CancelTests:
    """Clients leave."""

    def test_last_one_leaves(self) -> None:
        """When nobody waits for a document any more its child is killed, and the next document gets its place."""
        scene = Scene(options={"max_children": 1})
        waiting = scene.texts.text(named("a"), ANNA)
        scene.ask("b")
        cancelled(waiting)
        assert scene.children[0].killed
        scene.children[0].ends()
        assert scene.names() == ["a", "b"]

    def test_others_wait_on(self) -> None:
        """Who leaves takes nothing from those who stay."""
        scene = Scene()
        waiting, got = scene.texts.text(named("a"), ANNA), scene.ask("a")
        cancelled(waiting)
        assert not scene.children[0].killed
        scene.answer(0, "One")
        assert got == ["[page 1]\nOne"]

    def test_leaves_the_queue(self) -> None:
        """A document that nobody waits for any more is not read when its turn comes."""
        scene = Scene(options={"max_children": 1})
        scene.ask("a")
        waiting = scene.texts.text(named("b"), ANNA)
        scene.ask("c")
        cancelled(waiting)
        scene.answer(0, "x")
        assert scene.names() == ["a", "c"]

    def test_asked_again(self) -> None:
        """A document whose child was just killed is read anew for who comes then."""
        scene = Scene()
        cancelled(scene.texts.text(named("a"), ANNA))
        got = scene.ask("a")
        scene.children[0].ends()
        scene.answer(1, "One")
        assert got == ["[page 1]\nOne"]

    def test_one_cancels_another(self) -> None:
        """When the text makes one client's request end another's, both end well."""
        scene = Scene()
        ended: list[object] = []
        first, second = scene.texts.text(named("a"), ANNA), scene.texts.text(named("a"), ANNA)
        second.addErrback(lambda failure: ended.append(failure.type))
        first.addCallback(lambda _: second.cancel())
        scene.answer(0, "One")
        assert ended == [CancelledError]

    def test_after_the_end(self) -> None:
        """Cancelling what is there already does nothing."""
        scene = Scene()
        waiting = scene.texts.text(named("a"), ANNA)
        scene.answer(0, "One")
        waiting.cancel()
        assert scene.ask("a") == ["[page 1]\nOne"]


class StopTests:
    """The daemon stops."""

    def test_all_are_told(self) -> None:
        """Children are killed, who waits is told with what was read, and nothing new is begun."""
        scene = Scene(options={"max_children": 1})
        first, second = scene.ask("a"), scene.ask("b")
        scene.children[0].says(["ready", None], ["total", 2], ["page", "One"])
        scene.texts.stop()
        assert scene.children[0].killed
        assert first == ["[page 1]\nOne\n\n[page 2 left out: the bridge is being stopped]"]
        assert second == scene.ask("c") == [STOPPED]
        scene.children[0].ends()
        assert len(scene.children) == 1
        assert scene.clock.getDelayedCalls() == []


class RealTextTests:
    """With real children and the real clock."""

    @pytest_twisted.ensureDeferred
    async def test_three_documents(self) -> None:
        """Documents are read side by side, a good one, a locked one and one that is none."""
        from twisted.internet import reactor

        texts = PdfTexts(reactor, reactor)
        documents = [pdfs.pdf("Hello"), pdfs.locked(pdfs.pdf("Hello"), password="x"), b"hello"]
        asked = [texts.text(pdfs.base64(document), ANNA) for document in documents]
        assert [await one for one in asked] == [
            "[page 1]\nHello",
            "[PDF could not be read: it is protected by a password]",
            "[PDF could not be read: it is not a PDF file]",
        ]
        texts.stop()


class KeptTests:
    """What was read before."""

    def test_kept(self) -> None:
        """What was put is given, and nothing else."""
        kept = TextCache()
        kept.put(b"a", "text")
        assert kept.get(b"a", 1e9) == "text"
        assert kept.get(b"b", 0) is None

    def test_number_is_bounded(self) -> None:
        """Of too many the one not used for longest goes."""
        kept = TextCache(2)
        kept.put(b"a", "A")
        kept.put(b"b", "B")
        kept.get(b"a", 0)
        kept.put(b"c", "C")
        assert [kept.get(key, 0) for key in (b"a", b"b", b"c")] == ["A", None, "C"]

    def test_bytes_are_bounded(self) -> None:
        """Long texts push out others, by their bytes and not by their characters."""
        kept = TextCache(10, 8)
        kept.put(b"a", "aaa")
        kept.put(b"b", "bbb")
        kept.put(b"c", "ééé")
        assert [kept.get(key, 0) for key in (b"a", b"b", b"c")] == [None, None, "ééé"]

    def test_too_long_for_itself(self) -> None:
        """A text that would push out everything and still not fit is not kept; the others stay."""
        kept = TextCache(10, 8)
        kept.put(b"a", "a")
        kept.put(b"b", "b" * 9)
        assert [kept.get(key, 0) for key in (b"a", b"b")] == ["a", None]

    def test_put_again(self) -> None:
        """A newer text of the same document takes the place of the older, also in the sum."""
        kept = TextCache(10, 8)
        for _ in range(5):
            kept.put(b"a", "aaaa")
        kept.put(b"b", "bbbb")
        assert [kept.get(key, 0) for key in (b"a", b"b")] == ["aaaa", "bbbb"]

    def test_until(self) -> None:
        """What is good for a while is gone after that, and its room is free again."""
        kept = TextCache(10, 4)
        kept.put(b"a", "aaaa", until=10)
        assert kept.get(b"a", 9.9) == "aaaa"
        assert kept.get(b"a", 10) is None
        kept.put(b"b", "bbbb")
        assert kept.get(b"b", 10) == "bbbb"
