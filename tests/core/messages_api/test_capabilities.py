"""Tests for `claude_bridge.core.messages_api.capabilities`."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from claude_bridge.core.messages_api.capabilities import Capability, rejected


class RejectedTests:
    """Refusals that Claude Code mends by itself."""

    def test_words(self) -> None:
        """A 400 has the name that makes Claude Code take the thing out, and words for anybody else."""
        refusal = rejected("image_block", "this model cannot see images")
        assert (refusal.status, refusal.kind) == (400, "invalid_request_error")
        assert str(refusal) == "capability_rejected: image_block (this model cannot see images)"

    @pytest.mark.parametrize("capability", get_args(Capability))
    def test_name_ends(self, capability: Capability) -> None:
        """The name ends where Claude Code looks for its end: it takes ``image_block:`` for another name."""
        name = re.compile(rf"capability_rejected: {capability}(?![A-Za-z0-9_:.-])")
        assert name.search(str(rejected(capability, "why")))
