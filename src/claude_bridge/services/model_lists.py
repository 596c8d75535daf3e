"""The backends' own model lists: asked for with the credential, cached, never waited for long.

Design 3, "Which model": kept per backend and credential for five minutes, given out stale while a new one is
fetched. The client's own model discovery waits three seconds, so nobody waits for more than two here; and nobody does
for a newer list when somebody has already waited for that in vain.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Final

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.chat_completions.dialect import Clues
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.json_weight import too_much
from claude_bridge.services.fetch import Fetcher, FetchRequest, Response
from claude_bridge.services.interfaces import ModelInfo, UpstreamClient

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

MAX_MODELS: Final = 5000
"""Models of a list that are known by name; each costs ten microseconds when the list comes, and 300 bytes."""

MAX_OWNERS: Final = 16
"""Different owners that are passed on: a list with more is a market's and tells of no server."""


class Listed(tuple[ModelInfo, ...]):  # noqa: SLOT001 - it keeps what it works out
    """A backend's models, with what finds one by its name: requests come more often than lists."""

    @cached_property
    def by_name(self) -> Mapping[str, ModelInfo]:
        """The models under their names as they are."""
        return {model.id: model for model in reversed(self)}

    @cached_property
    def by_folded_name(self) -> Mapping[str, ModelInfo]:
        """The models under their names without case."""
        return {model.id.casefold(): model for model in reversed(self)}


Models = tuple[ModelInfo, ...]
Decode = Callable[[bytes], object]
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
    fetch: FetchRequest | None = None
    slow: bool = False


