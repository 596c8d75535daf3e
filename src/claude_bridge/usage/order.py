"""What somebody wants to know: the words and options of `claude-bridge usage`, and which of them go together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import frozen

from claude_bridge.config.problems import nearest
from claude_bridge.services.accounting.store.figures import BY, By
from claude_bridge.usage.period import WORDS

_FORMS: Final = {"json": "--json", "csv": "--csv", "jsonl": "--format jsonl"}

_OPTIONS: Final[Mapping[str, Sequence[str]]] = {
    "": ("--by", "--key", "--since", "--until", "--json", "--csv"),
    "session": ("--json", "--csv"),
    "export": ("--since", "--until", "--key", "--session", "--format jsonl", "--csv"),
    "budgets": ("--json",),
    "compact": (),
    "forget": ("--session", "--key"),
}
"""The options of each action, and those of a period, which is named by no action."""

ACTIONS: Final = tuple(filter(None, _OPTIONS))
"""The words after `usage` that are no period."""


_MEANT: Final[Mapping[str, str]] = {
    **{by: f"--by {by}" for by in BY},
    **{word: word for word in (*WORDS, *ACTIONS, "prices")},
    "session": "session ID or --by session",
    "help": "--help",
}
"""What somebody may have meant, by what a wrong word is similar to."""


def meant(word: str) -> str:
    """Return what somebody may have meant with a word that is neither an action nor a period; "" if that is unclear."""
    return _MEANT.get(nearest(word, _MEANT) or "", "")


class Misuse(Exception):
    """The command line makes no sense; the text says why."""


@frozen(kw_only=True)
class Order:
    """What somebody wants to know. None is what was not given.

    :ivar words: the words of the command line: a period, or an action and what it is about.
    :ivar by: what the sums are of; models if it is not given.
    :ivar since: the period of an export, or of sums.
    :ivar until: the end of that, which is not in it; the moment of the question if it is not given.
    :ivar form: how to write it: ``text``, ``json``, ``csv``; for an export ``jsonl`` or ``csv``.
    :ivar session: the only session of an export; whom to forget.
    :ivar key: whose sums or attempts; whom to forget. "" is nobody's.
    """

    words: Sequence[str] = ()
    by: By | None = None
    since: str | None = None
    until: str | None = None
    form: str = "text"
    session: str | None = None
    key: str | None = None

    @property
    def action(self) -> str:
        """The action; "" for a period."""
        first = self.words[0] if self.words else ""
        return first if first in ACTIONS else ""

    def check_options(self) -> None:
        """Raise `Misuse` for an option that the action does not take: ignored, it would give other figures."""
        action = self.action
        taken = _OPTIONS[action]
        for option in self._given():
            if option not in taken:
                what = f"usage {action}" if action else "a period"
                instead = f"its options are {', '.join(taken)}" if taken else "it has no options of its own"
                if option == "--session" and not action:
                    instead = "the figures of one session are shown by usage session ID"
                raise Misuse(f"{what} takes no {option}: {instead}")

    def _given(self) -> Iterator[str]:
        for name in ("by", "since", "until", "session", "key"):
            if getattr(self, name) is not None:
                yield f"--{name}"
        if self.form in _FORMS:
            yield _FORMS[self.form]
