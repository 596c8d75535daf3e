"""Promises of the resolver: which model answers a name."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from claude_bridge.client.route_explanation import explanation
from claude_bridge.config.schema import Backend, Route
from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.backend import ChatTarget
from claude_bridge.core.errors import ModelNotAllowed, NotFound
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.recorded_request import read_recorded
from claude_bridge.core.messages_api.request_info import request_info
from claude_bridge.core.messages_api.routing_facts import RoutingFacts
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.services.exchange.plan import Candidate, Plan
from claude_bridge.services.exchange.resolver import MAX_KEPT, CandidateResolver
from claude_bridge.services.interfaces import ModelLists
from claude_bridge.services.knowledge.dialect_detection import DialectDetection
from claude_bridge.testing.fakes import FixedFacts, FixedLists
from tests.services.exchange.stage import NO_FACTS, ONE, HangingLists, candidates, configured, models, resolving

TWO = """
[server]
credentials = forward

[backend:one]
url = http://one/v1
[backend:two]
url = http://two/v1
"""

BARE = "[backend:default]\nurl = http://box/v1\n"

ALIAS = "[model:m]\nname = M\n"
OLLAMA = BARE + "dialect = ollama\n" + ALIAS


def known(text: str) -> str:
    """Return in a configuration what all its backends are."""
    return text.replace("/v1\n", "/v1\ndialect = vllm\n")


def chosen(text: str, name: str, lists: ModelLists | None = None, credential: str | None = None) -> Candidate:
    """Resolve at once and return the only candidate."""
    return resolved(resolving(configured(text), lists), name, credential)


def chat_target(candidate: Candidate) -> ChatTarget:
    """Return the target of a candidate that is asked for chat completions."""
    assert isinstance(candidate.target, ChatTarget)
    return candidate.target


def resolved(resolver: CandidateResolver, name: str, credential: str | None = None) -> Candidate:
    """Resolve at once with this resolver and return the only candidate."""
    found, failures = resolving_of(resolver, name, credential)
    if failures:
        raise failures[0]
    ((candidate,),) = found
    return candidate


def resolving_of(
    resolver: CandidateResolver, name: str, credential: str | None = None
) -> tuple[list[tuple[Candidate, ...]], list[BaseException]]:
    """Begin to resolve; the lists get the candidates or the failure once they are there."""
    made = Deferred.fromCoroutine(candidates(resolver, name, None if credential is None else Secret(credential)))
    found: list[tuple[Candidate, ...]] = []
    failures: list[BaseException] = []
    made.addCallbacks(found.append, lambda failure: failures.append(failure.value))
    return found, failures


@define
class HeldLists:
    """Lists that come when the test says so, and until then are what was known before.

    :ivar asked: what was asked for, in order.
    """

    models: tuple[ModelInfo, ...] = ()
    asked: list[str] = field(factory=list)
    revision: int = 0
    _waiting: list[Deferred[tuple[ModelInfo, ...]]] = field(factory=list)

    def fetch(self, backend: Backend, credential: Secret | None) -> Deferred[tuple[ModelInfo, ...]]:  # noqa: ARG002 - as the seam
        """Return what is known, else wait."""
        self.asked.append("fetch")
        return succeed(self.models) if self.models else self._wait()

    def renewed(self, backend: Backend, credential: Secret | None) -> Deferred[tuple[ModelInfo, ...]]:  # noqa: ARG002 - as the seam
        """Wait."""
        self.asked.append("renewed")
        return self._wait()

    def known(self, backend: Backend, credential: Secret | None) -> tuple[ModelInfo, ...]:  # noqa: ARG002 - as the seam
        """Return what is known."""
        return self.models

    def come(self, *models: ModelInfo) -> None:
        """Let everybody have these."""
        self.models = models
        self.revision += 1
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(models)

    def _wait(self) -> Deferred[tuple[ModelInfo, ...]]:
        self._waiting.append(Deferred())
        return self._waiting[-1]


@define
class KeyedLists(FixedLists):
    """Lists that differ by the credential, and of which none is to be asked for."""

    by_key: dict[str | None, tuple[ModelInfo, ...]] = field(factory=dict, kw_only=True)

    def fetch(self, backend: Backend, credential: Secret | None) -> Deferred[tuple[ModelInfo, ...]]:
        """Fail."""
        pytest.fail(f"asked {backend.name} with {credential}")

    def known(self, backend: Backend, credential: Secret | None) -> tuple[ModelInfo, ...]:  # noqa: ARG002 - as the seam
        """Return the list under a credential."""
        return self.by_key.get(None if credential is None else credential.reveal(), ())


class WhichModelTests:
    """Exact alias, backend/model, the lists, the default route, the only model, as it is."""

    @pytest.mark.parametrize("name", ["glm", "glm@claude-bridge", "claude-opus-5-5", "claude-opus-5-5@claude-bridge"])
    def test_configured_name_never_waits(self, name: str) -> None:
        """A configured name, or one of the client's own with a default route, is served while the list hangs."""
        candidate = chosen(known(ONE), name, HangingLists())
        assert (candidate.label, candidate.shown) == ("box/zai/GLM", name)

    @pytest.mark.parametrize("mark", ["", "@claude-bridge"])
    def test_alias_before_anything_else(self, mark: str) -> None:
        """A configured name wins over a backend's model of the same name."""
        text = TWO + "[model:one/x]\nbackend = two\nname = y\n"
        assert chosen(known(text), f"one/x{mark}", HangingLists()).label == "two/y"

    @pytest.mark.parametrize("mark", ["", "@claude-bridge"])
    def test_backend_slash_model(self, mark: str) -> None:
        """A name may say which backend it means; the model's own slashes stay."""
        assert chosen(known(TWO), f"two/zai-org/GLM{mark}", HangingLists()).label == "two/zai-org/GLM"

    def test_addressed_model_keeps_its_settings(self) -> None:
        """Addressed by the backend's own name, a model still has the settings of its section."""
        candidate = chosen(known(ONE), "box/zai/GLM", HangingLists())
        assert candidate.target.context_window == 100_000

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
        candidate = chosen(ONE, name, lists)
        assert (candidate.target.model, candidate.shown) == ("Qwen3-Coder", name)

    def test_exact_name_wins_over_case(self) -> None:
        """Of two names that differ in case the exact one is meant, wherever it is."""
        lists = FixedLists({"one": models("M", "m2"), "two": models("m")})
        assert chosen(TWO, "m", lists).label == "two/m"
        assert chosen(TWO, "M", lists).label == "one/M"

    def test_all_lists_are_asked_at_once(self) -> None:
        """Backends that hang cost their wait once, not one after the other."""
        lists = HangingLists()
        made = Deferred.fromCoroutine(candidates(resolving(configured(TWO), lists), "m"))
        made.addErrback(lambda _: None)
        assert lists.asked == ["one", "two"]
        made.cancel()

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
        candidate = chosen(BARE, name, lists)
        assert (candidate.target.model, candidate.shown, candidate.target.context_window) == ("the-one", name, 4096)

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

    def test_no_home_names_what_there_is(self) -> None:
        """Who mistypes a name sees those that are like it, as they would have to be written."""
        lists = FixedLists({"one": models("qwen3-coder", "glm-4.5-air"), "two": models("llama")})
        with pytest.raises(NotFound) as caught:
            chosen(TWO, "qwen-coder-3", lists)
        assert ". There are one/qwen3-coder, " in caught.value.message


