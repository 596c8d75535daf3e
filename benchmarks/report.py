"""The table: a row for each scenario."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.measure import Measured
from benchmarks.scenarios import SCENARIOS, UNITS, Goal, Scenario

_HEAD = ("scenario", "measured", "goal", "met", "answers")
_SHOWN = 5
"""Kinds of mistakes listed for a scenario."""


def table(results: Mapping[str, Measured]) -> str:
    """Return the results as a Markdown table, padded for the eye."""
    rows = [_HEAD, *(_row(SCENARIOS[name], measured) for name, measured in results.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    lines.insert(1, ["-" * width for width in widths])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def mistakes(results: Mapping[str, Measured]) -> str:
    """Return which answers were wrong and how; empty if none was."""
    lines = [
        f"{name}: {count} x {reason}\n"
        for name, measured in results.items()
        for reason, count in measured.wrong.most_common(_SHOWN)
    ]
    return "".join(lines)


def _row(scenario: Scenario, measured: Measured) -> tuple[str, ...]:
    values = [(goal, measured.figures.get(goal.figure)) for goal in scenario.goals]
    wrong = measured.wrong.total()
    return (
        scenario.name,
        "; ".join(f"{'-' if value is None else format(value, '.3g')} {UNITS[goal.figure]}" for goal, value in values),
        "; ".join(f"<= {goal.limit:g}" for goal in scenario.goals),
        "; ".join(_met(goal, value) for goal, value in values),
        f"{wrong} of {wrong + measured.right} wrong" if wrong else f"{measured.right} right",
    )


def _met(goal: Goal, value: float | None) -> str:
    return "-" if value is None else "yes" if value <= goal.limit else "no"
