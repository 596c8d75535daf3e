"""`Config` -> INI text that can be loaded again once the secrets, shown as ``***``, are put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from attrs import Attribute, evolve

from claude_bridge.config.backend_keys import BackendKey, show_backend_key
from claude_bridge.config.dialects import AUTO, configured
from claude_bridge.config.fields import NOTHING, is_list, plain_type
from claude_bridge.config.hidden import redactor
from claude_bridge.config.schema import TRAITS, Backend, Budget, Config, Model
from claude_bridge.config.secret import HIDDEN, Secret
from claude_bridge.config.sections import KINDS, Kind
from claude_bridge.core import kinds
from claude_bridge.core.backend_api import DialectDecision
from claude_bridge.core.redaction import carries_credential

_MORE_WORDS = ("auth", "cookie", "credential", "passwd", "session")
"""Parts of header names whose value may be a key, besides those whose value certainly is one: a dump is made for
others to read, and nobody misses the value there."""


def dump(
    config: Config, decided: Callable[[Backend], DialectDecision] = configured, state_directory: str | None = None
) -> str:
    """Return every section and key, defaults included; for one that is not set a comment says what applies.

    Traits that the backends of a model's kind do not have are left out unless they are set.

    ``decided`` knows what an earlier run of the daemon found out of a backend with ``dialect = auto``,
    ``state_directory`` is where it keeps that, None where it keeps nothing.
    """
    source, redact = " ".join(config.source.split()), redactor(config)
    lines = [
        f"# The configuration of claude-bridge, from: {source}",
        f"# Secrets are shown as {HIDDEN}: put them back before this becomes a file.",
    ]
    for kind in KINDS.values():
        for header, part in _parts(kind, config):
            lines += ["", f"[{header}]"]
            derived = _derived(kind.word, part, config, decided) | {"state_dir": _directory(state_directory)}
            for key in kind.keys:
                if key.name in TRAITS and key.name not in derived and getattr(part, key.name) is None:
                    continue
                lines += _key(key, getattr(part, key.name), derived, redact)
                if isinstance(part, Backend) and (key.name, part.dialect) == ("dialect", AUTO):
                    lines.append(_detected(decided(part)))
                if isinstance(part, Backend) and key.name == "proxy" and part.proxy.by_environment:
                    lines.append(f"# {part.proxy} is {part.proxy.server or NOTHING} here: {part.proxy.why}")
    return "\n".join(lines) + "\n"


def show(value: object, attribute: Attribute[Any], redact: Callable[[str], str] = str) -> str:
    """Write one entry of a key as a file would have it, secrets hidden; ``redact`` hides them in other values."""
    if isinstance(value, Secret):
        return HIDDEN
    if isinstance(value, BackendKey):
        return _escape(redact(show_backend_key(value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if attribute.metadata.get("shape") == "header" and isinstance(value, tuple):
        name, content = value
        hidden = carries_credential(name) or any(word in name.lower() for word in _MORE_WORDS)
        return _escape(f"{name}: {HIDDEN if hidden else redact(content)}")
    return _escape(redact(str(value)))


def _parts(kind: Kind, config: Config) -> Iterator[tuple[str, object]]:
    held = getattr(config, kind.target)
    if kind.name_field:
        for name, part in held.items():
            header = f"{kind.word}:{name}"
            yield header, _without_variables(part, header, config) if isinstance(part, Backend) else part
    else:
        yield kind.word, held


def _without_variables(backend: Backend, section: str, config: Config) -> Backend:
    """Hide the values of headers that came from variables: their owner did not want them in a file."""
    shown = [
        (name, HIDDEN if (section, name.lower()) in config.variables else value) for name, value in backend.headers
    ]
    return evolve(backend, headers=tuple(shown))


def written(value: object) -> str:
    """Write a trait's value as a file may have it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or NOTHING
    return str(value)


