"""``model_list`` with its patterns, aliases and fallbacks -> backends, models, routes, prices and budgets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from attrs import Factory, define, evolve, field, frozen

from claude_bridge.config.expand import quoted
from claude_bridge.config.variables import DEFAULT_BACKEND
from claude_bridge.core.model_names import is_clients_own
from claude_bridge.core.routing import DEFAULT
from claude_bridge.importers.draft import (
    ImportedBudget,
    ImportedConfiguration,
    ImportedModel,
    ImportedPrice,
    ImportedRoute,
    Value,
)
from claude_bridge.importers.litellm.backend_sections import BackendSections
from claude_bridge.importers.litellm.deployment import Deployment
from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.patterns import (
    Patterns,
    as_match,
    backend_named,
    exactly,
    most_specific_first,
)
from claude_bridge.importers.litellm.slots import Slot, slots_of
from claude_bridge.importers.names import UniqueNames, model_alias, plain_name

EVERY: Final = "*"
"""The name whose fallbacks hold for every name without others."""

TOTAL_BUDGET: Final = "all"
"""The NAME of the budget for all requests, which no other has."""

_LONG: Final = "[1m]"
_MOST_ATTEMPTS: Final = 100
_USUAL_WAIT: Final = 120.0
_A_DAY: Final = 86_400.0
_MOST_TRIES: Final = 3
"""How often the bridge asks one model at most for one request."""


@frozen(kw_only=True)
class Rules:
    """What the settings say about choosing.

    :ivar aliases: another name -> the name that it means.
    :ivar fallbacks: name -> the names that are asked when it fails; `EVERY` for all others.
    :ivar larger: the same for prompts that are too long.
    :ivar retries: how often a name is asked again, None if the file does not say.
    :ivar most_fallbacks: names that are asked after the first.
    :ivar is_shuffled: whether requests are spread by chance, and not by how busy keys are.
    """

    aliases: Mapping[str, str] = Factory(dict)
    fallbacks: Mapping[str, Sequence[str]] = Factory(dict)
    larger: Mapping[str, Sequence[str]] = Factory(dict)
    retries: int | None = None
    most_fallbacks: int = 5
    is_shuffled: bool = True


@define
class Assembly:
    """Puts the sections of a draft together.

    :ivar paths: where the rules stand in the file, for notes: ``aliases``, ``fallbacks`` and ``larger``.
    :ivar dropped: names of entries that were not carried over, which no pattern serves.
    """

    draft: ImportedConfiguration
    notes: Notes
    rules: Rules
    paths: Mapping[str, str] = Factory(dict)
    dropped: Collection[str] = ()
    _patterns: dict[str, list[Deployment]] = Factory(dict)
    _groups: dict[str, list[Deployment]] = Factory(dict)
    _slots: dict[str, Sequence[Slot]] = Factory(dict)
    _models: dict[str, ImportedModel] = Factory(dict)
    _backends: BackendSections = field(init=False)
    _aliases: UniqueNames = Factory(UniqueNames)
    _route_names: UniqueNames = Factory(UniqueNames)
    _budget_names: UniqueNames = Factory(UniqueNames)
    _members: dict[str, list[str]] = field(factory=dict)
    _by_identifier: dict[str, str] = Factory(dict)
    _priced: dict[tuple[str, str], ImportedPrice] = Factory(dict)
    _has_default: bool = False

    @_backends.default
    def _no_backends(self) -> BackendSections:
        strategy = "round_robin" if self.rules.is_shuffled else "least_used"
        return BackendSections(self.draft, self.notes, strategy)

    def add(self, deployments: Iterable[Deployment]) -> None:
        """Write the sections for all entries into the draft."""
        for each in deployments:
            (self._patterns if each.is_pattern else self._groups).setdefault(each.group, []).append(each)
        self._add_names()
        self._slots = {name: slots_of(found) for name, found in self._groups.items()}
        self._backends.expect(slot for slots in self._slots.values() for slot in slots)
        self._route_names.take(DEFAULT)
        self._budget_names.take(TOTAL_BUDGET)
        passing = self._passing()
        self._add_models()
        self._add_routes()
        self._add_patterns(passing)
        self._add_orphans()

    def _add_names(self) -> None:
        """Add the entries that would serve names that only rules have."""
        wanted = [name for name, targets in self.rules.fallbacks.items() for name in (name, *targets)]
        wanted += [name for name, targets in self.rules.larger.items() for name in (name, *targets)]
        patterns = Patterns(self._patterns)
        identifiers = {each.identifier for found in self._groups.values() for each in found}
        for name in dict.fromkeys((*wanted, *self.rules.aliases.values())):
            if name in self._groups or name in self.dropped or "*" in name or name in identifiers:
                continue
            if found := list(patterns.serving(name)):
                self._groups[name] = found
                identifiers.update(each.identifier for each in found)
        for alias, name in self.rules.aliases.items():
            if name in self._groups:
                self._groups[alias] = [evolve(each, group=alias) for each in self._groups[name]]
            else:
                self.notes.lose(self._at("aliases", alias), f"for {name}, which is no model that was carried over")

    def _at(self, rule: str, name: str) -> str:
        return f"{self.paths.get(rule, rule)}.{name}"

    # backends

    def _passing(self) -> list[tuple[str, Slot, str]]:
        """Name the backends of patterns that pass names on first, as names decide which requests they get."""
        passing: list[tuple[str, Slot, str]] = []
        general = self._most_general()
        for pattern in most_specific_first(self._patterns):
            slots = slots_of(self._patterns[pattern])
            if "*" not in slots[0].model:
                continue
            name = backend_named(pattern, slots[0].model)
            if name == DEFAULT_BACKEND and pattern != general:
                name = None
            passing.append((pattern, slots[0], self._backends.name_of(slots[0], name)))
            if len(slots) > 1:
                self.notes.lose(slots[1].first.path, f"a second place for {pattern}, and only the first is used")
        for pattern, slot, _ in passing:
            prefix, slash, _ = pattern.partition("/")
            if slash and backend_named(pattern, slot.model) == DEFAULT_BACKEND:
                self._backends.reserve(prefix)  # a backend of this name would get the names of the pattern
        return passing

    def _most_general(self) -> str:
        """Return the pattern whose backend gets every name as it is: Claude Code's own names come before all others."""
        found = [
            pattern
            for pattern, deployments in self._patterns.items()
            if backend_named(pattern, slots_of(deployments)[0].model) == DEFAULT_BACKEND
        ]
        own = [pattern for pattern in found if is_clients_own(pattern)]
        return next(iter((*own, *(each for each in found if each == EVERY), *found)), "")

    # models

    def _add_models(self) -> None:
        aliases = {name: self._alias(name) for name in self._groups}
        for name, slots in self._slots.items():
            self._note_spreading(slots)
            self._members[name] = []
            for number, slot in enumerate(slots):
                alias = aliases[name] if not number else self._aliases.take(f"{aliases[name]}-{number + 1}")
                self._members[name].append(alias)
                self._model(alias, slot)

    def _alias(self, name: str) -> str:
        """Return the NAME of the model for a name of LiteLLM's, and note if clients have to use another."""
        bare = name[: -len(_LONG)] if name.lower().endswith(_LONG) else name
        wanted = _listable(bare)
        alias = self._aliases.take(wanted)
        path = self._groups[name][0].path
        if alias != wanted:
            self.notes.lose(
                f"{path}.model_name", f"differs from another name only in case or in [1m]: clients ask for {alias} here"
            )
        elif wanted != bare:
            self.notes.lose(f"{path}.model_name", f"cannot be a name here: clients ask for {alias}")
        return alias

    def _note_spreading(self, slots: Sequence[Slot]) -> None:
        if len(slots) > 1 and slots[0].order == slots[1].order:
            self.notes.lose(
                f"{slots[0].first.path}.model_name",
                "LiteLLM spreads the requests for one name over several models or addresses; here the first answers, "
                "and the others take over when it fails",
            )

    def _model(self, alias: str, slot: Slot) -> None:
        backend, facts = self._backends.name_of(slot), slot.facts
        for each in slot.deployments:
            if each.identifier:
                self._by_identifier.setdefault(each.identifier, alias)
        self._models[alias] = ImportedModel(
            name=alias,
            came_from=slot.first.path,
            backend=backend,
            model=slot.model,
            context_window=facts.context_window,
            max_output_tokens=facts.max_output_tokens,
            traits=dict(facts.traits),
        )
        self.draft.models.append(self._models[alias])
        if facts.price is not None:
            self._price(alias, backend, slot, facts.price)
        if facts.budget is not None:
            amount, per = facts.budget
            self.draft.budgets.append(
                ImportedBudget(
                    name=self._budget_names.take(plain_name(alias, "model")),
                    came_from=slot.first.path,
                    whom=f"model {alias}",
                    amount=amount,
                    per=per,
                )
            )

    def _price(self, alias: str, backend: str, slot: Slot, price: ImportedPrice) -> None:
        """Write the price of a model, once for each model of a backend."""
        other = self._priced.setdefault((backend, slot.model.casefold()), price)
        if other is price:
            self.draft.prices.append(evolve(price, name=alias, came_from=slot.first.path))
        elif other != price:
            self.notes.lose(
                f"{slot.first.path}.model_info",
                "other prices than those of another entry for the same model, which hold",
            )

    # routes

    def _add_routes(self) -> None:
        for name, members in self._members.items():
            models = self._distinct(
                [*members, *(each for other in self._stand_ins(name) for each in self._named(other))]
            )
            if len(models) > 1:
                self._route(members[0], exactly(members[0]), models)

    def _distinct(self, aliases: Iterable[str]) -> list[str]:
        """Return models without those that are another one under another name."""
        found: dict[tuple[str, Value], str] = {}
        for alias in aliases:
            found.setdefault((self._models[alias].backend, self._models[alias].model), alias)
        return [*found.values()]

    def _stand_ins(self, name: str) -> list[str]:
        """Return the names that are asked when a name fails, in LiteLLM's order: each is followed by its own."""
        found: dict[str, None] = {}
        open_lists = [iter(self._fallbacks_of(name))]
        while open_lists and len(found) < self.rules.most_fallbacks:
            other = next(open_lists[-1], None)
            if other is None:
                open_lists.pop()
            elif other != name and other not in found:
                found[other] = None
                open_lists.append(iter(self._fallbacks_of(other)))
        larger = self.rules.larger.get(name, self.rules.larger.get(EVERY, ()))
        return [*found, *(each for each in larger if each not in found and each != name)]

    def _fallbacks_of(self, name: str) -> Sequence[str]:
        stripped = name.partition("/")[2]
        found = (self.rules.fallbacks.get(each) for each in (name, stripped, EVERY))
        return next((each for each in found if each is not None), ())

    def _named(self, name: str) -> list[str]:
        """Return the models that a fallback means, none if there are none."""
        if name in self._members:
            return self._members[name]
        if name in self._by_identifier:
            return [self._by_identifier[name]]
        self.notes.lose(self.paths.get("fallbacks", "fallbacks"), f"{name} in it was not carried over")
        return []

    def _route(self, name: str, match: str, models: Sequence[str]) -> None:
        is_default = match == EVERY
        self._has_default |= is_default
        self.draft.routes.append(
            ImportedRoute(
                name=DEFAULT if is_default else self._route_names.take(plain_name(name, "route")),
                models=tuple(models),
                match=() if is_default else (match,),
                max_attempts=self._attempts(len(models)),
                max_wait=self._wait(models),
            )
        )

    def _wait(self, models: Sequence[str]) -> float | None:
        """Return how long a request may look for an answer: as long as all but the last model may be silent."""
        asked = (self._backends.section(self._models[each].backend) for each in models[:-1])
        silent = sum(each.first_byte_timeout or 0 for each in asked)
        return min(_A_DAY, silent + _USUAL_WAIT) if silent else None

    def _attempts(self, models: int) -> int | None:
        """Return how many requests are made for one of a client's, None for as many as the bridge likes."""
        if self.rules.retries is None:
            return None
        return min(_MOST_ATTEMPTS, models * min(_MOST_TRIES, self.rules.retries + 1))

    def _add_orphans(self) -> None:
        """Make the fallbacks of a name answer for it where its own models were not carried over."""
        for name in self.rules.fallbacks:
            if name in self._members or "*" in name or _listable(name) != name:
                continue
            models = self._distinct(each for other in self._stand_ins(name) for each in self._named(other))
            if models:
                self._route(name, exactly(name), models)

    # patterns

    def _add_patterns(self, passing: Sequence[tuple[str, Slot, str]]) -> None:
        passed = {pattern for pattern, _, _ in passing}
        for pattern in most_specific_first(self._patterns):
            if pattern not in passed:
                self._fixed(pattern, slots_of(self._patterns[pattern]))
        for pattern, slot, backend in passing:
            self._note_passing(pattern, slot, backend)
        self._add_default(passing)
        if passing and self.rules.fallbacks.get(EVERY):
            self.notes.lose(
                self.paths.get("fallbacks", "fallbacks"),
                "no model stands in for names that only a pattern has: there is a route for each other name",
            )

    def _add_default(self, passing: Sequence[tuple[str, Slot, str]]) -> None:
        """Make the first model that stands in for every other one answer for names that nothing has, as LiteLLM does.

        Not where a pattern passes names on as they are: the route would take them.
        """
        general = self.rules.fallbacks.get(EVERY, ())[:1]
        taken = any(backend_named(pattern, slot.model) == DEFAULT_BACKEND for pattern, slot, _ in passing)
        if taken or self._has_default:
            return
        models = self._distinct(
            each for first in general for name in (first, *self._stand_ins(first)) for each in self._named(name)
        )
        if models:
            self._route(DEFAULT, EVERY, models)

    def _fixed(self, pattern: str, slots: Sequence[Slot]) -> None:
        """Add the route of a pattern whose names all mean one model."""
        if _listable(pattern) != pattern:
            self.notes.lose(f"{slots[0].first.path}.model_name", "a pattern that no route can have")
            return
        self._note_spreading(slots)
        models = []
        for slot in slots:
            alias = self._aliases.take(_listable(slot.model.rsplit("/", 1)[-1]))
            self._model(alias, slot)
            models.append(alias)
        models += [each for other in self.rules.fallbacks.get(EVERY, ()) for each in self._named(other)]
        self._route(models[0], as_match(pattern), self._distinct(models))

    def _note_passing(self, pattern: str, slot: Slot, backend: str) -> None:
        """Note which names of a pattern do not lead where they did."""
        path, is_only = f"{slot.first.path}.model_name", len(self.draft.backends) == 1
        wanted = backend_named(pattern, slot.model)
        if backend == wanted or (wanted == DEFAULT_BACKEND and is_only):
            if wanted == DEFAULT_BACKEND and self._has_default:
                self.notes.lose(path, "names that no other entry has go to [route:default] unless a backend lists them")
        elif wanted == DEFAULT_BACKEND:
            self.notes.lose(
                path, f"names of this pattern go to {backend} where its list of models has them; {backend}/NAME always"
            )
        else:
            self.notes.lose(path, f"names of this pattern do not lead to {backend}: clients ask for {backend}/NAME")


def _listable(name: str) -> str:
    """Return a NAME for a model that a route can list: without commas, quotes around it, or the mark of a comment."""
    bare = name.replace(",", "-").lstrip("#; ")
    return model_alias(bare[1:-1] if quoted(bare) else bare)
