"""The value of ``proxy``."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.config.proxy import ProxyServer, ProxySetting, proxy
from claude_bridge.config.secret import Secret

PASSWORD = "p@ss/word-9f8e"
LOGIN = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=20)


def server(text: str) -> ProxyServer:
    """Return the server of a URL."""
    found = proxy(text).server
    assert found is not None
    return found


class ProxyTests:
    """What may be said."""

    def test_words(self) -> None:
        """`none` is no proxy, and `env` leaves it to the environment."""
        assert proxy("none") == ProxySetting()
        assert proxy("env") == ProxySetting(by_environment=True)

    @pytest.mark.parametrize(
        ("text", "host", "port"),
        [
            ("http://proxy.corp.example:3128", "proxy.corp.example", 3128),
            ("http://10.0.0.1:8080/", "10.0.0.1", 8080),
            ("http://[fd00::1]:3128", "fd00::1", 3128),
            ("HTTP://Proxy:3128", "proxy", 3128),
            ("http://proxy", "proxy", 80),
        ],
    )
    def test_address(self, text: str, host: str, port: int) -> None:
        """A proxy is a host and a port, 80 where none is named."""
        assert server(text) == ProxyServer(host, port)
        assert not server(text).has_login

    @pytest.mark.parametrize(
        ("login", "user", "password"),
        [
            ("me:pass-word", "me", "pass-word"),
            ("me:p%40ss%2Fword%3A%25", "me", "p@ss/word:%"),
            ("me:p@ss:word", "me", "p@ss:word"),
            ("me:100%", "me", "100%"),
            ("%C3%A9ric:gr%C3%BCn", "éric", "grün"),
            ("me", "me", None),
            ("me:", "me", None),
            (":token-9f8e", "", "token-9f8e"),
        ],
    )
    def test_login(self, login: str, user: str, password: str | None) -> None:
        """User and password are percent-encoded where they have to be, and only the first colon divides them."""
        found = server(f"http://{login}@proxy:3128")
        assert found == ProxyServer("proxy", 3128, user, None if password is None else Secret(password))
        assert found.has_login

    @given(LOGIN.filter(lambda user: ":" not in user), LOGIN.filter(lambda word: word != "***"))
    def test_any_login(self, user: str, password: str) -> None:
        """Whatever is encoded arrives."""
        found = server(f"http://{quote(user, safe='')}:{quote(password, safe='')}@proxy:3128")
        assert found == ProxyServer("proxy", 3128, user, Secret(password))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "must be none, env or http://"),
            ("yes", "must be none, env or http://"),
            ("proxy:3128", "must be none, env or http://"),
            ("None", "must be none, env or http://"),
            ("http://", "must be http://"),
            ("http://proxy:3128/path", "must be http://"),
            ("http://proxy:3128?x", "must be http://"),
            ("http://proxy:port", "must be http://"),
            ("http://me:a/b@proxy:3128", "with /, .* in the password as %2F"),
            ("http://me:a#b@proxy:3128", "with /, .* in the password as %2F"),
            ("http://prøxy:3128", "must be http://"),
            ("http://proxy:0", "the port must be from 1 to 65,535"),
            ("http://proxy:65536", "the port must be from 1 to 65,535"),
            ("https://proxy:3128", r"unsupported kind of proxy \(TLS, SOCKS\): only http://"),
            ("socks5://proxy:1080", r"unsupported kind of proxy \(TLS, SOCKS\): only http://"),
            ("SOCKS5H://me:hidden@proxy:1080", r"unsupported kind of proxy \(TLS, SOCKS\): only http://"),
            ("http://me:***@proxy:3128", r"the password is \*\*\*, as a dump shows it: put it back"),
            ("http://a%3Ab:hidden@proxy:3128", "must not contain a colon"),
            ("http://me:%FF%FE@proxy:3128", "must be UTF-8"),
            ("http://me:a%0D%0Ab@proxy:3128", "must not contain a control character"),
        ],
    )
    def test_mistakes(self, text: str, message: str) -> None:
        """What cannot be used is refused with what would be right, and nothing of it is quoted."""
        with pytest.raises(ValueError, match=message) as raised:
            proxy(text)
        assert len(raised.value.args) == 1
        assert "hidden" not in str(raised.value)


class ShownTests:
    """What is shown of it."""

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("none", "none"),
            ("env", "env"),
            ("http://Proxy", "http://proxy:80"),
            ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
            ("http://m%40e:p%40ss@proxy:3128", "http://m%40e:***@proxy:3128"),
            ("http://me@proxy:3128", "http://me@proxy:3128"),
            ("http://:p%40ss@proxy:3128", "http://:***@proxy:3128"),
        ],
    )
    def test_text(self, text: str, shown: str) -> None:
        """It is shown as a file has it, with stars for the password."""
        assert str(proxy(text)) == shown

    def test_password(self) -> None:
        """No text of it has the password, in no spelling."""
        found = proxy(f"http://me:{quote(PASSWORD, safe='')}@proxy:3128")
        for shown in (str(found), repr(found), str(found.server), repr(found.server), f"{found.server}"):
            assert "word-9f8e" not in shown
        assert found.server is not None
        assert found.server.password is not None
        assert found.server.password.reveal() == PASSWORD
