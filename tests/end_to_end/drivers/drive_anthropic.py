"""The official SDK for Python, with its tool runner."""

from __future__ import annotations

from typing import Any

import anthropic
import driving
from pydantic import BaseModel

THINKS = {"type": "enabled", "budget_tokens": driving.BUDGET}


class Person(BaseModel):
    """The shape of a structured answer."""

    name: str
    age: int


def client(key: str = driving.KEY) -> Any:
    """Make a client."""
    return anthropic.AsyncAnthropic(base_url=driving.URL, api_key=key)


def asked(model: str, content: Any = driving.QUESTION, **more: Any) -> dict[str, Any]:
    """Put the arguments of a call together."""
    messages = [{"role": "user", "content": content}]
    return {"model": model, "max_tokens": driving.MAX_TOKENS, "messages": messages, **more}


def answered(message: Any) -> driving.Outcome:
    """Return what a user reads in an answer."""
    usage = message.usage
    return {
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "reasoning": "".join(block.thinking for block in message.content if block.type == "thinking"),
        "usage": {"input": usage.input_tokens, "cached": usage.cache_read_input_tokens, "output": usage.output_tokens},
        "finish": message.stop_reason,
    }


async def plain(model: str) -> driving.Outcome:
    """Ask."""
    return answered(await client().messages.create(**asked(model)))


async def streamed(model: str) -> driving.Outcome:
    """Ask, and read as it comes."""
    async with client().messages.stream(**asked(model)) as stream:
        pieces = [piece async for piece in stream.text_stream]
        return {**answered(await stream.get_final_message()), "pieces": pieces}


def weather_tool(ran: list[dict[str, Any]]) -> Any:
    """Make the tool; it notes what it is called with."""

    @anthropic.beta_async_tool
    async def get_weather(city: str) -> str:
        """Return the weather of a city."""
        ran.append({"city": city})
        return driving.weather(city)

    return get_weather


async def tool_loop(model: str) -> driving.Outcome:
    """Let the SDK run a tool."""
    ran: list[dict[str, Any]] = []
    question = asked(model, driving.WEATHER_QUESTION, tools=[weather_tool(ran)])
    return {**answered(await client().beta.messages.tool_runner(**question).until_done()), "ran": ran}


async def streamed_tool_loop(model: str) -> driving.Outcome:
    """Let it run the tool in between streams, and the model think."""
    ran: list[dict[str, Any]] = []
    pieces: list[str] = []
    question = asked(model, driving.WEATHER_QUESTION, tools=[weather_tool(ran)], thinking=THINKS, stream=True)
    async for stream in client().beta.messages.tool_runner(**question):
        pieces += [piece async for piece in stream.text_stream]
        last = await stream.get_final_message()
    return {**answered(last), "pieces": pieces, "ran": ran}


async def thinking(model: str) -> driving.Outcome:
    """Ask for thinking."""
    return answered(await client().messages.create(**asked(model, thinking=THINKS)))


async def image(model: str) -> driving.Outcome:
    """Show a picture."""
    source = {"type": "base64", "media_type": "image/png", "data": driving.PICTURE}
    content = [{"type": "image", "source": source}, {"type": "text", "text": driving.PICTURE_QUESTION}]
    return answered(await client().messages.create(**asked(model, content)))


async def structured(model: str) -> driving.Outcome:
    """Ask for an answer of one shape."""
    message = await client().messages.parse(**asked(model, driving.PERSON_QUESTION), output_format=Person)
    return {"value": message.parsed_output.model_dump()}


async def refused(model: str) -> driving.Outcome:
    """Ask with another key."""
    return answered(await client(driving.WRONG_KEY).messages.create(**asked(model)))


def told(error: Any) -> driving.Outcome:
    """Describe what the SDK raised."""
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
            "rate-limited": plain,
            "unauthorized": refused,
            "overflow": plain,
        },
        told,
    )
