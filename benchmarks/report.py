"""The table: a row for each scenario."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.results import Comparison, Measured, Spread
from benchmarks.scenarios import SCENARIOS, UNITS, Goal, Scenario

_HEAD = ("scenario", "measured", "relay", "multiple", "goal", "met", "answers")
_SHOWN = 5
"""Kinds of mistakes listed for a scenario."""


def table(results: Mapping[str, Comparison]) -> str:
    """Return the results as a Markdown table, padded for the eye."""
    rows = [_HEAD, *(_row(SCENARIOS[name], compared) for name, compared in results.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    lines.insert(1, ["-" * width for width in widths])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def mistakes(results: Mapping[str, Comparison]) -> str:
    """Return which answers were wrong and how, the relay's too; empty if none was."""
    return "".join(
        line
        for name, compared in results.items()
        for whose, measured in ((name, compared.gateway), (f"{name}, relay", compared.relay))
        for line in _mistakes(whose, measured)
    )


def _mistakes(whose: str, measured: Measured) -> Iterator[str]:
    for reason, count in measured.wrong.most_common(_SHOWN):
        yield f"{whose}: {count} x {reason}\n"


def _row(scenario: Scenario, compared: Comparison) -> tuple[str, ...]:
    goals = scenario.goals
    measured = [compared.gateway.spread(goal.figure) for goal in goals]
    multiples = [compared.multiple(goal.figure) for goal in goals]
    judged = multiples if scenario.relayed else measured
    return (
        scenario.name,
        "; ".join(_shown(value, UNITS[goal.figure]) for goal, value in zip(goals, measured, strict=True)),
        "; ".join(_shown(compared.relay.spread(goal.figure)) for goal in goals),
        "; ".join(_shown(value) for value in multiples),
        "; ".join(f"<= {goal.limit:g}{' x' if scenario.relayed else ''}" for goal in goals),
        "; ".join(_met(goal, value) for goal, value in zip(goals, judged, strict=True)),
        _answers(compared.gateway),
    )


def _shown(value: Spread | None, unit: str = "") -> str:
    """Return what counts, in its unit, and the spread if there is one."""
    counts = "-" if value is None else f"{value.counts:.3g}"
    spread = f"({value.least:.3g}..{value.most:.3g})" if value is not None and value.least < value.most else ""
    return " ".join(filter(None, (counts, unit, spread)))


def _met(goal: Goal, value: Spread | None) -> str:
    return "-" if value is None else "yes" if value.counts <= goal.limit else "no"


def _answers(measured: Measured) -> str:
    wrong = measured.wrong.total()
    return f"{wrong} of {wrong + measured.right} wrong" if wrong else f"{measured.right} right"
