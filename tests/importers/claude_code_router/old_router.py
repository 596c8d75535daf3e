"""How Claude Code Router 2.0 chooses a model, for comparison: the rules of its documentation and behaviour.

An image in the last message comes first, then a name of the form ``provider,model``, the length of the prompt, the
family haiku, web search, thinking, and at last the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claude_bridge.core.routing import Facts

USUAL_THRESHOLD = 60_000


def chosen(config: Mapping[str, Any], name: str, facts: Facts) -> tuple[str, str] | None:
    """Return provider and model for a request; None if the router would fail, as for a route to nowhere."""
    router = config.get("Router") or {}
    providers = config.get("Providers") or config.get("providers") or []
    written = _written(router, name, facts)
    provider, comma, model = (part.strip() for part in (written or "").partition(","))
    known = [each["name"] for each in providers if isinstance(each, dict)]
    spelled = [each for each in known if each == provider] or [
        each for each in known if each.lower() == provider.lower()
    ]
    return (spelled[-1], model) if comma and model and spelled else None


def _written(router: Mapping[str, Any], name: str, facts: Facts) -> str | None:
    if isinstance(router.get("image"), str) and router["image"] and facts.image:
        return str(router["image"])
    if "," in name:
        return name
    if router.get("longContext") and facts.tokens > int(router.get("longContextThreshold") or USUAL_THRESHOLD):
        return str(router["longContext"])
    if router.get("background") and "claude" in name and "haiku" in name:
        return str(router["background"])
    if router.get("webSearch") and facts.web_search:
        return str(router["webSearch"])
    if router.get("think") and (facts.thinking_budget is not None or facts.effort is not None):
        return str(router["think"])
    return router.get("default")
