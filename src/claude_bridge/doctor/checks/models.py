"""Check 4: whether the model is there, under that very name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from claude_bridge.config.named_models import RoutedModel
from claude_bridge.config.schema import Model
from claude_bridge.config.variables import SECTION as ENVIRONMENT
from claude_bridge.core.model_list import find, name_as_listed
from claude_bridge.core.nearest_names import name_list, nearest_names
from claude_bridge.doctor.examination import Examination

_ANY_NAME: Final = frozenset({"azure", "llamacpp"})
"""Dialects of servers whose names are not those of the list: llama.cpp answers to any, Azure has deployments."""

_SHOWN: Final = 5


def choose(examination: Examination) -> None:
    """Choose the model that is examined.

    It is the first that is configured, else the first that a route names and the list has, else the one that the
    command line names, else the only one.

    One that only the command line names, and that no list has, may be a slip of the pen: no line is written for it.
    """
    if examination.model is not None:
        return
    names, wanted = [each.id for each in examination.listed], examination.wanted
    routed = next((each for each in examination.routed if find(examination.listed, each.name) or not names), None)
    if examination.models:
        examination.model = examination.models[0]
    elif routed is not None:
        examination.model = _plain(examination, routed.name)
    elif wanted:
        found = find(examination.listed, wanted)
        examination.model = _plain(examination, wanted if found is None else found.id)
        examination.is_named = found is not None or not names
    elif len(names) == 1:
        examination.model = _plain(examination, names[0])


def is_missing(examination: Examination) -> bool:
    """Return whether the examined model is in no list of a server that has one, and whose names mean something."""
    if examination.model is None or not examination.listed or examination.dialect.dialect.name in _ANY_NAME:
        return False
    return find(examination.listed, examination.model.name) is None


def _plain(examination: Examination, name: str) -> Model:
    return Model(alias=name, backend=examination.backend.name, name=name)


async def configured(examination: Examination) -> None:
    """Look the configured names up in the list."""
    choose(examination)
    for each in examination.models:
        _look_up(examination, each.name, partial(_warn, examination, each))
    for routed in examination.routed:
        _look_up(examination, routed.name, partial(_warn_of_route, examination, routed))


async def model(examination: Examination) -> None:
    """Look the names up in the list, and choose the model that is examined further."""
    await configured(examination)
    if examination.models or _is_routed(examination):
        return
    names = [each.id for each in examination.listed]
    if examination.wanted:
        _look_up_wanted(examination)
    elif examination.model is not None and examination.routed:
        examination.ok(f"{examination.model.name} is examined instead, as it is the only one")
    elif examination.model is not None:
        examination.ok(f"{examination.model.name} is the only one, and answers to every name")
    elif names:
        known = name_list(names[:_SHOWN], len(names))
        examination.warn(f"no model was examined: there are {known}; name one, as in --model {names[0]}")
        examination.over = True
    else:
        examination.warn("neither the list nor the configuration names a model: name one with --model")
        examination.over = True


def _look_up_wanted(examination: Examination) -> None:
    """Look up a model that only the command line names."""
    names, wanted = [each.id for each in examination.listed], examination.wanted
    found = find(examination.listed, wanted)
    if not names:
        examination.ok(f"{wanted} is not looked up, as there is no list")
    elif found is not None:
        examination.ok(f"{wanted} is listed" + ("" if found.id == wanted else f", as {found.id}"))
    elif examination.dialect.dialect.name in _ANY_NAME:
        examination.ok(f"{wanted} is not listed ({_known(names)}); this server takes other names too")
    else:
        near = nearest_names(wanted, names)
        examination.warn(
            f"{wanted} is neither configured nor in the list; there are {name_list(near, len(set(names)))}: perhaps "
            f"--model {near[0]}"
        )


def _is_routed(examination: Examination) -> bool:
    """Return whether the examined model is one that a route names."""
    model = examination.model
    return model is not None and any(each.name == model.name for each in examination.routed)


def _look_up(examination: Examination, name: str, warn: Callable[[str, str], None]) -> None:
    """Look up a name; ``warn`` gets what is wrong with it, and the name to write."""
    names = [each.id for each in examination.listed]
    if not names:
        examination.ok(f"{name} is not looked up, as there is no list")
        return
    found = find(examination.listed, name)
    if found is not None and found.id == name:
        examination.ok(f"{name} is listed")
    elif found is not None:
        if name_as_listed(examination.listed, name) == found.id:
            warn(f"{name} is listed in another case, as {found.id}", found.id)
        else:
            examination.ok(f"{name} is listed with a tag, as {found.id}")
    elif examination.dialect.dialect.name in _ANY_NAME:
        examination.ok(f"{name} is not listed ({_known(names)}); this server takes other names too")
    else:
        examination.missing.append(name)
        near = nearest_names(name, names)
        warn(f"{name} is not in the list; there are {name_list(near, len(set(names)))}", near[0])


def _known(names: list[str]) -> str:
    return name_list(names[:_SHOWN], len(names))


def _warn(examination: Examination, wanted: Model, sentence: str, name: str) -> None:
    """Report which name to write; whether the server takes the other one all the same, the first question shows."""
    option, section = f"name = {name}", f"model:{wanted.alias}"
    if not examination.origin.in_file:  # the variable MODEL alone has configured it
        option, section = f"MODEL={name}", ENVIRONMENT
    examination.warn(f"{sentence}: set `{option}`", section=section, option=option)


def _warn_of_route(examination: Examination, routed: RoutedModel, sentence: str, name: str) -> None:
    """Report what to write in the route that names the model."""
    section, option = f"route:{routed.route}", f"models = {', '.join(routed.models_with(name))}"
    examination.warn(f"{sentence}: set `{option}` in [{section}]", section=section, option=option)
