"""Tests for `claude_bridge.core.models_endpoint`: lists in all their shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.listed_prices import ListedPrice
from claude_bridge.core.model_list import ModelInfo, ModelList
from claude_bridge.core.models_endpoint import MAX_MODELS, MAX_PRICED, read_models


def listing(*names: str) -> dict[str, Any]:
    """Return an OpenAI list of ``names``."""
    return {"object": "list", "data": [{"id": name, "object": "model", "created": 1} for name in names]}


class ReadModelsTests:
    """Lists come in several shapes."""

    def read(self, value: object) -> tuple[ModelInfo, ...] | None:
        """Read ``value`` as JSON."""
        return read_models(json.dumps(value).encode())

    def test_openai_shape_with_windows(self) -> None:
        """The context window is found under each server's name for it."""
        assert self.read(
            {
                "data": [
                    {"id": "vllm", "created": 5, "max_model_len": 4096},
                    {"id": "llama", "meta": {"n_ctx": 8192, "n_ctx_train": 131072}},
                    {"id": "router", "context_length": 200000.0},
                    {"id": "groq", "context_window": 131072, "owned_by": "Meta"},
                    {"id": "mistral", "max_context_length": 262144},
                    {"id": "studio", "max_context_length": 131072, "loaded_context_length": 4096, "state": "loaded"},
                    {"id": "idle", "max_context_length": 131072, "state": "not-loaded"},
                    {"id": "plain", "meta": None, "max_model_len": None, "owned_by": None},
                ]
            }
        ) == (
            ModelInfo(id="vllm", created=5, context_window=4096),
            ModelInfo(id="llama", context_window=8192),
            ModelInfo(id="router", context_window=200000),
            ModelInfo(id="groq", context_window=131072, owner="Meta"),
            ModelInfo(id="mistral", context_window=262144),
            ModelInfo(id="studio", context_window=4096),
            ModelInfo(id="idle"),
            ModelInfo(id="plain"),
        )

    def test_prices(self) -> None:
        """Prices are read of as many models as any vendor has; one that is not understood refuses nothing."""
        pricing = {"prompt": "0.000001", "completion": "0.000002"}
        models = self.read([{"id": str(number), "pricing": pricing} for number in range(MAX_PRICED + 1)])
        assert models is not None
        assert [each.listed_price.price is None for each in models].index(True) == MAX_PRICED
        assert self.read([{"id": "x", "pricing": {"prompt": {}}, "price": "free"}]) == (
            ModelInfo(id="x", listed_price=ListedPrice(found="pricing with prompt is not understood")),
        )

    def test_bare_list(self) -> None:
        """A list without an envelope is a list, of objects or of names."""
        assert self.read([{"id": "x"}, "y"]) == (ModelInfo(id="x"), ModelInfo(id="y"))

    def test_ollama_shape(self) -> None:
        """Ollama's own list is understood."""
        assert self.read({"models": [{"name": "a:latest", "model": "a:latest"}, {"model": "b"}]}) == (
            ModelInfo(id="a:latest"),
            ModelInfo(id="b"),
        )

    def test_junk_entries_are_left_out(self) -> None:
        """One broken entry does not spoil the list."""
        entries: list[object] = [
            None,
            7,
            {},
            {"id": 7},
            {"id": ""},
            "",
            [],
            {"id": "x", "created": True, "max_model_len": "many"},
        ]
        assert self.read({"data": entries}) == (ModelInfo(id="x"),)

    @pytest.mark.parametrize("value", [None, 7, "x", {}, {"data": {"id": "x"}}, {"error": {"message": "no"}}])
    def test_other_shapes_are_no_list(self, value: object) -> None:
        """What is no list is not taken for one."""
        assert self.read(value) is None

    @pytest.mark.parametrize("body", [b"", b"[", b"\xff", b"<html>", b"[" * 100_000])
    def test_undecodable_is_no_list(self, body: bytes) -> None:
        """Bytes that are not JSON are no list."""
        assert read_models(body) is None

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(["data", "models", "id", "name", "meta", "n_ctx", "created", "context_length"]),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=20,
        )
    )
    def test_never_raises(self, value: object) -> None:
        """Whatever JSON a backend sends, it is a list of named models or none."""
        models = self.read(value)
        assert models is None or all(model.id for model in models)


class BoundsTests:
    """A list costs a moment, whoever sends it."""

    def test_models(self) -> None:
        """Of a list without end the first thousands are known."""
        many = read_models(json.dumps(listing(*map(str, range(MAX_MODELS + 1)))).encode())
        assert many is not None
        assert (len(many), many[-1].id) == (MAX_MODELS, str(MAX_MODELS - 1))

    def test_values(self) -> None:
        """What is full of something else is no list, and is not even decoded."""
        assert read_models(b'{"data":[' + b"[]," * 500_000 + b"1]}") is None

    def test_largest_real_list(self) -> None:
        """A market with a thousand models and their prices is a list."""
        entry = {"id": "a/model", "pricing": {f"p{n}": "0.000001" for n in range(20)}, "parameters": ["x"] * 20}
        models = read_models(json.dumps({"data": [entry] * 1_000}).encode())
        assert models is not None
        assert len(models) == 1_000

    def test_finds_names_fast(self) -> None:
        """What is read knows its models by their names."""
        assert isinstance(read_models(json.dumps(listing("x")).encode()), ModelList)
