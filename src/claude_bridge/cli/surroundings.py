"""What the commands need beside their options: their process, the configuration file, and what is known of models."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from claude_bridge.client.offered_models import Limits, smallest
from claude_bridge.config.directories import state_directory
from claude_bridge.config.schema import Config, Model
from claude_bridge.core.kinds import KINDS

Serve = Callable[[Sequence[str]], object]
"""Runs the daemon with the arguments of ``twistd claude-bridge`` until it is stopped."""


@frozen
class Surroundings:
    """What the commands need from their process."""

    environ: Mapping[str, str]
    serve: Serve


def named_file(options: argparse.Namespace) -> str | None:
    """Return the configuration file that the command line names, as an option or an argument."""
    if options.file is not None and options.config is not None:
        options.error("give the configuration file once, as FILE or with --config")
    found: str | None = options.config if options.file is None else options.file
    return found


def known_limits(config: Config, environ: Mapping[str, str]) -> Limits:
    """Return window and longest answer of models as configured, else as a bridge here has found them out."""
    from claude_bridge.services.knowledge.store import restored  # noqa: PLC0415 - not every command needs it

    known = restored(state_directory(config.server.state_dir, environ), config.backends, KINDS).profiles

    def limits(model: Model) -> tuple[int | None, int | None]:
        window, longest = known.limits(model.backend, model.name, None)
        return model.context_window or window, smallest((model.max_output_tokens, longest))

    return limits
