"""One run of one scenario: warm up, load, and what it cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median

from attrs import frozen

from benchmarks import processes
from benchmarks.checks import WrongAnswer, check, check_relayed
from benchmarks.children import Gateway
from benchmarks.load import Load
from benchmarks.results import Measured
from benchmarks.scenarios import SCENARIOS, Figure, Scenario

RUN_SECONDS = 120.0
"""Limit for a run: the longest takes some 15 seconds if the gateway keeps pace."""

_WARM_CLIENTS = 8
_SAMPLE_SECONDS = 0.1
_MIB = 1024 * 1024


Check = Callable[[Scenario, str, int, bytes], None]
"""Raises `WrongAnswer` unless status and body are the answer to the request with this mark."""


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
        load = _load(warm.of(scenario.warm_up, _WARM_CLIENTS), gateway)
        await load.run(RUN_SECONDS)
        judge(load, measured, _check(gateway))
    load = _load(scenario, gateway)
    used = await _watched(load, gateway)
    judge(load, measured, _check(gateway))  # only now: it must not disturb
    measured.runs = [{goal.figure: value for goal in scenario.goals for value in _values(goal.figure, load, used)}]
    return measured


def _load(scenario: Scenario, gateway: Gateway) -> Load:
    return Load(scenario=scenario.untranslated() if gateway.is_relay else scenario, address=gateway.address)


def _check(gateway: Gateway) -> Check:
    return check_relayed if gateway.is_relay else check


def judge(load: Load, measured: Measured, right: Check) -> None:
    """Count right and wrong answers."""
    measured.wrong.update(load.lost)
    for answer in load.answered:
        try:
            right(load.scenario, answer.mark, answer.status, answer.body)
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
