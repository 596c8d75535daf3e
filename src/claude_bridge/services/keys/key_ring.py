"""Chooses the credential for a backend, and withholds those that must not go there (docs/design.md 4.1).

No other module chooses one. What is known of a backend's own keys is in `key_pool`; of clients' it is only known who
has to wait after a 429.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Any, Final, Protocol, TypeAlias

from attrs import define, field
from twisted.internet.defer import Deferred

from claude_bridge.config.backend_keys import BackendKey
from claude_bridge.config.dialects import configured
from claude_bridge.config.schema import Backend, Config
from claude_bridge.config.secret import Secret
from claude_bridge.config.variables import DEFAULT_BACKEND
from claude_bridge.core.errors import (
    AuthenticationFailed,
    BridgeError,
    KeysCooling,
    UpstreamRateLimited,
)
from claude_bridge.services.callbacks import do_nothing
from claude_bridge.services.interfaces import Admission, Breaker
from claude_bridge.services.keys.child_process import run_command
from claude_bridge.services.keys.cool_downs import CoolDowns
from claude_bridge.services.keys.key_command import DEFAULT_LIFETIME, KeyCommand
from claude_bridge.services.keys.key_pool import KeyPool, make_pool

ANTHROPIC_KEY: Final = "sk-ant-"
"""How Anthropic's own keys begin."""

MAX_WAITING: Final = 10_000
"""Clients' credentials that may wait at a time, each for one model at one backend."""

_Waiting: TypeAlias = tuple[str, str, str, str]
"""Name and URL of a backend, the fingerprint of a client's credential or "" for none, and a model."""


class CredentialUse(Protocol):
    """One request with one credential. After `begun` exactly one of the others is called, once."""

    def begun(self) -> None:
        """Note that the request is sent."""

    def succeeded(self, tokens: int) -> None:
        """Note an answer of so many tokens, prompt included; 0 if that is not known."""

    def failed(self, error: BridgeError, retry_after: float | None) -> None:
        """Note an error, with the seconds that the backend named, if it did."""

    def abandoned(self) -> None:
        """Note that the client left before the backend had sent anything."""


@define(eq=False, kw_only=True)
class Lease:
    """The right to ask one backend with one key, for one attempt.

    :ivar secret: the key to send, None for none.
    :ivar name: the key's name in records: ``client``, ``backend``, ``NAME/2`` or ``none``; never a part of the secret.
    :ivar forwarded: the key is the client's own, so the client is told of its refusal.
    """

    secret: Secret | None
    name: str
    forwarded: bool = False
    _backend: str
    _breaker: Breaker
    _use: CredentialUse
    _admission: Admission | None = field(default=None, init=False)

    def begin(self) -> None:
        """Begin the attempt; raise `CircuitOpen`. After this the outcome must be reported, once."""
        self._admission = self._breaker.admit(self._backend)
        self._use.begun()

    def succeeded(self, tokens: int = 0) -> None:
        """Report an answer of so many tokens, prompt included; 0 if that is not known.

        A second report is ignored, and so is one before `begin`.
        """
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.succeeded()
            self._use.succeeded(tokens)

    def failed(self, error: BridgeError, *, retry_after: float | None = None) -> None:
        """Report an error; one that is the bridge's own fault says nothing about the backend or the key.

        ``retry_after``: the seconds that the backend said; None if it said none.
        """
        admission, self._admission = self._admission, None
        if admission is not None:
            if error.fault == "bridge":
                admission.abandoned()
            else:
                admission.failed(error)
            self._use.failed(error, retry_after)

    def abandoned(self) -> None:
        """Report that the client left before the backend had sent anything."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.abandoned()
            self._use.abandoned()


@define(eq=False, kw_only=True)
class ForwardedUse:
    """A `CredentialUse` of a client's credential, or of none."""

    _cool_downs: CoolDowns[_Waiting]
    _backend: Backend
    _secret: Secret | None
    _model: str
    _seconds: Callable[[], float]
    _sent: float = field(default=0.0, init=False)

    def begun(self) -> None:
        """Note that the request is sent."""
        self._sent = self._seconds()

    def succeeded(self, tokens: int) -> None:  # noqa: ARG002 - the seam's shape
        """Note an answer."""
        if len(self._cool_downs):
            self._cool_downs.succeeded(self._waiting, sent=self._sent)

    def failed(self, error: BridgeError, retry_after: float | None) -> None:
        """Note an error: only a 429 says something."""
        if isinstance(error, UpstreamRateLimited):
            self._cool_downs.refused(self._waiting, sent=self._sent, now=self._seconds(), retry_after=retry_after)

    def abandoned(self) -> None:
        """Note that the client left."""

    @property
    def _waiting(self) -> _Waiting:
        return _waiting(self._backend, self._secret, self._model)


