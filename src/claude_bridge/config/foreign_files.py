"""Recognises the configuration file of another tool, for which a list of syntax mistakes would be no help."""

from __future__ import annotations

import re
from typing import Final

_ROUTER: Final = re.compile(r"""["']?providers["']?\s*:""", re.IGNORECASE)
"""What Claude Code Router's config.json has and other JSON hardly has."""

_LITELLM: Final = re.compile(r"^(model_list|litellm_settings|general_settings|router_settings)\s*:", re.MULTILINE)

_NO_CONTENT: Final = re.compile(r"\s*(//[^\n]*|/\*.*?\*/|[#;][^\n]*|---)?\s*", re.DOTALL)
"""Blank lines, comments of JSON5, YAML and INI, and the line with which YAML begins."""


def other_tool(text: str) -> str | None:
    """Return whose file ``text`` is, in words for a message; None if it is not known to be another tool's."""
    at = 0
    while (match := _NO_CONTENT.match(text, at)) is not None and match.end() > at:
        at = match.end()
    if text[at : at + 1] == "{":
        return "the JSON file of Claude Code Router" if _ROUTER.search(text) else "a JSON file"
    return "the YAML file of LiteLLM" if _LITELLM.match(text, at) else None
