"""Routes, and where names of models lead."""

from __future__ import annotations

import pytest

from tests.importers.claude_code_router.asking import BOX, draft_of, lost, told, with_box

OTHER = {"name": "Other", "api_base_url": "https://other.example/v1", "models": ["m", "o"]}


def default_of(written: object) -> tuple[str, ...]:
    """Return the models of the default route."""
    draft = draft_of({"Providers": [BOX, OTHER], "Router": {"default": written}})
    return draft.routes[-1].models


class ResolveTests:
    """One name."""

    @pytest.mark.parametrize(
        ("written", "alias"),
        [
            ("box,n", "n"),
            ("BOX , N", "n"),
            ("box/n", "n"),
            ("Other,m", "Other/m"),
            ("other/o", "o"),
            ("o", "o"),
            ("n", "n"),
            (["Other,o"], "o"),
        ],
    )
    def test_known(self, written: object, alias: str) -> None:
        """Provider and model are found in any case; a model alone where one provider has it."""
        assert default_of(written) == (alias,)

    @pytest.mark.parametrize("written", ["gone,m", "m", "box", "box,", ",m", "nothing", "gone/m"])
    def test_nowhere(self, written: str) -> None:
        """What leads to no model is reported; the first model takes its place."""
        draft = draft_of({"Providers": [BOX, OTHER], "Router": {"default": written}})
        assert lost(draft) == ["Router.default"]
        assert draft.routes[-1].models == ("m",)

    @pytest.mark.parametrize("written", ["$MODEL", "${MODEL}"])
    def test_in_a_variable(self, written: str) -> None:
        """A model that only a variable names is said to be in one: it may well be in the file."""
        draft = draft_of({"Providers": [BOX], "Router": {"think": written, "default": "box,m"}})
        assert told(draft, "Router.think").lost
        assert "in a variable, so it is not known here" in told(draft, "Router.think").meaning

    def test_alone(self) -> None:
        """A provider with one model may stand for it."""
        one = {**OTHER, "models": ["o"]}
        assert draft_of({"Providers": [BOX, one], "Router": {"default": "Other"}}).routes[-1].models == ("o",)

    def test_not_listed(self) -> None:
        """A model that its provider does not list is used all the same."""
        draft = draft_of({"Providers": [BOX], "Router": {"default": "box,x,y"}})
        assert draft.routes[-1].models == ("x-y",)
        assert draft.models[-1].model.ini(with_secrets=True) == "x,y"  # type: ignore[union-attr]
        assert not lost(draft)


class RouteTests:
    """All of them."""

    def test_order(self) -> None:
        """They stand in the order in which the router looked at a request, whatever the order of the file."""
        words = ("default", "think", "webSearch", "background", "longContext", "image")
        draft = with_box(Router=dict.fromkeys(words, "box,m"))
        assert [(each.name, each.when) for each in draft.routes] == [
            ("image", ("image",)),
            ("long-context", ("long_context 60000",)),
            ("background", ("background",)),
            ("web-search", ("web_search",)),
            ("think", ("think minimal",)),
            ("default", ()),
        ]

    @pytest.mark.parametrize(("written", "tokens"), [(90_000, 90_000), ("90000", 90_000), (0, 60_000), (None, 60_000)])
    def test_threshold(self, written: object, tokens: int) -> None:
        """It may be a text, and the router has a default for it."""
        draft = with_box(Router={"default": "box,m", "longContext": "box,n", "longContextThreshold": written})
        assert draft.routes[0].when == (f"long_context {tokens}",)
        assert not lost(draft)

    def test_no_threshold(self) -> None:
        """What is no number is reported."""
        draft = with_box(Router={"default": "box,m", "longContext": "box,n", "longContextThreshold": "much"})
        assert lost(draft) == ["Router.longContextThreshold"]

    def test_other_words(self) -> None:
        """A word that only a script reads is reported, unless it is switched off."""
        assert lost(with_box(Router={"default": "box,m", "coding": "box,n", "rules2": {"enabled": False, "a": 1}})) == [
            "Router.coding"
        ]

    def test_no_router(self) -> None:
        """Without routes the first model takes everything."""
        assert [(each.name, each.models) for each in with_box().routes] == [("default", ("m",))]
        assert lost(with_box(Router=["box,m"])) == ["Router"]

    def test_search_with_anthropics_api(self) -> None:
        """A backend that passes requests through searches by itself, so nothing is lost."""
        backend = {"name": "a", "api_base_url": "https://api.anthropic.com/v1/messages", "models": ["x"]}
        assert not lost(draft_of({"Providers": [backend], "Router": {"default": "a,x", "webSearch": "a,x"}}))

    def test_search_elsewhere(self) -> None:
        """Any other needs a search engine of the bridge."""
        assert lost(with_box(Router={"default": "box,m", "webSearch": "box,n"})) == ["Router.webSearch"]

    def test_fallbacks(self) -> None:
        """They follow the model of their kind, each once; without a route they have no effect."""
        draft = with_box(
            Router={"default": "box,m", "think": "box,n"},
            fallback={"default": ["box,n", "box,m"], "think": "box,m", "image": ["box,m"]},
        )
        assert {each.name: each.models for each in draft.routes} == {"think": ("n", "m"), "default": ("m", "n")}
        assert not told(draft, "fallback.image").lost
        assert lost(with_box(fallback=["box,m"])) == ["fallback"]
