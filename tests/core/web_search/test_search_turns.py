"""Tests for `claude_bridge.core.web_search.search_turns`."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import (
    Event,
    Finished,
    FinishReason,
    PromptSizeReported,
    ReasoningDelta,
    SearchErrorCode,
    SearchHit,
    SearchResulted,
    ServerToolCalled,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
)
from claude_bridge.core.ids import downstream_id
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.event_stream import StreamWriter
from claude_bridge.core.web_search.search_turns import (
    MAX_HITS,
    MAX_TEXT_CHARACTERS,
    NO_RESULTS,
    UNTRUSTED,
    SearchCall,
    Searching,
    results_text,
)
from claude_bridge.core.web_search.tool import MAX_QUERY_CHARACTERS, search_tool
from claude_bridge.testing.requests import problems
from tests.contract.stream_rules import check_stream
from tests.core.asking import asked, tool, translate, user
from tests.core.strategies import event_sequences

END = Finished(FinishReason.STOPPED, None, Usage(100, 7, raw={"a": 1}))
TYPED = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
HIT = SearchHit("Rain", "https://weather.example/paris", "9 °C and rain.", "May 3")


def make(**fields: Any) -> Searching:
    """Begin on a request of Claude Code's."""
    fields = {"tools": [TYPED], "tool_choice": {"type": "tool", "name": "web_search"}, **fields}
    given_ = asked(user("Perform a web search for the query: weather"), **fields)
    found = search_tool(given_.tools)
    assert found is not None
    numbers = itertools.count()
    searching = Searching(tool=found, request=given_, random_bytes=lambda size: next(numbers).to_bytes(size, "big"))
    searching.begin()
    return searching


def call(number: int, arguments: str, name: str = "web_search") -> list[Event]:
    """Call a tool."""
    identifier = downstream_id(f"call_{number}", bytes)
    started = ToolCallStarted(number, identifier, name)
    return [started, ToolArgumentsDelta(number, arguments), ToolCallEnded(number)]


def search(query: str = "weather Paris", number: int = 0) -> list[Event]:
    """Call the search tool."""
    return call(number, json.dumps({"query": query}))


def answered(searching: Searching, *hits: SearchHit) -> list[Event]:
    """Answer the pending searches and return the events for the client."""
    events: list[Event] = []
    for pending in searching.pending:
        events += searching.announce(pending)
        events += (
            searching.add_failure(pending, pending.problem) if pending.problem else searching.add_results(pending, hits)
        )
    return events


def sent(searching: Searching) -> Any:
    """Return what the backend gets in the turn that begins now; a strict server must find nothing wrong with it."""
    whole = json.loads(translate(searching.begin(), Target(model="m")).body)
    assert problems(whole) == ()
    return whole


def one(searching: Searching) -> SearchCall:
    """Return the only search that is to be made."""
    (pending,) = searching.pending
    return pending


class FirstTurnTests:
    """What the model is asked at first."""

    def test_offered(self) -> None:
        """A backend gets an ordinary function in place of the typed tool, forced where the client forces it."""
        whole = sent(make())
        assert [each["function"]["name"] for each in whole["tools"]] == ["web_search"]
        assert whole["tool_choice"] == {"type": "function", "function": {"name": "web_search"}}
        assert parsing.local_answer(make().begin()) is None

    def test_beside_others(self) -> None:
        """Other tools stay in their places, and the client's request is not touched."""
        searching = make(tools=[tool("a"), TYPED, tool("b")], tool_choice=None)
        assert [each["function"]["name"] for each in sent(searching)["tools"]] == ["a", "web_search", "b"]
        assert [each.type for each in searching.request.tools or ()] == [None, "web_search_20250305", None]

    @given(event_sequences())
    def test_no_search(self, events: list[Event]) -> None:
        """An answer without a search passes as it is, and its end tells its cost."""
        searching = make()
        passed = searching.filter([Started("m"), *events])
        assert passed[:-1] == [Started("m"), *events[:-1]]
        assert isinstance(passed[-1], Finished)
        assert passed[-1].usage is not None
        assert searching.pending == ()


