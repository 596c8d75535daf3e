"""Promises of the routes."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import Deferred

from claude_bridge.core.surrogates import STEP
from claude_bridge.services.accounting.session_history import SessionHistory
from claude_bridge.services.accounting.sessions import Session
from claude_bridge.services.interfaces import BudgetState, SessionName, Spender
from claude_bridge.testing.chat import chat_stream, token_usage
from claude_bridge.testing.fakes import FixedLists
from tests.edge.stage import Answered, Edge
from tests.edge.test_gate import KEYS
from tests.services.exchange.stage import HELLO, ONE, asking, configured, models

BARE = "[server]\ncredentials = forward\n[backend:default]\nurl = http://box/v1\n"


def listing(*names: str) -> Edge:
    """Make an edge whose one backend lists these models."""
    edge = Edge(configured(BARE))
    edge.stage.lists = FixedLists({"default": models(*names)})
    edge.stage.__attrs_post_init__()
    return edge


class MessagesTests:
    """``POST /v1/messages``."""

    @pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages?beta=true", "/v1/messages?x=1&y"])
    def test_any_query(self, path: str) -> None:
        """A query changes nothing."""
        edge = Edge()
        line = edge.line()
        line.ask("POST", path, json.dumps(asking()).encode())
        edge.client.last.answer(*HELLO)
        assert line.answer().status == 200

    @pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
    def test_half_a_character(self, path: str) -> None:
        """A body that must be mended first is answered some turns later; a client may leave in between."""
        edge = Edge()
        line, left = edge.line(), edge.line()
        body = json.dumps(asking(messages=[{"role": "user", "content": "x" * STEP + "@"}])).replace("@", "\\ud83d")
        left.ask("POST", path, body.encode())
        line.ask("POST", path, body.encode())
        assert not edge.client.calls
        left.leave()
        edge.clock.pump([0] * 5)
        if path == "/v1/messages":
            assert json.loads(edge.client.last.request.body)["messages"][0]["content"][-2:] == "x\ufffd"
            edge.client.last.answer(*HELLO)
        assert line.answer().status == 200
        assert len(edge.client.calls) == (path == "/v1/messages")
        assert f"{path.removeprefix('/v1/messages').strip('/') or 'messages'} left" in edge.answers

    def test_header_in_several_lines(self) -> None:
        """A backend that is passed the headers gets all values of one that a proxy has divided."""
        edge = Edge(configured(BARE.replace("url", "kind = anthropic\nurl")))
        line = edge.line()
        body = json.dumps(asking()).encode()
        head = "host: localhost\r\nx-api-key: sk\r\nanthropic-beta: one\r\nAnthropic-Beta: two,three\r\n"
        line.say(f"POST /v1/messages HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        assert ("anthropic-beta", "one, two,three") in edge.client.last.request.headers

    def test_subagent_tag(self) -> None:
        """A backend that is passed the request does not see the tag that named its model."""
        edge = Edge(configured(BARE.replace("url", "kind = anthropic\nurl")))
        tag = "<CCR-SUBAGENT-MODEL>default,m</CCR-SUBAGENT-MODEL>"
        edge.line().post(asking(messages=[{"role": "user", "content": f"{tag}Find it."}]), **{"x-api-key": "sk"})
        sent = edge.client.last.request.body
        assert json.loads(sent) == asking(model="m", messages=[{"role": "user", "content": "Find it."}])

    def test_stream_absent_means_json(self) -> None:
        """Who does not say `stream` gets one JSON object."""
        edge = Edge()
        line = edge.line()
        body = asking()
        del body["stream"]
        line.post(body)
        edge.client.last.answer(*HELLO)
        assert line.answer().json["type"] == "message"

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            (b"", ""),
            (b"{", ""),
            (b"[]", ""),
            (b"null", ""),
            (b"NaN", ""),
            (json.dumps({"messages": []}).encode(), "model"),
            (json.dumps(asking(model=5)).encode(), "model"),
            (json.dumps(asking(model="")).encode(), "model"),
            (json.dumps(asking(model="m" * 100_000)).encode(), "model"),
            (json.dumps(asking(max_tokens="x")).encode(), "max_tokens"),
            (json.dumps(asking(max_tokens=None)).encode(), "max_tokens"),
            (json.dumps(asking(messages=[])).encode(), "messages"),
            (json.dumps(asking(messages=[{"role": "robot", "content": "x"}])).encode(), "messages"),
            (json.dumps(asking()).encode()[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", ""),
            (json.dumps(asking()).encode().replace(b"hi", b"\xff"), ""),
        ],
    )
    def test_bad_bodies(self, body: bytes, told: str) -> None:
        """What is no request is a 400 that names the field, is booked, and reaches no backend."""
        edge = Edge()
        answer = edge.post(body)
        assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
        assert told in answer.error["message"]
        assert len(answer.error["message"]) < 1000
        assert edge.client.calls == []
        assert len(edge.refusals) + len(edge.records.requests) == 1

    def test_too_many_at_once(self) -> None:
        """Past `max_streams` the answer is 529 with a wait."""
        edge = Edge(configured(ONE + "[limits]\nmax_streams = 1\n"))
        edge.line().post()
        answer = edge.post()
        assert (answer.status, answer.error["type"]) == (529, "overloaded_error")
        assert answer.headers["retry-after"] == "1"
        assert edge.refusals == ["bridge_overloaded"]

    def test_bearer_wins(self) -> None:
        """Of two keys that disagree the bearer goes on."""
        edge = listing("a", "b")
        line = edge.line()
        line.post(authorization="Bearer one", x_api_key="two")
        assert dict(edge.client.last.request.headers)["Authorization"] == "Bearer one"
        line.leave()

    @pytest.mark.parametrize("headers", [{}, {"x_api_key": "sk-ant-x"}, {"authorization": "Bearer sk-ant-x"}])
    def test_no_fit_key(self, headers: dict[str, str]) -> None:
        """Without a key to forward, or with one of Anthropic's, the answer is 401 and the client asked not to retry."""
        edge = listing("a", "b")
        answer = edge.post(None, "/v1/messages", **headers)
        assert (answer.status, answer.error["type"]) == (401, "authentication_error")
        assert answer.headers["x-should-retry"] == "false"

    def test_facts_of_claude_code(self) -> None:
        """What the client says of session and agent is in the records."""
        edge = Edge()
        line = edge.line()
        line.post(x_claude_code_session_id="s-1", x_claude_code_agent_id="a-1")
        edge.client.last.answer(*HELLO)
        (record,) = edge.records.requests
        assert (record.session, record.agent, record.kind) == ("s-1", "a-1", "subagent")
        assert record.request_id == line.answer().headers["request-id"]

    def test_runtime_is_fetched_anew(self) -> None:
        """A route keeps nothing of a configuration: the next request has the next one."""
        edge = Edge()
        line = edge.line()
        line.post()
        edge.client.last.answer(*HELLO)
        assert line.answer().headers["x-claude-bridge-model"] == "box/zai/GLM"
        edge.config = configured(ONE.replace("zai/GLM", "other"))
        edge.stage.config = edge.config
        edge.stage.__attrs_post_init__()
        line.post()
        edge.client.last.answer(*HELLO)
        assert line.answer().headers["x-claude-bridge-model"] == "box/other"


