"""The settings of the router itself: where it listens, who may use it, its proxy, its time limit and its log."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import evolve

from claude_bridge.config.backend_keys import MAX_REQUESTS, MAX_TOKENS
from claude_bridge.config.backend_urls import is_here
from claude_bridge.config.listeners import MAX_PORT, is_loopback, tcp
from claude_bridge.config.proxy import proxy
from claude_bridge.config.schema import DAY
from claude_bridge.config.secret import Secret
from claude_bridge.importers.claude_code_router.reading import Object, Reading, is_nothing, is_off, number, whole
from claude_bridge.importers.draft import ImportedBudget, ImportedKey, ImportedLog, ImportedServer
from claude_bridge.importers.names import UniqueNames, key_name
from claude_bridge.importers.text import Text, Variable

_HOST: Final = "127.0.0.1"
_PORT: Final = 3456
_USUAL_ADDRESS: Final = "http://127.0.0.1:8080"
"""Where the bridge listens unless it is told otherwise."""
_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "httpsProxy", "PROXY_URL")
_SAMPLE_PROXY: Final = "http://127.0.0.1:3128"
_LEVELS: Final = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "warn": "warn",
    "error": "error",
    "fatal": "error",
}

_BUDGETS: Final = {"tph": "hour", "tpd": "day"}
"""Limit of a key on its tokens -> the period of a budget."""

_NO_SUCH_LIMIT: Final = "a key is limited by requests per minute, and by tokens per minute, hour and day"

_READ: Final = frozenset(
    {
        *("Providers", "providers", "Router", "fallback", "HOST", "PORT", "APIKEY", "APIKEYS", "API_TIMEOUT_MS"),
        *("LOG_LEVEL", "gateway", "profile", *_PROXIES),
        *("name", "version", "description", "author", "homepage", "repository", "license", "keywords", "ccrVersion"),
        *("metadata", "schema", "configMappings", "template"),
    }
)

_REMARKS: Final[Mapping[str, str]] = {
    "LOG": "the bridge logs one line per request to standard error; [log] level = debug tells more",
    "LOG_FILE": "the bridge logs to standard error, which systemd or a shell can keep",
    "StatusLine": "`claude-bridge launch` and `setup` show the bridge's own status line",
    "NON_INTERACTIVE_MODE": "not needed: `claude-bridge launch -- -p ...` works where there is no terminal",
}

_LOSSES: Final[Mapping[str, str]] = {
    "CLAUDE_PATH": "`claude-bridge launch` starts the `claude` that is found on PATH",
    "CUSTOM_ROUTER_PATH": "a script of yours chose models: the routes hold for every request now",
    "REWRITE_SYSTEM_PROMPT": "the bridge replaces no system prompt",
    "forceUseImageAgent": "images go to the model of [route:image] with the whole conversation",
    "plugins": "plugins are JavaScript, which cannot be used here",
    "Plugins": "plugins are JavaScript, which cannot be used here",
    "providerPlugins": "plugins are JavaScript, which cannot be used here",
    "virtualModelProfiles": "one model made of several is not here",
    "proxy": "the bridge is no proxy for other programs",
}

_WINDOW: Final = frozenset(
    {
        *("theme", "autoStart", "launchAtLogin", "overviewWidgets", "routerEndpoint", "preferredProvider"),
        *("trayBalanceProgress", "trayProgressTargetTokens", "trayComponentVariants", "trayIcon", "trayWidgets"),
        *("trayWindowModules", "observability"),
    }
)
"""Settings of version 3's window."""

_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_REFERENCE_ALONE: Final = re.compile(r"\$(?:\{\w+\}|\w+)")


def define_variables(reading: Reading) -> None:
    """Note the variables that the file sets beside its own settings: references to them mean these values."""
    for name, value in reading.data.items():
        if name in _READ or name in _REMARKS or name in _LOSSES or not _VARIABLE.fullmatch(name):
            continue
        if isinstance(value, str) and value.strip() and not _REFERENCE_ALONE.fullmatch(value.strip()):
            reading.defined[name] = value.strip()


