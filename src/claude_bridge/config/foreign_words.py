"""Words of other tools and servers for what has another name here, or does not exist in this version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

_SAID: Final[Mapping[str, tuple[str, ...]]] = {
    "url": ("base_url", "api_base", "api_base_url", "endpoint", "server_url", "openai_api_base"),
    "api_key": ("key", "keys", "api_keys", "token", "auth_token", "api_token", "bearer", "bearer_token", "password"),
    "dialect": ("provider", "custom_llm_provider", "api_type", "transformer"),
    "headers": ("header", "extra_headers", "default_headers", "http_headers"),
    "ca_file": ("ca_bundle", "ca_cert", "ssl_ca", "cafile", "ssl_verify", "verify"),
    "proxy": ("http_proxy", "https_proxy", "all_proxy", "proxy_url", "forward_proxy"),
    "first_byte_timeout": ("timeout", "request_timeout", "read_timeout", "api_timeout", "api_timeout_ms"),
    "idle_timeout": ("stream_timeout",),
    "name": ("model", "models", "model_id", "served_model_name"),
    "context_window": (
        *("ctx", "num_ctx", "n_ctx", "ctx_size", "context", "context_length", "context_size", "max_context"),
        *("max_context_tokens", "max_input_tokens", "max_model_len", "max_seq_len"),
    ),
    "max_output_tokens": (
        *("max_tokens", "max_completion_tokens", "max_new_tokens", "max_output", "num_predict", "n_predict"),
        "maxtoken",
    ),
    "models": ("model", "default_model", "allowed_models"),
    "rpm": ("rpm_limit", "requests_per_minute"),
    "tpm": ("tpm_limit", "tokens_per_minute"),
    "secret": ("key", "api_key", "token", "password", "master_key"),
    "listen": ("port", "host", "bind", "address", "listen_address"),
    "allowed_hosts": ("hosts", "hostname", "hostnames", "server_name", "domain", "domains"),
    "allowed_origins": ("cors", "cors_origins", "origins"),
    "credentials": ("auth", "auth_mode"),
    "level": ("log_level", "verbosity", "debug"),
    "format": ("log_format",),
    "input": ("prompt",),
    "output": ("completion",),
    "amount": ("max_budget", "budget", "soft_budget", "dollars", "usd", "limit"),
    "per": ("budget_duration", "period", "interval"),
    "timezone": ("tz",),
    "max_streams": ("max_parallel_requests", "max_concurrency", "concurrency"),
}
"""Our key -> other words for it; the section decides which of several keys is meant."""

_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "backend": ("provider", "providers", "upstream", "upstreams", "backends", "endpoint", "openai"),
    "model": ("models", "alias", "aliases", "model_list", "model_group_alias"),
    "route": ("router", "routes", "routing", "router_settings"),
    "key": ("keys", "client", "clients", "user", "users"),
    "server": ("general", "main", "global", "general_settings", "http", "proxy"),
    "log": ("logger", "logging"),
    "web_search": ("search", "searxng"),
    "price": ("prices", "pricing", "cost", "costs"),
    "budget": ("budgets", "spend", "spending", "max_budget"),
}

_LATER: Final[Mapping[str, str]] = {
    "admin": "GET /health tells whether it serves, the log has one line per request",
    "traces": "the log has one line per request, with the times of its attempts",
    "inspect": "level = debug in [log] tells more of each request",
}
"""Sections of a later version -> what there is in this version."""


def meant(word: str, valid: Iterable[str]) -> str | None:
    """Return the key among ``valid`` that another tool calls ``word``."""
    plain = _plain(word)
    return next((key for key in valid if plain in {_plain(said) for said in (*_SAID.get(key, ()), key)}), None)


def meant_section(word: str) -> str | None:
    """Return the section that another tool calls ``word``."""
    plain = _plain(word)
    return next((section for section, said in _SECTIONS.items() if plain in {_plain(one) for one in said}), None)


def instead_of_section(word: str) -> str | None:
    """Return what to use instead of a section that this version does not have."""
    return _LATER.get(word.lower())


def _plain(word: str) -> str:
    """Return ``word`` without case, dashes and underscores: apiBase, api-base and api_base are one."""
    return word.lower().replace("_", "").replace("-", "")
