"""The command line as a whole: which command it names, and what is said about one that is mistyped."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from claude_bridge.cli import client_commands, configuration_commands, running_commands
from claude_bridge.cli.command_names import EXPLAIN, LAUNCH, OTHER_WORDS, TWO_WORDS
from claude_bridge.cli.options import parsers
from claude_bridge.cli.surroundings import Surroundings
from claude_bridge.config.problems import EXIT_CONFIG, ConfigErrors, nearest
from claude_bridge.daemon.standard_streams import open_closed

_WITHOUT_COMMAND: Final = ("-h", "--help", "--version")

_INTERRUPTED: Final = 130
"""The status of a shell for a command that Ctrl-C ended."""

_MODEL_OPTION: Final = "--model"
"""An option of other commands, and of Claude Code."""


def main(arguments: Sequence[str] | None = None, surroundings: Surroundings | None = None) -> int:
    """Run the command that ``arguments`` name and return the exit status."""
    open_closed()
    given = _joined(sys.argv[1:] if arguments is None else list(arguments))
    given, behind = _divided(given)
    parser, commands = parsers()
    if not given or given[0] not in {*commands, *_WITHOUT_COMMAND}:
        parser.error(_no_command(given, tuple(commands)))
    if _is_mistyped(given):
        commands[given[0]].error(f"there is no command {' '.join(given[:2])}, did you mean {EXPLAIN}?")
    options, rest = parser.parse_known_args(given)
    chosen = commands[given[0]]
    if rest and given[0] == LAUNCH and rest[0].partition("=")[0] == _MODEL_OPTION:
        chosen.error(f"give the model without {_MODEL_OPTION}: {_without_option(given, behind)}")
    if rest:
        chosen.error(_unknown(rest[0], chosen))
    options.error, options.arguments = chosen.error, behind
    try:
        status: int = options.command(options, surroundings or Surroundings(os.environ, _serve))
    except ConfigErrors as errors:
        sys.stderr.write(f"{errors}\n")
        return EXIT_CONFIG
    except KeyboardInterrupt:  # while somebody was asked, or an answer was awaited
        sys.stderr.write("\n")
        return _INTERRUPTED
    return status


def _serve(arguments: Sequence[str]) -> None:
    from claude_bridge.daemon import standalone  # noqa: PLC0415 - the other commands need nothing of Twisted

    standalone.serve(arguments)


def _joined(given: list[str]) -> list[str]:
    """Return the words of a command line, those of a command of two words as one."""
    both = " ".join(given[:2])
    return [both, *given[2:]] if both in TWO_WORDS else given


def _is_mistyped(given: Sequence[str]) -> bool:
    """Return whether a command line means the command of two words, and names no file instead."""
    first, second = EXPLAIN.split()
    if given[:1] != [first] or len(given) == 1 or Path(given[1]).exists():
        return False
    return nearest(given[1], [second]) is not None or OTHER_WORDS.get(given[1]) == EXPLAIN


def _divided(given: list[str]) -> tuple[list[str], list[str]]:
    """Return the words of a command line before and behind ``--``, which stands before Claude Code's arguments."""
    if given[:1] != [LAUNCH] or "--" not in given:
        return given, []
    at = given.index("--")
    return given[:at], given[at + 1 :]


def _without_option(given: Sequence[str], behind: Sequence[str]) -> str:
    """Return the command line of `launch` that somebody meant who wrote ``--model`` before the model."""
    words = [word.removeprefix(f"{_MODEL_OPTION}=") for word in given if word != _MODEL_OPTION]
    return shlex.join(["claude-bridge", *words, *(["--", *behind] if behind else [])])


def _no_command(given: Sequence[str], commands: Sequence[str]) -> str:
    """Return the error for a first word that is not a command."""
    if not given:
        return f"a command is missing: {', '.join(commands)}"
    if given[0].startswith("-"):
        return f"the command comes first, then its options: {', '.join(commands)}"
    meant = OTHER_WORDS.get(given[0]) or nearest(given[0], commands)
    told = f"did you mean {meant}?" if meant else f"there are {', '.join(commands)}"
    return f"there is no command {given[0]}, {told}"


def _unknown(word: str, parser: argparse.ArgumentParser) -> str:
    """Return the error for a word that no command accepts."""
    actions = parser._option_string_actions  # noqa: SLF001 - argparse has no other way to ask, and has had this one always
    valid = [option for option, action in actions.items() if action.help != argparse.SUPPRESS]
    command = parser.get_default("command")
    if command is client_commands.launch and not nearest(word.partition("=")[0], valid):
        return f"{word} is not for this command: Claude Code's own arguments go after --, as in: launch -- {word}"
    if not word.startswith("-"):
        if command is running_commands.doctor:
            return f"give one backend, or none for all of them: {word} is one too many"
        if command in (configuration_commands.explain_route, client_commands.setup, running_commands.prices):
            return f"{word} is one word too many: name the configuration with --config"
        return (
            f"give one configuration file: {word} is one too many"
            if "--config" in valid
            else f"{word} is one word too many"
        )
    meant = nearest(word.partition("=")[0], valid)
    return f"there is no option {word}" + (f", did you mean {meant}?" if meant else "")
