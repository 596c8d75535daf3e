"""Promises of the choice of credentials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from twisted.internet.task import Clock

from claude_bridge.config.backend_keys import BackendKey
from claude_bridge.config.schema import Backend, Config, CredentialsPolicy, Server
from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import (
    AuthenticationFailed,
    BridgeError,
    CircuitOpen,
    InternalFault,
    InvalidRequest,
    KeysCooling,
    KeyUnavailable,
    PermissionDenied,
    UpstreamCredentialRefused,
    UpstreamRateLimited,
    UpstreamTimeout,
)
from claude_bridge.services.keys.key_ring import KeyRing, Lease
from claude_bridge.testing.fakes import NotedBreaker

OPEN = Backend(name="box")
KEYED = Backend(name="shop", api_key=(BackendKey(secret=Secret("owners")),))


def configuration(*backends: Backend, policy: CredentialsPolicy = "forward") -> Config:
    """Make a configuration of these backends."""
    return Config(server=Server(credentials=policy), backends={backend.name: backend for backend in backends})


def lease(backend: Backend, policy: CredentialsPolicy, client: Secret | None) -> Lease:
    """Lease a key of a backend."""
    return KeyRing(configuration(backend, policy=policy), NotedBreaker()).lease(backend, client)


def for_list(config: Config, backend: Backend, client: Secret | None, *, answers: bool = False) -> Secret | None:
    """Choose a key for a list."""
    return KeyRing(config, NotedBreaker()).for_list(backend, client, answers=answers)


POLICIES: tuple[CredentialsPolicy, ...] = ("forward", "keys", "none")


class LeaseTests:
    """Which credential goes to a backend."""

    def test_forward(self) -> None:
        """The client's own key goes on, and its refusal will be the client's business."""
        sent = lease(OPEN, "forward", Secret("mine"))
        assert (sent.secret, sent.name, sent.forwarded) == (Secret("mine"), "client", True)

    @pytest.mark.parametrize("policy", POLICIES)
    @pytest.mark.parametrize("client", [None, Secret("mine"), Secret("sk-ant-api03-x")])
    def test_backends_own_key_replaces_the_clients(self, policy: CredentialsPolicy, client: Secret | None) -> None:
        """A backend with a key of its own gets that one and no other."""
        sent = lease(KEYED, policy, client)
        assert (sent.secret, sent.name, sent.forwarded) == (Secret("owners"), "backend", False)

    @pytest.mark.parametrize("policy", ["keys", "none"])
    def test_keys_of_the_bridge_stay_here(self, policy: CredentialsPolicy) -> None:
        """A key that is for the bridge is not shown to a backend."""
        sent = lease(OPEN, policy, Secret("sk-ant-or-not"))
        assert (sent.secret, sent.name, sent.forwarded) == (None, "none", False)

    def test_nothing_to_forward_is_401(self) -> None:
        """Where the client's key is needed and there is none, the client is told what to set."""
        with pytest.raises(AuthenticationFailed, match="ANTHROPIC_AUTH_TOKEN") as caught:
            lease(OPEN, "forward", None)
        assert (caught.value.status, caught.value.should_retry) == (401, False)

    def test_anthropic_key_is_refused(self) -> None:
        """A key of Anthropic's never leaves for anybody else, and the text does not repeat it."""
        with pytest.raises(AuthenticationFailed) as caught:
            lease(OPEN, "forward", Secret("sk-ant-api03-topsecret"))
        assert (caught.value.status, caught.value.should_retry) == (401, False)
        assert "box" in caught.value.message
        assert "topsecret" not in caught.value.message


class ForListTests:
    """Which credential of the client's may be shown when a list is asked for."""

    @pytest.mark.parametrize(
        ("policy", "client", "shown"),
        [
            ("forward", "mine", "mine"),
            ("forward", "sk-ant-x", None),
            ("forward", None, None),
            ("keys", "mine", None),
            ("none", "mine", None),
        ],
    )
    @pytest.mark.parametrize("answers", [False, True])
    def test_shown(self, policy: CredentialsPolicy, client: str | None, shown: str | None, *, answers: bool) -> None:
        """Only a forwarded key is shown, and none of Anthropic's."""
        given = for_list(
            configuration(OPEN, policy=policy), OPEN, None if client is None else Secret(client), answers=answers
        )
        assert given == (None if shown is None else Secret(shown))

    def test_several_backends(self) -> None:
        """With several backends that a client's key may be for none is shown it but the one called default."""
        other, home = Backend(name="other"), Backend(name="default")
        config = configuration(OPEN, other, home)
        shown = [for_list(config, backend, Secret("mine")) for backend in (OPEN, other, home)]
        assert shown == [None, None, Secret("mine")]

    def test_only_backend_without_a_key(self) -> None:
        """Beside backends with keys of their own it is clear whose the client's is; they are asked with their own."""
        home = Backend(name="default", api_key=(BackendKey(secret=Secret("owners")),))
        config = configuration(OPEN, KEYED, home)
        shown = [for_list(config, backend, Secret("mine")) for backend in (OPEN, KEYED, home)]
        assert shown == [Secret("mine"), Secret("owners"), Secret("owners")]

    def test_backend_that_answers(self) -> None:
        """Who gets the request gets the key anyway."""
        config = configuration(OPEN, Backend(name="other"))
        assert for_list(config, OPEN, Secret("mine"), answers=True) == Secret("mine")


