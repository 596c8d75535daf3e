"""The configuration of a bridge in front of one backend."""

from __future__ import annotations

from claude_bridge.client.single_backend import SingleBackend
from claude_bridge.config.named_models import which_model
from claude_bridge.config.secret import Secret
from tests.config.files import config_of


class SingleBackendTests:
    """INI text and variables."""

    def test_valid(self) -> None:
        """The text is a valid configuration once its keys are in the environment; it holds none itself."""
        backend = SingleBackend(url="http://box/$v1", key="sk-backend", main="zai/GLM$4", models=("zai/GLM$4",))
        assert "sk-backend" not in backend.configuration() + repr(backend)
        config = config_of(backend.configuration(), backend.environment({}, "sk-client"))
        ((key,), client) = (config.backends["backend"].api_key, config.keys["launch"])
        assert config.backends["backend"].url == "http://box/$v1"
        assert (key.secret, client.secret) == (Secret("sk-backend"), Secret("sk-client"))
        meant = which_model(config).meant(config.routes["default"].models[0])
        assert meant is not None
        assert (meant.backend, meant.model) == ("backend", "zai/GLM$4")

    def test_no_key(self) -> None:
        """A backend that wants no key gets none, and nobody but the client gets in all the same."""
        backend = SingleBackend(url="http://box/v1", key=None, main="m")
        config = config_of(backend.configuration(), backend.environment({}, "sk-client"))
        assert (config.backends["backend"].api_key, config.server.credentials) == ((), "keys")

    def test_strange_name(self) -> None:
        """A name that no route can have still leaves a valid configuration."""
        backend = SingleBackend(url="http://box/v1", key=None, main="my model, v2")
        assert config_of(backend.configuration(), backend.environment({}, "k")).routes == {}

    def test_variables_of_the_user(self) -> None:
        """Variables that would change the address or the key of the bridge do not reach it."""
        given = {"BACKEND_URL": "x", "HOST_PORT": "1", "BACKEND_API_KEY": "k", "MODEL": "m", "LOG_LEVEL": "debug"}
        backend = SingleBackend(url="http://box/v1", key=None, main="m")
        assert backend.environment(given, "c") == {"LOG_LEVEL": "debug", "CLAUDE_BRIDGE_CLIENT_KEY": "c"}
