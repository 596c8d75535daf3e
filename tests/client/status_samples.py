"""What Claude Code 2.1.330 gave its status line's command, recorded, and what a bridge answers."""

from __future__ import annotations

import json
from typing import Any

BEGINNING: dict[str, Any] = json.loads("""
{"session_id":"a90aed87-f79f-4df4-b573-6ef3b53727b7","transcript_path":"/home/alice/.claude/projects/-p/a90aed87.jsonl",
"cwd":"/home/alice/p","effort":{"level":"high"},"model":{"id":"glm@claude-bridge","display_name":"glm@claude-bridge"},
"workspace":{"current_dir":"/home/alice/p","project_dir":"/home/alice/p","added_dirs":[]},"version":"2.1.330",
"output_style":{"name":"default"},"cost":{"total_cost_usd":0,"total_duration_ms":378,"total_api_duration_ms":0,
"total_lines_added":0,"total_lines_removed":0},"context_window":{"total_input_tokens":0,"total_output_tokens":0,
"context_window_size":131072,"current_usage":null,"used_percentage":null,"remaining_percentage":null},
"exceeds_200k_tokens":false,"fast_mode":false,"thinking":{"enabled":true}}
""")
"""Before the first answer."""

ANSWERED: dict[str, Any] = json.loads("""
{"session_id":"a90aed87-f79f-4df4-b573-6ef3b53727b7","transcript_path":"/home/alice/.claude/projects/-p/a90aed87.jsonl",
"cwd":"/home/alice/p","prompt_id":"4d6c559c-1904-40fc-9dc6-fd08af934d89","effort":{"level":"high"},
"model":{"id":"glm@claude-bridge","display_name":"glm@claude-bridge"},"workspace":{"current_dir":"/home/alice/p",
"project_dir":"/home/alice/p","added_dirs":[]},"version":"2.1.330","output_style":{"name":"default"},
"cost":{"total_cost_usd":0.000188,"total_duration_ms":943,"total_api_duration_ms":32,"total_lines_added":0,
"total_lines_removed":0},"context_window":{"total_input_tokens":12,"total_output_tokens":7,
"context_window_size":131072,"current_usage":{"input_tokens":12,"output_tokens":7,"cache_creation_input_tokens":0,
"cache_read_input_tokens":0},"used_percentage":0,"remaining_percentage":100},"exceeds_200k_tokens":false,
"prompt_cache":{"warm":false,"caching_observed":false,"ttl":"5m","expires_at":null,"requests":1,"misses":0,
"expected_rebuilds":0,"hit_ratio":0,"cache_write_tokens":0,"miss_recache_tokens":0,"last_miss_at":null,
"last_miss_cause":null,"miss_causes":{},"recache_tokens_if_cold":12},"fast_mode":false,"thinking":{"enabled":true}}
""")
"""After an answer of 7 tokens to a prompt of 12."""

SESSION = str(BEGINNING["session_id"])

FIGURES: dict[str, Any] = {
    "model": "glm",
    "backend": "chutes",
    "cost_usd": 0.42,
    "unpriced": 0,
    "agents": [
        {"id": "a1", "type": "Explore", "model": "zai/GLM", "cost_usd": 0.06, "unpriced": 0},
        {"id": "", "type": "others", "model": "zai/GLM", "cost_usd": 0.04, "unpriced": 0},
    ],
    "context": 36_000,
    "window": 131_072,
    "cached": 0.87,
    "budgets": [
        {"name": "all", "scope": "all", "unit": "usd", "spent": 1.0, "limit": 100.0, "resets_at": None, "warn": False},
        {
            "name": "alice-day",
            "scope": "key alice",
            "unit": "usd",
            "spent": 2.1,
            "limit": 5.0,
            "resets_at": 1796083200,
            "warn": False,
        },
    ],
    "breaker": "closed",
}

LINE = "glm -> chutes  $0.42 (agents $0.10)  ctx 36k/131k 27%  cache 87%  budget alice-day 42%"
