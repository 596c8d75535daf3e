"""A config.json of Claude Code Router -> a draft of a configuration.

Also a preset's manifest.json, and what version 3 exports.
"""

from __future__ import annotations

from typing import Any, Final

from claude_bridge.importers.claude_code_router.json5_text import read_json5
from claude_bridge.importers.claude_code_router.providers import note_models_without_section, read_providers
from claude_bridge.importers.claude_code_router.reading import Object, Reading, is_nothing
from claude_bridge.importers.claude_code_router.routes import read_routes
from claude_bridge.importers.claude_code_router.rules import main_model, read_rules
from claude_bridge.importers.claude_code_router.settings import define_variables, read_settings
from claude_bridge.importers.draft import ImportedConfiguration
from claude_bridge.importers.source import NotUsable, Source

TOOL: Final = "Claude Code Router"


def read_router(source: Source) -> ImportedConfiguration:
    """Return what a config.json configures. Raises `NotUsable`."""
    data = read_json5(source.text, source.called)
    if not isinstance(data, dict):
        raise NotUsable(f"{source.called} holds no object")
    draft = ImportedConfiguration(tool=TOOL, source_words=f"a config.json of {TOOL}", how_back="ccr start")
    settings, default_path = _with_main_model(_settings(data))
    reading = Reading(data=settings, draft=draft, keep_port=source.keep_port, default_path=default_path)
    if not any(not is_nothing(reading.data.get(name)) for name in ("Providers", "providers")):
        raise NotUsable(_no_providers(reading.data, source.called))
    define_variables(reading)
    reading.reserve_variables(source.text)
    read_providers(reading)
    read_routes(reading)
    read_rules(reading)
    read_settings(reading)
    note_models_without_section(reading)
    return draft


def _settings(data: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a file: itself, the template of a preset, or a part of what version 3 exports."""
    exported = data.get("config")
    if isinstance(exported, dict) and "Providers" in exported:
        return exported
    template = data.get("template")
    if isinstance(template, dict) and not ("Providers" in data or "providers" in data):
        return template
    return data


def _with_main_model(data: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return settings, those of version 3 with the model of its profile as the default, and where that is written."""
    path, model = main_model(data)
    router = data.get("Router")
    if not path or (isinstance(router, dict) and not is_nothing(router.get("default"))):
        return data, "Router.default"
    return {**data, "Router": {**(router if isinstance(router, dict) else {}), "default": model}}, path


def _no_providers(data: Object, called: str) -> str:
    if "Router" in data:
        return (
            f"{called} has routes and no Providers: import the config.json of the router itself, in "
            "~/.claude-code-router; a project's own routes have no counterpart here"
        )
    return f"{called} has no Providers: version 3 keeps them in its database, from which its Settings page exports them"
