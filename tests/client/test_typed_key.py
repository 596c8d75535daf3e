"""A key that is typed and tried."""

from __future__ import annotations

import io

import pytest

from claude_bridge.children import ExpectedFailure
from claude_bridge.client.http_probe import KeyNeeded
from claude_bridge.client.person import Person
from claude_bridge.client.typed_key import typed_key
from tests.client.test_person import Terminal


class TypedKeyTests:
    """What is typed until it fits."""

    def typed(self, *keys: str) -> tuple[tuple[str, int] | None, str]:
        """Return what came of typing these keys one after the other, where sk-1 fits; and what was told."""
        left, out = iter(keys), Terminal()

        def length(key: str) -> int:
            if key != "sk-1":
                raise KeyNeeded
            return len(key)

        found = typed_key(Person(Terminal(), out, lambda _: next(left, "")), "Key", "the backend", length)
        return found, out.getvalue()

    def test_accepted(self) -> None:
        """The key comes with what was got for it; a wrong one before it is told."""
        assert self.typed("sk-1") == (("sk-1", 4), "")
        assert self.typed("sk-2", "sk-1") == (("sk-1", 4), "the backend does not accept this key\n")

    def test_none(self) -> None:
        """No answer is no key, and so is nobody."""
        assert self.typed("sk-2", "")[0] is None
        assert typed_key(Person(io.StringIO()), "Key", "the backend", len) is None

    def test_three(self) -> None:
        """After three wrong ones it is over."""
        with pytest.raises(ExpectedFailure, match="the backend does not accept this key"):
            self.typed("a", "b", "c", "sk-1")
