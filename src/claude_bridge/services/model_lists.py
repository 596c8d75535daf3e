"""The backends' own model lists: fetched with the credential, cached, never waited for long.

docs/design.md 3: a list is cached per backend and credential for five minutes; after that the old one is used
while a new one is fetched. The client's own model discovery waits for three seconds, so a request waits for a list for
two at most; once one request has waited for a fetch in vain, no other waits for the same fetch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import BackendKind, Clues
from claude_bridge.core.bounded import BoundedMap
from claude_bridge.core.model_list import ModelInfo, ModelList, with_windows
from claude_bridge.services.callbacks import do_nothing, stop_timer
from claude_bridge.services.fetch import Fetcher, Response
from claude_bridge.services.interfaces import UpstreamClient

# A list is fresh for TTL, or for LOADED_TTL if it depends on which models are loaded; a request waits for a list for at
# most WAIT; a fetch may take FETCH, since a slow one still serves the next request; a failure is remembered for MEMORY,
# short enough that a backend that has just started is noticed soon, long enough that a dead one is not asked by every
# request.
TTL_SECONDS = 300.0
LOADED_TTL_SECONDS = 30.0
WAIT_SECONDS = 2.0
FETCH_SECONDS = 10.0
MEMORY_SECONDS = 5.0

# One entry per credential and backend; the least recently used is dropped. The largest public list known (OpenRouter's)
# has some 400 models in less than 1 MiB.
MAX_KEYS = 256
MAX_BODY_BYTES = 2 * 1024 * 1024

MAX_OWNERS: Final = 16
"""Different owners that are passed on: a list with more is that of a marketplace, and says nothing about the server."""

Models = tuple[ModelInfo, ...]
Key = tuple[str, str, str]
"""Name and URL of a backend, and the fingerprint of a credential or ""."""
OnClues = Callable[[Backend, Clues], None]
OnList = Callable[[Backend, Models], None]
MoreLists = Callable[[Backend], Sequence[str]]


@define(eq=False)
class Entry:
    """What is known of one backend's list under one credential.

    :ivar fetched: clock seconds of the last good response, None before the first.
    :ivar failed: clock seconds of the last failure since then, None if there was none.
    :ivar waiting: the Deferreds of those who wait for the fetch under way.
    :ivar fetch: that fetch, None while there is none.
    :ivar slow: somebody has waited for that fetch in vain.
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

    :ivar revision: counts the lists that have arrived.
    :ivar on_list: called with each of them.
    :param kinds: the kinds of backends by name; they read the lists.
    :param on_clues: called with what a list that arrives reveals about its server.
    :param more_lists: returns the paths of lists with the windows of a backend's loaded models, after `on_clues`.
    :param ttl: seconds for which a list is fresh.
    """

    _log = Logger()

    def __init__(
        self,
        client: UpstreamClient,
        clock: IReactorTime,
        kinds: Mapping[str, BackendKind],
        *,
        on_clues: OnClues = do_nothing,
        more_lists: MoreLists = lambda _backend: (),
        ttl: float = TTL_SECONDS,
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._fetcher = Fetcher(client=client, clock=clock, seconds=FETCH_SECONDS, max_bytes=MAX_BODY_BYTES)
        self._clock = clock
        self._kinds = kinds
        self._on_clues = on_clues
        self.on_list: OnList = do_nothing
        self._more_lists = more_lists
        self._ttl = ttl
        self.revision = 0
        self._entries: BoundedMap[Key, Entry] = BoundedMap(max_keys)

    def known(self, backend: Backend, credential: Secret | None) -> Models:
        """Return the cached list, or an empty one; sends no request."""
        entry = self._entries.peek(_key(backend, credential))
        return () if entry is None else entry.models

    def fetch(self, backend: Backend, credential: Secret | None) -> Deferred[Models]:
        """Return the list, from the cache if it is there. Fires with an empty tuple if it cannot be fetched."""
        entry = self._entry(_key(backend, credential))
        if self._is_due(entry, entry.ttl):
            self._start_loading(entry, backend, credential)
        if entry.models or entry.fetch is None:
            return succeed(entry.models)
        return self._wait(entry)

    def renewed(self, backend: Backend, credential: Secret | None) -> Deferred[Models]:
        """Return a list that is at most `MEMORY_SECONDS` old; if it does not arrive in time, the last known one.

        A list that hangs is waited for once: while its fetch goes on, and after its failure, this fires at once.
        """
        entry = self._entry(_key(backend, credential))
        if self._is_due(entry, MEMORY_SECONDS):
            self._start_loading(entry, backend, credential)
        if entry.fetch is None or entry.slow:
            return succeed(entry.models)
        return self._wait(entry)

    def close(self) -> None:
        """Cancel all fetches; whoever waits for one gets the last known list."""
        for _, entry in tuple(self._entries.items()):
            if entry.fetch is not None:
                entry.fetch.cancel()

    def _entry(self, key: Key) -> Entry:
        """Return the entry for ``key``, a new one if there is none."""
        entry = self._entries.get(key)
        if entry is None:
            entry = Entry()
            self._entries.put(key, entry)
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
        """Fetch the list, then the lists that only give windows; if one of those fails, the list is still used."""
        models: ModelList | None = None
        kind = self._kinds[backend.kind]
        try:
            response = await self._fetcher.fetch(backend, credential, kind.models_path, headers=kind.headers)
            models = self._read(backend, response)
            if models:
                self._on_clues(backend, _clues(models, response))
                more = tuple(self._more_lists(backend))
                entry.ttl = min(self._ttl, LOADED_TTL_SECONDS) if more else self._ttl
                for path in more:
                    loaded = self._read(backend, await self._fetcher.fetch(backend, credential, path))
                    models = with_windows(models, loaded or ())
        except CancelledError:
            if entry.fetch is None:  # everybody who waited has left, which is not a failure
                return
        entry.fetch = None
        self._learn(entry, backend, models)

    def _read(self, backend: Backend, response: Response) -> ModelList | None:
        return self._kinds[backend.kind].read_models(response.body) if response.good else None

    def _learn(self, entry: Entry, backend: Backend, models: Models | None) -> None:
        """Store the outcome and fire the Deferreds of those who wait.

        An empty list counts as a failure: a server that is still starting may return one, and caching it would hide
        the models for minutes.
        """
        if models:
            entry.models, entry.fetched, entry.failed = models, self._clock.seconds(), None
            self.revision += 1
            self.on_list(backend, models)
        else:
            entry.failed = self._clock.seconds()
            self._log.debug("No model list from backend {backend}", backend=backend.name)
        waiting, entry.waiting = entry.waiting, []
        for waiter in waiting:
            waiter.callback(entry.models)

    def _wait(self, entry: Entry) -> Deferred[Models]:
        """Return a Deferred for the fetch under way, which fires after `WAIT_SECONDS` at most; the fetch goes on.

        It is cancelled when its client leaves. When nobody else waits, the fetch is cancelled too (docs/design.md 7.4:
        a client's upstream connections are closed as soon as it has left).
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

        def on_result(models: Models) -> Models:
            stop_timer(timer)
            return models

        waiter: Deferred[Models] = Deferred(on_cancel)
        timer = self._clock.callLater(WAIT_SECONDS, on_timeout)
        entry.waiting.append(waiter)
        return waiter.addBoth(on_result)


def _clues(models: Models, response: Response) -> Clues:
    owners = dict.fromkeys(model.owner for model in models if model.owner)
    return Clues(owners=tuple(owners)[:MAX_OWNERS], headers=response.headers)


def _key(backend: Backend, credential: Secret | None) -> Key:
    return backend.name, backend.url, credential.fingerprint() if credential else ""
