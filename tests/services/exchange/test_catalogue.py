"""Promises of the catalogue: which models clients may ask for."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from twisted.internet.defer import Deferred

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.core.model_names import strip_mark
from claude_bridge.services.exchange.catalogue import Catalogue, PublishedModel
from claude_bridge.services.exchange.plan import Candidate
from claude_bridge.services.knowledge.profiles import ModelProfiles
from claude_bridge.testing.fakes import FixedLists
from tests.services.exchange.stage import ONE, candidates, configured, models, resolving

SHOWING = ONE.replace("[server]", "[server]\nlist_backend_models = yes")
BARE = "[backend:default]\nurl = http://box/v1\n"


class Unknown(FixedLists):
    """Lists that are known once they were asked for."""

    def known(self, backend: Backend, credential: Secret | None) -> tuple[ModelInfo, ...]:
        """Return the list, or nothing."""
        return super().known(backend, credential) if self.asked else ()


def catalogue(text: str, lists: FixedLists, profiles: ModelProfiles | None = None) -> Catalogue:
    """Make the catalogue of a configuration."""
    config = configured(text)
    return Catalogue(config, resolving(config, lists), profiles or ModelProfiles(lambda: 0.0))


def published(
    text: str, lists: FixedLists, credential: str | None = None, profiles: ModelProfiles | None = None
) -> tuple[PublishedModel, ...]:
    """Return the catalogue, which must be there at once."""
    shown = None if credential is None else Secret(credential)
    found: list[tuple[PublishedModel, ...]] = []
    Deferred.fromCoroutine(catalogue(text, lists, profiles).models(shown)).addCallback(found.append)
    return found[0]


def one(text: str, lists: FixedLists, name: str) -> PublishedModel | None:
    """Look one entry up."""
    found: list[PublishedModel | None] = []
    Deferred.fromCoroutine(catalogue(text, lists).model(name, None)).addCallback(found.append)
    return found[0]


def plain_names(text: str, **lists: tuple[ModelInfo, ...]) -> list[str]:
    """Return the names that are published, each of which must lead to what it stands for."""
    fixed = FixedLists(lists)
    return [strip_mark(entry.id) for entry in published(text, fixed)]


class CatalogueTests:
    """Configured names, and the backends' own where they are to be shown."""

    def test_aliases_only(self) -> None:
        """Whoever configured models sees those, and no backend is asked."""
        lists = FixedLists({"box": models("hidden")})
        (entry,) = published(ONE, lists)
        assert (entry.id, entry.display_name, entry.max_input_tokens) == ("glm@claude-bridge", "glm", 100_000)
        assert lists.asked == []

    def test_window_that_only_the_list_knows(self) -> None:
        """A model whose window is not configured has that of the backend's list, which is not shown itself."""
        text = ONE.replace("context_window = 100000\n", "")
        assert text != ONE
        lists = Unknown({"box": (ModelInfo(id="zai/GLM", context_window=8192), *models("hidden"))})
        (entry,) = published(text, lists)
        assert (entry.id, entry.max_input_tokens) == ("glm@claude-bridge", 8192)

    def test_backends_models_on_request(self) -> None:
        """With `list_backend_models = yes` the backends' own follow the configured names, each id once."""
        lists = FixedLists({"box": (ModelInfo(id="zai/GLM", created=5, context_window=9), *models("glm"))})
        entries = published(SHOWING, lists)
        assert [entry.id for entry in entries] == [
            "glm@claude-bridge",
            "zai/GLM@claude-bridge",
            "box/glm@claude-bridge",
        ]
        assert (entries[1].created, entries[1].max_input_tokens) == (5, 9)

    def test_without_configured_names_the_backends_are_shown(self) -> None:
        """A set-up of environment variables alone shows what its backend has."""
        lists = FixedLists({"default": models("a", "b")})
        assert [entry.display_name for entry in published(BARE, lists)] == ["a", "b"]

    def test_switched_off(self) -> None:
        """`list_backend_models = no` shows nothing but configured names, even if there are none."""
        lists = FixedLists({"default": models("a")})
        assert published(BARE + "[server]\nlist_backend_models = no\n", lists) == ()

    def test_all_backends(self) -> None:
        """Every backend's models are shown; one without a list leaves the others'."""
        lists = FixedLists({"two": models("b")})
        text = BARE + "[backend:two]\nurl = http://two/v1\n"
        assert [entry.display_name for entry in published(text, lists)] == ["b"]

    def test_list_is_asked_with_the_forwarded_key(self) -> None:
        """What a client sees is what its key may see; Anthropic's keys are shown to nobody."""
        lists = FixedLists()
        published(BARE, lists, "mine")
        published(BARE, lists, "sk-ant-x")
        assert lists.asked == [("default", "mine"), ("default", None)]

    def test_key_is_not_shown_to_every_backend(self) -> None:
        """With several backends the list of each is asked without a key but that of the one called default."""
        lists = FixedLists()
        published(BARE + "[backend:two]\nurl = http://two/v1\n", lists, "mine")
        assert lists.asked == [("default", "mine"), ("two", None)]


