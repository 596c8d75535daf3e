"""The real Claude Code client, started by `claude-bridge launch`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing.backend import ScriptedBackend
from tests.end_to_end.claude_code import ClaudeCode
from tests.end_to_end.conftest import StartDaemon
from tests.end_to_end.daemon import Sections
from tests.end_to_end.users import CLIENT, program, says

__all__ = ["program"]  # a fixture

pytestmark = CLIENT

SECTIONS: Sections = {
    "model:glm": {"name": "zai/GLM", "label": "GLM at home", "context_window": "131072"},
    "model:small": {"name": "small", "label": "Small one", "context_window": "65536"},
    "route:default": {"models": "glm"},
}

WRAPPER = """#!/bin/sh
exec {python} -m claude_bridge.cli launch {arguments} -- "$@"
"""

OLD = {
    "env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_AUTH_TOKEN": "old", "ANTHROPIC_API_KEY": "sk-old"},
    "model": "old-model",
}
"""What another router has left in the user's settings."""


@pytest.fixture
def launching(reactor: Any, program: Path, tmp_path: Path) -> Launching:
    """Return the means to make users of `claude-bridge launch`."""
    return Launching(reactor, program, tmp_path)


class Launching:
    """Makes users whose client is started by `claude-bridge launch`, in a shell that another router has set up."""

    def __init__(self, reactor: Any, program: Path, folder: Path) -> None:
        self._reactor, self._program, self._folder = reactor, program, folder

    def user(self, *arguments: str) -> ClaudeCode:
        """Make a user who starts the client with these arguments of `launch`."""
        path = self._folder / "bin"
        path.mkdir()
        (path / "claude").symlink_to(self._program)
        wrapper = self._folder / "launch"
        wrapper.write_text(WRAPPER.format(python=sys.executable, arguments=" ".join(arguments)))
        wrapper.chmod(0o755)
        user = ClaudeCode(
            reactor=self._reactor, program=wrapper, folder=self._folder / "user", url="http://127.0.0.1:9"
        )
        (user.home / ".claude").mkdir()
        (user.home / ".claude" / "settings.json").write_text(json.dumps(OLD))
        return user

    @property
    def environment(self) -> dict[str, str | None]:
        """What their shells have besides."""
        return {"PATH": f"{self._folder / 'bin'}:/usr/bin:/bin", "BACKEND_API_KEY": "test-key"}


class LaunchTests:
    """One command."""

    @pytest_twisted.ensureDeferred
    async def test_backend_alone(self, backend: ScriptedBackend, launching: Launching) -> None:
        """A backend's address is enough, whatever another router has left in the user's settings, which stay."""
        backend.models = ["zai/GLM", "small"]
        backend.enqueue(says("Hello."))
        user = launching.user("zai/GLM", "--url", backend.url)
        turn = await user.turn("Hello?", environment=launching.environment)
        assert turn.answer == "Hello."
        assert [chat.json["model"] for chat in backend.chats if chat.json] == ["zai/GLM"]
        assert json.loads((user.home / ".claude" / "settings.json").read_text()) == OLD
        assert list(user.scratch.glob("claude-bridge*")) == []

    @pytest_twisted.ensureDeferred
    async def test_family(self, backend: ScriptedBackend, launching: Launching) -> None:
        """The client's own names lead to the model too."""
        backend.models = ["zai/GLM", "small"]
        backend.enqueue(says("Hello."))
        user = launching.user("zai/GLM", "--url", backend.url)
        turn = await user.turn("Hello?", "--model", "claude-opus-4-1", environment=launching.environment)
        assert turn.answer == "Hello."
        assert [chat.json["model"] for chat in backend.chats if chat.json] == ["zai/GLM"]

    @pytest_twisted.ensureDeferred
    async def test_running_bridge(
        self, backend: ScriptedBackend, start_daemon: StartDaemon, launching: Launching
    ) -> None:
        """A running bridge is taken, with the window that it knows."""
        backend.models = ["zai/GLM", "small"]
        daemon = await start_daemon(SECTIONS)
        backend.enqueue(says("Hello."))
        user = launching.user("small", "--url", daemon.url)
        turn = await user.turn("Hello?", environment=launching.environment)
        assert turn.answer == "Hello."
        assert [chat.json["model"] for chat in backend.chats if chat.json] == ["small"]
        assert turn.result["modelUsage"]["small@claude-bridge"]["contextWindow"] == 65_536

    @pytest_twisted.ensureDeferred
    async def test_picker(self, start_daemon: StartDaemon, launching: Launching) -> None:
        """On the screen /model has our labels and windows, no other row, and nothing is called unknown."""
        daemon = await start_daemon(SECTIONS)
        user = launching.user("glm", "--url", daemon.url)
        screen = await user.screen(environment=launching.environment)
        try:
            await screen.enter("/model")
            for text in ("GLM at home", "131K", "Small one", "65K"):
                await screen.shown(text)
            assert "recognized" not in screen.text
            assert "Opus" not in screen.text
        finally:
            await screen.close()

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize(("own", "mode"), [("default", "manual mode"), ("auto", "accept edits")])
    async def test_auto_mode(
        self, start_daemon: StartDaemon, launching: Launching, backend: ScriptedBackend, own: str, mode: str
    ) -> None:
        """Whatever mode the user's own settings have, auto mode is neither in force nor offered."""
        daemon = await start_daemon(SECTIONS)
        user = launching.user("glm", "--url", daemon.url)
        settings = user.home / ".claude" / "settings.json"
        settings.write_text(json.dumps({**OLD, "permissions": {"defaultMode": own}}))
        screen = await user.screen(environment=launching.environment, mode=mode)
        try:
            backend.enqueue(says("Yes."))  # the client tries a model before it takes it
            await screen.enter("/model small@claude-bridge")
            await screen.shown("Set model to")
            assert "Makeautomodeyourdefault" not in screen.text
        finally:
            await screen.close()
