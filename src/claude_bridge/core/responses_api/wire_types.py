"""Wire types of the Responses API: requests, and the events and items of answers.

Decoding is lenient: every field has a default, and `claude_bridge.core.responses_api.codec` falls back to a lenient
decoder where a server's types differ. ``gc=False`` marks classes that cannot be part of a cycle.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType

EMPTY = Raw(b"")
"""A Raw field that was absent."""


class InputText(Struct, tag="input_text", tag_field="type", gc=False):
    """A part of the input: text."""

    text: str


class InputImage(Struct, tag="input_image", tag_field="type", gc=False):
    """A part of the input: an image, as a data URL or an address."""

    image_url: str
    detail: str = "auto"


class InputFile(Struct, tag="input_file", tag_field="type", gc=False):
    """A part of the input: a file, as a data URL."""

    filename: str
    file_data: str


InputPart = InputText | InputImage | InputFile


class Message(Struct, tag="message", tag_field="type"):
    """What somebody said; ``phase`` says whether words of the model were a comment on its work or its answer."""

    role: str
    content: str | list[InputPart]
    phase: str | UnsetType = UNSET


class FunctionCall(Struct, tag="function_call", tag_field="type", gc=False):
    """A call in the history."""

    call_id: str
    name: str
    arguments: str


class FunctionCallOutput(Struct, tag="function_call_output", tag_field="type"):
    """The result of a call."""

    call_id: str
    output: str | list[InputPart]


class ReasoningItem(Struct, tag="reasoning", tag_field="type"):
    """Past reasoning that only the server can read, as it gave it."""

    id: str
    summary: list[Any]
    encrypted_content: str


InputItem = Message | FunctionCall | FunctionCallOutput | ReasoningItem


class Reasoning(Struct, omit_defaults=True):
    """``reasoning``."""

    effort: str | None = None
    summary: str | None = None


class TextFormat(Struct, omit_defaults=True):
    """``text.format``."""

    type: str
    name: str | None = None
    schema: Raw = EMPTY
    strict: bool | None = None


class TextOptions(Struct):
    """``text``."""

    format: TextFormat


class FunctionTool(Struct, omit_defaults=True):
    """One entry of ``tools``."""

    name: str
    description: str | None = None
    strict: bool | None = None
    parameters: Raw = EMPTY


class NamedToolChoice(Struct):
    """``tool_choice`` that asks for one tool."""

    name: str
    type: str = "function"


class ResponseRequest(Struct, omit_defaults=True):
    """The request without its input, in the order in which the fields are written; ``input`` comes last.

    The order is fixed so that two turns of a conversation begin with the same bytes.
    """

    model: str
    stream: bool = False
    store: bool | None = None
    include: list[str] | None = None
    prompt_cache_key: str | None = None
    reasoning: Reasoning | None = None
    text: TextOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    tool_choice: str | NamedToolChoice | None = None
    parallel_tool_calls: bool | None = None
    tools: list[Raw] | None = None
    instructions: str | None = None


class StreamEvent(Struct):
    """An event of a stream, or an error where one should be.

    Large fields are decoded only if they are needed: ``response`` repeats instructions and tools three times.
    """

    type: str = ""
    delta: str | None = None
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    text: str | None = None
    refusal: str | None = None
    name: str | None = None
    arguments: str | None = None
    item: Raw = EMPTY
    response: Raw = EMPTY
    error: Raw = EMPTY


class IncompleteDetails(Struct):
    """Why an answer is incomplete."""

    reason: str | None = None


class Response(Struct):
    """A whole answer, or what events say of it."""

    object: str | None = None
    status: str | None = None
    model: str | None = None
    output: Raw = EMPTY
    usage: Raw = EMPTY
    error: Raw = EMPTY
    incomplete_details: IncompleteDetails | None = None


class OutputItem(Struct):
    """An item of an answer: a message, reasoning, a call, or one of the many that the bridge does not ask for."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    content: list[Raw] | None = None
    summary: list[Raw] | None = None
    encrypted_content: str | None = None


class OutputPart(Struct):
    """A part of a message's content, of a summary, or of reasoning."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
