"""Figures for a person and for a program."""

from __future__ import annotations

import json

import pytest

from claude_bridge.services.accounting.store.counts import Counts
from claude_bridge.services.accounting.store.figures import Row
from claude_bridge.usage import tables
from tests.services.accounting.store.books import NOON

SOME = Counts(requests=12, failed=1, attempts=13, input=1000, cache_read=9000, output=2465, cost=41 * 10**10, priced=13)
MODEL = Row(what={"backend": "chutes", "model": "zai/GLM"}, figures=SOME)
UNPRICED = Row(what={"backend": "box", "model": "qwen"}, figures=Counts(requests=2, input=5, output=7, unpriced=2))


def agent(name: str, parent: str = "", kind: str = "Explore") -> Row:
    """Make an agent."""
    what = {"session": "s", "key": "", "agent": name, "type": kind if name else ""}
    return Row(what=what, figures=SOME, parent=parent, first=NOON, last=NOON)


class TableTests:
    """Text."""

    def test_lines(self) -> None:
        """Each row has its figures, and the last line adds them up; costs that are not known are told as that."""
        assert tables.table([MODEL, UNPRICED], "model").splitlines() == [
            "model           requests  failed  prompt  cached  output         cost",
            "chutes/zai/GLM        12       1  10,000    90 %   2,465      $0.4100",
            "box/qwen               2       0       5     0 %       7      unknown",
            "total                 14       1  10,005    89 %   2,472  $0.4100 + ?",
            "?: the price of 2 attempts is not known",
        ]

    def test_one_line_is_its_own_sum(self) -> None:
        """One row needs no sum."""
        assert len(tables.table([MODEL], "model").splitlines()) == 2

    @pytest.mark.parametrize(
        ("figures", "shown"),
        [
            (Counts(), "-"),
            (Counts(unpriced=1), "unknown"),
            (Counts(priced=1), "$0.0000"),
            (Counts(priced=1, cost=50_000_000), "<$0.0001"),
            (Counts(priced=1, cost=41 * 10**10), "$0.4100"),
            (Counts(priced=1, cost=12_345_678 * 10**9), "$12,345.68"),
            (Counts(priced=1, cost=10**12, unpriced=1), "$1.0000 + ?"),
        ],
    )
    def test_cost(self, figures: Counts, shown: str) -> None:
        """Nothing to pay, nothing known, nothing at all and very little are four different things."""
        assert tables.cost(figures) == shown

    @pytest.mark.parametrize(
        ("tokens", "shown"),
        [(0, "0"), (99_999, "99,999"), (250_400, "250k"), (3_140_000, "3.1M"), (4_200_000_000, "4,200.0M")],
    )
    def test_count(self, tokens: int, shown: str) -> None:
        """Small numbers are exact, large ones short."""
        assert tables.count(tokens) == shown

    def test_names(self) -> None:
        """Days and hours are dates, and what has no name says so; a name cannot command the terminal."""
        day = Row(figures=SOME, first=NOON)
        assert tables.table([day], "day").splitlines()[1].startswith("2023-11-15  ")
        assert tables.table([day], "hour").splitlines()[1].startswith("2023-11-15 12:00  ")
        nobody = Row(what={"key": ""}, figures=SOME)
        assert "(no key)" in tables.table([nobody], "key")
        evil = Row(what={"backend": "b", "model": "\x1b[31mred"}, figures=SOME)
        assert "b/?[31mred" in tables.table([evil], "model")


class TreeTests:
    """A session's agents."""

    def test_below_who_started_it(self) -> None:
        """An agent stands below the one that started it, or below the session, with its type and its id."""
        rows = [agent(""), agent("a-1"), agent("a-2", "a-1", "Plan"), agent("a-3", "unknown", "")]
        assert [line[:15].rstrip() for line in tables.tree(rows).splitlines()[1:]] == [
            "session",
            "  main",
            "  Explore a-1",
            "    Plan a-2",
            "  agent a-3",
        ]

    def test_deep(self) -> None:
        """A client may say that each of many agents started the next one."""
        chain = [agent(""), agent("a-0"), *(agent(f"a-{number}", f"a-{number - 1}") for number in range(1, 2000))]
        assert tables.tree(chain).splitlines()[-1].lstrip().startswith("Explore a-1999 ")

    def test_circle(self) -> None:
        """Agents that name each other as the one that started them are shown too, each once."""
        told = tables.tree([agent("a-1", "a-2"), agent("a-2", "a-1")])
        assert (told.count("a-1"), told.count("a-2")) == (1, 1)


class PlainTests:
    """For programs."""

    def test_unknown_cost_is_null(self) -> None:
        """A cost that nobody knows is null, never 0; one that is known is in dollars."""
        assert tables.plain(UNPRICED, "model")["cost_usd"] is None
        assert tables.plain(MODEL, "model") == {
            "backend": "chutes",
            "model": "zai/GLM",
            "requests": 12,
            "failed": 1,
            "attempts": 13,
            "input_tokens": 1000,
            "cache_read_tokens": 9000,
            "cache_write_tokens": 0,
            "output_tokens": 2465,
            "thinking_tokens": 0,
            "cost_usd": 0.41,
            "unpriced_attempts": 0,
        }

    def test_times(self) -> None:
        """Times are in ISO 8601."""
        assert tables.plain(Row(figures=SOME, first=NOON), "day")["day"] == "2023-11-15"
        assert tables.plain(Row(figures=SOME, first=NOON), "hour")["hour"] == "2023-11-15T12:00:00Z"
        told = tables.plain(agent("a", "p"), "agent")
        assert (told["first"], told["last"], told["parent"]) == ("2023-11-15T12:00:00Z",) * 2 + ("p",)

    def test_csv(self) -> None:
        """CSV has a line of names, the same if there is nothing else."""
        first, second, third = tables.as_csv([MODEL, UNPRICED], "model").splitlines()
        assert first.startswith("backend,model,requests,")
        assert second.startswith("chutes,zai/GLM,12,")
        assert third.endswith(",,2")
        assert tables.as_csv([], "model").splitlines() == [first]

    def test_json(self) -> None:
        """JSON keeps the characters of names."""
        assert json.loads(tables.as_json({"a": "é"})) == {"a": "é"}
