"""Documents and pictures from the client to the model: good ones, and those that are made to do harm.

One daemon for most of this module, with a model for each way to treat them.
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from struct import pack
from typing import Any

import pytest
import pytest_twisted
from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredQueue
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.task import LoopingCall, deferLater
from twisted.web._newclient import ResponseNeverReceived

from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import chat_stream, sse
from tests.end_to_end.client import Client, Reply
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Daemon, ini
from tests.services.documents import pdfs

MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
MEGABYTE = 1024 * 1024

MODELS = {
    "plain": {},
    "files": {"pdf": "file"},
    "blind": {"pdf": "refuse", "images": "refuse"},
    "noting": {"images": "omit"},
    "seeing": {"tool_images": "yes"},
    "small": {"context_window": "50000"},
}
SECTIONS = {
    f"model:{name}": {"backend": "scripted", "name": "test-model", **options} for name, options in MODELS.items()
}

HI = {"role": "user", "content": "Hi"}
SLOW = pdfs.of_streams([pdfs.text_stream("First."), pdfs.packed(b"BT (a) Tj ET\n" * 1_000_000)])
"""Takes a child many seconds: a page of a million short texts."""


@pytest_twisted.async_yield_fixture(scope="module")
async def running(reactor: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Any, Daemon]]:
    """Yield a backend and a daemon with all models."""
    scripted = ScriptedBackend(reactor)
    scripted.start()
    started = Daemon(reactor=reactor, folder=tmp_path_factory.mktemp("daemon"))
    await started.start(ini(scripted.url, SECTIONS))
    yield scripted, started
    await started.finish()
    await scripted.stop()


@pytest.fixture
def backend(running: tuple[ScriptedBackend, Daemon]) -> ScriptedBackend:
    """Return the backend, which has an answer for everything and forgot what it was asked."""
    scripted, _ = running
    scripted.strict = True
    scripted.script = lambda _: sse(chat_stream(text="Well.", usage=None))  # a made-up count would teach nonsense
    scripted.requests.clear()
    scripted.arrivals = DeferredQueue()
    return scripted


@pytest.fixture
def daemon(running: tuple[ScriptedBackend, Daemon]) -> Daemon:
    """Return the daemon."""
    return running[1]


def asking(*messages: dict[str, Any], model: str = "plain", **more: Any) -> dict[str, Any]:
    """Make a request."""
    return {"model": model, "max_tokens": 1000, "messages": list(messages)} | more


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Make a person's message."""
    return {"role": "user", "content": list(blocks)}


def document(content: bytes, **more: Any) -> dict[str, Any]:
    """Make a block with a PDF."""
    source = {"type": "base64", "media_type": "application/pdf", "data": pdfs.base64(content)}
    return {"type": "document", "source": source, **more}


def picture(data: str, media_type: str = "image/png") -> dict[str, Any]:
    """Make a block with a picture from its base64 text."""
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def png(width: int, height: int, size: int = 60) -> str:
    """Make what begins like a PNG of this size in pixels and has so many bytes, in base64."""
    content = b"\x89PNG\r\n\x1a\n" + pack(">I4sII", 13, b"IHDR", width, height) + bytes((8, 2, 0, 0, 0)) + bytes(4)
    return b64encode(content + Random(1).randbytes(size - len(content))).decode()  # noqa: S311 - bytes of a picture