def read_settings(reading: Reading) -> None:
    """Add what the settings come to; the backends are there already."""
    _keys(reading)
    _server(reading)
    _proxy(reading)
    _timeout(reading)
    level = reading.data.get("LOG_LEVEL")
    if isinstance(level, str) and level.strip():
        known = _LEVELS.get(level.strip().lower())
        if known is None:
            reading.draft.lose("LOG_LEVEL", "not a level of the log here")
        else:
            reading.draft.log = ImportedLog(came_from="LOG_LEVEL", level=known)
    _others(reading)


def _keys(reading: Reading) -> None:
    """Add the keys that clients need."""
    names, seen = UniqueNames(), set[tuple[object, ...]]()
    for path, written, options in _written_keys(reading.data):
        name = key_name(str(options.get("name") or options.get("id") or ""), "all-clients")
        key = reading.credential(written, path, "CLAUDE_BRIDGE_KEY")
        if key is None:
            why = "not usable" if reading.is_lost(path) else "a placeholder that anybody can guess"
            reading.draft.remark(path, f"{why}: no key is asked for")
        elif key.parts not in seen:
            seen.add(key.parts)
            reading.draft.keys.append(_key(names.take(name), key, path, options, reading))


def _written_keys(data: Object) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    alone, several = data.get("APIKEY"), data.get("APIKEYS")
    for number_, each in enumerate(several if isinstance(several, list) else []):
        if isinstance(each, dict) and isinstance(each.get("key"), str) and each["key"].strip():
            yield f"APIKEYS[{number_}].key", each["key"], each
    if isinstance(alone, str) and alone.strip():
        yield "APIKEY", alone, {}


def _key(name: str, key: Text, path: str, options: Mapping[str, Any], reading: Reading) -> ImportedKey:
    at, limits = path.removesuffix(".key"), options.get("limits")
    given = limits if isinstance(limits, dict) else {}
    for limit, value in given.items():
        tokens = whole(value)
        if limit in _BUDGETS and tokens is not None:
            _add_budget(name, tokens, limit, f"{at}.limits.{limit}", reading)
        elif limit not in {"rpm", "tpm"} and not is_nothing(value):
            reading.draft.lose(f"{at}.limits.{limit}", _NO_SUCH_LIMIT)
    if not is_nothing(options.get("expiresAt")):
        reading.draft.lose(f"{at}.expiresAt", "keys do not expire here: take the section out when it is time")
    rpm, tpm = whole(given.get("rpm")), whole(given.get("tpm"))
    return ImportedKey(
        name=name,
        came_from=path,
        secret=key,
        rpm=None if rpm is None else min(rpm, MAX_REQUESTS),
        tpm=None if tpm is None else min(tpm, MAX_TOKENS),
    )


def _add_budget(key: str, tokens: int, limit: str, path: str, reading: Reading) -> None:
    """Add a limit on the tokens of a longer time, which is a budget here."""
    per = _BUDGETS[limit]
    reading.draft.budgets.append(
        ImportedBudget(name=f"{key}-{per}", came_from=path, whom=f"key {key}", tokens=tokens, per=per)
    )


def _server(reading: Reading) -> None:
    """Decide where the bridge listens, and whom it asks for a key."""
    data, draft = reading.data, reading.draft
    gateway = data.get("gateway") if isinstance(data.get("gateway"), dict) else {}
    host, port = _host(data, gateway, reading), _port(data, gateway, reading)
    shown = f"[{host}]" if ":" in host else host
    draft.old_address = f"http://{_HOST if host in {'0.0.0.0', '::'} else shown}:{port}"
    if not is_loopback(host) and not draft.keys:
        if is_nothing(data.get("APIKEY")):
            draft.remark("HOST", "there is no key for clients, so only this machine is served, as the router does too")
        else:
            draft.lose("HOST", "only this machine is served, until there is a [key:NAME] that nobody can guess")
        host = _HOST
    credentials = "keys" if draft.keys else "none"
    notes = () if draft.keys else ("No client is asked for a key, and none is sent on to a backend.",)
    if reading.keep_port:
        draft.server = ImportedServer(
            came_from="HOST, PORT", notes=notes, listen=(tcp(port, host),), credentials=credentials
        )
        if not is_loopback(host):
            told = "clients of other machines also need the name by which they reach this one in allowed_hosts"
            draft.remark("HOST", told)
    else:
        draft.server = ImportedServer(came_from="APIKEY", notes=notes, credentials=credentials)
        if draft.old_address != _USUAL_ADDRESS:
            told = f"the bridge listens at {_USUAL_ADDRESS}; with --keep-port it takes {draft.old_address}"
            draft.remark("HOST, PORT", told)


