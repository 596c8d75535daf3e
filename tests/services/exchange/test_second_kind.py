"""A second kind of backend runs through the exchange as the first does: no service knows either."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from claude_bridge.config.schema import Config
from claude_bridge.config.secret import Secret
from claude_bridge.core import kinds
from claude_bridge.core.backend_api import BackendKind, OriginalRequest
from claude_bridge.core.errors import InvalidRequest, UnsupportedField, UpstreamCut, UpstreamServerError
from claude_bridge.core.events import Finished, TextDelta, Usage, Verbatim
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.request_info import request_info
from claude_bridge.services.pace import HUGE
from claude_bridge.testing.chat import chat_stream
from claude_bridge.testing.fakes import HeldSearch
from tests.services.exchange.echo_kind import LARGE, EchoKind, MirrorKind
from tests.services.exchange.stage import LONGEST_PAUSE, ONE, Stage, asking, configured

ECHO: Final[Mapping[str, BackendKind]] = {**kinds.KINDS, "echo": EchoKind(), "mirror": MirrorKind()}
BOTH: Final = """
[backend:first]
url = http://first/v1
[backend:second]
url = http://second/v1
[route:default]
models = first/m, second/m
"""
SEARCH: Final = {"type": "web_search_20250305", "name": "web_search"}
HELLO: Final = [{"role": "user", "content": "Hello"}]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the kind in the registry, which is the one place to enter it."""
    monkeypatch.setattr(kinds, "KINDS", ECHO)
    monkeypatch.setattr("claude_bridge.config.dialects.KINDS", ECHO)


def echoing() -> Config:
    """Make a configuration whose backend is of the second kind."""
    config = configured(ONE)
    backend = evolve(config.backends["box"], kind=cast(Any, "echo"))
    return evolve(config, backends={"box": backend})


def mixed(first: str, second: str, text: str = BOTH) -> Config:
    """Make a configuration with a route over two backends of these kinds."""
    config = configured(text)
    of_kind = {"first": first, "second": second}
    backends = {name: evolve(each, kind=cast(Any, of_kind[name])) for name, each in config.backends.items()}
    return evolve(config, backends=backends)


class SecondKindTests:
    """A backend that echoes."""

    def test_answer(self) -> None:
        """It is asked at its own path in its own words, and its answer reaches the client."""
        stage = Stage(config=echoing(), kinds=ECHO)
        stage.run(messages=HELLO)
        request = stage.call.request
        assert (request.url, request.body) == ("http://box:8000/v1/echo", b"HELLO")
        assert ("Content-Type", "text/plain") in request.headers
        stage.call.answer(b"HEL", b"LO.")
        assert [event.text for event in stage.downstream.events if isinstance(event, TextDelta)] == ["HEL", "LO."]
        assert stage.outcomes == ("ok", "ok")

    def test_adjustment(self) -> None:
        """A refusal that says how is answered by asking differently, which is remembered once it helped."""
        stage = Stage(config=echoing(), kinds=ECHO)
        stage.run(messages=HELLO)
        stage.call.answer(b"not so loud", status=406)
        assert stage.call.request.body == b"Hello"
        stage.call.answer(b"Hello.")
        assert stage.outcomes == ("refused", "ok", "ok")
        stage.run(messages=HELLO)
        assert stage.call.request.body == b"Hello"

    def test_adjustment_for_once(self) -> None:
        """What a refusal says about one request only is not remembered."""
        stage = Stage(config=echoing(), kinds=ECHO)
        stage.run(messages=HELLO)
        stage.call.answer(b"not now", status=409)
        assert stage.call.request.body == b"Hello"
        stage.call.answer(b"Hello.")
        stage.run(messages=HELLO)
        assert stage.call.request.body == b"HELLO"

    def test_failures(self) -> None:
        """Its failures are told in its own words, and a cut is a cut."""
        stage = Stage(config=echoing(), kinds=ECHO)
        stage.run(messages=HELLO)
        stage.fail(status=500)
        assert (type(stage.error), stage.error.message) == (UpstreamServerError, "box said 500")
        stage.run(messages=HELLO)
        stage.call.answer(b"HEL")
        assert (type(stage.error), stage.error.message) == (UpstreamCut, "no full stop")


