"""The names of commands that several modules need, and what other programs call these commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LAUNCH: Final = "launch"
EXPLAIN: Final = "routes explain"
PRICES: Final = "usage prices"
NEW_KEY: Final = "key new"

TWO_WORDS: Final = (EXPLAIN, PRICES, NEW_KEY)
"""The commands of two words."""

OTHER_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("serve", "server", "daemon", "up"), "run"),
    **dict.fromkeys(("start", "code", "claude"), "launch"),
    **dict.fromkeys(("check", "validate", "test", "configtest", "lint"), "check-config"),
    **dict.fromkeys(("dump", "show", "config", "show-config", "print-config"), "dump-config"),
    **dict.fromkeys(("settings", "environment"), "env"),
    **dict.fromkeys(("configure", "install", "persist"), "setup"),
    **dict.fromkeys(("unconfigure", "uninstall", "restore"), "undo"),
    **dict.fromkeys(("route", "router", "routing", "table"), "routes"),
    **dict.fromkeys(("explain", "why"), "routes explain"),
    **dict.fromkeys(("prices", "price", "pricing"), "usage prices"),
    **dict.fromkeys(("keys", "token", "add-key", "new-key"), "key new"),
    **dict.fromkeys(("new", "wizard", "bootstrap"), "init"),
    **dict.fromkeys(("migrate", "convert"), "import"),
    **dict.fromkeys(("refresh", "reread", "hup"), "reload"),
    **dict.fromkeys(("accounts", "cost", "costs", "spend", "stats", "ledger"), "usage"),
    **dict.fromkeys(("status-line", "status_line", "statusLine"), "statusline"),
    **dict.fromkeys(("diagnose", "probe", "checkup", "health"), "doctor"),
}
"""Names that other programs have for these commands."""
