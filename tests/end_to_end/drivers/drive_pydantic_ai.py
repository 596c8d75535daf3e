"""pydantic-ai with its Anthropic model and provider."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import driving
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, NativeOutput
from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta, ThinkingPart
from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
from pydantic_ai.providers.anthropic import AnthropicProvider

THINKS = AnthropicModelSettings(anthropic_thinking={"type": "enabled", "budget_tokens": driving.BUDGET})


class Person(BaseModel):
    """The shape of a structured answer."""

    name: str
    age: int


def agent(name: str, key: str = driving.KEY, **more: Any) -> Any:
    """Make an agent."""
    provider = AnthropicProvider(api_key=key, base_url=driving.URL)
    # that of a model it knows would say the same
    profile = {"supports_json_schema_output": True}
    return Agent(AnthropicModel(name, provider=provider, profile=profile), **more)


def answered(result: Any) -> driving.Outcome:
    """Return what a user reads in an answer."""
    last = result.all_messages()[-1]
    usage = result.usage
    return {
        "text": result.output,
        "reasoning": "".join(part.content for part in last.parts if isinstance(part, ThinkingPart)),
        "usage": {"input": usage.input_tokens, "cached": usage.cache_read_tokens, "output": usage.output_tokens},
        "finish": last.finish_reason,
    }


async def plain(name: str) -> driving.Outcome:
    """Ask."""
    return answered(await agent(name).run(driving.QUESTION))


async def streamed(name: str) -> driving.Outcome:
    """Ask, and read as it comes."""
    async with agent(name).run_stream(driving.QUESTION) as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
        usage = result.usage
    return {
        "text": "".join(pieces),
        "pieces": pieces,
        "usage": {"input": usage.input_tokens, "cached": usage.cache_read_tokens, "output": usage.output_tokens},
        "finish": result.all_messages()[-1].finish_reason,
    }


def agent_with_tool(name: str, ran: list[dict[str, Any]], **more: Any) -> Any:
    """Make an agent with a tool that notes what it is called with."""
    made = agent(name, **more)

    async def get_weather(city: str) -> str:
        """Return the weather of a city."""
        ran.append({"city": city})
        return driving.weather(city)

    made.tool_plain(get_weather)
    return made


async def tool_loop(name: str) -> driving.Outcome:
    """Let the agent run a tool."""
    ran: list[dict[str, Any]] = []
    return {**answered(await agent_with_tool(name, ran).run(driving.WEATHER_QUESTION)), "ran": ran}


async def streamed_tool_loop(name: str) -> driving.Outcome:
    """Let it run the tool in between streams, and the model think."""
    ran: list[dict[str, Any]] = []
    pieces: list[str] = []

    async def read(_: Any, events: Any) -> None:
        async for event in events:
            if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                pieces.append(event.part.content)
            elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                pieces.append(event.delta.content_delta)

    streaming = agent_with_tool(name, ran, model_settings=THINKS)
    result = await streaming.run(driving.WEATHER_QUESTION, event_stream_handler=read)
    return {**answered(result), "pieces": pieces, "ran": ran}


async def thinking(name: str) -> driving.Outcome:
    """Ask for thinking."""
    return answered(await agent(name, model_settings=THINKS).run(driving.QUESTION))


async def image(name: str) -> driving.Outcome:
    """Show a picture."""
    picture = BinaryContent(data=b64decode(driving.PICTURE), media_type="image/png")
    return answered(await agent(name).run([driving.PICTURE_QUESTION, picture]))


async def structured(name: str) -> driving.Outcome:
    """Ask for an answer of one shape."""
    return await _structured(name, NativeOutput(Person))


async def structured_tool(name: str) -> driving.Outcome:
    """Ask for it as pydantic-ai does by itself: as the input of a tool."""
    return await _structured(name, Person)


async def _structured(name: str, output_type: Any) -> driving.Outcome:
    result = await agent(name, output_type=output_type).run(driving.PERSON_QUESTION)
    return {"value": result.output.model_dump()}


async def refused(name: str) -> driving.Outcome:
    """Ask with another key."""
    return answered(await agent(name, driving.WRONG_KEY).run(driving.QUESTION))


def told(error: Any) -> driving.Outcome:
    """Describe what pydantic-ai raised; the SDK's own exception is its cause."""
    return driving.described(error, error.__cause__)


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