def read(*content: dict[str, Any]) -> list[dict[str, Any]]:
    """Make the call and the result of a tool that reads a file."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"file_path": "/a"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": list(content)}
    return [user({"type": "text", "text": "Look."}), {"role": "assistant", "content": [call]}, user(result)]


def texts(sent: Any) -> str:
    """Return all that a backend is told, in one text to search in."""
    parts = []
    for message in sent["messages"]:
        content = message.get("content") or ()
        parts += [content] if isinstance(content, str) else [part.get("text", "") for part in content]
    return "\n".join(parts)


async def answered(client: Client, backend: ScriptedBackend, request: dict[str, Any], seconds: float = 30) -> str:
    """Ask, and return all that the backend was told."""
    reply = await client.post(MESSAGES, request, seconds=seconds)
    assert reply.status == 200, reply.body[:500]
    return texts(backend.chats[-1].json)


async def client_sent(client: Client, request: dict[str, Any], path: str = MESSAGES) -> Deferred[Any]:
    """Send a request, and return the means to leave before it is answered."""
    sent = client.send("POST", path, request)
    await deferLater(client._reactor, 0)
    return sent.addErrback(
        lambda failure: failure.trap(CancelledError, ConnectingCancelledError, ResponseNeverReceived)
    )


def refused(reply: Reply) -> str:
    """Return the words of a refusal that the client cannot mend by asking again."""
    assert reply.status == 400, reply.body[:500]
    assert reply.json["error"]["type"] == "invalid_request_error"
    return str(reply.json["error"]["message"])


def children(daemon: Daemon) -> list[int]:
    """List the processes that the daemon has started and that are not gone, zombies among them."""
    process: Any = daemon.process.transport
    return [pid for pid, parent in _parents() if parent == process.pid]


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                yield int(entry.name), int((entry / "stat").read_text().rpartition(")")[2].split()[1])


def running_still(pid: int) -> bool:
    """Return whether a process is there; one that only waits for its parent to notice the end is not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def peak(pid: int) -> int:
    """Return the most memory that a process has had, in bytes; 0 for one that is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


@define(eq=False)
class Watch:
    """Looks at the daemon and its children twenty times a second.

    :ivar daemon_peak: most memory of the daemon, in bytes.
    :ivar child_peak: most memory of any child.
    :ivar most_children: at a time.
    """

    _daemon: Daemon
    daemon_peak: int = 0
    child_peak: int = 0
    most_children: int = 0
    _loop: LoopingCall | None = field(default=None, init=False)

    def start(self, reactor: Any) -> None:
        """Begin."""
        process: Any = self._daemon.process.transport
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # resets the peak
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor
        self._loop.start(0.05)

    def stop_looking(self) -> None:
        """Look once more and end."""
        loop, self._loop = self._loop, None
        if loop is not None:
            self._look()
            loop.stop()

    def _look(self) -> None:
        process: Any = self._daemon.process.transport
        now = children(self._daemon)
        self.most_children = max(self.most_children, len(now))
        self.child_peak = max([self.child_peak, *map(peak, now)])
        self.daemon_peak = max(self.daemon_peak, peak(process.pid))


async def until(reactor: Any, holds: Callable[[], bool], seconds: float = 10) -> float:
    """Wait until something holds, and return the seconds that took."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds, "it does not come true"
        await deferLater(reactor, 0.01)
    return time.monotonic() - begun


@pytest_twisted.async_yield_fixture()
async def watch(reactor: Any, daemon: Daemon) -> AsyncIterator[Watch]:
    """Watch the daemon while a test runs."""
    await until(reactor, lambda: not children(daemon))
    watch = Watch(daemon)
    watch.start(reactor)
    yield watch
    watch.stop_looking()


