"""The environment variables with which Claude Code works well through the bridge.

Pure: a configuration in, or what a running bridge publishes, settings out. Which variables help, and what each does,
was found by running the client (2.1.330); unknown model names get a window of 1,000,000 tokens there, so a window that
is known has to be told.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, count
from typing import Any, Final

from attrs import frozen

from claude_bridge.client.offered_models import (
    ROUTED,
    Limits,
    OfferedModel,
    configured_limits,
    main_name,
    offered,
    smallest,
)
from claude_bridge.client.status_setting import STATUS_LINE
from claude_bridge.config.listeners import Listener, http_url, listener
from claude_bridge.config.named_models import NamedModels, conversation_models
from claude_bridge.config.schema import Config, Model
from claude_bridge.core.model_names import AUTO
from claude_bridge.core.routing import matches

FAMILIES: Final = ("opus", "sonnet", "haiku", "fable")
PERMISSION_MODE: Final = "acceptEdits"
PERMISSIONS: Final[Mapping[str, str]] = {"defaultMode": PERMISSION_MODE, "disableAutoMode": "disable"}
"""The client offers auto mode at its start, with Yes chosen beforehand, unless it is disabled; with a bridge that mode
refuses commands (docs/claude-code.md 7)."""
AUTO_MODE: Final = "auto"

PERMISSION_NOTE: Final = (
    "Claude Code's auto mode asks Anthropic's server to approve each action; no bridge can, so actions would be "
    "refused. Start it in another permission mode: claude --permission-mode " + PERMISSION_MODE
)
RIVAL: Final = "ANTHROPIC_API_KEY"
RIVAL_NOTE: Final = "an Anthropic API key would conflict with the token"
TOKEN: Final = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105 - the name of a variable
WINDOW: Final = "CLAUDE_CODE_MAX_CONTEXT_TOKENS"
LONGEST: Final = "CLAUDE_CODE_MAX_OUTPUT_TOKENS"
UNUSED: Final = "unused"
"""The token for a bridge that asks for none: the client sends nothing without one."""
MAX_PICKED: Final = 40
"""Models in the client's list: a vendor has hundreds, and every name can be typed after /model."""
FILES_NOTE: Final = "Claude Code's settings files win over exported variables: `claude-bridge setup` writes these there"
_ANTHROPIC_KEY: Final = "sk-ant-"
_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})


@frozen(kw_only=True)
class Setting:
    """One environment variable for Claude Code.

    :ivar why: half a sentence for the person who reads it; "" where that of the setting before it holds.
    :ivar ready: false where only the reader knows the value; it is then shown but not set.
    """

    name: str
    value: str
    why: str = ""
    ready: bool = True


def permissions(own: str | None) -> dict[str, str]:
    """Return the permissions to set. A mode that the user's own settings have stays, but for auto mode."""
    return {name: value for name, value in PERMISSIONS.items() if name != "defaultMode" or own in (None, AUTO_MODE)}


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


def settings(config: Config, url: str, limits: Limits = configured_limits, main: str | None = None) -> list[Setting]:
    """Return the variables for a bridge with ``config`` that is reached under ``url`` (with or without ``/v1``).

    :param limits: returns what is known of a model, for instance out of the state directory.
    :param main: the plain name for the main conversation. Default: what the configuration decides.
    """
    main = main or main_name(config)
    models = () if main is None else conversation_models(config, main, lambda model: limits(model)[0])

    def family(name: str) -> OfferedModel:
        return offered(config, _for_family(config, name, main or ""), limits)

    return [
        _address(url),
        _credential(config, models),
        *(_unnamed() if main is None else _models(offered(config, main, limits), family)),
        *_sizes([(model.alias, *limits(model)) for model in models]),
        *_switches(),
    ]


