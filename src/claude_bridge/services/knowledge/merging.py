"""Merges what several daemons have learned into one file: each writes what it has found out itself, and keeps the rest.

All values have the form of `KnowledgeSnapshot.export`. What a daemon has found out, or no longer believes, is what
differs from its ``base``: what it knew when it last read or wrote the file. So what another daemon has written stays,
and what this one has dropped does not come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from claude_bridge.services.knowledge.profiles import MAX_MODELS
from claude_bridge.services.knowledge.snapshot import (
    DAY,
    KEPT_SECONDS,
    MAX_REASON_CHARACTERS,
    VERSION,
    NotOurs,
    OtherVersion,
    entries_of,
    profiles_in,
)

MAX_BACKENDS: Final = 200
"""Backends of other daemons that are kept: more than any configuration has."""

MAX_NAME_CHARACTERS: Final = 200
"""Characters that the name of another daemon's backend may have, and the digest of its URL."""

_DIALECT: Final = (("dialect", "why"),)
_FACTS: Final = (
    ("window_at", "context_window", "window_proved"),
    ("limit_at", "max_output_tokens"),
    ("listed",),
    ("refuses_reasoning",),
    ("ratio", "count_ratio", "answers"),
)
"""Keys of a model's profile that belong together. If the first ends in ``_at``, it is the time of their discovery."""

Values: TypeAlias = Mapping[str, Any]
Groups: TypeAlias = tuple[tuple[str, ...], ...]


def merged(ours: Values, base: Values, theirs: object, now: float) -> dict[str, Any]:
    """Return what to write.

    ``theirs`` is the current content of the file, which anybody may have written. ``now`` is in Unix seconds: what
    others have found out, and nobody has used for `KEPT_SECONDS`, is left out.
    """
    known, before = _by_key(ours["backends"]), _by_key(base["backends"])
    found = _by_key(_bounded(list(_checked(theirs, now)), known, now))
    entries = [_entry(known.get(key, {}), before.get(key, {}), found.get(key, {})) for key in {**found, **known}]
    return {"version": VERSION, "backends": [entry for entry in entries if entry.keys() & {"dialect", "models"}]}


def _by_key(entries: Iterable[Values]) -> dict[tuple[str, str], Values]:
    """Return the entries by backend and URL: two daemons may use one name for different servers."""
    return {(entry["name"], entry["url"]): entry for entry in entries}


def _checked(values: object, now: float) -> Iterator[Values]:
    """Yield the valid entries of a file."""
    try:
        entries = entries_of(values)
    except (NotOurs, OtherVersion):
        return
    for entry in entries:
        match entry:
            case {"name": str(name), "url": str(url), **more} if max(len(name), len(url)) <= MAX_NAME_CHARACTERS:
                yield {
                    "name": name,
                    "url": url,
                    **_dialect(more),
                    "used": _day(more.get("used"), now),
                    "models": [
                        {"model": name, **profile.to_values()} for name, profile in profiles_in(more.get("models"))
                    ],
                }


def _day(used: object, now: float) -> float:
    """Return when an entry was used; today if there is no valid time, as in a file of version 0.1.0."""
    return float(used) if isinstance(used, int | float) and 0 <= used <= now else now // DAY * DAY


def _dialect(entry: Mapping[Any, object]) -> dict[str, str]:
    dialect, why = entry.get("dialect"), entry.get("why")
    if not isinstance(dialect, str) or len(dialect) > MAX_NAME_CHARACTERS:
        return {}
    return {"dialect": dialect, "why": why[:MAX_REASON_CHARACTERS] if isinstance(why, str) else ""}


def _bounded(entries: list[Values], known: Mapping[tuple[str, str], Values], now: float) -> Iterator[Values]:
    """Yield the entries that were used recently, in their order; if there are too many, those used last."""
    others = [one["used"] for one in entries if (one["name"], one["url"]) not in known]
    since = max(now - KEPT_SECONDS, _nth_newest(others, MAX_BACKENDS))
    since_model = max(
        now - KEPT_SECONDS,
        _nth_newest([model.get("used", 0.0) for one in entries for model in one["models"]], MAX_MODELS),
    )
    room, room_models = MAX_BACKENDS, MAX_MODELS
    for entry in entries:
        models = [model for model in entry["models"] if model.get("used", 0.0) >= since_model][:room_models]
        room_models -= len(models)
        if (entry["name"], entry["url"]) in known:
            yield {**entry, "models": models}
        elif entry["used"] >= since and room:
            room -= 1
            yield {**entry, "models": models}


def _nth_newest(times: list[float], most: int) -> float:
    return sorted(times, reverse=True)[most - 1] if len(times) > most else float("-inf")


def _entry(ours: Values, base: Values, theirs: Values) -> dict[str, Any]:
    """Merge what is known of one backend."""
    if not theirs:
        return dict(ours)
    entry = {"name": theirs["name"], "url": theirs["url"], **_facts(ours, base, theirs, _DIALECT)}
    models = list(_models(*(_by_model(one.get("models", ())) for one in (ours, base, theirs))))
    used = max(ours.get("used", 0.0), theirs["used"])
    return entry | {"used": used} | ({"models": models} if models else {})


def _by_model(models: Iterable[Values]) -> dict[str, Values]:
    return {model["model"]: model for model in models}


def _models(
    ours: Mapping[str, Values], base: Mapping[str, Values], theirs: Mapping[str, Values]
) -> Iterator[dict[str, Any]]:
    """Yield the merged profiles of a backend's models; those that this daemon uses come last, in its order."""
    for model, profile in theirs.items():
        if model not in ours and profile != base.get(model):  # otherwise this daemon has dropped it
            yield dict(profile)
    for model, profile in ours.items():
        other = theirs.get(model)
        if other is None:
            yield dict(profile)
            continue
        used = max(profile.get("used", 0.0), other.get("used", 0.0))
        facts = _facts(profile, base.get(model, {}), other, _FACTS)
        yield {"model": model, **facts} | ({"used": used} if used else {})


def _facts(ours: Values, base: Values, theirs: Values, groups: Groups) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for group in groups:
        chosen = theirs if _theirs_counts(ours, base, theirs, group) else ours
        found |= {key: chosen[key] for key in group if key in chosen}
    return found


def _theirs_counts(ours: Values, base: Values, theirs: Values, group: tuple[str, ...]) -> bool:
    """Return whether ``theirs`` wins: this daemon has changed nothing, or its own discovery is older."""
    if _same(ours, base, group):
        return True
    time_key = group[0]
    dated = time_key.endswith("_at") and not _same(theirs, base, group)
    return dated and theirs.get(time_key, 0.0) > ours.get(time_key, 0.0)


def _same(one: Values, other: Values, keys: tuple[str, ...]) -> bool:
    return all(one.get(key) == other.get(key) for key in keys)
