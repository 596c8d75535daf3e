"""Tests for `claude_bridge.core.backend_api`: what the values show of themselves."""

from __future__ import annotations

import pytest

from claude_bridge.core.backend_api import Adjustment, Clues, UpstreamFailure, first_recognised
from claude_bridge.core.kinds import KINDS


class UpstreamFailureTests:
    """A failure of a backend."""

    def test_words_do_not_show(self) -> None:
        """A message may quote a credential or the prompt: what a log or a traceback shows has none of it."""
        assert "topsecret" not in repr(UpstreamFailure(status=401, message="bad key topsecret"))


class AdjustmentTests:
    """What a backend did not accept, and how it is asked now."""

    @pytest.mark.parametrize(
        ("adjustment", "said"),
        [
            (Adjustment(why="limit", max_output_tokens=8192), "rejected max_tokens; retried with 8192"),
            (Adjustment(why="shrink", max_tokens=1024), "rejected max_tokens; retried with 1024"),
            (Adjustment(why="echo", refuses_reasoning=True), "rejected past reasoning; retried without it"),
            (
                Adjustment(why="schema = bare", overrides={"schema": "bare"}),
                "rejected a request; retried with schema = bare",
            ),
            (
                Adjustment(why="reasoning_levels", overrides={"reasoning_levels": ("low",)}),
                "rejected a request; retried with other reasoning_levels",
            ),
        ],
    )
    def test_words(self, adjustment: Adjustment, said: str) -> None:
        """The log names the number, or the trait, that was changed."""
        assert f"rejected {adjustment.rejected}; retried {adjustment.instead}" == said


class CluesTests:
    """What a backend reveals of itself."""

    def test_all_are_the_engines(self) -> None:
        """A server whose models all belong to one engine is that engine, and the log can say why."""
        assert Clues(owners=("vllm",)).only_owner("vllm") == "owned_by vllm in its model list"

    @pytest.mark.parametrize("owners", [(), ("openai",), ("vllm", "openai"), ("vllm", "sglang"), ("VLLM",), ("vllm2",)])
    def test_any_other(self, owners: tuple[str, ...]) -> None:
        """A gateway before several servers, and a server that tells nothing, are not taken for it."""
        assert Clues(owners=owners).only_owner("vllm") == ""

    @pytest.mark.parametrize(
        ("host", "known"),
        [("api.x.com", True), ("a.y.com", True), ("y.com", False), ("evil-api.x.com", False), ("api.x.com.z", False)],
    )
    def test_hosts(self, host: str, known: bool) -> None:
        """A host is known by its whole name, or by a suffix that begins with a dot."""
        assert Clues(host=host).host_among(("api.x.com", ".y.com")) == (f"host {host}" if known else "")

    def test_first_recognised(self) -> None:
        """The first dialect that recognises the clues decides, with its reason."""
        dialects = tuple(KINDS["openai"].dialects.values())
        found = first_recognised(dialects, Clues(host="api.deepseek.com"))
        assert found is not None
        assert (found.dialect.name, found.why, found.known) == ("deepseek", "host api.deepseek.com", True)
        assert first_recognised(dialects, Clues(host="nobody.example")) is None
