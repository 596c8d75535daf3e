"""A backend's list of models, and how a name is found in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from attrs import evolve, frozen


@frozen(kw_only=True)
class ModelInfo:
    """One model of a backend's list.

    :ivar context_window: tokens, where the list tells (``max_model_len``, ``meta.n_ctx``, ``context_length``).
    :ivar owner: ``owned_by``, or "".
    """

    id: str
    created: int | None = None
    context_window: int | None = None
    owner: str = ""


class ModelList(tuple[ModelInfo, ...]):  # noqa: SLOT001 - it keeps what it works out
    """A backend's models, with what finds one by its name: requests come more often than lists."""

    @cached_property
    def by_name(self) -> Mapping[str, ModelInfo]:
        """The models under their names as they are."""
        return {model.id: model for model in reversed(self)}

    @cached_property
    def by_folded_name(self) -> Mapping[str, ModelInfo]:
        """The models under their names without case."""
        return {model.id.casefold(): model for model in reversed(self)}


def find(models: Sequence[ModelInfo], name: str) -> ModelInfo | None:
    """Find ``name`` exactly, else without regard to case, else with the tag that Ollama adds to a bare name."""
    listed = models if isinstance(models, ModelList) else ModelList(models)
    exactly = listed.by_name.get(name)
    if exactly is not None:
        return exactly
    folded = name.casefold()
    return listed.by_folded_name.get(folded) or listed.by_folded_name.get(f"{folded}:latest")


def name_as_listed(models: Sequence[ModelInfo], name: str) -> str:
    """Return ``name`` in the case in which the list has it, and as it is where the list does not have it."""
    found = find(models, name)
    return found.id if found is not None and found.id.casefold() == name.casefold() else name


def with_windows(models: ModelList, loaded: Sequence[ModelInfo]) -> ModelList:
    """Return ``models`` with the windows that another list of the same server tells."""
    windows = {model.id: model.context_window for model in loaded if model.context_window}
    return ModelList(
        evolve(model, context_window=windows[model.id]) if model.id in windows else model for model in models
    )
