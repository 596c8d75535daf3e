"""Makes the error for the client out of what a backend reported."""

from __future__ import annotations

from attrs import frozen

from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import Circumstances, Explanation, Prepared, UpstreamFailure
from claude_bridge.core.redaction import Redactor
from claude_bridge.services.exchange.open_attempt import OpenAttempt
from claude_bridge.services.exchange.outgoing import upstream_url
from claude_bridge.services.fetch import shown


@frozen
class Explainer:
    """Explains failures without the credentials that a backend may quote."""

    _redactor: Redactor

    def explain(
        self, failure: UpstreamFailure, attempt: OpenAttempt, prepared: Prepared, model: str, credential: Secret | None
    ) -> Explanation:
        """Return the error for a client that asked for ``model`` with ``credential``, and what to log of it.

        ``prepared`` is what the attempt sent.
        """

        def scrub(text: str) -> str:
            """Return ``text`` without known credentials. The client's may have been displaced: it is learned again."""
            if credential is not None:
                self._redactor.learn(credential.reveal())
            return self._redactor(text)

        circumstances = Circumstances(
            backend=attempt.candidate.backend.name,
            url=shown(upstream_url(attempt.candidate.backend, prepared)),
            model=model,
            forwarded=attempt.lease.forwarded,
            estimate=attempt.estimate,
            scrub=scrub,
            names=self._redactor.words,
            section=attempt.candidate.section,
        )
        return prepared.explain(failure, circumstances)
