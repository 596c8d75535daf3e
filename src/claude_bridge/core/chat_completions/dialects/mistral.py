"""Mistral: reasoning is a part of the content, ids are nine characters, tools are forced by ``any``."""

from __future__ import annotations

from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.chat_completions.dialects.hosted import Families, Hosted
from claude_bridge.core.chat_completions.traits import Traits

# Usage always comes in the last chunk. Its own parser handles its own token, so calls do not leak here.
_BASE: Final = Traits(
    reasoning_field="content",
    reasoning_echo="never",
    tool_choice="any",
    schema="mistral",
    tool_ids="nine",
    call_content="empty",
    prefill="prefix",
    stream_options="none",
    # "Unexpected role 'user' after role 'tool'": newest models allow it, the others do not (LiteLLM issue 17761)
    alternate=True,
)
_THINKS: Final = evolve(_BASE, reasoning_echo="current_turn")
_ADJUSTABLE: Final = evolve(_THINKS, reasoning_control="effort", reasoning_levels=("none", "high"))


@frozen
class Mistral(Hosted):
    """Mistral's own API.

    Effort is ``none`` or ``high`` for models with adjustable reasoning and refused by others; magistral always thinks.
    Ids and indices of calls disagree across chunks, which the reader handles for all servers, as it does a ``content``
    list with ``thinking`` parts (AI SDK mistral 3.0.69, mistral-common).
    """

    name: ClassVar[str] = "mistral"
    server: ClassVar[str] = "Mistral's own API"
    hosts: ClassVar[tuple[str, ...]] = ("api.mistral.ai", ".mistral.ai")
    default_traits: ClassVar[Traits] = _BASE
    families: ClassVar[Families] = (
        (r"magistral", _THINKS),
        (r"glm-5(?:[.-]?[3-9]|$)|glm-latest", evolve(_ADJUSTABLE, reasoning_levels=("low", "high", "max"))),
        (r"glm", evolve(_ADJUSTABLE, reasoning_levels=("none", "high", "max"))),
        (r"devstral-(?:small-|medium-)?latest|mistral-code-agent", evolve(_ADJUSTABLE, images="refuse")),
        (
            r"mistral-small-(?:2603|latest)|mistral-medium-(?:3[.-]5|2604|latest)|mistral-large-[4-9]\b|vibe",
            _ADJUSTABLE,
        ),
        (r"codestral|devstral|mistral-code|nemo\b|mistral-tiny|leanstral", evolve(_BASE, images="refuse")),
    )
