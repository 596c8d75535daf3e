"""Ask the backend at the address given as argument with the official SDK; print what it understood as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import openai

TOOL: Any = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
MODEL = "test-model"


def _said(text: str) -> Any:
    return [{"role": "user", "content": text}]


def _streamed(client: openai.OpenAI) -> dict[str, Any]:
    told: dict[str, Any] = {"streamed": "", "reasoning": ""}
    options: Any = {"include_usage": True}
    for chunk in client.chat.completions.create(model=MODEL, messages=_said("hi"), stream=True, stream_options=options):
        for choice in chunk.choices:
            told["streamed"] += choice.delta.content or ""
            told["reasoning"] += (choice.delta.model_extra or {}).get("reasoning_content", "")
        if chunk.usage is not None:
            told["usage"] = chunk.usage.to_dict()
    return told


def _called(client: openai.OpenAI) -> dict[str, Any]:
    with client.chat.completions.stream(
        model=MODEL, messages=_said('call get_weather {"city": "Paris"}'), tools=[TOOL]
    ) as stream:
        (call,) = stream.get_final_completion().choices[0].message.tool_calls or []
    return {"name": call.function.name, "arguments": json.loads(call.function.arguments)}


def _refused(client: openai.OpenAI, **request: Any) -> list[Any]:
    try:
        client.chat.completions.create(**request)
    except openai.APIStatusError as error:
        return [type(error).__name__, error.code]
    return []


def main() -> None:
    """Ask everything once."""
    client = openai.OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)
    whole = client.chat.completions.create(model=MODEL, messages=_said("hi"))
    told = {
        "whole": whole.choices[0].message.content,
        "call": _called(client),
        "models": [model.id for model in client.models.list()],
        "refused": _refused(client, model="other", messages=_said("hi")),
        "invalid": _refused(client, model=MODEL, messages=[])[0],
        **_streamed(client),
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
