"""What a client is told beside an error that somebody has to mend by hand: the names there are, the right url."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import BridgeError, NotFound, UpstreamMisaddressed
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.core.nearest_names import name_list, nearest_names
from claude_bridge.services.exchange.resolver import Candidate
from claude_bridge.services.interfaces import ModelLists, Signposts
from claude_bridge.services.keys.key_ring import KeyRing

_log = Logger()


@frozen(kw_only=True)
class Hints:
    """Finds out what helps, and says it in the log too: a client may hide the words."""

    keys: KeyRing
    lists: ModelLists
    signposts: Signposts

    def of(self, error: BridgeError, candidate: Candidate, credential: Secret | None) -> Deferred[BridgeError] | None:
        """Return ``error`` with what helps against it, after two seconds at most, or None where nothing would.

        It never fails but by being cancelled.
        """
        if not isinstance(error, NotFound | UpstreamMisaddressed):
            return None
        backend = candidate.backend
        own = self.keys.for_list(backend, credential, answers=True)

        def named(models: Sequence[ModelInfo]) -> BridgeError:
            name, names = candidate.target.model, [model.id for model in models]
            known = name_list(nearest_names(name, names), len(set(names)))
            _log.warn(
                "model {model} is unknown to backend {backend}" + ("; it has {known}" if known else ""),
                event="unknown-model",
                model=name,
                backend=backend.name,
                known=known,
            )
            return evolve(error, message=f"{error.message}. It has {known}") if known else error

        def pointed(found: str) -> BridgeError:
            told: BridgeError = evolve(error, message=f"{error.message}. {found}")
            _log.warn("{reason}", event="wrong-url", backend=backend.name, reason=told.message)
            return told

        if isinstance(error, UpstreamMisaddressed):
            return self.signposts.look(backend, own).addCallback(pointed)
        return self.lists.fetch(backend, own).addCallback(named)
