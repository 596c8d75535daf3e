"""Finds out where the API of a server may be when the configured url is wrong.

Model lists are requested at the usual paths of the same server, so that an error can name the right url. The
configuration does not change, and requests are not sent elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, field, frozen
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
"""How long an error is delayed for this."""

PATHS: Final = ("models", "/v1/models", "/api/models", "/api/v1/models", "/openai/v1/models")
"""Where a list may be: below the configured url, at most servers, at Open WebUI, at OpenRouter, at Groq."""

_LIST: Final = "/models"
_CREDENTIAL_WANTED: Final = frozenset({401, 403})


@frozen
class Probe:
    """The response at one URL."""

    url: str
    response: Response
    models: int

    @property
    def base(self) -> str:
        """The url that the backend would need."""
        return self.url.removesuffix(_LIST)

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
        """Request all paths in parallel."""
        fetcher = Fetcher(client=self._client, clock=self._clock, seconds=WAIT_SECONDS, max_bytes=MAX_BODY_BYTES)
        paths = {shown(address(backend.url, path)): path for path in reversed(PATHS)}
        urls = list(dict.fromkeys(shown(address(backend.url, path)) for path in PATHS))
        fetching = [fetcher.fetch(backend, credential, paths[url]) for url in urls]
        kind = self._kinds[backend.kind]
        probes = []
        for url, response in zip(urls, await gatherResults(fetching), strict=True):
            models = kind.read_models(response.body) if response.good else None
            probes.append(Probe(url, response, len(models or ())))
        look.sentence = _sentence(probes, kind.api_name)
        waiting, look.waiting = look.waiting, []
        for waiter in waiting:
            waiter.callback(look.sentence)


def _sentence(probes: list[Probe], api: str) -> str:
    """Return which url would be right, as far as the probes show; the first one is of the configured url."""
    own, *others = probes
    if own.models:
        return f"{own}, so this server may not have {api}"
    for probe in others:
        if probe.models:
            return f"{probe}: set `url = {probe.base}`"
    for probe in others:
        if probe.response.status in _CREDENTIAL_WANTED:
            return f"{probe}, as an API does: perhaps `url = {probe.base}`"
    if others:
        return f"{others[0]}: is it the right server?"
    return f"{own}: is it the right server?"
