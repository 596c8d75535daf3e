"""What is right and wrong about one answer, by the question that was asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve, field, frozen

from tests.contract.schema import validate_answer
from tests.end_to_end.asking import MESSAGES
from tests.end_to_end.chaos.questions import Question, answered_by
from tests.end_to_end.client import Reply
from tests.end_to_end.sse import Event, names, text_of

OK = "ok"

CLEAN_STATUSES = frozenset({429, 502, 503, 504, 529})
"""What a client may be told where every backend has failed."""


@frozen(kw_only=True)
class Verdict:
    """How a request ended.

    :ivar outcome: `OK`, the type of the one error with its status, or ``error event`` with its type.
    :ivar backend: the one that the text names; "" if there is no text.
    :ivar request_id: by which the daemon's log knows it; "" if it had no answer.
    :ivar problems: what must never be; none of an answer that is right, or a clean failure.
    """

    outcome: str
    backend: str = ""
    request_id: str = field(default="", eq=False)
    problems: tuple[str, ...] = field(default=(), converter=tuple[str, ...])


def verdict(question: Question, reply: Reply, *, streamed: bool) -> Verdict:
    """Judge a reply that ended as HTTP wants it."""
    try:
        wrong = validate_answer(MESSAGES, reply.status, reply.headers, reply.body)
        if reply.status != 200:
            found = _refusal(reply)
        elif streamed:
            found = _stream(question, reply.events)
        else:
            found = _whole(question, reply.json)
    except (AssertionError, KeyError, ValueError) as error:  # the readers' own complaints
        return Verdict(outcome="unreadable", problems=[f"{error!r} of {reply.body[-300:]!r}"])
    return evolve(found, request_id=reply.headers.get("request-id", ""), problems=[*wrong, *found.problems])


def _refusal(reply: Reply) -> Verdict:
    kind = reply.json["error"]["type"]
    problems = [] if reply.status in CLEAN_STATUSES else [f"status {reply.status}: {reply.json['error']['message']}"]
    return Verdict(outcome=f"{reply.status} {kind}", problems=problems)


def _stream(question: Question, events: list[Event]) -> Verdict:
    told, text = names(events), text_of(events)
    if told[-1] == "message_stop":
        stop_reason = events[-2].data["delta"]["stop_reason"]
        return _complete(question, text, stop_reason)
    kind = events[-1].data["error"]["type"] if told[-1] == "error" else "none"
    problems = list(_beginning(question, text))
    if told[-1] != "error":
        problems.append(f"the stream ends with {told[-1]}")
    return Verdict(outcome=f"error event {kind}", backend=answered_by(text), problems=problems)


def _whole(question: Question, message: Any) -> Verdict:
    return _complete(question, "".join(block["text"] for block in message["content"]), message["stop_reason"])


def _complete(question: Question, text: str, stop_reason: str) -> Verdict:
    problems = list(_beginning(question, text))
    expected = question.answer(answered_by(text))
    if text != expected and not problems:
        problems.append(f"a false ending: {len(text)} of {len(expected)} characters")
    if stop_reason != "end_turn":
        problems.append(f"stop_reason is {stop_reason}")
    return Verdict(outcome=OK, backend=answered_by(text), problems=problems)


def _beginning(question: Question, text: str) -> Iterator[str]:
    """Yield what is wrong if the text is not the beginning of the answer that one backend gives to the question."""
    backend = answered_by(text) or "?"
    expected = question.answer(backend)
    if text and not (expected.startswith(text) or question.answer("").startswith(text)):
        at = next((at for at, (one, two) in enumerate(zip(text, expected, strict=False)) if one != two), len(expected))
        yield f"after {at} characters of the answer of {backend} comes {text[at : at + 80]!r}"
