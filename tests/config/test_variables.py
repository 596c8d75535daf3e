"""The variables."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attrs import evolve

from claude_bridge.config.backend_keys import BackendKey
from claude_bridge.config.dump import dump
from claude_bridge.config.load import parse
from claude_bridge.config.problems import ConfigErrors
from claude_bridge.config.schema import Backend, Config, Model, Route
from claude_bridge.config.secret import Secret
from claude_bridge.config.variables import Overrides, describe_source, read_environment, source_file
from tests.config.files import config_of, mistakes, reading

FILE = """
[server]
listen = tcp:1:interface=127.0.0.1
[backend:chutes]
url = https://llm.chutes.ai/v1
first_byte_timeout = 5
idle_timeout = 6
[breaker]
enabled = yes
[log]
level = error
"""


class AloneTests:
    """The environment alone is a set-up."""

    def test_nothing_set(self) -> None:
        """Without anything there is one local backend and one local listener."""
        config = config_of("")

        assert config == Config(backends={"default": Backend(name="default", url="http://127.0.0.1:8000/v1")})
        assert config.server.listen == ("tcp:8080:interface=127.0.0.1:backlog=1024",)

    def test_all_set(self) -> None:
        """Each variable does what the table says."""
        config = config_of(
            "",
            {
                "BACKEND_URL": "https://x.example/v1/chat/completions",
                "HOST_PORT": "9000",
                "BACKEND_TIMEOUT_SECS": "42",
                "ENABLE_CIRCUIT_BREAKER": "true",
                "LOG_LEVEL": "DEBUG",
            },
        )
        backend = config.backends["default"]

        assert backend.url == "https://x.example/v1"
        assert (backend.first_byte_timeout, backend.idle_timeout) == (42.0, 42.0)
        assert config.server.listen == ("tcp:9000:interface=127.0.0.1:backlog=1024",)
        assert config.breaker.enabled
        assert config.log.level == "debug"

    def test_set_to_nothing(self) -> None:
        """A variable set to nothing counts as not set."""
        assert config_of("", {"BACKEND_URL": "", "HOST_PORT": " ", "LOG_LEVEL": ""}) == config_of("")

    @pytest.mark.parametrize(
        ("text", "listen"),
        [
            ("8080", "tcp:8080:interface=127.0.0.1:backlog=1024"),
            ("127.0.0.1:9", "tcp:9:interface=127.0.0.1:backlog=1024"),
            ("0.0.0.0:9", "tcp:9:interface=0.0.0.0:backlog=1024"),
            ("[::1]:9", r"tcp:9:interface=\:\:1:backlog=1024"),
            ("localhost:0", "tcp:0:interface=localhost:backlog=1024"),
        ],
    )
    def test_host_port(self, text: str, listen: str) -> None:
        """A port alone stays on this machine, a host is taken as it is."""
        assert config_of("", {"HOST_PORT": text}).server.listen == (listen,)


class ContainerTests:
    """Three more variables make a set-up without a file complete."""

    ENVIRON: Mapping[str, str] = {
        "BACKEND_URL": "http://vllm:8000/v1",
        "BACKEND_API_KEY": "sk-1",
        "MODEL": "zai-org/GLM-4.5",
        "ALLOWED_HOSTS": "claude-bridge, host.docker.internal",
    }

    def test_key_model_and_hosts(self) -> None:
        """They are the backend's own key, the model of every other name, and names that clients may use."""
        config = config_of("", self.ENVIRON)

        assert config.backends["default"].api_key == (BackendKey(secret=Secret("sk-1")),)
        assert config.models == {
            "zai-org/GLM-4.5": Model(alias="zai-org/GLM-4.5", name="zai-org/GLM-4.5", backend="default")
        }
        assert config.routes == {"default": Route(name="default", models=("zai-org/GLM-4.5",))}
        assert config.server.allowed_hosts == ("claude-bridge", "host.docker.internal")

    def test_other_models_are_still_listed(self) -> None:
        """A MODEL does not hide the backend's other models, as a configured one in a file does."""
        assert config_of("", self.ENVIRON).server.list_backend_models is True
        assert config_of("").server.list_backend_models is None

    def test_named_in_the_source(self) -> None:
        """The start line names what was used; with a file they are none of it."""
        source = "environment with BACKEND_URL, BACKEND_API_KEY, MODEL, ALLOWED_HOSTS"
        assert config_of("", self.ENVIRON).source == source
        assert (
            parse("[log]\nlevel = info\n", self.ENVIRON, reading(), path="/c.ini").source == "/c.ini with BACKEND_URL"
        )

    def test_nothing_beside_a_file(self) -> None:
        """Where a file is read they change nothing, and are not even looked at."""
        wrong = {"BACKEND_API_KEY": "two words", "MODEL": "a b", "ALLOWED_HOSTS": "*"}
        assert parse(FILE, wrong, reading(), path="/c.ini") == parse(FILE, {}, reading(), path="/c.ini")

    def test_key_from_a_file(self) -> None:
        """The key may lie in a file, as containers bring secrets."""
        config = config_of("", {"BACKEND_API_KEY": "file:/run/secrets/key"}, {"/run/secrets/key": b"sk-2\n"})
        assert config.backends["default"].api_key == (BackendKey(secret=Secret("sk-2")),)

    def test_mistakes(self) -> None:
        """Each wrong one is told, without its value."""
        lines = mistakes("", {"BACKEND_API_KEY": "two words", "MODEL": "a b", "ALLOWED_HOSTS": "good,*"})
        assert [line.split(":")[0] for line in lines] == [
            "[environment] BACKEND_API_KEY",
            "[environment] MODEL",
            "[environment] ALLOWED_HOSTS",
        ]
        assert "words" not in lines[0]

    def test_nobody_else_spends_the_key(self) -> None:
        """A listener for everybody is refused while there is a key to spend, with all that can be done."""
        (line,) = mistakes("", {**self.ENVIRON, "HOST_PORT": "0.0.0.0:8080"})
        assert line.startswith("[environment] HOST_PORT: tcp:8080:interface=0.0.0.0:backlog=1024 can be reached from")
        for way in ("127.0.0.1 only", "set no BACKEND_API_KEY", "credentials = keys", "allow_open = yes"):
            assert way in line
        without = {name: value for name, value in self.ENVIRON.items() if name != "BACKEND_API_KEY"}
        assert mistakes("", {**without, "HOST_PORT": "0.0.0.0:8080"}) == []

    def test_dump(self) -> None:
        """The dump shows them as the sections that they stand for, the key as stars, and can be loaded."""
        text = dump(config_of("", self.ENVIRON))
        assert "MODEL, ALLOWED_HOSTS\n" in text
        assert "[model:zai-org/GLM-4.5]\nbackend = default\n" in text
        assert "api_key = ***\n" in text
        assert config_of(text.replace("***", "sk-1")) == evolve(config_of("", self.ENVIRON), source="environment")


