"""The states of an answer that is being read, and what may follow each.

``_FOLLOWERS`` is this diagram as data; any other step raises `InternalFault`::

      UNDECIDED ------------ "{" or "[" ------------> WHOLE_JSON
          | any other byte                                | the end of the body
          v                                               v
      AWAITING_FIRST_EVENT --- an event with a type --> ANSWERING --- completed or incomplete ---> DONE
          |                                                                                         ^
          +------------------------------ completed or incomplete ----------------------------------+

      FAILED <--- from any state but DONE: the backend reports an error, sends what is no answer, or is cut off

There is no state between the last words and the end, as the event that ends an answer has its usage too. In any other
state the end of the body means that the answer was cut off.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from claude_bridge.core.errors import InternalFault


class AnswerState(Enum):
    """How far an answer has come."""

    UNDECIDED = "no byte yet that distinguishes a stream from a whole answer"
    AWAITING_FIRST_EVENT = "a stream, and nothing of the answer yet"
    ANSWERING = "the answer has begun"
    WHOLE_JSON = "the body is one JSON value, decoded when it is complete"
    DONE = "the end was reported; everything later is ignored"
    FAILED = "there is no answer, or no end of it"

    # A state is one object, and Enum's own hash is Python code that every look-up would run.
    __hash__ = object.__hash__

    def followed_by(self, state: AnswerState) -> AnswerState:
        """Return ``state`` as the next one; raises `InternalFault` if the diagram does not show this step."""
        if state not in _FOLLOWERS[self]:
            raise InternalFault(f"an answer cannot become {state.name} that is {self.name}")
        return state


UNDECIDED: Final = AnswerState.UNDECIDED
AWAITING_FIRST_EVENT: Final = AnswerState.AWAITING_FIRST_EVENT
ANSWERING: Final = AnswerState.ANSWERING
WHOLE_JSON: Final = AnswerState.WHOLE_JSON
DONE: Final = AnswerState.DONE
FAILED: Final = AnswerState.FAILED

_FOLLOWERS: Final = {
    UNDECIDED: frozenset({AWAITING_FIRST_EVENT, WHOLE_JSON, FAILED}),
    AWAITING_FIRST_EVENT: frozenset({ANSWERING, DONE, FAILED}),
    ANSWERING: frozenset({DONE, FAILED}),
    WHOLE_JSON: frozenset({ANSWERING, FAILED}),
    DONE: frozenset(),
    FAILED: frozenset({FAILED}),  # what follows in the same event may be wrong, too
}
