"""Promises of a client request: attempts, the few retries, what the client, the records and the breaker are told."""

from __future__ import annotations

import contextlib
import gc
import json
import time
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
from twisted.logger import LogEvent, LogLevel, capturedLogs, formatEvent

from claude_bridge.core.errors import (
    AuthenticationFailed,
    CircuitOpen,
    InternalFault,
    UpstreamCut,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from claude_bridge.core.events import Event, Usage
from claude_bridge.services.breaker import CircuitBreakers, CircuitState
from claude_bridge.services.interfaces import UpstreamReceiver, UpstreamRequest
from claude_bridge.services.knowledge.profiles import ModelProfiles
from claude_bridge.testing.chat import chat_stream, chunk, events, token_usage
from claude_bridge.testing.fakes import FakeCall, FakeClientResponse, FakeUpstreamClient, FixedLists
from tests.core.strategies import in_steps
from tests.services.exchange.stage import (
    EMPTY,
    HELLO,
    ONE,
    ROUTED,
    BrokenLists,
    DeafDownstream,
    HangingLists,
    Stage,
    configured,
    models,
    refusal,
)

FORWARD = ONE.replace("credentials = none", "credentials = forward")
KEYED = ONE.replace("url =", "api_key = owners-secret\nurl =")
TOO_LONG = refusal(
    "This model's maximum context length is 8192 tokens. However, you requested 13000 tokens "
    "(5000 in the messages, 8000 in the completion)."
)
PROMPT_TOO_LONG = refusal("prompt is too long: 9000 tokens > 8192 maximum")
LIMIT = refusal("max_tokens is too large: 8000. This model supports at most 2048 completion tokens")
NO_ECHO = refusal("Extra inputs are not permitted: messages.1.reasoning_content")
NO_GRAMMAR = refusal("Failed to initialize samplers: failed to parse grammar")
NO_CHOICE = refusal("m does not support this tool_choice")
NO_IMAGES = refusal("image input is not supported - hint: if this is unexpected, you may need to provide the mmproj")
REASONED = [
    {"role": "user", "content": "hi"},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "let me see", "signature": ""},
            {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}]},
]


class AnsweredTests:
    """Requests that a backend answers."""

    def test_answer_and_books(self) -> None:
        """The client gets the text; the records get attempt and request with times, tokens and outcome."""
        stage = Stage()
        stage.run()
        stage.clock.advance(2)
        stage.call.head()
        stage.clock.advance(1)
        stage.call.data(*HELLO)
        assert stage.downstream.text == "Hello there"
        (record,) = stage.records.requests
        (attempt,) = record.attempts
        assert stage.records.attempts == [attempt]
        assert (attempt.backend, attempt.model, attempt.credential, attempt.status) == ("box", "zai/GLM", "none", 200)
        assert (attempt.seconds, attempt.first_event_seconds, attempt.started) == (3.0, 3.0, 1_700_000_000.0)
        assert attempt.usage is not None
        assert (attempt.usage.input_tokens, attempt.usage.output_tokens) == (12, 7)
        assert (record.request_id, record.model, record.status, record.outcome) == ("req_1", "glm", 200, "ok")
        assert (record.seconds, record.started, record.streamed) == (3.0, 1_700_000_000.0, True)
        assert stage.breaker.told == ["admit", "succeeded"]
        assert stage.downstream.producers == [stage.call, None]

    def test_request_on_its_way(self) -> None:
        """The backend is asked at its address, by its own model's name, to stream, in our name."""
        stage = Stage()
        stage.run(stream=False)
        request = stage.call.request
        assert request.url == "http://box:8000/v1/chat/completions"
        assert (request.first_byte_timeout, request.idle_timeout) == (900.0, 300.0)
        assert dict(request.headers) == {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            "User-Agent": "claude-bridge/test",
        }
        assert (stage.sent["model"], stage.sent["stream"], stage.sent["max_tokens"]) == ("zai/GLM", True, 8000)

    def test_silence_may_be_longer_with_tools(self) -> None:
        """Long tool calls arrive from some servers as one piece."""
        stage = Stage()
        stage.run(tools=[{"name": "Bash", "input_schema": {"type": "object"}}])
        assert stage.call.request.idle_timeout == 600.0

    def test_configured_times_win(self) -> None:
        """What `[backend:*]` says of silence holds."""
        stage = Stage(configured(ONE.replace("url =", "idle_timeout = 7\nfirst_byte_timeout = 9\nurl =")))
        stage.run(tools=[{"name": "Bash", "input_schema": {"type": "object"}}])
        assert (stage.call.request.first_byte_timeout, stage.call.request.idle_timeout) == (9.0, 7.0)

    def test_configured_headers_replace_ours(self) -> None:
        """A header that is configured is sent once, as configured."""
        text = KEYED.replace("url =", "headers =\n  user-agent: me/1\n  X-Org: 5\nurl =")
        stage = Stage(configured(text))
        stage.run()
        names = [name.lower() for name, _ in stage.call.request.headers]
        assert len(names) == len(set(names))
        sent = {name.lower(): value for name, value in stage.call.request.headers}
        assert (sent["user-agent"], sent["x-org"], sent["authorization"]) == ("me/1", "5", "Bearer owners-secret")

    def test_client_sees_the_name_it_asked_for(self) -> None:
        """The model in the answer is the client's own name for it; header and log name the true one."""
        stage = Stage()
        stage.run(model="claude-opus-5-5")
        (started,) = stage.downstream.started
        assert (started["model"], started["served_by"]) == ("claude-opus-5-5", "box/zai/GLM")

    def test_true_counts_teach_the_estimate(self) -> None:
        """What a prompt really counted corrects the next estimate."""
        stage = Stage()
        long = [{"role": "user", "content": "word " * 2000}]
        stage.run(messages=long)
        first = stage.downstream.started[0]["input_tokens"]
        assert isinstance(first, int)
        stage.call.answer(*chat_stream(text="ok", usage=token_usage(first * 2, 1)))
        stage.run(messages=long)
        second = stage.downstream.started[0]["input_tokens"]
        assert isinstance(second, int)
        assert first < second <= first * 2