class PdfTests:
    """Good PDFs."""

    PAPER = pdfs.pdf("Bees dance.", "", "They point to flowers.")
    READ = (
        "Document: bees.pdf\n[page 1]\nBees dance.\n\n[page 2: no text (probably a scanned image)]\n\n"
        "[page 3]\nThey point to flowers."
    )

    @pytest.mark.parametrize("stream", [True, False])
    @pytest_twisted.ensureDeferred
    async def test_attached(self, client: Client, backend: ScriptedBackend, stream: bool) -> None:
        """A model that takes no files reads what is in a PDF, page by page, under its title."""
        asked = {"type": "text", "text": "What is it about?"}
        reply = await client.post(MESSAGES, asking(user(document(self.PAPER, title="bees.pdf"), asked), stream=stream))
        assert reply.status == 200
        (sent,) = [chat.json for chat in backend.chats]
        assert texts(sent) == f"{self.READ}\n\n{asked['text']}"

    @pytest_twisted.ensureDeferred
    async def test_in_a_tool_result(self, client: Client, backend: ScriptedBackend) -> None:
        """A PDF that the client's Read tool gives arrives as the tool's result."""
        await answered(client, backend, asking(*read(document(self.PAPER, title="bees.pdf"))))
        last = backend.chats[-1].json["messages"][-1]
        assert (last["role"], last["tool_call_id"]) == ("tool", "toolu_1")
        assert self.READ in texts({"messages": [last]})

    @pytest_twisted.ensureDeferred
    async def test_next_turn(
        self, reactor: Any, client: Client, backend: ScriptedBackend, daemon: Daemon, watch: Watch
    ) -> None:
        """In the turns that follow the same document is not read again."""
        paper = document(pdfs.pdf("Read once."))
        first = await answered(client, backend, asking(user(paper)))
        await until(reactor, lambda: not children(daemon))
        assert watch.most_children == 1
        watch.most_children = 0
        for _ in range(3):
            history = [user(paper), {"role": "assistant", "content": "Well."}, HI]
            assert first in await answered(client, backend, asking(*history))
        watch.stop_looking()
        assert watch.most_children == 0

    @pytest_twisted.ensureDeferred
    async def test_counted(self, client: Client) -> None:
        """A PDF counts as many tokens as its text has, not as many as its bytes."""
        paper = document(pdfs.of_streams([pdfs.text_stream("Short."), pdfs.stream(b"%" + b"x" * 500_000)]))
        counted = await client.post(COUNT, {"model": "plain", "messages": [user(paper)]})
        assert counted.json["input_tokens"] < 60

    @pytest_twisted.ensureDeferred
    async def test_leaves_room(self, client: Client, backend: ScriptedBackend) -> None:
        """Sixty pages with little text leave room in a window of 50,000 tokens, and are not told as more than that."""
        paper = document(pdfs.pdf(*["A short page of a long paper."] * 60))
        reply = await client.post(MESSAGES, asking(user(paper), model="small", max_tokens=20_000, stream=True))
        assert reply.status == 200, reply.body[:500]
        assert backend.chats[-1].json["max_tokens"] == 20_000
        counted = await client.post(COUNT, {"model": "small", "messages": [user(paper)]})
        started = next(event.data for event in reply.events if event.name == "message_start")
        tokens = started["message"]["usage"]["input_tokens"]
        assert 0.7 < tokens / counted.json["input_tokens"] < 1.4

    @pytest_twisted.ensureDeferred
    async def test_as_a_file(self, client: Client, backend: ScriptedBackend, watch: Watch) -> None:
        """A model that takes files gets the file as it is, and nothing is read here."""
        await answered(client, backend, asking(user(document(self.PAPER, title="bees.pdf")), model="files"))
        (part,) = backend.chats[-1].json["messages"][-1]["content"]
        data = f"data:application/pdf;base64,{pdfs.base64(self.PAPER)}"
        assert part == {"type": "file", "file": {"filename": "bees.pdf", "file_data": data}}
        watch.stop_looking()
        assert watch.most_children == 0

    @pytest.mark.parametrize("inside", [False, True])
    @pytest_twisted.ensureDeferred
    async def test_refused(self, client: Client, backend: ScriptedBackend, inside: bool) -> None:
        """Where documents are refused, the client is told in the words that make it take them out."""
        paper = document(self.PAPER)
        messages = read(paper) if inside else [user(paper)]
        words = refused(await client.post(MESSAGES, asking(*messages, model="blind")))
        assert re.match(r"capability_rejected: document_block [^A-Za-z0-9_:.-]", words)
        assert backend.chats == []


def deep(levels: int) -> bytes:
    """Write a PDF with its one page at the end of a long chain of tree nodes."""
    kids = (b"<</Type/Pages/Count 1/Kids[%d 0 R]>>" % (number + 3) for number in range(levels))
    page = b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 612 792]>>" % (levels + 1)
    return pdfs.written([b"<</Type/Catalog/Pages 2 0 R>>", *kids, page])