class SearchTests:
    """A search and the turn after it."""

    def test_whole_answer(self) -> None:
        """The client gets one message: what the model said, the search, its results, and the answer over them."""
        searching = make()
        writer = StreamWriter(message_id="msg_1", model="m")
        out = writer.write(searching.filter([Started("m"), TextDelta("Let me look."), *search(), END]))
        pending = one(searching)
        assert pending.question.text == "weather Paris"
        assert re.fullmatch(r"srvtoolu_[a-zA-Z0-9]{24}", pending.id)
        out += writer.write(answered(searching, HIT))
        assert searching.conclude() is None
        searching.begin()
        out += writer.write(searching.filter([Started("m"), TextDelta("It rains."), END]))
        message = check_stream(out)
        assert [block["type"] for block in message["content"]] == [
            "text",
            "server_tool_use",
            "web_search_tool_result",
            "text",
        ]
        assert message["content"][1]["input"] == {"query": "weather Paris"}
        assert message["content"][2]["content"][0]["url"] == HIT.url
        assert message["stop_reason"] == "end_turn"
        assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (200, 14)
        assert message["usage"]["server_tool_use"] == {"web_search_requests": 1, "web_fetch_requests": 0}

    def test_second_turn(self) -> None:
        """The model gets its own turn and the results as any tool loop has them, and is forced to nothing."""
        searching = make(max_tokens=1000)
        searching.filter([ReasoningDelta("Hm."), TextDelta("Let me look."), *search(), END])
        answered(searching, HIT)
        searching.conclude()
        whole = sent(searching)
        assert whole["tool_choice"] == "auto"
        assert whole["max_tokens"] == 993
        said, result = whole["messages"][-2:]
        assert (said["role"], said["content"], said["reasoning_content"]) == ("assistant", "Let me look.", "Hm.")
        assert [each["id"] for each in said["tool_calls"]] == ["call_0"]
        assert json.loads(said["tool_calls"][0]["function"]["arguments"]) == {"query": "weather Paris"}
        assert (result["role"], result["tool_call_id"]) == ("tool", "call_0")
        assert result["content"] == results_text([HIT])
        assert searching.added_tokens > 0

    def test_several_at_once(self) -> None:
        """Searches asked for in one turn are made one after the other and answered together."""
        searching = make()
        assert searching.filter([*search("a"), *search("b", 1), END]) == []
        assert [each.question.text for each in searching.pending] == ["a", "b"]
        events = answered(searching, HIT)
        assert [type(event) for event in events] == [ServerToolCalled, SearchResulted] * 2
        assert searching.conclude() is None
        assert [each["role"] for each in sent(searching)["messages"][-3:]] == ["assistant", "tool", "tool"]

    def test_any_grouping(self) -> None:
        """How many events come at once makes no difference."""
        searching = make()
        for event in [*search(), END]:
            assert searching.filter([event]) == []
        assert one(searching).question.text == "weather Paris"

    def test_attempt_that_failed(self) -> None:
        """An attempt that broke off leaves nothing behind: the next one begins the turn anew."""
        searching = make()
        searching.filter([TextDelta("Half"), *search("lost")])
        searching.begin()
        searching.filter([*search("kept"), END])
        answered(searching)
        searching.conclude()
        assert one_said(sent(searching)) == [None]

    def test_told_once(self) -> None:
        """That an answer begins, and how long its prompt is, is said of the first turn alone."""
        searching = make()
        assert searching.filter([Started("m"), PromptSizeReported(Usage(5))]) == [
            Started("m"),
            PromptSizeReported(Usage(5)),
        ]
        searching.filter([*search(), END])
        answered(searching)
        searching.conclude()
        searching.begin()
        assert searching.filter([Started("m"), PromptSizeReported(Usage(500)), TextDelta("a")]) == [TextDelta("a")]

    def test_uncounted(self) -> None:
        """Where the backend does not count, each turn is estimated and the sum says so."""
        searching = make()
        searching.begin(estimate=40)
        searching.filter([*search(), Finished(FinishReason.STOPPED)])
        answered(searching)
        searching.conclude()
        searching.begin(estimate=60)
        (end,) = searching.filter([Finished(FinishReason.STOPPED, usage=Usage(70, 3, thinking_tokens=2))])
        assert isinstance(end, Finished)
        assert end.usage is not None
        assert (end.usage.input_tokens, end.usage.thinking_tokens, end.usage.estimated) == (110, 2, True)
        assert end.usage.web_search_requests == 1

    @pytest.mark.parametrize("choice", [None, {"type": "auto"}, {"type": "none"}])
    def test_free_choice(self, choice: object) -> None:
        """A choice that forces nothing holds for all turns."""
        searching = make(tool_choice=choice)
        searching.filter([*search(), END])
        answered(searching)
        searching.conclude()
        asked_again = searching.begin().tool_choice
        assert asked_again == searching.request.tool_choice


