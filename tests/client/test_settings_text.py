"""Promises of the editor of settings: a member is set, every other byte stays, and what was set can be undone."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_bridge.client.settings_text import (
    Edit,
    InvalidSettings,
    Path,
    decoded,
    parsed,
    restore,
    restore_objects,
    set_member,
    spelled,
    value_at,
)
from tests.client.settings_samples import REFUSED, SAMPLES, json_texts

EXAMPLES = 15 if os.environ.get("HYPOTHESIS_PROFILE") else 300
"""3,000 have passed once; they take a minute."""

TEXTS = {name: content for name, content in SAMPLES.items() if content.strip(b"\xef\xbb\xbf\r\n")}
paths = st.sampled_from([("env", "A"), ("env", "NEW"), ("permissions", "defaultMode"), ("new",), ("new", "b", "c")])


def undone(edit: Edit, path: Path) -> str:
    """Take an edit back."""
    return restore_objects(restore(edit.text, path, edit.was), edit.objects)


def kept(before: str, after: str) -> int:
    """Return how many characters two texts have in common at their beginnings and ends."""
    return common(before, after) + common(before[::-1], after[::-1])


def common(one: str, other: str) -> int:
    """Return the number of characters with which both begin."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def with_value(settings_: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Set a member of decoded settings."""
    inner = with_value(settings_.get(path[0], {}), path[1:], value) if len(path) > 1 else value
    return {**settings_, path[0]: inner}


class SetMemberTests:
    """One member, and nothing else."""

    @settings(max_examples=EXAMPLES)
    @given(json_texts(), st.lists(st.tuples(paths, st.text()), min_size=1, max_size=4, unique_by=lambda pair: pair[0]))
    def test_set_and_undone(self, text: str, wanted: list[tuple[Path, str]]) -> None:
        """Every value is set, the others are what they were in their order, and undoing gives the old text."""
        if ("new",) in dict(wanted):
            wanted = [(path, value) for path, value in wanted if path[0] != "new" or path == ("new",)]
        text = decoded(text.encode())
        expected, edits, now = parsed(text), [], text
        for path, value in wanted:
            edit = set_member(now, path, json.dumps(value))
            edits.append((path, edit))
            now = decoded(edit.text.encode())
            expected = with_value(expected, path, value)
        assert repr(parsed(now)) == repr(expected)
        for path, edit in reversed(edits):
            now = restore(now, path, edit.was)
            now = restore_objects(now, edit.objects)
        assert now == text

    @settings(max_examples=EXAMPLES // 3)
    @given(json_texts(), st.permutations([("env", "A1"), ("env", "A2"), ("env", "A3"), ("top",)]))
    def test_undone_in_any_order(self, text: str, order: list[Path]) -> None:
        """Members that were added are removed in another order all the same."""
        now = text
        objects: list[tuple[Path, str | None]] = []
        added: tuple[Path, ...] = (("env", "A1"), ("env", "A2"), ("top",), ("env", "A3"))
        for path in added:
            edit = set_member(now, path, '"x"')
            now = edit.text
            objects += edit.objects
        for path in order:
            now = restore(now, path, None)
        assert restore_objects(now, objects) == text

    @pytest.mark.parametrize("name", TEXTS)
    def test_samples(self, name: str) -> None:
        """The same for files as people have them; what stands before and behind the member is the old text."""
        text = decoded(TEXTS[name])
        edit = set_member(text, ("env", "ANTHROPIC_BASE_URL"), '"http://bridge"')
        assert value_at(edit.text, ("env", "ANTHROPIC_BASE_URL")) == "http://bridge"
        assert undone(edit, ("env", "ANTHROPIC_BASE_URL")) == text
        replaced = len(edit.was or "") + sum(len(blank or "") for _, blank in edit.objects)
        assert kept(text, edit.text) >= len(text) - replaced

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("{}", '{\n  "env": {\n    "A": "1"\n  }\n}'),
            ("{\n}\n", '{\n  "env": {\n    "A": "1"\n  }\n}\n'),
            ('{"m":1}', '{"m":1,"env":{"A":"1"}}'),
            ('{"m": 1}', '{"m": 1, "env": {"A": "1"}}'),
            ('{\n\t"m": 1\n}', '{\n\t"m": 1,\n\t"env": {\n\t\t"A": "1"\n\t}\n}'),
            ('{\r\n    "m": 1\r\n}', '{\r\n    "m": 1,\r\n    "env": {\r\n        "A": "1"\r\n    }\r\n}'),
            ('{\n  "env": {"B": 2}\n}', '{\n  "env": {"B": 2, "A": "1"}\n}'),
            ('{\n  "env": {},\n  "m": 1\n}', '{\n  "env": {\n    "A": "1"\n  },\n  "m": 1\n}'),
            ('{ "env": { "B": 1 , "C": 2 } }', '{ "env": { "B": 1 , "C": 2, "A": "1" } }'),
            ('{"env": {"A": [1,\n2]}, "m": {}}', '{"env": {"A": "1"}, "m": {}}'),
        ],
    )
    def test_spacing(self, before: str, after: str) -> None:
        """What is added is indented and spaced as the file is."""
        edit = set_member(before, ("env", "A"), '"1"')
        assert edit.text == after
        assert undone(edit, ("env", "A")) == before

    def test_between_others(self) -> None:
        """A member behind which others were written since goes without a trace."""
        added = set_member('{\n  "a": 1\n}', ("b",), "2").text
        assert restore(set_member(added, ("c",), "3").text, ("b",), None) == '{\n  "a": 1,\n  "c": 3\n}'

    def test_object_in_use(self) -> None:
        """An object that was made stays if somebody else has put a member there since."""
        edit = set_member("{}", ("env", "A"), '"1"')
        used = set_member(edit.text, ("env", "MINE"), '"2"').text
        assert parsed(restore_objects(restore(used, ("env", "A"), None), edit.objects)) == {"env": {"MINE": "2"}}

    @pytest.mark.parametrize("text", ['{"env": null}', '{"env": []}', '{"x": 1,\n"env": "A=1"}'])
    def test_no_object(self, text: str) -> None:
        """What is no object gets no members, and the error says where it is."""
        with pytest.raises(InvalidSettings, match=r"^line \d, column \d: env is not an object"):
            set_member(text, ("env", "A"), '"1"')


class DecodedTests:
    """What is not edited."""

    @pytest.mark.parametrize(("content", "told"), REFUSED.items(), ids=range(len(REFUSED)))
    def test_refused(self, content: bytes, told: str) -> None:
        """Comments and everything else that is no strict JSON is refused, with the place and what to do."""
        with pytest.raises(InvalidSettings) as caught:
            decoded(content)
        assert told in str(caught.value)

    @pytest.mark.parametrize("text", ['{"a": "// no"}', '{"a": ",}"}', '{"http://x": {"/*": "*/"}}', r'{"\"": "\\"}'])
    def test_no_comment(self, text: str) -> None:
        """What only looks like a comment, inside a string, is none."""
        assert decoded(text.encode()) == text

    def test_repr(self) -> None:
        """A replaced value, which may be somebody's key, is in no repr."""
        assert "sk-1" not in repr(set_member('{"a": "sk-1"}', ("a",), "1"))

    def test_spelled(self) -> None:
        """A value is had as it is spelled."""
        assert spelled('{"a": {"b": 1.50}}', ("a", "b")) == "1.50"
        assert spelled('{"a": {"b": 1.50}}', ("c", "b")) is None
