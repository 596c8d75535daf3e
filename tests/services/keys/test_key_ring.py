"""Promises of the choice of credentials."""

from __future__ import annotations

import pytest

from claude_bridge.config.schema import Backend, Config, CredentialsPolicy, Server
from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import (
    AuthenticationFailed,
    BridgeError,
    CircuitOpen,
    InternalFault,
    InvalidRequest,
    UpstreamTimeout,
)
from claude_bridge.services.keys.key_ring import KeyRing, Lease
from claude_bridge.testing.fakes import NotedBreaker

OPEN = Backend(name="box")
KEYED = Backend(name="shop", api_key=Secret("owners"))


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
        home = Backend(name="default", api_key=Secret("owners"))
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
