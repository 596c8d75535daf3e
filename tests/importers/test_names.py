"""Names are valid where they are used, and given once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.config.sections import find_kind
from claude_bridge.importers.names import (
    UniqueNames,
    is_variable,
    key_name,
    model_alias,
    of_host,
    plain_name,
    variable_name,
)


class NameTests:
    """Single names."""

    @pytest.mark.parametrize(
        ("wanted", "name"),
        [
            ("openrouter", "openrouter"),
            ("My Box", "My-Box"),
            ("café", "cafe"),
            ("我的 box", "box"),
            ("硅基流动", "otherwise"),
            ("", "otherwise"),
            ("-x-", "x"),
            ("a/b:c", "a-b-c"),
        ],
    )
    def test_plain(self, wanted: str, name: str) -> None:
        """What no section's name may have becomes a dash."""
        assert plain_name(wanted, "otherwise") == name

    @given(st.text() | st.just("client"))
    def test_valid(self, wanted: str) -> None:
        """Any text gives names that the configuration accepts."""
        for word in ("backend", "route"):
            find_kind(f"{word}:{plain_name(wanted, 'x')}")
        find_kind(f"key:{key_name(wanted, 'x')}")
        find_kind(f"model:{model_alias(wanted)}")
        assert is_variable(variable_name(wanted, "key"))

    @pytest.mark.parametrize(
        ("wanted", "name"),
        [
            ("Qwen/Qwen3:free", "Qwen/Qwen3:free"),
            ("a model", "a-model"),
            ("x@claude-bridge", "x"),
            ("\x01", "model"),
            ('"q"', "q"),
        ],
    )
    def test_model(self, wanted: str, name: str) -> None:
        """A model keeps its name, apart from spaces and the mark of published names."""
        assert model_alias(wanted) == name

    @pytest.mark.parametrize(
        ("host", "name"),
        [
            ("api.siliconflow.cn", "siliconflow"),
            ("gpu", "gpu"),
            ("127.0.0.1", "backend"),
            ("::1", "backend"),
            ("", "backend"),
        ],
    )
    def test_host(self, host: str, name: str) -> None:
        """A backend without a name is called like the one whose host it is."""
        assert of_host(host) == name

    @pytest.mark.parametrize(
        ("parts", "name"),
        [(("open router", "api key"), "OPEN_ROUTER_API_KEY"), (("9router",), "_9ROUTER"), (("",), "API_KEY")],
    )
    def test_variable(self, parts: tuple[str, ...], name: str) -> None:
        """A variable is in upper case, and never begins with a digit."""
        assert variable_name(*parts) == name


class UniqueTests:
    """Names that are taken already."""

    def test_numbers(self) -> None:
        """The second of a spelling, but for case, gets a number, and no number is given twice."""
        names = UniqueNames()
        assert [names.take(each) for each in ("a", "A", "a-2", "a")] == ["a", "A-2", "a-2-2", "a-3"]

    def test_variables(self) -> None:
        """A variable's number stands behind an underscore."""
        names = UniqueNames()
        assert [names.take_variable(each) for each in ("A", "A")] == ["A", "A_2"]
