"""Files of other tools are recognised, and called by their tool's name."""

from __future__ import annotations

import pytest

from claude_bridge.config.foreign_files import Foreign, foreign_file
from claude_bridge.config.ini import read_ini

ROUTER = '// mine\n/* old\n */\n{\n  "LOG": true,\n  "Providers": [{"name": "box", "api_key": "sk-of-mine"}]\n}\n'
LITELLM = "# models\n---\n\nmodel_list:\n  - model_name: glm\n    litellm_params:\n      api_key: sk-of-mine\n"


class ForeignFileTests:
    """Whose file it is."""

    @pytest.mark.parametrize(
        ("text", "whose"),
        [
            (ROUTER, Foreign.CLAUDE_CODE_ROUTER),
            ("\n { providers : [] }", Foreign.CLAUDE_CODE_ROUTER),
            ('{"Router": {"default": "a,b"}}', Foreign.CLAUDE_CODE_ROUTER),
            ("{'Providers':[{name:'model_list: of mine'}]}", Foreign.CLAUDE_CODE_ROUTER),
            ('{"a": 1}', Foreign.JSON),
            ('{"provider": "Providers: none"}', Foreign.JSON),
            (LITELLM, Foreign.LITELLM),
            ("litellm_settings:\n  drop_params: true\nmodel_list: []\n", Foreign.LITELLM),
            ("environment_variables:\n  A: b\nmodel_list: []\n", Foreign.LITELLM),
            ("{model_list: [{model_name: glm}]}", Foreign.LITELLM),
            ('%YAML 1.1\n---\nx-mine: 1\n"model_list":\n  - model_name: glm\n', Foreign.LITELLM),
            ("# ours\n; too\n[server]\nlisten = tcp:8080\n", None),
            ("listen = tcp:8080\nmodel_list:\n", None),
            ("a: 1\nb: 2\n", None),
            ("", None),
            ("/* never closed", None),
        ],
    )
    def test_recognised(self, text: str, whose: Foreign | None) -> None:
        """What stands first decides, comments and blank lines apart; an INI file is nobody else's."""
        assert foreign_file(text) is whose

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            (ROUTER, "this is a Claude Code Router file: `claude-bridge import FILE` makes an INI file from it"),
            ("\ufeff" + ROUTER, "this is a Claude Code Router file: `claude-bridge import FILE` makes"),
            (LITELLM.replace("\n", "\r\n"), "this is a LiteLLM file: `claude-bridge import FILE` makes"),
            ('{"key": "sk-of-mine"}', "this is a JSON file: claude-bridge reads INI files"),
        ],
    )
    def test_one_mistake(self, text: str, told: str) -> None:
        """It is one mistake, not one per line, that says what there is to do and shows nothing of the content."""
        ini = read_ini(text)
        (problem,) = ini.problems
        assert str(problem).startswith(told)
        assert "sk-of-mine" not in str(problem)
        assert ini.sections == {}
