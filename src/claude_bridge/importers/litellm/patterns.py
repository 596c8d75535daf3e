"""Names with ``*``: LiteLLM's patterns in ``model_name``, and the bridge's in ``match``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from attrs import evolve, field, frozen

from claude_bridge.config.variables import DEFAULT_BACKEND
from claude_bridge.core.model_names import TIERS
from claude_bridge.importers.litellm.deployment import Deployment

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_GLOB: Final = re.compile(r"[*?\[]")


def exactly(name: str) -> str:
    """Return the pattern of a route that fits one name alone: ``opus`` would be the whole family."""
    pattern = _GLOB.sub(lambda match: f"[{match[0]}]", name)
    return f"[{name[0]}]{name[1:]}" if name.lower() in TIERS else pattern


def as_match(pattern: str) -> str:
    """Return the pattern of a route that fits what a pattern of LiteLLM does."""
    return "*".join(exactly(part) if part else "" for part in pattern.split("*"))


def most_specific_first(patterns: Iterable[str]) -> list[str]:
    """Return patterns in the order in which LiteLLM tries them: the longest first."""
    return sorted(patterns, key=lambda pattern: (-len(re.escape(pattern)), -pattern.count("*")))


@frozen
class Patterns:
    """The entries of patterns, for names that only rules have."""

    _entries: Mapping[str, Sequence[Deployment]]
    _by_beginning: Mapping[str, Sequence[tuple[int, str]]] = field(init=False)

    @_by_beginning.default
    def _sort(self) -> Mapping[str, Sequence[tuple[int, str]]]:
        """Return the patterns with their ranks, by what is in front of the first ``*``: names that fit begin so."""
        found: dict[str, list[tuple[int, str]]] = {}
        for rank, pattern in enumerate(most_specific_first(self._entries)):
            found.setdefault(pattern.partition("*")[0], []).append((rank, pattern))
        return found

    def serving(self, name: str) -> Iterator[Deployment]:
        """Yield the entries of the first pattern that fits a name, with the model that it finds."""
        beginnings = (name[:end] for end in range(len(name) + 1))
        for _, pattern in sorted(each for one in beginnings for each in self._by_beginning.get(one, ())):
            match = re.match(re.escape(pattern).replace(r"\*", "(.*)"), name)
            if match is not None:
                yield from (
                    evolve(each, group=name, model=_filled(each.model, match)) for each in self._entries[pattern]
                )
                return


def _filled(model: str, match: re.Match[str]) -> str:
    """Return a model with what a pattern found in the place of its ``*``."""
    for found in match.groups():
        model = model.replace("*", found, 1)
    return model


def backend_named(pattern: str, model: str) -> str | None:
    """Return how a backend must be called so that a pattern's names lead to the same model there.

    ``default`` takes every name as it is, and a backend ``openai`` takes ``openai/gpt-5``. None if no name does.
    """
    if pattern.count("*") != 1 or model.count("*") != 1 or not (pattern.endswith("*") and model.endswith("*")):
        return None
    asked, sent = pattern[:-1], model[:-1]
    if asked == sent:
        return DEFAULT_BACKEND
    name = asked.removesuffix(sent).removesuffix("/") if asked.endswith(sent) else ""
    return name if _PLAIN.fullmatch(name) and f"{name}/{sent}" == asked else None
