"""Promises of what is learned of models while they work."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from attrs import evolve, fields
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from claude_bridge.core.chat_completions.backend import ChatTarget
from claude_bridge.core.chat_completions.traits import ReasoningEcho
from claude_bridge.core.events import Usage
from claude_bridge.services.knowledge.profiles import (
    MAX_MODELS,
    UNPROVED_SECONDS,
    WINDOW_SECONDS,
    ModelProfile,
    ModelProfiles,
)

TARGET = ChatTarget(model="m", context_window=8000, max_output_tokens=500, reasoning_echo="all_turns")


class NoteTests:
    """Notes by backend and model."""

    def test_backends_and_models_are_told_apart(self) -> None:
        """What one model at one backend taught says nothing of another."""
        profiles = ModelProfiles(time.time)
        profiles.profile("b", "m").context_window = 5
        assert profiles.profile("b", "m").context_window == 5
        assert profiles.profile("b", "other").context_window is None
        assert profiles.profile("other", "m").context_window is None

    def test_memory_is_bounded(self) -> None:
        """Names may come from clients: of too many the longest unused is forgotten, never one in use."""
        profiles = ModelProfiles(time.time)
        profiles.profile("b", "used").context_window = 5
        profiles.profile("b", "unused").context_window = 5
        for number in range(MAX_MODELS - 1):
            profiles.profile("b", str(number))
            profiles.profile("b", "used")
        assert profiles.profile("b", "used").context_window == 5
        assert profiles.profile("b", "unused").context_window is None


class KeptTests:
    """What of a note outlives a restart."""

    def test_comes_back(self) -> None:
        """Everything that was learned is the same after a restart, as near as it matters."""
        note = ModelProfile(context_window=4000, max_output_tokens=900, refuses_reasoning=True, listed=9000, answers=7)
        note.ratio, note.count_ratio, note.window_at, note.used = 0.87654, 1.12345, 1e9 + 0.5, 86_400.0 * 9
        note.window_proved, note.limit_at = True, 1e9 + 1.5
        again = ModelProfile.from_values(note.to_values())
        assert again == evolve(note, ratio=0.877, count_ratio=1.123, window_at=1e9, limit_at=1e9 + 1)

    def test_nothing_learned_is_nothing_kept(self) -> None:
        """Of a model that was only asked for there is nothing to keep but when that was, to the day."""
        assert ModelProfile().to_values() == {}
        assert ModelProfile(used=86_400 * 2.7).to_values() == {"used": 86_400 * 2}

    @given(
        st.dictionaries(
            st.sampled_from([*(each.name for each in fields(ModelProfile)), "other"]),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()),
        )
    )
    def test_foreign_values(self, values: dict[str, object]) -> None:
        """Whatever stands in the file, the note is one that could have been learned."""
        note = ModelProfile.from_values(values)
        assert 0.5 <= note.ratio <= 2.0
        assert 0.5 <= note.count_ratio <= 2.0
        assert note.answers >= 0
        assert (note.context_window or 1) > 0
        assert ModelProfile.from_values(note.to_values()) == ModelProfile.from_values(
            ModelProfile.from_values(note.to_values()).to_values()
        )

    def test_change_is_told(self) -> None:
        """Whoever keeps the notes hears that one may have changed."""
        told: list[bool] = []
        profiles = ModelProfiles(time.time)
        profiles.on_change = lambda: told.append(True)
        profiles.profile("b", "m")
        assert told == [True]

    def test_in_the_order_of_use(self) -> None:
        """Notes come with the one used last at the end, so that a later daemon forgets in the same order."""
        profiles = ModelProfiles(time.time)
        for model in ("a", "b", "a"):
            profiles.profile("x", model)
        assert [model for _, model, _ in profiles.profiles()] == ["b", "a"]


class AppliedTests:
    """What was learned, put into a target."""

    def test_nothing_learned_changes_nothing(self) -> None:
        """A target stays as configured until something is known."""
        assert ModelProfiles(time.time).with_overrides("b", TARGET) == TARGET

    @pytest.mark.parametrize(("told", "applied"), [(400, 400), (900, 500)])
    def test_smaller_limit_wins(self, told: int, applied: int) -> None:
        """The backend's own limit counts where it is stricter than the configuration, and never widens it."""
        profiles = ModelProfiles(time.time)
        profiles.profile("b", "m").saw_limit(told)
        assert profiles.with_overrides("b", TARGET).max_output_tokens == applied

    @pytest.mark.parametrize("told", [4000, 16000])
    def test_configured_window_stays(self, told: int) -> None:
        """One refusal with a smaller window does not shrink all later answers against the configuration."""
        profiles = ModelProfiles(time.time)
        profiles.profile("b", "m").saw_window(told)
        assert profiles.with_overrides("b", evolve(TARGET, window_configured=True)).context_window == 8000

    @pytest.mark.parametrize(("told", "applied"), [(4000, 4000), (16000, 8000)])
    def test_lower_window_wins_over_a_list(self, told: int, applied: int) -> None:
        """A list may tell what a model can do while its server runs with less; an error tells the truth."""
        profiles = ModelProfiles(time.time)
        profiles.profile("b", "m").saw_window(told)
        assert profiles.with_overrides("b", TARGET).context_window == applied

    def test_window_is_believed_for_a_day(self) -> None:
        """A window from an error is asked about again: the server may have got a larger one."""
        clock = Clock()
        profiles = ModelProfiles(clock.seconds)
        profiles.profile("b", "m").saw_window(4000)
        clock.advance(UNPROVED_SECONDS + 1)
        profiles.profile("b", "m").saw_window(4000)
        clock.advance(WINDOW_SECONDS)
        assert profiles.with_overrides("b", ChatTarget(model="m")).context_window == 4000
        clock.advance(1)
        assert profiles.with_overrides("b", ChatTarget(model="m")).context_window is None
        profiles.profile("b", "m").saw_window(4000)
        clock.advance(UNPROVED_SECONDS + 1)
        assert profiles.with_overrides("b", ChatTarget(model="m")).context_window is None

    def test_window_that_was_named_once_is_put_to_the_proof(self) -> None:
        """A window that nobody confirmed stands in nobody's way after an hour."""
        clock = Clock()
        profiles = ModelProfiles(clock.seconds)
        profiles.profile("b", "m").saw_window(4000)
        clock.advance(UNPROVED_SECONDS)
        assert profiles.with_overrides("b", ChatTarget(model="m")).context_window == 4000
        profiles.profile("b", "m").saw_window(2000)
        clock.advance(UNPROVED_SECONDS + 1)
        assert profiles.with_overrides("b", ChatTarget(model="m")).context_window is None
        profiles.profile("b", "m").saw_window(4000)
        clock.advance(UNPROVED_SECONDS + 1)
        assert profiles.with_overrides("b", ChatTarget(model="m")).context_window is None

    def test_window_named_twice_at_once_is_no_proof(self) -> None:
        """Two refusals of one conversation have one cause."""
        clock = Clock()
        profiles = ModelProfiles(clock.seconds)
        profiles.profile("b", "m").saw_window(4000)
        clock.advance(5)
        profiles.profile("b", "m").saw_window(4000)
        clock.advance(UNPROVED_SECONDS + 1)
        assert profiles.with_overrides("b", ChatTarget(model="m")).context_window is None

    def test_limit_is_believed_for_a_day(self) -> None:
        """A limit from an error is asked about again, too: it may have been raised, or never have been one."""
        clock = Clock()
        profiles = ModelProfiles(clock.seconds)
        profiles.profile("b", "m").saw_limit(400)
        clock.advance(WINDOW_SECONDS)
        assert profiles.with_overrides("b", ChatTarget(model="m")).max_output_tokens == 400
        clock.advance(1)
        assert profiles.with_overrides("b", ChatTarget(model="m")).max_output_tokens is None

    def test_new_list_unmakes_a_window(self) -> None:
        """A server that is started anew with another window is believed at once; a list that is late is not news."""
        profiles = ModelProfiles(time.time)
        assert profiles.with_overrides("b", TARGET).context_window == 8000
        profiles.profile("b", "m").saw_window(4000)
        assert profiles.with_overrides("b", evolve(TARGET, context_window=None)).context_window == 4000
        assert profiles.with_overrides("b", TARGET).context_window == 4000
        assert profiles.with_overrides("b", evolve(TARGET, context_window=9000)).context_window == 9000
        assert profiles.with_overrides("b", TARGET).context_window == 8000

    def test_longer_prompt_unmakes_a_window(self) -> None:
        """A prompt that was answered is proof that its length fits."""
        profiles = ModelProfiles(time.time)
        profiles.profile("b", "m").saw_window(4000)
        profiles.prompt_counted("b", "m", 4000, Usage(input_tokens=4000), at(4000))
        assert profiles.with_overrides("b", ChatTarget(model="m")).context_window == 4000
        profiles.prompt_counted("b", "m", 4000, Usage(input_tokens=3000, cache_read_tokens=1001), at(4000))
        assert profiles.with_overrides("b", ChatTarget(model="m")).context_window is None

    def test_numbers_fill_gaps(self) -> None:
        """What is not configured is what was learned."""
        profiles = ModelProfiles(time.time)
        note = profiles.profile("b", "m")
        note.saw_window(4000)
        note.saw_limit(900)
        applied = profiles.with_overrides("b", ChatTarget(model="m"))
        assert (applied.context_window, applied.max_output_tokens) == (4000, 900)

    def test_refused_reasoning_is_left_out(self) -> None:
        """After a refusal no past reasoning is sent."""
        profiles = ModelProfiles(time.time)
        profiles.profile("b", "m").refuses_reasoning = True
        assert profiles.with_overrides("b", ChatTarget(model="m")).reasoning_echo == "never"

    @pytest.mark.parametrize("echo", ["never", "tool_turns", "all_turns", "after_last_user"])
    def test_configured_echo_stays(self, echo: ReasoningEcho) -> None:
        """What the owner configured is done, whatever the backend said."""
        profiles = ModelProfiles(time.time)
        profiles.profile("b", "m").refuses_reasoning = True
        assert profiles.with_overrides("b", ChatTarget(model="m", reasoning_echo=echo)).reasoning_echo == echo

    @pytest.mark.parametrize("refused", [True, False])
    def test_missed_reasoning_goes_back(self, refused: bool) -> None:
        """A policy that a refusal taught holds, also where an earlier one had it left out."""
        profiles = ModelProfiles(time.time)
        note = profiles.profile("b", "m")
        note.refuses_reasoning = refused
        note.overrides["reasoning_echo"] = "all_turns"
        assert profiles.with_overrides("b", ChatTarget(model="m")).reasoning_echo == "all_turns"

    def test_refused_traits_are_other(self) -> None:
        """What a refusal taught holds from then on, for that model at that backend, even against the configuration."""
        profiles = ModelProfiles(time.time)
        profiles.profile("b", "m").overrides |= {"schema": "bare", "drop": ("temperature",)}
        applied = profiles.with_overrides("b", ChatTarget(model="m", schema="basic"))
        assert (applied.schema, applied.drop) == ("bare", ("temperature",))
        assert profiles.with_overrides("b", ChatTarget(model="n")).schema == "none"
        assert profiles.with_overrides("c", ChatTarget(model="m")).schema == "none"

    def test_traits_are_not_kept(self) -> None:
        """A server that was mended is asked anew after a restart."""
        assert ModelProfile(overrides={"schema": "bare"}, dropped_keywords=frozenset({"$id"})).to_values() == {}


