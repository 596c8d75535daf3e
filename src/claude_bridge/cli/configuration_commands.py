"""The commands that write, check or show the configuration: init, import, key, check-config, dump-config and routes.

Each imports what it alone needs when it runs, so that no other command waits for it.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Final

from claude_bridge.cli.command_names import EXPLAIN, NEW_KEY
from claude_bridge.cli.surroundings import Surroundings, named_file
from claude_bridge.config.directories import state_directory
from claude_bridge.config.dump import dump
from claude_bridge.config.load import load
from claude_bridge.core.errors import BridgeError, RequestTooLarge
from claude_bridge.core.kinds import KINDS

_MAX_RECORD: Final = 1 << 20
"""Bytes that a saved request may have beyond its body: headers, and white space."""

_BROKEN: Final = 2
"""The doctor's status where Claude Code would not work."""

_MISUSE: Final = 2
"""The status for a command line that is not complete."""


def init(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Write a first configuration file and examine the backend; return 0 if it works, if need be with limits."""
    from claude_bridge.children import ExpectedFailure  # noqa: PLC0415 - no other command needs these
    from claude_bridge.client import init as first_file  # noqa: PLC0415
    from claude_bridge.client.person import Person  # noqa: PLC0415

    environ = surroundings.environ
    wanted = first_file.Wanted(
        url=options.url, kind=options.kind, model=options.model, key_variable=options.key_variable, file=options.config
    )
    try:
        written = first_file.write_first_file(wanted, environ, Person())
    except ExpectedFailure as error:
        sys.stderr.write(f"claude-bridge init: {error}\n")
        return 1
    sys.stdout.write(str(written))
    status = 0
    if not options.no_doctor:
        from claude_bridge.doctor import command  # noqa: PLC0415 - two commands need it

        known = {**environ, options.key_variable: written.found.key} if written.found.key else environ
        config = load(str(written.path), known)
        order = command.Order(quick=True, local=False)
        status = command.run(config, order, known, command.Bridge(), out=sys.stdout, err=sys.stderr)
    named = f" --config {shlex.quote(str(written.path))}" if options.config else ""
    works = status < _BROKEN
    sys.stdout.write(f"{'next' if works else 'once that is fixed'}: claude-bridge launch{named}\n")
    return 0 if works else status


def import_file(options: argparse.Namespace, _surroundings: Surroundings) -> int:
    """Make a configuration file from that of another program; return 0, 1 if something was not carried over, or 2."""
    from claude_bridge.importers import command  # noqa: PLC0415 - no other command needs it

    order = command.Order(file=options.file, output=options.output, keep_port=options.keep_port, force=options.force)
    return command.run(order, sys.stdout, sys.stderr)


def new_key(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print a new key for a client, and add it to the configuration; the words go to standard error."""
    from claude_bridge.children import ExpectedFailure  # noqa: PLC0415 - no other command needs these
    from claude_bridge.client import new_key as making  # noqa: PLC0415

    try:
        made = making.new_key(options.name, options.config, surroundings.environ, only_print=options.print)
    except ExpectedFailure as error:
        sys.stderr.write(f"claude-bridge {NEW_KEY}: {error}\n")
        return 1
    sys.stdout.write(f"{made.key}\n")
    sys.stdout.flush()
    sys.stderr.write(made.told)
    return 0


def about_keys(options: argparse.Namespace, _surroundings: Surroundings) -> int:
    """Report how keys are made; ``key`` alone is no command."""
    if options.words:
        options.error(f"there is no command key {options.words[0]}, did you mean {NEW_KEY} NAME?")
    sys.stderr.write(
        "claude-bridge key new NAME makes a key for a client, prints it once, and adds [key:NAME] with its hash to\n"
        "the configuration. To revoke it, remove that section and each [budget:*] that says for = key NAME, and run:\n"
        "claude-bridge reload\n"
        "What a client may use, and how much, is said in its section: models, routes, rpm, tpm, max_streams.\n"
    )
    return _MISUSE


def check_config(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print that the configuration is valid, and its warnings; mistakes are raised as `ConfigErrors`.

    Return 0; 1 if the backends are looked at, and one cannot be used or does not list a model that is configured.
    """
    config = load(named_file(options), surroundings.environ)
    sys.stdout.write(f"{config.source}: valid\n")
    sys.stderr.writelines(f"warning: {warning}\n" for warning in config.warnings)
    if options.online:
        from claude_bridge.doctor import command  # noqa: PLC0415 - without the option nothing of it is needed

        states = command.online(config)
        sys.stdout.writelines(f"{state}\n" for state in states)
        return 0 if all(state.usable and not state.missing for state in states) else 1
    return 0


def dump_config(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print the configuration in force, defaults included."""
    from claude_bridge.services.knowledge.store import restored_detection  # noqa: PLC0415 - no other command needs it

    config = load(named_file(options), surroundings.environ)
    directory = state_directory(config.server.state_dir, surroundings.environ)
    known = restored_detection(directory, config.backends, KINDS)
    sys.stdout.write(dump(config, known.dialect_of, directory))
    return 0


def routes(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print the routes and names of the configuration."""
    from claude_bridge.client import route_table  # noqa: PLC0415 - no other command needs it

    sys.stdout.write(route_table.route_table(load(named_file(options), surroundings.environ)))
    return 0


def explain_route(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Print which route a saved request takes, and why."""
    from claude_bridge.client import route_explanation  # noqa: PLC0415 - no other command needs what it imports

    config = load(named_file(options), surroundings.environ)
    try:
        shown = route_explanation.explanation(config, _request(options.request, config.limits.max_body))
    except (OSError, BridgeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        sys.stderr.write(f"claude-bridge {EXPLAIN}: {options.request}: {reason}\n")
        return 1
    sys.stdout.write(shown)
    return 0


def _request(name: str, max_body: int) -> bytes:
    """Return a saved request. Raises `OSError`, and `RequestTooLarge` for one that no client could send."""
    limit = max_body + _MAX_RECORD
    if name == "-":
        content = sys.stdin.buffer.read(limit + 1)
    else:
        with Path(name).open("rb") as file:
            content = file.read(limit + 1)
    if len(content) > limit:
        raise RequestTooLarge(f"it is larger than [limits] max_body, {max_body} bytes")
    return content
