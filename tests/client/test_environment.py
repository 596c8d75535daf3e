"""The settings for Claude Code fit the configuration, and show no secret."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.client import environment
from claude_bridge.client.environment import (
    Setting,
    as_aliases,
    as_json,
    as_shell,
    as_vscode,
    base_url,
    listed_settings,
    settings,
)
from claude_bridge.client.offered_models import OfferedModel
from claude_bridge.config.backend_keys import BackendKey
from claude_bridge.config.schema import Backend, ClientKey, Config, CredentialsPolicy, Model, Route, Server
from claude_bridge.config.secret import Secret
from tests.config.files import config_of

URL = "http://127.0.0.1:8080"
read = json.JSONDecoder().decode


def configured(credentials: CredentialsPolicy = "forward", api_key: str | None = None, **more: Model) -> Config:
    """Make a configuration with one backend, the model `glm`, and more models."""
    keys = () if api_key is None else (BackendKey(secret=Secret(api_key)),)
    glm = Model(
        alias="glm",
        backend="chutes",
        name="zai/GLM",
        label="GLM Air",
        context_window=131_072,
        max_output_tokens=16_384,
    )
    return Config(
        server=Server(credentials=credentials),
        backends={"chutes": Backend(name="chutes", api_key=keys)},
        models={**more, "glm": glm},
        routes={"default": Route(name="default", models=("glm",))},
        keys={"alice": ClientKey(name="alice", secret=Secret("alices-secret"))},
    )


def values(found: list[Setting]) -> dict[str, str]:
    """Return names and values."""
    return {setting.name: setting.value for setting in found}


class SettingsTests:
    """What Claude Code is told."""

    def test_everything(self) -> None:
        """A configured model gives address, token, models, sizes and the two switches."""
        assert values(settings(configured(), URL)) == {
            "ANTHROPIC_BASE_URL": URL,
            "ANTHROPIC_AUTH_TOKEN": "YOUR-BACKEND-KEY",
            "ANTHROPIC_MODEL": "glm@claude-bridge",
            **{
                f"ANTHROPIC_DEFAULT_{family}_MODEL{more}": value
                for family in ("OPUS", "SONNET", "HAIKU", "FABLE")
                for more, value in {
                    "": "glm@claude-bridge",
                    "_NAME": "GLM Air",
                    "_DESCRIPTION": "zai/GLM on chutes, 131K tokens",
                }.items()
            },
            "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "131072",
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "16384",
            "CLAUDE_CODE_GATEWAY_HINT_HEADERS": "1",
            "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
        }

    @pytest.mark.parametrize("url", [URL, URL + "/", URL + "/v1", URL + "/v1/"])
    def test_address_without_version(self, url: str) -> None:
        """The client adds /v1 itself, so the address never ends in it."""
        assert settings(configured(), url)[0].value == URL

    def test_nothing_but_the_environment(self) -> None:
        """Without a configured model the name is left to the reader, and no size is made up."""
        found = settings(Config(backends={"default": Backend(name="default")}), URL)
        assert [setting.name for setting in found if not setting.ready] == ["ANTHROPIC_MODEL"]
        assert not [setting for setting in found if "MAX" in setting.name or "DEFAULT" in setting.name]

    def test_model_called_like_a_family(self) -> None:
        """An alias that is called like one of the client's families serves that family."""
        found = values(
            settings(configured("forward", None, **{"small-Haiku": Model(alias="small-Haiku", backend="chutes")}), URL)
        )
        assert found["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == "small-Haiku@claude-bridge"
        assert found["ANTHROPIC_DEFAULT_OPUS_MODEL"] == "glm@claude-bridge"

    def test_first_model_without_a_route(self) -> None:
        """Without a default route the first model is the main one."""
        config = Config(models={"a": Model(alias="a"), "b": Model(alias="b")})
        assert values(settings(config, URL))["ANTHROPIC_MODEL"] == "a@claude-bridge"

    def test_default_route_to_a_backends_model(self) -> None:
        """A default route may name a model that has no section; it is the main one all the same."""
        found = values(settings(config_of(TWO + "[route:default]\nmodels = two/x\n"), URL))
        assert found["ANTHROPIC_MODEL"] == "two/x@claude-bridge"
        assert found["ANTHROPIC_DEFAULT_OPUS_MODEL"] == "two/x@claude-bridge"
        assert "CLAUDE_CODE_MAX_CONTEXT_TOKENS" not in found

    def test_route_with_a_second_model(self) -> None:
        """A model's own name would never lead to the second one, so the choice is left to the route."""
        found = values(settings(config_of(TWO + "[route:default]\nmodels = two/x, glm\n"), URL))
        assert found["ANTHROPIC_MODEL"] == "auto@claude-bridge"
        assert found["ANTHROPIC_DEFAULT_OPUS_MODEL"] == "auto@claude-bridge"

    @pytest.mark.parametrize(
        ("credentials", "api_key", "token", "said"),
        [
            ("none", None, "unused", "asks for no key"),
            ("keys", "backends-secret", "YOUR-CLIENT-KEY", "[key:alice]"),
            ("forward", None, "YOUR-BACKEND-KEY", "passed on"),
            ("forward", "backends-secret", "unused", "has the backend's key"),
        ],
    )
    def test_token(self, credentials: CredentialsPolicy, api_key: str | None, token: str, said: str) -> None:
        """The token says what kind of key belongs there, and no secret is ever shown."""
        found = settings(configured(credentials, api_key), URL)
        assert found[1].value == token
        assert said in found[1].why
        assert "secret" not in as_shell(found) + as_json(found)


TWO = """
[backend:one]
url = http://one/v1
api_key = sk-1234567890
[backend:two]
url = http://two/v1
[model:glm]
backend = one
context_window = 130000
max_output_tokens = 9000
[model:small]
backend = one
context_window = 8000
[model:eyes]
backend = one
context_window = 60000
max_output_tokens = 4000
"""
ROUTES = """
[route:default]
models = glm
[route:side]
models = small
when = background
[route:eyes]
models = eyes
when = image
"""


class LearnedTests:
    """What a bridge found out itself."""

    def test_learned_limits(self) -> None:
        """What is known of a model wins over nothing, for the sizes and for what /model says."""
        found = values(settings(config_of(TWO), URL, lambda model: (8192 if model.alias == "glm" else None, 512)))
        assert found["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "8192"
        assert found["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "512"
        assert found["ANTHROPIC_DEFAULT_FABLE_MODEL_DESCRIPTION"] == "glm on one, 8K tokens"

    def test_chosen_model(self) -> None:
        """Another main model than that of the configuration brings its own sizes."""
        found = values(settings(config_of(TWO), URL, main="small"))
        assert (found["ANTHROPIC_MODEL"], found["CLAUDE_CODE_MAX_CONTEXT_TOKENS"]) == ("small@claude-bridge", "8000")


LISTED = (
    OfferedModel(name="auto", label="auto", window=60_000),
    OfferedModel(name="glm", label="GLM", window=130_000, longest=9000),
    OfferedModel(name="my-haiku", label="Small"),
)


class ListedTests:
    """What it is told of a bridge whose configuration is elsewhere."""

    def test_chosen(self) -> None:
        """Address, token, model and sizes are those of the list; a family has the model that is called like it."""
        found = values(listed_settings(LISTED, URL + "/v1", "glm", "key"))
        assert (found["ANTHROPIC_BASE_URL"], found["ANTHROPIC_AUTH_TOKEN"]) == (URL, "key")
        assert found["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "130000"
        assert [found[name] for name in found if name.endswith("_MODEL")] == [
            "glm@claude-bridge",
            "glm@claude-bridge",
            "glm@claude-bridge",
            "my-haiku@claude-bridge",
            "glm@claude-bridge",
        ]

    def test_auto(self) -> None:
        """With `auto` a family is asked for by its own word: a route may go by that."""
        found = values(listed_settings(LISTED, URL, "auto"))
        assert found["ANTHROPIC_MODEL"] == "auto@claude-bridge"
        assert found["ANTHROPIC_DEFAULT_OPUS_MODEL"] == "opus@claude-bridge"
        assert found["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "60000"

    def test_vendors_model(self) -> None:
        """A vendor's model that is called like a family is not taken by itself: it may cost a lot."""
        vendors = (*LISTED[:2], OfferedModel(name="anthropic/claude-haiku-4.5", label="Haiku"))
        found = values(listed_settings(vendors, URL, "glm"))
        assert found["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == "glm@claude-bridge"

    def test_no_choice(self) -> None:
        """Where nothing decides, the names are there to choose from, and nothing is made up."""
        found = listed_settings(LISTED, URL, None)
        (open_,) = [setting for setting in found if not setting.ready]
        assert (open_.name, open_.why) == ("ANTHROPIC_MODEL", "one of auto, glm, my-haiku")
        assert not [setting for setting in found if "MAX" in setting.name or "DEFAULT" in setting.name]


class RoutedTests:
    """What it is told where routes look at kinds of requests."""

    def test_auto(self) -> None:
        """The main name leaves the choice to the routes, and so does each family without an alias of its own."""
        found = values(settings(config_of(TWO + ROUTES + "[model:my-haiku]\nbackend = one\n"), URL))
        assert [found[name] for name in found if name.endswith("_MODEL")] == [
            "auto@claude-bridge",
            "auto@claude-bridge",
            "auto@claude-bridge",
            "my-haiku@claude-bridge",
            "auto@claude-bridge",
        ]

    def test_no_condition(self) -> None:
        """Without a condition the model of the default route is named, as ever."""
        found = values(settings(config_of(TWO + ROUTES.replace("when = ", "match = ")), URL))
        assert found["ANTHROPIC_MODEL"] == "glm@claude-bridge"

    def test_family_that_a_route_goes_by(self) -> None:
        """A family that a route's pattern fits is asked for by its own word, or the route would never see it."""
        text = TWO + ROUTES + "[route:cheap]\nmodels = small\nmatch = *haiku*\n"
        found = values(settings(config_of(text), URL))
        assert found["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == "haiku@claude-bridge"
        assert found["ANTHROPIC_DEFAULT_SONNET_MODEL"] == "auto@claude-bridge"

    def test_smallest_window(self) -> None:
        """The window is the smallest that the conversation may meet, and the reason names the models."""
        found = {setting.name: setting for setting in settings(config_of(TWO + ROUTES), URL)}
        window = found["CLAUDE_CODE_MAX_CONTEXT_TOKENS"]
        assert (window.value, found["CLAUDE_CODE_MAX_OUTPUT_TOKENS"].value) == ("60000", "4000")
        assert "the smallest known window of eyes, glm" in window.why

    def test_side_jobs_do_not_shrink_the_window(self) -> None:
        """A small model for side jobs never gets the conversation, nor does one that hands over in time count."""
        text = TWO + ROUTES.replace("when = image", "when = long_context 50000")
        assert values(settings(config_of(text), URL))["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "60000"
        text = TWO + ROUTES.replace("when = image", "when = background")
        assert values(settings(config_of(text), URL))["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "130000"

    @pytest.mark.parametrize(("default", "token"), [("glm", "unused"), ("two/x", "YOUR-BACKEND-KEY")])
    def test_token(self, default: str, token: str) -> None:
        """The client's key is needed where one of the models is behind a backend without a key of its own."""
        text = TWO + ROUTES.replace("models = glm", f"models = {default}")
        assert values(settings(config_of(text), URL))["ANTHROPIC_AUTH_TOKEN"] == token

    def test_no_word_of_subagents(self) -> None:
        """The model of subagents is left to the client: routes see who asks."""
        assert "CLAUDE_CODE_SUBAGENT_MODEL" not in values(settings(config_of(TWO + ROUTES), URL))


class BaseUrlTests:
    """The address that a client on this machine uses."""

    @pytest.mark.parametrize(
        ("listen", "url"),
        [
            (("tcp:8080:interface=127.0.0.1",), "http://127.0.0.1:8080"),
            (("tcp:port=81:interface=10.0.0.1",), "http://10.0.0.1:81"),
            (("tcp:8080",), "http://127.0.0.1:8080"),
            (("tcp:8080:interface=0.0.0.0",), "http://127.0.0.1:8080"),
            ((r"tcp:8080:interface=\:\:1",), "http://[::1]:8080"),
            (("ssl:8443:interface=localhost",), "https://localhost:8443"),
            (("unix:/run/bridge.sock", "tcp:8080:interface=127.0.0.1"), "http://127.0.0.1:8080"),
            (("tcp:0:interface=127.0.0.1",), None),
            (("unix:/run/bridge.sock",), None),
            (("systemd:domain=INET:name=http",), None),
        ],
    )
    def test_listener(self, listen: tuple[str, ...], url: str | None) -> None:
        """The first listener with a fixed TCP port is the address."""
        assert base_url(Config(server=Server(listen=listen))) == url


class RenderingTests:
    """Text that can be used as it is."""

    def test_json(self) -> None:
        """The JSON is a settings.json: variables that are ready, and a permission mode that works."""
        found = read(as_json(settings(Config(), URL)))
        assert found["permissions"] == {"defaultMode": "acceptEdits", "disableAutoMode": "disable"}
        assert found["env"]["ANTHROPIC_BASE_URL"] == URL
        assert "ANTHROPIC_MODEL" not in found["env"]

    def test_picker(self) -> None:
        """The list of models has published ids and labels, and no row that behaves as another model."""
        found = read(as_json([], LISTED))["modelPicker"]
        assert found["replaceBuiltInOptions"] is True
        assert found["options"][1] == {"model": "glm@claude-bridge", "label": "GLM", "description": "130K tokens"}
        assert "behavesAs" not in as_json([], LISTED)

    def test_long_list(self) -> None:
        """Of hundreds of models the list has the first."""
        many = [OfferedModel(name=f"m{number}", label="m") for number in range(300)]
        assert len(environment.picker(many)["options"]) == environment.MAX_PICKED

    def test_vscode(self) -> None:
        """The extension gets a list of names and values, and no login page."""
        found = [Setting(name="A", value="x", why=""), Setting(name="B", value="y", why="", ready=False)]
        assert read(as_vscode(found)) == {
            "claudeCode.environmentVariables": [{"name": "A", "value": "x"}],
            "claudeCode.disableLoginPrompt": True,
        }

    def test_aliases(self) -> None:
        """There is a function for each model, with a name that a shell takes, and every argument gets through."""
        text = as_aliases(["glm", "zai-org/GLM-4.5", "zai org/glm 4.5", "$(id)"], ["--url", "http://box:1"])
        assert 'claude-glm() { claude-bridge launch --url http://box:1 glm -- "$@"; }\n' in text
        script = 'claude-bridge() { printf "<%s>" "$@"; }\n' + text
        script += "claude-zai-org-glm-4-5 -p 'a  b'; claude-zai-org-glm-4-5-2; claude-id"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=10)
        start = "<launch><--url><http://box:1>"
        assert done.stdout == (f"{start}<zai-org/GLM-4.5><--><-p><a  b>{start}<zai org/glm 4.5><-->{start}<$(id)><-->")

    def test_permission_mode(self) -> None:
        """The shell text says which permission mode to use, and why."""
        assert "claude --permission-mode acceptEdits" in as_shell([])
        assert "\n# the window of m is not known\n" in as_shell([], warning="the window of m\nis not known")
        assert "auto mode" in environment.PERMISSION_NOTE

    def test_no_other_key(self) -> None:
        """A key for Anthropic that lies about in the shell is taken out of the way."""
        script = f'ANTHROPIC_API_KEY=sk-ant-1; set -e; {as_shell([])}printf "%s" "${{ANTHROPIC_API_KEY-unset}}"'
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, timeout=10)
        assert done.stdout == "unset"

    def test_shell_sets_everything(self) -> None:
        """A shell that reads the text has exactly these variables, whatever is in the values."""
        found = [
            Setting(name="A", value="it's $HOME `id` \\", why="a\nfalse # reason"),
            Setting(name="B", value="x\ny", why="", ready=False),
        ]
        script = f'unset B; set -e; {as_shell(found)}printf "%s|" "$A" "${{B-unset}}"'
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, timeout=10)
        assert done.stdout == "it's $HOME `id` \\|unset|"

    def test_one_reason_for_several(self) -> None:
        """A setting without a reason of its own stands below the one that it belongs to."""
        text = as_shell([Setting(name="A", value="x", why="both"), Setting(name="A_NAME", value="y")])
        assert "# both\nexport A=x\nexport A_NAME=y\n" in text

    @given(st.text(), st.text())
    def test_comments_stay_comments(self, value: str, why: str) -> None:
        """Nothing in a reason or in a value that is not ready can become a command."""
        text = as_shell([Setting(name="A", value=value, why=why, ready=False)])
        assert [line for line in text.splitlines() if not line.startswith("#")] == ["unset ANTHROPIC_API_KEY"]
