"""What one entry of ``model_list`` knows of its model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from claude_bridge.config.backend_keys import MAX_TOKENS
from claude_bridge.core.kinds import KINDS
from claude_bridge.importers.litellm.budgets import read_budget
from claude_bridge.importers.litellm.deployment import Facts
from claude_bridge.importers.litellm.meanings import parameter_meaning
from claude_bridge.importers.litellm.model_prices import read_price
from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.table import Table

_DROPPABLE: Final = ("temperature", "top_p", "stop")


def read_facts(parameters: Table, info: Table, kind: str, notes: Notes) -> Facts:
    """Return what an entry knows of its model; ``kind``: of the backend."""
    window, most = info.whole("max_input_tokens", MAX_TOKENS), info.whole("max_output_tokens", MAX_TOKENS)
    either = info.whole("max_tokens", MAX_TOKENS)
    most = most or (either if either != window else None)
    if most is not None and KINDS[kind].passes_through:
        notes.remark(info.at("max_output_tokens"), "the backend's own limit decides where requests are passed on")
        most = None
    return Facts(
        context_window=window or _loaded(parameters, notes),
        max_output_tokens=most,
        traits=tuple(_traits(parameters, info, kind, notes)),
        price=read_price(parameters, info, notes),
        budget=read_budget(parameters, notes),
    )


def _loaded(parameters: Table, notes: Notes) -> int | None:
    """Return the window with which Ollama loads a model, and note the other fields of ``extra_body``."""
    more = parameters.table("extra_body")
    found = parameters.whole("num_ctx", MAX_TOKENS) or more.whole("num_ctx", MAX_TOKENS)
    for key in more.rest():
        parameter_meaning(key, more.entries[key], in_body=True).note(notes, more.at(key))
    if found is not None:
        notes.remark(
            parameters.at("num_ctx"),
            "context_window here; a client cannot set it on the path that the bridge uses, so start Ollama with "
            f"OLLAMA_CONTEXT_LENGTH={found}",
        )
    return found


def _traits(parameters: Table, info: Table, kind: str, notes: Notes) -> Iterator[tuple[str, str]]:
    """Yield further keys of the model's section, those that the kind of backend uses."""
    used = {*KINDS[kind].traits(KINDS[kind].undecided.dialect.name, "")}
    dropped = parameters.texts("additional_drop_params")
    usual = [each for each in _DROPPABLE if each in dropped]
    if info.flag("supports_vision") is False and "images" in used:
        yield "images", "refuse"
    if usual and "drop" in used:
        yield "drop", ", ".join(usual)
    if set(dropped) - set(_DROPPABLE if "drop" in used else ()):
        notes.remark(
            parameters.at("additional_drop_params"),
            f"the dialect leaves out what a server does not take; drop is for {', '.join(_DROPPABLE)}",
        )
