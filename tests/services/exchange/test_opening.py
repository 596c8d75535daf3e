"""Tests for `claude_bridge.services.exchange.opening`: what must be there before an attempt, and its release."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import LogEvent

from claude_bridge.core.errors import CircuitOpen, UpstreamCut
from claude_bridge.services.accounting.budgets import ConfiguredBudgets
from claude_bridge.services.exchange.attempt import Attempt
from claude_bridge.services.keys.key_ring import KeyRing, Lease
from claude_bridge.testing.chat import chat_stream
from claude_bridge.testing.fakes import FakeClientResponse
from tests.services.exchange.stage import (
    DOCUMENT,
    HELLO,
    ONE,
    ROUTED,
    DeafDownstream,
    Stage,
    configured,
    refusal,
)
from tests.services.exchange.test_exchange_budgets import ALL, Office

QUEUED = ROUTED.replace("url = http://box", "max_streams = 1\nmax_queue = 1\nqueue_timeout = 20\nurl = http://box")


class DocumentTests:
    """PDF for backends that take no files."""

    def ask(self, stage: Stage) -> Any:
        """Ask about the document."""
        return stage.run(messages=[{"role": "user", "content": [DOCUMENT, {"type": "text", "text": "What?"}]}])

    def test_text_first(self) -> None:
        """The text is taken out before the backend is asked, and the model reads it."""
        stage = Stage()
        self.ask(stage)
        assert stage.documents.asked == ["JVBERi0="]
        assert not stage.client.calls
        stage.documents.give("[page 1]\nGrowth was 5 %.")
        assert "Growth was 5 %." in stage.sent["messages"][0]["content"]
        assert "Report" in stage.sent["messages"][0]["content"]

    def test_client_is_told(self) -> None:
        """The client's side knows who will answer while documents are read, so that pings can flow."""
        stage = Stage()
        self.ask(stage)
        assert [started["served_by"] for started in stage.downstream.started] == ["box/zai/GLM"]

    def test_once_a_request(self) -> None:
        """What was read is kept for the retries of the same request."""
        stage = Stage()
        self.ask(stage)
        stage.documents.give("text")
        stage.call.head()
        stage.call.data(*chat_stream(text=""))
        assert len(stage.client.calls) == 2
        assert len(stage.documents.asked) == 1

    def test_client_leaves(self) -> None:
        """A client that leaves meanwhile ends the reading, and no backend is asked."""
        stage = Stage()
        run = self.ask(stage)
        run.cancel()
        assert stage.documents.left == 1
        assert not stage.client.calls

    def test_files_pass(self) -> None:
        """A model that takes files gets the file."""
        stage = Stage(configured(ONE.replace("context_window = 100000", "pdf = file")))
        self.ask(stage)
        assert not stage.documents.asked
        assert stage.sent["messages"][0]["content"][0]["type"] == "file"


class WorkAheadTests:
    """Work on a large request before it is prepared."""

    TOOLS: ClassVar = [
        {"name": name, "input_schema": {"type": "object", "properties": {f"{name}{n}": {} for n in range(1500)}}}
        for name in ("ahead", "aside")
    ]

    def test_large_schemas(self) -> None:
        """Schemas that must be made fit for the server are made so in turns, once; then the request goes out."""
        tools = [
            {"name": name, "input_schema": {"type": "object", "properties": {f"{name}{n}": {} for n in range(1500)}}}
            for name in ("left", "right")
        ]
        stage = Stage(configured(ONE.replace("name = zai/GLM", "name = zai/GLM\nschema = gemini")))
        stage.run(tools=tools)
        assert stage.client.calls == []
        stage.clock.pump([0] * 4)

        assert [tool["function"]["name"] for tool in stage.sent["tools"]] == ["left", "right"]
        stage.run(tools=tools)
        assert len(stage.client.calls) == 2

    def test_client_leaves_meanwhile(self) -> None:
        """A client that leaves before the work is done ends it, and no backend is asked; it knew who would answer."""
        stage = Stage(configured(ONE.replace("name = zai/GLM", "name = zai/GLM\nschema = gemini")))
        run = stage.run(tools=self.TOOLS)
        assert [one["served_by"] for one in stage.downstream.started] == ["box/zai/GLM"]
        run.cancel()
        assert (stage.client.calls, stage.outcomes) == ([], ("client_left",))
        assert stage.clock.getDelayedCalls() == []


