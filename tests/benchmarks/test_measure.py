"""Several runs make one figure, and all answers count."""

from __future__ import annotations

from collections import Counter

from benchmarks.load import Address, Answered, Load
from benchmarks.measure import Measured, judge
from benchmarks.report import mistakes, table
from benchmarks.scenarios import SCENARIOS


class MeasuredTests:
    """`Measured`."""

    def test_the_smallest_time_and_the_largest_memory_count(self) -> None:
        """Neighbours only add to times; memory that an earlier run left behind must not hide what a stream takes."""
        measured = Measured()
        for size, delay in ((30.0, 0.2), (2.0, 0.1), (20.0, 0.3)):
            measured.add(Measured({"stream_kib": size, "late_s": delay}, right=1))

        assert measured.figures == {"stream_kib": 30.0, "late_s": 0.1}
        assert measured.right == 3


class JudgeTests:
    """`judge`."""

    def test_lost_and_wrong_answers_are_counted(self) -> None:
        """A request without an answer is as bad as one with a wrong answer."""
        load = Load(scenario=SCENARIOS["small"], address=Address(host="127.0.0.1", port=1))
        load.lost.append("connection lost")
        load.answered += [Answered(mark="m", status=500, body=b"sorry", first_token=None)] * 2
        measured = Measured()
        judge(load, measured)

        assert measured.wrong == {"connection lost": 1, "HTTP 500: sorry": 2}
        assert measured.right == 0


class TableTests:
    """The report."""

    def test_a_row_says_whether_each_goal_is_met(self) -> None:
        """A scenario with two goals has one row; a figure that could not be taken is a dash."""
        text = table({
            "slow": Measured({"stream_kib": 40.0, "late_s": 0.02}, right=9),
            "idle": Measured({"idle_mib": 50.0}, right=1, wrong=Counter({"no answer": 1})),
        })  # fmt: skip
        _, _, slow, idle = ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines())

        assert slow == ["slow", "40 KiB a stream; 0.02 s late (p99)", "<= 33; <= 0.5", "no; yes", "9 right"]
        assert idle == ["idle", "50 MiB idle; - s to the first answer", "<= 65; <= 0.8", "yes; -", "1 of 2 wrong"]

    def test_mistakes_are_told_with_their_number(self) -> None:
        """Nothing is said where nothing was wrong."""
        assert mistakes({"small": Measured(right=1)}) == ""
        assert mistakes({"small": Measured(wrong=Counter({"text differs": 3}))}) == "small: 3 x text differs\n"
