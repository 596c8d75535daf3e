"""What the settings mean that have no counterpart here, in words for the report."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from attrs import frozen

from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.table import is_off
from claude_bridge.importers.litellm.yaml_reader import Tree


@frozen
class Meaning:
    """What follows from a setting that is not carried over.

    :ivar words: half a sentence; "" for a setting that is switched off, which is as if it were not there.
    :ivar lost: whether something is missing here.
    """

    words: str
    lost: bool = True

    def note(self, notes: Notes, path: str) -> None:
        """Note it for a path."""
        if self.words:
            (notes.lose if self.lost else notes.remark)(path, self.words)


_OFF: Final = Meaning("", lost=False)
_NOT_NEEDED: Final = Meaning("not needed here", lost=False)
_DEFAULT: Final = Meaning("a default for requests without it; here the client decides, as Claude Code does anyway")
_OWN_WORK: Final = Meaning("the bridge finds that out by itself, or has it in the backend's dialect", lost=False)
_LOGGING: Final = Meaning(
    "the log has one line per request, the ledger keeps tokens and costs (`claude-bridge usage`); nothing is sent to "
    "another service"
)
_CACHE: Final = Meaning("answers are never cached here; the caches of prompts that backends have are used as before")
_GUARDRAILS: Final = Meaning("requests and answers are not inspected here; that needs a proxy of its own")
_DATABASE: Final = Meaning(
    "models, keys and budgets in LiteLLM's database are not in this file: make a [key:*] for each client"
)
_ACCOUNTS: Final = Meaning("keys and their limits are written by hand here: a [key:*] for each client")
_DOORS: Final = Meaning("clients are let in by their keys alone here: credentials = keys, and a [key:*] for each")
_RETRIES: Final = Meaning(
    "the bridge decides by the kind of failure how often it asks again (docs/fallback.md)", lost=False
)
_TOOLS: Final = Meaning("the bridge runs no tools and serves only the Messages API; Claude Code has MCP servers itself")
_OTHER_APIS: Final = Meaning("the bridge serves only the Messages API")
_ALERTS: Final = Meaning("nothing is sent to anybody here; GET /health and the log can be watched")
_CLUSTER: Final = Meaning("each bridge counts for itself; none is shared between several")
_TAGS: Final = Meaning("routes choose by name and kind of request, not by tags or the text of a question")
_OWN_FIELD: Final = Meaning("fields of somebody's own are not added to requests here")
_UNKNOWN: Final = Meaning("no counterpart here")

_PARAMETERS: Final[tuple[tuple[str, Meaning], ...]] = (
    (
        r"max_tokens|max_completion_tokens",
        Meaning("a default for requests without it, and Claude Code always sends it; max_output_tokens is a limit"),
    ),
    (
        r"temperature|top_p|top_k|n|seed|stop|presence_penalty|frequency_penalty|logit_bias|user|response_format",
        _DEFAULT,
    ),
    (
        r"reasoning_effort|thinking|reasoning|enable_thinking|verbosity",
        Meaning(
            "Claude Code says itself how much a model is to think; reasoning_control decides how that is asked for"
        ),
    ),
    (
        r"extra_body|chat_template_kwargs|extra_query|provider|transforms|route",
        _OWN_FIELD,
    ),
    (
        r"num_ctx|num_batch|num_predict|keep_alive|repeat_penalty|num_gpu|mirostat.*",
        Meaning("this is set where Ollama is started, or in the model's Modelfile"),
    ),
    (r"num_retries|max_retries|retry_.*|cooldown_time|allowed_fails", _RETRIES),
    (r"cache_control_injection_points", Meaning("Claude Code marks itself what is to be cached", lost=False)),
    (r"merge_reasoning_content_in_choices|use_chat_completions_api|supports_system_message", _OWN_WORK),
    (r"drop_params|modify_params|api_version|stream|allowed_openai_params", _NOT_NEEDED),
    (r"rpm_limit|tpm_limit", Meaning("no settings of LiteLLM's, so they had no effect; rpm and tpm are")),
    (r"max_budget|budget_duration", Meaning("a [budget:*] with for = model needs both, and a time that it knows")),
    (
        r"aws_.*|vertex_.*|region_name|watsonx_.*|gcs_.*|s3_.*",
        Meaning("part of a login that the bridge does not have"),
    ),
    (r"tags|auto_router_.*|complexity_router_.*", _TAGS),
    (r"guardrails", _GUARDRAILS),
    (r"mock_response|mock_.*", Meaning("the bridge makes no answers up; the model is asked")),
    (r".*_cost_per_.*|.*_cost|ocr_cost.*", Meaning("prices for which [price:*] has no key")),
    (r"configurable_clientside_auth_params", Meaning("nothing that a client sends can name a URL here")),
)

_MODEL_INFO: Final[tuple[tuple[str, Meaning], ...]] = (
    (r"supports_function_calling|supports_tool_choice|supports_.*|mode|litellm_provider|tool_use_.*", _OWN_WORK),
    (r"base_model", Meaning("for prices, which come from the backend, genai-prices or [price:*] here", lost=False)),
    (
        r"id|db_model|created_.*|updated_.*|key|metadata|description|version|tier|source|deprecation_date|notes?",
        Meaning("for people only", lost=False),
    ),
    (r"access_groups|team_.*|access_windows|allowed_.*", Meaning("models = in a [key:*] says what a client may use")),
    (r".*_cost.*", Meaning("prices for which [price:*] has no key")),
    (
        r"health_check_.*|disable_background_health_check",
        Meaning(
            "a backend's list of models is asked for at the start, and `claude-bridge doctor` tries it", lost=False
        ),
    ),
    (r".*", Meaning("for people, or for programs that read LiteLLM's list of models")),
)

_ROUTER: Final[tuple[tuple[str, Meaning], ...]] = (
    (r"num_retries|retry_.*|model_group_retry_policy|max_retries|timeout_.*", _RETRIES),
    (r"redis_.*|cache_.*|caching_groups|client_ttl", _CLUSTER),
    (r"allowed_fails_policy", Meaning("the breaker counts all failures that are the backend's alike")),
    (
        r"enable_pre_call_checks?|optional_pre_call_checks|disable_cooldowns|ignore_.*",
        Meaning("a prompt that is too long is refused before it is sent, and conversations keep their key", lost=False),
    ),
    (r"set_verbose|debug_level", _NOT_NEEDED),
    (r"provider_budget_config|.*budget.*", Meaning("a [budget:*] is for all, a key, a session, an agent or a model")),
    (r"enable_tag_filtering|tag_.*|enable_weighted_failover|routing_groups|weights", _TAGS),
    (r"default_litellm_params", _DEFAULT),
    (r"content_policy_fallbacks", Meaning("a refusal is an answer here, and no other model is asked")),
    (r"max_fallbacks", Meaning("a route has as many models as it names", lost=False)),
    (r"routing_strategy_args|default_priority|polling_interval", Meaning("no counterpart in key_strategy")),
)

_LITELLM: Final[tuple[tuple[str, Meaning], ...]] = (
    (
        (
            r"(success_|failure_|service_)?callbacks?|.*_callback|langfuse.*|langsmith.*|prometheus.*|datadog.*|otel.*|arize.*"
            r"|callback_settings|custom_prometheus.*|require_auth_for_metrics_endpoint|audit_log.*|store_audit_logs|s3_.*"
        ),
        _LOGGING,
    ),
    (r"cache|cache_params|enable_caching.*|caching.*", _CACHE),
    (
        r"guardrails.*|.*_guardrails?|.*moderation.*|presidio.*|lakera.*|banned_keywords.*|blocked_user_list|pii_.*",
        _GUARDRAILS,
    ),
    (r"num_retries.*|retry_.*|.*_retries", _RETRIES),
    (
        (
            r"drop_params|modify_params|set_verbose|turn_off_message_logging|redact_.*|suppress_debug_info|telemetry"
            r"|return_response_headers|enable_preview_features|use_chat_completions_url_for_anthropic_messages"
            r"|strip_anthropic_total_tokens|forward_traceparent.*|disable_.*|enable_json_schema_validation|add_user_.*"
            r"|enable_key_alias_format_validation|store_prompts.*|global_disable_no_log_param|include_cost_in_.*|detailed_debug"
        ),
        _NOT_NEEDED,
    ),
    (r"content_policy_fallbacks", Meaning("a refusal is an answer here, and no other model is asked")),
    (r"mcp_.*|vector_store.*", _TOOLS),
    (
        (
            r".*budget.*|max_user_.*|default_(internal_user|key_generate|team).*|upperbound_key.*|key_generation_settings|default_max_.*"
            r"|max_internal_.*|internal_user.*|max_end_user.*|default_key.*|team_.*|tag_.*"
        ),
        _ACCOUNTS,
    ),
    (r"ssl_certificate", Meaning("a certificate of the client's own is not sent to backends")),
    (r"force_ipv4|aiohttp_.*|.*_http_client.*", Meaning("connections are the bridge's own affair", lost=False)),
    (r"custom_provider_map|.*_hook.*", Meaning("Python code of somebody's own cannot be run here")),
    (r"public_model_groups.*|model_cost_map.*|custom_tokenizer|token_counter.*", _NOT_NEEDED),
    (r"(websearch|advisor|code_interpreter)_interception.*", _TOOLS),
)

_GENERAL: Final[tuple[tuple[str, Meaning], ...]] = (
    (r"use_redis_.*|coordination_redis|redis_.*", _CLUSTER),
    (
        (
            r"database_.*|store_model_in_db|.*_db_.*|.*_prisma_.*|supported_db_objects"
            r"|allow_requests_on_db_unavailable|proxy_batch_.*|disable_spend_.*|disable_adding_.*|maximum_spend_logs_.*"
            r"|proxy_budget_.*|disable_reset_budget|store_prompts_in_spend_logs|disable_error_logs"
        ),
        _DATABASE,
    ),
    (
        (
            r".*budget.*|upperbound_key_.*|default_(key|team|internal_user)_.*|key_generation_settings|custom_key_generate"
            r"|max_internal_.*|internal_user_.*|user_api_key_cache_ttl|enable_.*key.*|custom_team_.*"
        ),
        _ACCOUNTS,
    ),
    (
        (
            r"custom_auth.*|enable_jwt_auth|litellm_jwtauth|enable_oauth2_.*|oauth2_.*|custom_sso|.*_sso.*|allowed_ips|ui_.*"
            r"|allow_user_auth|use_x_forwarded_for|litellm_key_header_name|allowed_routes|admin_only_routes|public_routes"
            r"|role_permissions|service_account_settings|user_header_.*|enforce_.*|enforced_params|proxy_admin_.*|trusted_.*"
        ),
        _DOORS,
    ),
    (r"alert.*|slack.*|spend_report_frequency|.*webhook.*", _ALERTS),
    (
        r"pass_through_endpoints|use_client_credentials_.*|embedding_model|image_generation_model|moderation_model|files_settings",
        _OTHER_APIS,
    ),
    (r"mcp_.*|.*_mcp_.*", _TOOLS),
    (
        r"key_management_.*|use_azure_key_vault|use_google_kms|use_aws_.*|azure_key_vault.*",
        Meaning("keys come from variables, files, systemd's credentials or a command: api_key = command:PROGRAM"),
    ),
    (
        r"forward_client_headers_to_llm_api|forward_openai_org_id|custom_headers|.*forward.*headers.*",
        Meaning("headers of clients go only to backends of kind = anthropic"),
    ),
    (
        r"background_health_checks?|health_check_.*|use_shared_health_check",
        Meaning("GET /health says whether the bridge serves; `claude-bridge doctor` asks the backends", lost=False),
    ),
    (
        r"completion_model",
        Meaning("replaces the name that clients ask for; a [route:*] with match = * would do that here"),
    ),
    (r"max_response_size_mb", Meaning("max_answer in [limits] is for answers that are put together", lost=False)),
    (
        (
            r"disable_master_key_return|disable_.*|litellm_license|telemetry|set_verbose|.*log.*|infer_model_from_keys"
            r"|reject_clientside_metadata_tags|drop_params|store_.*"
        ),
        _NOT_NEEDED,
    ),
    (r"allow_client_side_credentials", Meaning("nothing that a client sends can name a URL here")),
)

_TOP: Final[tuple[tuple[str, Meaning], ...]] = (
    (r"guardrails|guardrail_.*|policies|policy_.*", _GUARDRAILS),
    (r"mcp_.*|vector_store_registry|prompts|agent_.*|search_tools|skills|toolsets?", _TOOLS),
    (r"callback_settings|.*callbacks?", _LOGGING),
    (r"files_settings|finetune_settings|assistant_settings|pass_through_endpoints|batch.*|realtime.*", _OTHER_APIS),
    (r"worker_registry|.*redis.*", _CLUSTER),
)
_NOT_LITELLMS: Final = Meaning("LiteLLM does not read this either", lost=False)


def parameter_meaning(key: str, tree: Tree, *, in_body: bool = False) -> Meaning:
    """Return what a key of ``litellm_params`` means, or one of the ``extra_body`` in it, where no says something."""
    if in_body:
        return _find(key, _PARAMETERS, _OWN_FIELD)
    return _OFF if is_off(tree) else _find(key, _PARAMETERS, _UNKNOWN)


def model_info_meaning(key: str, tree: Tree) -> Meaning:
    """Return what a key of ``model_info`` means."""
    return _OFF if is_off(tree) else _find(key, _MODEL_INFO, _UNKNOWN)


def router_meaning(key: str, tree: Tree) -> Meaning:
    """Return what a key of ``router_settings`` means."""
    return _OFF if is_off(tree) else _find(key, (*_ROUTER, *_LITELLM), _UNKNOWN)


def litellm_meaning(key: str, tree: Tree) -> Meaning:
    """Return what a key of ``litellm_settings`` means."""
    return _OFF if is_off(tree) else _find(key, (*_LITELLM, *_ROUTER), _UNKNOWN)


def general_meaning(key: str, tree: Tree) -> Meaning:
    """Return what a key of ``general_settings`` means."""
    return _OFF if is_off(tree) else _find(key, (*_GENERAL, *_LITELLM, *_ROUTER), _UNKNOWN)


def top_meaning(key: str, tree: Tree) -> Meaning:
    """Return what a key of the file itself means."""
    return _OFF if is_off(tree) else _find(key, _TOP, _NOT_LITELLMS)


def _find(key: str, table: Iterable[tuple[str, Meaning]], otherwise: Meaning) -> Meaning:
    return next((meaning for pattern, meaning in table if re.fullmatch(pattern, key)), otherwise)
