"""The backends' own model lists: asked for with the credential, cached, never waited for long.

Design 3, "Which model": kept per backend and credential for five minutes, given out stale while a new one is
fetched. The client's own model discovery waits three seconds, so nobody waits for more than two here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import BridgeError
from claude_bridge.services.interfaces import (
    ModelInfo,
    PushProducer,
    ResponseHead,
    UpstreamCall,
    UpstreamClient,
    UpstreamRequest,
)

# Seconds. A list is fresh for TTL; whoever waits does so for WAIT; a fetch may take FETCH, for a slow one still
# serves the next request; a failure is remembered for MEMORY, short enough that a backend that just started is
# seen soon and long enough that a dead one is not asked by every request.
TTL_SECONDS = 300.0
WAIT_SECONDS = 2.0
FETCH_SECONDS = 10.0
MEMORY_SECONDS = 5.0

# One key a credential and backend: more clients than this take turns. The largest public list known (OpenRouter's)
# is below 1 MiB.
MAX_KEYS = 256
MAX_BODY = 8 * 1024 * 1024

Models = tuple[ModelInfo, ...]
Decode = Callable[[bytes], object]


@define(eq=False)
class Entry:
    """What is known of one backend's list under one credential.

    :ivar fetched: clock seconds of the last good answer, None before the first.
    :ivar failed: clock seconds of the last failure since then, None if there was none.
    :ivar waiting: who wants the fetch that is under way.
    :ivar fetch: that fetch, None while there is none.
    """

    models: Models = ()
    fetched: float | None = None
    failed: float | None = None
    waiting: list[Deferred[Models]] = field(factory=list)
    fetch: Fetch | None = None


@define(eq=False, repr=False)
class Fetch:
    """One question for a list; an `UpstreamReceiver`.

    :ivar done: called once, with the models or with None if they cannot be had.
    """

    _decode: Decode
    _done: Callable[[Models | None], None]
    call: UpstreamCall | None = None
    limit: IDelayedCall | None = None
    _parts: list[bytes] = field(factory=list)
    _size: int = 0

    def head_received(self, head: ResponseHead, producer: PushProducer) -> None:  # noqa: ARG002 - the seam's shape
        """Give up unless the answer is a good one."""
        if head.status != 200:  # noqa: PLR2004 - HTTP's OK
            self.give_up()

    def data_received(self, data: bytes) -> None:
        """Collect, up to `MAX_BODY`."""
        self._size += len(data)
        self._parts.append(data)
        if self._size > MAX_BODY:
            self.give_up()

    def ended(self, error: BridgeError | None) -> None:
        """Read what was collected."""
        self._finish(None if error is not None else read_models(b"".join(self._parts), self._decode))

    def give_up(self) -> None:
        """Close the connection; there will be no list."""
        self.abandon()
        self._done(None)

    def abandon(self) -> None:
        """Close the connection and say nothing: nobody wants the list any more, which is no failure."""
        if self.call is not None:
            self.call.cancel()
        self._clear()

    def _finish(self, models: Models | None) -> None:
        self._clear()
        self._done(models)

    def _clear(self) -> None:
        self._parts.clear()
        if self.limit is not None and self.limit.active():
            self.limit.cancel()


class CachedModelLists:
    """Implements `claude_bridge.services.interfaces.ModelLists`.

    :param decode: turns bytes into plain values; raises `ValueError`, `RecursionError` or a `BridgeError` over what
        is not JSON.
    :param ttl: seconds for which a list is fresh.
    """

    _log = Logger()

    def __init__(
        self,
        client: UpstreamClient,
        clock: IReactorTime,
        decode: Decode,
        *,
        ttl: float = TTL_SECONDS,
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._client = client
        self._clock = clock
        self._decode = decode
        self._ttl = ttl
        self._max_keys = max_keys
        self._entries: OrderedDict[tuple[str, str], Entry] = OrderedDict()

    def known(self, backend: Backend, credential: Secret | None) -> Models:
        """Give what is cached, or nothing; never asks anybody."""
        entry = self._entries.get(_key(backend, credential))
        return () if entry is None else entry.models

    def fetch(self, backend: Backend, credential: Secret | None) -> Deferred[Models]:
        """Give the list, from the cache where it is known. Fires with an empty tuple where it cannot be had."""
        entry = self._entry(_key(backend, credential))
        if self._wants_asking(entry):
            self._ask(entry, backend, credential)
        if entry.models or entry.fetch is None:
            return succeed(entry.models)
        return self._wait(entry)

    def close(self) -> None:
        """Drop all questions under way; who waits gets what is known."""
        for entry in tuple(self._entries.values()):
            if entry.fetch is not None:
                entry.fetch.give_up()

    def _entry(self, key: tuple[str, str]) -> Entry:
        """Give the entry for ``key``; the one not used for longest makes room for a new one."""
        entry = self._entries.setdefault(key, Entry())
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_keys:
            self._entries.popitem(last=False)
        return entry

    def _wants_asking(self, entry: Entry) -> bool:
        now = self._clock.seconds()
        if entry.fetch is not None:
            return False
        if entry.failed is not None and now - entry.failed < MEMORY_SECONDS:
            return False
        return entry.fetched is None or now - entry.fetched >= self._ttl

    def _ask(self, entry: Entry, backend: Backend, credential: Secret | None) -> None:
        def done(models: Models | None) -> None:
            entry.fetch = None
            self._learn(entry, backend, models)

        fetch = entry.fetch = Fetch(self._decode, done)
        fetch.limit = self._clock.callLater(FETCH_SECONDS, fetch.give_up)
        fetch.call = self._client.send(_request(backend, credential), fetch)

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

        def leave(waiter: Deferred[Models]) -> None:
            if waiter in entry.waiting:
                entry.waiting.remove(waiter)

        def left(waiter: Deferred[Models]) -> None:
            leave(waiter)
            if not entry.waiting and entry.fetch is not None:
                entry.fetch.abandon()
                entry.fetch = None

        def late() -> None:
            leave(waiter)
            waiter.callback(entry.models)

        def told(models: Models) -> Models:
            if limit.active():
                limit.cancel()
            return models

        waiter: Deferred[Models] = Deferred(left)
        limit = self._clock.callLater(WAIT_SECONDS, late)
        entry.waiting.append(waiter)
        return waiter.addBoth(told)


def find(models: Sequence[ModelInfo], name: str) -> ModelInfo | None:
    """Find ``name`` exactly, else without regard to case."""
    for model in models:
        if model.id == name:
            return model
    folded = name.casefold()
    return next((model for model in models if model.id.casefold() == folded), None)


def models_url(url: str) -> str:
    """Give the address of the list, from a base URL or from the full path to chat completions; a query stays."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return urlunsplit(parts._replace(path=f"{path}/models"))


