"""Promises of the short form."""

from __future__ import annotations

from typing import Any

import pytest_twisted

from claude_bridge.doctor.services import make_services
from claude_bridge.doctor.short import BackendState
from claude_bridge.services import model_lists
from claude_bridge.testing.answers import Answer, Stall
from claude_bridge.testing.backend import ScriptedBackend
from tests.doctor.checks.test_reaching import MESSAGES, free_port
from tests.doctor.stand_ins import NO_SUCH_PATH, entry, messages_served, served
from tests.services.exchange.stage import configured

KEY = "sk-a-key-of-the-owner-1234567890"


async def looked(reactor: Any, url: str, ini: str = "", more: str = "") -> BackendState:
    """Return what a look at the backend shows."""
    config = configured(f"[backend:tower]\nurl = {url}\n{ini}\n{more}")
    services = make_services(config, reactor)
    short = services.short_form()
    try:
        return await short.look(config.backends["tower"])
    finally:
        await services.close()


class LookTests:
    """One line for each backend."""

    @pytest_twisted.ensureDeferred
    async def test_up(self, reactor: Any) -> None:
        """A backend that is up is told with its server, its models and the window; no chat is asked."""
        async with served(reactor, listed=[entry("m", "vllm", max_model_len=131_072)]) as server:
            state = await looked(reactor, server.url)
            assert server.chats == []
            assert len(server.requests) == 1
        assert str(state) == "backend tower: up, vLLM, 1 model, 131,072 tokens"
        assert state.good

    @pytest_twisted.ensureDeferred
    async def test_several_models(self, reactor: Any) -> None:
        """The window is that of the model that is configured first."""
        listed = [entry("a", context_length=65_536), entry("b", context_length=131_072)]
        async with served(reactor, listed=listed) as server:
            several = await looked(reactor, server.url)
            chosen = await looked(reactor, server.url, more="[model:x]\nname = b")
        assert str(several) == "backend tower: up, 2 models"
        assert str(chosen) == "backend tower: up, 2 models, 131,072 tokens"

    @pytest_twisted.ensureDeferred
    async def test_down(self, reactor: Any) -> None:
        """A backend that is down is told in the doctor's words."""
        port = free_port()
        state = await looked(reactor, f"http://127.0.0.1:{port}/v1")
        assert not state.good
        assert str(state) == (
            f"backend tower: down: 127.0.0.1:{port}: connection refused: start the server, or correct `url`"
        )
        assert not state.usable

    @pytest_twisted.ensureDeferred
    async def test_wrong_path(self, reactor: Any, backend: ScriptedBackend) -> None:
        """The right url is named."""
        state = await looked(reactor, backend.url.removesuffix("/v1"))
        assert not state.good
        assert f"set `url = {backend.url}`" in state.sentence

    @pytest_twisted.ensureDeferred
    async def test_wrong_key(self, reactor: Any, backend: ScriptedBackend) -> None:
        """A refused key is told without the key."""
        backend.api_key = KEY
        state = await looked(reactor, backend.url, "api_key = sk-another-key-0987654321")
        assert not state.good
        assert state.sentence.startswith("cannot be used: the key of `api_key` in [backend:tower] is refused")
        assert not state.usable
        assert "another" not in state.sentence

    @pytest_twisted.ensureDeferred
    async def test_key_of_clients(self, reactor: Any, backend: ScriptedBackend) -> None:
        """A backend whose key clients bring is up, although nothing more can be known of it."""
        backend.api_key = KEY
        state = await looked(reactor, backend.url)
        assert state.good
        assert state.sentence == "up, asks for a key, which clients bring"

    @pytest_twisted.ensureDeferred
    async def test_small_window(self, reactor: Any) -> None:
        """A window that is too small is told at the start, not in the middle of the first conversation."""
        async with served(reactor, listed=[entry(owner="llamacpp", meta={"n_ctx": 8192})]) as server:
            state = await looked(reactor, server.url)
        assert not state.good
        assert state.sentence.startswith("cannot be used: 8,192 tokens. Claude Code's own instructions take")

    @pytest_twisted.ensureDeferred
    async def test_unknown_model(self, reactor: Any) -> None:
        """A configured name that is not there is told, with the nearest."""
        async with served(reactor, models=["glm-4.5-air"]) as server:
            state = await looked(reactor, server.url, more="[model:x]\nname = glm-4.5")
        assert (state.good, state.usable) == (False, True)
        assert state.sentence.startswith("up, but glm-4.5 is not in the list")
        assert "set `name = glm-4.5-air`" in state.sentence

    @pytest_twisted.ensureDeferred
    async def test_missing_models(self, reactor: Any) -> None:
        """All that are not there are told, those of routes too; where there is no list nobody knows."""
        more = "[model:x]\nname = glm-4.5\n[model:y]\nname = qwen\n[route:default]\nmodels = x, tower/gpt-4o"
        async with served(reactor, models=["glm-4.5-air", "qwen"]) as server:
            state = await looked(reactor, server.url, more=more)
        assert state.missing == ("glm-4.5", "gpt-4o")
        first, second = state.sentence.split("; gpt-4o")
        assert first.startswith("up, but glm-4.5 is not in the list")
        assert second.startswith(" is not in the list; there are ")
        async with served(reactor, pages={("GET", "*"): NO_SUCH_PATH}) as server:
            assert (await looked(reactor, server.url, more=more)).missing == ()

    @pytest_twisted.ensureDeferred
    async def test_no_list(self, reactor: Any) -> None:
        """A server without a list is up."""
        async with served(reactor, pages={("GET", "*"): NO_SUCH_PATH}) as server:
            state = await looked(reactor, server.url)
        assert (state.good, state.sentence) == (True, "up, has no list of models")

    @pytest_twisted.ensureDeferred
    async def test_silent(self, reactor: Any, monkeypatch: Any) -> None:
        """A server that says nothing is not waited for."""
        monkeypatch.setattr(model_lists, "WAIT_SECONDS", 0.1)
        monkeypatch.setattr("claude_bridge.doctor.short.WAIT_SECONDS", 0.1)
        async with served(reactor, pages={("GET", "*"): Answer(200, (), (Stall(),))}) as server:
            state = await looked(reactor, server.url)
        assert not state.usable
        assert state.sentence.startswith("down: GET ")
        assert state.sentence.endswith("/models is not answered within 0.1 s")

    @pytest_twisted.ensureDeferred
    async def test_passed_through(self, reactor: Any) -> None:
        """Of another kind: a good one, a wrong key, an unknown model, a wrong url."""
        async with messages_served(reactor, api_key=KEY, key_header="authorization") as server:
            good = await looked(reactor, server.url, f"{MESSAGES}\napi_key = {KEY}")
            assert all(each.body in {b"", b"{}"} for each in server.requests)
            key = await looked(reactor, server.url, f"{MESSAGES}\napi_key = another-key-0987654321")
            model = "[model:x]\nname = glm"
            unknown = await looked(reactor, server.url, f"{MESSAGES}\napi_key = {KEY}", more=model)
            url = await looked(reactor, f"{server.url}/api", f"{MESSAGES}\napi_key = {KEY}")
        assert good.sentence == "up, 1 model, 131,072 tokens"
        assert key.sentence.startswith("cannot be used: the key of `api_key` in [backend:tower] is refused")
        assert unknown.sentence.startswith("up, but glm is not in the list")
        assert not url.usable

    @pytest_twisted.ensureDeferred
    async def test_another_kind(self, reactor: Any) -> None:
        """A server with another API than the configuration says is told at the start."""
        async with messages_served(reactor) as server:
            state = await looked(reactor, f"{server.url}/v1")
        assert not state.usable
        assert f"`{MESSAGES}`" in state.sentence
        async with served(reactor, pages={("POST", "/v1/messages"): NO_SUCH_PATH}) as chats:
            state, url = await looked(reactor, chats.url, MESSAGES), chats.url
        assert not state.usable
        assert f"set `kind = openai` and `url = {url}`" in state.sentence