class ListenTests:
    """`--listen` wins over the variable and the file."""

    @pytest.mark.parametrize(
        ("text", "listen"),
        [
            ("8080", "tcp:8080:interface=127.0.0.1:backlog=1024"),
            ("0.0.0.0:9", "tcp:9:interface=0.0.0.0:backlog=1024"),
            ("[::1]:9", r"tcp:9:interface=\:\:1:backlog=1024"),
            ("tcp:9", "tcp:9"),
            ("unix:/run/x.sock", "unix:/run/x.sock"),
            ("haproxy:tcp:9:interface=127.0.0.1", "haproxy:tcp:9:interface=127.0.0.1"),
        ],
    )
    def test_forms(self, text: str, listen: str) -> None:
        """A port, a host with a port and an endpoint string are all understood."""
        config = parse(FILE, {"HOST_PORT": "2"}, reading(), path="/c.ini", listen=text)
        assert config.server.listen == (listen,)
        assert config.source == "/c.ini with --listen"

    @pytest.mark.parametrize("text", ["", "x", "99999", "onion:80:x", "tcp:", "a:b:c"])
    def test_mistakes(self, text: str) -> None:
        """Anything else is a mistake of the option's."""
        with pytest.raises(ConfigErrors, match=r"^--listen: "):
            parse("", {}, reading(), listen=text)

    def test_same_rules(self) -> None:
        """A listener beyond this machine is refused as it would be in the file."""
        with pytest.raises(ConfigErrors, match=r"^--listen: tcp:1:interface=0\.0\.0\.0:backlog=1024 can be reached"):
            parse("[backend:b]\napi_key = k\n", {}, reading(), path="/c.ini", listen="0.0.0.0:1")


