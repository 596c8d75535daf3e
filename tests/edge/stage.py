"""The edge over in-memory connections: real channel, site and routes; the test plays client and backend."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import Any

from attrs import define, field
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.http import _ChunkedTransferDecoder

from claude_bridge.config.schema import Config, Limits
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.messages_api.limits import RequestLimits
from claude_bridge.edge.gate import ClientIdentity, Gatekeeper
from claude_bridge.edge.request import BridgeRequest
from claude_bridge.edge.resource import Routes
from claude_bridge.edge.site import BridgeSite
from claude_bridge.services.accounting.no_budgets import NoBudgets
from claude_bridge.services.accounting.owners import Owners
from claude_bridge.services.accounting.session_history import SessionHistory
from claude_bridge.services.accounting.tally import Tally
from claude_bridge.services.exchange.admission import AdmissionControl
from claude_bridge.services.interfaces import BudgetStates
from claude_bridge.services.pace import Pace
from claude_bridge.services.sweep import PeriodicSweep
from claude_bridge.testing.fakes import FakeUpstreamClient, KeptRecords
from tests.services.exchange.stage import ONE, Stage, asking, configured


class Line(StringTransport):
    """One client's connection, in memory: what the daemon writes is kept, and closing it closes it.

    :ivar how: why the connection is gone: ``closed`` by the daemon, ``aborted``, ``left`` by the client, or "".
    :ivar flushing: whether a close has to wait, because the client takes nothing.
    """

    def __init__(self, site: BridgeSite, local: str = "127.0.0.1") -> None:
        super().__init__(hostAddress=IPv4Address("TCP", local, 8080), peerAddress=IPv4Address("TCP", "127.0.0.1", 5))
        self.how = ""
        self.flushing = False
        self.channel = site.buildProtocol(None)
        self.channel.makeConnection(self)

    def make_requests(self, kind: type[BridgeRequest]) -> None:
        """Have the requests that follow be of this class."""
        self.channel.requestFactory = partial(kind, self.channel.site.intake)

    def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Close, as the daemon wants it."""
        self.disconnecting = True
        if not self.flushing:
            self._gone("closed", ConnectionDone())

    def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Close at once, as the daemon wants it."""
        self.disconnecting = True
        self._gone("aborted", ConnectionAborted())

    def leave(self) -> None:
        """Close, as the client wants it."""
        self._gone("left", ConnectionDone())

    def say(self, data: bytes) -> None:
        """Send bytes, unless the connection is gone."""
        if not self.how:
            self.channel.dataReceived(data)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        """Send a whole request; an underscore in a header's name is a hyphen."""
        lines = {"host": "localhost:8080"} | {name.replace("_", "-"): value for name, value in headers.items()}
        if body and "transfer-encoding" not in lines:
            lines.setdefault("content-length", str(len(body)))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.say(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)

    def post(self, body: bytes | dict[str, Any] | None = None, **headers: str) -> None:
        """Send a Messages request."""
        content = body if isinstance(body, bytes) else json.dumps(asking() if body is None else body).encode()
        self.ask("POST", "/v1/messages?beta=true", content, **headers)

    def answer(self) -> Answered:
        """Take the answer so far off the line."""
        answered = Answered.read(self.value())
        self.clear()
        return answered

    @property
    def paced_producer(self) -> Any:
        """Return what the daemon registered to be paused, as a transport that is full would."""
        return self.producer

    def _gone(self, how: str, reason: Exception) -> None:
        if not self.how:
            self.how = how
            self.channel.connectionLost(Failure(reason))


@define
class Answered:
    """One HTTP answer, as far as it came.

    :ivar rest: what follows it.
    :ivar phrase: the words behind the status.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    rest: bytes = b""
    phrase: str = ""

    @classmethod
    def read(cls, data: bytes) -> Answered:
        """Take bytes apart."""
        head, mark, body = data.partition(b"\r\n\r\n")
        assert mark, f"no answer: {data!r}"
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.partition(": ") for line in lines]
        headers = {name.lower(): value for name, _, value in pairs}
        assert len(headers) == len(pairs), f"a header is there twice: {lines}"
        _, status, phrase = first.split(" ", 2)
        if headers.get("transfer-encoding") == "chunked":
            return cls(int(status), headers, *_unchunked(body), phrase=phrase)
        length = int(headers.get("content-length", 0))
        return cls(int(status), headers, body[:length], body[length:], phrase)

    @property
    def json(self) -> Any:
        """Decode the body."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """Return the error, checked to be in the envelope with the answer's own request id."""
        assert self.headers["content-type"] == "application/json"
        whole = self.json
        assert set(whole) == {"type", "error", "request_id"}
        assert whole["type"] == "error"
        assert whole["request_id"] == self.headers["request-id"]
        return dict(whole["error"])

    @property
    def events(self) -> list[tuple[str, Any]]:
        """Return the server-sent events: name and decoded data."""
        blocks = [block for block in self.body.decode().split("\n\n") if block]
        pairs = [block.split("\n") for block in blocks]
        return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in pairs]

    @property
    def names(self) -> list[str]:
        """Return the names of the events."""
        return [name for name, _ in self.events]


