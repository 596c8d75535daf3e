"""What a person reads of a request that has ended."""

from __future__ import annotations

import pytest
from attrs import evolve

from claude_bridge.core.events import Usage
from claude_bridge.services.accounting.request_line import request_line
from claude_bridge.services.interfaces import AttemptRecord, RequestRecord

CHUTES = AttemptRecord(
    backend="chutes",
    model="zai/GLM",
    credential="chutes/1",
    started=1_700_000_000.0,
    seconds=13.4,
    first_event_seconds=0.3,
    status=200,
    outcome="ok",
    usage=Usage(276, 2465, 11_904),
    first_token_seconds=0.003,
)
BOX = evolve(CHUTES, backend="box", model="qwen", outcome="upstream_unreachable", usage=None, first_token_seconds=None)
GOOD = RequestRecord(
    request_id="req_1",
    kind="main",
    model="glm@claude-bridge",
    session="3f2a91c0-7d51-4a5e-9f27-6a1c3a0e6f10",
    agent="",
    client="",
    streamed=True,
    started=1_700_000_000.0,
    seconds=13.4,
    first_byte_seconds=0.9,
    status=200,
    outcome="ok",
    body_bytes=1234,
    attempts=(CHUTES,),
)


class GoodRequestTests:
    """A request that was answered."""

    def test_says_who_how_much_and_how_fast(self) -> None:
        """Session, model, backend, tokens with the cached ones, seconds, first word and rate are in the line."""
        assert request_line(GOOD) == (
            "main #3f2a glm -> chutes  12,180 in (11,904 cached) 2,465 out  13.4 s  first 0.9 s  184 tok/s"
        )

    def test_cost(self) -> None:
        """The cost of all attempts stands behind the rate, and before the client."""
        priced = evolve(CHUTES, cost=4_200_000_000)
        line = request_line(evolve(GOOD, attempts=(BOX, priced), client="anna"))
        assert line.endswith("  184 tok/s  $0.0042  for anna")
        assert request_line(evolve(GOOD, attempts=(priced, priced))).endswith("  184 tok/s  $0.0084")

    def test_unknown_cost(self) -> None:
        """A part of the cost is not the cost: where that of one attempt with tokens is unknown, nothing is said."""
        priced = evolve(CHUTES, cost=4_200_000_000)
        assert request_line(evolve(GOOD, attempts=(CHUTES, priced))).endswith("  184 tok/s")

    def test_free(self) -> None:
        """What is known to cost nothing is not unknown."""
        assert request_line(evolve(GOOD, attempts=(evolve(CHUTES, cost=0),))).endswith("  184 tok/s  $0")

    def test_what_is_not_known_leaves_no_gap(self) -> None:
        """Without kind, session, cache, first word and rate the rest of the line stands close together."""
        plain = evolve(CHUTES, usage=Usage(1000, 1), first_token_seconds=None)
        line = request_line(evolve(GOOD, kind="", session="", attempts=(plain,), first_byte_seconds=None))
        assert line == "glm -> chutes  1,000 in 1 out  13.4 s"

    def test_an_answer_in_one_piece_has_no_rate(self) -> None:
        """Where all words came at the end, tokens by seconds would be a made-up number."""
        line = request_line(evolve(GOOD, streamed=False, attempts=(evolve(CHUTES, first_token_seconds=13.4),)))
        assert line.endswith("2,465 out  13.4 s")

    def test_names_the_client(self) -> None:
        """Where clients have keys, the line says whose request it was."""
        assert request_line(evolve(GOOD, client="anna")).endswith("184 tok/s  for anna")

    def test_the_route_is_named_with_the_model_that_it_chose(self) -> None:
        """A name that leads to a route does not say which model answers, so the line does."""
        line = request_line(evolve(GOOD, model="claude-opus-5-5", route="default"))
        assert " claude-opus-5-5 -> chutes/zai/GLM (route default)  12,180 in" in line

    def test_a_model_that_failed_is_named(self) -> None:
        """It is told that the first choice failed, and that another one answered."""
        line = request_line(evolve(GOOD, route="default", attempts=(BOX, CHUTES), first_choice="box/qwen"))
        assert " -> chutes/zai/GLM (route default, box/qwen failed)  12,180 in" in line
        twice = request_line(evolve(GOOD, route="default", attempts=(BOX, BOX, CHUTES), first_choice="box/qwen"))
        assert " -> chutes/zai/GLM (route default, box/qwen failed, 3 attempts)  12,180 in" in twice

    def test_a_first_choice_that_was_not_asked_is_named(self) -> None:
        """A first choice whose circuit is open, or that a session has left, was not asked and did not fail."""
        line = request_line(evolve(GOOD, route="default", first_choice="box/qwen"))
        assert " -> chutes/zai/GLM (route default, instead of box/qwen)  12,180 in" in line

    def test_several_attempts_at_one_model(self) -> None:
        """What took several attempts says so."""
        line = request_line(evolve(GOOD, attempts=(evolve(CHUTES, outcome="refused", usage=None), CHUTES)))
        assert " glm -> chutes (2 attempts)  12,180 in" in line

    def test_without_a_backend(self) -> None:
        """What the bridge answers by itself is one word and the time."""
        line = request_line(evolve(GOOD, kind="models", model="", session="", attempts=(), first_byte_seconds=None))
        assert line == "models  ok  13.4 s"


class OtherEndingTests:
    """A request that did not end well cannot be taken for one that did."""

    def test_a_client_that_left(self) -> None:
        """The status says 200, the line does not; what was written until then is counted."""
        left = evolve(GOOD, outcome="client_left", attempts=(evolve(CHUTES, usage=Usage(9, 7)),))
        line = request_line(left)
        assert line == "main #3f2a glm -> chutes  client left  9 in 7 out  13.4 s  first 0.9 s  1 tok/s"

    def test_a_failure(self) -> None:
        """A failure has its status, its word and its reason."""
        failed = evolve(
            GOOD, status=502, outcome="upstream_unreachable", attempts=(BOX,), first_byte_seconds=None, reason="no way"
        )
        assert request_line(failed) == "main #3f2a glm -> box  failed: 502 upstream_unreachable  13.4 s: no way"

    def test_an_answer_that_broke_off(self) -> None:
        """An answer that began with 200 and broke off says so."""
        cut = evolve(GOOD, outcome="upstream_cut", attempts=(evolve(CHUTES, usage=None),), reason="closed")
        assert request_line(cut) == "main #3f2a glm -> chutes  broken off: upstream_cut  13.4 s  first 0.9 s: closed"

    @pytest.mark.parametrize(("kind", "model"), [("/v1/nonsense", ""), ("", "m")])
    def test_refused_before_any_backend(self, kind: str, model: str) -> None:
        """What was refused at once names what was asked for."""
        record = evolve(GOOD, kind=kind, model=model, session="", attempts=(), first_byte_seconds=None)
        line = request_line(evolve(record, status=404, outcome="not_found"))
        assert line == f"{kind or model}  failed: 404 not_found  13.4 s"
