"""What a scripted backend answers: a status, headers, and steps that are taken one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import field, frozen

__all__ = ["Answer", "Cut", "End", "Pause", "Repeat", "Send", "Stall", "Step"]

PIECE = 64 * 1024
"""Bytes of one write: Twisted's transports ask a producer to pause when they hold more than this."""


@frozen
class Send:
    """Write ``data``, in a write of its own. Empty data sends the head of the answer and nothing else."""

    data: bytes


@frozen
class Repeat:
    """Write ``data`` so many ``times``, in large writes, and never hold much of it: for answers of many megabytes."""

    data: bytes
    times: int


@frozen
class Pause:
    """Wait before the next step."""

    seconds: float


@frozen
class Cut:
    """Break the connection: by a reset, or else by an orderly close in the middle of the body."""

    reset: bool = True


@frozen
class Stall:
    """Never do anything again, and leave the connection open."""


@frozen
class End:
    """Finish the answer as HTTP wants it. Comes by itself after the last step."""


Step = Send | Repeat | Pause | Cut | Stall | End


@frozen
class Answer:
    """One answer; it can be given any number of times.

    :ivar headers: without ``content-length`` the body is sent chunked.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    steps: tuple[Step, ...] = field(default=(), converter=tuple[Step, ...])

    def performed(self) -> Iterator[Step]:
        """Yield the steps with large writes divided, ending in `Cut`, `Stall` or `End`."""
        for step in self.steps:
            yield from _divided(step)
        yield End()


def _divided(step: Step) -> Iterable[Step]:
    match step:
        case Send(data) if len(data) > PIECE:
            return (Send(data[at : at + PIECE]) for at in range(0, len(data), PIECE))
        case Repeat(data, times):
            return _gathered(data, times)
        case _:
            return (step,)


def _gathered(data: bytes, times: int) -> Iterator[Step]:
    together = max(1, PIECE // max(1, len(data)))
    for _ in range(times // together):
        yield Send(data * together)
    if times % together:
        yield Send(data * (times % together))
