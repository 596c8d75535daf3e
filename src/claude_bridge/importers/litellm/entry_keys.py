"""The key and the headers of one entry of ``model_list``."""

from __future__ import annotations

from typing import Final

from attrs import define

from claude_bridge.config.backend_keys import MAX_REQUESTS, MAX_TOKENS, MAX_WEIGHT
from claude_bridge.config.fields import OWN_HEADERS, header
from claude_bridge.importers.draft import KeyOfBackend
from claude_bridge.importers.litellm.addresses import needs_no_key
from claude_bridge.importers.litellm.deployment import Place
from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.providers import Provider
from claude_bridge.importers.litellm.table import Table
from claude_bridge.importers.litellm.values import Values, fits_a_line
from claude_bridge.importers.text import Text

_BEARER: Final = "bearer "
_UNLIMITED: Final = (
    "rpm and tpm limit a key of a backend or of a client here, and no key is sent for this entry; max_streams in its "
    "[backend:*] limits how much it is asked at the same time"
)


@define
class EntryKeys:
    """Reads the key and the headers of one entry.

    :ivar parameters: its ``litellm_params``.
    :ivar place: where its requests go.
    """

    _values: Values
    _notes: Notes
    _parameters: Table
    _place: Place
    _stray: Text | None = None

    def headers(self) -> tuple[tuple[str, Text], ...]:
        """Return the headers; a key among them is kept for `key`."""
        found: dict[str, Text] = {}
        for word in ("headers", "extra_headers"):
            table = self._parameters.table(word)
            for name in table.entries:
                written, path = table.text(name), table.at(name)
                if written is None:
                    self._notes.lose(path, "no text, so the header is left out")
                elif name.lower() == "authorization" and written.lower().startswith(_BEARER):
                    self._stray = self._sendable(written[len(_BEARER) :].strip(), self._own_variable, path)
                elif name.lower() in OWN_HEADERS:
                    self._notes.lose(path, "set by the bridge itself")
                elif not self._is_header(name, written):
                    self._notes.lose(path, "no header that can be written here: printable ASCII only")
                else:
                    found[name] = self._values.header(name, written, path)
        organization = self._parameters.text("organization")
        if organization is not None and not self._is_header("OpenAI-Organization", organization):
            self._notes.lose(self._parameters.at("organization"), "no value for a header")
        elif organization is not None:
            found["OpenAI-Organization"] = self._values.plain(organization, "org-x")
        return tuple(found.items())

    def key(self, credential: Table, provider: Provider, *, is_account: bool) -> KeyOfBackend | None:
        """Return the key with its share and its limits, None where none is sent.

        :param credential: the values of the entry's credential, which count where it has no key itself.
        :param is_account: every user has an address of their own there, so that it does not tell whether a key is
            needed.
        """
        share = {
            "weight": self._parameters.whole("weight", MAX_WEIGHT),
            "rpm": self._parameters.whole("rpm", MAX_REQUESTS),
            "tpm": self._parameters.whole("tpm", MAX_TOKENS),
        }
        text = self._text(credential, provider, is_account=is_account) or self._stray
        if text is not None:
            return KeyOfBackend(key=text, **share)
        for word in ("rpm", "tpm"):
            if share[word]:
                self._notes.lose(self._parameters.at(word), _UNLIMITED)
        return None

    def _text(self, credential: Table, provider: Provider, *, is_account: bool) -> Text | None:
        url = self._place.url
        is_providers = url.parts == (provider.url,)
        for table in (self._parameters, credential):
            written, path = table.text("api_key"), table.at("api_key")
            if written is None:
                continue
            return self._sendable(written, provider.key if is_providers else self._own_variable, path)
        if not provider.key or (not is_account and not is_providers and needs_no_key(url)):
            return None
        return self._values.variable(provider.key)

    def _sendable(self, written: str, wanted: str, path: str) -> Text | None:
        """Return a key; None, with a note, for a placeholder and for one that cannot be used."""
        if not self._values.is_sendable(written):
            self._notes.lose(path, "a character that no key may have here, or a beginning like that of a reference")
            return None
        key = self._values.secret(written, wanted, path)
        if key is None:
            self._notes.remark(path, "a placeholder, so no key is sent")
        return key

    def _is_header(self, name: str, written: str) -> bool:
        line = f"{name}: {self._values.resolved(written) or 'x'}"
        try:
            header(line)
        except ValueError:
            return False
        return fits_a_line(line) and "$" not in name

    @property
    def _own_variable(self) -> str:
        return f"{self._place.hint}_API_KEY"