class KnownListTests:
    """A backend's list as far as it is known."""

    def test_under_either_key(self) -> None:
        """What was asked for with the client's key, to answer it, is known; so is what was asked for without."""
        config = configured(TWO)
        for key in (None, "mine"):
            lists = KeyedLists(by_key={key: models("m")})
            assert resolving(config, lists).known_list(config.backends["two"], Secret("mine")) == models("m")
        assert (
            resolving(config, KeyedLists(by_key={"other": models("m")})).known_list(config.backends["two"], None) == ()
        )


class ExplainedTests:
    """`claude-bridge routes explain` says what happens here."""

    TEXT = TWO + (
        "[model:a]\nbackend = one\nname = A\n[model:b]\nbackend = two\nname = B\n"
        "[route:side]\nmodels = b, a\nwhen = background, subagent\n[route:eyes]\nmodels = two/v, a\nwhen = image\n"
        "[route:named]\nmodels = b\nmatch = sonnet, glm*\n[route:default]\nmodels = a, two/c\n"
    )

    @pytest.mark.parametrize(
        "name", ["claude-opus-5-5", "claude-haiku-4-5", "sonnet", "auto", "a", "B", "two,x", "glm-5"]
    )
    @pytest.mark.parametrize("more", [{}, {"image": True}, {"headers": {"x-claude-code-agent-id": "7"}}])
    def test_the_same_models_in_the_same_order(self, name: str, more: dict[str, Any]) -> None:
        """The models that it lists are those of the plan."""
        picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
        content = [{"type": "text", "text": "hi"}, *([picture] if more.get("image") else [])]
        body = {"model": name, "max_tokens": 9, "messages": [{"role": "user", "content": content}]}
        saved = json.dumps({"headers": more.get("headers", {}), "body": body}).encode()
        config, found = configured(self.TEXT), read_recorded(saved)
        request = parsing.decode(found.body)
        facts = RoutingFacts(request, request_info(request, found.headers, len(found.body)))
        plans: list[Plan] = []
        Deferred.fromCoroutine(resolving(config).plan(name, None, facts)).addCallback(plans.append)
        told = re.findall(r"^  \d\.  .*?(\w+/\S+)  ", explanation(config, saved), re.MULTILINE)
        assert told == [step.name for step in plans[0].steps]


