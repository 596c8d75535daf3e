"""One round of searches inside an answer: the client sees each begin and end, the model's next turn gets what came."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from claude_bridge.core.events import Event, Finished
from claude_bridge.core.websearch import SearchCall, Searching
from claude_bridge.services.interfaces import SearchEngine, SearchFailed


async def answer_searches(
    searching: Searching, engine: SearchEngine, emit: Callable[[Sequence[Event]], None]
) -> Finished | None:
    """Make the pending searches one after the other; ``emit`` gets what tells the client of them.

    Gives the end of the answer, which is to be emitted, or None where the model is to be asked again. What ``emit``
    raises passes through, and so does cancelling, which ends the search under way.
    """
    for call in searching.pending:
        emit(searching.called(call))
        emit(await _result(searching, engine, call))
    return searching.conclude()


async def _result(searching: Searching, engine: SearchEngine, call: SearchCall) -> list[Event]:
    if call.problem is not None:
        return searching.failed(call, call.problem)
    try:
        return searching.found(call, await engine.search(call.question))
    except SearchFailed as error:
        return searching.failed(call, error.error_code)
