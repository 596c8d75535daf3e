"""Promises of the planner: which model answers a name."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import NotFound
from claude_bridge.services.dispatch.plan import Choice, Planner
from claude_bridge.services.interfaces import ModelInfo, ModelLists
from claude_bridge.testing.fakes import FixedLists
from tests.services.dispatch.stage import ONE, HangingLists, configured, models

TWO = """
[server]
credentials = forward

[backend:one]
url = http://one/v1
[backend:two]
url = http://two/v1
"""

BARE = "[backend:default]\nurl = http://box/v1\n"


def chosen(text: str, name: str, lists: ModelLists | None = None, credential: str | None = None) -> Choice:
    """Plan at once and give the only choice."""
    planner = Planner(configured(text), lists or FixedLists())
    planning = Deferred.fromCoroutine(planner.plan(name, None if credential is None else Secret(credential)))
    plans: list[tuple[Choice, ...]] = []
    failures: list[BaseException] = []
    planning.addCallbacks(plans.append, lambda failure: failures.append(failure.value))
    if failures:
        raise failures[0]
    ((choice,),) = plans
    return choice


class WhichModelTests:
    """Exact alias, backend/model, the lists, the default route, the only model, as it is."""

    @pytest.mark.parametrize("name", ["glm", "glm@claude-bridge", "claude-opus-5-5", "claude-opus-5-5@claude-bridge"])
    def test_configured_name_never_waits(self, name: str) -> None:
        """A configured name, or one of the client's own with a default route, is served while a backend hangs."""
        choice = chosen(ONE, name, HangingLists())
        assert (choice.label, choice.shown) == ("box/zai/GLM", name)

    @pytest.mark.parametrize("mark", ["", "@claude-bridge"])
    def test_alias_before_anything_else(self, mark: str) -> None:
        """A configured name wins over a backend's model of the same name."""
        text = TWO + "[model:one/x]\nbackend = two\nname = y\n"
        assert chosen(text, f"one/x{mark}", HangingLists()).label == "two/y"

    @pytest.mark.parametrize("mark", ["", "@claude-bridge"])
    def test_backend_slash_model(self, mark: str) -> None:
        """A name may say which backend it means; the model's own slashes stay."""
        assert chosen(TWO, f"two/zai-org/GLM{mark}", HangingLists()).label == "two/zai-org/GLM"

    def test_addressed_model_keeps_its_settings(self) -> None:
        """Addressed by the backend's own name, a model still has the settings of its section."""
        choice = chosen(ONE, "box/zai/GLM", HangingLists())
        assert choice.target.context_window == 100_000

    def test_unknown_prefix_is_part_of_the_name(self) -> None:
        """A slash alone makes no backend."""
        lists = FixedLists({"two": models("zai-org/GLM")})
        assert chosen(TWO, "zai-org/GLM", lists).label == "two/zai-org/GLM"

    @pytest.mark.parametrize("name", ["one/", "/x"])
    def test_half_an_address_is_a_name(self, name: str) -> None:
        """A slash at an end addresses nothing."""
        assert chosen(BARE.replace("default", "one"), name).target.model == name

    @pytest.mark.parametrize("name", ["QWEN3-coder", "qwen3-coder@claude-bridge", "Qwen3-Coder"])
    def test_case_follows_the_list(self, name: str) -> None:
        """A name that differs from a listed one only in case is that one, and the client sees its own spelling."""
        lists = FixedLists({"box": models("other", "Qwen3-Coder")})
        choice = chosen(ONE, name, lists)
        assert (choice.target.model, choice.shown) == ("Qwen3-Coder", name)

    def test_exact_name_wins_over_case(self) -> None:
        """Of two names that differ in case the exact one is meant, wherever it is."""
        lists = FixedLists({"one": models("M", "m2"), "two": models("m")})
        assert chosen(TWO, "m", lists).label == "two/m"
        assert chosen(TWO, "M", lists).label == "one/M"

    def test_all_lists_are_asked_at_once(self) -> None:
        """Backends that hang cost their wait once, not one after the other."""
        lists = HangingLists()
        planning = Deferred.fromCoroutine(Planner(configured(TWO), lists).plan("m", None))
        planning.addErrback(lambda _: None)
        assert lists.asked == ["one", "two"]
        planning.cancel()

    @pytest.mark.parametrize("name", ["claude-fable-5", "sonnet", "no-such"])
    def test_everything_else_takes_the_default_route(self, name: str) -> None:
        """What nobody knows goes where `[route:default]` says."""
        lists = FixedLists({"box": models("a", "b")})
        assert chosen(ONE, name, lists).label == "box/zai/GLM"

    def test_claude_name_that_a_backend_lists(self) -> None:
        """Without a default route a listed claude-* model is served as itself."""
        lists = FixedLists({"default": models("Claude-Local", "b")})
        assert chosen(BARE, "claude-local", lists).target.model == "Claude-Local"

    @pytest.mark.parametrize("name", ["claude-opus-5-5", "anything"])
    def test_only_model(self, name: str) -> None:
        """A backend with one model answers every name with it, and the client sees the name it asked for."""
        lists = FixedLists({"default": (ModelInfo(id="the-one", context_window=4096),)})
        choice = chosen(BARE, name, lists)
        assert (choice.target.model, choice.shown, choice.target.context_window) == ("the-one", name, 4096)

    @pytest.mark.parametrize("listed", [(), ("a", "b")])
    def test_else_as_it_is(self, listed: tuple[str, ...]) -> None:
        """With no list, or several models in it, the backend gets the name as it is, without our mark."""
        lists = FixedLists({"default": models(*listed)})
        assert chosen(BARE, "new-model@claude-bridge", lists).target.model == "new-model"

    def test_only_backend_needs_no_name(self) -> None:
        """One backend of whatever name is home."""
        assert chosen(BARE.replace("default", "shop"), "m").label == "shop/m"

    def test_default_backend_among_several(self) -> None:
        """The backend called default takes what nobody else knows."""
        assert chosen(TWO + BARE, "m").label == "default/m"

    def test_no_home_is_404_that_says_what_to_set(self) -> None:
        """With several backends and no route the answer names both places where a model can be set."""
        with pytest.raises(NotFound) as caught:
            chosen(TWO, "no-such")
        assert caught.value.status == 404
        for told in ("no-such", "[route:default]", "ANTHROPIC_MODEL"):
            assert told in caught.value.message