def _key(
    attribute: Attribute[Any],
    value: Any,  # noqa: ANN401 - any value
    derived: Mapping[str, str],
    redact: Callable[[str], str],
) -> Iterator[str]:
    if value is None or (value == () and plain_type(attribute) is BackendKey):
        yield f"# {attribute.name} is not set: {derived[attribute.name]}"
    elif is_list(attribute) and len(value) != 1:
        yield f"{attribute.name} ="  # nothing after it is a list of nothing
        yield from (f"    {show(entry, attribute, redact)}" for entry in value)
    else:
        (entry,) = value if is_list(attribute) else (value,)
        yield f"{attribute.name} = {show(entry, attribute, redact)}"


def _derived(word: str, part: object, config: Config, decided: Callable[[Backend], DialectDecision]) -> dict[str, str]:
    """Return what applies if a key of a section has no value of its own."""
    if word == "web_search":
        engine = config.web_search.engine
        address = "the engine's own address is asked" if engine != "none" else "there is no engine to ask"
        return {"url": address, "api_key": "no key is sent"}
    if word == "ledger":
        return {
            "enabled": "yes where there is a state directory",
            "database": "ledger.sqlite in the state directory",
        }
    if isinstance(part, Budget):
        return _BUDGET
    if isinstance(part, Model):
        backend = config.backends[part.backend]
        limits = _PASSED_LIMITS if kinds.KINDS[backend.kind].passes_through else _LIMITS
        return _MODEL | limits | _traits(part, backend.kind, decided(backend))
    if word == "key":
        return _KEY
    listed = "no, as there are [model:*]" if config.models else "yes, as there is no [model:*]"
    return {
        "list_backend_models": listed,
        "api_key": "the client's credential is passed on, if there is one",
        "cache_read": "as input",
        "cache_write": "as input",
        "reasoning": "as output",
        "api_key_lifetime": "1 h, where api_key has a command:",
        "ca_file": "the system's certificate authorities are trusted",
        "max_streams": "it is asked by any number of requests at a time",
        "max_queue": "4 times max_streams, if that is set",
        "idle_timeout": "600 s where tools were sent, else 300 s",
    }


_BUDGET: Final = {
    "amount": "the budget is in tokens",
    "tokens": "the budget is in dollars",
    "per": "the session, as a session and an agent have one budget each",
}
_KEY: Final = {
    "secret": "the key is known by its hash only",
    "hash": "there is the secret itself",
    "models": "the client may use any",
    "routes": "its requests may take any",
    "rpm": "no limit",
    "tpm": "no limit",
    "max_streams": "no limit",
}
_MODEL: Final = {"label": "the section's name is shown"}
_PASSED_LIMITS: Final = {
    "context_window": "taken from the backend's list of models, where that has it",
    "max_output_tokens": "the client's max_tokens is kept",
}
_LIMITS: Final = {
    "context_window": "taken from the backend's list of models or its errors",
    "max_output_tokens": "the client's max_tokens is kept as far as the window allows",
}


def _traits(model: Model, kind: str, decided: DialectDecision) -> dict[str, str]:
    """Return each trait's value by the backend's dialect, if the dialect is known; only those that the kind has."""
    dialect = decided.dialect.name
    traits = kinds.KINDS[kind].traits(dialect, model.name)
    if not decided.known:
        return dict.fromkeys(traits, "as the dialect has it")
    return {name: f"{written(value)}, as {dialect} has it" for name, value in traits.items()}


def _directory(path: str | None) -> str:
    """Return the directory of the state; ``path`` is the one by the environment."""
    if path is None:
        return "nothing is kept, as the environment names no directory ($STATE_DIRECTORY, $XDG_STATE_HOME, $HOME)"
    return f"{' '.join(path.split())} here"


def _detected(decided: DialectDecision) -> str:
    """Return what ``auto`` stands for."""
    if not decided.known:
        return "# auto is generic here, until the backend reveals what it is"
    return f"# auto is {decided.dialect.name} here: {decided.why}"


def _escape(text: str) -> str:
    return text.replace("$", "$$")


def _number(value: float) -> str:
    """Write a float without exponent, with all the digits that it has: 10, 0.25."""
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")
