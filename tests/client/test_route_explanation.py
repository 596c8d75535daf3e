"""`claude-bridge routes explain`: which route a saved request takes, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from claude_bridge.client.route_explanation import explanation, printable
from claude_bridge.core.errors import BridgeError, InvalidRequest
from claude_bridge.core.messages_api.recorded_request import read_recorded
from claude_bridge.core.model_names import MARK
from tests.config.files import config_of

RECORDED = sorted((Path(__file__).parents[1] / "fixtures" / "claude_code").glob("*.json"))
ASKING = [path for path in RECORDED if json.loads(path.read_bytes())["body"] is not None]

TEXT = """
[backend:chutes]
url = https://llm.chutes.ai/v1
[backend:box]
url = http://box:8000/v1
[model:glm]
backend = chutes
name = zai-org/GLM-4.5-Air
context_window = 131072
[model:small]
backend = box
name = Qwen3-4B
context_window = 8192
[route:side]
models = small
when = background, subagent
[route:eyes]
models = box/Qwen3-VL
when = image
[route:default]
models = small, glm
"""
CONFIG = config_of(TEXT)
LONG = "word " * 20_000


def explained(text: str = TEXT, headers: dict[str, str] | None = None, **fields: Any) -> str:
    """Return the explanation of a small request, all of it in one line."""
    body = {"model": "auto", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]} | fields
    data = json.dumps({"headers": headers or {}, "body": body}).encode()
    return " ".join(explanation(config_of(text), data).split())


FIRST_TURN = """\
model   claude-opus-5-5
effort  medium
prompt  about 13562 tokens by its size, 9559 if counted

Routes, in the order in which they are tried:
  side     no   when: none of background, subagent holds (no side job of the
                client, no subagent)
  eyes     no   when: none of image holds (no image)
  default  yes  takes what no other route takes

Models of route default, in the order in which they are asked:
  1.  small  box/Qwen3-4B                too small: about 9559 tokens do not fit 8192
  2.  glm    chutes/zai-org/GLM-4.5-Air  window 131072

One that is too small is passed over, or refuses; either way the next one is
asked.
"""

SUBAGENT = """\
model     claude-opus-5-5
kind      subagent
subagent  ac745b34b14db0521
effort    medium
prompt    about 7218 tokens by its size, 5049 if counted

Routes, in the order in which they are tried:
  side     yes  when: subagent holds (a subagent)
  eyes     -    not tried: an earlier one takes it
  default  -    not tried: an earlier one takes it

Models of route side, in the order in which they are asked:
  1.  small  box/Qwen3-4B  window 8192
"""


class RecordedTests:
    """Requests of the real client."""

    @pytest.mark.parametrize("path", ASKING, ids=lambda path: path.stem)
    def test_each_takes_a_route(self, path: Path) -> None:
        """Every recorded request with a body is explained, and takes exactly one route."""
        shown = explanation(CONFIG, path.read_bytes())
        assert [line.split()[1] for line in shown.splitlines() if "  yes  " in line] == ["yes"]
        assert "\nModels of route " in shown

    @pytest.mark.parametrize(("stem", "whole"), [("01-first-turn", FIRST_TURN), ("04-subagent", SUBAGENT)])
    def test_whole_text(self, stem: str, whole: str) -> None:
        """The text is the same each time."""
        (path,) = [path for path in ASKING if path.stem == stem]
        assert explanation(CONFIG, path.read_bytes()) == whole

    def test_tokens_are_those_that_the_daemon_sees(self) -> None:
        """A record's own white space does not count: the body alone, as it was sent, has the same estimate."""
        data = ASKING[0].read_bytes()
        assert explanation(CONFIG, read_recorded(data).body) == explanation(CONFIG, data)


