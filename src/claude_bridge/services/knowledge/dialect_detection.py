"""Which dialect does a backend with ``dialect = auto`` speak? What it says of itself, told once in the log.

The host decides, else what the backend reveals in its model list, its answers or its refusals. Until then it is the
generic one, which loses nothing. What was found out is not undone by a later clue, unless an earlier run of the daemon
found it out: another server may answer at that address by now. What is configured holds, but it is told, once, when the
backend looks like something else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, TypeAlias

from attrs import define, field
from twisted.logger import Logger

from claude_bridge.config.dialects import AUTO, configured
from claude_bridge.config.schema import Backend
from claude_bridge.core.backend_api import BackendKind, Clues, DialectDecision, ServerDialect

EARLIER: Final = ", found out earlier"

Key: TypeAlias = tuple[str, str, str]
"""What makes a backend the same one: its name, its address, and what is configured of its dialect."""

_log = Logger()


@define(eq=False)
class DialectDetection:
    """The dialects of all backends, as far as they are known.

    A backend that gets another address or another ``dialect`` by a new configuration is another one here.

    :param kinds: the kinds of backends by name.
    """

    _kinds: Mapping[str, BackendKind]
    _decided: dict[Key, DialectDecision] = field(factory=dict, init=False)
    _recalled: set[Key] = field(factory=set, init=False)
    _doubted: set[Key] = field(factory=set, init=False)
    _silent: dict[Key, frozenset[str]] = field(factory=dict, init=False)

    def dialect_of(self, backend: Backend) -> DialectDecision:
        """Return a backend's dialect and why it is the one."""
        known = self._decided.get(_key(backend))
        if known is None:
            known = self._decided[_key(backend)] = configured(backend)
        return known

    def is_undecided(self, backend: Backend) -> bool:
        """Return whether a clue would count: where nothing is known yet, or only from an earlier run."""
        return not self.dialect_of(backend).known or _key(backend) in self._recalled

    def observe(self, backend: Backend, clues: Clues) -> None:
        """Take what a backend says of itself, where that counts; doubt aloud what is configured otherwise."""
        answer = frozenset((clues.fingerprint, clues.headers.get("server", ""), *clues.headers))
        if clues.error is None and not clues.owners:
            if self._silent.get(_key(backend)) == answer:
                return  # as the answer before it, which said nothing: to look takes 15 us
            self._silent[_key(backend)] = answer
        known = self.dialect_of(backend)
        if backend.dialect != AUTO and known.dialect.speaks_for_itself:
            self._doubt(backend, known.dialect, clues)
        found = self._recognise(backend, clues) if self.is_undecided(backend) else None
        if found is not None:
            self._recalled.discard(_key(backend))
            self._decided[_key(backend)] = found
            if found.dialect is not known.dialect:
                self._tell(backend, found)

    def restore(self, backend: Backend, name: str, why: str = "") -> None:
        """Take up what an earlier run of the daemon found out, and why."""
        dialect = self._kinds[backend.kind].dialects.get(name)
        if dialect is not None and not self.dialect_of(backend).known:
            told = f"{why.removesuffix(EARLIER)}{EARLIER}".lstrip(", ")
            self._recalled.add(_key(backend))
            self._decided[_key(backend)] = DialectDecision(dialect, told)

    def discovered(self, backend: Backend) -> DialectDecision | None:
        """Return what the backend itself has revealed, now or earlier, or None where the configuration decides."""
        known = self.dialect_of(backend)
        return known if known.known and not configured(backend).known else None

    def keep_only(self, backends: Collection[Backend]) -> None:
        """Forget all other backends."""
        kept = {_key(backend) for backend in backends}
        for known in (self._decided, self._silent):
            for key in known.keys() - kept:
                del known[key]
        self._recalled &= kept
        self._doubted &= kept

    def _doubt(self, backend: Backend, dialect: ServerDialect, clues: Clues) -> None:
        """Warn once if a backend looks like another server than the configured one."""
        if _key(backend) in self._doubted or dialect.recognised(clues):
            return
        found = self._recognise(backend, clues)
        if found is not None and found.dialect is not dialect:
            self._doubted.add(_key(backend))
            _log.warn(
                "backend {backend} is configured as {dialect} but looks like {found} ({why})",
                event="dialect-doubted",
                backend=backend.name,
                dialect=dialect.name,
                found=found.dialect.name,
                why=found.why,
            )

    def _recognise(self, backend: Backend, clues: Clues) -> DialectDecision | None:
        return self._kinds[backend.kind].recognise(clues)

    @staticmethod
    def _tell(backend: Backend, found: DialectDecision) -> None:
        _log.info(
            "backend {backend} speaks the dialect {dialect}: {why}",
            event="dialect",
            backend=backend.name,
            dialect=found.dialect.name,
            why=found.why,
        )


def _key(backend: Backend) -> Key:
    return backend.name, backend.url, backend.dialect
