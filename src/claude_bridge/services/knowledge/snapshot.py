"""What outlives a restart, as plain values: what backends revealed of their models and of themselves.

Never anything of a conversation, and no key. All of it is bound to a backend's name and URL: another URL is another
server, of which nothing is known. What is read back may have been written by anybody: what does not fit is left out.
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
"""Of the form; a file of another version is not read."""

KEPT_SECONDS: Final = 30 * 86_400.0
"""How long something unused is kept: a month later the server has most likely changed."""

DAY: Final = 86_400.0
"""Times of use are told to the day, so that use alone does not change the file."""

MAX_REASON_CHARACTERS: Final = 200
"""Characters kept of why a dialect is the one."""

_TELLS_NOTHING: Final = frozenset(("used", "listed"))


class NotOurs(ValueError):
    """The values have not the form that this module gives them."""


class OtherVersion(ValueError):
    """The values have the form of another version of the daemon."""


@frozen(kw_only=True)
class KnowledgeSnapshot:
    """Gives what is to be kept, and takes it back."""

    backends: Mapping[str, Backend]
    learned: ModelProfiles
    detection: DialectDetection
    unix_time: Callable[[], float]

    def export(self) -> dict[str, Any]:
        """Return everything worth keeping; the same knowledge gives the same values.

        ``{"version": 1, "backends": [BACKEND]}``, where each of these is ``{"name", "url" (a digest), "dialect"?,
        "why"?, "used", "models"?: [{"model", ...}]}``. Version 0.1.0 wrote no ``used`` for a backend, and ignores it.
        """
        models: dict[str, list[dict[str, Any]]] = {name: [] for name in self.backends}
        for backend, model, note in filter(self._is_recent, self.learned.profiles()):
            values = note.kept()
            if backend in models and len(model) <= MAX_MODEL_CHARACTERS and not values.keys() <= _TELLS_NOTHING:
                models[backend].append({"model": model, **values})
        entries = [self._entry(backend, models[backend.name]) for backend in self.backends.values()]
        return {"version": VERSION, "backends": [entry for entry in entries if entry.keys() & {"dialect", "models"}]}

    def restore(self, value: object, only: Collection[str] | None = None) -> None:
        """Take back what `export` gave, of the backends that ``only`` names, or of all.

        Raises `NotOurs` and `OtherVersion`, and then has changed nothing.
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
            found += ((backend.name, model, note) for model, note in notes(entry.get("models")))
        for name, model, note in sorted(filter(self._is_recent, found), key=lambda one: one[2].used)[-MAX_MODELS:]:
            self.learned.remember(name, model, note)

    def moved(self, earlier: KnowledgeSnapshot) -> frozenset[str]:
        """Return the names of the backends that ``earlier`` has not, or has at another address."""
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
        """Yield the entries of backends that are still where they were."""
        for entry in entries:
            name = entry.get("name") if isinstance(entry, dict) else None
            backend = self.backends.get(name) if isinstance(name, str) else None
            if isinstance(entry, dict) and backend is not None and entry.get("url") == digest(backend.url):
                yield entry, backend

    def _is_recent(self, one: tuple[str, str, ModelProfile]) -> bool:
        return self.unix_time() - one[2].used <= KEPT_SECONDS


def digest(url: str) -> str:
    """Return what tells URLs apart without showing them: some hold more than a host."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def entries_of(value: object) -> list[object]:
    """Return the backends of what `KnowledgeSnapshot.export` returned; raise `NotOurs` or `OtherVersion` otherwise."""
    match value:
        case {"version": int(version)} if version != VERSION:
            raise OtherVersion(version)
        case {"version": int(), "backends": [*entries]}:
            return entries
        case _:
            raise NotOurs


def notes(values: object) -> Iterator[tuple[str, ModelProfile]]:
    """Yield the models of a backend's entry and what is known of them; what is not of our form is left out."""
    for value in values if isinstance(values, list) else ():
        match value:
            case {"model": str(model)} if len(model) <= MAX_MODEL_CHARACTERS:
                yield model, ModelProfile.restored(value)
