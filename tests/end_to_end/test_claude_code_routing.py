"""The real Claude Code client, set up by `claude-bridge env`: its requests take the routes that are meant for them."""

from __future__ import annotations

from base64 import b64decode

import pytest
import pytest_twisted

from claude_bridge.client.environment import settings
from claude_bridge.config.load import parse
from claude_bridge.testing.backend import ScriptedBackend
from tests.end_to_end.conftest import StartDaemon
from tests.end_to_end.daemon import Sections, ini
from tests.end_to_end.users import ALLOWED, CLIENT, PICTURE, NewUser, calls, new_user, program, says

__all__ = ["new_user", "program"]  # fixtures

pytestmark = CLIENT

SECTIONS: Sections = {
    "model:main": {"context_window": "200000"},
    "route:default": {"models": "main"},
    "route:cheap": {"models": "scripted/cheap", "match": "*haiku*"},
    "route:images": {"models": "scripted/eyes", "when": "image"},
    "route:agents": {"models": "scripted/agent", "when": "subagent"},
}


MODELS = ["main", "cheap", "eyes", "agent", "other", "tagged"]


def told(url: str) -> dict[str, str | None]:
    """Return the variables that `claude-bridge env` prints, but for the token."""
    config = parse(ini("http://127.0.0.1:9/v1", SECTIONS), {}, lambda path: path.encode())
    return {each.name: each.value for each in settings(config, url) if each.name != "ANTHROPIC_AUTH_TOKEN"}


class RoutingTests:
    """Which model gets which request."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize(
        ("arguments", "model"),
        [
            ((), "main"),
            (("--model", "opus"), "main"),
            (("--model", "haiku"), "cheap"),
            (("--model", "scripted,other"), "other"),
        ],
    )
    async def test_by_name(
        self,
        backend: ScriptedBackend,
        start_daemon: StartDaemon,
        new_user: NewUser,
        arguments: tuple[str, ...],
        model: str,
    ) -> None:
        """`auto` takes the default route, a family the route that goes by it, and a pin its own way."""
        backend.models = MODELS
        user = new_user(await start_daemon(SECTIONS))
        backend.enqueue(says("Hello."))
        turn = await user.turn("Hello?", *arguments, environment=told(user.url))
        assert turn.answer == "Hello."
        assert [chat.json["model"] for chat in backend.chats] == [model]

    @pytest_twisted.ensureDeferred
    async def test_image(self, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """From the first picture on the model that sees is asked."""
        backend.models = MODELS
        user = new_user(await start_daemon(SECTIONS))
        (user.project / "dot.png").write_bytes(b64decode(PICTURE))
        backend.enqueue(calls("Read", file_path=str(user.project / "dot.png")), says("A dot."))
        turn = await user.turn("What is in dot.png?", *ALLOWED, environment=told(user.url))
        assert turn.answer == "A dot."
        assert [chat.json["model"] for chat in backend.chats] == ["main", "eyes"]

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize(
        ("tag", "model"), [("", "agent"), ("<CCR-SUBAGENT-MODEL>scripted,tagged</CCR-SUBAGENT-MODEL>", "tagged")]
    )
    async def test_subagent(
        self, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser, tag: str, model: str
    ) -> None:
        """A subagent takes the route for them, unless its prompt names a model; the tag reaches no model."""
        backend.models = MODELS
        user = new_user(await start_daemon(SECTIONS))
        task = {"description": "Look", "prompt": f"{tag}Look around.", "subagent_type": "general-purpose"}
        backend.enqueue(calls("Agent", **task, run_in_background=False), says("Seen."), says("Done."))
        turn = await user.turn("Have somebody look around", *ALLOWED, environment=told(user.url))
        assert turn.answer == "Done."
        assert [chat.json["model"] for chat in backend.chats] == ["main", model, "main"]
        assert "CCR-SUBAGENT-MODEL" not in backend.chats[1].body.decode()
