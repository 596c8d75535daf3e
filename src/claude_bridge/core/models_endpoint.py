"""Decodes the response to ``GET /models``, a list of models in one of several shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

from claude_bridge.core import strict_json
from claude_bridge.core.events import token_count
from claude_bridge.core.json_weight import has_too_many_values
from claude_bridge.core.listed_prices import NOT_LISTED, listed_price
from claude_bridge.core.model_list import ModelInfo, ModelList

MAX_MODELS: Final = 5000
"""Models of a list that are kept; each costs ten microseconds when the list is decoded, and 300 bytes."""

PLACES: Final = ("", "/v1/", "/api/", "/api/v1/", "/openai/v1/")
"""Where OpenAI's APIs may be: below the configured url, at most servers, at Open WebUI, at OpenRouter, at Groq."""

MAX_PRICED: Final = 2000
"""Models of a list whose prices are read, the first ones; each costs twenty microseconds more."""


def read_models(body: bytes) -> ModelList | None:
    """Return the list of models in any of the known shapes, or None if it has none of them.

    ``{"data": [...]}`` is OpenAI's, a list without an object some gateways', ``{"models": [...]}`` Ollama's. Entries
    that are not models are left out, and so are those beyond `MAX_MODELS`.
    """
    if has_too_many_values(body):
        return None
    try:
        value = strict_json.decode(body)
    except strict_json.JsonError:
        return None
    entries = _entries(value)
    if entries is None:
        return None
    models = (_model(entry, priced=number < MAX_PRICED) for number, entry in enumerate(islice(entries, MAX_MODELS)))
    return ModelList(model for model in models if model is not None)


def _entries(value: object) -> Iterable[object] | None:
    if isinstance(value, Mapping):
        found = (value.get(name) for name in ("data", "models"))
        value = next((entry for entry in found if isinstance(entry, list)), None)
    return value if isinstance(value, list) else None


def _model(entry: object, *, priced: bool) -> ModelInfo | None:
    if isinstance(entry, str) and entry:
        return ModelInfo(id=entry)
    if not isinstance(entry, Mapping):
        return None
    names = (entry.get(name) for name in ("id", "name", "model"))
    name = next((name for name in names if isinstance(name, str) and name), None)
    if name is None:
        return None
    owner = entry.get("owned_by")
    return ModelInfo(
        id=name,
        created=token_count(entry.get("created")),  # Unix seconds, as an integer or a float
        context_window=_window(entry),
        owner=owner if isinstance(owner, str) else "",
        listed_price=listed_price(entry) if priced else NOT_LISTED,
    )


def _window(entry: Mapping[object, object]) -> int | None:
    """Return the context window under its possible names, the most reliable first, or None.

    In this order: LM Studio's for a loaded model; vLLM's and SGLang's; llama.cpp's; OpenRouter's and many others',
    Ollama's for a loaded model; Groq's; Mistral's. The window that a model was trained with is not the one that it is
    served with: neither llama.cpp's ``n_ctx_train`` is used nor LM Studio's ``max_context_length``, which stands beside
    a ``state``.
    """
    meta = entry.get("meta")
    candidates = (
        entry.get("loaded_context_length"),
        entry.get("max_model_len"),
        meta.get("n_ctx") if isinstance(meta, Mapping) else None,
        entry.get("context_length"),
        entry.get("context_window"),
        entry.get("max_context_length") if "state" not in entry else None,
    )
    return next((count for count in map(token_count, candidates) if count), None)
