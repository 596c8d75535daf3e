"""The lines of one key -> its typed value: words, numbers with units, URLs, headers, secrets.

Every function here raises `ValueError` with one argument a mistake and never quotes the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeAlias, Union, cast, get_args, get_origin
from urllib.parse import urlsplit

from attrs import Attribute

from claude_bridge.config.backend_keys import BackendKey, read_backend_key
from claude_bridge.config.budget_values import dollar_amount, end, how_often, percent, scope, timezone
from claude_bridge.config.expand import OFF, expand, quoted
from claude_bridge.config.ini import Lines
from claude_bridge.config.listeners import endpoint
from claude_bridge.config.price_values import amount, tier
from claude_bridge.config.problems import not_allowed
from claude_bridge.config.proxy import proxy
from claude_bridge.config.secret import HIDDEN, Secret, SecretSource
from claude_bridge.core.routing import LEVELS, WORDS, Condition, Word

Parse: TypeAlias = Callable[[str], Any]

_WORDS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
_DURATION = re.compile(r"(-?\d+(?:\.\d+)?)\s*([smhd]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_SIZE = re.compile(r"(-?\d+)\s*([KMG]?)(?:iB|B)?", re.ASCII | re.IGNORECASE)
_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_TOKENS = re.compile(r"(-?\d{1,15})\s*([KM]?)", re.ASCII | re.IGNORECASE)
_THOUSANDS = {"": 1, "K": 1000, "M": 1000**2}
_COUNT = re.compile(r"-?\d{1,18}", re.ASCII)
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+)\s*:\s*([\x20-\x7e]*)")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\]")
_KEY_HASH = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII | re.IGNORECASE)
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@]+")

FORWARDED_KEY = "client"
"""What the accounts call the key of clients whose own credential goes to the backend; no ``[key:*]`` has this name."""

NO_DIRECTORY = "none"
"""The value for no directory."""

NOTHING = "none"
"""The value for an empty list, unless it is a valid entry of the list."""

OWN_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "authorization", "connection", "content-encoding", "content-length"),
        *("content-type", "cookie", "host", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
"""Request headers that the bridge sets itself, or that would change the framing of a body."""


def boolean(text: str) -> bool:
    """Read yes or no."""
    try:
        return _WORDS[text.lower()]
    except KeyError:
        raise ValueError("must be yes or no (or true, false, on, off, 1, 0)") from None


def duration(text: str) -> float:
    """Read seconds; ``s``, ``m``, ``h`` and ``d`` may follow the number."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("must be a time: seconds, or a number with s, m, h or d (90, 90s, 1.5m, 2d)")
    return float(match[1]) * _SECONDS[match[2]]


def size(text: str) -> int:
    """Read bytes; ``K``, ``M`` and ``G`` (powers of 1,024) may follow the number."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("must be a size: bytes, or a number with K, M or G (65536, 64K, 32M)")
    return int(match[1]) * _BYTES[match[2].upper()]


def count(text: str) -> int:
    """Read a whole number."""
    if not _COUNT.fullmatch(text):
        raise ValueError("must be a whole number")
    return int(text)


def tokens(text: str) -> int:
    """Read a number of tokens; ``K`` and ``M`` (powers of 1,000) may follow it.

    A model "with 128k" mostly has 131,072 of them: the smaller reading never overfills the window.
    """
    match = _TOKENS.fullmatch(text)
    if match is None:
        raise ValueError("must be a number of tokens, with K (thousands) or M if you like (131072, 128K)")
    return int(match[1]) * _THOUSANDS[match[2].upper()]


def base_url(text: str) -> str:
    """Read a backend's URL and return its base, without ``/chat/completions`` and without a slash at the end."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError("is not a valid URL") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"[\s\\]", text):
        raise ValueError("must be a URL that begins with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a user name or password: use api_key")
    if "?" in text or "#" in text:
        raise ValueError("must not contain a query (?) or fragment (#)")
    path = parts.path.rstrip("/").removesuffix("/chat/completions").rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}"


