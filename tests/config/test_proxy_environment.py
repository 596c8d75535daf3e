"""``proxy = env``: which variable counts for which backend."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from claude_bridge.config.dump import dump
from claude_bridge.config.proxy import ProxySetting
from claude_bridge.config.proxy_environment import is_exempt
from tests.config.files import config_of, mistakes

HTTPS, HTTP = "https://llm.example.com/v1", "http://llm.example.com/v1"
EVERY = {
    name: f"http://{name.lower()}.{'upper' if name.isupper() else 'lower'}:1"
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
}


def setting(url: str, environ: Mapping[str, str]) -> ProxySetting:
    """Return what `env` comes to."""
    return config_of(f"[backend:b]\nurl = {url}\nproxy = env\n", environ).backends["b"].proxy


def chosen(url: str, environ: Mapping[str, str]) -> str:
    """Return the variable that counts; empty for none."""
    found = setting(url, environ)
    return found.why if found.server is not None else ""


class VariableTests:
    """Which variable counts."""

    @pytest.mark.parametrize(
        ("url", "order"),
        [
            (HTTPS, ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            (HTTP, ["http_proxy", "all_proxy", "ALL_PROXY"]),
        ],
    )
    def test_order(self, url: str, order: list[str]) -> None:
        """The scheme of the url decides; lower case comes first, and the variable for all comes last."""
        environ = dict(EVERY)
        for variable in order:
            assert chosen(url, environ) == variable
            assert f"# env is {environ[variable]} here: {variable}\n" in dump(
                config_of(f"[backend:b]\nurl = {url}\nproxy = env\n", environ)
            )
            del environ[variable]
        assert chosen(url, environ) == ""

    def test_upper_case_http(self) -> None:
        """HTTP_PROXY does not count, as in curl: behind a web server it is a header of a stranger's."""
        assert setting(HTTP, {"HTTP_PROXY": "http://proxy:1"}).why == "no variable names one"

    def test_set_to_nothing(self) -> None:
        """A variable that is set to nothing counts as not set."""
        assert chosen(HTTPS, {"https_proxy": " ", "HTTPS_PROXY": "http://proxy:1"}) == "HTTPS_PROXY"

    @pytest.mark.parametrize("text", ["http://me:pass-9f8e@proxy:3128", "me:pass-9f8e@proxy:3128"])
    def test_without_a_scheme(self, text: str) -> None:
        """As elsewhere a variable may leave the scheme out."""
        found = setting(HTTPS, {"HTTPS_PROXY": text})
        assert found.server is not None
        assert str(found.server) == "http://me:***@proxy:3128"
        assert found.server.password is not None
        assert found.server.password.reveal() == "pass-9f8e"

    def test_not_asked_for(self) -> None:
        """Without `env` nothing of the environment counts, be it wrong."""
        environ = {**EVERY, "https_proxy": "socks5://proxy:1"}
        for lines in ("", "proxy = none\n"):
            assert config_of(f"[backend:b]\nurl = {HTTPS}\n{lines}", environ).backends["b"].proxy == ProxySetting()
        assert config_of("", {"BACKEND_URL": HTTPS, **environ}).backends["default"].proxy == ProxySetting()
        written = config_of(f"[backend:b]\nurl = {HTTPS}\nproxy = http://mine:2\n", {**environ, "no_proxy": "*"})
        assert str(written.backends["b"].proxy) == "http://mine:2"

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "gpu.localhost"])
    def test_this_machine(self, host: str) -> None:
        """A backend on this machine is asked directly, unless a proxy is written out for it."""
        found = setting(f"http://{host}/v1", EVERY)
        assert (found.server, found.why) == (None, "the backend is on this machine")
        written = config_of(f"[backend:b]\nurl = http://{host}/v1\nproxy = http://mine:2\n").backends["b"]
        assert written.proxy.server is not None

    def test_mistakes(self) -> None:
        """A variable that cannot be used is named once, and not quoted; one that nobody asks for is not looked at."""
        text = f"[backend:b]\nurl = {HTTPS}\nproxy = env\n[backend:c]\nurl = {HTTPS}\nproxy = env\n"
        (told,) = mistakes(text, {"ALL_PROXY": "socks5://me:hidden@proxy:1080"})
        assert told == (
            "[environment] ALL_PROXY: is an unsupported kind of proxy (TLS, SOCKS): only http:// is supported, for "
            "HTTPS backends too; it counts where a backend has proxy = env"
        )
        assert mistakes(text, {"HTTPS_PROXY": "http://proxy:1", "ALL_PROXY": "socks5://proxy:1080"}) == []

    def test_shown_where_there_is_none(self) -> None:
        """A dump says why there is no proxy."""
        text = f"[backend:b]\nurl = {HTTPS}\nproxy = env\n"
        assert "proxy = env\n# env is none here: no variable names one\n" in dump(config_of(text))
        environ = {**EVERY, "NO_PROXY": "example.com"}
        assert "proxy = env\n# env is none here: NO_PROXY\n" in dump(config_of(text, environ))

    def test_no_proxy(self) -> None:
        """The lower case of no_proxy comes first too, and a port that the url leaves out is its scheme's."""
        assert chosen(HTTPS, {**EVERY, "no_proxy": "other.example", "NO_PROXY": "*"}) == "https_proxy"
        assert chosen(HTTPS, {**EVERY, "no_proxy": "llm.example.com:443"}) == ""
        assert chosen(HTTP, {**EVERY, "no_proxy": "llm.example.com:443"}) == "http_proxy"
        assert chosen("https://LLM.Example.com./v1", {**EVERY, "no_proxy": "llm.example.com"}) == ""