class CachedModelLists:
    """Implements `claude_bridge.services.interfaces.ModelLists`.

    :param decode: turns bytes into plain values; raises `ValueError`, `RecursionError` or a `BridgeError` over what
        is not JSON.
    :param revealed: told what a list that arrives says of its server.
    :param more_lists: names the lists that tell the windows of a backend's loaded models; asked after `revealed`.
    :param ttl: seconds for which a list is fresh.
    """

    _log = Logger()

    def __init__(
        self,
        client: UpstreamClient,
        clock: IReactorTime,
        decode: Decode,
        *,
        revealed: Revealed = lambda _backend, _clues: None,
        more_lists: MoreLists = lambda _backend: (),
        ttl: float = TTL_SECONDS,
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._asker = Fetcher(client=client, clock=clock, seconds=FETCH_SECONDS, most=MAX_BODY_BYTES)
        self._clock = clock
        self._decode = decode
        self._revealed = revealed
        self._more_lists = more_lists
        self._ttl = ttl
        self._max_keys = max_keys
        self._entries: OrderedDict[tuple[str, str], Entry] = OrderedDict()

    def known(self, backend: Backend, credential: Secret | None) -> Models:
        """Return what is cached, or nothing; never asks anybody."""
        entry = self._entries.get(_key(backend, credential))
        return () if entry is None else entry.models

    def fetch(self, backend: Backend, credential: Secret | None) -> Deferred[Models]:
        """Return the list, from the cache where it is known. Fires with an empty tuple where it cannot be had."""
        entry = self._entry(_key(backend, credential))
        if self._wants_asking(entry, entry.ttl):
            self._ask(entry, backend, credential)
        if entry.models or entry.fetch is None:
            return succeed(entry.models)
        return self._wait(entry)

    def renewed(self, backend: Backend, credential: Secret | None) -> Deferred[Models]:
        """Return the list as it is now, at most `MEMORY_SECONDS` old; where it does not come in time, what is known.

        A list that hangs costs that wait once: while its fetch goes on, and after its failure, who asks is answered
        at once.
        """
        entry = self._entry(_key(backend, credential))
        if self._wants_asking(entry, MEMORY_SECONDS):
            self._ask(entry, backend, credential)
        if entry.fetch is None or entry.slow:
            return succeed(entry.models)
        return self._wait(entry)

    def close(self) -> None:
        """Drop all questions under way; who waits gets what is known."""
        for entry in tuple(self._entries.values()):
            if entry.fetch is not None:
                entry.fetch.give_up()

    def _entry(self, key: tuple[str, str]) -> Entry:
        """Return the entry for ``key``; the one not used for longest makes room for a new one."""
        entry = self._entries.setdefault(key, Entry())
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_keys:
            self._entries.popitem(last=False)
        return entry

    def _wants_asking(self, entry: Entry, ttl: float) -> bool:
        now = self._clock.seconds()
        if entry.fetch is not None:
            return False
        if entry.failed is not None and now - entry.failed < MEMORY_SECONDS:
            return False
        return entry.fetched is None or now - entry.fetched >= ttl

    def _ask(self, entry: Entry, backend: Backend, credential: Secret | None) -> None:
        """Ask for the list, then for the lists that only tell windows; a failure of those costs nothing else."""
        asked: list[str] = []

        def listed(reply: Response) -> None:
            models = read_models(reply.body, self._decode) if reply.good else None
            if models:
                self._revealed(backend, _clues(models, reply))
                asked.extend(self._more_lists(backend))
                entry.ttl = min(self._ttl, LOADED_TTL_SECONDS) if asked else self._ttl
            go_on(models)

        def go_on(models: Models | None) -> None:
            entry.fetch = None
            if not models or not asked:
                self._learn(entry, backend, models)
                return

            def told(reply: Response) -> None:
                more = read_models(reply.body, self._decode) if reply.good else None
                go_on(with_windows(models, more or ()))

            entry.fetch = self._asker.ask(backend, credential, asked.pop(0), told)

        entry.slow = False
        entry.fetch = self._asker.ask(backend, credential, "models", listed)

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
            entry.slow = True
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
    """Find ``name`` exactly, else without regard to case, else with the tag that Ollama adds to a bare name."""
    listed = models if isinstance(models, Listed) else Listed(models)
    exactly = listed.by_name.get(name)
    if exactly is not None:
        return exactly
    folded = name.casefold()
    return listed.by_folded_name.get(folded) or listed.by_folded_name.get(f"{folded}:latest")


def spelled(models: Sequence[ModelInfo], name: str) -> str:
    """Return ``name`` in the case in which the list has it, and as it is where the list does not have it."""
    found = find(models, name)
    return found.id if found is not None and found.id.casefold() == name.casefold() else name


def with_windows(models: Models, loaded: Models) -> Models:
    """Return ``models`` with the windows that another list of the same server tells."""
    windows = {model.id: model.context_window for model in loaded if model.context_window}
    return Listed(evolve(model, context_window=windows[model.id]) if model.id in windows else model for model in models)


def read_models(body: bytes, decode: Decode) -> Models | None:
    """Read a list in any of the known shapes; None if it is none of them.

    ``{"data": [...]}`` is OpenAI's, a bare list some gateways', ``{"models": [...]}`` Ollama's. Entries that are
    not models are left out, and so is what is too much.
    """
    if too_much(body):
        return None
    try:
        value = decode(body)
    except (ValueError, RecursionError, BridgeError):
        return None
    entries = _entries(value)
    if entries is None:
        return None
    return Listed(model for model in map(_model, islice(entries, MAX_MODELS)) if model is not None)


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
    owner = entry.get("owned_by")
    return ModelInfo(
        id=name,
        created=_count(entry.get("created")),
        context_window=_window(entry),
        owner=owner if isinstance(owner, str) else "",
    )


def _window(entry: Mapping[object, object]) -> int | None:
    """Find the window under its names, the most certain first.

    LM Studio's for a loaded model; vLLM's and SGLang's; llama.cpp's; OpenRouter's and many others', Ollama's for a
    loaded model; Groq's; Mistral's. What a model was made for is not what it is served with: neither llama.cpp's
    ``n_ctx_train`` is used nor LM Studio's ``max_context_length``, which stands beside a ``state``.
    """
    meta = entry.get("meta")
    candidates = (
        entry.get("loaded_context_length"),
        entry.get("max_model_len"),
        meta.get("n_ctx") if isinstance(meta, Mapping) else None,
        entry.get("context_length"),
        entry.get("context_window"),
        entry.get("max_context_length") if "state" not in entry else None,
    )
    return next((count for count in map(_count, candidates) if count), None)


def _count(value: object) -> int | None:
    """Return a whole number that is not negative; True is none, and 1.7e9 is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value < 2**53 else None


def _clues(models: Models, reply: Response) -> Clues:
    owners = dict.fromkeys(model.owner for model in models if model.owner)
    return Clues(owners=tuple(owners)[:MAX_OWNERS], headers=reply.headers)


def _key(backend: Backend, credential: Secret | None) -> tuple[str, str]:
    used = backend.api_key or credential
    return backend.name, used.fingerprint() if used else ""
