"""Which credential goes to a backend, and which must not (design 3, "Credentials")."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from claude_bridge.config.schema import Backend, Config, CredentialsPolicy
from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import AuthenticationFailed

ANTHROPIC_KEY: Final = "sk-ant-"
"""How Anthropic's own keys begin."""

HOME: Final = "default"
"""The name of the backend that gets what nothing else claims."""


@frozen(kw_only=True)
class UpstreamCredential:
    """What to send.

    :ivar name: what records call it: ``client``, ``backend`` or ``none``; never a part of the secret.
    :ivar forwarded: it is the client's own, so its refusal is the client's business.
    """

    secret: Secret | None
    name: str
    forwarded: bool = False


def for_backend(backend: Backend, policy: CredentialsPolicy, client: Secret | None) -> UpstreamCredential:
    """Choose the credential for ``backend``: its own, else the client's where that is the policy.

    Raises `AuthenticationFailed` where one would have to be forwarded and there is none, or where it is a key of
    Anthropic's: such a key must not leave for anybody else.
    """
    if backend.api_key is not None:
        return UpstreamCredential(secret=backend.api_key, name="backend")
    if policy != "forward":
        return UpstreamCredential(secret=None, name="none")
    if client is None:
        raise AuthenticationFailed(
            f"no API key in the request and none configured for backend {backend.name}: set ANTHROPIC_AUTH_TOKEN (any "
            "text will do for a backend that asks for none)",
            should_retry=False,
        )
    if client.reveal().startswith(ANTHROPIC_KEY):
        raise AuthenticationFailed(
            f"this is an Anthropic key (sk-ant-...), and backend {backend.name} is not Anthropic: it was not sent on. "
            "Set ANTHROPIC_AUTH_TOKEN to the backend's own key and unset ANTHROPIC_API_KEY",
            should_retry=False,
        )
    return UpstreamCredential(secret=client, name="client", forwarded=True)


def for_list(config: Config, backend: Backend, client: Secret | None, *, answers: bool = False) -> Secret | None:
    """Choose what of the client's may be shown to ``backend`` when its model list is asked for.

    A client has one key, and it is somebody's: with several backends that have none of their own nothing says whose.
    So it is shown where a name that nobody knows would go, to the only such backend or to the one called ``default``,
    and to the one that ``answers`` the very request and gets the key with it.
    """
    if config.server.credentials != "forward" or client is None or client.reveal().startswith(ANTHROPIC_KEY):
        return None
    keyless = [one.name for one in config.backends.values() if one.api_key is None]
    meant = answers or backend.name == HOME or keyless == [backend.name]
    return client if meant and backend.api_key is None else None
