"""One run: a real daemon, three backends that fail, fifty sessions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from claude_bridge.client.running_bridge import ask
from tests.end_to_end.chaos.backend import ChaosBackend
from tests.end_to_end.chaos.figures import MIB, Findings
from tests.end_to_end.chaos.sessions import Result, Session
from tests.end_to_end.client import Client
from tests.end_to_end.daemon import LISTEN, Daemon

BACKENDS: Final = ("a", "b", "c")

MORE: Final = {"b": "max_streams = 4\nqueue_timeout = 2\n"}
"""Options of single backends."""

SAMPLE_SECONDS: Final = 0.5
"""Between two looks at the daemon's memory."""

OVER_SECONDS: Final = 10.0
"""Limit for what the daemon does after the last answer."""

KEYS: Final = {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}


@frozen(kw_only=True)
class Settings:
    """How long and how hard.

    :ivar growth: bytes that the daemon's memory may grow after the warm-up. Some is allowed, as the heap is not full
        then: garbage in cycles is collected rarely.
    """

    seconds: float
    seed: int
    sessions: int = 50
    growth: int = 4 * MIB


def configuration(urls: Mapping[str, str]) -> str:
    """Return the daemon's configuration: short limits, so that much happens in little time."""
    backends = "".join(
        f"[backend:{name}]\nurl = {url}\nfirst_byte_timeout = 2\nidle_timeout = 1.5\n{MORE.get(name, '')}"
        f"[model:{name}]\nbackend = {name}\nname = test-model\n"
        for name, url in urls.items()
    )
    models = "".join(f"    {name}\n" for name in urls)
    return (
        f"[server]\nlisten = {LISTEN}\ncheck_backends = no\ncommit_after = 1\n"
        f"{backends}"
        f"[route:default]\nmodels =\n{models}"
        "[breaker]\nenabled = yes\nfailures = 5\nopen_seconds = 2\n"
        "[log]\nlevel = debug\n"
    )


async def run(reactor: Any, folder: Path, settings: Settings) -> Findings:
    """Run, and return what was seen."""
    backends = [ChaosBackend(reactor, name=name, seed=settings.seed) for name in BACKENDS]
    for backend in backends:
        backend.begin()
    daemon = Daemon(reactor=reactor, folder=folder)
    try:
        await daemon.start(configuration({backend.name: backend.url for backend in backends}))
        until = reactor.seconds() + settings.seconds
        memory: list[int] = []
        results = await _ran(reactor, daemon, backends, settings, until, memory)
        left = await _left(reactor, daemon)
        await daemon.finish()
    finally:
        daemon.process.signal("KILL")
        await gatherResults([Deferred.fromCoroutine(backend.finish()) for backend in backends])
    return Findings(
        seconds=settings.seconds,
        results=results,
        lines=daemon.lines,
        backends=backends,
        memory=memory,
        left=left,
        growth=settings.growth,
    )


async def _ran(
    reactor: Any,
    daemon: Daemon,
    backends: Sequence[ChaosBackend],
    settings: Settings,
    until: float,
    memory: list[int],
) -> list[Result]:
    """Let all of them live until then; return the results of the sessions."""
    results: list[Result] = []
    client = Client(reactor, daemon.url, KEYS)
    sessions = [
        Session(reactor=reactor, client=client, number=number, seed=settings.seed, results=results)
        for number in range(settings.sessions)
    ]
    lives = [backend.live(until) for backend in backends] + [session.run(until) for session in sessions]
    watching = _watch(reactor, daemon, until, memory)
    await gatherResults([Deferred.fromCoroutine(each) for each in (*lives, watching)], consumeErrors=True)
    return results


async def _watch(reactor: Any, daemon: Daemon, until: float, memory: list[int]) -> None:
    while reactor.seconds() < until:
        memory.append(daemon.resident_bytes)
        await deferLater(reactor, SAMPLE_SECONDS)


async def _left(reactor: Any, daemon: Daemon) -> str:
    """Return what the daemon has not ended in good time after the last answer; "" if nothing."""
    path = (await daemon.wait_for("control"))["path"]
    limit = reactor.seconds() + OVER_SECONDS
    while left := _under_way((await deferToThread(ask, path, "GET", "/status")).body):
        if reactor.seconds() > limit:
            return json.dumps(left)
        await deferLater(reactor, SAMPLE_SECONDS)
    return ""


def _under_way(status: Any) -> dict[str, int]:
    counts = {"exchanges": status["process"]["exchanges"]}
    for backend in status["configuration"]["backends"]:
        counts |= {f"{backend['name']} {each}": backend[each] or 0 for each in ("streaming", "waiting")}
    return {name: count for name, count in counts.items() if count}
