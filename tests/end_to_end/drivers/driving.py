"""What all drivers in Python have in common; ``driving.mjs`` says how drivers work.

Run by a Python of another environment, so neither this nor a driver imports anything of this project.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

URL = os.environ["BRIDGE_URL"]
KEY = os.environ["BRIDGE_KEY"]
WRONG_KEY = f"not-{KEY}"
PICTURE = os.environ["PICTURE"]
"""A PNG, in base64."""

QUESTION = "What is the capital of France?"
WEATHER_QUESTION = "How is the weather in K\u00f6ln and Orl\u00e9ans?"
PICTURE_QUESTION = "How many pictures do you see?"
PERSON_QUESTION = "Tell me of Zo\u00eb."

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}

MAX_TOKENS = 2000
BUDGET = 1024

Outcome = dict[str, Any]
Scenario = Callable[[str], Awaitable[Outcome]]


def weather(city: str) -> str:
    """Be the tool."""
    return f"{city}: 18 degrees"


def described(error: Any, source: Any) -> Outcome:
    """Describe an exception; ``source`` is the one of the official SDK that has the response."""
    response = getattr(source, "response", None)
    return {
        "kind": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "message": str(error),
        "retry_after": response.headers.get("retry-after") if response is not None else None,
    }


def drive(scenarios: Mapping[str, Scenario], told: Callable[[Exception], Outcome]) -> None:
    """Go through the scenarios that the arguments name; ``told`` describes an exception."""
    asyncio.run(_drive(scenarios, told))


async def _drive(scenarios: Mapping[str, Scenario], told: Callable[[Exception], Outcome]) -> None:
    for name in sys.argv[1:]:
        try:
            outcome = await scenarios[name](name)
        except Exception as error:  # noqa: BLE001 - whatever the client raises is the result
            outcome = {"error": told(error)}
            traceback.print_exc()
        sys.stdout.write(json.dumps({"scenario": name, **outcome}) + "\n")
        sys.stdout.flush()