class ReportTests:
    """What becomes of a lease."""

    def leased(self) -> tuple[Lease, NotedBreaker]:
        """Lease a key and begin to use it."""
        breaker = NotedBreaker()
        made = KeyRing(configuration(KEYED), breaker).lease(KEYED, None)
        assert breaker.told == []
        made.begin()
        return made, breaker

    def test_reports_once(self) -> None:
        """The breaker hears how it went, once: what comes later is ignored."""
        made, breaker = self.leased()
        made.succeeded()
        made.failed(UpstreamTimeout("late"))
        made.abandoned()
        assert breaker.told == ["admit", "succeeded"]

    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (UpstreamTimeout("x"), "failed upstream_timeout"),
            (InvalidRequest("x"), "failed invalid_request"),
            (InternalFault("x"), "abandoned"),
        ],
    )
    def test_failures(self, error: BridgeError, told: str) -> None:
        """A fault of the bridge's own says nothing of the backend."""
        made, breaker = self.leased()
        made.failed(error)
        assert breaker.told == ["admit", told]

    def test_unused(self) -> None:
        """Who never began has nothing to report."""
        breaker = NotedBreaker()
        made = KeyRing(configuration(KEYED), breaker).lease(KEYED, None)
        made.abandoned()
        made.succeeded()
        made.failed(UpstreamTimeout("x"))
        assert breaker.told == []

    def test_open_circuit(self) -> None:
        """A backend that must not be asked now is not, and nothing is to be reported."""
        breaker = NotedBreaker(refusal=CircuitOpen("no"))
        made = KeyRing(configuration(KEYED), breaker).lease(KEYED, None)
        with pytest.raises(CircuitOpen):
            made.begin()
        made.abandoned()
        assert breaker.told == []


def pool_of(*secrets: str, name: str = "shop", **more: Any) -> Backend:
    """Make a backend with several keys."""
    return Backend(name=name, api_key=tuple(BackendKey(secret=Secret(each)) for each in secrets), **more)


LIMITED = UpstreamRateLimited("slow down", retry_after=99.0)


class PoolTests:
    """Several keys of a backend."""

    def test_reports_reach_the_key(self) -> None:
        """An answer, an error with the time that the backend named, and a client that left."""
        clock, backend = Clock(), pool_of("one", "two")
        breaker = NotedBreaker()
        ring = KeyRing(configuration(backend), breaker, seconds=clock.seconds)
        first = ring.lease(backend, None, model="glm")
        assert (first.secret, first.name, first.forwarded) == (Secret("one"), "shop/1", False)
        first.begin()
        first.failed(LIMITED, retry_after=7.0)
        second = ring.lease(backend, Secret("ignored"), model="glm", prefer="shop/1", tokens=10)
        assert second.name == "shop/2"
        second.begin()
        second.abandoned()
        third = ring.lease(backend, None, model="glm", prefer="shop/2")
        third.begin()
        third.succeeded(tokens=100)
        assert breaker.told == [
            *("admit", "failed upstream_rate_limited", "admit", "abandoned", "admit", "succeeded"),
        ]
        clock.advance(7)
        assert ring.lease(backend, None, model="glm").name == "shop/1"

    def test_ready_in(self) -> None:
        """It tells when a key may be used for a model, and takes no turn."""
        clock, backend = Clock(), pool_of("one", "two", key_strategy="round_robin")
        ring = KeyRing(configuration(backend), NotedBreaker(), seconds=clock.seconds)
        assert {ring.ready_in(backend, None, "glm") for _ in range(5)} == {0.0}
        for retry_after in (7.0, 3.0):
            lease = ring.lease(backend, None, model="glm")
            lease.begin()
            lease.failed(LIMITED, retry_after=retry_after)
        assert (ring.ready_in(backend, None, "glm"), ring.ready_in(backend, None, "other")) == (3.0, 0.0)
        with pytest.raises(KeysCooling) as caught:
            ring.lease(backend, None, model="glm")
        assert caught.value.retry_after == 3

    def test_open_circuit_counts_nothing(self) -> None:
        """A request that the breaker refuses is not one of the key's minute."""
        backend = Backend(name="shop", api_key=(BackendKey(secret=Secret("one"), rpm=1),))
        breaker = NotedBreaker(refusal=CircuitOpen("no"))
        ring = KeyRing(configuration(backend), breaker, seconds=Clock().seconds)
        with pytest.raises(CircuitOpen):
            ring.lease(backend, None).begin()
        breaker.refusal = None
        ring.lease(backend, None).begin()
        with pytest.raises(KeysCooling):
            ring.lease(backend, None)


