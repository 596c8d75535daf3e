"""The environment variables with which Claude Code works well through the bridge.

Pure: a configuration in, settings out. Which variables help, and what each does, was found by running the client
(2.1.330); unknown model names get a window of 1,000,000 tokens there, so a configured window has to be told.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from claude_bridge.config.listeners import Listener, http_url, listener
from claude_bridge.config.named_models import NamedModels, conversation_models, which_model
from claude_bridge.config.schema import Config, Model
from claude_bridge.core.model_names import AUTO, MARK
from claude_bridge.core.routing import DEFAULT, matches

FAMILIES: Final = ("opus", "sonnet", "haiku")
PERMISSION_MODE: Final = "acceptEdits"
PERMISSION_NOTE: Final = (
    "Claude Code's auto mode asks its own vendor whether each command is safe; no other backend answers that, "
    "so commands would be refused. Start it in another permission mode: claude --permission-mode " + PERMISSION_MODE
)
RIVAL: Final = "ANTHROPIC_API_KEY"
RIVAL_NOTE: Final = "a key of Anthropic's own would be sent beside the token, and refused"
_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})


@frozen(kw_only=True)
class Setting:
    """One environment variable for Claude Code.

    :ivar why: half a sentence for the person who reads it.
    :ivar ready: false where only the reader knows the value; it is then shown but not set.
    """

    name: str
    value: str
    why: str
    ready: bool = True


def base_url(config: Config) -> str | None:
    """Return the address under which a client on this machine reaches the bridge.

    The first listener with a fixed TCP port decides; None if there is none (port 0, a UNIX socket, systemd).
    """
    for text in config.server.listen:
        url = _url(listener(text))
        if url is not None:
            return url
    return None


def _url(where: Listener) -> str | None:
    """Return the URL of one listener, or None if its port is not known."""
    port = int(where.parameters.get("port", "0"))
    if not port:
        return None
    host = "127.0.0.1" if where.interface in _EVERYWHERE else where.interface
    return http_url(where.scheme, host, port)


def settings(config: Config, url: str) -> list[Setting]:
    """Return the variables for a bridge with ``config`` that is reached under ``url`` (with or without ``/v1``)."""
    url = url.rstrip("/").removesuffix("/v1")
    main = main_name(config)
    models = () if main is None else conversation_models(config, main, lambda model: model.context_window)
    return [
        Setting(name="ANTHROPIC_BASE_URL", value=url, why="the bridge; without /v1"),
        _credential(config, models),
        *_models(config, main),
        *_sizes(models),
        Setting(
            name="CLAUDE_CODE_GATEWAY_HINT_HEADERS",
            value="1",
            why="lets the bridge tell the main conversation from side requests",
        ),
        Setting(
            name="CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY",
            value="1",
            why="shows the bridge's models in /model",
        ),
    ]


def main_name(config: Config) -> str | None:
    """Return the plain name to use for the main conversation, if the configuration decides it.

    Where routes look at kinds of requests it is the name that leaves the choice to them; else the first model of the
    default route, or the first that is configured.
    """
    if which_model(config).has_auto:
        return AUTO
    route = config.routes.get(DEFAULT)
    return next(iter((*(route.models if route else ()), *config.models)), None)


def _credential(config: Config, models: Sequence[Model]) -> Setting:
    """Return the variable for the client's token; a secret itself is never shown."""
    name = "ANTHROPIC_AUTH_TOKEN"
    match config.server.credentials:
        case "none":
            return Setting(name=name, value="unused", why="any text will do: the bridge asks for no key")
        case "keys":
            keys = ", ".join(f"[key:{key}]" for key in config.keys)
            return Setting(name=name, value="YOUR-CLIENT-KEY", why=f"put one of the bridge's keys here: {keys}")
        case "forward":
            backends = [config.backends.get(name) for name in dict.fromkeys(model.backend for model in models)]
            if all(backend is not None and backend.has_key for backend in backends or [NamedModels(config).home]):
                return Setting(name=name, value="unused", why="any text will do: the bridge has the backend's key")
            why = "put the backend's own key here, it is passed on; any text where the backend asks for none"
            return Setting(name=name, value="YOUR-BACKEND-KEY", why=why)


def _models(config: Config, main: str | None) -> Iterator[Setting]:
    """Name the models; each of the client's families gets what is meant for it, else the main one."""
    if main is None:
        why = "as your backend calls it; needed where it lists more than one"
        yield Setting(name="ANTHROPIC_MODEL", value="NAME-OF-YOUR-MODEL", why=why, ready=False)
        return
    why = f"the plain name {main} works too"
    if main == AUTO:
        why = f"no model, so that the routes of the bridge choose one; {why}"
    yield Setting(name="ANTHROPIC_MODEL", value=main + MARK, why=why)
    for family in FAMILIES:
        why = "side jobs such as titles and summaries" if family == "haiku" else f"what the client calls {family}"
        name = f"ANTHROPIC_DEFAULT_{family.upper()}_MODEL"
        yield Setting(name=name, value=_for_family(config, family, main) + MARK, why=why)


def _for_family(config: Config, family: str, main: str) -> str:
    """Return the alias that is called like a family; else its own word if a route goes by that; else the main name."""
    alias = next((name for name in config.models if family in name.lower()), None)
    if alias is not None:
        return alias
    by_name = any(matches(pattern, family) for route in config.routes.values() for pattern in route.match)
    return family if by_name else main


def _sizes(models: Sequence[Model]) -> Iterator[Setting]:
    """Yield the limits that are known of the models that the main conversation has to fit."""
    windows = {model.alias: model.context_window for model in models if model.context_window is not None}
    if windows:
        why = "the model's window" if len(models) == 1 else f"the smallest configured window of {', '.join(windows)}"
        yield Setting(
            name="CLAUDE_CODE_MAX_CONTEXT_TOKENS",
            value=str(min(windows.values())),
            why=f"{why}; without it the client compacts only at 1,000,000 tokens",
        )
    longest = [model.max_output_tokens for model in models if model.max_output_tokens is not None]
    if longest:
        why = (
            "the most that the model writes in one answer" if len(models) == 1 else "the least that one of them writes"
        )
        yield Setting(name="CLAUDE_CODE_MAX_OUTPUT_TOKENS", value=str(min(longest)), why=why)


def as_shell(found: Sequence[Setting]) -> str:
    """Render ``found`` for a POSIX shell: ``export`` lines, the reasons as comments on lines of their own."""
    lines = ["# for the shell that starts Claude Code", f"# {RIVAL_NOTE}", f"unset {RIVAL}"]
    for setting in found:
        export = f"export {setting.name}={shlex.quote(setting.value)}"
        lines += [f"# {_one_line(setting.why)}", export if setting.ready else f"# {_one_line(export)}"]
    return "\n".join([*lines, f"# {PERMISSION_NOTE}"]) + "\n"


def _one_line(text: str) -> str:
    """Return a text that stays within a comment, whatever a name in it contains."""
    return " ".join(text.split())


def as_json(found: Sequence[Setting]) -> str:
    """Render ``found`` as the part of Claude Code's ``settings.json`` that it makes up."""
    environment = {setting.name: setting.value for setting in found if setting.ready}
    return json.dumps({"env": environment, "permissions": {"defaultMode": PERMISSION_MODE}}, indent=2) + "\n"