class CountTokensTests:
    """``POST /v1/messages/count_tokens``."""

    def test_count(self) -> None:
        """The estimate comes without any backend, and grows with the text."""
        edge = Edge()
        counts = []
        for text in ("hi", "hi " * 100):
            body = {"model": "glm", "messages": [{"role": "user", "content": text}]}
            answer = edge.post(body, "/v1/messages/count_tokens?beta=true")
            assert (answer.status, list(answer.json)) == (200, ["input_tokens"])
            counts.append(answer.json["input_tokens"])
        assert 0 < counts[0] < counts[1]
        assert (edge.client.calls, edge.answers) == ([], ["count_tokens"] * 2)

    def test_malformed(self) -> None:
        """A malformed request is a 400 here too."""
        answer = Edge().post({"model": "glm", "messages": []}, "/v1/messages/count_tokens")
        assert answer.status == 400


class ModelsTests:
    """``GET /v1/models`` and one of them."""

    def test_page(self) -> None:
        """The list has the API's shape, ids with the mark that makes Claude Code keep them, and pages."""
        edge = listing("a/b", "c")
        answer = edge.get("/v1/models?limit=1", x_api_key="mine")
        assert (answer.json["first_id"], answer.json["has_more"]) == ("a/b@claude-bridge", True)
        answer = edge.get("/v1/models?limit=1&after_id=a%2Fb%40claude-bridge", x_api_key="mine")
        assert ([one["id"] for one in answer.json["data"]], answer.json["has_more"]) == (["c@claude-bridge"], False)

    @pytest.mark.parametrize("path", ["a/b", "a%2Fb", "a/b@claude-bridge", "a%2Fb%40claude-bridge", "a/b?beta=true"])
    def test_one(self, path: str) -> None:
        """An entry is found by its plain and its published id, slashes escaped or not."""
        edge = listing("a/b", "c")
        answer = edge.get(f"/v1/models/{path}", x_api_key="mine")
        assert (answer.status, answer.json["id"]) == (200, "a/b@claude-bridge")

    def test_unknown(self) -> None:
        """An unknown id is a 404 in the envelope; nothing is invented."""
        answer = listing("a").get("/v1/models/claude-opus-5-5", x_api_key="mine")
        assert (answer.status, answer.error) == (404, {"type": "not_found_error", "message": "model: claude-opus-5-5"})

    def test_wrong_limit(self) -> None:
        """A limit that is no number is a 400 that names it."""
        answer = listing("a").get("/v1/models?limit=%C2%B2", x_api_key="mine")
        assert (answer.status, answer.error["message"][:6]) == (400, "limit:")

    def test_anthropic_key_is_not_shown(self) -> None:
        """The list is served to whoever asks, but no key of Anthropic's leaves for it."""
        edge = listing("a")
        assert edge.get("/v1/models", x_api_key="sk-ant-x").status == 200
        assert isinstance(edge.stage.lists, FixedLists)
        assert edge.stage.lists.asked == [("default", None)]

    def test_head(self) -> None:
        """HEAD has the head alone."""
        answer = listing("a").get("/v1/models", "HEAD", x_api_key="mine")
        assert (answer.status, answer.body) == (200, b"")


