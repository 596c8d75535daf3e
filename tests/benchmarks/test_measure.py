"""All answers of a run count, and those of the relay are held to what the backend sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from attrs import evolve

from benchmarks import children
from benchmarks.checks import check
from benchmarks.children import Gateway
from benchmarks.load import Address, Answered, Load
from benchmarks.measure import judge, run
from benchmarks.results import Measured
from benchmarks.scenarios import SCENARIOS

Start = Callable[[int], AbstractAsyncContextManager[Gateway]]


class JudgeTests:
    """`judge`."""

    def test_lost_and_wrong_answers_are_counted(self) -> None:
        """A request without an answer is as bad as one with a wrong answer."""
        load = Load(scenario=SCENARIOS["small"], address=Address(host="127.0.0.1", port=1))
        load.lost.append("connection lost")
        load.answered += [Answered(mark="m", status=500, body=b"sorry", first_token=None)] * 2
        measured = Measured()
        judge(load, measured, check)

        assert measured.wrong == {"connection lost": 1, "HTTP 500: sorry": 2}
        assert measured.right == 0


@asynccontextmanager
async def not_said_to_be_a_relay(backend_port: int) -> AsyncIterator[Gateway]:
    """Run the relay as if it were a gateway."""
    async with children.relay(backend_port) as relay:
        yield evolve(relay, is_relay=False)


def measured(start: Start, *names: str) -> dict[str, Measured]:
    """Run two requests of each scenario, and two to warm up."""

    async def all_of_them() -> dict[str, Measured]:
        async with children.backend(0) as port, start(port) as gateway:
            return {name: await run(SCENARIOS[name].of(2, 2), gateway) for name in names}

    return asyncio.run(all_of_them())


class RunTests:
    """`run`."""

    def test_the_relay_does_the_same_work(self) -> None:
        """The backend gives it what it gives the daemon, JSON or a stream, and each answer comes back byte for byte."""
        results = measured(children.relay, *(name for name, scenario in SCENARIOS.items() if scenario.relayed))

        assert len(results) == 12
        for name, found in results.items():
            assert (found.wrong, found.right) == ({}, 4), name
            ((value,),) = (figures.values() for figures in found.runs)
            assert value > 0, name

    def test_a_gateway_that_only_relays_is_wrong(self) -> None:
        """Nobody gets the relay's figures by doing no more than it does."""
        assert measured(not_said_to_be_a_relay, "cc")["cc"].wrong.total() == 4
