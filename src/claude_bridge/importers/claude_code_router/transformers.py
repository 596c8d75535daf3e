"""What the transformers of a provider mean here.

The router changes requests and answers by a list of transformers. Most of what they do the bridge does by itself; a few
are options of a backend or a model; the rest has no counterpart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import define, field

from claude_bridge.importers.claude_code_router.reading import is_nothing, whole
from claude_bridge.importers.draft import ImportedConfiguration, Value

_OWN_API: Final = "not needed: the bridge knows services by their address, and learns from what they answer"

_NOT_NEEDED: Final[Mapping[str, str]] = {
    "openrouter": _OWN_API,
    "deepseek": _OWN_API,
    "groq": _OWN_API,
    "cerebras": _OWN_API,
    "vercel": _OWN_API,
    "openai": "chat completions is what the bridge speaks unless it is told otherwise",
    "gemini": "not needed: Gemini is asked through its OpenAI-compatible API",
    "anthropic": "the API that the provider speaks, which is `kind` here",
    "openai-responses": "the API that the provider speaks, which is `kind` here",
    "tooluse": "not needed: nothing forces a model to call a tool here, but calls that it writes as text are recovered",
    "enhancetool": "not needed: broken arguments of tool calls are mended for every model, and still streamed",
    "cleancache": "not needed: marks of cached prefixes are sent only to backends that understand them",
    "reasoning": "not needed: reasoning is read from every field and tag in which backends send it",
    "streamoptions": "not needed: token counts are always asked for",
    "chutes-glm": "not needed: the bridge knows Chutes by its address, and reads calls and thinking in tags",
}
"""Transformer -> why nothing has to be configured for it."""

_KINDS: Final[Mapping[str, str]] = {
    "anthropic": "anthropic",
    "openai-responses": "responses",
    "gemini": "openai",
}
"""Transformer -> what the provider speaks."""

VERTEX: Final = frozenset({"vertex-gemini", "vertex-claude"})
"""Transformers that log in at Google Cloud."""


@define
class Effects:
    """What a list of transformers comes to.

    :ivar kind: of the backend; "" where it does not tell.
    :ivar max_output_tokens: the longest answer; None for no limit.
    :ivar traits: further keys of the models.
    """

    kind: str = ""
    max_output_tokens: int | None = None
    traits: dict[str, Value] = field(factory=dict)

    def limit(self, tokens: int) -> None:
        """Set the longest answer, unless it is shorter already."""
        self.max_output_tokens = min(tokens, self.max_output_tokens or tokens)


def effects(use: object, path: str, draft: ImportedConfiguration) -> Effects:
    """Return what the transformers of ``use`` come to, and report what they do not."""
    found = Effects()
    for at, name, options in _named(use, path, draft):
        folded = name.lower()
        found.kind = _KINDS.get(folded, found.kind)
        _one(folded, options, at, draft, found)
    return found


def _named(use: object, path: str, draft: ImportedConfiguration) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield path, name and options of each transformer."""
    several = use if isinstance(use, list) else [use]
    for number, each in enumerate(several):
        at = f"{path}[{number}]" if isinstance(use, list) else path
        match each:
            case str() if each.strip():
                yield at, each.strip(), {}
            case [str() as name, dict() as options, *_]:
                yield at, name.strip(), options
            case [str() as name]:
                yield at, name.strip(), {}
            case _ if not is_nothing(each):
                draft.lose(at, "neither the name of a transformer nor a name with options")


def _one(name: str, options: Mapping[str, Any], at: str, draft: ImportedConfiguration, found: Effects) -> None:
    rest = dict(options)
    if name in {"maxtoken", "sampling"}:
        tokens = whole(rest.pop("max_tokens", None))
        if tokens is not None:
            found.limit(tokens)
        elif name == "maxtoken":
            draft.lose(at, "no max_tokens, so it does nothing")
    elif name == "maxcompletiontokens":
        found.traits["max_tokens_field"] = "max_completion_tokens"
    elif name == "reasoning" and rest.pop("enable", True) is False:
        draft.lose(at, "thinking cannot be switched off for one model here; Claude Code's own setting can do it")
    elif name == "forcereasoning":
        draft.lose(at, "the bridge adds no instruction to think to a prompt")
    elif name in _NOT_NEEDED:
        draft.remark(at, _NOT_NEEDED[name])
    elif name != "customparams":
        draft.lose(at, f"{name}: not a transformer of the router itself, and JavaScript cannot be used here")
        return
    for key in rest:
        draft.lose(f"{at}.{key}", _option(name, key))


def _option(name: str, key: str) -> str:
    if name == "openrouter" and key == "provider":
        return "requests to OpenRouter have no such field here: choose its providers in your account there"
    return "requests have no such field here: what the client or the server decides is used"
