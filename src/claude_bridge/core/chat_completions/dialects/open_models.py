"""What the name of an open model says about it, whichever server runs it.

An operator may choose any name, so the result for an unknown one must do no harm.
"""

from __future__ import annotations

import re
from typing import Final

_GPT_OSS: Final = re.compile(r"gpt[-_]?oss")
_MISTRAL: Final = re.compile(r"mistral|mixtral|magistral|devstral|codestral|ministral|pixtral|voxtral")
_THINKING: Final = re.compile(r"deepseek[-_]?v(?:3\.[1-9]|[4-9])|kimi[-_]?k[2-9]|granite")

_CALLS_IN_TEXT: Final = re.compile(
    r"qwen|qwq|glm|kimi|deepseek|minimax|hermes|llama|mistral|mixtral|ministral|magistral|devstral|codestral"
    r"|gpt[-_]?oss"
)
"""Hermes' and Qwen's tags, GLM's, Kimi's sections, DeepSeek's DSML, MiniMax', Mistral's and Llama's tokens, harmony."""


def is_gpt_oss(model: str) -> bool:
    """Return whether it is OpenAI's open model, which always thinks, as much as ``reasoning_effort`` says."""
    return _GPT_OSS.search(model.lower()) is not None


def is_mistral(model: str) -> bool:
    """Return whether it is one of Mistral's, which vLLM runs without a chat template."""
    return _MISTRAL.search(model.lower()) is not None


def switched_by_thinking(model: str) -> bool:
    """Return whether the switch in its template is called ``thinking``, as SGLang's source says of these families.

    The others have ``enable_thinking``: Qwen, GLM, Nemotron, MiMo.
    """
    return _THINKING.search(model.lower()) is not None


def writes_calls(model: str) -> bool:
    """Return whether the model writes its calls in one of the forms that leak as text.

    They leak if the server, the owner's or a service, has no suitable parser, or its parser fails.
    """
    return _CALLS_IN_TEXT.search(model.lower()) is not None
