"""What differs from backend to backend and can be said as data; a dialect decides it, ``[model:*]`` overrides it.

Each field has the default of the plain OpenAI-compatible server, chosen so that a server which nobody knows
refuses nothing and loses nothing. The sentence beside each is its documentation everywhere.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.turns import SystemMessages

"""How much to think, from nothing to the most."""

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
ToolChoices = Literal["named", "required", "any", "auto", "none"]
SchemaLevel = Literal["none", "basic", "moonshot", "mistral", "gemini", "bare"]
MaxTokensField = Literal["max_tokens", "max_completion_tokens"]
StreamUsage = Literal["usage", "continuous", "none"]
Media = Literal["yes", "refuse", "omit"]
Pdf = Literal["file", "text", "refuse"]
Prefill = Literal["pass", "prefix", "partial", "continue", "refuse"]
StructuredOutput = Literal["json_schema", "json_object", "instruction"]
CallContent = Literal["null", "empty"]
ToolIds = Literal["any", "nine"]
RequestField = Literal["temperature", "top_p", "stop"]


@frozen(kw_only=True)
class Traits:
    """The differences of one model at one kind of server.

    :ivar reasoning_control: how a level of thinking is asked for. ``none``: not at all; ``effort``:
        ``reasoning_effort``; ``thinking_type``: ``thinking: {type}``; ``thinking_effort``: both; ``thinking_budget``:
        ``thinking: {type, budget_tokens}``; ``enable_thinking`` and ``template_thinking``: ``enable_thinking`` or
        ``thinking`` in ``chat_template_kwargs``; ``template_budget``: the first of these and llama.cpp's
        ``thinking_budget_tokens``; ``top_level``: DashScope's ``enable_thinking`` and ``thinking_budget``;
        ``reasoning``: OpenRouter's object.
    :ivar reasoning_levels: the words that ``reasoning_effort`` may have here; the nearest one above is taken.
    :ivar reasoning_field: in which field past thinking goes back.
    :ivar reasoning_echo: which past thinking goes back. ``current_turn``: on turns with tool calls after the last user
        text, and no more after a refusal. With ``all_turns`` a space stands for what is not there, with
        ``tool_turns`` and ``after_last_user`` where there are calls.
    :ivar thinking_opened: the chat template has already opened ``<think>``, so an answer begins inside it.
    :ivar system_messages: what becomes of system messages inside the conversation: folded into the user turn, left
        inline, joined to the leading one, or refused so that the client folds them.
    :ivar system_role: the role of the system prompt.
    :ivar alternate: user and assistant messages must take turns, the user first.
    :ivar tool_choice: the most that the server takes. ``named``: all forms; ``required``: no single tool by its name;
        ``any``: likewise, but ``any`` for required; ``auto``: no force; ``none``: not the field at all.
    :ivar parallel_tool_calls: whether ``parallel_tool_calls`` may be sent.
    :ivar schema: how much of JSON Schema the server takes in tools, see `json_schema.sanitising`.
    :ivar strict: pass on a tool's ``strict``.
    :ivar tool_ids: ``nine``: ids of calls are nine letters and digits.
    :ivar call_content: what ``content`` is beside calls without text.
    :ivar tool_images: tool messages may hold images.
    :ivar images: ``refuse`` with the words that make the client take them out, or ``omit`` with a visible note.
    :ivar pdf: PDF as a ``file`` part, as text taken out here, or refused.
    :ivar prefill: a conversation that ends with an assistant message: passed as it is, marked with ``prefix`` or
        ``partial`` or ``continue_final_message``, or refused.
    :ivar max_tokens_field: which field limits the answer.
    :ivar stream_options: how usage is asked for; ``continuous`` also asks for it in every chunk.
    :ivar structured_output: the most that the server takes for a required shape of answer.
    :ivar recover_tool_calls: look for calls that the model wrote as text.
    :ivar top_k: whether ``top_k`` may be sent.
    :ivar drop: fields that must not be sent.
    :ivar cache_control: marks of cached prefixes are passed on.
    :ivar truncates: the server silently truncates a prompt that is too long, so none may be sent.
    """

    reasoning_control: ReasoningControl = "none"
    reasoning_levels: tuple[ReasoningLevel, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    reasoning_field: ReasoningField = "reasoning_content"
    reasoning_echo: ReasoningEcho = "current_turn"
    thinking_opened: bool = False
    system_messages: SystemMessages = "fold"
    system_role: SystemRole = "system"
    alternate: bool = False
    tool_choice: ToolChoices = "named"
    parallel_tool_calls: bool = True
    schema: SchemaLevel = "none"
    strict: bool = False
    tool_ids: ToolIds = "any"
    call_content: CallContent = "null"
    tool_images: bool = False
    images: Media = "yes"
    pdf: Pdf = "text"
    prefill: Prefill = "pass"
    max_tokens_field: MaxTokensField = "max_tokens"
    stream_options: StreamUsage = "usage"
    structured_output: StructuredOutput = "json_schema"
    recover_tool_calls: bool = False
    top_k: bool = False
    drop: tuple[RequestField, ...] = ()
    cache_control: bool = False
    truncates: bool = False
