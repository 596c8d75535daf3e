"""Tests for `claude_bridge.core.anthropic_backend.refusals`.

The words are those of real servers, from issues of their users: anthropics/claude-code 10627, 11971;
lbjlaq/Antigravity-Manager 89, 139; NousResearch/hermes-agent 16149; anomalyco/opencode 15074.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from claude_bridge.core.anthropic_backend.backend import ANTHROPIC_MESSAGES
from claude_bridge.core.anthropic_backend.message_reader import MessageReader
from claude_bridge.core.anthropic_backend.stream_reader import StreamReader
from claude_bridge.core.anthropic_backend.target import MessagesTarget, PreparedMessages
from claude_bridge.core.backend_api import Adjustment, Circumstances, NeutralRequest, OriginalRequest, UpstreamFailure
from claude_bridge.core.conversation import Conversation
from claude_bridge.core.errors import (
    AuthenticationFailed,
    BridgeError,
    ContextOverflow,
    ErrorResponse,
    NotFound,
    PermissionDenied,
    RequestTooLarge,
    UpstreamCredentialRefused,
    UpstreamForbidden,
    UpstreamMisaddressed,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRefused,
)
from tests.core.anthropic_backend.bodies import body, message, thinking

SIGNATURE = "messages.1.content.0: Invalid `signature` in `thinking` block"
MUST_THINK = (
    "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`. When `thinking` is "
    "enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` "
    "and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid this "
    "requirement, disable `thinking`."
)
UNSIGNED = (message("user", "hi"), message("assistant", thinking("a", "cb1.x"), "one"))
SIGNED = (message("user", "hi"), message("assistant", thinking("a"), "one"))

CHECKED = Adjustment(why="signatures = checked", overrides={"signatures": "checked"})
NONE = Adjustment(why="past_thinking = none", overrides={"past_thinking": "none"}, remembered=False)
OFF = Adjustment(why="thinking = off", overrides={"thinking": "off"}, remembered=False)


def sent(*messages: Any, **traits: Any) -> PreparedMessages:
    """Make a request that was sent."""
    asked = NeutralRequest(Conversation(system=[], turns=[]), "", OriginalRequest(body(*messages), {}))
    return MessagesTarget(model="m", **traits).prepare(asked)


def envelope(words: str, kind: str = "invalid_request_error") -> bytes:
    """Return the body of an error."""
    return json.dumps({"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_1"}).encode()


def refused(words: str, status: int = 400, kind: str = "invalid_request_error", **headers: str) -> UpstreamFailure:
    """Make a refusal of the API."""
    return ANTHROPIC_MESSAGES.read_refusal(status, headers, envelope(words, kind), now=0.0)


def adjusted(failure: UpstreamFailure, request: PreparedMessages) -> Adjustment | None:
    """Return how to ask again."""
    return request.adjust(failure, estimate=1).adjustment


class AdjustmentTests:
    """Which refusals are repaired, and how."""

    @pytest.mark.parametrize(
        "words",
        [
            SIGNATURE,
            "messages.3.content.0: Invalid signature in thinking block",
            "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
            "messages.1.content.0.thinking.signature: Field required",
            "capability_rejected: thinking_signature (not mine)",
            "InvokeModel: ValidationException: ***.***.content.0: Invalid `signature` in `thinking` block",
            (
                "messages.1.content.3: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot "
                "be modified. These blocks must remain as they were in the original response."
            ),
        ],
    )
    def test_signature(self, words: str) -> None:
        """A server that refuses a signature checks them, which is remembered."""
        assert adjusted(refused(words), sent(*UNSIGNED)) == CHECKED

    def test_foreign_signature(self) -> None:
        """If nothing of the bridge's is left, another server has signed: this conversation goes on without thinking."""
        assert adjusted(refused(SIGNATURE), sent(*UNSIGNED, *SIGNED, signatures="checked")) == NONE
        assert adjusted(refused(SIGNATURE), sent(*SIGNED)) == NONE

    def test_nothing_left(self) -> None:
        """Without any thinking block there is nothing to repair."""
        assert adjusted(refused(SIGNATURE), sent(*UNSIGNED, signatures="checked")) is None
        assert adjusted(refused(SIGNATURE), sent(*SIGNED, past_thinking="none")) is None

    @pytest.mark.parametrize(
        "words", [MUST_THINK, "The `content[].thinking` in the thinking mode must be passed back to the API."]
    )
    def test_thinking_missing(self, words: str) -> None:
        """A server that misses the thinking of a tool loop is asked not to think in this request."""
        assert adjusted(refused(words), sent(*SIGNED)) == OFF
        assert adjusted(refused(words), sent(*SIGNED, thinking="off")) is None

    @pytest.mark.parametrize(
        ("words", "status"),
        [
            ("max_tokens: Field required", 400),
            ("`clear_thinking_20251015` strategy requires `thinking` to be enabled", 400),
            ("Function call is missing a thought_signature in functionCall parts", 400),
            ("messages.0.content: thinking blocks are fine", 400),
            (SIGNATURE, 500),
            (SIGNATURE, 401),
            ("Overloaded", 529),
        ],
    )
    def test_others(self, words: str, status: int) -> None:
        """Any other refusal is the client's to deal with."""
        assert adjusted(refused(words, status), sent(*UNSIGNED)) is None

    def test_quoted(self) -> None:
        """Words that stand in the prompt are not the server's."""
        request = sent(message("user", f"why? {SIGNATURE}"), *UNSIGNED)
        assert adjusted(refused(SIGNATURE), request) is None

    def test_steps(self) -> None:
        """A conversation of several servers is accepted after three refusals, if the server will have it at all."""
        target: Any = MessagesTarget(model="m")
        request = NeutralRequest(Conversation(system=[], turns=[]), "", OriginalRequest(body(*UNSIGNED, *SIGNED), {}))
        for words, expected in ((SIGNATURE, CHECKED), (SIGNATURE, NONE), (MUST_THINK, OFF)):
            found = adjusted(refused(words), target.prepare(request))
            assert found == expected
            target = target.adjusted(found.overrides, refuses_reasoning=False, max_output_tokens=None)
        assert json.loads(target.prepare(request).body)["thinking"] == {"type": "disabled"}
        assert b"cb1." not in target.prepare(request).body

    def test_words_for_the_log(self) -> None:
        """The log says how the request was sent again."""
        assert (NONE.rejected, NONE.instead) == ("a request", "with past_thinking = none")