def at(tokens: int) -> Callable[[], Deferred[int]]:
    """Count a prompt with care: always the same."""
    return lambda: succeed(tokens)


class CountTests:
    """True counts correct the careful count that ``count_tokens`` gives."""

    def test_corrected(self) -> None:
        """A count moves to what prompts really have, per model."""
        profiles = ModelProfiles(time.time)
        assert profiles.corrected_count("b", "m", 1000) == 1000
        profiles.prompt_counted("b", "m", 3000, Usage(input_tokens=1200), at(1000))
        assert profiles.corrected_count("b", "m", 2000) == 2400
        assert profiles.corrected_count("b", "other", 2000) == 2000

    def test_is_taken_rarely(self) -> None:
        """Counting with care takes time, so that it is done for the first answers and then for one in fifty."""
        profiles = ModelProfiles(time.time)
        asked: list[int] = []

        def carefully() -> Deferred[int]:
            asked.append(1)
            return succeed(1000)

        for _ in range(101):
            profiles.prompt_counted("b", "m", 3000, Usage(input_tokens=1000), carefully)
        assert len(asked) == 5

    def test_grown_prompt(self) -> None:
        """A prompt of another length may be made of other stuff, so that it is counted with care as well."""
        profiles = ModelProfiles(time.time)
        asked: list[int] = []
        for length in (3000, 3000, 3000, 3100, 3200, 3300, 3300, 6000, 3300, 3300):

            def carefully(length: int = length) -> Deferred[int]:
                asked.append(length)
                return succeed(length)

            profiles.prompt_counted("b", "m", length, Usage(input_tokens=length), carefully)
        assert asked == [3000, 3000, 3000, 3200, 6000, 3300]

    def test_fault_of_our_own(self, logged_failures: list[LogEvent]) -> None:
        """A count that fails is logged and teaches nothing."""
        profiles = ModelProfiles(time.time)
        profiles.prompt_counted("b", "m", 3000, Usage(input_tokens=1200), lambda: fail(KeyError("x")))
        assert profiles.corrected_count("b", "m", 1000) == 1000
        assert len(logged_failures) == 1
        logged_failures.clear()

    def test_is_never_nothing(self) -> None:
        """A prompt has at least one token."""
        assert ModelProfiles(time.time).corrected_count("b", "m", 0) == 1


