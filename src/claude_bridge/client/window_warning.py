"""The warning of a window that is too small for Claude Code, or that nobody has told, so that it assumes a million."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from claude_bridge.client.environment import WINDOW
from claude_bridge.client.offered_models import OfferedModel
from claude_bridge.config.named_models import conversation_models
from claude_bridge.config.schema import Config
from claude_bridge.config.variables import SECTION, source_file

NEEDED_TOKENS: Final = 32_768
"""The window below which Claude Code has hardly any room for a conversation."""


def window_warning(
    main: OfferedModel, config: Config | None, environments: Sequence[Mapping[str, Any]], then: str = ""
) -> str:
    """Return what is wrong with the window of the main model, and what to change where; "" if nothing is.

    :param config: the bridge's configuration; None if it is not known.
    :param environments: the variables of Claude Code, in one of which somebody may have said the window.
    :param then: what else is to be done when the server or its configuration has changed; "" for nothing.
    """
    if main.window is None:
        if any(each.get(WINDOW) for each in environments):
            return ""
        told = f"the window of {main.name} is not known, and Claude Code assumes 1,000,000 tokens"
        return f"{told}: {_where_to_set(config, main.name, f', {then}' if then else '')}"
    if main.window < NEEDED_TOKENS:
        return (
            f"{main.name} has a window of {main.window:,} tokens, and Claude Code's own instructions take 12,000 to "
            "40,000 of it: start its server with a longer context, 65,536 or more" + (f", {then}" if then else "")
        )
    return ""


def _where_to_set(config: Config | None, name: str, then: str) -> str:
    """Return what to write where for the window of a model with this plain name; ``then`` follows on a changed file."""
    if config is None:
        return f"set {WINDOW} to it here, or `context_window` in [model:{name}] of the bridge's configuration{then}"
    file = source_file(config.source)
    if file == SECTION:
        return f"set {WINDOW} to it"
    models = conversation_models(config, name, lambda model: model.context_window)
    sections = [f"[model:{model.alias}]" for model in models if model.alias in config.models]
    if sections:
        return f"set `context_window` in {' and '.join(sections)} of {file}{then}"
    backend = f"`backend = {models[0].backend}`, " if models else ""
    upstream = models[0].name if models else name
    return f"add a section [model:NAME] with {backend}`name = {upstream}` and `context_window` to {file}{then}"
