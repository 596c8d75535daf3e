"""How mistakes are told."""

from __future__ import annotations

import pytest

from claude_bridge.config.problems import ConfigErrors, Problem, not_allowed, suggestion


class ProblemTests:
    """One mistake is one line."""

    @pytest.mark.parametrize(
        ("problem", "line"),
        [
            (Problem("backend:chutes", "ulr", "unknown key"), "[backend:chutes] ulr: unknown key"),
            (Problem("bakend:x", "", "unknown section"), "[bakend:x]: unknown section"),
            (Problem("", "line 3", "is odd"), "line 3: is odd"),
            (Problem("", "", "is odd"), "is odd"),
        ],
    )
    def test_line(self, problem: Problem, line: str) -> None:
        """A person finds section and key at the start of the line."""
        assert str(problem) == line

    def test_errors(self) -> None:
        """The exception shows one line a problem."""
        errors = ConfigErrors((Problem("a", "b", "c"), Problem("d", "e", "f")))

        assert str(errors) == "[a] b: c\n[d] e: f"


class SuggestionTests:
    """The nearest valid name is offered."""

    def test_near(self) -> None:
        """A typing mistake gets the name that was meant."""
        assert suggestion("ulr", ["url", "kind"]) == "did you mean url?"

    def test_other_case(self) -> None:
        """Case does not hide the name that was meant, nor change it."""
        assert suggestion("QWEN3", ["Qwen3", "glm"]) == "did you mean Qwen3?"

    def test_nothing_near(self) -> None:
        """Where nothing is near all names are listed."""
        assert suggestion("xyz", ["url", "kind"]) == "valid: kind, url"

    def test_many_names(self) -> None:
        """A long list is cut."""
        assert suggestion("zzz", [f"model-{number:02}" for number in range(40)]).endswith("model-11, ...")

    def test_no_names(self) -> None:
        """Without any valid name that is said."""
        assert suggestion("x", []) == "there is none"


class NotAllowedTests:
    """A word that is not on the list is told with the list, however long that is."""

    def test_near(self) -> None:
        """The word that was meant comes first."""
        assert not_allowed("vlm", ["vllm", "auto"]) == "did you mean vllm? (must be one of: vllm, auto)"

    def test_nothing_near(self) -> None:
        """Where nothing is near the list is in the order of the alphabet, and not cut."""
        words = [f"word-{number:02}" for number in range(40, 0, -1)]
        assert not_allowed("zzz", words) == f"must be one of: {', '.join(sorted(words))}"
