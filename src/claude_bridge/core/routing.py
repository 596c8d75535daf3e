"""Which route a request takes: a pure decision by its model's name and by what kind of request it is.

The routes are tried in the order of the configuration, and the first one that fits is taken; ``default`` comes last,
wherever it is written. A route has patterns of names (``match``) and conditions (``when``): of several any is enough,
and where there are both, both must hold (docs/design.md 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal, Protocol, get_args

from attrs import field, frozen

from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.model_names import TIERS, tier

DEFAULT: Final = "default"
"""The name of the route for everything that no other route takes."""

Word = Literal["background", "think", "long_context", "web_search", "image", "subagent", "plan"]

WORDS: Final[tuple[Word, ...]] = get_args(Word)

LEVELS: Final[tuple[ReasoningLevel, ...]] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""The levels of reasoning, in order."""


class Facts(Protocol):
    """What is known of a request, worked out only when a condition needs it."""

    @property
    def background(self) -> str:
        """Return why this is a side job of the client such as a title, or "" if it is none."""

    @property
    def effort(self) -> ReasoningLevel | None:
        """Return the level of reasoning that the client asks for, or None."""

    @property
    def thinking_budget(self) -> int | None:
        """Return the tokens of reasoning that the client asks for, or None."""

    @property
    def tokens(self) -> int:
        """Return the estimated tokens of the prompt."""

    @property
    def web_search(self) -> bool:
        """Whether the request has Anthropic's own tool for web search."""

    @property
    def image(self) -> bool:
        """Whether the conversation has an image."""

    @property
    def subagent(self) -> bool:
        """Whether a subagent asks."""

    @property
    def permission_mode(self) -> str:
        """Return the client's permission mode where it says so, else ""."""


@frozen
class Condition:
    """One kind of request, as ``when`` names it.

    :ivar level: for ``think``: the lowest level that counts.
    :ivar tokens: for ``long_context``: the shortest prompt that counts.
    """

    word: Word
    level: ReasoningLevel = "max"
    tokens: int = 0

    def holds(self, facts: Facts) -> bool:
        """Return whether a request is of this kind."""
        match self.word:
            case "background":
                return bool(facts.background)
            case "think":
                return facts.thinking_budget is not None or LEVELS.index(facts.effort or "none") >= self._rank
            case "long_context":
                return facts.tokens >= self.tokens
            case "web_search":
                return facts.web_search
            case "image":
                return facts.image
            case "subagent":
                return facts.subagent
            case "plan":
                return facts.permission_mode == "plan"

    def observed(self, facts: Facts) -> str:
        """Return what a request has instead of, or as, this condition, for an explanation."""
        match self.word:
            case "background":
                return facts.background or "no side job of the client"
            case "think":
                budget = facts.thinking_budget
                return f"effort {facts.effort or 'not set'}" if budget is None else f"budget of {budget} tokens"
            case "long_context":
                return f"about {facts.tokens} tokens"
            case "web_search":
                return "web search" if facts.web_search else "no web search"
            case "image":
                return "an image" if facts.image else "no image"
            case "subagent":
                return "a subagent" if facts.subagent else "no subagent"
            case "plan":
                return f"permission mode {facts.permission_mode or 'not told'}"

    @property
    def _rank(self) -> int:
        return LEVELS.index(self.level)

    def __str__(self) -> str:
        """Return the condition as it is written in a configuration."""
        if self.word == "think" and self.level != "max":
            return f"{self.word} {self.level}"
        return f"{self.word} {self.tokens}" if self.word == "long_context" else self.word


