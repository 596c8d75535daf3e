"""Values: how plain text, variables and secrets are written."""

from __future__ import annotations

from claude_bridge.config.secret import Secret
from claude_bridge.importers.text import Text, Variable, plain

MIXED = Text(parts=(Secret("invented$"), Variable("X")), instead="ITS_NAME")


class TextTests:
    """One value."""

    def test_plain(self) -> None:
        """A dollar sign would begin a variable, so it is doubled."""
        assert plain("a$b").ini(with_secrets=True) == "a$$b"

    def test_variable(self) -> None:
        """A reference is written as such, whether secrets are written or not."""
        text = Text(parts=("http://", Variable("HOST"), "/v1"))
        assert [text.ini(with_secrets=each) for each in (True, False)] == ["http://${HOST}/v1"] * 2
        assert text.variables == (Variable("HOST"),)
        assert not text.has_secret

    def test_secret(self) -> None:
        """A value with a secret is that, or a variable in its place; no repr shows it."""
        assert MIXED.ini(with_secrets=True) == "invented$$${X}"
        assert MIXED.ini(with_secrets=False) == "${ITS_NAME}"
        assert MIXED.has_secret
        assert "invented" not in repr(MIXED)
