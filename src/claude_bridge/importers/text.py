"""The values of another tool's file: plain text, references to variables, and secrets."""

from __future__ import annotations

from typing import Final, TypeAlias

from attrs import frozen

from claude_bridge.config.secret import Secret

KEY_SOURCES: Final = ("file:", "credential:", "command:", "weight=", "rpm=", "tpm=")
"""How a configuration says where a key is, and what follows it: a key that begins so cannot be written out."""


@frozen
class Variable:
    """A reference to an environment variable.

    :ivar name: letters, digits and underscores; see `claude_bridge.importers.names.is_variable`.
    :ivar sample: a value that it could have, with which the result is checked; credentials need none.
    """

    name: str
    sample: str = ""


Part: TypeAlias = str | Variable | Secret


@frozen(kw_only=True)
class Text:
    """One value, made of plain text, variables and secrets.

    :ivar parts: in order.
    :ivar instead: the variable to write where a secret must not be written; required if there is a `Secret`.
    :ivar sample: a value that this variable could have; credentials need none.
    :ivar path: where the secret is in the source.
    """

    parts: tuple[Part, ...]
    instead: str = ""
    sample: str = ""
    path: str = ""

    @property
    def has_secret(self) -> bool:
        """Whether a secret is written out in it."""
        return any(isinstance(each, Secret) for each in self.parts)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables that it refers to."""
        return tuple(each for each in self.parts if isinstance(each, Variable))

    def ini(self, *, with_secrets: bool) -> str:
        """Return it as an INI file has it; with ``instead`` for a value that has a secret, unless ``with_secrets``."""
        if self.has_secret and not with_secrets:
            return f"${{{self.instead}}}"
        return "".join(_ini(each) for each in self.parts)


def _ini(part: Part) -> str:
    if isinstance(part, Variable):
        return f"${{{part.name}}}"
    text = part.reveal() if isinstance(part, Secret) else part
    return text.replace("$", "$$")


def plain(text: str) -> Text:
    """Return a value that is plain text."""
    return Text(parts=(text,))
