"""Tests for `claude_bridge.importers.litellm.table`."""

from __future__ import annotations

from decimal import Decimal

import pytest

from claude_bridge.importers.litellm.table import decimal, is_nothing, is_off
from tests.importers.litellm.files import table_of

TABLE = "text: ' a '\nnumber: '1e-6'\nwhole: 7\nyes: on\nlist: [a, 1]\ntable: {b: c}\ntables: [{d: e}, f]\nnothing: ~\n"


class TableTests:
    """A mapping that knows what was used."""

    def test_values(self) -> None:
        """Each kind of value is read by its own method."""
        table = table_of(TABLE, "x")
        assert table.text("text") == "a"
        assert table.number("number") == Decimal("0.000001")
        assert table.whole("whole", 10) == 7
        assert table.flag("yes") is True
        assert table.texts("list") == ("a", "1")
        assert table.table("table").text("b") == "c"
        assert [(each.path, each.text("d")) for each in table.tables("tables")] == [("x.tables[0]", "e")]
        assert [*table.rest()] == []

    def test_rest(self) -> None:
        """What nobody used is the rest, and so is what was not of the kind that somebody wanted."""
        table = table_of(TABLE)
        for key in ("text", "nothing"):
            table.text(key)
        assert table.text("table") is None
        assert table.number("yes") is None
        assert table.flag("text") is None
        assert table.whole("number", 10) is None
        assert table.whole("whole", 6) is None
        assert table.table("list").entries == {}
        assert table.tables("table") == ()
        table.ignore("tables")
        assert [*table.rest()] == ["text", "number", "whole", "yes", "list", "table"]

    def test_left(self) -> None:
        """A value may turn out to be for the report after all."""
        table = table_of("a: b")
        table.text("a")
        table.leave("a")
        assert [*table.rest()] == ["a"]


class NothingTests:
    """Values that say nothing."""

    @pytest.mark.parametrize("text", ["a: ~", "a: ''", "a: []", "a: {}", "a:"])
    def test_nothing(self, text: str) -> None:
        """Empty values are nothing, and off."""
        tree = table_of(text).entries["a"]
        assert is_nothing(tree)
        assert is_off(tree)

    @pytest.mark.parametrize(("text", "off"), [("a: no", True), ("a: None", True), ("a: 0", False), ("a: [x]", False)])
    def test_off(self, text: str, off: bool) -> None:
        """A value that says no is off, a number is not."""
        assert is_off(table_of(text).entries["a"]) is off

    @pytest.mark.parametrize("text", ["a: yes", "a: x", "a: .nan", "a: 1e400", "a: [1]", "a: 1e16"])
    def test_no_number(self, text: str) -> None:
        """Neither a boolean nor something immense is a number."""
        assert decimal(table_of(text).entries["a"]) is None
