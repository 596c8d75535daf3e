"""The first configuration file."""

from __future__ import annotations

import io
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from claude_bridge.children import ExpectedFailure
from claude_bridge.client import init
from claude_bridge.client.environment import base_url
from claude_bridge.client.http_probe import ListedBackend
from claude_bridge.client.init import (
    Found,
    Wanted,
    Written,
    alias_of,
    backend_name,
    configuration,
    other_port,
    write_first_file,
)
from claude_bridge.client.person import Person
from claude_bridge.config.load import load, parse
from tests.client.servers import serving
from tests.client.test_person import Terminal, person
from tests.config.files import reading

ONE: Mapping[str, object] = {"/v1/models": {"data": [{"id": "zai-org/GLM-4.5-Air"}]}}
TWO: Mapping[str, object] = {"/v1/models": {"data": [{"id": "a"}, {"id": "org/B:free"}]}}


def nobody() -> Person:
    """Return nobody: there is no terminal."""
    return Person(io.StringIO(), io.StringIO())


class WriteTests:
    """What is written, and where."""

    OTHER_KEY = r"local\.key already exists, with something other than this key: remove it, or .* --key-variable NAME"

    @pytest.fixture(autouse=True)
    def _free_port(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody has the usual port."""
        monkeypatch.setattr(init, "USUAL", "http://127.0.0.1:9")

    def write(self, home: Path, wanted: Wanted, who: Person | None = None, **environ: str) -> Written:
        """Write the files of somebody at home here."""
        typist = person()[0] if who is None else who
        return write_first_file(wanted, {"HOME": str(home), **environ}, typist)

    def test_all_by_options(self, tmp_path: Path) -> None:
        """A backend without a key and with one model needs only its URL, and the file can be loaded."""
        with serving(ONE) as url:
            written = self.write(tmp_path, Wanted(url=url))
        assert written.path == tmp_path / ".config" / "claude-bridge" / "claude-bridge.ini"
        assert (written.path.stat().st_mode & 0o777, written.key_file) == (0o600, None)
        config = load(str(written.path), {})
        assert config.warnings == ()
        assert config.backends["local"].url == f"{url}/v1"
        assert config.routes["default"].models == ("glm-4.5-air",)
        assert config.models["glm-4.5-air"].name == "zai-org/GLM-4.5-Air"
        assert str(written).splitlines() == [f"{url}/v1 lists 1 model", f"written: {written.path}"]

    def test_asked(self, tmp_path: Path) -> None:
        """Whoever says nothing is asked for URL, key and model; the key is in a file for its owner alone."""
        with serving(TWO, key="sk-1") as url:
            written = self.write(tmp_path, Wanted(), person(f"{url}\n2\n", "sk-1")[0])
        assert written.key_file == written.path.with_name("local.key")
        assert written.key_file.read_text() == "sk-1\n"
        assert written.key_file.stat().st_mode & 0o777 == 0o600
        assert "sk-1" not in written.path.read_text() + str(written) + repr(written)
        config = load(str(written.path), {})
        (key,) = config.backends["local"].api_key
        assert key.secret is not None
        assert key.secret.reveal() == "sk-1"
        assert config.models["b"].name == "org/B:free"

    def test_key_of_a_variable(self, tmp_path: Path) -> None:
        """The key may stay in a variable; then nothing but its name is written."""
        with serving(ONE, key="sk-1") as url:
            written = self.write(tmp_path, Wanted(url=url, key_variable="GPU_KEY"), GPU_KEY="sk-1")
        assert "api_key = ${GPU_KEY}\n" in written.path.read_text()
        assert [each.name for each in written.path.parent.iterdir()] == ["claude-bridge.ini"]

    def test_key_out_of_the_environment(self, tmp_path: Path) -> None:
        """The usual variable has the key, so that nobody has to type it."""
        with serving(ONE, key="sk-1") as url:
            written = self.write(tmp_path, Wanted(url=url), nobody(), BACKEND_API_KEY="sk-1")
        assert written.key_file is not None

    def test_kind(self, tmp_path: Path) -> None:
        """A backend of another kind gets a line that says so."""
        with serving({**TWO, "/v1/messages": {}}) as url:
            written = self.write(tmp_path, Wanted(url=url, kind="anthropic", model="a"))
        backend = load(str(written.path), {}).backends["local"]
        assert (backend.url, backend.kind) == (url, "anthropic")

    def test_named_file(self, tmp_path: Path) -> None:
        """Another file is written where that is wanted."""
        with serving(TWO) as url:
            written = self.write(tmp_path, Wanted(url=url, model="A", file=str(tmp_path / "x" / "b.ini")))
        assert written.path == tmp_path / "x" / "b.ini"
        assert "name = a\n" in written.path.read_text()

    @pytest.mark.parametrize(
        ("wanted", "told"),
        [
            (Wanted(), r"which backend\? name it: claude-bridge init --url"),
            (Wanted(url="URL", model="c"), "the backend lists no model c: it has a, org/B:free"),
            (Wanted(url="URL"), r"which model\? name it with --model, one of a, org/B:free"),
            (Wanted(url="KEYED"), "wants a key: set BACKEND_API_KEY"),
            (Wanted(url="URL/x"), r"name it with --model; GET http.*/x/models answered 404, is the URL right\?"),
            (Wanted(url="http://127.0.0.1:9"), "nothing answers at http://127.0.0.1:9"),
            (Wanted(url="http://u:p@x/v1"), "use api_key"),
        ],
    )
    def test_wrong(self, wanted: Wanted, told: str, tmp_path: Path) -> None:
        """What is missing or wrong is told, and nothing is written."""
        with serving(TWO) as url, serving(TWO, key="sk-1") as keyed:
            address = {"URL": url, "URL/x": f"{url}/x", "KEYED": keyed}.get(wanted.url or "", wanted.url)
            with pytest.raises(ExpectedFailure, match=told):
                self.write(tmp_path, Wanted(url=address, model=wanted.model), nobody())
        assert list(tmp_path.iterdir()) == []

    def test_wrong_key(self, tmp_path: Path) -> None:
        """A key that is refused is not written; whoever is there is asked again, three times at most."""
        with serving(ONE, key="sk-1") as url:
            with pytest.raises(ExpectedFailure, match="does not accept the key in BACKEND_API_KEY"):
                self.write(tmp_path, Wanted(url=url), nobody(), BACKEND_API_KEY="sk-2")
            somebody, out = person(secret="sk-3")
            with pytest.raises(ExpectedFailure, match="does not accept this key"):
                self.write(tmp_path, Wanted(url=url), somebody)
            assert out.getvalue().count("key of the backend (not shown): ") == 3
            assert list(tmp_path.iterdir()) == []
            typed = iter(["sk-4", "sk-1"])
            out = Terminal()
            written = self.write(tmp_path, Wanted(url=url), Person(Terminal(), out, lambda _: next(typed)))
        assert written.key_file is not None
        assert written.key_file.read_text() == "sk-1\n"
        assert out.getvalue() == f"{url} does not accept this key\n"

    def test_wrong_url(self, tmp_path: Path) -> None:
        """A URL that was typed where nothing answers is asked for again; one on the command line is not."""
        with serving(ONE) as url:
            somebody, out = person(f"http://127.0.0.1:9\n{url}\n")
            assert self.write(tmp_path, Wanted(), somebody).path.exists()
        assert "nothing answers at http://127.0.0.1:9: " in out.getvalue()
        with pytest.raises(ExpectedFailure, match="nothing answers"):
            self.write(tmp_path, Wanted(file=str(tmp_path / "b.ini")), person("http://127.0.0.1:9\n" * 3)[0])

    def test_backend_at_the_usual_port(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the backend or another server has the bridge's usual port the bridge gets another, and that is said."""
        with serving(ONE) as url, serving(ONE) as other, socket.socket() as taken:
            port = urlsplit(url).port or 0
            monkeypatch.setattr(init, "USUAL_PORT", port)
            monkeypatch.setattr(init, "USUAL", url)
            for number, backend in enumerate((url, url.replace("127.0.0.1", "localhost"), other)):
                written = self.write(tmp_path, Wanted(url=backend, file=str(tmp_path / f"{number}.ini")))
                config = load(str(written.path), {})
                found = urlsplit(base_url(config) or "")
                assert found.hostname == "127.0.0.1"
                assert port < (found.port or 0) < port + 100
                told = f"the bridge is to listen at {found.geturl()}: port {port} is taken\n"
                assert str(written).endswith(told)
            taken.bind(("127.0.0.1", found.port or 0))
            assert other_port(url) not in (None, port, found.port)
        assert other_port("http://gpu:8080/v1") is None

    def test_key_file_that_is_there(self, tmp_path: Path) -> None:
        """A file that has the key already is used as it is."""
        (tmp_path / "local.key").write_text("sk-1\n")
        with serving(ONE, key="sk-1") as url:
            written = self.write(tmp_path, Wanted(url=url, file=str(tmp_path / "b.ini")), BACKEND_API_KEY="sk-1")
        assert f"used: {tmp_path / 'local.key'} (the key, for you alone)\n" in str(written)
        assert "api_key = file:" in written.path.read_text()

    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        """A file that is there stays, and so does a key's; then there is no new configuration either."""
        path = tmp_path / "b.ini"
        path.write_text("mine")
        with pytest.raises(ExpectedFailure, match=r"b\.ini already exists: .* examines it; edit it, or name another"):
            self.write(tmp_path, Wanted(url="http://127.0.0.1:9", file=str(path)))
        (tmp_path / "local.key").write_text("mine")
        with serving(ONE, key="sk-1") as url, pytest.raises(ExpectedFailure, match=self.OTHER_KEY):
            self.write(tmp_path, Wanted(url=url, file=str(tmp_path / "c.ini")), BACKEND_API_KEY="sk-1")
        assert sorted(each.name for each in tmp_path.iterdir()) == ["b.ini", "local.key"]
        assert (tmp_path / "local.key").read_text() == "mine"


class NameTests:
    """Names that a person would give."""

    @pytest.mark.parametrize(
        ("url", "name"),
        [
            ("http://127.0.0.1:8000/v1", "local"),
            ("http://localhost/v1", "local"),
            ("https://api.deepseek.com", "deepseek"),
            ("https://llm.chutes.ai/v1", "chutes"),
            ("https://openrouter.ai/api/v1", "openrouter"),
            ("http://gpu:8000/v1", "gpu"),
            ("http://192.168.1.5:8000/v1", "backend"),
            ("http://[fd00::5]/v1", "backend"),
        ],
    )
    def test_backend(self, url: str, name: str) -> None:
        """A backend is called as its host is."""
        assert backend_name(url) == name

    @pytest.mark.parametrize(
        ("model", "alias"),
        [("zai-org/GLM-4.5-Air", "glm-4.5-air"), ("qwen3:4b", "qwen3"), ("a b", "a-b"), ("模型", "model"), ("m", "m")],
    )
    def test_alias(self, model: str, alias: str) -> None:
        """A model by the last part of its name."""
        assert alias_of(model) == alias

    @pytest.mark.parametrize("model", ["org/$x", "a,b", "模型", "opus", "x" * 200])
    def test_can_be_loaded(self, model: str) -> None:
        """Whatever the model is called, the file is valid and means it."""
        found = Found(backend=ListedBackend(url="http://gpu:1/$v1", models=(model,)), model=model, key="sk-1")
        config = parse(configuration(found, key_variable="K"), {"K": "sk-1"}, reading())
        (section,) = config.models.values()
        assert (section.name, config.backends["gpu"].url) == (model, "http://gpu:1/$v1")
