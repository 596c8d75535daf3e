"""Tests for `claude_bridge.testing.backend`, on real loopback sockets."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from claude_bridge.testing import backend as module
from claude_bridge.testing.answers import Answer, Cut, Pause, Repeat, Send, Stall
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import chat_json, chat_stream, json_answer, sse
from claude_bridge.testing.received import Received
from tests.end_to_end.client import Client
from tests.end_to_end.processes import Watched, run_program

CHAT = {"model": "test-model", "messages": [{"role": "user", "content": "hi"}]}
PATH = "/chat/completions"


@pytest.fixture
def client(reactor: Any, backend: ScriptedBackend) -> Client:
    """Return a client of the backend."""
    return Client(reactor, backend.url)


class ScriptTests:
    """Who decides what is answered."""

    @pytest_twisted.ensureDeferred
    async def test_queue(self, backend: ScriptedBackend, client: Client) -> None:
        """Queued answers are given in order, one a request."""
        backend.enqueue(chat_json(text="one"), chat_json(text="two"))
        first = await client.post(PATH, CHAT)
        second = await client.post(PATH, CHAT)
        texts = [one.json["choices"][0]["message"]["content"] for one in (first, second)]
        assert texts == ["one", "two"]

    @pytest_twisted.ensureDeferred
    async def test_script_sees_the_request(self, backend: ScriptedBackend, client: Client) -> None:
        """A script decides by what was asked; the queue goes first."""
        backend.script = lambda received: chat_json(text=received.json["messages"][0]["content"].upper())
        backend.enqueue(chat_json(text="queued"))
        texts = [(await client.post(PATH, CHAT)).json["choices"][0]["message"]["content"] for _ in range(2)]
        assert texts == ["queued", "HI"]

    @pytest_twisted.ensureDeferred
    async def test_unexpected_request(self, client: Client) -> None:
        """A request that the test did not expect is a loud error, not a made-up answer."""
        assert (await client.post(PATH, CHAT)).status == 500

    @pytest_twisted.ensureDeferred
    async def test_records(self, backend: ScriptedBackend, client: Client) -> None:
        """Everything about a request can be looked at afterwards."""
        backend.enqueue(chat_json(text="one"))
        before = time.monotonic()
        await client.post(f"{PATH}?a=b", CHAT, headers={"X-Mine": "1"})
        (received,) = backend.chats
        assert (received.method, received.path) == ("POST", f"/v1{PATH}?a=b")
        assert received.headers["x-mine"] == "1"
        assert received.json == CHAT
        assert before <= received.arrived <= (received.ended or 0) <= time.monotonic()
        assert received.gone is None

    @pytest_twisted.ensureDeferred
    async def test_arrivals(self, backend: ScriptedBackend, client: Client) -> None:
        """A test can wait for a request to arrive, before it is answered."""
        backend.enqueue(Answer(steps=(Stall(),)))
        asked = client.send("POST", PATH, CHAT)
        received = await backend.arrivals.get()
        assert received.ended is None
        asked.addErrback(lambda _: None).cancel()
        await received.when_over()


class StrictTests:
    """What is refused."""

    @pytest_twisted.ensureDeferred
    async def test_invalid(self, backend: ScriptedBackend, client: Client) -> None:
        """An invalid request gets OpenAI's 400 with all reasons, and does not use up a queued answer."""
        backend.enqueue(chat_json(text="one"))
        refused = await client.post(PATH, {**CHAT, "system": "x", "top_k": 1})
        assert refused.status == 400
        assert refused.json["error"]["message"] == "system: unknown key; top_k: unknown key"
        assert backend.chats[0].problems == ("system: unknown key", "top_k: unknown key")
        assert (await client.post(PATH, CHAT)).status == 200

    @pytest_twisted.ensureDeferred
    async def test_not_json(self, client: Client) -> None:
        """A body that is not JSON gets 400."""
        assert (await client.post(PATH, b"{")).status == 400

    @pytest_twisted.ensureDeferred
    async def test_unless_told_otherwise(self, backend: ScriptedBackend, client: Client) -> None:
        """A test can switch the checks off; what is wrong is recorded all the same."""
        backend.strict = False
        backend.enqueue(chat_json(text="one"))
        assert (await client.post(PATH, {**CHAT, "top_k": 1})).status == 200
        assert backend.chats[0].problems == ("top_k: unknown key",)

    @pytest_twisted.ensureDeferred
    async def test_unknown_model(self, client: Client) -> None:
        """A model that is not listed gets OpenAI's 404."""
        refused = await client.post(PATH, {**CHAT, "model": "claude-opus"})
        assert (refused.status, refused.json["error"]["code"]) == (404, "model_not_found")

    @pytest_twisted.ensureDeferred
    async def test_bearer(self, backend: ScriptedBackend, client: Client) -> None:
        """With a key set, every request needs it."""
        backend.api_key = "right"
        for told in (None, "Bearer wrong", "right"):
            assert (await client.get("/models", headers={"authorization": told})).status == 401
        assert (await client.get("/models", headers={"authorization": "Bearer right"})).status == 200

    @pytest_twisted.ensureDeferred
    async def test_models(self, backend: ScriptedBackend, client: Client) -> None:
        """The model list says what the test configured, and each model can be asked for, slashes and all."""
        backend.models, backend.model_keys = ["a/b", "c"], {"pricing": {"prompt": "0"}}
        listed = (await client.get("/models")).json
        assert [one["id"] for one in listed["data"]] == ["a/b", "c"]
        assert [each["pricing"] for each in listed["data"]] == [{"prompt": "0"}] * 2
        assert (await client.get("/models/a/b")).json["id"] == "a/b"
        assert (await client.get("/models/d")).status == 404

    @pytest_twisted.ensureDeferred
    async def test_other_paths(self, client: Client) -> None:
        """Any other path is an OpenAI 404."""
        reply = await client.post("/messages", CHAT)
        assert reply.status == 404
        assert "message" in reply.json["error"]


