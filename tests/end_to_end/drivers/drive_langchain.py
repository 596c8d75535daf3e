"""LangChain's ChatAnthropic, and LangChain's agent on top of it for tools."""

from __future__ import annotations

from typing import Any

import driving
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from pydantic import BaseModel, SecretStr

THINKS = {"type": "enabled", "budget_tokens": driving.BUDGET}


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def client(name: str, key: str = driving.KEY, **more: Any) -> Any:
    """Make a client."""
    return ChatAnthropic(
        model_name=name, base_url=driving.URL, api_key=SecretStr(key), max_tokens_to_sample=driving.MAX_TOKENS, **more
    )


def user(content: Any = driving.QUESTION) -> list[dict[str, Any]]:
    """Return something."""
    return [{"role": "user", "content": content}]


def answered(message: Any) -> driving.Outcome:
    """Return what a user reads in an answer."""
    usage = message.usage_metadata
    return {
        "text": message.text,
        "reasoning": "".join(block["reasoning"] for block in message.content_blocks if block["type"] == "reasoning"),
        "usage": {
            "input": usage["input_tokens"],
            "cached": usage["input_token_details"]["cache_read"],
            "output": usage["output_tokens"],
        },
        "finish": message.response_metadata["stop_reason"],
    }


async def plain(name: str) -> driving.Outcome:
    """Ask."""
    return answered(await client(name).ainvoke(user()))


async def streamed(name: str) -> driving.Outcome:
    """Ask, and read as it comes."""
    chunks = [chunk async for chunk in client(name).astream(user())]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return {**answered(whole), "pieces": [chunk.text for chunk in chunks if chunk.text]}


def agent(name: str, ran: list[dict[str, Any]], **more: Any) -> Any:
    """Make an agent with a tool that notes what it is called with."""

    async def get_weather(city: str) -> str:
        """Return the weather of a city."""
        ran.append({"city": city})
        return driving.weather(city)

    return create_agent(client(name, **more), tools=[tool(get_weather)])


async def tool_loop(name: str) -> driving.Outcome:
    """Let an agent run a tool."""
    ran: list[dict[str, Any]] = []
    state = await agent(name, ran).ainvoke({"messages": user(driving.WEATHER_QUESTION)})
    return {**answered(state["messages"][-1]), "ran": ran}


async def streamed_tool_loop(name: str) -> driving.Outcome:
    """Let it run the tool in between streams, and the model think."""
    ran: list[dict[str, Any]] = []
    pieces: list[str] = []
    asked = {"messages": user(driving.WEATHER_QUESTION)}
    async for mode, event in agent(name, ran, thinking=THINKS).astream(asked, stream_mode=["messages", "values"]):
        if mode == "values":
            last = event["messages"][-1]
        elif event[1]["langgraph_node"] == "model":
            pieces += [event[0].text] if event[0].text else []
    return {**answered(last), "pieces": pieces, "ran": ran}


async def thinking(name: str) -> driving.Outcome:
    """Ask for thinking."""
    return answered(await client(name, thinking=THINKS).ainvoke(user()))


async def image(name: str) -> driving.Outcome:
    """Show a picture."""
    picture = {"type": "image", "base64": driving.PICTURE, "mime_type": "image/png"}
    return answered(await client(name).ainvoke(user([{"type": "text", "text": driving.PICTURE_QUESTION}, picture])))


async def structured(name: str) -> driving.Outcome:
    """Ask for an answer of one shape."""
    return await _structured(name, method="json_schema")


async def structured_tool(name: str) -> driving.Outcome:
    """Ask for it as LangChain does by itself: as the input of a tool."""
    return await _structured(name)


async def _structured(name: str, **more: Any) -> driving.Outcome:
    shaped = client(name).with_structured_output(Person, **more)
    return {"value": (await shaped.ainvoke(driving.PERSON_QUESTION)).model_dump()}


async def refused(name: str) -> driving.Outcome:
    """Ask with another key."""
    return answered(await client(name, driving.WRONG_KEY).ainvoke(user()))


def told(error: Any) -> driving.Outcome:
    """Describe what LangChain raised."""
    return driving.described(error, error)


if __name__ == "__main__":
    driving.drive(
        {
            "plain": plain,
            "streamed": streamed,
            "tool-loop": tool_loop,
            "thinking": thinking,
            "streamed-tool-loop": streamed_tool_loop,
            "image": image,
            "structured": structured,
            "structured-tool": structured_tool,
            "rate-limited": plain,
            "unauthorized": refused,
            "overflow": plain,
        },
        told,
    )