ROUTED = """
[backend:one]
url = http://one/v1
[backend:two]
url = http://two/v1
[server]
list_backend_models = yes
[model:a]
backend = one
name = A
label = The first
[model:b]
backend = two
context_window = 5000
max_output_tokens = 700
[route:eyes]
models = two/v
when = image
[route:names]
models = two/w
match = opus
[route:default]
models = a, b
"""


class NameTests:
    """Each name is there once, and leads to its model."""

    def test_label(self) -> None:
        """An alias is shown under its label, else under its name."""
        assert [(entry.id, entry.display_name) for entry in published(ROUTED, FixedLists())[1:]] == [
            ("a@claude-bridge", "The first"),
            ("b@claude-bridge", "b"),
        ]

    def test_auto(self) -> None:
        """Where the routes have a choice, the name that leaves it to them comes first."""
        assert published(ROUTED, FixedLists())[0].id == "auto@claude-bridge"
        assert published(ROUTED, FixedLists())[0].display_name == "auto"
        assert plain_names(ROUTED.replace("when = image", "match = x")) == ["auto", "a", "b"]
        assert plain_names(ROUTED.replace("when = image", "match = x").replace("a, b", "a")) == ["a", "b"]
        assert plain_names(ROUTED.replace("[model:b]", "[model:Auto]").replace("a, b", "a")) == ["a", "Auto"]

    @pytest.mark.parametrize(
        ("one", "two", "names"),
        [
            (("x", "y"), ("z",), ["x", "y", "z"]),
            (("x", "y"), ("y",), ["x", "one/y", "two/y"]),
            (("x", "x"), (), ["x"]),
            (("A", "b"), (), ["one/b"]),
            (("a",), (), []),
            (("two/x",), (), ["one/two/x"]),
            (("claude-x", "opus", "auto"), (), ["one/claude-x", "one/opus", "one/auto"]),
        ],
        ids=["unique", "at two", "twice at one", "an alias", "alias in another case", "a pin", "the client's own"],
    )
    def test_backends_models(self, one: tuple[str, ...], two: tuple[str, ...], names: list[str]) -> None:
        """A backend's model has its plain name if that leads there, else `backend/model`; an alias is not repeated."""
        lists = {"one": models(*one), "two": models(*two)}
        assert plain_names(ROUTED, **lists) == ["auto", "a", "b", *names]
        config = configured(ROUTED)
        for name in names:
            found: list[tuple[Candidate, ...]] = []
            resolver = resolving(config, FixedLists(lists))
            Deferred.fromCoroutine(candidates(resolver, name)).addCallback(found.append)
            ((candidate,),) = found
            assert candidate.label in {f"one/{name.removeprefix('one/')}", f"two/{name.removeprefix('two/')}"}

    def test_the_clients_own_names_without_a_route(self) -> None:
        """Where no route takes a `claude-*` name, a backend's model is served under it."""
        assert plain_names(BARE, default=models("claude-x")) == ["claude-x"]


