"""Tests for `claude_bridge.core.chat_completions.errors.adjustments`.

What servers' own words teach, and which words teach nothing.

Each wording is one that users of the server reported; where, stands beside it.
"""
# ruff: noqa: E501 - words stand as servers say them

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.backend_api import UpstreamFailure
from claude_bridge.core.chat_completions.dialect import Target, as_fields
from claude_bridge.core.chat_completions.dialects.azure import Azure
from claude_bridge.core.chat_completions.dialects.openrouter import OpenRouter
from claude_bridge.core.chat_completions.errors.adjustments import refuses_images, trait_change
from claude_bridge.core.chat_completions.traits import ReasoningEcho
from claude_bridge.core.chat_completions.translation import Translation
from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.upstream_errors import classification, overflow_detection
from claude_bridge.core.upstream_errors.trait_changes import TraitChange
from tests.core.asking import IMAGE, asked, assistant, result, system, text, tool, translate, use, user

CHOICE = {"type": "tool", "name": "a", "disable_parallel_tool_use": True}
FORMAT = {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}, "effort": "xhigh"}
EVERYTHING: dict[str, Any] = {
    "tools": [tool("a")],
    "tool_choice": CHOICE,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "stop_sequences": ["END"],
}
TARGET = Target(
    model="m",
    top_k=True,
    reasoning_control="effort",
    system_messages="inline",
    system_role="developer",
    stream_options="continuous",
)


def sent(target: Target = TARGET, **fields: Any) -> Translation:
    """Make a request that has all that can be refused, or just these fields."""
    messages = [user(text("hi"), IMAGE), system("note")]
    return translate(asked(*messages, **(fields or {**EVERYTHING, "output_config": {"effort": "xhigh"}})), target)


def refused(message: object, status: int = 400) -> UpstreamFailure:
    """Read a refusal: a sentence in OpenAI's shape, or a whole body."""
    body = {"error": {"message": message, "type": "invalid_request_error"}} if isinstance(message, str) else message
    return classification.from_response(status, {}, json.dumps(body).encode(), now=0.0)


def learned(message: object, status: int = 400, **fields: Any) -> object:
    """Return the trait and its new value that a refusal of a full request teaches."""
    found = trait_change(refused(message, status), sent(**fields))
    return None if found is None else (found.trait, found.value)


SCHEMA_WORDS = [
    # opencodex 2135, llama.cpp 25895, qwen-code 10435
    (400, "Failed to initialize samplers: failed to parse grammar"),
    # BrowserOS 255
    (400, 'JSON schema conversion failed:\nUnrecognized schema: {"description":"Arguments for the tool (JSON object)"}'),
    # lmstudio-bug-tracker 2168
    (400, "Unable to generate parser for this template. Automatic parser generation failed: JSON schema conversion failed:\nPattern must start with '^' and end with '$'"),
    # the same inside a stream, without a status (hermes-agent 71279)
    (502, 'Engine protocol predict request returned 400: {"error":{"code":400,"message":"Failed to initialize samplers: failed to parse grammar","type":"invalid_request_error"}}'),
    # trae-agent 173, github-mcp-server 1548, spring-ai 4776
    (400, "Invalid schema for function 'json_edit_tool': In context=('properties', 'value'), 'additionalProperties' is required to be supplied and to be false."),
    (400, "Invalid schema for function 'get_me': In context=(), object schema missing properties."),
    # vllm 16880, 16321
    (400, "The provided JSON schema contains features not supported by xgrammar."),
    # club-3090 45
    (500, 'Grammar error: Unimplemented keys: ["propertyNames"]'),
    # pi 5352, mcp-gateway 234
    (400, "JSON Schema not supported: could not understand the instance `{'required': ['criteria']}`."),
    (500, "fireworks_chat_tp: 400: JSON Schema not supported: could not understand the instance `{'description': 'x'}`"),
    # agent-coworker 82
    (400, "Error initializing response_format.grammar"),
    # claude-code-router 708
    (400, "Unsupported JSON schema fields: {'minItems', 'items'}"),
    # langchain-oracle 16
    (400, {"code": "Client specified an invalid argument", "error": "Invalid request content: Invalid function schema."}),
    # openclaw 29416
    (400, "tools.27.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12"),
]  # fmt: skip

