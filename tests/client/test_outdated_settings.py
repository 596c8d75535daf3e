"""Promises of the comparison of Claude Code's settings with what `claude-bridge setup` would write now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from claude_bridge.client.environment import settings, variables
from claude_bridge.client.offered_models import configured_limits
from claude_bridge.client.outdated_settings import OutdatedSettings, has_receipt, outdated_settings
from claude_bridge.client.setup import Setup
from claude_bridge.client.undo import undo
from claude_bridge.config.schema import Config
from tests.client.servers import serving
from tests.client.setups import Home, nobody
from tests.config.files import config_of

URL = "http://127.0.0.1:9"
ONE = "[backend:b]\n[model:glm]\nbackend = b\n[route:default]\nmodels = glm\n"
FALLBACK = ONE.replace("models = glm", "models = glm, b/other")
WINDOW = ONE.replace("backend = b\n[r", "backend = b\ncontext_window = 131072\nmax_output_tokens = 8000\n[r")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a user with a project."""
    home = Home(tmp_path / "home")
    home.project.mkdir(parents=True)
    return home


def set_up(home: Home, config: Config, *, project: bool = False, chosen: str | None = None) -> None:
    """Write the settings for a configuration, as `setup` does."""
    found = settings(config, URL, main=chosen)
    where = home.place(project=project)
    Setup(where=where, settings=found, published=(), token="", token_needed=False, chosen=chosen).apply(nobody)


def change(path: Path, **values: str) -> None:
    """Change variables of a settings file, as somebody does by hand."""
    content = json.JSONDecoder().decode(path.read_text())
    content["env"] |= values
    path.write_text(json.dumps(content))


def outdated(home: Home, text: str, **more: Any) -> list[OutdatedSettings]:
    """Return what is outdated after a change to this configuration."""
    arguments = {"url": URL, "limits": configured_limits, "environ": home.environ, "folder": home.project, **more}
    return list(outdated_settings(config_of(text), **arguments))


class OutdatedTests:
    """Settings of an earlier configuration."""

    @pytest.mark.parametrize("text", [ONE, FALLBACK, WINDOW])
    @pytest.mark.parametrize("chosen", [None, "glm", "b/third"])
    def test_same(self, text: str, chosen: str | None, home: Home) -> None:
        """Nothing is said of what `setup` has just written, with a model that was named too."""
        set_up(home, config_of(text), chosen=chosen)
        assert outdated(home, text) == []

    def test_fallback(self, home: Home) -> None:
        """A fallback that was added is out of reach of settings that name one model."""
        set_up(home, config_of(ONE))
        (found,) = outdated(home, FALLBACK)
        assert str(found) == (
            f"{home.settings} comes from an earlier configuration (ANTHROPIC_MODEL is glm, should be auto; "
            "ANTHROPIC_DEFAULT_OPUS_MODEL is glm, should be auto; "
            "ANTHROPIC_DEFAULT_SONNET_MODEL is glm, should be auto; "
            "and 2 more): run `claude-bridge setup` again, and restart Claude Code"
        )

    def test_window(self, home: Home) -> None:
        """A window and a longest answer that are known now are not in the settings yet."""
        set_up(home, config_of(ONE))
        (found,) = outdated(home, WINDOW)
        assert [str(each) for each in found.differences] == [
            "CLAUDE_CODE_MAX_CONTEXT_TOKENS is not set, should be 131072",
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS is not set, should be 8000",
        ]
        set_up(home, config_of(WINDOW))
        (found,) = outdated(home, WINDOW.replace("131072", "65536"))
        differences = [str(each) for each in found.differences]
        assert differences == ["CLAUDE_CODE_MAX_CONTEXT_TOKENS is 131072, should be 65536"]

    def test_learned_window(self, home: Home) -> None:
        """So is one that the bridge has found out, or publishes."""
        set_up(home, config_of(ONE))
        assert outdated(home, ONE, limits=lambda _: (50_000, None))
        listed = {"data": [{"id": "glm@claude-bridge", "max_input_tokens": 40_000}]}
        with serving({"/": {"service": "claude-bridge"}, "/v1/models": listed}) as url:
            change(home.settings, ANTHROPIC_BASE_URL=url)
            (found,) = outdated(home, ONE, url=url)
        assert [each.wanted for each in found.differences] == ["40000"]

    def test_command(self, home: Home) -> None:
        """The command has the file, the project and the model that were named; a model that is gone is not named."""
        set_up(home, config_of(ONE), project=True, chosen="glm")
        (found,) = outdated(home, WINDOW, file="/etc/c.ini")
        assert found.file == home.place(project=True).settings
        assert found.command == "claude-bridge setup --project glm --config /etc/c.ini"
        (found,) = outdated(home, ONE.replace("glm", "new"))
        assert found.command == "claude-bridge setup --project"

    def test_pasted(self, home: Home) -> None:
        """Settings that were pasted are compared too."""
        home.has(json.dumps({"env": variables(settings(config_of(ONE), f"{URL}/"))}))
        assert outdated(home, ONE) == []
        assert [each.command for each in outdated(home, FALLBACK)] == ["claude-bridge setup"]
        change(home.settings, ANTHROPIC_MODEL="glm")  # as people write it by hand
        assert outdated(home, ONE) == []


class OwnTests:
    """What is somebody's own."""

    def test_changed_since(self, home: Home) -> None:
        """What was written by hand after `setup` is not outdated, whether it stood there before or not."""
        set_up(home, config_of(ONE))
        change(home.settings, ANTHROPIC_MODEL="mine", CLAUDE_CODE_MAX_CONTEXT_TOKENS="50000")
        assert [each.name for found in outdated(home, WINDOW) for each in found.differences] == [
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS"
        ]

    @pytest.mark.parametrize("content", ["", "{}", "[]", '{"env": 1}', "{", '{"env": {"ANTHROPIC_BASE_URL": 1}}'])
    def test_no_settings(self, content: str, home: Home) -> None:
        """Files without the address, or that cannot be read, are not spoken of."""
        home.has(content)
        assert outdated(home, FALLBACK) == []

    def test_elsewhere(self, home: Home) -> None:
        """Settings that lead to another bridge are none of this one's."""
        set_up(home, config_of(ONE))
        assert outdated(home, FALLBACK, url="http://127.0.0.1:8") == []


class ReceiptTests:
    """Whether `setup` was run."""

    def test_there(self, home: Home) -> None:
        """It was, from the first `setup` to `undo`."""
        for project in (False, True):
            assert not has_receipt(home.environ, home.project)
            set_up(home, config_of(ONE), project=project)
            assert has_receipt(home.environ, home.project)
            undo(home.place(project=project))
        assert not has_receipt(home.environ, home.project)

    def test_damaged(self, home: Home) -> None:
        """A receipt that nobody can read is none, and neither is anything without a home."""
        set_up(home, config_of(ONE))
        home.place().receipt.write_text("{")
        assert not has_receipt(home.environ, home.project)
        assert not has_receipt({}, home.project)