class LimitTests:
    """Windows and longest answers, as far as they are known."""

    def limits(
        self, *listed: ModelInfo, profiles: ModelProfiles | None = None
    ) -> dict[str, tuple[int | None, int | None]]:
        """Return both for each name."""
        entries = published(ROUTED, FixedLists({"one": listed}), profiles=profiles)
        return {strip_mark(entry.id): (entry.max_input_tokens, entry.max_tokens) for entry in entries}

    def test_configured(self) -> None:
        """What is configured is published; what nobody knows is not made up."""
        assert self.limits() == {"auto": (None, None), "a": (None, None), "b": (5000, 700)}

    def test_listed(self) -> None:
        """The window in a backend's list counts for an alias, whatever the case; nobody is asked for it."""
        lists = FixedLists({"box": (ModelInfo(id="ZAI/glm", context_window=7),)})
        text = ONE.replace("context_window = 100000\n", "")
        (entry,) = published(text, lists)
        assert (entry.max_input_tokens, lists.asked) == (7, [])

    def test_auto_is_as_small_as_the_first_models(self) -> None:
        """A conversation under `auto` has to fit each model that is the first of a route which may take it."""
        listed = (ModelInfo(id="A", context_window=4000),)
        assert self.limits(*listed)["auto"] == (4000, None)
        text = ROUTED.replace("two/v", "b")
        (auto, *_) = published(text, FixedLists({"one": (ModelInfo(id="A", context_window=9000),)}))
        assert (auto.max_input_tokens, auto.max_tokens) == (5000, 700)

    def test_learned(self) -> None:
        """What errors named counts where nothing is configured, and lowers what is listed; it makes no profile."""
        profiles = ModelProfiles(lambda: 0.0)
        profiles.profile("one", "A").saw_window(3000)
        profiles.profile("one", "A").saw_limit(200)
        profiles.profile("two", "b").saw_window(3000)
        profiles.profile("two", "b").saw_limit(200)
        found = self.limits(ModelInfo(id="A", context_window=4000), ModelInfo(id="B"), profiles=profiles)
        assert (found["a"], found["b"], found["one/B"]) == ((3000, 200), (5000, 200), (None, None))
        assert len(list(profiles.profiles())) == 2


class WindowTests:
    """The window of a model that has answered."""

    @pytest.mark.parametrize(
        ("text", "listed", "window"),
        [
            (ONE, 7, 100_000),
            (ONE.replace("context_window = 100000\n", ""), 7, 7),
            (ONE.replace("context_window = 100000\n", ""), None, None),
            (ONE.replace("box", "gone"), 7, None),
        ],
        ids=["configured", "listed", "unknown", "backend that is gone"],
    )
    def test_by_the_backends_own_name(self, text: str, listed: int | None, window: int | None) -> None:
        """What is configured holds, then the list; a backend that a reload has removed has no windows."""
        lists = FixedLists({"box": (ModelInfo(id="zai/GLM", context_window=listed),)})
        assert catalogue(text, lists).window("box", "ZAI/GLM", None) == window
        assert lists.asked == []

    def test_learned(self) -> None:
        """What a refusal has named counts, also for a model that is not configured."""
        profiles = ModelProfiles(lambda: 0.0)
        profiles.profile("box", "other").saw_window(3000)
        assert catalogue(ONE, FixedLists(), profiles).window("box", "other", None) == 3000