RULES: list[tuple[str, object, int, object]] = [
    # oh-my-pi 6925, lmstudio-bug-tracker 670
    ("tool_choice", "required", 400, {"error": "Invalid tool_choice type: 'object'. Supported string values: none, auto, required"}),
    # DeepSeek-R1 836, awesome-deepseek-integration 598
    ("tool_choice", "auto", 400, "deepseek-reasoner does not support this tool_choice"),
    # opencode-mem 253
    ("tool_choice", "auto", 400, "Thinking mode does not support this tool_choice"),
    # oh-my-pi 827, 1077
    ("tool_choice", "auto", 400, "tool_choice 'specified' is incompatible with thinking enabled"),
    # eino 994
    ("tool_choice", "auto", 400, "<400> InternalError.Algo.InvalidParameter: The tool_choice parameter does not support being set to required or object in thinking mode"),
    ("tool_choice", "required", 404, "No endpoints found that support the provided 'tool_choice' value."),
    # avante.nvim 2347, anon-kode 53: pydantic's list inside "message"
    ("stream_options", "none", 422, {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc":
     ["body", "stream_options", "include_usage"], "msg": "Extra inputs are not permitted", "input": True}]}}),
    ("stream_options", "none", 400, "Unrecognized request argument supplied: stream_options"),
    ("stream_options", "usage", 400, "stream_options.continuous_usage_stats: Extra inputs are not permitted"),
    # ESPHomeDesigner 379, openai-python and everywhere
    ("max_tokens_field", "max_completion_tokens", 400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."),
    # fast-agent 279, llama_index 20865
    ("parallel_tool_calls", False, 400, "Unsupported parameter: 'parallel_tool_calls' is not supported with this model."),
    # Mistral's shape for any field
    ("parallel_tool_calls", False, 422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "parallel_tool_calls"],
     "msg": "Extra inputs are not permitted"}]}),
    ("top_k", False, 400, "Unknown parameter: 'top_k'."),
    # lumen 1087, qwen-code 921
    ("drop", ("temperature",), 400, "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported."),
    # anything-llm 5461
    ("drop", ("temperature",), 400, "`temperature` is deprecated for this model."),
    # GenericAgent 29
    ("drop", ("temperature",), 400, "invalid temperature: only 1 is allowed for this model"),
    # litellm 15070
    ("drop", ("top_p",), 400, "`temperature` and `top_p` cannot both be specified for this model. Please use only one."),
    # litellm 12635, opencodex 5278
    ("drop", ("stop",), 400, {"code": "Client specified an invalid argument", "error": "Argument not supported on this model: stop"}),
    ("drop", ("stop",), 400, {"code": "invalid-argument", "error": "Model grok-4.6 does not support parameter stop."}),
    # OpenAI's words for any value of an enumeration
    ("reasoning_levels", ("low", "medium", "high"), 400, "Unsupported value: 'reasoning_effort' does not support 'xhigh' with this model. Supported values are: 'low', 'medium', and 'high'."),
    ("reasoning_levels", ("none", "high"), 422, "body.reasoning_effort: Input should be 'high' or 'none'"),
    ("reasoning_control", "none", 400, "Unsupported parameter: 'reasoning_effort' is not supported with this model."),
    ("reasoning_control", "none", 400, "Unrecognized request argument supplied: reasoning_effort"),
    ("reasoning_control", "none", 400, '"llama3.2:latest" does not support thinking'),
    # ollama 12561: until the autumn of 2025 only gpt-oss had levels
    ("reasoning_control", "none", 400, 'think value "medium" is not supported for this model'),
    # free-claude-code 130, openrag 335: vLLM; vllm 38560: the same from transformers
    ("reasoning_control", "none", 400, "chat_template is not supported for Mistral tokenizers."),
    ("reasoning_control", "none", 400, "Kwargs ['reasoning_effort'] are not supported by `MistralCommonTokenizer.apply_chat_template`."),
    # ollama 17141: an older server, which knows no "max"
    ("reasoning_levels", ("none", "low", "medium", "high"), 400, "invalid reasoning value: 'xhigh' (must be \"high\", \"medium\", \"low\", or \"none\")"),
    # CLIProxyAPI 1572: SGLang passes on pydantic's complaint as a text, with the refused value behind the list
    ("reasoning_levels", ("low", "medium", "high"), 400, {"object": "error", "message": "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'reasoning_effort'), 'msg': \"Input should be 'low', 'medium' or 'high'\", 'input': 'xhigh', 'ctx': {'expected': \"'low', 'medium' or 'high'\"}}", "type": "Bad Request", "param": None, "code": 400}),
    ("system_role", "system", 400, "Failed to deserialize the JSON body into the target type: messages[0].role: unknown variant `developer`, expected one of `system`, `user`, `assistant`, `tool`"),
    # the chat templates of Qwen 3.5 and Gemma, by vLLM and llama.cpp
    ("system_messages", "fold", 400, "System message must be at the beginning."),
    ("alternate", True, 400, "Conversation roles must alternate user/assistant/user/assistant/..."),
    ("alternate", True, 400, "Unexpected role 'user' after role 'tool'"),  # LiteLLM issue 17761
    ("alternate", True, 500, "After the optional system message, conversation roles must alternate user and assistant"),
]  # fmt: skip

