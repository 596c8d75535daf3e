"""Whoever sits at the terminal, who may be asked for a key or for a model."""

from __future__ import annotations

import getpass
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Final, TextIO

from attrs import field, frozen

from claude_bridge.children import ExpectedFailure

TRIES: Final = 3
"""Answers that may be wrong before it is given up."""


def typed_unseen(question: str) -> str:
    """Return what is typed at the terminal, which does not show it. Raises `EOFError` where it cannot be hidden."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would be shown
        try:
            return getpass.getpass(question)
        except (OSError, getpass.GetPassWarning):
            raise EOFError from None


@frozen
class Person:
    """Asks questions on standard error; there is nobody unless both that and standard input are a terminal."""

    _typed: TextIO = field(factory=lambda: sys.stdin)
    _out: TextIO = field(factory=lambda: sys.stderr)
    _hidden: Callable[[str], str] = typed_unseen

    @property
    def is_there(self) -> bool:
        """Whether anybody can answer."""
        return self._typed.isatty() and self._out.isatty()

    def tell(self, what: str) -> None:
        """Write a line."""
        self._out.write(f"{what}\n")

    def secret(self, question: str) -> str:
        """Return what is typed without being shown; "" if there is nobody."""
        if not self.is_there:
            return ""
        try:
            return self._hidden(f"{question} (not shown): ").strip()
        except EOFError:
            return ""

    def text(self, question: str) -> str:
        """Return what is typed; "" if there is nobody."""
        if not self.is_there:
            return ""
        self._out.write(f"{question}: ")
        self._out.flush()
        return self._typed.readline().strip()

    def choose(self, question: str, names: Sequence[str]) -> str:
        """Return one of several names, by its number or as it is. Raises `ExpectedFailure` for no answer."""
        self._out.writelines(f"{number:>4}  {name}\n" for number, name in enumerate(names, start=1))
        for _ in range(TRIES):
            self._out.write(f"{question} [1-{len(names)}]: ")
            self._out.flush()
            answer = self._typed.readline()
            if answer.strip() in names:
                return answer.strip()
            if answer.strip().isdecimal() and 1 <= int(answer) <= len(names):
                return names[int(answer) - 1]
            if not answer:
                break
        raise ExpectedFailure("no model was chosen")
