"""Registry of the kinds of backends, by their names in ``kind = NAME``.

A new kind is a package beside `claude_bridge.core.chat_completions` whose class implements
`claude_bridge.core.backend_api.BackendKind`, a line here, and its name in `claude_bridge.config.schema`.
Services and the edge stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from claude_bridge.core.anthropic_backend.backend import ANTHROPIC_MESSAGES
from claude_bridge.core.backend_api import BackendKind
from claude_bridge.core.chat_completions.backend import CHAT_COMPLETIONS
from claude_bridge.core.responses_api.backend import RESPONSES_API

KINDS: Final[Mapping[str, BackendKind]] = {
    "openai": CHAT_COMPLETIONS,
    "anthropic": ANTHROPIC_MESSAGES,
    "responses": RESPONSES_API,
}