class CredentialTests:
    """Whose key goes along, and whose fault its refusal is."""

    def test_forwarded(self) -> None:
        """The client's key goes to the backend as bearer, and the records call it the client's."""
        stage = Stage(configured(FORWARD))
        stage.run("mine")
        assert dict(stage.call.request.headers)["Authorization"] == "Bearer mine"
        stage.call.answer(*HELLO)
        assert stage.records.attempts[0].credential == "client"

    def test_own_key_replaces(self) -> None:
        """The backend's own key goes instead of the client's."""
        stage = Stage(configured(KEYED.replace("credentials = none", "credentials = forward")))
        stage.run("sk-ant-client")
        assert dict(stage.call.request.headers)["Authorization"] == "Bearer owners-secret"

    @pytest.mark.parametrize("credential", [None, "sk-ant-api03-x"])
    def test_nothing_leaves_without_a_fit_key(self, credential: str | None) -> None:
        """No key, or one of Anthropic's: 401 and no request to the backend."""
        stage = Stage(configured(FORWARD))
        stage.run(credential)
        assert stage.client.calls == []
        assert isinstance(stage.error, AuthenticationFailed)
        assert (stage.outcomes, stage.breaker.told) == (("authentication_failed",), [])

    @pytest.mark.parametrize(
        ("text", "status", "told", "kind"),
        [
            (FORWARD, 401, 401, "authentication_error"),
            (FORWARD, 403, 403, "permission_error"),
            (KEYED, 401, 502, "api_error"),
            (KEYED, 403, 502, "api_error"),
        ],
    )
    def test_refused_key(self, text: str, status: int, told: int, kind: str) -> None:
        """The refusal of a client's key is the client's business; that of the owner's is the bridge's."""
        stage = Stage(configured(text))
        stage.run("mine")
        stage.call.answer(refusal("no"), status=status)
        assert (stage.error.status, stage.error.kind, stage.error.should_retry) == (told, kind, False)
        assert "box" in stage.error.message
        assert stage.breaker.told[-1].split()[0] in {"succeeded", "failed"}


