"""Reads what a LiteLLM file has besides its models: defaults, rules, the clients' key, breaker, log and search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from attrs import define

from claude_bridge.config.fields import base_url
from claude_bridge.config.listeners import tcp
from claude_bridge.config.proxy import proxy
from claude_bridge.importers.draft import (
    ImportedBreaker,
    ImportedBudget,
    ImportedConfiguration,
    ImportedKey,
    ImportedLimits,
    ImportedLog,
    ImportedServer,
    ImportedWebSearch,
)
from claude_bridge.importers.litellm.budgets import read_budget
from claude_bridge.importers.litellm.meanings import (
    Meaning,
    general_meaning,
    litellm_meaning,
    router_meaning,
    top_meaning,
)
from claude_bridge.importers.litellm.model_entries import Defaults
from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.routing import EVERY, TOTAL_BUDGET, Rules
from claude_bridge.importers.litellm.table import Table
from claude_bridge.importers.litellm.values import Values, fits_a_line
from claude_bridge.importers.litellm.yaml_reader import Scalar, Tree, texts
from claude_bridge.importers.text import Text, Variable, plain

PORT: Final = 4000
"""Where LiteLLM listens unless its command line says otherwise."""

_INTERCEPTION: Final = "websearch_interception"
"""The callback that takes over searches, as the bridge does by itself."""
_SAMPLE_PROXY: Final = "http://127.0.0.1:3128"
_MOST_RETRIES: Final = 1000
_MOST_SECONDS: Final = 86_400
_SHUFFLE: Final = "simple-shuffle"
_BUSY: Final = ("least-busy", "usage-based-routing")
_ENGINES: Final[Mapping[str, tuple[str, str]]] = {
    "tavily": ("tavily", "TAVILY_API_KEY"),
    "brave": ("brave", "BRAVE_API_KEY"),
    "searxng": ("searxng", ""),
}
"""``search_provider`` -> engine, and the variable with its key."""


@define
class Settings:
    """The sections of a file.

    :ivar file: the file itself.
    """

    file: Table
    values: Values
    notes: Notes
    router: Table
    litellm: Table
    general: Table

    @classmethod
    def of(cls, file: Table, values: Values, notes: Notes) -> Settings:
        """Return the sections of a file."""
        names = ("router_settings", "litellm_settings", "general_settings")
        router, litellm, general = (file.table(name) for name in names)
        return cls(file, values, notes, router, litellm, general)

    def defaults(self) -> Defaults:
        """Return what holds for every model."""
        router, litellm = self.router, self.litellm
        for_all, of_router = _seconds(litellm.number("request_timeout")), _seconds(router.number("timeout"))
        parallel = self.general.whole("max_parallel_requests", 100_000)
        return Defaults(
            timeout=of_router or for_all,
            stream_timeout=_seconds(router.number("stream_timeout")),
            max_streams=router.whole("default_max_parallel_requests", 100_000) or parallel,
            ca_file=self._authority(),
            proxy=self._proxy(),
            unproxied=self._unproxied(),
        )

    def _authority(self) -> Text | None:
        written = self.litellm.text("ssl_verify")
        if written is None or written.lower() == "true":
            return None
        if written.lower() == "false":
            self.notes.lose(
                self.litellm.at("ssl_verify"),
                "certificates are always checked here: name the authority in ca_file of the backend",
            )
            return None
        return self.values.plain(written, "/ca.pem")

    def _proxy(self) -> Text | None:
        """Return the proxy that the file's own variables name; LiteLLM takes it from the environment."""
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            written, path = self.values.given.get(name), f"environment_variables.{name}"
            if written is None:
                continue
            self.values.used.add(name)
            url = written if "://" in written else f"http://{written}"
            try:
                server = proxy(url).server
            except ValueError as error:
                self.notes.lose(path, str(error))
                continue
            if server is not None and server.has_login:
                return self.values.client_secret(url, name, path, _SAMPLE_PROXY)
            return plain(url)
        return None

    def _unproxied(self) -> tuple[str, ...]:
        names = [name for name in ("NO_PROXY", "no_proxy") if name in self.values.given]
        self.values.used.update(names)
        found = [part.strip().lower().lstrip("*.") for name in names for part in self.values.given[name].split(",")]
        return tuple(each for each in found if each)

    def rules(self) -> tuple[Rules, Mapping[str, str]]:
        """Return the rules by which models are chosen, and where each kind of them stands in the file."""
        router, litellm = self.router, self.litellm
        paths: dict[str, str] = {}

        def first(key: str, word: str) -> list[tuple[str, Sequence[str]]]:
            found = [(table, table.tree(key)) for table in (router, litellm)]
            for table, tree in found:
                if tree is not None:
                    paths.setdefault(word, table.at(key))
                    return [*self._targets(table.at(key), tree)]
            return []

        fallbacks = dict(first("fallbacks", "fallbacks"))
        general = router.texts("default_fallbacks") or litellm.texts("default_fallbacks")
        if general:
            paths.setdefault(
                "fallbacks", (router if "default_fallbacks" in router.entries else litellm).at("default_fallbacks")
            )
            fallbacks.setdefault(EVERY, general)
        strategy = router.text("routing_strategy") or _SHUFFLE
        if strategy != _SHUFFLE and not strategy.startswith(_BUSY):
            told = "no counterpart: several keys take turns, and of several addresses the first is asked"
            self.notes.lose(router.at("routing_strategy"), told)
        retries = router.number("num_retries")
        retries = litellm.number("num_retries") if retries is None else retries
        most = router.whole("max_fallbacks", 1000)
        rules = Rules(
            aliases=self._aliases(paths),
            fallbacks=fallbacks,
            larger=dict(first("context_window_fallbacks", "larger")),
            retries=None if retries is None or not 0 <= retries <= _MOST_RETRIES else int(retries),
            most_fallbacks=most or 5,
            is_shuffled=not strategy.startswith(_BUSY),
        )
        if rules.larger:
            self.notes.remark(paths["larger"], "these models also take over when the first fails for another reason")
        return rules, paths

    def _aliases(self, paths: dict[str, str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for table, key in ((self.litellm, "model_alias_map"), (self.router, "model_group_alias")):
            aliases = table.table(key)
            if aliases.entries:
                paths["aliases"] = aliases.path
            for alias, tree in aliases.entries.items():
                meant = tree.get("model") if isinstance(tree, dict) else tree
                if isinstance(meant, Scalar) and meant.text:
                    found[alias] = meant.text
                else:
                    self.notes.lose(aliases.at(alias), "no model is named")
        return found

    def _targets(self, path: str, tree: Tree) -> Iterable[tuple[str, Sequence[str]]]:
        """Yield the names of a list of fallbacks, with the names that stand in for them."""
        entries = tree if isinstance(tree, list) else [tree]
        for entry in entries:
            if not isinstance(entry, dict):
                self.notes.lose(path, "an entry in it is no mapping from a name to a list of names")
                continue
            for name, others in entry.items():
                found = [
                    each for each in (others if isinstance(others, list) else [others]) if isinstance(each, Scalar)
                ]
                if isinstance(others, list) and len(found) != len(others):
                    self.notes.lose(path, "a stand-in with settings of its own is left out")
                yield name, [*texts(list(found))]

    def write(self, draft: ImportedConfiguration, *, keep_port: bool) -> None:
        """Write the sections for everything but models into a draft."""
        self._doors(draft, keep_port=keep_port)
        self._budget(draft)
        self._breaker(draft)
        self._limits(draft)
        self._log(draft)
        self._search(draft)
        draft.old_address = f"http://127.0.0.1:{PORT}"

    def _doors(self, draft: ImportedConfiguration, *, keep_port: bool) -> None:
        """Write who may come in, and where."""
        written = self.general.text("master_key")
        if written is None and "LITELLM_MASTER_KEY" in self.values.given:
            written = "os.environ/LITELLM_MASTER_KEY"
        listen = (tcp(PORT, "127.0.0.1"),) if keep_port else ()
        if keep_port:
            self.notes.remark(
                "the port",
                f"LiteLLM listens at {PORT} on every interface unless told otherwise; here on 127.0.0.1 only",
            )
        if written is None:
            draft.server = ImportedServer(listen=listen, credentials="none")
            self.notes.remark(
                "general_settings.master_key",
                "is not there, so nobody is asked for a key; if LITELLM_MASTER_KEY was set, write credentials = keys "
                "and a [key:master] with secret = ${LITELLM_MASTER_KEY}",
            )
            return
        if not self.values.is_sendable(written):
            self.notes.lose(
                self.general.at("master_key"),
                "a character that no key may have here: set LITELLM_MASTER_KEY to another one",
            )
            secret = Text(parts=(Variable("LITELLM_MASTER_KEY"),))
        else:
            path = self.general.at("master_key")
            secret = self.values.client_secret(written, "LITELLM_MASTER_KEY", path)
        draft.server = ImportedServer(listen=listen, credentials="keys")
        draft.keys.append(
            ImportedKey(
                name="master",
                came_from="general_settings.master_key",
                secret=secret,
            )
        )

    def _budget(self, draft: ImportedConfiguration) -> None:
        for table in (self.litellm, self.general):
            budget = read_budget(table, self.notes)
            if budget is not None and not any(each.whom == "all" for each in draft.budgets):
                draft.budgets.insert(
                    0,
                    ImportedBudget(
                        name=TOTAL_BUDGET, came_from=table.at("max_budget"), whom="all", amount=budget[0], per=budget[1]
                    ),
                )

    def _breaker(self, draft: ImportedConfiguration) -> None:
        tables = (self.router, self.litellm)
        fails = [number for table in tables if (number := table.number("allowed_fails")) is not None]
        rests = [rest for table in tables if (rest := _seconds(table.number("cooldown_time"))) is not None]
        if self.router.flag("disable_cooldowns") or not (fails or rests):
            return
        draft.breaker = ImportedBreaker(
            came_from=self.router.path or self.litellm.path,
            enabled=True,
            failures=min(10_000, max(1, int(fails[0]) + 1)) if fails else None,
            open_seconds=rests[0] if rests else None,
        )

    def _limits(self, draft: ImportedConfiguration) -> None:
        streams = self.general.whole("global_max_parallel_requests", 100_000)
        body = self.general.whole("max_request_size_mb", 1024)
        if streams is not None or body is not None:
            draft.limits = ImportedLimits(
                came_from=self.general.path, max_body="" if body is None else f"{body}M", max_streams=streams
            )

    def _log(self, draft: ImportedConfiguration) -> None:
        levels = [self.litellm.text("log_level"), self.general.text("log_level")]
        verbose = self.litellm.flag("set_verbose")
        level = "debug" if verbose or any(each and each.upper() == "DEBUG" for each in levels) else ""
        form = "json" if self.litellm.flag("json_logs") else ""
        if level or form:
            draft.log = ImportedLog(came_from=self.litellm.path, level=level, format=form)

    def _search(self, draft: ImportedConfiguration) -> None:
        """Write the search engine: the one that takes over Claude Code's searches, else the first that is known."""
        tools = self.file.tables("search_tools")
        chosen = self.litellm.table("websearch_interception_params").text("search_tool_name")
        for tool in sorted(tools, key=lambda each: each.text("search_tool_name") != chosen):
            found = self._engine(tool) if draft.web_search is None else None
            if found is None:
                self.notes.lose(tool.path, f"no search that the bridge can use beside another: {', '.join(_ENGINES)}")
            draft.web_search = draft.web_search or found
        if draft.web_search is not None and set(self.litellm.texts("callbacks")) - {_INTERCEPTION}:
            self.litellm.leave("callbacks")

    def _engine(self, tool: Table) -> ImportedWebSearch | None:
        """Return the search engine of a tool, None for one that cannot be used."""
        parameters = tool.table("litellm_params")
        engine, variable = _ENGINES.get(parameters.text("search_provider") or "", ("", ""))
        written, base = parameters.text("api_key"), parameters.text("api_base")
        if not engine or (engine == "searxng" and base is None) or not self._is_url(base, hosted=bool(variable)):
            return None
        key = self.values.variable(variable) if variable else None
        if written and self.values.is_sendable(written):
            key = self.values.secret(written, variable or "SEARXNG_API_KEY", parameters.at("api_key")) or key
        if variable and key is None:
            return None
        url = None if base is None else self.values.plain(base, "https://127.0.0.1:8888")
        return ImportedWebSearch(came_from=tool.path, engine=engine, url=url, api_key=key)

    def _is_url(self, written: str | None, *, hosted: bool) -> bool:
        """Return whether an engine may have this address; a service gets its key there, so only encrypted."""
        text = None if written is None else self.values.resolved(written)
        try:
            return text is None or (base_url(text).startswith("https://" if hosted else "http") and fits_a_line(text))
        except ValueError:
            return False

    def note_rest(self) -> None:
        """Note everything in the file that nothing has used."""
        meanings: tuple[tuple[Table, Callable[[str, Tree], Meaning]], ...] = (
            (self.router, router_meaning),
            (self.litellm, litellm_meaning),
            (self.general, general_meaning),
            (self.file, top_meaning),
        )
        for table, meaning in meanings:
            for key in table.rest():
                meaning(key, table.entries[key]).note(self.notes, table.at(key))
        for name in self.values.given:
            if name not in self.values.used:
                self.notes.lose(f"environment_variables.{name}", "nothing in the result needs it")


def _seconds(number: Decimal | None) -> float | None:
    """Return a limit that the bridge can have, in seconds; None for none, or one that is longer than a day."""
    return None if number is None or not Decimal("0.001") <= number <= _MOST_SECONDS else float(number)
