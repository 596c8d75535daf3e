"""The providers that LiteLLM knows by the prefix of a model: where they are, and what they speak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen


@frozen(kw_only=True)
class Provider:
    """One provider.

    :ivar url: its base URL, as `[backend:*]` has it; "" where every user has one of their own.
    :ivar key: the variable in which LiteLLM looks for a key that the file does not have; "" if it needs none.
    :ivar base: the variable in which LiteLLM looks for an ``api_base`` that the file does not have.
    :ivar kind: of the backend.
    :ivar dialect: to be named where the URL does not tell; "" for one that only the backend can tell.
    :ivar root: what follows the ``api_base`` of such a provider in the URL.
    :ivar cut: the ends of an ``api_base`` that are not a part of the URL, the longest first.
    """

    url: str = ""
    key: str = ""
    base: str = ""
    kind: str = "openai"
    dialect: str = ""
    root: str = ""
    cut: tuple[str, ...] = ()


def _service(url: str, key: str, dialect: str = "") -> Provider:
    return Provider(url=url, key=key, dialect=dialect)


_OLLAMA: Final = Provider(
    url="http://localhost:11434/v1",
    base="OLLAMA_API_BASE",
    dialect="ollama",
    root="/v1",
    cut=("/api/chat", "/api/generate", "/api", "/v1"),
)
_OPENAI: Final = Provider(url="https://api.openai.com/v1", key="OPENAI_API_KEY", base="OPENAI_API_BASE")

PROVIDERS: Final[Mapping[str, Provider]] = {
    "openai": _OPENAI,
    "custom_openai": _OPENAI,
    "aiohttp_openai": _OPENAI,
    "openai_like": Provider(key="OPENAI_LIKE_API_KEY", base="OPENAI_LIKE_API_BASE"),
    "anthropic": Provider(
        url="https://api.anthropic.com",
        key="ANTHROPIC_API_KEY",
        base="ANTHROPIC_API_BASE",
        kind="anthropic",
        cut=("/v1/messages", "/v1"),
    ),
    "azure": Provider(
        key="AZURE_API_KEY",
        base="AZURE_API_BASE",
        dialect="azure",
        root="/openai/v1",
        cut=("/openai/v1", "/openai"),
    ),
    "azure_ai": Provider(
        key="AZURE_AI_API_KEY",
        base="AZURE_AI_API_BASE",
        dialect="azure",
        root="/openai/v1",
        cut=("/models/chat/completions", "/chat/completions", "/openai/v1", "/models", "/v1"),
    ),
    "openrouter": _service("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "openrouter"),
    "deepseek": Provider(
        url="https://api.deepseek.com", key="DEEPSEEK_API_KEY", base="DEEPSEEK_API_BASE", dialect="deepseek"
    ),
    "gemini": Provider(
        url="https://generativelanguage.googleapis.com/v1beta/openai",
        key="GEMINI_API_KEY",
        base="GEMINI_API_BASE",
        dialect="gemini",
        root="/v1beta/openai",
        cut=("/v1beta/openai", "/v1beta", "/v1"),
    ),
    "groq": _service("https://api.groq.com/openai/v1", "GROQ_API_KEY", "groq"),
    "together_ai": _service("https://api.together.ai/v1", "TOGETHERAI_API_KEY", "together"),
    "fireworks_ai": _service("https://api.fireworks.ai/inference/v1", "FIREWORKS_AI_API_KEY", "fireworks"),
    "mistral": _service("https://api.mistral.ai/v1", "MISTRAL_API_KEY", "mistral"),
    "codestral": _service("https://codestral.mistral.ai/v1", "CODESTRAL_API_KEY", "mistral"),
    "xai": _service("https://api.x.ai/v1", "XAI_API_KEY", "xai"),
    "moonshot": _service("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", "moonshot"),
    "zai": _service("https://api.z.ai/api/paas/v4", "ZAI_API_KEY", "zai"),
    "dashscope": _service("https://dashscope.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY", "dashscope"),
    "qwen_ai_platform": _service(
        "https://dashscope.aliyuncs.com/compatible-mode/v1", "QWEN_AI_PLATFORM_API_KEY", "dashscope"
    ),
    "qwencloud": _service("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "QWENCLOUD_API_KEY", "dashscope"),
    "chutes": _service("https://llm.chutes.ai/v1", "CHUTES_API_KEY", "chutes"),
    "ollama": _OLLAMA,
    "ollama_chat": _OLLAMA,
    "hosted_vllm": Provider(key="HOSTED_VLLM_API_KEY", base="HOSTED_VLLM_API_BASE", dialect="vllm"),
    "lm_studio": Provider(key="LM_STUDIO_API_KEY", base="LM_STUDIO_API_BASE", dialect="lmstudio"),
    "llamafile": Provider(url="http://127.0.0.1:8080/v1", base="LLAMAFILE_API_BASE", dialect="llamacpp"),
    "docker_model_runner": Provider(
        url="http://localhost:22088/engines/llama.cpp/v1", base="DOCKER_MODEL_RUNNER_API_BASE", dialect="llamacpp"
    ),
    "litellm_proxy": Provider(key="LITELLM_PROXY_API_KEY", base="LITELLM_PROXY_API_BASE"),
    "cerebras": _service("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "cohere": _service("https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY"),
    "cohere_chat": _service("https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY"),
    "databricks": Provider(key="DATABRICKS_API_KEY", base="DATABRICKS_API_BASE"),
    "deepinfra": _service("https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    "featherless_ai": _service("https://api.featherless.ai/v1", "FEATHERLESS_AI_API_KEY"),
    "friendliai": _service("https://api.friendli.ai/serverless/v1", "FRIENDLIAI_API_KEY"),
    "github": _service("https://models.inference.ai.azure.com", "GITHUB_API_KEY"),
    "huggingface": _service("https://router.huggingface.co/v1", "HF_TOKEN"),
    "hyperbolic": _service("https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY"),
    "lambda_ai": _service("https://api.lambda.ai/v1", "LAMBDA_API_KEY"),
    "meta_llama": _service("https://api.llama.com/compat/v1", "LLAMA_API_KEY"),
    "minimax": _service("https://api.minimax.io/v1", "MINIMAX_API_KEY"),
    "nebius": _service("https://api.studio.nebius.ai/v1", "NEBIUS_API_KEY"),
    "novita": _service("https://api.novita.ai/v3/openai", "NOVITA_API_KEY"),
    "nscale": _service("https://inference.api.nscale.com/v1", "NSCALE_API_KEY"),
    "nvidia_nim": _service("https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
    "ovhcloud": _service("https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", "OVHCLOUD_API_KEY"),
    "perplexity": _service("https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
    "poe": _service("https://api.poe.com/v1", "POE_API_KEY"),
    "sambanova": _service("https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    "scaleway": _service("https://api.scaleway.ai/v1", "SCW_SECRET_KEY"),
    "synthetic": _service("https://api.synthetic.new/openai/v1", "SYNTHETIC_API_KEY"),
    "veniceai": _service("https://api.venice.ai/api/v1", "VENICE_AI_API_KEY"),
    "vercel_ai_gateway": _service("https://ai-gateway.vercel.sh/v1", "VERCEL_AI_GATEWAY_API_KEY"),
    "volcengine": _service("https://ark.cn-beijing.volces.com/api/v3", "VOLCENGINE_API_KEY"),
    "abliteration": _service("https://api.abliteration.ai/v1", "ABLITERATION_API_KEY"),
    "aihubmix": _service("https://aihubmix.com/v1", "AIHUBMIX_API_KEY"),
    "aiml": _service("https://api.aimlapi.com/v1", "AIML_API_KEY"),
    "baseten": _service("https://inference.baseten.co/v1", "BASETEN_API_KEY"),
    "clarifai": _service("https://api.clarifai.com/v2/ext/openai/v1", "CLARIFAI_API_KEY"),
    "cortecs": _service("https://api.cortecs.ai/v1", "CORTECS_API_KEY"),
    "crusoe": _service("https://managed-inference-api-proxy.crusoecloud.com/v1", "CRUSOE_API_KEY"),
    "edenai": _service("https://api.edenai.run/v3", "EDENAI_API_KEY"),
    "gmi": _service("https://api.gmi-serving.com/v1", "GMI_API_KEY"),
    "gradient_ai": _service("https://inference.do-ai.run/v1", "GRADIENT_AI_API_KEY"),
    "inception": _service("https://api.inceptionlabs.ai/v1", "INCEPTION_API_KEY"),
    "lemonade": Provider(url="http://localhost:8000/api/v1", base="LEMONADE_API_BASE"),
    "meta": _service("https://api.meta.ai/v1", "META_API_KEY"),
    "modelscope": _service("https://api-inference.modelscope.cn/v1", "MODELSCOPE_API_KEY"),
    "morph": _service("https://api.morphllm.com/v1", "MORPH_API_KEY"),
    "nano-gpt": _service("https://nano-gpt.com/api/v1", "NANOGPT_API_KEY"),
    "parasail": _service("https://api.parasail.io/v1", "PARASAIL_API_KEY"),
    "publicai": _service("https://api.publicai.co/v1", "PUBLICAI_API_KEY"),
    "reka": _service("https://api.reka.ai/v1", "REKA_API_KEY"),
    "tencent": _service("https://tokenhub-intl.tencentcloudmaas.com/v1", "TENCENT_API_KEY"),
    "v0": _service("https://api.v0.dev/v1", "V0_API_KEY"),
    "wandb": _service("https://api.inference.wandb.ai/v1", "WANDB_API_KEY"),
    "xiaomi_mimo": _service("https://api.xiaomimimo.com/v1", "XIAOMI_MIMO_API_KEY"),
}
"""Prefix -> provider. The addresses are LiteLLM's own, except where it uses a native API beside the one for clients of
OpenAI (Gemini, Ollama, Azure, Cohere)."""

_SIGNED: Final = (
    "signs each request with a cloud account, which the bridge does not do; with a Bedrock API key it works, "
    "docs/kinds.md has the address"
)
_LOGIN: Final = "works with a login of its own, not with a key, and the bridge has no such login"
_COMPLETIONS: Final = "is the old completions API, which has neither chat nor tools"

UNAVAILABLE: Final[Mapping[str, str]] = {
    "bedrock": _SIGNED,
    "bedrock_converse": _SIGNED,
    "bedrock_mantle": _SIGNED,
    "sagemaker": "signs each request with a cloud account, which the bridge does not do",
    "sagemaker_chat": "signs each request with a cloud account, which the bridge does not do",
    "vertex_ai": "needs a token of Google Cloud that expires every hour; it works as a backend with dialect = gemini, "
    "url = https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION/endpoints/openapi and "
    "api_key = command:gcloud auth print-access-token",
    "vertex_ai_beta": "needs a token of Google Cloud that expires every hour",
    "github_copilot": _LOGIN,
    "chatgpt": _LOGIN,
    "claude-code-sdk": _LOGIN,
    "text-completion-openai": _COMPLETIONS,
    "text-completion-codestral": _COMPLETIONS,
    "vllm": "runs vLLM inside LiteLLM itself: start `vllm serve`, and use its address as a backend",
    "petals": "runs the model inside LiteLLM itself",
    "triton": "has an API of its own, which the bridge does not speak",
    "replicate": "has an API of its own, which the bridge does not speak",
    "watsonx": "has an API of its own, which the bridge does not speak",
    "watsonx_text": "has an API of its own, which the bridge does not speak",
    "oci": "signs each request with a cloud account, which the bridge does not do",
    "snowflake": "has an API of its own, which the bridge does not speak",
    "sap": "has an API of its own, which the bridge does not speak",
    "predibase": "has an API of its own, which the bridge does not speak",
    "nlp_cloud": "has an API of its own, which the bridge does not speak",
    "aleph_alpha": "has an API of its own, which the bridge does not speak",
    "cloudflare": "has an address with the account in it: add a [backend:*] with its url for clients of OpenAI",
    "a2a": "is an agent, not a model",
    "langgraph": "is an agent, not a model",
    "auto_router": "chooses a model by the text of the question, for which there is no counterpart: [route:*] chooses "
    "by name and kind of request",
}
"""Prefix -> why a model with it is not carried over, half a sentence."""

HOSTS: Final[Mapping[str, str]] = {
    "api.anthropic.com": "anthropic",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "openrouter.ai": "openrouter",
    "api.perplexity.ai": "perplexity",
    "api.deepinfra.com": "deepinfra",
    "integrate.api.nvidia.com": "nvidia_nim",
    "api.cerebras.ai": "cerebras",
    "api.sambanova.ai": "sambanova",
    "codestral.mistral.ai": "codestral",
}
"""Host of an ``api_base`` -> provider of a model that has no prefix, as LiteLLM tells it."""


def without_prefix(model: str) -> str:
    """Return the provider of a model that has no prefix, by its name; "" if it is not known."""
    name = model.lower()
    if name.startswith("claude-"):
        return "anthropic"
    if name.startswith(("gpt-", "chatgpt-", "ft:gpt-", "o1", "o3", "o4", "codex-", "*")):
        return "openai"
    if name.startswith("gemini-"):
        return "vertex_ai"
    if name.startswith("command-"):
        return "cohere"
    if name.startswith(("anthropic.", "amazon.", "meta.llama")):
        return "bedrock"
    return ""
