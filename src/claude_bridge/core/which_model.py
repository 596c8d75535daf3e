"""What a model's name leads to by the configuration alone: a model that it means, or a route (docs/design.md 3).

Who names a model means it; who does not is routed. The backends' lists are not known here: `Choice.asks_lists` says
where they come first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from attrs import field, frozen

from claude_bridge.core.model_names import AUTO, is_clients_own, pin
from claude_bridge.core.routing import Facts, Judgement, RouteTable


@frozen
class Meant:
    """A model that a name means.

    :ivar alias: the configured name, in the configuration's spelling; "" for a name of the form ``backend/model``.
    :ivar backend: the backend of a name of that form, else "".
    :ivar model: its model there, else "".
    """

    alias: str = ""
    backend: str = ""
    model: str = ""


@frozen
class Choice:
    """What one request's model name leads to.

    :ivar name: the plain name.
    :ivar meant: the model that the name means, or None.
    :ivar route: the name of the route that takes the request, or "".
    """

    name: str
    meant: Meant | None
    route: str

    @property
    def asks_lists(self) -> bool:
        """Whether the name may be in a backend's list, which then counts more than a route.

        A configured name is not looked up there. Neither is one of Claude Code's own if a route takes it, as no
        backend lists it.
        """
        return self.meant is None and not (self.route and is_clients_own(self.name))


@frozen
class WhichModel:
    """Decides by names and routes.

    :ivar aliases: the configured names.
    :ivar backends: the names of the backends.
    """

    aliases: Collection[str]
    backends: Collection[str]
    routes: RouteTable
    _by_folded: Mapping[str, str] = field(init=False, repr=False, eq=False)

    @_by_folded.default
    def _fold_aliases(self) -> Mapping[str, str]:
        """Return the first alias of each spelling but for case: they are looked up for every model of long lists."""
        return {alias.casefold(): alias for alias in reversed(tuple(self.aliases))}

    def alias(self, name: str) -> str | None:
        """Return a configured name in the configuration's spelling: exactly, else ignoring case; None if it is none."""
        return name if name in self.aliases else self._by_folded.get(name.casefold())

    def meant(self, name: str) -> Meant | None:
        """Return the model that a plain name means, or None."""
        alias = self.alias(name)
        if alias is not None:
            return Meant(alias=alias)
        pinned = pin(name, self.backends)
        return None if pinned is None else Meant(backend=pinned[0], model=pinned[1])

    @property
    def has_auto(self) -> bool:
        """Whether `AUTO` is worth asking for: it may lead to several models, and none is called so."""
        return self.routes.has_choice and self.alias(AUTO) is None

    def choose(self, name: str, facts: Facts) -> Choice:
        """Return what a request with this plain name leads to."""
        meant = self.meant(name)
        if meant is not None and not meant.alias:
            return Choice(name, meant, "")
        rule = self.routes.choose(name, facts, is_alias=meant is not None)
        return Choice(name, meant, "" if rule is None else rule.name)

    def explain(self, choice: Choice, facts: Facts) -> Iterator[Judgement]:
        """Yield the judgements of the routes behind a choice, up to the first that takes the request.

        There are none for a name of the form ``backend/model``, which no route is asked about.
        """
        if choice.meant is None or choice.meant.alias:
            yield from self.routes.explain(choice.name, facts, is_alias=choice.meant is not None)