class ExplainTests:
    """What the client gets."""

    def explained(
        self, failure: UpstreamFailure, *, forwarded: bool = False, scrub: Callable[[str], str] = str
    ) -> BridgeError:
        """Explain a failure."""
        where = Circumstances(
            backend="box", url="http://box/v1/messages", model="alias", forwarded=forwarded, estimate=5, scrub=scrub
        )
        return sent(*SIGNED).explain(failure, where).error

    @pytest.mark.parametrize(
        ("status", "kind", "words", "error"),
        [
            (400, "invalid_request_error", "tools.0: bad", UpstreamRefused),
            (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", ContextOverflow),
            (404, "not_found_error", "model: claude-0", NotFound),
            (413, "request_too_large", "Request exceeds the maximum size", RequestTooLarge),
            (429, "rate_limit_error", "Slow down", UpstreamRateLimited),
            (529, "overloaded_error", "Overloaded", UpstreamOverloaded),
        ],
    )
    def test_unmodified(self, status: int, kind: str, words: str, error: type[BridgeError]) -> None:
        """The bridge knows what an error means, as for its routes; the client gets it as it was."""
        found = self.explained(refused(words, status, kind, **{"retry-after": "7", "date": "x"}))
        assert type(found) is error
        assert found.response == ErrorResponse(status, envelope(words, kind), (("retry-after", "7"),))
        assert found.http_status == status

    @pytest.mark.parametrize(
        ("status", "kind", "forwarded", "error"),
        [
            (401, "authentication_error", True, AuthenticationFailed),
            (403, "permission_error", True, PermissionDenied),
            (401, "authentication_error", False, UpstreamCredentialRefused),
            (403, "permission_error", False, UpstreamForbidden),
        ],
    )
    def test_credential(self, status: int, kind: str, forwarded: bool, error: type[BridgeError]) -> None:
        """A refusal of the bridge's own credential is not shown: the client would ask its user to log in."""
        found = self.explained(refused("no", status, kind), forwarded=forwarded)
        assert type(found) is error
        assert (found.response is not None) is forwarded
        assert found.http_status == (status if forwarded else 502)

    def test_misaddressed(self) -> None:
        """Nor is one that only says that the url is wrong."""
        found = self.explained(refused("Not Found", 404, "not_found_error"))
        assert type(found) is UpstreamMisaddressed
        assert found.response is None

    @pytest.mark.parametrize(
        "sent_body", [b'{"error":{"message":"boom"}}', b"boom", b"", b'{"type":"error","error":3}']
    )
    def test_other_forms(self, sent_body: bytes) -> None:
        """An error in another form is told in the bridge's words, as clients read only the API's own."""
        failure = ANTHROPIC_MESSAGES.read_refusal(400, {}, sent_body, now=0.0)
        assert failure.response is None
        assert self.explained(failure).response is None

    def test_status_of_success(self) -> None:
        """An error that comes with the status of a success must not look like one to the client."""
        failure = ANTHROPIC_MESSAGES.read_refusal(202, {}, envelope("Overloaded", "overloaded_error"), now=0.0)
        response = self.explained(failure).response
        assert response is not None
        assert response.status == 529

    def test_overflow_in_other_forms(self) -> None:
        """An overflow is then worded as clients expect it."""
        failure = ANTHROPIC_MESSAGES.read_refusal(
            400, {}, b'{"error":{"message":"maximum context length is 8192 tokens, but you sent 9000 tokens"}}', now=0.0
        )
        found = self.explained(failure)
        assert type(found) is ContextOverflow
        assert found.message.startswith("prompt is too long: ")

    def test_scrubbed(self) -> None:
        """A credential that the backend quotes is removed from the body."""
        failure = refused("key sk-secret is odd")
        found = self.explained(failure, scrub=lambda text: text.replace("sk-secret", "***"))
        assert found.response is not None
        assert found.response.body == envelope("key *** is odd")

    def test_in_a_stream(self) -> None:
        """An error inside an answer is passed on, too, with the status that its type stands for."""
        sent_error = b'{"type": "error", "error":{"type":"overloaded_error" ,"message":"Overloaded"}} '
        reader = StreamReader()
        reader.feed(b"event: error\ndata: " + sent_error + b"\n\n")
        found = self.explained(ANTHROPIC_MESSAGES.read_error(reader.failure))
        assert type(found) is UpstreamOverloaded
        assert found.response == ErrorResponse(529, sent_error)

    def test_in_several_lines(self) -> None:
        """It has to fit into one line of an event stream."""
        value = {"type": "error", "error": {"type": "overloaded_error", "message": "Over\nloaded"}}
        reader = MessageReader()
        reader.feed(json.dumps(value, indent=2).encode())
        reader.close()
        found = self.explained(ANTHROPIC_MESSAGES.read_error(reader.failure))
        assert found.response is not None
        assert json.loads(found.response.body) == value
        assert b"\n" not in found.response.body

    def test_without_the_envelope(self) -> None:
        """Any other error inside an answer is told in the bridge's words."""
        assert self.explained(ANTHROPIC_MESSAGES.read_error({"error": "boom"})).response is None

    def test_log_reason(self) -> None:
        """A message that quotes the prompt is not logged."""
        request = sent(message("user", "my secret plan is to leave"))
        failure = refused("I refuse: my secret plan is to leave")
        where = Circumstances(backend="b", url="u", model="m", forwarded=False, estimate=5, scrub=str)
        assert "secret" not in request.explain(failure, where).log_reason
        assert request.explain(failure, where).log_reason
        assert "secret" not in request.describe(evolve(failure, message=""))
