"""Where the API of a server may be, when what is configured is not the way to it.

Nothing is decided here and no request is sent elsewhere: lists of models are asked for at the usual places of the same
server, so that whoever set the url wrong can be told the right one.
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
"""A backend is asked no more often: its url is set right by hand."""

WAIT_SECONDS: Final = 2.0
"""A client waits for this with an error that would else be there at once."""

PLACES: Final = ("models", "/v1/models", "/api/models", "/api/v1/models", "/openai/v1/models")
"""Lists that may be there: beside the configured url, at most servers, Open WebUI's, OpenRouter's, Groq's."""

_LIST: Final = "/models"
_CREDENTIAL_WANTED: Final = frozenset({401, 403})


@frozen
class Found:
    """What one place says."""

    url: str
    reply: Response
    models: int

    @property
    def base(self) -> str:
        """The url that a backend would have to have."""
        return self.url.removesuffix(_LIST)

    def __str__(self) -> str:
        """Return what is there."""
        if self.models:
            return f"GET {self.url} lists {self.models} model{'s' if self.models > 1 else ''}"
        if self.reply.good:
            return f"GET {self.url} gives no list of models either"
        if self.reply.status:
            return f"GET {self.url} answers {self.reply.status}"
        return f"GET {self.url} does not answer"


@define
class _Look:
    """One look at all places of a backend.

    :ivar at: clock seconds of its beginning.
    :ivar sentence: what came of it, None before.
    """

    at: float
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
        """Return a sentence about what is where, at most a minute old. It never fails but by being cancelled."""
        now = self._clock.seconds()
        look = self._looks.get(backend.name)
        if look is None or now - look.at >= MEMORY_SECONDS:
            look = self._looks[backend.name] = _Look(now)
            Deferred.fromCoroutine(self._ask(look, backend, credential))
        if look.sentence is not None:
            return succeed(look.sentence)
        waiter: Deferred[str] = Deferred(look.waiting.remove)
        look.waiting.append(waiter)
        return waiter

    async def _ask(self, look: _Look, backend: Backend, credential: Secret | None) -> None:
        """Ask all places at once."""
        fetcher = Fetcher(client=self._client, clock=self._clock, seconds=WAIT_SECONDS, max_bytes=MAX_BODY_BYTES)
        places = {shown(address(backend.url, path)): path for path in reversed(PLACES)}
        urls = list(dict.fromkeys(shown(address(backend.url, path)) for path in PLACES))
        asked = [fetcher.fetch(backend, credential, places[url]) for url in urls]
        kind = self._kinds[backend.kind]
        found = []
        for url, response in zip(urls, await gatherResults(asked), strict=True):
            models = kind.read_models(response.body) if response.good else None
            found.append(Found(url, response, len(models or ())))
        look.sentence = _sentence(found)
        waiting, look.waiting = look.waiting, []
        for waiter in waiting:
            waiter.callback(look.sentence)


def _sentence(found: list[Found]) -> str:
    """Return which url would be the right one, as far as that can be told."""
    own, *others = found
    if own.models:
        return f"{own}, so chat completions may be what this server has not"
    for place in others:
        if place.models:
            return f"{place}: set `url = {place.base}`"
    for place in others:
        if place.reply.status in _CREDENTIAL_WANTED:
            return f"{place}, as an API does: perhaps `url = {place.base}`"
    if others:
        return f"{others[0]}: is it the right server?"
    return f"{own}: is it the right server?"
