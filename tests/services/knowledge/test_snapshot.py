"""Promises of what outlives a restart."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from claude_bridge.config.schema import Backend
from claude_bridge.core import strict_json
from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.backend import ChatTarget
from claude_bridge.core.events import Usage
from claude_bridge.core.kinds import KINDS
from claude_bridge.services.knowledge.dialect_detection import DialectDetection
from claude_bridge.services.knowledge.profiles import MAX_MODELS, ModelProfiles
from claude_bridge.services.knowledge.snapshot import KEPT_SECONDS, KnowledgeSnapshot, NotOurs, OtherVersion

BOX = Backend(name="box", url="http://user.box.test/v1")
VLLM = Clues(owners=("vllm",))
DAY = 86_400


def kept(clock: Clock | None = None, *backends: Backend) -> KnowledgeSnapshot:
    """Make a daemon's memory."""
    clock = clock or Clock()
    return KnowledgeSnapshot(
        backends={backend.name: backend for backend in backends or (BOX,)},
        profiles=ModelProfiles(clock.seconds),
        detection=DialectDetection(KINDS),
        unix_time=clock.seconds,
    )


def passed_on(old: KnowledgeSnapshot, new: KnowledgeSnapshot) -> KnowledgeSnapshot:
    """Restart: what the old one knew goes through a file's bytes to the new one."""
    new.restore(strict_json.decode(strict_json.encode(old.export())))
    return new


class RestartTests:
    """What a new run of the daemon knows from the one before."""

    def test_window_limit_and_refusal(self) -> None:
        """What refusals taught is not asked for again."""
        clock = Clock()
        old = kept(clock)
        note = old.profiles.profile("box", "m")
        note.saw_window(4000)
        note.max_output_tokens, note.refuses_reasoning = 900, True
        applied = passed_on(old, kept(clock)).profiles.with_overrides("box", ChatTarget(model="m"))
        assert (applied.context_window, applied.max_output_tokens, applied.reasoning_echo) == (4000, 900, "never")

    def test_ratios(self) -> None:
        """Counts are as true after a restart as before."""
        old = kept()
        old.profiles.prompt_counted("box", "m", 10_000, Usage(input_tokens=12_000), lambda: succeed(11_000))
        new = passed_on(old, kept()).profiles
        assert new.estimate("box", "m", 1000) == 1200
        assert new.corrected_count("box", "m", 1000) == 1091
        assert new.profile("box", "m").answers == 1

    def test_dialect(self) -> None:
        """What a backend revealed of itself is known before it is asked again, and why."""
        old = kept()
        old.detection.observe(BOX, VLLM)
        why = old.detection.dialect_of(BOX).why
        new = passed_on(passed_on(old, kept()), kept()).detection.dialect_of(BOX)
        assert (new.dialect.name, new.why) == ("vllm", f"{why}, found out earlier")

    def test_dialect_is_found_out_anew(self) -> None:
        """A server that took another's place is believed, and then no more doubted."""
        old = kept()
        old.detection.observe(BOX, VLLM)
        detection = passed_on(old, kept()).detection
        detection.observe(BOX, Clues())
        assert detection.dialect_of(BOX).dialect.name == "vllm"
        detection.observe(BOX, Clues(owners=("llamacpp",)))
        assert detection.dialect_of(BOX).dialect.name == "llamacpp"
        detection.observe(BOX, VLLM)
        assert detection.dialect_of(BOX).dialect.name == "llamacpp"

    def test_configured_dialect_stays(self) -> None:
        """What is configured since wins over what was found out, and is not kept."""
        old = kept()
        old.detection.observe(BOX, VLLM)
        new = passed_on(old, kept(None, evolve(BOX, dialect="generic")))
        assert new.detection.dialect_of(new.backends["box"]).dialect.name == "generic"
        assert new.export()["backends"] == []

    def test_another_url(self) -> None:
        """Behind another URL is another server, of which nothing is known."""
        old = kept()
        old.profiles.profile("box", "m").max_output_tokens = 900
        old.detection.observe(BOX, VLLM)
        moved = evolve(BOX, url="http://other.test/v1")
        new = passed_on(old, kept(None, moved))
        assert new.profiles.profile("box", "m").max_output_tokens is None
        assert new.detection.dialect_of(moved).dialect.name == "generic"

    @pytest.mark.parametrize(("days", "limit"), [(30, 900), (31, None)])
    def test_long_unused(self, days: int, limit: int | None) -> None:
        """What nobody used for a month is forgotten."""
        clock = Clock()
        old = kept(clock)
        old.profiles.profile("box", "m").max_output_tokens = 900
        new = Clock()
        new.advance(days * DAY)
        assert passed_on(old, kept(new)).profiles.profile("box", "m").max_output_tokens == limit

    def test_long_unused_is_not_written(self) -> None:
        """A daemon that runs for months does not keep what nobody uses either."""
        clock = Clock()
        running = kept(clock)
        running.profiles.profile("box", "m").max_output_tokens = 900
        clock.advance(KEPT_SECONDS + 1)
        assert running.export()["backends"] == []

    def test_bounded(self) -> None:
        """Of too many notes in a file those used last are taken, in their order."""
        clock = Clock()
        first, second = kept(clock), kept(clock)
        for number in range(MAX_MODELS):
            clock.advance(DAY / 100)
            first.profiles.profile("box", f"a{number}").max_output_tokens = 900
        for number in range(MAX_MODELS):
            clock.advance(DAY / 100)
            second.profiles.profile("box", f"b{number}").max_output_tokens = 900
        both = first.export()
        both["backends"] += second.export()["backends"]
        new = kept(clock)
        new.restore(both)
        models = [model for _, model, _ in new.profiles.profiles()]
        assert models == [f"b{number}" for number in range(MAX_MODELS)]


