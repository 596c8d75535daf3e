"""Azure: OpenAI's models under names chosen by the operator, beside those of other vendors."""

from __future__ import annotations

from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.chat_completions.dialects.hosted import Families
from claude_bridge.core.chat_completions.dialects.openai import CHATS, FAMILIES, OpenAI
from claude_bridge.core.chat_completions.traits import Traits

# PDF is supported by its Responses API only.
_CHATS: Final = evolve(CHATS, pdf="text")
_OTHERS: Final = Traits()


@frozen
class Azure(OpenAI):
    """Azure OpenAI and Foundry, on the path that ends in ``/openai/v1``.

    The older paths with a deployment in them need the query ``api-version``, which a backend's url may not have. A
    model whose name is that of another vendor gets no traits of OpenAI's own. A first chunk without choices, with
    ``prompt_filter_results``, needs no special treatment.
    """

    name: ClassVar[str] = "azure"
    speaks_for_itself: ClassVar[bool] = False
    server: ClassVar[str] = "Azure OpenAI and Foundry, on the path that ends in `/openai/v1`"
    hosts: ClassVar[tuple[str, ...]] = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
    key_header: ClassVar[str] = "api-key"
    default_traits: ClassVar[Traits] = _CHATS
    families: ClassVar[Families] = (
        (r"llama|mistral|ministral|codestral|deepseek|phi-|cohere|grok|kimi|qwen|jais|jamba|mai-|gpt-oss", _OTHERS),
        *((pattern, evolve(traits, pdf="text")) for pattern, traits in FAMILIES),
    )
