"""Reads the configuration again while the daemon runs, and puts it in force.

Everything is read again: the file, the environment, the files with keys. If anything is wrong nothing changes, and all
mistakes are reported. Reloads run one at a time; requests during a reload share the next one.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.config.changes import as_far_as_possible, changes
from claude_bridge.config.expand import in_running_process
from claude_bridge.config.problems import ConfigErrors
from claude_bridge.config.schema import Config
from claude_bridge.daemon.service import Bridge

Load = Callable[[], Config]
"""Reads the configuration; raises `ConfigErrors`. Called in a thread: a file may be on a slow disk."""

InThread = Callable[[Load], Deferred[Config]]

_log = Logger()


class Stopping(Exception):
    """The daemon is not running (any more), so there is nothing to reload."""


@frozen(kw_only=True)
class Reloaded:
    """The result of a reload.

    :ivar source: where the configuration comes from.
    :ivar changed: what took effect, by section and key.
    :ivar needs_restart: what has changed too, but takes effect only after a restart.
    :ivar warnings: about what is valid and should be different.
    """

    source: str
    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]
    warnings: tuple[str, ...]


@define(eq=False)
class Reloader:
    """Reloads a bridge, one time after the other."""

    _bridge: Bridge
    _load: Load
    _in_thread: InThread
    _waiting: list[Deferred[Reloaded]] = field(factory=list, init=False)
    _is_busy: bool = field(default=False, init=False)

    def reload(self) -> Deferred[Reloaded]:
        """Read everything again and put it in force; the result is logged in any case.

        Fails with `ConfigErrors` for an invalid configuration, and with `Stopping`; nothing has changed then.
        """
        waiting: Deferred[Reloaded] = Deferred()
        self._waiting.append(waiting)
        if not self._is_busy:
            self._begin()
        return waiting

    def on_signal(self) -> None:
        """Reload; the result is only logged."""
        self.reload().addErrback(lambda _: None)

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._is_busy = True
        reloading = self._in_thread(self._load).addCallbacks(self._change_over, self._refuse)
        reloading.addBoth(self._end, waiting)

    def _change_over(self, wanted: Config) -> Reloaded:
        if not self._bridge.running:
            raise Stopping
        running = self._bridge.generation.config
        config = as_far_as_possible(running, wanted)
        self._bridge.change_over(config)
        reloaded = Reloaded(
            source=wanted.source,
            changed=changes(running, config),
            needs_restart=changes(config, wanted),
            warnings=tuple(str(warning) for warning in wanted.warnings),
        )
        _tell(reloaded)
        return reloaded

    def _refuse(self, failure: Failure) -> Failure:
        if not isinstance(failure.value, ConfigErrors):
            return failure
        problems = failure.value.problems
        told = tuple(evolve(each, message=in_running_process(each.message)) for each in problems)
        errors = failure.value if told == problems else ConfigErrors(told)
        _tell_mistakes(errors)
        return Failure(errors)

    def _end(self, result: Reloaded | Failure, waiting: list[Deferred[Reloaded]]) -> None:
        if isinstance(result, Failure) and not result.check(ConfigErrors, Stopping):
            _log.failure("the configuration could not be reloaded", result, event="fault")
        self._is_busy = False
        for each in waiting:
            each.callback(result)
        gc.collect(0)  # reading leaves cycles, and the collector looks rarely
        if self._waiting:
            self._begin()


def _tell(reloaded: Reloaded) -> None:
    for warning in reloaded.warnings:
        _log.warn("{warning}", event="config-warning", warning=warning)
    told = "configuration reloaded: {source}; changed: {changed}"
    write = _log.info
    if reloaded.needs_restart:
        told, write = f"{told}; needs a restart: {{needs_restart}}", _log.warn
    write(
        told,
        event="reloaded",
        source=reloaded.source,
        changed=", ".join(reloaded.changed) or "nothing",
        needs_restart=", ".join(reloaded.needs_restart) or None,
    )


def _tell_mistakes(errors: ConfigErrors) -> None:
    for problem in errors.problems:
        _log.warn(problem.form, event="config-error", section=problem.section, key=problem.key, problem=problem.message)
    _log.warn(
        "not reloaded, the configuration in force stays: {mistakes} in the new one",
        event="reload-failed",
        mistakes=f"{len(errors.problems)} mistake{'s' if len(errors.problems) > 1 else ''}",
    )
