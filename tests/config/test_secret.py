"""A secret does not show."""

from __future__ import annotations

from claude_bridge.config.secret import Secret


class SecretTests:
    """The value is behind `reveal` only."""

    def test_shows_nothing(self) -> None:
        """Neither repr, str nor formatting show any of it."""
        secret = Secret("sk-abc")

        assert [repr(secret), str(secret), f"{secret}", f"{secret!r:>3}"] == ["", "", "", "   "]
        assert "sk-abc" not in repr([secret, {"key": secret}])

    def test_reveal(self) -> None:
        """Whoever has to send it gets it."""
        assert Secret("sk-abc").reveal() == "sk-abc"

    def test_matches(self) -> None:
        """A candidate matches only if it is the same, whatever characters it has."""
        assert Secret("sk-abc").matches("sk-abc")
        assert not Secret("sk-abc").matches("sk-abd")
        assert not Secret("sk-abc").matches("schlüssel")

    def test_fingerprint(self) -> None:
        """The fingerprint tells two secrets apart and holds neither."""
        assert Secret("a").fingerprint() == Secret("a").fingerprint()
        assert Secret("a").fingerprint() != Secret("b").fingerprint()
        assert "sk-abc" not in Secret("sk-abc").fingerprint()

    def test_equality(self) -> None:
        """Secrets compare by value, and never equal a plain string."""
        assert Secret("a") == Secret("a")
        assert Secret("a") != Secret("b")
        assert Secret("a") != "a"
        assert len({Secret("a"), Secret("a"), Secret("b")}) == 2

    def test_truth(self) -> None:
        """An empty secret counts as none."""
        assert Secret("a")
        assert not Secret("")
