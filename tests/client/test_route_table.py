"""`claude-bridge routes`: the routes and names of a configuration, as text."""

from __future__ import annotations

from claude_bridge.client.route_table import WIDTH, columns, paragraph, route_table
from tests.config.files import config_of

TWO = """
[backend:chutes]
url = https://llm.chutes.ai/v1
[backend:box]
url = http://box:8000/v1
[model:glm]
backend = chutes
name = zai-org/GLM-4.5-Air
context_window = 131072
[model:small]
backend = box
name = Qwen3-4B
"""

ROUTES = """
[route:default]
models = glm
patience = 2
[route:side]
models = small, chutes/other
when = background, subagent
max_attempts = 3
max_wait = 1m
[route:names]
models = small
match = opus, glm*
"""

SHOWN = """\
ROUTE    MATCH  WHEN               MODELS                            LIMITS
side            background         small = box/Qwen3-4B              max_attempts 3
                subagent           chutes/other                      max_wait 60 s
names    opus                      small = box/Qwen3-4B
         glm*
default         any other request  glm = chutes/zai-org/GLM-4.5-Air  patience 2 s

Configured names, each of which means its model:
  glm    chutes/zai-org/GLM-4.5-Air  window 131072  but route names
  small  box/Qwen3-4B

BACKEND/MODEL or BACKEND,MODEL goes to that backend (chutes, box), and so does a
name that a backend lists. No route is asked for these.

Every other name takes the first route that fits. Where one takes auto, opus,
sonnet, haiku, fable or a claude-* id, the backends' lists are not asked for it.
"""


class TableTests:
    """The whole text."""

    def test_everything(self) -> None:
        """Routes come in the order in which they are tried, then the names, then what other names lead to."""
        assert route_table(config_of(TWO + ROUTES)) == SHOWN

    def test_empty_columns_are_left_out(self) -> None:
        """A default route alone shows neither patterns nor limits, and fits a terminal."""
        shown = route_table(config_of(TWO + "[route:default]\nmodels = glm\n"))
        assert shown.startswith("ROUTE    WHEN               MODELS\ndefault  any other request  glm = chutes/")
        assert max(map(len, shown.splitlines())) <= WIDTH

    def test_route_of_a_budget(self) -> None:
        """A route that only a budget leads to says which one."""
        text = "[route:default]\nmodels = glm\n[route:cheap]\nmodels = small\n"
        budget = "[budget:month]\namount = 5\nper = month\nthen = route cheap\n"
        shown = route_table(config_of(TWO + text + budget)).splitlines()
        assert shown[1].split("  ")[:2] == ["cheap", ""]
        assert "budget month is spent" in shown[1]
        assert "any other request" in shown[2]

    def test_conditions_of_a_name(self) -> None:
        """A configured name tells which routes take it when, up to the one that always does."""
        text = TWO + (
            "[route:eyes]\nmodels = chutes/v\nmatch = glm\nwhen = image\n[route:all]\nmodels = chutes/a\nmatch = g*\n"
            "[route:late]\nmodels = chutes/a\nmatch = gl*\n"
        )
        assert "window 131072  but route eyes when image, but route all\n" in route_table(config_of(text))

    def test_no_default_route(self) -> None:
        """Without a default route it says what happens to the rest: here a 404 that can be helped."""
        shown = " ".join(route_table(config_of(TWO + "[route:eyes]\nmodels = glm\nwhen = image\n")).split())
        assert "No route takes the rest. There is more than one backend, so a name is refused" in shown

    def test_nothing_configured(self) -> None:
        """Of the environment alone it says where every name goes."""
        shown = route_table(config_of(""))
        assert shown.startswith("There are no routes.\n\nBACKEND/MODEL or")
        assert "If backend default lists exactly one model, that one answers for any other name;" in shown
        assert "Configured names" not in shown


class ColumnTests:
    """Aligned text."""

    def test_columns(self) -> None:
        """Cells are padded to the widest of their column, lines have no blanks at their end, empty columns vanish."""
        assert columns([["a", "", "long one"], ["bbb", "", ""]], "> ") == ["> a    long one", "> bbb"]

    def test_paragraph(self) -> None:
        """Long words such as names of models are never broken."""
        name = "org/" + "x-" * 50
        assert name in paragraph(f"a {name} b").splitlines()
        assert paragraph("word " * 20, "- ", "  ").splitlines()[1].startswith("  word")
