"""Promises of the model list's shape and pages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.errors import InvalidRequest
from claude_bridge.edge.listing import Page, entry, render
from claude_bridge.services.exchange.catalogue import PublishedModel

MODELS = [PublishedModel(id=f"{name}@claude-bridge", display_name=name) for name in ("a", "b/b", "c", "d", "e")]


def page(**query: str) -> dict[str, Any]:
    """Return the page of five models that a query asks for."""
    args = {name.encode(): [value.encode()] for name, value in query.items()}
    return render(MODELS, Page.asked(args))


def names(**query: str) -> str:
    """Return the names on it, joined."""
    return "".join(one["display_name"][0] for one in page(**query)["data"])


class PageTests:
    """Which part of the list is given."""

    def test_all(self) -> None:
        """A short list is one page."""
        whole = page()
        assert names() == "abcde"
        assert (whole["has_more"], whole["first_id"], whole["last_id"]) == (
            False,
            "a@claude-bridge",
            "e@claude-bridge",
        )

    @pytest.mark.parametrize(
        ("query", "given", "more"),
        [
            ({"limit": "2"}, "ab", True),
            ({"limit": "5"}, "abcde", False),
            ({"limit": "1000"}, "abcde", False),
            ({"after_id": "b/b@claude-bridge"}, "cde", False),
            ({"after_id": "b/b@claude-bridge", "limit": "2"}, "cd", True),
            ({"after_id": "c@claude-bridge", "limit": "2"}, "de", False),
            ({"after_id": "e@claude-bridge"}, "", False),
            ({"before_id": "d@claude-bridge"}, "abc", False),
            ({"before_id": "d@claude-bridge", "limit": "2"}, "bc", True),
            ({"before_id": "c@claude-bridge", "limit": "2"}, "ab", False),
            ({"before_id": "a@claude-bridge"}, "", False),
            ({"after_id": "a@claude-bridge", "before_id": "e@claude-bridge", "limit": "2"}, "bc", True),
            ({"after_id": "d@claude-bridge", "before_id": "b/b@claude-bridge"}, "", False),
        ],
    )
    def test_cursors(self, query: dict[str, str], given: str, more: bool) -> None:
        """Cursors and limit give the part that the API would give."""
        assert (names(**query), page(**query)["has_more"]) == (given, more)

    @pytest.mark.parametrize("cursor", ["after_id", "before_id"])
    def test_unknown_cursor(self, cursor: str) -> None:
        """A cursor that is no entry gives an empty page, as the API does."""
        assert page(**{cursor: "nobody"}) == {"data": [], "has_more": False, "first_id": None, "last_id": None}

    @pytest.mark.parametrize(("cursor", "given"), [("after_id", "cde"), ("before_id", "a")])
    def test_plain_cursor(self, cursor: str, given: str) -> None:
        """A plain name is as good as a published id."""
        assert names(**{cursor: "b/b"}) == given

    @pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "", "1.5", "²", "9" * 5000, "1_0", " 5"])
    def test_wrong_limit(self, limit: str) -> None:
        """A limit that is no number from 1 to 1000 is 400 and names the field."""
        with pytest.raises(InvalidRequest, match=r"^limit: "):
            page(limit=limit)

    @given(limit=st.integers(min_value=1, max_value=7))
    def test_walking(self, limit: int) -> None:
        """Page after page gives every entry once, forwards and backwards."""
        everything = [model.id for model in MODELS]
        assert walked({}, limit, "after_id", "last_id") == everything
        assert walked({"before_id": everything[-1]}, limit, "before_id", "first_id") == everything[:-1]


def walked(query: dict[str, str], limit: int, cursor: str, following: str) -> list[str]:
    """Read page after page and return all ids in the list's order."""
    seen: list[str] = []
    while True:
        part = page(**query, limit=str(limit))
        ids = [one["id"] for one in part["data"]]
        seen = seen + ids if cursor == "after_id" else ids + seen
        if not part["has_more"]:
            return seen
        query = {cursor: part[following]}


class EntryTests:
    """One model."""

    def test_fields(self) -> None:
        """An entry has every field of the API's, null where nothing is known."""
        made = PublishedModel(id="a@claude-bridge", display_name="a", created=1_750_000_000, max_input_tokens=9)
        assert entry(made) == {
            "type": "model",
            "id": "a@claude-bridge",
            "display_name": "a",
            "created_at": "2025-06-15T15:06:40Z",
            "lifecycle": "active",
            "max_input_tokens": 9,
            "max_tokens": None,
            "capabilities": None,
        }

    @pytest.mark.parametrize("created", [None, 0, 1_750_000_000_000, 2**53 - 1])
    def test_impossible_times(self, created: int | None) -> None:
        """Where a backend's time is missing or none (milliseconds, say) the list is given all the same."""
        made = PublishedModel(id="a@claude-bridge", display_name="a", created=created)
        assert entry(made)["created_at"] == "1970-01-01T00:00:00Z"
