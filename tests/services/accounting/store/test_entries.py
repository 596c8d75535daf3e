"""The buckets of the latencies."""

from __future__ import annotations

from claude_bridge.services.accounting.store.entries import LATENCY_BOUNDS


class BoundsTests:
    """The bounds of the buckets."""

    def test_fourteen_buckets(self) -> None:
        """Thirteen rising bounds make fourteen buckets: rows of the file say the bucket by its number."""
        assert len(LATENCY_BOUNDS) == 13
        assert sorted(set(LATENCY_BOUNDS)) == list(LATENCY_BOUNDS)