class ExportTests:
    """What is written."""

    def test_nothing_but_what_was_learned(self) -> None:
        """No URL, no key, and of a model nobody refused anything of only that it exists: not even that."""
        secretive = evolve(BOX, url="http://box.test/tenant-7f3a/v1")
        old = kept(None, secretive)
        old.profiles.with_overrides("box", ChatTarget(model="m", context_window=8000))
        assert old.export() == {"version": 1, "backends": []}
        old.profiles.profile("box", "m").max_output_tokens = 900
        assert b"tenant" not in strict_json.encode(old.export())

    def test_same_knowledge_same_values(self) -> None:
        """Use alone changes nothing for the rest of the day, so that the disk is left alone."""
        clock = Clock()
        old = kept(clock)
        old.profiles.profile("box", "m").max_output_tokens = 900
        before = old.export()
        clock.advance(3600)
        old.profiles.profile("box", "m")
        assert old.export() == before

    def test_unknown_backends(self) -> None:
        """Notes of a backend that the configuration does not have are not written."""
        old = kept()
        old.profiles.profile("gone", "m").max_output_tokens = 900
        assert old.export()["backends"] == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["box", "m", "vllm"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["version", "backends", "name", "url", "dialect", "why", "models", "model", "ratio", "used"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


class RestoreTests:
    """What is read may have been written by anybody."""

    @given(JSON)
    def test_any_value(self, value: object) -> None:
        """Any JSON is either taken as far as it fits or refused; the daemon can work with what it has then."""
        new = kept()
        try:
            new.restore(value)
        except (NotOurs, OtherVersion):
            assert list(new.profiles.profiles()) == []
        new.profiles.with_overrides("box", ChatTarget(model="m"))
        new.export()

    @given(st.lists(JSON, max_size=3), JSON, JSON)
    def test_any_entries(self, entries: list[object], models: object, dialect: object) -> None:
        """The same inside a file of the right form."""
        ours = {"name": "box", "url": "0f7c0c9f2f8d7d3c", "models": models, "dialect": dialect, "why": models}
        again = kept()
        again.profiles.profile("box", "x").max_output_tokens = 900
        ours["url"] = again.export()["backends"][0]["url"]
        new = kept()
        new.restore({"version": 1, "backends": [*entries, ours]})
        new.profiles.with_overrides("box", ChatTarget(model="m"))
        new.export()

    @pytest.mark.parametrize(
        "value", [None, [], {}, {"version": 1}, {"version": "1", "backends": []}, {"backends": []}]
    )
    def test_not_ours(self, value: object) -> None:
        """What has not the form is refused, for the caller to put aside."""
        with pytest.raises(NotOurs):
            kept().restore(value)

    def test_other_version(self) -> None:
        """A later daemon's file is no mistake."""
        with pytest.raises(OtherVersion):
            kept().restore({"version": 2, "notes": []})


class ReloadTests:
    """Another configuration of the same daemon."""

    def test_moved(self) -> None:
        """New backends, and those at another address, have moved; other settings move nothing."""
        moved, new = evolve(BOX, url="http://moved.test/v1"), evolve(BOX, name="new")
        assert kept(None, evolve(BOX, connect_timeout=3.0)).moved(kept()) == frozenset()
        assert kept(None, moved, new).moved(kept()) == {"box", "new"}

    def test_only(self) -> None:
        """What is known of backends that have not moved is not replaced by what a file says."""
        old = kept()
        old.profiles.profile("box", "m").max_output_tokens = 900
        new = kept()
        new.restore(old.export(), only=())
        assert new.profiles.profile("box", "m").max_output_tokens is None
