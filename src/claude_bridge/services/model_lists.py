"""The backends' own model lists: asked for with the credential, cached, never waited for long.

Design 3, "Which model": kept per backend and credential for five minutes, given out stale while a new one is
fetched. The client's own model discovery waits three seconds, so nobody waits for more than two here; and once somebody
has waited for a newer list in vain, nobody else waits for that one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import BackendKind, Clues
from claude_bridge.core.model_list import ModelInfo, ModelList, with_windows
from claude_bridge.services.fetch import Fetcher, Response
from claude_bridge.services.interfaces import UpstreamClient

# Seconds. A list is fresh for TTL, or for LOADED_TTL where it tells of loaded models, which come and go; whoever waits
# does so for WAIT; a fetch may take FETCH, for a slow one still serves the next request; a failure is remembered for
# MEMORY, short enough that a backend that just started is seen soon and long enough that a dead one is not asked by
# every request.
TTL_SECONDS = 300.0
LOADED_TTL_SECONDS = 30.0
WAIT_SECONDS = 2.0
FETCH_SECONDS = 10.0
MEMORY_SECONDS = 5.0

# One key a credential and backend: more clients than this take turns. The largest public list known (OpenRouter's)
# has some 400 models in less than 1 MiB.
MAX_KEYS = 256
MAX_BODY_BYTES = 2 * 1024 * 1024

MAX_OWNERS: Final = 16
"""Different owners that are passed on: a list with more is a market's and tells of no server."""

Models = tuple[ModelInfo, ...]
Key = tuple[str, str, str]
"""Name and URL of a backend, and the fingerprint of a credential or ""."""
Revealed = Callable[[Backend, Clues], None]
MoreLists = Callable[[Backend], Sequence[str]]


@define(eq=False)
class Entry:
    """What is known of one backend's list under one credential.

    :ivar fetched: clock seconds of the last good answer, None before the first.
    :ivar failed: clock seconds of the last failure since then, None if there was none.
    :ivar waiting: who wants the fetch that is under way.
    :ivar fetch: that fetch, None while there is none.
    :ivar slow: somebody has waited in vain for that fetch.
    :ivar ttl: seconds for which the list is fresh.
    """

    models: Models = ()
    ttl: float = TTL_SECONDS
    fetched: float | None = None
    failed: float | None = None
    waiting: list[Deferred[Models]] = field(factory=list)
    fetch: Deferred[None] | None = None
    slow: bool = False


