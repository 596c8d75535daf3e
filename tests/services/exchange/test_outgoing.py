"""Promises of what is sent to a backend, and of how its answer is read."""

from __future__ import annotations

from claude_bridge.config.secret import Secret
from claude_bridge.core.chat_completions.target import Target
from claude_bridge.core.messages_api import parsing
from claude_bridge.services.exchange.outgoing import IDLE, IDLE_WITH_TOOLS, reader, upstream_request
from claude_bridge.services.exchange.resolver import Candidate
from claude_bridge.services.interfaces import UpstreamRequest
from claude_bridge.services.keys.credentials import UpstreamCredential
from tests.core.asking import translate
from tests.services.exchange.stage import configured

BODY = (
    b'{"model":"m","max_tokens":9,"stop_sequences":["END"],"messages":[{"role":"user","content":"hi"}],'
    b'"tools":[{"name":"a tool","input_schema":{"type":"object"}}]}'
)
NONE = UpstreamCredential(secret=None, name="none")


def sent(more: str = "", credential: UpstreamCredential = NONE, body: bytes = BODY) -> UpstreamRequest:
    """Address a request to a backend configured with ``more``."""
    backend = configured(f"[backend:box]\nurl = http://box/v1\n{more}").backends["box"]
    choice = Candidate(backend=backend, target=Target(model="m"), shown="m")
    translation = translate(parsing.decode(body), choice.target)
    return upstream_request(choice, translation, credential, "claude-bridge/1")


class UpstreamRequestTests:
    """The request that leaves."""

    def test_address(self) -> None:
        """It goes to the backend's chat completions."""
        assert sent().url == "http://box/v1/chat/completions"

    def test_credential(self) -> None:
        """The chosen credential is the bearer; without one there is no such header."""
        with_key = UpstreamCredential(secret=Secret("k1"), name="client")
        assert ("Authorization", "Bearer k1") in sent(credential=with_key).headers
        assert "Authorization" not in dict(sent().headers)

    def test_configured_headers_replace_ours(self) -> None:
        """A configured header of a name that we use is sent once."""
        headers = sent("headers =\n    user-agent: mine\n    X-Title: home\n").headers
        assert [value for name, value in headers if name.lower() == "user-agent"] == ["mine"]
        assert ("X-Title", "home") in headers

    def test_silence_limits(self) -> None:
        """Tools make long silences plausible; a configured limit goes before both."""
        plain = BODY.replace(b'"tools"', b'"unknown"')
        assert (sent().idle_timeout, sent(body=plain).idle_timeout) == (IDLE_WITH_TOOLS, IDLE)
        assert sent("idle_timeout = 7").idle_timeout == 7


class ReaderTests:
    """The reader for the answer."""

    def test_knows_the_request(self) -> None:
        """Changed names come back as the client wrote them; limits are the configured ones."""
        asked = parsing.decode(BODY)
        target = Target(model="m", context_window=4096)
        translation = translate(asked, target)
        limits = configured("[limits]\nmax_event = 2048\n").limits
        made = reader(asked, target, translation, limits, bytes)
        assert list(made.tool_names.values()) == ["a tool"]
        assert (made.stop_sequences, made.context_window, made.max_event) == (("END",), 4096, 2048)