def bombs() -> bytes:
    """Write a PDF of 6 MB with three pages that unpack to 2 GB each, and one good one."""
    bomb = pdfs.bomb(2)
    return pdfs.of_streams([bomb, bomb, bomb, pdfs.text_stream("After.")])


def long() -> bytes:
    """Write a PDF with ten thousand pages."""
    return pdfs.of_streams(pdfs.text_stream(f"Page {number}.") for number in range(1, 10_001))


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "cut off": (lambda: pdfs.pdf("One", "Two")[:300], "[PDF could not be read: it is damaged]"),
    "noise": (lambda: b"%PDF-1.7\n" + Random(2).randbytes(100_000), "[PDF could not be read: it is damaged]"),  # noqa: S311
    "no PDF": (lambda: b"\x7fELF", "[PDF could not be read: it is not a PDF file]"),
    "nothing": (lambda: b" ", "[PDF could not be read: it is not a PDF file]"),
    "locked": (
        lambda: pdfs.locked(pdfs.pdf("Secret"), password="x"),
        "[PDF could not be read: it is protected by a password]",
    ),
    "its own page": (pdfs.cyclic, "[PDF could not be read: it is damaged]"),
    "deep": (lambda: deep(20_000), "[PDF could not be read: it is damaged]"),
    "bombs": (bombs, "[pages 1 to 3: could not be read]\n\n[page 4]\nAfter."),
    "long": (long, "[page 100]\nPage 100.\n\n[pages 101 to 10000 left out: only the first 100 are read]"),
}


class BadPdfTests:
    """PDFs that are broken, or made to take time and memory."""

    @pytest.mark.parametrize("name", BAD)
    @pytest_twisted.ensureDeferred
    async def test_told(
        self, client: Client, backend: ScriptedBackend, daemon: Daemon, watch: Watch, name: str
    ) -> None:
        """The model reads what is missing and why, soon, and neither the daemon nor its child takes much memory."""
        make, shown = BAD[name]
        content = make()
        before = daemon.resident_bytes
        begun = time.monotonic()
        told = await answered(client, backend, asking(user(document(content, title="bad.pdf"))))
        assert time.monotonic() - begun < 20
        assert told.startswith("Document: bad.pdf\n")
        assert told.endswith(shown)
        watch.stop_looking()
        assert watch.daemon_peak - before < 20 * MEGABYTE + 6 * len(content)
        assert watch.child_peak < 400 * MEGABYTE
        assert watch.most_children == 1

    @pytest_twisted.ensureDeferred
    async def test_others_are_answered(
        self, reactor: Any, client: Client, backend: ScriptedBackend, daemon: Daemon
    ) -> None:
        """While bombs and documents that take long are read, everybody else gets an answer at once."""
        slow = [bombs() + b"%a", SLOW + b"%b", SLOW + b"%c"]
        waiting = [await client_sent(client, asking(user(document(content)))) for content in slow]
        await until(reactor, lambda: len(children(daemon)) == 2)
        took = []
        for _ in range(20):
            begun = time.monotonic()
            assert "Hi" in await answered(client, backend, asking(HI))
            took.append(time.monotonic() - begun)
        assert len(children(daemon)) == 2  # of three: one waits for its turn, or is next by now
        assert max(took) < 1
        for leaving in waiting:
            leaving.cancel()
        await until(reactor, lambda: not children(daemon))

    @pytest_twisted.ensureDeferred
    async def test_others_have_their_turn(
        self, reactor: Any, client: Client, backend: ScriptedBackend, daemon: Daemon
    ) -> None:
        """A small document is read at once although six of another session, which take long, came before it."""
        slow = [SLOW + b"%" + name for name in (b"1", b"2", b"3", b"4", b"5", b"6")]
        waiting = [await client_sent(client, asking(user(document(content)))) for content in slow]
        await until(reactor, lambda: len(children(daemon)) == 2)
        busy = set(children(daemon))
        other = Client(reactor, daemon.url, {**client.headers, "x-claude-code-session-id": "another"})
        told = await answered(other, backend, asking(user(document(pdfs.pdf("Read soon.")))))
        assert "Read soon." in told
        assert busy <= set(children(daemon)), "it waited for another's"
        for leaving in waiting:
            leaving.cancel()
        await until(reactor, lambda: not children(daemon))


