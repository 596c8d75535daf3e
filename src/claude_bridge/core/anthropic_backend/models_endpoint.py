"""Decodes the list of models: Anthropic's own, with windows and RFC 3339 times, or one in another known shape."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from attrs import evolve

from claude_bridge.core import models_endpoint, strict_json
from claude_bridge.core.events import token_count
from claude_bridge.core.model_list import ModelInfo, ModelList

PATH: Final = "v1/models?limit=1000"
"""Anthropic lists twenty models at once if it is not told a number; a thousand is its most."""


def read_models(body: bytes) -> ModelList | None:
    """Return the list of models in a response's body, or None if it contains none."""
    models = models_endpoint.read_models(body)
    if models is None or (b'"max_input_tokens"' not in body and b'"created_at"' not in body):
        return models
    value = strict_json.decode(body)
    listed = value.get("data") if isinstance(value, dict) else value
    entries = {
        entry["id"]: entry for entry in listed or () if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    }
    return ModelList(_completed(model, entries.get(model.id, {})) for model in models)


def _completed(model: ModelInfo, entry: dict[str, Any]) -> ModelInfo:
    window = token_count(entry.get("max_input_tokens"))
    return evolve(
        model,
        created=_unix_time(entry.get("created_at")) if model.created is None else model.created,
        context_window=model.context_window or window or None,
    )


def _unix_time(text: object) -> int | None:
    """Return the Unix seconds of an RFC 3339 time, or None."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    return seconds if seconds > 0 else None
