"""``twistd claude-bridge``: options and service. The only place of ours that touches the global reactor."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args

from attrs import evolve
from twisted.application.service import IService
from twisted.logger import Logger
from twisted.python import usage

from claude_bridge.config import hidden
from claude_bridge.config.directories import control_directories, state_directory
from claude_bridge.config.dump import dump
from claude_bridge.config.fields import directory
from claude_bridge.config.load import load
from claude_bridge.config.problems import EXIT_CONFIG, ConfigErrors
from claude_bridge.config.rules import is_local
from claude_bridge.config.schema import Config, Log, LogFormat
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.redaction import Redactor
from claude_bridge.daemon.framework_lines import Demoting
from claude_bridge.daemon.logs.observer import for_a_person, observer
from claude_bridge.daemon.logs.service import LoggedService, twistd_descriptor
from claude_bridge.daemon.standard_streams import open_closed
from claude_bridge.release import product

_log = Logger()


class Options(usage.Options):
    """Command line of the daemon."""

    synopsis = (
        "[FILE | --config FILE] [--listen WHERE] [--state-dir DIR] [--log-format auto|json|text] "
        "[--check-config | --dump-config]"
    )
    longdesc = (
        "Speaks the Anthropic Messages API to Claude Code and OpenAI chat completions to your backends. Without a "
        "configuration file the variables BACKEND_URL, HOST_PORT, BACKEND_TIMEOUT_SECS, ENABLE_CIRCUIT_BREAKER, "
        "LOG_LEVEL, BACKEND_API_KEY, MODEL and ALLOWED_HOSTS are a complete set-up."
    )
    optParameters = [  # noqa: N815, RUF012 - Twisted's interface
        ["config", "c", None, "Configuration file (default: $CLAUDE_BRIDGE_CONFIG, then the usual places)."],
        ["listen", None, None, "PORT, HOST:PORT or endpoint string; overrides HOST_PORT and [server] listen."],
        ["state-dir", None, None, "Directory for what is learned, or none; overrides [server] state_dir."],
        ["log-format", None, None, "json (one object per line), text (for a person) or auto; overrides [log] format."],
    ]
    optFlags = [  # noqa: N815, RUF012 - Twisted's interface
        ["check-config", None, "Report every mistake in the configuration and exit (0, or 78)."],
        ["dump-config", None, "Print the whole configuration, secrets hidden, and exit."],
    ]

    configuration: Config
    _path: str | None = None

    def __init__(self) -> None:
        """Run before anything else of ours: files opened from here on do not take the place of a standard stream."""
        open_closed()
        super().__init__()

    def read_again(self, bound: Mapping[str, bool]) -> Config:
        """Return the current configuration, for a daemon that has ``bound`` its endpoints.

        Raises `ConfigErrors`. May be called in a thread.
        """
        return self._with_options(load(self._path, os.environ, listen=self["listen"], bound=bound))

    def opt_version(self) -> None:
        """Print the version and exit."""
        sys.stdout.write(f"{product()}\n")
        raise SystemExit(0)

    def parseArgs(self, *files: str) -> None:  # noqa: N802 - Twisted's name
        """Set the configuration file, given as an argument without its option."""
        if len(files) + (self["config"] is not None) > 1:
            raise usage.UsageError("give the configuration file once, as FILE or with --config")
        if files:
            (self["config"],) = files

    def postOptions(self) -> None:  # noqa: N802 - Twisted's name
        """Load the configuration before twistd starts anything."""
        chosen = self["log-format"]
        if chosen not in {None, *get_args(LogFormat)}:
            raise usage.UsageError(f"--log-format: auto, json or text, not {chosen}")
        person = self["check-config"] or self["dump-config"] or for_a_person(chosen or Log().format, 2)
        if self["config"] is not None:
            self._path = str(Path(self["config"]).absolute())  # twistd may change the working directory
        try:
            self["state-dir"] = None if self["state-dir"] is None else directory(self["state-dir"])
        except ValueError as error:
            raise usage.UsageError(f"--state-dir: {error}") from None
        try:
            config = self._with_options(load(self["config"], os.environ, listen=self["listen"]))
        except ConfigErrors as errors:
            _report(errors, person=person)
            raise SystemExit(EXIT_CONFIG) from None
        if self["dump-config"]:
            from claude_bridge.services.knowledge.store import restored_detection  # noqa: PLC0415 - nothing else needs it so early

            kept_in = state_directory(config.server.state_dir, os.environ)
            known = restored_detection(kept_in, config.backends, KINDS)
            sys.stdout.write(dump(config, known.dialect_of, kept_in))
            raise SystemExit(0)
        if self["check-config"]:
            sys.stdout.write(f"{config.source}: valid\n")
            sys.stderr.writelines(f"warning: {warning}\n" for warning in config.warnings)
            raise SystemExit(0)
        self.configuration = config

    def _with_options(self, config: Config) -> Config:
        """Return a configuration as the command line changes it."""
        log, server = self["log-format"], self["state-dir"]
        config = evolve(config, log=evolve(config.log, format=log)) if log else config
        return evolve(config, server=evolve(config.server, state_dir=server)) if server else config


def makeService(options: Options) -> IService:  # noqa: N802 - Twisted's name
    """Return the daemon's service for its options."""
    from twisted.internet import reactor  # noqa: PLC0415, TID251 - the one place

    linecache.clearcache()  # attrs leaves the text of generated methods there, 0.6 MB: the imports below can use that
    # --check-config needs none of these
    from claude_bridge.daemon.control_socket import ControlRoutes, ControlSocket  # noqa: PLC0415
    from claude_bridge.daemon.process import threads_of  # noqa: PLC0415
    from claude_bridge.daemon.reload import Reloader  # noqa: PLC0415
    from claude_bridge.daemon.service import build  # noqa: PLC0415
    from claude_bridge.daemon.signals import Signals  # noqa: PLC0415
    from claude_bridge.services.steady_time import keep_steady_time  # noqa: PLC0415

    keep_steady_time(reactor)  # before anything makes a timer
    config = options.configuration
    redactor = hidden.redactor(config)
    lines = observer(config.log, redactor, os.environ, _descriptor(options))
    top = LoggedService(Demoting(lines), lines.writer, reactor)
    for warning in config.warnings:
        _log.warn("{warning}", event="config-warning", warning=str(warning))
    kept_in = state_directory(config.server.state_dir, os.environ)
    bridge = build(config, reactor, redactor, state_directory=kept_in, set_log_level=partial(setattr, lines, "minimum"))
    bound = {text: is_local(text) is True for text in config.server.listen}
    reloader = Reloader(bridge, partial(options.read_again, bound), threads_of(reactor))
    control = ControlSocket(
        reactor,
        ControlRoutes(bridge, reloader).app().resource(),
        control_directories(os.environ, kept_in),
        lambda: next((port for _, port in bridge.addresses), None),
    )
    for service in (Signals(reactor, bridge.give_up, reloader.on_signal), bridge, control):
        service.setServiceParent(top)
    return top


def _descriptor(options: Options) -> int:
    parent: Any = getattr(options, "parent", None) or {}
    return twistd_descriptor(parent.get("logfile"), nodaemon=bool(parent.get("nodaemon", True)))


def _report(errors: ConfigErrors, *, person: bool) -> None:
    """Write all mistakes: as text for a person, else as log lines."""
    if person:
        sys.stderr.write(f"{errors}\n")
        return
    log = Logger(observer=observer(Log(), Redactor(()), os.environ), namespace="claude_bridge.config")
    for problem in errors.problems:
        log.error(
            problem.form,
            event="config-error",
            section=problem.section,
            key=problem.key,
            problem=problem.message,
        )
