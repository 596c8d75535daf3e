"""Promises of the exact paths: the same answers as Klein gives, with less work."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.web.resource import IResource
from zope.interface import provider

from claude_bridge.core.errors import NotFound
from claude_bridge.core.messages_api.parsing import Decoding
from claude_bridge.edge.errors import register_errors
from claude_bridge.edge.exact_paths import ExactPathResource, exact_endpoints
from claude_bridge.edge.replies import write_json
from claude_bridge.edge.request import BridgeRequest
from claude_bridge.edge.resource import Routes
from claude_bridge.edge.site import BridgeSite
from tests.edge.stage import Answered, Edge, Line
from tests.services.exchange.stage import asking

PATHS = ("/", "//", "/health", "/health/", "/health/live", "/h%65alth", "/health?x=1", "/health?", "/health;x",
         "/api/hello", "/api//hello", "/v1/models", "/v1/models/", "/v1/models/x", "/v1/messages", "/v1/messages/",
         "/v1/messages?beta=true", "/v1/messages/count_tokens", "/v1", "/V1/models", "http://localhost:8080/health",
         "/%2e", "*", "/v1/claude-bridge/session")  # fmt: skip
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "get", "BREW")

Route = Callable[[BridgeRequest], Any]


def served(resource: Callable[[Klein], IResource], route: Route) -> tuple[Edge, Line]:
    """Serve one route at ``/it``, with the error handlers of the bridge, and connect."""
    edge, app = Edge(), Klein()
    app.route("/it", endpoint="it")(route)
    register_errors(app, edge.record_refused)
    edge.site = BridgeSite(resource(app), lambda: edge, edge.clock)
    return edge, edge.line()


def without_unique(answer: Answered) -> Answered:
    """Remove what differs from answer to answer."""
    body = answer.body.replace(answer.headers.pop("request-id").encode(), b"")
    answer.headers.pop("date", None)
    return Answered(answer.status, answer.headers, body, answer.rest)


@contextmanager
def legacy_failures() -> Iterator[list[tuple[str, type[BaseException]]]]:
    """Collect what is logged through `twisted.python.log.err`, as Klein does."""
    failures: list[tuple[str, type[BaseException]]] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        failures.append((event["why"], event["failure"].type))

    globalLogPublisher.addObserver(observe)
    yield failures
    globalLogPublisher.removeObserver(observe)


class TableTests:
    """Which requests are found in the table."""

    def test_klein_chooses_the_same(self) -> None:
        """The table has Klein's own choice for each method, also where two routes share a path."""
        app = Routes(Edge).app()
        table = exact_endpoints(app)
        for (method, path), endpoint in table.items():
            assert app.url_map.bind("").match(path.decode(), method.decode()) == (endpoint, {})
        assert table[b"POST", b"/v1/messages"] == "messages"
        assert (table[b"OPTIONS", b"/"], table[b"GET", b"/"]) == ("health", "hello")
        assert not any(b"<" in path for _, path in table)

    @pytest.mark.parametrize("path", PATHS)
    def test_same_answers(self, path: str) -> None:
        """Every method of every path, known or not, is answered as Klein alone answers it."""
        with_table, plain = Edge(), Edge()
        plain.site = BridgeSite(KleinResource(Routes(lambda: plain).app()), lambda: plain, plain.clock)
        for method in METHODS:
            answers = [without_unique(edge.get(path, method)) for edge in (with_table, plain)]
            assert answers[0] == answers[1], method
        assert (with_table.refusals, with_table.answers) == (plain.refusals, plain.answers)

    def test_klein_is_not_asked(self, logged_failures: list[LogEvent]) -> None:
        """An exact path takes the short way: Klein's map may be gone."""
        edge = Edge()
        assert isinstance(edge.site.resource, ExactPathResource)
        del edge.site.resource._app._url_map
        assert edge.get("/health").status == 200
        assert edge.get("/health/").status == 500
        logged_failures.clear()


