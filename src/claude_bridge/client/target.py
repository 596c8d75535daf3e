"""What Claude Code can be started with: a bridge that runs, a backend, or a configuration that no bridge runs with."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

from attrs import frozen

from claude_bridge.children import ExpectedFailure
from claude_bridge.client import http_probe
from claude_bridge.client.environment import base_url, bridge_url
from claude_bridge.client.http_probe import Unreachable
from claude_bridge.config.load import load
from claude_bridge.config.schema import Config
from claude_bridge.config.variables import SECTION, source_file

USUAL_PORT: Final = 8080
USUAL: Final = f"http://127.0.0.1:{USUAL_PORT}"
"""Where a bridge listens unless it is told otherwise."""


@frozen(kw_only=True)
class LaunchOrder:
    """What the command line says.

    :ivar model: published or plain name; None leaves the choice to us.
    :ivar url: of a bridge or a backend.
    :ivar file: the configuration file that is named.
    :ivar arguments: those of Claude Code.
    :ivar only_print: show what would be run.
    :ivar status_line: whether Claude Code gets our status line.
    """

    model: str | None = None
    url: str | None = None
    file: str | None = None
    arguments: Sequence[str] = ()
    only_print: bool = False
    status_line: bool = True

    def with_model(self, model: str) -> str:
        """Return the same command line with a model."""
        words = ["claude-bridge", "launch", model]
        words += [] if self.url is None else ["--url", self.url]
        words += [] if self.file is None else ["--config", self.file]
        words += ["--print"] if self.only_print else []
        words += [] if self.status_line else ["--no-statusline"]
        return shlex.join([*words, *(["--", *self.arguments] if self.arguments else [])])


@frozen
class RunningBridge:
    """A bridge that answers.

    :ivar config: its configuration, if it is the one of this machine.
    """

    url: str
    config: Config | None = None


@frozen
class BackendAlone:
    """A backend without a bridge.

    :ivar model: the model to use unless another is named.
    """

    url: str
    model: str | None = None


@frozen
class OwnConfiguration:
    """A configuration that no bridge runs with.

    :ivar file: the file that was named; None for the one in the usual places.
    """

    config: Config
    file: str | None


Target: TypeAlias = RunningBridge | BackendAlone | OwnConfiguration


def find_target(order: LaunchOrder, environ: Mapping[str, str]) -> Target:
    """Return what Claude Code can be started with. Raises `ExpectedFailure` if there is nothing, and `ConfigErrors`."""
    if order.url is not None:
        url = order.url if "://" in order.url else f"http://{order.url}"
        return RunningBridge(bridge_url(url)) if http_probe.is_bridge(url) else BackendAlone(url, environ.get("MODEL"))
    config = load(order.file, environ, resolve_secrets=False)
    url = base_url(config) or USUAL
    answers = False
    with suppress(Unreachable):
        if http_probe.is_bridge(url):
            return RunningBridge(url, config)
        answers = True
    if source_file(config.source) != SECTION:
        return OwnConfiguration(config, order.file)
    if environ.get("BACKEND_URL", "").strip():
        return BackendAlone(environ["BACKEND_URL"].strip(), environ.get("MODEL", "").strip() or None)
    other = f"what answers at {url} is no bridge" if answers else f"no bridge answers at {url}"
    raise ExpectedFailure(
        f"{other}, and there is no configuration file to start one with: name a bridge or a backend, claude-bridge "
        f"launch --url {f'{url}/v1' if answers else 'http://127.0.0.1:8000/v1'}"
    )
