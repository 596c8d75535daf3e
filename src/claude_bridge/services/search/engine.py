"""The search service: one request to the configured engine, bounded in time and size.

It uses no cookies, no redirects, no proxies from the environment and no kept connections: searches are rare, and
independent of each other.
"""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import Any, Final, cast

from hyperlink import EncodedURL
from twisted.internet import error as network
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Cooperator
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web._newclient import RequestNotSent
from twisted.web.client import (
    Agent,
    FileBodyProducer,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
    _HTTP11ClientFactory,
)
from twisted.web.http import OK, PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from claude_bridge.config.schema import WebSearch
from claude_bridge.core import strict_json
from claude_bridge.core.events import SearchHit
from claude_bridge.core.web_search.engines import ENGINES, EngineRequest, SearchUnavailable
from claude_bridge.core.web_search.tool import SearchQuestion
from claude_bridge.services.interfaces import SearchFailed
from claude_bridge.services.search.addresses import GuardedReactor, no_metadata, public_only
from claude_bridge.services.search.hits import cleaned

MAX_BODY_BYTES: Final = 2 * 1024 * 1024
"""Bytes of a response: twenty results have some 50,000, SearXNG's pages of many engines some 200,000."""

MAX_SEARCHES: Final = 20
"""Results asked for where domains are restricted, as some will be left out; Brave and Tavily give no more."""

_UNREACHABLE: Final = (
    network.ConnectError,
    network.ConnectionClosed,
    network.DNSLookupError,
    network.ConnectingCancelledError,
    RequestNotSent,
    RequestTransmissionFailed,
    ResponseNeverReceived,
    ResponseFailed,
)

_BUSY: Final = frozenset({429, 432, 433})
"""Too many requests; the last two are Tavily's words for a plan that is used up."""

_REFUSED: Final = frozenset({401, 403})
_MOVED: Final = range(300, 400)
_TOO_LARGE: Final = frozenset({413, 414})

_log = Logger()


class TooLarge(Exception):
    """The body is larger than any search results."""


class _Collected(Protocol):
    def __init__(self, most: int) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._close())
        self._most = most
        self._parts: list[bytes] = []
        self._size = 0

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        self._size += len(data)
        self._parts.append(data)
        if self._size > self._most and not self.done.called:
            self._parts.clear()
            self.done.errback(TooLarge(f"its answer is larger than {self._most:,} bytes"))
            self._close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        if self.done.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.done.callback(b"".join(self._parts))
        else:
            self.done.errback(reason)

    def _close(self) -> None:
        cast(ITCPTransport, self.transport).stopProducing()  # type: ignore[attr-defined]  # a push producer too


def collected(response: IResponse, most: int = MAX_BODY_BYTES) -> Deferred[bytes]:
    """Return the whole body; fails with `TooLarge`, or with what broke it. Cancelling closes the connection."""
    body = _Collected(most)
    response.deliverBody(body)
    return body.done


def dropped(response: IResponse) -> None:
    """Close the connection without reading the body."""
    body = _Collected(0)
    body.done.addErrback(lambda _: None)
    response.deliverBody(body)
    body.done.cancel()


class _QuietFactory(_HTTP11ClientFactory):
    noisy = False  # Twisted would log its start and end with each search


class _Connections(HTTPConnectionPool):
    """Opens a connection for each search and keeps none."""

    _factory = _QuietFactory

    def __init__(self, reactor: Any) -> None:  # noqa: ANN401 - many interfaces
        super().__init__(reactor, persistent=False)  # type: ignore[no-untyped-call]  # Twisted's is untyped


