"""Promises of what is said of prices in Claude Code's managed settings that are not those of now."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from claude_bridge.client.managed_prices import AS_ROOT, ClientPrices, managed_file, write_prices
from claude_bridge.client.outdated_prices import outdated_prices
from tests.client.test_managed_prices import TEXT, prices

INI = "/srv/my bridge.ini"
AGAIN = """`sudo "$(command -v claude-bridge)" setup --managed --config '/srv/my bridge.ini'`"""
GLM, BIG = "input = 0.30\n", "[price:big]\ninput = 2\noutput = 0.0625\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file that `setup --managed` has written."""
    path = managed_file(str(tmp_path / "claude-code"))
    assert write_prices(prices(TEXT), path, "x.ini").error is None
    return path


def told(path: Path, now: ClientPrices, file: str | None = INI) -> str:
    """Return what is said of the file."""
    return outdated_prices(path, file, lambda: now)


class ComparedTests:
    """The file against what would be written now."""

    def test_present(self, path: Path) -> None:
        """Of a file with the prices of now nothing is said."""
        assert told(path, prices(TEXT)) == ""

    @pytest.mark.parametrize("content", [None, "a file where the folder would be"])
    def test_never_written(self, content: str | None, tmp_path: Path) -> None:
        """Where none was ever written nothing is said, and nobody is asked for prices."""
        folder = tmp_path / "claude-code"
        if content is not None:
            folder.write_text(content)
        assert outdated_prices(managed_file(str(folder)), INI, lambda: pytest.fail("asked")) == ""

    def test_another_price(self, path: Path) -> None:
        """A price that has changed is told by the model's name, with the command to run."""
        assert told(path, prices(TEXT.replace(GLM, "input = 0.35\n"))) == (
            f"{path} has other prices than the configuration and its backends have now (for glm): run {AGAIN}, and "
            "restart Claude Code"
        )

    @pytest.mark.parametrize(
        "file", [TEXT.replace(BIG, ""), f"{TEXT}[model:new]\n[price:new]\ninput = 1\noutput = 1\n"]
    )
    def test_other_models(self, file: str, path: Path) -> None:
        """A model that came, and one that has no price any more, count as well."""
        (name,) = {"big", "new"} & set(told(path, prices(file)).replace(")", " ").split())
        assert (name in TEXT) == (name == "big")

    def test_many(self, path: Path) -> None:
        """Of many models some are named."""
        more = "".join(f"[model:m{each}]\nbackend = b\n[price:m{each}]\ninput = 1\noutput = 1\n" for each in range(9))
        assert "(for m0, m1, m2 and 6 more)" in told(path, prices(f"{TEXT}{more}"))

    def test_lists_that_did_not_arrive(self, path: Path) -> None:
        """While a backend is down its prices are not known, which makes no file old; those that are known still do."""
        without = evolve(prices(TEXT.replace(BIG, "")), is_whole=False)
        assert told(path, without) == ""
        assert "(for glm)" in told(
            path, evolve(prices(TEXT.replace(GLM, "input = 1\n").replace(BIG, "")), is_whole=False)
        )

    def test_no_price_any_more(self, path: Path) -> None:
        """Where no price is left `setup --managed` would write nothing, so the file has to go."""
        none = prices("[backend:b]\nurl = http://b/v1\n[model:glm]\n")
        assert told(path, none) == (
            f"{path} has prices, and none is known of any model now: `{AS_ROOT} undo --managed` removes it"
        )
        assert told(path, evolve(none, is_whole=False)) == ""

    def test_no_file(self, path: Path) -> None:
        """A configuration out of the environment, which sudo does not pass on, is printed by its user."""
        text = told(path, prices(TEXT.replace(GLM, "input = 0.35\n")), None)
        assert "run `claude-bridge setup --managed --print`, as root write there what it prints, and restart" in text


class UnreadableTests:
    """A file of which nothing can be said."""

    def test_not_permitted(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that this user cannot read Claude Code cannot read either: the cure is told."""

        def refuse(_path: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", refuse)
        assert told(path, prices(TEXT)) == (
            f"{path} cannot be read (Permission denied), so Claude Code guesses what models cost: run {AGAIN}, and "
            "restart Claude Code"
        )

    def test_no_file_at_all(self, path: Path) -> None:
        """A folder in its place is told likewise."""
        path.unlink()
        path.mkdir()
        assert told(path, prices(TEXT)).startswith(f"{path} cannot be read (not a file)")

    @pytest.mark.parametrize("content", ['{"modelPricing": {}, "env": {}}', "no JSON", "[]"])
    def test_of_others(self, content: str, path: Path) -> None:
        """What somebody has added is to be moved first, as `setup --managed` would refuse."""
        path.write_text(content)
        assert told(path, prices(TEXT)) == (
            f"{path} has something else than `setup --managed` writes: move that to another file first, then run "
            f"{AGAIN}"
        )

    @pytest.mark.parametrize("content", ['{"modelPricing": 5}', '{"modelPricing": {"overrides": [1]}}'])
    def test_other_shapes(self, content: str, path: Path) -> None:
        """Something else under its own key is no price."""
        path.write_text(content)
        assert "has other prices than the configuration" in told(path, prices(TEXT))
