"""Tests for `claude_bridge.core.chat_completions.answer.think_tags`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.chat_completions.answer.think_tags import MAX_BLANK_CHARACTERS, TAGS, ThinkSplitter
from claude_bridge.core.events import Event, ReasoningDelta, TextDelta
from tests.core.strategies import cut, cuts, in_steps

PAIRS = sorted(TAGS.items())


def split(pieces: list[str], *, opened: bool = False) -> tuple[str, str]:
    """Return all reasoning and all text."""
    splitter = ThinkSplitter(opened)
    events: list[Event] = []
    for piece in pieces:
        splitter.add(piece, events)
    splitter.end(events)
    assert splitter.idle
    assert all(event.text for event in events if isinstance(event, TextDelta | ReasoningDelta))
    reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    return reasoning, "".join(event.text for event in events if isinstance(event, TextDelta))


class ThinkSplitterTests:
    """Reasoning that a server left inside the text."""

    @pytest.mark.parametrize(("opening", "closing"), PAIRS)
    @pytest.mark.parametrize("size", [1, 2, 5, 100])
    def test_all_tags(self, opening: str, closing: str, size: int) -> None:
        """Each known pair of tags is found, cut anywhere, and the template's white space goes."""
        text = f"\n{opening}\nHm, <b> ]?{closing}\n\n Hello </think> [ ◁"
        assert split(in_steps(text, size)) == ("Hm, <b> ]?", "Hello </think> [ ◁")

    @given(st.text("<>/think[]THINK◁▷seed: \nx", max_size=20), st.sampled_from(["", *TAGS]), st.data())
    def test_any_cut(self, text: str, opening: str, data: st.DataObject) -> None:
        """Where the text is cut changes neither the reasoning nor the answer."""
        whole = opening + text
        assert split(cut(whole, data.draw(cuts(len(whole))))) == split([whole]) == split(in_steps(whole, 1))

    @given(st.text(max_size=30))
    def test_prose_unchanged(self, text: str) -> None:
        """Text without a tag at its start is passed on to the last character."""
        if not text.lstrip().startswith(tuple(TAGS)):
            assert split(in_steps(text, 1)) == ("", text)

    def test_tag_inside_prose(self) -> None:
        """A tag that is not at the start is something the answer talks about."""
        assert split(["Use <think>x</think>."]) == ("", "Use <think>x</think>.")

    @pytest.mark.parametrize("text", ["<think>\n\n</think>\n\nHi", "<think></think>Hi"])
    def test_empty_reasoning(self, text: str) -> None:
        """A model that was told not to think leaves no empty thinking behind."""
        assert split([text]) == split(in_steps(text, 1)) == ("", "Hi")

    def test_never_closed(self) -> None:
        """Reasoning that never ends stays reasoning."""
        assert split(["<think>a </thi"]) == ("a </thi", "")

    @pytest.mark.parametrize("text", ["<", "<thin", " ", "\n\n", "[THINK"])
    def test_half_a_tag(self, text: str) -> None:
        """What only looked like the beginning of a tag is text."""
        assert split([text]) == ("", text)

    def test_idle(self) -> None:
        """As soon as the answer is plain text the splitter has nothing more to do."""
        splitter = ThinkSplitter()
        events: list[Event] = []
        splitter.add("<", events)
        assert (events, splitter.idle) == ([], False)
        splitter.add("b", events)
        assert (events, splitter.idle) == ([TextDelta("<b")], True)

    def test_interrupted(self) -> None:
        """What was held comes before the tool call that interrupts it; reasoning may go on after it."""
        splitter = ThinkSplitter()
        events: list[Event] = []
        splitter.add("<think>a </th", events)
        splitter.interrupt(events)
        splitter.interrupt(events)
        splitter.add("b</think>c", events)
        assert events == [ReasoningDelta("a "), ReasoningDelta("</th"), ReasoningDelta("b"), TextDelta("c")]

    def test_blank_flood(self) -> None:
        """A model that writes nothing but white space does not fill the memory."""
        splitter = ThinkSplitter()
        events: list[Event] = []
        for _ in range(MAX_BLANK_CHARACTERS + 1):
            splitter.add("\n", events)
        assert events == [TextDelta("\n" * (MAX_BLANK_CHARACTERS + 1))]
        assert splitter.idle