class ConfiguredSearch:
    """Implements `claude_bridge.services.interfaces.SearchEngine` for the engine of ``[web_search]``.

    :param reactor: connects, resolves and tells the time.
    :param settings: with an engine other than ``none``.
    """

    def __init__(self, reactor: Any, settings: WebSearch, user_agent: str) -> None:  # noqa: ANN401 - many interfaces
        self._engine = ENGINES[settings.engine]
        check = public_only if self._engine.hosted else no_metadata
        guarded = GuardedReactor(reactor, check)
        self._agent = Agent(guarded, connectTimeout=settings.timeout, pool=_Connections(guarded))
        self._clock = reactor
        self._settings = settings
        self._user_agent = user_agent

    def search(self, question: SearchQuestion) -> Deferred[tuple[SearchHit, ...]]:
        """Search; fails with `SearchFailed`. Cancelling closes the connection."""
        searching = Deferred.fromCoroutine(self._search(question))
        searching.addTimeout(self._settings.timeout, self._clock, onTimeoutCancel=_timed_out)
        return searching.addErrback(self._failed)

    async def _search(self, question: SearchQuestion) -> tuple[SearchHit, ...]:
        settings, engine = self._settings, self._engine
        restricted = question.allowed_domains or question.blocked_domains
        count = MAX_SEARCHES if restricted else settings.max_results
        key = None if settings.api_key is None else settings.api_key.reveal()
        asked = engine.build_request(settings.url or engine.default_url, key, question, count)
        answer = await self._answer(asked)
        hits = [hit for hit in cleaned(engine.parse_results(answer)) if question.allows(hit.url)]
        return tuple(hits[: settings.max_results])

    async def _answer(self, asked: EngineRequest) -> Any:  # noqa: ANN401 - decoded JSON
        headers = Headers({"User-Agent": [self._user_agent], "Accept": ["application/json"]})
        for name, value in asked.headers:
            headers.addRawHeader(name, value)
        try:
            address = _encoded(asked.url)
            response = await self._agent.request(asked.method.encode(), address, headers, self._payload(asked.body))
        except ValueError as error:  # of a host name that is none
            raise SearchFailed("unavailable", f"its url cannot be used: {error}") from error
        if response.code != OK:
            dropped(response)
            raise _refusal(response.code)
        return strict_json.decode(await collected(response))

    def _payload(self, body: bytes) -> FileBodyProducer | None:
        if not body:
            return None
        return FileBodyProducer(BytesIO(body), Cooperator(scheduler=partial(self._clock.callLater, 0)))

    def _failed(self, failure: Failure) -> Failure:
        """Return a `SearchFailed` for a known failure, and log it; return other failures as they are.

        Those are our own faults, or the caller has cancelled the search.
        """
        error = failure.value
        if any(reason.check(CancelledError) for reason in getattr(error, "reasons", ())):
            return Failure(CancelledError())
        if isinstance(error, SearchFailed):
            failed = error
        elif isinstance(error, TimedOut):
            failed = SearchFailed("unavailable", f"no answer within {self._settings.timeout:g} s")
        elif isinstance(error, _UNREACHABLE):
            failed = SearchFailed("unavailable", _reason(error))
        elif isinstance(error, (SearchUnavailable, TooLarge)):
            failed = SearchFailed("unavailable", str(error))
        elif isinstance(error, strict_json.JsonError):
            failed = SearchFailed("unavailable", "its answer is not JSON")
        else:
            return failure
        _log.warn(
            "web search by {engine} failed: {reason}",
            event="web_search",
            engine=self._engine.name,
            reason=failed.reason,
        )
        return Failure(failed)


def _encoded(url: str) -> bytes:
    """Return an encoded URL; only one that is not ASCII goes through hyperlink, which fails for IPv6 addresses."""
    return (url if url.isascii() else EncodedURL.from_text(url).to_uri().to_text()).encode("ascii")


def _timed_out(*_: object) -> Failure:
    """Return the failure of a timeout, in place of what cancelling the agent led to."""
    return Failure(TimedOut())


def _refusal(status: int) -> SearchFailed:
    """Return the error for a status other than 200."""
    if status in _BUSY:
        return SearchFailed("too_many_requests", f"it takes no more requests now (HTTP {status})")
    if status in _TOO_LARGE:
        return SearchFailed("request_too_large", f"the request is too large for it (HTTP {status})")
    hint = ""
    if status in _REFUSED:
        hint = ": its key is wrong, or SearXNG lacks json among its search.formats"
    elif status in _MOVED:
        hint = ", a redirect, which is not followed: correct the url"
    return SearchFailed("unavailable", f"it answers HTTP {status}{hint}")


def _reason(error: BaseException) -> str:
    """Return why there was no response; Twisted wraps some reasons in others."""
    causes = [reason.value for reason in getattr(error, "reasons", ())] or [error]
    return "; ".join(dict.fromkeys(f"{type(cause).__name__}: {cause}".rstrip(": ")[:200] for cause in causes))


def configured_search(reactor: Any, settings: WebSearch, user_agent: str) -> ConfiguredSearch | None:  # noqa: ANN401 - many interfaces
    """Return the service that ``[web_search]`` configures; None if it configures none."""
    return None if settings.engine == "none" else ConfiguredSearch(reactor, settings, user_agent)
