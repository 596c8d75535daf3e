"""Questions to the person at the terminal."""

from __future__ import annotations

import getpass
import sys
import warnings


class NobodyToAsk(Exception):
    """There is no terminal, or the person does not want to answer."""


def ask_hidden(question: str) -> str:
    """Return what a person types, without showing it. Raises `NobodyToAsk`.

    The question goes to the terminal even if standard output leads elsewhere.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would be shown
        try:
            return getpass.getpass(question)
        except (EOFError, OSError, getpass.GetPassWarning):
            raise NobodyToAsk("there is no terminal to ask at") from None
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            raise NobodyToAsk("no answer was given") from None
