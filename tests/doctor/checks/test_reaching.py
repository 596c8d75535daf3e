"""Promises of the first three checks: connection, path and key."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing.answers import Answer, Send, Stall
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import error, json_answer
from claude_bridge.testing.friendly import Friendly
from tests.doctor.stand_ins import NO_SUCH_PATH, entry, examined, first, served, wrong
from tests.services.upstream.loopback import Bench
from tests.services.upstream.test_endpoints import self_signed

KEY = "sk-a-key-of-the-owner-1234567890"
PAGE = Answer(200, (("content-type", "text/html"),), (Send(b"<!doctype html><title>Open WebUI</title><p>Hello</p>"),))

pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")  # Twisted's own use of it


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def friendly(backend: ScriptedBackend) -> ScriptedBackend:
    """Return the scripted backend with good answers."""
    backend.script = Friendly()
    return backend


class ConnectionTests:
    """Whether something is there at all."""

    @pytest_twisted.ensureDeferred
    async def test_good(self, reactor: Any, friendly: ScriptedBackend) -> None:
        """Nothing wrong is said of a good backend."""
        assert wrong(await examined(reactor, friendly.url)) == []

    @pytest_twisted.ensureDeferred
    async def test_down(self, reactor: Any) -> None:
        """A server that is down is named with its port, and nothing else is checked."""
        port = free_port()
        findings = await examined(reactor, f"http://127.0.0.1:{port}/v1")
        assert [(each.number, each.level) for each in findings] == [(1, "fault")]
        assert findings[0].sentence == f"127.0.0.1:{port}: connection refused: start the server, or correct `url`"

    @pytest_twisted.ensureDeferred
    async def test_https_where_http_is_spoken(self, reactor: Any, friendly: ScriptedBackend) -> None:
        """The line to write has the other scheme."""
        findings = await examined(reactor, friendly.url.replace("http:", "https:"))
        assert [each.number for each in findings] == [1]
        assert findings[0].option == f"url = {friendly.url}"
        assert "speaks http, not https" in findings[0].sentence
        assert findings[0].subject == "backend:tower"

    @pytest_twisted.ensureDeferred
    async def test_http_where_https_is_spoken(self, reactor: Any) -> None:
        """The line to write has the other scheme."""
        bench = Bench(reactor)
        _, backend = bench.serve_tls(lambda _conversation, _number: None, self_signed("127.0.0.1").options, "127.0.0.1")
        findings = await examined(reactor, backend.url.replace("https:", "http:"))
        await bench.stop()
        assert [each.number for each in findings] == [1]
        assert findings[0].option == f"url = {backend.url}"
        assert "speaks https, not http" in findings[0].sentence

    @pytest_twisted.ensureDeferred
    async def test_unknown_authority(self, reactor: Any) -> None:
        """A certificate of the house's own authority needs a ca_file."""
        bench = Bench(reactor)
        _, backend = bench.serve_tls(lambda _conversation, _number: None, self_signed("127.0.0.1").options, "127.0.0.1")
        findings = await examined(reactor, backend.url)
        await bench.stop()
        assert wrong(findings) == [(1, "fault")]
        assert "`ca_file = /path/to/ca.pem`" in findings[0].sentence

    @pytest_twisted.ensureDeferred
    async def test_silent(self, reactor: Any) -> None:
        """A server that takes the connection and says nothing is waited for a moment only."""
        async with served(reactor, pages={("GET", "*"): Answer(200, (), (Stall(),))}) as server:
            findings = await examined(reactor, server.url, patience=0.2)
        assert wrong(findings) == [(1, "fault")]
        assert "says nothing" in findings[0].sentence


class PathTests:
    """Whether the url is that of the API."""

    @pytest_twisted.ensureDeferred
    async def test_missing_version(self, reactor: Any, friendly: ScriptedBackend) -> None:
        """Where the list is found elsewhere, that is the url to write."""
        findings = await examined(reactor, friendly.url.removesuffix("/v1"))
        assert wrong(findings) == [(2, "fault")]
        assert first(findings).option == f"url = {friendly.url}"

    @pytest_twisted.ensureDeferred
    async def test_web_page(self, reactor: Any) -> None:
        """A web page is called by its title, and the API beside it is found."""
        models = json_answer(200, {"data": [entry()]})
        pages = {("GET", "/api/models"): models, ("GET", "*"): PAGE, ("POST", "*"): PAGE}
        async with served(reactor, pages=pages) as server:
            findings, base = await examined(reactor, server.url), server.url.removesuffix("/v1")
        assert wrong(findings) == [(2, "fault")]
        assert "a web page (Open WebUI)" in first(findings).sentence
        assert first(findings).option == f"url = {base}/api"

    @pytest_twisted.ensureDeferred
    async def test_nothing_of_the_kind(self, reactor: Any) -> None:
        """Where nothing is found the question is whether it is the right server."""
        async with served(reactor, pages={("GET", "*"): NO_SUCH_PATH, ("POST", "*"): NO_SUCH_PATH}) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(2, "fault")]
        assert "is it the right server?" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_no_list(self, reactor: Any) -> None:
        """A server without a list of models is a good one."""
        async with served(reactor, pages={("GET", "*"): NO_SUCH_PATH}) as server:
            findings = await examined(reactor, server.url, model="test-model")
        assert wrong(findings) == []

    @pytest_twisted.ensureDeferred
    async def test_loading(self, reactor: Any) -> None:
        """A server that loads its model says so."""
        loading = error(503, {"message": "Loading model", "type": "unavailable_error", "code": 503})
        async with served(reactor, pages={("GET", "*"): loading, ("POST", "*"): loading}) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(2, "fault")]
        assert "Loading model" in first(findings).sentence
        assert "does not serve yet" in first(findings).sentence


