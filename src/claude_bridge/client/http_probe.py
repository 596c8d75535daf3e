"""Questions to an address before Claude Code is started: is it a bridge or a backend, and which models does it have.

They block, for some seconds at most, and cost no tokens.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, cast
from urllib.parse import urlsplit

from attrs import evolve, frozen

from claude_bridge.children import ExpectedFailure
from claude_bridge.client.environment import bridge_url, own_token
from claude_bridge.client.offered_models import OfferedModel, published
from claude_bridge.config.dialects import key_header
from claude_bridge.config.fields import base_url
from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core import strict_json
from claude_bridge.core.kinds import KINDS

SECONDS: Final = 10.0
"""For each wait: a bridge asks its backends for 2 s before it answers."""

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of an answer: a vendor's list of models has a megabyte."""

_OK: Final = 200
_REFUSED: Final = frozenset({401, 403})
_NO_SUCH_PATH: Final = frozenset({404, 405})
_FAULT_FOUND: Final = frozenset({400, 401, 403, 422})
"""Statuses of an API that an empty request has reached."""

_EMPTY: Final = b"{}"
_NO_HEADERS: Final[Mapping[str, str]] = {}
USUAL_KIND: Final = "openai"
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
    :ivar kind: the kind of backend as which it was asked.
    :ivar listing: what came of the request for the list, for a person.
    """

    url: str
    models: tuple[str, ...]
    kind: str = USUAL_KIND
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
    """Return the models of the bridge at this address. Raises `KeyNeeded`, `ExpectedFailure`.

    One that says that it takes a key is not asked without: its log would have a client that was refused.
    """
    if key is None and _takes_keys(ask("GET", f"{bridge_url(url)}/").body):
        raise KeyNeeded
    reply = ask("GET", f"{bridge_url(url)}/v1/models?limit=1000", key)
    if reply.status in _REFUSED:
        raise KeyNeeded
    if reply.status != _OK:
        raise ExpectedFailure(f"the bridge at {url} answers {reply.status} when asked for its models")
    return published(reply.body)


def _takes_keys(greeting: object) -> bool:
    """Return whether a bridge says that it asks every client for a key; an older one does not say it."""
    return isinstance(greeting, dict) and greeting.get("credentials") == "keys"


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


def listed_models(url: str, key: str | None, kind: str = USUAL_KIND) -> ListedBackend:
    """Return the models of the backend with this base URL; a version that is usual there may be missing.

    Raises `KeyNeeded` also where only the list is open to everybody; `ExpectedFailure`, also for a server that has
    another kind's API and not this one's.
    """
    try:
        given = base_url(url)
    except ValueError as error:
        raise ExpectedFailure(f"--url {error}") from None
    bases = _bases(kind, given)
    found = ListedBackend(url=bases[0], models=(), kind=kind)
    for each in bases:
        reply = _ask_backend(kind, each, key, None)
        if reply.status in _REFUSED:
            raise KeyNeeded
        listed_at = f"{each}/{KINDS[kind].models_path.partition('?')[0]}"
        names, listing = _names(reply.body), f"GET {listed_at} answered {reply.status}"
        if reply.status == _OK and names:
            found = evolve(found, url=each, models=names, listing=listing)
            break
        if not found.listing:
            found = evolve(found, listing=listing)
    reply = _ask_backend(kind, found.url, key, _EMPTY)
    if key is None and reply.status in _REFUSED:
        raise KeyNeeded
    _refuse_another_kind(found, given, key, reply)
    return found


def _refuse_another_kind(found: ListedBackend, given: str, key: str | None, reply: Reply) -> None:
    """Raise `ExpectedFailure` where a server has another API instead; ``reply``: to an empty request for an answer."""
    kind, url, said = found.kind, found.url, str(reply.body).lower()
    for name, other in KINDS.items():
        demanded = any(header.lower() in said for header, _ in other.headers)
        if name == kind or not (demanded or reply.status in _NO_SUCH_PATH):
            continue
        for base in _bases(name, given):
            if _ask_backend(name, base, key, _EMPTY).status in _FAULT_FOUND:
                raise ExpectedFailure(
                    f"{KINDS[kind].api_name} cannot be asked at {url}, but {base}/{other.request_path} answers as "
                    f"{other.api_name} does: `claude-bridge init --kind {name} --url {base}` writes a configuration "
                    f"with `kind = {name}`, after which `claude-bridge launch` works"
                )


def _bases(kind: str, given: str) -> list[str]:
    """Return the base URLs under which a kind's API may be, the most likely first."""
    base, usual = KINDS[kind].base(given), KINDS[kind].places[1].rstrip("/")
    return [base] if urlsplit(base).path.strip("/") else list(dict.fromkeys((f"{base}{usual}", base)))


def _ask_backend(kind: str, base: str, key: str | None, body: bytes | None) -> Reply:
    """Return the answer to a request for the models, or with a body for an answer."""
    api = KINDS[kind]
    headers = dict(api.headers)
    if key:
        name, value = key_header(Backend(name=kind, url=base, kind=cast("Any", kind)), Secret(key))
        headers[name] = value
    path = api.models_path if body is None else api.request_path
    return ask("GET" if body is None else "POST", f"{base}/{path}", body=body, more=headers)


def wants_key(url: str, kind: str = USUAL_KIND) -> bool:
    """Return whether the backend with this base URL answers nobody without a key; false if it does not answer."""
    try:
        listed_models(url, None, kind)
    except KeyNeeded:
        return True
    except ExpectedFailure:
        pass
    return False


def ask(
    method: str, url: str, key: str | None = None, body: bytes | None = None, more: Mapping[str, str] = _NO_HEADERS
) -> Reply:
    """Return the answer to one request; redirects are not followed. Raises `Unreachable`.

    ``more``: headers beside ours and that of the key.
    """
    parts = urlsplit(url)
    try:
        connection = _connection(parts.scheme, parts.hostname or "", parts.port)
    except ValueError:
        raise Unreachable(f"{url} is not the URL of a server") from None
    headers = {"accept": "application/json", "content-type": "application/json", **more}
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
            "name the authority with `ca_file` in its section of the configuration"
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
