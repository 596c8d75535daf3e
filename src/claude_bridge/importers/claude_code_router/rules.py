"""Version 3's rules, its fallback and its models for Claude Code -> routes.

Version 3 keeps its settings in a database; its window exports them as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from attrs import evolve

from claude_bridge.importers.claude_code_router.reading import Object, Reading, is_nothing, texts
from claude_bridge.importers.claude_code_router.routes import resolve
from claude_bridge.importers.draft import ImportedRoute
from claude_bridge.importers.names import UniqueNames, plain_name

_MODEL: Final = "request.body.model"
_PATTERNS: Final = {"==": "{}", "starts-with": "{}*", "contains": "*{}*"}
"""Operator on the model's name -> the pattern that means the same."""

_KINDS: Final = {
    ("request.body.messages", "contains-deep", "image"): "image",
    ("request.body.tools", "contains-deep", "web_search"): "web_search",
    ("request.body.tools", "contains-deep", "web_search_20250305"): "web_search",
}
"""Condition -> the kind of request that it finds."""

_FAMILIES: Final = (
    ("haikuModel", "haiku"),
    ("smallFastModel", "haiku"),
    ("sonnetModel", "sonnet"),
    ("opusModel", "opus"),
    ("fableModel", "fable"),
)

_UNFIT: Final = re.compile(r"[\s,*?\[\]]")


def read_rules(reading: Reading) -> None:
    """Add the routes of version 3 in front of all others."""
    router = reading.data.get("Router")
    rules = router.get("rules") if isinstance(router, dict) else None
    taken, added, decided = UniqueNames(), list[ImportedRoute](), set[str]()
    for each in reading.draft.routes:
        taken.take(each.name)
    for number, rule in enumerate(rules if isinstance(rules, list) else []):
        path = f"Router.rules[{number}]"
        if not isinstance(rule, dict):
            reading.draft.lose(path, "not an object, so no rule")
        elif rule.get("enabled") is False:
            reading.draft.remark(path, "switched off, so left out")
        elif route := _route(rule, path, reading):
            added.append(evolve(route, name=taken.take(route.name)))
            decided |= {added[-1].name} if isinstance(rule.get("fallback"), dict) else set()
    added += _families(taken, reading)
    reading.draft.routes[:0] = added
    if isinstance(router, dict) and isinstance(router.get("fallback"), dict):
        _fallback(router["fallback"], decided, reading)


def _route(rule: Object, path: str, reading: Reading) -> ImportedRoute | None:
    match, when = _condition(rule, path, reading)
    if not (match or when):
        return None
    target = _target(rule, path, reading)
    if target is None:
        return None
    models = [target, *_chain(rule.get("fallback"), f"{path}.fallback", reading)]
    return ImportedRoute(
        name=plain_name(str(rule.get("name") or rule.get("id") or ""), "rule"),
        came_from=path,
        models=tuple(dict.fromkeys(models)),
        match=(match,) if match else (),
        when=(when,) if when else (),
    )


def _condition(rule: Object, path: str, reading: Reading) -> tuple[str, str]:
    """Return the pattern or the kind of request of a rule, and report a condition that is neither."""
    if rule.get("type") == "script":
        reading.draft.lose(path, "a script of yours: its JavaScript cannot be used here")
        return "", ""
    given = rule.get("condition")
    found = (
        given if isinstance(given, dict) else {"left": _MODEL, "operator": "starts-with", "right": rule.get("pattern")}
    )
    left, operator, right = (str(found.get(name) or "").strip() for name in ("left", "operator", "right"))
    right = right.strip("\"'")
    if left == _MODEL and operator in _PATTERNS and right and not _UNFIT.search(right):
        return _PATTERNS[operator].format(right), ""
    if when := _KINDS.get((left, operator, right)):
        return "", when
    reading.draft.lose(f"{path}.condition", "routes look at the model's name and the kind of request, not at this")
    return "", ""


def _target(rule: Object, path: str, reading: Reading) -> str | None:
    """Return the model to which a rule leads, and report whatever else it changes."""
    target, at = rule.get("target"), f"{path}.target"
    several = rule.get("rewrites")
    rewrites = several if isinstance(several, list) else [rule.get("rewrite")]
    for number, each in enumerate(rewrites):
        if not isinstance(each, dict):
            continue
        where = f"{path}.rewrites[{number}]"
        if each.get("key") == _MODEL and each.get("operation", "set") == "set":
            target, at = each.get("value"), where
        else:
            reading.draft.lose(where, "the bridge changes no field of a request")
    if not isinstance(target, str) or not target.strip():
        reading.draft.lose(path, "a rule that leads to no model")
        return None
    return resolve(target.strip().strip("\"'"), at, reading)


def _chain(given: object, path: str, reading: Reading) -> Iterator[str]:
    """Yield the models that stand in, by the fallback of a rule or of all."""
    if not isinstance(given, dict) or str(given.get("mode", "model-chain")).lower() in {"off", "disabled", "none"}:
        return
    if str(given.get("mode", "")).lower() in {"retry", "retries"}:
        reading.draft.remark(path, "failures that are likely to pass are tried again by themselves")
        return
    for number, each in enumerate(texts(given.get("models"))):
        alias = resolve(each, f"{path}.models[{number}]", reading)
        if alias is not None:
            yield alias


def _fallback(given: Object, decided: Collection[str], reading: Reading) -> None:
    """Add the models that stand in for all others to the routes, apart from those whose rule says it itself."""
    chain = list(_chain(given, "Router.fallback", reading))
    routes = reading.draft.routes
    for number, route in enumerate(routes):
        if chain and route.name not in decided:
            routes[number] = evolve(
                route,
                came_from=f"{route.came_from}, Router.fallback",
                models=tuple(dict.fromkeys((*route.models, *chain))),
            )


def _families(taken: UniqueNames, reading: Reading) -> Iterator[ImportedRoute]:
    """Yield a route for each family of models that a profile of Claude Code sends somewhere."""
    path, profile = _profile(reading.data)
    seen: set[str] = set()
    for field, family in _FAMILIES:
        written = profile.get(field)
        if isinstance(written, str) and written.strip() and family not in seen:
            alias = resolve(written.strip(), f"{path}.{field}", reading)
            if alias is not None:
                seen.add(family)
                yield ImportedRoute(
                    name=taken.take(family), came_from=f"{path}.{field}", models=(alias,), match=(family,)
                )


def main_model(data: Object) -> tuple[str, str]:
    """Return path and name of the model of a profile of Claude Code, which is the default; both empty without one."""
    path, profile = _profile(data)
    written = profile.get("model")
    return (f"{path}.model", written.strip()) if isinstance(written, str) and written.strip() else ("", "")


def _profile(data: Object) -> tuple[str, Object]:
    """Return path and content of the profile of Claude Code that counts."""
    profile = data.get("profile")
    several = profile.get("profiles") if isinstance(profile, dict) else None
    for number, each in enumerate(several if isinstance(several, list) else []):
        if not isinstance(each, dict) or each.get("agent") != "claude-code" or each.get("enabled") is False:
            continue
        if any(not is_nothing(each.get(name)) for name in ("model", *dict(_FAMILIES))):
            return f"profile.profiles[{number}]", each
    alone = profile.get("claudeCode") if isinstance(profile, dict) else None
    return "profile.claudeCode", alone if isinstance(alone, dict) else {}
