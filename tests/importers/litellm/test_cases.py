"""Files as users of LiteLLM have them: each result is valid and sends every request where the old proxy sent it.

Comments in a case say what is expected. ``status:`` is the exit status. ``ask: NAME -> URL MODEL | URL MODEL`` names
the models that a request goes to, in order. ``lost:`` is the path of something that is reported as not carried over;
nothing else is. ``ini:`` is a line of the result. ``secret:`` may be on no terminal. ``told:`` is in the report.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from claude_bridge.config.named_models import NamedModels
from claude_bridge.config.schema import Config
from claude_bridge.core.model_names import plain_name
from claude_bridge.importers.command import NOTHING
from claude_bridge.testing.fakes import FixedFacts
from tests.importers.importing import Imported, import_to_file, import_to_output, loaded, models_for

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.stem for path in CASES.glob("*.yaml"))

SAMPLES = {"AZURE_API_BASE": "https://example.openai.azure.com"}
ADDRESS = "http://127.0.0.1:8000"
PEM = b"-----BEGIN CERTIFICATE-----"

_VARIABLE = re.compile(r"\$\{([A-Z_a-z0-9]+)\}")


def expected(name: str, word: str) -> list[str]:
    """Return what a case says for a word."""
    text = (CASES / f"{name}.yaml").read_text(encoding="utf-8")
    return re.findall(rf"^# {word}: (.*)$", text, re.MULTILINE)


def imported(name: str, tmp_path: Path) -> Imported:
    """Import a case into a file."""
    return import_to_file(CASES / f"{name}.yaml", tmp_path / "new.ini")


def config_of(text: str, tmp_path: Path) -> Config:
    """Return a result as the daemon would read it, with all of its variables set."""
    authority = tmp_path / "ca.pem"
    authority.write_bytes(PEM)
    path = tmp_path / "checked.ini"
    path.write_text(text.replace("/etc/ssl/mine.pem", str(authority)), encoding="utf-8")
    path.chmod(0o600)
    environ = {
        each: SAMPLES.get(each, ADDRESS if each.endswith(("_URL", "_BASE")) else f"value-of-{each}-1234")
        for each in _VARIABLE.findall(text)
    }
    return loaded(path, environ)


def destinations(config: Config, name: str) -> str:
    """Return where a request goes, as a case writes it."""
    found = models_for(config, plain_name(name), FixedFacts())
    if not found:
        home = NamedModels(config).home
        found = [("nowhere" if home is None else home.url, name)]
    return " | ".join(" ".join(each) for each in found)


@pytest.mark.parametrize("name", NAMES)
class CaseTests:
    """One file each."""

    def test_result(self, name: str, tmp_path: Path) -> None:
        """The status is right, and what is not carried over is reported by its path, and nothing else is."""
        done = imported(name, tmp_path)
        assert [str(done.status)] == expected(name, "status"), done.told
        if done.status != NOTHING:
            assert reported(done.told) == sorted(expected(name, "lost"))
        for words in expected(name, "told"):
            assert words in done.told

    def test_valid(self, name: str, tmp_path: Path) -> None:
        """The result is a valid configuration without a warning, and has the lines that it should."""
        done = imported(name, tmp_path)
        if done.status == NOTHING:
            assert done.text == ""
            return
        config = config_of(done.text, tmp_path)
        assert not [
            each for each in map(str, config.warnings) if "placeholder" not in each and "characters" not in each
        ]
        lines = [line.strip() for line in import_to_output(CASES / f"{name}.yaml").text.splitlines()]
        assert [each for each in expected(name, "ini") if each not in lines] == []

    def test_requests(self, name: str, tmp_path: Path) -> None:
        """Each request goes where it went."""
        done = imported(name, tmp_path)
        if done.status == NOTHING:
            return
        config = config_of(done.text, tmp_path)
        wanted = [each.split(" -> ") for each in expected(name, "ask")]
        assert wanted
        assert [[asked, destinations(config, asked)] for asked, _ in wanted] == wanted

    def test_same_bytes(self, name: str, tmp_path: Path) -> None:
        """A second import gives the same bytes, and the same report."""
        source = CASES / f"{name}.yaml"
        first, second = (import_to_output(source) for _ in range(2))
        assert first == second
        one, two = (import_to_file(source, tmp_path / file) for file in ("one.ini", "two.ini"))
        assert one.text == two.text

    def test_no_secret_shown(self, name: str, tmp_path: Path) -> None:
        """No secret is on the terminal, whether the result is or not; the file has those that are used."""
        to_file, to_output = imported(name, tmp_path), import_to_output(CASES / f"{name}.yaml")
        for secret in expected(name, "secret"):
            assert secret not in to_file.told
            assert secret not in to_output.told
            assert secret not in to_output.text


def reported(told: str) -> list[str]:
    """Return the paths that a report has as not carried over, but for what only has to wait for a later version."""
    lines = told.partition("not carried over:\n")[2].splitlines()
    found = itertools.takewhile(lambda line: line.startswith("  "), lines)
    paths = [line.strip().partition(": ")[0] for line in found if " has to wait: " not in line]
    return sorted({re.sub(r" \(and \d+ more\)", "", path) for each in paths for path in each.split(", ")})
