"""From the file of another program to answers: import it, start the daemon on the result, and ask in every way."""

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

KEY = "invented-key-of-the-provider"
CLIENTS_KEY = "invented-key-of-all-clients"

ROUTER = """// as people write it
{
  APIKEY: '%(clients)s',
  "PROXY_URL": "",
  "Providers": [
    {
      "name": "My box",
      "api_base_url": "%(url)s/chat/completions",
      "api_key": "$PROVIDER_KEY",
      "models": ["everyday", "small", "thinker", "long", "seeing", "spare"],
      "transformer": { "use": [["maxtoken", { "max_tokens": 50 }], "enhancetool"] },
    },
    { "name": "gone", "api_base_url": "http://127.0.0.1:9/v1/chat/completions", "api_key": "none", "models": ["away"] },
  ],
  "Router": {
    "default": "My box,everyday",
    "background": "gone,away",
    "think": "My box,thinker",
    "longContext": "My box,long",
    "longContextThreshold": 20000,
    "image": "My box,seeing",
  },
  "fallback": { "background": ["My box,small"] },
}
"""

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
THINKING = {"type": "enabled", "budget_tokens": 1024}

REQUESTS: dict[str, dict[str, Any]] = {
    "everyday": {"model": "claude-sonnet-4-6"},
    "small": {"model": "claude-haiku-4-5-20251001"},
    "thinker": {"model": "claude-opus-4-8", "thinking": THINKING, "max_tokens": 2000},
    "long": {"model": "claude-sonnet-4-6", "messages": [{"role": "user", "content": "one two three " * 12_000}]},
    "seeing": {"model": "claude-sonnet-4-6", "messages": [{"role": "user", "content": [IMAGE]}], "thinking": THINKING}
    | {"max_tokens": 2000},
    "spare": {"model": "My-box,spare"},
}
"""The model that has to answer -> a request of its kind."""


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``claude-bridge``."""
    program = Path(sys.prefix) / "bin" / "claude-bridge"
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, env=environ, timeout=60)


class RouterTests:
    """Claude Code Router."""

    @pytest_twisted.ensureDeferred
    async def test_every_kind_of_request_reaches_its_model(
        self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any, tmp_path: Path
    ) -> None:
        """The imported file starts, lets in who has the old key, and sends each request where it went before."""
        backend.api_key, backend.models = KEY, [*REQUESTS]
        backend.script = lambda _received: sse(chat_stream(text="Hello"))
        source, target = tmp_path / "config.json", tmp_path / "new.ini"
        source.write_text(ROUTER % {"url": backend.url, "clients": CLIENTS_KEY})

        done = command("import", str(source), "-o", str(target))

        assert done.returncode == 0, done.stderr
        assert "PROVIDER_KEY: used by [backend:My-box]" in done.stderr
        assert CLIENTS_KEY not in done.stderr + done.stdout
        text = target.read_text()
        daemon = await start_daemon(config=text, environment={"HOST_PORT": "127.0.0.1:0", "PROVIDER_KEY": KEY})
        client = Client(
            reactor, daemon.url, {"x-api-key": CLIENTS_KEY, "anthropic-version": "2023-06-01"}, check_answer
        )
        for model, request in REQUESTS.items():
            reply = await client.post(MESSAGES, {**HI, **request})
            assert reply.status == 200, reply.body
            asked = json.loads(backend.chats[-1].body)
            assert (asked["model"], asked["max_tokens"]) == (model, 50)
        assert len(backend.chats) == len(REQUESTS)
        stranger = Client(reactor, daemon.url, {"x-api-key": "another-key-entirely"}, check_answer)
        assert (await stranger.post(MESSAGES, HI)).status == 401

    def test_check_config_names_the_command(self, tmp_path: Path) -> None:
        """Whoever gives the old file to the bridge is told which command makes the new one."""
        source = tmp_path / "config.json"
        source.write_text(ROUTER % {"url": "http://127.0.0.1:8000/v1", "clients": CLIENTS_KEY})
        done = command("check-config", str(source))
        assert done.returncode == 78
        told = "this is a Claude Code Router file: `claude-bridge import FILE` makes an INI file from it"
        assert done.stderr.strip() == told
