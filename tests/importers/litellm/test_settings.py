"""Tests for `claude_bridge.importers.litellm.settings`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from claude_bridge.importers.draft import ImportedConfiguration
from tests.importers.litellm.files import draft_of, lost, remarks

MODEL = """model_list:
  - {model_name: a, litellm_params: {model: groq/a}}
  - {model_name: b, litellm_params: {model: groq/b}}
"""


def draft(**settings: str) -> ImportedConfiguration:
    """Return the draft of a file with two models and these settings."""
    return draft_of(MODEL + "".join(f"{name}: {text}\n" for name, text in settings.items()))


class DoorTests:
    """Who may come in, and where."""

    def test_master_key(self) -> None:
        """The master key is the one key."""
        found = draft(general_settings="{master_key: sk-1234}")
        (key,) = found.keys
        assert key.secret is not None
        assert (found.server.credentials, key.secret.has_secret, key.secret.instead) == (
            "keys",
            True,
            "LITELLM_MASTER_KEY",
        )

    def test_of_the_environment(self) -> None:
        """So is one that the file sets as a variable."""
        (key,) = draft(environment_variables="{LITELLM_MASTER_KEY: sk-12345678}").keys
        assert key.secret is not None
        assert key.secret.has_secret

    def test_open(self) -> None:
        """Without one nobody is asked, and that is told."""
        found = draft()
        assert (found.server.credentials, found.keys) == ("none", [])
        assert "LITELLM_MASTER_KEY" in remarks(found)["general_settings.master_key"]

    def test_port(self) -> None:
        """LiteLLM's port is kept on request, on this machine alone."""
        assert draft().server.listen == ()
        found = draft_of(MODEL, keep_port=True)
        assert "tcp:4000:interface=127.0.0.1" in str(found.server.listen[0])
        assert found.old_address == "http://127.0.0.1:4000"
        assert "the port" in remarks(found)


class RuleTests:
    """Fallbacks and the like, wherever they are."""

    def test_router_first(self) -> None:
        """What ``router_settings`` says replaces what ``litellm_settings`` says."""
        found = draft(
            router_settings="{fallbacks: [{a: [b]}]}",
            litellm_settings="{fallbacks: [{b: [a]}], default_fallbacks: [a]}",
        )
        assert [(each.name, each.models) for each in found.routes] == [
            ("a", ("a", "b")),
            ("b", ("b", "a")),
            ("default", ("a", "b")),
        ]

    @pytest.mark.parametrize(
        ("fallbacks", "path"),
        [("[a]", "router_settings.fallbacks"), ("[{a: [{model: b}]}]", "router_settings.fallbacks")],
    )
    def test_odd(self, fallbacks: str, path: str) -> None:
        """Stand-ins in another form are reported."""
        found = draft(router_settings=f"{{fallbacks: {fallbacks}}}")
        assert path in lost(found)
        assert found.routes == []

    def test_larger(self) -> None:
        """Models for long prompts stand in too, which is told."""
        found = draft(router_settings="{context_window_fallbacks: [{a: [b]}]}")
        assert found.routes[0].models == ("a", "b")
        assert "router_settings.context_window_fallbacks" in remarks(found)

    def test_alias_of_nothing(self) -> None:
        """An alias without a name is reported."""
        assert "litellm_settings.model_alias_map.x" in lost(draft(litellm_settings="{model_alias_map: {x: [a]}}"))


class SectionTests:
    """Other sections."""

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({"router_settings": "{allowed_fails: 0, cooldown_time: 10}"}, (1, 10.0)),
            ({"litellm_settings": "{allowed_fails: 3}"}, (4, None)),
            ({"router_settings": "{cooldown_time: 10, disable_cooldowns: true}"}, None),
            ({}, None),
        ],
    )
    def test_breaker(self, settings: dict[str, str], expected: tuple[Any, ...] | None) -> None:
        """Cooldowns are a breaker."""
        breaker = draft(**settings).breaker
        assert (None if breaker is None else (breaker.failures, breaker.open_seconds)) == expected

    def test_limits(self) -> None:
        """Limits of the whole proxy."""
        limits = draft(general_settings="{global_max_parallel_requests: 9, max_request_size_mb: 5}").limits
        assert limits is not None
        assert (limits.max_streams, limits.max_body) == (9, "5M")

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ("{set_verbose: true}", ("debug", "")),
            ("{json_logs: true}", ("", "json")),
            ("{log_level: DEBUG}", ("debug", "")),
        ],
    )
    def test_log(self, settings: str, expected: tuple[str, str]) -> None:
        """Level and format of the log."""
        log = draft(litellm_settings=settings).log
        assert log is not None
        assert (log.level, log.format) == expected

    def test_budget(self) -> None:
        """The proxy's own budget is for all."""
        (budget,) = draft(litellm_settings="{max_budget: 20, budget_duration: 1d}").budgets
        assert (budget.whom, budget.amount, budget.per) == ("all", Decimal(20), "day")

    def test_search(self) -> None:
        """The first engine that the bridge knows does the searches, and other callbacks are still reported."""
        found = draft(
            litellm_settings="{callbacks: [websearch_interception, otel]}",
            search_tools="[{litellm_params: {search_provider: searxng, api_base: 'http://s:8888'}}]",
        )
        assert found.web_search is not None
        assert (found.web_search.engine, found.web_search.api_key) == ("searxng", None)
        assert [*lost(found)] == ["litellm_settings.callbacks"]

    def test_no_search(self) -> None:
        """An engine that the bridge does not know is reported."""
        found = draft(search_tools="[{litellm_params: {search_provider: exa}}]")
        assert found.web_search is None
        assert [*lost(found)] == ["search_tools[0]"]

    @pytest.mark.parametrize("proxy", ["socks5://p:1", "https://p:1"])
    def test_no_proxy(self, proxy: str) -> None:
        """A proxy of another kind is reported."""
        found = draft(environment_variables=f"{{HTTPS_PROXY: '{proxy}'}}")
        assert [*lost(found)] == ["environment_variables.HTTPS_PROXY"]
        assert all(each.proxy is None for each in found.backends)

    def test_authority(self) -> None:
        """An authority of one's own is that of every backend."""
        (backend,) = draft(litellm_settings="{ssl_verify: /etc/ca.pem}").backends
        assert backend.ca_file is not None


class RestTests:
    """What nothing has used."""

    def test_reported_once(self) -> None:
        """Each setting is reported by its path, those that are switched off are not."""
        found = draft(
            router_settings="{redis_host: x, redis_port: ~, enable_tag_filtering: false}",
            litellm_settings="{never_heard_of: 1, cache: no}",
            general_settings="{alerting: [slack]}",
            environment_variables="{A: b}",
            guardrails="[{a: b}]",
        )
        assert [*lost(found)] == [
            "router_settings.redis_host",
            "litellm_settings.never_heard_of",
            "general_settings.alerting",
            "guardrails",
            "environment_variables.A",
        ]

    def test_sections_of_another_kind(self) -> None:
        """A section that is no mapping is reported too."""
        assert "router_settings" in {*lost(draft(router_settings="[a]")), *remarks(draft(router_settings="[a]"))}
