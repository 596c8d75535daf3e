"""Questions to an address before Claude Code is started: is it a bridge or a backend, and which models does it have.

They block, for some seconds at most, and cost no tokens.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import evolve, frozen

from claude_bridge.children import ExpectedFailure
from claude_bridge.client.environment import bridge_url, own_token
from claude_bridge.client.offered_models import OfferedModel, published
from claude_bridge.config.fields import base_url
from claude_bridge.core import strict_json

SECONDS: Final = 10.0
"""For each wait: a bridge asks its backends for 2 s before it answers."""

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of an answer: a vendor's list of models has a megabyte."""

_OK: Final = 200
_REFUSED: Final = frozenset({401, 403})
_NO_TLS: Final = "WRONG_VERSION_NUMBER"


class KeyNeeded(Exception):
    """The address answers nobody without a key, or not with this one."""


class Unreachable(ExpectedFailure):
    """Nothing speaks HTTP at an address; ``str()`` is for the user."""


@frozen
class Reply:
    """An answer.

    :ivar body: what its JSON says; None if it has none.
    """

    status: int
    body: Any


@frozen(kw_only=True)
class ListedBackend:
    """A backend that was asked for its models.

    :ivar url: the base under which it has them.
    :ivar models: their names, none if it has no list.
    :ivar listing: what came of the request for the list, for a person.
    """

    url: str
    models: tuple[str, ...]
    listing: str = ""


@frozen(kw_only=True)
class BridgeSeen:
    """What one look at the address of a bridge showed.

    :ivar answers: whether a bridge does.
    :ivar is_other: whether something else does.
    :ivar silent: whether nothing does.
    :ivar told: what is wrong, where no bridge answers.
    :ivar key_needed: whether it answers nobody without a key.
    :ivar key_taken: whether it answers with the key that was given.
    :ivar models: what it publishes, as far as it does for this key.
    """

    answers: bool = False
    is_other: bool = False
    silent: bool = False
    told: str = ""
    key_needed: bool = False
    key_taken: bool = False
    models: tuple[OfferedModel, ...] = ()


def is_bridge(url: str) -> bool:
    """Return whether a bridge answers at this address.

    Raises `Unreachable`, and `ExpectedFailure` for a bridge that is not to be called by this name.
    """
    reply = ask("GET", f"{bridge_url(url)}/")
    match reply.body:
        case {"service": "claude-bridge"}:
            return True
        case {"type": "error", "request_id": _, "error": {"type": "permission_error", "message": str(message)}}:
            raise ExpectedFailure(f"{url} answers: {message}")
    return False


def published_models(url: str, key: str | None) -> tuple[OfferedModel, ...]:
    """Return the models of the bridge at this address. Raises `KeyNeeded`, `ExpectedFailure`."""
    reply = ask("GET", f"{bridge_url(url)}/v1/models?limit=1000", key)
    if reply.status in _REFUSED:
        raise KeyNeeded
    if reply.status != _OK:
        raise ExpectedFailure(f"the bridge at {url} answers {reply.status} to a question for its models")
    return published(reply.body)


def look(url: str, key: str | None) -> BridgeSeen:
    """Return what is at the address of a bridge; the key is sent only if that is one, and lists nothing without it."""
    try:
        if not is_bridge(url):
            return BridgeSeen(is_other=True, told=f"what answers at {bridge_url(url)} is no bridge")
    except Unreachable as error:
        return BridgeSeen(silent=True, told=str(error))
    except ExpectedFailure as error:
        return BridgeSeen(told=str(error))
    models: tuple[OfferedModel, ...] = ()
    needed = taken = False
    with suppress(ExpectedFailure):
        try:
            models = published_models(url, None)
        except KeyNeeded:
            needed = True
        if key is not None and not models:
            with suppress(KeyNeeded):
                models, taken = published_models(url, key), True
    return BridgeSeen(answers=True, key_needed=needed, key_taken=taken, models=models)


def published_here(url: str, environ: Mapping[str, str]) -> tuple[OfferedModel, ...]:
    """Return the models of the bridge at this address; none if there is none, or it does not tell."""
    return look(url, own_token(environ)).models


def listed_models(url: str, key: str | None) -> ListedBackend:
    """Return the models of the backend with this base URL; ``/v1`` may be missing.

    Raises `KeyNeeded` also where only the list is open to everybody; `ExpectedFailure`.
    """
    try:
        base = base_url(url)
    except ValueError as error:
        raise ExpectedFailure(f"--url {error}") from None
    bases = [base] if urlsplit(base).path.strip("/") else [f"{base}/v1", base]
    found = ListedBackend(url=bases[0], models=())
    for each in bases:
        reply = ask("GET", f"{each}/models", key)
        if reply.status in _REFUSED:
            raise KeyNeeded
        names, listing = _names(reply.body), f"GET {each}/models answered {reply.status}"
        if reply.status == _OK and names:
            found = ListedBackend(url=each, models=names, listing=listing)
            break
        if not found.listing:
            found = evolve(found, listing=listing)
    if key is None and ask("POST", f"{found.url}/chat/completions", body=b"{}").status in _REFUSED:
        raise KeyNeeded
    return found


def wants_key(url: str) -> bool:
    """Return whether the backend with this base URL answers nobody without a key; false if it does not answer."""
    try:
        listed_models(url, None)
    except KeyNeeded:
        return True
    except ExpectedFailure:
        pass
    return False


def ask(method: str, url: str, key: str | None = None, body: bytes | None = None) -> Reply:
    """Return the answer to one request; redirects are not followed. Raises `Unreachable`."""
    parts = urlsplit(url)
    try:
        connection = _connection(parts.scheme, parts.hostname or "", parts.port)
    except ValueError:
        raise Unreachable(f"{url} is not the URL of a server") from None
    headers: Mapping[str, str] = {"accept": "application/json", "content-type": "application/json"}
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body, {**headers, **({"authorization": f"Bearer {key}"} if key else {})})
        answer = connection.getresponse()
        return Reply(answer.status, _decoded(answer.read(MAX_BYTES)))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(_reason(error, parts.scheme, parts.netloc.rpartition("@")[2])) from None
    finally:
        connection.close()


def _reason(error: Exception, scheme: str, place: str) -> str:
    """Return the sentence for a request that was not answered."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {place} is not trusted on this machine ({error.verify_message}); for a backend, "
            "`ca_file` in its section of a configuration names the authority"
        )
    if isinstance(error, ssl.SSLError) and error.reason == _NO_TLS:
        return f"{place} speaks http, not https: write http://{place}"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"nothing answers at {scheme}://{place}: {reason}"


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if not host:
        raise ValueError("no host")
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=SECONDS)
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=SECONDS, context=ssl.create_default_context())
    raise ValueError("another scheme")


def _decoded(content: bytes) -> Any:  # noqa: ANN401 - decoded JSON
    try:
        return strict_json.decode(content)
    except strict_json.JsonError:
        return None


def _names(body: object) -> tuple[str, ...]:
    """Return the ids in a list of models, as OpenAI's API has it or as a bare array."""
    entries = body.get("data") if isinstance(body, dict) else body
    ids = [entry.get("id") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return tuple(dict.fromkeys(name for name in ids if isinstance(name, str) and name))