class RetryTests:
    """The few refusals after which a backend is asked differently, each once."""

    def test_overflow_shrinks_once(self) -> None:
        """Too much asked for: the same with less; a second overflow is the client's, in the canonical words."""
        stage = Stage()
        stage.run()
        stage.call.answer(TOO_LONG, status=400)
        assert stage.sent["max_tokens"] == 8192 - 5000 - 256
        stage.call.answer(PROMPT_TOO_LONG, status=400)
        assert len(stage.client.calls) == 2
        assert (stage.error.status, stage.error.message) == (400, "prompt is too long: 9000 tokens > 8192 maximum")
        assert stage.outcomes == ("refused", "context_overflow", "context_overflow")
        assert stage.breaker.told == ["admit", "succeeded", "admit", "failed context_overflow"]

    def test_both_too_long_is_canonical(self) -> None:
        """Where asking for less would help the client is told so in the words it acts on."""
        stage = Stage()
        stage.run()
        for _ in range(2):
            stage.call.answer(TOO_LONG, status=400)
        assert stage.error.message.startswith("input length and `max_tokens` exceed context limit: 5000 + 8000 > 8192")

    def test_limit_once_and_remembered(self) -> None:
        """A model's own limit is kept from then on."""
        stage = Stage()
        stage.run()
        stage.call.answer(LIMIT, status=400)
        assert stage.sent["max_tokens"] == 2048
        stage.call.answer(*HELLO)
        assert stage.outcomes == ("refused", "ok", "ok")
        stage.run()
        assert stage.sent["max_tokens"] == 2048

    def test_echo_once_and_remembered(self) -> None:
        """Past reasoning that a backend refuses is left out, now and later."""
        stage = Stage()
        stage.run(messages=REASONED)
        assert b"let me see" in stage.call.request.body
        stage.call.answer(NO_ECHO, status=400)
        assert b"let me see" not in stage.call.request.body
        stage.call.answer(*HELLO)
        assert stage.downstream.text == "Hello there"
        stage.run(messages=REASONED)
        assert b"let me see" not in stage.call.request.body

    def test_refused_schema_once_and_remembered(self) -> None:
        """A tool's schema that a backend cannot use is sent in its slimmest form, now and later, and that is logged."""
        tools = [{"name": "Bash", "input_schema": {"type": "object", "properties": {"a": {"pattern": "\\d"}}}}]
        stage = Stage()
        with capturedLogs() as logged:
            for _ in range(2):
                stage.run(tools=tools)
                if "pattern" in str(stage.sent["tools"]):
                    stage.call.answer(NO_GRAMMAR, status=400)
                assert stage.sent["tools"][0]["function"]["parameters"]["properties"] == {"a": {"type": "string"}}
                stage.call.answer(*HELLO)
        assert len(stage.client.calls) == 3
        (retried,) = [event for event in logged if event.get("event") == "retried"]
        assert retried["why"] == "schema = bare"
        assert formatEvent(retried) == "backend box rejected a request for zai/GLM; retried with schema = bare"
        assert [event["keys"] for event in logged if event.get("event") == "slimmed"] == ["pattern"]

    def test_lessons_come_to_an_end(self) -> None:
        """A backend that refuses each form of tool choice is asked with the next, and with none of them twice."""
        stage = Stage()
        stage.run(tools=[{"name": "Bash"}], tool_choice={"type": "tool", "name": "Bash"})
        for _ in range(3):
            stage.call.answer(NO_CHOICE, status=400)
        choices = [json.loads(call.request.body).get("tool_choice") for call in stage.client.calls]
        assert choices == [{"type": "function", "function": {"name": "Bash"}}, "required", "auto", None]
        stage.call.answer(NO_CHOICE, status=400)
        assert (stage.error.status, len(stage.client.calls)) == (400, 4)
        assert stage.sent["messages"][-1]["content"].endswith("You must call the tool Bash now.")

    def test_refused_images_are_the_clients_to_leave_out(self) -> None:
        """A backend without eyes makes the client take its images out, in the words that it knows."""
        stage = Stage()
        source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
        stage.run(messages=[{"role": "user", "content": [{"type": "image", "source": source}]}])
        stage.call.answer(NO_IMAGES, status=500)
        assert (stage.error.status, len(stage.client.calls)) == (400, 1)
        assert stage.error.message.startswith("capability_rejected: image_block (")

    def test_shrunk_limit_stays_for_later_tries(self) -> None:
        """A retry for another reason does not ask for too much again."""
        stage = Stage()
        stage.run(messages=REASONED)
        stage.call.answer(TOO_LONG, status=400)
        shrunk = stage.sent["max_tokens"]
        stage.call.answer(NO_ECHO, status=400)
        assert stage.sent["max_tokens"] == shrunk
        stage.call.answer(LIMIT, status=400)
        assert stage.sent["max_tokens"] == 2048

    @pytest.mark.parametrize("blank", [EMPTY, chat_stream(text="\n\n"), chat_stream(reasoning="\n")])
    def test_empty_answer_once_more(self, blank: tuple[bytes, ...]) -> None:
        """An answer with nothing in it is asked for once more; the second one stands."""
        stage = Stage()
        stage.run()
        stage.call.answer(*blank)
        assert len(stage.client.calls) == 2
        stage.call.answer(*blank)
        assert len(stage.client.calls) == 2
        assert stage.outcomes == ("empty", "ok", "ok")
        assert stage.breaker.told == ["admit", "succeeded"] * 2

    def test_empty_answer_of_a_probe(self) -> None:
        """A half-open circuit's probe that brings an empty answer is an answer: the second try is not refused."""
        stage = Stage()
        breaker = stage.breaker = CircuitBreakers(stage.clock.seconds, failures=1, open_seconds=5)
        stage.__attrs_post_init__()
        stage.run()
        stage.fail(status=500)
        stage.clock.advance(6)
        stage.run()
        stage.call.answer(*EMPTY)
        assert stage.downstream.errors == []
        stage.call.answer(*HELLO)
        assert (stage.downstream.text, breaker.state("box")) == ("Hello there", CircuitState.CLOSED)

    @pytest.mark.parametrize("finish", ["length", "content_filter"])
    def test_cut_or_refused_answer_is_not_empty(self, finish: str) -> None:
        """Nothing said because of a limit or a refusal is what it is."""
        stage = Stage()
        stage.run()
        stage.call.answer(*events([chunk({"content": ""}), chunk({}, finish=finish)]))
        assert stage.outcomes == ("ok", "ok")

    def test_hidden_reasoning_is_not_empty(self) -> None:
        """A model that only reasoned is not asked again by itself."""
        stage = Stage()
        stage.run()
        stage.call.answer(*chat_stream(reasoning="hm"))
        assert len(stage.client.calls) == 1

    def test_no_retry_after_content(self) -> None:
        """What the client has begun to read is never begun again: a later refusal is told."""
        stage = Stage()
        stage.run()
        stage.call.head()
        stage.call.data(*HELLO[:2], b"data: " + TOO_LONG + b"\n\n")
        assert len(stage.client.calls) == 1
        assert stage.downstream.text.startswith("Hello")
        assert stage.error.status == 400

    def test_back_pressure_follows_the_attempts(self) -> None:
        """Each attempt's body takes its turn at the client's tap."""
        stage = Stage()
        stage.run()
        stage.call.answer(*EMPTY)
        stage.call.head()
        first, second = stage.client.calls
        assert stage.downstream.producers == [first, None, second]


