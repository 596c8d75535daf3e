"""The settings of the router itself."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.importers.draft import ImportedConfiguration
from claude_bridge.importers.text import Text
from tests.importers.claude_code_router.asking import BOX, draft_of, lost, told, with_box

KEY = "invented-key-of-clients"
FAR = {**BOX, "name": "far", "api_base_url": "https://far.example/v1"}


def listening(**settings: Any) -> tuple[object, str]:
    """Return where the bridge listens with ``--keep-port``, and whom it asks for a key."""
    draft = draft_of({"Providers": [BOX], **settings}, keep_port=True)
    (listen,) = draft.server.listen
    return str(listen).removesuffix(":backlog=1024"), draft.server.credentials


class AddressTests:
    """Where it listens."""

    @pytest.mark.parametrize(
        ("settings", "found"),
        [
            ({}, ("tcp:3456:interface=127.0.0.1", "none")),
            ({"PORT": "4000", "HOST": "localhost"}, ("tcp:4000:interface=127.0.0.1", "none")),
            ({"HOST": "0.0.0.0"}, ("tcp:3456:interface=127.0.0.1", "none")),
            ({"HOST": "0.0.0.0", "APIKEY": KEY}, ("tcp:3456:interface=0.0.0.0", "keys")),
            ({"HOST": "::1"}, (r"tcp:3456:interface=\:\:1", "none")),
            ({"gateway": {"host": "127.0.0.1", "port": 5000}}, ("tcp:5000:interface=127.0.0.1", "none")),
        ],
    )
    def test_kept(self, settings: dict[str, Any], found: tuple[str, str]) -> None:
        """Other machines are served only where clients need a key, as before."""
        assert listening(**settings) == found

    def test_own(self) -> None:
        """Unless it is asked for, the bridge listens where it always does, and that is said."""
        draft = with_box(PORT=4000)
        assert draft.server.listen == ()
        assert "with --keep-port it takes http://127.0.0.1:4000" in told(draft, "HOST, PORT").meaning

    def test_usual_port(self) -> None:
        """Where the old program listens where the bridge does anyway, nothing is different."""
        assert not [each for each in with_box(PORT=8080).findings if each.path == "HOST, PORT"]

    @pytest.mark.parametrize(
        ("settings", "place"), [({"PORT": "many"}, "PORT"), ({"PORT": 70_000}, "PORT"), ({"HOST": "a b"}, "HOST")]
    )
    def test_wrong(self, settings: dict[str, Any], place: str) -> None:
        """What is no port or address is reported."""
        assert lost(with_box(**settings)) == [place]


class KeyTests:
    """Clients' keys."""

    def test_several(self) -> None:
        """Those of version 3 keep their names and limits, and one key counts once."""
        keys = [{"key": KEY, "name": "Alice Ü", "limits": {"rpm": 5}}, {"key": "$BOB", "id": "bob"}, {"key": ""}, "x"]
        draft = with_box(APIKEYS=keys, APIKEY=KEY)
        assert [(each.name, each.rpm) for each in draft.keys] == [("Alice-U", 5), ("bob", None)]

    def test_name_of_forwarded_credentials(self) -> None:
        """A key that is called as clients without one are in the accounts gets another name, its budgets too."""
        keys = [{"key": KEY, "name": "client", "limits": {"tph": 5}}, {"key": "$BOB", "name": "client-key"}]
        draft = with_box(APIKEYS=keys)
        assert [each.name for each in draft.keys] == ["client-key", "client-key-2"]
        assert [each.whom for each in draft.budgets] == ["key client-key"]

    def test_end(self) -> None:
        """A day on which a key ends is reported, and so are limits that the bridge does not have."""
        keys = [{"key": KEY, "limits": {"rpd": 5, "tph": 0}, "expiresAt": "2027-01-01"}]
        assert lost(with_box(APIKEYS=keys)) == ["APIKEYS[0].limits.rpd", "APIKEYS[0].expiresAt"]

    def test_longer_times(self) -> None:
        """A limit on the tokens of an hour or a day is a budget of the key."""
        budgets = with_box(APIKEYS=[{"key": KEY, "id": "a", "limits": {"tph": 5, "tpd": "60"}}]).budgets
        assert [(each.name, each.whom, each.tokens, each.per) for each in budgets] == [
            ("a-hour", "key a", 5, "hour"),
            ("a-day", "key a", 60, "day"),
        ]


