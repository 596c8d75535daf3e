"""``Router`` and ``fallback`` -> routes, in the order in which the router looks at a request.

An image comes first, then the length of the prompt, the model's family, web search, and thinking.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from claude_bridge.importers.claude_code_router.providers import add_model
from claude_bridge.importers.claude_code_router.reading import (
    Object,
    Provider,
    Reading,
    is_nothing,
    is_off,
    texts,
    whole,
)
from claude_bridge.importers.draft import ImportedRoute

_USUAL_THRESHOLD: Final = 60_000
"""Tokens beyond which a prompt is long where the file does not say it."""

_THINKING: Final = (
    "The router looked only at whether a request asks for thinking, as almost every one of Claude Code does today.",
    "`think max` takes only what is asked with the highest effort.",
)


@frozen(kw_only=True)
class _Kind:
    """A kind of request.

    :ivar word: in ``Router`` and ``fallback``.
    :ivar route: the name of the route.
    :ivar when: the condition; "" for the default route.
    """

    word: str
    route: str
    when: str
    notes: tuple[str, ...] = ()


_KINDS: Final = (
    _Kind(word="image", route="image", when="image"),
    _Kind(word="longContext", route="long-context", when="long_context"),
    _Kind(word="background", route="background", when="background"),
    _Kind(word="webSearch", route="web-search", when="web_search"),
    _Kind(word="think", route="think", when="think minimal", notes=_THINKING),
    _Kind(word="default", route="default", when=""),
)
_NOWHERE: Final = "not a model that is carried over, so left out: requests go on to the next route that fits"
_IN_VARIABLE: Final = (
    "the model is in a variable, so it is not known here: left out; write [route:NAME] with models = PROVIDER/MODEL"
)

_WORDS: Final = frozenset(kind.word for kind in _KINDS)
_OTHER: Final = frozenset({"longContextThreshold", "rules", "fallback", "builtInRules", "builtinRules", "agentRules"})


def read_routes(reading: Reading) -> None:
    """Add the routes of all kinds of requests."""
    router = reading.data.get("Router")
    given = router if isinstance(router, dict) else {}
    if not isinstance(router, dict) and not is_nothing(router):
        reading.draft.lose("Router", "not an object, so without a route")
    fallbacks = _fallbacks(reading)
    for kind in _KINDS:
        models = list(_models(given.get(kind.word), _path(kind.word, reading), reading))
        if models:
            _add(kind, models, given, fallbacks.get(kind.word, []), reading)
        elif kind.word in fallbacks:
            reading.draft.remark(f"fallback.{kind.word}", "no effect without a route of that name")
    for word in given:
        if word not in _WORDS | _OTHER and not is_off(given[word]):
            reading.draft.lose(f"Router.{word}", "not a route of the router itself: a script of yours may read it")
    _complete(reading)


def _path(word: str, reading: Reading) -> str:
    """Return where the model of a kind of request is written."""
    return reading.default_path if word == "default" else f"Router.{word}"


def _add(kind: _Kind, models: Sequence[str], router: Object, fallback: Sequence[str], reading: Reading) -> None:
    when = kind.when
    if when == "long_context":
        written = router.get("longContextThreshold")
        threshold = whole(written)
        if threshold is None and not is_nothing(written):
            reading.draft.lose("Router.longContextThreshold", f"not a number of tokens: {_USUAL_THRESHOLD} is used")
        when = f"{when} {threshold or _USUAL_THRESHOLD}"
    if kind.word == "webSearch":
        _report_search(models[0], reading)
    if kind.word == "image":
        told = "an image anywhere in the conversation counts here, not only one in the last message"
        reading.draft.remark("Router.image", told)
    reading.draft.routes.append(
        ImportedRoute(
            name=kind.route,
            came_from=_path(kind.word, reading) + (f", fallback.{kind.word}" if fallback else ""),
            notes=kind.notes,
            models=tuple(dict.fromkeys((*models, *fallback))),
            when=(when,) if when else (),
        )
    )


def _report_search(alias: str, reading: Reading) -> None:
    backend = next(each.backend for each in reading.providers if alias in each.aliases.values())
    kind = next(each.kind for each in reading.draft.backends if each.name == backend)
    if kind != "anthropic":
        reading.draft.lose(
            "Router.webSearch",
            "the model gets these requests, but the bridge makes the search itself and has no engine yet: set engine "
            "in [web_search]",
        )


def _fallbacks(reading: Reading) -> dict[str, list[str]]:
    """Return the models that stand in for those of each kind of request."""
    given = reading.data.get("fallback")
    if given is not None and not isinstance(given, dict):
        reading.draft.lose("fallback", "not an object with a list for each kind of request")
    found: dict[str, list[str]] = {}
    for word, models in given.items() if isinstance(given, dict) else ():
        if word in _WORDS:
            named = list(_models(models, f"fallback.{word}", reading))
            found |= {word: named} if named else {}
        elif not is_nothing(models):
            reading.draft.lose(f"fallback.{word}", "not a kind of request")
    if "default" in found:
        told = "a request that names its model, as with /model, has no fallback here"
        reading.draft.remark("fallback.default", told)
    return found


def _models(value: object, path: str, reading: Reading) -> Iterator[str]:
    """Yield the names of the models in a value: one, or a list."""
    if not is_nothing(value) and not isinstance(value, str | list):
        reading.draft.lose(path, "not the name of a model")
        return
    several = texts(value)
    for number, each in enumerate(several):
        alias = resolve(each, path if len(several) == 1 else f"{path}[{number}]", reading)
        if alias is not None:
            yield alias


def resolve(written: str, path: str, reading: Reading) -> str | None:
    """Return the name in the result of ``provider,model`` or ``provider/model``; None if it leads nowhere."""
    provider, model = _split(reading.referring(written), reading)
    if provider is None or not model:
        reading.draft.lose(path, _IN_VARIABLE if _is_variable(reading.referring(written)) else _NOWHERE)
        return None
    known = provider.aliases.get(model) or next(
        (alias for name, alias in provider.aliases.items() if name.casefold() == model.casefold()), None
    )
    if known is None and (known := add_model(reading, provider, model)) is not None:
        reading.draft.remark(path, f"the model is not in the list of {provider.path}; it is added")
    return known


def _is_variable(written: str) -> bool:
    return written.startswith("${") and written.endswith("}")


def _split(written: str, reading: Reading) -> tuple[Provider | None, str]:
    """Return provider and model of a name; without a provider the only one that has the model."""
    for between in (",", "/"):
        front, found, model = (part.strip() for part in written.partition(between))
        if found and (provider := reading.find(front)) is not None:
            return provider, model
        if found and between == ",":
            return None, ""
    alone = reading.find(written)
    if alone is not None:
        return alone, next(iter(alone.aliases), "") if len(alone.aliases) == 1 else ""
    having = [each for each in reading.providers if written.casefold() in {name.casefold() for name in each.aliases}]
    return (having[0], written) if len(having) == 1 else (None, "")


def _complete(reading: Reading) -> None:
    """Add a default route where there is none: without it a model that nobody knows would be refused."""
    draft = reading.draft
    first = next((alias for each in reading.providers for alias in each.aliases.values()), None)
    if first is not None and not any(route.name == "default" for route in draft.routes):
        draft.remark("Router.default", f"names no model that is here: {first}, the first one, gets what no route takes")
        draft.routes.append(
            ImportedRoute(name="default", came_from="the first model, as Router.default has none", models=(first,))
        )