class ProbeTests:
    """What clients and watchdogs ask first."""

    def test_health(self) -> None:
        """Ready or not, in JSON, with the requests under way; being alive is another question."""
        edge = Edge()
        edge.line().post()
        answer = edge.get("/health")
        assert (answer.status, answer.json) == (200, {"status": "ready", "active_requests": 1})
        edge.ready = False
        answer = edge.get("/health")
        assert (answer.status, answer.json["status"]) == (503, "stopping")
        answer = edge.get("/health/live")
        assert (answer.status, answer.json) == (200, {"status": "live"})

    @pytest.mark.parametrize("path", ["/", "/health", "/health/live"])
    def test_options(self, path: str) -> None:
        """HAProxy's ``option httpchk`` asks by OPTIONS, in HTTP/1.0 and without a Host, and takes 2xx and 3xx."""
        edge = Edge()
        statuses = []
        for edge.ready in (True, False):
            line = edge.line()
            line.say(b"OPTIONS %b HTTP/1.0\r\n\r\n" % path.encode())
            statuses.append(line.answer().status)
        assert statuses == [200, 200 if path == "/health/live" else 503]

    @pytest.mark.parametrize("path", ["/", "/api/hello"])
    def test_hello(self, path: str) -> None:
        """The client's first probe is answered, by HEAD with the head alone."""
        assert Edge().get(path, "HEAD").status == 200
        assert Edge().get(path, "HEAD").body == b""
        assert Edge().get(path).json == {"service": "claude-bridge"}

    def test_hello_of_a_bridge_with_keys(self) -> None:
        """Whoever asks without a key what is here is told that it takes one, so nobody must be refused to find out."""
        assert Edge(configured(KEYS)).get("/").json == {"service": "claude-bridge", "credentials": "keys"}

    @pytest.mark.parametrize("path", ["/", "/health", "/v1/models", "/nonsense", "/v1/messages"])
    def test_every_answer_has_its_id(self, path: str) -> None:
        """Whatever is asked, the answer has a request id."""
        assert Edge().get(path).headers["request-id"].startswith("req_")


STATE = BudgetState(name="b", scope="session", unit="tokens", spent=1, limit=4, resets_at=None, is_warning=False)
ANNA, BERT = {"x-api-key": "anna-secret"}, {"x-api-key": "bert-secret"}


