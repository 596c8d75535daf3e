"""Values with references, and the names of providers."""

from __future__ import annotations

import pytest

from claude_bridge.importers.claude_code_router.reading import Provider, is_nothing, number, texts, whole
from claude_bridge.importers.text import Variable
from tests.importers.claude_code_router.asking import a_reading, lost


class CredentialTests:
    """Keys as a config.json has them."""

    @pytest.mark.parametrize(
        ("written", "ini"),
        [
            ("sk-invented-1", "sk-invented-1"),
            ("$A_KEY", "${A_KEY}"),
            ("${A_KEY}", "${A_KEY}"),
            ("${a_key}", "${a_key}"),
            ("pre-$A_KEY", "pre-${A_KEY}"),
            ("a$b", "a$$b"),
            ("${not a name}x", "$${not"),
            ("{{apiKey}}", "${BOX_KEY}"),
        ],
    )
    def test_written(self, written: str, ini: str) -> None:
        """References stay references, in the bridge's form."""
        found = a_reading().credential(written, "p", "BOX_KEY")
        if ini == "$${not":  # it has a space, which no key may have
            assert found is None
        else:
            assert found is not None
            assert found.ini(with_secrets=True) == ini

    @pytest.mark.parametrize("written", ["", "EMPTY", "sk-xxx"])
    def test_placeholder(self, written: str) -> None:
        """A placeholder is no key."""
        assert a_reading().credential(written, "p", "BOX_KEY") is None

    def test_unfit(self) -> None:
        """What no header could carry is reported, and not shown."""
        reading = a_reading()
        assert reading.credential("invented key", "p", "BOX_KEY") is None
        assert lost(reading.draft) == ["p"]
        assert "invented" not in repr(reading.draft.findings)

    def test_defined_in_the_file(self) -> None:
        """A variable that the file itself sets is its value."""
        reading = a_reading()
        reading.defined["A_KEY"] = "invented-value"
        found = reading.credential("$A_KEY", "p", "BOX_KEY")
        assert found is not None
        assert (found.ini(with_secrets=True), found.ini(with_secrets=False)) == ("invented-value", "${BOX_KEY}")

    def test_no_variable_gets_two_meanings(self) -> None:
        """A name to which the file refers is not suggested for another key."""
        reading = a_reading()
        reading.reserve_variables("$BOX_KEY ${OTHER}")
        found = reading.credential("sk-invented-1", "p", "BOX_KEY")
        assert found is not None
        assert found.ini(with_secrets=False) == "${BOX_KEY_2}"
        assert found.variables == ()
        again = reading.credential("$BOX_KEY", "p", "X")
        assert again is not None
        assert again.variables == (Variable("BOX_KEY"),)


class FindTests:
    """Providers by name."""

    def test_spelling(self) -> None:
        """Exactly, else ignoring case; of several the last one."""
        reading = a_reading()
        reading.providers = [Provider(name=each, backend=each, path="p") for each in ("Box", "box", "box")]
        assert [reading.find(each) for each in ("Box", "box", "BOX", "x")] == [
            reading.providers[0],
            reading.providers[2],
            reading.providers[2],
            None,
        ]

    @pytest.mark.parametrize(
        "written", ["command:reboot", "file:/etc/passwd", "credential:x", "file:/home/${USER}/key", "$HERE"]
    )
    def test_no_key_is_followed(self, written: str) -> None:
        """A key that the bridge would run or read a file for is no key: the file may be somebody else's."""
        reading = a_reading()
        reading.defined["HERE"] = "command:reboot"
        assert reading.credential(written, "Providers[0].api_key", "A_KEY") is None
        (found,) = reading.draft.findings
        assert found.lost
        assert "says here where the key is" in found.meaning


class ValueTests:
    """Values of any form."""

    @pytest.mark.parametrize(
        ("value", "found"),
        [(5, 5), ("60000", 60_000), (6e4, 60_000), ("x", None), (True, None), (0, None), (1.5, None), (1e999, None)],
    )
    def test_whole(self, value: object, found: int | None) -> None:
        """A number may be written as a text."""
        assert whole(value) == found

    def test_number(self) -> None:
        """Fractions are numbers; yes and no are none."""
        assert [number(each) for each in ("1.5", 2, False, None, "1e3")] == [1.5, 2.0, None, None, None]
        assert [number(each) for each in (float("nan"), float("-inf"), 10**400)] == [None, None, None]

    def test_texts(self) -> None:
        """A text alone is a list of one."""
        assert [texts(each) for each in ("a", ["a", " ", 1, "b "], None)] == [["a"], ["a", "b"], []]

    @pytest.mark.parametrize("value", [None, "", False, [], {}, {"a": []}, [{"a": ""}, None]])
    def test_nothing(self, value: object) -> None:
        """What is empty all through says nothing."""
        assert is_nothing(value)

    @pytest.mark.parametrize("value", ["x", True, 1, {"a": {"b": "c"}}, [0, 1]])
    def test_something(self, value: object) -> None:
        """Anything else says something."""
        assert not is_nothing(value)
