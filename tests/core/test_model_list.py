"""Tests for `claude_bridge.core.model_list`: how a name is found."""

from __future__ import annotations

import pytest

from claude_bridge.core.model_list import ModelInfo, ModelList, find, name_as_listed, with_windows


class FindTests:
    """Names are found in a list."""

    def test_looks_at_no_model_twice(self) -> None:
        """A name is found without a walk through the list, which is done once a list."""
        listed = ModelList(ModelInfo(id=f"Model-{n}") for n in range(100))
        assert find(listed, "model-7") == ModelInfo(id="Model-7")
        assert listed.by_folded_name is listed.by_folded_name

    MODELS = (ModelInfo(id="Qwen/Qwen3"), ModelInfo(id="qwen/qwen3"), ModelInfo(id="GLM"))

    def test_exact_first(self) -> None:
        """A name written exactly is that model."""
        assert find(self.MODELS, "qwen/qwen3") == ModelInfo(id="qwen/qwen3")

    def test_then_without_case(self) -> None:
        """A name in the wrong case is found all the same."""
        assert find(self.MODELS, "glm") == ModelInfo(id="GLM")

    def test_bare_name(self) -> None:
        """A name without Ollama's tag is that of the latest."""
        models = (ModelInfo(id="Gemma4:latest"), ModelInfo(id="gemma4:2b"))
        assert find(models, "gemma4") == ModelInfo(id="Gemma4:latest")
        assert find((*models, ModelInfo(id="GEMMA4")), "gemma4") == ModelInfo(id="GEMMA4")

    def test_unknown(self) -> None:
        """What is not there is not found."""
        assert find(self.MODELS, "gpt") is None


class SpelledTests:
    """A name in the spelling of a list."""

    MODELS = (ModelInfo(id="GLM-4.5"), ModelInfo(id="qwen3"), ModelInfo(id="Qwen3"), ModelInfo(id="gemma:latest"))

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("glm-4.5", "GLM-4.5"),
            ("qwen3", "qwen3"),
            ("Qwen3", "Qwen3"),
            ("QWEN3", "qwen3"),
            ("gemma", "gemma"),
            ("gpt", "gpt"),
        ],
    )
    def test_case_only(self, name: str, told: str) -> None:
        """Nothing but the case of a name changes, and only where the list has it in no other way."""
        assert name_as_listed(self.MODELS, name) == told


class WindowTests:
    """Windows that another list tells."""

    def test_known_ones_are_taken(self) -> None:
        """A window that the other list has replaces what the list has; what it does not have stays."""
        models = ModelList(
            (ModelInfo(id="a", context_window=9), ModelInfo(id="b", context_window=8), ModelInfo(id="c"))
        )
        loaded = (ModelInfo(id="a", context_window=4), ModelInfo(id="b"), ModelInfo(id="d", context_window=1))
        assert [model.context_window for model in with_windows(models, loaded)] == [4, 8, None]