@define(eq=False)
class KeyRing:
    """Chooses between the keys of backends and the credentials of clients.

    :param seconds: the clock.
    :param reactor: runs the commands that print keys, and their timers.
    :param learn: gets each key that a command prints, to hide it.
    """

    _config: Config
    _breaker: Breaker
    _seconds: Callable[[], float] = field(default=time.monotonic, kw_only=True)
    _reactor: Any = field(default=None, kw_only=True)
    _learn: Callable[[str], None] = field(default=do_nothing, kw_only=True)
    _pools: dict[str, KeyPool] = field(factory=dict, init=False)
    _waiting: CoolDowns[_Waiting] = field(factory=lambda: CoolDowns(MAX_WAITING), init=False)

    def __attrs_post_init__(self) -> None:
        """Make the pools."""
        for backend in self._config.backends.values():
            if backend.has_key:
                self._pool(backend)

    def follow(self, earlier: KeyRing) -> None:
        """Adopt what ``earlier``, of the configuration before, knows of keys that are the same.

        Retired ones are used again: somebody may have seen to them.
        """
        self._waiting = earlier._waiting
        for name, pool in earlier._pools.items():
            backend = self._config.backends.get(name)
            if backend is not None and pool.serves(backend):
                pool.revive()
                self._pools[name] = pool

    def prepare(self) -> None:
        """Run the commands that print keys, so that the first request need not wait."""
        for pool in self._pools.values():
            pool.prepare_commands()

    def lease(
        self, backend: Backend, client: Secret | None, *, model: str = "", prefer: str = "", tokens: int = 0
    ) -> Lease:
        """Return a lease with the credential for ``backend``: its own, else the client's if that is the policy.

        ``model``: the one that is asked. ``prefer``: the name of the key to use if it may be used, as it holds the
        conversation's cache. ``tokens``: an estimate of prompt and answer, for limits of a key's own.

        Raises `AuthenticationFailed` if the client's would be forwarded and there is none, or it is an Anthropic key:
        such a key must not be sent to anybody else. Raises `KeysCooling` if no key may be used now, with the time until
        one may; `UpstreamCredentialRefused` if the backend has refused them all; `KeyUnavailable` if a command failed.
        """
        if backend.has_key:
            return self._own(backend, model, prefer, tokens)
        secret = self._passed_on(backend, client)
        return self._forwarded(backend, secret, "none" if secret is None else "client", model)

    def for_count(self, backend: Backend, client: Secret | None) -> Secret | None:
        """Return the credential for counting tokens, which takes no key's turn; raise `AuthenticationFailed`."""
        return self._pool(backend).for_list() if backend.has_key else self._passed_on(backend, client)

    def _passed_on(self, backend: Backend, client: Secret | None) -> Secret | None:
        """Return the client's credential for a backend without a key, None for none; raise `AuthenticationFailed`."""
        if self._config.server.credentials != "forward":
            return None
        if client is None:
            raise AuthenticationFailed(
                f"no API key in the request and none configured for backend {backend.name}: set ANTHROPIC_AUTH_TOKEN "
                "(any text if the backend needs no key)",
                should_retry=False,
            )
        if client.reveal().startswith(ANTHROPIC_KEY) and not configured(backend).dialect.is_anthropic:
            raise AuthenticationFailed(
                f"this is an Anthropic key (sk-ant-...), and backend {backend.name} is not Anthropic: it was not sent "
                "on. Set ANTHROPIC_AUTH_TOKEN to the backend's own key and unset ANTHROPIC_API_KEY",
                should_retry=False,
            )
        return client

    def ready_in(self, backend: Backend, client: Secret | None, model: str, tokens: int = 0) -> float:
        """Return the seconds until a key of ``backend`` may be used for ``model``, 0 for now. Changes nothing.

        ``tokens``: as for `lease`.
        """
        if backend.has_key:
            return self._pool(backend).ready_in(model, tokens)
        sent = client if self._config.server.credentials == "forward" else None
        return self._forwarded_in(backend, sent, model)

    def token(self, backend: Backend) -> Deferred[None] | None:
        """Return what must be awaited before `lease` where a command has yet to print the key; mostly None.

        It fires when the command has ended, also if that failed, and may be cancelled. A backend with another key that
        may be used is not waited for: its command is run meanwhile.
        """
        return self._pool(backend).token() if backend.has_key else None

    def for_list(self, backend: Backend, client: Secret | None, *, answers: bool = False) -> Secret | None:
        """Return the credential for requesting the model list of ``backend``: its own, else possibly the client's.

        A client has one key, and if several backends have none of their own, nothing says to which of them it belongs.
        So it is sent only where a request for an unknown model would go, to the only such backend or the one called
        ``default``, and to the backend that ``answers`` the current request and gets the key with it anyway.
        """
        if backend.has_key:
            return self._pool(backend).for_list()
        if self._config.server.credentials != "forward" or client is None:
            return None
        if client.reveal().startswith(ANTHROPIC_KEY) and not configured(backend).dialect.is_anthropic:
            return None
        keyless = [one.name for one in self._config.backends.values() if not one.has_key]
        return client if answers or backend.name == DEFAULT_BACKEND or keyless == [backend.name] else None

    def _own(self, backend: Backend, model: str, prefer: str, tokens: int) -> Lease:
        key, use = self._pool(backend).take(model, prefer=prefer, tokens=tokens)
        return Lease(secret=use.secret, name=key.name, backend=backend.name, breaker=self._breaker, use=use)

    def _forwarded(self, backend: Backend, secret: Secret | None, name: str, model: str) -> Lease:
        """Return a lease with a client's credential, or with none. Raises `KeysCooling`."""
        seconds = self._forwarded_in(backend, secret, model)
        if seconds > 0:
            whose = "with this key" if secret is not None else "for this model"
            raise KeysCooling(
                f"backend {backend.name} limits the rate of requests {whose}: it is asked again in {ceil(seconds)} s",
                retry_after=ceil(seconds),
            )
        use = ForwardedUse(cool_downs=self._waiting, backend=backend, secret=secret, model=model, seconds=self._seconds)
        return Lease(
            secret=secret,
            name=name,
            forwarded=secret is not None,
            backend=backend.name,
            breaker=self._breaker,
            use=use,
        )

    def _forwarded_in(self, backend: Backend, secret: Secret | None, model: str) -> float:
        """Return the seconds until a client's credential may be sent again, 0 for now."""
        if not len(self._waiting):
            return 0.0
        return self._waiting.ready_in(_waiting(backend, secret, model), self._seconds())

    def _pool(self, backend: Backend) -> KeyPool:
        pool = self._pools.get(backend.name)
        if pool is None:
            pool = self._pools[backend.name] = make_pool(backend, self._seconds, self._command)
        return pool

    def _command(self, backend: Backend, key: BackendKey) -> KeyCommand:
        lifetime = backend.api_key_lifetime
        return KeyCommand(
            backend=backend.name,
            command=key.command,
            lifetime=DEFAULT_LIFETIME if lifetime is None else lifetime,
            run=partial(run_command, self._reactor),
            seconds=self._seconds,
            clock=self._reactor,
            learn=self._learn,
        )


def _waiting(backend: Backend, secret: Secret | None, model: str) -> _Waiting:
    return backend.name, backend.url, "" if secret is None else secret.fingerprint(), model
