"""A backend's list of models, and how a name is looked up in it. Lists are decoded by each kind of backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from attrs import evolve, frozen

from claude_bridge.core.listed_prices import NOT_LISTED, ListedPrice


@frozen(kw_only=True)
class ModelInfo:
    """One model in a backend's list.

    :ivar context_window: tokens, where the list says so (``max_model_len``, ``meta.n_ctx``, ``context_length``).
    :ivar owner: ``owned_by``, or "".
    :ivar listed_price: what the list says of its price.
    """

    id: str
    created: int | None = None
    context_window: int | None = None
    owner: str = ""
    listed_price: ListedPrice = NOT_LISTED


class ModelList(tuple[ModelInfo, ...]):  # noqa: SLOT001 - it keeps what it works out
    """A backend's models, indexed by name, as requests come more often than lists."""

    @cached_property
    def by_name(self) -> Mapping[str, ModelInfo]:
        """Return the models by their exact names."""
        return {model.id: model for model in reversed(self)}

    @cached_property
    def by_folded_name(self) -> Mapping[str, ModelInfo]:
        """Return the models by their case-folded names."""
        return {model.id.casefold(): model for model in reversed(self)}


def find(models: Sequence[ModelInfo], name: str) -> ModelInfo | None:
    """Return the model called ``name``: exactly, else ignoring case, else with Ollama's default tag; or None."""
    listed = models if isinstance(models, ModelList) else ModelList(models)
    exactly = listed.by_name.get(name)
    if exactly is not None:
        return exactly
    folded = name.casefold()
    return listed.by_folded_name.get(folded) or listed.by_folded_name.get(f"{folded}:latest")


def name_as_listed(models: Sequence[ModelInfo], name: str) -> str:
    """Return ``name`` in the case that the list uses, or unchanged if the list does not have it."""
    found = find(models, name)
    return found.id if found is not None and found.id.casefold() == name.casefold() else name


def with_windows(models: ModelList, loaded: Sequence[ModelInfo]) -> ModelList:
    """Return ``models`` with the context windows from another list of the same server."""
    windows = {model.id: model.context_window for model in loaded if model.context_window}
    return ModelList(
        evolve(model, context_window=windows[model.id]) if model.id in windows else model for model in models
    )