def header(text: str) -> tuple[str, str]:
    """Read ``Name: value``."""
    match = _HEADER.fullmatch(text)
    if match is None:
        raise ValueError("must be a header, `Name: value`, in printable ASCII")
    if match[1].lower() in OWN_HEADERS:
        hint = ": use api_key" if match[1].lower() == "authorization" else ""
        raise ValueError(f"the header {match[1]} is set by the bridge itself{hint}")
    if match[2] == HIDDEN:
        raise ValueError(f"the header {match[1]} is {HIDDEN}, as a dump shows it: put its value back")
    return match[1], match[2]


def host_name(text: str) -> str:
    """Read a host name or address, without port."""
    if not _HOST.fullmatch(text):
        raise ValueError("must be a host name or address alone, without scheme, port or *; IPv6 in brackets")
    return text


def origin(text: str) -> str:
    """Read a browser origin, ``scheme://host[:port]``."""
    if not _ORIGIN.fullmatch(text):
        raise ValueError("must be an origin, scheme://host[:port], without a path")
    return text


def directory(text: str) -> str:
    """Read the absolute path of a directory, or ``none``. A daemon's own directory is nowhere to start from."""
    if text != NO_DIRECTORY and not text.startswith("/"):
        raise ValueError("must be the absolute path of a directory, or none")
    return text


def database(text: str) -> str:
    """Read the absolute path of the ledger's file."""
    if "://" in text:
        raise ValueError("must be the absolute path of a file: this version keeps its accounts in SQLite only")
    if not text.startswith("/") or text.endswith("/"):
        raise ValueError("must be the absolute path of a file; the default is in the state directory")
    return text


def model_reference(text: str) -> str:
    """Read a model's name, or ``backend/model``."""
    if any(character.isspace() for character in text):
        raise ValueError("must be names of [model:*], or backend/model, with commas or one per line")
    return text


def pattern(text: str) -> str:
    """Read a pattern of model names."""
    if any(character.isspace() for character in text):
        raise ValueError("must be patterns of model names, with commas or one per line: *haiku*, gpt-?")
    return text


def key_hash(text: str) -> str:
    """Read the hash of a client's key."""
    if not _KEY_HASH.fullmatch(text):
        raise ValueError(
            "must be sha256: and 64 hexadecimal digits, as `claude-bridge key new` writes it; a key itself is a secret"
        )
    return text.lower()


def route_name(text: str) -> str:
    """Read a route's name."""
    if any(character.isspace() for character in text):
        raise ValueError("must be names of [route:*], with commas or one per line")
    return text


def condition(text: str) -> Condition:
    """Read a kind of request: a word, and for some of them how much."""
    word, _, argument = text.replace("-", "_").partition(" ")
    argument = argument.strip()
    if word not in WORDS:
        raise ValueError(not_allowed(word, WORDS))
    if word == "long_context":
        if not argument:
            raise ValueError("long_context needs a number of tokens: long_context 60000")
        return Condition(word, tokens=tokens(argument))
    if word == "think" and argument:
        if argument not in LEVELS[1:]:
            raise ValueError(f"think {not_allowed(argument, LEVELS[1:])}")
        return Condition(word, level=argument)
    if argument:
        raise ValueError(f"{word} takes no argument")
    return Condition(cast(Word, word))


_NUMBERS: Mapping[str, Parse] = {"bytes": size, "bytes/s": size, "tokens": tokens}
"""How whole numbers are read, by their unit."""

SHAPES: Mapping[str, Parse] = {
    "budget end": end,
    "budget period": how_often,
    "budget scope": scope,
    "condition": condition,
    "database": database,
    "directory": directory,
    "dollars": dollar_amount,
    "endpoint": endpoint,
    "header": header,
    "host": host_name,
    "key hash": key_hash,
    "model": model_reference,
    "origin": origin,
    "pattern": pattern,
    "percent": percent,
    "price": amount,
    "price tier": tier,
    "proxy": proxy,
    "route": route_name,
    "timezone": timezone,
    "url": base_url,
}
"""What the schema's ``shape`` metadata may name."""

_SECRETS: Final = frozenset({Secret, BackendKey})
_MAY_BE_SECRET: Final = frozenset({"header", "proxy"})
"""Shapes of values that may hold a secret."""

