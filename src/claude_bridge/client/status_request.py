"""The status line's question to the bridge: the figures of one session.

One request on one connection, written out here: loading http.client takes twenty milliseconds. Credentials go to the
address in ``ANTHROPIC_BASE_URL`` and nowhere else: a redirect is an answer like any other that is not expected.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

PATH = "/v1/claude-bridge/session"

DOWN = "bridge down"
KEY_REFUSED = "bridge refuses the key"
NO_KEY = "no key for the status line"
NOT_TRUSTED = "bridge has a certificate that is not trusted"
NOT_UNDERSTOOD = "bridge not understood"
INVALID_ADDRESS = "ANTHROPIC_BASE_URL is no address"

MAX_BYTES = 1 << 20
"""Bytes of the longest answer that is read."""

_SECONDS = 5.0
"""For each wait, so that nothing waits for ever; the caller waits less."""

_ANTHROPIC = "anthropic.com"
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 401, 403, 404


class Unanswered(Exception):
    """There are no figures; ``str()`` is what the line says about it, "" for nothing."""


def ask(environ: Mapping[str, str], session: str, *, has_answers: bool = False) -> dict[str, object]:
    """Return what the bridge in the client's environment says of a session. Raises `Unanswered`.

    A session of which it knows nothing, as each is at its beginning, is no reason to say anything; where the client
    sends a credential that is not in its environment, the bridge knows nothing of it either once it ``has_answers``.
    """
    base = environ.get("ANTHROPIC_BASE_URL", "").strip()
    try:
        parts = urlsplit(base)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Unanswered(INVALID_ADDRESS) from None
    if not base or host == _ANTHROPIC or host.endswith(f".{_ANTHROPIC}"):  # there is no bridge
        raise Unanswered("")
    if parts.scheme not in ("http", "https") or not host:
        raise Unanswered(INVALID_ADDRESS)
    encrypted = parts.scheme == "https"
    body = json.dumps({"session_id": session}).encode()
    target = parts.path.rstrip("/") + PATH
    headers = credentials(environ)
    request = _request(target, parts.netloc.rpartition("@")[2], headers, body)
    try:
        with _connection(host, port or (443 if encrypted else 80), encrypted, environ) as connection:
            connection.sendall(request)
            status, content = _answer(connection)
        if not headers and (status in (_UNAUTHORIZED, _FORBIDDEN) or (status == _NOT_FOUND and has_answers)):
            raise Unanswered(NO_KEY)
        return _figures(status, content)
    except OSError as error:
        raise Unanswered(NOT_TRUSTED if hasattr(error, "verify_code") else DOWN) from None  # ssl is not loaded
    except (ValueError, RecursionError):
        raise Unanswered(NOT_UNDERSTOOD) from None


def credentials(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with the client's credentials, the same that its own requests have."""
    found = {}
    token, key = (environ.get(name, "").strip() for name in ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"))
    if token:
        found["authorization"] = f"Bearer {token}"
    if key:
        found["x-api-key"] = key
    return {name: value for name, value in found.items() if value.isascii() and value.isprintable()}


def _request(target: str, host: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the bytes of the request. Raises `Unanswered` for an address that no request can name."""
    lines = [f"POST {target} HTTP/1.1", f"host: {host}", "connection: close", "content-type: application/json"]
    lines += ["accept: application/json", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if not all(line.isascii() and line.isprintable() for line in lines) or " " in target:
        raise Unanswered(INVALID_ADDRESS)
    return "\r\n".join((*lines, "", "")).encode() + body


def _connection(host: str, port: int, encrypted: bool, environ: Mapping[str, str]) -> socket.socket:
    """Return a connection. Raises `OSError`."""
    if not encrypted:
        return socket.create_connection((host, port), timeout=_SECONDS)
    import ssl  # noqa: PLC0415 - most bridges are on this machine

    context = ssl.create_default_context()
    more = environ.get("NODE_EXTRA_CA_CERTS")  # an authority that the client trusts
    if more:
        context.load_verify_locations(cafile=more)
    return context.wrap_socket(socket.create_connection((host, port), timeout=_SECONDS), server_hostname=host)


def _answer(connection: socket.socket) -> tuple[int, bytes]:
    """Return status and body. Raises `OSError`, and `ValueError` for what is not HTTP."""
    head, end, body = _more(connection, b""), b"\r\n\r\n", b""
    while end not in head:
        head = _more(connection, head)
    head, _, body = head.partition(end)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _status(first), _unchunked(connection, body)
    length = int(headers.get("content-length", "0"))
    while len(body) < length:
        body = _more(connection, body)
    return _status(first), body[:length]


def _status(line: str) -> int:
    version, status, *_ = line.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    return int(status)


def _unchunked(connection: socket.socket, received: bytes) -> bytes:
    """Return a body that comes in chunks."""
    body = b""
    while True:
        while b"\r\n" not in received:
            received = _more(connection, received)
        size, _, received = received.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if length == 0:
            return body
        while len(received) < length + 2:
            received = _more(connection, received)
        body, received = body + received[:length], received[length + 2 :]


def _more(connection: socket.socket, received: bytes) -> bytes:
    """Return what was received with what comes next. Raises `OSError` if nothing does, or too much has."""
    data = connection.recv(1 << 16)
    if not data or len(received) > MAX_BYTES:
        raise ConnectionError
    return received + data


def _figures(status: int, content: bytes) -> dict[str, object]:
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        raise Unanswered(KEY_REFUSED)
    if status == _NOT_FOUND:
        raise Unanswered("")
    if status != _OK:
        raise Unanswered(f"bridge answers {status}")
    found = json.JSONDecoder().decode(content.decode())
    if not isinstance(found, dict):
        raise Unanswered(NOT_UNDERSTOOD)
    return found
