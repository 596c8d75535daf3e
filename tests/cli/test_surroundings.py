"""What the commands need beside their options."""

from __future__ import annotations

import pytest

from claude_bridge.cli import Surroundings, main


class FileTests:
    """The configuration file as a word of its own."""

    @pytest.mark.parametrize("command", ["check-config", "dump-config", "env", "routes"])
    def test_position(
        self, command: str, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Every command takes the file without `--config`, and says the same."""
        assert main([command, config], surroundings) == 0
        out = capsys.readouterr().out
        for option in ("--config", "-c"):
            assert main([command, option, config], surroundings) == 0
            assert capsys.readouterr().out == out

    def test_missing(self, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """A file that is not there is told as such."""
        assert main(["check-config", "/nope.ini"], surroundings) == 78
        assert capsys.readouterr().err == "/nope.ini: cannot be read: No such file or directory\n"