class KeyTests:
    """Whether the key is taken, and none is ever shown."""

    @pytest_twisted.ensureDeferred
    async def test_accepted(self, reactor: Any, friendly: ScriptedBackend) -> None:
        """A good key is a good one."""
        friendly.api_key = KEY
        findings = await examined(reactor, friendly.url, f"api_key = {KEY}")
        assert wrong(findings) == []
        assert "the key is accepted" in [each.sentence for each in findings]

    @pytest_twisted.ensureDeferred
    async def test_refused(self, reactor: Any, friendly: ScriptedBackend) -> None:
        """A wrong key is refused in the server's words, without the key."""
        friendly.api_key = KEY
        findings = await examined(reactor, friendly.url, "api_key = sk-another-key-0987654321")
        assert wrong(findings) == [(3, "fault")]
        assert "the key of `api_key` is refused" in first(findings).sentence
        assert "another-key" not in str(findings)

    @pytest_twisted.ensureDeferred
    async def test_key_in_the_words(self, reactor: Any) -> None:
        """A server that quotes the key is not quoted with it."""
        refusal = error(401, {"message": f"Incorrect API key provided: {KEY}"})
        async with served(reactor, pages={("GET", "*"): refusal, ("POST", "*"): refusal}) as server:
            findings = await examined(reactor, server.url, f"api_key = {KEY}")
        assert wrong(findings) == [(3, "fault")]
        assert KEY not in str(findings)

    @pytest_twisted.ensureDeferred
    async def test_missing(self, reactor: Any, friendly: ScriptedBackend) -> None:
        """Where clients bring no key, one has to be configured."""
        friendly.api_key = KEY
        findings = await examined(reactor, friendly.url, more="[server]\ncredentials = none")
        assert wrong(findings) == [(3, "fault")]
        assert first(findings).option == "api_key = ${BACKEND_API_KEY}"

    @pytest_twisted.ensureDeferred
    async def test_one_of_several(self, reactor: Any, friendly: ScriptedBackend) -> None:
        """Of several keys the one that is refused is named by its place, as records name it."""
        friendly.api_key = KEY
        findings = await examined(reactor, friendly.url, f"api_key =\n    {KEY}\n    sk-another-key-0987654321")
        assert wrong(findings) == [(3, "warning")]
        assert first(findings).sentence == "key tower/2 is refused (401): the second line of `api_key`"

    @pytest_twisted.ensureDeferred
    async def test_command_without_a_key(self, reactor: Any, friendly: ScriptedBackend) -> None:
        """A command that prints no key is what to look at."""
        friendly.api_key = KEY
        findings = await examined(reactor, friendly.url, "api_key = command:/bin/false")
        assert wrong(findings) == [(3, "fault")]
        assert "has printed none" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_brought_by_clients(self, reactor: Any, friendly: ScriptedBackend) -> None:
        """Where clients bring the key, the doctor needs one to look further, and does with one."""
        friendly.api_key = KEY
        findings = await examined(reactor, friendly.url)
        assert wrong(findings) == [(3, "warning")]
        assert "$ANTHROPIC_AUTH_TOKEN" in first(findings).sentence
        assert wrong(await examined(reactor, friendly.url, client=KEY)) == []

    @pytest_twisted.ensureDeferred
    async def test_chat_alone_is_guarded(self, reactor: Any) -> None:
        """An open list proves nothing about the key."""
        refusal = error(401, {"message": "no"})
        async with served(reactor, pages={("POST", "*"): refusal}) as server:
            findings = await examined(reactor, server.url, f"api_key = {KEY}")
        assert wrong(findings) == [(3, "fault")]
        assert "the list of models is open, chat is not" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_no_credit(self, reactor: Any) -> None:
        """An account without credit is no wrong key."""
        refusal = error(402, {"message": "Insufficient credits"})
        async with served(reactor, pages={("POST", "*"): refusal}) as server:
            findings = await examined(reactor, server.url, f"api_key = {KEY}")
        assert wrong(findings) == [(3, "fault")]
        assert "no credit left" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_not_needed(self, reactor: Any, friendly: ScriptedBackend) -> None:
        """A key that nobody asks for does no harm."""
        findings = await examined(reactor, friendly.url, f"api_key = {KEY}")
        assert wrong(findings) == []
        assert any("seems to ask for none" in each.sentence for each in findings)
