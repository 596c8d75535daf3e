"""Adds to an error that somebody has to fix by hand what helps: the names that exist, the right url."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import BridgeError, NotFound, UpstreamMisaddressed
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.core.nearest_names import name_list, nearest_names
from claude_bridge.services.exchange.plan import Candidate
from claude_bridge.services.interfaces import ModelLists, Signposts
from claude_bridge.services.keys.key_ring import KeyRing

_log = Logger()


@frozen(kw_only=True)
class Hints:
    """Finds out what helps, and logs it too: a client may not show the error's text."""

    keys: KeyRing
    lists: ModelLists
    signposts: Signposts

    def of(self, error: BridgeError, candidate: Candidate, credential: Secret | None) -> Deferred[BridgeError] | None:
        """Return ``error`` with a hint, after four seconds at most; None if there is no hint for this kind of error.

        The Deferred fails only if it is cancelled.
        """
        if not isinstance(error, NotFound | UpstreamMisaddressed):
            return None
        backend = candidate.backend
        own = self.keys.for_list(backend, credential, answers=True)

        def with_names(models: Sequence[ModelInfo]) -> BridgeError:
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

        def with_url(sentence: str) -> BridgeError:
            hinted: BridgeError = evolve(error, message=f"{error.message}. {sentence}")
            _log.warn("{reason}", event="wrong-url", backend=backend.name, reason=hinted.message)
            return hinted

        if isinstance(error, UpstreamMisaddressed):
            return self.signposts.look(backend, own).addCallback(with_url)
        return self.lists.fetch(backend, own).addCallback(with_names)
