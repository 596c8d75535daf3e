"""What follows from a refused chat completion: how to send it again, and the messages for the client and the log."""

from __future__ import annotations

from claude_bridge.core.backend_api import Adjustment, Advice, Circumstances, Explanation, UpstreamFailure
from claude_bridge.core.chat_completions.errors import adjustments
from claude_bridge.core.chat_completions.translation import Translation
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.upstream_errors import advice, trait_changes


def advise(failure: UpstreamFailure, sent: Translation, *, estimate: int) -> Advice:
    """Return how to send a request again after a refusal, if that can help, and the window that it names.

    Past reasoning that a server refuses is left out if no policy is configured; another refusal may show that a trait
    is different from what was assumed (`adjustments`).
    """
    if sent.echoed and adjustments.refuses_reasoning(failure, sent):
        return Advice(adjustment=Adjustment(why="echo", refuses_reasoning=True))
    return advice.advise(failure, sent, estimate=estimate, other=lambda: _other_trait(failure, sent))


def explain(failure: UpstreamFailure, sent: Translation, circumstances: Circumstances) -> Explanation:
    """Return the error for the client, and the text for the log if the backend's message quotes the prompt."""
    return advice.explain(failure, sent, circumstances, missing_capability(failure, sent))


def describe(failure: UpstreamFailure, sent: Translation) -> str:
    """Return a description of a failure without its message: the status, and type and code if these quote nothing."""
    return advice.describe(failure, sent)


def missing_capability(failure: UpstreamFailure, sent: Translation) -> InvalidRequest | None:
    """Return the error that makes the client leave images out, if the refusal is certainly about them, else None."""
    return advice.missing_capability(failure, sent, adjustments.IMAGE_PART)


def _other_trait(failure: UpstreamFailure, sent: Translation) -> Adjustment | None:
    return trait_changes.adjustment_for(adjustments.trait_change(failure, sent))