def _unchunked(body: bytes) -> tuple[bytes, bytes]:
    parts: list[bytes] = []
    rest: list[bytes] = []
    decoder = _ChunkedTransferDecoder(parts.append, rest.append)
    decoder.dataReceived(body)
    return b"".join(parts), b"".join(rest)


@define(eq=False)
class Edge:
    """A site with everything below it faked; it is its own `EdgeRuntime`.

    :ivar refusals: outcomes of requests that were refused before dispatch.
    :ivar answers: kinds of requests that were answered without dispatch.
    :ivar circuits: the states of circuits, by backend.
    """

    config: Config = field(factory=lambda: configured(ONE))
    stage: Stage = field(init=False)
    clock: Clock = field(factory=Clock)
    sweep: PeriodicSweep = field(init=False)
    gatekeeper: Gatekeeper = field(init=False)
    pace: Pace = field(init=False)
    site: BridgeSite = field(init=False)
    ready: bool = True
    random_bytes: RandomBytes = os.urandom
    refusals: list[str] = field(factory=list)
    answers: list[str] = field(factory=list)
    budgets: BudgetStates = field(factory=NoBudgets)
    circuits: dict[str, str] = field(factory=dict)
    owners: Owners = field(factory=lambda: Owners(directory=None))
    tally: Tally = field(init=False)
    sessions: SessionHistory = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Build it."""
        self.stage = Stage(self.config, self.clock)
        self.sweep = PeriodicSweep(self.clock)
        self.gatekeeper = Gatekeeper(self.config)
        self.pace = Pace(self.clock)
        self.tally = Tally(seconds=self.clock.seconds)
        self.sessions = SessionHistory(tally=self.tally, ledger=None, clock=self.clock)
        resource = Routes(lambda: self).resource()
        self.site = BridgeSite(resource, lambda: self, self.clock)

    @property
    def bounds(self) -> RequestLimits:
        """The configuration's."""
        return self.limits.bounds

    @property
    def limits(self) -> Limits:
        """The configuration's."""
        return self.config.limits

    @property
    def admission(self) -> AdmissionControl:
        """The stage's."""
        return self.stage.admission

    @property
    def client(self) -> FakeUpstreamClient:
        """The backends."""
        return self.stage.client

    @property
    def records(self) -> KeptRecords:
        """The books."""
        return self.stage.records

    def owner_of(self, client: ClientIdentity) -> str:
        """Return the key's name, or a fingerprint of the credential."""
        return self.owners.of_key(client.name) if client.name else self.owners.of_credential(client.credential)

    def circuit(self, backend: str) -> str | None:
        """Return what was set."""
        return self.circuits.get(backend)

    def record_refused(self, request: BridgeRequest, error: BridgeError) -> None:
        """Keep it."""
        assert request.request_id
        self.refusals.append(error.outcome)

    def record_answered(self, request: BridgeRequest, kind: str) -> None:
        """Keep it."""
        assert request.request_id
        self.answers.append(kind)

    def record_client_left(self, request: BridgeRequest, kind: str) -> None:
        """Keep it."""
        assert request.request_id
        self.answers.append(f"{kind} left")

    def line(self, local: str = "127.0.0.1") -> Line:
        """Connect."""
        return Line(self.site, local)

    def get(self, path: str, method: str = "GET", **headers: str) -> Answered:
        """Ask on a connection of its own and return the answer."""
        line = self.line()
        line.ask(method, path, b"", **headers)
        return line.answer()

    def post(self, body: bytes | dict[str, Any] | None = None, path: str = "/v1/messages", **headers: str) -> Answered:
        """Post on a connection of its own and return the answer."""
        line = self.line()
        content = body if isinstance(body, bytes) else json.dumps(asking() if body is None else body).encode()
        line.ask("POST", path, content, **headers)
        return line.answer()

    def advance(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass in steps, as the sweep needs it."""
        self.clock.pump([step] * round(seconds / step))
