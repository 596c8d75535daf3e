"""Questions to whoever sits at the terminal."""

from __future__ import annotations

import io

import pytest

from claude_bridge.children import ExpectedFailure
from claude_bridge.client.person import Person


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        """Return yes."""
        return True


def person(typed: str = "", secret: str = "") -> tuple[Person, Terminal]:
    """Return somebody who types this, and what is written to them."""
    out = Terminal()

    def hidden(question: str) -> str:
        out.write(question)
        if not secret:
            raise EOFError
        return secret

    return Person(Terminal(typed), out, hidden), out


class PersonTests:
    """A key and a model."""

    def test_nobody(self) -> None:
        """Behind a pipe nobody is asked."""
        for typed, out in ((io.StringIO(), Terminal()), (Terminal(), io.StringIO())):
            nobody = Person(typed, out, lambda _question: "sk-1")
            assert (nobody.is_there, nobody.secret("Key")) == (False, "")

    def test_secret(self) -> None:
        """A key is asked for without being shown, and may be refused."""
        asked, out = person(secret=" sk-1\n")
        assert asked.secret("Key for x") == "sk-1"
        assert out.getvalue() == "Key for x (not shown): "
        assert person()[0].secret("Key") == ""

    def test_text(self) -> None:
        """A line is asked for, and may be empty."""
        asked, out = person(" http://x \n\n")
        assert [asked.text("URL"), asked.text("URL"), asked.text("URL")] == ["http://x", "", ""]
        assert out.getvalue() == "URL: " * 3
        assert Person(io.StringIO("x\n"), Terminal(), lambda _question: "").text("URL") == ""

    @pytest.mark.parametrize(("typed", "chosen"), [("2\n", "b"), ("a\n", "a"), ("\n3\nz\n1\n", None), ("9\n2\n", "b")])
    def test_choose(self, typed: str, chosen: str | None) -> None:
        """A number or a name is an answer; after three that are none it is over, as at the end of input."""
        asked, out = person(typed)
        if chosen is None:
            with pytest.raises(ExpectedFailure, match="no model was chosen"):
                asked.choose("Which one", ["a", "b"])
        else:
            assert asked.choose("Which one", ["a", "b"]) == chosen
        assert out.getvalue().startswith("   1  a\n   2  b\nWhich one [1-2]: ")

    def test_end_of_input(self) -> None:
        """Ctrl-D is no answer."""
        asked, out = person()
        with pytest.raises(ExpectedFailure):
            asked.choose("Which one", ["a", "b"])
        assert out.getvalue().count("Which one") == 1
