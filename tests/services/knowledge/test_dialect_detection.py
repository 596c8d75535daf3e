"""Promises of ``dialect = auto``: what is decided, when, why, and that it is said once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import define, evolve, field
from twisted.logger import ILogObserver, LogEvent, capturedLogs, globalLogPublisher
from zope.interface import implementer

from claude_bridge.config.schema import Backend
from claude_bridge.core.backend_api import Clues
from claude_bridge.core.kinds import KINDS
from claude_bridge.services.knowledge.dialect_detection import DialectDetection

HOME = Backend(name="home", url="http://127.0.0.1:8000/v1")
HOSTED = Backend(name="hosted", url="https://api.deepseek.com/v1")
NAMED = Backend(name="named", url="http://127.0.0.1:8000/v1", dialect="sglang")
VLLM = Clues(owners=("vllm",))
OLLAMA = Clues(fingerprint="fp_ollama")


@implementer(ILogObserver)
@define
class Told:
    """What was logged of dialects."""

    events: list[LogEvent] = field(factory=list)

    def __call__(self, event: LogEvent) -> None:
        """Keep it."""
        if event.get("event") == "dialect":
            self.events.append(event)


@pytest.fixture
def told() -> Iterator[Told]:
    """Listen to the log."""
    observer = Told()
    globalLogPublisher.addObserver(observer)
    yield observer
    globalLogPublisher.removeObserver(observer)


class DetectionTests:
    """What a backend speaks."""

    def test_unknown(self) -> None:
        """A server of one's own is the plain one until it says more."""
        assert not DialectDetection(KINDS).dialect_of(HOME).known
        assert DialectDetection(KINDS).is_undecided(HOME)

    def test_lists(self) -> None:
        """Where the windows of loaded models are listed is known with the dialect."""
        detection = DialectDetection(KINDS)
        assert detection.lists_of(HOME) == ()
        detection.observe(HOME, OLLAMA)
        assert "/api/ps" in detection.lists_of(HOME)

    def test_host(self, told: Told) -> None:
        """A hosted service is known by its name, and no answer changes that."""
        detection = DialectDetection(KINDS)
        detection.observe(HOSTED, VLLM)
        decided = detection.dialect_of(HOSTED)
        assert (decided.dialect.name, decided.why) == ("deepseek", "host api.deepseek.com")
        assert not told.events

    def test_named(self) -> None:
        """What is configured holds, whatever the backend reveals."""
        detection = DialectDetection(KINDS)
        detection.observe(NAMED, VLLM)
        assert (detection.dialect_of(NAMED).dialect.name, detection.dialect_of(NAMED).why) == ("sglang", "configured")
        assert not detection.is_undecided(NAMED)

    def test_revealed(self, told: Told) -> None:
        """The first clue decides, is said in the log with its reason, and is not undone by another."""
        detection = DialectDetection(KINDS)
        detection.observe(HOME, Clues(fingerprint="fp_whatever"))
        assert not detection.dialect_of(HOME).known
        detection.observe(HOME, VLLM)
        detection.observe(HOME, OLLAMA)
        assert detection.dialect_of(HOME).dialect.name == "vllm"
        ((event),) = told.events
        assert (event["backend"], event["dialect"], bool(event["why"])) == ("home", "vllm", True)

    def test_revision(self) -> None:
        """Whoever uses a dialect can tell that one was found out or restored, and that nothing was."""
        detection = DialectDetection(KINDS)
        detection.observe(HOME, Clues(fingerprint="fp_whatever"))
        detection.dialect_of(HOSTED)
        assert detection.revision == 0
        detection.restore(HOME, "vllm")
        assert detection.revision == 1
        detection.observe(HOME, OLLAMA)
        detection.observe(HOME, VLLM)
        assert detection.revision == 2

    def test_recalled(self, told: Told) -> None:
        """What an earlier run found out counts at once, until the backend says otherwise."""
        detection = DialectDetection(KINDS)
        detection.restore(HOME, "vllm", "owned_by vllm")
        assert (detection.dialect_of(HOME).dialect.name, detection.dialect_of(HOME).why) == (
            "vllm",
            "owned_by vllm, found out earlier",
        )
        detection.observe(HOME, VLLM)
        assert not told.events
        detection.restore(HOME, "sglang")
        detection.observe(HOME, OLLAMA)
        assert detection.dialect_of(HOME).dialect.name == "vllm"

    def test_another_server_at_the_address(self, told: Told) -> None:
        """Where an earlier run knew another server, a clue decides anew."""
        detection = DialectDetection(KINDS)
        detection.restore(HOME, "vllm")
        detection.observe(HOME, OLLAMA)
        assert detection.dialect_of(HOME).dialect.name == "ollama"
        assert len(told.events) == 1

    def test_recalled_nonsense(self) -> None:
        """A name that is no dialect any more is forgotten; a configured one wins over what is recalled."""
        detection = DialectDetection(KINDS)
        detection.restore(HOME, "no-such")
        detection.restore(HOSTED, "vllm")
        assert not detection.dialect_of(HOME).known
        assert detection.dialect_of(HOSTED).dialect.name == "deepseek"


