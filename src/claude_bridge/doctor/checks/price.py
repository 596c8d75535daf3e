"""Check 7: what the models cost, as far as anybody says so."""

from __future__ import annotations

from claude_bridge.core.prices import in_short
from claude_bridge.doctor.examination import Examination
from claude_bridge.doctor.known_prices import tells_its_cost

_SHOWN = 5


async def price(examination: Examination) -> None:
    """Report which prices are known of the configured models, or of the only one.

    Nothing is wrong without one, unless a budget in dollars is for that model.
    """
    prices = examination.prices
    names = [*(each.name for each in examination.models), *(each.name for each in examination.routed)]
    if not names and examination.model is not None:
        names = [examination.model.name]
    names = list(dict.fromkeys(names))
    if prices is None or not names:
        return
    prices.learn(examination.backend, examination.listed)
    told, unknown = [], []
    for name in names:
        known, known_from = prices.price(examination.backend, name)
        if known is None:
            unknown.append(name)
        else:
            told.append(f"{name} {in_short(known)} ({known_from})")
    in_answers = tells_its_cost(examination.dialect.dialect.name)
    sentences = [_listed(told)] if told else []
    if in_answers:
        sentences.append("its answers say what they cost")
    elif unknown:
        cure = f"[price:{examination.backend.name}/{unknown[0]}] in the configuration sets it"
        sentences.append(f"no price is known for {_listed(unknown)}, so neither is the cost: {cure}")
        limited = [name for name in unknown if prices.has_budget(examination.backend, name)]
        if limited:
            idle = f"no price is known for {_listed(limited)}, so a budget in dollars for it counts nothing"
            cure = f"write [price:{examination.backend.name}/{limited[0]}] with input and output, or limit the tokens"
            examination.warn(f"{idle}: {cure}")
            return
    examination.ok("; ".join(sentences))


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
