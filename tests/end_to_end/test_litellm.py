"""A LiteLLM proxy as the backend: what many a team has already, in front of models of all kinds.

Left out of ``.ci/run``, since it takes 742 MB: ``pytest -m litellm`` runs it.
"""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.behaviours import BEHAVIOURS
from claude_bridge.testing.chat import chat_stream, sse
from tests.end_to_end.asking import ALL_SAID, ANSWER, BLOCKS, CALLS, FULL, MESSAGES, said
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon, check_answer
from tests.end_to_end.daemon import ini
from tests.end_to_end.peers import Peer, start_peer
from tests.end_to_end.sse import names, text_of
from tests.environments import LITELLM, built

pytestmark = [pytest.mark.litellm, pytest.mark.timeout(300)]

KEY = "sk-test-key"

CONFIG = """
model_list:
  - model_name: test-model
    litellm_params: {{model: openai/test-model, api_key: none, api_base: "{url}"}}
  - model_name: limited
    litellm_params: {{model: openai/limited, api_key: none, mock_response: litellm.RateLimitError}}
  - model_name: window
    litellm_params: {{model: openai/window, api_key: none, mock_response: litellm.ContextWindowExceededError}}
  - model_name: broken
    litellm_params: {{model: openai/broken, api_key: none, mock_response: litellm.InternalServerError}}
litellm_settings: {{num_retries: 0}}
router_settings: {{num_retries: 0}}
general_settings: {{master_key: {key}}}
"""


def free_port() -> int:
    """Find a port that is free now; LiteLLM cannot say which one it took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest_twisted.async_yield_fixture()
async def proxy(reactor: Any, backend: ScriptedBackend, tmp_path: Path) -> AsyncIterator[Peer]:
    """Yield a proxy in front of the scripted backend."""
    (tmp_path / "litellm.yaml").write_text(CONFIG.format(url=backend.url, key=KEY))
    program = str(built(LITELLM).folder / "bin" / "litellm")
    options = ["--config", "litellm.yaml", "--host", "127.0.0.1", "--port", str(free_port()), "--telemetry", "False"]
    # without the variable it would ask the network for prices
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    peer = await start_peer(reactor, [program, *options], environ, rb"Uvicorn running on (http://\S+)", tmp_path)
    yield peer
    await peer.stop(reactor)


@pytest.fixture
def reach(reactor: Any, start_daemon: StartDaemon, proxy: Peer) -> Callable[[], Awaitable[Client]]:
    """Return the means to start a bridge in front of the proxy, as a client of which the proxy's key is sent."""

    async def start() -> Client:
        daemon = await start_daemon(config=ini(f"{proxy.url}/v1"))
        return Client(reactor, daemon.url, {"x-api-key": KEY, "anthropic-version": "2023-06-01"}, check_answer)

    return start


class ProxyTests:
    """Two translators in a row."""

    @pytest_twisted.ensureDeferred
    async def test_answers(self, reach: Callable[[], Awaitable[Client]], backend: ScriptedBackend) -> None:
        """Thinking, text and two calls at once arrive whole through both, and their results go back."""
        client = await reach()
        backend.enqueue(sse(ANSWER), sse(ANSWER))
        streamed = await client.post(MESSAGES, FULL)
        assert names(streamed.events)[-2:] == ["message_delta", "message_stop"]
        assert said(streamed.events) == ALL_SAID
        whole = (await client.post(MESSAGES, {**FULL, "stream": False})).json["content"]
        assert [{**block, "id": ""} if "id" in block else block for block in whole] == list(BLOCKS)

        calls = [block for block in whole if block["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": call["id"], "content": "something"} for call in calls]
        turns = [{"role": "assistant", "content": whole}, {"role": "user", "content": results}]
        backend.enqueue(sse(chat_stream(text="They are the same.")))
        answered = await client.post(MESSAGES, {**FULL, "messages": [*FULL["messages"], *turns]})
        assert text_of(answered.events) == "They are the same."
        _, assistant, *told = backend.chats[-1].json["messages"]
        assert [call["id"] for call in assistant["tool_calls"]] == [call.id for call in CALLS]
        assert [(one["role"], one["tool_call_id"]) for one in told] == [("tool", call.id) for call in CALLS]
        assert all(chat.problems == () for chat in backend.chats)

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
    async def test_errors(self, reach: Callable[[], Awaitable[Client]], backend: ScriptedBackend, stream: bool) -> None:
        """Errors of the proxy and of what is behind it have their own status, and an overflow the canonical text."""
        client = await reach()
        body = {**FULL, "stream": stream}
        limited = await client.post(MESSAGES, {**body, "model": "limited"})
        assert (limited.status, limited.json["error"]["type"]) == (429, "rate_limit_error")
        assert int(limited.headers["retry-after"]) > 0
        broken = await client.post(MESSAGES, {**body, "model": "broken"})
        assert (broken.status, broken.json["error"]["type"]) == (502, "api_error")
        absent = await client.post(MESSAGES, {**body, "model": "absent"})
        assert (absent.status, absent.json["error"]["type"]) == (404, "not_found_error")

        backend.enqueue(BEHAVIOURS["too long"])
        for model in ("test-model", "window"):  # with the backend's own numbers, and with none
            long = await client.post(MESSAGES, {**body, "model": model})
            assert (long.status, long.json["error"]["type"]) == (400, "invalid_request_error")
            found = re.fullmatch(r"prompt is too long: (\d+) tokens > (\d+) maximum", long.json["error"]["message"])
            assert found
            assert int(found[1]) > int(found[2])
