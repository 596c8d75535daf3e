"""The tally at one moment, as plain values for whoever shows it."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from claude_bridge.core.prices import in_dollars
from claude_bridge.services.accounting.store.counts import Counts
from claude_bridge.services.accounting.tally import ModelFigures, Tally

OTHERS: Final = "(others)"
"""The name of what has no figures of its own any more."""


@frozen(kw_only=True)
class Sums:
    """Sums over requests.

    :ivar prompt_tokens: of all prompts, `cached_tokens` those of them that were read from a cache.
    :ivar cost_usd: of the attempts whose price is known; None if none is.
    :ivar unpriced: attempts that used tokens at a price that is not known.
    """

    requests: int
    failed: int
    attempts: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: float | None
    unpriced: int


@frozen(kw_only=True)
class ModelSnapshot:
    """One model at one backend.

    :ivar backend: "" for requests for which no backend was asked, `OTHERS` for models that have no figures of their own
        any more.
    :ivar failed_attempts: requests to it that failed, also where another model answered in the end.
    :ivar last_error: the outcome of the last of them, in one word; None if there was none.
    :ivar last_error_at: Unix seconds.
    :ivar tokens_per_second: how fast it writes; None if that is not known.
    """

    backend: str
    model: str
    sums: Sums
    failed_attempts: int
    last_error: str | None
    last_error_at: float | None
    tokens_per_second: float | None


@frozen(kw_only=True)
class KeySnapshot:
    """One key of the clients, by the name that it has in the accounts."""

    key: str
    sums: Sums


@frozen(kw_only=True)
class TallySnapshot:
    """What was served since the start.

    :ivar tokens_per_second: output tokens of the answers that have ended in the last minute.
    :ivar sessions: how many have figures.
    :ivar models: those used last first.
    """

    sums: Sums
    tokens_per_second: float
    sessions: int
    models: tuple[ModelSnapshot, ...]
    keys: tuple[KeySnapshot, ...]


def snapshot(tally: Tally) -> TallySnapshot:
    """Return the tally as it is now."""
    models = [_model(*name, figures) for name, figures in tally.models.named()]
    if tally.models.other is not None:
        models.append(_model(OTHERS, "", tally.models.other))
    keys = [KeySnapshot(key=key, sums=_sums(counts)) for key, counts in tally.keys.named()]
    if tally.keys.other is not None:
        keys.append(KeySnapshot(key=OTHERS, sums=_sums(tally.keys.other)))
    return TallySnapshot(
        sums=_sums(tally.totals),
        tokens_per_second=round(tally.tokens_per_second(), 1),
        sessions=tally.sessions,
        models=tuple(models),
        keys=tuple(keys),
    )


def _sums(counts: Counts) -> Sums:
    return Sums(
        requests=counts.requests,
        failed=counts.failed,
        attempts=counts.attempts,
        prompt_tokens=counts.prompt,
        cached_tokens=counts.cache_read,
        output_tokens=counts.output,
        cost_usd=in_dollars(counts.known_cost),
        unpriced=counts.unpriced,
    )


def _model(backend: str, model: str, figures: ModelFigures) -> ModelSnapshot:
    rate = figures.tokens_per_second
    return ModelSnapshot(
        backend=backend,
        model=model,
        sums=_sums(figures.counts),
        failed_attempts=figures.failed_attempts,
        last_error=figures.last_error or None,
        last_error_at=round(figures.last_error_at, 3) if figures.last_error else None,
        tokens_per_second=None if rate is None else round(rate, 1),
    )
