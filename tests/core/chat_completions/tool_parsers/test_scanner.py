"""Tests for `claude_bridge.core.chat_completions.tool_parsers.scanner`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.chat_completions.answer.tool_calls import ToolCalls
from claude_bridge.core.chat_completions.openai_types import FunctionDelta, ToolCallDelta
from claude_bridge.core.chat_completions.tool_parsers.cursor import MAX_GAP_CHARACTERS, MAX_HEADER_CHARACTERS
from claude_bridge.core.chat_completions.tool_parsers.scanner import (
    MAX_ATTEMPTS,
    MAX_HELD_CHARACTERS,
    MAX_PIECE_CHARACTERS,
    ToolCallScanner,
)
from claude_bridge.core.chat_completions.tool_parsers.syntaxes import SYNTAXES
from claude_bridge.core.events import Event, TextDelta, ToolCallStarted
from claude_bridge.core.work import MAX_WORK_UNITS, Work
from tests.core.chat_completions.tool_parsers.scanning import NAMES, Outcome, in_all_sizes, outcome, scanned, unchanged
from tests.core.strategies import cut, cuts, in_steps

CALL = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'
F = ("f", {"a": 1})

COMPLETE = (
    CALL,
    "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>",
    "<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>",
    '<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{"a": 1}<|tool_call_end|>',
    '<minimax:tool_call><invoke name="f"><parameter name="a">1</parameter></invoke></minimax:tool_call>',
    '[TOOL_CALLS][{"name": "f", "arguments": {}}]',
    '[TOOL_CALLS]f[ARGS]{"a": "}"}',
    '<|python_tag|>{"name": "f", "parameters": {}}',
    "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>",
    '<|open|>tools<|sep|><|open|>call tool="f" index="1"<|sep|><|close|>call<|sep|><|close|>tools<|sep|>',
)
FRAGMENTS = (
    *SYNTAXES,
    *COMPLETE,
    *(text[: len(text) // 2] for text in COMPLETE),
    *(text[len(text) // 2 :] for text in COMPLETE),
    *(
        "[f(",
        "a=1",
        ")]",
        "{",
        "}",
        '"',
        "\\",
        "`",
        "```",
        "```py\n",
        "\n",
        "\n\n",
        " ",
        "f",
        "g",
        "<",
        "[",
        "prose ",
        "|",
        ">",
    ),
    *(
        "</tool_call>",
        "</function>",
        "</parameter>",
        "; ",
        "</arg_value>",
        '{"name": "f"}',
        "<|call|>",
        "x" * MAX_HEADER_CHARACTERS,
    ),
    " " * MAX_GAP_CHARACTERS,
)
ANSWERS = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), max_size=12).map("".join)


def scanner(names: tuple[str, ...] = NAMES) -> ToolCallScanner:
    """Make a scanner with the real bookkeeping behind it."""
    return ToolCallScanner(names, ToolCalls({}, bytes).add)


def fed(of: ToolCallScanner, *pieces: str) -> list[str | None]:
    """Feed pieces and return the text that each of them gave at once; None stands for a call."""
    events: list[Event] = []
    for piece in pieces:
        of.add(piece, events)
    kinds = (TextDelta, ToolCallStarted)
    return [event.text if isinstance(event, TextDelta) else None for event in events if isinstance(event, kinds)]


def text_of(found: Outcome) -> str:
    """Join the text."""
    return "".join(part for part in found if isinstance(part, str))


class LeakScannerTests:
    """Text and calls told apart while they stream."""

    @given(ANSWERS, st.data())
    def test_any_cut(self, text: str, data: st.DataObject) -> None:
        """Where an answer is cut changes nothing, and without a call nothing of it is lost or changed."""
        whole = scanned([text])
        assert scanned(cut(text, data.draw(cuts(len(text))))) == whole
        assert scanned(in_steps(text, 1)) == whole
        if all(isinstance(part, str) for part in whole):
            assert text_of(whole) == text

    @given(ANSWERS)
    def test_unknown_names(self, text: str) -> None:
        """Where none of the names is offered, all text is kept to the last character."""
        assert text_of(scanned(in_steps(text, 5), names=("other",))) == text

    @pytest.mark.parametrize("call", COMPLETE)
    def test_many(self, call: str) -> None:
        """Calls in one syntax, many in a row and between text, are all found in their order."""
        found = in_all_sizes(f"One.\n{call}\n{call}\n\nTwo.\n\n{call}")
        assert [part if isinstance(part, str) else part[0] for part in found] == ["One.", "f", "f", "Two.", "f"]

    def test_ids(self) -> None:
        """Two calls of one tool with the same arguments are two calls with ids of their own, and both are ended."""
        numbers = iter(range(256))
        events: list[Event] = []
        calls = ToolCalls({}, lambda size: bytes([next(numbers)] * size))
        one = ToolCallScanner(("f",), calls.add)
        one.add(CALL + CALL, events)
        one.end(events)
        ids = [event.id for event in events if isinstance(event, ToolCallStarted)]
        assert len(events) == 6
        assert len(set(ids)) == 2

    def test_delta(self) -> None:
        """The receiver gets a whole call at once: name and compact arguments in the order they were written."""
        given_out: list[ToolCallDelta] = []
        one = ToolCallScanner(("f",), lambda delta, _events: given_out.append(delta))
        one.add('<tool_call>{"name": "f", "arguments": {"b": [1, 2],\n "a": "é"}}</tool_call>', [])
        assert given_out == [ToolCallDelta(None, "", FunctionDelta("f", '{"b":[1,2],"a":"é"}'))]

    def test_passes_at_once(self) -> None:
        """Prose is not kept waiting, nor is what only began like a marker longer than it takes to see that."""
        one = scanner()
        assert fed(one, "if a < b", " and <to", "ol> [x] <", "") == ["if a < b", " and ", "<tool> [x] "]
        assert fed(one, "b", " end") == ["<b", " end"]

    def test_call_at_once(self) -> None:
        """A call is given as soon as it is complete, with what follows still to come."""
        assert fed(scanner(), "a ", CALL[:-1], ">") == ["a ", None]
        sections = "<|tool_calls_section_begin|><|tool_call_begin|>f:0<|tool_call_argument_begin|>{}<|tool_call_end|>"
        assert fed(scanner(), sections) == [None]

    @pytest.mark.parametrize(
        "text",
        [
            f"```\n{CALL}\n```\n",
            f"```xml\n{CALL}\n```\n",
            f"Write `{CALL}` to call.",
            f"````md\n```\n{CALL}\n```\n{CALL}\n````",
            f"   ```\n   {CALL}",
        ],
    )
    def test_code(self, text: str) -> None:
        """A call inside a code fence or inline code is shown, not made."""
        assert unchanged(text)

    def test_behind_code(self) -> None:
        """Behind closed code, or a lone backtick of an earlier line, calls count again."""
        assert in_all_sizes(f"```\n{CALL}\n```\n{CALL}") == [f"```\n{CALL}\n```", F]
        assert in_all_sizes(f"A ` and\n{CALL}`x") == ["A ` and", F, "`x"]
        assert in_all_sizes(f"`a` {CALL}\n```\n{CALL}") == ["`a` ", F, f"```\n{CALL}"]

    def test_code_inside_refused(self) -> None:
        """Code inside text that was no call after all counts for what follows."""
        assert unchanged('<tool_call>{"name": "g", "a": "\n```\n"}</tool_call> ' + CALL)

    def test_white_space(self) -> None:
        """Line breaks around a call go, as many as a template writes; spaces in a line of text stay."""
        assert in_all_sizes(f"a \n \n{CALL} \n\n b") == ["a ", F, "b"]
        assert in_all_sizes(f" {CALL}") == [" ", F]
        flood = "\n" * (MAX_GAP_CHARACTERS + 2)
        assert in_all_sizes(f"a{flood}{CALL}{flood}b") == ["a\n\n", F, "\n\nb"]
        assert in_all_sizes(f"a{flood}{CALL}{flood}") == ["a\n\n", F, "\n\n"]
        spaces = "\n" + " " * MAX_GAP_CHARACTERS
        assert in_all_sizes(f"a{spaces}\n {CALL}") == [f"a{spaces}", F]

    def test_lone_marker_before_call(self) -> None:
        """A marker that is only talked about does not spoil the call behind it."""
        assert in_all_sizes(f"The <tool_call> tag:\n{CALL}") == ["The <tool_call> tag:", F]

    def test_structured_calls(self) -> None:
        """Once the backend recognised a call itself, whatever else looks like one is text, held text included."""
        one = scanner()
        assert fed(one, "a <tool_call>", "\n{") == ["a "]
        one.disable()
        assert not one.idle
        assert fed(one, "}", CALL) == ["<tool_call>\n{", "}", CALL]
        assert one.idle

    def test_structured_calls_at_the_end(self) -> None:
        """The same where nothing follows."""
        one = scanner()
        events: list[Event] = []
        one.add(CALL[:-3], events)
        one.disable()
        one.end(events)
        assert events == [TextDelta(CALL[:-3])]

    def test_interrupted(self) -> None:
        """What was held comes before whatever interrupts it, as text, and text may go on after it."""
        one = scanner()
        events: list[Event] = []
        for piece in ("a\n\n", "<tool", "_call>", '{"name": "f"}'):
            one.add(piece, events)
        one.interrupt(events)
        one.interrupt(events)
        one.add("\n<tool", events)
        one.interrupt(events)
        one.add(CALL, events)
        assert outcome(events)[0] == 'a\n\n<tool_call>{"name": "f"}\n<tool'
        assert isinstance(events[-1], TextDelta) is False

    def test_pythonic_only_first(self) -> None:
        """A list of calls must be the whole text of the answer; reasoning before it is none of that."""
        one = scanner()
        events: list[Event] = []
        one.interrupt(events)
        one.add("[f(a=1)]", events)
        one.end(events)
        assert outcome(events) == [F]
        one = scanner()
        assert fed(one, "[f(a") == []
        events = []
        one.interrupt(events)
        one.add("[f(a=1)]", events)
        assert events == [TextDelta("[f(a"), TextDelta("[f(a=1)]")]

    def test_no_tools(self) -> None:
        """Where no tools were offered there is nothing to look for."""
        one = scanner(())
        assert one.idle
        assert fed(one, "<tool", CALL) == ["<tool", CALL]

    @pytest.mark.parametrize(
        "opening",
        [
            '<tool_call>{"name": "f", "arguments": {"a": "',
            "<function=f><parameter=a>",
            "<tool_call>f<arg_key>a</arg_key><arg_value>",
            "<tool_call>",
        ],
    )
    @pytest.mark.parametrize("filler", ["x", "\\", " ", "</parameter>", "</arg_value> ", "é日😀", "{", "}"])
    def test_bounded(self, opening: str, filler: str) -> None:
        """A call that never ends is held up to a limit, then it is text; it costs linear time and loses nothing."""
        text = (opening + filler * (MAX_HELD_CHARACTERS // len(filler) + 1))[
            : MAX_HELD_CHARACTERS + 3 * MAX_PIECE_CHARACTERS
        ] + CALL
        one = scanner()
        events: list[Event] = []
        for piece in in_steps(text, 4093):
            one.add(piece, events)
            given = sum(len(event.text) for event in events if isinstance(event, TextDelta))
            assert one._cursor is None or one._cursor.held <= MAX_HELD_CHARACTERS
        one.end(events)
        assert text_of(outcome(events)).startswith(text[: MAX_HELD_CHARACTERS - len(CALL)])
        assert given >= 2 * MAX_PIECE_CHARACTERS

    def test_bound_is_exact(self) -> None:
        """The limit falls on the same character however the answer is cut."""
        text = "<function=f><parameter=a>" + "x" * MAX_HELD_CHARACTERS + CALL
        assert scanned([text]) == scanned(in_steps(text, 4093)) == [text.removesuffix(CALL), F]

    def test_large_call(self) -> None:
        """A file of several hundred thousand characters is written whole."""
        content = '<p>"\\\n' * 100_000
        text = f"<function=Write>\n<parameter=content>\n{content}\n</parameter>\n</function>"
        assert scanned(in_steps(text, 11)) == [("Write", {"content": content})]

    @pytest.mark.parametrize("marker", ["<tool_call>", "<function=", "<function_calls>", "[TOOL_CALLS]"])
    @pytest.mark.parametrize("size", [11, 4093, 10**6])
    def test_tries_are_bounded(self, marker: str, size: int) -> None:
        """Who writes marker after marker and never a call is looked at no more, and no character is lost."""
        text = marker * (3 * MAX_ATTEMPTS) + CALL
        assert scanned(in_steps(text, size)) == [text]

    def test_explained(self) -> None:
        """An answer that talks of markers a hundred times may still end in a call."""
        text = "Then comes `<tool_call>`, or <tool_call> as such.\n" * 100
        assert scanned([text + CALL]) == [text.rstrip("\n"), F]

    @pytest.mark.parametrize(
        "text",
        [
            "<" * 200_000,
            "\n" * 200_000,
            "<tool_call>" * 20_000,
            '<tool_call>{"name": "f", "arguments": {"a": ' + "[" * 200_000,
            "<function=f><parameter=a>" + "x</parameter>" * 20_000,
        ],
        ids=["signs", "lines", "markers", "JSON", "values"],
    )
    def test_work_is_bounded(self, text: str) -> None:
        """What would take long in one read passes as it is, and so does all that follows it."""
        work = Work()
        one = ToolCallScanner(NAMES, ToolCalls({}, bytes).add, {}, work)
        events: list[Event] = []
        one.add(text, events)
        assert text_of(outcome(events)) == text
        assert one.idle
        work.left = MAX_WORK_UNITS
        one.add(CALL, events)
        one.end(events)
        assert text_of(outcome(events)) == text + CALL

    @pytest.mark.parametrize("size", [MAX_PIECE_CHARACTERS, 64 * 1024])
    def test_long_answer(self, size: int) -> None:
        """Half a megabyte of prose, of which every line has tags and code, hides no call that follows it."""
        text = "Some <b>words</b> of `prose`, and [lists] of them.\n" * 10_000
        assert scanned(in_steps(text + CALL, size)) == [text.rstrip("\n"), F]

    def test_not_encodable(self) -> None:
        """Arguments that cannot be written as JSON leave the text as it is."""
        assert unchanged("<function=f><parameter=a>\ud800</parameter></function>")
