"""What is measured: the kinds of request and answer, and the goal for each.

A scenario is known to the load generator and to the backend by its name alone, which travels in the mark of each
request, so both sides render and expect the same answer without talking to each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from attrs import evolve, frozen

Figure = Literal["request_ms", "delta_us", "first_token_ms", "stream_kib", "late_s", "idle_mib", "start_s"]

UNITS: Final[Mapping[Figure, str]] = {
    "request_ms": "ms CPU a request",
    "delta_us": "us CPU a delta",
    "first_token_ms": "ms to the first token",
    "stream_kib": "KiB a stream",
    "late_s": "s late (p99)",
    "idle_mib": "MiB idle",
    "start_s": "s to the first answer",
}

LARGEST: Final = frozenset({"stream_kib", "idle_mib"})
"""Memory: the largest of all runs counts. Of times the smallest does, for neighbours only ever add to them."""


@frozen
class Goal:
    """A figure should be at most ``limit``. Printed, never asserted.

    :ivar limit: that many times the relay's figure where the relay does the same work, else in the figure's unit.
    """

    figure: Figure
    limit: float


@frozen(kw_only=True)
class Scenario:
    """One kind of work.

    :ivar requests: how many in a run, by ``clients`` (not more) at the same time on a connection each.
    :ivar kind: of the backend, as in its configuration: what it is asked and answers is translated, or passed through.
    :ivar asks_stream: whether the client asks for a stream.
    :ivar answer: what the backend sends if it is asked to stream; else it sends JSON.
    :ivar deltas: pieces of text in the answer; 0 where it is a tool call.
    :ivar per_write: that many deltas in one write; 0 puts the whole answer into one.
    :ivar gap: seconds between two writes; 0 is one turn of the backend's event loop.
    :ivar argument_bytes: size of the tool call's arguments, about; sent in pieces of ``FRAGMENT`` characters.
    :ivar stamped: each delta says when it was sent.
    :ivar relayed: whether the relay runs it too, just before the gateway; not where memory and the start are measured.
    :ivar warm_up: requests before the clock starts, of the scenario ``warm_with`` (default: itself).
    """

    name: str
    goals: tuple[Goal, ...]
    requests: int
    clients: int
    request: Literal["small", "claude_code"] = "small"
    kind: Literal["openai", "anthropic"] = "openai"
    asks_stream: bool = True
    answer: Literal["json", "sse"] = "sse"
    deltas: int = 20
    per_write: int = 1
    gap: float = 0.0
    argument_bytes: int = 0
    stamped: bool = False
    relayed: bool = True
    warm_up: int = 20
    warm_with: str = ""

    def of(self, requests: int, clients: int) -> Scenario:
        """Return the same work in another amount, its warm-up no longer than itself."""
        return evolve(
            self, requests=requests, clients=min(clients, requests), warm_up=min(self.warm_up, requests)
        )  # fmt: skip

    def passed(self, *goals: Goal) -> Scenario:
        """Return the same work where the backend has the client's own API."""
        warm_with = "burst_passed" if self.warm_with else ""
        return evolve(self, name=f"{self.name}_passed", kind="anthropic", goals=goals, warm_with=warm_with)

    def untranslated(self) -> Scenario:
        """Return the same work for a client that asks for what the backend sends: a stream, or JSON."""
        return evolve(self, asks_stream=self.answer == "sse")


FRAGMENT: Final = 256
"""Characters of tool arguments in a delta of `bigtool`."""

MOST_STREAMS: Final = 2000
"""The most that `slow` may open: two descriptors each in the daemon, and the goal is for so many."""

_SLOW_GAP = 1 / 7
"""Seconds: 2,000 streams of a delta each in this time are the 14,000 deltas a second of the goal."""

_TRANSLATED = (
    Scenario(
        name="small", goals=(Goal("request_ms", 11),), requests=1000, clients=8,
        asks_stream=False, answer="json", warm_up=50,
    ),
    Scenario(
        name="small_sse", goals=(Goal("request_ms", 12),), requests=1000, clients=8,
        asks_stream=False, per_write=0, warm_up=50,
    ),
    Scenario(
        name="cc", goals=(Goal("request_ms", 7),), requests=150, clients=4,
        request="claude_code", deltas=30, per_write=10,
    ),
    Scenario(
        name="deltas", goals=(Goal("delta_us", 1.35),), requests=24, clients=4,
        deltas=500, gap=0.002, warm_with="burst",
    ),
    Scenario(name="burst", goals=(Goal("delta_us", 3.2),), requests=60, clients=4, deltas=500),
    Scenario(name="coalesced", goals=(Goal("delta_us", 16),), requests=60, clients=4, deltas=500, per_write=0),
    Scenario(
        name="bigtool", goals=(Goal("request_ms", 15),), requests=12, clients=2,
        deltas=0, per_write=16, argument_bytes=1 << 20, warm_up=3,
    ),
    Scenario(name="ttft", goals=(Goal("first_token_ms", 5),), requests=200, clients=1, deltas=5, gap=0.001),
    Scenario(
        name="slow", goals=(Goal("stream_kib", 28), Goal("late_s", 0.5)), requests=500, clients=500,
        deltas=100, gap=_SLOW_GAP, stamped=True, relayed=False, warm_with="small_sse",
    ),
    Scenario(
        name="idle", goals=(Goal("idle_mib", 65), Goal("start_s", 0.8)), requests=1, clients=1,
        asks_stream=False, answer="json", relayed=False, warm_up=0,
    ),
)  # fmt: skip

_PASSED: Mapping[str, tuple[Goal, ...]] = {
    "small": (Goal("request_ms", 10),),
    "cc": (Goal("request_ms", 9),),
    "deltas": (Goal("delta_us", 1.35),),
    "burst": (Goal("delta_us", 2.6),),
    "slow": (Goal("stream_kib", 28), Goal("late_s", 0.5)),
}

_ALL = (*_TRANSLATED, *(one.passed(*_PASSED[one.name]) for one in _TRANSLATED if one.name in _PASSED))

SCENARIOS: Final[Mapping[str, Scenario]] = {scenario.name: scenario for scenario in _ALL}
