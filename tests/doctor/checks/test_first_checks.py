"""Promises of the first checks, which are all that the start of the daemon makes of a backend without a list."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest_twisted

from claude_bridge.doctor.checks import order
from claude_bridge.doctor.checks.first_checks import REACHING
from tests.doctor.stand_ins import examined, served


class FirstChecksTests:
    """Address, connection, path and key."""

    def test_come_first(self) -> None:
        """Every examination begins with them, and they spend no token."""
        for quick in (True, False):
            assert list(order.chosen(quick=quick))[: len(REACHING)] == list(REACHING)
        assert order.tokens(REACHING) == 0

    @pytest_twisted.ensureDeferred
    async def test_good_backend(self, reactor: Any) -> None:
        """A backend that is reached has nothing wrong with it, and was asked no question."""
        async with served(reactor) as server:
            findings = await examined(reactor, server.url, f"api_key = {'k' * 20}", checks=REACHING)
            assert [chat for chat in server.chats if chat.json.get("messages")] == []
        assert {each.level for each in findings} == {"ok"}

    def test_no_other_check_is_loaded(self) -> None:
        """The start of the daemon does not load what asks a model."""
        program = "import sys\nimport claude_bridge.doctor.short\nprint(*sys.modules)"
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        loaded = set(told.stdout.split())
        assert "claude_bridge.doctor.checks.key" in loaded
        assert not loaded & {f"claude_bridge.doctor.checks.{name}" for name in ("order", "tools", "fields", "speed")}
