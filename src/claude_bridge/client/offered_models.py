"""The models that Claude Code can be offered: those of a configuration, or those that a running bridge publishes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from attrs import frozen

from claude_bridge.config.model_prices import ConfiguredPrices
from claude_bridge.config.named_models import conversation_models, which_model
from claude_bridge.config.schema import Config, Model
from claude_bridge.core.model_names import AUTO, MARK, plain_name
from claude_bridge.core.prices import in_short
from claude_bridge.core.routing import DEFAULT

Limits: TypeAlias = Callable[[Model], tuple[int | None, int | None]]
"""Returns window and longest answer of a configured model, in tokens, as far as they are known."""

ROUTED: Final = "the routes of the bridge choose the model"


@frozen(kw_only=True)
class OfferedModel:
    """One entry of Claude Code's list of models.

    :ivar name: the plain name.
    :ivar label: what the list shows.
    :ivar window: tokens that fit, prompt and answer together.
    :ivar longest: the most tokens of one answer.
    :ivar where: what answers under this name, for a person.
    :ivar price: what it costs, for a person; "" if that is not known, or not the same for all that may answer.
    """

    name: str
    label: str
    window: int | None = None
    longest: int | None = None
    where: str = ""
    price: str = ""

    @property
    def id(self) -> str:
        """The id that the bridge publishes."""
        return self.name + MARK

    @property
    def description(self) -> str:
        """What the list says about it."""
        window = "" if self.window is None else f"{thousands(self.window)} tokens"
        return ", ".join(filter(None, (self.where, window, self.price))) or "by claude-bridge"


def thousands(tokens: int) -> str:
    """Return a number of tokens as people write it: 131K, 1M."""
    if tokens >= 1_000_000 and tokens % 1_000_000 < 100_000:  # noqa: PLR2004 - a tenth of a million
        return f"{tokens // 1_000_000}M"
    return f"{tokens // 1000}K" if tokens >= 1000 else str(tokens)  # noqa: PLR2004 - a thousand


def configured_limits(model: Model) -> tuple[int | None, int | None]:
    """Return the limits that the configuration itself says."""
    return model.context_window, model.max_output_tokens


def main_name(config: Config) -> str | None:
    """Return the plain name to use for the main conversation, if the configuration decides it.

    Where routes look at kinds of requests, or have another model for one that fails, it is the name that leaves the
    choice to them: a model's own name would keep the conversation from both. Else it is the model of the default route,
    or the first that is configured.
    """
    if which_model(config).has_auto:
        return AUTO
    route = config.routes.get(DEFAULT)
    return next(iter((*(route.models if route else ()), *config.models)), None)


def configured(config: Config, limits: Limits = configured_limits) -> tuple[OfferedModel, ...]:
    """Return what a configuration offers: `main_name`, then every configured name."""
    main = main_name(config)
    names = dict.fromkeys((*((main,) if main else ()), *config.models))
    return tuple(offered(config, name, limits) for name in names)


def offered(config: Config, name: str, limits: Limits = configured_limits) -> OfferedModel:
    """Return the entry of one name; one that no model has is for the routes to decide."""
    fitting = conversation_models(config, name, lambda model: limits(model)[0])
    model = config.models.get(name)
    where = ROUTED if model is None else f"{model.name or name} on {model.backend}"
    if model is None and "/" in name and len(fitting) == 1:
        where = f"{fitting[0].name} on {fitting[0].backend}"
    return OfferedModel(
        name=name,
        label=name if model is None or model.label is None else model.label,
        window=smallest(limits(each)[0] for each in fitting),
        longest=smallest(limits(each)[1] for each in fitting),
        where=where,
        price=_price(config, fitting),
    )


def _price(config: Config, models: Sequence[Model]) -> str:
    """Return what the models cost, if the configuration says so and it is the same for each."""
    prices = ConfiguredPrices(config)
    found = {prices.find(model.backend, model.name) for model in models} if config.prices else set()
    (price,) = found if len(found) == 1 else (None,)
    return "" if price is None else in_short(price)


def published(body: object) -> tuple[OfferedModel, ...]:
    """Return the models in the answer of a bridge's ``/v1/models``; what has another format is left out."""
    entries = body.get("data") if isinstance(body, dict) else None
    found = []
    for entry in entries if isinstance(entries, list) else ():
        match entry:
            case {"id": str(name)} if name:
                plain, label = plain_name(name), entry.get("display_name")
                found.append(
                    OfferedModel(
                        name=plain,
                        label=label if isinstance(label, str) and label else plain,
                        window=_count(entry.get("max_input_tokens")),
                        longest=_count(entry.get("max_tokens")),
                        where=ROUTED if plain == AUTO else "",
                    )
                )
    return tuple({each.name: each for each in found}.values())


def limits_of(models: Sequence[OfferedModel]) -> Limits:
    """Return the limits that a running bridge publishes; for a model that it does not, those of the configuration."""
    known = {model.name: (model.window, model.longest) for model in models}

    def limits(model: Model) -> tuple[int | None, int | None]:
        window, longest = known.get(model.alias, (None, None))
        return window or model.context_window, longest or model.max_output_tokens

    return limits


def smallest(known: Iterable[int | None]) -> int | None:
    """Return the smallest of the numbers that are known, or None."""
    return min((number for number in known if number is not None), default=None)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
