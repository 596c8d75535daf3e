"""From a config.yaml of LiteLLM to answers: import it, start the daemon on the result, and ask by every name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest_twisted

from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import chat_stream, sse
from tests.end_to_end.asking import HI, MESSAGES
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon, check_answer

KEYS = ("invented-key-of-the-first-3f2a", "invented-key-of-the-second-9c1d")
CLIENTS_KEY = "invented-master-key-77aa12"

LITELLM = """# as people write it
x-box: &box
  api_base: %(url)s/
  api_key: os.environ/BOX_KEY
include: prices.yaml
model_list:
  - model_name: claude-sonnet-4-6
    litellm_params: {<<: *box, model: openai/big}
  - model_name: claude-haiku-4-5-20251001
    litellm_params: {model: openai/away, api_base: "http://127.0.0.1:9/v1", api_key: none}
  - {model_name: shared, litellm_params: {<<: *box, model: openai/shared}}
  - {model_name: shared, litellm_params: {<<: *box, model: openai/shared, api_key: %(second)s}}
  - {model_name: "team/*", litellm_params: {<<: *box, model: "openai/*"}}
  - {model_name: "gpt-*", litellm_params: {<<: *box, model: openai/every-gpt}}
router_settings:
  num_retries: 0
  fallbacks: [{claude-haiku-4-5-20251001: [small]}]
  model_group_alias: {other-name: claude-sonnet-4-6}
general_settings:
  master_key: %(clients)s
"""
INCLUDED = """model_list:
  - model_name: small
    litellm_params: {model: openai/small, api_base: %(url)s, api_key: os.environ/BOX_KEY}
    model_info: {input_cost_per_token: 1e-6, output_cost_per_token: 2e-6, max_output_tokens: 50}
"""

ANSWERED = {
    "claude-sonnet-4-6": "big",
    "claude-sonnet-4-6[1m]": "big",
    "claude-haiku-4-5-20251001": "small",
    "small": "small",
    "shared": "shared",
    "other-name": "big",
    "team/anything": "anything",
    "gpt-4o": "every-gpt",
}
"""Name that a client asks for -> the model that has to answer."""


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``claude-bridge``."""
    program = Path(sys.prefix) / "bin" / "claude-bridge"
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, env=environ, timeout=60)


class LiteLlmTests:
    """LiteLLM's proxy."""

    @pytest_twisted.ensureDeferred
    async def test_every_name_reaches_its_model(
        self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any, tmp_path: Path
    ) -> None:
        """The imported file starts, lets in who has the master key, and sends each request where it went before."""
        backend.models = [*ANSWERED.values()]
        backend.script = lambda _received: sse(chat_stream(text="Hello"))
        source, target = tmp_path / "config.yaml", tmp_path / "new.ini"
        words = {"url": backend.url, "clients": CLIENTS_KEY, "second": KEYS[1]}
        source.write_text(LITELLM % words)
        (tmp_path / "prices.yaml").write_text(INCLUDED % words)

        done = command("import", str(source), "-o", str(target))

        assert done.returncode == 0, done.stderr
        assert not any(secret in done.stderr + done.stdout for secret in (CLIENTS_KEY, *KEYS))
        assert target.stat().st_mode & 0o777 == 0o600
        daemon = await start_daemon(
            config=target.read_text(), environment={"HOST_PORT": "127.0.0.1:0", "BOX_KEY": KEYS[0]}
        )
        client = Client(
            reactor, daemon.url, {"x-api-key": CLIENTS_KEY, "anthropic-version": "2023-06-01"}, check_answer
        )
        for name, model in ANSWERED.items():
            reply = await client.post(MESSAGES, {**HI, "model": name})
            assert reply.status == 200, (name, reply.body)
            asked = json.loads(backend.chats[-1].body)
            assert (name, asked["model"], asked["max_tokens"]) == (name, model, 50 if model == "small" else 100)
        stranger = Client(reactor, daemon.url, {"x-api-key": "another-key-entirely"}, check_answer)
        assert (await stranger.post(MESSAGES, HI)).status == 401

    @pytest_twisted.ensureDeferred
    async def test_entries_of_one_name_share_the_requests(
        self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any, tmp_path: Path
    ) -> None:
        """Two entries that differ in their keys become a pool, and both keys are used."""
        backend.models = ["shared"]
        backend.script = lambda _received: sse(chat_stream(text="Hello"))
        source, target = tmp_path / "config.yaml", tmp_path / "new.ini"
        source.write_text(
            LITELLM.replace("include: prices.yaml\n", "")
            % {"url": backend.url, "clients": CLIENTS_KEY, "second": KEYS[1]}
        )
        assert command("import", str(source), "-o", str(target)).returncode == 1
        daemon = await start_daemon(
            config=target.read_text(), environment={"HOST_PORT": "127.0.0.1:0", "BOX_KEY": KEYS[0]}
        )
        client = Client(reactor, daemon.url, {"x-api-key": CLIENTS_KEY}, check_answer)
        for number in range(4):
            conversation = {"role": "user", "content": f"Conversation {number}"}
            assert (await client.post(MESSAGES, {**HI, "model": "shared", "messages": [conversation]})).status == 200
        bearers = {each.headers["authorization"].removeprefix("Bearer ") for each in backend.chats}
        assert bearers == set(KEYS)