class SameAsKleinTests:
    """What becomes of a route's result, with the table and with Klein alone."""

    @pytest.fixture(params=[ExactPathResource, KleinResource])
    def resource(self, request: pytest.FixtureRequest) -> Callable[[Klein], IResource]:
        """The resource with the table, and Klein's."""
        chosen: Callable[[Klein], IResource] = request.param
        return chosen

    def test_finished_by_the_route(self, resource: Callable[[Klein], IResource]) -> None:
        """A response that the route has finished is left alone."""
        _, line = served(resource, lambda request: write_json(request, b"{}"))
        line.ask("GET", "/it")
        assert line.answer().json == {}

    @pytest.mark.parametrize("result", [None, succeed(None)])
    def test_not_finished_by_the_route(self, resource: Callable[[Klein], IResource], result: object) -> None:
        """A response that the route has not finished ends with it."""
        _, line = served(resource, lambda _request: result)
        line.ask("GET", "/it")
        assert line.answer().body == b""
        line.ask("GET", "/it")
        assert line.answer().status == 200

    def test_coroutine(self, resource: Callable[[Klein], IResource]) -> None:
        """A route may be a coroutine that waits."""
        waiting: Deferred[None] = Deferred()

        async def route(request: BridgeRequest) -> None:
            await waiting
            write_json(request, b"{}")

        _, line = served(resource, route)
        line.ask("GET", "/it")
        assert line.value() == b""
        waiting.callback(None)
        assert line.answer().json == {}

    @pytest.mark.parametrize("late", [False, True])
    def test_error(self, resource: Callable[[Klein], IResource], late: bool) -> None:
        """An error of the route, at once or later, is answered by the registered handler, and recorded once."""
        waiting: Deferred[None] = Deferred()

        def route(_request: BridgeRequest) -> Deferred[None]:
            if not late:
                raise NotFound("nothing here")
            return waiting

        edge, line = served(resource, route)
        line.ask("GET", "/it")
        if late:
            waiting.errback(NotFound("nothing here"))
        answer = line.answer()
        assert (answer.status, answer.error["message"]) == (404, "nothing here")
        assert edge.refusals == ["not_found"]

    def test_bug(self, resource: Callable[[Klein], IResource], logged_failures: list[LogEvent]) -> None:
        """A bug is logged and answered with a plain 500."""
        _, line = served(resource, lambda _request: 1 // 0)
        line.ask("GET", "/it")
        assert line.answer().status == 500
        assert [each["log_failure"].type for each in logged_failures] == [ZeroDivisionError]
        logged_failures.clear()

    @pytest.mark.parametrize("handlers", [1, 2])
    def test_broken_handler(
        self, resource: Callable[[Klein], IResource], handlers: int, logged_failures: list[LogEvent]
    ) -> None:
        """When a handler fails itself the next one is asked, and at last the request answers with a plain 500."""
        asked: list[tuple[int, object]] = []

        def with_handlers(app: Klein) -> IResource:
            app._error_handlers.clear()
            for number in range(handlers):
                app.handle_errors(ArithmeticError)(broken(number))
            return resource(app)

        def broken(number: int) -> Any:
            def handler(_request: object, failure: Failure) -> None:
                asked.append((number, failure.type))
                raise OverflowError

            return handler

        _, line = served(with_handlers, lambda _request: 1 // 0)
        line.ask("GET", "/it")
        assert line.answer().error["type"] == "api_error"
        assert asked == [(0, ZeroDivisionError), (1, OverflowError)][:handlers]
        assert [each["log_failure"].type for each in logged_failures] == [OverflowError]
        logged_failures.clear()

    def test_cancelled(self, resource: Callable[[Klein], IResource]) -> None:
        """The route is cancelled when its client leaves, and nothing is logged or recorded."""
        seen: list[BaseException] = []

        async def route(_request: BridgeRequest) -> None:
            try:
                await Deferred()
            except CancelledError as error:
                seen.append(error)
                raise

        edge, line = served(resource, route)
        line.ask("GET", "/it")
        assert not seen
        line.leave()
        assert len(seen) == 1
        assert edge.refusals == []

    def test_cancelled_behind_another(self, resource: Callable[[Klein], IResource]) -> None:
        """So is what a route waits for behind a Deferred that has fired already."""
        cancelled: list[Deferred[None]] = []
        waiting: Deferred[None] = Deferred(cancelled.append)
        _, line = served(resource, lambda _request: succeed(None).addCallback(lambda _: waiting))
        line.ask("GET", "/it")
        line.leave()
        assert cancelled == [waiting]

    def test_not_cancelled_later(self, resource: Callable[[Klein], IResource]) -> None:
        """A route that has ended hears nothing of a client that leaves afterwards."""
        cancelled: list[Deferred[None]] = []
        waiting: Deferred[None] = Deferred(cancelled.append)
        _, line = served(resource, lambda _request: waiting)
        line.ask("GET", "/it")
        waiting.callback(None)
        line.leave()
        assert cancelled == []

    def test_late_bug(self, resource: Callable[[Klein], IResource]) -> None:
        """A bug that shows when the client is gone is logged, and nothing is written."""
        waiting: Deferred[None] = Deferred(lambda cancelled: cancelled.errback(RuntimeError("bug")))
        edge, line = served(resource, lambda _request: waiting)
        line.ask("GET", "/it")
        with legacy_failures() as failures:
            line.leave()
        assert failures == [("Unhandled Error Processing Request.", RuntimeError)]
        assert (line.value(), edge.refusals) == (b"", [])

    def test_bug_at_the_end(self, resource: Callable[[Klein], IResource], monkeypatch: pytest.MonkeyPatch) -> None:
        """A bug in finishing a response is logged."""

        def broken(_request: object) -> None:
            raise ZeroDivisionError

        edge, line = served(resource, lambda _request: None)
        monkeypatch.setattr(edge.site, "log", broken)  # Twisted calls it as a response ends
        with legacy_failures() as failures:
            line.ask("GET", "/it")
        assert failures == [("Unhandled Error writing response", ZeroDivisionError)]


class LargeRequestTests:
    """A large request is decoded in turns of the reactor."""

    @pytest.mark.parametrize("fault", ["client left", "refused"])
    def test_is_gone_with_its_route(self, fault: str) -> None:
        """If its client leaves meanwhile, or it is refused, its body does not wait for a garbage collection."""
        turns = [{"role": "user", "content": "x" * 100_000} for _ in range(40)]
        turns.append({"role": "user" if fault == "client left" else "nobody", "content": "x"})
        edge = Edge()
        line = edge.line()
        gc.collect()
        gc.disable()
        try:
            line.post(asking(messages=turns))
            assert decodings() == 1
            if fault == "client left":
                line.leave()
            else:
                edge.advance(1.0, step=0.01)
                assert line.answer().status == 400
            assert decodings() == 0
        finally:
            gc.enable()


def decodings() -> int:
    """Count the requests that are being decoded, or are kept although they are not."""
    return sum(isinstance(each, Decoding) for each in gc.get_objects())


def test_every_pair_is_tried() -> None:
    """The paths and methods above contain all that the table knows, so that none goes untested."""
    tried = {(method.encode(), path.encode()) for method, path in itertools.product(METHODS, PATHS)}
    assert set(exact_endpoints(Routes(Edge).app())) <= tried
