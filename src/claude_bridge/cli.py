"""The ``claude-bridge`` command: everything around the daemon; the daemon itself is ``twistd claude-bridge``."""

from __future__ import annotations

import argparse
import os
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from claude_bridge import client_environment
from claude_bridge.config.dump import dump
from claude_bridge.config.load import load
from claude_bridge.config.problems import EXIT_CONFIG, ConfigErrors
from claude_bridge.config.state import state_directory
from claude_bridge.release import product


@frozen
class Surroundings:
    """What the commands need of the process they run in.

    :ivar replace: becomes another program (``os.execv``); gets the program's path and its argument list.
    """

    environ: Mapping[str, str]
    replace: Callable[[str, list[str]], object]


def main(arguments: Sequence[str] | None = None, surroundings: Surroundings | None = None) -> int:
    """Run the command that ``arguments`` name and give the exit status."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command is not run:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    try:
        status: int = options.command(options, surroundings or Surroundings(os.environ, os.execv))
    except ConfigErrors as errors:
        sys.stderr.write(f"{errors}\n")
        return EXIT_CONFIG
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-bridge",
        description="Run Claude Code on any OpenAI-compatible backend.",
        epilog="The daemon itself is `twistd --nodaemon --pidfile= claude-bridge`, or `claude-bridge run`.",
    )
    parser.add_argument("--version", action="version", version=product())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser(
        "demo", help="show the bridge with a real small model (127 MB, installed on first use)"
    )
    command.add_argument("--once", action="store_true", help="end after the first answer instead of serving on")
    command.set_defaults(command=demo)

    command = _with_config(commands, "env", "print the settings for Claude Code")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--shell", action="store_true", help="as export lines (the default)")
    form.add_argument("--json", action="store_true", help="as a part of Claude Code's settings.json")
    command.add_argument("--url", help="the bridge's address as clients see it; default: from the configuration")
    command.set_defaults(command=env)

    _with_config(commands, "check-config", "report every mistake in the configuration").set_defaults(
        command=check_config
    )
    _with_config(commands, "dump-config", "print the whole configuration, secrets hidden").set_defaults(
        command=dump_config
    )
    command = _with_config(commands, "run", "run the daemon here; more options go to `twistd claude-bridge`")
    command.epilog = (
        "Every other option goes to `twistd claude-bridge`, such as --log-format json or text (default: [log] format, "
        "which is text on a terminal, else json). `twistd claude-bridge --help` lists them."
    )
    command.set_defaults(command=run)
    return parser


def _with_config(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help_: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=help_, description=help_)
    command.add_argument("--config", metavar="FILE", help="configuration file; default: the usual places")
    return command


def demo(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Give the demonstration."""
    from claude_bridge.demo import show  # noqa: PLC0415 - the other commands need none of it

    return show.run(surroundings.environ, sys.stdout, sys.stderr, once=options.once)


def env(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print the settings for Claude Code; nobody is asked, the configuration decides."""
    config = load(options.config, surroundings.environ)
    url = options.url or client_environment.base_url(config)
    if url is None:
        sys.stderr.write("claude-bridge env: no listener has a fixed TCP port; give the bridge's address with --url\n")
        return 1
    found = client_environment.settings(config, url)
    sys.stdout.write(client_environment.as_json(found) if options.json else client_environment.as_shell(found))
    return 0


def check_config(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Say that the configuration is valid, and what should be different; every mistake comes as `ConfigErrors`."""
    config = load(options.config, surroundings.environ)
    sys.stdout.write(f"{config.source}: valid\n")
    sys.stderr.writelines(f"warning: {warning}\n" for warning in config.warnings)
    return 0


def dump_config(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print what holds, defaults included."""
    from claude_bridge.services.state import found_out  # noqa: PLC0415 - no other command needs it

    config = load(options.config, surroundings.environ)
    directory = state_directory(config.server.state_dir, surroundings.environ)
    known = found_out(directory, config.backends)
    sys.stdout.write(dump(config, known.of, directory))
    return 0


def run(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Become the daemon: the twistd of this environment, in the foreground, without a pid file."""
    script = Path(sysconfig.get_path("scripts"), "twistd")
    twistd = [str(script)] if script.exists() else ["-c", "from twisted.scripts.twistd import run; run()"]
    config = ["--config", options.config] if options.config else []
    command = [sys.executable, *twistd, "--nodaemon", "--pidfile=", "claude-bridge", *config, *options.rest]
    surroundings.replace(sys.executable, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
