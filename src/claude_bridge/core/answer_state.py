"""The states of an answer whose body is an event stream or one JSON value, and what may follow each.

``_FOLLOWERS`` is this diagram as data; any other step raises `InternalFault`::

      UNDECIDED ------------ "{" or "[" ------------> WHOLE_JSON
          | any other byte                                |
          v                                               | the end of the body
      AWAITING_FIRST_EVENT --- the answer begins ---> ANSWERING ---- a finish reason ---> FINISHING
          |                                               |                                   |
          | the answer ends               the answer ends |                   the answer ends |
          +--------------------------> DONE <-------------+-----------------------------------+

      FAILED <--- from any state but DONE: the backend reports an error, sends what is no answer, or is cut off

With what an answer begins and ends is said by the API; the readers list it. A whole answer takes all its steps when its
body ends. In any other state the end of the body means that the answer was cut off, unless the reader knows better.
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
    FINISHING = "the finish reason has come; late usage may follow"
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
FINISHING: Final = AnswerState.FINISHING
WHOLE_JSON: Final = AnswerState.WHOLE_JSON
DONE: Final = AnswerState.DONE
FAILED: Final = AnswerState.FAILED

_FOLLOWERS: Final = {
    UNDECIDED: frozenset({AWAITING_FIRST_EVENT, WHOLE_JSON, FAILED}),
    AWAITING_FIRST_EVENT: frozenset({ANSWERING, DONE, FAILED}),
    ANSWERING: frozenset({FINISHING, DONE, FAILED}),
    FINISHING: frozenset({DONE, FAILED}),
    WHOLE_JSON: frozenset({ANSWERING, FAILED}),
    DONE: frozenset(),
    FAILED: frozenset({FAILED}),  # what follows in the same event may be wrong, too
}
