"""JSON decoding and encoding, stricter than the standard library, and bounded.

NaN is refused, numbers and nesting that Python cannot represent are an error and not a crash, and lone surrogates are
replaced. msgspec raises ValueError in several forms, and RecursionError for deep nesting; callers see `JsonError` for
all of them. Raw parts are not checked for UTF-8, so whole bodies are checked first.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any, Final

import msgspec
from attrs import frozen
from msgspec import Raw

from claude_bridge.core import surrogates

__all__ = [
    "ERRORS",
    "JsonError",
    "Raw",
    "begins_list",
    "begins_object",
    "compact",
    "decode",
    "decode_fields",
    "encode",
    "encode_lines",
    "explain",
    "is_object",
    "is_truncated",
    "present",
]

MEND_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of the largest value in which `decode` replaces lone surrogates: a MB of nothing but escapes takes 60 ms."""

MAX_COMPACTED_BYTES: Final = 1 << 20
"""Bytes of the largest JSON from which white space is removed; a MB of nothing but brackets takes 12 ms."""

_MISSING: Final = re.compile(r"^Object missing required field `([^`]+)`(?: - at `\$\.?(.*)`)?$")
_ERROR_PATH: Final = re.compile(r"^(.*?)(?: - at `\$\.?(.*)`)$", re.DOTALL)

ERRORS: Final = (ValueError, RecursionError)

_NULL: Final = Raw(b"null")

_encoder: Final = msgspec.json.Encoder()
encode: Final = _encoder.encode
encode_lines: Final = _encoder.encode_lines
_any: Final = msgspec.json.Decoder()
_object: Final = msgspec.json.Decoder(dict[str, Raw])


@frozen
class JsonError(ValueError):
    """Bytes that are not the JSON they should be. ``str()`` is fit for a client."""

    reason: str

    def __str__(self) -> str:
        """Return the reason."""
        return self.reason


def decode(data: bytes | Raw, *, mend_limit: int = MEND_LIMIT) -> Any:  # noqa: ANN401 - decoded JSON is what it is
    """Return the decoded Python value, with U+FFFD for bytes that are not UTF-8 and for lone surrogates.

    For small values only: a hostile body of 40 MB would take 1 GB.
    """
    try:
        return _any.decode(data)
    except ERRORS as error:
        problem = error.with_traceback(None)  # its frames have it as `problem`: a cycle for the collector
    text = bytes(data).decode("utf-8", "replace").encode()
    mended = surrogates.mend(text) if len(text) <= mend_limit and surrogates.has_surrogates(text) else text
    if mended != data:
        with contextlib.suppress(*ERRORS):
            return _any.decode(mended)
    raise JsonError(explain(problem))


def decode_fields(data: bytes) -> dict[str, Raw]:
    """Return an object's fields with their values still raw, which is cheap however large these are."""
    try:
        return _object.decode(data)
    except ERRORS as error:
        raise JsonError(explain(error)) from None


def is_object(text: str) -> bool:
    """Return whether a text is one JSON object, without decoding its values."""
    try:
        _object.decode(text)
    except (*ERRORS, UnicodeEncodeError):
        return False
    return True


def is_truncated(data: bytes) -> bool:
    """Return whether bytes are the beginning of one JSON object, and valid as far as they go."""
    try:
        _object.decode(data)
    except ERRORS as error:
        return data.startswith(b"{") and "truncated" in str(error)
    return False


def compact(raw: Raw) -> str:
    """Return raw JSON as text with its keys in order, without superfluous white space unless it is very large."""
    text = bytes(raw)
    if len(text) <= MAX_COMPACTED_BYTES and (b"\n" in text or b": " in text or b", " in text):
        with contextlib.suppress(*ERRORS):
            text = msgspec.json.format(text, indent=-1)
    return text.decode("utf-8", "replace")


def explain(error: Exception, path: str = "") -> str:
    """Return the text of a msgspec error as the Anthropic API words it: the field's path first."""
    text = str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    missing = _MISSING.match(text)
    if missing:
        field = ".".join(part for part in (path, _dotted(missing.group(2) or ""), missing.group(1)) if part)
        return f"{field}: Field required"
    at = _ERROR_PATH.match(text)
    where = ".".join(part for part in (path, _dotted(at.group(2)) if at else "") if part)
    return f"{where}: {at.group(1) if at else text}" if where else text


def _dotted(path: str) -> str:
    return re.sub(r"\[(\d+|\.\.\.)\]", r".\1", path).replace("[...]", "").strip(".")


def present(raw: Raw) -> bool:
    """Return whether a Raw field held something other than null."""
    return bool(raw) and raw != _NULL  # compared as they are, without a copy


def begins_object(raw: Raw) -> bool:
    """Return whether raw JSON is an object, without copying it."""
    return bytes(memoryview(raw)[:1]) == b"{"


def begins_list(raw: Raw) -> bool:
    """Return whether raw JSON is a list, likewise."""
    return bytes(memoryview(raw)[:1]) == b"["
