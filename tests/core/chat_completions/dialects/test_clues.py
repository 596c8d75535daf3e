"""Tests for `claude_bridge.core.chat_completions.dialects.clues`."""

from __future__ import annotations

import pytest

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialects.clues import only_owner


class OnlyOwnerTests:
    """Owners of the models in a list."""

    def test_all_are_the_engines(self) -> None:
        """A server whose models all belong to one engine is that engine, and the log can say why."""
        assert only_owner(Clues(owners=("vllm",)), "vllm") == "owned_by vllm in its model list"

    @pytest.mark.parametrize("owners", [(), ("openai",), ("vllm", "openai"), ("vllm", "sglang"), ("VLLM",), ("vllm2",)])
    def test_any_other(self, owners: tuple[str, ...]) -> None:
        """A gateway before several servers, and a server that tells nothing, are not taken for it."""
        assert only_owner(Clues(owners=owners), "vllm") == ""
