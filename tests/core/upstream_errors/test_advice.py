"""Tests for `claude_bridge.core.upstream_errors.advice`; each kind of backend tests it with its requests."""

from __future__ import annotations

from attrs import evolve, frozen

from claude_bridge.core.backend_api import Adjustment, Advice, Circumstances, UpstreamFailure
from claude_bridge.core.errors import ContextOverflow, InvalidRequest
from claude_bridge.core.upstream_errors.advice import advise, describe, explain, missing_capability

HERE = Circumstances(
    backend="b", url="http://b.invalid/v1", model="claude", forwarded=False, estimate=10, scrub=lambda text: text
)
OVERFLOW = UpstreamFailure(
    status=400, message="maximum context length is 8192 tokens, however you requested 9000 tokens"
)


@frozen
class Sent:
    """A request, in no kind's own form."""

    body: bytes = b'{"content":"a secret plan of mine"}'
    model: str = "m"
    context_window: int | None = 8192
    max_tokens: int | None = 4096


class AdviceTests:
    """How to ask again."""

    def test_other(self) -> None:
        """What only the kind knows is asked for where nothing else explains the refusal."""
        adjustment = Adjustment(why="schema = bare")
        refusal = UpstreamFailure(status=400, message="no")
        assert advise(refusal, Sent(), estimate=10, other=lambda: adjustment) == Advice(adjustment=adjustment)

    def test_credit(self) -> None:
        """An account that can pay for a shorter answer gets one."""
        failure = UpstreamFailure(status=402, message="You requested up to 4096 tokens, but can only afford 2000.")
        assert advise(failure, Sent(), estimate=10, other=lambda: None).adjustment == Adjustment(
            why="credit", max_tokens=2000
        )

    def test_window(self) -> None:
        """The window that an overflow names is returned."""
        assert advise(OVERFLOW, Sent(), estimate=10, other=lambda: None).context_window == 8192


class ExplanationTests:
    """What the client and the log get."""

    def test_overflow(self) -> None:
        """An overflow comes before a missing capability."""
        assert isinstance(explain(OVERFLOW, Sent(), HERE, InvalidRequest("no images")).error, ContextOverflow)

    def test_unknown_model(self) -> None:
        """A model that has a section is put right there, unless the client has named the backend itself."""
        refusal = UpstreamFailure(status=404, message="The model `m` does not exist.")
        told = explain(refusal, Sent(), evolve(HERE, section="glm"), None).error
        assert told.message.endswith("Set `name` in [model:glm] of the bridge's configuration to a model that it has")
        told = explain(refusal, Sent(), evolve(HERE, section="glm", model="b/m"), None).error
        assert "no route applies" in told.message

    def test_missing(self) -> None:
        """A model without eyes is an error that the client knows."""
        failure = UpstreamFailure(status=400, message="this model does not support images")
        missing = missing_capability(failure, Sent(b'{"type":"x"}'), b'"type":"x"')
        assert missing is not None
        assert explain(failure, Sent(), HERE, missing).error is missing

    def test_quotation(self) -> None:
        """The log gets no words of the prompt."""
        failure = UpstreamFailure(status=400, code="bad", message="refused: a secret plan of mine")
        assert explain(failure, Sent(), HERE, None).log_reason == describe(failure, Sent()) == "backend: 400 bad"