class CachedModelLists:
    """Implements `claude_bridge.services.interfaces.ModelLists`.

    :param kinds: the kinds of backends by name; they read the lists.
    :param revealed: told what a list that arrives says of its server.
    :param more_lists: names the lists that tell the windows of a backend's loaded models; asked after `revealed`.
    :param ttl: seconds for which a list is fresh.
    """

    _log = Logger()

    def __init__(
        self,
        client: UpstreamClient,
        clock: IReactorTime,
        kinds: Mapping[str, BackendKind],
        *,
        revealed: Revealed = lambda _backend, _clues: None,
        more_lists: MoreLists = lambda _backend: (),
        ttl: float = TTL_SECONDS,
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._fetcher = Fetcher(client=client, clock=clock, seconds=FETCH_SECONDS, max_bytes=MAX_BODY_BYTES)
        self._clock = clock
        self._kinds = kinds
        self._revealed = revealed
        self._more_lists = more_lists
        self._ttl = ttl
        self._max_keys = max_keys
        self._entries: OrderedDict[Key, Entry] = OrderedDict()

    def known(self, backend: Backend, credential: Secret | None) -> Models:
        """Return what is cached, or nothing; never asks anybody."""
        entry = self._entries.get(_key(backend, credential))
        return () if entry is None else entry.models

    def fetch(self, backend: Backend, credential: Secret | None) -> Deferred[Models]:
        """Return the list, from the cache where it is known. Fires with an empty tuple where it cannot be had."""
        entry = self._entry(_key(backend, credential))
        if self._is_due(entry, entry.ttl):
            self._start_loading(entry, backend, credential)
        if entry.models or entry.fetch is None:
            return succeed(entry.models)
        return self._wait(entry)

    def renewed(self, backend: Backend, credential: Secret | None) -> Deferred[Models]:
        """Return the list as it is now, at most `MEMORY_SECONDS` old; where it does not come in time, what is known.

        A list that hangs costs that wait once: while its fetch goes on, and after its failure, who asks is answered
        at once.
        """
        entry = self._entry(_key(backend, credential))
        if self._is_due(entry, MEMORY_SECONDS):
            self._start_loading(entry, backend, credential)
        if entry.fetch is None or entry.slow:
            return succeed(entry.models)
        return self._wait(entry)

    def close(self) -> None:
        """Drop all fetches under way; who waits gets what is known."""
        for entry in tuple(self._entries.values()):
            if entry.fetch is not None:
                entry.fetch.cancel()

    def _entry(self, key: Key) -> Entry:
        """Return the entry for ``key``; the one not used for longest makes room for a new one."""
        entry = self._entries.setdefault(key, Entry())
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_keys:
            self._entries.popitem(last=False)
        return entry

    def _is_due(self, entry: Entry, ttl: float) -> bool:
        now = self._clock.seconds()
        if entry.fetch is not None:
            return False
        if entry.failed is not None and now - entry.failed < MEMORY_SECONDS:
            return False
        return entry.fetched is None or now - entry.fetched >= ttl

    def _start_loading(self, entry: Entry, backend: Backend, credential: Secret | None) -> None:
        entry.slow = False
        entry.fetch = Deferred.fromCoroutine(self._load(entry, backend, credential))

    async def _load(self, entry: Entry, backend: Backend, credential: Secret | None) -> None:
        """Ask for the list, then for the lists that only tell windows; a failure of those costs nothing else."""
        models: ModelList | None = None
        try:
            response = await self._fetcher.fetch(backend, credential, "models")
            models = self._read(backend, response)
            if models:
                self._revealed(backend, _clues(models, response))
                more = tuple(self._more_lists(backend))
                entry.ttl = min(self._ttl, LOADED_TTL_SECONDS) if more else self._ttl
                for path in more:
                    loaded = self._read(backend, await self._fetcher.fetch(backend, credential, path))
                    models = with_windows(models, loaded or ())
        except CancelledError:
            if entry.fetch is None:  # nobody waits any more, which is no failure
                return
        entry.fetch = None
        self._learn(entry, backend, models)

    def _read(self, backend: Backend, response: Response) -> ModelList | None:
        return self._kinds[backend.kind].read_models(response.body) if response.good else None

    def _learn(self, entry: Entry, backend: Backend, models: Models | None) -> None:
        """Note the outcome and tell who waits.

        An empty list is taken for a failure: a server that is still loading may give one, and it would hide the
        models for minutes.
        """
        if models:
            entry.models, entry.fetched, entry.failed = models, self._clock.seconds(), None
        else:
            entry.failed = self._clock.seconds()
            self._log.debug("No model list from backend {backend}", backend=backend.name)
        waiting, entry.waiting = entry.waiting, []
        for waiter in waiting:
            waiter.callback(entry.models)

    def _wait(self, entry: Entry) -> Deferred[Models]:
        """Wait for the fetch under way, for `WAIT_SECONDS`; the fetch itself goes on.

        Who cancels has left; when nobody else waits then, the fetch ends too (design 5: a client's upstream
        connections are gone as soon as it is).
        """

        def on_cancel(waiter: Deferred[Models]) -> None:
            entry.waiting.remove(waiter)
            if not entry.waiting and entry.fetch is not None:
                fetch, entry.fetch = entry.fetch, None
                fetch.cancel()

        def on_timeout() -> None:
            entry.waiting.remove(waiter)
            entry.slow = True
            waiter.callback(entry.models)

        def stop_timer(models: Models) -> Models:
            if limit.active():
                limit.cancel()
            return models

        waiter: Deferred[Models] = Deferred(on_cancel)
        limit = self._clock.callLater(WAIT_SECONDS, on_timeout)
        entry.waiting.append(waiter)
        return waiter.addBoth(stop_timer)


def _clues(models: Models, response: Response) -> Clues:
    owners = dict.fromkeys(model.owner for model in models if model.owner)
    return Clues(owners=tuple(owners)[:MAX_OWNERS], headers=response.headers)


def _key(backend: Backend, credential: Secret | None) -> Key:
    return backend.name, backend.url, credential.fingerprint() if credential else ""
