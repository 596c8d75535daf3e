"""The requests that are sent have the shape that their names promise."""

from __future__ import annotations

import json

import pytest

from benchmarks import mark, requests
from benchmarks.scenarios import SCENARIOS, Scenario


class RenderTests:
    """`requests.render`."""

    def test_the_large_one_is_shaped_as_claude_codes(self) -> None:
        """It has about 150 KB, 25 tools and 24 calls, each with its result."""
        body = requests.render(SCENARIOS["cc"])
        request = json.loads(body)
        blocks = [block for message in request["messages"] for block in message["content"]]
        called = [block["id"] for block in blocks if block["type"] == "tool_use"]

        assert 140_000 < len(body) < 160_000
        assert len(request["tools"]) == 25
        assert len(called) == 24
        assert called == [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]

    @pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
    def test_each_says_what_it_is(self, scenario: Scenario) -> None:
        """The backend finds the scenario in the request, exactly once."""
        body = requests.render(scenario)
        blank = mark.blank(scenario.name)

        assert mark.find(body) == (blank, scenario.name)
        assert body.count(blank.encode()) == 1
        assert json.loads(body)["stream"] is scenario.asks_stream