class NameTests:
    """What the model's name does."""

    def test_pin(self) -> None:
        """`backend,model` says where it goes: no route is tried, and the name is shown as it is meant."""
        shown = explained(model="box,Qwen3-4B")
        assert "side - not tried: the name says where to go" in shown
        assert shown.endswith(
            "The model, as the name says which backend is meant: 1. box,Qwen3-4B box/Qwen3-4B window 8192"
        )

    def test_configured_name(self) -> None:
        """A configured name is meant, in any case; the routes say why they do not take it."""
        shown = explained(model="GLM")
        assert "default no GLM is a configured name, and no pattern of this route fits it" in shown
        assert "The model, as its configured name is asked for" in shown
        assert shown.endswith("1. GLM chutes/zai-org/GLM-4.5-Air window 131072")

    def test_pattern_takes_a_configured_name(self) -> None:
        """A route with a fitting pattern takes it."""
        shown = explained(TEXT + "[route:g]\nmodels = glm, small\nmatch = g*\n", model="glm")
        assert "g yes match: g* fits glm" in shown
        assert "Models of route g" in shown

    def test_published_id(self) -> None:
        """The plain form of a published id, and of the long-context form, is shown."""
        assert f"model GLM[1m]{MARK} plain name GLM" in explained(model=f"GLM[1m]{MARK}")
        assert "plain name" not in explained(model="glm")

    def test_tag(self) -> None:
        """A subagent's tag is a pin, and the name that it replaces is told."""
        tag = "<CCR-SUBAGENT-MODEL>box,m</CCR-SUBAGENT-MODEL>"
        shown = explained(model="claude-opus-5-5", messages=[{"role": "user", "content": f"{tag} Look"}])
        assert shown.startswith("model box,m by the tag CCR-SUBAGENT-MODEL, instead of claude-opus-5-5 prompt about")
        assert "1. box,m box/m window not configured" in shown

    @pytest.mark.parametrize(("model", "told"), [("qwen", True), ("claude-opus-5-5", False), ("auto", False)])
    def test_lists(self, model: str, told: bool) -> None:
        """A name that a backend may list comes with that doubt; the client's own names with a route do not."""
        assert (f"If a backend lists {model}, the request goes there instead" in explained(model=model)) is told

    def test_no_route(self) -> None:
        """Where no route takes a name it says what becomes of it."""
        shown = explained(TEXT.replace("route:default", "route:d") + "when = plan\n", model="sonnet")
        assert "No route takes it. There is more than one backend, so sonnet is refused" in shown
        shown = explained("[backend:b]\n", model="sonnet")
        assert "there are none" in shown
        assert "If backend b lists exactly one model, that one answers for sonnet" in shown

    def test_unprintable(self) -> None:
        """A name cannot write to the terminal."""
        assert "\x1b" not in explained(model="a\x1b[2J")
        assert printable("a\x1bb\n") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"


class FactTests:
    """What a request shows of its kind."""

    @pytest.mark.parametrize(
        ("more", "told"),
        [
            ({"headers": {"x-claude-code-request-class": "auxiliary"}}, "kind auxiliary side job the client calls it"),
            ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "thinking budget 2000 tokens"),
            ({"output_config": {"effort": "max"}}, "effort max"),
            ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web search Anthropic's own tool"),
            (
                {"safeguards": [{"classifier_context": {"permission_mode": "plan"}}]},
                "permission mode plan",
            ),
        ],
    )
    def test_shown(self, more: dict[str, Any], told: str) -> None:
        """It is shown if it is there, and only then."""
        assert told in explained(**more)
        assert told not in explained()


class WindowTests:
    """Models that are too small for the request."""

    def test_one_of_two(self) -> None:
        """The smaller one is passed over; the windows are those configured."""
        shown = explained(messages=[{"role": "user", "content": LONG}])
        assert "1. small box/Qwen3-4B too small: about 200" in shown
        assert "tokens do not fit 8192 2. glm chutes/zai-org/GLM-4.5-Air window 131072" in shown
        assert shown.endswith("either way the next one is asked.")

    def test_all(self) -> None:
        """Where none is large enough the client will compact."""
        shown = explained(model="small", messages=[{"role": "user", "content": LONG}])
        assert shown.endswith("None is large enough: the client is told that its prompt is too long, and compacts.")

    def test_server_that_truncates(self) -> None:
        """Where a server cuts silently a prompt must leave room for an answer, as the daemon has it."""
        text = TEXT.replace("context_window = 8192", "context_window = 20500")
        messages = [{"role": "user", "content": LONG}]
        assert "too small" not in explained(text, messages=messages, max_tokens=4000)
        truncating = text.replace("context_window = 20500", "context_window = 20500\ntruncates = yes")
        assert "too small" in explained(truncating, messages=messages, max_tokens=4000)


class NoModelTests:
    """Requests that no model answers."""

    def test_count(self) -> None:
        """A count asks no model for an answer."""
        body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
        data = json.dumps({"method": "POST", "path": "/v1/messages/count_tokens", "body": body}).encode()
        assert "Only the tokens are counted" in explanation(CONFIG, data)

    def test_warming(self) -> None:
        """Nor does one that only warms a cache."""
        assert explained(max_tokens=0).endswith("max_tokens is 0, so the bridge answers by itself.")

    def test_web_search(self) -> None:
        """Nor a web search without an engine; with one the route counts."""
        tools = [{"type": "web_search_20250305", "name": "web_search"}]
        assert "[web_search] has no engine" in explained(tools=tools)
        searching = TEXT + "[web_search]\nengine = searxng\nurl = http://searx\n"
        assert "No model is asked" not in explained(searching, tools=tools)

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"model": ""}, "model: String should have at least 1 character"),
            ({"messages": []}, "messages: at least one message is required"),
            ({"max_tokens": None}, "max_tokens: Field required"),
            ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0"),
            ({"messages": 5}, "messages"),
        ],
    )
    def test_refused(self, fields: dict[str, Any], told: str) -> None:
        """What the API would refuse is refused in its words."""
        with pytest.raises(BridgeError) as caught:
            explained(**fields)
        assert told in caught.value.message

    def test_limits(self) -> None:
        """The limits of the configuration hold here too."""
        with pytest.raises(InvalidRequest, match="messages"):
            explained(TEXT + "[limits]\nmax_messages = 1\n", messages=[{"role": "user", "content": "hi"}] * 2)