def read_models(body: bytes, decode: Decode) -> Models | None:
    """Read a list in any of the known shapes; None if it is none of them.

    ``{"data": [...]}`` is OpenAI's, a bare list some gateways', ``{"models": [...]}`` Ollama's. Entries that are
    not models are left out.
    """
    try:
        value = decode(body)
    except (ValueError, RecursionError, BridgeError):
        return None
    entries = _entries(value)
    if entries is None:
        return None
    return tuple(model for model in map(_model, entries) if model is not None)


def _entries(value: object) -> Iterable[object] | None:
    if isinstance(value, Mapping):
        found = (value.get(name) for name in ("data", "models"))
        value = next((entry for entry in found if isinstance(entry, list)), None)
    return value if isinstance(value, list) else None


def _model(entry: object) -> ModelInfo | None:
    if isinstance(entry, str) and entry:
        return ModelInfo(id=entry)
    if not isinstance(entry, Mapping):
        return None
    names = (entry.get(name) for name in ("id", "name", "model"))
    name = next((name for name in names if isinstance(name, str) and name), None)
    if name is None:
        return None
    return ModelInfo(id=name, created=_count(entry.get("created")), context_window=_window(entry))


def _window(entry: Mapping[object, object]) -> int | None:
    """Find the window: vLLM's and SGLang's name for it, llama.cpp's, OpenRouter's.

    llama.cpp's ``n_ctx_train`` is what the model was made for, not what this server was started with: not used.
    """
    meta = entry.get("meta")
    served = meta.get("n_ctx") if isinstance(meta, Mapping) else None
    candidates = (entry.get("max_model_len"), served, entry.get("context_length"), entry.get("context_window"))
    return next((count for count in map(_count, candidates) if count), None)


def _count(value: object) -> int | None:
    """Give a whole number that is not negative; True is none, and 1.7e9 is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value < 2**53 else None


def _key(backend: Backend, credential: Secret | None) -> tuple[str, str]:
    used = backend.api_key or credential
    return backend.name, used.fingerprint() if used else ""


def _request(backend: Backend, credential: Secret | None) -> UpstreamRequest:
    """Ask with the backend's own key if it has one; configured headers win over ours of the same name."""
    headers = {"accept": ("Accept", "application/json")}
    used = backend.api_key or credential
    if used:
        headers["authorization"] = ("Authorization", f"Bearer {used.reveal()}")
    headers.update((name.lower(), (name, value)) for name, value in backend.headers)
    return UpstreamRequest(
        backend=backend,
        url=models_url(backend.url),
        headers=tuple(headers.values()),
        method="GET",
        first_byte_timeout=FETCH_SECONDS,
        idle_timeout=FETCH_SECONDS,
    )
