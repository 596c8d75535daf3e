"""The fake backend's answers are what a real one would send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve

from benchmarks import answers, mark
from benchmarks.checks import check
from benchmarks.http1 import MessageReader
from benchmarks.scenarios import SCENARIOS, Scenario


def chunks(scenario: Scenario) -> list[dict[str, Any]]:
    """Decode the streamed answer; it ends with ``[DONE]``."""
    (message,) = MessageReader().feed(b"".join(answers.script(scenario).writes))
    events = message.body.decode().removesuffix("\n\n").split("\n\n")
    assert events.pop() == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]


def whole(scenario: Scenario) -> dict[str, Any]:
    """Decode the answer that is not streamed."""
    (message,) = MessageReader().feed(answers.script(scenario).whole)
    decoded: dict[str, Any] = json.loads(message.body)
    return decoded


class ScriptTests:
    """`answers.script`."""

    @pytest.mark.parametrize("name", ["small", "cc", "slow", "coalesced"])
    def test_streamed_or_not_the_text_is_the_same(self, name: str) -> None:
        """Both forms of an answer say the mark and then the scenario's text."""
        scenario = SCENARIOS[name]
        streamed = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks(scenario) if c["choices"])

        assert streamed == mark.blank(name) + answers.text(scenario)
        assert whole(scenario)["choices"][0]["message"]["content"] == streamed

    @pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario.kind == "anthropic"])
    def test_messages_are_right_answers(self, name: str) -> None:
        """In the clients' own API, both forms are what a client of any gateway has to get."""
        scenario = SCENARIOS[name]
        script = answers.script(scenario)
        for asks_stream, sent in ((True, b"".join(script.writes)), (False, script.whole)):
            (message,) = MessageReader().feed(sent)
            check(evolve(scenario, asks_stream=asks_stream), mark.blank(name), 200, message.body)

    def test_arguments_come_in_fragments(self) -> None:
        """The big tool call has 1 MB of arguments, in pieces of 256 characters."""
        scenario = SCENARIOS["bigtool"]
        deltas = [c["choices"][0]["delta"] for c in chunks(scenario) if c["choices"]]
        pieces = [d["tool_calls"][0]["function"]["arguments"] for d in deltas if "tool_calls" in d]

        assert "".join(pieces) == answers.arguments(1 << 20)
        assert {len(piece) for piece in pieces[1:-1]} == {256}
        assert (1 << 20) - 200 < len("".join(pieces).encode()) <= 1 << 20
        assert json.loads("".join(pieces))["file_path"] == "/project/sum.py"

    @pytest.mark.parametrize(("name", "writes"), [("coalesced", 1), ("cc", 5), ("deltas", 502)])
    def test_deltas_share_writes_as_the_scenario_says(self, name: str, writes: int) -> None:
        """All in one, ten in one, or each in its own, between an opening and an end."""
        assert len(answers.script(SCENARIOS[name]).writes) == writes

    def test_tokens_are_counted_at_the_end(self) -> None:
        """The last chunk of a stream has the counts and no choice."""
        assert chunks(SCENARIOS["small"])[-1]["usage"]["completion_tokens"] == 50
        assert whole(SCENARIOS["small"])["usage"]["prompt_tokens"] == 100
