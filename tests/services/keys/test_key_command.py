"""A key that a command prints: when it is run, and what is used meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs, formatEvent

from claude_bridge.config.secret import Secret
from claude_bridge.services.keys.child_process import CommandFailed
from claude_bridge.services.keys.key_command import KeyCommand


@define
class Held:
    """A command whose runs end when the test says so.

    :ivar runs: those that have not ended.
    :ivar begun: when each began.
    """

    clock: Clock
    runs: list[Deferred[bytes]] = field(factory=list)
    begun: list[float] = field(factory=list)

    def run(self, command: Sequence[str]) -> Deferred[bytes]:
        """Begin a run."""
        assert command == ("/bin/token", "x")
        run: Deferred[bytes] = Deferred()
        self.runs.append(run)
        self.begun.append(self.clock.seconds())
        return run

    def prints(self, output: bytes) -> None:
        """End the oldest run well."""
        self.runs.pop(0).callback(output)

    def fails(self) -> None:
        """End the oldest run badly."""
        self.runs.pop(0).errback(CommandFailed("it ended with exit code 3: no network"))


@define
class Scene:
    """A key with a lifetime of 100 s, its command, and what the redactor has learned."""

    clock: Clock = field(factory=Clock)
    held: Held = field(init=False)
    key: KeyCommand = field(init=False)
    learned: list[str] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        """Make the key."""
        self.held = Held(self.clock)
        self.key = KeyCommand(
            backend="shop",
            command=("/bin/token", "x"),
            lifetime=100.0,
            run=self.held.run,
            seconds=self.clock.seconds,
            clock=self.clock,
            learn=self.learned.append,
        )

    def first(self) -> None:
        """Have the first token printed."""
        waiting = self.key.wait()
        self.held.prints(b"first\n")
        assert waiting is not None
        assert waiting.called

    def used(self) -> str | None:
        """Use the key as a request does."""
        token = self.key.use() if self.key.token is not None else None
        return None if token is None else token.reveal()


class FirstTests:
    """The first token."""

    def test_waits_for_one_run(self) -> None:
        """Nothing is run before there is a need; all who need it then wait for the same run."""
        scene = Scene()
        assert (scene.key.token, scene.held.begun, scene.key.ready_in()) == (None, [], 0.0)
        waits = [scene.key.wait() for _ in range(3)]
        assert (len(scene.held.runs), scene.key.ready_in()) == (1, 0.0)
        assert [wait is not None and not wait.called for wait in waits] == [True] * 3
        scene.held.prints(b"first\n")
        assert [wait is not None and wait.called for wait in waits] == [True] * 3
        assert (scene.used(), scene.learned) == ("first", ["first", "first"])

    def test_who_waits_may_leave(self) -> None:
        """A client that leaves waits no longer; the run goes on for the others."""
        scene = Scene()
        first, second = scene.key.wait(), scene.key.wait()
        assert first is not None
        assert second is not None
        first.addErrback(lambda _: None)
        first.cancel()
        scene.held.prints(b"first")
        assert second.called

    @pytest.mark.parametrize(
        ("output", "why"),
        [
            (b"", "what it printed is no key: the secret is empty"),
            (b"\n\n", "what it printed is no key: the secret is empty"),
            (b"one\ntwo\n", "it printed 2 lines instead of one"),
            (b"two words\n", "what it printed is no key: the secret contains a space or a character that no HTTP"),
            (b"k\xc3\xa9y", "it printed something that is not plain ASCII"),
            (b"x" * 9000, "what it printed is no key: the secret is longer than 8,192 characters"),
        ],
    )
    def test_no_key(self, output: bytes, why: str) -> None:
        """What cannot be sent as a key is a failure, and is not repeated in the log."""
        scene = Scene()
        scene.key.prepare()
        with capturedLogs() as events:
            scene.held.prints(output)
        assert scene.key.token is None
        (told,) = map(formatEvent, events)
        assert why in told
        assert "words" not in told
        assert "one\n" not in told

    @pytest.mark.parametrize("output", [b"key", b"key\n", b"key\r\n", b"\nkey\n"])
    def test_one_line(self, output: bytes) -> None:
        """The end of the line does not matter."""
        scene = Scene()
        scene.key.prepare()
        scene.held.prints(output)
        assert scene.used() == "key"


class RenewalTests:
    """The next token is there before the lifetime of the last ends."""

    def test_in_the_background(self) -> None:
        """At four fifths the command is run; until it has ended the old token is used, and nobody waits."""
        scene = Scene()
        scene.first()
        scene.clock.advance(79)
        assert scene.used() == "first"
        scene.clock.advance(1)
        assert (scene.held.begun, scene.used()) == ([0.0, 80.0], "first")
        scene.clock.advance(19)
        assert scene.used() == "first"
        scene.held.prints(b"second\n")
        assert (scene.used(), scene.learned[-1]) == ("second", "second")
        scene.clock.advance(60)
        assert scene.held.begun == [0.0, 80.0]
        scene.clock.advance(1)
        assert scene.held.begun == [0.0, 80.0, 160.0]

    def test_lifetime_counts_from_the_beginning_of_the_run(self) -> None:
        """Nobody knows when during the run the token was made."""
        scene = Scene()
        scene.key.prepare()
        scene.clock.advance(30)
        scene.held.prints(b"first")
        scene.clock.advance(69)
        assert scene.used() == "first"
        scene.clock.advance(1)
        assert scene.used() is None

    def test_unused(self) -> None:
        """A key that nobody has used for a lifetime is not renewed; the next request has it made again."""
        scene = Scene()
        scene.first()
        scene.clock.pump([10.0] * 50)
        assert scene.held.begun == [0.0, 80.0]
        scene.held.prints(b"second")
        scene.clock.pump([10.0] * 50)
        assert (scene.held.begun, scene.key.token) == ([0.0, 80.0], None)
        assert scene.key.wait() is not None
        assert len(scene.held.begun) == 3

    def test_one_account(self) -> None:
        """The tokens of a command count as one credential where something is kept by it, and are different keys."""
        scene = Scene()
        scene.first()
        first = scene.key.use()
        scene.clock.advance(80)
        scene.held.prints(b"second")
        second = scene.key.use()
        assert first is not None
        assert second is not None
        assert (first == second, first.fingerprint() == second.fingerprint()) == (False, True)
        assert first.fingerprint() != Secret("first").fingerprint()


class FailureTests:
    """A command that fails."""

    def test_old_token_until_its_end(self) -> None:
        """It is run again with pauses that grow; the old token is used as long as it is valid."""
        scene = Scene()
        scene.first()
        scene.clock.advance(80)
        with capturedLogs() as events:
            for wait in (2, 4, 8):
                scene.held.fails()
                assert scene.held.runs == []
                assert scene.used() == "first"
                scene.clock.advance(wait)
                assert len(scene.held.runs) == 1
        assert scene.held.begun == [0.0, 80.0, 82.0, 86.0, 94.0]
        assert [event["log_level"].name for event in events] == ["warn"] * 3
        assert formatEvent(events[0]) == (
            "the command for the key of backend shop failed: it ended with exit code 3: no network; it is run again in "
            "2 s at the earliest, and the last key is used as long as it is valid"
        )
        scene.clock.advance(6)
        assert scene.used() is None
        scene.held.prints(b"second")
        assert scene.used() == "second"

    def test_no_token_at_all(self) -> None:
        """Who waits hears of the failure; until the pause is over nobody waits, and it is told how long."""
        scene = Scene()
        waiting = scene.key.wait()
        scene.held.fails()
        assert waiting is not None
        assert waiting.called
        assert (scene.key.wait(), scene.key.ready_in(), scene.used()) == (None, 2.0, None)
        scene.key.prepare()
        assert scene.held.runs == []
        scene.clock.advance(2)
        assert (len(scene.held.runs), scene.key.ready_in()) == (1, 0.0)
        assert scene.key.wait() is not None

    def test_pauses_grow_to_a_minute_and_begin_anew(self) -> None:
        """After a good run the next failure is the first again."""
        scene, pauses = Scene(), list[float]()
        scene.key.prepare()
        for _ in range(7):
            scene.key.use()
            scene.held.fails()
            pauses.append(scene.key.ready_in())
            scene.clock.advance(pauses[-1])
        assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
        scene.held.prints(b"good")
        scene.key.use()
        scene.clock.advance(80)
        scene.held.fails()
        scene.clock.advance(2)
        assert len(scene.held.runs) == 1

    def test_our_own_fault(self, logged_failures: list[LogEvent]) -> None:
        """An error of another kind is logged with its traceback, and leaves nobody waiting."""
        scene = Scene()
        waiting = scene.key.wait()
        scene.held.runs.pop().errback(RuntimeError("bug"))
        assert waiting is not None
        assert waiting.called
        assert [event["event"] for event in logged_failures] == ["fault"]
        logged_failures.clear()
        assert scene.key.wait() is None


class RefusedTests:
    """A token that the backend refuses."""

    def test_renewed_at_once_and_then_once_a_minute(self) -> None:
        """The refused token is not used again; the next renewal for that reason is a minute later."""
        scene = Scene()
        scene.first()
        first = scene.key.use()
        assert scene.key.refused(first)
        assert (len(scene.held.runs), scene.used()) == (1, None)
        assert not scene.key.refused(first)
        scene.held.prints(b"second")
        second = scene.key.use()
        assert scene.key.refused(second)
        assert (scene.held.runs, scene.key.wait(), scene.key.ready_in()) == ([], None, 60.0)
        scene.clock.advance(60)
        assert scene.key.wait() is not None
        scene.held.prints(b"third")
        assert scene.used() == "third"
        scene.clock.advance(59)
        assert scene.key.refused(scene.key.use())
        assert scene.key.ready_in() == 1.0

    def test_an_old_one(self) -> None:
        """A token that has been replaced since says nothing."""
        scene = Scene()
        scene.first()
        first = scene.key.use()
        scene.clock.advance(80)
        scene.held.prints(b"second")
        assert not scene.key.refused(first)
        assert not scene.key.refused(None)
        assert (scene.used(), scene.held.runs) == ("second", [])

    def test_while_it_is_renewed(self) -> None:
        """A run that is under way is the renewal."""
        scene = Scene()
        scene.first()
        scene.clock.advance(80)
        assert scene.key.refused(scene.key.use())
        assert (scene.held.begun, scene.key.ready_in()) == ([0.0, 80.0], 0.0)
