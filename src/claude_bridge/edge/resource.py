"""The routes: parse, start an exchange, respond, and nothing else (docs/design.md 2).

A route fetches the running configuration for each request and keeps no part of it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, Protocol

from attrs import define
from klein import Klein
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.server import Request

from claude_bridge.config.schema import Config
from claude_bridge.core import ids, strict_json
from claude_bridge.core.backend_api import OriginalRequest
from claude_bridge.core.errors import NotFound
from claude_bridge.core.messages_api import parsing, subagent_tag
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.limits import RequestLimits
from claude_bridge.core.messages_api.request_info import request_info
from claude_bridge.edge import listing, session_status
from claude_bridge.edge.errors import register_errors
from claude_bridge.edge.exact_paths import ExactPathResource
from claude_bridge.edge.gate import ClientIdentity
from claude_bridge.edge.replies import write_error, write_json
from claude_bridge.edge.request import BridgeRequest, SiteRuntime
from claude_bridge.edge.responses import JsonResponse, ResponseSettings, StreamResponse
from claude_bridge.services.accounting.session_history import SessionHistory
from claude_bridge.services.exchange.admission import AdmissionControl
from claude_bridge.services.interfaces import BudgetStates, Requester, SessionName, Spender, TurnOwner
from claude_bridge.services.pace import Pace

_HELLO: Final = b'{"service":"claude-bridge"}'
_WITH_KEYS: Final = b'{"service":"claude-bridge","credentials":"keys"}'


class EdgeRuntime(SiteRuntime, Protocol):
    """What the routes need of the running configuration."""

    @property
    def config(self) -> Config:
        """The configuration in force."""

    @property
    def bounds(self) -> RequestLimits:
        """Bounds on what is in one request."""

    @property
    def admission(self) -> AdmissionControl:
        """Makes exchanges within the limit."""

    @property
    def pace(self) -> Pace:
        """Divides long work into turns of the reactor."""

    @property
    def clock(self) -> IReactorTime:
        """The clock for timers."""

    @property
    def ready(self) -> bool:
        """Whether requests are accepted."""

    @property
    def sessions(self) -> SessionHistory:
        """The figures of sessions."""

    @property
    def budgets(self) -> BudgetStates:
        """How much of the budgets is used."""

    def owner_of(self, client: ClientIdentity) -> str:
        """Return whose the sessions of a client are, see `SessionName`."""

    def circuit(self, backend: str) -> str | None:
        """Return the state of a backend's circuit; None without a breaker, or for a backend that is gone."""

    def record_answered(self, request: BridgeRequest, kind: str) -> None:
        """Record a request that was answered without an exchange."""

    def record_client_left(self, request: BridgeRequest, kind: str) -> None:
        """Record a request whose client left before it was answered."""


