"""What Claude Code can be started with."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_bridge.children import ExpectedFailure
from claude_bridge.client.target import BackendAlone, LaunchOrder, OwnConfiguration, RunningBridge, find_target
from tests.client.servers import BRIDGE, LIST, serving

FILE = "[server]\nlisten = tcp:{port}:interface=127.0.0.1\n[backend:b]\nurl = http://127.0.0.1:9/v1\n"


class TargetTests:
    """Bridges before configurations, those before variables."""

    def test_url(self) -> None:
        """The address says itself whether it is a bridge; the scheme may be missing."""
        with serving(BRIDGE) as url:
            assert find_target(LaunchOrder(url=f"{url}/v1"), {}) == RunningBridge(url)
            assert find_target(LaunchOrder(url=url.removeprefix("http://")), {}) == RunningBridge(url)
        with serving({"/v1/models": LIST}) as url:
            assert find_target(LaunchOrder(url=url), {"MODEL": "b"}) == BackendAlone(url, "b")

    def test_configuration(self, tmp_path: Path) -> None:
        """A bridge at the first listener of the configuration is taken, else one is to be started with that."""
        file = tmp_path / "claude-bridge.ini"
        with serving(BRIDGE) as url:
            file.write_text(FILE.format(port=url.rpartition(":")[2]))
            found = find_target(LaunchOrder(file=str(file)), {})
        assert isinstance(found, RunningBridge)
        assert (found.url, found.config is not None) == (url, True)
        found = find_target(LaunchOrder(file=str(file)), {})
        assert isinstance(found, OwnConfiguration)
        assert found.file == str(file)
        found = find_target(LaunchOrder(), {"CONFIGURATION_DIRECTORY": str(tmp_path)})
        assert isinstance(found, OwnConfiguration)
        assert found.file is None

    def test_other_service_at_the_port(self, tmp_path: Path) -> None:
        """Who else has the port is left alone."""
        file = tmp_path / "claude-bridge.ini"
        with serving({}) as url:
            file.write_text(FILE.format(port=url.rpartition(":")[2]))
            assert isinstance(find_target(LaunchOrder(file=str(file)), {}), OwnConfiguration)

    def test_variables(self) -> None:
        """Without a file there is the backend of the environment, or nothing."""
        environ = {"HOST_PORT": "9", "BACKEND_URL": "http://box/v1", "MODEL": " m "}
        assert find_target(LaunchOrder(), environ) == BackendAlone("http://box/v1", "m")
        with pytest.raises(ExpectedFailure, match=r"no bridge answers at http://127\.0\.0\.1:9"):
            find_target(LaunchOrder(), {"HOST_PORT": "9"})
        with serving({"/v1/models": LIST}) as url:
            told = f"what answers at {url} is no bridge, .*: name a bridge or a backend, .* launch --url {url}/v1"
            with pytest.raises(ExpectedFailure, match=told):
                find_target(LaunchOrder(), {"HOST_PORT": url.rpartition(":")[2]})


class OrderTests:
    """A command line."""

    def test_with_model(self) -> None:
        """It is written as it was given, with a model."""
        order = LaunchOrder(url="http://gpu/v1", file="my c.ini", only_print=True, arguments=["-p", "a b"])
        told = "claude-bridge launch zai/GLM --url http://gpu/v1 --config 'my c.ini' --print -- -p 'a b'"
        assert order.with_model("zai/GLM") == told
        assert LaunchOrder(status_line=False).with_model("m") == "claude-bridge launch m --no-statusline"
        assert LaunchOrder().with_model("m") == "claude-bridge launch m"
