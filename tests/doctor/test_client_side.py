"""Promises of the checks of the client's side."""

from __future__ import annotations

from typing import Any

from claude_bridge.doctor.client_files import SHELL, Source
from claude_bridge.doctor.client_side import Client, findings

BRIDGE = "http://127.0.0.1:8080"
FILE = "~/.claude/settings.json"


def told(file: dict[str, str], shell: dict[str, str] | None = None, **more: Any) -> list[tuple[str, str]]:
    """Return level and sentence of each finding."""
    places = [Source(place=FILE, variables=file), Source(place=SHELL, variables=shell or {})]
    installed = {"program": "claude", "version": "2.1.330"}
    client = Client(**{**installed, "sources": places, "bridge": BRIDGE, "alive": True, **more})
    return [(each.level, each.sentence) for each in findings(client)]


def wrong(file: dict[str, str], shell: dict[str, str] | None = None, **more: Any) -> list[str]:
    """Return the sentences of what is not well."""
    return [sentence for level, sentence in told(file, shell, **more) if level != "ok"]


class ProgramTests:
    """Whether there is a client."""

    def test_not_installed(self) -> None:
        """Without a client there is a limit, with how to get it."""
        (sentence,) = wrong({}, program="", version="")
        assert sentence == "Claude Code is not installed here: npm install -g @anthropic-ai/claude-code"

    def test_broken(self) -> None:
        """A client that does not run is named by its path."""
        (sentence,) = wrong({}, program="/opt/claude", version="")
        assert sentence.startswith("`/opt/claude --version` fails")


class AddressTests:
    """Where the client goes."""

    def test_good(self) -> None:
        """Nothing wrong is said of settings that lead here, whatever the machine is called, and of none."""
        assert wrong({"ANTHROPIC_BASE_URL": "http://localhost:8080/"}) == []
        assert wrong({}, {"ANTHROPIC_BASE_URL": BRIDGE}) == []
        assert wrong({}) == []
        assert wrong({}, alive=False) == []

    def test_another_router(self) -> None:
        """A file that leads elsewhere is named, with whose address it is, and that it wins."""
        (sentence,) = wrong({"ANTHROPIC_BASE_URL": "http://127.0.0.1:3456"}, {"ANTHROPIC_BASE_URL": BRIDGE})
        assert sentence.startswith(f"{FILE} sets ANTHROPIC_BASE_URL=http://127.0.0.1:3456 (Claude Code Router)")
        assert "it wins over exported variables; run claude-bridge setup, or remove it there, or start" in sentence

    def test_version_in_the_address(self) -> None:
        """The client adds /v1 itself."""
        (sentence,) = wrong({}, {"ANTHROPIC_BASE_URL": f"{BRIDGE}/v1"})
        assert "remove /v1" in sentence

    def test_no_bridge(self) -> None:
        """A client that is sent to a bridge that does not run will wait in vain."""
        (sentence,) = wrong({"ANTHROPIC_BASE_URL": BRIDGE}, alive=False)
        assert sentence.startswith(f"no bridge answers at {BRIDGE}")

    def test_login_in_the_address(self) -> None:
        """A password in an address is not shown."""
        (sentence,) = wrong({"ANTHROPIC_BASE_URL": "http://me:secret-word@other:1/x?key=secret-word"})
        assert "secret-word" not in sentence

    def test_unreadable_file(self) -> None:
        """A file that nobody can read is named."""
        places = [Source(place=FILE, variables={}, unreadable="it is not JSON")]
        found = list(findings(Client(program="claude", version="1", sources=places, bridge=None)))
        (sentence,) = [each.sentence for each in found if each.level == "warning"]
        assert sentence.startswith(f"{FILE}: it is not JSON")


class RivalTests:
    """What stands in the way."""

    def test_key(self) -> None:
        """A key of Anthropic's is named by its place, never shown; an empty one does no harm."""
        secret = "sk-ant-api03-abcdefghijkl"
        (sentence,) = wrong({"ANTHROPIC_API_KEY": secret, "ANTHROPIC_BASE_URL": BRIDGE})
        assert sentence.startswith(f"{FILE} sets ANTHROPIC_API_KEY")
        assert secret not in sentence
        assert wrong({"ANTHROPIC_API_KEY": "", "ANTHROPIC_BASE_URL": BRIDGE}) == []

    def test_other_clouds(self) -> None:
        """With Bedrock or Vertex the client never asks a bridge."""
        (sentence,) = wrong({}, {"CLAUDE_CODE_USE_BEDROCK": "1"})
        assert "CLAUDE_CODE_USE_BEDROCK" in sentence
        assert wrong({}, {"CLAUDE_CODE_USE_BEDROCK": "0"}) == []

    def test_proxy(self) -> None:
        """A proxy gets what is for the bridge, unless the bridge is exempt."""
        proxy = {"HTTPS_PROXY": "http://proxy:3128", "ANTHROPIC_BASE_URL": BRIDGE}
        (sentence,) = wrong({}, proxy)
        assert "NO_PROXY=127.0.0.1" in sentence
        assert wrong({}, {**proxy, "NO_PROXY": "localhost,127.0.0.1"}) == []
        assert wrong({}, {**proxy, "no_proxy": "*"}) == []


class WindowTests:
    """The window that the client is told."""

    def test_too_large(self) -> None:
        """A client that believes in more than there is compacts too late."""
        (sentence,) = wrong({"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "200000"}, window=65_536)
        assert "set CLAUDE_CODE_MAX_CONTEXT_TOKENS=65536" in sentence

    def test_right(self) -> None:
        """The same number in both places is right; a much smaller one wastes room."""
        assert wrong({"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "65536"}, window=65_536) == []
        small = told({"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "8000"}, window=65_536)
        assert any("uses all" in sentence for level, sentence in small if level == "ok")


class OutdatedTests:
    """Settings of an earlier configuration."""

    def test_told(self) -> None:
        """Each is a warning, as whoever has compared them words it."""
        assert wrong({"ANTHROPIC_BASE_URL": BRIDGE}, outdated=["a.json is old", "b.json is old"]) == [
            "a.json is old",
            "b.json is old",
        ]

    def test_one_cure(self) -> None:
        """A window that `setup` would put right is not to be put right by hand as well."""
        window = {"ANTHROPIC_BASE_URL": BRIDGE, "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "65536"}
        assert len(wrong(window, window=60_000)) == 1
        outdated = ["a.json is old (CLAUDE_CODE_MAX_CONTEXT_TOKENS is 65536)"]
        assert wrong(window, window=60_000, outdated=outdated) == outdated
        assert len(wrong(window, window=60_000, outdated=["a.json is old (ANTHROPIC_MODEL is a)"])) == 2
