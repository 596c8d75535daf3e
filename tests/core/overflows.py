"""What every known server says when a conversation is too long for its model, and what only sounds like it.

The texts are the servers' own, as their sources, their documentation or reports in public trackers have them; the
numbers are examples. See docs/chat-completions.md 3.3.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Wording(NamedTuple):
    """A server's whole message and the numbers in it: prompt, completion, total, window."""

    server: str
    message: str
    prompt: int | None = None
    completion: int | None = None
    total: int | None = None
    window: int | None = None
    status: int = 400


WORDINGS = [
    Wording("anthropic", "prompt is too long: 213462 tokens > 200000 maximum", 213462, window=200000),
    Wording(
        "anthropic, sum",
        "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease input length or "
        "`max_tokens` and try again",
        190000,
        32000,
        window=200000,
    ),
    Wording(
        "openai, messages",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 8545 tokens. "
        "Please reduce the length of the messages.",
        8545,
        window=8192,
    ),
    Wording(
        "openai, sum",
        "This model's maximum context length is 4097 tokens. However, you requested 4531 tokens (3431 in the "
        "messages, 100 in the functions, 1000 in the completion). Please reduce the length of the messages, "
        "functions, or completion.",
        3431,
        1000,
        4531,
        4097,
    ),
    Wording(
        "openai, old",
        "This model's maximum context length is 8191 tokens, however you requested 10346 tokens (10341 in your prompt; "
        "5 for the completion). Please reduce your prompt; or completion length.",
        10341,
        5,
        10346,
        8191,
    ),
    Wording("openai, responses", "Your input exceeds the context window of this model. Please adjust your input."),
    Wording(
        "openai, configured",
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 293107 tokens. "
        "Please reduce the length of the messages.",
        293107,
        window=272000,
    ),
    Wording(
        "vllm, prompt",
        "This model's maximum context length is 32768 tokens. However, your prompt contains 40123 input tokens. "
        "Please reduce the length of the input prompt.",
        40123,
        window=32768,
    ),
    Wording(
        "vllm, max_tokens",
        "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is 65536 "
        "tokens and your request has 57879 input tokens (8192 > 65536 - 57879). None",
        57879,
        8192,
        window=65536,
    ),
    Wording(
        "vllm, passed",
        "You passed 140001 input tokens and requested 8192 output tokens. However, the model's context length is only "
        "131072 tokens, resulting in a maximum input length of 122880 tokens. Please reduce the length of the input "
        "prompt. (parameter=input_tokens, value=140001)",
        140001,
        8192,
        window=131072,
    ),
    Wording(
        "vllm, decoder",
        "The decoder prompt (length 45000) is longer than the maximum model length of 32768. Make sure that "
        "`max_model_len` is no smaller than the number of text tokens.",
        45000,
        window=32768,
    ),
    Wording(
        "sglang, prompt",
        "The input (516368 tokens) is longer than the model's context length (262144 tokens).",
        516368,
        window=262144,
    ),
    Wording(
        "sglang, sum",
        "Requested token count exceeds the model's maximum context length of 131072 tokens. You requested a total of "
        "140000 tokens: 132000 tokens from the input messages and 8000 tokens for the completion. Please reduce the "
        "number of tokens in the input messages or the completion to fit within the limit.",
        132000,
        8000,
        140000,
        131072,
    ),
    Wording(
        "llama.cpp",
        "request (9739 tokens) exceeds the available context size (8192 tokens), try increasing it",
        9739,
        window=8192,
    ),
    Wording(
        "llama.cpp, shift",
        "input (9739 tokens) is larger than the max context size (8192 tokens). skipping",
        9739,
        window=8192,
        status=500,
    ),
    Wording("llama.cpp, old", "Context size has been exceeded.", status=500),
    Wording(
        "lm studio",
        "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 12000 >= "
        "n_ctx: 4096). Try to load the model with a larger context length, or provide a shorter input",
        12000,
        window=4096,
    ),
    Wording(
        "lm studio, old",
        "Trying to keep the first 13084 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 tokens, which is not enough.",
        13084,
        window=4096,
    ),
    Wording(
        "gemini",
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
        1196265,
        window=1048575,
    ),
    Wording(
        "vertex",
        "Unable to submit request because the input token count is 135538 but model only supports up to 131072. "
        "Reduce the input token count and try again.",
        135538,
        window=131072,
    ),
    Wording(
        "xai",
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        537812,
        window=131072,
    ),
    Wording("groq", "Please reduce the length of the messages or completion."),
    Wording(
        "cerebras",
        "Please reduce the length of the messages or completion. Current length is 9003 while limit is 8192",
        9003,
        window=8192,
    ),
    Wording(
        "openrouter",
        "This endpoint's maximum context length is 131072 tokens. However, you requested about 132763 tokens (1463 of "
        "text input, 300 of tool input, 131000 in the output). Please reduce the length of either one, or use the "
        '"middle-out" transform to compress your prompt automatically.',
        None,
        131000,
        132763,
        131072,
    ),
    Wording(
        "poolside",
        "Input length 131393 exceeds the maximum allowed input length of 131040 tokens.",
        131393,
        window=131040,
    ),
    Wording(
        "together",
        "Input length (265330) exceeds model's maximum context length (262144).",
        265330,
        window=262144,
        status=422,
    ),
    Wording(
        "mistral",
        "Prompt contains 75193 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        75193,
        window=32768,
    ),
    Wording(
        "moonshot",
        "Invalid request: Your request exceeded model token limit: 262144 (requested: 262817)",
        total=262817,
        window=262144,
    ),
    Wording("moonshot, old", "Input token length too long"),
    Wording("moonshot, spaced", "Your request exceeded model token limit : 131072", window=131072),
    Wording("z.ai 1210", "tokens in request more than max tokens allowed"),
    Wording("z.ai 1261", "Prompt exceeds max length"),
    Wording("minimax", "invalid params, context window exceeds limit (2013)"),
    Wording(
        "dashscope",
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 98304]",
        window=98304,
    ),
    Wording(
        "tgi",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 3980 `inputs` tokens and "
        "512 `max_new_tokens`",
        3980,
        512,
        window=4097,
        status=422,
    ),
    Wording(
        "tgi, sum",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 1024. Given: 1872",
        total=1872,
        window=1024,
        status=422,
    ),
    Wording(
        "tgi, inputs",
        "Input validation error: `inputs` must have less than 4095 tokens. Given: 5021",
        5021,
        window=4095,
        status=422,
    ),
    Wording("bedrock", "Input is too long for requested model."),
    Wording("copilot", "prompt token count of 146023 exceeds the limit of 128000", 146023, window=128000, status=400),
    Wording(
        "ds4",
        "Prompt has 5,958,968 tokens, but the configured context size is 256,000 tokens",
        5958968,
        window=256000,
    ),
    Wording(
        "gateway",
        "Input is too long. Your request contains approximately 203344 tokens, which exceeds the maximum context limit "
        "of 200000 tokens. Please /compact",
        203344,
        window=200000,
    ),
    Wording("proxy", "Input too long: 140000 tokens, limit is 131072", 140000, window=131072, status=413),
    Wording("ollama", "prompt too long; exceeded max context length by 513 tokens"),
    Wording(
        "lm studio, keep",
        "The number of tokens to keep from the initial prompt (9800) is greater than the context length (8192).",
        9800,
        window=8192,
    ),
    Wording(
        "vllm, max_tokens alone",
        "max_tokens=131072 cannot be greater than max_model_len=max_total_tokens=32768. Please request fewer output "
        "tokens.",
        None,
        131072,
        window=32768,
    ),
    Wording("sglang, images", "Multimodal prompt is too long after expanding multimodal tokens."),
    Wording(
        "tensorrt-llm",
        "Prompt length (9000) exceeds maximum input length (4096). Set log level to info and check TRTLLM logs for how "
        "maximum input length is set",
        9000,
        window=4096,
    ),
    Wording(
        "tensorrt-llm, pytorch",
        "The sum of prompt length (72417.0), query length (0) should not exceed max_num_tokens (69632)",
        72417,
        window=69632,
    ),
    Wording("llama-cpp-python", "Requested tokens (9437) exceed context window of 8192", 9437, window=8192, status=500),
    Wording(
        "textgen",
        "This model maximum context length is 2048 tokens. However, your messages resulted in over 2133 tokens.",
        2133,
        window=2048,
    ),
    Wording("mlx-serve", "Prompt exceeds maximum context length"),
    Wording(
        "ollama, cloud",
        "The prompt is too long: 450028, model maximum context length: 262144",
        450028,
        window=262144,
    ),
    Wording(
        "ollama, no shift",
        "the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the "
        "context length in settings, or use a model with a longer context length",
    ),
    Wording("ollama, input", "the input length exceeds the context length"),
    Wording("fireworks", "The prompt is too long: 140000, model maximum context length: 131071", 140000, window=131071),
    Wording(
        "deepinfra",
        "Requested input length 39818 exceeds maximum input length 32767 (via DeepInfra)",
        39818,
        window=32767,
    ),
    Wording(
        "deepseek",
        "This model's maximum context length is 131072 tokens. However, you requested 131134 tokens (122942 in the "
        "messages, 8192 in the completion). Please reduce the length of the messages or completion.",
        122942,
        8192,
        131134,
        131072,
    ),
    Wording(
        "siliconflow", "length of prompt_tokens (34545) must be less than max_seq_len (32768).", 34545, window=32768
    ),
    Wording(
        "siliconflow, sum",
        "max_total_tokens (54393) must be less than or equal to max_seq_len (32768)",
        total=54393,
        window=32768,
    ),
    Wording("volcengine", "Total tokens of image and text exceed max message tokens. Request id: 0217"),
    Wording("zhipu 1261", "Prompt \u8d85\u957f"),
    Wording(
        "gemini, no count",
        "The input token count exceeds the maximum number of tokens allowed 1048576.",
        window=1048576,
    ),
    Wording(
        "bedrock, nova",
        "Too many input tokens. Max input tokens: 8192, request input token count: 9279",
        9279,
        window=8192,
    ),
    Wording(
        "bedrock, converse",
        "The model returned the following errors: Input is too long for requested model.",
    ),
    Wording(
        "cohere",
        "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292. Try using a shorter "
        "prompt",
        4292,
        window=4081,
    ),
    Wording(
        "watsonx",
        "Invalid input argument for Model 'm': the number of input tokens 4098 cannot exceed the total tokens limit "
        "4096 for this model",
        4098,
        window=4096,
    ),
    Wording(
        "litellm", "OpenAIException - The input exceeds the model's maximum context limit of 8192 tokens.", window=8192
    ),
    Wording(
        "azure",
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 131063 tokens "
        "(130203 in the messages, 860 in the functions). Please reduce the length of the messages or functions.",
        131063,
        window=128000,
    ),
]

