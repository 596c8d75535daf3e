"""Promises of the gate: who may come in, from the head alone."""

from __future__ import annotations

import pytest

from claude_bridge.config.secret import Secret, hash_of
from claude_bridge.core.errors import AuthenticationFailed, PermissionDenied
from claude_bridge.edge import gate
from claude_bridge.edge.gate import ClientIdentity, Gatekeeper
from tests.services.exchange.stage import ONE, configured

KEYS = ONE.replace("credentials = none", "credentials = keys") + (
    "[key:anna]\nsecret = anna-secret\n[key:bert]\nsecret = bert-secret\n"
)
NAMED = ONE.replace(
    "[server]",
    "[server]\nallowed_hosts =\n  Bridge.Example\n  [fd00::7]\nallowed_origins =\n  https://Desk.Example\n  http://x:3000",
)


def admitted(text: str, path: str = "/v1/messages", local: str = "127.0.0.1", **headers: str) -> ClientIdentity:
    """Admit a request with these headers; an underscore in a name is a hyphen."""
    named = {"host": "localhost"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Gatekeeper(configured(text)).admit(named, path, local)


class LearningTests:
    """What a client sends as its credential is known from the first moment on."""

    def test_each_credential(self) -> None:
        """Both headers are told, also of a request that is refused for its host."""
        learned: list[str] = []
        gatekeeper = Gatekeeper(configured(ONE), learned.append)
        headers = {"host": "localhost", "authorization": "Bearer one", "x-api-key": "two"}
        gatekeeper.admit(headers, "/", "127.0.0.1")
        with pytest.raises(PermissionDenied):
            gatekeeper.admit({**headers, "host": "elsewhere"}, "/", "127.0.0.1")
        assert learned == ["one", "two"] * 2


class HostTests:
    """DNS rebinding: a name that is not ours is refused."""

    @pytest.mark.parametrize(
        "host",
        [
            "localhost",
            "localhost:8080",
            "LocalHost:1",
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:8080",
            "[0:0:0:0:0:0:0:1]:8080",
            "bridge.example",
            "BRIDGE.EXAMPLE:443",
            "[fd00::7]:8080",
            "[FD00:0::7]",
        ],
    )
    def test_own_names(self, host: str) -> None:
        """Loopback and configured names pass, with any port, in any case and any spelling of an address."""
        assert admitted(NAMED, host=host) == ClientIdentity()

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "[::1].evil.example",
            "evil.example:80:localhost",
            "[::2]",
            "192.168.1.5",
            "",
            "@localhost",
        ],
    )
    def test_foreign_names(self, host: str) -> None:
        """Everything else is 403 and says where a name can be added."""
        with pytest.raises(PermissionDenied, match="allowed_hosts") as caught:
            admitted(NAMED, host=host)
        assert (caught.value.status, caught.value.should_retry) == (403, False)

    def test_no_host_at_all(self) -> None:
        """A request without Host is nobody's."""
        with pytest.raises(PermissionDenied):
            Gatekeeper(configured(ONE)).admit({}, "/", "127.0.0.1")

    @pytest.mark.parametrize(
        ("local", "host"),
        [
            ("192.168.1.5", "192.168.1.5:8080"),
            ("::ffff:192.168.1.5", "192.168.1.5:8080"),
            ("fe80::1%eth0", "[fe80::1]:8080"),
            ("fd00::9", "[FD00::9]"),
        ],
    )
    def test_address_that_was_connected_to(self, local: str, host: str) -> None:
        """The address on which a connection came in is a name of ours, however it is written."""
        assert admitted(ONE, local=local, host=host) == ClientIdentity()

    @pytest.mark.parametrize("path", ["/", "/api/hello", "/v1/models", "/nonsense", "/health/", "//health", "/Health"])
    def test_every_path_is_guarded(self, path: str) -> None:
        """Nothing but the health pages answers to a foreign name, however it is spelled."""
        with pytest.raises(PermissionDenied):
            admitted(ONE, path=path, host="evil.example")

    @pytest.mark.parametrize("path", ["/health", "/health/live"])
    @pytest.mark.parametrize("text", [ONE, KEYS])
    def test_balancers(self, path: str, text: str) -> None:
        """The health pages may be asked under any name, or none, as balancers do; they tell nothing."""
        admitted(text, path=path, host="10.1.2.3:8080", origin="https://evil.example", sec_fetch_site="cross-site")
        Gatekeeper(configured(text)).admit({}, path, "127.0.0.1")

    def test_haproxy(self) -> None:
        """Its bare check has no name either; nothing else is asked so."""
        gatekeeper = Gatekeeper(configured(KEYS))
        gatekeeper.admit({}, "/", "127.0.0.1", method="OPTIONS")
        for method, path in (("GET", "/"), ("OPTIONS", "/v1/messages"), ("OPTIONS", "/v1/models")):
            with pytest.raises(PermissionDenied):
                gatekeeper.admit({}, path, "127.0.0.1", method=method)


