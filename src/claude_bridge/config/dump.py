"""`Config` -> INI text that can be loaded again once the secrets, shown as ``***``, are put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from attrs import Attribute, fields

from claude_bridge.config.dialects import AUTO, UNKNOWN, configured
from claude_bridge.config.fields import is_list
from claude_bridge.config.schema import Backend, Config
from claude_bridge.config.secret import Secret
from claude_bridge.config.secrets import HIDDEN
from claude_bridge.config.sections import KINDS, Kind
from claude_bridge.core.dialects.registry import Decided
from claude_bridge.core.traits import Traits

_OVERRIDES = frozenset(each.name for each in fields(Traits))

_KEY_WORDS = ("auth", "key", "secret", "token", "cookie", "password", "credential")
"""What the name of a header contains if its value is likely to be a key."""


def dump(config: Config, decided: Callable[[Backend], Decided] = configured) -> str:
    """Give every section and key, defaults included; what is not set stands in a comment that says what holds.

    ``decided`` knows what an earlier run of the daemon found out of a backend with ``dialect = auto``.
    """
    source = " ".join(config.source.split())
    lines = [
        f"# The configuration of claude-bridge, from: {source}",
        f"# Secrets are shown as {HIDDEN}: put them back before this becomes a file.",
    ]
    for kind in KINDS.values():
        for header, part in _parts(kind, config):
            lines += ["", f"[{header}]"]
            for key in kind.keys:
                lines += _key(kind.word, key, getattr(part, key.name), config)
                if isinstance(part, Backend) and (key.name, part.dialect) == ("dialect", AUTO):
                    lines.append(_detected(decided(part)))
    return "\n".join(lines) + "\n"


def show(value: object, attribute: Attribute[Any]) -> str:
    """Write one entry of a key as a file would have it, secrets hidden."""
    if isinstance(value, Secret):
        return HIDDEN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _number(value)
    if attribute.metadata.get("shape") == "header" and isinstance(value, tuple):
        name, content = value
        hidden = any(word in name.lower() for word in _KEY_WORDS)
        return _escape(f"{name}: {HIDDEN if hidden else content}")
    return _escape(str(value))


def _parts(kind: Kind, config: Config) -> Iterator[tuple[str, object]]:
    held = getattr(config, kind.target)
    if kind.name_field:
        yield from ((f"{kind.word}:{name}", part) for name, part in held.items())
    else:
        yield kind.word, held


def _key(word: str, attribute: Attribute[Any], value: Any, config: Config) -> Iterator[str]:  # noqa: ANN401 - any value
    if value is None:
        yield f"# {attribute.name} is not set: {_derived(word, attribute.name, config)}"
    elif is_list(attribute) and len(value) != 1:
        yield f"{attribute.name} ="  # nothing after it is a list of nothing
        yield from (f"    {show(entry, attribute)}" for entry in value)
    else:
        (entry,) = value if is_list(attribute) else (value,)
        yield f"{attribute.name} = {show(entry, attribute)}"


def _derived(word: str, key: str, config: Config) -> str:
    """Say what holds where a key has no value of its own."""
    if key == "list_backend_models":
        return "no, as there are [model:*]" if config.models else "yes, as there is no [model:*]"
    if key in _OVERRIDES:
        return "as the dialect has it"
    if word == "web_search":
        return {"url": "the engine's own address is asked", "api_key": "no key is sent"}[key]
    return {
        "api_key": "the client's credential is passed on, if there is one",
        "ca_file": "the system's certificate authorities are trusted",
        "context_window": "taken from the backend's list of models or its errors",
        "idle_timeout": "600 s where tools were sent, else 300 s",
        "max_output_tokens": "the client's max_tokens is kept as far as the window allows",
        "state_dir": "$STATE_DIRECTORY, else $XDG_STATE_HOME/claude-bridge, else ~/.local/state/claude-bridge",
    }[key]


def _detected(decided: Decided) -> str:
    """Say what ``auto`` stands for."""
    if decided is UNKNOWN:
        return "# auto is generic here, until the backend reveals what it is"
    return f"# auto is {decided.dialect.name} here: {decided.why}"


def _escape(text: str) -> str:
    return text.replace("$", "$$")


def _number(value: float) -> str:
    """Write a float without exponent, with all the digits that it has: 10, 0.25."""
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")