class ExemptionTests:
    """Whom no_proxy is for."""

    @pytest.mark.parametrize(
        ("exemptions", "host"),
        [
            ("*", "llm.example.com"),
            ("example.com", "example.com"),
            ("example.com", "llm.example.com"),
            (".example.com", "llm.example.com"),
            (".example.com", "example.com"),
            ("*.example.com", "llm.example.com"),
            ("EXAMPLE.com.", "llm.example.com"),
            ("other.example, example.com", "example.com"),
            ("other.example example.com", "example.com"),
            ("example.com:8000", "llm.example.com"),
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3:8000", "10.1.2.3"),
            ("10.0.0.0/8", "10.1.2.3"),
            ("10.1.2.3/8", "10.9.9.9"),
            ("fd00::1", "fd00::1"),
            ("FD00:0::1", "fd00::1"),
            ("[fd00::1]", "fd00::1"),
            ("[fd00::1]:8000", "fd00::1"),
            ("fd00::/8", "fd00::1"),
        ],
    )
    def test_exempt(self, exemptions: str, host: str) -> None:
        """Names with all below them, addresses, networks, all of them with the right port if there is one."""
        assert is_exempt(host, 8000, exemptions)

    @pytest.mark.parametrize(
        ("exemptions", "host"),
        [
            ("", "example.com"),
            (" , ", "example.com"),
            (".", "example.com"),
            ("ample.com", "example.com"),
            ("llm.example.com", "example.com"),
            ("example.com.other", "example.com"),
            ("example.com:443", "example.com"),
            ("10.1.2.3:443", "10.1.2.3"),
            ("10.1.2.33", "10.1.2.3"),
            ("0.0.1", "10.0.0.1"),
            ("11.0.0.0/8", "10.1.2.3"),
            ("10.0.0.0/99", "10.1.2.3"),
            ("10.0.0.0/8", "ten.example"),
            ("10.0.0.0/8", "fd00::1"),
            ("[fd00::1]:443", "fd00::1"),
            ("fd00::/8", "fe00::1"),
            ("fd00::/x", "fd00::1"),
        ],
    )
    def test_not_exempt(self, exemptions: str, host: str) -> None:
        """Half a name is another name, and what cannot be understood exempts nobody."""
        assert not is_exempt(host, 8000, exemptions)
