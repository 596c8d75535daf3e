"""What a user is told at the end of an import."""

from __future__ import annotations

from pathlib import Path

from claude_bridge.importers.draft import (
    Finding,
    ImportedBackend,
    ImportedConfiguration,
    ImportedKey,
    ImportedServer,
)
from claude_bridge.importers.ini_text import Written
from claude_bridge.importers.report import report
from claude_bridge.importers.text import plain

NOTHING = Written(text="", findings=(), to_set=(), samples=())
NEEDS = Written(text="", findings=(), to_set=(("A_KEY", "used by [backend:a]"),), samples=())

FILE = "'my file.ini'"
BACK = "start it again with `old start`, it is at http://127.0.0.1:3456"


def draft(server: ImportedServer | None = None) -> ImportedConfiguration:
    """Return a draft with one backend."""
    return ImportedConfiguration(
        tool="Old Program",
        source_words="a file",
        old_address="http://127.0.0.1:3456",
        how_back="old start",
        server=server or ImportedServer(),
        backends=[ImportedBackend(name="a", url="http://a/v1")],
    )


class ReportTests:
    """The lines."""

    def test_all_carried_over(self) -> None:
        """It counts what is there, and ends with how to go on and how to go back."""
        lines = report(draft(), NOTHING, (), Path("my file.ini")).splitlines()
        assert lines == [
            "carried over from Old Program: 1 backend",
            "written: 'my file.ini', for you alone; to go on:",
            "  claude-bridge check-config 'my file.ini'",
            "  claude-bridge run 'my file.ini'",
            f"  claude-bridge launch --config {FILE}     or, for good: claude-bridge setup --config {FILE}",
            f"to go back: nothing of Old Program was changed; {BACK}",
        ]

    def test_standard_output(self) -> None:
        """Whoever has the text on standard output is told to save it, and where secrets are."""
        text = report(draft(), NEEDS, (), None)
        assert "save the text as claude-bridge.ini (secrets are written only with -o)" in text
        assert "to set in the environment of the bridge:\n  A_KEY: used by [backend:a]\n" in text

    def test_places_together(self) -> None:
        """Places about which the same is said share a line; what is lost is apart from what is different."""
        findings = (
            Finding("x[0]", "is lost"),
            Finding("y", "is different", lost=False),
            Finding("x[1]", "is lost"),
            Finding("x[0]", "is lost"),
        )
        text = report(draft(), NOTHING, findings, None)
        assert "not carried over:\n  x[0], x[1]: is lost\ndifferent here:\n  y: is different\n" in text

    def test_nothing_that_a_terminal_obeys(self) -> None:
        """Names of the source are shown without control characters."""
        findings = (Finding("a\x1b[2Jb\nc", "is lost"),)
        assert "not carried over:\n  a?[2Jb?c: is lost\n" in report(draft(), NOTHING, findings, None)

    def test_usual_port(self) -> None:
        """Two programs cannot listen at one port: where both do by default, the old one must be stopped as well."""
        same = draft()
        same.old_address = "http://127.0.0.1:8080"
        assert "(stop Old Program before: the bridge listens where it does" in report(same, NOTHING, (), None)
        assert "(stop" not in report(draft(), NOTHING, (), None)

    def test_keys(self) -> None:
        """Where clients need a key, it is said how they get it."""
        made = draft()
        made.keys = [ImportedKey(name="k", secret=plain("x"))]
        assert "(clients need a key: set ANTHROPIC_AUTH_TOKEN to it" in report(made, NOTHING, (), None)

    def test_same_port(self) -> None:
        """Two programs cannot have one port."""
        server = ImportedServer(listen=("tcp:3456",))
        assert "(stop Old Program before: the bridge listens where it does, at http://127.0.0.1:3456)" in report(
            draft(server), NOTHING, (), None
        )