def listed_settings(models: Sequence[OfferedModel], url: str, main: str | None, token: str = UNUSED) -> list[Setting]:
    """Return the variables for a bridge of which nothing is known but what it publishes.

    :param main: the plain name of one of ``models``; None leaves the choice to the reader.
    """
    chosen = next((model for model in models if model.name == main), None)

    def family(name: str) -> OfferedModel:
        """Return the model that is called like a family; else its own word, as routes may go by that, or the main.

        A name with a slash is a vendor's, who may charge as much as Anthropic for a model that is called so.
        """
        alias = next((model for model in models if name in model.name.lower() and "/" not in model.name), None)
        routed = OfferedModel(name=name, label=name, where=ROUTED)
        return alias or (routed if main == AUTO or chosen is None else chosen)

    return [
        _address(url),
        Setting(name=TOKEN, value=token, why="what the bridge asks for; any text if it needs none"),
        *(_unnamed([model.name for model in models]) if chosen is None else _models(chosen, family)),
        *_sizes([] if chosen is None else [(chosen.name, chosen.window, chosen.longest)]),
        *_switches(),
    ]


def _address(url: str) -> Setting:
    return Setting(name="ANTHROPIC_BASE_URL", value=bridge_url(url), why="the bridge; without /v1")


def own_token(environ: Mapping[str, str]) -> str | None:
    """Return the token for the bridge in an environment; one of Anthropic's is none."""
    token = environ.get(TOKEN, "").strip()
    return token if token and not token.startswith(_ANTHROPIC_KEY) else None


def bridge_url(url: str) -> str:
    """Return a bridge's address as the client wants it, which adds ``/v1`` itself."""
    return url.rstrip("/").removesuffix("/v1")


def _switches() -> Iterator[Setting]:
    yield Setting(
        name="CLAUDE_CODE_GATEWAY_HINT_HEADERS",
        value="1",
        why="lets the bridge tell the main conversation from side requests",
    )
    yield Setting(
        name="CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY", value="1", why="shows the bridge's models in /model"
    )


def _credential(config: Config, models: Sequence[Model]) -> Setting:
    """Return the variable for the client's token; a secret itself is never shown."""
    name = TOKEN
    match config.server.credentials:
        case "none":
            return Setting(name=name, value=UNUSED, why="any text will do: the bridge asks for no key")
        case "keys":
            keys = ", ".join(f"[key:{key}]" for key in config.keys)
            return Setting(name=name, value="YOUR-CLIENT-KEY", why=f"put one of the bridge's keys here: {keys}")
        case "forward":
            backends = [config.backends.get(name) for name in dict.fromkeys(model.backend for model in models)]
            if all(backend is not None and backend.has_key for backend in backends or [NamedModels(config).home]):
                return Setting(name=name, value=UNUSED, why="any text will do: the bridge has the backend's key")
            why = "put the backend's key here, it is passed on; any text if the backend needs none"
            return Setting(name=name, value="YOUR-BACKEND-KEY", why=why)


def _unnamed(names: Sequence[str] = ()) -> Iterator[Setting]:
    """Yield the variable for a model that only the reader can choose."""
    why = f"one of {', '.join(names)}" if names else "as your backend calls it; needed where it lists more than one"
    yield Setting(name="ANTHROPIC_MODEL", value="NAME-OF-YOUR-MODEL", why=why, ready=False)


def _models(main: OfferedModel, family: Callable[[str], OfferedModel]) -> Iterator[Setting]:
    """Name the models; each of the client's families gets what is meant for it, else the main one."""
    why = f"the plain name {main.name} works too"
    if main.name == AUTO:
        why = f"no model, so that the routes of the bridge choose one; {why}"
    yield Setting(name="ANTHROPIC_MODEL", value=main.id, why=why)
    for word in FAMILIES:
        found, name = family(word), f"ANTHROPIC_DEFAULT_{word.upper()}_MODEL"
        jobs = ", as for titles, summaries and other side jobs" if word == "haiku" else ""
        yield Setting(
            name=name,
            value=found.id,
            why=f'used when Claude Code asks for "{word}"{jobs}, and what /model shows for it',
        )
        yield Setting(name=f"{name}_NAME", value=found.label)
        yield Setting(name=f"{name}_DESCRIPTION", value=found.description)


def _for_family(config: Config, family: str, main: str) -> str:
    """Return the alias that is called like a family; else its own word if a route goes by that; else the main name."""
    alias = next((name for name in config.models if family in name.lower()), None)
    if alias is not None:
        return alias
    by_name = any(matches(pattern, family) for route in config.routes.values() for pattern in route.match)
    return family if by_name else main


