"""One run of one scenario: warm up, load, and what it cost."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from statistics import median

from attrs import define, field, frozen

from benchmarks import processes
from benchmarks.checks import WrongAnswer, check
from benchmarks.children import Gateway
from benchmarks.load import Load
from benchmarks.scenarios import LARGEST, SCENARIOS, Figure, Scenario

RUN_SECONDS = 120.0
"""Limit for a run: the longest takes some 15 seconds if the gateway keeps pace."""

_WARM_CLIENTS = 8
_SAMPLE_SECONDS = 0.1
_MIB = 1024 * 1024


@define
class Measured:
    """What runs of a scenario showed.

    :ivar wrong: how often an answer was wrong, by what was wrong; missing ones too.
    """

    figures: dict[Figure, float] = field(factory=dict)
    right: int = 0
    wrong: Counter[str] = field(factory=Counter)

    def add(self, other: Measured) -> None:
        """Take in another run."""
        for figure, value in other.figures.items():
            counts = max if figure in LARGEST else min
            self.figures[figure] = counts(value, self.figures.get(figure, value))
        self.right += other.right
        self.wrong += other.wrong


@frozen(kw_only=True)
class Used:
    """What a run took of the gateway: CPU seconds, and bytes of memory before it, at its peak and at its end.

    :ivar since_start: seconds from the gateway's start to the run's end; None if it ran before.
    """

    cpu: float
    before: int
    peak: int
    after: int
    since_start: float | None


async def run(scenario: Scenario, gateway: Gateway) -> Measured:
    """Measure one run."""
    measured = Measured()
    if scenario.warm_up:
        warm = SCENARIOS[scenario.warm_with or scenario.name]
        load = Load(scenario=warm.of(scenario.warm_up, _WARM_CLIENTS), address=gateway.address)
        await load.run(RUN_SECONDS)
        judge(load, measured)
    load = Load(scenario=scenario, address=gateway.address)
    used = await _watched(load, gateway)
    judge(load, measured)  # only now: it must not disturb
    measured.figures = {goal.figure: value for goal in scenario.goals for value in _values(goal.figure, load, used)}
    return measured


def judge(load: Load, measured: Measured) -> None:
    """Count right and wrong answers."""
    measured.wrong.update(load.lost)
    for answer in load.answered:
        try:
            check(load.scenario, answer.mark, answer.status, answer.body)
        except WrongAnswer as wrong:
            measured.wrong[str(wrong)] += 1
        else:
            measured.right += 1


async def _watched(load: Load, gateway: Gateway) -> Used:
    pids = gateway.pids
    before = processes.resident_bytes(pids)
    sizes = [before]
    sampling = asyncio.create_task(_sample(pids, sizes))
    try:
        spent = processes.cpu_seconds(pids)
        await load.run(RUN_SECONDS)
        spent = processes.cpu_seconds(pids) - spent
        lasted = None if gateway.started is None else time.monotonic() - gateway.started
        after = processes.resident_bytes(pids)
    finally:
        sampling.cancel()
        await asyncio.wait([sampling])
    return Used(cpu=spent, before=before, peak=max(*sizes, after), after=after, since_start=lasted)


async def _sample(pids: Sequence[int], sizes: list[int]) -> None:
    with suppress(processes.Gone):  # the end of the run tells
        while True:
            await asyncio.sleep(_SAMPLE_SECONDS)
            sizes.append(processes.resident_bytes(pids))


def _values(figure: Figure, load: Load, used: Used) -> list[float]:
    """Return the figure's value; nothing if there is none."""
    scenario = load.scenario
    match figure:
        case "request_ms":
            return [used.cpu * 1e3 / scenario.requests]
        case "delta_us":
            return [used.cpu * 1e6 / (scenario.requests * scenario.deltas)]
        case "first_token_ms":
            times = [answer.first_token for answer in load.answered if answer.first_token is not None]
            return [median(times) * 1e3] if times else []
        case "stream_kib":
            return [(used.peak - used.before) / 1024 / scenario.clients]
        case "late_s":
            return [sorted(load.late)[len(load.late) * 99 // 100]] if load.late else []
        case "idle_mib":
            return [used.after / _MIB]
        case "start_s":
            return [] if used.since_start is None else [used.since_start]
