"""Fixtures for all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pytest
import pytest_twisted
from hypothesis import settings
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import provider

from claude_bridge.testing.backend import ScriptedBackend
from tests import npm
from tests.environments import ALL, MARKED, Environment, built

Need = TypeVar("Need")

# Folders whose tests ask the outside judges, or hold answers against the schema that one of them carries.
JUDGED = ("contract", "end_to_end", "testing")

# No example has a time limit of its own: on a busy machine any takes long. "quick" is for the desk and for a second run
# on another Python: the same promises, fewer examples of each.
settings.register_profile("whole", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=15)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "whole")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the tests need before any test's time limit runs: on a slow line that takes minutes.

    The collected tests are hidden from the garbage collector: half a million objects that live to the end would cost
    every full collection a second, in the middle of tests that measure CPU time too.
    """
    if session.config.option.collectonly:
        return
    gc.collect()
    gc.freeze()
    for environment in _needed(session.items):
        built(environment)
    for package in _wanted(session.items) if npm.npm() else ():
        npm.installed(package)


def _needed(items: Sequence[pytest.Item]) -> Iterator[Environment]:
    if any(item.path.parent.name in JUDGED for item in items):
        yield from ALL
    yield from _marked(items, MARKED)


def _wanted(items: Sequence[pytest.Item]) -> Iterator[npm.Package]:
    yield from _marked(items, npm.MARKED)


def _marked(items: Sequence[pytest.Item], needs: Mapping[str, Sequence[Need]]) -> Iterator[Need]:
    for mark, needed in needs.items():
        if any(item.get_closest_marker(mark) for item in items):
            yield from needed


@pytest.fixture(scope="session")
def reactor() -> Any:
    """Return the reactor that pytest-twisted runs."""
    from twisted.internet import reactor as running

    return running


@pytest.fixture(autouse=True)
def logged_failures() -> Iterator[list[LogEvent]]:
    """Fail a test in which a failure was logged: a Deferred's error that nobody took would pass unseen otherwise.

    A test that provokes one looks at the list and clears it.
    """
    failures: list[LogEvent] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        if event.get("log_failure") is not None:
            failures.append(event)

    globalLogPublisher.addObserver(observe)
    yield failures
    globalLogPublisher.removeObserver(observe)
    told = [f"{event.get('log_format') or ''}\n{event['log_failure'].getTraceback()}" for event in failures]
    assert not told, "\n".join(told)


@pytest.fixture
def signals_kept() -> Iterator[None]:
    """Give the tests' reactor its signals back after another reactor has run: without SIGCHLD it reaps no children."""
    numbers = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM)
    handlers, wakeup = [signal.getsignal(number) for number in numbers], signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)
    signal.set_wakeup_fd(wakeup)


@pytest_twisted.async_yield_fixture()
async def backend(reactor: Any) -> AsyncIterator[ScriptedBackend]:
    """Yield a scripted backend that listens; what it answers is queued or scripted by the test."""
    scripted = ScriptedBackend(reactor)
    scripted.start()
    yield scripted
    await scripted.stop()