def _host(data: Object, gateway: Any, reading: Reading) -> str:  # noqa: ANN401 - decoded JSON is what it is
    written = data.get("HOST") or gateway.get("host") or _HOST
    host = written.strip().strip("[]") if isinstance(written, str) else ""
    if re.fullmatch(r"[A-Za-z0-9_.-]+|[0-9A-Fa-f:.]+", host):
        return _HOST if host.lower() == "localhost" else host
    reading.draft.lose("HOST", f"not a plain address: {_HOST} is taken for it")
    return _HOST


def _port(data: Object, gateway: Any, reading: Reading) -> int:  # noqa: ANN401 - decoded JSON is what it is
    written = data.get("PORT") or gateway.get("port") or _PORT
    port = whole(written)
    if port is not None and port <= MAX_PORT:
        return port
    reading.draft.lose("PORT", f"not the number of a port: {_PORT} is taken for it")
    return _PORT


def _proxy(reading: Reading) -> None:
    """Set the proxy of all backends that are not on this machine."""
    path = next((name for name in _PROXIES if not is_nothing(reading.data.get(name))), None)
    if path is None:
        return
    value = _proxy_text(reading.data[path], path, reading)
    if value is None:
        return
    backends = reading.draft.backends
    for at, backend in enumerate(backends):
        if is_here(backend.url.ini(with_secrets=True) if isinstance(backend.url, Text) else str(backend.url)):
            reading.draft.remark(path, "backends on this machine are reached without it")
        else:
            backends[at] = evolve(backend, proxy=value)


def _proxy_text(written: object, path: str, reading: Reading) -> Text | None:
    """Return the value of a proxy, with its password as a secret; None for one that cannot be used."""
    text = reading.referring(written) if isinstance(written, str) else ""
    if alone := re.fullmatch(r"\$\{(\w+)\}", text):
        return Text(parts=(Variable(alone[1], _SAMPLE_PROXY),))
    url = text if "://" in text else f"http://{text}"
    try:
        server = proxy(url).server
    except ValueError as error:
        reading.draft.lose(path, str(error))
        return None
    if server is not None and server.has_login:
        variable = reading.variables.take_variable("PROXY_URL")
        return Text(parts=(Secret(url),), instead=variable, sample=_SAMPLE_PROXY, path=path)
    return Text(parts=(url,))


def _timeout(reading: Reading) -> None:
    written = reading.data.get("API_TIMEOUT_MS")
    if is_nothing(written):
        return
    milliseconds = number(written)
    if milliseconds is None or not 1 <= milliseconds <= DAY * 1000:
        reading.draft.lose("API_TIMEOUT_MS", "not a time up to a day: the bridge's own limits hold")
        return
    backends = reading.draft.backends
    backends[:] = [evolve(each, first_byte_timeout=milliseconds / 1000) for each in backends]
    reading.draft.remark("API_TIMEOUT_MS", "limits the wait for the beginning of an answer, first_byte_timeout")


def _others(reading: Reading) -> None:
    """Report what nothing has read."""
    draft = reading.draft
    for name, value in reading.data.items():
        if name in _READ or is_off(value):
            continue
        if name in _REMARKS:
            draft.remark(name, _REMARKS[name])
        elif name in _LOSSES:
            draft.lose(name, _LOSSES[name])
        elif name in _WINDOW:
            draft.remark(name, "about the router's own window")
        elif name == "transformers":
            for at in range(len(value) if isinstance(value, list) else 1):
                draft.lose(f"transformers[{at}]", "JavaScript of yours, which cannot be used here")
        elif _VARIABLE.fullmatch(name) and isinstance(value, str):
            if name in reading.defined and name not in reading.used:
                draft.lose(name, "nothing in the file uses it: the router only passed it on as a variable")
        else:
            draft.lose(name, "no counterpart here")
