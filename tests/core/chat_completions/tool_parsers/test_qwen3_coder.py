"""Tests for `claude_bridge.core.chat_completions.tool_parsers.qwen3_coder`.

Shapes from the chat template and vLLM's tests of its parser.
"""

from __future__ import annotations

import pytest

from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, unchanged

LEAKED = "<tool_call>\n<function=Bash>\n<parameter=command>\nls -la\n</parameter>\n</function>\n</tool_call>"
LS = ("Bash", {"command": "ls -la"})


def function(values: str, name: str = "f") -> str:
    """Write a call with these parameters."""
    return f"<tool_call>\n<function={name}>\n{values}</function>\n</tool_call>"


def typed(key: str, value: str) -> object:
    """Return the one argument of a call that was leaked with this value."""
    outcome = in_all_sizes(function(f"<parameter={key}>\n{value}\n</parameter>\n"))
    assert isinstance(outcome[0], tuple)
    assert outcome == [("f", {key: outcome[0][1][key]})]
    value_read: object = outcome[0][1][key]
    return value_read


class Qwen3CoderTests:
    """XML-like calls with values that are not quoted."""

    def test_leaked(self) -> None:
        """The call that servers without the right parser pass on, two line breaks before it, is a call."""
        assert in_all_sizes(f"\n\n{LEAKED}") == [LS]
        assert in_all_sizes(f"I look.\n\n{LEAKED}\n\n{LEAKED}\nSo") == ["I look.", LS, LS, "So"]

    def test_without_outer_tag(self) -> None:
        """The outer opening tag, which the models often leave out, is not needed; a lone closing one goes."""
        assert in_all_sizes("I look.\n" + LEAKED.removeprefix("<tool_call>\n")) == ["I look.", LS]
        inner = LEAKED.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>")
        assert in_all_sizes(f"{inner}\n{inner} Yes") == [LS, LS, "Yes"]

    def test_two_functions_in_one_tag(self) -> None:
        """Two functions inside one outer tag are two calls."""
        inner = LEAKED.removesuffix("\n</tool_call>")
        second = LEAKED.removeprefix("<tool_call>\n")
        assert in_all_sizes(f"{inner}\n{second}") == [LS, LS]

    def test_types(self) -> None:
        """A value takes the type that the schema names; a string stays what it is."""
        assert typed("count", "5") == 5
        assert typed("text", "5") == "5"
        assert typed("unknown", "5") == "5"
        assert typed("flag", "True") is True
        assert typed("flag", "false") is False
        assert typed("items", '["a", 1]') == ["a", 1]
        assert typed("more", '{"b": null, "a": 2.5}') == {"b": None, "a": 2.5}

    def test_wrong_type(self) -> None:
        """A value that has not the type it should have passes as text, for the client to judge."""
        assert typed("count", "five") == "five"
        assert typed("count", '"5"') == '"5"'

    def test_strings_exact(self) -> None:
        """Only one line break at either end is the template's."""
        code = "\n  def f():\n    return '<a>' & \"b\\n\"\n"
        assert typed("text", code) == code
        assert in_all_sizes(function("<parameter=text>x</parameter>")) == [("f", {"text": "x"})]
        assert in_all_sizes(function("<parameter=text>\n</parameter>")) == [("f", {"text": ""})]

    def test_tags_inside_values(self) -> None:
        """A file that holds such tags itself is written whole."""
        code = "<parameter=x>\n</parameter>\nand <function=g></function> </tool_call>"
        assert typed("text", code) == code

    def test_no_parameters(self) -> None:
        """A tool without parameters is called with none."""
        assert in_all_sizes(function("")) == [("f", {})]

    def test_json_body(self) -> None:
        """Arguments as one JSON object are taken as well."""
        assert in_all_sizes('<function=f>{"count": 5}</function>') == [("f", {"count": 5})]

    @pytest.mark.parametrize(
        "text",
        [
            LEAKED.removesuffix("\n</function>\n</tool_call>"),
            LEAKED.replace("Bash", "Zsh"),
            LEAKED.replace("</parameter>\n", ""),
            "<function=f>and more prose",
            "<function=f" + "x" * 600,
            "<function=f\nand more>",
            "<tool_call>\n<function=f>\n<param=x>1</param></function>\n</tool_call>",
            '<function=f>{"count": 5} </func>',
        ],
    )
    def test_near_misses(self, text: str) -> None:
        """What is cut, malformed or not a tool of this request stays text."""
        assert unchanged(text)
        assert unchanged(f"So:\n\n{text}\n\n")
