"""Check 4: whether the model is there, under that very name."""

from __future__ import annotations

from typing import Final

from claude_bridge.config.schema import Model
from claude_bridge.core.model_list import find, name_as_listed
from claude_bridge.core.nearest_names import name_list, nearest_names
from claude_bridge.doctor.examination import Examination

_ANY_NAME: Final = frozenset({"azure", "llamacpp"})
"""Dialects of servers whose names are not those of the list: llama.cpp answers to any, Azure has deployments."""


async def model(examination: Examination) -> None:
    """Look the configured names up in the list, and choose the model that is examined further."""
    for each in examination.models:
        _look_up(examination, each)
    if examination.over or examination.model is not None:
        return
    _choose(examination)


def _choose(examination: Examination) -> None:
    """Choose the only model of the list where none is configured."""
    names = [each.id for each in examination.listed]
    if len(names) == 1:
        examination.model = Model(alias=names[0], backend=examination.backend.name, name=names[0])
        examination.ok(f"{names[0]} is the only one, and answers to every name")
    elif names:
        known = name_list(names[:5], len(names))
        examination.ok(f"there are {known}: name one with --model, and it is examined too")
        examination.over = True
    else:
        examination.warn("neither the list nor the configuration names a model: name one with --model")
        examination.over = True


def _look_up(examination: Examination, wanted: Model) -> None:
    first = examination.model is None
    if first:
        examination.model = wanted
    names = [each.id for each in examination.listed]
    if not names:
        examination.ok(f"{wanted.name} is not looked up, as there is no list")
        return
    found = find(examination.listed, wanted.name)
    if found is not None and found.id == wanted.name:
        examination.ok(f"{wanted.name} is listed")
    elif found is not None:
        if name_as_listed(examination.listed, wanted.name) == found.id:
            _warn(examination, wanted, f"{wanted.name} is listed in another case, as {found.id}", found.id)
        else:
            examination.ok(f"{wanted.name} is listed with a tag, as {found.id}")
    elif examination.dialect.dialect.name in _ANY_NAME:
        examination.ok(
            f"{wanted.name} is not listed ({name_list(names[:5], len(names))}); this server takes other names too"
        )
    else:
        near = nearest_names(wanted.name, names)
        known = name_list(near, len(set(names)))
        _warn(examination, wanted, f"{wanted.name} is not in the list; there are {known}", near[0])


def _warn(examination: Examination, wanted: Model, sentence: str, name: str) -> None:
    """Say which name to write; whether the server takes the other one all the same, the first question shows."""
    option = f"name = {name}"
    examination.warn(f"{sentence}: set `{option}`", section=f"model:{wanted.alias}", option=option)