class PassThroughTests:
    """A backend that speaks the clients' own API."""

    def stage(self, first: str = "mirror", second: str = "echo", **parts: Any) -> Stage:
        """Make a stage of two backends."""
        return Stage(config=mixed(first, second), kinds=ECHO, **parts)

    def test_request_and_answer(self) -> None:
        """It gets the client's bytes, and the client gets its own; headers go the same way, and usage is counted."""
        stage = self.stage()
        stage.run("sk", messages=HELLO, unheard_of={"of": 1})
        assert json.loads(stage.call.request.body) == asking(messages=HELLO, unheard_of={"of": 1})
        stage.call.head(headers={"x-a": "b"})
        stage.call.data(b"any bytes.")
        stage.call.end()
        first, last = stage.downstream.events
        assert first == Verbatim(b"any bytes.", headers=(("x-a", "b"),))
        assert isinstance(last, Finished)
        assert stage.records.requests[0].attempts[0].usage == Usage(8, 2)
        assert stage.outcomes == ("ok", "ok")

    def test_large_request(self) -> None:
        """What is done to a large one before it is sent is done once, and other requests get their turns meanwhile."""
        stage = self.stage()
        stage.run("sk", messages=[{"role": "user", "content": "x" * LARGE}])
        assert not stage.client.calls
        stage.clock.advance(0)
        stage.call.answer(b"", status=503)
        stage.clock.advance(LONGEST_PAUSE)
        assert [call.request.url for call in stage.client.calls] == ["http://first/v1/echo"] * 2
        stage.call.answer(b"so.")
        assert stage.outcomes[-1] == "ok"

    def test_credential(self) -> None:
        """The client's own credential goes on in the header in which it came."""
        stage = self.stage()
        stage.run("sk-client", messages=HELLO)
        assert ("x-api-key", "sk-client") in stage.call.request.headers

    @pytest.mark.parametrize(
        "more",
        [
            {"max_tokens": 0},
            {"tools": [SEARCH]},
            {"mcp_servers": [{"name": "x"}]},
            {"output_config": {"format": {"type": "json_schema", "schema": []}}},
        ],
    )
    def test_nothing_is_added(self, more: dict[str, Any]) -> None:
        """What the bridge would answer by itself, search for or refuse is for such a backend to decide."""
        stage = self.stage(search=HeldSearch())
        stage.run("sk", messages=HELLO, **more)
        assert json.loads(stage.call.request.body) == asking(messages=HELLO, **more)
        stage.call.answer(b"so.")
        assert stage.outcomes == ("ok", "ok")

    def test_falls_back(self) -> None:
        """If it fails, the next model gets the same conversation, translated."""
        stage = self.stage()
        stage.run("sk", messages=HELLO)
        stage.call.answer(b"", status=503)
        stage.clock.advance(LONGEST_PAUSE)
        while stage.call.request.url.startswith("http://first"):
            stage.call.answer(b"", status=503)
            stage.clock.advance(LONGEST_PAUSE)
        assert (stage.call.request.url, stage.call.request.body) == ("http://second/v1/echo", b"HELLO")
        stage.call.answer(b"Hi.")
        assert stage.outcomes[-1] == "ok"

    def test_is_fallen_back_to(self) -> None:
        """It gets the client's own bytes also when another kind was asked first, and a search would have been made."""
        stage = self.stage("echo", "mirror", search=HeldSearch())
        stage.run("sk", messages=HELLO, tools=[SEARCH, {"name": "t", "input_schema": {}}])
        while stage.call.request.url.startswith("http://first"):
            stage.call.answer(b"", status=503)
            stage.clock.advance(LONGEST_PAUSE)
        assert json.loads(stage.call.request.body)["tools"][0] == SEARCH
        stage.call.answer(b"found.")
        assert isinstance(stage.downstream.events[0], Verbatim)
        assert stage.outcomes[-1] == "ok"

    def test_local_answer_for_the_next(self) -> None:
        """What only such a backend can do is answered by the bridge if the next one cannot."""
        stage = self.stage()
        stage.run("sk", messages=HELLO, max_tokens=0)
        while stage.admission.active:
            stage.call.answer(b"", status=503)
            stage.clock.advance(LONGEST_PAUSE)
        assert all(call.request.url.startswith("http://first") for call in stage.client.calls)
        assert isinstance(stage.downstream.events[-1], Finished)
        assert stage.outcomes[-1] == "ok"

    @pytest.mark.parametrize(
        "more",
        [
            {"mcp_servers": [{"type": "url"}]},
            {"messages": [{"role": "user", "content": [{"no": "type"}]}]},
            {"tools": [SEARCH]},
            {"output_config": {"format": {"type": "json_schema", "schema": []}}},
        ],
    )
    def test_the_next_cannot(self, more: dict[str, Any]) -> None:
        """If the next one cannot be asked, the client is told what will pass, and not that its request is wrong."""
        stage = self.stage()
        stage.run("sk", **{"messages": HELLO, **more})
        while stage.admission.active:
            stage.call.answer(b"", status=503)
            stage.clock.advance(LONGEST_PAUSE)
        assert all(call.request.url.startswith("http://first") for call in stage.client.calls)
        assert isinstance(stage.error, UpstreamServerError)

    def test_reason_of_the_next(self) -> None:
        """The records give the reason of the error that the client gets, not that of an earlier failure."""
        stage = self.stage()
        stage.run("sk", messages=[{"role": "user", "content": [{"no": "type"}]}])
        stage.call.answer(b"", status=404)
        (record,) = stage.records.requests
        assert (record.outcome, record.reason) == ("invalid_request", stage.error.message)

    def test_the_first_cannot(self) -> None:
        """A request that only such a backend can honour reaches it, wherever it stands in the route."""
        stage = self.stage("echo", "mirror")
        stage.run("sk", messages=HELLO, mcp_servers=[{"type": "url"}])
        assert stage.call.request.url.startswith("http://second")
        stage.call.answer(b"so.")
        assert stage.outcomes == ("ok", "ok")

    def test_nobody_can(self) -> None:
        """If there is none in the route, the field is named."""
        stage = self.stage("echo", "echo")
        stage.run("sk", messages=HELLO, mcp_servers=[{"type": "url"}])
        assert isinstance(stage.error, UnsupportedField)

    @pytest.mark.parametrize("more", ["", "x" * HUGE])
    def test_malformed_for_the_next(self, more: str) -> None:
        """A block that the bridge cannot read is no reason not to pass it on, however large the request is."""
        stage = self.stage()
        stage.run("sk", messages=[{"role": "user", "content": [{"no": "type", "more": more}]}])
        stage.clock.advance(0)
        stage.call.answer(b"so.")
        assert stage.outcomes == ("ok", "ok")

    def test_schema_for_the_next(self) -> None:
        """An answer of the next model is held to the schema, whoever was asked first."""
        shaped = "[model:shaped]\nname = m\nbackend = second\nstructured_output = instruction\n"
        config = mixed("mirror", "openai", BOTH.replace("second/m", "shaped") + shaped)
        stage = Stage(config=config, kinds=ECHO)
        stage.run("sk", messages=HELLO, output_config={"format": {"type": "json_object"}})
        while stage.call.request.url.startswith("http://first"):
            stage.call.answer(b"", status=503)
            stage.clock.advance(LONGEST_PAUSE)
        stage.call.answer(*chat_stream(text="Here it is: {}"))
        assert "".join(event.text for event in stage.downstream.events if isinstance(event, TextDelta)) == "{}"

    @pytest.mark.parametrize(("first", "second"), [("mirror", "echo"), ("echo", "mirror")])
    def test_count_of_what_cannot_be_read(self, first: str, second: str) -> None:
        """A block that the bridge cannot read is an error of the count only if the first model would not get it."""
        stage = self.stage(first, second)
        asked = asking(messages=[{"role": "user", "content": [{"no": "type"}]}])
        body = json.dumps(asked).encode()
        request = parsing.decode(body, counting=True)
        whole = AskedRequest(request, "", OriginalRequest(body, {}))
        info = request_info(request, {}, len(body))
        counting = Deferred.fromCoroutine(stage.admission.counts.count(whole, info, Secret("sk")))
        if first == "echo":
            problems: list[Failure] = []
            counting.addErrback(problems.append)
            assert problems[0].check(InvalidRequest)
        else:
            counts: list[int] = []
            counting.addCallback(counts.append)
            assert 10 < counts[0] < 100
