"""Promises of the first three checks: connection, path and key."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.doctor.checks.first_checks import REACHING
from claude_bridge.testing.answers import Answer, Send, Stall
from claude_bridge.testing.chat import error, json_answer
from tests.doctor.stand_ins import (
    NO_SUCH_PATH,
    StandIn,
    entry,
    examined,
    first,
    messages_served,
    responses_served,
    served,
    wrong,
)
from tests.services.upstream.loopback import Bench
from tests.services.upstream.test_endpoints import self_signed

MESSAGES = "kind = anthropic"
PAGE = Answer(200, (("content-type", "text/html"),), (Send(b"<!doctype html><title>Open WebUI</title><p>Hello</p>"),))

pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")  # Twisted's own use of it


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ConnectionTests:
    """Whether something is there at all."""

    @pytest_twisted.ensureDeferred
    async def test_good(self, reactor: Any, friendly: StandIn) -> None:
        """Nothing wrong is said of a good backend."""
        assert wrong(await examined(reactor, friendly.url)) == []

    @pytest_twisted.ensureDeferred
    async def test_elsewhere(self, reactor: Any) -> None:
        """A server on another machine is not for its reader to start."""
        findings = await examined(reactor, "http://backend.invalid/v1")
        assert findings[0].sentence.startswith("backend.invalid: ")
        assert findings[0].sentence.endswith(": check that it is up, or correct `url`")

    @pytest_twisted.ensureDeferred
    async def test_down(self, reactor: Any) -> None:
        """A server that is down is named with its port, and nothing else is checked."""
        port = free_port()
        findings = await examined(reactor, f"http://127.0.0.1:{port}/v1")
        assert [(each.number, each.level) for each in findings] == [(1, "fault")]
        assert findings[0].sentence == f"127.0.0.1:{port}: connection refused: start the server, or correct `url`"

    @pytest_twisted.ensureDeferred
    async def test_https_where_http_is_spoken(self, reactor: Any, friendly: StandIn) -> None:
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


class AddressTests:
    """Whether the bridge leaves the backend its address."""

    @pytest_twisted.ensureDeferred
    async def test_same(self, reactor: Any, friendly: StandIn) -> None:
        """A bridge that is to listen where the backend does gets another port to write; all else is looked at too."""
        more = f"[server]\nlisten = tcp:{friendly.port}:interface=127.0.0.1"
        findings = await examined(reactor, friendly.url, more=more)
        assert wrong(findings) == [(1, "fault")]
        assert (first(findings).subject, first(findings).option) == (
            "server",
            f"listen = tcp:{friendly.port + 1}:interface=127.0.0.1",
        )
        assert findings[-1].number == 17

    @pytest_twisted.ensureDeferred
    async def test_bridge_as_its_own_backend(self, reactor: Any) -> None:
        """A bridge that would ask itself is told so, and is asked nothing that it would pass on."""
        page = json_answer(200, {"service": "claude-bridge"})
        async with served(reactor, pages={("GET", "/"): page}) as server:
            more = f"[server]\nlisten = tcp:{server.port}:interface=127.0.0.1"
            findings = await examined(reactor, server.url, more=more)
            assert server.chats == []
        assert wrong(findings) == [(1, "fault"), (2, "fault")]
        assert "is a claude-bridge, not a backend" in findings[-1].sentence

    @pytest_twisted.ensureDeferred
    async def test_only_on_the_command_line(self, reactor: Any, friendly: StandIn) -> None:
        """A backend that no bridge has yet is a good one, wherever a bridge might listen later; a bridge is none."""
        more = f"[server]\nlisten = tcp:{friendly.port}:interface=127.0.0.1"
        findings = await examined(reactor, friendly.url, more=more, by_option=True)
        assert wrong(findings) == []
        assert f"`HOST_PORT={friendly.port + 1}`" in findings[0].sentence
        friendly.pages["GET", "/"] = json_answer(200, {"service": "claude-bridge"})
        findings = await examined(reactor, friendly.url, by_option=True)
        assert wrong(findings) == [(2, "fault")]
        assert findings[-1].sentence.endswith("name the server behind it in --url")


class PathTests:
    """Whether the url is that of the API."""

    @pytest_twisted.ensureDeferred
    async def test_missing_version(self, reactor: Any, friendly: StandIn) -> None:
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
            more = "[model:m]\nname = test-model\ncontext_window = 131072"
            findings = await examined(reactor, server.url, more=more)
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


class KindTests:
    """Whether the server has the API that the configuration says."""

    @pytest.mark.parametrize("end", ["", "/v1"])
    @pytest_twisted.ensureDeferred
    async def test_messages(self, reactor: Any, end: str) -> None:
        """A server with the Messages API alone needs one more line."""
        async with messages_served(reactor) as server:
            findings = await examined(reactor, server.url + end)
        assert wrong(findings) == [(2, "fault")]
        assert "as Anthropic's Messages API does" in first(findings).sentence
        assert (first(findings).subject, first(findings).option) == ("backend:tower", MESSAGES)

    @pytest_twisted.ensureDeferred
    async def test_messages_with_an_open_list(self, reactor: Any) -> None:
        """A list of models says nothing of the API."""
        async with messages_served(reactor) as server:
            server.pages["GET", "/v1/models"] = json_answer(200, {"data": [entry()]})
            server.pages["POST", "/v1/chat/completions"] = NO_SUCH_PATH
            findings = await examined(reactor, f"{server.url}/v1")
        assert wrong(findings) == [(2, "fault")]
        assert first(findings).option == MESSAGES

    @pytest.mark.parametrize("gone", [NO_SUCH_PATH, error(404, {"message": "no POST /v1/messages here"})])
    @pytest_twisted.ensureDeferred
    async def test_chat_completions(self, reactor: Any, gone: Answer) -> None:
        """A server with chat completions alone needs the other kind, and the version in its url."""
        async with served(reactor) as server:
            server.pages["POST", "/v1/messages"] = gone
            findings = await examined(reactor, server.url, MESSAGES)
            url = server.url
        assert wrong(findings) == [(2, "fault"), (2, "fault")]
        assert [each.option for each in findings if each.option] == ["kind = openai", f"url = {url}"]

    @pytest_twisted.ensureDeferred
    async def test_both(self, reactor: Any) -> None:
        """A server that has both APIs is asked in the one that is configured, even if it misses the model first."""
        no_model = error(404, {"message": "model is required"})
        async with served(reactor) as server:
            server.pages["POST", "/v1/messages"] = error(400, {"message": "max_tokens: Field required"})
            good = await examined(reactor, server.url, checks=REACHING)
            server.pages["POST", "/v1/chat/completions"] = no_model
            late = await examined(reactor, server.url, checks=REACHING)
        assert wrong(good) == wrong(late) == []

    @pytest_twisted.ensureDeferred
    async def test_responses(self, reactor: Any) -> None:
        """A server with the Responses API is a good one of its kind, and is told where another kind is configured."""
        more = "[model:m]\nname = test-model\ncontext_window = 131072"
        async with responses_served(reactor) as server:
            good = await examined(reactor, server.url, "kind = responses", more=more, quick=False)
            chat = await examined(reactor, server.url)
        async with served(reactor) as server:
            other = await examined(reactor, server.url, "kind = responses")
        assert wrong(good) == []
        assert [wrong(chat), wrong(other)] == [[(2, "fault")]] * 2
        assert first(chat).option == "kind = responses"
        assert first(other).option == "kind = openai"
