"""One daemon for all tests of a module, for tests that need nothing of their own from it: a start costs half a second.

A module imports `backend`, `daemon` and `running` to have them in place of the fixtures of ``conftest``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import DeferredQueue

from claude_bridge.testing.backend import ScriptedBackend
from tests.end_to_end.daemon import Daemon, Sections, ini

Running = tuple[ScriptedBackend, Daemon]

__all__ = ["backend", "daemon", "running", "serving"]


@asynccontextmanager
async def serving(reactor: Any, folder: Path, sections: Sections | None = None) -> AsyncIterator[Running]:
    """Run a backend and a daemon in front of it; stop and check them in the end."""
    scripted = ScriptedBackend(reactor)
    scripted.start()
    started = Daemon(reactor=reactor, folder=folder)
    await started.start(ini(scripted.url, sections))
    yield scripted, started
    await started.finish()
    await scripted.stop()


@pytest_twisted.async_yield_fixture(scope="module")
async def running(reactor: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """Yield a backend and a daemon with default settings in front of it."""
    async with serving(reactor, tmp_path_factory.mktemp("daemon")) as both:
        yield both


@pytest.fixture
def backend(running: Running) -> ScriptedBackend:
    """Return the backend as if nobody had ever asked it."""
    scripted, _ = running
    scripted.script, scripted.api_key, scripted.models = None, None, ["test-model"]
    scripted.requests.clear()
    scripted.arrivals = DeferredQueue()
    scripted._queue.clear()
    return scripted


@pytest.fixture
def daemon(running: Running) -> Daemon:
    """Return the daemon; what it logged for other tests is still there."""
    return running[1]