class OriginTests:
    """Web pages of others must not spend the owner's key."""

    @pytest.mark.parametrize("origin", ["https://desk.example", "HTTPS://DESK.example", "http://x:3000"])
    def test_allowed(self, origin: str) -> None:
        """A page that is named may call."""
        assert admitted(NAMED, origin=origin) == ClientIdentity()

    @pytest.mark.parametrize("origin", ["null", "", "https://evil.example", "http://localhost", "http://x", "*"])
    @pytest.mark.parametrize("text", [ONE, NAMED])
    def test_refused(self, text: str, origin: str) -> None:
        """Every other page is refused, a nameless one too, and one on this machine."""
        with pytest.raises(PermissionDenied, match="allowed_origins") as caught:
            admitted(text, origin=origin)
        assert caught.value.status == 403

    def test_images_and_scripts_of_pages(self) -> None:
        """What a page of another site includes, for which browsers send no origin, is refused as well."""
        with pytest.raises(PermissionDenied, match="allowed_origins"):
            admitted(NAMED, path="/v1/models", sec_fetch_site="cross-site")

    @pytest.mark.parametrize("site", ["none", "same-origin", "same-site", ""])
    def test_no_page_of_another_site(self, site: str) -> None:
        """What a person types into the address bar is answered, and what no browser sends."""
        assert admitted(NAMED, path="/v1/models", sec_fetch_site=site) == ClientIdentity()

    def test_allowed_page_of_another_site(self) -> None:
        """A page that is named is of another site, as a rule, and may call all the same."""
        assert admitted(NAMED, origin="https://desk.example", sec_fetch_site="cross-site") == ClientIdentity()


class CredentialTests:
    """Which credential a request brings."""

    @pytest.mark.parametrize(
        ("headers", "credential"),
        [
            ({}, None),
            ({"authorization": "Bearer mine"}, "mine"),
            ({"authorization": "bearer  mine "}, "mine"),
            ({"x_api_key": " mine "}, "mine"),
            ({"authorization": "Bearer mine", "x_api_key": "other"}, "mine"),
            ({"authorization": "Bearer ", "x_api_key": "other"}, "other"),
            ({"authorization": "Basic bWluZQ==", "x_api_key": "other"}, "other"),
            ({"authorization": "Basic bWluZQ=="}, None),
            ({"x_api_key": ""}, None),
        ],
    )
    def test_bearer_before_api_key(self, headers: dict[str, str], credential: str | None) -> None:
        """The bearer counts before x-api-key; what is empty or of another scheme is none."""
        assert admitted(ONE, **headers) == ClientIdentity(credential=None if credential is None else Secret(credential))

    def test_nothing_shows_it(self) -> None:
        """A client's representation, as a log would have it, does not hold its key."""
        assert "mine" not in repr(admitted(ONE, x_api_key="mine"))


class KeysTests:
    """`credentials = keys`: clients need one of the bridge's own."""

    @pytest.mark.parametrize(
        "headers",
        [
            {"authorization": "Bearer bert-secret"},
            {"x_api_key": "bert-secret"},
            {"authorization": "Bearer unknown", "x_api_key": "bert-secret"},
        ],
    )
    def test_known(self, headers: dict[str, str]) -> None:
        """A known key in either header passes and tells who asks, even beside another that is unknown."""
        assert admitted(KEYS, **headers) == ClientIdentity(credential=Secret("bert-secret"), name="bert")

    def test_bearer_decides_between_two_known(self) -> None:
        """Of two known keys the bearer's names the client."""
        assert admitted(KEYS, authorization="Bearer anna-secret", x_api_key="bert-secret").name == "anna"

    @pytest.mark.parametrize("headers", [{}, {"x_api_key": "wrong"}, {"authorization": "Bearer anna-secre"}])
    @pytest.mark.parametrize("path", ["/v1/messages", "/v1/models", "/%76%31/messages", "/v1%2Fmessages", "//v1/x"])
    def test_unknown(self, path: str, headers: dict[str, str]) -> None:
        """Without a known key nothing is served, however its path is spelled, and the text does not repeat the key."""
        with pytest.raises(AuthenticationFailed, match="ANTHROPIC_AUTH_TOKEN") as caught:
            admitted(KEYS, path=path, **headers)
        assert (caught.value.status, caught.value.should_retry) == (401, False)
        assert "anna" not in caught.value.message

    @pytest.mark.parametrize("path", ["/", "/api/hello", "/health", "/health/live"])
    def test_probes_need_none(self, path: str) -> None:
        """Health checks and the client's first probe ask for no key."""
        assert admitted(KEYS, path=path) == ClientIdentity()

    def test_hashes(self) -> None:
        """A key that is known by its hash passes beside those that are known themselves; the hash itself does not."""
        digest = hash_of("carls-key")
        text = KEYS + f"[key:carl]\nhash = {digest}\n"
        assert admitted(text, x_api_key="carls-key") == ClientIdentity(credential=Secret("carls-key"), name="carl")
        assert admitted(text, x_api_key="bert-secret").name == "bert"
        for wrong in (digest, digest.removeprefix("sha256:"), "Carls-key", ""):
            with pytest.raises(AuthenticationFailed):
                admitted(text, authorization=f"Bearer {wrong}")

    def test_one_hash_a_credential(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is sent is hashed once, however many hashes there are, and not at all where there are none."""
        hashed: list[str] = []

        def hashing(key: str) -> str:
            hashed.append(key)
            return hash_of(key)

        monkeypatch.setattr(gate, "hash_of", hashing)
        many = "".join(f"[key:c{number}]\nhash = {hash_of(str(number))}\n" for number in range(50))
        assert admitted(KEYS + many, authorization="Bearer 49", x_api_key="other").name == "c49"
        assert hashed == ["49", "other"]
        hashed.clear()
        assert admitted(KEYS, x_api_key="anna-secret").name == "anna"
        assert hashed == []

    def test_every_key_is_compared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The time tells nothing: each key is compared, by a comparison of constant time, also after a match."""
        compared: list[str] = []
        real = Secret.matches

        def matches(secret: Secret, candidate: str) -> bool:
            compared.append(secret.reveal())
            return real(secret, candidate)

        monkeypatch.setattr(Secret, "matches", matches)
        keeper = Gatekeeper(configured(KEYS))
        for candidate in ("anna-secret", "bert-secret"):
            compared.clear()
            keeper.admit({"host": "localhost", "x-api-key": candidate}, "/v1/messages", "127.0.0.1")
            assert compared == ["anna-secret", "bert-secret"]
