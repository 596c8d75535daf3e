"""Which route a saved request takes, and why: what `claude-bridge routes explain` prints.

Pure: nothing is sent. The decision is that of the daemon (`claude_bridge.core.which_model`), and so is the check of
windows, with the windows that are configured. The backends' lists, and what the daemon has learned, are not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from attrs import define, field

from claude_bridge.client.route_table import columns, described, paragraph, unrouted
from claude_bridge.config.dialects import configured
from claude_bridge.config.named_models import NamedModels, which_model
from claude_bridge.config.schema import Config, Model
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.recorded_request import RecordedRequest, read_recorded
from claude_bridge.core.messages_api.request_info import RequestInfo, request_info
from claude_bridge.core.messages_api.routing_facts import RoutingFacts
from claude_bridge.core.messages_api.subagent_tag import NAME as TAG
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.model_names import plain_name
from claude_bridge.core.tokens import preflight, request_count
from claude_bridge.core.which_model import Choice

_INDENT: Final = "  "


def explanation(config: Config, data: bytes) -> str:
    """Return which models a saved request leads to, and why; raise `BridgeError` where the bridge would refuse it.

    :param data: what `claude_bridge.core.messages_api.recorded_request` reads.
    """
    recorded = read_recorded(data)
    request = parsing.decode(recorded.body, counting=recorded.counting, bounds=config.limits.bounds)
    info = request_info(request, recorded.headers, len(recorded.body))
    explained = _Explanation(config, recorded, request, info, RoutingFacts(request, info))
    return "\n\n".join(explained.parts()) + "\n"


@define
class _Calibration:
    """That of a model of which the bridge has seen answers, its counts being right."""

    ratio: float = 1.0
    count_ratio: float = 1.0
    answers: int = 1


@define
class _Explanation:
    _config: Config
    _recorded: RecordedRequest
    _request: MessagesRequest
    _info: RequestInfo
    _facts: RoutingFacts
    _choice: Choice = field(init=False)
    _named: NamedModels = field(init=False)

    @_choice.default
    def _choose(self) -> Choice:
        return which_model(self._config).choose(plain_name(self._info.model), self._facts)

    @_named.default
    def _make_named(self) -> NamedModels:
        return NamedModels(self._config)

    def parts(self) -> Iterator[str]:
        """Yield the paragraphs."""
        yield "\n".join(columns([[name, printable(value)] for name, value in self._observed()]))
        yield "\n".join(("Routes, in the order in which they are tried:", *self._judgements()))
        yield from (paragraph(printable(each)) for each in self._lists())
        models = self._models()
        if models:
            yield "\n".join((self._heading(), *self._steps(models)))
        yield from (paragraph(printable(each)) for each in self._remarks(models))

    def _observed(self) -> Iterator[tuple[str, str]]:
        """Yield what the request shows: names and values, those alone that are there."""
        facts, info, plain = self._facts, self._info, self._choice.name
        yield "model", info.model
        if self._recorded.model not in {"", info.model}:
            yield "", f"by the tag {TAG}, instead of {self._recorded.model}"
        if plain != info.model:
            yield "plain name", plain
        budget = facts.thinking_budget
        shown = {
            "kind": info.kind,
            "subagent": info.agent,
            "side job": facts.background,
            "effort": facts.effort or "",
            "thinking budget": "" if budget is None else f"{budget} tokens",
            "prompt": f"about {facts.tokens} tokens by its size, {self._counted()} if counted",
            "web search": "Anthropic's own tool" if facts.web_search else "",
            "image": "yes" if facts.image else "",
            "permission mode": facts.permission_mode,
        }
        yield from ((name, value) for name, value in shown.items() if value)

    def _judgements(self) -> Iterator[str]:
        judged = list(which_model(self._config).explain(self._choice, self._facts))
        rules = which_model(self._config).routes.in_order
        if not rules:
            yield f"{_INDENT}there are none"
            return
        width = max(len(rule.name) for rule in rules)
        for index, rule in enumerate(rules):
            if index < len(judged):
                word, reason = ("yes" if judged[index].takes else "no", judged[index].reason)
            else:
                word, reason = "-", self._why_not_tried()
            head = f"{_INDENT}{rule.name:{width}}  {word:3}  "
            yield paragraph(head + printable(reason), hanging=" " * len(head))

    def _why_not_tried(self) -> str:
        return "not tried: an earlier one takes it" if self._choice.route else "not tried: the name says where to go"

    def _lists(self) -> Iterator[str]:
        """Yield what the backends' lists, which are not known, may change."""
        name = self._choice.name
        if self._choice.asks_lists:
            yield (
                f"If a backend lists {name}, the request goes there instead, and no route is taken; the lists are not "
                "known here."
            )
        if self._choice.meant is None and not self._choice.route:
            yield f"No route takes it. {unrouted(self._config, name)}"

    def _models(self) -> list[tuple[str, Model]]:
        """Return the models that may answer, in order, by the names that routes or the request have for them."""
        choice = self._choice
        if choice.route:
            names: Sequence[str] = self._config.routes[choice.route].models
        else:
            names = () if choice.meant is None else (choice.name,)
        found = [(name, which_model(self._config).meant(name)) for name in names]
        return [(name, self._named.model(meant)) for name, meant in found if meant is not None]

    def _heading(self) -> str:
        choice = self._choice
        if choice.route:
            return f"Models of route {choice.route}, in the order in which they are asked:"
        if choice.meant is not None and choice.meant.alias:
            return "The model, as its configured name is asked for and no route has a pattern for it:"
        return "The model, as the name says which backend is meant:"

    def _steps(self, models: Sequence[tuple[str, Model]]) -> list[str]:
        rows = [
            [f"{number}.", name, "" if name == described(model) else described(model), self._window(model)]
            for number, (name, model) in enumerate(models, start=1)
        ]
        return columns([[printable(cell) for cell in row] for row in rows], _INDENT)

    def _window(self, model: Model) -> str:
        window = model.context_window
        if window is None:
            return "window not configured"
        too_long = self._tokens_beyond(model)
        return f"window {window}" if too_long is None else f"too small: about {too_long} tokens do not fit {window}"

    def _tokens_beyond(self, model: Model) -> int | None:
        """Return the tokens of the prompt if it does not fit the configured window of a model, else None."""
        backend = self._config.backends[model.backend]
        target = KINDS[backend.kind].target(
            configured(backend).dialect.name,
            model.name,
            model.overrides,
            context_window=model.context_window,
            window_configured=True,
            max_output_tokens=model.max_output_tokens,
            strip_attribution=backend.strip_attribution,
        )
        counted = self._counted(strip_attribution=backend.strip_attribution)
        refusal = preflight.overflow_refusal(
            target,
            rough=self._facts.tokens,
            max_tokens=self._request.max_tokens,
            calibration=_Calibration(),
            count=lambda: counted,
        )
        return None if refusal is None else counted

    def _counted(self, *, strip_attribution: bool = True) -> int:
        """Return the careful count of the prompt's tokens, which windows are compared with."""
        return request_count.count(conversation_of(self._request), strip_attribution=strip_attribution)

    def _remarks(self, models: Sequence[tuple[str, Model]]) -> Iterator[str]:
        """Yield what else has to be known of the models."""
        too_small = [self._tokens_beyond(model) is not None for _, model in models]
        if self._recorded.counting:
            yield "Only the tokens are counted, as the first of the models would get them; none of them answers."
        elif local := self._local_answer():
            yield local
        elif models and all(too_small):
            yield "None is large enough: the client is told that its prompt is too long, and compacts."
        elif any(too_small):
            yield "One that is too small is passed over, or refuses; either way the next one is asked."

    def _local_answer(self) -> str:
        """Return why the bridge answers by itself, or "" if it does not."""
        searches = self._config.web_search.engine != "none"
        if parsing.local_answer(self._request, searches=searches) is None:
            return ""
        if self._request.max_tokens == 0:
            return "No model is asked: max_tokens is 0, so the bridge answers by itself."
        return (
            "No model is asked: a web search is all that it wants, and [web_search] has no engine, so the bridge "
            "answers by itself that it cannot search."
        )


def printable(text: str) -> str:
    """Return a text that a terminal shows as it is: a saved request may hold anything."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
