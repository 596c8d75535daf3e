"""Who may come in with which key, and which key goes where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import chunk, error, events, sse
from claude_bridge.testing.friendly import Friendly
from tests.end_to_end.asking import ONE_ATTEMPT
from tests.end_to_end.client import Client, Reply
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Daemon
from tests.end_to_end.raw import connect
from tests.end_to_end.shared import backend, daemon, running

__all__ = ["backend", "daemon", "running"]  # fixtures

HI: dict[str, Any] = {"model": "test-model", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
STREAMED = {**HI, "stream": True}

OWN = "the-backends-own-key-1234567890"
MINE = "a-clients-own-key-0987654321"
OTHER = "another-key-1111111111111"
ANTHROPIC = "sk-ant-api03-0123456789abcdefghijklmnop"

Headers = Mapping[str, str | None]
NO_KEY: Headers = {"x-api-key": None}


def both(bearer: str | None, key: str | None) -> Headers:
    """Make the headers of a client with these keys, or with none."""
    return {"authorization": None if bearer is None else f"Bearer {bearer}", "x-api-key": key}


@pytest.fixture(autouse=True)
def friendly(backend: ScriptedBackend) -> ScriptedBackend:
    """Let the backend answer whatever gets through."""
    backend.script = Friendly()
    return backend


def sent(backend: ScriptedBackend) -> list[str | None]:
    """Return the credential of every request that the backend got."""
    return [one.headers.get("authorization") for one in backend.requests]


def assert_hidden(daemon: Daemon, *secrets: str) -> None:
    """Check that the daemon wrote none of these."""
    for secret in secrets:
        assert secret.encode() not in daemon.process.err


def assert_refused(reply: Reply) -> str:
    """Check that it is a 401 that no client repeats, and return its message."""
    assert (reply.status, reply.json["error"]["type"]) == (401, "authentication_error")
    assert reply.headers["x-should-retry"] == "false"
    message: str = reply.json["error"]["message"]
    return message


class ForwardTests:
    """``credentials = forward``: the client's key goes to the backend."""

    @pytest_twisted.ensureDeferred
    async def test_forwarded(self, client: Client, backend: ScriptedBackend) -> None:
        """Either header's key is sent as the bearer; where both are there and disagree, the bearer is."""
        for headers in (both(MINE, None), both(None, MINE), both(MINE, OTHER), {"authorization": f"bearer {MINE}"}):
            assert (await client.post("/v1/messages", HI, headers=headers)).status == 200
        assert set(sent(backend)) == {f"Bearer {MINE}"}
        assert all("x-api-key" not in one.headers for one in backend.requests)

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("body", [HI, STREAMED])
    async def test_anthropic_key(
        self, client: Client, daemon: Daemon, backend: ScriptedBackend, body: dict[str, Any]
    ) -> None:
        """A key of Anthropic's is refused in either header, with words that help; it never leaves."""
        for headers in (
            both(ANTHROPIC, None),
            both(None, ANTHROPIC),
            both(ANTHROPIC, ANTHROPIC),
            both(ANTHROPIC, OTHER),
        ):
            message = assert_refused(await client.post("/v1/messages", body, headers=headers))
            assert "ANTHROPIC_AUTH_TOKEN" in message
            assert ANTHROPIC not in message
            assert (await client.get("/v1/models", headers=headers)).status == 200
        assert backend.chats == []
        assert not any(ANTHROPIC in str(one.headers) for one in backend.requests)
        assert_hidden(daemon, ANTHROPIC)

    @pytest_twisted.ensureDeferred
    async def test_beside_a_good_key(self, client: Client, backend: ScriptedBackend) -> None:
        """A key of Anthropic's beside a bearer that wins does no harm, and stays here."""
        assert (await client.post("/v1/messages", HI, headers=both(MINE, ANTHROPIC))).status == 200
        assert not any(ANTHROPIC in str(one.headers) for one in backend.requests)

    @pytest_twisted.ensureDeferred
    async def test_no_key(self, client: Client, backend: ScriptedBackend) -> None:
        """No key at all is a 401 that says what to set; so are empty ones and other schemes."""
        for headers in (NO_KEY, both("", ""), both(None, " "), {**NO_KEY, "authorization": "Basic abc"}):
            assert "ANTHROPIC_AUTH_TOKEN" in assert_refused(await client.post("/v1/messages", HI, headers=headers))
        assert backend.chats == []

    @pytest_twisted.ensureDeferred
    async def test_refused_upstream(self, client: Client, backend: ScriptedBackend) -> None:
        """A client's key that the backend refuses is the client's to change: 401."""
        backend.api_key = OTHER
        for body in (HI, STREAMED):
            assert_refused(await client.post("/v1/messages", body))


