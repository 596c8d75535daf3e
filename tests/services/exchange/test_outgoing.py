"""Promises of what is sent to a backend."""

from __future__ import annotations

from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import NeutralRequest
from claude_bridge.core.chat_completions.backend import ChatTarget
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.services.exchange.outgoing import IDLE, IDLE_WITH_TOOLS, upstream_request
from claude_bridge.services.interfaces import UpstreamRequest
from tests.services.exchange.echo_kind import EchoRequest
from tests.services.exchange.stage import configured

BODY = (
    b'{"model":"m","max_tokens":9,"stop_sequences":["END"],"messages":[{"role":"user","content":"hi"}],'
    b'"tools":[{"name":"a tool","input_schema":{"type":"object"}}]}'
)


def sent(more: str = "", secret: Secret | None = None, body: bytes = BODY) -> UpstreamRequest:
    """Address a request to a backend configured with ``more``."""
    backend = configured(f"[backend:box]\nurl = http://box/v1\n{more}").backends["box"]
    prepared = ChatTarget(model="m").prepare(NeutralRequest(conversation_of(parsing.decode(body))))
    return upstream_request(backend, prepared, secret, "claude-bridge/1")


class UpstreamRequestTests:
    """The request that leaves."""

    def test_address(self) -> None:
        """It goes to the backend's chat completions."""
        assert sent().url == "http://box/v1/chat/completions"

    def test_credential(self) -> None:
        """The chosen credential is the bearer; without one there is no such header."""
        assert ("Authorization", "Bearer k1") in sent(secret=Secret("k1")).headers
        assert "Authorization" not in dict(sent().headers)

    def test_configured_headers_replace_ours(self) -> None:
        """A configured header of a name that we use is sent once."""
        headers = sent("headers =\n    user-agent: mine\n    X-Title: home\n").headers
        assert [value for name, value in headers if name.lower() == "user-agent"] == ["mine"]
        assert ("X-Title", "home") in headers

    def test_clients_user_agent(self) -> None:
        """A client's own name for itself, which some kinds of backends are sent, is not joined by ours."""
        backend = configured("[backend:box]\nurl = http://box/v1\n").backends["box"]
        prepared = EchoRequest(b"hi", headers=(("user-agent", "claude-cli/2"),))
        headers = upstream_request(backend, prepared, None, "claude-bridge/1").headers
        assert headers == (("user-agent", "claude-cli/2"),)

    def test_silence_limits(self) -> None:
        """Tools make long silences plausible; a configured limit goes before both."""
        plain = BODY.replace(b'"tools"', b'"unknown"')
        assert (sent().idle_timeout, sent(body=plain).idle_timeout) == (IDLE_WITH_TOOLS, IDLE)
        assert sent("idle_timeout = 7").idle_timeout == 7
