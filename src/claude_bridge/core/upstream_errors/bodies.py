"""Parses error bodies in all the shapes that servers and proxies use. Nothing is classified here.

See docs/chat-completions.md 3.1.

``{error: {…}}``, ``{error: "…"}``, flat ``{object: "error", …}``, ``[{error: {…}}]``, ``{detail}``, ``{message}``,
pydantic's lists, causes packed as JSON into strings, plain text and HTML. Nothing here raises.
"""

from __future__ import annotations

import re

from attrs import frozen

from claude_bridge.core import strict_json
from claude_bridge.core.events import token_count
from claude_bridge.core.redaction import shorten
from claude_bridge.core.upstream_errors import retry_after

MAX_MESSAGE_CHARACTERS = 2000
"""Characters of an upstream message that are kept: a paragraph, not a dump."""

MAX_PLAIN_CHARACTERS = 200
"""The same for a text or HTML body, which is mostly a proxy's page (docs/chat-completions.md 3.1)."""

MAX_WORD_CHARACTERS = 200
"""Characters of a code, a type or a request id."""

# Room for the head and the style sheet of an error page before its first words.
_MAX_PLAIN_BYTES = 32_768
# An error may be wrapped by a router, a proxy and a server; anything nested deeper is not an error message.
_MAX_DEPTH = 6
_MAX_ITEMS = 5


@frozen(kw_only=True)
class ErrorBody:
    """The fields of one level of an error body; an empty field was not there.

    :ivar page: the title of the web page if the body is one, maybe empty; else None.
    """

    code: str = ""
    type: str = ""
    message: str = ""
    retry_after: float | None = None
    request_id: str = ""
    prompt_tokens: int | None = None
    context_window: int | None = None
    page: str | None = None

    def filled_from(self, outer: ErrorBody) -> ErrorBody:
        """Return this level with missing fields filled from the one around it."""
        return ErrorBody(
            code=self.code or outer.code,
            type=self.type or outer.type,
            message=self.message or outer.message,
            retry_after=outer.retry_after if self.retry_after is None else self.retry_after,
            request_id=self.request_id or outer.request_id,
            prompt_tokens=self.prompt_tokens or outer.prompt_tokens,
            context_window=self.context_window or outer.context_window,
        )


_EMPTY_BODY = ErrorBody()


def parse(value: object) -> ErrorBody:
    """Parse a decoded error, or the chunk or body around it."""
    return _parse(value)


def parse_bytes(body: bytes) -> ErrorBody:
    """Parse a body that may be JSON, text or HTML."""
    try:
        value = strict_json.decode(body)
    except ValueError:
        return parse_text(body.decode("utf-8", "replace"))
    return _parse(value)


def parse_text(body: str) -> ErrorBody:
    """Parse a body that is not JSON."""
    start = shorten(body, _MAX_PLAIN_BYTES)
    page = None
    if _PAGE.search(start):
        found = _TITLE.search(start)
        page = one_line(found[1], MAX_PLAIN_CHARACTERS) if found else ""
    return ErrorBody(message=one_line(body, MAX_PLAIN_CHARACTERS), page=page)


def _parse(value: object, depth: int = 0) -> ErrorBody:
    """Parse any decoded value."""
    if depth > _MAX_DEPTH:
        return _EMPTY_BODY
    match value:
        case str():
            return ErrorBody(message=one_line(value))
        case dict():
            return _parse_object(value, depth)
        case list():
            return _parse_list(value, depth)
        case _:
            return _EMPTY_BODY


def _parse_object(value: dict[object, object], depth: int) -> ErrorBody:
    """Parse an object: the error in it, else its own fields. The raw cause that a router passes on precedes both."""
    body = _parse_own_fields(value, depth)
    for key in ("error", "detail", "errors"):
        if isinstance(value.get(key), str | dict | list):
            body = _parse(value[key], depth + 1).filled_from(body)
            break
    match value.get("metadata"):
        case {"raw": raw}:
            return _parse(_decode_nested(raw), depth + 1).filled_from(body)
        case _:
            return body


