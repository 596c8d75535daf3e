"""The file that keeps across restarts what backends revealed: ``learned.json`` in the state directory.

Read once at the start, written off the reactor's thread a minute after something changed, and at the stop. A directory
that cannot be used, or a file that makes no sense, costs one warning and never an answer: the daemon then knows only
what it learns while it runs. Daemons with one directory keep what each has found out (`merging`).
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
from claude_bridge.services.knowledge.dialect_detection import DialectDetection
from claude_bridge.services.knowledge.merging import merged
from claude_bridge.services.knowledge.profiles import ModelProfiles
from claude_bridge.services.knowledge.shared_file import change, prepare, read, sweep
from claude_bridge.services.knowledge.snapshot import VERSION, KnowledgeSnapshot, NotOurs, OtherVersion, digest

NAME: Final = "learned.json"

SAVE_SECONDS: Final = 60.0
"""How long a change waits for more: what is lost with a crash is learned again within a few answers."""

STOP_SECONDS: Final = 5.0
"""How long a stop waits for the disk."""

_log = Logger()


@define(eq=False, kw_only=True)
class StateFile:
    """Reads at `start`, writes while it runs and at `stop`.

    :ivar directory: None where nothing is to be kept.
    :ivar kept: the knowledge that the file is of; `turn_to` changes it.
    :ivar in_thread: calls something in a thread; the Deferred fires with its end, in the reactor's thread.
    """

    _directory: str | None
    kept: KnowledgeSnapshot
    _clock: IReactorTime
    _in_thread: Callable[[Callable[[], None]], Deferred[None]]
    _lock: DeferredLock = field(factory=DeferredLock, init=False)
    _waiting: IDelayedCall | None = field(default=None, init=False)
    _base: dict[str, Any] = field(factory=lambda: {"version": VERSION, "backends": []}, init=False)
    _complained: bool = field(default=False, init=False)
    _stopped: bool = field(default=False, init=False)

    @property
    def file(self) -> str | None:
        """Return the file's path, None where nothing is kept."""
        return None if self._directory is None else str(self.path)

    @property
    def path(self) -> Path:
        """Return where the file is."""
        return Path(self._directory or "", NAME)

    def start(self) -> None:
        """Take up what was kept, and listen for changes. Never fails."""
        if self._directory is None:
            _log.info("what is learned of backends is not kept: there is no state directory", event="state")
            return
        self._read()
        self._base = self.kept.export()
        self.kept.learned.changed = self._changed

    def stop(self) -> Deferred[None]:
        """Write a last time; waits for the disk, but not for long. Never fails."""
        self._stopped = True
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
        if self._directory is None:
            return succeed(None)
        saving: Deferred[Any] = self._lock.run(self._write)
        return saving.addTimeout(STOP_SECONDS, self._clock).addErrback(self._late)

    def turn_to(self, kept: KnowledgeSnapshot) -> Deferred[None]:
        """Keep other knowledge from now on, that of a new configuration, when the present one is written.

        What the file tells of backends that are new, or at another address, is taken up. Never fails.
        """
        if self._directory is None:
            self.kept = kept
            return succeed(None)
        kept.learned.changed = self._changed
        return self._lock.run(self._turn, kept)

    def _turn(self, kept: KnowledgeSnapshot) -> Deferred[None]:
        written = self._write() or succeed(None)
        return written.addCallback(lambda _: self._take_over(kept))

    def _take_over(self, kept: KnowledgeSnapshot) -> None:
        """Know what the file says of each backend, as far as this daemon has read or written it."""
        moved = kept.moved(self.kept)
        self.kept = kept
        known = {(name, digest(backend.url)) for name, backend in kept.backends.items()}
        base = [entry for entry in self._base["backends"] if (entry["name"], entry["url"]) in known]
        if moved:
            self._read(only=moved)
            base += [entry for entry in kept.export()["backends"] if entry["name"] in moved]
        self._base = {"version": VERSION, "backends": base}

    def _changed(self) -> None:
        """Note that there may be something to write; called with every request."""
        if self._waiting is None and not self._stopped:
            self._waiting = self._clock.callLater(SAVE_SECONDS, self._due)

    def _due(self) -> None:
        self._waiting = None
        self._lock.run(self._write)

    def _write(self) -> Deferred[None] | None:
        """Write what was found out since the last time, if anything was."""
        known, base, now = self.kept.export(), self._base, self.kept.unix_time()
        if known == base:
            return None

        def changed(content: bytes) -> bytes:
            return strict_json.encode(merged(known, base, _decoded(content), now))

        writing = self._in_thread(lambda: change(self.path, changed))
        return writing.addCallbacks(lambda _: self._wrote(known), self._failed)

    def _wrote(self, known: dict[str, Any]) -> None:
        self._base, self._complained = known, False

    def _failed(self, failure: Failure) -> None:
        failure.trap(OSError)
        self._complain(failure.value)

    def _late(self, failure: Failure) -> None:
        failure.trap(TookTooLong)
        _log.warn("{path} could not be written in time", event="state", path=str(self.path))

    def _complain(self, error: BaseException | None) -> None:
        """Say once what is wrong; again only after it was right."""
        if not self._complained:
            self._complained = True
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
            self._complain(error)
            return
        try:
            self.kept.restore(strict_json.decode(content), only)
        except OtherVersion:
            _log.info("{path} is of another version, and not read", event="state", path=str(self.path))
        except (NotOurs, strict_json.JsonError):
            self._put_aside()

    def _sweep(self) -> None:
        left = sweep(self.path, self.kept.unix_time())
        if left:
            _log.info(
                "{count} unfinished files of daemons that were killed are removed beside {path}",
                event="state",
                count=left,
                path=str(self.path),
            )

    def _put_aside(self) -> None:
        """Keep a file that makes no sense for whoever wants to know why."""
        aside = self.path.with_name(f"{NAME}.bad")
        with contextlib.suppress(OSError):
            self.path.replace(aside)
        _log.warn("{path} makes no sense; it is {aside} now", event="state", path=str(self.path), aside=aside.name)


def found_out(
    directory: str | None, backends: Mapping[str, Backend], kinds: Mapping[str, BackendKind]
) -> DialectDetection:
    """Return what earlier runs found out of ``backends``; reads and changes nothing else, and never fails."""
    detection = DialectDetection(kinds)
    kept = KnowledgeSnapshot(backends=backends, learned=ModelProfiles(), detection=detection, unix_time=time.time)
    if directory is not None:
        with contextlib.suppress(OSError, OtherVersion, NotOurs, strict_json.JsonError):
            kept.restore(strict_json.decode(read(Path(directory, NAME))))
    return detection


def _decoded(content: bytes) -> object:
    """Return the values of a file; None where it makes no sense, and then nothing of it can be kept."""
    try:
        return strict_json.decode(content)
    except strict_json.JsonError:
        return None
