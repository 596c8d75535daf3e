"""A draft of a configuration -> INI text, the same bytes for the same draft.

What an INI file cannot hold (``docs/design.md`` 3 has its rules) is left out and reported, and so are keys that this
version does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs
from attrs import define, field, frozen

from claude_bridge.config.expand import quoted
from claude_bridge.config.sections import KINDS, key_of
from claude_bridge.importers.draft import (
    NOT_KEYS,
    Finding,
    ImportedConfiguration,
    ImportedModel,
    KeyOfBackend,
    Section,
)
from claude_bridge.importers.text import Text, plain

_RENAMED: Final = {("model", "model"): "name", ("budget", "whom"): "for"}
"""Section and field -> the key's name in the file."""

_COMMENT: Final = re.compile(r"(?:^|\s)[#;]")
_UNFIT: Final = re.compile(r"[^\x20-\x7e\u00a0-\uffff]")


@frozen(kw_only=True)
class Written:
    """An INI text.

    :ivar findings: what could not be written.
    :ivar to_set: the environment variables that the bridge needs, in the order of the text, with what each is for.
    :ivar samples: values of variables with which the text can be checked; those of credentials are not among them.
    """

    text: str
    findings: tuple[Finding, ...]
    to_set: tuple[tuple[str, str], ...]
    samples: tuple[tuple[str, str], ...]


def ini_text(draft: ImportedConfiguration, *, with_secrets: bool) -> Written:
    """Return the text of a draft; with variables in the place of secrets, unless ``with_secrets``."""
    writer = _Writer(with_secrets)
    writer.comment(f"Made by `claude-bridge import` from {draft.source_words}.")
    writer.comment("etc/claude-bridge.reference.ini has every option, with a comment.")
    for section in _sections(draft):
        writer.section(section)
    return Written(
        text="\n".join(writer.lines) + "\n",
        findings=tuple(writer.findings),
        to_set=tuple(writer.to_set.items()),
        samples=tuple(writer.samples.items()),
    )


def _sections(draft: ImportedConfiguration) -> Iterator[Section]:
    """Yield the sections in the order of the file: each backend is followed by its models."""
    yield draft.server
    models: dict[str, list[ImportedModel]] = {}
    for model in draft.models:
        models.setdefault(model.backend, []).append(model)
    for backend in draft.backends:
        yield backend
        yield from models.get(backend.name, ())
    yield from draft.routes
    yield from draft.prices
    yield from draft.keys
    yield from draft.budgets
    yield from (each for each in (draft.breaker, draft.web_search, draft.limits, draft.log) if each is not None)


@frozen
class _Line:
    """One line of a key.

    :ivar before: plain text in front of the value, such as the name of a header.
    :ivar after: plain text behind it, such as the options of a key.
    """

    value: Text
    before: str = ""
    after: str = ""

    def ini(self, *, with_secrets: bool) -> str:
        """Return it as the file has it."""
        return f"{self.before}{self.value.ini(with_secrets=with_secrets)}{self.after}"


@define
class _Writer:
    _with_secrets: bool
    lines: list[str] = field(factory=list)
    findings: list[Finding] = field(factory=list)
    to_set: dict[str, str] = field(factory=dict)
    samples: dict[str, str] = field(factory=dict)

    def comment(self, text: str) -> None:
        """Write one line of comment."""
        self.lines.append(f"# {_UNFIT.sub(' ', text)}".rstrip())

    def section(self, section: Section) -> None:
        """Write a section with its comments; nothing of it if it has no key."""
        header = f"{section.word}:{section.name}" if section.name else section.word
        kind = KINDS.get(section.word)
        if kind is None:
            self._lose(section, f"[{header}] has to wait: this version has no such section")
            return
        known = {key_of(each.name) for each in kind.keys}
        entries = []
        for key, lines in _entries(section):
            if key not in known:
                self._lose(section, f"{key} in [{header}] has to wait: this version has no such key")
            elif fitting := self._fitting(section, key, lines):
                entries.append((key, fitting))
        if not entries and section.word != "model":
            return
        self.lines.append("")
        for note in (section.came_from, *section.notes):
            if note:
                self.comment(note)
        for _, lines in entries:
            self._announce(header, section, lines)
        self.lines.append(f"[{header}]")
        for key, lines in entries:
            self._entry(key, [line.ini(with_secrets=self._with_secrets) for line in lines])

    def _entry(self, key: str, lines: Sequence[str]) -> None:
        if len(lines) == 1:
            self.lines.append(f"{key} = {lines[0]}")
        else:
            self.lines += [f"{key} =", *(f"  {line}" for line in lines)]

    def _announce(self, header: str, section: Section, lines: Sequence[_Line]) -> None:
        """Note the variables of some values, and say in a comment what stands for a secret of the source."""
        for text in (line.value for line in lines):
            if text.has_secret and not self._with_secrets:
                told = f"what is written out at {text.path or section.came_from}"
                if text.instead not in self.to_set:
                    self.comment(f"{text.instead}: set it to {told}")
                self.to_set.setdefault(text.instead, told)
                if text.sample:
                    self.samples.setdefault(text.instead, text.sample)
                continue
            for variable in text.variables:
                self.to_set.setdefault(variable.name, f"used by [{header}]")
                if variable.sample:
                    self.samples.setdefault(variable.name, variable.sample)

    def _fitting(self, section: Section, key: str, lines: Sequence[_Line]) -> list[_Line]:
        """Return the lines of a key that an INI file can hold, and report the others."""
        fitting = []
        for line in lines:
            if why := unfit(line.value):
                self._lose(section, f"{key} {why}, which no value of an INI file may be or have")
            else:
                fitting.append(line)
        return fitting

    def _lose(self, section: Section, meaning: str) -> None:
        self.findings.append(Finding(section.came_from or section.word, meaning))


def unfit(text: Text) -> str:
    """Return what is in a value that an INI file cannot hold, or ""."""
    line = text.ini(with_secrets=True)
    if not line.strip():
        return "is empty"
    if line != line.strip():
        return "begins or ends with a space"
    if _COMMENT.search(line):
        return "has ` #` or ` ;` in it"
    if not line.isprintable():
        return "has a line break or a control character in it"
    return "is in quotes" if quoted(line) else ""


def _entries(section: Section) -> Iterator[tuple[str, list[_Line]]]:
    """Yield the keys of a section with their lines."""
    for attribute in attrs.fields(type(section)):
        if attribute.name in NOT_KEYS:
            continue
        value = getattr(section, attribute.name)
        if attribute.name == "headers":
            lines = [_Line(_text(each), before=f"{name.replace('$', '$$')}: ") for name, each in value]
        else:
            several = value if isinstance(value, tuple) else (value,)
            lines = [_line(each) for each in several if each not in (None, "")]
        if lines:
            yield _RENAMED.get((section.word, attribute.name), attribute.name), lines
    if isinstance(section, ImportedModel):
        yield from ((key, [_line(each)]) for key, each in section.traits.items())


def _line(value: object) -> _Line:
    if isinstance(value, KeyOfBackend):
        return _Line(value.key, after=value.options)
    return _Line(_text(value))


def _text(value: Any) -> Text:  # noqa: ANN401 - a `Value`
    match value:
        case Text():
            return value
        case bool():
            return plain("yes" if value else "no")
        case float():
            return plain(f"{value:.15g}")
        case Decimal():
            return plain(f"{value.normalize():f}")
        case _:
            return plain(str(value))