class StepTests:
    """How an answer is given."""

    @pytest_twisted.ensureDeferred
    async def test_pauses(self, backend: ScriptedBackend, client: Client) -> None:
        """What follows a pause comes that much later."""
        backend.enqueue(Answer(steps=(Send(b"a"), Pause(0.2), Send(b"b"))))
        reading = await client.send("POST", PATH, CHAT)
        await reading.whole()
        assert bytes(reading.raw) == b"ab"
        assert reading.arrivals[1] - reading.arrivals[0] >= 0.15

    @pytest_twisted.ensureDeferred
    async def test_head_alone(self, backend: ScriptedBackend, client: Client) -> None:
        """Sending nothing sends the head, as a backend does that has nothing to say yet."""
        backend.enqueue(Answer(200, (("x-one", "1"),), (Send(b""), Stall())))
        reading = await client.send("POST", PATH, CHAT).addTimeout(5, client._reactor)
        assert reading.headers["x-one"] == "1"
        assert not reading.raw
        reading.leave()

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("reset", [True, False])
    async def test_cut(self, backend: ScriptedBackend, client: Client, reset: bool) -> None:
        """A cut breaks the connection after what was sent before it has arrived."""
        backend.enqueue(Answer(steps=(Send(b"a"), Cut(reset=reset))))
        reading = await client.send("POST", PATH, CHAT)
        await reading.ended()
        assert bytes(reading.raw) == b"a"
        assert not reading.is_complete
        assert backend.chats[0].gone is None

    @pytest_twisted.ensureDeferred
    async def test_gone(self, backend: ScriptedBackend, client: Client) -> None:
        """When the other side leaves before the end, its time is known at once, and the steps stop."""
        backend.enqueue(sse(chat_stream(text="x" * 1000), pause=0.01))
        reading = await client.send("POST", PATH, CHAT)
        await reading.more()
        left = time.monotonic()
        reading.leave()
        (received,) = backend.chats
        await received.when_over()
        assert received.ended is None
        assert 0 <= (received.gone or 0) - left < 0.5
        sent = received.sent
        await deferLater(client._reactor, 0.05)
        assert received.sent == sent

    @pytest_twisted.ensureDeferred
    async def test_back_pressure(self, backend: ScriptedBackend, client: Client) -> None:
        """A client that does not read holds the backend up; when it reads on, everything arrives."""
        size = 48 * 1024 * 1024
        backend.enqueue(Answer(steps=(Repeat(b"x" * 1024, size // 1024),)))
        reading = await client.send("POST", PATH, CHAT)
        reading.pause()
        (received,) = backend.chats
        sent = -1
        while received.sent != sent:
            sent = received.sent
            await deferLater(client._reactor, 0.1)
        assert sent < 16 * 1024 * 1024  # what sockets hold
        reading.resume()
        await reading.whole()
        assert len(reading.raw) == size
        assert received.ended is not None

    @pytest_twisted.ensureDeferred
    async def test_stop_breaks_connections(self, backend: ScriptedBackend, client: Client) -> None:
        """A backend that stops is gone for everybody at once."""
        backend.enqueue(Answer(steps=(Send(b"a"), Stall())))
        reading = await client.send("POST", PATH, CHAT)
        assert backend.connections == 1
        await backend.stop()
        await reading.ended()
        assert not reading.is_complete
        assert backend.connections == 0


class CommandTests:
    """``python -m claude_bridge.testing.backend``."""

    @pytest_twisted.ensureDeferred
    async def test_explains_itself(self, reactor: Any) -> None:
        """The command tells its options."""
        ran = await run_program(reactor, [sys.executable, "-m", module.__name__, "--help"])
        assert ran.code == 0
        assert "--models" in ran.out

    @pytest_twisted.ensureDeferred
    async def test_serves(self, reactor: Any) -> None:
        """Without any model one has a backend that answers, and that says where it listens."""
        watched = Watched()
        command = [sys.executable, "-m", module.__name__, "--port", "0", "--models", "a,b", "--pause", "0"]
        reactor.spawnProcess(watched, command[0], command, env={})
        while not watched.out.endswith(b"\n"):
            assert watched.code is None, watched.err.decode()
            await deferLater(reactor, 0.02)
        url = watched.out.decode().removeprefix("listening on ").strip()
        reply = await Client(reactor, url).post(PATH, {**CHAT, "model": "b"})
        watched.signal("TERM")
        await watched.when_ended()
        assert reply.json["choices"][0]["message"]["content"] == "You said: hi"

    def test_options(self) -> None:
        """The options are read as they are documented."""
        options = module._options(["--port", "0", "--models", "a,b", "--reasoning", "always", "--pause", "0.5"])
        assert (options.port, options.models, options.reasoning, options.pause) == (0, "a,b", "always", 0.5)


class ExportsTests:
    """What is promised to outsiders."""

    def test_names(self) -> None:
        """The names that scripts of others use stay."""
        assert module.__all__ == ["Script", "ScriptedBackend"]

    def test_answer_of_a_plain_function(self, reactor: Any) -> None:
        """A script is any function from a request to an answer; no socket is needed to try one."""

        def script(received: Received) -> Answer:
            return json_answer(200, {"path": received.path})

        scripted = ScriptedBackend(reactor, script)
        got = Received(method="POST", path="/v1/chat/completions", headers={}, body=b"", json=CHAT, arrived=0.0)
        assert scripted.answer(got) == script(got)
