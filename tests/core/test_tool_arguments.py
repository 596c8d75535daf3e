"""Tests for `claude_bridge.core.tool_arguments`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core import strict_json
from claude_bridge.core.tool_arguments import MAX_PIECE_CHARACTERS, ArgumentsFilter, repair
from claude_bridge.core.work import Work
from tests.core.strategies import TEXT, cut, cuts, in_steps, json_text

CONTROL = re.compile(r"[\x00-\x1f]")


def passed(pieces: Sequence[str]) -> str:
    """Let pieces through to the end."""
    scan = ArgumentsFilter()
    return "".join(scan.add(piece) for piece in pieces) + scan.end()


def raw_strings(text: str) -> str:
    """Write control characters inside strings raw, as models do that were never taught to escape them."""
    return re.sub(r"(?<!\\)((?:\\\\)*)\\([nt])", lambda m: m.group(1) + {"n": "\n", "t": "\t"}[m.group(2)], text)


class ArgumentsFilterTests:
    """Arguments while they stream."""

    @given(json_text(), st.data())
    def test_objects_unchanged(self, text: str, data: st.DataObject) -> None:
        """A JSON object passes byte for byte, wherever it is cut."""
        assert passed(cut(text, data.draw(cuts(len(text))))) == text
        assert passed(in_steps(text, 1)) == text

    @given(json_text(), TEXT, st.data())
    def test_junk_after_it(self, text: str, junk: str, data: st.DataObject) -> None:
        """What follows the first complete object is dropped: both SDKs choke on it."""
        whole = text + junk
        assert passed(cut(whole, data.draw(cuts(len(whole))))) == text
        assert passed(in_steps(" \n" + whole, 1)) == text

    @given(json_text(), st.data())
    def test_raw_control_characters(self, text: str, data: st.DataObject) -> None:
        """Raw control characters in strings are escaped, so that what comes out is JSON and means the same."""
        raw = raw_strings(text)
        out = passed(cut(raw, data.draw(cuts(len(raw)))))
        assert passed(in_steps(raw, 1)) == out
        assert json.loads(out) == json.loads(raw, strict=False) == json.loads(text)

    @given(st.dictionaries(TEXT, st.text(st.characters(max_codepoint=0x7F), max_size=9), min_size=1), st.data())
    def test_every_control_character(self, value: dict[str, str], data: st.DataObject) -> None:
        """Not only line feeds: any of the 32 is escaped, whatever stands around it."""

        def string(text: str) -> str:
            return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

        raw = "{" + ", ".join(f"{string(key)}: {string(text)}" for key, text in value.items()) + "}"
        out = passed(cut(raw, data.draw(cuts(len(raw)))))
        assert json.loads(out) == value
        assert not CONTROL.search(out)

    @given(st.text('{}[]",:\\ax\n', max_size=30), st.data())
    def test_same_for_any_cut(self, text: str, data: st.DataObject) -> None:
        """Valid or not, where the text is cut changes nothing."""
        whole = passed([text])
        assert passed(cut(text, data.draw(cuts(len(text))))) == whole
        assert passed(in_steps(text, 1)) == whole

    @pytest.mark.parametrize(
        ("pieces", "out"),
        [
            (['{"path": "foo', '\n", "x": "}"} junk'], '{"path": "foo\\n", "x": "}"}'),
            (['{"a": "b", "path": "foo', ' bar\n"}'], '{"a": "b", "path": "foo bar\\n"}'),
            (['{"ab","c', '\t{"}'], '{"ab","c\\t{"}'),
        ],
    )
    def test_string_open_at_the_end_of_a_fragment(self, pieces: list[str], out: str) -> None:
        """The scan knows that a fragment ended inside a string (on CPython 3.11.2 a regex thought otherwise)."""
        assert passed(pieces) == out

    @given(
        st.lists(
            st.sampled_from(
                [
                    *('{"a": [', "]}", '{"b": []}, ', "[{}]", "}{", "[[[[[", "]]]]]", '"x", ' * 50, '"{}[]', '"', "\\"),
                    *('"a\nb"', '"\t\x01\\\\"', '"\\"{"', "\n  ", "é" * 300, '{"a":{"b":{"c":[' * 12, "]}}}" * 12),
                ]
            ),
            max_size=8,
        ),
        st.integers(1, 10),
        st.data(),
    )
    def test_long_as_short(self, parts: list[str], times: int, data: st.DataObject) -> None:
        """What is counted at once in a long text comes to the same as a look at each character."""
        text = "{" + "".join(parts) * times
        whole = passed([text])
        assert passed(in_steps(text, 1)) == whole
        assert passed(cut(text, data.draw(cuts(len(text))))) == whole

    @given(json_text() | st.text('{}[]",:\\a1 \n', max_size=20).map(lambda text: "{" + text + "}"), TEXT)
    def test_whole_as_streamed(self, text: str, junk: str) -> None:
        """A call that comes whole and valid passes in one step, and comes to what it would in pieces."""
        assert passed([text]) == passed(in_steps(text, 1))
        work = Work()
        before = work.left
        if strict_json.is_object(text):
            assert ArgumentsFilter(work).add(text) == text
            assert work.left == before
        assert passed([text + junk]) == passed(in_steps(text + junk, 1))

    def test_rows(self) -> None:
        """A megabyte of rows that has to be mended costs what its strings are worth, not a step for each bracket."""
        row = '{"id": 1, "name": "a name", "tags": ["x", "y"], "ok": true}, '
        text = '{"rows": [' + row * 8_000 + '"two\nlines"]} and more'
        work = Work()
        scan = ArgumentsFilter(work)
        out = scan.add(text)
        assert len(json.loads(out)["rows"]) == 8_001
        assert scan.complete
        assert work.left > 0

    def test_raw_line_feeds_at_once(self) -> None:
        """The raw line feeds of one string cost one step together."""
        work = Work(20)
        text = '{"content": "' + "line\n\x01" * 100_000 + '"}'
        assert json.loads(ArgumentsFilter(work).add(text)) == {"content": "line\n\x01" * 100_000}

    @pytest.mark.parametrize(
        "text",
        [
            '{"a": [' + '"\n",' * 50_000,
            '{"a": ' + ("[" * 40 + "]" * 40) * 2_000 + '"\n"',
            "{" * 400_000,
            '{"a": [' + '"", ' * 400_000,
            '{"a": "' + "\\\n" * 50_000,
        ],
        ids=["strings", "levels", "braces", "quotes", "escapes"],
    )
    def test_work_is_bounded(self, text: str) -> None:
        """What no model writes is not mended to its end: it passes as it is, and so does all that follows."""
        work = Work(500)
        scan = ArgumentsFilter(work)
        out = scan.add(text)
        assert work.left == 0
        assert out.endswith(text[-1_000:])
        assert scan.add('\n" }}}}') == '\n" }}}}'
        assert scan.end() == ""

    def test_work_is_shared(self) -> None:
        """What one call uses up another has not; the next read brings new."""
        work = Work(20)
        first, second = ArgumentsFilter(work), ArgumentsFilter(work)
        raw = '{"a": ["\n", "\n", "\n", "\n", "\n", "\n"'
        assert first.add(raw) != raw
        assert second.add(raw) == raw
        work.left = 1_000
        assert ArgumentsFilter(work).add(raw) == raw.replace("\n", "\\n")

    def test_given_up_inside_an_escape(self) -> None:
        """Not even then a character is lost."""
        work = Work(1_000)
        scan = ArgumentsFilter(work)
        assert scan.add('{"a": "x\\') == '{"a": "x'
        work.left = 0
        assert scan.add("\ny") == "\\\ny"

    def test_object_ends_in_a_long_text(self) -> None:
        """The end of the object is found in the middle of a piece, and what follows goes."""
        text = '{"rows": [' + '{"a": []}, ' * MAX_PIECE_CHARACTERS + "1]}"
        assert passed([text + ' and {"more": 1}']) == text
        assert passed([text + "]" * MAX_PIECE_CHARACTERS]) == text

    def test_backslash_before_a_line_feed(self) -> None:
        """A backslash before a raw line feed is taken as itself: nothing else is valid there."""
        assert passed(['{"a": "x\\', '\ny"}']) == passed(['{"a": "x\\\ny"}']) == '{"a": "x\\\\\\ny"}'

    @pytest.mark.parametrize(
        "text",
        [
            '{"a": tru th}',
            '{"cut": "of',
            '{"cut": "of\\',
            '{"a": ]} and the rest',
            '{"a": [1} and the rest',
            '{"a": ][} and the rest',
            '{"a": [1} ] {} and the rest',
            '{"a": "\\x"}',
            "[1, 2] x",
            "no JSON",
            "``` no JSON ```",
            '"{\\"a\\": 1',
            '"no object"',
            '"{\\"cut\\":"',
            "12",
            "`````",
        ],
    )
    def test_invalid_as_it_is(self, text: str) -> None:
        """What is no JSON passes unchanged: the client shows it to the model, which then mends it."""
        assert passed([text]) == passed(in_steps(text, 1)) == text

    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("", "{}"),
            (" \n", "{}"),
            ("null", "{}"),
            ('""', "{}"),
            ('"null"', "{}"),
            ('```json\n{"a": 1}\n```', '{"a": 1}'),
            ('```{"a": 1}```', '{"a": 1}'),
            ('"{\\"a\\": 1}"', '{"a": 1}'),
            ('"{\\"a\\": 1} x"', '{"a": 1}'),
            ('\u00a0{"a": 1}', '{"a": 1}'),
        ],
    )
    def test_safe_repairs(self, text: str, meant: str) -> None:
        """The few known wrappings come off, and nothing at all is the empty object."""
        assert passed([text]) == passed(in_steps(text, 1)) == meant
        assert repair(text) == meant

    def test_held_only_where_it_must_be(self) -> None:
        """An object streams at once; only what does not begin with a brace waits, and is counted."""
        scan = ArgumentsFilter()
        assert scan.add(" ") == ""
        assert (scan.add('{"a'), scan.held) == ('{"a', 0)
        wrapped = ArgumentsFilter()
        assert [wrapped.add(piece) for piece in ('"', '{\\"a\\"', ': 1}"')] == ["", "", ""]
        assert wrapped.held == 12
        assert (wrapped.end(), wrapped.held) == ('{"a": 1}', 0)

    def test_complete(self) -> None:
        """It is known when a call is complete, and nothing comes out any more."""
        scan = ArgumentsFilter()
        assert scan.add('{"a": {}') == '{"a": {}'
        assert not scan.complete
        assert (scan.add("}}"), scan.complete) == ("}", True)
        assert (scan.add('{"b'), scan.add('": 1}'), scan.end()) == ("", "", "")

    def test_nothing_after_the_end(self) -> None:
        """After the end of a call that was cut inside a string nothing passes any more."""
        scan = ArgumentsFilter()
        scan.add('{"a": "b')
        assert (scan.end(), scan.complete, scan.add('c"}')) == ("", True, "")

    @pytest.mark.parametrize(
        "begin",
        ['{"a": "', '"', "```json\n", "[", '{"a": ', "   ", '{"a": "\\"', '```{"a":1}' + " " * 200_000],
        ids=["string", "wrapped", "fence", "list", "blank", "leading", "escape", "fence of blanks"],
    )
    @pytest.mark.parametrize("fill", ["x" * 64, " " * 64, '\\"' * 32, "{" * 64, '"' * 64, "\n" * 64])
    def test_linear(self, begin: str, fill: str) -> None:
        """The time for many fragments is that of their characters, whatever is in it."""
        scan = ArgumentsFilter()
        started = time.process_time()
        scan.add(begin)
        for _ in range(4_000):
            scan.add(fill)
        scan.end()
        assert time.process_time() - started < 5  # quadratic would be minutes
