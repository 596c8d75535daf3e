"""Finding and reading the file, and all mistakes at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.config.dump import dump
from claude_bridge.config.load import MAX_FILE_BYTES, load, parse, read_file
from claude_bridge.config.problems import ConfigErrors
from claude_bridge.config.schema import Config
from claude_bridge.config.secret import Secret
from claude_bridge.config.sections import KINDS
from claude_bridge.core.routing import Condition
from tests.config.files import PEM, mistakes, reading

SHORT = Path(__file__).parents[2] / "etc" / "claude-bridge.ini"
REFERENCE = SHORT.with_name("claude-bridge.reference.ini")


def source(path: str | None, environ: Mapping[str, str], *files: str) -> str:
    """Load where only ``files`` exist and tell which one was taken."""
    return load(path, environ, reading(dict.fromkeys(files, b"[server]\n"))).source


class SearchTests:
    """The first file of the documented order is taken."""

    ENVIRON: Mapping[str, str] = {
        "CONFIGURATION_DIRECTORY": "/conf/a:/conf/b",
        "XDG_CONFIG_HOME": "/xdg",
        "HOME": "/home/me",
    }

    def test_first_that_exists(self) -> None:
        """Files that do not exist are passed over."""
        etc = "/etc/claude-bridge/claude-bridge.ini"

        assert source(None, self.ENVIRON, etc) == etc
        assert source(None, self.ENVIRON, etc, "/conf/b/claude-bridge.ini") == "/conf/b/claude-bridge.ini"

    def test_named_file(self) -> None:
        """A file that is named wins over $CLAUDE_BRIDGE_CONFIG, and that over the search."""
        environ = {**self.ENVIRON, "CLAUDE_BRIDGE_CONFIG": "/variable.ini"}
        files = ("/option.ini", "/variable.ini", "/conf/a/claude-bridge.ini")

        assert source("/option.ini", environ, *files) == "/option.ini"
        assert source(None, environ, *files) == "/variable.ini"

    def test_no_file(self) -> None:
        """Without any file the environment is the configuration."""
        assert source(None, self.ENVIRON) == "environment"

    @pytest.mark.parametrize(("path", "environ"), [("/nope.ini", {}), (None, {"CLAUDE_BRIDGE_CONFIG": "/nope.ini"})])
    def test_named_file_is_missing(self, path: str | None, environ: dict[str, str]) -> None:
        """A file that was asked for must exist."""
        with pytest.raises(ConfigErrors, match=r"^/nope\.ini: cannot be read: No such file or directory$"):
            load(path, environ, reading())

    def test_unreadable_file(self) -> None:
        """A file that exists and cannot be read is not passed over."""
        denied = PermissionError(13, "Permission denied")

        with pytest.raises(ConfigErrors, match=r"claude-bridge\.ini: cannot be read: Permission denied"):
            load(None, {}, reading({"/etc/claude-bridge/claude-bridge.ini": denied}))

    def test_not_text(self) -> None:
        """A file that is not UTF-8 is told by its line."""
        with pytest.raises(ConfigErrors, match=r"^/x: line 2 is not UTF-8$"):
            load("/x", {}, reading({"/x": b"[log]\nlevel = \xff\n"}))


class ReadFileTests:
    """Real files."""

    def test_real_file(self, tmp_path: Path) -> None:
        """A real file and its secret file are read."""
        (tmp_path / "key").write_text("sk-1\n")
        (tmp_path / "c.ini").write_text(f"[backend:b]\napi_key = file:{tmp_path}/key\n")

        (key,) = load(str(tmp_path / "c.ini"), {}).backends["b"].api_key

        assert key.secret == Secret("sk-1")

    def test_short_keys(self) -> None:
        """A key that cannot be hidden in the log is warned of, unless something worse is said of it."""

        def told(key: str) -> list[str]:
            files = {"/c.ini": f"[backend:b]\nurl = http://box/v1\napi_key = {key}\n".encode()}
            return [each.message for each in load("/c.ini", {}, reading(files), lambda _path: 0o600).warnings]

        assert told("k9f8e7d6c5b4a") == []
        assert [each.partition(",")[0] for each in told("k9f8e7d")] == ["has less than 12 characters"]
        assert [each.partition(" and ")[0] for each in told("/etc/key")] == ["looks like a file path"]

    def test_warnings(self, tmp_path: Path) -> None:
        """A key that others can read in the file is warned of, wherever the file was found."""
        path = tmp_path / "claude-bridge.ini"
        path.write_text("[backend:b]\napi_key = sk-9f8e7d6c5b4a\n")
        path.chmod(0o644)
        for config in (load(str(path), {}), load(None, {"CONFIGURATION_DIRECTORY": str(tmp_path)})):
            assert [warning.section for warning in config.warnings] == ["backend:b"]
        path.chmod(0o600)
        assert load(str(path), {}).warnings == ()

    def test_endless_file(self, tmp_path: Path) -> None:
        """A file without end is refused instead of being read for ever."""
        with pytest.raises(OSError, match="too large"):
            read_file("/dev/zero")
        (tmp_path / "large").write_bytes(bytes(MAX_FILE_BYTES))
        assert len(read_file(str(tmp_path / "large"))) == MAX_FILE_BYTES

    def test_folder(self, tmp_path: Path) -> None:
        """A folder where a file should be is told as such."""
        with pytest.raises(ConfigErrors, match="directory"):
            load(str(tmp_path), {})


class MistakeTests:
    """All mistakes at once."""

    def test_every_kind_in_one_pass(self) -> None:
        """Syntax, names, types, ranges, references, secrets, rules and variables are told together, in file order."""
        text = (
            "[DEFAULT]\nx = 1\n[server]\nlisten = tcp:99999\nPing_interval = 5\ncommit_after = 10 # ten\nnonsense\n"
            "[backend:chutes]\nulr = x\nurl = ftp://x\napi_key = file:/nope\ndialect = genric\n"
            "[model:glm]\nbackend = chuts\nname = ${NOPE}\ncontext_window = 0\n"
            "[route:default]\nmodels =\n  glm\n  glm\n[limits]\nmax_body = 32X\n[limits]\nmax_body = 1\n[lgo]\n"
        )
        assert [line.split(": ")[0] for line in mistakes(text, {"LOG_LEVEL": "loud"})] == [
            "[DEFAULT]",
            "[server] Ping_interval",
            "[server] line 7",
            "[server] listen",
            "[server] commit_after",
            "[backend:chutes] url",
            "[backend:chutes] dialect",
            "[backend:chutes] api_key",
            "[backend:chutes] ulr",
            "[model:glm] name",
            "[model:glm] context_window",
            "[model:glm] backend",
            "[route:default] models",
            "[limits]",
            "[limits] max_body",
            "[limits] max_body",
            "[lgo]",
            "[environment] LOG_LEVEL",
        ]

    def test_the_documented_line(self) -> None:
        """A mistyped key reads as the documentation shows it."""
        assert mistakes("[backend:chutes]\nulr = https://llm.chutes.ai/v1\n") == [
            "[backend:chutes] ulr: unknown key, did you mean url?"
        ]

    @given(st.text(alphabet=st.sampled_from("[]=#;: \n${}abserverl-1\t")))
    def test_nothing_but_config_errors(self, text: str) -> None:
        """Whatever is in a file, the answer is a configuration or its mistakes."""
        mistakes(f"[server]\nlisten = {text}")
        mistakes(text)


SECRET = st.from_regex(r"hush-7[A-Za-z0-9+/._-]{8,20}=?", fullmatch=True)
NOISE = st.sampled_from(
    [
        "",
        "[lgo]\n",
        "[limits]\nmax_body = x\n",
        "[model:m]\nbackend = nope\n",
        "[backend:own]\napi_kye = 1\n",
        "[server]\nlisten = tcp:1\n",
    ]
)


class SecrecyTests:
    """No secret that was loaded is ever shown."""

    @given(given=SECRET, variable=SECRET, filed=SECRET, credential=SECRET, noise=NOISE)
    def test_nothing_shows_a_secret(
        self, *, given: str, variable: str, filed: str, credential: str, noise: str
    ) -> None:
        """Neither the configuration's repr, nor the dump, nor any list of mistakes holds one."""
        text = (
            f"[backend:a]\napi_key = {given}\nheaders =\n  X-Api-Key: ${{KEY}}\n"
            "[backend:b]\napi_key = ${KEY}\n[backend:c]\napi_key = file:/k\n"
            "[server]\ncredentials = keys\n[key:d]\nsecret = credential:d\n" + noise
        )
        environ = {"KEY": variable, "CREDENTIALS_DIRECTORY": "/run"}
        try:
            config = parse(text, environ, reading({"/k": f"{filed}\n".encode(), "/run/d": credential.encode()}))
        except ConfigErrors as errors:
            assert noise  # the rest is valid
            shown = str(errors) + repr(errors)
        else:
            shown = repr(config) + str(config) + dump(config)
        assert not [secret for secret in (given, variable, filed, credential) if secret in shown]

    @given(SECRET)
    def test_secret_in_the_wrong_place(self, secret: str) -> None:
        """A key that was put where it does not belong is not repeated in the list of mistakes."""
        text = (
            "[server]\nlisten = ${K}\ncredentials = ${K}\nallow_open = ${K}\ncommit_after = ${K}\n"
            "allowed_origins = ${K}\n[backend:b]\nurl = https://u:${K}@x/\nheaders = ${K}\ndialect = ${K}\n"
            "kind = ${K}\napi_key =\n  ${K}\n  ${K}\nca_file = /${K:-}x ;\nproxy = ${K}\n[backend:c]\n"
            "proxy = http://${K}:${K}@x:99999\n[model:m]\nbackend = ${K}\n"
            f"{secret}\n[route:default]\nmodels = ${{K}}\n[limits]\nmax_body = ${{K}}\n[key:a]\nsecret = {secret} x\n"
        )
        shown = "\n".join(
            mistakes(text, {"K": secret, "HOST_PORT": secret, "LOG_LEVEL": secret, "BACKEND_URL": secret})
        )

        assert "[key:a] secret" in shown
        assert secret.rstrip("=") not in shown


