"""A bridge as a container runs it: ``claude-bridge run`` and nothing but the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest_twisted

from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.friendly import Friendly
from tests.end_to_end.conftest import client_of
from tests.end_to_end.daemon import Daemon

KEY = "the-backends-own-key-1234567890"
HI: dict[str, Any] = {"model": "claude-opus-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}


class EnvironmentAloneTests:
    """Key, model and names come from variables."""

    @pytest_twisted.ensureDeferred
    async def test_all_of_it(self, reactor: Any, backend: ScriptedBackend, tmp_path: Path) -> None:
        """A client that uses the container's name reaches the model with the owner's key; the log is quiet."""
        backend.script, backend.models = Friendly(), ["zai-org/glm-4.5", "other"]
        daemon = Daemon(reactor=reactor, folder=tmp_path)
        await daemon.start_without_file(
            {
                "BACKEND_URL": backend.url,
                "HOST_PORT": "127.0.0.1:0",
                "BACKEND_API_KEY": KEY,
                "MODEL": "zai-org/GLM-4.5",
                "ALLOWED_HOSTS": "claude-bridge,host.docker.internal",
            }
        )
        client = client_of(reactor, daemon)
        for host in ("claude-bridge:8080", "host.docker.internal"):
            reply = await client.ask("POST", "/v1/messages", HI, {"host": host})
            assert reply.status == 200
        assert (await client.ask("POST", "/v1/messages", HI, {"host": "elsewhere"})).status == 403
        assert [one.json["model"] for one in backend.chats] == ["zai-org/glm-4.5"] * 2
        assert {one.headers.get("authorization") for one in backend.requests} == {f"Bearer {KEY}"}
        (started,) = daemon.events("configuration")
        assert started["source"] == "environment with BACKEND_URL, HOST_PORT, BACKEND_API_KEY, MODEL, ALLOWED_HOSTS"
        assert KEY.encode() not in daemon.process.err
        assert [line["event"] for line in daemon.lines if "logger" in line] == []
        await daemon.finish()
