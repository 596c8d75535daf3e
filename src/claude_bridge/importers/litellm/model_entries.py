"""Reads the entries of ``model_list``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from attrs import Factory, define, evolve, frozen

from claude_bridge.config.backend_keys import MAX_REQUESTS, MAX_TOKENS, MAX_WEIGHT
from claude_bridge.config.backend_urls import ANTHROPIC
from claude_bridge.config.fields import OWN_HEADERS
from claude_bridge.importers.draft import KeyOfBackend
from claude_bridge.importers.litellm.addresses import (
    UnusableAddress,
    backend_hint,
    has_query,
    needs_no_key,
    url_of,
)
from claude_bridge.importers.litellm.budgets import read_budget
from claude_bridge.importers.litellm.deployment import Deployment, Facts, Place
from claude_bridge.importers.litellm.meanings import HANDLED_HERE, model_info_meaning, parameter_meaning
from claude_bridge.importers.litellm.model_prices import read_price
from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.providers import HOSTS, PROVIDERS, UNAVAILABLE, Provider, without_prefix
from claude_bridge.importers.litellm.table import Table
from claude_bridge.importers.litellm.values import Values, host
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

_MAX_SECONDS: Final = 86_400
_DROPPABLE: Final = ("temperature", "top_p", "stop")
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
            self.notes.lose(entry.path, "names no model, so LiteLLM does not use it either")
            return None
        if other := _other_than_chat(info, group, written):
            self.notes.lose(entry.path, f"is {other}: the bridge serves chat only")
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
            self.notes.lose(
                f"{parameters.path}.model", "has no prefix of a provider that is known here, and no api_base"
            )
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
                "names no entry of credential_list: it is in LiteLLM's database, so its key has to be set here",
            )
        return self.credentials.get(name, Table(""))

    def _base(self, parameters: Table) -> str | None:
        credential = self.credentials.get(parameters.text("litellm_credential_name") or "", Table(""))
        own = parameters.text("api_base") or parameters.text("base_url")
        return own or credential.text("api_base") or credential.text("base_url")

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
            self.notes.lose(parameters.path, "signs in at Azure without a key, which the bridge does not do: use a key")
            return None
        place, stray = self._headers(parameters, place)
        key = self._key(parameters, credential, prefix, provider, place) or stray
        facts = self._facts(parameters, info)
        order = parameters.number("order")
        identifier, limits = info.text("id") or "", self._limits(parameters)
        self._report_rest(entry, parameters, info)
        return Deployment(
            path=entry.path,
            group=entry.text("model_name") or name,
            model=name,
            place=place,
            key=None if key is None else KeyOfBackend(key=key, **limits),
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
                self.notes.lose(parameters.at("api_base"), "has a query, which a URL may not have here: it is cut off")
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
        found = [number for name in names if (number := parameters.number(name)) is not None]
        usable = [each for each in found if Decimal("0.001") <= each <= _MAX_SECONDS]
        return float(usable[0]) if usable else None

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

    def _headers(self, parameters: Table, place: Place) -> tuple[Place, Text | None]:
        """Return the place with the headers of an entry, and the key that is among them."""
        headers: dict[str, Text] = {}
        key: Text | None = None
        for word in ("headers", "extra_headers"):
            table = parameters.table(word)
            for name in table.entries:
                written = table.text(name)
                if written is None:
                    self.notes.lose(table.at(name), "is no text, so the header is left out")
                elif name.lower() == "authorization" and written.lower().startswith("bearer "):
                    key = self.values.secret(written[7:].strip(), f"{place.hint}_API_KEY", table.at(name))
                elif name.lower() in OWN_HEADERS:
                    self.notes.lose(table.at(name), "is a header that the bridge sets itself")
                else:
                    headers[name] = self.values.header(name, written, table.at(name))
        organization = parameters.text("organization")
        if organization is not None:
            headers["OpenAI-Organization"] = self.values.plain(organization, "org-x")
        return evolve(place, headers=tuple(headers.items())), key

    def _key(self, parameters: Table, credential: Table, prefix: str, provider: Provider, place: Place) -> Text | None:
        instead = provider.key if place.url.parts == (provider.url,) else f"{place.hint}_API_KEY"
        for table in (parameters, credential):
            written = table.text("api_key")
            if written is not None:
                key = self.values.secret(written, instead, table.at("api_key"))
                if key is None:
                    self.notes.remark(table.at("api_key"), "is a placeholder, so no key is sent")
                return key
        if not provider.key or (prefix != "azure" and place.url.parts != (provider.url,) and needs_no_key(place.url)):
            return None
        return self.values.variable(provider.key)

    def _limits(self, parameters: Table) -> dict[str, int | None]:
        """Return the share and the limits of a key."""
        return {
            "weight": parameters.whole("weight", MAX_WEIGHT),
            "rpm": parameters.whole("rpm", MAX_REQUESTS),
            "tpm": parameters.whole("tpm", MAX_TOKENS),
        }

    def _facts(self, parameters: Table, info: Table) -> Facts:
        window, most = info.whole("max_input_tokens", MAX_TOKENS), info.whole("max_output_tokens", MAX_TOKENS)
        either = info.whole("max_tokens", MAX_TOKENS)
        more = parameters.table("extra_body")
        loaded = parameters.whole("num_ctx", MAX_TOKENS) or more.whole("num_ctx", MAX_TOKENS)
        for key in more.rest():
            parameter_meaning(key, more.entries[key], in_body=True).note(self.notes, more.at(key))
        if loaded is not None:
            self.notes.remark(
                parameters.at("num_ctx"),
                "becomes context_window; a client cannot set it on the path that the bridge uses, so start Ollama with "
                f"OLLAMA_CONTEXT_LENGTH={loaded}",
            )
        traits: dict[str, str] = {}
        if info.flag("supports_vision") is False:
            traits["images"] = "refuse"
        dropped = parameters.texts("additional_drop_params")
        if usual := [each for each in _DROPPABLE if each in dropped]:
            traits["drop"] = ", ".join(usual)
        if set(dropped) - set(_DROPPABLE):
            self.notes.remark(
                parameters.at("additional_drop_params"),
                "fields that a server does not take are left out by its dialect; drop takes only "
                f"{', '.join(_DROPPABLE)}",
            )
        return Facts(
            context_window=window or loaded,
            max_output_tokens=most or (either if either != window else None),
            traits=tuple(traits.items()),
            price=read_price(parameters, info, self.notes),
            budget=read_budget(parameters, self.notes),
        )

    def _report_rest(self, entry: Table, parameters: Table, info: Table) -> None:
        parameters.ignore(*HANDLED_HERE)
        for key in parameters.rest():
            parameter_meaning(key, parameters.entries[key]).note(self.notes, parameters.at(key))
        for key in info.rest():
            model_info_meaning(key, info.entries[key]).note(self.notes, info.at(key))
        for key in entry.rest():
            self.notes.lose(entry.at(key), "is no setting that LiteLLM is known to have")


def _other_than_chat(info: Table, group: str, written: str) -> str:
    """Return what an entry is for if it is not chat, else ""."""
    mode = info.text("mode") or ""
    if _OTHER_MODES.search(mode):
        return f"for {mode.replace('_', ' ')}"
    if mode == "completion":
        return "for the old completions API"
    is_other = not mode and any(_OTHER_NAMES.search(each.lower()) for each in (group, written))
    return "no model for chat, by its name" if is_other else ""
