"""Azure: OpenAI's models under names chosen by the operator, beside those of other vendors."""

from __future__ import annotations

from typing import ClassVar, Final

from attrs import frozen

from claude_bridge.core.backend_api import TokenizerEndpoint
from claude_bridge.core.responses_api.dialects.openai import FAMILIES, Families, OpenAI
from claude_bridge.core.responses_api.traits import Traits

_OTHERS: Final = Traits()


@frozen
class Azure(OpenAI):
    """Azure OpenAI and Foundry, on the path that ends in ``/openai/v1``.

    A model whose name is that of another vendor, or says nothing, gets no traits of OpenAI's own.
    """

    name: ClassVar[str] = "azure"
    server: ClassVar[str] = "Azure OpenAI and Foundry, on the path that ends in `/openai/v1`"
    speaks_for_itself: ClassVar[bool] = False
    hosts: ClassVar[tuple[str, ...]] = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
    key_header: ClassVar[str] = "api-key"
    tokenizer: ClassVar[TokenizerEndpoint | None] = None
    default_traits: ClassVar[Traits] = _OTHERS
    families: ClassVar[Families] = (
        (r"llama|mistral|ministral|codestral|deepseek|phi-|cohere|grok|kimi|qwen|jais|jamba|mai-|gpt-oss", _OTHERS),
        *FAMILIES,
    )
