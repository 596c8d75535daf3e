"""Promises of what several daemons keep in one file."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core import strict_json
from claude_bridge.services.knowledge.merging import MAX_BACKENDS, merged
from claude_bridge.services.knowledge.profiles import MAX_MODELS
from claude_bridge.services.knowledge.snapshot import DAY, KEPT_SECONDS

NOW = 100 * DAY

WINDOW: dict[str, Any] = {"context_window": 4000, "window_at": 10.0}
LATER: dict[str, Any] = {"context_window": 8000, "window_at": 20.0}
LIMIT: dict[str, Any] = {"max_output_tokens": 900, "limit_at": 10.0}


def file(*entries: dict[str, Any]) -> dict[str, Any]:
    """Write a file."""
    return {"version": 1, "backends": list(entries)}


def backend(*models: dict[str, Any], name: str = "box", url: str = "0f", **more: Any) -> dict[str, Any]:
    """Write what is known of a backend."""
    return {"name": name, "url": url, **more, "used": NOW} | ({"models": list(models)} if models else {})


def model(name: str = "m", /, **facts: Any) -> dict[str, Any]:
    """Write what is known of a model."""
    return {"model": name, **facts, "used": NOW}


def models(ours: dict[str, Any], base: dict[str, Any], theirs: object) -> dict[str, Any]:
    """Merge, and return the models of the one backend by name."""
    (entry,) = merged(ours, base, theirs, NOW)["backends"]
    return {each.pop("model"): each for each in entry["models"]}


NOTHING = file()


class MergedTests:
    """Two daemons, and what is in the file in the end."""

    @pytest.mark.parametrize(
        ("ours", "base", "theirs", "result"),
        [
            ({}, {}, WINDOW, WINDOW),
            (WINDOW, {}, {}, WINDOW),
            (WINDOW, {}, LIMIT, WINDOW | LIMIT),
            (WINDOW, WINDOW, WINDOW | LIMIT, WINDOW | LIMIT),
            (WINDOW, WINDOW, LATER, LATER),
            (LATER, WINDOW, WINDOW, LATER),
            (WINDOW, {}, LATER, LATER),
            (LATER, {}, WINDOW, LATER),
            ({}, WINDOW, WINDOW, {}),
            ({}, {"ratio": 1.5, "answers": 3}, {"ratio": 1.5, "answers": 3} | LIMIT, LIMIT),
            ({"ratio": 1.2, "answers": 9}, {"ratio": 1.5}, {"ratio": 1.4, "answers": 5}, {"ratio": 1.2, "answers": 9}),
            ({"listed": 5}, {"listed": 5}, {"listed": 7}, {"listed": 7}),
            ({"refuses_reasoning": True}, {}, WINDOW, {"refuses_reasoning": True} | WINDOW),
        ],
        ids=[
            "found out by the other",
            "found out by us",
            "each something else",
            "the other one more",
            "the other anew",
            "we anew",
            "both, the other later",
            "both, we later",
            "no longer believed",
            "no longer believed, beside something else",
            "both, without a date: who writes last",
            "listed otherwise by now",
            "refused",
        ],
    )
    def test_facts(
        self, ours: dict[str, Any], base: dict[str, Any], theirs: dict[str, Any], result: dict[str, Any]
    ) -> None:
        """Of one model that both use, each fact is the newest, and what goes together stays together."""
        found = models(file(backend(model(**ours))), file(backend(model(**base))), file(backend(model(**theirs))))
        assert found == {"m": result | {"used": NOW}}

    def test_other_models(self) -> None:
        """Models that only one of them uses stay, those of this daemon as the ones used last."""
        found = models(file(backend(model("a", **LIMIT))), NOTHING, file(backend(model("b", **WINDOW))))
        assert list(found) == ["b", "a"]

    def test_let_go(self) -> None:
        """What this daemon has forgotten is gone, unless another still uses it."""
        base = file(backend(model("a", **LIMIT), model("b", **LIMIT), dialect="vllm", why=""))
        theirs = file(backend(model("a", **LIMIT), model("b", **LATER), dialect="vllm", why=""))
        assert list(models(file(backend(dialect="vllm", why="")), base, theirs)) == ["b"]

    def test_dialect(self) -> None:
        """What a backend turned out to be is the newest that either found out, with its reason."""
        old, new = ({"dialect": name, "why": f"it said {name}"} for name in ("vllm", "sglang"))
        for ours, base, theirs, result in ((old, old, new, new), (new, old, old, new), ({}, {}, old, old)):
            (entry,) = merged(file(backend(**ours)), file(backend(**base)), file(backend(**theirs)), NOW)["backends"]
            assert entry == backend(**result)

    def test_other_backends(self) -> None:
        """Backends of others stay, also one that has the same name and another URL."""
        others = [backend(model(**LIMIT), name="other"), backend(model(**LATER), url="ff")]
        ours = backend(model(**WINDOW))
        assert merged(file(ours), NOTHING, file(*others), NOW) == file(*others, ours)

    def test_again(self) -> None:
        """To write twice changes nothing more."""
        ours, theirs = file(backend(model(**WINDOW))), file(backend(model(**LIMIT), name="other"))
        once = merged(ours, NOTHING, theirs, NOW)
        assert merged(ours, ours, strict_json.decode(strict_json.encode(once)), NOW) == once


class ForgottenTests:
    """The file does not grow for ever."""

    @pytest.mark.parametrize(("age", "stays"), [(KEPT_SECONDS, True), (KEPT_SECONDS + DAY, False)])
    def test_long_unused(self, age: float, stays: bool) -> None:
        """What no daemon has used for a month goes, whosever it is."""
        old = backend({**model(**LIMIT), "used": NOW - age}, name="other", dialect="vllm", why="") | {"used": NOW - age}
        assert merged(NOTHING, NOTHING, file(old), NOW) == (file(old) if stays else NOTHING)

    def test_without_a_date(self) -> None:
        """A backend of an older version's file, which has no date, is kept for a month from now."""
        old = {"name": "other", "url": "0f", "dialect": "vllm", "why": ""}
        once = merged(NOTHING, NOTHING, file(old), NOW)
        assert once == file(old | {"used": NOW})
        assert merged(NOTHING, NOTHING, once, NOW + KEPT_SECONDS + 1) == NOTHING

    def test_too_many(self) -> None:
        """Of too many backends and models of others those used last stay."""
        entries = [
            {**backend({**model(**LIMIT), "used": NOW - number}, name=f"b{number}"), "used": NOW - number}
            for number in range(MAX_BACKENDS + 5)
        ]
        kept = merged(NOTHING, NOTHING, file(*entries), NOW)["backends"]
        assert [entry["name"] for entry in kept] == [f"b{number}" for number in range(MAX_BACKENDS)]
        many = [{**model(f"m{number}", **LIMIT), "used": NOW - number} for number in range(MAX_MODELS + 5)]
        (entry,) = merged(NOTHING, NOTHING, file(backend(*many)), NOW)["backends"]
        assert len(entry["models"]) == MAX_MODELS
        assert entry["models"][-1]["model"] == f"m{MAX_MODELS - 1}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["box", "0f", "m", "vllm", "x" * 300]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["version", "backends", "name", "url", "dialect", "why", "models", "model", "used"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


class AnybodyTests:
    """What is in the file may have been written by anybody."""

    @given(JSON, st.lists(JSON, max_size=3), JSON, JSON)
    def test_any_values(self, value: object, entries: list[object], inner: object, used: object) -> None:
        """Whatever it is, what this daemon knows gets in, and what comes out can be read again."""
        ours = file(backend(model(**LIMIT)))
        theirs = {"name": "box", "url": "0f", "models": inner, "dialect": inner, "why": used, "used": used}
        for found in (value, file(*entries, theirs)):  # type: ignore[arg-type]
            result = merged(ours, NOTHING, found, NOW)
            (entry,) = [one for one in result["backends"] if (one["name"], one["url"]) == ("box", "0f")]
            assert model(**LIMIT).items() <= {each["model"]: each for each in entry["models"]}["m"].items()
            assert merged(ours, ours, strict_json.decode(strict_json.encode(result)), NOW) == result
