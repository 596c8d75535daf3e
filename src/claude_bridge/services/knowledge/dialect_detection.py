"""Finds out which dialect a backend with ``dialect = auto`` speaks, and logs it once.

The host decides; if it is unknown, what the backend reveals in its model list, its answers or its refusals. Until then
the generic dialect is used, which loses nothing. A later clue does not change what was found out, unless an earlier run
of the daemon found it out: another server may answer at that address by now. A configured dialect always holds, but a
warning is logged, once, if the backend looks like another server.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypeAlias

from attrs import define, field
from twisted.logger import Logger

from claude_bridge.config.dialects import AUTO, configured
from claude_bridge.config.schema import Backend
from claude_bridge.core.backend_api import BackendKind, Clues, DialectDecision, ServerDialect

EARLIER: Final = ", found out earlier"

Key: TypeAlias = tuple[str, str, str]
"""What identifies a backend: its name, its address, and its configured dialect."""

_log = Logger()


@define(eq=False)
class DialectDetection:
    """The dialects of all backends, as far as they are known.

    If a new configuration gives a backend another address or another ``dialect``, nothing is known of it any more.

    :param kinds: the kinds of backends by name.
    :ivar revision: changes whenever a dialect was found out.
    """

    _kinds: Mapping[str, BackendKind]
    revision: int = field(default=0, init=False)
    _decided: dict[Key, DialectDecision] = field(factory=dict, init=False)
    _recalled: set[Key] = field(factory=set, init=False)
    _doubted: set[Key] = field(factory=set, init=False)
    _unhelpful: dict[Key, frozenset[str]] = field(factory=dict, init=False)

    def dialect_of(self, backend: Backend) -> DialectDecision:
        """Return a backend's dialect and the reason for the decision."""
        decision = self._decided.get(_key(backend))
        if decision is None:
            decision = self._decided[_key(backend)] = configured(backend)
        return decision

    def lists_of(self, backend: Backend) -> Sequence[str]:
        """Return the paths of a backend's lists with the windows of loaded models, as far as its dialect is known."""
        return self.dialect_of(backend).dialect.lists

    def is_undecided(self, backend: Backend) -> bool:
        """Return whether clues count: nothing is known yet, or only from an earlier run."""
        return not self.dialect_of(backend).known or _key(backend) in self._recalled

    def observe(self, backend: Backend, clues: Clues) -> None:
        """Use the clues in a backend's response if they count; warn if they contradict the configuration."""
        answer = frozenset((clues.fingerprint, clues.headers.get("server", ""), *clues.headers))
        if clues.error is None and not clues.owners:
            if self._unhelpful.get(_key(backend)) == answer:
                return  # the same as the one before, which revealed nothing: examining it would take 15 us
            self._unhelpful[_key(backend)] = answer
        before = self.dialect_of(backend)
        if backend.dialect != AUTO and before.dialect.speaks_for_itself:
            self._doubt(backend, before.dialect, clues)
        decision = self._recognise(backend, clues) if self.is_undecided(backend) else None
        if decision is not None:
            self._recalled.discard(_key(backend))
            self._decide(backend, decision)
            if decision.dialect is not before.dialect:
                self._log_decision(backend, decision)

    def restore(self, backend: Backend, name: str, why: str = "") -> None:
        """Restore what an earlier run of the daemon found out, and its reason."""
        dialect = self._kinds[backend.kind].dialects.get(name)
        if dialect is not None and not self.dialect_of(backend).known:
            reason = f"{why.removesuffix(EARLIER)}{EARLIER}".lstrip(", ")
            self._recalled.add(_key(backend))
            self._decide(backend, DialectDecision(dialect, reason))

    def discovered(self, backend: Backend) -> DialectDecision | None:
        """Return what the backend itself has revealed, now or earlier; None if the configuration decides."""
        decision = self.dialect_of(backend)
        return decision if decision.known and not configured(backend).known else None

    def keep_only(self, backends: Collection[Backend]) -> None:
        """Forget all other backends."""
        kept = {_key(backend) for backend in backends}
        for entries in (self._decided, self._unhelpful):
            for key in entries.keys() - kept:
                del entries[key]
        self._recalled &= kept
        self._doubted &= kept

    def _decide(self, backend: Backend, decision: DialectDecision) -> None:
        self._decided[_key(backend)] = decision
        self.revision += 1

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
    def _log_decision(backend: Backend, found: DialectDecision) -> None:
        _log.info(
            "backend {backend} speaks the dialect {dialect}: {why}",
            event="dialect",
            backend=backend.name,
            dialect=found.dialect.name,
            why=found.why,
        )


def _key(backend: Backend) -> Key:
    return backend.name, backend.url, backend.dialect