class BackendKeyTests:
    """A backend with a key of its own."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("policy", ["forward", "none", "keys"])
    async def test_replaced(
        self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any, policy: str
    ) -> None:
        """Only the backend's own key is ever sent to it, whatever the client sends, Anthropic's key among them."""
        sections = {"server": {"credentials": policy}, "backend:scripted": {"api_key": "${OWN}"}}
        if policy == "keys":
            sections["key:me"] = {"secret": "${MINE}"}
        backend.api_key = OWN
        daemon = await start_daemon(sections, environment={"OWN": OWN, "MINE": MINE})
        client = client_of(reactor, daemon)
        headers = [both(MINE, None), both(None, MINE), both(MINE, OTHER), both(MINE, ANTHROPIC)]
        if policy != "keys":
            headers += [NO_KEY, both(ANTHROPIC, None), both(None, ANTHROPIC)]
        for one in headers:
            assert (await client.post("/v1/messages", HI, headers=one)).status == 200
            assert (await client.get("/v1/models", headers=one)).status == 200
        assert set(sent(backend)) == {f"Bearer {OWN}"}
        for secret in (MINE, OTHER, ANTHROPIC):
            assert not any(secret in str(one.headers) or secret.encode() in one.body for one in backend.requests)
        assert_hidden(daemon, OWN, MINE, OTHER, ANTHROPIC)

    @pytest_twisted.ensureDeferred
    async def test_refused_upstream(self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any) -> None:
        """The bridge's own key being refused is no fault of the client's: 502, not to be repeated, with the name."""
        backend.api_key = OTHER
        client = client_of(reactor, await start_daemon({"backend:scripted": {"api_key": OWN}}))
        for body in (HI, STREAMED):
            reply = await client.post("/v1/messages", body)
            assert (reply.status, reply.headers["x-should-retry"]) == (502, "false")
            assert "scripted" in reply.json["error"]["message"]
            assert OWN not in str(reply)


class EchoTests:
    """A backend that repeats the key in what it says."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("own", [False, True])
    async def test_never_shown(
        self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any, own: bool
    ) -> None:
        """Neither the client's key nor the backend's comes back in an error, and neither is logged."""
        sections = {"log": {"level": "debug"}, "backend:scripted": {"api_key": OWN} if own else {}, **ONE_ATTEMPT}
        daemon = await start_daemon(sections)
        client = client_of(reactor, daemon)
        secret = OWN if own else MINE
        said = f"Incorrect API key provided: {secret}. You sent 'Bearer {secret}'; {secret!r}"
        failure = {"error": {"message": said, "code": 500, "type": "server_error", "param": secret}}
        begun = chunk({"role": "assistant", "content": "Hi"})
        backend.enqueue(
            *(error(status, {"message": said}) for status in (400, 404, 422, 500, 503)),
            error(500, f"<html><body>{said}</body></html>"),
            error(500, said),
            sse(events([failure], done=False)),
            sse(events([begun, failure], done=False)),
            sse((b"data: {" + said.encode() + b"}\n\n",)),
            *(error(status, {"message": said}) for status in (429, 403, 401)),  # last, as they are about the key
        )
        for _ in range(13):
            reply = await client.post("/v1/messages", STREAMED, headers=both(secret if not own else MINE, None))
            assert reply.status >= 400 or reply.events[-1].name == "error"
            assert secret not in str(reply)
        assert_hidden(daemon, OWN, MINE)
        await daemon.wait_for("request", count=13)

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("own", [False, True])
    async def test_spelled_otherwise(
        self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any, own: bool
    ) -> None:
        """A backend that spells the key in another way fares no better; its other words are kept, in the log too."""
        daemon = await start_daemon({"backend:scripted": {"api_key": OWN} if own else {}})
        client = client_of(reactor, daemon)
        secret = OWN if own else MINE
        spellings = (
            secret.upper(),
            "".join(f"&#{ord(each)};" for each in secret),
            "".join(f"\\u{ord(each):04x}" for each in secret),
            "".join(f"%{ord(each):02X}" for each in secret),
        )
        backend.enqueue(*(error(400, {"message": f"not with {each}, I am sorry"}) for each in spellings))
        for number, spelled in enumerate(spellings, start=1):
            reply = await client.post("/v1/messages", STREAMED, headers=both(MINE, None))
            said = reply.json["error"]["message"]
            assert said == "upstream rejected the request: not with ***, I am sorry"
            line = await daemon.wait_for("request", count=number)
            assert (line["reason"], line["level"]) == (said, "warn")
            assert_hidden(daemon, secret, spelled)

    @pytest_twisted.ensureDeferred
    async def test_a_placeholder(self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any) -> None:
        """A made-up key takes no word out of an answer or out of the log, and the start says what it looks like."""
        sections = {"backend:scripted": {"api_key": "ollama", "headers": "X-Title: not found"}}
        daemon = await start_daemon(sections)
        (warning,) = (line for line in daemon.events("config-warning") if "others can read" not in line["message"])
        assert "[backend:scripted] api_key: looks like a placeholder" in warning["message"]
        backend.enqueue(error(400, {"message": "ollama has not found the backend"}))
        reply = await client_of(reactor, daemon).post("/v1/messages", STREAMED)
        assert reply.json["error"]["message"].endswith("ollama has not found the backend")
        line = await daemon.wait_for("request")
        assert line["reason"].endswith("ollama has not found the backend")


