"""What transformers come to."""

from __future__ import annotations

import pytest

from claude_bridge.importers.claude_code_router.transformers import Effects, effects
from claude_bridge.importers.draft import ImportedConfiguration
from tests.importers.claude_code_router.asking import a_reading, lost, told


def of(*use: object) -> tuple[Effects, ImportedConfiguration]:
    """Return what a list comes to, and the draft with its findings."""
    draft = a_reading().draft
    return effects(list(use), "use", draft), draft


class EffectsTests:
    """A list of transformers."""

    def test_limits(self) -> None:
        """The smallest limit of the answer holds."""
        found, draft = of(["maxtoken", {"max_tokens": 65536}], ["sampling", {"max_tokens": "8192"}])
        assert (found.max_output_tokens, draft.findings) == (8192, [])

    def test_field(self) -> None:
        """The field of the limit is an option of the model."""
        assert of("maxcompletiontokens")[0].traits == {"max_tokens_field": "max_completion_tokens"}

    @pytest.mark.parametrize(
        ("name", "kind"),
        [("Anthropic", "anthropic"), ("openai-responses", "responses"), ("gemini", "openai"), ("x", "")],
    )
    def test_kind(self, name: str, kind: str) -> None:
        """Some say what the provider speaks."""
        assert of(name)[0].kind == kind

    @pytest.mark.parametrize(
        "name",
        [
            *("openrouter", "deepseek", "groq", "cerebras", "vercel", "openai", "gemini", "Anthropic", "tooluse"),
            *("openai-responses", "enhancetool", "cleancache", "reasoning", "streamoptions", "chutes-glm"),
        ],
    )
    def test_not_needed(self, name: str) -> None:
        """What the bridge does by itself is said, and not lost."""
        _, draft = of(name)
        assert not told(draft, "use[0]").lost

    @pytest.mark.parametrize(
        ("use", "path"),
        [
            ("mine", "use[0]"),
            ("forcereasoning", "use[0]"),
            (["reasoning", {"enable": False}], "use[0]"),
            (["customparams", {"a": 1}], "use[0].a"),
            (["sampling", {"temperature": 0}], "use[0].temperature"),
            (["openrouter", {"provider": {"only": ["x"]}}], "use[0].provider"),
            (["maxtoken", {}], "use[0]"),
            (["maxtoken", {"max_tokens": "many"}], "use[0]"),
            ({"maxtoken": 1}, "use[0]"),
            ([["maxtoken"], 1], "use[0]"),
        ],
    )
    def test_lost(self, use: object, path: str) -> None:
        """What has no counterpart is reported with its place, and never with its value."""
        _, draft = of(use)
        assert lost(draft) == [path]

    @pytest.mark.parametrize("use", [[], "", None, "maxcompletiontokens"])
    def test_not_a_list(self, use: object) -> None:
        """Nothing is nothing, and a name alone is a list of one."""
        draft = a_reading().draft
        found = effects(use, "use", draft)
        assert (bool(found.traits), draft.findings) == (bool(use), [])
