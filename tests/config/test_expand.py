"""Variables in values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.config.expand import OFF, expand, has_variable, quoted
from tests.config.files import mistakes

ENVIRON = {"HOME": "/home/me", "EMPTY": "", "NESTED": "${HOME} $$ $", "PADDED": " x \n"}


def mistakes_of(line: str) -> tuple[object, ...]:
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
        assert mistakes_of("${NOPE}${HOME}${ALSO}") == (
            "the environment variable NOPE is not set; ${NOPE:-default} would give a default",
            "the environment variable ALSO is not set; ${ALSO:-default} would give a default",
        )

    @pytest.mark.parametrize("line", ["$", "$HOME", "${", "${HOME", "${}", "${1A}", "$(id)", "a$", "${A:-${HOME}}"])
    def test_lone_dollar(self, line: str) -> None:
        """A dollar sign that is neither is told, once, and what follows it is not repeated."""
        (message,) = mistakes_of(line)
        assert "a lone $" in str(message)

    @pytest.mark.parametrize("line", ["$5", "$0.4", " $ 1,000.00", "5.00 $", "5$"])
    def test_amount_with_a_currency(self, line: str) -> None:
        """Who writes an amount with a dollar sign learns first that it has none."""
        (message,) = mistakes_of(line)
        assert str(message).startswith("amounts are written without a sign of the currency, such as 5.00")

    @pytest.mark.parametrize("line", ["10 # ten", "10 ;ten", "# ten", "${MISSING:- #}"])
    def test_comment_behind_a_value(self, line: str) -> None:
        """A comment behind a value would become part of it, so it is reported."""
        assert mistakes_of(line) == (
            "contains ` #` or ` ;`: comments after a value are not supported, move it to its own line",
        )

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


class QuotedTests:
    """What counts as a value in quotes."""

    @pytest.mark.parametrize("text", ['"a"', "'a b'", "`a`", "\u201ca\u201d", "\u2018a\u2019", '""'])
    def test_quoted(self, text: str) -> None:
        """Every kind of quotes is known, also those that a web page makes of straight ones."""
        assert quoted(text)

    @pytest.mark.parametrize("text", ["", "a", '"', "\"a'", '"a" b', 'a "b"', '"a", "b"', '"a"b"'])
    def test_not_quoted(self, text: str) -> None:
        """Quotes that stand for themselves, or around parts, are no quotes around the value."""
        assert not quoted(text)


class MistakeTests:
    """A value that is wrong because of its quotes."""

    @pytest.mark.parametrize(
        ("section", "line"),
        [
            ("backend:b", 'url = "http://127.0.0.1:8000/v1"'),
            ("backend:b", "dialect = 'vllm'"),
            ("backend:b", 'headers = "X-Title: mine"'),
            ("backend:b", 'api_key = "two words"'),
            ("server", 'listen = "tcp:8080:interface=127.0.0.1"'),
            ("server", 'list_backend_models = "yes"'),
            ("server", 'allowed_hosts = "bridge"'),
            ("limits", 'max_body = "32M"'),
            ("log", "level = `info`"),
            ("model:m", 'context_window = "131072"'),
            ("model:m", 'reasoning_levels = "low"'),
        ],
    )
    def test_every_kind_of_value(self, section: str, line: str) -> None:
        """Whatever the key, the quotes are blamed and nothing that only follows from them."""
        key = line.partition(" ")[0]
        assert mistakes(f"[{section}]\n{line}\n") == [f"[{section}] {key}: {OFF}"]

    def test_each_entry(self) -> None:
        """In a list the entry is told by its number, and a word of several in one line is found too."""
        assert mistakes('[server]\nallowed_hosts =\n  a\n  "b"\n') == [f"[server] allowed_hosts: entry 2: {OFF}"]
        assert mistakes('[model:m]\nreasoning_levels = "low", "high"\n') == [f"[model:m] reasoning_levels: {OFF}"]

    def test_variables(self) -> None:
        """Variables too: a container's env file keeps quotes as they are."""
        assert mistakes("", {"BACKEND_URL": '"http://x/v1"', "LOG_LEVEL": "'info'"}) == [
            f"[environment] BACKEND_URL: {OFF}",
            f"[environment] LOG_LEVEL: {OFF}",
        ]
        assert mistakes("[backend:b]\nurl = ${U}\n", {"U": '"http://x/v1"'}) == [f"[backend:b] url: {OFF}"]

    def test_other_mistakes_stay(self) -> None:
        """A mistake inside the quotes that has nothing to do with them is still told."""
        (line,) = mistakes('[backend:b]\nurl = "${NOPE}"\n')
        assert "NOPE is not set" in line