def warned(logged: Sequence[LogEvent]) -> list[LogEvent]:
    """Return the warnings."""
    return [event for event in logged if event.get("log_level") is LogLevel.warn]


class FailedTests:
    """What the client, the records and the breaker learn of failures."""

    @pytest.mark.parametrize(
        ("status", "headers", "told", "kind", "retry_after"),
        [
            (400, {}, 400, "invalid_request_error", None),
            (402, {}, 402, "billing_error", None),
            (404, {}, 404, "not_found_error", None),
            (429, {"retry-after": "7"}, 429, "rate_limit_error", 7.0),
            (429, {}, 429, "rate_limit_error", 5.0),
            (500, {}, 502, "api_error", None),
            (503, {"retry-after": "3"}, 503, "api_error", 3.0),
            (503, {}, 503, "api_error", 5.0),
            (529, {}, 529, "overloaded_error", 5.0),
            (504, {}, 504, "timeout_error", None),
        ],
    )
    def test_status(
        self, status: int, headers: dict[str, str], told: int, kind: str, retry_after: float | None
    ) -> None:
        """Every refusal has the status, the kind and the wait that the API would give."""
        stage = Stage()
        stage.run()
        stage.fail(refusal("because"), status=status, headers=headers)
        error = stage.error
        assert (error.status, error.kind, error.retry_after) == (told, kind, retry_after)
        (record,) = stage.records.requests
        assert (record.status, record.attempts[0].status, record.outcome) == (told, status, error.outcome)

    def test_unknown_model_says_what_to_set(self) -> None:
        """A backend's 404 names the section of the model, whose name is wrong; nobody has chosen another one."""
        stage = Stage()
        stage.run()
        stage.call.answer(refusal("no such model", code="model_not_found"), status=404)
        assert "Set `name` in [model:glm] of the bridge's configuration" in stage.error.message
        assert "[route:default]" not in stage.error.message

    def test_unknown_model_of_a_named_backend(self) -> None:
        """A request that names the backend too is told what that one has, and of no route."""
        stage = Stage(lists=FixedLists({"box": models("llama", "zai/glm-air")}))
        stage.run(model="box/glm-ari")
        stage.call.answer(refusal("no such model", code="model_not_found"), status=404)
        assert stage.error.message == (
            "model: glm-ari is unknown to backend 'box' (no such model). The request names this backend, so that no "
            "route applies: name a model that box has. It has zai/glm-air, llama"
        )

    def test_unknown_model_names_what_there_is(self) -> None:
        """The client and the log learn which names the backend has, those most like the wrong one first."""
        stage = Stage(lists=FixedLists({"box": models("llama", "zai/glm-air", "GLM")}))
        stage.run()
        with capturedLogs() as logged:
            stage.call.answer(refusal("no such model", code="model_not_found"), status=404)
        assert (stage.error.status, stage.error.kind) == (404, "not_found_error")
        assert stage.error.message.endswith("It has zai/glm-air, GLM, llama")
        (warning,) = warned(logged)
        assert (warning["event"], warning["known"]) == ("unknown-model", "zai/glm-air, GLM, llama")

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (200, b"<!doctype html><html><head><title>Open WebUI</title></head><body></body></html>"),
            (404, b"<!doctype html><html><head><title>Open WebUI</title></head><body></body></html>"),
            (404, b'{"detail":"Not Found"}'),
            (405, b'{"detail":"Method Not Allowed"}'),
            (200, b'{"error":"Unexpected endpoint or method. (POST /v1/chat/completions)"}'),
        ],
    )
    @pytest.mark.parametrize("size", [1, 7, 4096])
    def test_wrong_url(self, status: int, body: bytes, size: int) -> None:
        """A url that leads elsewhere is told with the address, with what is there, and with what would be right."""
        stage = Stage()
        stage.run()
        with capturedLogs() as logged:
            stage.call.answer(*in_steps(body, size), status=status)
        error = stage.error
        assert (error.status, error.kind, error.should_retry) == (502, "api_error", False)
        assert error.message.startswith("http://box:8000/v1/chat/completions answered ")
        assert error.message.endswith(stage.signposts.sentence)
        assert stage.signposts.asked == [("box", None)]
        assert len(stage.client.calls) == 1
        assert stage.outcomes == ("upstream_misaddressed", "upstream_misaddressed")
        (warning,) = warned(logged)
        assert (warning["event"], warning["reason"]) == ("wrong-url", error.message)

    def test_client_leaves_during_the_look(self) -> None:
        """A client that leaves while it is looked for the reason is not answered any more."""
        known = ONE.replace("[model:glm]", "dialect = vllm\n[model:glm]")
        stage = Stage(configured(known), lists=HangingLists())
        run = stage.run()
        stage.call.answer(refusal("no such model", code="model_not_found"), status=404)
        run.cancel()
        assert stage.downstream.errors == []
        assert stage.records.requests[0].outcome == "client_left"

    def test_error_inside_an_answer(self) -> None:
        """Of a backend that answered 200 nobody says that it answered anything else."""
        stage = Stage()
        stage.run()
        stage.fail(b'data: {"error":{"message":"out of memory"}}\n\n')
        assert stage.error.message == "backend 'box' reported an error inside its answer: out of memory"
        assert stage.records.requests[0].reason == stage.error.message

    @pytest.mark.parametrize(
        ("error", "attempts"),
        [(UpstreamUnreachable("refused"), 1), (UpstreamTimeout("silent"), 1), (UpstreamCut("reset"), 2)],
    )
    def test_connection_trouble(self, error: Any, attempts: int) -> None:
        """No connection, silence and cuts are told as they are, and count against the backend.

        Only a connection that broke is tried once more.
        """
        stage = Stage()
        stage.run()
        for _ in range(attempts):
            stage.call.end(error)
        assert stage.error is error
        assert stage.breaker.told == ["admit", f"failed {error.outcome}"] * attempts
        assert stage.outcomes == (error.outcome,) * (attempts + 1)

    def test_cut_after_content(self) -> None:
        """A cut inside the answer is an error with what came before it kept; the records say 200 and why it ended."""
        stage = Stage()
        stage.run()
        stage.call.head()
        stage.call.data(*HELLO[:2])
        stage.call.end()
        assert stage.error.outcome == "upstream_cut"
        (record,) = stage.records.requests
        assert (record.status, record.outcome) == (200, "upstream_cut")

    def test_answer_that_cannot_be_held(self) -> None:
        """An answer beyond the limits ends in an error, with the backend's connection closed."""
        stage = Stage()
        stage.run()
        stage.downstream.refusal = UpstreamProtocolError("too large")
        stage.call.head()
        stage.call.data(*HELLO[:2])
        assert stage.call.cancelled
        assert stage.error.outcome == "upstream_protocol_error"
        assert stage.breaker.out == 0

    def test_circuit_is_open(self) -> None:
        """With the circuit open the backend is not asked and the client learns when to come back."""
        stage = Stage()
        stage.breaker.refusal = CircuitOpen("box keeps failing", retry_after=12.0)
        stage.run()
        assert stage.client.calls == []
        assert (stage.error.status, stage.error.retry_after) == (503, 12.0)
        assert stage.outcomes == ("circuit_open",)

    def test_malformed_block_does_not_hold_the_probe(self) -> None:
        """A request that cannot be translated reports to nobody, so it takes no place at the breaker either."""
        stage = Stage()
        stage.run(messages=[{"role": "user", "content": [{"type": "text"}]}])
        assert (stage.error.status, stage.client.calls, stage.breaker.out) == (400, [], 0)

    def test_model_that_nothing_can_serve(self) -> None:
        """Without a backend for a name the answer is 404, and the records say so."""
        stage = Stage(configured("[backend:one]\nurl = http://one/v1\n[backend:two]\nurl = http://two/v1\n"))
        stage.run("k", model="no-such")
        assert (stage.error.status, stage.outcomes) == (404, ("not_found",))

    def test_own_fault_is_logged_and_not_shown(self, logged_failures: list[LogEvent]) -> None:
        """A fault of the bridge's is a plain 500 to the client, a traceback in the log, and nobody's failure."""
        stage = Stage(lists=BrokenLists())
        stage.run(model="other")
        assert (stage.error.status, stage.outcomes) == (500, ("internal_fault",))
        assert "secret detail" not in stage.error.message
        assert len(logged_failures) == 1
        logged_failures.clear()

    def test_own_fault_over_the_way_is_nobodys_failure(self, logged_failures: list[LogEvent]) -> None:
        """Where the bridge itself fails to send, the client is told so, and backend and place are free again."""

        class Broken(FakeUpstreamClient):
            def send(self, request: UpstreamRequest, receiver: UpstreamReceiver) -> FakeCall:
                super().send(request, receiver)
                raise RuntimeError("bug")

        stage = Stage(client=Broken())
        stage.run()
        assert (stage.error.status, stage.outcomes) == (500, ("internal_fault", "internal_fault"))
        assert stage.breaker.told == ["admit", "abandoned"]
        assert stage.admission.active == 0
        logged_failures.clear()

    def test_own_fault_over_an_answer_is_nobodys_failure(self) -> None:
        """Where the bridge itself failed over an answer the breaker learns nothing of the backend."""
        stage = Stage()
        breaker = stage.breaker = CircuitBreakers(stage.clock.seconds, failures=1, open_seconds=5)
        stage.__attrs_post_init__()
        stage.run()
        stage.call.answer(status=500)
        stage.clock.advance(6)
        stage.run()
        stage.call.end(InternalFault("bug"))
        assert breaker.state("box") is CircuitState.OPEN
        stage.run()
        assert stage.downstream.errors == []


