"""Sections to values."""

from __future__ import annotations

import pytest

from claude_bridge.config.backend_keys import BackendKey
from claude_bridge.config.ini import read_ini
from claude_bridge.config.schema import Backend, Config, Log, Model
from claude_bridge.config.secret import Secret, SecretSource
from claude_bridge.config.structure import Draft, structure
from tests.config.files import reading


def draft(text: str) -> Draft:
    """Structure a text."""
    return structure(read_ini(text).sections, SecretSource({"KEY": "sk-1"}, reading()))


class StructureTests:
    """Valid sections become a configuration."""

    def test_values(self) -> None:
        """Every section ends up in its place, typed."""
        result = draft(
            "[backend:b]\nurl = http://x/v1\napi_key = ${KEY}\nheaders =\n  A: 1\n  B: 2\nidle_timeout = 2m\n"
            "[model:m]\nbackend = b\ncontext_window = 4096\n[log]\nlevel = debug\n"
        )

        backend = Backend(
            name="b",
            url="http://x/v1",
            api_key=(BackendKey(secret=Secret("sk-1")),),
            headers=(("A", "1"), ("B", "2")),
            idle_timeout=120.0,
        )
        model = Model(alias="m", backend="b", context_window=4096)
        assert result == Draft(
            Config(backends={"b": backend}, models={"m": model}, log=Log(level="debug")), (), frozenset()
        )

    def test_nothing(self) -> None:
        """No section at all is the defaults."""
        assert draft("").config == Config()


class MistakeTests:
    """Mistakes of all kinds come together, and the rest is still read."""

    def test_type_range_and_name_in_one_section(self) -> None:
        """A wrong type, a value out of range and an unknown key are told in the same pass."""
        result = draft("[limits]\nmax_body = big\nmax_streams = 0\nmax_bodys = 1\nkeep_alive = 5\n")

        assert [(problem.section, problem.key) for problem in result.problems] == [
            ("limits", "max_body"),
            ("limits", "max_streams"),
            ("limits", "max_bodys"),
        ]
        assert result.config.limits.keep_alive == 5.0
        assert result.config.limits.max_streams == 4000
        assert result.broken == {("limits", "max_body"), ("limits", "max_streams"), ("limits", "max_bodys")}

    @pytest.mark.parametrize("key", ["name", "alias"])
    def test_section_name_as_key(self, key: str) -> None:
        """The NAME of a section is not a key."""
        result = draft(f"[backend:b]\n{key} = c\n")

        (problem,) = result.problems
        assert str(problem).startswith(f"[backend:b] {key}: unknown key, ")
        assert list(result.config.backends) == ["b"]

    def test_two_mistakes_in_one_value(self) -> None:
        """Two mistakes of one value are two problems."""
        assert [problem.key for problem in draft("[model:m]\nname = $ ${NOPE}\n").problems] == ["name", "name"]

    def test_fault_of_ours_is_no_mistake_of_the_user(self) -> None:
        """A failure that is not about the value comes out as it is."""

        def read(_path: str) -> bytes:
            raise RuntimeError("broken disk driver")

        with pytest.raises(RuntimeError, match="broken disk driver"):
            structure({"key:a": {"secret": ("file:/x",)}}, SecretSource({}, read))
