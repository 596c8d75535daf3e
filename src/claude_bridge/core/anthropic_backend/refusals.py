"""What follows from a refusal: a repaired request where past thinking was refused, else the refusal as it is."""

from __future__ import annotations

import re
from typing import Final, Protocol

from attrs import evolve

from claude_bridge.core.anthropic_backend.body_editing import leaves_thinking_out
from claude_bridge.core.anthropic_backend.message_editing import PastThinking
from claude_bridge.core.backend_api import Adjustment, Circumstances, Explanation, UpstreamFailure
from claude_bridge.core.errors import BridgeError, ErrorResponse, UpstreamCredentialRefused, UpstreamMisaddressed
from claude_bridge.core.upstream_errors import advice
from claude_bridge.core.upstream_errors.advice import SentRequest
from claude_bridge.core.upstream_errors.quotations import Quotations, without_quoted_input

_STATUSES: Final = frozenset({400, 422})

# Anthropic, Bedrock and OpenRouter in their own words, gateways by Claude Code's name for it, vLLM's by pydantic.
# Gemini's thought_signature belongs to a tool call.
_SIGNATURE: Final = re.compile(
    r"invalid \W?(?<!thought_)signature\W? in \W?thinking|invalid \W?data\W? in \W?redacted_thinking"
    r"|\bthinking\.signature\b|\bredacted_thinking\.data\b|capability_rejected: thinking_signature"
    r"|thinking\W? blocks?\b[^.]{0,80}\b(?:cannot be modified|signature)|signature\W?[^.]{0,40}\bthinking\W? block",
    re.IGNORECASE,
)
# Anthropic, and DeepSeek, whose models think unless they are told not to.
_THINKING_MISSING: Final = re.compile(
    r"must start with a thinking block|expected \W?thinking\W? or \W?redacted_thinking"
    r"|content\[\]\.thinking\W{1,3}in the thinking mode must be passed back",
    re.IGNORECASE,
)


class SentMessages(SentRequest, Protocol):
    """A refused request of this kind."""

    @property
    def past_thinking(self) -> PastThinking:
        """Return which thinking blocks were left in it."""

    @property
    def thinking_off(self) -> bool:
        """Whether thinking was turned off in it."""


def adjustment(failure: UpstreamFailure, sent: SentMessages) -> Adjustment | None:
    """Return how to send a refused request again; None for every refusal that is not about past thinking.

    That a server checks signatures is remembered. Other servers' signatures in a conversation, and thinking that is
    missing from it, are matters of that conversation.
    """
    if failure.status not in _STATUSES:
        return None
    text, quotations = without_quoted_input(f"{failure.code} {failure.message}"), Quotations(sent.body)
    if quotations.find_own(_THINKING_MISSING, text):
        return None if sent.thinking_off else _with_trait("thinking", "off", remembered=False)
    if not quotations.find_own(_SIGNATURE, text):
        return None
    if sent.past_thinking == "all" and leaves_thinking_out(sent.body, "signed"):
        return _with_trait("signatures", "checked", remembered=True)
    if leaves_thinking_out(sent.body, "none"):
        return _with_trait("past_thinking", "none", remembered=False)
    return None


def explain(failure: UpstreamFailure, sent: SentRequest, circumstances: Circumstances) -> Explanation:
    """Return what a refusal means: for the bridge as for every kind of backend, for the client the response as it is.

    What only concerns the bridge's configuration, its own credential and the url, is explained in the bridge's words.
    """
    explanation = advice.explain(failure, sent, circumstances, None)
    error = explanation.error
    if failure.response is None or isinstance(error, UpstreamCredentialRefused | UpstreamMisaddressed):
        return explanation
    return evolve(explanation, error=_with_response(error, failure.response, circumstances))


def _with_trait(trait: str, value: str, *, remembered: bool) -> Adjustment:
    return Adjustment(why=f"{trait} = {value}", overrides={trait: value}, remembered=remembered)


def _with_response(error: BridgeError, response: ErrorResponse, circumstances: Circumstances) -> BridgeError:
    text = response.body.decode("utf-8", "replace")
    scrubbed = circumstances.scrub(text)
    return evolve(error, response=response if scrubbed == text else evolve(response, body=scrubbed.encode()))
