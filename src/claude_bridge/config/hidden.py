"""The values of a configuration that are hidden in every output, the words that never are, and what cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from claude_bridge.config.expand import has_variable
from claude_bridge.config.ini import Lines
from claude_bridge.config.problems import Problem
from claude_bridge.config.schema import Backend, Config
from claude_bridge.config.sections import KINDS
from claude_bridge.config.variables import SECTION as ENVIRONMENT
from claude_bridge.core.chat_completions import openai_types
from claude_bridge.core.messages_api import anthropic_types
from claude_bridge.core.redaction import MIN_CREDENTIAL_CHARACTERS, Redactor, carries_credential
from claude_bridge.core.responses_api import wire_types

OURS: Final = ("claude-bridge", "claude_bridge")

MIN_GUARD_CHARACTERS: Final = 16
"""Characters of a client's key that nobody guesses, if they are random."""

_BETTER: Final = "`claude-bridge key new` makes a better one"

_IN_ANSWERS: Final = (
    *("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation"),
    *("server_tool_use", "service_tier", "stop_sequence", "stop_details", "message_start", "message_delta"),
    *("message_stop", "content_block", "content_block_start", "content_block_delta", "content_block_stop"),
    *("input_json_delta", "thinking_delta", "signature_delta", "invalid_request_error", "authentication_error"),
    *("permission_error", "not_found_error", "overloaded_error", "rate_limit_error", "timeout_error"),
    *("billing_error", "request_too_large", "finish_reason", "prompt_tokens", "completion_tokens"),
)
"""Words in the responses of both APIs that are long enough to be mistaken for a credential."""

_SCHEME: Final = re.compile(r"(?:bearer|basic|token|key)\s+(\S.*)", re.IGNORECASE)
"""The part of a header's value before the credential."""

_PLACEHOLDER: Final = re.compile(
    r"none|null|nil|empty|dummy|fake|test|local|unused|ollama|vllm|lm-?studio|llama(?:-?cpp)?|placeholder|todo"
    r"|change-?me|replace-?me|secret|password|token|credential|(?:api-?)?key|no-?(?:api-?)?key|not-?needed"
    r"|(?:your|my|the)-.*(?:key|token|secret).*|[a-z-]*-(?:here|goes-here)"
    r"|(?:sk-)?(?:x{1,}|\.{1,}|\*{1,}|0{3,}|1234(?:5(?:6(?:7(?:8(?:90?)?)?)?)?)?|abc(?:def)?|test|dummy|none|placeholder)"
    r"|<.*>|\{.*\}|\[.*\]"
)
"""Placeholders for a credential in examples; ``_`` counts as ``-``."""


def redactor(config: Config) -> Redactor:
    """Return a redactor for the credentials of ``config``."""
    return Redactor((each for _, _, each in credentials(config)), words(config))


def renew(known: Redactor, config: Config) -> None:
    """Add the credentials of ``config`` to the redactor ``known``; those of earlier configurations stay hidden."""
    known.renew((each for _, _, each in credentials(config)), words(config))


def credentials(config: Config) -> Iterator[tuple[str, str, str]]:
    """Yield each credential with the section and the key that hold it; for a header the key is its name."""
    for backend in config.backends.values():
        section = f"backend:{backend.name}"
        yield from ((section, "api_key", key.secret.reveal()) for key in backend.api_key if key.secret is not None)
        yield from ((section, name, value) for name, value in _headers(backend))
        if backend.proxy.server is not None and backend.proxy.server.password is not None:
            yield section, "proxy", backend.proxy.server.password.reveal()
    for client in config.keys.values():
        if client.secret is not None:
            yield f"key:{client.name}", "secret", client.secret.reveal()
    if config.web_search.api_key is not None:
        yield "web_search", "api_key", config.web_search.api_key.reveal()


def _headers(backend: Backend) -> Iterator[tuple[str, str]]:
    for name, value in backend.headers:
        if value and carries_credential(name):
            scheme = _SCHEME.fullmatch(value)
            yield name, scheme[1] if scheme is not None else value


def words(config: Config) -> Iterator[str]:
    """Yield words that are never secret: the names in ``config``, and the names of fields."""
    yield from OURS
    yield from _FIELDS
    for backend in config.backends.values():
        yield from (backend.name, *_hosts(backend.url), *(name for name, _ in backend.headers))
        if backend.proxy.server is not None:
            yield backend.proxy.server.host
    for model in config.models.values():
        yield from (model.alias, model.name)
    for route in config.routes.values():
        yield from (route.name, *route.models)
    yield from config.keys
    yield from config.budgets
    yield from config.server.allowed_hosts
    yield from config.server.allowed_origins
    if config.web_search.url is not None:
        yield from _hosts(config.web_search.url)


def _hosts(url: str) -> Iterator[str]:
    host = urlsplit(url).hostname
    if host is not None:
        yield host


def _field_names() -> frozenset[str]:
    """Return the names of fields on all wires, and of sections and keys of a configuration."""
    wires = (anthropic_types, openai_types, wire_types)
    structs = [each for wire in wires for each in vars(wire).values()]
    wire = {name for each in structs for name in getattr(each, "__struct_encode_fields__", ())}
    return frozenset(
        wire.union(_IN_ANSWERS)
        | {name for kind in KINDS.values() for name in (kind.word, *(key.name for key in kind.keys))}
    )


_FIELDS: Final = _field_names()


def not_hidden(config: Config, sections: Mapping[str, object]) -> Iterator[Problem]:
    """Yield a warning for each credential that cannot be hidden, or that is a placeholder.

    ``sections`` are those of the file: what is not in them comes from the environment.
    """
    known = Redactor((), words(config))
    for section, key, value in credentials(config):
        said = _doubt(value, known, guards=section.startswith("key:"))
        if said:
            yield Problem(section, key, said) if section in sections else Problem(ENVIRONMENT, "BACKEND_API_KEY", said)


def _doubt(value: str, known: Redactor, *, guards: bool) -> str:
    shown = "so it can be seen in the log and in errors"
    if known.is_word(value):
        return f"is a name in this file too, {shown}"
    short = len(value) < MIN_CREDENTIAL_CHARACTERS
    if is_placeholder(value):
        return f"looks like a placeholder{f', and is short, {shown}' if short else ''}: it is used as it is"
    if guards and len(value) < MIN_GUARD_CHARACTERS:
        seen = "; and it is not hidden in the log" if short else ""
        return f"has less than {MIN_GUARD_CHARACTERS} characters, which can be guessed{seen}: {_BETTER}"
    return f"has less than {MIN_CREDENTIAL_CHARACTERS} characters, {shown}" if short else ""


def is_placeholder(value: str) -> bool:
    """Return whether a credential is what examples have in the place of one."""
    return _PLACEHOLDER.fullmatch(value.lower().replace("_", "-")) is not None


def from_variables(sections: Mapping[str, Mapping[str, Lines]]) -> frozenset[tuple[str, str]]:
    """Return section and name, in lower case, of each header whose value came out of a ``${VAR}``.

    ``sections``: of a configuration that is valid.
    """
    return frozenset(
        (section, line.partition(":")[0].strip().lower())
        for section, entries in sections.items()
        for key in KINDS[section.partition(":")[0]].keys
        if key.metadata["shape"] == "header"
        for line in entries.get(key.name, ())
        if has_variable(line)
    )
