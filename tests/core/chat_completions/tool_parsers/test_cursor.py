"""Tests for `claude_bridge.core.chat_completions.tool_parsers.cursor`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.chat_completions.tool_parsers.cursor import (
    MAX_GAP_CHARACTERS,
    MAX_HEADER_CHARACTERS,
    Cursor,
    NotACall,
    Parser,
)
from tests.core.strategies import JSON, cut, cuts, in_steps

Reading = Callable[[Cursor], Parser[Any]]


def read(reading: Reading, pieces: list[str]) -> tuple[object, str, bool]:
    """Read from pieces and the end of the text; return the result, what is left, and whether it needed the end."""
    cursor = Cursor("")
    steps = reading(cursor)
    waiting = list(pieces)
    while True:
        try:
            while next(steps) is not None:
                raise AssertionError
        except StopIteration as stop:
            return stop.value, cursor.rest + "".join(waiting), cursor.ended
        except NotACall:
            return NotACall, cursor.rest + "".join(waiting), cursor.ended
        if waiting:
            cursor.append(waiting.pop(0))
        else:
            cursor.ended = True


def parse_in_all_cuts(reading: Reading, text: str) -> tuple[object, str]:
    """Read from text whole and in single characters, which must come to the same."""
    whole = read(reading, [text])[:2]
    assert read(reading, in_steps(text, 1))[:2] == whole
    return whole


class CursorTests:
    """What can be asked of text that comes in pieces."""

    def test_take(self) -> None:
        """One of several options is consumed as soon as it is there, and nothing if none of them can come."""
        assert parse_in_all_cuts(lambda cursor: cursor.accept("<a>", "<ab>"), "<ab>c") == ("<ab>", "c")
        assert parse_in_all_cuts(lambda cursor: cursor.accept("<a>", "<ab>"), "<b>") == ("", "<b>")
        assert parse_in_all_cuts(lambda cursor: cursor.accept("<a>"), "<a") == ("", "<a")
        assert read(lambda cursor: cursor.accept("<a>"), ["<", "a>", "b"]) == ("<a>", "b", False)
        assert read(lambda cursor: cursor.accept("<a>"), ["<", "b", "b"]) == ("", "<bb", False)

    def test_peek(self) -> None:
        """The next character can be looked at, as soon as there is one."""
        assert parse_in_all_cuts(lambda cursor: cursor.peek(), "ab") == ("a", "ab")
        assert parse_in_all_cuts(lambda cursor: cursor.peek(), "") == ("", "")

    def test_demand(self) -> None:
        """What must come and does not is a mismatch, which consumes nothing."""
        assert parse_in_all_cuts(lambda cursor: cursor.expect("<a>"), "<b>") == (NotACall, "<b>")

    def test_followed(self) -> None:
        """Looking ahead consumes nothing, and looks through no more white space than a template writes."""
        assert parse_in_all_cuts(lambda cursor: cursor.is_followed_by("<a>"), " \n<a>") == (True, " \n<a>")
        assert parse_in_all_cuts(lambda cursor: cursor.is_followed_by("<a>"), " x") == (False, " x")
        assert parse_in_all_cuts(lambda cursor: cursor.is_followed_by("<a>"), " <a") == (False, " <a")
        most = " " * MAX_GAP_CHARACTERS
        assert parse_in_all_cuts(lambda cursor: cursor.is_followed_by("<a>"), most + "<a>") == (True, most + "<a>")
        assert parse_in_all_cuts(lambda cursor: cursor.is_followed_by("<a>"), most + " <a>") == (False, most + " <a>")

    def test_closed(self) -> None:
        """A closing marker may be cut or missing at the end of the answer, nowhere else."""
        assert parse_in_all_cuts(lambda cursor: cursor.accept_closing("</a>"), " </a> x") == (True, " x")
        assert parse_in_all_cuts(lambda cursor: cursor.accept_closing("</a>"), " </") == (True, "")
        assert parse_in_all_cuts(lambda cursor: cursor.accept_closing("</a>"), " ") == (True, "")
        assert parse_in_all_cuts(lambda cursor: cursor.accept_closing("</a>"), " x") == (False, "x")

    def test_word(self) -> None:
        """A word ends at the first character that cannot be part of a name; too long a one is none."""
        assert parse_in_all_cuts(lambda cursor: cursor.read_word(), "functions.f:0<") == ("functions.f:0", "<")
        assert parse_in_all_cuts(lambda cursor: cursor.read_word(), "f") == ("f", "")
        assert parse_in_all_cuts(lambda cursor: cursor.read_word(), " f") == ("", " f")
        most = "x" * (MAX_HEADER_CHARACTERS - 1)
        assert parse_in_all_cuts(lambda cursor: cursor.read_word(), most + " ") == (most, " ")
        assert parse_in_all_cuts(lambda cursor: cursor.read_word(), most + "xx ") == (NotACall, most + "xx ")

    def test_header(self) -> None:
        """A name in a tag is short and on one line."""
        assert parse_in_all_cuts(lambda cursor: cursor.read_header('">'), 'a b">c') == ("a b", "c")
        assert parse_in_all_cuts(lambda cursor: cursor.read_header(">"), "\n a\n>c") == ("a", "c")
        assert parse_in_all_cuts(lambda cursor: cursor.read_header(">"), "a\nb>c") == (NotACall, "c")
        assert parse_in_all_cuts(lambda cursor: cursor.read_header(">"), "ab") == (NotACall, "ab")
        most = "x" * MAX_HEADER_CHARACTERS
        assert parse_in_all_cuts(lambda cursor: cursor.read_header("|>"), most + "|>") == (most, "")
        assert parse_in_all_cuts(lambda cursor: cursor.read_header("|>"), most + "x|>") == (NotACall, most + "x|>")

    def test_value(self) -> None:
        """A value ends at the closing tag that is followed by what must follow, and not at one inside it."""
        assert parse_in_all_cuts(lambda cursor: cursor.read_value("</v>", "<v>", "</f>"), "a</v> b</</v>\n</f>") == (
            "a</v> b</",
            "\n</f>",
        )
        assert parse_in_all_cuts(lambda cursor: cursor.read_value("</v>", "</f>"), "a</v></v>x") == (NotACall, "")

    def test_rest(self) -> None:
        """All that is left is given at the end, unless it is too much."""
        assert parse_in_all_cuts(lambda cursor: cursor.read_rest(3), "abc") == ("abc", "")
        assert parse_in_all_cuts(lambda cursor: cursor.read_rest(3), "abcde") == (NotACall, "de")

    def test_rest_is_looked_at_once(self) -> None:
        """What came before is not carried along with each further piece: a long answer costs as much as its pieces."""
        cursor = Cursor("{")
        steps = cursor.read_rest(10_000)
        for _ in range(100):
            cursor.append("12345")
            assert next(steps) is None
            assert cursor.rest == ""
        cursor.ended = True
        with pytest.raises(StopIteration) as done:
            next(steps)
        assert done.value.value == "12345" * 100

    @given(st.dictionaries(st.text(max_size=3), JSON, max_size=3), st.booleans(), st.text(max_size=5), st.data())
    def test_json(self, value: dict[str, Any], listed: bool, behind: str, data: st.DataObject) -> None:
        """An object or an array is found whole, whatever its strings hold and wherever it is cut."""
        text = json.dumps([value, value] if listed else value, ensure_ascii=data.draw(st.booleans()))
        whole = text + behind
        assert read(lambda cursor: cursor.read_json(), cut(whole, data.draw(cuts(len(whole)))))[:2] == (text, behind)

    @pytest.mark.parametrize("text", ['{"a": "\\', '{"a": "\\"}', '{"a": {}', "[{}"])
    def test_json_cut(self, text: str) -> None:
        """One that does not end is none, and all of it was looked at."""
        assert parse_in_all_cuts(lambda cursor: cursor.read_json(), text) == (NotACall, "")

    @pytest.mark.parametrize(("text", "rest"), [("{ a}", "a}"), ("[1]", "1]"), ("x", "x"), ("", ""), ("{", "")])
    def test_json_implausible(self, text: str, rest: str) -> None:
        """A bracket with prose behind it is given up at once."""
        assert parse_in_all_cuts(lambda cursor: cursor.read_json(), text) == (NotACall, rest)

    def test_give_back(self) -> None:
        """What was consumed since the last call can be had again as it was written."""
        cursor = Cursor("<a>")
        cursor.append("b <c")
        assert cursor.held == 7
        assert next(cursor.accept("b "), "done") == "done"
        assert (cursor.release(), cursor.rest, cursor.held) == ("<a>b ", "<c", 2)
        cursor.append(">d")
        assert next(cursor.accept("<c>"), "done") == "done"
        cursor.discard_consumed()
        assert (cursor.release(), cursor.rest, cursor.held) == ("", "d", 1)
