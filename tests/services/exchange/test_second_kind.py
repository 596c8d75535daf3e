"""A second kind of backend runs through the exchange as the first does: no service knows either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import pytest
from attrs import evolve

from claude_bridge.config.schema import Config
from claude_bridge.core import kinds
from claude_bridge.core.backend_api import BackendKind
from claude_bridge.core.errors import UpstreamCut, UpstreamServerError
from claude_bridge.core.events import TextDelta
from tests.services.exchange.echo_kind import EchoKind
from tests.services.exchange.stage import ONE, Stage, configured

ECHO: Final[Mapping[str, BackendKind]] = {"echo": EchoKind()}
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

    def test_failures(self) -> None:
        """Its failures are told in its own words, and a cut is a cut."""
        stage = Stage(config=echoing(), kinds=ECHO)
        stage.run(messages=HELLO)
        stage.fail(status=500)
        assert (type(stage.error), stage.error.message) == (UpstreamServerError, "box said 500")
        stage.run(messages=HELLO)
        stage.call.answer(b"HEL")
        assert (type(stage.error), stage.error.message) == (UpstreamCut, "no full stop")
