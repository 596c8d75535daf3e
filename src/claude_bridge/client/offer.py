"""What Claude Code is told of one bridge: its variables, and the models in its list."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen

from claude_bridge.children import ExpectedFailure
from claude_bridge.client.environment import TOKEN, Setting, listed_settings, settings, variables
from claude_bridge.client.offered_models import (
    Limits,
    OfferedModel,
    configured,
    configured_limits,
    limits_of,
    main_name,
    offered,
)
from claude_bridge.config.named_models import which_model
from claude_bridge.config.schema import Config
from claude_bridge.core.model_names import AUTO, as_spelled
from claude_bridge.core.nearest_names import name_list, nearest_names


@frozen
class Offer:
    """Variables and models for Claude Code.

    :ivar settings: the variables, with the reason for each.
    :ivar models: the entries of its list of models, the main one first.
    """

    settings: Sequence[Setting]
    models: tuple[OfferedModel, ...]

    @property
    def variables(self) -> dict[str, str]:
        """The values that are ready, by name."""
        return variables(self.settings)

    def with_token(self, token: str) -> Offer:
        """Return the same with a token of the client's."""
        changed = [evolve(each, value=token) if each.name == TOKEN else each for each in self.settings]
        return evolve(self, settings=changed)


def of_configuration(config: Config, url: str, limits: Limits = configured_limits, main: str | None = None) -> Offer:
    """Return what a bridge with ``config`` at ``url`` offers; ``main`` is another main model than its own."""
    models = configured(config, limits)
    if main is not None:
        models = (offered(config, main, limits), *(model for model in models if model.name != main))
    return Offer(settings(config, url, limits, main), models)


def of_bridge(
    url: str, published: Sequence[OfferedModel], config: Config | None = None, main: str | None = None
) -> Offer:
    """Return what a running bridge offers.

    :param config: its configuration, where that is known: then it says which model is for what.
    :param main: the plain name of the main model. Default: what the bridge itself would take, if that is known.
    """
    if config is not None and is_of(config, published):
        mine = of_configuration(config, url, limits_of(published), main)
        known = {model.name for model in mine.models}
        return evolve(mine, models=(*mine.models, *(model for model in published if model.name not in known)))
    main = main or decided(published)
    first = sorted(published, key=lambda model: model.name != main)
    return Offer(listed_settings(published, url, main), tuple(first))


def named_model(wanted: str, names: Sequence[str], whose: str, config: Config | None) -> str:
    """Return the plain name of a model in the spelling that ``names`` have. Raises `ExpectedFailure` for a wrong one.

    :param names: those that there are; any name will do if none is known.
    :param whose: who has them, for a person.
    :param config: may give names a meaning that are not listed, such as ``backend/model``.
    """
    found = as_spelled(wanted, names)
    if found is None and names and (config is None or not has_meaning(config, wanted)):
        near = name_list(nearest_names(wanted, names), len(set(names)))
        more = ""
        if config is not None and config.backends:
            more = f" (if only a backend lists it: {next(iter(config.backends))}/{wanted})"
        raise ExpectedFailure(f"{whose} has no model {wanted}; it has {near}{more}")
    return found or wanted


def has_meaning(config: Config, name: str) -> bool:
    """Return whether a plain name means a model of a configuration, or one of its routes is for names like it."""
    which = which_model(config)
    return which.meant(name) is not None or any(rule.match for rule in which.routes.may_take(name))


def is_of(config: Config, published: Sequence[OfferedModel]) -> bool:
    """Return whether a bridge with these models may have this configuration, and that decides the main model."""
    names = {model.name for model in published}
    return main_name(config) is not None and config.models.keys() <= names


def decided(published: Sequence[OfferedModel]) -> str | None:
    """Return the main model of a bridge as far as its list decides it: `auto`, or the only one."""
    names = [model.name for model in published]
    if AUTO in names:
        return AUTO
    return names[0] if len(names) == 1 else None
