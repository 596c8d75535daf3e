"""Promises of the prices that Claude Code is told in its managed settings."""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from claude_bridge.client import staged_file
from claude_bridge.client.managed_prices import (
    AS_ROOT,
    ClientPrices,
    client_prices,
    managed_file,
    print_prices,
    remove_prices,
    write_prices,
)
from claude_bridge.client.setup_command import Report
from claude_bridge.config.model_prices import ConfiguredPrices
from tests.config.files import config_of

read = json.JSONDecoder().decode

TEXT = """
[backend:b]
url = http://b/v1
[model:glm]
backend = b
name = zai/GLM
[model:big]
backend = b
[price:glm]
input = 0.30
cache_read = 0.06
output = 1.10
[price:big]
input = 2
output = 0.0625
[route:default]
models = glm
"""


def prices(text: str, *more: str) -> ClientPrices:
    """Return the prices by a configuration alone."""
    config = config_of(text)
    return client_prices(config, ConfiguredPrices(config).find, more)


def rows(found: ClientPrices) -> dict[str, dict[str, float]]:
    """Return the rows of the file."""
    rows: dict[str, dict[str, float]] = read(found.content)["modelPricing"]["overrides"]
    return rows


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Protect a folder against changes."""
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


class ContentTests:
    """The file."""

    def test_rows(self) -> None:
        """Each model has all four prices, in dollars per million tokens, under its id and its plain name."""
        found = rows(prices(TEXT))
        glm = {"input": 0.3, "output": 1.1, "cacheRead": 0.06, "cacheWrite": 0.3}
        big = {"input": 2, "output": 0.0625, "cacheRead": 2, "cacheWrite": 2}
        assert found == {"glm@claude-bridge": glm, "glm": glm, "big@claude-bridge": big, "big": big}
        assert prices(TEXT).notes == ()

    def test_more_names(self) -> None:
        """Models without an alias have a row under the name with the backend's."""
        assert "b/qwen@claude-bridge" in rows(prices(f"{TEXT}[price:qwen]\ninput = 1\noutput = 1\n", "b/qwen"))

    def test_names_of_the_client(self) -> None:
        """An alias that the client has as a name of its own is priced as the bridge's model alone."""
        found = rows(prices(TEXT.replace(":big]", ":claude-haiku-4-5]")))
        assert "claude-haiku-4-5@claude-bridge" in found
        assert "claude-haiku-4-5" not in found

    def test_routes(self) -> None:
        """A name behind which the routes choose has a price if all of them lead to the same one."""
        routed = "[route:pictures]\nwhen = image\nmodels = {}\n"
        assert rows(prices(TEXT + routed.format("glm")))["auto@claude-bridge"]["input"] == 0.3
        found = prices(TEXT + routed.format("big"))
        assert "auto@claude-bridge" not in rows(found)
        assert [note.partition(":")[0] for note in found.notes] == ["auto may lead to models whose prices differ"]

    def test_unknown(self) -> None:
        """A price that nobody knows is left out and told, never zero."""
        found = prices(TEXT.replace("[price:big]", "[price:other]"))
        assert "big" not in rows(found)
        assert found.notes == ("no price is known for big: Claude Code still guesses what it costs",)

    def test_answers_that_say_what_they_cost(self) -> None:
        """Where the accounts have what the answers say, the prices may not be what is paid, which is told."""
        config = config_of(TEXT)
        found = client_prices(config, ConfiguredPrices(config).find, says_cost=lambda _, name: name == "big")
        assert rows(found)["big"]["input"] == 2
        (note,) = found.notes
        assert note == "big: the bridge's accounts have what each answer says it cost, Claude Code only these prices"

    def test_what_the_client_cannot_know(self) -> None:
        """Prices of long prompts, and of reasoning, have no place in it, which is told."""
        found = prices(TEXT.replace("input = 2", "input = 2\nreasoning = 3\nabove = 200K input 4"))
        assert rows(found)["big"]["input"] == 2
        assert [note.partition(": Claude Code knows no ")[::2] for note in found.notes] == [
            ("big", "other prices for long prompts"),
            ("big", "price for reasoning apart from the output"),
        ]


