"""Reads the entries of ``model_list``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from attrs import Factory, define, evolve, frozen

from claude_bridge.config.backend_urls import ANTHROPIC
from claude_bridge.importers.litellm.addresses import (
    UnusableAddress,
    backend_hint,
    has_query,
    needs_no_key,
    url_of,
)
from claude_bridge.importers.litellm.deployment import Deployment, Place
from claude_bridge.importers.litellm.entry_facts import read_facts
from claude_bridge.importers.litellm.entry_keys import EntryKeys
from claude_bridge.importers.litellm.meanings import model_info_meaning, parameter_meaning
from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.providers import HOSTS, PROVIDERS, UNAVAILABLE, Provider, without_prefix
from claude_bridge.importers.litellm.table import Table
from claude_bridge.importers.litellm.values import Values, fits_a_line, host, is_reference
from claude_bridge.importers.text import Text

_OTHER_MODES: Final = re.compile(r"(?:embed|image|audio|speech|transcri|rerank|moderation|ocr|video|search|realtime)")
_OTHER_NAMES: Final = re.compile(
    r"(?:^|[/_-])(?:text-)?embed(?:ding|dings|dinggemma|-\w+)?(?:$|[/_:-])|^bge-|[/-]bge-|whisper|dall-e|gpt-image"
    r"|rerank|(?:^|[/-])tts(?:-|$)|nomic-embed|moderation|imagen-|stable-diffusion|(?:^|[/-])flux"
)
"""Names of models that do not chat."""

_RESPONSES_ONLY: Final = re.compile(
    r"codex|(?:^|/)gpt-(?:5\.[4-9]|[6-9])(?!.*chat)|(?:^|/)o\d-pro|gpt-5-pro|deep-research"
)
"""OpenAI's models that have tools and reasoning, or an endpoint at all, only on the Responses API."""

_OPENROUTERS_OWN: Final = ("openrouter/auto", "openrouter/free", "openrouter/bodybuilder")
"""Models whose name at OpenRouter has the prefix too."""

_UNKNOWN: Final = "no prefix of a provider that is known here, and no api_base"

_MAX_SECONDS: Final = 86_400
_ACCOUNTS: Final = ("azure", "azure_ai", "databricks", "litellm_proxy")
"""Prefixes of services at which every account has an address of its own, and a key."""
_SIGN_IN: Final = ("azure_ad_token", "tenant_id", "client_id", "azure_username")
"""What an entry has that signs in at Azure without a key."""


@frozen(kw_only=True)
class Defaults:
    """What holds for every entry that says nothing else; times are in seconds."""

    timeout: float | None = None
    stream_timeout: float | None = None
    max_streams: int | None = None
    ca_file: Text | None = None
    proxy: Text | None = None
    unproxied: tuple[str, ...] = ()


