"""What follows from a refused request: how to send it again, and the messages for the client and the log."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol

from attrs import evolve

from claude_bridge.core.backend_api import Adjustment, Advice, Circumstances, Explanation, UpstreamFailure
from claude_bridge.core.errors import BridgeError, InvalidRequest, NotFound, capability_rejected
from claude_bridge.core.model_names import pin, plain_name
from claude_bridge.core.tokens import answer_limit, overflow
from claude_bridge.core.upstream_errors import classification, overflow_detection
from claude_bridge.core.upstream_errors.quotations import Quotations
from claude_bridge.core.upstream_errors.trait_changes import refuses_images

_OK: Final = 200
_PAYMENT_REQUIRED: Final = 402

# Thus OpenRouter, which says what the account's credit is enough for.
_CAN_AFFORD: Final = re.compile(r"can only afford (\d{1,9})\b")


class SentRequest(Protocol):
    """A request that was refused."""

    @property
    def body(self) -> bytes:
        """Return its bytes."""

    @property
    def model(self) -> str:
        """Return the backend's own name of the model."""

    @property
    def context_window(self) -> int | None:
        """Return the model's window in tokens, where known."""

    @property
    def max_tokens(self) -> int | None:
        """Return the limit of the answer that was asked for, in tokens."""


def advise(
    failure: UpstreamFailure, sent: SentRequest, *, estimate: int, other: Callable[[], Adjustment | None]
) -> Advice:
    """Return how to send a request again after a refusal, if that can help, and the window that it names.

    The limit of the answer is reduced if the prompt itself fits (docs/chat-completions.md 3.3), or to what the account
    has credit for. ``other`` returns what another refusal teaches, which is for the kind of backend to know.
    """
    asked, window = sent.max_tokens or 0, sent.context_window
    if failure.status == _PAYMENT_REQUIRED:
        return Advice(adjustment=_affordable(failure, asked))
    over = overflow_detection.detect(failure, sent.body)
    if over is None:
        limit = overflow_detection.max_output_limit(failure, sent.body)
        if limit is None or limit >= asked:
            return Advice(adjustment=other())
        return Advice(adjustment=Adjustment(why="limit", max_output_tokens=limit))
    shrunk = overflow.shrunk_max_tokens(
        over, estimate=estimate, window=window, max_tokens=asked, margin=answer_limit.margin(over.window or window or 0)
    )
    return Advice(
        adjustment=None if shrunk is None else Adjustment(why="shrink", max_tokens=shrunk),
        # a window that leaves no room for an answer must be about something else
        context_window=over.window if over.window is not None and over.window >= overflow.MIN_ANSWER_TOKENS else None,
    )


def explain(
    failure: UpstreamFailure, sent: SentRequest, circumstances: Circumstances, missing: BridgeError | None
) -> Explanation:
    """Return the error for the client, and the text for the log if the backend's message quotes the prompt.

    ``missing``: the error to give instead if the model cannot do what the request needs, else None.
    """
    over = overflow_detection.detect(failure, sent.body)
    if over is not None:
        window, asked = sent.context_window, sent.max_tokens or 0
        too_long = overflow.canonical(over, estimate=circumstances.estimate, window=window, max_tokens=asked)
        return Explanation(error=too_long)
    if missing is not None:
        return Explanation(error=missing)
    error = classification.to_client(
        failure,
        backend=circumstances.backend,
        model=sent.model,
        forwarded=circumstances.forwarded,
        scrub=circumstances.scrub,
        names=circumstances.names,
        url=circumstances.url,
    )
    if isinstance(error, NotFound):
        error = evolve(error, message=f"{error.message}. {_about_the_name(circumstances)}")
    quotations = Quotations(sent.body)
    quoted = quotations.quotes(failure.message or _type_and_code(failure), (sent.model, circumstances.model))
    return Explanation(error=error, log_reason=_describe_without_message(failure, quotations) if quoted else "")


def _about_the_name(circumstances: Circumstances) -> str:
    """Return what to do about a model that a backend does not have; no route helps where the client names both."""
    backend = circumstances.backend
    if pin(plain_name(circumstances.model), (backend,)) is not None:
        return f"The request names this backend, so that no route applies: name a model that {backend} has"
    if circumstances.section:
        return f"Set `name` in [model:{circumstances.section}] of the bridge's configuration to a model that it has"
    return "Name a model that it has in [route:default] of the bridge's configuration, or in ANTHROPIC_MODEL"


def describe(failure: UpstreamFailure, sent: SentRequest) -> str:
    """Return a description of a failure without its message: the status, and type and code if these quote nothing."""
    return _describe_without_message(failure, Quotations(sent.body))


def missing_capability(failure: UpstreamFailure, sent: SentRequest, image_part: bytes) -> InvalidRequest | None:
    """Return the error that makes the client leave images out, if the refusal is certainly about them, else None."""
    if not refuses_images(failure, sent.body, image_part):
        return None
    return capability_rejected("image_block", f"the backend's model {sent.model} takes no images")


def _affordable(failure: UpstreamFailure, asked: int) -> Adjustment | None:
    """Return how to ask for an answer that the account's credit is enough for, if that is worth it."""
    found = _CAN_AFFORD.search(failure.message)
    affordable = int(found[1]) if found else 0
    if not overflow.MIN_ANSWER_TOKENS <= affordable < asked:
        return None
    return Adjustment(why="credit", max_tokens=affordable)


def _type_and_code(failure: UpstreamFailure) -> str:
    return " ".join(filter(None, (failure.type, failure.code)))


def _describe_without_message(failure: UpstreamFailure, quotations: Quotations) -> str:
    words = _type_and_code(failure)
    inside = failure.answered == _OK
    event = "an error inside its answer" if inside else str(failure.status)
    return f"backend: {event} {'' if quotations.quotes(words) else words}".rstrip()
