"""``Providers`` -> backends, models and prices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from attrs import Factory, evolve, frozen

from claude_bridge.config.fields import header
from claude_bridge.core.model_names import TIERS, is_clients_own, plain_name
from claude_bridge.importers import names
from claude_bridge.importers.addresses import Address, address, host_of, url_text
from claude_bridge.importers.claude_code_router.keys import (
    KEY_FIELDS,
    POOL_FIELDS,
    POOL_OPTIONS,
    key_strategy,
    keys_of,
)
from claude_bridge.importers.claude_code_router.reading import Object, Provider, Reading, is_nothing, whole
from claude_bridge.importers.claude_code_router.transformers import VERTEX, Effects, effects
from claude_bridge.importers.draft import ImportedBackend, ImportedModel, ImportedPrice, Value
from claude_bridge.importers.header_secrets import is_secret_header
from claude_bridge.importers.ini_text import unfit
from claude_bridge.importers.text import plain

_URLS: Final = ("api_base_url", "baseUrl", "baseurl", "base_url", "apiBaseUrl")

_PROTOCOLS: Final = {
    "openai_responses": "responses",
    "openai": "",
    "openai_chat": "openai",
    "openai_chat_completions": "openai",
    "anthropic": "anthropic",
    "anthropic_messages": "anthropic",
    "gemini": "openai",
    "gemini_generate_content": "openai",
}
"""Version 3's word for what a provider speaks -> the kind of a backend."""

_READ: Final = frozenset(
    {
        *_URLS,
        *KEY_FIELDS,
        *POOL_FIELDS,
        *POOL_OPTIONS,
        *("name", "models", "transformer", "type", "protocol", "capabilities", "enabled", "extraHeaders"),
        *("modelMetadata", "model_metadata", "modelDisplayNames", "model_display_names"),
    }
)

_SHOWN_ONLY: Final = frozenset({"id", "icon", "account", "billing", "provider", "protocolDetectionMode"})
"""What version 3 keeps for its own window."""

_TOLD: Final = {
    "tokenizer": "not needed: the bridge asks the server, or counts by itself and learns from its answers",
    "autoFetchModels": "not needed: the server's list is asked for anyway, and each name in it can be used",
    "autoFetchKnownModels": "not needed: the server's list is asked for anyway",
}

_UNFIT_REFERENCE: Final = re.compile(r"[\s,]")
"""What no name of a model in a route may have."""

_PER_MILLION: Final = {
    "inputUsdPerMillionTokens": "input",
    "outputUsdPerMillionTokens": "output",
    "cacheReadUsdPerMillionTokens": "cache_read",
    "cacheWrite5mUsdPerMillionTokens": "cache_write",
    "cacheWriteUsdPerMillionTokens": "cache_write",
}


def read_providers(reading: Reading) -> None:
    """Add the backends, models and prices of all providers."""
    field = "Providers" if not is_nothing(reading.data.get("Providers")) else "providers"
    items = reading.data.get(field)
    if not isinstance(items, list):
        if items is not None:
            reading.draft.lose(field, "not a list, so without a provider")
        return
    if field == "Providers" and not is_nothing(reading.data.get("providers")):
        reading.draft.lose("providers", "ignored where there is a Providers, as the router does")
    reading.names = {names.plain_name(str(item.get("name")), "").casefold() for item in items if isinstance(item, dict)}
    for number, item in enumerate(items):
        path = f"{field}[{number}]"
        if isinstance(item, dict):
            _Reader(item, path, reading).read()
        else:
            reading.draft.lose(path, "not an object, so no provider")
    _report_twins(reading)


def _report_twins(reading: Reading) -> None:
    seen: dict[str, Provider] = {}
    for each in reading.providers:
        if (first := seen.setdefault(each.name, each)) is not each:
            reading.draft.remark(
                first.path, f"another provider has the same name: routes mean that one, [backend:{each.backend}]"
            )


@frozen(kw_only=True)
class ModelSettings:
    """What a model has beyond its name; the names are those of `ImportedModel`."""

    label: str = ""
    context_window: int | None = None
    max_output_tokens: int | None = None
    traits: Mapping[str, Value] = Factory(dict)


