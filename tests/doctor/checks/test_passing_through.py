"""Promises of the checks of a backend to which requests are passed on."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing.messages import message_error
from claude_bridge.testing.received import Received
from tests.doctor.stand_ins import examined, first, messages_served, of, wrong

MESSAGES = "kind = anthropic"
GONE = message_error(404, "not_found_error", "Not Found")
REFUSAL = message_error(401, "authentication_error", "no key")
KEY = "a-key-of-the-owner-1234567890"


def told(findings: Any) -> str:
    """Return all that was said."""
    return "\n".join(f"{each.sentence} | {each.option}" for each in findings)


class MessagesTests:
    """A backend to which requests are passed on."""

    @pytest.mark.parametrize("end", ["", "/v1", "/v1/messages"])
    @pytest_twisted.ensureDeferred
    async def test_good(self, reactor: Any, end: str) -> None:
        """Nothing wrong is said of a good one, and nothing of options that such a backend does not use."""
        async with messages_served(reactor) as server:
            findings = await examined(reactor, server.url + end, MESSAGES, quick=False)
            asked = {(each.method, each.path.partition("?")[0]) for each in server.requests}
        assert wrong(findings) == []
        assert all(not each.option for each in findings)
        for word in ("schema =", "tool_choice =", "images", "pdf =", "max_output_tokens", "recover_tool_calls"):
            assert word not in told(findings)
        assert asked == {("GET", "/v1/models"), ("POST", "/v1/messages"), ("POST", "/v1/messages/count_tokens")}
        assert "what Claude Code sends is accepted as it is, and the model thinks" in told(findings)
        assert of(findings, 6).sentence == "131,072 tokens"

    @pytest_twisted.ensureDeferred
    async def test_wrong_url(self, reactor: Any) -> None:
        """The url to write is one of the kind's own notion."""
        async with messages_served(reactor) as server:
            server.pages["POST", "/anthropic/v1/messages"] = server.pages["GET", "/anthropic/v1/models"] = REFUSAL
            server.pages["GET", "/v1/models"] = server.pages["POST", "/v1/messages"] = GONE
            findings = await examined(reactor, server.url, MESSAGES)
            url = server.url
        assert wrong(findings) == [(2, "fault")]
        assert first(findings).option == f"url = {url}/anthropic"

    @pytest_twisted.ensureDeferred
    async def test_wrong_key(self, reactor: Any) -> None:
        """A refused key is told, and so is one that is missing."""
        async with messages_served(reactor, api_key=KEY, key_header="authorization") as server:
            other = await examined(reactor, server.url, f"{MESSAGES}\napi_key = another-key-0987654321")
            none = await examined(reactor, server.url, MESSAGES, more="[server]\ncredentials = none")
            good = await examined(reactor, server.url, f"{MESSAGES}\napi_key = {KEY}")
        assert wrong(other) == wrong(none) == [(3, "fault")]
        assert "is refused (GET /v1/models: 401, invalid x-api-key)" in first(other).sentence
        assert first(none).option == "api_key = ${BACKEND_API_KEY}"
        assert wrong(good) == []
        assert of(good, 3).sentence == "the key is accepted, and a wrong one is refused"

    @pytest_twisted.ensureDeferred
    async def test_key_in_another_header(self, reactor: Any) -> None:
        """A key that is right and in the wrong header is not called wrong."""
        async with messages_served(reactor, api_key=KEY, key_header="x-api-key") as server:
            findings = await examined(reactor, server.url, f"{MESSAGES}\napi_key = {KEY}")
            cured = await examined(reactor, server.url, f"{MESSAGES}\nheaders = x-api-key: {KEY}")
        assert wrong(findings) == [(3, "fault")]
        assert first(findings).option == "headers = x-api-key: ${BACKEND_API_KEY}"
        assert KEY not in told(findings)
        assert wrong(cured) == []

    @pytest_twisted.ensureDeferred
    async def test_unknown_model(self, reactor: Any) -> None:
        """The nearest name is told, and the server's refusal."""
        async with messages_served(reactor, models=["glm-4.5-air"]) as server:
            findings = await examined(reactor, server.url, MESSAGES, more="[model:x]\nname = glm-4.5")
        assert wrong(findings) == [(4, "warning"), (8, "fault")]
        assert first(findings).option == "name = glm-4.5-air"

    @pytest_twisted.ensureDeferred
    async def test_no_tools(self, reactor: Any) -> None:
        """A server that takes no tools is of no use, and none of them is offered any more."""

        def refuses(received: Received) -> str:
            return "tools: not here" if received.json.get("tools") else ""

        async with messages_served(reactor, refuses=refuses) as server:
            findings = await examined(reactor, server.url, MESSAGES, quick=False)
        assert wrong(findings) == [(9, "fault")]

    @pytest_twisted.ensureDeferred
    async def test_calls_as_text(self, reactor: Any) -> None:
        """Calls in the text are told with the server's own cure, as the bridge has none here."""
        async with messages_served(reactor, tools_as_text=True) as server:
            findings = await examined(reactor, server.url, MESSAGES)
        assert first(findings).number == 9
        assert "in the form of Hermes" in first(findings).sentence
        assert first(findings).option == ""

    @pytest_twisted.ensureDeferred
    async def test_unknown_window(self, reactor: Any) -> None:
        """A window that is not told can be written down, as clients are told it."""
        async with messages_served(reactor, windows=False) as server:
            findings = await examined(reactor, server.url, MESSAGES, quick=False)
        assert wrong(findings) == [(6, "warning")]
        assert "`context_window = TOKENS`" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_signatures(self, reactor: Any) -> None:
        """A server that refuses foreign thinking is told with the line that saves a refused request."""
        async with messages_served(reactor, checks_signatures=True) as server:
            findings = await examined(reactor, server.url, MESSAGES)
            more = "[model:m]\nname = claude-test\nsignatures = checked"
            known = await examined(reactor, server.url, MESSAGES, more=more)
        assert wrong(findings) == wrong(known) == []
        assert "signatures = checked" in [each.option for each in findings]
        assert not any(each.option for each in known)

    @pytest.mark.parametrize(
        ("refused", "part", "remedy"),
        [
            ("output_config", "`output_config`", "Claude Code cannot do without it"),
            ("context_management", "`context_management`", ""),
            ("thinking", "thinking of the type `adaptive`", "CLAUDE_CODE_DISABLE_THINKING=1"),
        ],
    )
    @pytest_twisted.ensureDeferred
    async def test_parts_of_requests(self, reactor: Any, refused: str, part: str, remedy: str) -> None:
        """What is refused of a request as Claude Code makes it is found out, and that alone."""

        def refuses(received: Received) -> str:
            value = received.json.get(refused)
            return f"{refused}: Extra inputs are not permitted" if value and value != {"type": "disabled"} else ""

        async with messages_served(reactor, refuses=refuses) as server:
            findings = await examined(reactor, server.url, MESSAGES)
        assert wrong(findings) == [(12, "warning")]
        assert first(findings).sentence.startswith(f"{part}, which Claude Code sends, is refused: ")
        assert remedy in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_betas(self, reactor: Any) -> None:
        """A server that refuses unknown betas is told with what leaves them out."""

        def refuses(received: Received) -> str:
            return "invalid beta flag" if received.headers.get("anthropic-beta") else ""

        async with messages_served(reactor, refuses=refuses) as server:
            findings = await examined(reactor, server.url, MESSAGES)
        assert wrong(findings) == [(12, "warning")]
        assert "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS=1" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_long_answers(self, reactor: Any) -> None:
        """A limit on answers is not the bridge's to keep here."""

        def refuses(received: Received) -> str:
            asked = received.json["max_tokens"]
            return f"max_tokens: {asked} > 8192, which is the maximum" if asked > 8192 else ""

        async with messages_served(reactor, refuses=refuses) as server:
            findings = await examined(reactor, server.url, MESSAGES)
        assert wrong(findings) == [(13, "warning")]
        assert "CLAUDE_CODE_MAX_OUTPUT_TOKENS" in first(findings).sentence
        assert first(findings).option == ""

    @pytest_twisted.ensureDeferred
    async def test_no_counter(self, reactor: Any) -> None:
        """A server that counts no tokens is a good one."""
        async with messages_served(reactor) as server:
            server.pages["POST", "/v1/messages/count_tokens"] = GONE
            findings = await examined(reactor, server.url, MESSAGES)
        assert wrong(findings) == []
        assert "does not count tokens (/v1/messages/count_tokens answers 404): the bridge estimates" in told(findings)

    @pytest_twisted.ensureDeferred
    async def test_no_usage(self, reactor: Any) -> None:
        """A stream without the size of the prompt leaves the client in the dark."""
        async with messages_served(reactor, counts=lambda _: 0) as server:
            findings = await examined(reactor, server.url, MESSAGES)
        assert wrong(findings) == [(17, "warning")]
        assert first(findings).sentence.startswith("a stream does not report the prompt's tokens")

    @pytest_twisted.ensureDeferred
    async def test_cut_prompts(self, reactor: Any) -> None:
        """A server that cuts prompts is told without options that have no effect here."""
        async with messages_served(reactor, counts=lambda size: min(size // 4, 512)) as server:
            findings = await examined(reactor, server.url, MESSAGES, quick=False)
        assert wrong(findings) == [(16, "fault")]
        assert "silently cuts what is too long for it; give it a larger context" in first(findings).sentence
        assert first(findings).option == ""

    @pytest_twisted.ensureDeferred
    async def test_refused_by_parts(self, reactor: Any) -> None:
        """What is refused of choices, schemas and pictures is told, as the bridge can leave none of it out."""

        def refuses(received: Received) -> str:
            body = received.json
            if body.get("tool_choice", {}).get("type") == "tool":
                return "tool_choice: not supported"
            if "$ref" in str(body.get("tools")):
                return "$ref: not supported"
            return "image: not supported" if "'image'" in str(body["messages"]) else ""

        async with messages_served(reactor, refuses=refuses) as server:
            findings = await examined(reactor, server.url, MESSAGES)
        assert wrong(findings) == [(10, "warning"), (14, "fault"), (15, "warning")]
        assert all(each.option == "" for each in findings)