class ShortExampleTests:
    """The file that a newcomer edits, and that is installed for the service."""

    def test_as_shipped(self) -> None:
        """As it is shipped it is a set-up with one local backend, the same as in the reference."""
        config, reference = load(str(SHORT), {}), load(str(REFERENCE), {})

        assert config.warnings == ()
        assert [backend.url for backend in config.backends.values()] == ["http://127.0.0.1:8000/v1"]
        assert config.backends == reference.backends
        assert config.server.credentials == reference.server.credentials

    def test_with_everything_uncommented(self) -> None:
        """With every option uncommented it is valid too: one model, which answers every name."""
        text = re.sub(r"^#(?=\[|[a-z_]+ =)", "", SHORT.read_text("utf-8"), flags=re.MULTILINE)
        config = parse(text, {"BACKEND_KEY": "sk-1"}, reading({}))

        assert config.warnings == ()
        assert config.backends["local"].api_key is not None
        assert config.models["large"].context_window == 131_072
        assert config.routes["default"].models == ("large",)

    def test_short(self) -> None:
        """It is read in a minute."""
        assert len(SHORT.read_text("utf-8").splitlines()) <= 40


class ReferenceTests:
    """The file with every option."""

    FILES: Mapping[str, bytes] = {"/etc/claude-bridge/ca.pem": PEM, "/run/keys/alice-key": b"sk-alice\n"}

    def uncommented(self) -> Config:
        """Read the file with every option uncommented, and with the policy that the keys are for."""
        text = re.sub(r"^#(?=\S|    )", "", REFERENCE.read_text("utf-8"), flags=re.MULTILINE)
        text = text.replace("credentials = forward", "credentials = keys")
        environ = {"CHUTES_API_KEY": "sk-1", "SEARCH_KEY": "sk-2", "CREDENTIALS_DIRECTORY": "/run/keys"}
        return parse(text, environ, reading(self.FILES))

    def test_as_shipped(self) -> None:
        """As it is shipped it is a set-up with one local backend."""
        config = load(str(REFERENCE), {})

        assert [backend.url for backend in config.backends.values()] == ["http://127.0.0.1:8000/v1"]
        assert config.server.listen == ("tcp:8080:interface=127.0.0.1:backlog=1024",)

    def test_with_everything_uncommented(self) -> None:
        """With every option uncommented it is valid too, and every example is right."""
        config = self.uncommented()

        assert len(config.server.listen) == 3
        assert list(config.backends) == ["local", "chutes"]
        assert config.routes["default"].models == ("local-large", "chutes/zai-org/GLM-4.5-Air")
        assert config.routes["small"].when == (Condition("background"), Condition("long_context", tokens=100_000))
        assert config.keys["alice"].secret == Secret("sk-alice")
        assert config.keys["bob"].models == ("local-large", "chutes/*")
        assert [str(each.for_) for each in config.budgets.values()] == ["key alice", "agent"]
        assert (config.web_search.engine, config.web_search.url) == ("searxng", "http://127.0.0.1:8888")

    def test_has_every_key(self) -> None:
        """Every key of every section is there, set or commented out."""
        section, found = "", set()
        for line in REFERENCE.read_text("utf-8").splitlines():
            if header := re.match(r"#?\[(\w+)", line):
                section = header[1]
            elif key := re.match(r"#?([a-z_]+) =", line):
                found.add((section, key[1]))

        assert found == {(kind.word, key.name) for kind in KINDS.values() for key in kind.keys}

    def test_shown_defaults_are_the_defaults(self) -> None:
        """Uncommenting an option of [limits] or [breaker] changes nothing: the file shows the defaults."""
        config = self.uncommented()
        plain = load(str(REFERENCE), {})

        assert (config.limits, config.breaker, config.log) == (plain.limits, plain.breaker, plain.log)
