"""What the tests of the doctor share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_twisted

from tests.doctor.stand_ins import StandIn, served


@pytest_twisted.async_yield_fixture()
async def friendly(reactor: Any) -> AsyncIterator[StandIn]:
    """Yield a backend with good answers, of which nothing wrong may be said."""
    async with served(reactor) as server:
        yield server
