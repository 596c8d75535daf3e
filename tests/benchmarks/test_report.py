"""The table can be read without knowing how it was made."""

from __future__ import annotations

from collections import Counter

from benchmarks.report import mistakes, table
from benchmarks.results import Comparison, Measured
from benchmarks.scenarios import SCENARIOS


def rows(results: dict[str, Comparison]) -> list[list[str]]:
    """Return the cells of the table's rows."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table(results).splitlines()[2:]]


class TableTests:
    """`table`."""

    def test_a_row_has_the_multiple_of_the_relay(self) -> None:
        """What counts comes first, and in brackets the least and the most of the rounds."""
        limit = SCENARIOS["small"].goals[0].limit
        ours = Measured([{"request_ms": limit}, {"request_ms": limit * 3}], right=9)
        (row,) = rows({"small": Comparison(ours, Measured([{"request_ms": 1.0}, {"request_ms": 2.0}], right=9))})

        spread = f"({limit:g}..{limit * 3:g})"
        assert row[:3] == ["small", f"{limit:g} ms CPU a request {spread}", "1 (1..2)"]
        assert row[3:] == [f"{limit:g} ({limit:g}..{limit * 1.5:g})", f"<= {limit:g} x", "yes", "9 right"]

    def test_a_goal_is_a_multiple_where_the_relay_does_the_same(self) -> None:
        """On a fast machine a small figure that is too many times the relay's is too much all the same."""
        limit = SCENARIOS["small"].goals[0].limit
        ours, its = Measured([{"request_ms": 0.02 * limit}]), Measured([{"request_ms": 0.01}])
        (row,) = rows({"small": Comparison(ours, its)})

        assert row[3:6] == [f"{2 * limit:.3g}", f"<= {limit:g} x", "no"]

    def test_what_only_the_gateway_does_is_held_to_its_own_figures(self) -> None:
        """A scenario with two goals has one row; a figure that could not be taken is a dash."""
        slow, idle = rows({
            "slow": Comparison(Measured([{"stream_kib": 40.0, "late_s": 0.02}], right=9)),
            "idle": Comparison(Measured([{"idle_mib": 50.0}], right=1, wrong=Counter({"no answer": 1}))),
        })  # fmt: skip

        assert slow[:4] == ["slow", "40 KiB a stream; 0.02 s late (p99)", "-; -", "-; -"]
        assert slow[4:] == ["<= 28; <= 0.5", "no; yes", "9 right"]
        assert idle[1] == "50 MiB idle; - s to the first answer"
        assert idle[4:] == ["<= 65; <= 0.8", "yes; -", "1 of 2 wrong"]


class MistakesTests:
    """`mistakes`."""

    def test_mistakes_are_told_with_their_number(self) -> None:
        """The relay's too, for a multiple of wrong answers means nothing."""
        wrong = Measured(wrong=Counter({"text differs": 3}))

        assert mistakes({"small": Comparison(wrong)}) == "small: 3 x text differs\n"
        assert mistakes({"small": Comparison(Measured(right=1), wrong)}) == "small, relay: 3 x text differs\n"

    def test_nothing_is_said_where_nothing_was_wrong(self) -> None:
        """Right answers are in the table."""
        assert mistakes({"small": Comparison(Measured(right=1), Measured(right=1))}) == ""
