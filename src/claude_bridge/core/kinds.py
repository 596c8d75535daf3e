"""Registry of the kinds of backends, by their names in ``kind = NAME``.

A new kind is a package beside `claude_bridge.core.chat_completions` whose class implements
`claude_bridge.core.backend_api.BackendKind`, and a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from claude_bridge.core.backend_api import BackendKind
from claude_bridge.core.chat_completions.backend import CHAT_COMPLETIONS

KINDS: Final[Mapping[str, BackendKind]] = {"openai": CHAT_COMPLETIONS}
