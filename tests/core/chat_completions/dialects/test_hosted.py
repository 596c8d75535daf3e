"""Tests for `claude_bridge.core.chat_completions.dialects.hosted`."""

from __future__ import annotations

from typing import ClassVar

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialect import Dialect
from claude_bridge.core.chat_completions.dialects.hosted import Families, Hosted, forces_a_tool
from claude_bridge.core.chat_completions.dialects.open_models import writes_calls
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS, decide
from claude_bridge.core.chat_completions.openai_types import ChatRequest, FunctionName, NamedToolChoice
from claude_bridge.core.chat_completions.traits import Traits

HOSTED = [dialect for dialect in DIALECTS.values() if isinstance(dialect, Hosted)]


@frozen
class Two(Hosted):
    """A server with two families."""

    families: ClassVar[Families] = (
        (r"alpha-\d", Traits(images="refuse")),
        (r"alpha", Traits(images="omit")),
        (r"qwen", Traits(top_k=True)),
    )
    open_models: ClassVar[bool] = True


class HostedTests:
    """Servers with families of models."""

    def test_first_family_decides(self) -> None:
        """The first pattern that is found decides, in whatever case the name is written."""
        assert [Two().traits(name).images for name in ("Org/Alpha-7B", "alpha-x", "beta")] == ["refuse", "omit", "yes"]

    def test_leaks(self) -> None:
        """Calls in the text are looked for in models that are known for them, whatever else their family is."""
        assert Two().traits("Qwen/Qwen3-Coder") == Traits(top_k=True, recover_tool_calls=True)
        assert Two().traits("deepseek-v3") == Traits(recover_tool_calls=True)
        assert not Two().traits("gemma-3").recover_tool_calls

    @pytest.mark.parametrize("name", ["codestral-2508", "openai/gpt_oss-20b", "gptoss:20b", "openai/gpt-oss-120b"])
    def test_leaks_as_at_home(self, name: str) -> None:
        """A service that hosts open models looks in the same families as an engine of the owner's does."""
        assert writes_calls(name)
        assert Two().traits(name).recover_tool_calls

    @pytest.mark.parametrize(
        ("choice", "forced"),
        [
            (None, False),
            ("auto", False),
            ("none", False),
            ("required", True),
            ("any", True),
            (NamedToolChoice(FunctionName("Read")), True),
        ],
    )
    def test_forces_a_tool(self, choice: str | NamedToolChoice | None, forced: bool) -> None:
        """Only a demand for some tool, or for this one, forces."""
        assert forces_a_tool(ChatRequest(model="m", tool_choice=choice)) is forced


class EveryHostedTests:
    """What holds for each of them."""

    @pytest.mark.parametrize("dialect", HOSTED, ids=lambda dialect: dialect.name)
    def test_known_by_its_host(self, dialect: Hosted) -> None:
        """Each is recognised by each of its hosts, and says so."""
        assert dialect.hosts
        for end in dialect.hosts:
            host = f"eu{end}" if end.startswith(".") else end
            found = decide(Clues(host=host))
            assert found is not None
            assert (found.dialect, found.why) == (dialect, f"host {host}")

    @pytest.mark.parametrize("dialect", HOSTED, ids=lambda dialect: dialect.name)
    @pytest.mark.parametrize("host", ["example.com", "api.deepseek.com.example.com", "evil-openrouter.ai", ""])
    def test_other_hosts(self, dialect: Dialect, host: str) -> None:
        """A host that only looks alike is somebody else's."""
        assert dialect.recognised(Clues(host=host)) == ""

    @given(dialect=st.sampled_from(HOSTED), name=st.text(max_size=256))
    def test_any_name(self, dialect: Hosted, name: str) -> None:
        """Any name has traits, however it is written."""
        assert dialect.traits(name) == dialect.traits(name.lower())

    @pytest.mark.parametrize("dialect", HOSTED, ids=lambda dialect: dialect.name)
    def test_levels_where_they_are_sent(self, dialect: Hosted) -> None:
        """No family has levels that nothing sends, and each that sends them has some."""
        for traits in (dialect.default_traits, *(traits for _, traits in dialect.families)):
            leveled = traits.reasoning_control in {"effort", "thinking_effort", "reasoning"}
            assert traits.reasoning_levels
            assert leveled or traits.reasoning_levels == Traits().reasoning_levels