BOTH = re.compile(
    r"input length and `max_tokens` exceed context limit: (\d+) \+ (\d+) > (\d+), "
    r"decrease input length or `max_tokens` and try again"
)
PROMPT = re.compile(r"prompt is too long: (\d+) tokens > (\d+) maximum")

NEAR_MISSES = [
    (
        "Invalid 'messages[1].content': string too long. Expected a string with maximum length 10485760, but "
        "got a string with length 12000000 instead."
    ),
    "tools.0.function.name: String should have at most 64 characters",
    (
        "Request too large for model `llama-4` on tokens per minute (TPM): Limit 6000, Requested 9212, please "
        "reduce the length of the messages and try again."
    ),
    "ThrottlingException: input is too long, too many requests, please wait before trying again.",
    "max_tokens: 128000 > 8192, which is the maximum allowed number of output tokens for this model",
    "it has 12 image files but the model only supports up to 10",
    "maximum length of tool name is 64",
    "",
    (
        "Invalid 'messages[3].tool_calls[0].id': string too long. Expected a string with maximum length 40, but got a "
        "string with length 53 instead."
    ),
    "function name has a maximum length of 40",
    "messages.2.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$' and have a maximum length of 40",
    "tools.3.custom.name: String should have at most 128 characters",
    "max_tokens is too large: 128000. This model supports at most 16384 completion tokens, you provided 128000.",
    (
        "Rate limit reached on tokens per min (TPM): Limit 30000, Used 22000, Requested 9000. Please reduce the length "
        "of the messages or try again in 2s."
    ),
    "Too many tokens, please wait before trying again.",
    "Too many tokens per day, please wait before trying again.",
    "Input exceeds maximum input length of 1048576 characters.",
    "Requested input length 4200000 exceeds maximum input length (1048576 characters)",
    "Request payload size exceeds the limit: 20971520 bytes",
    "image exceeds 5 MB maximum: 7340032 bytes > 5242880 bytes",
    "messages.0.content.5.image.source: image dimensions exceed max allowed size: 8000 pixels",
    "prompt_cache_key: string too long",
    "stop: array too long. Expected an array with maximum length 4, but got an array with length 5 instead.",
    "input is too large to process. increase the physical batch size (current batch size: 512)",
    "The context window of this model could not be determined",
    "tool_choice: maximum number of tools is 128",
]
"""Complaints about other lengths and limits: a string's, a list's, a picture's, a minute's, an answer's."""


def is_true(text: str) -> bool:
    """Return whether ``text`` is exactly one of the two canonical texts, and what it claims is arithmetic truth."""
    if both := BOTH.fullmatch(text):
        return int(both[1]) + int(both[2]) > int(both[3]) > int(both[1])
    prompt = PROMPT.fullmatch(text)
    return prompt is not None and int(prompt[1]) > int(prompt[2]) > 0
