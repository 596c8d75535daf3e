"""An attempt with what it holds, and what it was made from."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from claude_bridge.core.backend_api import Prepared, Target
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.events import Usage
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.services.backend_slots import Slot
from claude_bridge.services.exchange.attempt import Attempt
from claude_bridge.services.exchange.plan import Candidate
from claude_bridge.services.exchange.recorder import RequestRecorder
from claude_bridge.services.keys.key_ring import Lease


@frozen(kw_only=True)
class OpenAttempt:
    """An attempt, and what it was made from. It holds a slot and a lease until one of `close` and `abandon` is called.

    :ivar slot: its place among the streams of the backend.
    :ivar asked: the client's request, with everything that extra turns add.
    :ivar estimate: our estimate of the prompt's tokens.
    :ivar max_tokens: what an overflow left for the answer, or None.
    :ivar documents: base64 text of a PDF -> its text.
    """

    candidate: Candidate
    target: Target
    lease: Lease
    slot: Slot
    asked: AskedRequest
    estimate: int
    max_tokens: int | None
    documents: Mapping[str, str]
    attempt: Attempt

    def prepare(self) -> Prepared:
        """Prepare the upstream request again: it is as large as the client's, so it is not kept for a refusal."""
        return self.target.prepare(
            self.asked, estimate=self.estimate, max_tokens=self.max_tokens, documents=self.documents
        )

    def close(
        self,
        recorder: RequestRecorder,
        outcome: str,
        usage: Usage | None,
        error: BridgeError | None = None,
        told: float | None = None,
    ) -> None:
        """Record that it has ended, and report the outcome to its lease.

        ``told``: the seconds that the backend said to wait.
        """
        self.slot.release()
        if error is None:
            self.lease.succeeded(0 if usage is None else usage.prompt_tokens + usage.output_tokens)
        else:
            self.lease.failed(error, retry_after=told)
        recorder.attempt_ended(self.attempt, self.candidate, self.lease.name, outcome, usage)

    def stop(self) -> None:
        """Close the upstream connection of an attempt that ends without an outcome, and release its slot."""
        self.attempt.close()
        self.slot.release()

    def abandon(self, recorder: RequestRecorder, usage: Usage | None) -> None:
        """Record that its client left, which is nobody's failure."""
        self.lease.abandoned()
        recorder.attempt_ended(self.attempt, self.candidate, self.lease.name, "client_left", usage)
