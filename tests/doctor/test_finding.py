"""Promises of findings."""

from __future__ import annotations

import pytest

from claude_bridge.doctor.finding import Finding, Level, exit_status


def found(level: Level) -> Finding:
    """Return a finding of a level."""
    return Finding(number=1, check="connection", level=level, sentence="it is so")


class FindingTests:
    """What a finding says can be printed."""

    def test_printable(self) -> None:
        """It is one line, and nothing in it steers a terminal."""
        said = Finding(number=1, check="x", level="ok", sentence="a\x1b[2Jb\n c\x9b", option="k = \x07v")
        assert (said.sentence, said.option) == ("a[2Jb c", "k = v")


class ExitStatusTests:
    """The exit status is that of the worst."""

    @pytest.mark.parametrize(
        ("levels", "status"),
        [([], 0), (["ok", "ok"], 0), (["ok", "warning"], 1), (["fault", "warning", "ok"], 2)],
    )
    def test_worst(self, levels: list[Level], status: int) -> None:
        """0 for fine, 1 for limits, 2 for broken."""
        assert exit_status(map(found, levels)) == status