@define
class ModelEntries:
    """Reads entries of ``model_list``.

    :ivar credentials: the values of each entry of ``credential_list``, by its name.
    :ivar dropped: the names of the entries that could not be carried over.
    """

    values: Values
    defaults: Defaults
    notes: Notes
    credentials: Mapping[str, Table] = Factory(dict)
    dropped: set[str] = Factory(set)

    def read(self, entries: tuple[Table, ...]) -> Iterator[Deployment]:
        """Yield the entries that can be carried over, and note why others cannot."""
        if not all(entry.table("litellm_params").text("api_key") for entry in entries):
            self.values.reserve(provider.key for provider in PROVIDERS.values())
        for entry in entries:
            found = self._read(entry)
            if found is not None:
                yield found
            elif name := entry.text("model_name"):
                self.dropped.add(name)

    def _read(self, entry: Table) -> Deployment | None:
        parameters, info = entry.table("litellm_params"), entry.table("model_info")
        written = parameters.text("model")
        group = entry.text("model_name") or written
        if written is None or group is None:
            self.notes.lose(entry.path, "no model is named, so LiteLLM uses nothing of it either")
            return None
        if other := _other_than_chat(info, group, written):
            self.notes.lose(entry.path, f"{other}: the bridge serves chat only")
            return None
        if info.flag("blocked"):
            self.notes.lose(info.at("blocked"), "the entry is paused there, and is left out here")
            return None
        if written == "*":
            self.notes.lose(
                f"{parameters.path}.model",
                "means any provider by its prefix; here these names go to OpenAI: add a [backend:*] for each other "
                "provider, and ask for BACKEND/NAME",
            )
        prefix, model = self._provider(parameters, written)
        if (why := UNAVAILABLE.get(prefix)) is not None:
            self.notes.lose(f"{parameters.path}.model", f"{prefix} {why}")
            return None
        if prefix not in PROVIDERS:
            why = "in a variable, so that the provider is not known here" if is_reference(written) else _UNKNOWN
            self.notes.lose(f"{parameters.path}.model", why)
            return None
        if not fits_a_line(model):
            self.notes.lose(f"{parameters.path}.model", "a name that no INI file can hold")
            return None
        return self._deployment(entry, parameters, info, prefix, model)

    def _provider(self, parameters: Table, written: str) -> tuple[str, str]:
        """Return the prefix of a provider, and the model without it."""
        named = parameters.text("custom_llm_provider")
        if named:
            return named, written.removeprefix(f"{named}/")
        prefix, slash, rest = written.partition("/")
        if slash and (prefix in PROVIDERS or prefix in UNAVAILABLE):
            return prefix, written if written in _OPENROUTERS_OWN else rest
        base = self._base(parameters)
        if base is None:
            return without_prefix(written), written
        try:
            known = HOSTS.get(host(url_of(base, PROVIDERS["openai"], self.values, "")))
        except UnusableAddress:
            known = None
        return known or "openai", written

    def _credential(self, parameters: Table) -> Table:
        name = parameters.text("litellm_credential_name")
        if name is None:
            return Table("")
        if name not in self.credentials:
            self.notes.lose(
                parameters.at("litellm_credential_name"),
                "not in credential_list but in LiteLLM's database, so the key has to be set here",
            )
        return self.credentials.get(name, Table(""))

    def _base(self, parameters: Table) -> str | None:
        credential = self.credentials.get(parameters.text("litellm_credential_name") or "", Table(""))
        found = [table.text(key) for table in (parameters, credential) for key in ("api_base", "base_url")]
        return next((each for each in found if each is not None), None)

    def _deployment(self, entry: Table, parameters: Table, info: Table, prefix: str, model: str) -> Deployment | None:
        provider = PROVIDERS[prefix]
        if prefix == "azure_ai" and "claude" in model.lower():
            provider = evolve(
                provider, kind="anthropic", dialect="", root="/anthropic", cut=("/v1/messages", "/v1", "/anthropic")
            )
        if prefix == "huggingface" and model.count("/") > 1:
            vendor, _, rest = model.partition("/")
            model = f"{rest}:{vendor}"
        name, is_responses = model.removeprefix("responses/"), model.startswith("responses/")
        if provider.kind == "openai" and (is_responses or info.text("mode") == "responses"):
            provider = evolve(
                provider, kind="responses", dialect=provider.dialect if provider.dialect == "azure" else ""
            )
        credential = self._credential(parameters)
        try:
            place = self._place(parameters, prefix, provider, name)
        except UnusableAddress as error:
            self.notes.lose(parameters.at("api_base"), f"{error}, so the model is left out")
            return None
        if place is None:
            self.notes.lose(f"{parameters.path}.model", f"{prefix} needs an api_base, and there is none")
            return None
        if any(parameters.text(each) for each in _SIGN_IN) and not parameters.text("api_key"):
            self.notes.lose(
                parameters.path, "a sign-in at Azure without a key, which the bridge does not do: use a key"
            )
            return None
        keys = EntryKeys(self.values, self.notes, parameters, place)
        place = evolve(place, headers=keys.headers())
        key = keys.key(credential, provider, is_account=prefix in _ACCOUNTS)
        facts = read_facts(parameters, info, place.kind or "openai", self.notes)
        order, identifier = parameters.number("order"), info.text("id") or ""
        self._report_rest(entry, parameters, info)
        return Deployment(
            path=entry.path,
            group=entry.text("model_name") or name,
            model=name,
            place=place,
            key=key,
            order=None if order is None else float(order),
            identifier=identifier,
            facts=facts,
        )

    def _place(self, parameters: Table, prefix: str, provider: Provider, model: str) -> Place | None:
        written = self._base(parameters)
        if written is None and not provider.url:
            written = f"os.environ/{provider.base}" if provider.base else None
            if written is None:
                return None
        if written is None:
            url = Text(parts=(provider.url,))
            if provider.kind == "openai" and prefix == "openai" and _RESPONSES_ONLY.search(model.lower()):
                provider = evolve(provider, kind="responses")
        else:
            if has_query(written):
                self.notes.lose(parameters.at("api_base"), "a query, which no URL may have here: it is cut off")
            url = url_of(written, provider, self.values, provider.root)
            if host(url) == ANTHROPIC and provider.kind == "openai":
                provider = PROVIDERS["anthropic"]
                url = url_of(written, provider, self.values, provider.root)
        unproxied = needs_no_key(url) or host(url).endswith(self.defaults.unproxied or ("\0",))
        return Place(
            hint=backend_hint(prefix, url, provider),
            url=url,
            kind="" if provider.kind == "openai" else provider.kind,
            dialect="" if url.parts == (provider.url,) or provider.kind == "anthropic" else provider.dialect,
            first_byte_timeout=self._seconds(parameters, "stream_timeout", "timeout", "request_timeout")
            or self.defaults.stream_timeout
            or self.defaults.timeout,
            max_streams=parameters.whole("max_parallel_requests", 100_000) or self.defaults.max_streams,
            ca_file=self._authority(parameters),
            proxy=None if unproxied else self.defaults.proxy,
        )

    def _seconds(self, parameters: Table, *names: str) -> float | None:
        """Return the first of several limits that is set, all of which count as read."""
        usable = []
        for name in names:
            number = parameters.number(name)
            if number is not None and Decimal("0.001") <= number <= _MAX_SECONDS:
                usable.append(float(number))
            elif number is not None:
                self.notes.remark(parameters.at(name), "a limit is at least a millisecond and at most a day here")
        return usable[0] if usable else None

    def _authority(self, parameters: Table) -> Text | None:
        written = parameters.text("ssl_verify")
        if written is None or written.lower() == "true":
            return self.defaults.ca_file
        if written.lower() == "false":
            self.notes.lose(
                parameters.at("ssl_verify"),
                "certificates are always checked here: name the authority in ca_file of the backend",
            )
            return None
        return self.values.plain(written, "/ca.pem")

    def _report_rest(self, entry: Table, parameters: Table, info: Table) -> None:
        for key in parameters.rest():
            parameter_meaning(key, parameters.entries[key]).note(self.notes, parameters.at(key))
        for key in info.rest():
            model_info_meaning(key, info.entries[key]).note(self.notes, info.at(key))
        for key in entry.rest():
            self.notes.lose(entry.at(key), "LiteLLM is not known to have this setting, or wants another kind of value")


def _other_than_chat(info: Table, group: str, written: str) -> str:
    """Return what an entry is for if it is not chat, else ""."""
    mode = info.text("mode") or ""
    if _OTHER_MODES.search(mode):
        return f"for {mode.replace('_', ' ')}"
    if mode == "completion":
        return "for the old completions API"
    is_other = not mode and any(_OTHER_NAMES.search(each.lower()) for each in (group, written))
    return "no model for chat, by its name" if is_other else ""
