"""Servers that speak the Messages API, and what differs between them.

Their requests and answers are not translated, so that only one thing matters: which of them refuse thinking blocks that
they did not sign themselves. The vendors' own models behind this API sign with anything or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, Literal

from attrs import fields, frozen

from claude_bridge.core.backend_api import Clues, DialectDecision, first_recognised
from claude_bridge.core.server import Server

REQUEST_PATH: Final = "v1/messages"

Signatures = Literal["checked", "unchecked"]


@frozen(kw_only=True)
class Traits:
    """What differs between models; ``[model:*]`` overrides it.

    :ivar signatures: whether the server refuses thinking blocks that it did not sign. If they are checked, blocks
        without a signature, or with one that the bridge made, are left out; else the model would lose what it thought.
    """

    signatures: Signatures = "unchecked"


TRAITS: Final = tuple(each.name for each in fields(Traits))


@frozen
class Generic(Server):
    """A server of which nothing is known: nothing is left out until it refuses it."""

    server: ClassVar[str] = "Any other server with the Messages API"
    default_traits: ClassVar[Traits] = Traits()

    def traits(self, model: str) -> Traits:
        """Return the traits of a model."""
        del model
        return self.default_traits


@frozen
class Anthropic(Generic):
    """Anthropic's own API."""

    name = "anthropic"
    server = "Anthropic"
    hosts = ("api.anthropic.com",)
    key_header = "x-api-key"
    is_anthropic = True
    default_traits = Traits(signatures="checked")


@frozen
class Bedrock(Generic):
    """Amazon Bedrock's Messages API, ``bedrock-mantle.REGION.api.aws``."""

    name = "bedrock"
    server = "Amazon Bedrock"
    known_by = "host `bedrock-mantle.*.api.aws`"
    default_traits = Traits(signatures="checked")

    def recognised(self, clues: Clues) -> str:
        """Return the host if it is one of the service's."""
        known = clues.host.startswith("bedrock-mantle.") and clues.host.endswith(".api.aws")
        return f"host {clues.host}" if known else ""


@frozen
class OpenRouter(Generic):
    """OpenRouter, behind which Anthropic's models check what they signed, and most others nothing."""

    name = "openrouter"
    server = "OpenRouter"
    hosts = ("openrouter.ai",)

    def traits(self, model: str) -> Traits:
        """Return the traits of a model by its vendor."""
        return Traits(signatures="checked" if "claude" in model.lower() else "unchecked")


@frozen
class DeepSeek(Generic):
    """DeepSeek, whose models want back what they thought during a tool loop."""

    name = "deepseek"
    server = "DeepSeek"
    hosts = ("api.deepseek.com",)


@frozen
class Moonshot(Generic):
    """Moonshot's Kimi models."""

    name = "moonshot"
    server = "Moonshot AI (Kimi)"
    hosts = ("api.moonshot.ai", "api.moonshot.cn", "api.kimi.com")


@frozen
class Zai(Generic):
    """Z.ai's GLM models."""

    name = "zai"
    server = "Z.ai (GLM)"
    hosts = ("api.z.ai", "open.bigmodel.cn")


@frozen
class Vllm(Generic):
    """The Messages API of vLLM."""

    name = "vllm"
    server = "vLLM"
    known_by = "`owned_by` in its model list"
    speaks_for_itself = True

    def recognised(self, clues: Clues) -> str:
        """Return the owner of its models as the clue, or ""."""
        return clues.only_owner("vllm")


@frozen
class LlamaCpp(Generic):
    """The Messages API of llama.cpp's server."""

    name = "llamacpp"
    server = "llama.cpp"
    known_by = "`Server: llama.cpp`, or `owned_by` in its model list"
    speaks_for_itself = True

    def recognised(self, clues: Clues) -> str:
        """Return its ``Server`` header or the owner of its models as the clue, or ""."""
        if clues.headers.get("server") == "llama.cpp":
            return "header Server: llama.cpp"
        return clues.only_owner("llamacpp")


@frozen
class Ollama(Generic):
    """The Messages API of Ollama."""

    name = "ollama"
    server = "Ollama"
    known_by = "`owned_by` in its model list"
    speaks_for_itself = True

    def recognised(self, clues: Clues) -> str:
        """Return the owner of its models as the clue, or ""."""
        return clues.only_owner("library")


GENERIC: Final = Generic()

# the first that recognises a backend decides: hosts before clues from engines, which services pass on
_KNOWN: Final[tuple[Generic, ...]] = (
    *(Anthropic(), Bedrock(), OpenRouter(), DeepSeek(), Moonshot(), Zai()),
    *(LlamaCpp(), Ollama(), Vllm()),
)

DIALECTS: Final[Mapping[str, Generic]] = {dialect.name: dialect for dialect in (GENERIC, *_KNOWN)}


def decide(clues: Clues) -> DialectDecision | None:
    """Return the dialect that recognises the clues, or None."""
    return first_recognised(_KNOWN, clues)