class OpenedTests:
    """An answer that begins inside reasoning, because the template has already written the opening tag."""

    @pytest.mark.parametrize("closing", sorted(TAGS.values()))
    @pytest.mark.parametrize("size", [1, 2, 5, 100])
    def test_all_tags(self, closing: str, size: int) -> None:
        """Reasoning ends with the first closing tag of any kind, cut anywhere; the template's white space goes."""
        text = f"\nHm, <b> [/ ]?{closing}\n\nHello </think>"
        assert split(in_steps(text, size), opened=True) == ("Hm, <b> [/ ]?", "Hello </think>")

    @pytest.mark.parametrize(("opening", "closing"), PAIRS)
    def test_explicit(self, opening: str, closing: str) -> None:
        """A model that writes the opening tag all the same has not written it for the user; its own one closes it."""
        other = "</think>" if closing != "</think>" else "[/THINK]"
        text = f"\n{opening}\nHm {other}{closing}Hello"
        assert split([text], opened=True) == split(in_steps(text, 1), opened=True) == (f"Hm {other}", "Hello")

    @given(st.text("<>/think[]THINK◁▷seed: \nx", max_size=20), st.sampled_from(["", *TAGS, *TAGS.values()]), st.data())
    def test_any_cut(self, text: str, tag: str, data: st.DataObject) -> None:
        """Where the text is cut changes neither the reasoning nor the answer."""
        whole = text + tag + text
        pieces = cut(whole, data.draw(cuts(len(whole))))
        assert split(pieces, opened=True) == split([whole], opened=True) == split(in_steps(whole, 1), opened=True)

    def test_at_once(self) -> None:
        """Reasoning is shown as it comes, but for what may be the beginning of a closing tag."""
        splitter = ThinkSplitter(opened=True)
        events: list[Event] = []
        splitter.add("Hm [/TH", events)
        splitter.add("x </thinking", events)
        assert events == [ReasoningDelta("Hm "), ReasoningDelta("[/THx ")]

    @pytest.mark.parametrize("text", ["</think>Hi", "\n</think>\n\nHi", " [/THINK] Hi"])
    def test_empty_reasoning(self, text: str) -> None:
        """A model that does not think leaves no empty thinking behind."""
        assert split([text], opened=True) == split(in_steps(text, 1), opened=True) == ("", "Hi")

    def test_never_closed(self) -> None:
        """Reasoning that never ends stays reasoning, to the last character."""
        assert split(["a </thi"], opened=True) == ("a </thi", "")
        assert split([" <thi"], opened=True) == ("<thi", "")
        assert split([" \n"], opened=True) == ("", "")

    def test_ended_by_a_call(self) -> None:
        """A tool call ends reasoning even without a closing tag; text behind it is text."""
        splitter = ThinkSplitter(opened=True)
        events: list[Event] = []
        splitter.add("Hm </", events)
        splitter.interrupt(events)
        assert splitter.idle
        splitter.add("Hello", events)
        splitter.end(events)
        assert events == [ReasoningDelta("Hm "), ReasoningDelta("</"), TextDelta("Hello")]

    def test_call_first(self) -> None:
        """So does a call before anything else."""
        splitter = ThinkSplitter(opened=True)
        events: list[Event] = []
        splitter.add("\n", events)
        splitter.interrupt(events)
        assert (events, splitter.idle) == ([], True)

    def test_call_behind_reasoning(self) -> None:
        """A call behind closed reasoning changes nothing."""
        splitter = ThinkSplitter(opened=True)
        events: list[Event] = []
        splitter.add("Hm</think>\n", events)
        splitter.interrupt(events)
        splitter.add("Hello", events)
        assert events == [ReasoningDelta("Hm"), TextDelta("Hello")]

    def test_blank_flood(self) -> None:
        """A model that writes nothing but white space does not fill the memory."""
        splitter = ThinkSplitter(opened=True)
        events: list[Event] = []
        for _ in range(MAX_BLANK_CHARACTERS + 1):
            splitter.add("\n", events)
        splitter.add("a", events)
        assert events == [ReasoningDelta("a")]
