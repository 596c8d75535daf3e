"""Variables in values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.config.expand import expand, has_variable

ENVIRON = {"HOME": "/home/me", "EMPTY": "", "NESTED": "${HOME} $$ $", "PADDED": " x \n"}


def mistakes(line: str) -> tuple[object, ...]:
    """Return what is wrong with ``line``."""
    with pytest.raises(ValueError, match=r"\S") as raised:
        expand(line, ENVIRON)
    return raised.value.args


class ExpandTests:
    """Values take from the environment what they name, and nothing else."""

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("plain 50% value", "plain 50% value"),
            ("${HOME}/key", "/home/me/key"),
            ("a${EMPTY}b", "ab"),
            ("${EMPTY:-x}", "x"),
            ("${MISSING:-a b:c}", "a b:c"),
            ("${MISSING:-}", ""),
            ("${HOME:-x}", "/home/me"),
            ("$$5 and $${HOME}", "$5 and ${HOME}"),
            ("${NESTED}", "${HOME} $$ $"),
            ("${PADDED}", "x"),
        ],
    )
    def test_variables(self, line: str, expected: str) -> None:
        """Variables, defaults and $$ work as written, and what a variable holds is taken as it is."""
        assert expand(line, ENVIRON) == expected

    def test_unset(self) -> None:
        """A variable that is not set is named."""
        assert mistakes("${NOPE}${HOME}${ALSO}") == (
            "the environment variable NOPE is not set; ${NOPE:-default} would give a default",
            "the environment variable ALSO is not set; ${ALSO:-default} would give a default",
        )

    @pytest.mark.parametrize("line", ["$", "$HOME", "${", "${HOME", "${}", "${1A}", "$(id)", "a$", "${A:-${HOME}}"])
    def test_lone_dollar(self, line: str) -> None:
        """A dollar sign that is neither is told, once, and what follows it is not repeated."""
        (message,) = mistakes(line)
        assert "a lone $" in str(message)

    @pytest.mark.parametrize("line", ["10 # ten", "10 ;ten", "# ten", "${MISSING:- #}"])
    def test_comment_behind_a_value(self, line: str) -> None:
        """A comment behind a value would become part of it, so it is reported."""
        assert mistakes(line) == ("holds ` #` or ` ;`: a comment stands on a line of its own",)

    def test_marks_inside_words(self) -> None:
        """# and ; inside a word are no comment."""
        assert expand("https://x/#a;b", ENVIRON) == "https://x/#a;b"

    def test_line_break_out_of_a_variable(self) -> None:
        """A variable cannot smuggle a second line in."""
        with pytest.raises(ValueError, match="line break"):
            expand("${KEY}", {"KEY": "a\r\nX-Other: b"})

    @given(st.text(alphabet=st.characters(categories=("L", "N", "P", "S")), min_size=1))
    def test_escaped_text_comes_back(self, text: str) -> None:
        """Any word with its dollar signs doubled comes back as it was."""
        if text[0] in "#;":
            text = "x" + text
        assert expand(text.replace("$", "$$"), {}) == text


class HasVariableTests:
    """Whether a value comes from elsewhere."""

    @pytest.mark.parametrize(
        ("line", "expected"),
        [("${A}", True), ("x ${A:-b} y", True), ("plain", False), ("$${A}", False), ("$$", False), ("$$${A}", True)],
    )
    def test_variables(self, line: str, expected: bool) -> None:
        """A variable is told from a dollar sign that is meant."""
        assert has_variable(line) is expected