class LeavingTests:
    """Clients that leave."""

    def test_before_the_head(self) -> None:
        """The backend's connection is closed at once; the records say 0, for no status went out; nobody is to blame."""
        stage = Stage()
        run = stage.run()
        run.cancel()
        run.cancel()
        assert stage.call.cancelled
        assert stage.outcomes == ("client_left", "client_left")
        (record,) = stage.records.requests
        assert (record.status, record.first_byte_seconds) == (0, None)
        assert stage.breaker.told == ["admit", "abandoned"]

    def test_in_the_middle(self) -> None:
        """Later it is the same, with the status that went out."""
        stage = Stage()
        run = stage.run()
        stage.call.head()
        stage.call.data(*HELLO[:3])
        run.cancel()
        assert stage.call.cancelled
        assert stage.records.requests[0].status == 200

    def test_while_the_list_is_waited_for(self) -> None:
        """While a backend's list is waited for nothing is sent later, and nothing is logged as a fault."""
        stage = Stage(lists=HangingLists())
        stage.run(model="other").cancel()
        assert (stage.client.calls, stage.outcomes) == ([], ("client_left",))
        assert stage.downstream.errors == []

    def test_after_the_end(self) -> None:
        """Who leaves when all is said changes nothing."""
        stage = Stage()
        run = stage.run()
        stage.call.answer(*HELLO)
        run.cancel()
        assert stage.outcomes == ("ok", "ok")


