"""The real Claude Code client, set up by `claude-bridge setup` in a home that another router has used, and undone."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.client.chosen_bridge import BridgeOrder, ChosenBridge
from claude_bridge.client.environment import settings
from claude_bridge.client.http_probe import BridgeSeen
from claude_bridge.client.person import Person
from claude_bridge.client.setup_command import Wanted, set_up, take_back
from claude_bridge.config.load import parse
from claude_bridge.testing.backend import ScriptedBackend
from tests.end_to_end.claude_code import ClaudeCode
from tests.end_to_end.conftest import StartDaemon
from tests.end_to_end.daemon import Daemon, Sections, ini
from tests.end_to_end.users import CLIENT, NewUser, new_user, program, says

__all__ = ["new_user", "program"]  # fixtures

pytestmark = CLIENT

SECTIONS: Sections = {
    "model:main": {"context_window": "200000"},
    "model:small": {"context_window": "100000"},
    "route:default": {"models": "main"},
}

ROUTER = """{
  "env": {
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
    "ANTHROPIC_AUTH_TOKEN": "router-key",
    "ANTHROPIC_API_KEY": "sk-ant-api03-of-another-account"
  },
  "includeCoAuthoredBy": false
}
"""

UNSET: dict[str, str | None] = {"ANTHROPIC_BASE_URL": None, "ANTHROPIC_AUTH_TOKEN": None}


def has(user: ClaudeCode, content: str) -> None:
    """Write the user's settings."""
    path = user.home / ".claude" / "settings.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    path.chmod(0o600)  # there will be a key in it


def set_up_for(user: ClaudeCode, daemon: Daemon, *, project: bool = False) -> None:
    """Run `claude-bridge setup` as the user."""
    config = parse(ini("http://127.0.0.1:9/v1", SECTIONS), {}, lambda path: path.encode())
    bridge = ChosenBridge(
        order=BridgeOrder(url=daemon.url),
        config=config,
        settings=settings(config, daemon.url),
        seen=BridgeSeen(answers=True),
        token="my-key",
    )
    report = set_up(bridge, {"HOME": str(user.home)}, user.project, Wanted(project=project), Person(io.StringIO()))
    assert report.error is None
    assert report.warnings == ()


class SetupTests:
    """What the client does after it."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("project", [False, True])
    @pytest.mark.parametrize(
        "exported", [{}, {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_AUTH_TOKEN": "x"}]
    )
    async def test_another_routers_home(
        self,
        backend: ScriptedBackend,
        start_daemon: StartDaemon,
        new_user: NewUser,
        exported: dict[str, Any],
        project: bool,
    ) -> None:
        """It asks the bridge with our key alone, whatever another router has left or the shell exports; then not."""
        backend.models = ["main", "small"]
        daemon = await start_daemon(SECTIONS)
        user = new_user(daemon)
        has(user, ROUTER)
        set_up_for(user, daemon, project=project)
        backend.enqueue(says("Hello."))
        turn = await user.turn("Hello?", environment={**UNSET, **exported})
        assert turn.answer == "Hello."
        assert [chat.json["model"] for chat in backend.chats if chat.json] == ["main"]
        assert backend.chats[0].headers["authorization"] == "Bearer my-key"
        take_back({"HOME": str(user.home)}, user.project, project=project)
        assert (user.home / ".claude" / "settings.json").read_text() == ROUTER
        assert not (user.project / ".claude").exists()

    @pytest_twisted.ensureDeferred
    async def test_model_that_was_saved(
        self, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser
    ) -> None:
        """`/model` saves a model of the bridge's as the user's default, and undo takes it back."""
        backend.models = ["main", "small"]
        daemon = await start_daemon(SECTIONS)
        user = new_user(daemon)
        has(user, '{\n  "model": "opus"\n}\n')
        set_up_for(user, daemon)
        screen = await user.screen("--permission-mode", "acceptEdits", environment=UNSET)
        backend.enqueue(says("Yes."))  # the client tries a model before it takes it
        await screen.enter("/model small@claude-bridge")
        await screen.shown("Set model to")
        assert "Makeautomodeyourdefault" not in screen.text
        await screen.close()
        path = user.home / ".claude" / "settings.json"
        assert json.JSONDecoder().decode(path.read_text())["model"] == "small@claude-bridge"
        take_back({"HOME": str(user.home)}, user.project)
        assert json.JSONDecoder().decode(path.read_text()) == {"model": "opus"}
