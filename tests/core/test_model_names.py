"""Tests for `claude_bridge.core.model_names`."""

from __future__ import annotations

import pytest

from claude_bridge.core.model_names import as_spelled, is_clients_own, pin, plain_name, strip_mark, tier


class NameTests:
    """What clients write around a name, and what it tells."""

    @pytest.mark.parametrize(
        ("given", "plain"),
        [
            ("glm", "glm"),
            ("glm@claude-bridge", "glm"),
            ("claude-opus-5-5[1m]", "claude-opus-5-5"),
            ("glm[1M]", "glm"),
            ("glm@claude-bridge[1m]", "glm"),
            ("glm[1m]@claude-bridge", "glm"),
            ("org/a@b", "org/a@b"),
            ("[1m]", ""),
        ],
    )
    def test_plain(self, given: str, plain: str) -> None:
        """The mark of published ids and the form with a long context do not belong to the name."""
        assert plain_name(given) == plain

    def test_mark(self) -> None:
        """The mark alone is removed, and only at the end."""
        assert strip_mark("a@claude-bridge") == "a"
        assert strip_mark("a@claude-bridge-b") == "a@claude-bridge-b"

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("haiku", "haiku"),
            ("Opus", "opus"),
            ("claude-haiku-4-5-20251001", "haiku"),
            ("claude-3-5-sonnet-latest", "sonnet"),
            ("anthropic/claude-opus-4.1", "opus"),
            ("us.anthropic.claude-fable-1-v1:0", "fable"),
            ("my-haiku", ""),
            ("claude-next", ""),
            ("glm", ""),
        ],
    )
    def test_tier(self, name: str, expected: str) -> None:
        """A family is recognised in every form of Anthropic's ids, and by its word alone."""
        assert tier(name) == expected

    @pytest.mark.parametrize(("name", "own"), [("claude-x", True), ("AUTO", True), ("sonnet", True), ("glm", False)])
    def test_own(self, name: str, own: bool) -> None:
        """Names that Claude Code uses by itself are in nobody's list."""
        assert is_clients_own(name) is own


class PinTests:
    """Names that say their backend."""

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("box/m", ("box", "m")),
            ("box/org/m", ("box", "org/m")),
            ("box,org/m", ("box", "org/m")),
            ("Box, m", ("box", "m")),
            ("org/m", None),
            ("box/", None),
            ("box", None),
            ("/m", None),
            ("org/m,x", None),
        ],
    )
    def test_pin(self, name: str, expected: tuple[str, str] | None) -> None:
        """A configured backend, a slash or a comma, and a model; anything else is an ordinary name."""
        assert pin(name, ["box", "other"]) == expected

    def test_spelling(self) -> None:
        """The exact name is meant before one that differs in case."""
        assert as_spelled("glm", ["GLM", "glm"]) == "glm"
        assert as_spelled("Glm", ["x", "GLM"]) == "GLM"
        assert as_spelled("y", ["x"]) is None
