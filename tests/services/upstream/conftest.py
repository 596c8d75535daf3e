"""Fixtures for upstream tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_twisted

from tests.services.upstream.loopback import Bench


@pytest_twisted.async_yield_fixture()
async def bench(reactor: Any) -> AsyncIterator[Bench]:
    """Yield a client on the real reactor; all it opened is closed afterwards."""
    made = Bench(reactor)
    yield made
    await made.stop()
