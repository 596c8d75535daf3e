"""Finds out where the API of a server may be when the configured url is wrong, and which API it has.

Model lists are requested at the usual paths of the same server, so that an error can name the right url. Where that
does not tell, each kind of backend's own path gets an empty request, which no server takes for a prompt: one that finds
fault with it has that API. The configuration does not change, and requests are not sent elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import BackendKind
from claude_bridge.services.fetch import Fetcher, Response, address, shown
from claude_bridge.services.interfaces import UpstreamClient
from claude_bridge.services.model_lists import MAX_BODY_BYTES

MEMORY_SECONDS: Final = 60.0
"""How often a backend is asked at most: its url is corrected by hand."""

WAIT_SECONDS: Final = 2.0
"""How long an error is delayed for each of the two rounds, of lists and of empty requests."""

EMPTY: Final = b"{}"
"""A request that every API refuses before a model sees it."""

_CREDENTIAL_WANTED: Final = frozenset({401, 403})
_FAULT_FOUND: Final = frozenset({400, 402, 422, 429})
"""Statuses of an API that an empty request has reached."""


@frozen
class Probe:
    """The response at one URL.

    :ivar base: the url that the backend would need.
    """

    url: str
    base: str
    response: Response
    models: int

    def __str__(self) -> str:
        """Return the result in words."""
        if self.models:
            return f"GET {self.url} lists {self.models} model{'s' if self.models > 1 else ''}"
        if self.response.good:
            return f"GET {self.url} gives no list of models either"
        if self.response.status:
            return f"GET {self.url} answers {self.response.status}"
        return f"GET {self.url} does not answer"


@define
class _Look:
    """One look at all paths of a backend.

    :ivar started: clock seconds.
    :ivar sentence: the result, None until it is known.
    """

    started: float
    sentence: str | None = None
    waiting: list[Deferred[str]] = field(factory=list)


@define(eq=False)
class Signposts:
    """Looks at servers; implements `claude_bridge.services.interfaces.Signposts`."""

    _client: UpstreamClient
    _clock: IReactorTime
    _kinds: Mapping[str, BackendKind]
    _looks: dict[str, _Look] = field(factory=dict, init=False)

    def look(self, backend: Backend, credential: Secret | None) -> Deferred[str]:
        """Return a sentence about the URLs that were tried, at most a minute old. Fails only if it is cancelled."""
        now = self._clock.seconds()
        look = self._looks.get(backend.name)
        if look is None or now - look.started >= MEMORY_SECONDS:
            look = self._looks[backend.name] = _Look(now)
            Deferred.fromCoroutine(self._ask(look, backend, credential))
        if look.sentence is not None:
            return succeed(look.sentence)
        waiter: Deferred[str] = Deferred(look.waiting.remove)
        look.waiting.append(waiter)
        return waiter

    async def _ask(self, look: _Look, backend: Backend, credential: Secret | None) -> None:
        look.sentence = await self._sentence(backend, credential)
        waiting, look.waiting = look.waiting, []
        for waiter in waiting:
            waiter.callback(look.sentence)

    async def _sentence(self, backend: Backend, credential: Secret | None) -> str:
        """Return which url or which kind would be right, as far as the server shows."""
        kind = self._kinds[backend.kind]
        own, *others = await self._lists(kind, backend, credential)
        for probe in others:
            if probe.models and not own.models:
                return f"{probe}: set `url = {probe.base}`"
        found = await self._api(backend, credential)
        if found:
            return found
        if own.models:
            return f"{own}, so this server may not have {kind.api_name}"
        for probe in others:
            if probe.response.status in _CREDENTIAL_WANTED:
                return f"{probe}, as an API does: perhaps `url = {probe.base}`"
        return f"{others[0] if others else own}: is it the right server?"

    async def _lists(self, kind: BackendKind, backend: Backend, credential: Secret | None) -> list[Probe]:
        """Request the list of models at all places at once; the first probe is of the configured url."""
        paths = _by_url(backend, kind.places, kind.places[1], kind.models_path)
        fetcher = self._fetcher()
        fetching = [fetcher.fetch(asked, credential, path, headers=kind.headers) for asked, path in paths.values()]
        probes = []
        for url, response in zip(paths, await gatherResults(fetching), strict=True):
            models = kind.read_models(response.body) if response.good else None
            probes.append(Probe(url, _base(url, kind.models_path), response, len(models or ())))
        return probes

    async def _api(self, backend: Backend, credential: Secret | None) -> str:
        """Return which API the server has, by requests without content; "" if it has none where one was looked for.

        The backend's own kind is looked for at all its places but the configured url, the others at their first two.
        """
        tried: dict[str, tuple[str, Backend, str]] = {}
        own = shown(address(backend.url, self._kinds[backend.kind].request_path))
        for name, kind in self._kinds.items():
            places = kind.places[1:] if name == backend.kind else kind.places[:2]
            for url, (asked, path) in _by_url(backend, places, kind.places[1], kind.request_path).items():
                if url != own:
                    tried.setdefault(url, (name, asked, path))
        # those of all kinds, as a server that misses one may say so at any path
        headers = [header for kind in self._kinds.values() for header in kind.headers]
        fetcher = self._fetcher()
        fetching = [fetcher.fetch(asked, credential, path, EMPTY, headers=headers) for _, asked, path in tried.values()]
        found: list[tuple[int, str, str]] = []
        for url, response in zip(tried, await gatherResults(fetching), strict=True):
            if response.status in _FAULT_FOUND | _CREDENTIAL_WANTED:
                found.append((response.status, tried[url][0], url))
        # a fault tells more than a wanted credential, which some servers ask for at any path
        found.sort(key=lambda each: (each[0] in _CREDENTIAL_WANTED, each[1] != backend.kind))
        return "" if not found else self._cure(backend, *found[0])

    def _cure(self, backend: Backend, status: int, name: str, url: str) -> str:
        """Return the sentence for a kind's API that was found at a url."""
        kind = self._kinds[name]
        base = _base(url, kind.request_path)
        if status in _FAULT_FOUND:
            told = f"{url} answers as {kind.api_name} does: set"
        else:
            told = f"{url} answers {status}, as an API does: perhaps"
        if name == backend.kind:
            return f"{told} `url = {base}`"
        more = "" if kind.base(shown(backend.url)) == base else f" and `url = {base}`"
        return f"{told} `kind = {name}`{more}"

    def _fetcher(self) -> Fetcher:
        return Fetcher(client=self._client, clock=self._clock, seconds=WAIT_SECONDS, max_bytes=MAX_BODY_BYTES)


def _by_url(backend: Backend, places: Sequence[str], usual: str, path: str) -> dict[str, tuple[Backend, str]]:
    """Return what to ask by the URLs that it leads to: a backend and a path; of two that lead to the same the first.

    ``usual``: the place to look at below the server's root too, in case the url has a prefix too many.
    """
    root = evolve(backend, url=urlunsplit(urlsplit(backend.url)._replace(path="")))
    ways = [(backend, f"{place}{path}") for place in places]
    ways.append((root, f"{usual}{path}"))
    found: dict[str, tuple[Backend, str]] = {}
    for asked, way in ways:
        found.setdefault(shown(address(asked.url, way)), (asked, way))
    return found


def _base(url: str, path: str) -> str:
    """Return the url of a backend whose API has a path at this URL."""
    return url.removesuffix(f"/{path.partition('?')[0]}")
