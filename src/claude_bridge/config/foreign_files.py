"""Recognises the configuration file of another tool, for which a list of syntax mistakes would be no help."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

_ROUTER: Final = re.compile(r"""[{,\s]["']?(?:Providers|providers|Router)["']?\s*:\s*[\[{]""")
"""What Claude Code Router's config.json has and other JSON hardly has."""

_LITELLM_WORDS: Final = "model_list|litellm_settings|general_settings|router_settings"
_LITELLM: Final = re.compile(rf"""^["']?(?:{_LITELLM_WORDS})["']?\s*:""", re.MULTILINE)
_LITELLM_FLOW: Final = re.compile(rf"""[{{,\s]["']?(?:{_LITELLM_WORDS})["']?\s*:""")
"""The same in YAML's flow style, which looks like JSON."""

_YAML: Final = re.compile(r"""["']?[A-Za-z_][A-Za-z0-9_-]*["']?[ \t]*:(?:\s|$)""", re.MULTILINE)
"""The beginning of a YAML mapping, which no line of an INI file is that may come first."""

_NO_CONTENT: Final = re.compile(r"\s*(//[^\n]*|/\*.*?\*/|[#;%][^\n]*|---)?\s*", re.DOTALL)
"""Blank lines, comments of JSON5, YAML and INI, and the lines with which YAML begins."""


class Foreign(Enum):
    """What a file is instead of an INI file; the value is what it is called in messages."""

    CLAUDE_CODE_ROUTER = "a Claude Code Router file"
    LITELLM = "a LiteLLM file"
    JSON = "a JSON file"

    @property
    def can_be_imported(self) -> bool:
        """Whether `claude-bridge import` reads it."""
        return self is not Foreign.JSON


def foreign_file(text: str) -> Foreign | None:
    """Return whose file ``text`` is, by its content alone; None if it is not known to be another tool's."""
    at = 0
    while (match := _NO_CONTENT.match(text, at)) is not None and match.end() > at:
        at = match.end()
    if text[at : at + 1] == "{":
        if _LITELLM_FLOW.search(text, at):
            return Foreign.LITELLM
        return Foreign.CLAUDE_CODE_ROUTER if _ROUTER.search(text, at) else Foreign.JSON
    return Foreign.LITELLM if _YAML.match(text, at) and _LITELLM.search(text, at) else None