class OverTheFileTests:
    """The variables win over the file, and nothing else does."""

    def test_win(self) -> None:
        """Every variable replaces what the file says."""
        config = config_of(
            FILE,
            {"HOST_PORT": "2", "BACKEND_TIMEOUT_SECS": "7", "ENABLE_CIRCUIT_BREAKER": "no", "LOG_LEVEL": "warning"},
        )
        chutes = config.backends["chutes"]

        assert config.server.listen == ("tcp:2:interface=127.0.0.1:backlog=1024",)
        assert (chutes.first_byte_timeout, chutes.idle_timeout) == (7.0, 7.0)
        assert not config.breaker.enabled
        assert config.log.level == "warn"

    def test_backend_url_adds(self) -> None:
        """BACKEND_URL adds the default backend and leaves those of the file."""
        config = config_of(FILE, {"BACKEND_URL": "http://x"})

        assert {name: backend.url for name, backend in config.backends.items()} == {
            "chutes": "https://llm.chutes.ai/v1",
            "default": "http://x",
        }

    def test_backend_url_never_changes_the_file(self) -> None:
        """A [backend:default] of the file stays, and the source says so."""
        config = config_of("[backend:default]\nurl = http://file/v1\n", {"BACKEND_URL": "http://environment"})

        assert config.backends["default"].url == "http://file/v1"
        assert "BACKEND_URL is not used" in config.source

    def test_no_other_backend_appears(self) -> None:
        """With backends in the file and no BACKEND_URL there is no default one."""
        assert list(config_of(FILE).backends) == ["chutes"]

    def test_other_variables_do_nothing(self) -> None:
        """Variables that merely look like options change nothing."""
        assert config_of(FILE, {"PORT": "1", "OPENAI_API_KEY": "k", "LISTEN": "x", "COMMIT_AFTER": "1"}) == config_of(
            FILE
        )


class MistakeTests:
    """Wrong variables are told together with the mistakes of the file."""

    def test_all_at_once(self) -> None:
        """Each wrong variable is one line, after those of the file."""
        lines = mistakes(
            "[log]\nlevel = loud\n",
            {
                "BACKEND_URL": "127.0.0.1:8000",
                "HOST_PORT": "x:y",
                "BACKEND_TIMEOUT_SECS": "0",
                "ENABLE_CIRCUIT_BREAKER": "perhaps",
                "LOG_LEVEL": "infos",
            },
        )

        assert [line.split(":")[0] for line in lines] == [
            "[log] level",
            "[environment] BACKEND_URL",
            "[environment] HOST_PORT",
            "[environment] BACKEND_TIMEOUT_SECS",
            "[environment] ENABLE_CIRCUIT_BREAKER",
            "[environment] LOG_LEVEL",
        ]
        assert lines[-1].endswith("did you mean info? (must be one of: debug, info, warn, error)")

    def test_words_once(self) -> None:
        """A level that is like none of them gets the list of levels, once."""
        (line,) = mistakes("", {"LOG_LEVEL": "trace"})

        assert line == "[environment] LOG_LEVEL: must be one of: debug, error, info, warn"

    @pytest.mark.parametrize(
        "text", [":8080", "::1:8080", "host:", "host:99999", "a:b:c", "8080/tcp", "a\\:80", "-1", "127.0.0.l:80"]
    )
    def test_host_port(self, text: str) -> None:
        """What is neither PORT nor HOST:PORT is refused."""
        _, problems = read_environment({"HOST_PORT": text})

        assert [problem.key for problem in problems] == ["HOST_PORT"]


class SourceTests:
    """The source tells where a configuration comes from."""

    @pytest.mark.parametrize(
        ("path", "environ", "source"),
        [
            (None, {}, "environment"),
            ("/etc/x.ini", {}, "/etc/x.ini"),
            ("/etc/x.ini", {"LOG_LEVEL": "info", "HOST_PORT": "1"}, "/etc/x.ini with HOST_PORT, LOG_LEVEL"),
        ],
    )
    def test_source(self, path: str | None, environ: dict[str, str], source: str) -> None:
        """File and variables are both named."""
        assert describe_source(path, environ, Config()) == source
        assert source_file(source) == (path or "environment")

    def test_nothing_overridden(self) -> None:
        """No variable leaves a configuration with a backend as it is."""
        config = config_of(FILE)

        assert Overrides().apply(config) == config
