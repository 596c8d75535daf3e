"""The file that keeps across restarts what backends revealed: ``learned.json`` in the state directory.

It is read once at the start, and written in a thread a minute after a change, and at the stop. A directory that cannot
be used, or an invalid file, leads to one warning and never to an error for a client: the daemon then knows only what it
learns while it runs. Daemons that share a directory keep what each of them has found out (`merging`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.config.schema import Backend
from claude_bridge.core import strict_json
from claude_bridge.core.backend_api import BackendKind
from claude_bridge.services.callbacks import stop_timer
from claude_bridge.services.knowledge.dialect_detection import DialectDetection
from claude_bridge.services.knowledge.merging import merged
from claude_bridge.services.knowledge.profiles import ModelProfiles
from claude_bridge.services.knowledge.shared_file import change, prepare, read, sweep
from claude_bridge.services.knowledge.snapshot import VERSION, KnowledgeSnapshot, NotOurs, OtherVersion, digest

NAME: Final = "learned.json"

SAVE_SECONDS: Final = 60.0
"""Seconds from a change to the write: what is lost by a crash is learned again within a few answers."""

STOP_SECONDS: Final = 5.0
"""How long a stop waits for the disk."""

_log = Logger()


@define(eq=False, kw_only=True)
class StateFile:
    """Reads at `start`, writes while the daemon runs and at `stop`.

    :ivar directory: None if nothing is to be kept.
    :ivar knowledge: what the file is about; `switch_to` changes it.
    :ivar in_thread: calls a function in a thread; the Deferred fires with its result, in the reactor's thread.
    """

    _directory: str | None
    knowledge: KnowledgeSnapshot
    _clock: IReactorTime
    _in_thread: Callable[[Callable[[], None]], Deferred[None]]
    _lock: DeferredLock = field(factory=DeferredLock, init=False)
    _save_timer: IDelayedCall | None = field(default=None, init=False)
    _base: dict[str, Any] = field(factory=lambda: {"version": VERSION, "backends": []}, init=False)
    _warned: bool = field(default=False, init=False)
    _stopped: bool = field(default=False, init=False)

    @property
    def file(self) -> str | None:
        """The file's path, None if nothing is kept."""
        return None if self._directory is None else str(self.path)

    @property
    def path(self) -> Path:
        """The file's path."""
        return Path(self._directory or "", NAME)

    def start(self) -> None:
        """Restore what was kept, and listen for changes. Never fails."""
        if self._directory is None:
            _log.info("what is learned of backends is not kept: there is no state directory", event="state")
            return
        self._read()
        self._base = self.knowledge.export()
        self.knowledge.profiles.on_change = self._changed

    def stop(self) -> Deferred[None]:
        """Write a last time; wait for the disk for `STOP_SECONDS` at most. Never fails."""
        self._stopped = True
        timer, self._save_timer = self._save_timer, None
        stop_timer(timer)
        if self._directory is None:
            return succeed(None)
        saving: Deferred[Any] = self._lock.run(self._write)
        return saving.addTimeout(STOP_SECONDS, self._clock).addErrback(self._timed_out)

    def switch_to(self, knowledge: KnowledgeSnapshot) -> Deferred[None]:
        """Write the current knowledge, then keep that of a new configuration instead.

        What the file contains about backends that are new, or at another address, is restored. Never fails.
        """
        if self._directory is None:
            self.knowledge = knowledge
            return succeed(None)
        knowledge.profiles.on_change = self._changed
        return self._lock.run(self._write_and_switch, knowledge)

    def _write_and_switch(self, knowledge: KnowledgeSnapshot) -> Deferred[None]:
        written = self._write() or succeed(None)
        return written.addCallback(lambda _: self._switch(knowledge))

    def _switch(self, knowledge: KnowledgeSnapshot) -> None:
        """Replace the knowledge, and the base by what the file says about its backends."""
        moved = knowledge.moved(self.knowledge)
        self.knowledge = knowledge
        known = {(name, digest(backend.url)) for name, backend in knowledge.backends.items()}
        base = [entry for entry in self._base["backends"] if (entry["name"], entry["url"]) in known]
        if moved:
            self._read(only=moved)
            base += [entry for entry in knowledge.export()["backends"] if entry["name"] in moved]
        self._base = {"version": VERSION, "backends": base}

    def _changed(self) -> None:
        """Start the timer for a write; called with every request."""
        if self._save_timer is None and not self._stopped:
            self._save_timer = self._clock.callLater(SAVE_SECONDS, self._save)

    def _save(self) -> None:
        self._save_timer = None
        self._lock.run(self._write)

    def _write(self) -> Deferred[None] | None:
        """Write what was found out since the last time; return None if there is nothing."""
        known, base, now = self.knowledge.export(), self._base, self.knowledge.unix_time()
        if known == base:
            return None

        def changed(content: bytes) -> bytes:
            return strict_json.encode(merged(known, base, _decoded(content), now))

        writing = self._in_thread(lambda: change(self.path, changed))
        return writing.addCallbacks(lambda _: self._written(known), self._failed)

    def _written(self, known: dict[str, Any]) -> None:
        self._base, self._warned = known, False

    def _failed(self, failure: Failure) -> None:
        failure.trap(OSError)
        self._warn_once(failure.value)

    def _timed_out(self, failure: Failure) -> None:
        failure.trap(TookTooLong)
        _log.warn("{path} could not be written in time", event="state", path=str(self.path))

    def _warn_once(self, error: BaseException | None) -> None:
        """Log what is wrong, once; again only after a write succeeded."""
        if not self._warned:
            self._warned = True
            reason = getattr(error, "strerror", None) or type(error).__name__
            _log.warn(
                "what is learned of backends is not kept: {path}: {reason}",
                event="state",
                path=str(self.path),
                reason=reason,
            )

    def _read(self, only: Collection[str] | None = None) -> None:
        try:
            prepare(self.path.parent)
            self._sweep()
            content = read(self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            self._warn_once(error)
            return
        try:
            self.knowledge.restore(strict_json.decode(content), only)
        except OtherVersion:
            _log.info("{path} was written by another version and is ignored", event="state", path=str(self.path))
        except (NotOurs, strict_json.JsonError):
            self._put_aside()

    def _sweep(self) -> None:
        removed = sweep(self.path, self.knowledge.unix_time())
        if removed:
            _log.info(
                "{count} unfinished files of daemons that were killed are removed beside {path}",
                event="state",
                count=removed,
                path=str(self.path),
            )

    def _put_aside(self) -> None:
        """Rename an invalid file, so that somebody can look into it."""
        aside = self.path.with_name(f"{NAME}.bad")
        with contextlib.suppress(OSError):
            self.path.replace(aside)
        _log.warn("{path} is damaged; it was moved to {aside}", event="state", path=str(self.path), aside=aside.name)


def restored_detection(
    directory: str | None, backends: Mapping[str, Backend], kinds: Mapping[str, BackendKind]
) -> DialectDetection:
    """Return what earlier runs found out about ``backends``; changes nothing, and never fails."""
    return restored(directory, backends, kinds).detection


def restored(
    directory: str | None, backends: Mapping[str, Backend], kinds: Mapping[str, BackendKind]
) -> KnowledgeSnapshot:
    """Return what earlier runs found out about ``backends`` and their models; changes nothing, and never fails."""
    knowledge = KnowledgeSnapshot(
        backends=backends,
        profiles=ModelProfiles(time.time),
        detection=DialectDetection(kinds),
        unix_time=time.time,
    )
    if directory is not None:
        with contextlib.suppress(OSError, OtherVersion, NotOurs, strict_json.JsonError):
            knowledge.restore(strict_json.decode(read(Path(directory, NAME))))
    return knowledge


def _decoded(content: bytes) -> object:
    """Return the values of a file; None if it is not valid JSON, so that nothing of it can be kept."""
    try:
        return strict_json.decode(content)
    except strict_json.JsonError:
        return None