class ForwardedTests:
    """Rate limits of clients' own credentials, and of backends that need none."""

    @pytest.mark.parametrize(
        ("policy", "client", "other", "waits"),
        [("forward", "mine", "yours", False), ("keys", "mine", "yours", True), ("none", None, None, True)],
    )
    def test_cools(self, policy: CredentialsPolicy, client: str | None, other: str | None, waits: bool) -> None:
        """A 429 holds for that credential at that backend for that model; one that is not sent makes no difference."""
        clock, elsewhere = Clock(), Backend(name="elsewhere")
        ring = KeyRing(configuration(OPEN, elsewhere, policy=policy), NotedBreaker(), seconds=clock.seconds)
        mine, yours = (None if each is None else Secret(each) for each in (client, other))
        lease = ring.lease(OPEN, mine, model="glm")
        lease.begin()
        lease.failed(LIMITED, retry_after=None)
        assert ring.ready_in(OPEN, mine, "glm") == 5.0
        with pytest.raises(KeysCooling) as caught:
            ring.lease(OPEN, mine, model="glm")
        assert (caught.value.retry_after, "backend box limits the rate" in caught.value.message) == (5, True)
        assert ring.ready_in(OPEN, yours, "glm") == (5.0 if waits else 0.0)
        assert ring.ready_in(OPEN, mine, "other") == 0.0
        assert ring.ready_in(elsewhere, mine, "glm") == 0.0
        clock.advance(5)
        again = ring.lease(OPEN, mine, model="glm")
        again.begin()
        again.succeeded()
        assert ring.ready_in(OPEN, mine, "glm") == 0.0

    @pytest.mark.parametrize(
        "error", [AuthenticationFailed("x"), PermissionDenied("x"), UpstreamTimeout("x"), InternalFault("x")]
    )
    def test_never_retired(self, error: BridgeError) -> None:
        """The client is told of everything else, and asked for again as it likes."""
        ring = KeyRing(configuration(OPEN), NotedBreaker(), seconds=Clock().seconds)
        lease = ring.lease(OPEN, Secret("mine"), model="glm")
        lease.begin()
        lease.failed(error, retry_after=9.0)
        assert ring.ready_in(OPEN, Secret("mine"), "glm") == 0.0


class FollowTests:
    """What stays known when the configuration is read again."""

    def ring(self, backend: Backend) -> tuple[KeyRing, Config]:
        """Make a ring whose first key is limited, and whose second is refused."""
        config = configuration(backend, OPEN)
        ring = KeyRing(config, NotedBreaker(), seconds=Clock().seconds)
        for error in (LIMITED, UpstreamCredentialRefused("no")):
            lease = ring.lease(backend, None, model="glm")
            lease.begin()
            lease.failed(error, retry_after=30.0)
        forwarded = ring.lease(OPEN, Secret("mine"), model="glm")
        forwarded.begin()
        forwarded.failed(LIMITED, retry_after=30.0)
        assert ring.lease(backend, None, model="glm").name == "shop/3"
        return ring, config

    @pytest.mark.parametrize(
        ("changed", "next_key"),
        [
            ({}, "shop/2"),
            ({"first_byte_timeout": 9.0}, "shop/2"),
            ({"url": "http://elsewhere/v1"}, "shop/1"),
            ({"key_strategy": "least_used"}, "shop/1"),
            ({"api_key": pool_of("one", "two").api_key}, "shop/1"),
        ],
    )
    def test_keys(self, changed: dict[str, Any], next_key: str) -> None:
        """Keys that are the same wait on, and are no longer retired; other keys begin anew."""
        backend = pool_of("one", "two", "three")
        earlier, _ = self.ring(backend)
        new = evolve(backend, **changed)
        ring = KeyRing(configuration(new, OPEN), NotedBreaker(), seconds=Clock().seconds)
        ring.follow(earlier)
        assert ring.lease(new, None, model="glm").name == next_key
        assert ring.ready_in(OPEN, Secret("mine"), "glm") == 30.0

    def test_removed(self) -> None:
        """A backend that has gone, or has no key any more, leaves nothing."""
        earlier, _ = self.ring(pool_of("one", "two", "three"))
        ring = KeyRing(configuration(OPEN, Backend(name="shop")), NotedBreaker(), seconds=Clock().seconds)
        ring.follow(earlier)
        assert ring.lease(Backend(name="shop"), Secret("mine")).name == "client"

    def test_old_requests_are_heard(self) -> None:
        """A request that began before the reload reports to the keys that are used now."""
        backend = pool_of("one", "two")
        earlier = KeyRing(configuration(backend), NotedBreaker(), seconds=Clock().seconds)
        lease = earlier.lease(backend, None, model="glm")
        lease.begin()
        ring = KeyRing(configuration(backend), NotedBreaker(), seconds=Clock().seconds)
        ring.follow(earlier)
        lease.failed(LIMITED, retry_after=30.0)
        assert ring.lease(backend, None, model="glm").name == "shop/2"