@frozen
class _Reader:
    """Reads one provider."""

    _item: Object
    _path: str
    _reading: Reading

    def read(self) -> None:
        """Add what it configures."""
        item, draft = self._item, self._reading.draft
        if item.get("enabled") is False:
            draft.remark(self._path, "switched off, so left out")
            return
        whole_use, per_model = self._transformers()
        if any(isinstance(each, str) and each.lower() in VERTEX for each in _flat(whole_use)):
            draft.lose(self._path, "Vertex AI wants a login at Google Cloud, which this transformer did")
            return
        effect = effects(whole_use, f"{self._path}.transformer.use", draft) if whole_use is not None else Effects()
        where = self._address(effect)
        if where is None:
            return
        provider = self._provider(where)
        self._backend(provider, where)
        self._models(provider, effect, per_model)
        self._rest()

    def _provider(self, where: Address) -> Provider:
        name = str(self._item.get("name") or "").strip()
        backend = self._reading.backends.take(names.plain_name(name, names.of_host(host_of(where.url))))
        if backend != name:
            told = f"called {backend} here, as in /model {backend},MODEL"
            self._reading.draft.remark(f"{self._path}.name", told)
        provider = Provider(name=name, backend=backend, path=self._path)
        self._reading.providers.append(provider)
        return provider

    def _address(self, effect: Effects) -> Address | None:
        """Return where the provider is, and report what is wrong with it."""
        draft, kind = self._reading.draft, effect.kind
        field, written = next(
            ((name, self._item[name]) for name in _URLS if not is_nothing(self._item.get(name))), ("api_base_url", "")
        )
        protocol = str(self._item.get("type") or self._item.get("protocol") or "").strip().lower()
        several = self._item.get("capabilities")
        for each in several if isinstance(several, list) else []:
            if isinstance(each, dict) and str(each.get("type")).lower() in _PROTOCOLS and not protocol:
                protocol = str(each["type"]).lower()
                written = each.get("baseUrl") or written
        kind = _PROTOCOLS.get(protocol, kind)
        found = address(self._reading.referring(written) if isinstance(written, str) else "", kind)
        if not found.url:
            draft.lose(f"{self._path}.{field}", "no address of a server, so the provider is left out")
            return None
        for told in found.lost:
            draft.lose(f"{self._path}.{field}", f"{told} is left out")
        for told in found.changed:
            draft.remark(f"{self._path}.{field}", told)
        return found

    def _backend(self, provider: Provider, where: Address) -> None:
        keys = keys_of(self._item, self._path, provider.backend, self._reading)
        self._reading.draft.backends.append(
            ImportedBackend(
                name=provider.backend,
                came_from=f"{self._path}: {provider.name}" if provider.name else self._path,
                url=url_text(where.url),
                kind=where.kind if where.kind not in {"", "openai"} else "",
                api_key=keys,
                key_strategy=key_strategy(self._item, self._path, len(keys), self._reading),
                headers=tuple(self._headers(provider)),
            )
        )

    def _headers(self, provider: Provider) -> Iterator[tuple[str, Value]]:
        extra = self._item.get("extraHeaders")
        given = extra.items() if isinstance(extra, dict) else ()
        for name, value in ((name, each) for name, each in given if not is_nothing(each)):
            at = f"{self._path}.extraHeaders.{name}"
            try:
                header(f"{name}: {value}")
            except ValueError as error:
                self._reading.draft.lose(at, str(error))
                continue
            if not is_secret_header(name, str(value)):
                yield name, url_text(self._reading.referring(str(value)))
            elif secret := self._reading.secret(str(value), at, names.variable_name(provider.backend, name)):
                yield name, secret

    def _transformers(self) -> tuple[object, dict[str, Any]]:
        """Return the transformers of the provider, and those of its models."""
        given = self._item.get("transformer")
        if isinstance(given, dict):
            return given.get("use"), {name: each for name, each in given.items() if name != "use"}
        return (None if is_nothing(given) else given), {}

    def _models(self, provider: Provider, effect: Effects, per_model: dict[str, Any]) -> None:
        listed = list(dict.fromkeys(self._listed(provider)))
        others = [name for name, each in per_model.items() if name not in listed and not is_nothing(each)]
        for name in others:
            told = "the provider has no such model in its list; it is added"
            self._reading.draft.remark(f'{self._path}.transformer["{name}"]', told)
        for model in [*listed, *others]:
            own = per_model.get(model)
            use = own.get("use") if isinstance(own, dict) else own
            at = f'{self._path}.transformer["{model}"].use'
            self._model(provider, model, _both(effect, effects(use, at, self._reading.draft)))

    def _listed(self, provider: Provider) -> Iterator[str]:
        """Yield the names of the models in the list of a provider."""
        given = self._item.get("models")
        for number, each in enumerate(given if isinstance(given, list) else [given]):
            found = (each.get("name") or each.get("id") or each.get("model")) if isinstance(each, dict) else each
            if isinstance(found, str) and found.strip():
                yield found.strip()
            elif not is_nothing(each):
                self._reading.draft.lose(f"{provider.path}.models[{number}]", "not the name of a model")

    def _model(self, provider: Provider, model: str, effect: Effects) -> None:
        """Add a model with what its transformers come to, and what version 3 knows of it."""
        known = self._of_model(model, "modelMetadata", "model_metadata")
        label = self._of_model(model, "modelDisplayNames", "model_display_names")
        found = known if isinstance(known, dict) else {}
        settings = ModelSettings(
            label=label.strip() if isinstance(label, str) and label.strip() != model else "",
            context_window=whole(found.get("contextWindow")) or whole(found.get("maxContextWindow")),
            max_output_tokens=effect.max_output_tokens or whole(found.get("maxOutputTokens")),
            traits=effect.traits,
        )
        name = add_model(self._reading, provider, model, settings)
        pricing = found.get("pricing")
        if (
            name is not None
            and isinstance(pricing, dict)
            and (price := _price(name, pricing, f"{provider.path}: {model}"))
        ):
            self._reading.draft.prices.append(price)

    def _of_model(self, model: str, *fields: str) -> Any:  # noqa: ANN401 - decoded JSON is what it is
        for field in fields:
            several = self._item.get(field)
            if isinstance(several, dict) and model in several:
                return several[model]
        return None

    def _rest(self) -> None:
        """Report the fields that nothing has read."""
        draft = self._reading.draft
        for field, value in self._item.items():
            if field in _READ | _SHOWN_ONLY or is_nothing(value):
                continue
            if field in _TOLD:
                draft.remark(f"{self._path}.{field}", _TOLD[field])
            elif field == "extraBody":
                draft.lose(f"{self._path}.{field}", "no fields can be added to requests here")
            elif field in {"modelDescriptions", "model_descriptions"}:
                draft.lose(f"{self._path}.{field}", "the bridge adds no list of models to Claude Code's tools")
            else:
                draft.lose(f"{self._path}.{field}", "a backend has no such option")