class KeysTests:
    """``credentials = keys``: clients need one of the bridge's own."""

    @pytest_twisted.ensureDeferred
    async def test_known_keys(self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any) -> None:
        """A known key in either header lets in, and the log names its owner, never the key."""
        daemon = await self._start(start_daemon)
        client = client_of(reactor, daemon)
        good = [both(MINE, None), both(None, MINE), both(OTHER, None), both(MINE, "wrong"), both("wrong", MINE)]
        for headers in good:
            assert (await client.post("/v1/messages", HI, headers=headers)).status == 200
        told = [line["client"] for line in daemon.events("request")]
        assert told == ["anna", "anna", "ben", "anna", "anna"]
        assert_hidden(daemon, MINE, OTHER)
        assert set(sent(backend)) == {None}

    @pytest_twisted.ensureDeferred
    async def test_unknown_keys(self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any) -> None:
        """No key, a wrong one, a part of one and one with something added are refused on every path."""
        client = client_of(reactor, await self._start(start_daemon))
        wrong = [NO_KEY, both("wrong", None), both(None, MINE[:-1]), both(MINE + "x", None), both(MINE.upper(), "")]
        for headers in wrong:
            assert_refused(await client.post("/v1/messages", HI, headers=headers))
            assert_refused(await client.post("/v1/messages/count_tokens", HI, headers=headers))
            assert_refused(await client.get("/v1/models", headers=headers))
        assert backend.requests == []
        for path in ("/", "/health", "/health/live", "/api/hello"):
            assert (await client.get(path, headers=NO_KEY)).status == 200

    @pytest_twisted.ensureDeferred
    async def test_other_spellings(self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any) -> None:
        """No other spelling of a path opens it without a key."""
        daemon = await self._start(start_daemon)
        paths = (
            "//v1/models", "/v1//models", "/%761/models", "/%76%31/models", "/v1%2Fmodels", "/./v1/models",
            "/x/../v1/models", "/V1/models", "http://localhost/v1/models", "/%2Fv1/models", "/;/v1/models",
        )  # fmt: skip
        for path in paths:
            connection = await connect(reactor, daemon.port)
            connection.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            reply = await connection.reply()
            assert (path, reply.status) == (path, 401)
            await connection.closed()
        assert backend.requests == []

    async def _start(self, start_daemon: StartDaemon) -> Daemon:
        sections = {
            "server": {"credentials": "keys"},
            "key:anna": {"secret": "${ANNA}"},
            "key:ben": {"secret": "${BEN}"},
        }
        return await start_daemon(sections, environment={"ANNA": MINE, "BEN": OTHER})