class SpellingTests:
    """A configured name that differs from a listed one in case alone is that one."""

    LISTED = models("other", "glm-4.5-air")
    TEXT = BARE + "[model:x]\nname = GLM-4.5-Air\nmax_output_tokens = 500\n"

    @pytest.mark.parametrize("name", ["x", "x@claude-bridge", "default/GLM-4.5-AIR", "glm-4.5-air", "GLM-4.5-air"])
    @pytest.mark.parametrize("more", ["", "context_window = 9000\n"])
    def test_corrected(self, name: str, more: str) -> None:
        """However the model is named, the backend gets its own spelling, with the settings of the section."""
        candidate = chosen(self.TEXT + more, name, FixedLists({"default": self.LISTED}))
        assert (candidate.target.model, candidate.shown) == ("glm-4.5-air", name)
        assert candidate.target.max_output_tokens == 500

    def test_route(self) -> None:
        """So does every name that the default route takes."""
        text = self.TEXT + "[route:default]\nmodels = x\n"
        assert chosen(text, "claude-opus-5-5", FixedLists({"default": self.LISTED})).label == "default/glm-4.5-air"

    def test_exact_name_stays(self) -> None:
        """A name that the list has, or has nothing like, is sent as it is; a tag is never added to it."""
        both = FixedLists({"default": models("glm-4.5-air", "GLM-4.5-Air")})
        assert chosen(self.TEXT, "x", both).target.model == "GLM-4.5-Air"
        for listed in (models(), models("a", "b"), models("GLM-4.5-Air:latest", "b")):
            assert chosen(self.TEXT, "x", FixedLists({"default": listed})).target.model == "GLM-4.5-Air"

    def test_nobody_waits(self) -> None:
        """Where nothing else has to be known, the list is asked for once and the next request has the spelling."""
        lists = HeldLists()
        resolver = resolving(configured(known(self.TEXT) + "context_window = 9000\n"), lists)
        assert resolved(resolver, "x").target.model == "GLM-4.5-Air"
        lists.come(*self.LISTED)
        assert [resolved(resolver, "x").target.model for _ in range(3)] == ["glm-4.5-air"] * 3
        assert lists.asked == ["fetch"]

    def test_new_list(self) -> None:
        """A list that changes is looked at anew."""
        lists = FixedLists({"default": self.LISTED})
        resolver = resolving(configured(self.TEXT), lists)
        assert resolved(resolver, "x").target.model == "glm-4.5-air"
        lists.lists["default"] = models("GLM-4.5-AIR", "b")
        lists.revision += 1
        assert resolved(resolver, "x").target.model == "GLM-4.5-AIR"

    def test_names_of_clients(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Names that clients make up do not fill the memory."""
        monkeypatch.setattr("claude_bridge.services.exchange.resolver.MAX_TARGETS", 10)
        resolver = resolving(configured(self.TEXT), FixedLists({"default": self.LISTED}))
        for number in range(25):
            resolved(resolver, f"default/m{number}")
        assert len(resolver._spellings) <= 10


class TargetTests:
    """What the translation learns of a chosen model."""

    def test_section_settings_reach_the_target(self) -> None:
        """All settings of a model count for its requests."""
        text = BARE.replace("default", "box") + (
            "strip_attribution = no\n[model:m]\nname = M\ncontext_window = 9000\nmax_output_tokens = 500\n"
            "reasoning_control = effort\nreasoning_echo = never\nsystem_messages = inline\nshow_reasoning = always\n"
        )
        candidate = chosen(text, "m")
        target = chat_target(candidate)
        assert (target.model, target.context_window, target.max_output_tokens) == ("M", 9000, 500)
        assert (target.reasoning_control, target.reasoning_echo) == ("effort", "never")
        assert (target.system_messages, target.strip_attribution) == ("inline", False)
        assert candidate.show_reasoning == "always"

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


class CutTests:
    """Where too long a prompt is cut without a word, nothing is sent before the window was asked for."""

    LOADED = ModelInfo(id="M", context_window=4096)

    @pytest.mark.parametrize("name", ["m", "default/M"])
    def test_first_request_knows_the_window(self, name: str) -> None:
        """The first long prompt after a start is not cut: it waits for the list that tells what is too long."""
        lists = HeldLists()
        found, _ = resolving_of(resolving(configured(OLLAMA), lists), name)
        assert found == []
        lists.come(self.LOADED)
        ((candidate,),) = found
        assert candidate.target.context_window == 4096

    @pytest.mark.parametrize("name", ["m", "default/M", "M"])
    def test_loaded_meanwhile(self, name: str) -> None:
        """A model that was not loaded when the list came is looked up anew by the next request."""
        lists = HeldLists((ModelInfo(id="M"), ModelInfo(id="other")))
        found, _ = resolving_of(resolving(configured(OLLAMA), lists), name)
        assert (found, lists.asked[-1]) == ([], "renewed")
        lists.come(self.LOADED, ModelInfo(id="other"))
        ((candidate,),) = found
        assert candidate.target.context_window == 4096

    @pytest.mark.parametrize("name", ["m", "default/M", "M"])
    def test_not_loaded(self, name: str) -> None:
        """A model that nobody has loaded yet is served, whatever its window will be."""
        lists = HeldLists((ModelInfo(id="M"), ModelInfo(id="other")))
        found, _ = resolving_of(resolving(configured(OLLAMA), lists), name)
        lists.come(ModelInfo(id="M"), ModelInfo(id="other"))
        ((candidate,),) = found
        assert candidate.target.context_window is None

    @pytest.mark.parametrize("name", ["m", "default/M", "M"])
    def test_known_window_is_not_waited_for(self, name: str) -> None:
        """As long as the list tells the window nobody waits, fresh or not."""
        lists = HeldLists((self.LOADED,))
        assert resolved(resolving(configured(OLLAMA), lists), name).target.context_window == 4096
        assert lists.asked == ["fetch"]

    @pytest.mark.parametrize(
        "text",
        [
            OLLAMA + "context_window = 9000\n",
            OLLAMA + "truncates = no\n",
            OLLAMA.replace("ollama", "vllm"),
            OLLAMA.replace("ollama", "vllm") + "truncates = yes\n",
        ],
        ids=["window configured", "does not cut", "refuses", "has no list of loaded models"],
    )
    def test_no_cause_to_wait(self, text: str) -> None:
        """Where the window is configured, nothing is cut or no list would tell, nobody waits for a known backend."""
        assert chosen(text, "m", HeldLists()).target.model == "M"

    def test_route_waits_for_the_model_whose_turn_it_is(self) -> None:
        """A backend is asked for its list when its model is to be asked, not because it might be."""
        text = "[model:a]\nbackend = one\nname = M\n[model:b]\nbackend = two\nname = N\n"
        config = configured(known(TWO).replace("vllm", "ollama") + text)
        config = evolve(config, routes={"default": Route(name="default", models=("a", "b"))})
        lists = HeldLists()
        found, _ = resolving_of(resolving(config, lists), "claude-opus-5-5")
        assert (found, lists.asked) == ([], ["renewed"])
        lists.come(self.LOADED, ModelInfo(id="N", context_window=8192))
        assert lists.asked == ["renewed", "fetch"]
        lists.come(self.LOADED, ModelInfo(id="N", context_window=8192))
        (both,) = found
        assert [(candidate.label, candidate.target.context_window) for candidate in both] == [
            ("one/M", 4096),
            ("two/N", 8192),
        ]

    @pytest.mark.parametrize("name", ["m", "claude-opus-5-5"])
    def test_client_leaves(self, name: str) -> None:
        """A client that leaves while its plan waits ends the wait, and nothing else fails."""
        resolver = resolving(configured(OLLAMA + "[route:default]\nmodels = m\n"), HangingLists())
        made = Deferred.fromCoroutine(candidates(resolver, name))
        failures: list[type[BaseException] | None] = []
        made.addErrback(lambda failure: failures.append(failure.type))
        made.cancel()
        assert failures == [CancelledError]


class UnknownBackendTests:
    """The first request for a backend that nothing is known of waits for its list, which says what it is."""

    def test_first_request_gets_the_right_dialect(self) -> None:
        """What the list reveals counts for the request that waited for it."""
        config, lists, detection = configured(BARE + ALIAS), HeldLists(), DialectDetection(KINDS)
        found, _ = resolving_of(resolving(config, lists, detection), "m")
        assert found == []
        detection.observe(config.backends["default"], Clues(owners=("library",)))
        lists.come(ModelInfo(id="M", context_window=4096))
        ((candidate,),) = found
        assert (chat_target(candidate).dialect.name, candidate.target.context_window) == ("ollama", 4096)
        assert lists.asked == ["fetch"]

    def test_found_out_earlier(self) -> None:
        """What an earlier run found out is made sure of in the same way."""
        config, lists, detection = configured(BARE + ALIAS), HeldLists(), DialectDetection(KINDS)
        detection.restore(config.backends["default"], "ollama")
        resolver = resolving(config, lists, detection)
        assert resolving_of(resolver, "m")[0] == []
        lists.come(ModelInfo(id="M", context_window=4096))
        assert resolved(resolver, "m").target.context_window == 4096

    @pytest.mark.parametrize("more", ["", "context_window = 9000\n"])
    def test_waits_once(self, more: str) -> None:
        """A backend that reveals nothing, or has no list, is not waited for again."""
        lists = HeldLists()
        resolver = resolving(configured(BARE + ALIAS + more), lists)
        found, _ = resolving_of(resolver, "m")
        assert found == []
        lists.come()
        assert len(found) == 1
        assert resolved(resolver, "m").target.model == "M"
        assert lists.asked == ["fetch", "fetch"]

    def test_who_left_has_not_waited(self) -> None:
        """A client that left before the list came does not make the next one go on blindly."""
        resolver = resolving(configured(BARE + ALIAS), HangingLists())
        made = Deferred.fromCoroutine(candidates(resolver, "m"))
        made.addErrback(lambda _: None)
        made.cancel()
        assert resolving_of(resolver, "m")[0] == []


class KeptTests:
    """The candidates of a name are kept for a second."""

    def test_a_second(self) -> None:
        """Within a second nothing is asked again; after it everything is."""
        lists, clock = FixedLists({"default": models("a", "b")}), Clock()
        resolver = resolving(configured(BARE), lists, clock=clock)
        first = resolved(resolver, "a")
        clock.advance(0.9)
        assert resolved(resolver, "a") is first
        assert len(lists.asked) == 1
        clock.advance(0.1)
        assert resolved(resolver, "a") == first
        assert len(lists.asked) == 2

    def test_apart(self) -> None:
        """Each name, as the client wrote it, and each credential has its own."""
        lists = FixedLists({"default": models("a", "b")})
        resolver = resolving(configured(BARE), lists)
        names = [resolved(resolver, name).shown for name in ("a", "a@claude-bridge", "b", "a")]
        assert names == ["a", "a@claude-bridge", "b", "a"]
        for credential in ("mine", "hers", "mine"):
            resolved(resolver, "a", credential)
        assert [credential for _, credential in lists.asked] == [None, None, None, "mine", "hers"]

    def test_list_changes(self) -> None:
        """A list that has arrived counts for the next request."""
        lists = HeldLists((ModelInfo(id="M", context_window=4096),))
        resolver = resolving(configured(known(BARE)), lists)
        assert resolved(resolver, "M").target.context_window == 4096
        lists.come(ModelInfo(id="M", context_window=8192))
        assert resolved(resolver, "M").target.context_window == 8192

    def test_list_that_arrives_meanwhile(self) -> None:
        """Candidates that were made while a list arrived are not kept: they may be made from the one before."""
        lists = HeldLists()
        resolver = resolving(configured(known(TWO)), lists)
        found, _ = resolving_of(resolver, "m")
        lists.come(*models("m"))
        assert len(found) == 1
        resolved(resolver, "m")
        assert lists.asked == ["fetch"] * 4

    def test_dialect_is_found_out(self) -> None:
        """A dialect that an answer has revealed counts for the next request."""
        config, detection = configured(BARE), DialectDetection(KINDS)
        resolver = resolving(config, FixedLists({"default": models("a", "b")}), detection)
        assert chat_target(resolved(resolver, "a")).dialect.name != "ollama"
        detection.observe(config.backends["default"], Clues(owners=("library",)))
        assert chat_target(resolved(resolver, "a")).dialect.name == "ollama"

    def test_dialect_is_restored(self) -> None:
        """So does one that is restored from the state file."""
        config, detection = configured(BARE), DialectDetection(KINDS)
        resolver = resolving(config, FixedLists({"default": models("a", "b")}), detection)
        resolved(resolver, "a")
        detection.restore(config.backends["default"], "ollama")
        assert chat_target(resolved(resolver, "a")).dialect.name == "ollama"

    def test_failure_is_not_kept(self) -> None:
        """A name that nothing can serve is looked up by every request."""
        lists = FixedLists()
        resolver = resolving(configured(TWO), lists)
        for _ in range(2):
            assert isinstance(resolving_of(resolver, "m")[1][0], NotFound)
        assert len(lists.asked) == 4

    def test_bounded(self) -> None:
        """Names that clients make up do not fill the memory."""
        resolver = resolving(configured(BARE))
        for number in range(MAX_KEPT + 20):
            resolved(resolver, f"m{number}")
        assert len(resolver._kept) == MAX_KEPT


TEAM = """
[server]
credentials = keys
[backend:box]
url = http://box/v1
dialect = vllm
[backend:shop]
url = http://shop/v1
dialect = vllm
[model:glm]
backend = box
name = zai/GLM
[model:opus]
backend = shop
name = big
[route:think]
models = opus, glm
when = think
[route:glm-too]
models = glm
match = opus-*
[route:default]
models = opus, shop/small
[key:all]
secret = a
[key:glm]
secret = b
models = glm
[key:shop]
secret = c
models = shop/*
[key:thinker]
secret = d
routes = think
[key:plain]
secret = e
routes = default, glm-too
"""
THINKING = FixedFacts(effort="max")


class KeyTests:
    """What a client's key may use."""

    def labels(self, client: str, name: str, facts: FixedFacts = NO_FACTS, **lists: tuple[ModelInfo, ...]) -> list[str]:
        """Return what may answer a client's request, in order."""
        found: list[tuple[Candidate, ...]] = []
        failures: list[Failure] = []
        resolver = resolving(configured(TEAM), FixedLists(lists))
        made = Deferred.fromCoroutine(candidates(resolver, name, Secret(client), facts, client))
        made.addCallbacks(found.append, failures.append)
        for failure in failures:
            failure.raiseException()
        return [candidate.label for candidate in found[0]]

    def refused(self, client: str, name: str, facts: FixedFacts = NO_FACTS, **lists: tuple[ModelInfo, ...]) -> str:
        """Return why a client's request is refused."""
        with pytest.raises(ModelNotAllowed) as caught:
            self.labels(client, name, facts, **lists)
        assert f"the key {client} may use" in caught.value.message
        return caught.value.message

    @pytest.mark.parametrize("name", ["glm", "GLM", "glm@claude-bridge", "box/zai/GLM", "box,zai/GLM", "ZAI/glm"])
    def test_allowed_model(self, name: str) -> None:
        """A model that the key may use is reached under each of its names."""
        assert self.labels("glm", name, box=models("zai/GLM")) == ["box/zai/GLM"]

    @pytest.mark.parametrize("name", ["opus", "shop/big", "shop,big", "BIG@claude-bridge", "box/other", "shop/zai/GLM"])
    def test_other_model(self, name: str) -> None:
        """Any other is refused under each of its names: it is no matter for a route either, as a model was named."""
        assert self.labels("all", name, shop=models("big"))
        assert "limited to the models glm" in self.refused("glm", name, shop=models("big"))

    def test_listed_at_two_backends(self) -> None:
        """Of two backends that list a name, the one is asked that may be."""
        listed = models("m")
        assert self.labels("all", "m", box=listed, shop=listed) == ["box/m"]
        assert self.labels("shop", "m", box=listed, shop=listed) == ["shop/m"]
        self.refused("glm", "m", box=listed, shop=listed)

    def test_models_of_a_route(self) -> None:
        """A route answers with those of its models that the key may use; with none left the next route is taken."""
        assert self.labels("all", "sonnet", THINKING) == ["shop/big", "box/zai/GLM"]
        assert self.labels("glm", "sonnet", THINKING) == ["box/zai/GLM"]
        assert self.labels("shop", "sonnet", THINKING) == ["shop/big"]
        assert self.labels("glm", "opus-9") == ["box/zai/GLM"]
        assert self.labels("shop", "opus-9") == ["shop/big", "shop/small"]

    @pytest.mark.parametrize(
        ("client", "models"), [("all", ["shop/big", "box/zai/GLM"]), ("glm", ["box/zai/GLM"]), ("plain", None)]
    )
    def test_route_of_a_budget(self, client: str, models: list[str] | None) -> None:
        """A route that a budget names is taken with the models that the key may use, whatever routes it may take."""
        plan = resolving(configured(TEAM)).plan_of_route("think", None, client)
        assert plan is not None
        assert [step.name for step in plan.steps] == (models or ["shop/big", "box/zai/GLM"])

    def test_no_model_in_the_route_of_a_budget(self) -> None:
        """There is no plan if the key may use none of the route's models."""
        assert resolving(configured(TEAM)).plan_of_route("glm-too", None, "shop") is None
        assert resolving(configured(TEAM)).plan_of_route("removed", None, "all") is None

    def test_no_route_is_left(self) -> None:
        """Where no route has a model for it, a request that names none is refused."""
        self.refused("glm", "sonnet")
        self.refused("glm", "nonsense")

    def test_routes(self) -> None:
        """Only the routes of the key are taken: the next one that fits, else none."""
        assert self.labels("plain", "sonnet", THINKING) == ["shop/big", "shop/small"]
        assert self.labels("plain", "opus-9", THINKING) == ["box/zai/GLM"]
        assert self.labels("thinker", "sonnet", THINKING) == ["shop/big", "box/zai/GLM"]
        assert "limited to the routes think" in self.refused("thinker", "sonnet")
        assert self.labels("thinker", "glm") == ["box/zai/GLM"]

    def test_first_choice(self) -> None:
        """The first model that the key may use answers under the name that the client asked for."""
        resolver = resolving(configured(TEAM))
        found: list[tuple[Candidate, ...]] = []
        Deferred.fromCoroutine(candidates(resolver, "sonnet", None, THINKING, "glm")).addCallback(found.append)
        assert [candidate.shown for candidate in found[0]] == ["sonnet"]

    @pytest.mark.parametrize("credential", [None, Secret("the same")])
    def test_plans_are_not_shared(self, credential: Secret | None) -> None:
        """A plan of one key is never that of another, even if both sent the same, and is kept for each."""
        resolver = resolving(configured(TEAM))

        def plan(client: str) -> Plan:
            plans: list[Plan] = []
            Deferred.fromCoroutine(resolver.plan("sonnet", credential, THINKING, client)).addCallback(plans.append)
            return plans[0]

        made = {client: plan(client) for client in ("all", "glm", "shop", "all", "glm")}
        steps = {client: [step.name for step in each.steps] for client, each in made.items()}
        assert steps == {"all": ["shop/big", "box/zai/GLM"], "glm": ["box/zai/GLM"], "shop": ["shop/big"]}
        assert plan("glm") is made["glm"]
        assert plan("all") is made["all"]


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


TWO_BACKENDS = "[backend:default]\nurl = http://one/v1\n[backend:two]\nurl = http://two/v1\n"


class AllListsTests:
    """Every backend's list, asked for at once."""

    def test_each_with_its_backend(self) -> None:
        """The lists come in the order of the configuration, and only the home backend sees the client's key."""
        lists = FixedLists({"two": models("b")})
        found: list[list[tuple[Backend, tuple[ModelInfo, ...]]]] = []
        Deferred.fromCoroutine(resolving(configured(TWO_BACKENDS), lists).lists(Secret("mine"))).addCallback(
            found.append
        )
        assert [(backend.name, infos) for backend, infos in found[0]] == [("default", ()), ("two", models("b"))]
        assert lists.asked == [("default", "mine"), ("two", None)]

    def test_client_that_leaves(self) -> None:
        """Backends that hang are asked at once; a wait that is given up is given up, and is no fault."""
        lists = HangingLists()
        failures: list[Failure] = []
        asking = Deferred.fromCoroutine(resolving(configured(TWO_BACKENDS), lists).lists(None))
        asking.addErrback(failures.append)
        assert lists.asked == ["default", "two"]
        asking.cancel()
        assert [failure.type for failure in failures] == [CancelledError]
