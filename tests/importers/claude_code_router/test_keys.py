"""The keys of a provider."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.importers.claude_code_router.keys import key_strategy, keys_of
from tests.importers.claude_code_router.asking import BOX, a_reading, draft_of, lost, told


def shown(item: dict[str, Any]) -> list[str]:
    """Return the lines of ``api_key`` of a provider."""
    found = keys_of(item, "p", "box", a_reading())
    return [each.key.ini(with_secrets=True) + each.options for each in found]


class KeysTests:
    """Single keys and pools."""

    @pytest.mark.parametrize("field", ["api_key", "apiKey", "apikey"])
    def test_single(self, field: str) -> None:
        """All spellings are read."""
        assert shown({field: "sk-invented-1"}) == ["sk-invented-1"]

    @pytest.mark.parametrize("field", ["api_keys", "apiKeys", "credentials", "keys"])
    def test_pool(self, field: str) -> None:
        """Keys are texts, or objects with options."""
        keys = ["sk-invented-1", {"key": "sk-invented-2", "weight": 3}, {"api_key": "$THIRD", "limits": {"rpm": "5"}}]
        assert shown({field: keys}) == ["sk-invented-1", "sk-invented-2 weight=3", "${THIRD} rpm=5"]

    def test_each_once(self) -> None:
        """A key that is written twice is one."""
        assert shown({"api_key": "sk-invented-1", "api_keys": ["sk-invented-1", "$A", "${A}"]}) == [
            "sk-invented-1",
            "${A}",
        ]

    def test_priority(self) -> None:
        """Those with a priority come by it, the highest first."""
        keys = [{"key": "sk-invented-1"}, {"key": "sk-invented-2", "priority": 5}, {"key": "sk-invented-3"}]
        assert shown({"credentials": keys}) == ["sk-invented-2", "sk-invented-1", "sk-invented-3"]

    def test_placeholders(self) -> None:
        """Placeholders and keys that are switched off are left out, and that is said."""
        reading = a_reading()
        item = {"api_key": "sk-xxx", "api_keys": ["dummy", {"key": "sk-invented-1", "enabled": False}, 5]}
        assert keys_of(item, "p", "box", reading) == ()
        assert not lost(reading.draft)
        for path in ("p.api_key", "p.api_keys[0]", "p.api_keys[1]", "p.api_keys[2]"):
            assert told(reading.draft, path)

    def test_unusable(self) -> None:
        """What no header can carry is not called a placeholder as well."""
        item = {**BOX, "api_key": "two words", "api_keys": ["three more words"]}
        draft = draft_of({"Providers": [item], "Router": {"default": "box,m"}, "APIKEY": "one more"})
        assert not [each for each in draft.findings if "placeholder" in each.meaning]
        assert {"Providers[0].api_key", "Providers[0].api_keys[0]", "APIKEY"} <= {*lost(draft)}
        assert draft.server.credentials == "none"

    def test_lost(self) -> None:
        """Options without a counterpart are reported."""
        reading = a_reading()
        options = {"key": "sk-invented-1", "limits": {"rpm": 1, "tpd": 5}, "region": "eu", "maxFailures": 3}
        keys_of({"api_key": 5, "api_keys": [options]}, "p", "box", reading)
        assert lost(reading.draft) == ["p.api_key", "p.api_keys[0].limits.tpd", "p.api_keys[0].region"]

    def test_bounds(self) -> None:
        """Options beyond what the bridge accepts are cut down to it."""
        options = {"key": "sk-invented-1", "weight": 10**9, "limits": {"rpm": 10**9, "tpm": 10**12}}
        assert shown({"api_keys": [options]}) == ["sk-invented-1 weight=1000 rpm=100000 tpm=1000000000"]


class StrategyTests:
    """How one of several is chosen."""

    @pytest.mark.parametrize(
        ("item", "keys", "strategy"),
        [
            ({}, 1, ""),
            ({"rotation_strategy": "round_robin"}, 1, ""),
            ({}, 2, "round_robin"),
            ({"rotation_strategy": "Round-Robin"}, 2, "round_robin"),
            ({"rotationStrategy": "least_used"}, 2, "least_used"),
            ({"rotation_strategy": "weighted"}, 2, "round_robin"),
            ({"rotation_strategy": "round_robin", "enable_rotation": False}, 2, "fill_first"),
        ],
    )
    def test_known(self, item: dict[str, Any], keys: int, strategy: str) -> None:
        """Keys take turns as before; one alone needs no strategy."""
        assert key_strategy(item, "p", keys, a_reading()) == strategy

    def test_unknown(self) -> None:
        """A way that the bridge does not know is reported."""
        reading = a_reading()
        assert key_strategy({"rotation_strategy": "by moon"}, "p", 2, reading) == ""
        assert lost(reading.draft) == ["p.rotation_strategy"]
