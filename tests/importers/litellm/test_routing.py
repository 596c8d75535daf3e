"""Tests for `claude_bridge.importers.litellm.routing`; the files in ``cases`` show where requests go."""

from __future__ import annotations

import itertools

import pytest

from tests.importers.litellm.files import draft_of, lost


def entry(name: str, model: str = "groq/m", more: str = "") -> str:
    """Return one entry of ``model_list``."""
    return f"  - {{model_name: '{name}', litellm_params: {{model: '{model}'{more}}}}}\n"


class BackendTests:
    """How many backends there are, and what they are called."""

    def test_shared(self) -> None:
        """Models at one place with the same keys share a backend; another key makes another one."""
        draft = draft_of(
            "model_list:\n"
            + entry("a", "groq/a")
            + entry("b", "groq/b")
            + entry("c", "groq/c", ", api_key: os.environ/OTHER")
        )
        assert [each.name for each in draft.backends] == ["groq", "groq-2"]
        assert [each.backend for each in draft.models] == ["groq", "groq", "groq-2"]

    def test_shared_limits(self) -> None:
        """A model's limit becomes that of a key only where no other model uses the key."""
        alone = draft_of("model_list:\n" + entry("a", "groq/a", ", rpm: 9") + entry("b", "groq/a", ", rpm: 9"))
        assert [key.rpm for each in alone.backends for key in each.api_key] == [9]
        assert lost(alone) == {}
        shared = draft_of("model_list:\n" + entry("a", "groq/a", ", rpm: 9") + entry("b", "groq/b", ", rpm: 9"))
        assert [key.rpm for each in shared.backends for key in each.api_key] == [None]
        assert [*lost(shared)] == ["model_list[0].litellm_params.rpm (and 1 more)"]

    def test_default_is_no_name_by_chance(self) -> None:
        """A backend that happens to be called ``default`` does not take every name."""
        draft = draft_of("model_list:\n" + entry("a", "openai/m", ", api_base: 'http://default:1/v1'"))
        assert [each.name for each in draft.backends] == ["default-backend"]

    @pytest.mark.parametrize("strategy", ["latency-based-routing", "cost-based-routing", "one-of-mine"])
    def test_other_strategy(self, strategy: str) -> None:
        """A strategy without a counterpart is told, also where every name has one address."""
        draft = draft_of(
            "model_list: [{model_name: a, litellm_params: {model: openai/a}}]\n"
            f"router_settings: {{routing_strategy: {strategy}}}\n"
        )
        assert "no counterpart: several keys take turns" in lost(draft)["router_settings.routing_strategy"]

    @pytest.mark.parametrize(("strategy", "word"), [("simple-shuffle", "round_robin"), ("least-busy", "least_used")])
    def test_strategy(self, strategy: str, word: str) -> None:
        """The strategy is that of pools of keys."""
        draft = draft_of(
            "model_list:\n"
            + entry("a", "groq/a")
            + entry("a", "groq/a", ", api_key: os.environ/B")
            + f"router_settings: {{routing_strategy: {strategy}}}\n"
        )
        assert [each.key_strategy for each in draft.backends] == [word]


class RouteTests:
    """Routes."""

    def test_none_needed(self) -> None:
        """A name with one model and no fallbacks needs no route."""
        assert draft_of("model_list:\n" + entry("a")).routes == []

    def test_attempts(self) -> None:
        """Retries and fallbacks are counted together; silence of the first leaves time for the next."""
        text = "model_list:\n" + entry("a", "groq/a", ", timeout: 300") + entry("b", "mistral/b")
        (route,) = draft_of(text + "router_settings: {num_retries: 1, fallbacks: [{a: [b]}]}\n").routes
        assert (route.models, route.match, route.max_attempts, route.max_wait) == (("a", "b"), ("a",), 4, 420)
        (route,) = draft_of(text + "router_settings: {fallbacks: [{a: [b]}]}\n").routes
        assert route.max_attempts is None

    def test_depth(self) -> None:
        """As many stand in as LiteLLM allows."""
        names = "abcdefgh"
        text = "model_list:\n" + "".join(entry(name, f"groq/{name}") for name in names)
        chain = ", ".join(f"{{{one}: [{two}]}}" for one, two in itertools.pairwise(names))
        routes = draft_of(f"{text}router_settings: {{max_fallbacks: 2, fallbacks: [{chain}]}}\n").routes
        assert routes[0].models == ("a", "b", "c")

    def test_long_chain(self) -> None:
        """Names may stand in for one another through more names than calls of Python fit into each other."""
        names = ["a", *(f"'#{number}'" for number in range(999)), "b"]
        chain = ", ".join(f"{{{one}: [{two}]}}" for one, two in itertools.pairwise(names))
        text = "model_list:\n" + entry("a", "groq/a") + entry("b", "groq/b")
        routes = draft_of(f"{text}router_settings: {{max_fallbacks: 1000, fallbacks: [{chain}]}}\n").routes
        assert [each.models for each in routes] == [("a", "b")]

    def test_ring(self) -> None:
        """Names that stand in for each other are asked once each."""
        text = "model_list:\n" + entry("a", "groq/a") + entry("b", "groq/b")
        routes = draft_of(text + "router_settings: {fallbacks: [{a: [b, a]}, {b: [a]}]}\n").routes
        assert [each.models for each in routes] == [("a", "b"), ("b", "a")]

    def test_unknown_stand_in(self) -> None:
        """A stand-in that is not there is reported, the others are used."""
        text = "model_list:\n" + entry("a", "groq/a") + entry("b", "groq/b")
        draft = draft_of(text + "litellm_settings: {fallbacks: [{a: [x, b]}]}\n")
        assert draft.routes[0].models == ("a", "b")
        assert lost(draft) == {"litellm_settings.fallbacks": "x in it was not carried over"}

    def test_unknown_alias(self) -> None:
        """So is an alias of nothing."""
        draft = draft_of("model_list:\n" + entry("a") + "router_settings: {model_group_alias: {x: y}}\n")
        assert [*lost(draft)] == ["router_settings.model_group_alias.x"]


