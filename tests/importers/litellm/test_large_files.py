"""The work for a file grows with its length, not with its square: companies have files with thousands of models.

Work is counted in lines of this project that run, its generated methods among them: it is the same on every machine.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from itertools import islice, product
from types import FrameType
from typing import Any, Final

import pytest

from claude_bridge.importers.command import Order, run
from tests.config.files import reading

FILE: Final = "config.yaml"
FEW: Final = 25


def entry(name: str, model: str, *settings: str) -> str:
    """Return an entry of ``model_list``."""
    more = "".join(f", {each}" for each in settings)
    return f"- {{model_name: '{name}', litellm_params: {{model: '{model}'{more}}}}}\n"


def servers(numbers: range) -> Iterator[str]:
    """Yield models that have a server and a key of their own each, a price and a budget."""
    for n in numbers:
        yield entry(
            f"vendor/m{n}",
            f"openai/vendor/m{n}",
            f"api_base: 'http://box{n}/v1', api_key: sk-invented-{n}, timeout: 60, rpm: 9",
            "input_cost_per_token: 1e-6, output_cost_per_token: 2e-6, max_budget: 5, budget_duration: 1d",
            f"mine_{n}: 1",
        )


def stand_ins(numbers: range) -> Iterator[str]:
    """Yield models that stand in for one another, for all, and under other names."""
    names = [f"vendor/m{n}" for n in numbers]
    for name, n in zip(names, numbers, strict=True):
        yield entry(name, f"groq/m{n}", "timeout: 60")
    after = [*names[1:], names[0]]
    pairs = ", ".join(f"{{'{one}': ['{two}']}}" for one, two in zip(names, after, strict=True))
    others = ", ".join(f"'other-{name}': '{name}'" for name in names)
    yield f"router_settings: {{fallbacks: [{pairs}], model_group_alias: {{{others}}}}}\n"
    yield f"litellm_settings: {{default_fallbacks: {names}}}\n"


def one_name(numbers: range) -> Iterator[str]:
    """Yield one model with many keys, one at many servers, and one in all spellings."""
    spellings = islice(product(*zip("samename", "SAMENAME", strict=True)), len(numbers))
    for n, spelling in zip(numbers, spellings, strict=True):
        yield entry("pool", "groq/m", f"api_key: sk-invented-{n}")
        yield entry("spread", "openai/m", f"api_base: 'http://box{n}/v1'")
        yield entry("".join(spelling), f"mistral/m{n}")


def patterns(numbers: range) -> Iterator[str]:
    """Yield patterns, and rules for names that only they have."""
    for n in numbers:
        yield entry(f"p{n}/*", f"openai/q{n}-*", f"api_base: 'http://box{n}/v1'")
        yield entry(f"r{n}-*", f"groq/m{n}")
    pairs = ", ".join(f"{{p{n}/x: [r{n}-y]}}" for n in numbers)
    yield f"router_settings: {{fallbacks: [{pairs}]}}\n"


def work(text: str) -> int:
    """Import a file, and return how many lines that takes."""
    lines = 0

    def count(frame: FrameType, _event: str, _value: Any) -> Any:
        nonlocal lines
        if "claude_bridge" not in frame.f_code.co_filename:
            return None
        lines += 1
        return count

    read, out, err, before = reading({FILE: text.encode()}), io.StringIO(), io.StringIO(), sys.gettrace()
    sys.settrace(count)
    try:
        run(Order(file=FILE), out, err, read)
    finally:
        sys.settrace(before)
    assert out.getvalue().startswith("# Made by"), err.getvalue()
    return lines


@pytest.mark.parametrize("content", [servers, stand_ins, one_name, patterns])
def test_linear(content: Callable[[range], Iterator[str]]) -> None:
    """The second half of a file is as much work as the first, but for a hundredth."""
    _, few, more, most = (  # the first imports modules, and makes what is kept
        work("model_list:\n" + "".join(content(range(1_000, 1_000 + models)))) for models in (1, FEW, 2 * FEW, 4 * FEW)
    )
    assert (most - more) / (more - few) < 2 * 1.01