class TargetTests:
    """What the translation learns of a chosen model."""

    def test_section_settings_reach_the_target(self) -> None:
        """All settings of a model count for its requests."""
        text = BARE.replace("default", "box") + (
            "strip_attribution = no\n[model:m]\nname = M\ncontext_window = 9000\nmax_output_tokens = 500\n"
            "reasoning_control = effort\nreasoning_echo = never\nsystem_messages = inline\nshow_reasoning = always\n"
        )
        choice = chosen(text, "m")
        target = choice.target
        assert (target.model, target.context_window, target.max_output_tokens) == ("M", 9000, 500)
        assert (target.reasoning_control, target.reasoning_echo) == ("effort", "never")
        assert (target.system_messages, target.strip_attribution) == ("inline", False)
        assert choice.show_reasoning == "always"

    def test_window_comes_from_the_list_where_not_configured(self) -> None:
        """What the backend's list tells of a configured model's window counts as soon as it is known."""
        text = BARE + "[model:m]\nname = M\n"
        lists = FixedLists({"default": (ModelInfo(id="M", context_window=4096),)})
        for name in ("m", "default/M"):
            target = chosen(text, name, lists).target
            assert (target.context_window, target.window_configured) == (4096, False)

    def test_configured_window_wins_over_the_list(self) -> None:
        """Who configures a window means it."""
        lists = FixedLists({"box": (ModelInfo(id="zai/GLM", context_window=4096),)})
        target = chosen(ONE, "glm", lists).target
        assert (target.context_window, target.window_configured) == (100_000, True)


class ListCredentialTests:
    """Whose key is shown when a list is asked for."""

    def test_forwarded_key_is_shown(self) -> None:
        """The list is asked with the credential that the request would be sent with."""
        lists = FixedLists({"default": models("a", "b")})
        chosen(BARE, "m", lists, credential="mine")
        assert set(lists.asked) == {("default", "mine")}

    def test_anthropic_key_is_never_shown(self) -> None:
        """A key of Anthropic's does not leave for a list either."""
        lists = FixedLists({"default": models("a", "b")})
        chosen(BARE, "m", lists, credential="sk-ant-api03-x")
        assert set(lists.asked) == {("default", None)}

    def test_unknown_name_shows_the_key_to_nobody(self) -> None:
        """A key is one backend's: a name that nobody knows does not make the others see it."""
        lists = FixedLists({"two": models("m")})
        assert chosen(TWO, "m", lists, credential="mine").label == "two/m"
        assert lists.asked == [("one", None), ("two", None)]

    def test_backend_that_gets_the_request_sees_the_key(self) -> None:
        """The window of a model is looked up with the key that goes there with the request."""
        lists = FixedLists({"two": (ModelInfo(id="m", context_window=4096),)})
        assert chosen(TWO, "two/m", lists, credential="mine").target.context_window == 4096
        assert lists.asked == [("two", "mine")]