def proxies(draft: ImportedConfiguration) -> list[str | None]:
    """Return the proxy of each backend."""
    return [each.proxy.ini(with_secrets=True) if isinstance(each.proxy, Text) else None for each in draft.backends]


class ProxyTests:
    """The proxy of all providers."""

    @pytest.mark.parametrize("name", ["PROXY_URL", "HTTPS_PROXY", "https_proxy", "httpsProxy"])
    def test_spellings(self, name: str) -> None:
        """All spellings are read; a backend on this machine needs no proxy."""
        draft = draft_of({"Providers": [BOX, FAR], name: "http://127.0.0.1:7890"})
        assert proxies(draft) == [None, "http://127.0.0.1:7890"]
        assert not lost(draft)

    @pytest.mark.parametrize(
        ("written", "proxy"), [("127.0.0.1:7890", "http://127.0.0.1:7890"), ("$P", "${P}"), ("", None)]
    )
    def test_forms(self, written: str, proxy: str | None) -> None:
        """It may lack its scheme, or be in a variable."""
        assert proxies(draft_of({"Providers": [FAR], "PROXY_URL": written})) == [proxy]

    @pytest.mark.parametrize("written", ["socks5://127.0.0.1:1080", "https://me:invented@proxy:3128", "http://"])
    def test_unsupported(self, written: str) -> None:
        """A kind that the bridge does not have is reported, and its password is not shown."""
        draft = draft_of({"Providers": [FAR], "PROXY_URL": written})
        assert (proxies(draft), lost(draft)) == ([None], ["PROXY_URL"])
        assert "invented" not in repr(draft.findings)


class OtherTests:
    """Everything else."""

    @pytest.mark.parametrize(("written", "seconds"), [(60_000, 60.0), ("1500", 1.5), ("", None), (0, None)])
    def test_time_limit(self, written: object, seconds: float | None) -> None:
        """It is in milliseconds, and may be a text."""
        draft = with_box(API_TIMEOUT_MS=written)
        assert [each.first_byte_timeout for each in draft.backends] == [seconds]
        assert not lost(draft)

    @pytest.mark.parametrize("written", ["soon", -5, 10**12])
    def test_no_time_limit(self, written: object) -> None:
        """What is no time is reported."""
        assert lost(with_box(API_TIMEOUT_MS=written)) == ["API_TIMEOUT_MS"]

    @pytest.mark.parametrize(("written", "level"), [("debug", "debug"), ("TRACE", "debug"), ("fatal", "error")])
    def test_log(self, written: str, level: str) -> None:
        """Levels are those of the bridge."""
        log = with_box(LOG_LEVEL=written).log
        assert log is not None
        assert log.level == level
        assert lost(with_box(LOG_LEVEL="loud")) == ["LOG_LEVEL"]

    @pytest.mark.parametrize(
        "settings",
        [
            {"StatusLine": {"enabled": False, "modules": [1]}},
            {"StatusLine": {"enabled": True}},
            {"CUSTOM_ROUTER_PATH": ""},
            {"transformers": []},
            {"agent": {"mcpServers": []}},
            {"NON_INTERACTIVE_MODE": True},
            {"LOG": "true"},
            {"theme": "dark"},
            {"GEMINI_API_KEY": "${GEMINI_API_KEY}"},
        ],
    )
    def test_nothing_lost(self, settings: dict[str, Any]) -> None:
        """What is off, empty or not needed is not lost."""
        assert not lost(with_box(**settings))

    @pytest.mark.parametrize(
        ("settings", "place"),
        [
            ({"REWRITE_SYSTEM_PROMPT": "x.txt"}, "REWRITE_SYSTEM_PROMPT"),
            ({"CUSTOM_ROUTER_PATH": "x.js"}, "CUSTOM_ROUTER_PATH"),
            ({"transformers": [{"path": "x.js", "options": {"token": "invented"}}]}, "transformers[0]"),
            ({"MY_API_KEY": "sk-invented"}, "MY_API_KEY"),
            ({"anything": {"x": "invented"}}, "anything"),
            ({"plugins": [{"name": "token-speed"}]}, "plugins"),
        ],
    )
    def test_lost(self, settings: dict[str, Any], place: str) -> None:
        """What has no counterpart is reported by its place, without its value."""
        draft = with_box(**settings)
        assert lost(draft) == [place]
        assert "invented" not in repr(draft.findings)
