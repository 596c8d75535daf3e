"""Tests for `tools.generated`; both tables' own tests go through it as well."""

from __future__ import annotations

import pytest

from tools.generated import Generated

TABLE = Generated(module="some.module", begin="<begin>", end="<end>", markdown=lambda: "new\n")


class GeneratedTests:
    """A text of the code's inside a document."""

    def test_only_between_the_markers(self) -> None:
        """What stands around the markers stays, the markers too."""
        assert TABLE.insert("a<begin>\nold\n<end>b") == "a<begin>\nnew\n<end>b"

    @pytest.mark.parametrize("text", ["", "<begin>", "<end>", "<end><begin>"])
    def test_needs_both(self, text: str) -> None:
        """A document without both markers, in their order, is refused with their names."""
        with pytest.raises(ValueError, match="<begin> and <end>"):
            TABLE.insert(text)

    def test_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The help names the command by which it is called."""
        with pytest.raises(SystemExit):
            TABLE.main(["--help"])
        assert "python -m some.module" in capsys.readouterr().out
