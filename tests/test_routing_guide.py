"""What docs/routing.md shows is valid, and does what is said of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from claude_bridge.config.load import parse
from claude_bridge.config.named_models import which_model
from claude_bridge.config.schema import Config
from claude_bridge.core.routing import WORDS
from claude_bridge.testing.fakes import FixedFacts

GUIDE = (Path(__file__).resolve().parent.parent / "docs" / "routing.md").read_text()
BASE, *EXAMPLES = re.findall(r"```ini\n(.*?)```", GUIDE, re.DOTALL)


def read(text: str) -> Config:
    """Read a configuration with the variable that the guide has."""
    return parse(text, {"CHUTES_API_KEY": "sk-1234567890123"}, lambda path: path.encode())


class ExampleTests:
    """The examples."""

    @pytest.mark.parametrize("example", EXAMPLES)
    def test_each_is_valid(self, example: str) -> None:
        """Each is a configuration, together with the first."""
        (name,) = re.findall(r"^\[route:(.*)\]$", example, re.MULTILINE)
        assert list(read(BASE + example).routes) == ["default", name]

    @pytest.mark.parametrize(
        ("name", "facts", "route"),
        [
            ("auto", {"background": "the client calls it auxiliary"}, "side"),
            ("auto", {"tokens": 100_000}, "long"),
            ("auto", {"image": True}, "images"),
            ("claude-opus-5-5", {}, "opus"),
            ("glm", {}, "opus"),
            ("auto", {"subagent": True}, "subagents"),
            ("auto", {"effort": "max"}, "hard"),
            ("auto", {"permission_mode": "plan"}, "hard"),
            ("auto", {}, "default"),
            ("box,Qwen/Qwen3-4B-Instruct", {"image": True}, ""),
            ("small", {"image": True}, ""),
        ],
    )
    def test_what_each_takes(self, name: str, facts: dict[str, Any], route: str) -> None:
        """All of them together take what the guide says."""
        which = which_model(read(BASE + "".join(EXAMPLES)))
        assert which.choose(name, FixedFacts(**facts)).route == route

    def test_every_kind_is_explained(self) -> None:
        """No kind of request is missing from the table."""
        assert re.findall(r"^\| `(\w+)[^`]*` \|", GUIDE.partition("### 1.2")[0], re.MULTILINE)[1:] == list(WORDS)
