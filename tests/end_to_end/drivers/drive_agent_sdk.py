"""The Claude Agent SDK for Python, with the Claude Code that it brings and a tool of an in-process MCP server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import driving
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ResultMessage,
    StreamEvent,
    ThinkingBlock,
    create_sdk_mcp_server,
    query,
    tool,
)

THINKS = {"type": "enabled", "budget_tokens": driving.BUDGET}


class Failed(Exception):
    """A turn that ended in an error, as the client tells it."""

    def __init__(self, result: Any, kind: str | None) -> None:
        super().__init__(result.result)
        self.outcome = {"kind": kind, "status": result.api_error_status, "message": result.result}


async def asked(model: str, prompt: Any = driving.QUESTION, key: str = driving.KEY, **more: Any) -> driving.Outcome:
    """Ask, and note what a user may read."""
    env = {"ANTHROPIC_BASE_URL": driving.URL, "ANTHROPIC_AUTH_TOKEN": key}
    seen: dict[str, Any] = {"reasoning": "", "pieces": []}
    kind = None
    async for message in query(prompt=prompt, options=ClaudeAgentOptions(model=model, env=env, **more)):
        match message:
            case StreamEvent(event={"delta": {"type": "text_delta", "text": piece}}):
                seen["pieces"].append(piece)
            case AssistantMessage():
                kind = message.error
                thoughts = [block.thinking for block in message.content if isinstance(block, ThinkingBlock)]
                seen["reasoning"] += "".join(thoughts)
            case ResultMessage():
                if message.is_error:
                    raise Failed(message, kind)
                seen.update(_ended(message))
    return seen


def _ended(result: Any) -> driving.Outcome:
    usage = result.usage
    return {
        "text": result.result,
        "value": result.structured_output,
        "usage": {
            "input": usage["input_tokens"],
            "cached": usage["cache_read_input_tokens"],
            "output": usage["output_tokens"],
        },
        "finish": result.stop_reason,
    }


async def plain(model: str) -> driving.Outcome:
    """Ask."""
    return await asked(model)


async def streamed(model: str) -> driving.Outcome:
    """Ask, and read as it comes."""
    return await asked(model, include_partial_messages=True)


async def tool_loop(model: str, **more: Any) -> driving.Outcome:
    """Let the client run a tool of this process."""
    ran: list[dict[str, Any]] = []

    async def get_weather(arguments: dict[str, Any]) -> dict[str, Any]:
        ran.append(arguments)
        return {"content": [{"type": "text", "text": driving.weather(arguments["city"])}]}

    made = tool("get_weather", "Tells the weather of a city.", {"city": str})(get_weather)
    servers = {"outside": create_sdk_mcp_server("outside", tools=[made])}
    told = await asked(
        model,
        driving.WEATHER_QUESTION,
        mcp_servers=servers,
        allowed_tools=["mcp__outside__get_weather"],
        **more,
    )
    return {**told, "ran": ran}


async def streamed_tool_loop(model: str) -> driving.Outcome:
    """Read the loop as it comes, and let the model think."""
    return await tool_loop(model, include_partial_messages=True, thinking=THINKS)


async def thinking(model: str) -> driving.Outcome:
    """Ask for thinking."""
    return await asked(model, thinking=THINKS)


async def image(model: str) -> driving.Outcome:
    """Show a picture."""
    source = {"type": "base64", "media_type": "image/png", "data": driving.PICTURE}
    content = [{"type": "image", "source": source}, {"type": "text", "text": driving.PICTURE_QUESTION}]

    async def shown() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "user", "message": {"role": "user", "content": content}, "parent_tool_use_id": None}

    return await asked(model, shown())


async def structured_tool(model: str) -> driving.Outcome:
    """Ask for an answer of one shape."""
    return await asked(model, driving.PERSON_QUESTION, output_format={"type": "json_schema", "schema": driving.PERSON})


async def refused(model: str) -> driving.Outcome:
    """Ask with another key."""
    return await asked(model, key=driving.WRONG_KEY)


def told(error: Exception) -> driving.Outcome:
    """Describe how the turn ended."""
    if isinstance(error, Failed):
        return error.outcome
    return {"kind": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    driving.drive(
        {
            "plain": plain,
            "streamed": streamed,
            "tool-loop": tool_loop,
            "thinking": thinking,
            "streamed-tool-loop": streamed_tool_loop,
            "image": image,
            "structured-tool": structured_tool,
            "rate-limited": plain,
            "unauthorized": refused,
            "overflow": plain,
        },
        told,
    )