class AbandonedUsageTests:
    """What was said before an answer broke off."""

    def test_is_booked_as_an_estimate(self) -> None:
        """The tokens of an answer that the client did not wait for are in the records, marked as estimated."""
        stage = Stage()
        run = stage.run()
        stage.call.head()
        stage.call.data(b"".join(chat_stream(text="Hello there")[:3]))
        stage.downstream.usage = Usage(7, 3, estimated=True)
        run.cancel()
        (record,) = stage.records.requests
        assert record.attempts[-1].usage == Usage(7, 3, estimated=True)

    @pytest.mark.parametrize("text", ["", "Hello"])
    def test_own_counts(self, text: str) -> None:
        """What the backend says that a failed answer used counts, not the estimate, and with no text, too."""
        stage = Stage()
        stage.run()
        failed = chunk({}, finish="error", usage=token_usage(900, 100, cached=300))
        stage.call.head()
        stage.call.data(*events([chunk({"content": text})], done=False))
        stage.downstream.usage = Usage(7, 3, estimated=True) if text else None
        stage.call.data(*events([failed]))
        (attempt,) = stage.records.attempts
        assert (attempt.outcome, attempt.usage) == ("upstream_server_error", Usage(600, 100, 300))

    def test_own_counts_so_far(self) -> None:
        """A server that counts in every chunk has counted what the client did not wait for."""
        stage = Stage()
        run = stage.run()
        stage.call.head()
        stage.call.data(*events([chunk({"content": "Hello"}, usage=token_usage(900, 2))], done=False))
        stage.downstream.usage = Usage(7, 3, estimated=True)
        run.cancel()
        assert stage.records.requests[0].attempts[-1].usage == Usage(900, 2)