def add_model(reading: Reading, provider: Provider, model: str, settings: ModelSettings | None = None) -> str | None:
    """Add a model of a provider, and return its name in the result; None if no INI file can hold the model's own name.

    That is the provider's own name for it, with the backend in front where Claude Code itself uses the name, where it
    would be read as a model of another backend, and where another model has it already. A name with the word of one of
    Claude Code's families is no section's: `claude-bridge launch` would give that model to every request of the family,
    whatever the routes say. So such a model stays ``backend/model``, or has a number if it needs a section.
    """
    if why := unfit(plain(model)):
        told = f"the model's name {why}, which no value of an INI file may be or have: the model is left out"
        reading.draft.lose(f'{provider.path}.models["{model}"]', told)
        return None
    found = settings or ModelSettings()
    has_family = any(word in model.lower() for word in TIERS)
    if has_family and found == ModelSettings() and not _UNFIT_REFERENCE.search(model):
        name = f"{provider.backend}/{model}"
        provider.aliases[model] = name
        provider.without_section.append(model)
        return name
    wanted = names.model_alias(plain_name(model).replace(",", "-"))
    if has_family:
        wanted = f"{provider.backend}-{len(provider.aliases) + 1}"
        found = evolve(found, label=found.label or model)
    name = reading.aliases.take(_in_front(wanted, provider, reading))
    provider.aliases[model] = name
    reading.draft.models.append(
        ImportedModel(
            name=name,
            backend=provider.backend,
            model=plain(model),
            label=found.label,
            context_window=found.context_window,
            max_output_tokens=found.max_output_tokens,
            traits=found.traits,
        )
    )
    return name


def _in_front(wanted: str, provider: Provider, reading: Reading) -> str:
    """Return a name with the backend in front of it where it would mean something else without."""
    front, slash, _ = wanted.casefold().partition("/")
    others = reading.names - {provider.backend.casefold()}
    taken = any(wanted.casefold() == each.name.casefold() for each in reading.draft.models)
    is_another = is_clients_own(wanted) or (slash and front in others) or taken
    return f"{provider.backend}/{wanted}" if is_another else wanted


def note_models_without_section(reading: Reading) -> None:
    """Note in each backend's comment which of its models have no section, and how they are reached."""
    missing = {each.backend: each.without_section for each in reading.providers if each.without_section}
    reading.draft.models_without_section = sum(map(len, missing.values()))
    for at, backend in enumerate(reading.draft.backends):
        if models := missing.get(backend.name):
            told = f"Named like a family of Claude Code, so without a section; as in /model {backend.name},NAME:"
            notes = (*backend.notes, told, *(f"  {each}" for each in models))
            reading.draft.backends[at] = evolve(backend, notes=notes)


def _both(first: Effects, second: Effects) -> Effects:
    """Return what both lists of transformers come to, the one of the provider first."""
    found = Effects(first.kind, first.max_output_tokens, {**first.traits, **second.traits})
    if second.max_output_tokens is not None:
        found.limit(second.max_output_tokens)
    return found


def _price(alias: str, pricing: dict[str, Any], came_from: str) -> ImportedPrice | None:
    """Return the price of a model, None where one of the two that are needed is missing."""
    found: dict[str, Any] = {}
    for field, key in _PER_MILLION.items():
        value = pricing.get(field)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            found.setdefault(key, Decimal(repr(value)))
    if not {"input", "output"} <= set(found):
        return None
    return ImportedPrice(name=alias, came_from=came_from, **found)


def _flat(use: object) -> Iterator[object]:
    """Yield the names of a list of transformers."""
    for each in use if isinstance(use, list) else [use]:
        yield each[0] if isinstance(each, list) and each else each
