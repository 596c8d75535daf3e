"""Differences between backends, expressed as data; a dialect decides them, and ``[model:*]`` overrides them.

Each field has the default of the generic OpenAI-compatible server, chosen so that an unknown server
refuses nothing and loses nothing. The sentence beside each is its documentation, here and for the option of that name.
"""

# ruff: noqa: RUF009 - `trait` is `attrs.field`, which the rule would know by name

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen

from claude_bridge.core.call_ids import ToolIds
from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.json_schema.levels import SchemaLevel
from claude_bridge.core.media_parts import ImageSupport, PdfSupport
from claude_bridge.core.tool_choice import ToolChoices
from claude_bridge.core.turns import SystemMessages

ReasoningControl = Literal[
    "none",
    "effort",
    "thinking_type",
    "thinking_effort",
    "thinking_budget",
    "enable_thinking",
    "template_thinking",
    "template_budget",
    "top_level",
    "reasoning",
]
ReasoningEcho = Literal["current_turn", "never", "tool_turns", "all_turns", "after_last_user"]
ReasoningField = Literal["reasoning_content", "reasoning", "reasoning_details", "content"]

SystemRole = Literal["system", "developer"]
MaxTokensField = Literal["max_tokens", "max_completion_tokens"]
StreamUsage = Literal["usage", "continuous", "none"]
Prefill = Literal["pass", "prefix", "partial", "continue", "refuse"]
StructuredOutput = Literal["json_schema", "json_object", "instruction"]
CallContent = Literal["null", "empty"]
RequestField = Literal["temperature", "top_p", "stop"]


def trait(default: object, help: str) -> Any:  # noqa: A002, ANN401 - as attrs.field
    """Return the field of a trait: the generic server's value, and the sentence that documents it, in Markdown."""
    return field(default=default, metadata={"help": help})


@frozen(kw_only=True)
class Traits:
    """The differences of one model at one kind of server."""

    reasoning_control: ReasoningControl = trait(
        "none",
        "How to ask for more or less thinking: `none`; `effort` (`reasoning_effort`); `thinking_type` (`thinking: "
        "{type}`); `thinking_effort` (both); `thinking_budget` (`thinking: {type, budget_tokens}`); `enable_thinking` "
        "or `template_thinking` (`enable_thinking` or `thinking` in `chat_template_kwargs`); `template_budget` (the "
        "first and `thinking_budget_tokens`); `top_level` (`enable_thinking`, `thinking_budget`); `reasoning` "
        "(OpenRouter's object).",
    )
    reasoning_levels: tuple[ReasoningLevel, ...] = trait(
        ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        "The words that `reasoning_effort` may have, one per line or with commas (`low, high, max`); the nearest above "
        "the wanted one is taken.",
    )
    reasoning_field: ReasoningField = trait("reasoning_content", "The field in which past thinking goes back.")
    reasoning_echo: ReasoningEcho = trait(
        "current_turn",
        "Which past thinking goes back: `current_turn` (with tool calls after the last user text; off after the "
        "backend refuses it), `never`, `tool_turns`, `all_turns`, `after_last_user`. With the last three a "
        "space stands for thinking that is not there and that such a server insists on.",
    )
    # a space stands on every turn for "all_turns", on turns with calls for the other two
    thinking_opened: bool = trait(False, "The chat template has opened `<think>` itself: answers begin inside it.")
    system_messages: SystemMessages = trait(
        "fold",
        "System messages inside the conversation: `fold` into the user turn, leave `inline`, join to the `leading` "
        "one, or `reject` so that the client folds them.",
    )
    system_role: SystemRole = trait("system", "The role of the system prompt: `system` or `developer`.")
    alternate: bool = trait(False, "User and assistant must take turns, the user first.")
    tool_choice: ToolChoices = trait(
        "named",
        "The most that the backend takes: `named`, `required`, `any` (Mistral's word for required), `auto`, `none`.",
    )
    # "required": no single tool by its name; "any" likewise; "auto": nothing is forced; "none": not the field at all
    parallel_tool_calls: bool = trait(True, "Send `parallel_tool_calls`.")
    schema: SchemaLevel = trait(
        "none",
        "How much of JSON Schema the backend takes in tools: `none` (all is sent as it is), `basic`, `moonshot`, "
        "`mistral`, `gemini`, `bare`.",
    )
    # what each level takes is in `json_schema.levels`
    strict: bool = trait(False, "Pass on `strict` of tools.")
    tool_ids: ToolIds = trait("any", "Ids of tool calls: `any`, or `nine` letters and digits (Mistral).")
    call_content: CallContent = trait("null", "`content` beside calls without text: `null` or `empty`.")
    tool_images: bool = trait(False, "Send images inside tool messages, not in a user message after them.")
    images: ImageSupport = trait(
        "yes", "Images: `yes`, `refuse` (Claude Code then takes them out and goes on), `omit` (a note instead)."
    )
    pdf: PdfSupport = trait("text", "PDF: sent as a `file` part, as `text` taken out here, or `refuse`.")
    prefill: Prefill = trait(
        "pass",
        "A conversation that ends with the assistant: `pass` it as it is, mark it (`prefix`, `partial`, `continue`), "
        "or `refuse`.",
    )
    max_tokens_field: MaxTokensField = trait("max_tokens", "The field that limits the answer.")
    stream_options: StreamUsage = trait(
        "usage", "How usage is asked for: `usage`, `continuous` (in every chunk), `none`."
    )
    structured_output: StructuredOutput = trait(
        "json_schema",
        "The most that the backend takes for `output_config.format`: `json_schema`, `json_object`, `instruction`.",
    )
    recover_tool_calls: bool = trait(False, "Make real calls of tool calls that the model writes as text.")
    top_k: bool = trait(False, "Send `top_k`.")
    drop: tuple[RequestField, ...] = trait(
        (), "Fields never to send, one per line or with commas: `temperature`, `top_p`, `stop`; or `none` of them."
    )
    cache_control: bool = trait(False, "Pass on marks of cached prefixes.")
    truncates: bool = trait(
        False, "The backend silently truncates prompts that are too long, so the bridge refuses them."
    )
