"""INI syntax."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.config.ini import read_ini

NOT_INI = "not INI: must be `key = value` (letters and _ in the key), [section], a comment or an indented line"


def problems(text: str) -> list[str]:
    """Return the mistakes as lines."""
    return [str(problem) for problem in read_ini(text).problems]


class ReadTests:
    """Valid text becomes sections of lines."""

    def test_sections_and_keys(self) -> None:
        """Sections keep their names and their order, values are stripped and otherwise untouched."""
        ini = read_ini("[server]\n a\n[model:Qwen/Q3:8b[1m]]\nname =  Org/Model = 50% : x;y \n[log]\nlevel=info\n")

        assert list(ini.sections) == ["server", "model:Qwen/Q3:8b[1m]", "log"]
        assert ini.sections["model:Qwen/Q3:8b[1m]"] == {"name": ("Org/Model = 50% : x;y",)}
        assert ini.sections["log"] == {"level": ("info",)}

    def test_several_lines(self) -> None:
        """Indented lines continue a value, across comments and blank lines, beside it or below it."""
        ini = read_ini("[s]\na = 1\n  2\n\n  # not this\n\t3\nb =\n    4\n    x = 5\nc =\n")

        assert ini.sections["s"] == {"a": ("1", "2", "3"), "b": ("4", "x = 5"), "c": ()}
        assert ini.problems == ()

    def test_comments(self) -> None:
        """Lines that begin with # or ; are comments, indented or not."""
        assert read_ini("# a = 1\n; b = 2\n[s]\n  ; c\n").sections == {"s": {}}

    def test_windows_text(self) -> None:
        """A byte order mark and carriage returns do no harm."""
        assert read_ini("\ufeff[s]\r\na = 1\r\n").sections == {"s": {"a": ("1",)}}


class MistakeTests:
    """Every syntax mistake is told, with section and line."""

    def test_all_at_once(self) -> None:
        """One pass finds mistakes of every kind."""
        text = "a = 1\n  stray\n[s\nb: 2\n   x\n= 3\nC = 4\nc = 5\n[t] # comment\n[s]\n  indented\nd = 6\n"

        assert problems(text) == [
            "a: stands before the first [section], in line 1",
            "[s] line 3: a section is [name] alone on its line",
            f"[s] line 4: {NOT_INI}",
            f"[s] line 6: {NOT_INI}",
            "[s] C: keys are written in lower case: c",
            "[s] c: duplicate key (also on line 8)",
            "[t] line 9: a section is [name] alone on its line",
            "[s]: duplicate section (also on line 10)",
            "[s] line 11: is indented, but there is no key above that it could continue",
        ]

    def test_indented_first_line(self) -> None:
        """An indented line before any section is told too."""
        assert problems("  a = 1") == ["line 1: is indented, but there is no key above that it could continue"]

    def test_first_of_two_holds(self) -> None:
        """Of a key that is there twice the first value is kept for the other checks."""
        assert read_ini("[s]\na = 1\na = 2\n   3\n").sections == {"s": {"a": ("1",)}}

    def test_stray_secret(self) -> None:
        """A line that may be a secret is told by its number only."""
        assert "c2VjcmV0" not in "".join(problems("[s]\nc2VjcmV0MTIz==\n"))

    @given(st.text(alphabet=st.sampled_from("[]=#; \t\nab\r\ufeff$é")))
    def test_never_fails(self, text: str) -> None:
        """No text whatever breaks the reader, and no value has an empty or unstripped line."""
        for entries in read_ini(text).sections.values():
            assert all(line and line == line.strip() for lines in entries.values() for line in lines)
