"""The command: what it reads, what it writes, and with which status it ends."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from claude_bridge.importers import command
from claude_bridge.importers.command import ALL, IN_PART, NOTHING, Order, mistakes_of, run
from claude_bridge.importers.draft import ImportedBackend, ImportedConfiguration, ImportedModel
from claude_bridge.importers.ini_text import ini_text
from claude_bridge.importers.source import NotUsable
from tests.config.files import reading

ROUTER = """{
Providers: [{name: 'box', api_base_url: 'http://127.0.0.1:8000/v1', api_key: 'sk-invented-box-key', models: ['m']}],
Router: {default: 'box,m'},
}"""
FILE = "config.json"


def imported(content: bytes, output: Path | None = None, *, force: bool = False) -> tuple[int, str, str]:
    """Import a file with this content; return the status, and what was written to output and to standard error."""
    out, err = io.StringIO(), io.StringIO()
    order = Order(file=FILE, output=None if output is None else str(output), force=force)
    return run(order, out, err, reading({FILE: content})), out.getvalue(), err.getvalue()


class StatusTests:
    """How it ends."""

    def test_all(self) -> None:
        """Everything was carried over."""
        status, out, err = imported(ROUTER.encode())
        assert (status, out[:1]) == (ALL, "#")
        assert "not carried over" not in err

    def test_in_part(self) -> None:
        """Something was not, and is named."""
        status, out, err = imported(ROUTER.replace("Router", "mine: 1, Router").encode())
        assert status == IN_PART
        assert "[backend:box]" in out
        assert "not carried over:\n  mine: no counterpart here" in err

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "is neither a config.json of Claude Code Router nor a config.yaml of LiteLLM"),
            (b"{}", "config.json is a JSON file, but neither a config.json"),
            (b"[server]\n", "is an INI file already: claude-bridge check-config config.json"),
            (b"# ours\n\n[server]\nlisten = tcp:8080\n", "is an INI file already"),
            (b"\xff\x00\xff", "is not a text in UTF-8"),
            (b"SQLite format 3\x00", "is the database of Claude Code Router 3: export its settings"),
        ],
    )
    def test_nothing(self, content: bytes, told: str) -> None:
        """There is no result, and one line says why."""
        status, out, err = imported(content)
        assert (status, out) == (NOTHING, "")
        assert err.startswith("claude-bridge import: ")
        assert told in err

    def test_idle_budget(self) -> None:
        """A budget in dollars that counts nothing, as no price came with it, is told of."""
        entry = (
            "litellm_params: {model: openai/m, api_base: 'http://127.0.0.1:1/v1', max_budget: 1, budget_duration: 1d"
        )
        for price, is_told in (("", True), (", input_cost_per_token: 0.1, output_cost_per_token: 0.1", False)):
            status, out, err = imported(f"model_list: [{{model_name: m, {entry}{price}}}}}]".encode())
            assert status == ALL
            assert "[budget:" in out
            assert (" amount: counts nothing, as no price is known" in err) is is_told

    def test_each_reason_once(self) -> None:
        """If nothing can be carried over, each reason is one line, with the places that it is about."""
        _, _, err = imported(b"{Providers: [{name: 'a'}, {name: 'b'}]}")
        assert "  Providers[0].api_base_url, Providers[1].api_base_url: no address" in err

    def test_no_file(self) -> None:
        """A file that cannot be read is named."""
        err = io.StringIO()
        assert run(Order(file="gone.json"), io.StringIO(), err, reading()) == NOTHING
        assert err.getvalue() == "claude-bridge import: gone.json cannot be read: No such file or directory\n"

    def test_a_mistake_of_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A result that is not valid is never written: it is called what it is, with the mistakes."""

        def broken(_source: object) -> ImportedConfiguration:
            draft = ImportedConfiguration(tool="Old", source_words="a file")
            draft.backends = [ImportedBackend(name="box", url="no address")]
            return draft

        monkeypatch.setattr(command, "_importer", lambda _foreign: broken)
        status, out, err = imported(ROUTER.encode())
        assert (status, out) == (NOTHING, "")
        assert "a mistake of claude-bridge: please report it\n  [backend:box] url: must be a URL" in err