class PrintedTests:
    """The file, for somebody else to write."""

    def test_printed(self, tmp_path: Path) -> None:
        """It is printed as it would be written, with what the client cannot be told, and beside it where it belongs."""
        found = prices(TEXT.replace("[price:big]", "[price:other]"))
        path, out, err = managed_file(str(tmp_path)), io.StringIO(), io.StringIO()
        assert print_prices(found, path, "x.ini").write("setup", out, err) == 0
        assert out.getvalue() == found.content
        assert [line.partition(": ")[0] for line in err.getvalue().splitlines()] == [
            *("warning" for _ in found.notes),
            f"this belongs in {tmp_path}/managed-settings.d/50-claude-bridge.json; nothing was written",
        ]
        assert not path.exists()

    def test_no_price(self, tmp_path: Path) -> None:
        """Without any price there is nothing to print, and the error is that of writing."""
        found = prices(TEXT.replace("[price:glm]", "[price:one]").replace("[price:big]", "[price:other]"))
        report = print_prices(found, managed_file(str(tmp_path)), "x.ini")
        assert (report.error or "").startswith("no price is known for any model of x.ini: ")
        assert report == write_prices(found, managed_file(str(tmp_path)), "x.ini")


class FileTests:
    """Where it is."""

    def test_written(self, tmp_path: Path) -> None:
        """Everybody may read it, a second time nothing changes, and `undo` leaves nothing behind."""
        path = managed_file(str(tmp_path / "claude-code"))
        before = os.umask(0o077)
        try:
            report = write_prices(prices(TEXT), path, "x.ini")
        finally:
            os.umask(before)
        assert report.shown.startswith(f"{path}: written, with the prices of x.ini\n")
        assert path.read_text() == prices(TEXT).content
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        assert [stat.S_IMODE(folder.stat().st_mode) for folder in path.parents[:2]] == [0o755, 0o755]
        assert ": nothing to change" in write_prices(prices(TEXT), path, "x.ini").shown
        assert remove_prices(path) == Report(shown=f"removed {path}\n")
        assert [*tmp_path.iterdir()] == []
        assert remove_prices(path) == Report(shown=f"nothing to undo: there is no {path}\n")

    def test_closed(self, tmp_path: Path) -> None:
        """A file that somebody has closed is opened to everybody again, though its content is right."""
        path = managed_file(str(tmp_path / "claude-code"))
        write_prices(prices(TEXT), path, "x.ini")
        path.chmod(0o600)
        assert ": written" in write_prices(prices(TEXT), path, "x.ini").shown
        assert stat.S_IMODE(path.stat().st_mode) == 0o644

    def test_beside_others(self, tmp_path: Path) -> None:
        """Files of others stay, and so do their folders."""
        path = managed_file(str(tmp_path))
        path.parent.mkdir()
        (path.parent / "10-theirs.json").write_text("{}")
        write_prices(prices(TEXT), path, "x.ini")
        remove_prices(path)
        assert [*path.parent.iterdir()] == [path.parent / "10-theirs.json"]

    @pytest.mark.parametrize("content", ['{"modelPricing": {}, "env": {}}', "no JSON", "[]"])
    def test_changed_by_hand(self, content: str, tmp_path: Path) -> None:
        """What somebody has added to it is neither overwritten nor removed."""
        path = managed_file(str(tmp_path))
        path.parent.mkdir()
        path.write_text(content)
        for report in (write_prices(prices(TEXT), path, "x.ini"), remove_prices(path)):
            assert "has something else than `setup --managed` writes" in (report.error or "")
        assert path.read_text() == content

    def test_without_root(self, tmp_path: Path) -> None:
        """Whoever may not write there is told who may, and what else helps."""
        path = managed_file(str(tmp_path))
        with closed(tmp_path):
            told = write_prices(prices(TEXT), path, "x.ini").error or ""
        assert told.startswith(f"{path}: read-only; this needs root: {AS_ROOT} setup --managed --config FILE")
        assert "`claude-bridge setup --managed --print` prints" in told

    def test_no_price(self, tmp_path: Path) -> None:
        """Without any price nothing is written."""
        path = managed_file(str(tmp_path))
        report = write_prices(prices("[backend:b]\nurl = http://b/v1\n[model:m]\n"), path, "x.ini")
        assert (report.error or "").startswith("no price is known for any model of x.ini: give them in [price:NAME]")
        assert staged_file.read(path) is None