class FailOverTests:
    """A route with two models."""

    def stage(self) -> Stage:
        """Build a stage whose names lead to a first and a second model."""
        return Stage(configured(ROUTED))

    def test_next_choice_takes_over_before_content(self) -> None:
        """A backend that fails before the client has anything is replaced by the next one, under its own name."""
        stage = self.stage()
        stage.run(model="claude-opus-5-5")
        stage.call.end(UpstreamTimeout("silent"))
        assert stage.downstream.errors == []
        stage.call.answer(*HELLO)
        assert stage.outcomes == ("upstream_timeout", "ok", "ok")
        assert [one["model"] for one in stage.downstream.started] == ["claude-opus-5-5", "second"]

    def test_no_take_over_after_content(self) -> None:
        """Once the client has content the answer is that backend's, for better or worse."""
        stage = self.stage()
        stage.run(model="claude-opus-5-5")
        stage.call.head()
        stage.call.data(*HELLO[:2])
        stage.call.end(UpstreamCut("gone"))
        assert stage.outcomes == ("upstream_cut", "upstream_cut")

    def test_what_the_client_did_wrong_is_not_tried_elsewhere(self) -> None:
        """A refused request goes to nobody else: it would be refused there too."""
        stage = self.stage()
        stage.run(model="claude-opus-5-5")
        stage.call.answer(refusal("messages must not be empty"), status=400)
        assert stage.outcomes == ("upstream_refused", "upstream_refused")

    def test_wrong_url_of_one_backend(self) -> None:
        """Where another model may answer, nobody waits for the reason why the first cannot."""
        stage = self.stage()
        stage.run(model="claude-opus-5-5")
        stage.call.answer(b"404 page not found", status=404)
        assert stage.signposts.asked == []
        stage.call.answer(b"404 page not found", status=404)
        assert stage.signposts.asked == [("spare", None)]
        assert stage.outcomes == ("upstream_misaddressed",) * 3

    def test_last_choice_decides(self) -> None:
        """When all have failed the client gets the last one's error, with the names of the others."""
        stage = self.stage()
        stage.run(model="claude-opus-5-5")
        for status in (500, 500, 503, 503):
            stage.clock.advance(1)
            stage.call.answer(status=status)
        assert stage.error.status == 503
        assert "box/zai/GLM" in str(stage.error)
        assert stage.admission.active == 0

    def test_larger_window(self) -> None:
        """A prompt that is too long for the first model goes to a larger one, with all that was wanted."""
        stage = self.stage()
        stage.run(model="claude-opus-5-5")
        stage.call.answer(PROMPT_TOO_LONG, status=400)
        assert (stage.sent["model"], stage.sent["max_tokens"]) == ("Second", 8000)
        stage.call.answer(*HELLO)
        assert stage.outcomes == ("context_overflow", "ok", "ok")

    def test_known_to_be_too_small(self) -> None:
        """A model whose window is known to be too small is not asked at all."""
        stage = Stage(configured(ROUTED.replace("context_window = 100000", "context_window = 1000")))
        stage.run(model="claude-opus-5-5", messages=[{"role": "user", "content": "word " * 5000}])
        assert stage.sent["model"] == "Second"
        assert len(stage.client.calls) == 1

    def test_open_circuit_is_passed_over(self) -> None:
        """A backend whose circuit is open is not asked, and the next model answers at once."""
        stage = self.stage()
        stage.breaker = CircuitBreakers(stage.clock.seconds, failures=1, open_seconds=30)
        stage.__attrs_post_init__()
        stage.breaker.admit("box").failed(UpstreamTimeout("silent"))
        stage.run(model="claude-opus-5-5")
        assert stage.sent["model"] == "Second"
        stage.breaker.admit("spare").failed(UpstreamTimeout("silent"))
        stage.run(model="claude-opus-5-5")
        assert (stage.error.status, stage.error.retry_after, len(stage.client.calls)) == (503, 30.0, 1)

    def test_pause(self) -> None:
        """A short pause that a backend asks for is waited for, and the same model asked again."""
        stage = self.stage()
        stage.run(model="claude-opus-5-5")
        stage.call.answer(status=429, headers={"retry-after": "2"})
        stage.clock.advance(1.9)
        assert len(stage.client.calls) == 1
        stage.clock.advance(0.2)
        assert len(stage.client.calls) == 2
        stage.call.answer(*HELLO)
        assert stage.outcomes == ("upstream_rate_limited", "ok", "ok")
        assert [one["model"] for one in stage.downstream.started] == ["claude-opus-5-5"] * 2

    def test_client_leaves_in_a_pause(self) -> None:
        """A client that leaves while its request waits costs nothing more."""
        stage = self.stage()
        run = stage.run(model="claude-opus-5-5")
        stage.call.answer(status=500)
        run.cancel()
        assert stage.clock.getDelayedCalls() == []
        assert stage.outcomes == ("upstream_server_error", "client_left")

    def test_time_is_up(self) -> None:
        """After `max_wait` nobody else is asked, whatever an attempt took until then."""
        stage = Stage(configured(ROUTED.replace("models = glm, second", "models = glm, second\nmax_wait = 60")))
        stage.run(model="claude-opus-5-5")
        stage.clock.advance(61)
        stage.call.end(UpstreamTimeout("silent"))
        assert stage.outcomes == ("upstream_timeout", "upstream_timeout")

    def test_named_model(self) -> None:
        """Who names a model gets that one or an error; the default route's limits hold all the same."""
        stage = Stage(configured(ROUTED.replace("models = glm, second", "models = glm, second\nmax_attempts = 1")))
        stage.run(model="glm")
        stage.call.answer(status=500)
        assert stage.outcomes == ("upstream_server_error", "upstream_server_error")

    def test_words_that_quote_the_prompt(self) -> None:
        """The reason in the log is that of the error that the client gets, without what quotes the prompt."""
        stage = self.stage()
        stage.run(model="claude-opus-5-5")
        quoting = refusal(
            "Invalid value: 'my secret diary, which is long enough to be the prompt itself'", type="server_error"
        )
        stage.fail(quoting, status=503)
        (record,) = stage.records.requests
        assert record.outcome == "upstream_unavailable"


class KeyLimitTests:
    """Limits of a key's own."""

    def test_pause(self) -> None:
        """A request waits for room in its key's minute, where that comes soon and no other model may answer."""
        limited = "api_key = the-only-key tpm=20\nurl = http://box"
        stage = Stage(configured(ONE.replace("url = http://box", limited)))
        stage.run()
        stage.call.answer(*HELLO)
        stage.clock.advance(57)
        stage.run(messages=[{"role": "user", "content": "word " * 100}])
        assert (len(stage.client.calls), stage.downstream.errors) == (1, [])
        stage.clock.advance(3)
        assert len(stage.client.calls) == 2
        stage.call.answer(*HELLO)
        assert stage.downstream.text == "Hello there"


class RefusedKeysTests:
    """A pool of which most keys are revoked."""

    def test_all_are_tried(self) -> None:
        """The first request finds the one that is good, however many before it are refused."""
        keys = "".join(f"\n  key-number-{number}" for number in range(6))
        stage = Stage(configured(ONE.replace("url = http://box", f"api_key ={keys}\nurl = http://box")))
        stage.run()
        for _ in range(5):
            stage.call.answer(status=401)
        stage.call.answer(*HELLO)
        assert stage.downstream.text == "Hello there"
        assert stage.outcomes == (*["upstream_credential_refused"] * 5, "ok", "ok")

    def test_no_key(self) -> None:
        """A backend that wants a key where there is none is asked once."""
        stage = Stage()
        stage.run()
        stage.call.answer(status=401)
        assert stage.outcomes == ("upstream_credential_refused",) * 2