class CommandTests:
    """A key that a command prints."""

    def ring(self, reactor: Any, backend: Backend, learned: list[str]) -> KeyRing:
        """Make a ring with a real reactor."""
        return KeyRing(
            configuration(backend), NotedBreaker(), seconds=reactor.seconds, reactor=reactor, learn=learned.append
        )

    def script(self, folder: Path, text: str) -> BackendKey:
        """Write a command."""
        path = folder / "token"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)
        return BackendKey(command=(str(path), "printed-token"))

    @pytest_twisted.ensureDeferred
    async def test_first_request_waits(self, reactor: Any, tmp_path: Path) -> None:
        """The first request waits for the command, the others for nothing."""
        backend = Backend(name="shop", api_key=(self.script(tmp_path, "echo $1"),))
        learned: list[str] = []
        ring = self.ring(reactor, backend, learned)
        assert ring.ready_in(backend, None, "glm") == 0.0
        with pytest.raises(KeyUnavailable):
            ring.lease(backend, None)
        waiting = ring.token(backend)
        assert waiting is not None
        await waiting
        lease = ring.lease(backend, None)
        assert (lease.secret, lease.name) == (Secret("printed-token"), "backend")
        assert (ring.token(backend), set(learned)) == (None, {"printed-token"})
        assert ring.for_list(backend, None) == Secret("printed-token")

    @pytest_twisted.ensureDeferred
    async def test_failed(self, reactor: Any, tmp_path: Path) -> None:
        """While the command fails a request is told so at once, with the backend's name and when to come again."""
        backend = Backend(name="shop", api_key=(self.script(tmp_path, "exit 1"),))
        ring = self.ring(reactor, backend, [])
        waiting = ring.token(backend)
        assert waiting is not None
        await waiting
        assert ring.token(backend) is None
        assert 1.0 < ring.ready_in(backend, None, "glm") <= 2.0
        with pytest.raises(KeyUnavailable, match="backend shop cannot be asked") as caught:
            ring.lease(backend, None)
        assert (caught.value.status, caught.value.retry_after, caught.value.try_next) == (502, 2, True)

    @pytest_twisted.ensureDeferred
    async def test_beside_another_key(self, reactor: Any, tmp_path: Path) -> None:
        """Where another key may be used nobody waits; the command is run meanwhile."""
        keys = (self.script(tmp_path, "echo $1"), BackendKey(secret=Secret("fixed-key")))
        backend = Backend(name="shop", api_key=keys)
        ring = self.ring(reactor, backend, [])
        assert ring.token(backend) is None
        assert ring.lease(backend, None).name == "shop/2"
        assert ring.for_list(backend, None) == Secret("fixed-key")
        (command,) = (key.command for key in ring._pool(backend).keys if key.command is not None)
        waiting = command.wait()
        assert waiting is not None
        await waiting
        assert ring.lease(backend, None).name == "shop/1"

    @pytest_twisted.ensureDeferred
    async def test_refused(self, reactor: Any, tmp_path: Path) -> None:
        """A refused token has the command run again, and the key is not retired."""
        runs = tmp_path / "runs"
        backend = Backend(name="shop", api_key=(self.script(tmp_path, f"echo x >> {runs}; wc -l < {runs}"),))
        ring = self.ring(reactor, backend, [])
        for secret in ("1", "2"):
            waiting = ring.token(backend)
            assert waiting is not None
            await waiting
            lease = ring.lease(backend, None)
            assert lease.secret == Secret(secret)
            lease.begin()
            lease.failed(UpstreamCredentialRefused("no"))
        assert ring.token(backend) is None
        assert 59.0 < ring.ready_in(backend, None, "glm") <= 60.0

    def test_nothing_to_wait_for(self) -> None:
        """Without a command there is nothing to wait for."""
        for backend in (OPEN, KEYED, pool_of("one", "two")):
            assert KeyRing(configuration(backend), NotedBreaker()).token(backend) is None
