"""Distinguishes a server's own words from those that it quotes from the request.

Moderation, chat templates and validation put pieces of the prompt into their messages, and a user who asks a model
about an error message has its words in the prompt. Nothing may be learned from these, so words that stand in the
request do not count. If a user talks about the very refusal that occurs, it is only recognised in the next
conversation.

For the same reason the log contains a message only if it quotes nothing of the prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Final

from attrs import define, field

MAX_COMPARED_BYTES: Final = 128 * 1024 * 1024
"""Bytes of the request that are searched for one refusal, about 40 ms. Beyond that everything counts as quoted."""

_MARKS: Final = re.compile(r"['\"`]input['\"`]:|\binput_(?:value|type)=")
"""After these, pydantic quotes the refused value; some servers pass on its messages as text."""

_WORD: Final = re.compile(r"\S+")
_AROUND: Final = "'\"`.,:;!?()[]{}<>"
"""Characters at the ends of a piece that the server may have put around a quotation."""

_WORDS: Final = 5
_WORDS_WITH_A_NAME: Final = 3
"""Successive words that are a quotation if they stand in the request: three if one is a name like ``tool_choice``,
which does not occur by chance, else five, of which at least one is not among `_COMMON_WORDS`."""

_COMMON_WORDS: Final = frozenset(
    (
        *("a", "an", "and", "any", "are", "be", "by", "can", "cannot", "does", "doesn't", "for", "in", "is", "it"),
        *("must", "not", "of", "on", "only", "or", "that", "the", "this", "to", "with"),
        *("field", "invalid", "model", "parameter", "request", "support", "supported", "unknown", "unsupported"),
        *("use", "value"),
    )
)
"""Words of any refusal: "is not supported by this model" is in many prompts without being quoted."""

_QUOTED: Final = re.compile(r"(?:(?<!\w)'|[\"`\u201c\u201e\xab\u2018])(\S+(?: \S+)?)['\"`\u201d\u201c\xbb\u2019]")
"""One or two words in quotation marks. Three or more are found without the marks."""

_ORDINARY: Final = re.compile(r"[A-Za-z]+(?:['\u2019-][A-Za-z]+)*|[0-9.,%]+|.{1,4}", re.DOTALL)
"""Words that reveal nothing by themselves: words of a language that separates words by spaces, numbers, short ones.
Others are paths, addresses, identifiers, or a whole sentence of a language without spaces."""

_STRUCTURAL: Final = rb'"%b":|"(?!(?:content|text|arguments|description|url|data)")\w{1,40}":"%b"'
"""A word as a key or as a whole value of the request, which is not a part of the prompt: names of fields and tools. In
the prompt, quotation marks are escaped."""

_NUMBER: Final = re.compile(r"[0-9][0-9,]{2,14}")
_BEFORE: Final = 60
_BEHIND: Final = 160
"""Characters before and after the words of an overflow within which its numbers stand."""


def without_quoted_input(message: str) -> str:
    """Return a message without what follows a known mark of a quotation."""
    return _MARKS.split(message, maxsplit=1)[0]


@define
class Quotations:
    """Finds out which words of a refusal stand in the request's body."""

    _body: bytes
    _lower: bytes | None = field(default=None, init=False)
    _left: int = field(default=MAX_COMPARED_BYTES, init=False)

    def find_own(self, words: re.Pattern[str], text: str) -> re.Match[str] | None:
        """Return the first match of ``words`` in ``text`` that is not quoted, or None."""
        return next((found for found in words.finditer(text) if not self._is_quoted(text, found)), None)

    def find_with_own_number(self, words: re.Pattern[str], text: str) -> re.Match[str] | None:
        """Return the first match of ``words`` that is not quoted, or has a number beside it that is not, or None.

        For words that many prompts contain: a real overflow says how long the prompt is, which stands nowhere in it.
        Without any number, only a match with words before it counts as quoted, as servers introduce their quotations.
        """
        return next((found for found in words.finditer(text) if not self._is_quoted_with_numbers(text, found)), None)

    def quotes_number(self, text: str, start: int, end: int) -> bool:
        """Return whether a number stands in the request together with the two words before it and the one after it."""
        before = [word.start() for word in _WORD.finditer(text, max(0, start - _BEFORE), start)][-2:]
        behind = _WORD.search(text, end, end + _BEFORE)
        return self._is_in_request(
            text[before[0] if before else start : behind.end() if behind else end].strip(_AROUND)
        )

    def quotes(self, text: str, names: Collection[str] = ()) -> bool:
        """Return whether any part of ``text`` may come from the prompt; when in doubt, it does.

        Three words in a row count, one or two in quotation marks, and a single one that is not an ordinary word.
        ``names`` are known to readers of the log and do not count.
        """
        if without_quoted_input(text) != text:
            return True
        alone = [found[1] for found in _QUOTED.finditer(text)]
        alone += [word[0] for word in _WORD.finditer(text) if not _ORDINARY.fullmatch(word[0].strip(_AROUND))]
        if any(self._reveals(word.strip(_AROUND), names) for word in dict.fromkeys(alone)):
            return True
        return any(map(self._is_in_request, _triples(text)))

    def _reveals(self, word: str, names: Collection[str]) -> bool:
        """Return whether a word stands in the prompt and nowhere else in the request."""
        return word not in names and self._is_in_request(word) and not self._is_structural(word)

    def _is_structural(self, word: str) -> bool:
        self._left -= len(self._body)
        sought = re.escape(word.encode("utf-8", "replace"))
        return self._left >= 0 and re.search(_STRUCTURAL % (sought, sought), self._body) is not None

    def _is_quoted(self, text: str, found: re.Match[str]) -> bool:
        """Return whether the match is in the request, or overlaps a quotation that is.

        A single word counts with the characters around it: a request contains ``developer``, but not quoted in a text.
        """
        itself = found[0].strip(_AROUND) if " " in found[0] else found[0]
        return self._is_in_request(itself) or any(
            map(self._is_in_request, _candidates(text, found.start(), found.end()))
        )

    def _is_quoted_with_numbers(self, text: str, found: re.Match[str]) -> bool:
        if not self._is_in_request(found[0]):
            return False
        numbers = list(_NUMBER.finditer(text, max(0, found.start() - _BEFORE), found.end() + _BEHIND))
        if numbers:
            return all(self.quotes_number(text, *number.span()) for number in numbers)
        return found.start() > 0

    def _is_in_request(self, piece: str) -> bool:
        """Return whether the request contains these words, ignoring case."""
        sought = json.dumps(piece, ensure_ascii=False)[1:-1].encode("utf-8", "replace").lower()
        if not sought or not self._body:
            return False
        self._left -= len(self._body)
        if self._left < 0:
            return True
        if self._lower is None:
            self._lower = self._body.lower()
        return sought in self._lower


def _candidates(text: str, start: int, end: int) -> Iterator[str]:
    """Yield the runs of words that contain a significant word of a match and are long enough to be a quotation."""
    words = list(_WORD.finditer(text, max(0, start - _BEFORE), end + _BEFORE))
    for at in range(len(words)):
        for many in (_WORDS_WITH_A_NAME, _WORDS):
            run = words[at : at + many]
            matched = [word[0] for word in run if word.start() < end and word.end() > start]
            if len(run) == many and any(map(_is_name if many < _WORDS else _is_significant, matched)):
                yield text[run[0].start() : run[-1].end()].strip(_AROUND)


def _triples(text: str) -> Iterator[str]:
    """Yield each three words in a row of which at least one is significant."""
    words = [word[0] for word in _WORD.finditer(text)]
    for at in range(len(words) - 2):
        run = words[at : at + 3]
        if any(map(_is_significant, run)):
            yield " ".join(run).strip(_AROUND)


def _is_name(word: str) -> bool:
    return "_" in word


def _is_significant(word: str) -> bool:
    return word.strip(_AROUND).lower() not in _COMMON_WORDS
