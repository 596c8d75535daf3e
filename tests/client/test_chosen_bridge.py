"""What is found out about a bridge before Claude Code is set up for it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from attrs import evolve

from claude_bridge.client.chosen_bridge import BridgeOrder, ChosenBridge, chosen_bridge
from claude_bridge.client.offered_models import configured_limits
from claude_bridge.client.person import Person
from claude_bridge.client.settings_draft import SetupError
from tests.client.servers import BACKEND, BRIDGE, serving
from tests.client.test_person import person
from tests.config.files import config_of

NOWHERE = "http://127.0.0.1:9"
TEXT = "[server]\ncredentials = none\n[backend:b]\n[model:glm]\n[model:eyes]\n"
RUN = "claude-bridge run"


def chosen(url: str, text: str = TEXT, model: str | None = None, **more: Any) -> ChosenBridge:
    """Return the bridge at an address; nobody is there unless it is said."""
    order = BridgeOrder(url=url, model=model, start=more.pop("start", ""))
    who = more.pop("who", None)
    config = evolve(config_of(text), source=more.pop("source", "c.ini"))
    return chosen_bridge(order, config, configured_limits, more, who)


def variables(bridge: ChosenBridge) -> dict[str, str]:
    """Return the variables for Claude Code."""
    return {each.name: each.value for each in bridge.settings}


class ModelTests:
    """The model that is named."""

    def test_of_a_running_bridge(self) -> None:
        """It is one that the bridge lists, or one that has a meaning in its configuration."""
        with serving(BRIDGE) as url:
            assert chosen(url, model="glm").notes == ()
            assert variables(chosen(url, model="GLM"))["ANTHROPIC_MODEL"] == "glm@claude-bridge"
            assert chosen(url, "[backend:b]\n[model:glm]\n", "b/x", start=RUN).notes == ()
            with pytest.raises(SetupError, match=f"the bridge at {url} has no model glmm; it has glm; nothing was ch"):
                chosen(url, model="glmm")

    def test_of_a_file(self) -> None:
        """Without a bridge the file says which there are, unless the backends' own are among them."""
        for model in ("eyes", "auto", "b/anything", "EYES"):
            assert chosen(NOWHERE, model=model, start=RUN).notes == ()
        with pytest.raises(SetupError, match=r"c\.ini has no model eyse; it has eyes, glm \(if .*: b/eyse\); noth"):
            chosen(NOWHERE, model="eyse", start=RUN)
        told = "whether the bridge has a model eyse is not known, as it does not answer"
        lists = TEXT.replace("[backend", "list_backend_models = yes\n[backend")
        for text, start in ((lists, RUN), ("[backend:b]\n", RUN), (TEXT, "")):
            assert chosen(NOWHERE, text, "eyse", start=start).notes == (told,)
        assert chosen(NOWHERE, TEXT, "eyse", start=RUN, source="environment").notes == (told,)

    def test_of_a_route(self) -> None:
        """A name that a route is for is one too."""
        assert chosen(NOWHERE, f"{TEXT}[route:r]\nmatch = my-*\nmodels = glm\n", "my-x", start=RUN).notes == ()


class AddressTests:
    """What is at the address."""

    def test_something_else(self) -> None:
        """Where another server has the port of the configuration no bridge can be started, and none is set up."""
        with serving(BACKEND) as url:
            with pytest.raises(SetupError, match=f"what answers at {url} is no bridge, so no bridge can listen there"):
                chosen(url, start=RUN)
            told = f"is no bridge. If it is a backend, `claude-bridge launch --url {url}` runs a bridge in front of it"
            with pytest.raises(SetupError, match=told):
                chosen(url)


