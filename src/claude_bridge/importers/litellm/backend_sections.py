"""Places and keys -> backends, each of which is made once, under a name of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import Factory, define

from claude_bridge.config.variables import DEFAULT_BACKEND
from claude_bridge.importers.draft import ImportedBackend, ImportedConfiguration, KeyOfBackend
from claude_bridge.importers.litellm.deployment import Place
from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.slots import Slot
from claude_bridge.importers.names import UniqueNames

_SHOWN: Final = 4


@define
class BackendSections:
    """Writes the backends of slots into a draft.

    :ivar strategy: by which one of several keys is used.
    """

    _draft: ImportedConfiguration
    _notes: Notes
    strategy: str
    _models_at: dict[tuple[Place, tuple[KeyOfBackend, ...]], set[str]] = Factory(dict)
    _made: dict[tuple[Place, tuple[KeyOfBackend, ...]], dict[str | None, str]] = Factory(dict)  # wanted -> given name
    _sections: dict[str, ImportedBackend] = Factory(dict)
    _names: UniqueNames = Factory(UniqueNames)

    def expect(self, slots: Iterable[Slot]) -> None:
        """Note which models there will be, as they decide whether the limit of one may be that of a key."""
        for slot in slots:
            self._models_at.setdefault((slot.place, slot.bare_keys), set()).add(slot.model)

    def reserve(self, name: str) -> None:
        """Keep a name from being that of a backend."""
        self._names.take(name)

    def name_of(self, slot: Slot, wanted: str | None = None) -> str:
        """Return the name of a slot's backend, which is made if there is none yet.

        :param wanted: the name that it must have for a pattern's names to lead to it, None for any.
        """
        keys = self._keys(slot)
        names = self._made.setdefault((slot.place, keys), {})
        if names and wanted is None:
            return next(iter(names.values()))
        if wanted not in names:
            names[wanted] = name = self._names.take(wanted or _unreserved(slot.place.hint))
            self._sections[name] = self._section(name, slot, keys)
            self._draft.backends.append(self._sections[name])
        return names[wanted]

    def section(self, name: str) -> ImportedBackend:
        """Return the backend of a name that `name_of` returned."""
        return self._sections[name]

    def _keys(self, slot: Slot) -> tuple[KeyOfBackend, ...]:
        """Return the keys of a slot, without limits if these would hold for other models too."""
        if not slot.is_limited or len(self._models_at.get((slot.place, slot.bare_keys), ())) <= 1:
            return slot.keys
        self._notes.lose(
            f"{slot.first.path}.litellm_params.rpm",
            "limits (rpm, tpm) are those of one model there, and of a key with all its models here, so they are left "
            "out where models share a key",
        )
        return slot.bare_keys

    def _section(self, name: str, slot: Slot, keys: tuple[KeyOfBackend, ...]) -> ImportedBackend:
        place = slot.place
        return ImportedBackend(
            name=name,
            came_from=", ".join(each.path for each in slot.deployments[:_SHOWN]),
            url=place.url,
            kind=place.kind,
            dialect=place.dialect,
            api_key=keys,
            key_strategy=self.strategy if len(keys) > 1 else "",
            first_byte_timeout=place.first_byte_timeout,
            max_streams=place.max_streams,
            proxy=place.proxy,
            ca_file=place.ca_file,
            headers=place.headers,
        )


def _unreserved(name: str) -> str:
    """Return a name for a backend that does not take the names that nothing else takes."""
    return f"{name}-backend" if name.lower() == DEFAULT_BACKEND else name