class SessionTests:
    """``POST /v1/claude-bridge/session``."""

    def edge(self, text: str = KEYS, *clients: dict[str, str]) -> Edge:
        """Return an edge at which each of these clients has had one answer in a session called ``s-1``."""
        edge = Edge(configured(text))
        for headers in clients or (ANNA,):
            line = edge.line()
            line.post(None, **headers, **{"x-claude-code-session-id": "s-1"})
            edge.client.last.answer(*chat_stream(text="Hi", usage=token_usage(1000, 50)))
            assert line.answer().status == 200
            edge.tally.request_ended(edge.records.requests[-1])
        return edge

    def ask(self, edge: Edge, session: str = "s-1", **headers: str) -> Answered:
        """Ask for a session's figures."""
        return edge.post({"session_id": session}, "/v1/claude-bridge/session", **headers)

    def test_answer(self) -> None:
        """A client sees its own session, with the window of the model that answered and its backend's circuit."""
        edge = self.edge()
        edge.circuits["box"] = "open"
        answer = self.ask(edge, **ANNA)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        found = answer.json
        assert (found["model"], found["backend"], found["context"], found["window"]) == ("zai/GLM", "box", 1050, 100000)
        assert (found["breaker"], found["budgets"], found["cost_usd"], found["unpriced"]) == ("open", [], None, 1)

    def test_is_no_request_for_a_model(self) -> None:
        """Nothing is recorded of it, as it is asked for all the time, found or not; and no backend is asked."""
        edge = self.edge()
        self.ask(edge, **ANNA)
        self.ask(edge, "s-2", **ANNA)
        assert (len(edge.records.requests), edge.answers, edge.refusals, len(edge.client.calls)) == (1, [], [], 1)

    def test_unknown_and_foreign_sessions(self) -> None:
        """A session that is not there, and one of somebody else, get answers that differ in nothing but their ids."""
        edge = self.edge()
        foreign, unknown = self.ask(edge, **BERT), self.ask(edge, "s-2", **BERT)
        for answer in (foreign, unknown):
            assert (answer.status, answer.error["type"]) == (404, "not_found_error")
        assert foreign.error == unknown.error
        assert {**foreign.headers, "request-id": ""} == {**unknown.headers, "request-id": ""}

    def test_same_id_of_two_clients(self) -> None:
        """Who uses the id of another one's session has a session of its own."""
        edge = self.edge(KEYS, ANNA, BERT, BERT)
        assert [self.ask(edge, **client).json["unpriced"] for client in (ANNA, BERT)] == [1, 2]

    def test_forwarded_credentials(self) -> None:
        """Where clients have credentials of their own each sees the sessions of its own."""
        edge = self.edge(ONE.replace("credentials = none", "credentials = forward"), {"x-api-key": "one-0123456789"})
        assert self.ask(edge, **{"x-api-key": "one-0123456789"}).status == 200
        assert self.ask(edge, authorization="Bearer one-0123456789").status == 200
        assert self.ask(edge, **{"x-api-key": "two-0123456789"}).status == 404
        assert self.ask(edge).status == 404

    def test_owner_is_in_the_record(self) -> None:
        """The record has the owner where there is a session; never the credential."""
        edge = self.edge(ONE, {"x-api-key": "one-0123456789"})
        assert len(edge.records.requests[-1].owner) == 64
        assert "one-0123456789" not in repr(edge.records.requests[-1])
        edge.line().post()
        edge.client.last.answer(*HELLO)
        assert edge.records.requests[-1].owner == ""

    def test_client_that_leaves(self) -> None:
        """A client that leaves while the ledger is asked gets nothing, and nothing is left of its request."""

        class SlowHistory(SessionHistory):
            def find(self, name: SessionName) -> Deferred[Session | None]:
                asked.append(name)
                return Deferred()

        asked: list[SessionName] = []
        edge = self.edge()
        edge.sessions = SlowHistory(tally=edge.tally, ledger=None, clock=edge.clock)
        line = edge.line()
        line.ask("POST", "/v1/claude-bridge/session", b'{"session_id": "s-1"}', **ANNA)
        drained: list[None] = []
        edge.admission.drained().addCallback(drained.append)
        assert (asked, drained) == ([SessionName("key:anna", "s-1")], [])
        line.leave()
        assert (drained, line.value(), edge.answers, edge.refusals) == ([None], b"", [], [])

    def test_budgets(self) -> None:
        """The budgets are those of the client's key and the session's main conversation."""
        asked: list[Spender] = []

        class OneBudget:
            def states(self, spender: Spender) -> list[BudgetState]:
                asked.append(spender)
                return [STATE]

        edge = self.edge()
        edge.budgets = OneBudget()
        assert self.ask(edge, **ANNA).json["budgets"][0]["left"] == 0.75
        assert asked == [Spender(key="anna", session="s-1")]

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 401),
            ({"x-api-key": "wrong"}, 401),
            ({**ANNA, "host": "evil"}, 403),
            ({**ANNA, "origin": "http://e"}, 403),
        ],
    )
    def test_gate(self, headers: dict[str, str], status: int) -> None:
        """The same gate as before every request."""
        assert self.ask(self.edge(), **headers).status == status

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"session_id": 1}'])
    def test_bad_bodies(self, body: bytes) -> None:
        """What names no session is a 400 that says so."""
        answer = self.edge().post(body, "/v1/claude-bridge/session", **ANNA)
        assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")

    def test_method(self) -> None:
        """It is asked by POST: the id is in no URL, and so in no log of a proxy."""
        assert self.edge().get("/v1/claude-bridge/session", **ANNA).status == 405
