"""Files of other tools are recognised, and called by their tool's name."""

from __future__ import annotations

import pytest

from claude_bridge.config.foreign_files import other_tool
from claude_bridge.config.ini import read_ini

ROUTER = '// mine\n/* old\n */\n{\n  "LOG": true,\n  "Providers": [{"name": "box", "api_key": "sk-of-mine"}]\n}\n'
LITELLM = "# models\n---\n\nmodel_list:\n  - model_name: glm\n    litellm_params:\n      api_key: sk-of-mine\n"


class OtherToolTests:
    """Whose file it is."""

    @pytest.mark.parametrize(
        ("text", "tool"),
        [
            (ROUTER, "the JSON file of Claude Code Router"),
            ("\n { providers : [] }", "the JSON file of Claude Code Router"),
            ('{"a": 1}', "a JSON file"),
            (LITELLM, "the YAML file of LiteLLM"),
            ("litellm_settings:\n  drop_params: true\nmodel_list: []\n", "the YAML file of LiteLLM"),
            ("# ours\n; too\n[server]\nlisten = tcp:8080\n", None),
            ("listen = tcp:8080\nmodel_list:\n", None),
            ("", None),
            ("/* never closed", None),
        ],
    )
    def test_recognised(self, text: str, tool: str | None) -> None:
        """What stands first decides, comments and blank lines apart; an INI file is nobody else's."""
        assert other_tool(text) == tool

    @pytest.mark.parametrize("text", [ROUTER, "\ufeff" + ROUTER, LITELLM, LITELLM.replace("\n", "\r\n")])
    def test_one_mistake(self, text: str) -> None:
        """It is one mistake, not one per line, that says what there is to do and shows nothing of the content."""
        ini = read_ini(text)
        (problem,) = ini.problems
        assert str(problem).startswith("this is the ")
        assert "claude-bridge reads INI files" in str(problem)
        assert "later version" in str(problem)
        assert ini.sections == {}
