"""Names the ``twistd claude-bridge`` command; imports nothing of it until it is asked for."""

from twisted.application.service import ServiceMaker

claude_bridge = ServiceMaker(
    "claude-bridge",
    "claude_bridge.tap",
    "Run Claude Code on any OpenAI-compatible backend.",
    "claude-bridge",
)