class Rule(Protocol):
    """A route, as far as the decision needs it."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def match(self) -> tuple[str, ...]:
        """Return the patterns of names."""

    @property
    def when(self) -> tuple[Condition, ...]:
        """Return the conditions."""

    @property
    def models(self) -> tuple[str, ...]:
        """Return the names of its models, in the order in which they are asked."""


@frozen
class Judgement:
    """Whether one route takes a request, and why.

    :ivar reason: half a sentence.
    """

    route: str
    takes: bool
    reason: str


@frozen
class RouteTable:
    """The routes of one configuration, in the order in which they are tried.

    :ivar rules: in the order of the file.
    :ivar in_order: the same, ``default`` last.
    """

    rules: Sequence[Rule]
    in_order: Sequence[Rule] = field(init=False)

    @in_order.default
    def _default_last(self) -> Sequence[Rule]:
        return sorted(self.rules, key=lambda rule: rule.name == DEFAULT)

    @property
    def has_conditions(self) -> bool:
        """Whether any route looks at more than the model's name."""
        return any(rule.when for rule in self.rules)

    @property
    def has_choice(self) -> bool:
        """Whether the name of no model may lead to several: by the kind of request, or because one failed."""
        return self.has_conditions or any(rule.name == DEFAULT and len(rule.models) > 1 for rule in self.rules)

    def may_take(self, name: str, *, is_alias: bool = False) -> Iterator[Rule]:
        """Yield the routes that take some kind of request with this name, up to the one that takes every kind."""
        for rule in self.in_order:
            if _fits(rule, name, is_alias=is_alias) and (rule.match or rule.when or rule.name == DEFAULT):
                yield rule
                if not rule.when:
                    return

    def choose(self, name: str, facts: Facts, *, is_alias: bool = False) -> Rule | None:
        """Return the first route that takes a request, or None.

        :param name: the model's plain name.
        :param is_alias: the name is a configured one, which only a route with a fitting pattern takes.
        """
        return next((rule for rule in self.in_order if _takes(rule, name, facts, is_alias=is_alias)), None)

    def explain(self, name: str, facts: Facts, *, is_alias: bool = False) -> Iterator[Judgement]:
        """Yield the judgements of the routes in order, up to the first that takes the request."""
        for rule in self.in_order:
            takes = _takes(rule, name, facts, is_alias=is_alias)
            yield Judgement(rule.name, takes, _reason(rule, name, facts, is_alias=is_alias))
            if takes:
                return


def matches(pattern: str, name: str) -> bool:
    """Return whether a pattern fits a plain name, ignoring case; the word of a tier fits every name of that tier."""
    folded = pattern.lower()
    return fnmatchcase(name.lower(), folded) or (folded in TIERS and tier(name) == folded)


def _fits(rule: Rule, name: str, *, is_alias: bool) -> bool:
    """Return whether a name fits a route, whatever kind of request it comes with."""
    return any(matches(pattern, name) for pattern in rule.match) if rule.match else not is_alias


def _takes(rule: Rule, name: str, facts: Facts, *, is_alias: bool) -> bool:
    if not _fits(rule, name, is_alias=is_alias):
        return False
    if rule.when:
        return any(condition.holds(facts) for condition in rule.when)
    return bool(rule.match) or rule.name == DEFAULT


def _reason(rule: Rule, name: str, facts: Facts, *, is_alias: bool) -> str:
    """Return why a route takes a request, or does not."""
    if is_alias and not rule.match:
        return f"{name} is a configured name, and no pattern of this route fits it"
    pattern = next((each for each in rule.match if matches(each, name)), None)
    if rule.match and pattern is None:
        return f"match: no pattern fits {name}"
    parts = [f"match: {pattern} fits {name}"] if pattern is not None else []
    if rule.when:
        condition = next((each for each in rule.when if each.holds(facts)), None)
        if condition is None:
            seen = ", ".join(dict.fromkeys(each.observed(facts) for each in rule.when))
            return f"when: none of {', '.join(map(str, rule.when))} holds ({seen})"
        parts.append(f"when: {condition} holds ({condition.observed(facts)})")
    if not parts:
        return "takes what no other route takes" if rule.name == DEFAULT else "it has neither match nor when"
    return "; ".join(parts)
