"""Tests for `claude_bridge.importers.litellm.values`."""

from __future__ import annotations

import pytest

from claude_bridge.config.secret import Secret
from claude_bridge.importers.litellm.values import Values, fits_a_line, host, is_reference
from claude_bridge.importers.text import Text, Variable, plain
from tests.importers.litellm.files import table_of

GIVEN = "A: http://box:1\nKEY: sk-given-8a7b6c5d\nEMPTY_KEY: dummy\nOTHER: os.environ/B\n"


def values(text: str = "") -> Values:
    """Return a reader for a file that sets `GIVEN`, and has this text besides."""
    return Values.of(table_of(GIVEN), text)


class PlainTests:
    """Values that are no secrets."""

    @pytest.mark.parametrize(
        ("written", "text"),
        [
            ("http://x", plain("http://x")),
            ("os.environ/B", Text(parts=(Variable("B", "s"),))),
            ("os.environ/A", plain("http://box:1")),
            ("os.environ/OTHER", Text(parts=(Variable("OTHER", "s"),))),
            ("${B}", Text(parts=(Variable("B", "s"),))),
            ("${B:-x}", Text(parts=(Variable("B", "s"),))),
            ("$B", Text(parts=(Variable("B", "s"),))),
            ("os.environ/not a name", plain("os.environ/not a name")),
            ("os.environ/", plain("os.environ/")),
        ],
    )
    def test_plain(self, written: str, text: Text) -> None:
        """A reference becomes a variable, or what the file itself sets it to."""
        assert values().plain(written, "s") == text

    def test_used(self) -> None:
        """What the file sets and something refers to is known."""
        reader = values()
        reader.plain("os.environ/A")
        assert reader.used == {"A"}


class SecretTests:
    """Keys."""

    def test_written_out(self) -> None:
        """The same key is the same value wherever it stands; another one gets another variable."""
        reader = values()
        first, again, other = (
            reader.secret(key, "my key", key) for key in ("sk-one-12345", "sk-one-12345", "sk-two-12345")
        )
        assert first == again == Text(parts=(Secret("sk-one-12345"),), instead="MY_KEY", path="sk-one-12345")
        assert other is not None
        assert other.instead == "MY_KEY_2"

    def test_no_clash(self) -> None:
        """A variable that the file refers to elsewhere does not stand for a key that is written out."""
        found = values("api_key: os.environ/MY_KEY").secret("sk-one-12345", "MY_KEY", "")
        assert found is not None
        assert found.instead == "MY_KEY_2"

    def test_given(self) -> None:
        """A key that the file sets as a variable is a secret of the file, under that variable's name."""
        found = values().secret("os.environ/KEY", "X", "model_list[0]")
        assert found == Text(parts=(Secret("sk-given-8a7b6c5d"),), instead="KEY", path="environment_variables.KEY")

    @pytest.mark.parametrize("written", ["dummy", "EMPTY", "sk-xxx", "none", "os.environ/EMPTY_KEY"])
    def test_placeholder(self, written: str) -> None:
        """A placeholder is no key of a backend, but may be what clients send."""
        assert values().secret(written, "X", "") is None
        assert values().client_secret(written, "X", "").has_secret

    def test_reference(self) -> None:
        """A reference to a variable of the environment stays one."""
        assert values().secret("os.environ/B", "X", "") == Text(parts=(Variable("B"),))
        assert values().variable("C") == Text(parts=(Variable("C"),))
        assert is_reference("os.environ/B")
        assert not is_reference("b")

    @pytest.mark.parametrize(
        "written",
        [
            "a key",
            "kéy-12345678",
            "'quoted-12345678'",
            "***",
            "",
            "command:date",
            "file:/etc/shadow",
            "weight=3",
            "a\nb",
        ],
    )
    def test_not_sendable(self, written: str) -> None:
        """A key that would be taken for something else, such as a command to run, is none."""
        assert not values().is_sendable(written)

    @pytest.mark.parametrize("written", ["sk-1234", "a$b{c}", "os.environ/B", "os.environ/KEY", "a#b"])
    def test_sendable(self, written: str) -> None:
        """Other keys, and those in variables, can be sent."""
        assert values().is_sendable(written)

    def test_header(self) -> None:
        """A header is a secret if its name says so."""
        assert values().header("X-Api-Key", "k", "").has_secret
        assert not values().header("X-Title", "k", "").has_secret

    def test_repr(self) -> None:
        """A reader shows nothing that it has read."""
        reader = values()
        reader.secret("sk-one-12345", "X", "")
        assert "sk-" not in repr(reader)


class LineTests:
    """Values of an INI file."""

    @pytest.mark.parametrize("text", ["a", "a b", "a#b", "$a", "${b", "a'b"])
    def test_fits(self, text: str) -> None:
        """Dollar signs are written twice."""
        assert fits_a_line(text)

    @pytest.mark.parametrize("text", ["", " a", "a ", "a #b", "a ;b", "#a", "a\nb", "a\u2028b", "'a'", '"a"'])
    def test_does_not_fit(self, text: str) -> None:
        """Comments, quotes, and what is not printable."""
        assert not fits_a_line(text)


class HostTests:
    """Hosts of URLs."""

    @pytest.mark.parametrize(
        ("url", "name"),
        [
            (plain("https://API.openai.com/v1"), "api.openai.com"),
            (Text(parts=(Variable("A"), "/v1")), ""),
            (plain("http://[x"), ""),
        ],
    )
    def test_host(self, url: Text, name: str) -> None:
        """It is in lower case, and nothing where a variable has it."""
        assert host(url) == name