class EstimateTests:
    """True counts correct the rough estimate."""

    def test_corrected(self) -> None:
        """An estimate moves towards what prompts really count, cached parts included."""
        profiles = ModelProfiles(time.time)
        assert profiles.estimate("b", "m", 1000) == 1000
        profiles.prompt_counted(
            "b", "m", 1000, Usage(input_tokens=500, cache_read_tokens=400, cache_write_tokens=500), at(1000)
        )
        assert profiles.estimate("b", "m", 1000) == 1400
        assert profiles.estimate("b", "other", 1000) == 1000

    @pytest.mark.parametrize("usage", [Usage(input_tokens=5000, estimated=True), Usage()])
    def test_only_true_counts_teach(self, usage: Usage) -> None:
        """Our own estimate, and a backend that counts nothing, teach nothing."""
        profiles = ModelProfiles(time.time)
        profiles.prompt_counted("b", "m", 1000, usage, at(1000))
        assert profiles.estimate("b", "m", 1000) == 1000

    def test_small_prompts_do_not_teach(self) -> None:
        """In a small request the chat template weighs more than the text."""
        profiles = ModelProfiles(time.time)
        profiles.prompt_counted("b", "m", 20, Usage(input_tokens=40), at(20))
        assert profiles.estimate("b", "m", 1000) == 1000

    @given(counts=st.lists(st.integers(min_value=1, max_value=10**400), max_size=60))
    def test_no_count_leads_astray(self, counts: list[int]) -> None:
        """Whatever a backend claims, the estimate stays within half and double."""
        profiles = ModelProfiles(time.time)
        for count in counts:
            profiles.prompt_counted("b", "m", 10_000, Usage(input_tokens=count), at(10_000))
        assert 500 <= profiles.estimate("b", "m", 1000) <= 2000


