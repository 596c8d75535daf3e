"""Providers as backends and models."""

from __future__ import annotations

from typing import Any

import pytest

from tests.importers.claude_code_router.asking import BOX, draft_of, lost, told, with_box


def names(*providers: dict[str, Any]) -> list[tuple[str, str]]:
    """Return name and backend of each model."""
    return [(each.name, each.backend) for each in draft_of({"Providers": list(providers)}).models]


def provider(name: str, *models: str) -> dict[str, Any]:
    """Return a provider with models."""
    return {**BOX, "name": name, "models": list(models)}


class NameTests:
    """What models are called."""

    def test_own_names(self) -> None:
        """A model keeps the name that it had, and one of the same name gets its backend in front."""
        assert names(provider("a", "x", "org/y"), provider("b", "X", "z")) == [
            ("x", "a"),
            ("org/y", "a"),
            ("b/X", "b"),
            ("z", "b"),
        ]

    @pytest.mark.parametrize("model", ["claude-3", "auto", "Auto"])
    def test_names_of_the_client(self, model: str) -> None:
        """Claude Code's own names are not taken: requests for them are routed."""
        assert names(provider("a", model)) == [(f"a/{model}", "a")]

    @pytest.mark.parametrize("model", ["claude-sonnet-4-6", "anthropic/claude-3.5-Haiku", "sonnet", "my-opus"])
    def test_names_of_families(self, model: str) -> None:
        """A family's word is in the name of no section: that model would get all requests of the family."""
        draft = draft_of({"Providers": [provider("a", model)], "Router": {"default": f"a,{model}"}})
        assert (draft.models, draft.models_without_section) == ([], 1)
        assert draft.routes[-1].models == (f"a/{model}",)
        assert draft.backends[0].notes[-1] == f"  {model}"

    def test_family_with_settings(self) -> None:
        """If it needs a section for its settings, that has a number for a name, and the model's name is shown."""
        limit = {"use": [["maxtoken", {"max_tokens": 5}]]}
        draft = draft_of({"Providers": [{**provider("a", "x", "claude-opus"), "transformer": limit}]})
        (_, opus) = draft.models
        assert (opus.name, opus.label, opus.max_output_tokens) == ("a-2", "claude-opus", 5)

    def test_name_of_another_backend(self) -> None:
        """A name that reads like a model of another backend gets its own backend in front, wherever that one stands."""
        assert names(provider("a", "b/x", "a/y", "b"), provider("b", "z"))[:3] == [
            ("a/b/x", "a"),
            ("a/y", "a"),
            ("b", "a"),
        ]

    def test_same_provider_twice(self) -> None:
        """Both are kept, and routes mean the last one, as before."""
        draft = draft_of(
            {"Providers": [provider("a", "x"), provider("a", "y")], "Router": {"default": "a,y", "think": "a,x"}}
        )
        assert [each.name for each in draft.backends] == ["a", "a-2"]
        assert not told(draft, "Providers[0]").lost
        assert {each.name: each.models for each in draft.routes} == {"think": ("a-2/x",), "default": ("y",)}


class FormTests:
    """What stands where a list should."""

    @pytest.mark.parametrize(
        ("models", "found"),
        [
            (["m", "m", " n "], ["m", "n"]),
            ("m", ["m"]),
            ([{"name": "m"}, {"id": "n"}], ["m", "n"]),
            ([], []),
            (None, []),
        ],
    )
    def test_models(self, models: object, found: list[str]) -> None:
        """Names may stand alone or in objects, and count once."""
        draft = draft_of({"Providers": [{**BOX, "models": models}]})
        assert [each.name for each in draft.models] == found
        assert not lost(draft)

    def test_name_that_no_file_can_hold(self) -> None:
        """A model whose own name cannot be written is left out, wherever it is named, and reported once."""
        draft = draft_of(
            {
                "Providers": [{**BOX, "models": ['"q"', "m", "a # b"]}],
                "Router": {"default": 'box,"q"', "think": "box,m"},
            }
        )
        assert [each.name for each in draft.models] == ["m"]
        assert lost(draft) == ['Providers[0].models[""q""]', 'Providers[0].models["a # b"]']
        assert {each.name: each.models for each in draft.routes} == {"think": ("m",), "default": ("m",)}

    def test_no_models(self) -> None:
        """What is no name of a model is reported."""
        assert lost(draft_of({"Providers": [{**BOX, "models": [5, {"a": 1}]}]})) == [
            "Providers[0].models[0]",
            "Providers[0].models[1]",
        ]

    def test_both_spellings(self) -> None:
        """``Providers`` counts where both are there."""
        draft = with_box(providers=[provider("other", "x")])
        assert [each.name for each in draft.backends] == ["box"]
        assert lost(draft) == ["providers"]

    def test_transformer_that_is_a_list(self) -> None:
        """The transformers may stand without ``use``."""
        draft = draft_of({"Providers": [{**BOX, "transformer": [["maxtoken", {"max_tokens": 5}]]}]})
        assert [each.max_output_tokens for each in draft.models] == [5, 5]

    @pytest.mark.parametrize(
        ("more", "kind"),
        [
            ({"type": "openai", "api_base_url": "http://x/v1/chat/completions"}, ""),
            ({"type": "openai"}, ""),
            ({"type": "openai_responses"}, "responses"),
            ({"protocol": "anthropic_messages"}, "anthropic"),
            ({"transformer": {"use": ["Anthropic"]}}, "anthropic"),
            ({"transformer": {"use": ["Anthropic"]}, "api_base_url": "http://x/v4/chat/completions"}, ""),
        ],
    )
    def test_kind(self, more: dict[str, Any], kind: str) -> None:
        """What a provider speaks is said by the path of its endpoint, else by a word."""
        (backend,) = draft_of({"Providers": [{**BOX, **more}]}).backends
        assert backend.kind == kind

    def test_fields(self) -> None:
        """Every field that nothing reads is reported, what version 3 keeps for its window apart."""
        more = {"tokenizer": {"default": {"type": "api"}}, "extraBody": {"a": 1}, "color": 1, "icon": "x", "id": "y"}
        draft = draft_of({"Providers": [{**BOX, **more}]})
        assert lost(draft) == ["Providers[0].extraBody", "Providers[0].color"]
        assert not told(draft, "Providers[0].tokenizer").lost

    def test_headers(self) -> None:
        """Headers are kept, keys as secrets; what the bridge sets itself, or no header can hold, is reported."""
        headers = {
            "X-Title": "mine $TITLE",
            "X-Api-Key": "Bearer invented",
            "a b": "c",
            "Host": "x",
            "X-N": "ü",
            "X-K": 5,
        }
        draft = draft_of({"Providers": [{**BOX, "extraHeaders": headers}]})
        found = [(name, each.ini(with_secrets=False)) for name, each in draft.backends[0].headers]  # type: ignore[union-attr]
        assert found == [("X-Title", "mine ${TITLE}"), ("X-Api-Key", "${BOX_X_API_KEY}"), ("X-K", "5")]
        assert lost(draft) == [f"Providers[0].extraHeaders.{name}" for name in ("a b", "Host", "X-N")]

    def test_prices_need_both_sides(self) -> None:
        """A price without that of answers would be a wrong one."""
        metadata = {"m": {"pricing": {"inputUsdPerMillionTokens": 1}}}
        assert draft_of({"Providers": [{**BOX, "modelMetadata": metadata}]}).prices == []
