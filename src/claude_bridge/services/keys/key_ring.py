"""Chooses the credential for a backend, and withholds those that must not go there (docs/design.md 4.1).

No other module chooses one.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

from claude_bridge.config.schema import Backend, Config
from claude_bridge.config.secret import Secret
from claude_bridge.config.variables import DEFAULT_BACKEND
from claude_bridge.core.errors import AuthenticationFailed, BridgeError
from claude_bridge.services.interfaces import Admission, Breaker

ANTHROPIC_KEY: Final = "sk-ant-"
"""How Anthropic's own keys begin."""


@define(eq=False, kw_only=True)
class Lease:
    """The right to ask one backend with one key, for one attempt.

    :ivar secret: the key to send, None for none.
    :ivar name: the key's name in records: ``client``, ``backend`` or ``none``; never a part of the secret.
    :ivar forwarded: the key is the client's own, so the client is told of its refusal.
    """

    secret: Secret | None
    name: str
    forwarded: bool = False
    _backend: str
    _breaker: Breaker
    _admission: Admission | None = field(default=None, init=False)

    def begin(self) -> None:
        """Begin the attempt; raise `CircuitOpen`. After this the outcome must be reported, once."""
        self._admission = self._breaker.admit(self._backend)

    def succeeded(self, tokens: int = 0) -> None:  # noqa: ARG002
        """Report an answer. A second report is ignored, and so is one before `begin`."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.succeeded()

    def failed(self, error: BridgeError, *, retry_after: float | None = None) -> None:  # noqa: ARG002
        """Report an error; one that is the bridge's own fault says nothing about the backend."""
        admission, self._admission = self._admission, None
        if admission is not None:
            if error.fault == "bridge":
                admission.abandoned()
            else:
                admission.failed(error)

    def abandoned(self) -> None:
        """Report that the client left before the backend had sent anything."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.abandoned()


@define(eq=False)
class KeyRing:
    """Chooses between the keys of backends and the credentials of clients."""

    _config: Config
    _breaker: Breaker

    def ready_in(self, backend: Backend, client: Secret | None, model: str) -> float:
        """Return the seconds until a key may be used."""
        return 5.0

    def lease(self, backend: Backend, client: Secret | None, *, model: str = "", prefer: str = "") -> Lease:
        """Return a lease with the credential for ``backend``: its own, else the client's if that is the policy.

        Raises `AuthenticationFailed` if the client's would be forwarded and there is none, or it is an Anthropic key:
        such a key must not be sent to anybody else.
        """
        if backend.api_key is not None:
            return self._lease(backend, backend.api_key, "backend")
        if self._config.server.credentials != "forward":
            return self._lease(backend, None, "none")
        if client is None:
            raise AuthenticationFailed(
                f"no API key in the request and none configured for backend {backend.name}: set ANTHROPIC_AUTH_TOKEN "
                "(any text will do for a backend that asks for none)",
                should_retry=False,
            )
        if client.reveal().startswith(ANTHROPIC_KEY):
            raise AuthenticationFailed(
                f"this is an Anthropic key (sk-ant-...), and backend {backend.name} is not Anthropic: it was not sent "
                "on. Set ANTHROPIC_AUTH_TOKEN to the backend's own key and unset ANTHROPIC_API_KEY",
                should_retry=False,
            )
        return self._lease(backend, client, "client", forwarded=True)

    def for_list(self, backend: Backend, client: Secret | None, *, answers: bool = False) -> Secret | None:
        """Return the credential for requesting the model list of ``backend``: its own, else possibly the client's.

        A client has one key, and if several backends have none of their own, nothing says to which of them it belongs.
        So it is sent only where a request for an unknown model would go, to the only such backend or the one called
        ``default``, and to the backend that ``answers`` the current request and gets the key with it anyway.
        """
        if backend.api_key is not None:
            return backend.api_key
        if self._config.server.credentials != "forward" or client is None:
            return None
        if client.reveal().startswith(ANTHROPIC_KEY):
            return None
        keyless = [one.name for one in self._config.backends.values() if one.api_key is None]
        return client if answers or backend.name == DEFAULT_BACKEND or keyless == [backend.name] else None

    def _lease(self, backend: Backend, secret: Secret | None, name: str, *, forwarded: bool = False) -> Lease:
        return Lease(secret=secret, name=name, forwarded=forwarded, backend=backend.name, breaker=self._breaker)
