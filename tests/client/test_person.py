"""Questions to whoever sits at the terminal."""

from __future__ import annotations

import getpass
import io
import os
import pty
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

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


SCRIPT = "from claude_bridge.client.person import Person; print(repr(Person().secret('key')))"


class TerminalTests:
    """A real terminal."""

    @pytest.fixture
    def terminal(self) -> Iterator[tuple[int, str]]:
        """Yield our end of a terminal, and the name of the other one."""
        ours, theirs = pty.openpty()
        yield ours, os.ttyname(theirs)
        os.close(ours)
        os.close(theirs)

    def test_typed(self, terminal: tuple[int, str], tmp_path: Path) -> None:
        """What a person types comes back, and the terminal shows the question alone."""
        ours, name = terminal
        script = f"import os; os.setsid(); t = os.open({name!r}, os.O_RDWR); os.dup2(t, 0); os.dup2(t, 2); {SCRIPT}"
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=tmp_path) as process:
            shown = b""
            while b"(not shown): " not in shown:
                shown += os.read(ours, 1000)
            os.write(ours, b"s3cret\n")
            assert process.stdout is not None
            assert process.stdout.read() == b"'s3cret'\n"
        os.set_blocking(ours, False)
        assert b"s3cret" not in shown + os.read(ours, 1000)

    def test_no_terminal(self) -> None:
        """Without a terminal nothing is read, not even from standard input, and no warning is shown."""
        script = f"import os; os.setsid(); {SCRIPT}"
        done = subprocess.run(
            [sys.executable, "-c", script], input="typed\n", capture_output=True, text=True, timeout=60, check=True
        )
        assert (done.stdout, done.stderr) == ("''\n", "")

    def test_cannot_be_hidden(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where what is typed would be shown nothing is asked."""

        def shows(_question: str) -> str:
            warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=1)
            return "s3cret"

        monkeypatch.setattr(getpass, "getpass", shows)
        assert Person(Terminal(), Terminal()).secret("key") == ""
