"""Words and options that go together."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.usage.order import ACTIONS, Misuse, Order, meant

GIVEN: dict[str, dict[str, Any]] = {
    "--by": {"by": "day"},
    "--since": {"since": "7d"},
    "--until": {"until": "1d"},
    "--session": {"session": "s-1"},
    "--key": {"key": "alice"},
    "--json": {"form": "json"},
    "--csv": {"form": "csv"},
    "--format jsonl": {"form": "jsonl"},
}
TAKEN = {
    "": {"--by", "--since", "--until", "--key", "--json", "--csv"},
    "session": {"--json", "--csv"},
    "export": {"--since", "--until", "--session", "--key", "--format jsonl", "--csv"},
    "budgets": {"--json"},
    "compact": set[str](),
    "forget": {"--session", "--key"},
}


class OptionTests:
    """Options of periods and actions."""

    @pytest.mark.parametrize("action", ["", *ACTIONS])
    @pytest.mark.parametrize("option", GIVEN)
    def test_each(self, action: str, option: str) -> None:
        """An action takes its own options, and says of each other one that it does not, and what it does take."""
        order = Order(words=(action or "week",), **GIVEN[option])
        assert order.action == action
        if option in TAKEN[action]:
            order.check_options()
            return
        with pytest.raises(Misuse) as caught:
            order.check_options()
        told = str(caught.value)
        assert f"takes no {option}: " in told
        assert option == "--session" or all(each in told for each in TAKEN[action])

    def test_session_of_a_period(self) -> None:
        """Who asks a period for one session is told how that is asked for."""
        with pytest.raises(Misuse, match=r"^a period takes no --session: .* usage session ID$"):
            Order(session="s-1").check_options()

    @pytest.mark.parametrize("name", ["key", "session", "since", "until", "by"])
    def test_empty(self, name: str) -> None:
        """An option that is empty, as a variable may be in a script, is given all the same."""
        given: dict[str, Any] = {name: ""}
        with pytest.raises(Misuse, match=f"usage compact takes no --{name}: it has no options"):
            Order(words=("compact",), **given).check_options()

    def test_none(self) -> None:
        """Without options each action is right."""
        for action in ("", "week", *ACTIONS):
            Order(words=(action,) if action else ()).check_options()


class MeantTests:
    """Words that are neither an action nor a period."""

    @pytest.mark.parametrize(
        ("word", "expected"),
        [
            ("budget", "budgets"),
            ("price", "prices"),
            ("sessions", "session ID or --by session"),
            ("key", "--by key"),
            ("models", "--by model"),
            ("help", "--help"),
            ("Week", "week"),
            ("last_month", "last-month"),
            ("yesterday", ""),
            ("2026-13-01", ""),
            ("", ""),
        ],
    )
    def test_each(self, word: str, expected: str) -> None:
        """What is similar to something leads to it, and nothing else does."""
        assert meant(word) == expected
