"""Whatever stands in a file, it is read or refused, and a result is valid."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.importers.command import mistakes_of
from claude_bridge.importers.ini_text import ini_text
from claude_bridge.importers.litellm.providers import PROVIDERS, UNAVAILABLE
from tests.importers.litellm.files import draft_of

ODD = (
    *(
        None,
        True,
        False,
        0,
        -1,
        0.5,
        10**20,
        "",
        " ",
        "a b",
        "a,b",
        "#c",
        "a #b",
        '"q"',
        "$x",
        "${X}",
        "***",
        "emoji\U0001f600",
    ),
    *(
        "os.environ/KEY",
        "os.environ/",
        "command:rm",
        "file:/x",
        "weight=3",
        "k weight=3",
        "line\nbreak",
        "x@claude-bridge",
    ),
    *(
        "http://h:1/v1",
        "https://u:p@h/v1",
        "http://[::1]:8000/v1",
        "HTTP://H:80?x",
        "//h",
        "none",
        "opus",
        "x[1m]",
        "a]b",
    ),
)
VALUES = st.one_of(
    st.sampled_from(ODD),
    st.lists(st.sampled_from(ODD), max_size=2),
    st.dictionaries(st.sampled_from(["a", "$x"]), st.sampled_from(ODD), max_size=1),
)
NAMES = st.one_of(
    st.sampled_from(["a", "b", "A", "claude-x", "claude-*", "*", "openai/*", "x/y", "opus"]), st.sampled_from(ODD)
)
MODELS = st.one_of(
    st.builds(
        "{}/{}".format, st.sampled_from([*PROVIDERS, *UNAVAILABLE, "zz"]), st.sampled_from(["m", "*", "claude-*"])
    ),
    VALUES,
)


def some(*keys: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings with some of these keys, and any values."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(keys, VALUES))


PARAMETERS = st.builds(
    lambda model, more: {"model": model, **more},
    MODELS,
    some(
        *("api_base", "api_key", "custom_llm_provider", "rpm", "tpm", "weight", "order", "timeout", "stream_timeout"),
        *("max_parallel_requests", "extra_headers", "organization", "additional_drop_params", "ssl_verify", "num_ctx"),
        *("extra_body", "max_budget", "budget_duration", "input_cost_per_token", "output_cost_per_token"),
    ),
)
INFO = some("id", "mode", "max_tokens", "max_input_tokens", "max_output_tokens", "supports_vision", "base_model")
ENTRIES = st.lists(
    st.fixed_dictionaries({"model_name": NAMES, "litellm_params": PARAMETERS}, optional={"model_info": INFO}),
    max_size=4,
)
FALLBACKS = st.lists(st.dictionaries(NAMES.map(str), st.lists(NAMES, max_size=2), max_size=1), max_size=2)
FILES = st.fixed_dictionaries(
    {"model_list": ENTRIES},
    optional={
        "router_settings": st.fixed_dictionaries(
            {},
            optional={"fallbacks": FALLBACKS, "default_fallbacks": st.lists(NAMES, max_size=1), "num_retries": VALUES},
        ),
        "litellm_settings": some("max_budget", "request_timeout", "allowed_fails", "ssl_verify", "callbacks"),
        "general_settings": some("master_key", "max_parallel_requests", "max_request_size_mb"),
        "environment_variables": some("KEY", "HTTPS_PROXY", "NO_PROXY", "LITELLM_MASTER_KEY"),
    },
)


class AnyFileTests:
    """Any file."""

    @given(FILES)
    def test_result_is_valid(self, file: dict[str, Any]) -> None:
        """With secrets and without, the result has no mistake."""
        draft = draft_of(yaml.safe_dump(file, allow_unicode=True, sort_keys=False))
        for with_secrets in (True, False):
            written = ini_text(draft, with_secrets=with_secrets)
            assert not draft.backends or mistakes_of(written) == []