NOTHING: list[tuple[int, str]] = [
    (400, "The model is not able to answer"),
    (400, "Your tool returned an error: invalid path"),
    (400, "messages.3: tool_use ids were found without tool_result blocks"),
    (400, "temperature must be less than or equal to 2"),
    (400, "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead."),
    (400, "top_p must be in (0, 1], got 1.5."),
    (400, "max_tokens is too large: 32000. This model supports at most 16384 completion tokens."),
    (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
    (400, "Model does not exist"),
    (400, "This endpoint is deprecated, please stop."),
    (401, "Unsupported parameter: 'temperature' is not supported with this model."),
    (429, "tool_choice is not supported"),
    (503, "Failed to initialize samplers: failed to parse grammar"),
]


class LessonTests:
    """What is learned."""

    @pytest.mark.parametrize(("status", "message"), SCHEMA_WORDS)
    def test_schema(self, status: int, message: object) -> None:
        """A server that cannot use a tool's schema gets the slimmest at once."""
        assert learned(message, status) == ("schema", "bare")

    @pytest.mark.parametrize(
        ("message", "level", "expected"),
        [
            # GitNexus 2703
            ("tools.function.parameters is not a valid moonshot flavored json schema, details: <At path 'root': when using anyOf, type should be defined in anyOf items instead of the parent schema>", "none", "moonshot"),
            ("tools.function.parameters is not a valid moonshot flavored json schema", "moonshot", "bare"),
            # nakama 292
            ("Invalid JSON payload received. Unknown name \"exclusiveMinimum\" at 'tools[0].function_declarations[6].parameters.properties[3].value': Cannot find field.", "basic", "gemini"),
            ("* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties[a].items: missing field.",
             "gemini", "bare"),
            ("Failed to initialize samplers: failed to parse grammar", "mistral", "bare"),
            ("Failed to initialize samplers: failed to parse grammar", "bare", None),
        ],
    )  # fmt: skip
    def test_own_level(self, message: str, level: Any, expected: object) -> None:
        """A server that names itself gets its own level, and after that the slimmest; then there is nothing left."""
        target = Target(model="m", schema=level)
        assert learned(message, target=target) == (None if expected is None else ("schema", expected))

    @pytest.mark.parametrize(("trait", "value", "status", "message"), RULES)
    def test_rules(self, trait: str, value: object, status: int, message: object) -> None:
        """Each server's words teach the one trait that they are about."""
        assert learned(message, status) == (trait, value)

    @pytest.mark.parametrize(("status", "message"), NOTHING)
    def test_near_misses(self, status: int, message: str) -> None:
        """Refusals of something else teach nothing, nor do failures that are none."""
        assert learned(message, status) is None

    def test_overflows_are_told_apart(self) -> None:
        """No wording here is taken for an overflow of the context window."""
        words = [message for _, message in SCHEMA_WORDS] + [message for *_, message in RULES]
        assert [message for message in words if overflow_detection.detect(refused(message)) is not None] == []

    @pytest.mark.parametrize("message", [message for *_, message in RULES] + [message for _, message in SCHEMA_WORDS])
    def test_only_what_was_sent(self, message: object) -> None:
        """A refusal that speaks of what the request had not teaches nothing."""
        plain = Target(model="m", stream_options="none", alternate=True)
        nothing = translate(_without_limit(), plain)
        assert trait_change(refused(message), nothing) is None

    @pytest.mark.parametrize(
        ("choice", "form", "message", "expected"),
        [
            ({"type": "any"}, "named", "'tool_choice' does not support 'required'", "auto"),
            ({"type": "any"}, "required", "tool_choice: Input should be 'auto', 'none' or 'any'", "any"),
            ({"type": "any"}, "any", "tool_choice 'any' is not supported", "auto"),
            ({"type": "auto"}, "named", "tool_choice is not supported by this model", "none"),
            ({"type": "auto"}, "none", "tool_choice is not supported by this model", None),
        ],
    )
    def test_tool_choice(self, choice: Any, form: Any, message: str, expected: object) -> None:
        """From each form of tool choice it is a step to a weaker one, until there is none."""
        target = Target(model="m", tool_choice=form)
        found = learned(message, target=target, tools=[tool("a")], tool_choice=choice)
        assert found == (None if expected is None else ("tool_choice", expected))

    def test_second_field_joins_the_first(self) -> None:
        """Fields that were dropped before stay dropped."""
        target = Target(model="m", drop=("stop",))
        assert learned("`temperature` is deprecated for this model.", target=target, temperature=1) == (
            "drop",
            ("stop", "temperature"),
        )

    def test_says_itself(self) -> None:
        """A lesson can be read in a log."""
        assert str(TraitChange(trait="schema", value="bare")) == "schema = bare"

    @given(
        st.text()
        | st.lists(
            st.sampled_from(["tool_choice", "not", "supported", "schema", "invalid", "tools", "[", ".", "must", "be"])
        ).map(" ".join)
    )
    def test_any_words(self, message: str) -> None:
        """Whatever a server says, it can be asked for its meaning."""
        trait_change(UpstreamFailure(status=400, message=message), sent())


def _without_limit() -> Any:
    """Make a request with nothing in it."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    return parsing.decode(json.dumps(body).encode(), counting=True)


MISSED_WORDS = [
    # pi 3636, openagent 2206, oai-compatible-copilot 215
    ("all_turns", "The `reasoning_content` in the thinking mode must be passed back to the API."),
    # vscode-unify-chat-provider 286: through a gateway
    ("all_turns", "Error from provider (Console): Upstream request failed: [invalid_request_error] The reasoning_content in the thinking mode must be passed back to the API."),
    ("all_turns", "Missing `reasoning_content` field in the assistant message at message index 2. For more information, please refer to https://api-docs.deepseek.com/guides/thinking_mode#tool-calls"),
    ("tool_turns", "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2"),
    ("all_turns", "messages.3.reasoning_content: Field required"),
]  # fmt: skip


class EchoTests:
    """Thinking that a server of unknown kind misses."""

    ASKED_AGAIN = (user("hi"), assistant("Ok."), user("go on"))

    @pytest.mark.parametrize(("expected", "message"), MISSED_WORDS)
    def test_missed(self, expected: ReasoningEcho, message: str) -> None:
        """A server that misses the thinking of past turns gets it from then on."""
        again = translate(asked(*self.ASKED_AGAIN), Target(model="m"))
        assert trait_change(refused(message), again) == TraitChange(trait="reasoning_echo", value=expected)
        taught = translate(asked(*self.ASKED_AGAIN), Target(model="m", reasoning_echo=expected))
        assert trait_change(refused(message), taught) == (
            None if expected == "all_turns" else TraitChange(trait="reasoning_echo", value="all_turns")
        )

    def test_both(self) -> None:
        """A template that takes either text or thinking beside a call gets no thinking (lmstudio 842, llama.cpp 19702)."""
        message = 'Error rendering prompt with jinja template: "Cannot pass both content and thinking in an assistant message with tool calls!"'
        again = translate(asked(*self.ASKED_AGAIN), Target(model="m"))
        for status in (400, 500):
            assert trait_change(refused(message, status), again) == TraitChange(trait="reasoning_echo", value="never")
        taught = translate(asked(*self.ASKED_AGAIN), Target(model="m", reasoning_echo="never"))
        assert trait_change(refused(message), taught) is None

    @pytest.mark.parametrize(("expected", "message"), MISSED_WORDS)
    def test_nothing_answered_yet(self, expected: str, message: str) -> None:
        """Where nothing was answered yet nothing can be missed."""
        first = translate(asked(user('{"role":"assistant"}')), Target(model="m"))
        assert trait_change(refused(message), first) is None, expected

    @pytest.mark.parametrize(
        "message",
        [
            "property 'reasoning_content' is unsupported",
            "messages.1.reasoning_content: Extra inputs are not permitted",
            "The reasoning_content in the input must not be passed back",
            "'reasoning_content' is not required and not allowed here",
        ],
    )
    def test_near_misses(self, message: str) -> None:
        """A server that refuses the field is not sent more of it."""
        again = translate(asked(*self.ASKED_AGAIN), Target(model="m"))
        assert trait_change(refused(message), again) is None


MANDATORY_WORDS = [
    # claude-code-router 1215, 1229 and 1238, rakazo 114, pi 4316
    "Reasoning is mandatory for this endpoint and cannot be disabled.",
    # opencode-copilot-chat 162: Z.ai
    "This model always engages in thinking and cannot be disabled; please use low, high, or max",
]


class MandatoryTests:
    """Models that always think, asked not to, as clients do for titles."""

    OFF: ClassVar[dict[str, Any]] = {"thinking": {"type": "disabled"}}

    @pytest.mark.parametrize("message", MANDATORY_WORDS)
    def test_levels(self, message: str) -> None:
        """Where thinking has levels the lowest stands for none from then on, and the others stay."""
        router = Target(**as_fields(OpenRouter().traits("stepfun/step-3.5-flash")), model="m", dialect=OpenRouter())
        levels: tuple[ReasoningLevel, ...] = ("minimal", "low", "medium", "high", "xhigh")
        assert learned(message, target=router, **self.OFF) == ("reasoning_levels", levels)
        taught = evolve(router, reasoning_levels=levels)
        body = json.loads(translate(asked(user("hi"), **self.OFF), taught).body)
        assert body["reasoning"] == {"effort": "minimal"}
        effort = Target(model="m", reasoning_control="effort", reasoning_levels=("none", "high"))
        assert learned(message, target=effort, **self.OFF) == ("reasoning_levels", ("high",))

    @pytest.mark.parametrize("message", MANDATORY_WORDS)
    @pytest.mark.parametrize("control", ["thinking_type", "enable_thinking", "top_level"])
    def test_switches(self, message: str, control: Any) -> None:
        """Where it has only a switch, the switch is left alone."""
        target = Target(model="m", reasoning_control=control)
        assert learned(message, target=target, **self.OFF) == ("reasoning_control", "none")

    @pytest.mark.parametrize("message", MANDATORY_WORDS)
    def test_nothing_said(self, message: str) -> None:
        """Where nothing was said of thinking nothing is learned."""
        assert learned(message, target=Target(model="m"), **self.OFF) is None


class ToolsOrEffortTests:
    """Models that reason unless told not to, and then call no tools (pipecat 4043, openai-openapi 541)."""

    WORDS = "Function tools with reasoning_effort are not supported for gpt-5.6 in /v1/chat/completions. Please use /v1/responses instead."
    FIELDS: ClassVar[dict[str, Any]] = {"tools": [tool("a")], "output_config": {"effort": "high"}}

    def test_unknown_server(self) -> None:
        """A server behind which nobody knew such a model is told in the end not to let it reason."""
        target = Target(model="m")
        assert learned(self.WORDS, target=target, **self.FIELDS) == ("reasoning_levels", ("none",))
        taught = evolve(target, reasoning_levels=("none",))
        assert learned(self.WORDS, target=taught, **self.FIELDS) == ("reasoning_control", "effort")
        told = sent(evolve(taught, reasoning_control="effort"), **self.FIELDS)
        assert told.fields.reasoning_effort == "none"

    def test_effort(self) -> None:
        """Where an effort was sent it becomes none at once."""
        target = Target(model="m", reasoning_control="effort")
        assert learned(self.WORDS, target=target, **self.FIELDS) == ("reasoning_levels", ("none",))

    def test_even_none(self) -> None:
        """Where even the word none is refused nothing is said (agentgateway 2894: Azure)."""
        target = Target(**as_fields(Azure().traits("gpt-5.6-luna")), model="gpt-5.6-luna", dialect=Azure())
        assert sent(target, **self.FIELDS).fields.reasoning_effort == "none"
        assert learned(self.WORDS, target=target, **self.FIELDS) == ("reasoning_control", "none")
        assert sent(evolve(target, reasoning_control="none"), **self.FIELDS).fields.reasoning_effort is None

    def test_comes_to_an_end(self) -> None:
        """Where all is refused the same few lessons return, and each is good for one retry of a request."""
        for first in (Target(model="m"), TARGET):
            target, found = first, list[str]()
            for _ in range(9):
                one = trait_change(refused(self.WORDS), sent(target, **self.FIELDS))
                assert one is not None
                found.append(str(one))
                target = evolve(target, **{one.trait: one.value})
            assert len(set(found)) <= 3


NULL_WORDS = [
    # grok2api 41
    "ValidationError: body.messages.content.str - Input should be a valid string",
    # oh-my-pi 5121
    "openai-chat: messages[1].content must be a string or an object (was null)",
    # vercel/ai 14950
    "Invalid value for 'content': expected a string, got null.",
    # pydantic's first version, serde
    "1 validation error for Request\nbody -> messages -> 1 -> content\n  none is not an allowed value (type=type_error.none.not_allowed)",
    "Failed to deserialize the JSON body into the target type: messages[1].content: invalid type: null, expected a string at line 1 column 99",
]  # fmt: skip


class NullTests:
    """Content beside calls that is nothing."""

    CALLED = (user("hi"), assistant(use("toolu_1")), user(result("toolu_1")))

    @pytest.mark.parametrize("message", NULL_WORDS)
    def test_refused(self, message: str) -> None:
        """A server that wants a string there gets an empty one, and there is nothing more to learn of it."""
        null = translate(asked(*self.CALLED), Target(model="m"))
        assert trait_change(refused(message), null) == TraitChange(trait="call_content", value="empty")
        empty = translate(asked(*self.CALLED), Target(model="m", call_content="empty"))
        assert trait_change(refused(message), empty) is None

    @pytest.mark.parametrize("message", NULL_WORDS)
    def test_no_calls(self, message: str) -> None:
        """Where no content was null it is about something else, even if the user speaks of the very bytes."""
        plain = translate(asked(user('{"content":null}')), Target(model="m"))
        assert trait_change(refused(message), plain) is None

    @pytest.mark.parametrize(
        "message", ["content is too long", "messages.1.content.0.text: must not be blank", "content policy violation"]
    )
    def test_near_misses(self, message: str) -> None:
        """Other complaints about content teach nothing."""
        null = translate(asked(*self.CALLED), Target(model="m"))
        assert trait_change(refused(message), null) is None


FORMAT_WORDS = [
    # llm-exe 662, litellm 7580
    ("json_object", "This response_format type is unavailable now"),
    ("json_object", "Failed to deserialize the JSON body into the target type: response_format: response_format.type `json_schema` is unavailable now at line 1 column 1193"),
    # beeai-framework 1215
    ("json_object", "invalid schema for response format: response_format/json_schema/next_step: minItems is not supported"),
    # litellm 6610
    ("json_object", "The response_format parameter is unsupported at the moment. Leave it unset."),
    ("json_object", "This model does not support response format `json_schema`."),
    # outlines 1666
    ("json_object", "Invalid schema for response_format 'default': In context=(), 'additionalProperties' is required to be supplied and to be false."),
    ("json_object", "JSON schema conversion failed:\nUnrecognized schema"),
]  # fmt: skip


class FormatTests:
    """Answers of a required shape."""

    @pytest.mark.parametrize(("expected", "message"), FORMAT_WORDS)
    def test_without_tools(self, expected: str, message: str) -> None:
        """A server that takes no such schema is asked for JSON, with the schema in words."""
        assert learned(message, output_config=FORMAT) == ("structured_output", expected)

    def test_without_json_mode(self) -> None:
        """A server that takes no JSON mode either is asked in words alone (lmstudio-bug-tracker 189)."""
        target = Target(model="m", structured_output="json_object")
        message = "'response_format.type' must be 'json_schema' or 'text'"
        assert learned(message, target=target, output_config=FORMAT) == ("structured_output", "instruction")

    @pytest.mark.parametrize(
        "message",
        [
            "json mode cannot be combined with tool/function calling",
            "You cannot specify response format and function call at the same time",
            "Function calling with a response mime type: 'application/json' is unsupported",
        ],
    )
    def test_not_beside_tools(self, message: str) -> None:
        """A server that takes either tools or a shape gets the shape in words (Groq, Fireworks, Gemini)."""
        fields: dict[str, Any] = {"tools": [tool("a")], "output_config": FORMAT}
        assert learned(message, **fields) == ("structured_output", "instruction")

    def test_schema_of_a_tool(self) -> None:
        """Beside tools a refused schema is a tool's, unless the words name the shape."""
        fields: dict[str, Any] = {"tools": [tool("a")], "output_config": FORMAT}
        assert learned("Failed to initialize samplers: failed to parse grammar", **fields) == ("schema", "bare")
        assert learned("This response_format type is unavailable now", **fields) == ("structured_output", "json_object")


IMAGE_WORDS = [
    # ClaraVerse 234
    (500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
    # oai-compatible-copilot 229
    (404, "No endpoints found that support image input"),
    # shelley 224, jcode 310
    (400, "Failed to deserialize the JSON body into the target type: messages[188]: unknown variant `image_url`, expected `text` at line 1 column 182450"),
    # chatbox 1740
    (422, "Failed to deserialize the JSON body into the target type: messages[2]: invalid type: sequence, expected a string at line 1 column 2901"),
    # ollama 17301
    (400, "this model does not support image input (ref: b8bd630e-4a39-4b57-82af-9158ee9d5703)"),
    # lmstudio-bug-tracker 473
    (400, "Model does not support images"),
    # vercel/ai 2837
    (400, "messages[0].content must be a string"),
    (400, "Invalid content type. image_url is only supported by certain models."),
    (400, "meta-llama/Llama-3.1-8B-Instruct is not a multimodal model"),
    (400, "At most 0 image(s) may be provided in one prompt."),
]  # fmt: skip


class ImageTests:
    """Refused images."""

    @pytest.mark.parametrize(("status", "message"), IMAGE_WORDS)
    def test_refused(self, status: int, message: str) -> None:
        """A server that takes no images says so in one of these ways."""
        assert refuses_images(refused(message, status), sent())

    @pytest.mark.parametrize(("status", "message"), IMAGE_WORDS)
    def test_without_images(self, status: int, message: str) -> None:
        """Where no image was sent, it is about something else, even if the user speaks of the very bytes."""
        told = translate(asked(user('{"type":"image_url"}'), **EVERYTHING), TARGET)
        assert not refuses_images(refused(message, status), told)

    @pytest.mark.parametrize(
        ("status", "message"),
        [
            (400, "Image too large: 9000x9000"),
            (400, "Could not process image"),
            (400, "Invalid image format: only png and jpeg are supported"),
            (401, "Model does not support images"),
            (400, "At most 5 image(s) may be provided in one prompt."),
        ],
    )
    def test_near_misses(self, status: int, message: str) -> None:
        """A single image that is bad does not mean that the model takes none."""
        assert not refuses_images(refused(message, status), sent())