class RetrievalTests:
    """One entry by its id."""

    def test_by_plain_and_by_published_id(self) -> None:
        """Both ids find the entry, slashes and all."""
        lists = FixedLists({"default": models("zai-org/GLM-4.5")})
        plain, marked = (one(BARE, lists, name) for name in ("zai-org/GLM-4.5", "zai-org/GLM-4.5@claude-bridge"))
        assert plain is not None
        assert plain == marked
        assert plain.id == "zai-org/GLM-4.5@claude-bridge"

    @pytest.mark.parametrize(
        "name", ["a", "A", "a@claude-bridge", "a[1m]", "A[1m]@claude-bridge", "a@claude-bridge[1m]"]
    )
    def test_by_every_form(self, name: str) -> None:
        """The long-context form and another case find it too, whatever its label is."""
        found = one(ROUTED, FixedLists(), name)
        assert found is not None
        assert (found.id, found.display_name) == ("a@claude-bridge", "The first")
        assert one(ROUTED, FixedLists(), "The first") is None

    def test_exact_case_first(self) -> None:
        """Of two that differ in case the exact one is found."""
        lists = FixedLists({"default": models("M", "m")})
        found = [one(BARE, lists, name) for name in ("M", "m")]
        assert [each.id for each in found if each is not None] == ["M@claude-bridge", "m@claude-bridge"]

    def test_nothing_is_invented(self) -> None:
        """An unknown id has no entry."""
        assert one(BARE, FixedLists({"default": models("a")}), "claude-opus-5-5") is None


class KeyTests:
    """Each client sees what its key may use."""

    TEAM = """
[server]
credentials = keys
list_backend_models = yes
[backend:box]
url = http://box/v1
[backend:shop]
url = http://shop/v1
[model:glm]
backend = box
context_window = 1000
[model:opus]
backend = shop
context_window = 5000
[route:think]
models = opus, glm
when = think
[route:default]
models = opus
[key:all]
secret = a
[key:glm]
secret = b
models = glm
[key:shop]
secret = c
models = shop/*
routes = default
[key:thinker]
secret = d
models = box/*
routes = default
"""
    LISTS: Mapping[str, tuple[ModelInfo, ...]] = {"box": models("glm", "m"), "shop": models("big", "opus", "m")}

    def names(self, client: str) -> list[str]:
        """Return the names that a client sees."""
        found: list[tuple[PublishedModel, ...]] = []
        made = catalogue(self.TEAM, FixedLists(dict(self.LISTS)))
        Deferred.fromCoroutine(made.models(Secret(client), client)).addCallback(found.append)
        return [strip_mark(entry.id) for entry in found[0]]

    def test_models(self) -> None:
        """Models that it may not use are not there, and `auto` only if some route is left for its requests."""
        assert self.names("all") == ["auto", "glm", "opus", "box/m", "big", "shop/m"]
        assert self.names("glm") == ["auto", "glm"]
        assert self.names("shop") == ["auto", "opus", "big", "shop/m"]
        assert self.names("thinker") == ["glm", "box/m"]

    def test_window_of_auto(self) -> None:
        """A conversation under `auto` has to fit those models alone that the key may use."""
        config = configured(self.TEAM.replace("models = opus\n", "models = glm, opus\n"))
        made = Catalogue(config, resolving(config, FixedLists(dict(self.LISTS))), ModelProfiles(lambda: 0.0))
        windows = {}
        for client in ("all", "shop"):
            found: list[tuple[PublishedModel, ...]] = []
            Deferred.fromCoroutine(made.models(Secret(client), client)).addCallback(found.append)
            windows[client] = found[0][0].max_input_tokens
        assert windows == {"all": 1000, "shop": 5000}

    def test_one(self) -> None:
        """One that is asked for by its name is not there either."""
        made = catalogue(self.TEAM, FixedLists(dict(self.LISTS)))
        found: list[PublishedModel | None] = []
        for client in ("all", "glm"):
            Deferred.fromCoroutine(made.model("opus", None, client)).addCallback(found.append)
        assert [each is None for each in found] == [False, True]