_WITH_COMMAS: Final = frozenset({"condition", "model", "pattern", "route"})
"""Shapes of which several may stand on one line."""


def plain_type(attribute: Attribute[Any]) -> Any:  # noqa: ANN401 - a type form
    """Return the type of one entry: ``X`` of ``X``, ``X | None`` and ``tuple[X, ...]``."""
    kind = _given_type(attribute)
    return get_args(kind)[0] if is_list(attribute) else kind


def is_list(attribute: Attribute[Any]) -> bool:
    """Return whether the key takes several lines."""
    return get_origin(_given_type(attribute)) is tuple


def _given_type(attribute: Attribute[Any]) -> Any:  # noqa: ANN401 - a type form
    """Return the type that a value has where there is one: ``X`` of ``X | None``."""
    kind = attribute.type
    if isinstance(kind, UnionType) or get_origin(kind) is Union:  # the second where a part is a `Literal`
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    return kind


def read_field(attribute: Attribute[Any], lines: Lines, secrets: SecretSource) -> object:
    """Return the value of a key, checked by its own validator too."""
    parse = _parser(attribute, secrets)
    may_be_secret = plain_type(attribute) in _SECRETS or attribute.metadata["shape"] in _MAY_BE_SECRET
    environ = secrets.variables(secret=may_be_secret)
    if is_list(attribute) and (lines or plain_type(attribute) is not BackendKey):
        return tuple(_each(lines, _entries(attribute, parse, alone=len(lines) == 1), environ))
    if len(lines) != 1:
        raise ValueError("takes one value, on one line" if lines else "has no value; leave the key out for its default")
    return _each(lines, lambda text: [parse(text)], environ)[0]


def _entries(attribute: Attribute[Any], parse: Parse, *, alone: bool) -> Callable[[str], list[Any]]:
    """Make the reader of one line of a list: one entry, or words with commas between them as the documents write."""
    kind = plain_type(attribute)
    words = get_args(kind) if get_origin(kind) is Literal else ()

    def read(text: str) -> list[Any]:
        if alone and words and text == NOTHING and NOTHING not in words:
            return []
        several = words or attribute.metadata.get("shape") in _WITH_COMMAS
        parts = [part.strip() for part in text.split(",")] if several else [text]
        return [parse(part) for part in parts if part or kind is BackendKey]

    return read


def _each(lines: Lines, parse: Callable[[str], list[Any]], environ: Mapping[str, str]) -> list[Any]:
    values: list[Any] = []
    mistakes: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            values += parse(expand(line, environ))
        except ValueError as error:
            prefix = f"entry {number}: " if len(lines) > 1 else ""
            mistakes += [f"{prefix}{message}" for message in error.args]
    if mistakes:
        raise ValueError(*mistakes)
    return values


def _parser(attribute: Attribute[Any], secrets: SecretSource) -> Parse:
    """Return the reader of one entry of a key. For a value in quotes only the quotes are reported."""
    parse = _plain_parser(attribute, secrets)

    def read(text: str) -> object:
        try:
            value = parse(text)
            if attribute.validator is not None and not is_list(attribute):
                attribute.validator(None, attribute, value)
        except ValueError:
            if quoted(text):
                raise ValueError(OFF) from None
            raise
        return value

    return read


def _plain_parser(attribute: Attribute[Any], secrets: SecretSource) -> Parse:
    kind = plain_type(attribute)
    if shape := attribute.metadata.get("shape"):
        return SHAPES[shape]
    if get_origin(kind) is Literal:
        return choice(get_args(kind))
    if kind is int:
        return _NUMBERS.get(attribute.metadata["unit"], count)
    parsers: Mapping[Any, Parse] = {
        bool: boolean,
        float: duration,
        Secret: secrets.load,
        BackendKey: lambda text: read_backend_key(text, secrets),
        str: _text,
    }
    return parsers[kind]


def _text(text: str) -> str:
    if not text:
        raise ValueError("is empty; leave the key out for its default")
    return text


def choice(words: tuple[str, ...]) -> Parse:
    """Return the reader of one of ``words``."""

    def choose(text: str) -> str:
        if text not in words:
            raise ValueError(not_allowed(text, words))
        return text

    return choose