class LimitTests:
    """Window and longest answer of a model, for a list of models."""

    def test_nothing_known(self) -> None:
        """A model of which nothing was learned has the window of the list, and gets no profile."""
        profiles = ModelProfiles(lambda: 0.0)
        assert profiles.limits("b", "m", None) == (None, None)
        assert profiles.limits("b", "m", 9000) == (9000, None)
        assert list(profiles.profiles()) == []

    def test_learned(self) -> None:
        """What errors named is believed for as long as requests believe it, and only lowers the list's window."""
        clock = Clock()
        profiles = ModelProfiles(clock.seconds)
        profiles.profile("b", "m").saw_window(4000)
        profiles.profile("b", "m").saw_limit(500)
        assert profiles.limits("b", "m", None) == (4000, 500)
        assert profiles.limits("b", "m", 9000) == (4000, 500)
        assert profiles.limits("b", "m", 3000) == (3000, 500)
        clock.advance(WINDOW_SECONDS + 1)
        assert profiles.limits("b", "m", 9000) == (9000, None)

    def test_last_list(self) -> None:
        """As long as no list is known the one of an earlier run counts."""
        profiles = ModelProfiles(lambda: 0.0)
        profiles.put("b", "m", ModelProfile(listed=7000))
        assert profiles.limits("b", "m", None) == (7000, None)
        assert profiles.limits("b", "m", 8000) == (8000, None)

    def test_nothing_changes(self) -> None:
        """Looking does not count as use, and forgets nothing."""
        clock = Clock()
        profiles = ModelProfiles(clock.seconds)
        profiles.profile("b", "m").saw_window(4000)
        before = evolve(profiles.profile("b", "m"))
        profiles.on_change = lambda: pytest.fail("changed")
        clock.advance(WINDOW_SECONDS + 1)
        profiles.limits("b", "m", 9000)
        assert [profile for *_, profile in profiles.profiles()] == [before]


class SharedTests:
    """Two configurations with some of the backends in common."""

    def test_shared(self) -> None:
        """Notes on their models are the same for both; of other backends there are none, and new ones are apart."""
        old = ModelProfiles(time.time)
        old.profile("b", "m")
        old.profile("other", "m").context_window = 5
        new = old.shared({"b", "unknown"})
        old.profile("b", "m").context_window = 7
        old.profile("b", "later").context_window = 7
        assert [(backend, model) for backend, model, _ in new.profiles()] == [("b", "m")]
        assert new.profile("b", "m").context_window == 7
