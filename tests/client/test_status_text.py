"""Promises of the status line's text."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.client.status_text import MARGIN, Look, has_answers, line
from tests.client.status_samples import ANSWERED, BEGINNING, FIGURES, LINE

PLAIN = Look(coloured=False)

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def shown(session: dict[str, Any] = ANSWERED, trouble: str = "", look: Look = PLAIN, **changes: Any) -> str:
    """Return the line for the sample's figures with some changed."""
    return line(session, {**FIGURES, **changes}, trouble, look)


def test_whole() -> None:
    """The line names model and backend, and has cost, context, cache and the fullest budget."""
    assert shown() == LINE


def test_new_session() -> None:
    """Before the first answer there is what the client knows."""
    assert line(BEGINNING, {}, "", PLAIN) == "glm  ctx 0/131k 0%"


def test_answers() -> None:
    """The client says whether the model has answered; what it says of another type says nothing."""
    assert has_answers(ANSWERED)
    others: list[dict[str, Any]] = [{}, {"context_window": 1}, {"context_window": {"current_usage": [1]}}]
    for session in (BEGINNING, *others):
        assert not has_answers(session)


def test_bridge_down() -> None:
    """Without the bridge the client's own figures stay, and the reason is red."""
    assert line(ANSWERED, {}, "bridge down", Look()) == "glm  ctx 12/131k 0%  cache 0%  \x1b[31mbridge down\x1b[0m"


def test_nothing_known() -> None:
    """With neither figures nor a session there is nothing but the trouble."""
    assert line({}, {}, "bridge down", PLAIN) == "bridge down"
    assert line({}, {}, "", PLAIN) == ""


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "$?"), (0, "$0.00"), (0.42, "$0.42"), (0.0042, "$0.0042"), (0.00001, "<$0.0001"), (1234.5, "$1,234.50"),
        ("free", "$?"), (True, "$?"), (-1, "$?"), (float("nan"), "$?"),
    ],
)  # fmt: skip
def test_costs(amount: Any, text: str) -> None:
    """A cost that is not known is a question mark, never zero."""
    assert shown(cost_usd=amount, agents=[]).startswith(f"glm -> chutes  {text}  ctx")


def test_without_price() -> None:
    """Where the price of some requests is not known, it is more than is shown; of all, a question mark."""
    agents = [{"id": "a1", "cost_usd": 0.1, "unpriced": 0}, {"id": "a2", "cost_usd": 0, "unpriced": 2}]
    told = shown(unpriced=2, agents=agents)
    assert told.startswith("glm -> chutes  $0.42+ (agents $0.10+)  ctx")
    assert shown(cost_usd=0, unpriced=2, agents=agents[1:]).startswith("glm -> chutes  $? (agents $?)  ctx")
    assert "(agents $0.10+)" in shown(agents=[{"cost_usd": 0.1}, {"cost_usd": None}])


def test_no_agents() -> None:
    """Without subagents none are mentioned."""
    assert "agents" not in shown(agents=[])


@pytest.mark.parametrize(
    ("state", "told"), [("closed", ""), ("open", "backend open"), ("half-open", "backend half-open")]
)
def test_breaker(state: str, told: str) -> None:
    """A backend that is not asked is red."""
    assert shown(look=Look(), breaker=state).endswith(f"\x1b[31m{told}\x1b[0m" if told else "42%")


def test_budget_colours() -> None:
    """A budget near its end is yellow, a spent one red and in words, and never 100% before."""

    def budget(spent: float, warn: bool) -> str:
        budgets = [{"name": "day", "spent": spent, "limit": 5, "warn": warn}]
        return shown(look=Look(), budgets=budgets).rpartition("  ")[2]

    assert budget(1, warn=False) == "budget day 20%"
    assert budget(4.999, warn=True) == "\x1b[33mbudget day 99%\x1b[0m"
    assert budget(5, warn=True) == "\x1b[31mbudget day spent\x1b[0m"


