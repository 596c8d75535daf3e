"""What commands are called here and elsewhere."""

from __future__ import annotations

from claude_bridge.cli.command_names import OTHER_WORDS, TWO_WORDS
from claude_bridge.cli.options import parsers


class CommandNamesTests:
    """The names against the commands that there are."""

    def test_every_hint_leads_to_a_command(self) -> None:
        """Whoever types a word of another program is told one that works, and no word of ours is taken for another."""
        commands = set(parsers()[1])
        assert set(OTHER_WORDS.values()) <= commands
        assert commands.isdisjoint(OTHER_WORDS)

    def test_two_words(self) -> None:
        """The commands of two words are those that are listed as such."""
        assert {name for name in parsers()[1] if " " in name} == set(TWO_WORDS)
