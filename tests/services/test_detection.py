"""Promises of finding out what a backend is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import evolve
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from claude_bridge.config.dialects import UNKNOWN
from claude_bridge.config.schema import Backend
from claude_bridge.core.dialect import Clues
from claude_bridge.services.detection import Detection

BACKEND = Backend(name="b", url="http://127.0.0.1:8000/v1")


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    """Give what is logged of dialects."""
    events: list[LogEvent] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        if event.get("event") == "dialect":
            events.append(event)

    globalLogPublisher.addObserver(observe)
    yield events
    globalLogPublisher.removeObserver(observe)


class DetectionTests:
    """A backend with ``dialect = auto`` shows what it is while it works."""

    def test_unknown_at_first(self) -> None:
        """Until it reveals something it is the plain server, which loses nothing."""
        assert Detection().of(BACKEND) is UNKNOWN

    @pytest.mark.parametrize(
        ("clues", "name"),
        [
            (Clues(owners=("vllm",)), "vllm"),
            (Clues(owners=("sglang",)), "sglang"),
            (Clues(headers={"server": "llama.cpp"}), "llamacpp"),
            (Clues(fingerprint="fp_ollama"), "ollama"),
            (Clues(owners=("organization_owner",)), "lmstudio"),
            (Clues(headers={"x-chutes-invocationid": "1"}), "chutes"),
        ],
    )
    def test_revealed(self, clues: Clues, name: str, logged: list[LogEvent]) -> None:
        """What it reveals decides, and the log says once what was decided and why."""
        detection = Detection()
        detection.revealed(BACKEND, clues)
        detection.revealed(BACKEND, clues)
        decided = detection.of(BACKEND)
        assert decided.dialect.name == name
        (event,) = logged
        assert (event["backend"], event["dialect"], event["why"]) == ("b", name, decided.why)

    def test_nothing_revealed(self) -> None:
        """A clue that fits nobody decides nothing."""
        detection = Detection()
        detection.revealed(BACKEND, Clues(owners=("openai",), headers={"server": "nginx"}))
        assert detection.of(BACKEND) is UNKNOWN

    def test_decided_for_good(self) -> None:
        """What was found out is not undone by a later clue, nor what is configured or known by the host."""
        detection = Detection()
        detection.revealed(BACKEND, Clues(owners=("vllm",)))
        configured, hosted = (
            Backend(name="c", dialect="generic"),
            Backend(name="d", url="https://llm.chutes.ai/v1"),
        )
        for backend in (BACKEND, configured, hosted):
            detection.revealed(backend, Clues(owners=("sglang",)))
        names = [detection.of(backend).dialect.name for backend in (BACKEND, configured, hosted)]
        assert names == ["vllm", "generic", "chutes"]

    def test_backends_are_apart(self) -> None:
        """Each backend is what it says of itself."""
        detection = Detection()
        detection.revealed(BACKEND, Clues(owners=("vllm",)))
        assert detection.of(evolve(BACKEND, name="other")) is UNKNOWN

    def test_recall(self) -> None:
        """What an earlier run found out is taken up, with its reason; an unknown dialect is not."""
        detection, other = Detection(), evolve(BACKEND, name="other")
        detection.recall(BACKEND, "ollama", "system_fingerprint fp_ollama")
        detection.recall(other, "no such dialect")
        assert detection.of(BACKEND).dialect.name == "ollama"
        assert detection.of(BACKEND).why == "system_fingerprint fp_ollama, found out earlier"
        assert detection.of(other) is UNKNOWN

    def test_recalled_again(self) -> None:
        """A reason that has been through several runs says so once."""
        detection = Detection()
        detection.recall(BACKEND, "ollama", "x, found out earlier")
        assert detection.of(BACKEND).why == "x, found out earlier"

    def test_recalled_may_change(self, logged: list[LogEvent]) -> None:
        """Another server may stand there by now: what it reveals counts, and once it has, it holds."""
        detection = Detection()
        detection.recall(BACKEND, "ollama")
        detection.revealed(BACKEND, Clues(owners=("vllm",)))
        detection.revealed(BACKEND, Clues(owners=("sglang",)))
        assert detection.of(BACKEND).dialect.name == "vllm"
        assert [event["dialect"] for event in logged] == ["vllm"]

    def test_recalled_and_confirmed(self, logged: list[LogEvent]) -> None:
        """Where the same server still stands, there is nothing new to say."""
        detection = Detection()
        detection.recall(BACKEND, "vllm")
        detection.revealed(BACKEND, Clues(owners=("vllm",)))
        assert detection.of(BACKEND).why == "owned_by vllm in its model list"
        assert logged == []

    def test_recall_never_overrides(self) -> None:
        """What is configured or known by the host is not changed by what was."""
        detection, named = Detection(), Backend(name="c", dialect="generic")
        detection.recall(named, "vllm")
        assert detection.of(named).dialect.name == "generic"

    def test_found(self) -> None:
        """Only what backends reveal is worth keeping: the configuration tells the rest again."""
        detection, hosted = Detection(), Backend(name="d", url="https://llm.chutes.ai/v1")
        assert detection.found(BACKEND) is None
        assert detection.found(hosted) is None
        detection.revealed(BACKEND, Clues(owners=("vllm",)))
        assert detection.found(BACKEND) is detection.of(BACKEND)
