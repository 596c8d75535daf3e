"""Tests for `benchmarks.stalls`: a watch that does not see a stall would report that all is well."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import thread_time

from benchmarks.stalls import turns
from benchmarks.stalls.inputs import inputs
from benchmarks.stalls.run import Row, Turns, measure, table


class Busy:
    """A reactor that works for as long as it is told in each turn."""

    def doIteration(self, delay: float) -> None:  # noqa: N802 - Twisted's name
        """Work."""
        until = thread_time() + delay
        while thread_time() < until:
            pass


class StallTests:
    """What the table says."""

    def test_turns_are_measured(self) -> None:
        """The watch tells the CPU time of a turn once the next one begins."""
        reactor, noted = Busy(), list[float]()
        turns.watch(reactor, noted.append)
        for delay in (0.0, 0.05, 0.0):
            reactor.doIteration(delay)
        reactor.doIteration(0.0)

        assert max(noted) == noted[2]
        assert 0.05 <= noted[2] < 0.5

    def test_new_turns_only(self, tmp_path: Path) -> None:
        """Each look gives what was written since the one before."""
        file = Turns(tmp_path / "turns")
        file.path.write_text("0.5\n")
        assert file.new() == [0.5]
        assert file.new() == []
        with file.path.open("a") as more:
            more.write("0.1\n0.2\n")
        assert file.new() == [0.1, 0.2]

    def test_table(self) -> None:
        """The smallest of the runs counts, the longest input comes first, and what is too long is marked."""
        text = table(
            [Row("quick", (0.02, 0.01), "HTTP/1.1 200 OK"), Row("slow", (0.3, 0.25), "HTTP/1.1 400 Bad Request")]
        )

        assert text.splitlines()[2:] == [
            "| slow ** | 250 | 300, 250 | HTTP/1.1 400 Bad Request |",
            "| quick | 10 | 20, 10 | HTTP/1.1 200 OK |",
        ]

    def test_inputs_have_names(self) -> None:
        """No two inputs have one name, so that one can be chosen."""
        names = [one.name for one in inputs()]
        assert len(set(names)) == len(names)

    def test_one_input(self) -> None:
        """The real daemon answers an input, and its turns are seen."""
        (one,) = [each for each in inputs() if each.name == "1,000 images"]
        row = asyncio.run(measure(one, 1))

        assert row.answer == "HTTP/1.1 200 OK"
        assert row.best > 0