def _parse_own_fields(value: dict[object, object], depth: int) -> ErrorBody:
    """Parse an error object's own fields."""
    message = next((value[key] for key in ("message", "msg", "error_message", "error_msg") if value.get(key)), None)
    body = _parse(message, depth + 1)  # sometimes an object: Mistral wraps pydantic's list in it
    kind = _word(value.get("type"))
    return ErrorBody(
        code=_word(value.get("code")),
        type=_word(value.get("status")) if kind in {"", "error"} else kind,  # Google's class is its "status"
        message=_with_parameter(body.message, value.get("param")),
        retry_after=_retry_delay(value.get("details")),
        request_id=_word(value.get("request_id")),
        prompt_tokens=_count(value.get("n_prompt_tokens")),
        context_window=_count(value.get("n_ctx")),
    )


def _parse_list(values: list[object], depth: int) -> ErrorBody:
    """Parse a list: of pydantic's validation errors, or one that contains the error object (Gemini)."""
    values = values[:_MAX_ITEMS]
    if problems := [body for body in map(_validation_error, values) if body]:
        return ErrorBody(message=one_line("; ".join(problems)))
    bodies = (_parse(value, depth + 1) for value in values)
    return next((body for body in bodies if body != _EMPTY_BODY), _EMPTY_BODY)


def _validation_error(item: object) -> str:
    """Return location and message of one pydantic item, without its ``input``, which is the user's own text."""
    match item:
        case {"loc": [*places], "msg": str(body)}:
            where = ".".join(str(place) for place in places[:8] if isinstance(place, str | int))
            return one_line(f"{where}: {body}" if where else body)
        case _:
            return ""


def _decode_nested(raw: object) -> object:
    """Return a cause decoded from JSON inside a string, as OpenRouter sends it."""
    if not isinstance(raw, str):
        return raw
    try:
        value = strict_json.decode(raw.encode("utf-8", "replace"))
    except ValueError:
        return raw
    return value if isinstance(value, dict | list) else raw


def _word(value: object) -> str:
    """Return a code or a name as text, whether it is a string or a number."""
    if isinstance(value, str):
        return one_line(value, MAX_WORD_CHARACTERS)
    return str(value) if isinstance(value, int) and token_count(value) else ""


def _count(value: object) -> int | None:
    """Return a number of tokens, or None."""
    return (token_count(value) or None) if isinstance(value, int) else None


def _with_parameter(message: str, parameter: object) -> str:
    """Return the message with ``param`` added if that is a sentence, as some servers put the reason there."""
    if isinstance(parameter, str) and " " in parameter.strip() and parameter not in message:
        return one_line(f"{message}: {parameter}" if message else parameter)
    return message


def _retry_delay(details: object) -> float | None:
    """Return the delay in Google's ``RetryInfo`` among the details, or None."""
    for item in details[:_MAX_ITEMS] if isinstance(details, list) else ():
        match item:
            case {"retryDelay": str(delay)}:
                return retry_after.duration(delay)
    return None


_PAGE = re.compile(r"<(?:!doctype|html|head|body|title|p|h[1-6]|div|center)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title\b[^<>]*>([^<]*)<", re.IGNORECASE)
_UNSEEN = re.compile(r"<(script|style)\b[^<>]*>[^<]*</\1\s*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_UNPRINTED = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def one_line(text: str, most: int = MAX_MESSAGE_CHARACTERS) -> str:
    """Return ``text`` as one short line, without the tags of a page."""
    text = shorten(text, _MAX_PLAIN_BYTES)
    if _PAGE.search(text):
        text = _TAG.sub(" ", _UNSEEN.sub(" ", text))
    return shorten(_UNPRINTED.sub(" ", text).strip(), most)