@define
class Routes:
    """The Klein application over whatever configuration is current."""

    _current: Callable[[], EdgeRuntime]

    def app(self) -> Klein:
        """Build the application."""
        app = Klein()
        app.route("/v1/messages", methods=["POST"])(self.messages)
        app.route("/v1/messages/count_tokens", methods=["POST"])(self.count_tokens)
        app.route("/v1/models", methods=["GET", "HEAD"])(self.models)
        app.route("/v1/models/<path:model>", methods=["GET", "HEAD"])(self.model)
        app.route("/v1/claude-bridge/session", methods=["POST"])(self.session)
        app.route("/health", methods=["GET", "HEAD", "OPTIONS"])(self.health)
        app.route("/health/live", methods=["GET", "HEAD", "OPTIONS"])(self.live)
        app.route("/", methods=["OPTIONS"])(self.health)
        app.route("/", methods=["GET", "HEAD"])(self.hello)
        app.route("/api/hello", methods=["GET", "HEAD"])(self.hello)
        register_errors(app, lambda request, error: self._current().record_refused(request, error))
        return app

    def resource(self) -> ExactPathResource:
        """Build the application's resource."""
        return ExactPathResource(self.app())

    def messages(self, request: BridgeRequest) -> Deferred[None]:
        """``POST /v1/messages``."""
        runtime = self._current()
        body = request.take_body()
        decoding = parsing.Decoding(body, bounds=runtime.bounds)
        if decoding.step():
            return self._answer(runtime, request, decoding, len(body))
        return Deferred.fromCoroutine(self._decode_and_answer(runtime, request, decoding, len(body)))

    async def _decode_and_answer(
        self, runtime: EdgeRuntime, request: BridgeRequest, decoding: parsing.Decoding, body_bytes: int
    ) -> None:
        """Decode a large request in turns, then answer it, both under the configuration with which it arrived."""
        with runtime.admission.held():
            await _decode(runtime, request, decoding, "messages")
            answered = self._answer(runtime, request, decoding, body_bytes)
        del decoding
        await answered

    def _answer(
        self, runtime: EdgeRuntime, request: BridgeRequest, decoding: parsing.Decoding, body_bytes: int
    ) -> Deferred[None]:
        """Start the exchange for a decoded request; the Deferred fires when the response has ended."""
        asked = decoding.request
        request.measure_with(weakref.ref(asked))
        info = request_info(asked, request.head(), body_bytes)
        settings = ResponseSettings(
            server=runtime.config.server,
            limits=runtime.limits,
            sweep=runtime.sweep,
            clock=runtime.clock,
            message_id="msg_" + ids.token(24, runtime.random_bytes),
        )
        response = StreamResponse(request, settings) if info.streamed else JsonResponse(request, settings)
        exchange = runtime.admission.open_exchange(
            _asked(runtime, request, decoding, info.session),
            info,
            response,
            client=Requester(
                credential=request.client_identity.credential,
                name=request.client_identity.name,
                peer=request.peer,
                owner=runtime.owner_of(request.client_identity) if info.session else "",
            ),
            request_id=request.request_id,
        )
        done: Deferred[None] = Deferred(response.client_left)
        response.on_end(on_client_left=exchange.cancel, on_finished=partial(done.callback, None))
        exchange.start()
        return done

    async def count_tokens(self, request: BridgeRequest) -> None:
        """``POST /v1/messages/count_tokens``."""
        runtime = self._current()
        body = request.take_body()
        body_bytes, decoding = len(body), parsing.Decoding(body, counting=True, bounds=runtime.bounds)
        del body
        if not decoding.step():
            await _decode(runtime, request, decoding, "count_tokens")
        asked = decoding.request
        request.measure_with(weakref.ref(asked))
        with _recording_departure(runtime, request, "count_tokens"):
            info = request_info(asked, request.head(), body_bytes)
            identity = request.client_identity
            client = TurnOwner(identity.name or request.peer, info.session)
            taken = _asked(runtime, request, decoding, info.session)
            counts = runtime.admission.counts
            tokens = await counts.count(taken, info, identity.credential, client, key=identity.name)
        write_json(request, strict_json.encode({"input_tokens": tokens}))
        runtime.record_answered(request, "count_tokens")

    async def models(self, request: BridgeRequest) -> None:
        """``GET /v1/models``."""
        runtime = self._current()
        page = listing.Page.asked(request.args)
        with _recording_departure(runtime, request, "models"):
            identity = request.client_identity
            published = await runtime.admission.catalogue.models(identity.credential, identity.name)
        write_json(request, strict_json.encode(listing.render(published, page)))
        runtime.record_answered(request, "models")

    async def model(self, request: BridgeRequest, model: str) -> None:
        """``GET /v1/models/{id}``; ids contain slashes."""
        runtime = self._current()
        with _recording_departure(runtime, request, "models"):
            identity = request.client_identity
            found = await runtime.admission.catalogue.model(model, identity.credential, identity.name)
        if found is None:
            raise NotFound(f"model: {model}")
        write_json(request, strict_json.encode(listing.entry(found)))
        runtime.record_answered(request, "models")

    async def session(self, request: BridgeRequest) -> None:
        """``POST /v1/claude-bridge/session``: the figures of a session; not logged, as it is asked for all the time."""
        runtime, client = self._current(), request.client_identity
        asked = session_status.asked_session(request.take_body())
        with runtime.admission.held():
            found = await runtime.sessions.find(SessionName(runtime.owner_of(client), asked))
        if found is None:
            write_error(request, NotFound(session_status.UNKNOWN), request.request_id)
            return
        last, catalogue = found.main.last, runtime.admission.catalogue
        answer = session_status.rendered(
            found,
            window=None if last is None else catalogue.window(last.backend, last.model, client.credential),
            breaker=None if last is None else runtime.circuit(last.backend),
            budgets=runtime.budgets.states(Spender(key=client.name, session=asked)),
        )
        write_json(request, strict_json.encode(answer))

    def health(self, request: Request) -> None:
        """``GET /health``: whether requests are accepted."""
        runtime = self._current()
        status = "ready" if runtime.ready else "stopping"
        body = strict_json.encode({"status": status, "active_requests": runtime.admission.running.exchanges})
        write_json(request, body, 200 if runtime.ready else 503)

    def live(self, request: Request) -> None:
        """``GET /health/live``: the reactor is running."""
        write_json(request, b'{"status":"live"}')

    def hello(self, request: Request) -> None:
        """Answer the probes that clients send when they start; who comes without a key learns whether one is asked."""
        write_json(request, _WITH_KEYS if self._current().config.server.credentials == "keys" else _HELLO)


async def _decode(runtime: EdgeRuntime, request: BridgeRequest, decoding: parsing.Decoding, kind: str) -> None:
    """Decode a request in turns of the reactor."""
    with _recording_departure(runtime, request, kind):
        await runtime.pace.finish(decoding.step)


def _asked(runtime: EdgeRuntime, request: BridgeRequest, decoding: parsing.Decoding, session: str) -> AskedRequest:
    """Return the decoded request, with the request as it was received, but for tags, if some backend may need that."""
    body = decoding.take_body()
    if not runtime.admission.needs_originals:
        return AskedRequest(decoding.request, session)
    if subagent_tag.may_be_in(body):
        body = subagent_tag.without_tags(body)
    return AskedRequest(decoding.request, session, OriginalRequest(body, request.whole_head()))


@contextmanager
def _recording_departure(runtime: EdgeRuntime, request: BridgeRequest, kind: str) -> Iterator[None]:
    """Record a client that leaves while the route awaits something: Klein then cancels the route."""
    with runtime.admission.held():
        try:
            yield
        except CancelledError:
            runtime.record_client_left(request, kind)
            raise
