"""Promises of the catalogue: which models clients may ask for."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from claude_bridge.config.secret import Secret
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.services.exchange.catalogue import Catalogue, PublishedModel
from claude_bridge.testing.fakes import FixedLists
from tests.services.exchange.stage import ONE, configured, models, resolving

SHOWING = ONE.replace("[server]", "[server]\nlist_backend_models = yes")
BARE = "[backend:default]\nurl = http://box/v1\n"


def catalogue(text: str, lists: FixedLists) -> Catalogue:
    """Make the catalogue of a configuration."""
    return Catalogue(configured(text), resolving(configured(text), lists))


def published(text: str, lists: FixedLists, credential: str | None = None) -> tuple[PublishedModel, ...]:
    """Return the catalogue, which must be there at once."""
    shown = None if credential is None else Secret(credential)
    found: list[tuple[PublishedModel, ...]] = []
    Deferred.fromCoroutine(Catalogue(configured(text), resolving(configured(text), lists)).models(shown)).addCallback(
        found.append
    )
    return found[0]


def one(text: str, lists: FixedLists, name: str) -> PublishedModel | None:
    """Look one entry up."""
    found: list[PublishedModel | None] = []
    Deferred.fromCoroutine(
        Catalogue(configured(text), resolving(configured(text), lists)).model(name, None)
    ).addCallback(found.append)
    return found[0]


class CatalogueTests:
    """Configured names, and the backends' own where they are to be shown."""

    def test_aliases_only(self) -> None:
        """Whoever configured models sees those, and no backend is asked."""
        lists = FixedLists({"box": models("hidden")})
        (entry,) = published(ONE, lists)
        assert (entry.id, entry.display_name, entry.max_input_tokens) == ("glm@claude-bridge", "glm", 100_000)
        assert lists.asked == []

    def test_backends_models_on_request(self) -> None:
        """With `list_backend_models = yes` the backends' own follow the configured names, each name once."""
        lists = FixedLists({"box": (ModelInfo(id="zai/GLM", created=5, context_window=9), *models("glm"))})
        entries = published(SHOWING, lists)
        assert [entry.id for entry in entries] == ["glm@claude-bridge", "zai/GLM@claude-bridge"]
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


class RetrievalTests:
    """One entry by its id."""

    def test_by_plain_and_by_published_id(self) -> None:
        """Both ids find the entry, slashes and all."""
        lists = FixedLists({"default": models("zai-org/GLM-4.5")})
        plain, marked = (one(BARE, lists, name) for name in ("zai-org/GLM-4.5", "zai-org/GLM-4.5@claude-bridge"))
        assert plain is not None
        assert plain == marked
        assert plain.id == "zai-org/GLM-4.5@claude-bridge"

    def test_nothing_is_invented(self) -> None:
        """An unknown id has no entry."""
        assert one(BARE, FixedLists({"default": models("a")}), "claude-opus-5-5") is None