class ReadTests:
    """What is read."""

    @pytest.mark.parametrize(
        "encoded",
        [
            lambda text: b"\xef\xbb\xbf" + text.encode(),
            lambda text: text.encode("utf-16"),
            lambda text: text.replace("\n", "\r\n").encode(),
            lambda text: text.replace("\n", "\r").encode(),
        ],
    )
    def test_as_editors_save_it(self, encoded: Callable[[str], bytes]) -> None:
        """Byte order marks and the ends of lines make no difference."""
        assert imported(encoded(ROUTER))[:2] == imported(ROUTER.encode())[:2]

    def test_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """``-`` is standard input."""
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ROUTER.encode())))
        out = io.StringIO()
        assert run(Order(file="-"), out, io.StringIO(), reading()) == ALL
        assert out.getvalue() == imported(ROUTER.encode())[1]

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "is neither a config.json of Claude Code Router nor a config.yaml of LiteLLM"),
            (b"# mine\na: b\n c: d: [\n", "is not valid YAML, line 3, column 3"),
            (b"model_list: [\n", "is not valid YAML, line 2, column 1"),
            (b'{"Providers": [{"name": \n', "is not JSON5: "),
            (b"{Providers: []}", "has no Providers"),
            (b"[server]\nlisten = tcp:8080\n", "is an INI file already\n"),
            (b"\xff\x00\xff", "is not a text in UTF-8"),
        ],
    )
    def test_what_is_wrong(self, content: bytes, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The message names the file, or standard input, and the place of a mistake where there is one."""
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        err = io.StringIO()
        assert run(Order(file="-"), io.StringIO(), err, reading()) == NOTHING
        assert err.getvalue().startswith(f"claude-bridge import: standard input {told}")
        assert imported(content)[2].startswith(f"claude-bridge import: {FILE} {told.rstrip()}")

    def test_too_large(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file without end is no configuration."""
        monkeypatch.setattr(command, "_MAX_BYTES", 10)
        (tmp_path / "large").write_text("{" + " " * 20)
        err = io.StringIO()
        assert run(Order(file=str(tmp_path / "large")), io.StringIO(), err) == NOTHING
        assert "cannot be read: file too large" in err.getvalue()


class WriteTests:
    """Where the result goes."""

    def test_any_locale(self) -> None:
        """The result is UTF-8 on a terminal that is not: it may be redirected into a file."""
        raw = io.BytesIO()
        out = io.TextIOWrapper(raw, encoding="ascii")
        content = ROUTER.replace("['m']", "['m\u00f6del']").replace("box,m", "box,m\u00f6del").encode()
        assert run(Order(file=FILE), out, io.StringIO(), reading({FILE: content})) == ALL
        assert "name = m\u00f6del\n" in raw.getvalue().decode()

    def test_unwritable_output(self) -> None:
        """Output that cannot be written, such as a pipe that is closed, is a message, and there is no result."""
        command_line = [sys.executable, "-m", "claude_bridge.entry", "import", "-"]
        with Path("/dev/full").open("wb") as out:
            done = subprocess.run(command_line, input=ROUTER.encode(), stdout=out, stderr=subprocess.PIPE, check=False)
        assert done.returncode == NOTHING
        assert done.stderr == b"claude-bridge import: standard output cannot be written: No space left on device\n"

    def test_file(self, tmp_path: Path) -> None:
        """A file has the secrets, standard output has none, and nothing else is written."""
        status, out, err = imported(ROUTER.encode(), tmp_path / "new.ini")
        assert (status, out) == (ALL, "")
        assert "sk-invented-box-key" in (tmp_path / "new.ini").read_text()
        assert f"written: {tmp_path / 'new.ini'}, for you alone" in err
        assert "invented" not in err + imported(ROUTER.encode())[1]
        assert [each.name for each in tmp_path.iterdir()] == ["new.ini"]

    def test_existing_file(self, tmp_path: Path) -> None:
        """A file that is there is replaced only if that is asked for."""
        (tmp_path / "new.ini").write_text("mine")
        status, _, err = imported(ROUTER.encode(), tmp_path / "new.ini")
        assert (status, (tmp_path / "new.ini").read_text()) == (NOTHING, "mine")
        assert "replace it with --force" in err
        assert imported(ROUTER.encode(), tmp_path / "new.ini", force=True)[0] == ALL
        assert "[backend:box]" in (tmp_path / "new.ini").read_text()

    def test_source(self, tmp_path: Path) -> None:
        """The old file stays, whatever is asked for: the report promises that nothing of it was changed."""
        source = tmp_path / "config.json"
        source.write_text(ROUTER)
        err = io.StringIO()
        assert run(Order(file=str(source), output=str(source), force=True), io.StringIO(), err) == NOTHING
        assert "is the file to import, and would be lost" in err.getvalue()
        assert source.read_text() == ROUTER

    def test_nothing_is_written_without_a_result(self, tmp_path: Path) -> None:
        """If there is no result there is no file."""
        assert imported(b"{Providers: []}", tmp_path / "new.ini")[0] == NOTHING
        assert list(tmp_path.iterdir()) == []


def test_mistakes_are_found() -> None:
    """A text is checked as a file would be, whatever is set here."""
    draft = ImportedConfiguration(tool="Old", source_words="a file")
    draft.backends = [ImportedBackend(name="box", url="http://box/v1")]
    assert mistakes_of(ini_text(draft, with_secrets=True)) == []
    draft.models = [ImportedModel(name="m", backend="box", model="m", traits={"top_k": "perhaps"})]
    assert mistakes_of(ini_text(draft, with_secrets=True)) == [
        "[model:m] top_k: must be yes or no (or true, false, on, off, 1, 0)"
    ]


def test_not_usable_is_told_with_its_reason() -> None:
    """Whatever a reader finds wrong is the message."""
    with pytest.raises(NotUsable, match="cannot be read: Is a directory"):
        command.source_text(Order(file="a-folder"), reading({"a-folder": IsADirectoryError(21, "Is a directory")}))