def one_said(whole: Any) -> list[Any]:
    """Return the contents of the assistant messages."""
    return [each["content"] for each in whole["messages"] if each["role"] == "assistant"]


class FailureTests:
    """Searches that cannot be made, and answers that end beside them."""

    def test_deep_arguments(self) -> None:
        """Arguments nested as deep as their size allows break nothing; how deep is too deep differs between Pythons."""
        searching = make()
        searching.filter([*call(0, '{"query": "a", "x": ' + "[" * 5000 + "]" * 5000 + "}"), END])
        assert one(searching).problem in {None, "invalid_tool_input"}

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ("", "invalid_tool_input"),
            ("{}", "invalid_tool_input"),
            ('{"query": 7}', "invalid_tool_input"),
            ('{"query": " \\n\\u0000 "}', "invalid_tool_input"),
            ('{"query": "cut', "invalid_tool_input"),
            ('["query"]', "invalid_tool_input"),
            (json.dumps({"query": "a", "pad": "x" * (1 << 14)}), "invalid_tool_input"),
            (json.dumps({"query": "x" * (MAX_QUERY_CHARACTERS + 1)}), "query_too_long"),
            (json.dumps({"query": "x" * MAX_QUERY_CHARACTERS}), None),
        ],
    )
    def test_arguments(self, arguments: str, problem: SearchErrorCode | None) -> None:
        """A call without a fit query is not made: the client and the model are told why, and the model may mend it."""
        searching = make()
        searching.filter([*call(0, arguments), END])
        assert one(searching).problem == problem
        if problem:
            (called, resulted) = answered(searching)
            assert isinstance(called, ServerToolCalled)
            assert len(json.loads(called.input_json)["query"]) <= MAX_QUERY_CHARACTERS
            assert resulted == SearchResulted(called.id, (), problem)
            assert searching.conclude() is None
            assert sent(searching)["messages"][-1]["content"].startswith("[tool error] ")

    def test_query_on_one_line(self) -> None:
        """Whatever the model writes, an engine is asked one line of printable text."""
        searching = make()
        searching.filter([*search("weather\n\tin\x00Paris\x1b[0m "), END])
        assert one(searching).question.text == "weather in Paris [0m"

    def test_engine_failed(self) -> None:
        """A search that failed is told in the API's words and not counted; the model goes on without it."""
        searching = make()
        searching.filter([*search(), END])
        pending = one(searching)
        assert searching.add_failure(pending, "too_many_requests") == [
            SearchResulted(pending.id, (), "too_many_requests")
        ]
        assert searching.conclude() is None
        searching.begin()
        (end,) = searching.filter([END])
        assert isinstance(end, Finished)
        assert end.usage is not None
        assert end.usage.web_search_requests == 0

    def test_limit(self) -> None:
        """After ``max_uses`` searches the model is told once, with no tool to choose; if it goes on the answer ends."""
        searching = make()
        problems_ = []
        for turn in range(5):
            searching.filter([*search(f"q{turn}"), END])
            problems_.append(one(searching).problem)
            answered(searching, HIT)
            end = searching.conclude()
            if end is None:
                choice = sent(searching)["tool_choice"]
                assert choice == ("none" if turn >= 2 else "auto")
        assert problems_ == [None, None, None, "max_uses_exceeded", "max_uses_exceeded"]
        assert end is not None
        assert end.usage is not None
        assert end.usage.web_search_requests == 3

    def test_client_tools_beside(self) -> None:
        """Where the model calls a client's tool as well, the search is made and the client has the next word."""
        searching = make(tools=[TYPED, tool("Read")], tool_choice=None)
        writer = StreamWriter(message_id="msg_1", model="m")
        reading = call(1, "{}", "Read")
        passed = searching.filter([*search(), *reading, END])
        assert passed == reading
        out = writer.write([*passed, *answered(searching, HIT)])
        end = searching.conclude()
        assert end is not None
        message = check_stream(out + writer.write([end]))
        assert [block["type"] for block in message["content"]] == [
            "tool_use",
            "server_tool_use",
            "web_search_tool_result",
        ]
        assert message["stop_reason"] == "tool_use"

    @pytest.mark.parametrize(
        "reason", [FinishReason.LENGTH, FinishReason.REFUSED, FinishReason.CONTEXT_FULL, FinishReason.STOP_SEQUENCE]
    )
    def test_cut(self, reason: FinishReason) -> None:
        """An answer that was cut or refused ends as such: its searches may be cut too and are not made."""
        searching = make()
        (end,) = searching.filter([*search(), Finished(reason, usage=Usage(1, 2))])
        assert end == Finished(reason, usage=Usage(1, 2))
        assert searching.pending == ()

    def test_nothing_pending(self) -> None:
        """Concluding what did not begin is a mistake of ours."""
        with pytest.raises(ValueError, match="no search was pending"):
            make().conclude()

    def test_bounded(self) -> None:
        """All turns together may take so many bytes and no more."""
        searching = make()
        searching.max_size = 4000
        searching.begin()
        searching.filter([TextDelta("x" * 2000), *search(), END])
        answered(searching)
        searching.conclude()
        searching.begin()
        with pytest.raises(UpstreamProtocolError, match="larger than"):
            searching.filter([TextDelta("x" * 2000)])

    @given(st.lists(event_sequences(), min_size=1, max_size=3), st.data())
    def test_any_turns(self, turns: Sequence[list[Event]], data: st.DataObject) -> None:
        """Whatever the turns hold, the client gets one valid message."""
        searching = make()
        writer = StreamWriter(message_id="msg_1", model="m")
        out = b""
        for at, events in enumerate(turns):
            searching.begin()
            renamed = [_renamed(event, at, data.draw(st.booleans())) for event in events]
            out += writer.write(searching.filter(renamed))
            if writer.ended:
                break
            out += writer.write(answered(searching, HIT))
            end = searching.conclude()
            if end is not None:
                out += writer.write([end])
                break
        else:
            out += writer.write([END])
        check_stream(out, allowed=lambda _: True)


