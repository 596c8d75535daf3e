"""All dialects by name, and the recognition of a backend's dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from claude_bridge.core.backend_api import Clues, DialectDecision, first_recognised
from claude_bridge.core.chat_completions.dialect import GENERIC, Dialect
from claude_bridge.core.chat_completions.dialects.azure import Azure
from claude_bridge.core.chat_completions.dialects.chutes import Chutes
from claude_bridge.core.chat_completions.dialects.dashscope import DashScope
from claude_bridge.core.chat_completions.dialects.deepseek import DeepSeek
from claude_bridge.core.chat_completions.dialects.fireworks import Fireworks
from claude_bridge.core.chat_completions.dialects.gemini import Gemini
from claude_bridge.core.chat_completions.dialects.groq import Groq
from claude_bridge.core.chat_completions.dialects.llamacpp import LlamaCpp
from claude_bridge.core.chat_completions.dialects.lmstudio import LmStudio
from claude_bridge.core.chat_completions.dialects.mistral import Mistral
from claude_bridge.core.chat_completions.dialects.moonshot import Moonshot
from claude_bridge.core.chat_completions.dialects.ollama import Ollama
from claude_bridge.core.chat_completions.dialects.openai import OpenAI
from claude_bridge.core.chat_completions.dialects.openrouter import OpenRouter
from claude_bridge.core.chat_completions.dialects.sglang import Sglang
from claude_bridge.core.chat_completions.dialects.together import Together
from claude_bridge.core.chat_completions.dialects.vllm import Vllm
from claude_bridge.core.chat_completions.dialects.xai import Xai
from claude_bridge.core.chat_completions.dialects.zai import Zai

_ALL: Final[tuple[Dialect, ...]] = (
    # the first that recognises a backend decides: hosts before clues from engines, which services pass on
    Azure(),
    DashScope(),
    DeepSeek(),
    Fireworks(),
    Gemini(),
    Groq(),
    Mistral(),
    Moonshot(),
    OpenAI(),
    OpenRouter(),
    Together(),
    Xai(),
    Zai(),
    Chutes(),
    LlamaCpp(),
    LmStudio(),
    Ollama(),
    Sglang(),
    Vllm(),
)

DIALECTS: Final[Mapping[str, Dialect]] = {dialect.name: dialect for dialect in (GENERIC, *_ALL)}


def decide(clues: Clues) -> DialectDecision | None:
    """Return the dialect that recognises the clues, or None."""
    return first_recognised(_ALL, clues)