def test_spent_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a budget that is spent it is said when it starts again, if it ever does."""
    monkeypatch.setenv("TZ", "EET-2")
    time.tzset()
    try:
        for resets_at, told in ((1_796_083_200, " until 01 Dec 02:00 EET"), (None, ""), (1e17, ""), ("soon", "")):
            budgets = [{"name": "day", "spent": 5, "limit": 5, "resets_at": resets_at, "warn": True}]
            assert shown(budgets=budgets).rpartition("  ")[2] == f"budget day spent{told}"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_spent_with_a_route() -> None:
    """A spent budget that leads to a route says so in yellow, for requests go on; an older bridge says no route."""
    team = {"name": "team", "spent": 9, "limit": 5, "resets_at": None, "warn": True, "route": "saving"}
    assert shown(look=Look(), budgets=[team]).endswith("\x1b[33mbudget team spent, route saving\x1b[0m")
    del team["route"]
    assert shown(look=Look(), budgets=[team]).endswith("\x1b[31mbudget team spent\x1b[0m")


def test_which_budget() -> None:
    """Of several budgets a spent one that refuses is shown, then one that leads to a route, then the fullest."""
    team = {"name": "team", "spent": 9, "limit": 5, "warn": True, "route": "saving"}
    day = {"name": "day", "spent": 5, "limit": 5, "warn": True, "route": ""}
    open_ones = [
        {"name": "a", "spent": 3, "limit": 5, "route": ""},
        {"name": "b", "spent": 4, "limit": 5, "route": "x"},
    ]
    for budgets, told in (
        ([*open_ones, team, day], "budget day spent"),
        ([day, team, *open_ones], "budget day spent"),
        ([team, *open_ones], "budget team spent, route saving"),
        (open_ones, "budget b 80%"),
    ):
        assert shown(budgets=budgets).rpartition("  ")[2] == told


def test_percent_is_rounded_down() -> None:
    """A part of a budget is rounded down, without the error that 0.29 has as a number of a computer."""
    for spent, limit, told in ((0.306, 0.7, "43%"), (0.29, 1, "29%"), (0.9999999999, 1, "99%")):
        assert shown(budgets=[{"name": "day", "spent": spent, "limit": limit}]).endswith(f"budget day {told}")


def test_full_window() -> None:
    """A window that is nearly full is yellow; it is the bridge's, not what the client believes."""
    told = shown(look=Look(), context=110_000)
    assert "\x1b[33mctx 110k/131k 84%\x1b[0m" in told
    assert "ctx 36k/65k 55%" in shown(window=65_536)


def test_window_of_the_client() -> None:
    """Where the bridge knows no window, the client's counts; where nobody does, there are the tokens alone."""
    assert "ctx 36k/131k 27%" in shown(window=None)
    session = copy.deepcopy(ANSWERED)
    del session["context_window"]["context_window_size"]
    assert "  ctx 36k  cache" in shown(session, window=None)


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (len(LINE) + MARGIN, LINE),
        (len(LINE) + MARGIN - 1, "glm -> chutes  $0.42  ctx 36k/131k 27%  cache 87%  budget alice-day 42%"),
        (70, "glm -> chutes  $0.42  ctx 36k/131k 27%  budget alice-day 42%"),
        (60, "glm -> chutes  $0.42  ctx 27%  budget alice-day 42%"),
        (50, "glm -> chutes  $0.42  ctx 27%"),
        (30, "glm  $0.42  ctx 27%"),
        (20, "glm  ctx 27%"),
        (10, "glm"),
        (6, "gl"),
        (1, "g"),
    ],
)
def test_widths(width: int, text: str) -> None:
    """A narrow terminal loses what matters least first."""
    assert shown(look=Look(width, coloured=False)) == text


def test_trouble_stays() -> None:
    """What is wrong stays in a narrow terminal, with its colour."""
    assert shown(look=Look(24), breaker="open") == "glm  \x1b[31mbackend open\x1b[0m"


def test_control_characters() -> None:
    """Nothing in a name reaches the terminal as a command."""
    told = shown(model="g\x1b[2Jl\nm", backend="\x9b31m" + "x" * 500)
    assert "\x1b" not in told
    assert "\x9b" not in told
    assert "\n" not in told
    assert "x" * 41 not in told


@given(session=JSON, figures=JSON)
def test_any_answer(session: Any, figures: Any) -> None:
    """Whatever is sent, there is one line that a terminal shows as it is."""
    told = line(
        {**BEGINNING, "model": session, "context_window": session},
        {
            **dict.fromkeys(FIGURES, figures),
            "agents": [figures],
            "budgets": [{"name": "b", "spent": figures, "limit": 0}],
        },
        "",
        PLAIN,
    )
    assert told.isprintable()
