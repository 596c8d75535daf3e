"""A request that somebody saved: the body alone, or an object with method, path, headers and body."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from attrs import frozen

from claude_bridge.core import strict_json, surrogates
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.strict_json import Raw

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_MESSAGES: Final = "/v1/messages"
_COUNT: Final = f"{_MESSAGES}/count_tokens"


@frozen(kw_only=True)
class RecordedRequest:
    """One request as a client sent it.

    :ivar headers: names in lower case; empty for a body alone.
    :ivar counting: it is a request to ``count_tokens``.
    """

    body: bytes
    headers: Mapping[str, str]
    counting: bool

    @property
    def model(self) -> str:
        """Return the model that the body names, before a tag in its texts names another; "" if there is none."""
        with contextlib.suppress(strict_json.JsonError, InvalidRequest):
            found = strict_json.decode(_fields(self.body).get("model", Raw(b"null")))
            return found if isinstance(found, str) else ""
        return ""


def read_recorded(data: bytes) -> RecordedRequest:
    """Return the request in a file's content; raise `InvalidRequest` if there is none that a model would answer."""
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if not data.strip():
        raise InvalidRequest("it is empty: a Messages request is expected, as JSON")
    fields = _fields(data)
    if "messages" in fields or "body" not in fields:
        return RecordedRequest(body=data, headers={}, counting=False)
    method, path = (_decoded(fields, name) for name in ("method", "path"))
    what = " ".join(each for each in (method, path) if isinstance(each, str)) or "the recorded request"
    target = urlsplit(path).path if isinstance(path, str) else _MESSAGES
    if not target.endswith((_MESSAGES, _COUNT)) or method not in {None, "POST"}:
        raise InvalidRequest(f"{what} is not a request to a model, which is POST {_MESSAGES}")
    return RecordedRequest(body=_body(fields["body"], what), headers=_headers(fields), counting=target.endswith(_COUNT))


def _fields(data: bytes) -> dict[str, Raw]:
    """Return the fields of an object. Lone surrogates are no mistake: clients send them, and the bridge mends them."""
    mended = surrogates.mend(data) if surrogates.has_surrogates(data) else data
    try:
        return strict_json.decode_fields(mended)
    except strict_json.JsonError as error:
        raise InvalidRequest(f"it is not a JSON object: {error}") from None


def _decoded(fields: Mapping[str, Raw], name: str) -> Any:  # noqa: ANN401 - decoded JSON is what it is
    try:
        return strict_json.decode(fields[name]) if name in fields else None
    except strict_json.JsonError as error:
        raise InvalidRequest(f"{name}: {error}") from None


def _headers(fields: Mapping[str, Raw]) -> dict[str, str]:
    headers = _decoded(fields, "headers") or {}
    if not isinstance(headers, dict):
        raise InvalidRequest("headers: Input should be an object of names and values")
    return {name.lower(): value for name, value in headers.items() if isinstance(value, str)}


def _body(raw: Raw, what: str) -> bytes:
    """Return the body as it was sent, without the white space that a record may have added."""
    if not strict_json.present(raw):
        raise InvalidRequest(f"{what} has no body")
    if bytes(memoryview(raw)[:1]) == b'"':
        text = _decoded({"body": raw}, "body")
        return str(text).encode()
    with contextlib.suppress(*strict_json.ERRORS):
        return msgspec.json.format(bytes(raw), indent=-1)
    return bytes(raw)