class PriceTests:
    """Prices and budgets."""

    def test_once_for_a_model(self) -> None:
        """A model of a backend has one price, whatever it is called; another one is reported."""
        price = ", input_cost_per_token: {}, output_cost_per_token: 0"
        draft = draft_of(
            "model_list:\n"
            + entry("a", "groq/m", price.format("1e-6"))
            + entry("b", "groq/m", price.format("1e-6"))
            + entry("c", "groq/m", price.format("2e-6"))
        )
        assert [each.name for each in draft.prices] == ["a"]
        assert [*lost(draft)] == ["model_list[2].model_info"]

    def test_budget(self) -> None:
        """A budget is for the model."""
        draft = draft_of("model_list:\n" + entry("my/a", "groq/m", ", max_budget: 5, budget_duration: 1d"))
        assert [(each.name, each.whom, each.per) for each in draft.budgets] == [("my-a", "model my/a", "day")]

    def test_budgets_of_names_alike(self) -> None:
        """No two budgets have one name, as models may whose names differ only in what a budget's may not have."""
        budget = ", max_budget: 5, budget_duration: 1d"
        models = "".join(entry(name, f"groq/m{number}", budget) for number, name in enumerate(("my/a", "my-a", "all")))
        draft = draft_of(f"model_list:\n{models}litellm_settings: {{max_budget: 9, budget_duration: 1d}}\n")
        assert [(each.name, each.whom) for each in draft.budgets] == [
            ("all", "all"),
            ("my-a", "model my/a"),
            ("my-a-2", "model my-a"),
            ("all-2", "model all"),
        ]


class PatternTests:
    """Patterns."""

    def test_second_place(self) -> None:
        """A pattern that passes names on has one place."""
        more = ", api_base: 'http://{}/v1'"
        draft = draft_of(
            "model_list:\n" + entry("*", "openai/*", more.format("a")) + entry("*", "openai/*", more.format("b"))
        )
        assert [each.name for each in draft.backends] == ["default"]
        assert [*lost(draft)] == ["model_list[1]"]

    def test_everything_means_one_model(self) -> None:
        """A pattern for everything that means one model is the default route."""
        draft = draft_of("model_list:\n" + entry("*", "groq/m") + entry("a", "mistral/a"))
        assert [(each.name, each.models, each.match) for each in draft.routes] == [("default", ("m",), ())]

    def test_no_stand_ins(self) -> None:
        """Nothing stands in for a name that only a pattern has, which is told."""
        draft = draft_of(
            "model_list:\n"
            + entry("groq/*", "groq/*")
            + entry("a", "mistral/a")
            + "litellm_settings: {default_fallbacks: [a]}\n"
        )
        assert [(each.name, each.models) for each in draft.routes] == [("default", ("a",))]
        assert [*lost(draft)] == ["litellm_settings.default_fallbacks"]

    def test_no_default_before_a_pattern(self) -> None:
        """A default fallback takes no names that a pattern passes on."""
        draft = draft_of(
            "model_list:\n"
            + entry("claude-*", "anthropic/claude-*")
            + entry("a", "mistral/a")
            + "litellm_settings: {default_fallbacks: [a]}\n"
        )
        assert draft.routes == []

    def test_a_prefix_that_is_part_of_a_name(self) -> None:
        """No backend is called like the first part of names that a pattern passes on whole, or it would get them."""
        draft = draft_of(
            "model_list:\n"
            + entry("anthropic/*", "openrouter/anthropic/*")
            + entry("claude", "anthropic/claude-opus-5")
        )
        assert [each.name for each in draft.backends] == ["default", "anthropic-2"]