def _renamed(event: Event, turn: int, searches: bool) -> Event:
    """Make some calls searches, and the ids of a turn its own."""
    if isinstance(event, ToolCallStarted):
        return ToolCallStarted(event.call, f"{event.id}_{turn}", "web_search" if searches else event.name)
    if isinstance(event, ServerToolCalled):
        return TextDelta("a")
    return TextDelta("b") if isinstance(event, SearchResulted) else event


class ResultsTextTests:
    """What the model gets to read."""

    def test_form(self) -> None:
        """Numbered entries with all there is to them, after a word of warning."""
        text = results_text([HIT, SearchHit("T", "https://e.org/")])
        assert text == (
            f"{UNTRUSTED}\n\n1. Rain\nhttps://weather.example/paris\nAge: May 3\n9 °C and rain.\n\n2. T\nhttps://e.org/"
        )

    def test_nothing(self) -> None:
        """Nothing found is said, so that the model does not make something up."""
        assert results_text([]) == NO_RESULTS

    def test_bounded(self) -> None:
        """Neither many results nor long ones fill the context."""
        text = results_text([SearchHit("T", "https://e.org/", "x" * 10_000)] * 50)
        assert text.count("https://e.org/") == MAX_HITS
        assert len(text) < MAX_HITS * (MAX_TEXT_CHARACTERS + 2) + len(UNTRUSTED) + 2