def _sizes(models: Sequence[tuple[str, int | None, int | None]]) -> Iterator[Setting]:
    """Yield the limits of the models that the main conversation has to fit: of each name, window and longest answer."""
    windows = {name: window for name, window, _ in models if window is not None}
    if windows:
        why = "the model's window" if len(models) == 1 else f"the smallest known window of {', '.join(windows)}"
        yield Setting(
            name=WINDOW,
            value=str(min(windows.values())),
            why=f"{why}; otherwise Claude Code assumes 1,000,000 and compacts too late",
        )
    longest = smallest(each for _, _, each in models)
    if longest is not None:
        why = "the most that the model writes in one answer"
        if len(models) > 1:
            why = "the least that one of them writes"
        yield Setting(name=LONGEST, value=str(longest), why=why)


def picker(models: Sequence[OfferedModel]) -> dict[str, Any]:
    """Return the client's ``modelPicker``: a list of these models alone.

    ``behavesAs`` is never in it: the row would get the window and the price of the model that it names.
    """
    options = [{"model": each.id, "label": each.label, "description": each.description} for each in models[:MAX_PICKED]]
    return {"replaceBuiltInOptions": True, "options": options}


def as_shell(found: Sequence[Setting], stronger: Sequence[str] = (), warning: str = "") -> str:
    """Render ``found`` for a POSIX shell: ``export`` lines, the reasons as comments on lines of their own.

    :param stronger: the settings files that win over these lines here, each with what it sets.
    :param warning: what is wrong with the window.
    """
    lines = ["# for the shell that starts Claude Code", f"# {RIVAL_NOTE}", f"unset {RIVAL}"]
    for setting in found:
        export = f"export {setting.name}={shlex.quote(setting.value)}"
        lines += [f"# {_one_line(setting.why)}"] if setting.why else []
        lines.append(export if setting.ready else f"# {_one_line(export)}")
    lines += [f"# {_one_line(warning)}"] if warning else []
    lines += [f"# {PERMISSION_NOTE}", f"# {FILES_NOTE}", *(f"# here {_one_line(each)}" for each in stronger)]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    """Return a text that stays within a comment, whatever a name in it contains."""
    return " ".join(text.split())


def as_json(
    found: Sequence[Setting], models: Sequence[OfferedModel] = (), status_line: Mapping[str, Any] | None = None
) -> str:
    """Render ``found`` as the part of Claude Code's ``settings.json`` that it makes up.

    :param models: for its list.
    :param status_line: None: none of ours.
    """
    shown: dict[str, Any] = {"env": variables(found), "permissions": dict(PERMISSIONS)}
    shown |= {"modelPicker": picker(models)} if models else {}
    shown |= {} if status_line is None else {STATUS_LINE: dict(status_line)}
    return json.dumps(shown, indent=2) + "\n"


def variables(found: Sequence[Setting]) -> dict[str, str]:
    """Return the values that are ready, by name."""
    return {setting.name: setting.value for setting in found if setting.ready}


def as_vscode(found: Sequence[Setting]) -> str:
    """Render ``found`` as the part of VS Code's ``settings.json`` that its Claude Code extension reads."""
    listed = [{"name": name, "value": value} for name, value in variables(found).items()]
    shown = {"claudeCode.environmentVariables": listed, "claudeCode.disableLoginPrompt": True}
    return json.dumps(shown, indent=2) + "\n"


def as_aliases(names: Sequence[str], options: Sequence[str] = ()) -> str:
    """Return a shell function for each model, which starts Claude Code with it.

    :param options: more options for ``claude-bridge launch``.
    """
    lines = ["# for the start-up file of bash or zsh: each starts Claude Code with one model"]
    taken: set[str] = set()
    for name in names:
        plain = f"claude-{re.sub(r'[^a-z0-9_]+', '-', name.lower()).strip('-')}"
        numbered = (f"{plain}-{number}" for number in count(2))
        function = next(each for each in chain([plain], numbered) if each not in taken)
        taken.add(function)
        command = shlex.join(["claude-bridge", "launch", *options, name])
        lines.append(f'{function}() {{ {command} -- "$@"; }}')
    return "\n".join(lines) + "\n"