class BrokenDownstream(FakeClientResponse):
    """A downstream with a bug."""

    def emit(self, events: Sequence[Event]) -> None:
        """Break."""
        del events
        raise RuntimeError("bug")


class EndTests:
    """What is left of a request when it is over."""

    def test_fault_at_the_beginning_is_reported(self, logged_failures: list[LogEvent]) -> None:
        """When our own code breaks once a backend was admitted, the breaker hears of it: a slot is free again."""
        stage = Stage(new_downstream=DeafDownstream)
        stage.run()
        assert stage.breaker.told == ["admit", "abandoned"]
        assert stage.outcomes == ("internal_fault", "internal_fault")
        assert stage.error.status == 500
        assert len(logged_failures) == 1
        logged_failures.clear()

    @pytest.mark.parametrize("end", ["answer", "refusal", "cancel", "cut"])
    def test_nothing_keeps_it_alive(self, end: str) -> None:
        """A request's bodies go with its end: the collector looks rarely, and conversations are large."""
        stage = Stage()
        gc.collect()
        gc.disable()
        try:
            run = stage.run()
            gone = weakref.ref(run)
            if end == "answer":
                stage.call.answer(*HELLO)
            elif end == "refusal":
                stage.call.answer(refusal("no"), status=400)
            elif end == "cut":
                stage.call.end(UpstreamCut("gone"))
                stage.call.end(UpstreamCut("gone"))
            else:
                run.cancel()
            stage.client.calls.clear()
            del run
            assert gone() is None
        finally:
            gc.enable()

    def test_fault_while_learning_frees_its_place(self, logged_failures: list[LogEvent]) -> None:
        """A fault of our own after the answer is out loses neither its line in the log nor its place."""

        class Forgetful(ModelProfiles):
            def prompt_counted(self, *_: object, **__: object) -> None:
                raise RuntimeError("bug")

        stage = Stage(profiles=Forgetful(time.time))
        stage.run()
        with contextlib.suppress(RuntimeError):
            stage.call.answer(*HELLO)
        assert stage.outcomes == ("ok", "ok")
        assert stage.admission.active == 0
        logged_failures.clear()

    def test_fault_while_answering_is_booked(self) -> None:
        """When our own code breaks over the end of an answer, the request ends with it."""
        stage = Stage(new_downstream=BrokenDownstream)
        stage.run()
        stage.call.head()
        with contextlib.suppress(RuntimeError):
            stage.call.data(*HELLO)
        stage.call.end(InternalFault("the bridge failed over the body"))
        assert stage.outcomes[-1] == "internal_fault"
        assert stage.admission.active == 0


class ReasonTests:
    """What the records say of a failure."""

    def test_our_own_words(self) -> None:
        """What we observed ourselves is told as the client is told it."""
        stage = Stage()
        stage.run()
        stage.call.end(UpstreamUnreachable("cannot reach backend box"))
        assert stage.records.requests[0].reason == "cannot reach backend box"

    def test_a_backends_words(self) -> None:
        """What a backend says is told as the client is told it, without what the client must not see."""
        stage = Stage()
        stage.run("the-clients-own-key", messages=[{"role": "user", "content": "my secret prompt"}])
        stage.call.answer(refusal("no field 'tool_choice' for the-clients-own-key at 10.0.0.7"), status=400)
        assert stage.records.requests[0].reason == stage.error.message
        assert stage.error.message == "upstream rejected the request: no field 'tool_choice' for *** at [address]"

    def test_words_of_the_prompt_stay_out(self) -> None:
        """Where a backend quotes the prompt, the records name status, type and code, and the client sees it all."""
        stage = Stage()
        stage.run(messages=[{"role": "user", "content": "what about my secret prompt?"}])
        stage.call.answer(refusal("I do not like 'my secret prompt'", code="bad_prompt"), status=400)
        assert stage.records.requests[0].reason == "backend: 400 invalid_request_error bad_prompt"
        assert "my secret prompt" in stage.error.message

    def test_a_code_that_quotes(self) -> None:
        """A backend that puts the prompt into its error's code gets no further."""
        stage = Stage()
        stage.run(messages=[{"role": "user", "content": "what about my secret prompt?"}])
        stage.call.answer(refusal("bad: my secret prompt", code="my secret prompt"), status=400)
        stage.run(messages=[{"role": "user", "content": "what about my secret prompt?"}])
        stage.call.answer(refusal("", code="my secret prompt"), status=400)
        assert [each.reason for each in stage.records.requests] == ["backend: 400"] * 2

    def test_an_overflow(self) -> None:
        """A prompt that is too long is told in our own words."""
        stage = Stage()
        stage.run(messages=[{"role": "user", "content": "what about my secret prompt?"}])
        words = "This model's maximum context length is 10 tokens, 'my secret prompt' has 20 tokens"
        stage.call.answer(refusal(words, code="context_length_exceeded"), status=400)
        assert stage.records.requests[0].reason == stage.error.message
        assert stage.error.message.startswith("prompt is too long")

    def test_success_has_none(self) -> None:
        """There is no reason where nothing failed, also not after a mended try."""
        stage = Stage()
        stage.run()
        stage.call.answer(*HELLO)
        assert stage.records.requests[0].reason == ""
