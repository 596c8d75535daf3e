"""The keys of a provider: one, or a pool of several with options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from claude_bridge.config.backend_keys import MAX_REQUESTS, MAX_TOKENS, MAX_WEIGHT
from claude_bridge.importers.claude_code_router.reading import Object, Reading, is_nothing, number, whole
from claude_bridge.importers.draft import KeyOfBackend
from claude_bridge.importers.names import variable_name

KEY_FIELDS: Final = ("api_key", "apiKey", "apikey")
POOL_FIELDS: Final = ("api_keys", "apiKeys", "credentials", "keys")
POOL_OPTIONS: Final = frozenset(
    {
        *("enable_rotation", "enableRotation", "rotation_strategy", "rotationStrategy"),
        *("retry_on_failure", "retryOnFailure", "max_retries", "maxRetries"),
    }
)

_STRATEGIES: Final[Mapping[str, str]] = {
    "round_robin": "round_robin",
    "roundrobin": "round_robin",
    "weighted": "round_robin",
    "weighted_round_robin": "round_robin",
    "random": "round_robin",
    "least_used": "least_used",
    "leastused": "least_used",
    "health_based": "least_used",
    "fill_first": "fill_first",
    "sequential": "fill_first",
    "failover": "fill_first",
}

_OPTIONS_OF_KEY: Final = frozenset(
    {*KEY_FIELDS, "key", "token", "id", "name", "label", "enabled", "weight", "priority"}
)


def keys_of(item: Object, path: str, backend: str, reading: Reading) -> tuple[KeyOfBackend, ...]:
    """Return the keys of a provider, each once, and report what is not one."""
    found = [*_single(item, path, backend, reading), *_pool(item, path, backend, reading)]
    known: list[KeyOfBackend] = []
    for each in found:
        if all(each.key.parts != other.key.parts for other in known):
            known.append(each)
    placeholder = "" if found else _placeholder(item)
    if placeholder and not reading.is_lost(f"{path}.{placeholder}"):
        reading.draft.remark(f"{path}.{placeholder}", "a placeholder, so no key is sent; set api_key if one is needed")
    return tuple(known)


def key_strategy(item: Object, path: str, keys: int, reading: Reading) -> str:
    """Return how one of several keys is chosen, "" for the default, and report what has no counterpart."""
    strategy = str(item.get("rotation_strategy") or item.get("rotationStrategy") or "").lower().replace("-", "_")
    for name in ("max_retries", "maxRetries"):
        if not is_nothing(item.get(name)):
            reading.draft.remark(f"{path}.{name}", "the next key is tried by itself, as often as there are keys")
    if keys <= 1:
        return ""
    if item.get("enable_rotation", item.get("enableRotation", True)) is False:
        return "fill_first"
    if strategy and strategy not in _STRATEGIES:
        reading.draft.lose(f"{path}.rotation_strategy", "no way to choose a key here: fill_first is used")
    return _STRATEGIES.get(strategy, "" if strategy else "round_robin")


def _single(item: Object, path: str, backend: str, reading: Reading) -> Iterator[KeyOfBackend]:
    for field in KEY_FIELDS:
        written = item.get(field)
        if isinstance(written, str) and written.strip():
            key = reading.credential(written, f"{path}.{field}", variable_name(backend, "api key"))
            if key is not None:
                yield KeyOfBackend(key=key)
        elif not is_nothing(written):
            reading.draft.lose(f"{path}.{field}", "not a text, so no key")


def _pool(item: Object, path: str, backend: str, reading: Reading) -> Iterator[KeyOfBackend]:
    """Yield the keys of a pool, those of version 3 by their priority."""
    entries: list[tuple[float, KeyOfBackend]] = []
    for field in POOL_FIELDS:
        several = item.get(field)
        for position, each in enumerate(several if isinstance(several, list) else []):
            at = f"{path}.{field}[{position}]"
            options: Mapping[str, Any] = each if isinstance(each, dict) else {"key": each}
            written = next((options[name] for name in (*KEY_FIELDS, "key", "token") if options.get(name)), None)
            if options.get("enabled") is False or not isinstance(written, str):
                reading.draft.remark(at, "switched off, or without a key")
                continue
            key = reading.credential(written, at, variable_name(backend, "api key"))
            if key is None:
                if not reading.is_lost(at):
                    reading.draft.remark(at, "a placeholder, so left out")
                continue
            order = -(number(options.get("priority")) or 0.0)
            entries.append(
                (order, _with_options(key_of=KeyOfBackend(key=key), options=options, at=at, reading=reading))
            )
    yield from (key for _, key in sorted(entries, key=lambda entry: entry[0]))


def _with_options(key_of: KeyOfBackend, options: Mapping[str, Any], at: str, reading: Reading) -> KeyOfBackend:
    weight, limits = whole(options.get("weight")), options.get("limits")
    given = limits if isinstance(limits, dict) else {}
    rpm, tpm = whole(given.get("rpm")), whole(given.get("tpm"))
    for name, value in given.items():
        if name not in {"rpm", "tpm"} and not is_nothing(value):
            reading.draft.lose(f"{at}.limits.{name}", "a key is limited by requests and tokens per minute only")
    for name, value in options.items():
        if name in {"maxFailures", "cooldownTime"} and not is_nothing(value):
            reading.draft.remark(f"{at}.{name}", "a key that fails pauses as long as the server says, or by itself")
        elif name not in _OPTIONS_OF_KEY and name != "limits" and not is_nothing(value):
            reading.draft.lose(f"{at}.{name}", "keys have no such option here")
    return KeyOfBackend(
        key=key_of.key,
        weight=min(weight, MAX_WEIGHT) if weight not in {None, 1} and weight is not None else None,
        rpm=None if rpm is None else min(rpm, MAX_REQUESTS),
        tpm=None if tpm is None else min(tpm, MAX_TOKENS),
    )


def _placeholder(item: Object) -> str:
    """Return the field with something that is no key, "" if nothing is written."""
    return next((name for name in KEY_FIELDS if isinstance(item.get(name), str) and item[name].strip()), "")