class DoubtTests:
    """A configured dialect that contradicts what the server says."""

    def doubts(self, dialect: str, *clues: Clues) -> list[tuple[str, str, str]]:
        """Reveal the clues of a backend that is configured so, and return what each warning names."""
        detection, backend = DialectDetection(KINDS), evolve(NAMED, dialect=dialect)
        with capturedLogs() as logged:
            for each in clues:
                detection.observe(backend, each)
        assert detection.dialect_of(backend).dialect.name == dialect
        told = [event for event in logged if event.get("event") == "dialect-doubted"]
        assert all(event["log_level"].name == "warn" and event["why"] for event in told)
        return [(event["backend"], event["dialect"], event["found"]) for event in told]

    @pytest.mark.parametrize("dialect", ["sglang", "openai", "llamacpp"])
    def test_once(self, dialect: str) -> None:
        """It holds, and the owner is told once what the server looks like."""
        assert self.doubts(dialect, VLLM, VLLM, OLLAMA) == [("named", dialect, "vllm")]

    @pytest.mark.parametrize("clues", [VLLM, Clues(), Clues(owners=("me",)), Clues(owners=("vllm", "sglang"))])
    def test_no_cause(self, clues: Clues) -> None:
        """What fits, or says nothing, is no contradiction."""
        assert self.doubts("vllm", clues) == []

    @pytest.mark.parametrize("dialect", ["generic", "openrouter", "together"])
    def test_engine_behind(self, dialect: str) -> None:
        """A service shows the engine behind it, and plain is what the owner may want it to be."""
        assert self.doubts(dialect, VLLM) == []


class ReloadTests:
    """Another configuration."""

    @pytest.mark.parametrize(
        "changed",
        [evolve(HOME, url="http://127.0.0.1:9/v1"), evolve(HOME, dialect="openai"), evolve(HOME, name="other")],
    )
    def test_another_backend(self, changed: Backend) -> None:
        """At another address, or with another `dialect`, a backend is another one; back again it is known."""
        detection = DialectDetection(KINDS)
        detection.observe(HOME, VLLM)
        assert detection.dialect_of(changed).dialect.name != "vllm"
        assert detection.dialect_of(evolve(HOME, connect_timeout=3.0)).dialect.name == "vllm"

    def test_keep_only(self) -> None:
        """Backends that nobody has any more are forgotten, the others are not."""
        detection = DialectDetection(KINDS)
        other = evolve(HOME, name="other")
        for backend in (HOME, other, NAMED):
            detection.observe(backend, VLLM)
        detection.restore(evolve(HOME, name="earlier"), "vllm")
        detection.keep_only([other])
        assert not detection.dialect_of(HOME).known
        assert detection.dialect_of(other).dialect.name == "vllm"
        assert [len(each) for each in (detection._decided, detection._recalled, detection._doubted)] == [2, 0, 0]
