"""What a run of chaos showed: the figures for people, and what must never be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any, Final

from attrs import field, frozen

from tests.end_to_end.chaos.backend import ChaosBackend
from tests.end_to_end.chaos.sessions import Result
from tests.end_to_end.chaos.verdicts import OK

MOST_ATTEMPTS: Final = 3
"""Attempts at one model for one request."""

MIB: Final = 1024 * 1024

_WARM: Final = 0.4
_LAST: Final = 0.75
"""Parts of a run: what its memory is compared with begins after the first, and what is compared after the second."""

_SHOWN: Final = 20


@frozen(kw_only=True)
class Findings:
    """Everything that was seen.

    :ivar lines: of the daemon's log, at level ``debug``.
    :ivar backends: what each backend has seen.
    :ivar memory: of the daemon, in bytes, at regular times.
    :ivar left: what the daemon still had when all requests had ended, in its own words; empty if nothing.
    :ivar growth: bytes that the memory may grow after the warm-up.
    """

    seconds: float
    results: Sequence[Result]
    lines: Sequence[Mapping[str, Any]]
    backends: Sequence[ChaosBackend]
    memory: Sequence[int]
    left: str
    growth: int
    attempts: Mapping[str, Counter[str]] = field(init=False)

    @attempts.default
    def _attempts(self) -> dict[str, Counter[str]]:
        """Return by request how often it was sent to each backend."""
        found: dict[str, Counter[str]] = {}
        for line in self._events("attempt"):
            found.setdefault(line["request_id"], Counter())[line["backend"]] += 1
        return found

    @property
    def outcomes(self) -> Counter[str]:
        """Return how requests ended."""
        return Counter(result.verdict.outcome for result in self.results)

    @property
    def failovers(self) -> int:
        """Return how many requests were sent to more than one backend."""
        return sum(len(backends) > 1 for backends in self.attempts.values())

    @property
    def affinity(self) -> tuple[int, int]:
        """Return how many good answers came from the backend of the one before, and how many had one before.

        Counted within each conversation.
        """
        conversations: dict[str, list[str]] = {}
        for result in self.results:
            if result.verdict.outcome == OK:
                conversations.setdefault(result.conversation, []).append(result.verdict.backend)
        pairs = [pair for backends in conversations.values() for pair in pairwise(backends)]
        return sum(one == two for one, two in pairs), len(pairs)

    @property
    def circuits(self) -> Counter[str]:
        """Return how often each circuit changed to each state."""
        changes = (line for line in self.lines if "Circuit of backend" in line["message"])
        return Counter(f"{line['backend']} {line['state']}" for line in changes)

    @property
    def memory_growth(self) -> int:
        """Return by how many bytes the memory in the last quarter is more than that after the warm-up."""
        count = len(self.memory)
        warm, last = self.memory[int(count * _WARM) : int(count * _LAST)], self.memory[int(count * _LAST) :]
        return round(median(last) - median(warm)) if warm and last else 0

    def broken(self) -> list[str]:
        """Return all that must never be; none of a good run."""
        return list(self._broken())

    def report(self) -> str:
        """Return the figures as lines of text."""
        return "".join(f"{name and f'{name}:':<22} {value}\n" for name, value in self._figures())

    def _broken(self) -> Iterator[str]:
        for result in self.results:
            for problem in result.verdict.problems:
                yield f"{result.question.token} ({result.verdict.outcome}, {result.seconds:.1f} s): {problem}"
        for request_id, backends in self.attempts.items():
            yield from (f"{request_id}: {count} attempts at {name}" for name, count in _too_many(backends))
        for backend in self.backends:
            for token, count in _too_many(backend.asked):
                yield f"{token}: backend {backend.name} was asked {count} times; the log has {self._logged(token)}"
            if backend.impatient:
                yield f"backend {backend.name} got {backend.impatient} requests while it had asked to wait"
        if self.memory_growth > self.growth:
            yield f"the memory grew by {self.memory_growth / MIB:.1f} MiB"
        if self.left:
            yield f"not all was over at the end: {self.left}"

    def _figures(self) -> Iterator[tuple[str, str]]:
        yield "seconds", f"{self.seconds:.0f}"
        yield "requests", f"{len(self.results)}, {len(self.results) / self.seconds:.0f} a second"
        yield "ended as", _counted(self.outcomes)
        yield "failovers", f"{self.failovers} requests were sent to more than one backend"
        counts = Counter(backends.total() for backends in self.attempts.values())
        yield "attempts a request", ", ".join(f"{count} x {number}" for number, count in sorted(counts.items()))
        kept, of = self.affinity
        share = f", {kept / of:.0%}" if of else ""
        yield "affinity", f"{kept} of {of}{share} at the backend of the answer before, in the same conversation"
        yield "circuits", _counted(self.circuits) or "no change"
        times = sorted(result.seconds for result in self.results if result.verdict.outcome == OK)
        yield "time, good answers", _quantiles(times)
        yield (
            "time, others",
            _quantiles(sorted(result.seconds for result in self.results if result.verdict.outcome not in {OK, "left"})),
        )
        yield "memory, MiB", f"{_sizes(self.memory)}; grew by {self.memory_growth / MIB:.1f}"
        for backend in self.backends:
            yield f"backend {backend.name}", _counted(backend.done)
            yield "", f"{backend.most} at the same time at most"

    def _logged(self, token: str) -> str:
        """Return the attempts at a question that the daemon has logged."""
        ids = {result.verdict.request_id for result in self.results if result.question.token == token}
        attempts = (line for line in self._events("attempt") if line["request_id"] in ids)
        return ", ".join(f"{line['backend']} {line['outcome']}" for line in attempts) or "none"

    def _events(self, name: str) -> Iterator[Mapping[str, Any]]:
        return (line for line in self.lines if line.get("event") == name)


def shown(broken: Sequence[str]) -> str:
    """Return the first lines of a long list."""
    more = [f"... and {len(broken) - _SHOWN} more"] if len(broken) > _SHOWN else []
    return "\n".join([*broken[:_SHOWN], *more])


def _too_many(attempts: Counter[str]) -> Iterator[tuple[str, int]]:
    return ((name, count) for name, count in attempts.items() if count > MOST_ATTEMPTS)


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in counts.most_common())


def _quantiles(times: Sequence[float]) -> str:
    if not times:
        return "none"
    p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
    return f"p50 {median(times):.2f} s, p99 {p99:.2f} s, most {times[-1]:.2f} s"


def _sizes(memory: Sequence[int]) -> str:
    places = [memory[len(memory) * quarter // 4] for quarter in range(4)] if memory else []
    return " ".join(f"{size / MIB:.1f}" for size in [*places, *memory[-1:]])
