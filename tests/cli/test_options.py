"""The parsers of the command line."""

from __future__ import annotations

import pytest

from claude_bridge import tap
from claude_bridge.cli import main
from claude_bridge.cli.options import parsers


class CommandsTests:
    """Every command."""

    def test_all_can_be_run(self) -> None:
        """Each has a function that runs it, under one name."""
        functions = [command.get_default("command") for command in parsers()[1].values()]
        assert all(callable(each) for each in functions)
        assert len(set(functions)) == len(functions)

    def test_all_options_are_explained(self) -> None:
        """The help says what each word and option is for, but for those that are hidden."""
        silent = [
            (name, each.dest) for name, command in parsers()[1].items() for each in command._actions if not each.help
        ]
        assert silent == []


class RunOptionsTests:
    """`claude-bridge run`."""

    def test_every_option_of_the_daemon(self, capsys: pytest.CaptureFixture[str]) -> None:
        """No option of `twistd claude-bridge` is missing from the help."""
        with pytest.raises(SystemExit):
            main(["run", "--help"])
        shown = capsys.readouterr().out
        assert [option for option in tap.Options().longOpt if f"--{option.rstrip('=')}" not in shown] == []

    @pytest.mark.parametrize(
        ("arguments", "hint"),
        [
            (["--port", "8080"], "--listen 8080"),
            (["--port=8080"], "--listen 8080"),
            (["-p", "8080"], "--listen 8080"),
            (["--host", "0.0.0.0"], "--listen HOST:PORT"),
            (["--bind", "::"], "--listen HOST:PORT"),
        ],
    )
    def test_words_of_other_servers(self, arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Whoever asks for a port or a host as elsewhere is told the option for it."""
        with pytest.raises(SystemExit):
            main(["run", *arguments])
        assert hint in capsys.readouterr().err
