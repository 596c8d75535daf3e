"""Tests for `claude_bridge.importers.litellm.backend_sections`."""

from __future__ import annotations

import pytest

from claude_bridge.importers.draft import ImportedConfiguration, KeyOfBackend
from claude_bridge.importers.litellm.backend_sections import BackendSections
from claude_bridge.importers.litellm.deployment import Deployment, Place
from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.slots import Slot
from claude_bridge.importers.text import Text, Variable, plain
from tests.importers.litellm.files import lost


def slot(*keys: str, hint: str = "box", model: str = "m", rpm: int | None = None) -> Slot:
    """Return a slot with keys out of variables."""
    place = Place(hint=hint, url=plain("http://box/v1"))
    found = [KeyOfBackend(key=Text(parts=(Variable(key),)), rpm=rpm) for key in keys]
    entries = [
        Deployment(path=f"p{number}", group="g", model=model, place=place, key=key) for number, key in enumerate(found)
    ]
    return Slot(deployments=tuple(entries))


@pytest.fixture
def draft() -> ImportedConfiguration:
    """Return an empty draft."""
    return ImportedConfiguration(tool="LiteLLM", source_words="a file")


class BackendSectionsTests:
    """Each place with its keys is one backend."""

    def test_once(self, draft: ImportedConfiguration) -> None:
        """The same place with the same keys is there once; with another key, or a wanted name, again."""
        sections = BackendSections(draft, Notes(), "round_robin")
        asked = [slot("A"), slot("A", model="n"), slot("B")]
        assert [sections.name_of(each) for each in asked] == ["box", "box", "box-2"]
        assert sections.name_of(slot("A"), "openai") == "openai"
        assert sections.name_of(slot("A")) == "box"
        assert [each.name for each in draft.backends] == ["box", "box-2", "openai"]

    def test_pool(self, draft: ImportedConfiguration) -> None:
        """Several keys have a strategy, and say where they came from."""
        sections = BackendSections(draft, Notes(), "least_used")
        sections.name_of(slot("A", "B"))
        sections.name_of(slot("A"))
        assert [(each.key_strategy, each.came_from) for each in draft.backends] == [
            ("least_used", "p0, p1"),
            ("", "p0"),
        ]

    def test_names(self, draft: ImportedConfiguration) -> None:
        """A reserved name is not given, and neither is that of the backend that gets every name."""
        sections = BackendSections(draft, Notes(), "")
        sections.reserve("box")
        assert sections.name_of(slot("A")) == "box-2"
        assert sections.name_of(slot("A", hint="default")) == "default-backend"

    @pytest.mark.parametrize(("models", "rpm"), [(("m",), 9), (("m", "n"), None)])
    def test_limits(self, draft: ImportedConfiguration, models: tuple[str, ...], rpm: int | None) -> None:
        """A model's limit is that of its key unless other models use the key too."""
        notes = Notes()
        sections = BackendSections(draft, notes, "")
        sections.expect(slot("A", model=model, rpm=9) for model in models)
        sections.name_of(slot("A", rpm=9))
        assert [key.rpm for key in draft.backends[0].api_key] == [rpm]
        notes.write(draft)
        assert bool(lost(draft)) is (rpm is None)
