"""Tables that are made of the code and stand in documents, between two markers: written there by a command."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen


@frozen(kw_only=True)
class Generated:
    """A text of the code's.

    :ivar module: the module whose command writes it.
    :ivar markdown: gives it, with a line break at the end.
    """

    module: str
    begin: str
    end: str
    markdown: Callable[[], str]

    def insert(self, text: str) -> str:
        """Return ``text`` with it between the two markers. Raises `ValueError` without them."""
        before, begin, rest = text.partition(self.begin)
        _, end, after = rest.partition(self.end)
        if not begin or not end:
            raise ValueError(f"needs the lines {self.begin} and {self.end}")
        return f"{before}{begin}\n{self.markdown()}{end}{after}"

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Print it, or write it into a file between its markers."""
        parser = ArgumentParser(prog=f"python -m {self.module}", description=self.main.__doc__)
        parser.add_argument("--write", type=Path, metavar="FILE", help="a file that has both markers")
        target = parser.parse_args(arguments).write
        if target is None:
            sys.stdout.write(self.markdown())
            return 0
        try:
            target.write_text(self.insert(target.read_text("utf-8")), "utf-8")
        except ValueError as error:
            sys.stderr.write(f"{target}: {error}\n")
            return 1
        return 0
