"""vLLM: reasoning under ``reasoning``, usage in every chunk on request, its own tokenizer for counting."""

from __future__ import annotations

from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.backend_api import Clues, TokenizerEndpoint
from claude_bridge.core.chat_completions.dialects.templated import Templated
from claude_bridge.core.chat_completions.traits import Traits

_ERRORS: Final = {("BadRequestError", 400), ("NotFoundError", 404)}
_COUNTED: Final = (
    "model",
    "messages",
    "tools",
    "chat_template_kwargs",
    "continue_final_message",
    "add_generation_prompt",
)


@frozen
class Vllm(Templated):
    """vLLM 0.33 (docs/servers.md 1.1).

    Past thinking is sent back as ``reasoning_content``: versions before 0.12 know no other name, later ones rename it.
    """

    name: ClassVar[str] = "vllm"
    speaks_for_itself: ClassVar[bool] = True
    server: ClassVar[str] = "vLLM 0.33"
    known_by: ClassVar[str] = "the owner of its models, or its errors"
    tokenizer: ClassVar[TokenizerEndpoint | None] = TokenizerEndpoint(
        path="/tokenize", key="count", window="max_model_len", fields=_COUNTED
    )
    default_traits: ClassVar[Traits] = evolve(Templated.default_traits, stream_options="continuous", tool_images=True)

    def recognised(self, clues: Clues) -> str:
        """Return the owner of its models, or its error, as the clue, or "".

        ``system_fingerprint`` ("vllm-0.28.0-...") is not used: routers pass it on from the servers behind them.
        """
        return clues.only_owner("vllm") or _known_error(clues.error) or super().recognised(clues)


def _known_error(body: object) -> str:
    """Return the clue if the error is ``{"error": {message, type: "BadRequestError", param, code: 400}}``.

    Its type is the name of a Python exception, its code the status. SGLang's, in streams, also has ``object``.
    """
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or "object" in error or "param" not in error:
        return ""
    kind, code = error.get("type"), error.get("code")
    known = isinstance(kind, str) and isinstance(code, int) and (kind, code) in _ERRORS
    return f"an error of type {kind}" if known else ""