class KeyTests:
    """The key that Claude Code needs."""

    def test_of_the_bridge(self) -> None:
        """One that a bridge asks for is taken from the environment, or asked for before its models are listed."""
        with serving(BRIDGE, key="sk-1") as url:
            bridge = chosen(url, ANTHROPIC_AUTH_TOKEN="sk-1")
            assert (bridge.notes, bridge.token) == ((), "sk-1")
            bridge = chosen(url, who=person(secret="sk-1")[0])
            assert (bridge.token, variables(bridge)["ANTHROPIC_MODEL"]) == ("sk-1", "glm@claude-bridge")
            with pytest.raises(SetupError, match="does not accept the key in ANTHROPIC_AUTH_TOKEN; nothing was chang"):
                chosen(url, ANTHROPIC_AUTH_TOKEN="sk-2")
            assert chosen(url, ANTHROPIC_AUTH_TOKEN="sk-ant-mine").token is None
            wanted = chosen(url).needed_key()
            assert wanted is not None
            assert wanted.why == f"the bridge at {url} asks for a key"
            with pytest.raises(SetupError, match="does not accept this key; nothing was changed"):
                wanted.ask(person(secret="sk-2")[0])
            assert chosen(url, who=Person(io.StringIO())).token is None

    def test_of_the_configuration(self) -> None:
        """One that asks for keys of its own needs one of these even if it does not run."""
        bridge = chosen(NOWHERE, "[server]\ncredentials = keys\n[key:me]\nsecret = 0123456789abcdef0\n[backend:b]\n")
        wanted = bridge.needed_key()
        assert wanted is not None
        assert wanted.why == "put one of the bridge's keys here: [key:me]"
        assert wanted.ask(person(secret="any")[0]) == "any"

    @pytest.mark.parametrize(("names", "told"), [(["me"], "[key:me]"), (["me", "you"], "one of [key:me], [key:you]")])
    def test_nobody_to_ask(self, names: list[str], told: str) -> None:
        """Where nobody can be asked the error is one sentence, which names the keys that would do."""
        keys = "".join(f"[key:{name}]\nsecret = 0123456789abcdef0{name}\n" for name in names)
        wanted = chosen(NOWHERE, f"[server]\ncredentials = keys\n{keys}[backend:b]\n").needed_key()
        assert wanted is not None
        with pytest.raises(SetupError) as caught:
            wanted.ask(Person(io.StringIO()))
        assert str(caught.value) == (
            f"the bridge at {NOWHERE} asks for a key, {told}, and there is no terminal to ask at: "
            "set ANTHROPIC_AUTH_TOKEN to it; nothing was changed"
        )

    def test_to_pass_on(self) -> None:
        """A key is passed on only to a backend that answers nobody without one; it may be in launch's variable."""
        nobody = Person(io.StringIO())
        with serving(BACKEND, key="sk-1") as url:
            text = f"[backend:b]\nurl = {url}/v1\n"
            wanted = chosen(NOWHERE, text).needed_key()
            assert wanted is not None
            assert wanted.why == f"the backend at {url}/v1 asks for a key, which the bridge passes on"
            assert wanted.ask(person(secret="sk-1")[0]) == "sk-1"
            with pytest.raises(SetupError, match="there is no terminal to ask at: set ANTHROPIC_AUTH_TOKEN to it"):
                wanted.ask(nobody)
            wanted = chosen(NOWHERE, text, BACKEND_API_KEY="sk-9").needed_key()
            assert wanted is not None
            assert wanted.ask(nobody) == "sk-9"
        with serving(BACKEND) as url:
            assert chosen(NOWHERE, f"[backend:b]\nurl = {url}/v1\n").needed_key() is None
        assert chosen(NOWHERE, "[backend:b]\nurl = http://127.0.0.1:9/v1\n").needed_key() is None
        with pytest.raises(SetupError, match=r"BACKEND_API_KEY: .*; nothing was changed"):
            chosen(NOWHERE, BACKEND_API_KEY="file:/nope/nope")

    def test_window(self) -> None:
        """A running bridge tells windows that its configuration does not have."""
        answers = {**BRIDGE, "/v1/models": {"data": [{"id": "glm", "max_input_tokens": 70_000}]}}
        with serving(answers) as url:
            bridge = chosen(url, "[backend:b]\n[model:glm]\n", start=RUN)
        assert bridge.main is not None
        assert bridge.main.window == 70_000
        assert variables(bridge)["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "70000"