class SlotTests:
    """Backends that answer few requests at a time."""

    def test_waits_for_its_turn(self) -> None:
        """A request waits until an answer ends, and its client is told who will answer, so that it may commit."""
        stage = Stage(configured(QUEUED))
        stage.run()
        first = stage.call
        stage.run()
        assert len(stage.client.calls) == 1
        assert [one["served_by"] for one in stage.downstream.started] == ["box/zai/GLM"]
        first.answer(*HELLO)
        assert len(stage.client.calls) == 2
        stage.call.answer(*HELLO)
        assert stage.downstream.text == "Hello there"

    @pytest.mark.parametrize("end", ["refusal", "cancel", "cut", "fault"])
    def test_every_end_frees_its_slot(self, end: str, logged_failures: list[LogEvent]) -> None:
        """However an attempt ends, the next request gets its place."""
        stage = Stage(configured(QUEUED), new_downstream=DeafDownstream if end == "fault" else FakeClientResponse)
        run = stage.run()
        if end == "refusal":
            stage.call.answer(refusal("no"), status=400)
        elif end == "cancel":
            run.cancel()
        elif end == "cut":
            stage.call.end(UpstreamCut("gone"))
            stage.call.end(UpstreamCut("gone"))
        logged_failures.clear()
        assert stage.admission.services.slots.figures("box") == (0, 0)

    def test_fault_of_ours_in_the_queue(self, logged_failures: list[LogEvent]) -> None:
        """A request of which the client's side cannot be told leaves the queue with the fault."""
        stage = Stage(configured(QUEUED))
        stage.run()
        stage.new_downstream = DeafDownstream
        stage.run()
        assert stage.error.outcome == "internal_fault"
        assert stage.admission.services.slots.figures("box") == (1, 0)
        logged_failures.clear()

    def test_full(self) -> None:
        """With a full queue trying the next model; whoever named this one gets 529 and a time."""
        stage = Stage(configured(QUEUED))
        for _ in range(2):
            stage.run()
        stage.run(model="claude-opus-5-5")
        assert stage.sent["model"] == "Second"
        stage.run()
        assert (stage.error.status, stage.error.kind, stage.error.retry_after) == (529, "overloaded_error", 20.0)

    def test_waits_too_long(self) -> None:
        """After `queue_timeout` a request ends likewise."""
        stage = Stage(configured(QUEUED))
        stage.run()
        stage.run()
        stage.clock.advance(20)
        assert stage.error.status == 529
        assert stage.admission.services.slots.figures("box") == (1, 0)

    def test_client_leaves_the_queue(self) -> None:
        """A client that leaves while it waits frees its place in the queue."""
        stage = Stage(configured(QUEUED))
        stage.run()
        stage.run().cancel()
        assert stage.admission.services.slots.figures("box") == (1, 0)
        assert stage.records.requests[-1].outcome == "client_left"


class KeyTests:
    """Keys that a command has yet to print."""

    def held(self, monkeypatch: pytest.MonkeyPatch) -> Deferred[None]:
        """Have each request wait for its key."""
        key: Deferred[None] = Deferred()
        monkeypatch.setattr(KeyRing, "token", lambda *_: key)
        return key

    def test_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The backend is asked when the key is there; meanwhile the client's side knows who will answer."""
        key = self.held(monkeypatch)
        stage = Stage()
        stage.run()
        assert [one["served_by"] for one in stage.downstream.started] == ["box/zai/GLM"]
        assert stage.client.calls == []
        key.callback(None)
        stage.call.answer(*HELLO)
        assert stage.outcomes == ("ok", "ok")

    def test_client_leaves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A client that leaves meanwhile gives its slot back, and nobody waits for the key any more."""
        key = self.held(monkeypatch)
        stage = Stage(configured(QUEUED))
        run = stage.run()
        assert stage.admission.services.slots.figures("box") == (1, 0)
        run.cancel()
        assert key.called
        assert stage.admission.services.slots.figures("box") == (0, 0)
        assert (stage.client.calls, stage.outcomes, stage.breaker.told) == ([], ("client_left",), [])


class ReleaseTests:
    """An attempt that comes to nothing before it is sent."""

    @pytest.mark.parametrize(
        ("where", "name"),
        [
            (ConfiguredBudgets, "reserve"),
            (KeyRing, "lease"),
            (Lease, "begin"),
            (Attempt, "__init__"),
        ],
    )
    @pytest.mark.parametrize("error", [RuntimeError("bug"), CircuitOpen("open"), CancelledError()])
    def test_everything_is_released(
        self,
        monkeypatch: pytest.MonkeyPatch,
        logged_failures: list[LogEvent],
        where: type,
        name: str,
        error: Exception,
    ) -> None:
        """Wherever it fails, slot, reservation and lease are given back, and the breaker counts nothing."""

        def fail(*_: object, **__: object) -> None:
            raise error

        given_up: list[str] = []
        monkeypatch.setattr(ConfiguredBudgets, "give_up", lambda _, request_id: given_up.append(request_id))
        office = Office(ALL, more_of_box="max_streams = 1\n")
        monkeypatch.setattr(where, name, fail)
        office.ask()
        assert given_up == ["req_1"]
        assert office.stage.admission.active == 0
        assert office.stage.client.calls == []
        assert office.stage.admission.services.slots.figures("box") == (0, 0)
        assert office.stage.breaker.out == 0
        assert not any(told.startswith("failed") for told in office.stage.breaker.told)
        logged_failures.clear()
