"""What outlives a restart, as plain values: what backends revealed about their models and about themselves.

It never contains anything of a conversation, nor a key. All of it belongs to a backend's name and URL: another URL is
another server, of which nothing is known. Anybody may have written what is read back: invalid values are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from claude_bridge.config.schema import Backend
from claude_bridge.core.messages_api.parsing import MAX_MODEL_CHARACTERS
from claude_bridge.services.knowledge.dialect_detection import DialectDetection
from claude_bridge.services.knowledge.profiles import MAX_MODELS, ModelProfile, ModelProfiles

VERSION: Final = 1
"""The version of the format; a file of another version is not read."""

KEPT_SECONDS: Final = 30 * 86_400.0
"""How long something unused is kept: after a month the server has most likely changed."""

DAY: Final = 86_400.0
"""Times of use are rounded to the day, so that use alone does not change the file."""

MAX_REASON_CHARACTERS: Final = 200
"""Characters that are kept of the reason for a dialect."""

_NOT_WORTH_KEEPING: Final = frozenset(("used", "listed"))


class NotOurs(ValueError):
    """The values do not have the format of this module."""


class OtherVersion(ValueError):
    """The values have the format of another version of the daemon."""


@frozen(kw_only=True)
class KnowledgeSnapshot:
    """Exports what is to be kept, and restores it."""

    backends: Mapping[str, Backend]
    profiles: ModelProfiles
    detection: DialectDetection
    unix_time: Callable[[], float]

    def export(self) -> dict[str, Any]:
        """Return everything worth keeping; the same knowledge gives the same values.

        ``{"version": 1, "backends": [BACKEND]}``, where each BACKEND is ``{"name", "url" (a digest), "dialect"?,
        "why"?, "used", "models"?: [{"model", ...}]}``. Version 0.1.0 wrote no ``used`` for a backend, and ignores it.
        """
        models: dict[str, list[dict[str, Any]]] = {name: [] for name in self.backends}
        for backend, model, profile in filter(self._is_recent, self.profiles.profiles()):
            values = profile.to_values()
            if backend in models and len(model) <= MAX_MODEL_CHARACTERS and not values.keys() <= _NOT_WORTH_KEEPING:
                models[backend].append({"model": model, **values})
        entries = [self._entry(backend, models[backend.name]) for backend in self.backends.values()]
        return {"version": VERSION, "backends": [entry for entry in entries if entry.keys() & {"dialect", "models"}]}

    def restore(self, value: object, only: Collection[str] | None = None) -> None:
        """Restore what `export` gave, for the backends that ``only`` names, or for all.

        Raises `NotOurs` and `OtherVersion`; nothing was changed then.
        """
        entries = entries_of(value)
        found: list[tuple[str, str, ModelProfile]] = []
        for entry, backend in self._matching(entries):
            if only is not None and backend.name not in only:
                continue
            if isinstance(entry.get("dialect"), str):
                why = entry.get("why")
                self.detection.restore(
                    backend, entry["dialect"], why[:MAX_REASON_CHARACTERS] if isinstance(why, str) else ""
                )
            found += ((backend.name, model, profile) for model, profile in profiles_in(entry.get("models")))
        for name, model, profile in sorted(filter(self._is_recent, found), key=lambda one: one[2].used)[-MAX_MODELS:]:
            self.profiles.put(name, model, profile)

    def moved(self, earlier: KnowledgeSnapshot) -> frozenset[str]:
        """Return the names of the backends that ``earlier`` lacks, or has at another address."""
        known = earlier.backends
        return frozenset(
            name for name, backend in self.backends.items() if name not in known or known[name].url != backend.url
        )

    def _entry(self, backend: Backend, models: list[dict[str, Any]]) -> dict[str, Any]:
        entry: dict[str, Any] = {"name": backend.name, "url": digest(backend.url)}
        found = self.detection.discovered(backend)
        if found is not None:
            entry |= {"dialect": found.dialect.name, "why": found.why[:MAX_REASON_CHARACTERS]}
        entry["used"] = self.unix_time() // DAY * DAY
        return entry | ({"models": models} if models else {})

    def _matching(self, entries: list[object]) -> Iterator[tuple[dict[str, Any], Backend]]:
        """Yield the entries of backends that are configured with the same address."""
        for entry in entries:
            name = entry.get("name") if isinstance(entry, dict) else None
            backend = self.backends.get(name) if isinstance(name, str) else None
            if isinstance(entry, dict) and backend is not None and entry.get("url") == digest(backend.url):
                yield entry, backend

    def _is_recent(self, one: tuple[str, str, ModelProfile]) -> bool:
        return self.unix_time() - one[2].used <= KEPT_SECONDS


def digest(url: str) -> str:
    """Return a digest that distinguishes URLs without showing them: some contain a secret."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def entries_of(value: object) -> list[object]:
    """Return the backends in what `KnowledgeSnapshot.export` gave; raise `NotOurs` or `OtherVersion`."""
    match value:
        case {"version": int(version)} if version != VERSION:
            raise OtherVersion(version)
        case {"version": int(), "backends": [*entries]}:
            return entries
        case _:
            raise NotOurs


def profiles_in(values: object) -> Iterator[tuple[str, ModelProfile]]:
    """Yield the models of a backend's entry and their profiles; what has another format is left out."""
    for value in values if isinstance(values, list) else ():
        match value:
            case {"model": str(model)} if len(model) <= MAX_MODEL_CHARACTERS:
                yield model, ModelProfile.from_values(value)
