"""Entries of ``model_list`` that differ only in their keys: one model at one backend, with a pool of keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf

from attrs import evolve, frozen

from claude_bridge.importers.draft import KeyOfBackend
from claude_bridge.importers.litellm.deployment import Deployment, Facts, Place
from claude_bridge.importers.text import Text


@frozen(kw_only=True)
class Slot:
    """One model at one place.

    :ivar deployments: the entries that it stands for.
    """

    deployments: tuple[Deployment, ...]

    @property
    def first(self) -> Deployment:
        """The first of its entries."""
        return self.deployments[0]

    @property
    def place(self) -> Place:
        """Where its requests go."""
        return self.first.place

    @property
    def model(self) -> str:
        """What the backend calls the model."""
        return self.first.model

    @property
    def facts(self) -> Facts:
        """What the first of its entries knows."""
        return self.first.facts

    @property
    def order(self) -> float:
        """Its place among the slots of a name, the lowest first."""
        return min(inf if each.order is None else each.order for each in self.deployments)

    @property
    def share(self) -> int:
        """How many of the requests for its name LiteLLM gives it, relative to other slots."""
        keys = [each.key for each in self.deployments if each.key is not None]
        return sum(key.weight or key.rpm or 0 for key in keys)

    @property
    def keys(self) -> tuple[KeyOfBackend, ...]:
        """Its keys, each once."""
        found: dict[Text, KeyOfBackend] = {}
        for key in (each.key for each in self.deployments if each.key is not None):
            found.setdefault(key.key, key)
        return tuple(found.values())

    @property
    def bare_keys(self) -> tuple[KeyOfBackend, ...]:
        """The same without limits of requests and tokens."""
        return tuple(evolve(key, rpm=None, tpm=None) for key in self.keys)

    @property
    def is_limited(self) -> bool:
        """Whether a key has such a limit."""
        return any(key.rpm or key.tpm for key in self.keys)


def slots_of(deployments: Iterable[Deployment]) -> Sequence[Slot]:
    """Return the slots of one name, in the order in which they are to be asked.

    That is the order that the file gives them, then the largest share first.
    """
    found: dict[tuple[Place, str], list[Deployment]] = {}
    for each in deployments:
        found.setdefault((each.place, each.model), []).append(each)
    slots = [Slot(deployments=tuple(each)) for each in found.values()]
    return sorted(slots, key=lambda slot: (slot.order, -slot.share))