class EndTests:
    """Reading that nobody waits for any more."""

    @pytest.mark.parametrize("path", [MESSAGES, COUNT])
    @pytest_twisted.ensureDeferred
    async def test_client_leaves(
        self, reactor: Any, client: Client, backend: ScriptedBackend, daemon: Daemon, path: str
    ) -> None:
        """When the client leaves, the process that reads its document is gone at once, and no backend is asked."""
        sent = await client_sent(client, asking(user(document(SLOW + path.encode()))), path)
        await until(reactor, lambda: bool(children(daemon)))
        sent.cancel()
        assert await until(reactor, lambda: not children(daemon)) < 1
        assert backend.chats == []

    @pytest_twisted.ensureDeferred
    async def test_daemon_stops(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """A daemon that is stopped does not wait longer for a document than for any answer, and leaves no process."""
        daemon = await start_daemon({"server": {"drain_timeout": "0.5"}})
        await client_sent(client_of(reactor, daemon), asking(user(document(SLOW)), model="test-model"))
        await until(reactor, lambda: bool(children(daemon)))
        (reading,) = children(daemon)
        begun = time.monotonic()
        assert await daemon.stop() in (0, -15)
        assert time.monotonic() - begun < 4
        await until(reactor, lambda: not running_still(reading), 2)
        assert backend.chats == []


LARGE = 20 * MEGABYTE


class PictureTests:
    """Pictures."""

    @pytest_twisted.ensureDeferred
    async def test_large(self, client: Client, backend: ScriptedBackend, daemon: Daemon, watch: Watch) -> None:
        """A picture of 20 MB arrives as it was sent, soon, and the daemon holds a few copies of it at most."""
        data = png(8000, 6000, LARGE)
        before = daemon.resident_bytes
        begun = time.monotonic()
        await answered(client, backend, asking(user(picture(data))))
        assert time.monotonic() - begun < 10
        (part,) = backend.chats[-1].json["messages"][-1]["content"]
        assert part["image_url"]["url"] == f"data:image/png;base64,{data}"
        watch.stop_looking()
        assert watch.daemon_peak - before < 5 * len(data)

    @pytest_twisted.ensureDeferred
    async def test_large_is_counted_small(self, client: Client) -> None:
        """A picture of 20 MB counts what pictures count, in no time."""
        request = asking(user(picture(png(8000, 6000, LARGE))))
        body = {key: value for key, value in request.items() if key != "max_tokens"}
        begun = time.monotonic()
        counted = await client.post(COUNT, body)
        assert time.monotonic() - begun < 5
        assert 1500 < counted.json["input_tokens"] < 1700

    @pytest.mark.parametrize("inside", [False, True])
    @pytest_twisted.ensureDeferred
    async def test_refused(self, client: Client, backend: ScriptedBackend, inside: bool) -> None:
        """A model without eyes has pictures refused in the words that make the client take them out."""
        shot = picture(png(100, 100, LARGE))
        messages = read(shot) if inside else [user(shot)]
        words = refused(await client.post(MESSAGES, asking(*messages, model="blind")))
        assert re.match(r"capability_rejected: image_block [^A-Za-z0-9_:.-]", words)
        assert backend.chats == []

    @pytest.mark.parametrize("inside", [False, True])
    @pytest_twisted.ensureDeferred
    async def test_omitted(self, client: Client, backend: ScriptedBackend, inside: bool) -> None:
        """Where pictures are left out, the model is told that there was one."""
        shot = picture(png(100, 100))
        messages = read(shot) if inside else [user(shot)]
        assert "[image omitted" in await answered(client, backend, asking(*messages, model="noting"))
        assert "iVBOR" not in json.dumps(backend.chats[-1].json)

    @pytest.mark.parametrize(("model", "roles"), [("plain", ["tool", "user"]), ("seeing", ["tool"])])
    @pytest_twisted.ensureDeferred
    async def test_in_a_tool_result(
        self, client: Client, backend: ScriptedBackend, model: str, roles: list[str]
    ) -> None:
        """A tool's picture arrives in its result where the model takes that, else in a message right after it."""
        data = png(100, 100)
        backend.strict = model == "plain"  # OpenAI's own takes no pictures there
        await answered(client, backend, asking(*read(picture(data)), model=model))
        last = backend.chats[-1].json["messages"][2:]
        assert [message["role"] for message in last] == roles
        (url,) = [part["image_url"]["url"] for part in last[-1]["content"] if part["type"] == "image_url"]
        assert url == f"data:image/png;base64,{data}"

    @pytest_twisted.ensureDeferred
    async def test_too_large(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """A picture beyond the largest body is refused with the limit's name, and no backend hears of it."""
        daemon = await start_daemon({"limits": {"max_body": str(MEGABYTE)}})
        request = asking(user(picture(png(100, 100, MEGABYTE))), model="test-model")
        reply = await client_of(reactor, daemon).post(MESSAGES, request)
        assert (reply.status, reply.json["error"]["type"]) == (413, "request_too_large")
        assert "max_body" in reply.json["error"]["message"]
        assert backend.chats == []

    @pytest.mark.parametrize(
        ("data", "media_type"),
        [("****", "image/png"), ("iVBORw0KGgo", "image/png"), ("AAAA", "image/tiff")],
    )
    @pytest_twisted.ensureDeferred
    async def test_broken(self, client: Client, backend: ScriptedBackend, data: str, media_type: str) -> None:
        """What is no picture is the backend's to judge, which may know more kinds than we do."""
        await answered(client, backend, asking(user(picture(data, media_type))))
        (part,) = backend.chats[-1].json["messages"][-1]["content"]
        assert part["image_url"]["url"] == f"data:{media_type};base64,{data}"

    @pytest_twisted.ensureDeferred
    async def test_no_picture(self, client: Client, backend: ScriptedBackend) -> None:
        """Where the backend refuses what is no picture, the client reads why."""
        words = refused(await client.post(MESSAGES, asking(user(picture("AAAA", "text/plain")))))
        assert "neither an address nor a data URL of an image" in words
        assert len(backend.chats) == 1

    @pytest.mark.parametrize("missing", ["data", "media_type"])
    @pytest_twisted.ensureDeferred
    async def test_incomplete(self, client: Client, backend: ScriptedBackend, missing: str) -> None:
        """A picture without data or type is refused with the place of what is missing."""
        block = picture("AAAA")
        del block["source"][missing]
        words = refused(await client.post(MESSAGES, asking(user(block))))
        assert words.startswith(f"messages.0.content.0.source.{missing}")
        assert backend.chats == []

    @pytest_twisted.ensureDeferred
    async def test_absurd_sizes(self, client: Client) -> None:
        """However large a picture says it is, it counts as no more than the largest does, in no time."""
        jpeg = b64encode(b"\xff\xd8" + b"\xff\xc0\x00\x11\x08" + b"\xff" * 300).decode()
        empty = b64encode(b"\xff\xd8" + b"\xff" * 250_000).decode()
        blocks = [picture(png(65_535, 65_535)), picture(png(2**32 - 1, 2**32 - 1)), picture(jpeg, "image/jpeg")]
        blocks += [picture(empty, "image/jpeg")] * 80
        begun = time.monotonic()
        counted = await client.post(COUNT, {"model": "plain", "messages": [user(*blocks)]})
        assert time.monotonic() - begun < 5
        assert counted.json["input_tokens"] <= 1600 * len(blocks) + 20
