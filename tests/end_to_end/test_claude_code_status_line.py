"""The real Claude Code client runs the status line that `launch` and `setup` install."""

from __future__ import annotations

import json
from typing import Any

import pytest_twisted

from claude_bridge.client.status_setting import setting
from claude_bridge.testing.answers import Answer
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.received import Received
from tests.end_to_end.claude_code import ClaudeCode
from tests.end_to_end.conftest import StartDaemon
from tests.end_to_end.daemon import Sections
from tests.end_to_end.test_claude_code_launch import Launching, launching
from tests.end_to_end.users import CLIENT, NewUser, calls, messages, new_user, program, said, says

__all__ = ["launching", "new_user", "program"]  # fixtures

pytestmark = CLIENT

SECTIONS: Sections = {
    "model:glm": {"name": "test-model", "label": "GLM at home", "context_window": "131072"},
    "price:glm": {"input": "1", "cache_read": "0.14", "output": "1"},
    "route:default": {"models": "glm"},
}

USAGE = {
    "prompt_tokens": 40_000, "completion_tokens": 7, "total_tokens": 40_007,
    "prompt_tokens_details": {"cached_tokens": 30_000},
}  # fmt: skip

AUTO = "auto mode"


def has(user: ClaudeCode, settings: dict[str, Any]) -> None:
    """Write the user's settings."""
    (user.home / ".claude").mkdir(exist_ok=True)
    (user.home / ".claude" / "settings.json").write_text(json.dumps(settings))


class StatusLineTests:
    """On the interactive screen."""

    @pytest_twisted.ensureDeferred
    async def test_launch(self, start_daemon: StartDaemon, launching: Launching, backend: ScriptedBackend) -> None:
        """`launch` shows it from the first moment, and after an answer how full the window is."""
        daemon = await start_daemon(SECTIONS)
        user = launching.user("glm", "--url", daemon.url)
        screen = await user.screen(environment=launching.environment)
        try:
            await screen.shown("ctx 0/131k 0%")
            backend.enqueue(says("Hello.", usage=USAGE))
            await screen.enter("hello there")
            await screen.shown("cache 75%")  # what has not changed is not drawn again
            await screen.shown("-> scripted")
            await screen.shown("$0.01")
        finally:
            await screen.close()

    @pytest_twisted.ensureDeferred
    async def test_agents(self, start_daemon: StartDaemon, launching: Launching, backend: ScriptedBackend) -> None:
        """What subagents have cost is told apart."""
        daemon = await start_daemon(SECTIONS)
        user = launching.user("glm", "--url", daemon.url)

        def play(received: Received) -> Answer:
            if "count the sheep" in said(messages(received, "user")[-1]):
                return says("There are 17 sheep.", usage=USAGE)
            if messages(received, "tool"):
                return says("The agent counted.")
            return calls(
                "Agent", description="Count", prompt="count the sheep", subagent_type="general-purpose",
                run_in_background=False,
            )  # fmt: skip

        backend.script = play
        screen = await user.screen(environment=launching.environment)
        try:
            await screen.enter("how many")
            await screen.shown("The agent counted.")
            await screen.shown("(agents $0.01)")
        finally:
            await screen.close()

    @pytest_twisted.ensureDeferred
    async def test_bridge_down(self, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """With settings in which the command stands, a bridge that has gone is said to be down."""
        daemon = await start_daemon(SECTIONS)
        user = new_user(daemon)
        has(user, {"env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}, "statusLine": setting("cli.py")})
        screen = await user.screen(environment={"ANTHROPIC_MODEL": "glm@claude-bridge"}, mode=AUTO)
        try:
            await screen.shown("bridge down")
        finally:
            await screen.close()

    @pytest_twisted.ensureDeferred
    async def test_own(self, start_daemon: StartDaemon, launching: Launching) -> None:
        """The user's own status line stays."""
        daemon = await start_daemon(SECTIONS)
        user = launching.user("glm", "--url", daemon.url)
        has(user, {"statusLine": {"type": "command", "command": "echo this is mine"}})
        screen = await user.screen(environment=launching.environment)
        try:
            await screen.shown("this is mine")
            assert "ctx0" not in screen.text
        finally:
            await screen.close()
